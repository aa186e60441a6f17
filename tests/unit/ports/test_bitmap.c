/* SPDX-License-Identifier: MIT */
/*
 * The counted bitmap against a plain array: the k-th free port for every k, at every occupancy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ports/bitmap.h"

#define COUNT_MAX 65536

static uint64_t memory[COUNT_MAX / 64 + 64];
static bool taken[COUNT_MAX];

static struct ports_bitmap *fresh(uint32_t count)
{
    assert_true(ports_bitmap_bytes(count) <= sizeof memory);
    memset(memory, 0, sizeof memory);
    memset(taken, 0, sizeof taken);
    return (struct ports_bitmap *)(void *)memory;
}

static void assert_same(const struct ports_bitmap *bitmap, uint32_t count)
{
    uint32_t k = 0;
    uint32_t first_taken = count;

    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(ports_bitmap_has(bitmap, i), taken[i]);
        if (!taken[i]) {
            assert_int_equal(ports_bitmap_find_free(bitmap, k++), i);
        } else if (first_taken == count) {
            first_taken = i;
        }
    }
    if (first_taken < count) {
        assert_int_equal(ports_bitmap_find_taken(bitmap), first_taken);
    }
}

static void a_random_life(uint32_t count)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {11};
    struct ports_bitmap *bitmap = fresh(count);
    struct random random;
    uint32_t steps = count * 4;

    random_init(&random, seed, "bitmap");
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t i = random_below(&random, count);
        /* Fills up, then empties. */
        bool add = random_below(&random, 8) < (step < steps / 2 ? 7U : 1U);

        if (add && !taken[i]) {
            ports_bitmap_add(bitmap, i);
            taken[i] = true;
        } else if (!add && taken[i]) {
            ports_bitmap_remove(bitmap, i);
            taken[i] = false;
        }
        if (step % (steps / 7) == 0) {
            assert_same(bitmap, count);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (taken[i]) {
            ports_bitmap_remove(bitmap, i);
            taken[i] = false;
        }
    }
    assert_same(bitmap, count);
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) {
        assert_int_equal(memory[i], 0);
    }
}

static void lives_of_several_sizes(void **state)
{
    static const uint32_t counts[] = {17, 64, 65, 511, 512, 513, 4096, 4097, 16384, 64512, 65536};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        a_random_life(counts[i]);
    }
}

/* One free port among 64,512, wherever it is. */
static void the_last_free_port(void **state)
{
    const uint32_t count = 64512;
    struct ports_bitmap *bitmap = fresh(count);

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        ports_bitmap_add(bitmap, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        ports_bitmap_remove(bitmap, i);
        assert_int_equal(ports_bitmap_find_free(bitmap, 0), i);
        ports_bitmap_add(bitmap, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_of_several_sizes),
        cmocka_unit_test(the_last_free_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
