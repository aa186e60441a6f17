/* SPDX-License-Identifier: MIT */
/*
 * Congestion control on whole networks: what each controller gets through a path that loses, by the
 * models of their RFCs; the first slow start into a deep queue; two flows that share.
 */
#include "seeds.h"

#include <stdio.h>

#include "base/bytes.h"
#include "cc/cc.h"

#define MSS 1448U

static struct sim_config path_of(const char *controller, uint64_t rate_bps, uint64_t delay_ms)
{
    struct sim_config config;

    sim_config_init(&config);
    config.path.rate_bps = rate_bps;
    config.path.delay_ns = delay_ms * NS_PER_MS;
    (void)snprintf(config.congestion_control, sizeof config.congestion_control, "%s", controller);
    return config;
}

static uint64_t goodput_bps(const struct sim_flow_result *flow)
{
    return flow->ends[1].received * 8 * 1000000 / ((flow->end_ns - flow->begin_ns) / 1000);
}

static struct sim_flow_result run_one(const struct sim_config *config)
{
    struct sim_result result;
    struct sim_flow_result flow;

    assert_int_equal(sim_run(config, &result), 0);
    assert_true(result.is_right);
    flow = result.flows[0];
    sim_result_done(&result);
    return flow;
}

/* RFC 9438 5.1, tables 1 and 2: the average window in segments at a loss rate, which two thirds to
 * twice is held for right: ACKs are lost too, and a start is in it. */
static void goodput_is_that_of_the_models(void **state)
{
    static const struct {
        uint64_t delay_ms;
        uint32_t loss_ppm;
        uint64_t bytes;
        uint64_t window; /* Reno's and CUBIC's alike */
    } cases[] = {
        {10, 10000, 8U << 20, 12},
        {10, 1000, 32U << 20, 38},
        {50, 10000, 8U << 20, 12},
        {50, 1000, 32U << 20, 38},
    };
    const struct cc_table *table;

    (void)state;
    for (uint32_t i = 0; (table = cc_at(i)) != NULL; i++) {
        /* One that measures does not follow losses. */
        for (size_t k = 0; table->on_sample == NULL && k < sizeof cases / sizeof cases[0]; k++) {
            struct sim_config config = path_of(table->name, 100000000, cases[k].delay_ms);
            uint64_t expected = cases[k].window * MSS * 8 * 1000 / (2 * cases[k].delay_ms);
            uint64_t goodput;

            config.path.loss_ppm = cases[k].loss_ppm;
            config.bytes = cases[k].bytes;
            struct sim_flow_result flow = run_one(&config);
            goodput = goodput_bps(&flow);
            print_message("%s, %u ms, %u ppm: %.2f Mbit/s, by the model %.2f\n", table->name,
                          (unsigned)(2 * cases[k].delay_ms), cases[k].loss_ppm,
                          (double)goodput / 1e6, (double)expected / 1e6);
            assert_in_range(goodput, expected * 2 / 3, expected * 2);
        }
    }
}

/* A queue twelve times what the path holds: doubling overruns it, HyStart++ sees it fill. */
static void the_first_slow_start_ends_before_the_queue_does(void **state)
{
    struct sim_config config = path_of("cubic", 20000000, 25);

    (void)state;
    config.path.queue_bytes = 1536U << 10;
    config.bytes = 8U << 20;
    struct sim_flow_result flow = run_one(&config);
    assert_int_equal(flow.ends[0].retransmissions, 0);
    assert_true(goodput_bps(&flow) > 18000000);
    config = path_of("newreno", 20000000, 25);
    config.path.queue_bytes = 1536U << 10;
    config.bytes = 8U << 20;
    flow = run_one(&config);
    assert_true(flow.ends[0].retransmissions > 0);
}

/* Two that begin together: while both are there, Jain's index is 0.9 and more. */
static void two_flows_share(void **state)
{
    struct sim_config config = path_of("cubic", 50000000, 10);
    struct sim_result result;

    (void)state;
    config.flows = 2;
    config.bytes = 32U << 20;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_true(result.is_right);
    double a = (double)goodput_bps(&result.flows[0]);
    double b = (double)goodput_bps(&result.flows[1]);
    double jain = (a + b) * (a + b) / (2 * (a * a + b * b));
    print_message("%.2f and %.2f Mbit/s, Jain %.3f\n", a / 1e6, b / 1e6, jain);
    assert_true(jain > 0.9);
    sim_result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goodput_is_that_of_the_models),
        cmocka_unit_test(the_first_slow_start_ends_before_the_queue_does),
        cmocka_unit_test(two_flows_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
