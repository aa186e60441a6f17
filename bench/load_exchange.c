/* SPDX-License-Identifier: MIT */
/*
 * The clients of small exchanges: one byte back and forth on an open connection (LOAD_ECHO), or a
 * connection for each (LOAD_ONCE); one after another, or several at once. An exchange that takes
 * longer than LOAD_SILENCE_S is stuck, and counts as failed.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EXCHANGES_MAX 4000000U
#define FAILED_MAX    100U
#define WAIT_MS       100
#define SILENCE_NS    (LOAD_SILENCE_S * (uint64_t)1000000000U)

struct exchanges {
    const struct load_options *options;
    enum load_kind kind;
    uint32_t *ns; /* of each that counts, EXCHANGES_MAX at most */
    uint32_t count;
    uint32_t failed;
    uint64_t from_ns; /* the first that counts began here */
    uint64_t end_ns;  /* none begins after this */
    uint64_t total;   /* those of the warm-up too */
};

static void note(struct exchanges *exchanges, bool good, uint64_t begin_ns)
{
    uint64_t now_ns = load_now_ns();

    if (!good) {
        exchanges->failed++;
        return;
    }
    exchanges->total++;
    if (begin_ns >= exchanges->from_ns && exchanges->count < EXCHANGES_MAX) {
        exchanges->ns[exchanges->count++] = (uint32_t)(now_ns - begin_ns);
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

/* ---- One after another: plain blocking calls, as most programs make them -------------------- */

static bool exchange_byte(int fd, uint8_t byte)
{
    uint8_t answer = 0;

    return send(fd, &byte, 1, 0) == 1 && recv(fd, &answer, 1, 0) == 1 && answer == byte;
}

static bool exchange_once(const struct load_options *options)
{
    uint8_t rest;
    int fd = load_connect(options);
    bool good;

    if (fd < 0) {
        return false;
    }
    good = exchange_byte(fd, LOAD_ONCE) && recv(fd, &rest, 1, 0) == 0;
    close(fd);
    return good;
}

static void one_by_one(struct exchanges *exchanges)
{
    uint64_t begin_ns = load_now_ns();
    int fd = -1;

    if (exchanges->kind == LOAD_ECHO) {
        fd = load_connect(exchanges->options);
        if (fd < 0) {
            load_die("connect");
        }
    }
    while (begin_ns < exchanges->end_ns && exchanges->failed < 3) {
        note(exchanges,
             exchanges->kind == LOAD_ECHO ? exchange_byte(fd, LOAD_ECHO)
                                          : exchange_once(exchanges->options),
             begin_ns);
        begin_ns = load_now_ns();
    }
}

/* ---- Several at once ------------------------------------------------------------------------ */

struct talk {
    int fd; /* -1: none is under way */
    bool has_answer;
    uint64_t begin_ns;
};

struct crowd {
    struct exchanges *exchanges;
    int epoll;
    uint32_t open; /* under way */
    struct talk talks[LOAD_STREAMS_MAX];
};

static void watch(struct crowd *crowd, struct talk *talk, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = talk};

    if (epoll_ctl(crowd->epoll, how, talk->fd, &event) != 0) {
        load_die("epoll_ctl");
    }
}

static bool send_byte(const struct crowd *crowd, const struct talk *talk)
{
    uint8_t byte = (uint8_t)crowd->exchanges->kind;

    return send(talk->fd, &byte, 1, MSG_DONTWAIT) == 1;
}

static void end(struct crowd *crowd, struct talk *talk, bool good)
{
    note(crowd->exchanges, good, talk->begin_ns);
    close(talk->fd);
    talk->fd = -1;
    crowd->open--;
}

/* Another connection for TALK, if it is not too late for one. */
static void begin(struct crowd *crowd, struct talk *talk)
{
    const struct exchanges *exchanges = crowd->exchanges;
    const struct load_options *options = exchanges->options;

    talk->begin_ns = load_now_ns();
    talk->has_answer = false;
    if (talk->begin_ns >= exchanges->end_ns || exchanges->failed >= FAILED_MAX) {
        return;
    }
    talk->fd = load_socket(options);
    crowd->open++;
    if (fcntl(talk->fd, F_SETFL, O_NONBLOCK) != 0) {
        load_die("O_NONBLOCK");
    }
    if (connect(talk->fd, (const struct sockaddr *)&options->address, options->address_bytes) !=
            0 &&
        errno != EINPROGRESS) {
        end(crowd, talk, false);
        return;
    }
    watch(crowd, talk, EPOLL_CTL_ADD, EPOLLOUT);
}

/* An answer on a connection that stays open: the next exchange begins at once. */
static void on_echo(struct crowd *crowd, struct talk *talk)
{
    note(crowd->exchanges, true, talk->begin_ns);
    talk->begin_ns = load_now_ns();
    if (talk->begin_ns >= crowd->exchanges->end_ns) {
        close(talk->fd);
        talk->fd = -1;
        crowd->open--;
    } else if (!send_byte(crowd, talk)) {
        end(crowd, talk, false);
    }
}

static void on_readable(struct crowd *crowd, struct talk *talk)
{
    uint8_t byte = 0;
    ssize_t got = recv(talk->fd, &byte, 1, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got == 1 && !talk->has_answer && byte == (uint8_t)crowd->exchanges->kind) {
        if (crowd->exchanges->kind == LOAD_ECHO) {
            on_echo(crowd, talk);
        } else {
            talk->has_answer = true;
        }
        return;
    }
    end(crowd, talk, got == 0 && talk->has_answer);
    begin(crowd, talk);
}

static void on_event(struct crowd *crowd, struct talk *talk, uint32_t events)
{
    if (talk->fd < 0) {
        return;
    }
    if ((events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
        watch(crowd, talk, EPOLL_CTL_MOD, EPOLLIN);
        if (!send_byte(crowd, talk)) {
            end(crowd, talk, false);
            begin(crowd, talk);
        }
        return;
    }
    on_readable(crowd, talk);
}

static void end_stuck(struct crowd *crowd)
{
    uint64_t now_ns = load_now_ns();

    for (unsigned i = 0; i < crowd->exchanges->options->streams; i++) {
        struct talk *talk = &crowd->talks[i];
        if (talk->fd >= 0 && now_ns - talk->begin_ns > SILENCE_NS) {
            end(crowd, talk, false);
            begin(crowd, talk);
        }
    }
}

static void all_at_once(struct exchanges *exchanges)
{
    static struct crowd crowd;
    struct epoll_event events[LOAD_STREAMS_MAX];
    unsigned streams = exchanges->options->streams;

    crowd.exchanges = exchanges;
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (crowd.epoll < 0) {
        load_die("epoll_create1");
    }
    for (unsigned i = 0; i < streams; i++) {
        crowd.talks[i].fd = -1;
        begin(&crowd, &crowd.talks[i]);
    }
    while (crowd.open > 0) { /* each ends, or is stuck */
        int count = epoll_wait(crowd.epoll, events, LOAD_STREAMS_MAX, WAIT_MS);
        for (int i = 0; i < count; i++) {
            on_event(&crowd, events[i].data.ptr, events[i].events);
        }
        if (count < (int)streams) {
            end_stuck(&crowd);
        }
    }
}

int load_exchange(const struct load_options *options, enum load_kind kind)
{
    struct exchanges exchanges = {.options = options,
                                  .kind = kind,
                                  .ns = malloc(EXCHANGES_MAX * sizeof(uint32_t)),
                                  .from_ns = load_after_ns(options->warmup_seconds),
                                  .end_ns = load_after_ns(options->seconds)};

    if (exchanges.ns == NULL) {
        load_die("malloc");
    }
    if (options->streams == 1) {
        one_by_one(&exchanges);
    } else {
        all_at_once(&exchanges);
    }
    uint64_t until_ns = load_now_ns();
    until_ns = until_ns < exchanges.end_ns ? until_ns : exchanges.end_ns;
    if (until_ns > exchanges.from_ns) {
        report(&exchanges, (double)(until_ns - exchanges.from_ns) / 1e9);
    }
    return 0;
}
