/* SPDX-License-Identifier: MIT */
/*
 * Records of processes: one for all that tell the same, gone when the last is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run/owners.h"

static void test_one_for_all(void **state)
{
    struct owners owners = {0};
    struct attribute_process curl = {.pid = 7, .name = "curl", .command = "curl a", .parent = 1};
    struct attribute_process other = curl;
    const struct attribute_process *first = owners_take(&owners, &curl);

    (void)state;
    assert_non_null(first);
    assert_string_equal(first->command, "curl a");
    assert_ptr_equal(owners_take(&owners, &other), first);
    strcpy(other.name, "git"); /* it has called itself anew */
    const struct attribute_process *second = owners_take(&owners, &other);
    assert_ptr_not_equal(second, first);
    owners_give(&owners, first);
    assert_ptr_equal(owners_take(&owners, &curl), first);
    owners_give(&owners, first);
    owners_give(&owners, first);
    owners_give(&owners, second);
    for (size_t i = 0; i < OWNERS_CHAINS; i++) {
        assert_null(owners.chains[i]);
    }
    owners_give(&owners, NULL);
}

/* Processes whose ids share a chain. */
static void test_chains(void **state)
{
    struct owners owners = {0};
    const struct attribute_process *taken[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct attribute_process process = {.pid = 7 + i * OWNERS_CHAINS};

        taken[i] = owners_take(&owners, &process);
        assert_non_null(taken[i]);
    }
    for (int i = 4; i >= 0; i -= 2) {
        owners_give(&owners, taken[i]);
    }
    assert_int_equal(taken[1]->pid, 7 + OWNERS_CHAINS);
    owners_give(&owners, taken[1]);
    owners_give(&owners, taken[3]);
    assert_null(owners.chains[7]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_for_all),
        cmocka_unit_test(test_chains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
