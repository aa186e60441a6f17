/* SPDX-License-Identifier: MIT */
/*
 * The server: one thread, one epoll, until it is killed. A conversation's kind is its first byte.
 *
 * 1. kinds[fd] is 0 until the first byte came; it is set back when the descriptor is closed.
 * 2. A source waits for room (EPOLLOUT) only, every other kind for bytes only.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define FDS_MAX    65536
#define EVENTS_MAX 256

struct server {
    const struct load_options *options;
    int epoll;
    int listener;
    uint8_t kinds[FDS_MAX];
    uint8_t chunk[LOAD_CHUNK_BYTES];
};

static struct server the_server;

static void drop(struct server *server, int fd)
{
    server->kinds[fd] = 0;
    close(fd);
}

static void watch(struct server *server, int fd, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(server->epoll, how, fd, &event) != 0) {
        load_die("epoll_ctl");
    }
}

static void on_connection(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    while (fd >= 0) {
        if (fd >= FDS_MAX) {
            close(fd);
        } else {
            watch(server, fd, EPOLL_CTL_ADD, EPOLLIN);
        }
        fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
}

static void on_room(struct server *server, int fd)
{
    ssize_t sent = send(fd, server->chunk, sizeof server->chunk, 0);

    if (sent < 0 && errno != EAGAIN) {
        drop(server, fd);
    }
}

static void on_bytes(struct server *server, int fd)
{
    ssize_t got = recv(fd, server->chunk, sizeof server->chunk, 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        drop(server, fd);
        return;
    }
    if (server->kinds[fd] == 0) {
        server->kinds[fd] = server->chunk[0];
    }
    switch (server->kinds[fd]) {
    case LOAD_SINK:
        __atomic_fetch_add(&server->options->counter->bytes, (uint64_t)got, __ATOMIC_RELAXED);
        break;
    case LOAD_SOURCE:
        watch(server, fd, EPOLL_CTL_MOD, EPOLLOUT);
        break;
    case LOAD_ECHO:
        if (send(fd, server->chunk, (size_t)got, 0) < 0) {
            drop(server, fd);
        }
        break;
    case LOAD_ONCE:
        (void)send(fd, server->chunk, 1, 0);
        drop(server, fd);
        break;
    default:
        drop(server, fd);
    }
}

static void on_event(struct server *server, const struct epoll_event *event)
{
    int fd = event->data.fd;

    if (fd == server->listener) {
        on_connection(server);
    } else if (server->kinds[fd] != LOAD_SOURCE) {
        on_bytes(server, fd);
    } else if ((event->events & (EPOLLERR | EPOLLHUP)) != 0) {
        drop(server, fd);
    } else {
        on_room(server, fd);
    }
}

static void open_listener(struct server *server)
{
    const struct load_options *options = server->options;
    int on = 1;

    server->listener = load_socket(options);
    (void)setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (const struct sockaddr *)&options->address,
             options->address_bytes) != 0) {
        load_die("bind");
    }
    if (listen(server->listener, 4096) != 0 || fcntl(server->listener, F_SETFL, O_NONBLOCK) != 0) {
        load_die("listen");
    }
    watch(server, server->listener, EPOLL_CTL_ADD, EPOLLIN);
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int load_server(const struct load_options *options)
{
    struct server *server = &the_server;
    struct epoll_event events[EVENTS_MAX];

    raise_limit();
    server->options = options;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0) {
        load_die("epoll_create1");
    }
    open_listener(server);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            on_event(server, &events[i]);
        }
    }
}
