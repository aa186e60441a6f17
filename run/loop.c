/* SPDX-License-Identifier: MIT */
/*
 * run/loop.c: see run/loop.h.
 */
#include "run/loop.h"

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256, /* read from the kernel at once */
    LOOK_SHORT = 4,   /* of the last eight waits, so many were short: worth looking */
};

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

/* Looks for what is ready until UNTIL_NS. The processor is left to whoever else can run: that may
 * be who makes it ready. */
static int look(const struct loop *loop, struct epoll_event *events, uint64_t until_ns)
{
    int count;

    while ((count = epoll_wait(loop->fd, events, EVENTS_MAX, 0)) == 0 &&
           loop_clock_ns() < until_ns) {
        (void)sched_yield();
    }
    return count;
}

/* Waits until DEADLINE_NS for what is ready. */
static int wait_until(struct loop *loop, struct epoll_event *events, uint64_t deadline_ns)
{
    uint64_t begun = loop_clock_ns();
    uint64_t now = begun;
    int count = 0;

    if (deadline_ns > now && __builtin_popcount(loop->short_waits) >= LOOK_SHORT) {
        count = look(loop, events, min_u64(deadline_ns, now + LOOP_LOOK_NS));
        now = count == 0 ? loop_clock_ns() : now;
    }
    if (count == 0) {
        uint64_t timeout = deadline_ns > now ? deadline_ns - now : 0;

        count = wait_ns(loop, events, deadline_ns == LOOP_NEVER ? LOOP_NEVER : timeout);
    }
    loop->now_ns = loop_clock_ns();
    if (deadline_ns > begun) {
        bool was_short = loop->now_ns - begun < LOOP_LOOK_NS;

        loop->short_waits = (uint8_t)(loop->short_waits << 1 | was_short);
        loop->waited_ns += loop->now_ns - begun;
    }
    return count;
}

void loop_wait(struct loop *loop, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int count;

    if (loop_has_work(loop)) {
        count = wait_ns(loop, events, 0);
        loop->now_ns = loop_clock_ns();
    } else {
        count = wait_until(loop, events, min_u64(until_ns, timers_next(&loop->timers)));
    }
    for (int i = 0; i < count; i++) {
        struct loop_source *source = events[i].data.ptr;

        source->ready |= events[i].events;
        loop_queue(loop, source);
    }
}

static void do_timers(struct loop *loop)
{
    struct timer *timer;

    while ((timer = timers_expire(&loop->timers, loop->now_ns)) != NULL) {
        struct loop_timer *owner = CONTAINER_OF(timer, struct loop_timer, timer);

        owner->on_time(owner);
    }
}

static void do_source(struct loop *loop, struct loop_source *source)
{
    bool is_guarded = loop->enter != NULL && !source->is_free;

    if (is_guarded) {
        loop->enter(loop);
    }
    source->work(source);
    if (is_guarded) {
        loop->leave(loop);
    }
}

void loop_work(struct loop *loop)
{
    struct list now;
    struct list_node *node;

    if (timers_next(&loop->timers) <= loop->now_ns) {
        if (loop->enter != NULL) {
            loop->enter(loop);
        }
        do_timers(loop);
        if (loop->leave != NULL) {
            loop->leave(loop);
        }
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
        do_source(loop, CONTAINER_OF(node, struct loop_source, node));
    }
}
