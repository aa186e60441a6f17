/* SPDX-License-Identifier: MIT */
/*
 * Names that records of other names point to: found until their time is over, the oldest forgotten
 * first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "run/aliases.h"

static void test_origins(void **state)
{
    static struct aliases aliases;
    size_t cursor = 0;

    (void)state;
    aliases_add(&aliases, "target.test", "a.test", 100);
    aliases_add(&aliases, "target.test", "b.test", 200);
    aliases_add(&aliases, "target.test", "a.test", 150); /* again: once, and longer */
    aliases_add(&aliases, "other.test", "c.test", 200);
    assert_string_equal(aliases_next(&aliases, "target.test", 0, &cursor), "a.test");
    assert_string_equal(aliases_next(&aliases, "target.test", 0, &cursor), "b.test");
    assert_null(aliases_next(&aliases, "target.test", 0, &cursor));
    cursor = 0;
    assert_string_equal(aliases_next(&aliases, "target.test", 149, &cursor), "a.test");
    cursor = 0;
    assert_string_equal(aliases_next(&aliases, "target.test", 150, &cursor), "b.test");
    cursor = 0;
    assert_null(aliases_next(&aliases, "target.test", 200, &cursor));
    cursor = 0;
    assert_null(aliases_next(&aliases, "nowhere.test", 0, &cursor));
    aliases_done(&aliases);
}

static void test_full(void **state)
{
    static struct aliases aliases;
    char target[32];
    size_t cursor = 0;

    (void)state;
    for (int i = 0; i <= ALIASES_MAX; i++) {
        snprintf(target, sizeof target, "t%d.test", i);
        aliases_add(&aliases, target, "a.test", 100);
    }
    assert_null(aliases_next(&aliases, "t0.test", 0, &cursor));
    cursor = 0;
    assert_string_equal(aliases_next(&aliases, "t1.test", 0, &cursor), "a.test");
    /* Words of the one that has to go for them. */
    cursor = 0;
    aliases_add(&aliases, "t.test", aliases_next(&aliases, "t1.test", 0, &cursor), 100);
    cursor = 0;
    assert_string_equal(aliases_next(&aliases, "t.test", 0, &cursor), "a.test");
    aliases_done(&aliases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
