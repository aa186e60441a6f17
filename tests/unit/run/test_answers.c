/* SPDX-License-Identifier: MIT */
/*
 * Learning: every name that led to an address is kept, once, and no more than there is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "run/answers.h"

static size_t count_of(const struct answers *answers, const struct berth_address *address)
{
    const struct answer *at = NULL;
    size_t count = 0;

    while ((at = answers_next(answers, address, at)) != NULL) {
        assert_true(berth_address_is_equal(&at->address, address));
        count++;
    }
    return count;
}

static void test_off(void **state)
{
    struct answers answers = {0};
    struct berth_address one = berth_address_v4(1);

    (void)state;
    answers_add(&answers, &one, "a.example", false);
    assert_int_equal(answers.count, 0);
    assert_int_equal(answers.uncounted, 0);
}

static void test_pairs(void **state)
{
    struct answers answers = {.is_on = true};
    struct berth_address one = berth_address_v4(1);
    struct berth_address two = berth_address_v4(2);
    struct berth_address none = berth_address_v4(3);

    (void)state;
    answers_add(&answers, &one, "a.example", false);
    answers_add(&answers, &one, "A.EXAMPLE", false);
    answers_add(&answers, &one, "b.example", true);
    answers_add(&answers, &two, "a.example", false);
    assert_int_equal(answers.count, 3);
    assert_int_equal(count_of(&answers, &one), 2);
    assert_int_equal(count_of(&answers, &two), 1);
    assert_int_equal(count_of(&answers, &none), 0);
    assert_true(answers_next(&answers, &one, NULL)->is_inward);
    answers_done(&answers);
}

static void test_limit(void **state)
{
    struct answers answers = {.is_on = true};

    (void)state;
    for (uint32_t i = 0; i < ANSWERS_MAX + 10; i++) {
        struct berth_address address = berth_address_v4(i);
        char name[32];

        snprintf(name, sizeof name, "%u.example", (unsigned)i);
        answers_add(&answers, &address, name, false);
        assert_int_equal(count_of(&answers, &address), i < ANSWERS_MAX);
    }
    assert_int_equal(answers.count, ANSWERS_MAX);
    assert_int_equal(answers.uncounted, 10);
    answers_done(&answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
