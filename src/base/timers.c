/* SPDX-License-Identifier: MIT */
/*
 * base/timers.c: the wheel.
 *
 * A tick number is read as eight digits of six bits. A timer that falls due at tick W stands on the
 * level of the highest digit in which W differs from `tick`, in the slot of W's digit there.
 *
 * 1. A timer of level L agrees with `tick` in all digits above L; its digit L is greater than
 *    tick's, or (level 0 only) equal. So nothing wraps, and what stands on a lower level is due
 *    before all that stands on a higher one.
 * 2. `tick` passes the first tick of a slot only when the slot is empty: a coarse slot is moved
 *    down when `tick` reaches it. So timers of one tick are always in one list, in the order set.
 * 3. A bit of `occupied` is set if and only if its slot is not empty.
 *
 * Idle time costs nothing however long: `tick` jumps from one occupied slot to the next.
 */
#include "base/timers.h"

#define DIGIT_BITS 6
#define NO_LEVEL   TIMERS_LEVELS

_Static_assert(TIMERS_SLOTS == 1 << DIGIT_BITS, "a digit chooses a slot");
_Static_assert(TIMERS_TICK_MAX == ((uint64_t)1 << (TIMERS_LEVELS * DIGIT_BITS)) - 1, "digits");
_Static_assert(TIMERS_LEVELS *DIGIT_BITS + TIMERS_TICK_SHIFT == 64, "every time has a tick");

void timers_init(struct timers *timers, uint64_t now_ns)
{
    timers->tick = now_ns >> TIMERS_TICK_SHIFT;
    for (uint32_t level = 0; level < TIMERS_LEVELS; level++) {
        timers->occupied[level] = 0;
        for (uint32_t slot = 0; slot < TIMERS_SLOTS; slot++) {
            list_init(&timers->slots[level][slot]);
        }
    }
}

/* Puts TIMER, which is in no list, where its deadline belongs as seen from `tick`. */
static void insert(struct timers *timers, struct timer *timer)
{
    uint64_t due = max_u64(timer->tick, timers->tick);
    uint32_t highest_bit = 63 - (uint32_t)__builtin_clzll((due ^ timers->tick) | 1);
    uint32_t level = highest_bit / DIGIT_BITS;
    uint32_t slot = (uint32_t)(due >> (level * DIGIT_BITS)) % TIMERS_SLOTS;

    timer->level = level & 0xfU;
    timer->slot = slot & 0x3fU;
    list_add_last(&timers->slots[level][slot], &timer->node);
    timers->occupied[level] |= (uint64_t)1 << slot;
}

static void take_out(struct timers *timers, struct timer *timer)
{
    list_remove(&timer->node);
    if (list_is_empty(&timers->slots[timer->level][timer->slot])) {
        timers->occupied[timer->level] &= ~((uint64_t)1 << timer->slot);
    }
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_ns)
{
    timer_clear(timers, timer);
    timer->tick = timers_tick_of(deadline_ns) & TIMERS_TICK_MAX;
    insert(timers, timer);
}

void timer_clear(struct timers *timers, struct timer *timer)
{
    if (timer_is_set(timer)) {
        take_out(timers, timer);
    }
}

/* The lowest level that holds a timer, or NO_LEVEL. */
static uint32_t lowest_level(const struct timers *timers)
{
    uint32_t level = 0;

    while (level < TIMERS_LEVELS && timers->occupied[level] == 0) {
        level++;
    }
    return level;
}

/* The first tick of the first occupied slot of LEVEL. */
static uint64_t first_tick(const struct timers *timers, uint32_t level)
{
    uint32_t shift = level * DIGIT_BITS;
    uint64_t slot = (uint32_t)__builtin_ctzll(timers->occupied[level]);
    uint64_t above = timers->tick >> shift & ~(uint64_t)(TIMERS_SLOTS - 1);

    return (above | slot) << shift;
}

uint64_t timers_next(const struct timers *timers)
{
    uint32_t level = lowest_level(timers);

    return level == NO_LEVEL ? UINT64_MAX : first_tick(timers, level) << TIMERS_TICK_SHIFT;
}

/* `tick` stands at the beginning of the first occupied slot of LEVEL: its timers go further down.
 */
static void move_down(struct timers *timers, uint32_t level)
{
    uint32_t slot = (uint32_t)__builtin_ctzll(timers->occupied[level]);
    struct list *list = &timers->slots[level][slot];
    struct list_node *node;

    timers->occupied[level] &= ~((uint64_t)1 << slot);
    while ((node = list_take_first(list)) != NULL) {
        insert(timers, CONTAINER_OF(node, struct timer, node));
    }
}

struct timer *timers_expire(struct timers *timers, uint64_t now_ns)
{
    uint64_t now = now_ns >> TIMERS_TICK_SHIFT;

    for (;;) {
        uint32_t level = lowest_level(timers);
        uint64_t first = level == NO_LEVEL ? UINT64_MAX : first_tick(timers, level);

        if (first > now) {
            timers->tick = max_u64(timers->tick, now);
            return NULL;
        }
        timers->tick = first;
        if (level == 0) {
            struct list_node *node = list_first(&timers->slots[0][first % TIMERS_SLOTS]);
            struct timer *timer = CONTAINER_OF(node, struct timer, node);

            take_out(timers, timer);
            return timer;
        }
        move_down(timers, level);
    }
}
