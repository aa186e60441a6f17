/* SPDX-License-Identifier: MIT */
/*
 * run/loop.c: see run/loop.h.
 */
#include "run/loop.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256 /* read from the kernel at once */

uint64_t loop_clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int loop_init(struct loop *loop)
{
    *loop = (struct loop){.fd = epoll_create1(EPOLL_CLOEXEC), .now_ns = loop_clock_ns()};
    list_init(&loop->queued);
    timers_init(&loop->timers, loop->now_ns);
    return loop->fd < 0 ? BERTH_E_STATE : BERTH_OK;
}

void loop_done(struct loop *loop)
{
    if (loop->fd >= 0) {
        close(loop->fd);
        loop->fd = -1;
    }
}

int loop_watch(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        return BERTH_E_LIMIT;
    }
    source->fd = fd;
    return BERTH_OK;
}

void loop_forget(struct loop *loop, struct loop_source *source)
{
    if (source->fd >= 0) {
        (void)epoll_ctl(loop->fd, EPOLL_CTL_DEL, source->fd, NULL);
    }
    loop_forget_closing(loop, source);
}

void loop_forget_closing(struct loop *loop, struct loop_source *source)
{
    (void)loop;
    source->fd = -1;
    source->ready = 0;
    list_remove(&source->node);
}

void loop_queue(struct loop *loop, struct loop_source *source)
{
    if (!list_has(&source->node)) {
        list_add_last(&loop->queued, &source->node);
    }
}

bool loop_has_work(const struct loop *loop)
{
    return !list_is_empty(&loop->queued);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns)
{
    timer_set(&loop->timers, &timer->timer, deadline_ns);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    timer_clear(&loop->timers, &timer->timer);
}

static int wait_ns(struct loop *loop, struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    bool is_forever = timeout_ns == LOOP_NEVER;
    uint64_t timeout_ms = timeout_ns / NS_PER_MS + 1;
    int count;

    if (!loop->is_coarse) {
        count = epoll_pwait2(loop->fd, events, EVENTS_MAX, is_forever ? NULL : &timeout, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        loop->is_coarse = true;
    }
    if (timeout_ns == 0) {
        timeout_ms = 0;
    }
    return epoll_wait(loop->fd, events, EVENTS_MAX,
                      is_forever ? -1 : (int)min_u64(timeout_ms, 60 * 1000));
}

void loop_wait(struct loop *loop, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t deadline = min_u64(until_ns, timers_next(&loop->timers));
    uint64_t timeout = LOOP_NEVER;
    int count;

    if (loop_has_work(loop)) {
        timeout = 0;
    } else if (deadline != LOOP_NEVER) {
        uint64_t now = loop_clock_ns();

        timeout = deadline > now ? deadline - now : 0;
    }
    count = wait_ns(loop, events, timeout);
    loop->now_ns = loop_clock_ns();
    for (int i = 0; i < count; i++) {
        struct loop_source *source = events[i].data.ptr;

        source->ready |= events[i].events;
        loop_queue(loop, source);
    }
}

void loop_work(struct loop *loop)
{
    struct list now;
    struct list_node *node;
    struct timer *timer;

    while ((timer = timers_expire(&loop->timers, loop->now_ns)) != NULL) {
        struct loop_timer *owner = CONTAINER_OF(timer, struct loop_timer, timer);

        owner->on_time(owner);
    }
    if (list_is_empty(&loop->queued)) {
        return;
    }
    /* What is queued from here on is for the next time. */
    now = loop->queued;
    now.head.next->prev = &now.head;
    now.head.prev->next = &now.head;
    list_init(&loop->queued);
    while ((node = list_take_first(&now)) != NULL) {
        struct loop_source *source = CONTAINER_OF(node, struct loop_source, node);

        source->work(source);
    }
}
