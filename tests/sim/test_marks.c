/* SPDX-License-Identifier: MIT */
/*
 * Networks that mark instead of losing (RFC 3168, 9768): all bytes arrive, hardly any twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "sim/sim.h"

static const uint8_t settings[] = {BERTH_TCP_ECN, BERTH_TCP_ACCECN};
static const char *const controllers[] = {"cubic", "newreno"};

static struct sim_config with(const char *controller, uint8_t ecn)
{
    struct sim_config config;

    sim_config_init(&config);
    (void)snprintf(config.congestion_control, sizeof config.congestion_control, "%s", controller);
    config.given = SIM_GIVEN_ECN | SIM_GIVEN_MARKS;
    config.ecn = ecn;
    config.bytes = 4U << 20;
    config.path.rate_bps = 50000000;
    return config;
}

/* Slow start ends at the first mark, so the queue never fills. */
static void a_path_that_marks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim_config config = with(controllers[i / 2], settings[i % 2]);
        struct sim_result result;

        config.path.ecn_ppm = 10000;
        assert_int_equal(sim_run(&config, &result), 0);
        assert_true(result.is_right);
        assert_true(result.marked > 10);
        assert_int_equal(result.lost, 0);
        assert_int_equal(result.retransmissions, 0);
        sim_result_done(&result);
    }
}

/* The same queue, with senders that hear marks and with those that do not. */
static void a_queue_that_marks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim_config config = with(controllers[i / 2], BERTH_TCP_ECN_OFF);
        struct sim_result result;
        uint32_t deaf;

        config.discipline = SIM_CODEL_MARKS;
        assert_int_equal(sim_run(&config, &result), 0);
        assert_true(result.is_right);
        assert_int_equal(result.marked, 0);
        deaf = (uint32_t)result.retransmissions;
        sim_result_done(&result);
        config.ecn = settings[i % 2];
        assert_int_equal(sim_run(&config, &result), 0);
        assert_true(result.is_right);
        assert_true(result.marked > 0);
        assert_true(result.retransmissions < deaf); /* what slow start had lost before it heard */
        sim_result_done(&result);
    }
}

/* Every packet is marked: it goes on all the same, and slowly. */
static void a_path_that_marks_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim_config config = with(controllers[i / 2], settings[i % 2]);
        struct sim_result result;

        config.path.ecn_ppm = 1000000;
        config.bytes = 200000;
        assert_int_equal(sim_run(&config, &result), 0);
        assert_true(result.is_right);
        assert_int_equal(result.lost, 0);
        assert_true(result.marked >= 100);
        assert_true(result.flows[0].end_ns > 2 * NS_PER_S); /* two segments a round trip */
        sim_result_done(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_marks),
        cmocka_unit_test(a_queue_that_marks),
        cmocka_unit_test(a_path_that_marks_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
