/* SPDX-License-Identifier: MIT */
/*
 * Id maps: ids are the same on both sides, whatever the caller's own map shifts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/namespace.h"

static void whole_range_maps_to_itself(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(
        namespace_map_identity("         0          0 4294967295\n", -1, out, sizeof(out)), 0);
    assert_string_equal(out, "0 0 4294967295\n");
}

static void callers_inside_ids_are_kept(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(namespace_map_identity("0 100000 65536\n70000 1000 1\n", -1, out, sizeof(out)),
                     0);
    assert_string_equal(out, "0 0 65536\n70000 70000 1\n");
}

static void map_without_lines_or_room_is_a_limit(void **state)
{
    char out[16];

    (void)state;
    assert_int_equal(namespace_map_identity("", -1, out, sizeof(out)), BERTH_E_LIMIT);
    assert_int_equal(namespace_map_identity("0 0 4294967295\n", -1, out, sizeof(out)),
                     BERTH_E_LIMIT);
}

static void nobody_is_a_user_whom_no_program_inside_can_become(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(namespace_nobody_in("0 0 4294967295\n", 0), 4294967294);
    assert_int_equal(namespace_map_identity("0 0 4294967295\n", 4294967294, out, sizeof(out)), 0);
    assert_string_equal(out, "0 0 4294967294\n");
    assert_int_equal(namespace_nobody_in("0 1000 1\n1 100000 65536\n", 0), 65536);
    assert_int_equal(namespace_map_identity("0 1000 1\n1 100000 65536\n", 65536, out, sizeof(out)),
                     0);
    assert_string_equal(out, "0 0 1\n1 1 65535\n");
    assert_int_equal(namespace_nobody_in("0 1000 10\n10 100000 20\n", 29), 9); /* not the caller */
    assert_int_equal(namespace_nobody_in("0 1000 1\n", 0), -1);
}

static void own_maps_hold_own_ids(void **state)
{
    struct namespace_maps maps;
    struct launch_error error;
    unsigned first = 0;
    unsigned outside = 0;
    unsigned count = 0;

    (void)state;
    assert_int_equal(namespace_maps_init(&maps, &error), 0);
    assert_int_equal(sscanf(maps.uid_map, "%u %u %u", &first, &outside, &count), 3);
    assert_int_equal(first, outside);
    assert_true(geteuid() >= first && geteuid() - first < count);
    assert_true(getegid() >= maps.gid_first && getegid() <= maps.gid_last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_range_maps_to_itself),
        cmocka_unit_test(callers_inside_ids_are_kept),
        cmocka_unit_test(map_without_lines_or_room_is_a_limit),
        cmocka_unit_test(nobody_is_a_user_whom_no_program_inside_can_become),
        cmocka_unit_test(own_maps_hold_own_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
