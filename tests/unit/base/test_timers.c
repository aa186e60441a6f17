/* SPDX-License-Identifier: MIT */
/*
 * The wheel against a model that sorts, over times from ticks to years.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/timers.h"

#include <stdio.h>

#define COUNT   64
#define TICK_NS ((uint64_t)1 << TIMERS_TICK_SHIFT)
#define DAY_NS  (24 * 3600 * NS_PER_S)

/* What the wheel must do: fire in order of due tick, then of setting. */
struct model {
    struct timers timers;
    struct timer items[COUNT];
    uint64_t deadline_ns[COUNT];
    uint64_t due[COUNT]; /* in ticks */
    uint64_t order[COUNT];
    bool is_set[COUNT];
    uint64_t sets;
    uint64_t tick;
    uint64_t now_ns;
    struct random random;
};

static struct model model;

static void start(uint64_t now_ns)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {5};

    memset(&model, 0, sizeof model);
    random_init(&model.random, seed, "timers");
    timers_init(&model.timers, now_ns);
    model.now_ns = now_ns;
    model.tick = now_ns / TICK_NS;
}

static void set(uint32_t i, uint64_t deadline_ns)
{
    uint64_t due = deadline_ns / TICK_NS + (deadline_ns % TICK_NS != 0);

    timer_set(&model.timers, &model.items[i], deadline_ns);
    model.deadline_ns[i] = deadline_ns;
    model.due[i] = max_u64(due, model.tick);
    model.order[i] = model.sets++;
    model.is_set[i] = true;
}

static void clear(uint32_t i)
{
    timer_clear(&model.timers, &model.items[i]);
    model.is_set[i] = false;
}

/* The timer that comes first, COUNT: none is set. */
static uint32_t first_of_model(void)
{
    uint32_t best = COUNT;

    for (uint32_t i = 0; i < COUNT; i++) {
        if (model.is_set[i] &&
            (best == COUNT || model.due[i] < model.due[best] ||
             (model.due[i] == model.due[best] && model.order[i] < model.order[best]))) {
            best = i;
        }
    }
    return best;
}

static void assert_next(void)
{
    uint32_t first = first_of_model();
    uint64_t next = timers_next(&model.timers);

    if (first == COUNT) {
        assert_true(next == UINT64_MAX);
    } else {
        assert_true(next <= model.due[first] * TICK_NS);
    }
}

/* One that is due at NOW, as the model says, or none; returns it. */
static uint32_t expire_one(uint64_t now_ns)
{
    uint32_t expected = first_of_model();
    struct timer *timer = timers_expire(&model.timers, now_ns);

    if (expected == COUNT || model.due[expected] > now_ns / TICK_NS) {
        assert_null(timer);
        model.tick = max_u64(model.tick, now_ns / TICK_NS);
        return COUNT;
    }
    assert_ptr_equal(timer, &model.items[expected]);
    assert_false(timer_is_set(timer));
    assert_true(model.deadline_ns[expected] <= now_ns);
    model.is_set[expected] = false;
    model.tick = model.due[expected];
    return expected;
}

/* A span of time of any scale from nanoseconds to weeks. */
static uint64_t span(void)
{
    uint32_t bits = random_below(&model.random, 50);

    return random_u64(&model.random) & (((uint64_t)1 << bits) - 1);
}

static void advance(uint64_t now_ns)
{
    uint32_t fired;

    model.now_ns = now_ns;
    while ((fired = expire_one(now_ns)) != COUNT) {
        uint32_t what = random_below(&model.random, 8);

        /* Set again while expiring: now, in the past, or later. */
        if (what < 3) {
            set(fired, now_ns + span());
        } else if (what == 3 && now_ns > DAY_NS) {
            set(fired, now_ns - span() % DAY_NS);
            if (model.deadline_ns[fired] < now_ns) {
                /* Due at once; stop the loop from running for ever. */
                clear(random_below(&model.random, COUNT));
            }
        }
        assert_next();
    }
    assert_next();
}

static void a_random_life_agrees_with_the_model(uint64_t now_ns)
{
    start(now_ns);
    for (int step = 0; step < 40000; step++) {
        uint32_t i = random_below(&model.random, COUNT);

        switch (random_below(&model.random, 4)) {
        case 0:
        case 1:
            set(i, model.now_ns + span());
            break;
        case 2:
            clear(i);
            break;
        default:
            advance(model.now_ns + span() % (2 * DAY_NS));
            break;
        }
        assert_int_equal(timer_is_set(&model.items[i]), model.is_set[i]);
        assert_next();
    }
}

static void from_zero(void **state)
{
    (void)state;
    a_random_life_agrees_with_the_model(0);
}

static void from_an_odd_time(void **state)
{
    (void)state;
    a_random_life_agrees_with_the_model(0x0fff123456789abcU);
}

