/* SPDX-License-Identifier: MIT */
/*
 * The clients of bulk transfers, over several connections. Every wait is bounded by LOAD_SILENCE_S.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static uint8_t chunk[LOAD_CHUNK_BYTES];

static void open_streams(const struct load_options *options, enum load_kind kind, int epoll,
                         int *fds)
{
    uint8_t first = (uint8_t)kind;

    for (unsigned i = 0; i < options->streams; i++) {
        struct epoll_event event = {.events = kind == LOAD_SINK ? EPOLLOUT : EPOLLIN};

        fds[i] = load_connect(options);
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
    uint64_t end_ns = load_after_ns(options->seconds);
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
