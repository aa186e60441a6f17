/* SPDX-License-Identifier: MIT */
/*
 * Numbers with a unit: exact values, every unit, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link/units.h"

static uint64_t time_of(const char *text)
{
    uint64_t value = UINT64_MAX;

    (void)link_parse_time_ns(text, strlen(text), &value);
    return value;
}

static uint64_t rate_of(const char *text)
{
    uint64_t value = UINT64_MAX;

    (void)link_parse_rate_bps(text, strlen(text), &value);
    return value;
}

static uint32_t ppm_of(const char *text)
{
    uint32_t value = UINT32_MAX;

    (void)link_parse_ppm(text, strlen(text), &value);
    return value;
}

static uint32_t bytes_of(const char *text)
{
    uint32_t value = UINT32_MAX;

    (void)link_parse_bytes(text, strlen(text), &value);
    return value;
}

static void times(void **state)
{
    (void)state;
    assert_int_equal(time_of("40ms"), 40000000);
    assert_int_equal(time_of("1.5us"), 1500);
    assert_int_equal(time_of("7ns"), 7);
    assert_int_equal(time_of("0.25s"), 250000000);
    assert_int_equal(time_of("0"), 0);
    assert_int_equal(time_of("3600s"), 3600000000000);
    assert_int_equal(time_of("3600.000000001s"), UINT64_MAX);
    assert_int_equal(time_of("99999999999999999999s"), UINT64_MAX);
    assert_int_equal(time_of("18446744073709551615s"), UINT64_MAX);
}

static void times_that_are_none(void **state)
{
    static const char *const bad[] = {"",     "ms",   "40",   "40 ms", "-1ms",
                                      "+1ms", "1.ms", ".5ms", "1e3s",  "1.5.5s",
                                      "1m",   "40MS", "0x1s", "1,5s",  "1.0000000001s"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(time_of(bad[i]), UINT64_MAX);
    }
}

static void portions(void **state)
{
    (void)state;
    assert_int_equal(ppm_of("1%"), 10000);
    assert_int_equal(ppm_of("0.01%"), 100);
    assert_int_equal(ppm_of("0.0001%"), 1);
    assert_int_equal(ppm_of("100%"), 1000000);
    assert_int_equal(ppm_of("3ppm"), 3);
    assert_int_equal(ppm_of("0"), 0);
    assert_int_equal(ppm_of("100.0001%"), UINT32_MAX);
    assert_int_equal(ppm_of("1"), UINT32_MAX);
    assert_int_equal(ppm_of("1%%"), UINT32_MAX);
}

static void rates(void **state)
{
    (void)state;
    assert_int_equal(rate_of("10mbit"), 10000000);
    assert_int_equal(rate_of("1.5gbit"), 1500000000);
    assert_int_equal(rate_of("1kbit"), 1000);
    assert_int_equal(rate_of("999bit"), UINT64_MAX);
    assert_int_equal(rate_of("0"), UINT64_MAX);
    assert_int_equal(rate_of("1001gbit"), UINT64_MAX);
    assert_int_equal(rate_of("10mb"), UINT64_MAX);
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(bytes_of("64kb"), 65536);
    assert_int_equal(bytes_of("1.5kib"), 1536);
    assert_int_equal(bytes_of("100b"), 100);
    assert_int_equal(bytes_of("1gb"), 1U << 30);
    assert_int_equal(bytes_of("1.1gb"), UINT32_MAX);
    assert_int_equal(bytes_of("64"), UINT32_MAX);
}

/* The text need not end where the number does. */
static void only_the_bytes_given(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_true(link_parse_number("123456", 3, &value));
    assert_int_equal(value, 123);
    assert_false(link_parse_number("12x", 3, &value));
    assert_false(link_parse_number("18446744073709551616", 20, &value));
    assert_true(link_parse_number("18446744073709551615", 20, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_true(link_parse_time_ns("40msx", 4, &value));
    assert_int_equal(value, 40000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),    cmocka_unit_test(times_that_are_none),
        cmocka_unit_test(portions), cmocka_unit_test(rates),
        cmocka_unit_test(sizes),    cmocka_unit_test(only_the_bytes_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
