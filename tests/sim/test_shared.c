/* SPDX-License-Identifier: MIT */
/*
 * What hosts share: one queue for many, its disciplines, controllers side by side, a time instead
 * of a size.
 */
#include "seeds.h"

#include <stdio.h>

#include "base/bytes.h"

static struct sim_config shared(uint32_t flows, const char *controllers)
{
    struct sim_config config;

    sim_config_init(&config);
    config.flows = flows;
    config.pairs = flows;
    config.time_ns = 20 * NS_PER_S;
    config.path.rate_bps = 20000000;
    config.path.delay_ns = 10 * NS_PER_MS;
    (void)snprintf(config.congestion_control, sizeof config.congestion_control, "%s", controllers);
    return config;
}

/* All of the rate is used, by all of them, and not more. */
static void four_hosts_share_a_queue(void **state)
{
    struct sim_config config = shared(4, "newreno");
    struct sim_result result;
    double sum = 0;

    (void)state;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    for (uint32_t i = 0; i < 4; i++) {
        assert_in_range(result.flows[i].end_ns, config.time_ns, config.time_ns + 2 * NS_PER_MS);
        assert_true(sim_goodput_bps(&result.flows[i], 0) > 1000000);
        sum += sim_goodput_bps(&result.flows[i], 0);
    }
    print_message("%.2f Mbit/s, Jain %.3f\n", sum / 1e6, sim_jain(&result));
    assert_true(sum > 18000000 && sum < 20000000);
    assert_true(sim_jain(&result) > 0.9);
    sim_result_done(&result);
}

/* RFC 8289: the queue stays short where tail drop lets it stand full. */
static void codel_keeps_the_queue_short(void **state)
{
    struct sim_config config = shared(2, "newreno,cubic");
    struct sim_result result;
    uint64_t dropped;

    (void)state;
    config.discipline = SIM_CODEL;
    config.path.queue_bytes = 1U << 20;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    assert_true(result.dropped > 0);
    assert_int_equal(result.marked, 0);
    dropped = result.dropped;
    sim_result_done(&result);
    config.discipline = SIM_TAIL_DROP;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    assert_true(result.dropped < dropped);
    assert_true(result.queue_bytes_max > 900000);
    sim_result_done(&result);
}

/* A queue of so many packets, whatever their length. */
static void a_queue_in_packets(void **state)
{
    struct sim_config config = shared(1, "newreno");
    struct sim_result result;

    (void)state;
    config.queue_packets = 10;
    config.path.queue_bytes = UINT32_MAX;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    assert_in_range(result.queue_bytes_max, 9 * 1500, 10 * 1500);
    assert_true(result.dropped > 0);
    sim_result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_hosts_share_a_queue),
        cmocka_unit_test(codel_keeps_the_queue_short),
        cmocka_unit_test(a_queue_in_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
