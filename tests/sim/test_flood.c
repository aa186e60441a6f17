/* SPDX-License-Identifier: MIT */
/*
 * A SYN flood of a million a second: the listener's stack uses what it has and no more, and clients
 * that connect meanwhile do not notice.
 */
#include "seeds.h"

#include "base/bytes.h"

static void flood(uint32_t versions, struct sim_result *result)
{
    struct sim_config config;

    sim_config_init(&config);
    config.scenario = SIM_FLOOD;
    config.versions = versions;
    config.time_ns = 200 * NS_PER_MS;
    config.path.delay_ns = 10 * NS_PER_MS;
    assert_int_equal(sim_run(&config, result), 0);
    assert_string_equal(result->failure, "");
    assert_true(result->is_right);
}

static void memory_is_flat(void **state)
{
    struct sim_result result;

    (void)state;
    flood(SIM_IPV4, &result);
    assert_int_equal(result.flood.syns, 200000);
    assert_int_equal(result.flood.half_open_max, 1024); /* tcp.syn_queue */
    assert_true(result.flood.connections_max <= 8);
    assert_true(result.flood.buffers_used_max <= 64);
    assert_true(result.flood.cookies_out >= 200000 - 1024);
    /* A second client's records, and what the first that ended is noted in (tcp/outcome.h). */
    assert_true(result.flood.pages_grown <= 4);
    sim_result_done(&result);
}

static void clients_connect_in_one_round_trip(void **state)
{
    static const uint32_t versions[] = {SIM_IPV4, SIM_IPV6};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_result result;

        flood(versions[i], &result);
        assert_int_equal(result.flow_count, 8);
        assert_int_equal(result.flood.cookies_in, 8);
        assert_int_equal(result.bytes, 8000);
        assert_in_range(result.flood.connect_ns_max, 20 * NS_PER_MS,
                        20 * NS_PER_MS + 32 * NS_PER_US);
        sim_result_done(&result);
    }
}

static void a_flood_gives_the_same_trace(void **state)
{
    struct sim_result results[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        flood(SIM_IPV4, &results[i]);
        sim_result_done(&results[i]);
    }
    assert_true(results[0].trace == results[1].trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_flat),
        cmocka_unit_test(clients_connect_in_one_round_trip),
        cmocka_unit_test(a_flood_gives_the_same_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
