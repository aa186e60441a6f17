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

struct timer {
    struct list_node node;
    uint64_t deadline_ns; /* valid while set */
    uint8_t level;        /* where it is, for the bitmaps */
    uint8_t slot;
    uint8_t kind; /* the owner's */
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
/* When timers_expire must next be called: never later than the tick after the earliest deadline;
   may be earlier (to move a coarse slot down). UINT64_MAX: nothing is set. */
uint64_t timers_next(const struct timers *timers);
/* Takes out and returns one timer whose time has come at NOW_NS; NULL: no more. */
struct timer *timers_expire(struct timers *timers, uint64_t now_ns);

#endif
