/* SPDX-License-Identifier: MIT */
/*
 * The version that the library reports is the build's, and is made of three numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <berth/version.h>

static void version_is_the_builds(void **state)
{
    (void)state;
    assert_string_equal(berth_version(), BERTH_VERSION);
}

static void version_is_three_numbers(void **state)
{
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    char rest = 0;

    (void)state;
    assert_int_equal(sscanf(berth_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_the_builds),
        cmocka_unit_test(version_is_three_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
