/* SPDX-License-Identifier: MIT */
/*
 * poll(2) and epoll(7) over the adapter's files. A level is reckoned from the socket's state when
 * it is asked for; an edge is noted when the stack says that something has happened.
 */
#include "adapter.h"

#include <stdlib.h>

static short stream_mask(struct adapter *adapter, struct file *file)
{
    struct stream *stream = &file->stream;
    stream_refresh(adapter, file);
    if (stream->state == STREAM_LISTENING) {
        return stream_has_next(adapter, file) ? POLLIN | POLLRDNORM : 0;
    }
    short mask = file->error != 0 ? POLLERR : 0;
    if (stream->state == STREAM_DEFERRED) {
        return (short)(mask | POLLOUT | POLLWRNORM);
    }
    if (stream->id == 0) {
        return (short)(mask | POLLOUT | POLLWRNORM | POLLHUP);
    }
    bool no_more_in = stream->peer_closed || stream->read_shut || stream->over;
    bool no_more_out = stream->write_shut || stream->over;
    mask = (short)(mask | (no_more_in && no_more_out ? POLLHUP : 0));
    mask = (short)(mask | (no_more_in ? POLLIN | POLLRDNORM | POLLRDHUP : 0));
    if (stream_is_opening(stream)) {
        return mask;
    }
    if (stream_is_readable(adapter, file)) {
        mask |= POLLIN | POLLRDNORM;
    }
    if (no_more_out || stream_is_writable(file)) {
        mask |= POLLOUT | POLLWRNORM;
    }
    if (stream->info.urgent_bytes > 0 && !stream->urgent_taken) {
        mask |= POLLPRI;
    }
    return mask;
}

static short datagrams_mask(struct adapter *adapter, struct file *file)
{
    short mask = POLLOUT | POLLWRNORM;
    if (datagrams_are_readable(adapter, file)) {
        mask |= POLLIN | POLLRDNORM;
    }
    if (file->error != 0) {
        mask |= POLLERR;
    }
    if (file->datagrams.read_shut) {
        mask = (short)(mask | POLLRDHUP | (file->datagrams.write_shut ? POLLHUP : 0));
    }
    return mask;
}

static int epoll_collect(struct adapter *adapter, struct epoll *epoll, struct epoll_event *events,
                         int max);

short poll_mask(struct adapter *adapter, struct file *file)
{
    struct epoll_event event;
    switch (file->kind) {
    case FILE_TCP:
        return stream_mask(adapter, file);
    case FILE_UDP:
        return datagrams_mask(adapter, file);
    case FILE_EPOLL:
        return epoll_collect(adapter, file->epoll, &event, 0) > 0 ? POLLIN | POLLRDNORM : 0;
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        return pipe_mask(file);
    }
    return 0;
}

static int poll_once(struct adapter *adapter, struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        struct file *file = file_of(adapter, fds[i].fd);
        fds[i].revents = 0;
        if (fds[i].fd >= 0) {
            int wanted = fds[i].events | POLLERR | POLLHUP;
            int mask = file != NULL ? poll_mask(adapter, file) & wanted : POLLNVAL;
            fds[i].revents = (short)mask;
        }
        ready += fds[i].revents != 0 ? 1 : 0;
    }
    return ready;
}

static uint64_t deadline_of(const struct adapter *adapter, int timeout_ms)
{
    return timeout_ms < 0 ? BERTH_NEVER : adapter->now_ns + (uint64_t)timeout_ms * NS_PER_MS;
}

int poll_files(struct adapter *adapter, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    uint64_t deadline_ns = deadline_of(adapter, timeout_ms);
    int ready = poll_once(adapter, fds, count);
    while (ready == 0 && timeout_ms != 0) {
        bool more = adapter_wait(adapter, deadline_ns);
        ready = poll_once(adapter, fds, count);
        timeout_ms = more ? timeout_ms : 0;
    }
    return ready;
}

/* ---- epoll ---------------------------------------------------------------------------------- */

static struct watch *watch_of(struct epoll *epoll, int fd)
{
    for (int i = 0; i < epoll->count; i++) {
        if (epoll->watches[i].fd == fd) {
            return &epoll->watches[i];
        }
    }
    return NULL;
}

static void watch_remove(struct epoll *epoll, struct watch *watch)
{
    *watch = epoll->watches[--epoll->count];
}

void epoll_forget(struct adapter *adapter, int fd)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *file = adapter->files[i];
        struct watch *watch =
            file != NULL && file->epoll != NULL ? watch_of(file->epoll, fd) : NULL;
        if (watch != NULL) {
            watch_remove(file->epoll, watch);
        }
    }
}