/* A sleeper that wakes at timers_next meets each deadline within a tick, in few steps. */
static void next_leads_to_the_deadline(void **state)
{
    static const uint64_t waits[] = {1,
                                     TICK_NS,
                                     63 * TICK_NS,
                                     64 * TICK_NS,
                                     NS_PER_MS,
                                     40 * NS_PER_MS,
                                     200 * NS_PER_MS,
                                     NS_PER_S,
                                     61 * NS_PER_S,
                                     7200 * NS_PER_S,
                                     DAY_NS + 12345,
                                     3650 * DAY_NS};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        uint64_t now_before = 987654321987;
        uint64_t now = now_before;
        int steps = 0;
        struct timer *timer;

        start(now);
        set(0, now + waits[i]);
        while ((timer = timers_expire(&model.timers, now)) == NULL) {
            uint64_t next = timers_next(&model.timers);

            assert_true(next > now);
            now = next;
            steps++;
        }
        assert_true(now >= now_before + waits[i] && now < now_before + waits[i] + TICK_NS);
        assert_in_range(steps, 1, TIMERS_LEVELS);
        assert_true(timers_next(&model.timers) == UINT64_MAX);
    }
}

static void one_tick_fires_in_the_order_set(void **state)
{
    uint64_t deadline = 70 * 64 * TICK_NS;

    (void)state;
    start(0);
    for (uint32_t i = 0; i < 8; i++) {
        set(i, deadline - i); /* from two levels up, all of one tick */
    }
    assert_null(timers_expire(&model.timers, deadline - 64 * TICK_NS));
    for (uint32_t i = 8; i < 16; i++) {
        set(i, deadline - i);
    }
    for (uint32_t i = 0; i < 16; i++) {
        assert_ptr_equal(timers_expire(&model.timers, deadline), &model.items[i]);
    }
    assert_null(timers_expire(&model.timers, deadline));
}

static void a_passed_deadline_fires_at_once(void **state)
{
    uint64_t now = 5 * NS_PER_S;

    (void)state;
    start(now);
    set(0, 0);
    assert_true(timers_next(&model.timers) <= now);
    assert_ptr_equal(timers_expire(&model.timers, now), &model.items[0]);
    /* A clock that stands still, or is late: no harm. */
    set(1, now - NS_PER_S);
    assert_null(timers_expire(&model.timers, now - NS_PER_S));
    assert_true(timers_next(&model.timers) == now / TICK_NS * TICK_NS);
    assert_ptr_equal(timers_expire(&model.timers, now), &model.items[1]);
}

static void the_end_of_time(void **state)
{
    (void)state;
    start(NS_PER_S);
    set(0, UINT64_MAX - TICK_NS);
    timer_set(&model.timers, &model.items[1], UINT64_MAX);
    assert_null(timers_expire(&model.timers, 300 * 365 * DAY_NS));
    assert_true(timers_next(&model.timers) < UINT64_MAX);
    assert_ptr_equal(timers_expire(&model.timers, UINT64_MAX - 1), &model.items[0]);
    assert_ptr_equal(timers_expire(&model.timers, UINT64_MAX - 1), &model.items[1]);
    assert_true(timers_next(&model.timers) == UINT64_MAX);
}

/* A million days, one jump each: tick by tick this would never end. */
static void idle_time_costs_nothing(void **state)
{
    uint64_t now = 0;

    (void)state;
    start(0);
    for (int day = 0; day < 100000; day++) {
        set(0, now + 2 * DAY_NS);
        now += DAY_NS;
        assert_null(timers_expire(&model.timers, now));
    }
}

/* Two deadlines within a tick are the same; so are all behind the last tick. */
static void later_is_by_a_tick(void **state)
{
    static const uint64_t edges[] = {0,           1,          TICK_NS - 1,          TICK_NS,
                                     TICK_NS + 1, 5 * DAY_NS, 5 * DAY_NS + TICK_NS, UINT64_MAX};
    const size_t count = sizeof edges / sizeof edges[0];

    (void)state;
    timers_init(&model.timers, 0);
    for (size_t i = 0; i < count * count; i++) {
        struct timer timer = {0};
        uint64_t a = edges[i / count];
        uint64_t b = edges[i % count];
        uint64_t due = a / TICK_NS + (a % TICK_NS != 0);

        timer_set(&model.timers, &timer, a);
        assert_int_equal(timer_is_later(&timer, b), due > b / TICK_NS + (b % TICK_NS != 0));
        timer_clear(&model.timers, &timer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_zero),
        cmocka_unit_test(from_an_odd_time),
        cmocka_unit_test(next_leads_to_the_deadline),
        cmocka_unit_test(one_tick_fires_in_the_order_set),
        cmocka_unit_test(a_passed_deadline_fires_at_once),
        cmocka_unit_test(the_end_of_time),
        cmocka_unit_test(later_is_by_a_tick),
        cmocka_unit_test(idle_time_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
