/* SPDX-License-Identifier: MIT */
/*
 * What each congestion controller makes of a path, in virtual time: a long fat pipe, random loss,
 * a queue shared with its like and with others. The thresholds are about the share of what the
 * link can carry in payload; a run is the same every time, so they may be asserted.
 */
#include "seeds.h"

#include <stdio.h>

#include "base/bytes.h"

#define MSS         1448 /* payload of a packet of 1500 bytes: IPv4, TCP, timestamps */
#define OVERHEAD    52   /* of each */
#define RATE        100000000
#define HALF_RTT_NS (10 * NS_PER_MS)
#define QUEUE_BYTES 250000 /* a bandwidth-delay product */
#define PACKET_NS   (120 * NS_PER_US)

static struct sim_config path(const char *controller, uint64_t seed)
{
    struct sim_config config;

    sim_config_init(&config);
    config.seed = seed;
    config.path.rate_bps = RATE;
    config.path.delay_ns = HALF_RTT_NS;
    (void)snprintf(config.congestion_control, sizeof config.congestion_control, "%s", controller);
    return config;
}

/* Goodput of the flows from FIRST on, each STEP-th, as a share of what CONFIG's link can carry. */
static double share(const struct sim_config *config, const struct sim_result *result,
                    uint32_t first, uint32_t step)
{
    double most = (double)config->path.rate_bps * (config->mtu - OVERHEAD) / config->mtu;
    double sum = 0;

    for (uint32_t i = first; i < result->flow_count; i += step) {
        sum += sim_goodput_bps(&result->flows[i], 0);
    }
    return sum / most;
}

static double run_alone(const struct sim_config *config)
{
    struct sim_result result;
    double part;

    assert_int_equal(sim_run(config, &result), 0);
    assert_string_equal(result.failure, "");
    part = share(config, &result, 0, 1);
    print_message("%s, seed %u: %.1f %% of the link\n", config->congestion_control,
                  (unsigned)config->seed, part * 100);
    sim_result_done(&result);
    return part;
}

/* 10 Gbit/s, a round trip of 100 ms: after slow start a connection has 95 % of it. */
static void one_connection_fills_a_long_fat_pipe(void **state)
{
    static const char *const controllers[] = {"cubic", "bbr"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_config config = path(controllers[i], 1);

        config.path.rate_bps = UINT64_C(10000000000);
        config.path.delay_ns = 50 * NS_PER_MS;
        config.mtu = 65520; /* as many bytes in fewer packets */
        config.from_ns = 2500 * NS_PER_MS;
        config.time_ns = 3 * NS_PER_S;
        assert_true(run_alone(&config) >= 0.95);
    }
}

/* Over two of BBR's looks at the round-trip time, which cost it 2 % (draft-ietf-ccwg-bbr
 * 5.3.4.2). */
static void bbr_keeps_a_long_pipe_full(void **state)
{
    struct sim_config config = path("bbr", 1);

    (void)state;
    config.path.delay_ns = 50 * NS_PER_MS;
    config.from_ns = 4 * NS_PER_S;
    config.time_ns = 16 * NS_PER_S;
    assert_true(run_alone(&config) >= 0.93);
}

/* One packet in a hundred is lost by chance: BBR does not take it for a full queue. */
static void bbr_bears_random_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct sim_config config = path("bbr", seed);

        config.path.loss_ppm = 10000;
        config.from_ns = 2 * NS_PER_S;
        config.time_ns = 20 * NS_PER_S;
        assert_true(run_alone(&config) >= 0.8);
    }
}

/* RFC 9438 5.1: the average window is 12 segments at a loss of 1 %, also with a round trip of
 * 20 ms. The model loses every hundredth packet; by chance it varies. */
static void cubic_is_within_the_model(void **state)
{
    double segments = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_config config = path("cubic", seed);

        config.path.loss_ppm = 10000;
        config.from_ns = 5 * NS_PER_S;
        config.time_ns = 60 * NS_PER_S;
        double goodput_bps = run_alone(&config) * RATE * MSS / (MSS + OVERHEAD);
        segments += goodput_bps * 2 * (double)HALF_RTT_NS / 1e9 / 8 / MSS / 3;
    }
    print_message("an average window of %.1f segments\n", segments);
    assert_true(segments > 12 * 0.75 && segments < 12 * 1.25);
}

static struct sim_config shared(const char *controllers, uint64_t seed)
{
    struct sim_config config = path(controllers, seed);

    config.flows = 8;
    config.pairs = 8;
    config.path.queue_bytes = QUEUE_BYTES;
    config.path.jitter_ns = PACKET_NS; /* so that hosts do not take turns in step */
    return config;
}

/* 60 s from the first SYN on. */
static void eight_flows_share_fairly(void **state)
{
    static const char *const controllers[] = {"cubic", "cubic", "newreno", "bbr"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim_config config = shared(controllers[i], 1 + i);
        struct sim_result result;

        config.time_ns = 60 * NS_PER_S;
        assert_int_equal(sim_run(&config, &result), 0);
        assert_string_equal(result.failure, "");
        print_message("%s: Jain %.3f, %.1f %% of the link\n", controllers[i], sim_jain(&result),
                      share(&config, &result, 0, 1) * 100);
        assert_true(sim_jain(&result) >= 0.95);
        assert_true(share(&config, &result, 0, 1) >= 0.95);
        sim_result_done(&result);
    }
}

/* Four of BBR and four of CUBIC: neither starves the other. */
static void bbr_and_cubic_live_together(void **state)
{
    struct sim_config config = shared("bbr,cubic", 1);
    struct sim_result result;
    double bbr;
    double cubic;

    (void)state;
    config.from_ns = 5 * NS_PER_S;
    config.time_ns = 40 * NS_PER_S;
    assert_int_equal(sim_run(&config, &result), 0);
    assert_string_equal(result.failure, "");
    bbr = share(&config, &result, 0, 2);
    cubic = share(&config, &result, 1, 2);
    print_message("BBR %.1f %%, CUBIC %.1f %% of the link\n", bbr * 100, cubic * 100);
    assert_true(bbr > 0.2 && cubic > 0.2 && bbr + cubic > 0.93);
    sim_result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_fills_a_long_fat_pipe),
        cmocka_unit_test(bbr_keeps_a_long_pipe_full),
        cmocka_unit_test(bbr_bears_random_loss),
        cmocka_unit_test(cubic_is_within_the_model),
        cmocka_unit_test(eight_flows_share_fairly),
        cmocka_unit_test(bbr_and_cubic_live_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
