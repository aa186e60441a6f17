/* SPDX-License-Identifier: MIT */
/*
 * The clients: bulk transfers over several connections, and small exchanges one after another.
 * Every wait is bounded by SILENCE_S.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#define SILENCE_S     5
#define EXCHANGES_MAX 4000000U

static uint8_t chunk[LOAD_CHUNK_BYTES];

static uint64_t after_ns(double seconds)
{
    return load_now_ns() + (uint64_t)(seconds * 1e9);
}

/* A connected, blocking socket, or -1. */
static int connect_one(const struct load_options *options)
{
    struct timeval silence = {.tv_sec = SILENCE_S};
    int fd = load_socket(options);

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    if (connect(fd, (const struct sockaddr *)&options->address, options->address_bytes) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- bulk ----------------------------------------------------------------------------------- */

static void open_streams(const struct load_options *options, enum load_kind kind, int epoll,
                         int *fds)
{
    uint8_t first = (uint8_t)kind;

    for (unsigned i = 0; i < options->streams; i++) {
        struct epoll_event event = {.events = kind == LOAD_SINK ? EPOLLOUT : EPOLLIN};

        fds[i] = connect_one(options);
        if (fds[i] < 0 || send(fds[i], &first, 1, 0) != 1) {
            load_die("connect");
        }
        load_abortive(fds[i]);
        event.data.fd = fds[i];
        if (fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) != 0) {
            load_die("epoll_ctl");
        }
    }
}

/* Bytes moved; the program ends if the connection did. */
static uint64_t move(int fd, enum load_kind kind)
{
    ssize_t moved =
        kind == LOAD_SINK ? send(fd, chunk, sizeof chunk, 0) : recv(fd, chunk, sizeof chunk, 0);

    if (moved < 0 && errno == EAGAIN) {
        return 0;
    }
    if (moved <= 0) {
        if (moved == 0) {
            errno = ECONNRESET;
        }
        load_die("a stream ended");
    }
    return (uint64_t)moved;
}

int load_bulk(const struct load_options *options, enum load_kind kind)
{
    struct epoll_event events[LOAD_STREAMS_MAX];
    int fds[LOAD_STREAMS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t end_ns = after_ns(options->seconds);
    uint64_t bytes = 0;

    if (epoll < 0) {
        load_die("epoll_create1");
    }
    open_streams(options, kind, epoll, fds);
    while (load_now_ns() < end_ns) {
        int count = epoll_wait(epoll, events, LOAD_STREAMS_MAX, 100);

        for (int i = 0; i < count; i++) {
            uint64_t moved = move(events[i].data.fd, kind);

            bytes += moved;
            if (kind == LOAD_SOURCE) {
                __atomic_fetch_add(&options->counter->bytes, moved, __ATOMIC_RELAXED);
            }
        }
    }
    for (unsigned i = 0; i < options->streams; i++) {
        close(fds[i]);
    }
    printf("{\"bytes\": %llu}\n", (unsigned long long)bytes);
    return 0;
}

/* ---- small exchanges ------------------------------------------------------------------------ */

struct exchanges {
    uint32_t *ns; /* of each that counts, EXCHANGES_MAX at most */
    uint32_t count;
    uint32_t failed;
    uint64_t from_ns; /* the first that counts began here */
    uint64_t total;   /* those of the warm-up too */
};

static bool exchange_byte(int fd, uint8_t byte)
{
    uint8_t answer = 0;

    return send(fd, &byte, 1, 0) == 1 && recv(fd, &answer, 1, 0) == 1 && answer == byte;
}

static bool exchange_once(const struct load_options *options)
{
    uint8_t rest;
    int fd = connect_one(options);
    bool good;

    if (fd < 0) {
        return false;
    }
    good = exchange_byte(fd, LOAD_ONCE) && recv(fd, &rest, 1, 0) == 0;
    close(fd);
    return good;
}

static void note(struct exchanges *exchanges, bool good, uint64_t begin_ns, uint64_t end_ns)
{
    if (!good) {
        exchanges->failed++;
        return;
    }
    exchanges->total++;
    if (begin_ns >= exchanges->from_ns && exchanges->count < EXCHANGES_MAX) {
        exchanges->ns[exchanges->count++] = (uint32_t)(end_ns - begin_ns);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(struct exchanges *exchanges, double seconds)
{
    uint32_t count = exchanges->count;
    uint32_t p50 = 0;
    uint32_t p99 = 0;

    if (count > 0) {
        qsort(exchanges->ns, count, sizeof exchanges->ns[0], compare);
        p50 = exchanges->ns[count / 2];
        p99 = exchanges->ns[(uint64_t)count * 99 / 100];
    }
    printf("{\"per_second\": %.1f, \"p50_ns\": %u, \"p99_ns\": %u, \"failed\": %u, "
           "\"total\": %llu}\n",
           count / seconds, p50, p99, exchanges->failed, (unsigned long long)exchanges->total);
}

int load_exchange(const struct load_options *options, enum load_kind kind)
{
    struct exchanges exchanges = {.ns = malloc(EXCHANGES_MAX * sizeof(uint32_t))};
    uint64_t begin_ns = load_now_ns();
    uint64_t end_ns = after_ns(options->seconds);
    int fd = -1;

    if (exchanges.ns == NULL) {
        load_die("malloc");
    }
    exchanges.from_ns = after_ns(options->warmup_seconds);
    if (kind == LOAD_ECHO) {
        fd = connect_one(options);
        if (fd < 0) {
            load_die("connect");
        }
    }
    while (begin_ns < end_ns && exchanges.failed < 3) {
        bool good = kind == LOAD_ECHO ? exchange_byte(fd, LOAD_ECHO) : exchange_once(options);
        uint64_t now_ns = load_now_ns();

        note(&exchanges, good, begin_ns, now_ns);
        begin_ns = now_ns;
    }
    if (begin_ns > exchanges.from_ns) {
        report(&exchanges, (double)(begin_ns - exchanges.from_ns) / 1e9);
    }
    return 0;
}
