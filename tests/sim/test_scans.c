/* SPDX-License-Identifier: MIT */
/* No alarm in an hour of ordinary traffic, which a scan in it would have raised. */
#include "ordinary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_hour_raises_no_alarm(void **state)
{
    struct ordinary_figures figures = ordinary_run(1, 3600, false);

    (void)state;
    print_message("an hour: %llu conversations begun, %llu connections, %llu refusals, %llu late "
                  "segments, %llu alarms\n",
                  (unsigned long long)figures.conversations, (unsigned long long)figures.opened,
                  (unsigned long long)figures.refused, (unsigned long long)figures.late,
                  (unsigned long long)figures.alarms);
    assert_true(figures.opened > 8000);
    assert_true(figures.refused > 500);
    assert_true(figures.late > 50);
    assert_int_equal(figures.alarms, 0);
}

static void other_seeds_raise_none(void **state)
{
    (void)state;
    for (uint64_t seed = 2; seed < 8; seed++) {
        assert_int_equal(ordinary_run(seed, 300, false).alarms, 0);
    }
}

static void a_scan_in_it_is_found(void **state)
{
    (void)state;
    assert_int_equal(ordinary_run(1, 300, true).alarms, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_raises_no_alarm),
        cmocka_unit_test(other_seeds_raise_none),
        cmocka_unit_test(a_scan_in_it_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
