/* SPDX-License-Identifier: MIT */
/*
 * CUBIC's curve in integers against long double: the bounds that curve.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "base/random.h"
#include "cc/curve.h"

#define ROUNDS 300000

static const long double tick_s = 1.0L / (1 << 20);
static const uint8_t seed[RANDOM_SEED_BYTES] = {9, 4, 3, 8};

static void a_cube_root_is_rounded_down(void **state)
{
    (void)state;
    assert_int_equal(cc_curve_cube_root(0), 0);
    for (uint64_t root = 1; root <= 2642245; root++) {
        uint64_t cube = root * root * root;

        if (cc_curve_cube_root(cube) != root || cc_curve_cube_root(cube - 1) != root - 1) {
            fail_msg("around the cube of %llu", (unsigned long long)root);
        }
    }
    assert_int_equal(cc_curve_cube_root(UINT64_MAX), 2642245);
}

static void a_tick_is_a_power_of_two_of_a_second(void **state)
{
    struct random random;

    (void)state;
    assert_int_equal(cc_curve_ticks(0), 0);
    assert_int_equal(cc_curve_ticks(NS_PER_S), 1 << 20);
    assert_int_equal(cc_curve_ticks(2048 * NS_PER_S), CC_CURVE_TICKS_MAX);
    assert_int_equal(cc_curve_ticks(UINT64_MAX), CC_CURVE_TICKS_MAX);
    random_init(&random, seed, "ticks");
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t ns = random_u64(&random) % (2048 * NS_PER_S);
        long double exact = (long double)ns / 1e9L / tick_s;
        long double error = exact - (long double)cc_curve_ticks(ns);

        assert_true(error >= -1e-6L && error < 1.0L);
    }
}

static void bytes_are_the_cube(void **state)
{
    struct random random;

    (void)state;
    random_init(&random, seed, "bytes");
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t ticks = random_u32(&random) >> (1 + random_below(&random, 31));
        uint32_t mss = 1 + (random_u32(&random) % 65535 >> random_below(&random, 16));
        long double t = (long double)ticks * tick_s;
        long double exact = fminl(0.4L * t * t * t * mss, 1 << 30);
        long double error = exact - (long double)cc_curve_bytes(ticks, mss);

        if (error < -1e-3L || error > 2 + mss * 0.4L * t / 1024) {
            fail_msg("%u ticks, mss %u: wrong by %Lg bytes", ticks, mss, error);
        }
    }
    assert_int_equal(cc_curve_bytes(0, 1460), 0);
    assert_int_equal(cc_curve_bytes(CC_CURVE_TICKS_MAX, 1), CC_WINDOW_MAX);
    assert_int_equal(cc_curve_bytes(CC_CURVE_TICKS_MAX, 65535), CC_WINDOW_MAX);
}

static void time_is_the_inverse(void **state)
{
    struct random random;

    (void)state;
    random_init(&random, seed, "time");
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t bytes = random_below(&random, (1U << 30) + 1) >> random_below(&random, 31);
        uint32_t mss = 1 + (random_u32(&random) % 65535 >> random_below(&random, 16));
        long double exact = cbrtl((long double)bytes / (0.4L * mss)) / tick_s;
        long double error = exact - (long double)cc_curve_time(bytes, mss);

        if (error < -1e-6L || error > 1 + exact / (1 << 14)) {
            fail_msg("%u bytes, mss %u: wrong by %Lg of %Lg ticks", bytes, mss, error, exact);
        }
    }
    assert_int_equal(cc_curve_time(0, 1460), 0);
}

static void the_curve_rises_everywhere(void **state)
{
    (void)state;
    for (uint32_t ticks = 0, last = 0; ticks < CC_CURVE_TICKS_MAX - 4096; ticks += 4096) {
        uint32_t bytes = cc_curve_bytes(ticks, 1460);

        assert_true(bytes >= last);
        last = bytes;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cube_root_is_rounded_down),
        cmocka_unit_test(a_tick_is_a_power_of_two_of_a_second),
        cmocka_unit_test(bytes_are_the_cube),
        cmocka_unit_test(time_is_the_inverse),
        cmocka_unit_test(the_curve_rises_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
