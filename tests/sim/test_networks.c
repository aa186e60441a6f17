/* SPDX-License-Identifier: MIT */
/*
 * Whole networks in virtual time: some hundred seeds of each scenario; the same seed is the same
 * run; a day of silence; 2,000 connections through one stack.
 */
#include "seeds.h"

#include "base/bytes.h"

static void transfers(void **state)
{
    (void)state;
    seeds_run_many(SIM_TRANSFER, 100000, 600);
}

/* The issue's own figures: 3 % of everything, both versions of IP. */
static void transfers_over_a_bad_path(void **state)
{
    struct sim_config config;

    (void)state;
    sim_config_init(&config);
    config.vary = true;
    config.given = SIM_GIVEN_LOSS | SIM_GIVEN_REORDER | SIM_GIVEN_DUPLICATE | SIM_GIVEN_CORRUPT;
    config.path.loss_ppm = 30000;
    config.path.reorder_ppm = 30000;
    config.path.duplicate_ppm = 30000;
    config.path.corrupt_ppm = 30000;
    for (unsigned i = 0; i < 400; i++) {
        config.seed = 200000 + i;
        (void)seeds_run(&config);
    }
}

static void mixtures(void **state)
{
    (void)state;
    seeds_run_many(SIM_MIXED, 300000, 600);
}

/* Connections that were idle for 24 hours still answer. */
static void a_day_of_silence(void **state)
{
    (void)state;
    seeds_run_many(SIM_IDLE, 400000, 200);
}

static void thousands_through_one_stack(void **state)
{
    (void)state;
    seeds_run_many(SIM_MANY, 500000, 5);
}

/* A path that holds more than a window without scaling. */
static void a_long_fat_path(void **state)
{
    struct sim_config config;
    struct sim_result result;

    (void)state;
    sim_config_init(&config);
    config.bytes = 8U << 20;
    config.path.delay_ns = 50 * NS_PER_MS;
    config.path.rate_bps = 100000000;
    config.path.queue_bytes = 4U << 20;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    assert_int_equal(result.bytes, 8U << 20);
    assert_int_equal(result.retransmissions, 0);
    /* 64 KiB a round trip of 100 ms would take 12.8 s. */
    assert_true(result.flows[0].end_ns < 3 * NS_PER_S);
    sim_result_done(&result);
}

static void the_same_seed_is_the_same_run(void **state)
{
    struct sim_config config;
    uint64_t last = 0;

    (void)state;
    sim_config_init(&config);
    config.vary = true;
    for (unsigned i = 0; i < 60; i++) {
        uint64_t trace;

        config.scenario = i % 2 == 0 ? SIM_TRANSFER : SIM_MIXED;
        config.seed = 600000 + i;
        trace = seeds_run(&config);
        assert_true(seeds_run(&config) == trace);
        assert_true(trace != last);
        last = trace;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers),
        cmocka_unit_test(transfers_over_a_bad_path),
        cmocka_unit_test(mixtures),
        cmocka_unit_test(a_day_of_silence),
        cmocka_unit_test(thousands_through_one_stack),
        cmocka_unit_test(a_long_fat_path),
        cmocka_unit_test(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
