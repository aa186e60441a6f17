/* SPDX-License-Identifier: MIT */
/*
 * Ephemeral ports are uniform and cannot be foretold: over all 16,384 of IANA's range, from one
 * choice to the next, across destinations, and at every occupancy of a busy endpoint.
 *
 * The seed is the fixture's, so that a figure is the same every time: a bound of five sigma is a
 * bound, and no wager.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "space.h"

#include <berth/firewall.h>

#include <stdio.h>

#define FIRST 49152
#define RANGE 16384

static struct space space;

static void make(uint32_t endpoints)
{
    const struct ports_limits limits = {.binds = 4,
                                        .endpoints = endpoints,
                                        .ephemeral_first = FIRST,
                                        .ephemeral_last = FIRST + RANGE - 1};

    space_init(&space, &limits);
}

static struct ports_use use_of(uint32_t destination)
{
    return (struct ports_use){
        .local = space_address("10.0.0.1"),
        .remote = {.address = berth_address_v4(UINT32_C(0xc0000200) + destination), .port = 443},
        .protocol = BERTH_TCP};
}

/* A port towards DESTINATION, less the first of the range; given back at once. */
static uint32_t choose(uint32_t destination)
{
    struct ports_use use = use_of(destination);
    uint16_t port = 0;

    assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
    ports_give(&space.ports, &use, port);
    return (uint32_t)port - FIRST;
}

/* Chi-square of COUNTS in CELLS cells, of TOTAL: within five sigma of what chance gives. */
static void assert_even(const uint32_t *counts, uint32_t cells, uint32_t total)
{
    double expected = (double)total / cells;
    double mean = cells - 1.0;
    double sum = 0;

    for (uint32_t i = 0; i < cells; i++) {
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    if ((sum - mean) * (sum - mean) > 25 * 2 * mean) {
        fail_msg("chi-square %.0f of %u cells", sum, cells);
    }
}

static void all_ports_are_as_likely(void **state)
{
    static uint32_t seen[RANGE];
    const uint32_t draws = 20 * RANGE;

    (void)state;
    make(4);
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < draws; i++) {
        seen[choose(1)]++;
    }
    assert_even(seen, RANGE, draws);
    space_done(&space);
}

/* Of two values, each cut to its upper 6 bits: every pair as often as every other. */
static void assert_unrelated(uint32_t (*first)(uint32_t i), uint32_t (*second)(uint32_t i),
                             uint32_t pairs)
{
    static uint32_t seen[64 * 64];

    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t one = first(i);

        seen[(one >> 8) * 64 + (second(i) >> 8)]++;
    }
    assert_even(seen, 64 * 64, pairs);
}

static uint32_t choose_same(uint32_t i)
{
    (void)i;
    return choose(1);
}

static uint32_t choose_other(uint32_t i)
{
    (void)i;
    return choose(2);
}

static uint32_t choose_new(uint32_t i)
{
    return choose(3 + i % 100000);
}

/* One choice says nothing of the next: towards the same destination, another, or a new one. */
static void one_choice_tells_nothing_of_the_next(void **state)
{
    const uint32_t pairs = 20 * 64 * 64;

    (void)state;
    make(4);
    assert_unrelated(choose_same, choose_same, pairs);
    assert_unrelated(choose_same, choose_other, pairs);
    assert_unrelated(choose_new, choose_same, pairs);
    space_done(&space);
}

/* Nor does the difference of two: a counter in common, as hash schemes have it, would show there
 * (RFC 6056 3.3.3, 3.3.4). */
static void differences_are_as_likely(void **state)
{
    static uint32_t seen[RANGE];
    const uint32_t draws = 20 * RANGE;
    uint32_t before = 0;

    (void)state;
    make(4);
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < draws; i++) {
        uint32_t port = choose(i % 2 == 0 ? 1 : 2 + i % 50);

        seen[(port - before) % RANGE]++;
        before = port;
    }
    assert_even(seen, RANGE, draws);
    space_done(&space);
}

/* The same destinations from the same address, twice over: the first ports tell nothing of the
 * second, as they would if a destination had a place of its own in the range (Kol, Klein,
 * Gilad). */
static void a_destination_has_no_place_of_its_own(void **state)
{
    static uint32_t seen[RANGE];
    static uint32_t first[RANGE];

    (void)state;
    make(4);
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < RANGE; i++) {
        first[i] = choose(i);
    }
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < RANGE; i++) {
            seen[(choose(i) - first[i]) % RANGE]++;
        }
    }
    assert_even(seen, RANGE, 20 * RANGE);
    space_done(&space);
}

/* With most of the range taken towards an endpoint, those that are left are as likely. */
static void the_few_that_are_left_are_as_likely(void **state)
{
    static const uint32_t left[] = {8192, 1024, 256, 16, 2};

    (void)state;
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        static uint32_t seen[RANGE];
        struct ports_use use = use_of(1);
        uint32_t used = 0;
        uint16_t port;

        make(4);
        memset(seen, 0, sizeof seen);
        for (uint32_t taken = 0; taken < RANGE - left[i]; taken++) {
            assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
        }
        for (uint32_t draw = 0; draw < 50 * left[i]; draw++) {
            seen[choose(1)]++;
        }
        for (uint32_t k = 0; k < RANGE; k++) {
            if (seen[k] > 0) {
                seen[used++] = seen[k];
            }
        }
        assert_int_equal(used, left[i]);
        assert_even(seen, left[i], 50 * left[i]);
        space_done(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ports_are_as_likely),
        cmocka_unit_test(one_choice_tells_nothing_of_the_next),
        cmocka_unit_test(differences_are_as_likely),
        cmocka_unit_test(a_destination_has_no_place_of_its_own),
        cmocka_unit_test(the_few_that_are_left_are_as_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
