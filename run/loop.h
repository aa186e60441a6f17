/* SPDX-License-Identifier: MIT */
/*
 * run/loop.h: waiting. Owns one epoll set, a wheel of timers, and the list of what has work to do.
 * The parts of a run call it.
 *
 * A source is a descriptor (or none) and the work that its readiness asks for. Waiting only notes
 * what is ready; work is done afterwards, one source after the other, so that nothing is freed
 * while events about it are still to be read.
 *
 * Invariants
 *  1. A source is queued at most once. Its work is called once per loop_work; what it cannot finish
 *     it queues again, and gets its turn after all others.
 *  2. loop_forget takes a source out of everything: afterwards its memory may go.
 *  3. An idle loop sleeps. To be woken takes longer than many a wait, above all where a processor
 *     that has nothing to do has to be woken too: so a loop whose waits have mostly been short
 *     looks for LOOP_LOOK_NS before it sleeps, and leaves the processor to others between two
 *     looks.
 *  4. Descriptors are watched edge-triggered unless the caller says otherwise: `ready` collects the
 *     bits until the work takes them away.
 */
#ifndef RUN_LOOP_H
#define RUN_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <berth/error.h>

#include "base/list.h"
#include "base/timers.h"

#define LOOP_NEVER UINT64_MAX

/* A short wait: it costs no more to look for so long than to sleep and be woken. Measured: 100 us
 * gain nothing more, and cost what the looking takes. */
#define LOOP_LOOK_NS (50 * NS_PER_US)

struct loop_source {
    struct list_node node; /* queued */
    void (*work)(struct loop_source *source);
    int fd;         /* -1: not watched */
    uint32_t ready; /* EPOLLIN and so on, since the work last took them away */
    bool is_free;   /* its work wants no loop.enter and loop.leave around it */
};

struct loop_timer {
    struct timer timer;
    void (*on_time)(struct loop_timer *timer);
};

struct loop {
    int fd;
    bool is_coarse;      /* no epoll_pwait2 here: waits in milliseconds */
    uint8_t short_waits; /* a bit for each of the last eight, the latest lowest: it was short */
    uint64_t now_ns;
    uint64_t waited_ns; /* since it was made: in waits, looking included */
    struct list queued;
    struct timers timers;
    /* Called around the work of sources and timers; NULL: nothing is. */
    void (*enter)(struct loop *loop);
    void (*leave)(struct loop *loop);
};

/* CLOCK_MONOTONIC. */
uint64_t loop_clock_ns(void);

/* Returns 0 or BERTH_E_STATE (errno says why). */
BERTH_MUST_CHECK int loop_init(struct loop *loop);
void loop_done(struct loop *loop);

/* Watches FD for EVENTS (EPOLLIN, EPOLLOUT, EPOLLET...). 0 or BERTH_E_LIMIT (errno says why). */
BERTH_MUST_CHECK int loop_watch(struct loop *loop, struct loop_source *source, int fd,
                                uint32_t events);
/* Takes SOURCE out of the set and of the queue. Its descriptor stays open, and is the caller's. */
void loop_forget(struct loop *loop, struct loop_source *source);
/* The same for a descriptor that the caller closes next, which takes it out of the set: nobody else
 * has its file open. */
void loop_forget_closing(struct loop *loop, struct loop_source *source);

/* SOURCE has work to do. */
void loop_queue(struct loop *loop, struct loop_source *source);
bool loop_has_work(const struct loop *loop);

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Waits until something is ready, a timer is due, or UNTIL_NS; queues what is ready; reads the
 * clock. With work queued it does not wait. */
void loop_wait(struct loop *loop, uint64_t until_ns);
/* Does what is due: timers, then the work of every source that was queued when it was called. */
void loop_work(struct loop *loop);

#endif
