/* SPDX-License-Identifier: MIT */
/*
 * Ephemeral ports: against a model, uniform among the free, to the last one, apart for each pair.
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

static struct space space;

static void make(uint32_t endpoints, uint16_t first, uint16_t last)
{
    const struct ports_limits limits = {
        .binds = 4, .endpoints = endpoints, .ephemeral_first = first, .ephemeral_last = last};

    space_init(&space, &limits);
}

static struct ports_use use_of(const char *local, const char *remote, uint16_t port)
{
    return (struct ports_use){.local = space_address(local),
                              .remote = {.address = space_address(remote), .port = port},
                              .protocol = BERTH_TCP};
}

/* Every port once, then none; given back, all again. Nothing is left of it in the pools. */
static void to_the_last_port(uint16_t first, uint16_t last)
{
    static bool seen[65536];
    struct ports_use use = use_of("10.0.0.1", "192.0.2.1", 443);
    struct ports_use other = use_of("10.0.0.1", "192.0.2.1", 444);
    uint32_t count = (uint32_t)last - first + 1;
    uint16_t port = 0;

    make(2, first, last);
    for (int round = 0; round < 2; round++) {
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(ports_taken(&space.ports, &use), i);
            assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
            assert_in_range(port, first, last);
            assert_false(seen[port]);
            seen[port] = true;
        }
        port = 7;
        assert_int_equal(ports_pick(&space.ports, &use, &port), BERTH_E_NO_PORT);
        assert_int_equal(port, 7);
        assert_false(ports_take(&space.ports, &use, first));
        assert_int_equal(ports_pick(&space.ports, &other, &port), 0);
        ports_give(&space.ports, &other, port);
        for (uint32_t i = 0; i < count; i++) {
            ports_give(&space.ports, &use, (uint16_t)(first + i));
            assert_int_equal(ports_taken(&space.ports, &use), count - i - 1);
        }
        assert_int_equal(space.ports.endpoints.used, 0);
        assert_int_equal(space.ports.bitmaps.used, 0);
    }
    space_done(&space);
}

static void to_the_last_port_of_any_range(void **state)
{
    (void)state;
    to_the_last_port(49152, 65535);
    to_the_last_port(1024, 65535);
    to_the_last_port(50000, 50000);
    to_the_last_port(50000, 50015);
    to_the_last_port(50000, 50016);
    to_the_last_port(50000, 50600);
}

/* TAKEN ports of 600 are gone; the rest come up equally often: chi-square within six sigma. */
static void assert_uniform(uint32_t taken)
{
    static const uint32_t range = 600;
    struct ports_use use = use_of("10.0.0.1", "192.0.2.1", 443);
    uint32_t seen[600] = {0};
    bool gone[600] = {false};
    uint32_t draws = 60 * (range - taken);
    uint16_t port;
    double sum = 0;

    make(4, 50000, 50599);
    for (uint32_t i = 0; i < taken; i++) {
        assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
        gone[port - 50000] = true;
    }
    for (uint32_t i = 0; i < draws; i++) {
        assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
        seen[port - 50000]++;
        ports_give(&space.ports, &use, port);
    }
    for (uint32_t i = 0; i < range; i++) {
        assert_true(!gone[i] || seen[i] == 0);
        sum += gone[i] ? 0 : (seen[i] - 60.0) * (seen[i] - 60.0) / 60.0;
    }
    double mean = range - taken - 1.0;
    assert_true((sum - mean) * (sum - mean) <= 36 * 2 * mean);
    space_done(&space);
}

static void the_choice_is_uniform(void **state)
{
    static const uint32_t taken[] = {0, 1, 8, 15, 16, 17, 300, 590, 598, 599};

    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        assert_uniform(taken[i]);
    }
}

/* Choices one after another are not near each other: no counting up from anywhere. */
static void choices_do_not_follow_each_other(void **state)
{
    struct ports_use use = use_of("10.0.0.1", "192.0.2.1", 443);
    uint16_t before;
    uint16_t port;
    int near = 0;

    (void)state;
    make(4, 49152, 65535);
    assert_int_equal(ports_pick(&space.ports, &use, &before), 0);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
        near += abs((int)port - (int)before) <= 16;
        before = port;
    }
    assert_in_range(near, 0, 20); /* 4 expected */
    space_done(&space);
}

#define USES  5
#define RANGE 700

struct model {
    struct ports_use uses[USES];
    bool taken[USES][RANGE];
    uint32_t count[USES];
    uint32_t with_ports; /* uses that have a port */
};

static void note(struct model *model, uint32_t u, uint16_t port, bool taken)
{
    assert_int_equal(model->taken[u][port - 50000], !taken);
    model->taken[u][port - 50000] = taken;
    model->with_ports -= model->count[u] > 0;
    model->count[u] += taken ? 1U : UINT32_MAX;
    model->with_ports += model->count[u] > 0;
}

static void step(struct model *model, struct random *random, uint32_t limit)
{
    uint32_t u = random_below(random, USES);
    uint16_t port = (uint16_t)(50000 + random_below(random, RANGE));
    bool full = model->count[u] == 0 && model->with_ports == limit;

    switch (random_below(random, 4)) {
    case 0: {
        int result = ports_pick(&space.ports, &model->uses[u], &port);

        assert_int_equal(result, full                       ? BERTH_E_LIMIT
                                 : model->count[u] == RANGE ? BERTH_E_NO_PORT
                                                            : 0);
        if (result == 0) {
            note(model, u, port, true);
        }
        break;
    }
    case 1: {
        bool expected = !full && !model->taken[u][port - 50000];

        assert_int_equal(ports_take(&space.ports, &model->uses[u], port), expected);
        if (expected) {
            note(model, u, port, true);
        }
        break;
    }
    default:
        ports_give(&space.ports, &model->uses[u], port);
        if (model->taken[u][port - 50000]) {
            note(model, u, port, false);
        }
        break;
    }
    assert_int_equal(ports_taken(&space.ports, &model->uses[u]), model->count[u]);
    assert_int_equal(space.ports.endpoints.used, model->with_ports);
}

