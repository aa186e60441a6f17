/* SPDX-License-Identifier: MIT */
/*
 * Network order, sequence numbers modulo 2^32, sums that do not wrap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static void network_order(void **state)
{
    uint8_t bytes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    uint8_t out[6] = {0};

    (void)state;
    assert_int_equal(load_be16(bytes + 1), 0x0102);
    assert_int_equal(load_be32(bytes + 1), 0x01020304);
    assert_int_equal(load_u64(bytes), 0x0706050403020100);
    store_be16(out + 1, 0xabcd);
    store_be32(out + 2, 0x12345678);
    assert_memory_equal(out, "\x00\xab\x12\x34\x56\x78", 6);
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    assert_true(seq_lt(0xffffffff, 0) && seq_gt(0, 0xffffffff));
    assert_true(seq_lt(0xfffffff0, 0x10) && !seq_lt(0x10, 0xfffffff0));
    assert_true(seq_leq(5, 5) && seq_geq(5, 5) && !seq_lt(5, 5) && !seq_gt(5, 5));
    assert_true(seq_lt(0, 0x7fffffff) && seq_gt(0, 0x80000001));
    assert_int_equal(seq_max(0xffffffff, 1), 1);
}

static void sums_and_bounds(void **state)
{
    (void)state;
    assert_true(add_sat_u64(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(add_sat_u64(UINT64_MAX - 1, 1) == UINT64_MAX);
    assert_int_equal(add_sat_u64(2, 3), 5);
    assert_int_equal(min_u32(2, 3), 2);
    assert_int_equal(max_u32(2, 3), 3);
    assert_int_equal(min_u64(3, 2), 2);
    assert_int_equal(max_u64(3, 2), 3);
    assert_int_equal(min_size(3, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_order),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(sums_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
