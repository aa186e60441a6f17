/* SPDX-License-Identifier: MIT */
/*
 * The hash is SipHash-2-4: the vectors of its authors; every byte of key and data counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void the_authors_vectors(void **state)
{
    struct hash_key key;
    uint8_t data[15];

    (void)state;
    for (uint8_t i = 0; i < 16; i++) {
        key.bytes[i] = i;
    }
    for (uint8_t i = 0; i < sizeof data; i++) {
        data[i] = i;
    }
    assert_int_equal(hash_keyed(&key, data, 15), 0xa129ca6149be45e5U);
    assert_int_equal(hash_keyed(&key, data, 0), 0x726fdb47dd0e0e31U);
    assert_int_equal(hash_keyed(&key, data, 8), 0x93f5f5799a932462U);
}

static void every_bit_counts(void **state)
{
    struct hash_key key = {{3}};
    uint8_t data[36] = {9};
    uint64_t before = hash_keyed(&key, data, sizeof data);

    (void)state;
    for (size_t bit = 0; bit < sizeof data * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(hash_keyed(&key, data, sizeof data), before);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof key.bytes * 8; bit++) {
        key.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(hash_keyed(&key, data, sizeof data), before);
        key.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(hash_keyed(&key, data, sizeof data), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_authors_vectors),
        cmocka_unit_test(every_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
