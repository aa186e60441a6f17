/* SPDX-License-Identifier: MIT */
/*
 * Timers: a hierarchical wheel. Set, clear and expiry are O(1); an idle timer costs nothing.
 *
 * A tick is 2^16 ns (65.5 us). A timer never fires before its deadline and at most one tick after
 * the first timers_expire() past it. Timers of one tick fire in the order in which they were set.
 * The owner embeds struct timer and tells its own kinds apart by `kind`.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include "base/list.h"

#define TIMERS_TICK_SHIFT 16
#define TIMERS_LEVELS     8
#define TIMERS_SLOTS      64
#define TIMERS_TICK_MAX   (((uint64_t)1 << 48) - 1)

struct timer {
    struct list_node node;
    uint64_t tick : 48; /* while set: the first tick that begins at its deadline or after it */
    uint64_t level : 4; /* where it is, for the bitmaps */
    uint64_t slot : 6;
    uint64_t kind : 6; /* the owner's */
};

struct timers {
    uint64_t tick;                    /* everything before this tick has been handed out */
    uint64_t occupied[TIMERS_LEVELS]; /* bit per slot that is not empty */
    struct list slots[TIMERS_LEVELS][TIMERS_SLOTS];
};

void timers_init(struct timers *timers, uint64_t now_ns);
/* Sets TIMER (again): it fires at DEADLINE_NS, at once if that has passed. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
void timer_clear(struct timers *timers, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return list_has(&timer->node);
}
/* The first tick that begins at or after NS; the last tick there is for what lies later. */
static inline uint64_t timers_tick_of(uint64_t ns)
{
    uint64_t tick = (ns >> TIMERS_TICK_SHIFT) + ((ns & ((1U << TIMERS_TICK_SHIFT) - 1)) != 0);
    return min_u64(tick, TIMERS_TICK_MAX);
}
/* TIMER, which is set, fires later than one for DEADLINE_NS would. */
static inline bool timer_is_later(const struct timer *timer, uint64_t deadline_ns)
{
    return timer->tick > timers_tick_of(deadline_ns);
}
/* When timers_expire must next be called: never later than the tick after the earliest deadline;
   may be earlier (to move a coarse slot down). UINT64_MAX: nothing is set. */
uint64_t timers_next(const struct timers *timers);
/* Takes out and returns one timer whose time has come at NOW_NS; NULL: no more. */
struct timer *timers_expire(struct timers *timers, uint64_t now_ns);

#endif