int epoll_change(struct adapter *adapter, struct file *file, int operation, int fd,
                 const struct epoll_event *event)
{
    const struct file *target = file_of(adapter, fd);
    if (target == NULL) {
        return -EBADF;
    }
    if (file->kind != FILE_EPOLL || target == file) {
        return -EINVAL;
    }
    struct watch *watch = watch_of(file->epoll, fd);
    if (operation == EPOLL_CTL_ADD ? watch != NULL : watch == NULL) {
        return watch != NULL ? -EEXIST : -ENOENT;
    }
    if (operation == EPOLL_CTL_DEL) {
        watch_remove(file->epoll, watch);
        return 0;
    }
    if (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD) {
        return -EINVAL;
    }
    if (watch == NULL && file->epoll->count == WATCHES_MAX) {
        return -ENOSPC;
    }
    watch = watch != NULL ? watch : &file->epoll->watches[file->epoll->count++];
    *watch = (struct watch){.fd = fd, .event = *event, .ready = true};
    return 0;
}

/* What of poll's bits the stack's event may have set. */
static uint32_t edge_of(uint32_t bits)
{
    uint32_t events = 0;
    events |= (bits & BERTH_EVENT_CONNECTED) != 0 ? EPOLLOUT | EPOLLWRNORM : 0U;
    events |= (bits & BERTH_EVENT_READABLE) != 0 ? EPOLLIN | EPOLLRDNORM : 0U;
    events |= (bits & BERTH_EVENT_WRITABLE) != 0 ? EPOLLOUT | EPOLLWRNORM : 0U;
    events |= (bits & BERTH_EVENT_PEER_CLOSED) != 0 ? EPOLLIN | EPOLLRDNORM | EPOLLRDHUP : 0U;
    events |= (bits & BERTH_EVENT_CLOSED) != 0 ? ~0U : 0U;
    events |= (bits & BERTH_EVENT_ACCEPTABLE) != 0 ? EPOLLIN | EPOLLRDNORM : 0U;
    events |= (bits & BERTH_EVENT_SOFT_ERROR) != 0 ? EPOLLERR : 0U;
    events |= (bits & BERTH_EVENT_URGENT) != 0 ? EPOLLPRI : 0U;
    return events;
}

void poll_edge(struct adapter *adapter, const struct file *file, uint32_t events)
{
    uint32_t edge = edge_of(events);
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *other = adapter->files[i];
        struct watch *watch =
            other != NULL && other->epoll != NULL ? watch_of(other->epoll, file->fd) : NULL;
        if (watch != NULL && (edge & (watch->event.events | EPOLLERR | EPOLLHUP)) != 0) {
            watch->ready = true;
        }
    }
}

/* MAX 0: only looks whether there is anything. */
static int epoll_collect(struct adapter *adapter, struct epoll *epoll, struct epoll_event *events,
                         int max)
{
    int found = 0;
    for (int i = 0; i < epoll->count && found < (max > 0 ? max : 1); i++) {
        struct watch *watch = &epoll->watches[i];
        struct file *file = file_of(adapter, watch->fd);
        bool edge = (watch->event.events & EPOLLET) != 0;
        if (file == NULL || watch->spent || (edge && !watch->ready)) {
            continue;
        }
        uint32_t wanted = (watch->event.events & 0xffffU) | EPOLLERR | EPOLLHUP;
        uint32_t mask = (uint32_t)(uint16_t)poll_mask(adapter, file) & wanted;
        if (mask == 0) {
            continue;
        }
        if (max > 0) {
            events[found] = (struct epoll_event){.events = mask, .data = watch->event.data};
            watch->ready = false;
            watch->spent = (watch->event.events & EPOLLONESHOT) != 0;
        }
        found++;
    }
    return found;
}

int epoll_ask(struct adapter *adapter, struct file *file, struct epoll_event *events, int max,
              int timeout_ms)
{
    if (file->kind != FILE_EPOLL || max <= 0) {
        return -EINVAL;
    }
    uint64_t deadline_ns = deadline_of(adapter, timeout_ms);
    int found = epoll_collect(adapter, file->epoll, events, max);
    while (found == 0 && timeout_ms != 0) {
        bool more = adapter_wait(adapter, deadline_ns);
        found = epoll_collect(adapter, file->epoll, events, max);
        timeout_ms = more ? timeout_ms : 0;
    }
    return found;
}