/* All ports of use U from the FIRST of the range on. */
static void give_back(struct model *model, uint32_t u, uint32_t first)
{
    for (uint32_t i = first; i < RANGE; i++) {
        if (model->taken[u][i]) {
            ports_give(&space.ports, &model->uses[u], (uint16_t)(50000 + i));
            note(model, u, (uint16_t)(50000 + i), false);
        }
    }
}

/* Uses that differ in one thing each; only four may have ports at once. Filling and emptying. */
static void a_random_life_agrees_with_a_model(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {31};
    static struct model model;
    struct random random;

    (void)state;
    make(4, 50000, 50000 + RANGE - 1);
    random_init(&random, seed, "model");
    model.uses[0] = use_of("10.0.0.1", "192.0.2.1", 443);
    model.uses[1] = use_of("10.0.0.2", "192.0.2.1", 443);
    model.uses[2] = use_of("10.0.0.1", "192.0.2.2", 443);
    model.uses[3] = use_of("10.0.0.1", "192.0.2.1", 444);
    model.uses[4] = use_of("10.0.0.1", "192.0.2.1", 443);
    model.uses[4].protocol = BERTH_UDP;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 30000; i++) {
            step(&model, &random, 4);
        }
        for (uint32_t u = 0; u < USES; u++) {
            give_back(&model, u, round % 2 == 0 && u != (uint32_t)round % USES ? 3 : 0);
        }
    }
    space_done(&space);
}

static void outside_the_range_nothing_is_kept(void **state)
{
    struct ports_use use = use_of("10.0.0.1", "192.0.2.1", 443);

    (void)state;
    make(1, 50000, 50099);
    assert_true(ports_take(&space.ports, &use, 49999));
    assert_true(ports_take(&space.ports, &use, 49999));
    assert_true(ports_take(&space.ports, &use, 50100));
    assert_true(ports_take(&space.ports, &use, 0));
    assert_int_equal(ports_taken(&space.ports, &use), 0);
    assert_int_equal(space.ports.endpoints.used, 0);
    ports_give(&space.ports, &use, 49999);
    ports_give(&space.ports, &use, 50000); /* never taken */
    assert_true(ports_take(&space.ports, &use, 50000));
    assert_false(ports_take(&space.ports, &use, 50000));
    ports_give(&space.ports, &use, 50001);
    assert_int_equal(ports_taken(&space.ports, &use), 1);
    space_done(&space);
}

/* A number stands for its use as long as a port is taken; it gives back that port and no other. */
static void a_number_stands_for_its_use(void **state)
{
    struct ports_use use = use_of("fd00::1", "2001:db8::1", 443);
    struct ports_use other = use_of("fd00::1", "2001:db8::2", 443);

    (void)state;
    make(2, 50000, 50099);
    assert_int_equal(ports_number(&space.ports, &use, 50000), 0);
    for (uint16_t i = 0; i < 40; i++) { /* in the record itself, and in a bitmap */
        assert_true(ports_take(&space.ports, &use, (uint16_t)(50000 + 2 * i)));
    }
    assert_true(ports_take(&space.ports, &other, 50000));
    uint32_t number = ports_number(&space.ports, &use, 50000);
    assert_in_range(number, 1, 2);
    assert_true(ports_is_number_of(&space.ports, number, &use));
    assert_false(ports_is_number_of(&space.ports, number, &other));
    for (uint16_t i = 0; i < 40; i++) {
        assert_int_equal(ports_number(&space.ports, &use, (uint16_t)(50001 + 2 * i)), 0);
        assert_int_equal(ports_number(&space.ports, &use, (uint16_t)(50000 + 2 * i)), number);
        ports_give_by_number(&space.ports, number, (uint16_t)(50000 + 2 * i));
        assert_int_equal(ports_taken(&space.ports, &use), 39 - i);
    }
    assert_int_equal(ports_number(&space.ports, &use, 49999), 0);
    assert_int_equal(ports_taken(&space.ports, &other), 1);
    assert_int_equal(space.ports.endpoints.used, 1);
    space_done(&space);
}

static void a_seed_repeats_its_choices(void **state)
{
    struct ports_use use = use_of("fd00::1", "2001:db8::1", 443);
    uint16_t first[50];
    uint16_t port;

    (void)state;
    for (int round = 0; round < 2; round++) {
        make(4, 49152, 65535);
        for (int i = 0; i < 50; i++) {
            assert_int_equal(ports_pick(&space.ports, &use, &port), 0);
            if (round == 0) {
                first[i] = port;
            }
            assert_int_equal(port, first[i]);
        }
        space_done(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_the_last_port_of_any_range),
        cmocka_unit_test(the_choice_is_uniform),
        cmocka_unit_test(choices_do_not_follow_each_other),
        cmocka_unit_test(a_random_life_agrees_with_a_model),
        cmocka_unit_test(outside_the_range_nothing_is_kept),
        cmocka_unit_test(a_number_stands_for_its_use),
        cmocka_unit_test(a_seed_repeats_its_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
