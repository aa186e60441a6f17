/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses: the latest counts, the longest unused goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/naming.h"

static void test_latest(void **state)
{
    struct naming naming;
    struct berth_address one = berth_address_v4(0xc0000201);
    struct berth_address other = berth_address_v4(0xc0000202);

    (void)state;
    assert_int_equal(naming_init(&naming), 0);
    assert_null(naming_find(&naming, &one));
    naming_learn(&naming, &one, "a.test");
    assert_string_equal(naming_find(&naming, &one), "a.test");
    naming_learn(&naming, &one, "b.test");
    assert_string_equal(naming_find(&naming, &one), "b.test");
    assert_null(naming_find(&naming, &other));
    naming_done(&naming);
}

static void test_limit(void **state)
{
    struct naming naming;
    struct berth_address first = berth_address_v4(0);
    struct berth_address second = berth_address_v4(1);
    char name[16];

    (void)state;
    assert_int_equal(naming_init(&naming), 0);
    for (uint32_t i = 0; i < NAMING_MAX; i++) {
        struct berth_address address = berth_address_v4(i);

        snprintf(name, sizeof name, "n%u", i);
        naming_learn(&naming, &address, name);
    }
    naming_learn(&naming, &first, "kept");
    for (uint32_t i = NAMING_MAX; i < NAMING_MAX + 10; i++) {
        struct berth_address address = berth_address_v4(i);

        snprintf(name, sizeof name, "n%u", i);
        naming_learn(&naming, &address, name);
        assert_string_equal(naming_find(&naming, &address), name);
    }
    assert_string_equal(naming_find(&naming, &first), "kept");
    assert_null(naming_find(&naming, &second));
    naming_done(&naming);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latest),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
