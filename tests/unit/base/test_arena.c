/* SPDX-License-Identifier: MIT */
/*
 * Measuring and cutting give the same sum; nothing is cut past the end, nothing wraps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

struct piece {
    size_t count;
    size_t bytes_each;
    size_t alignment;
};

static const struct piece pieces[] = {{3, 5, 1}, {7, 24, 8}, {1, 1, 1}, {2, 100, 64}, {0, 8, 16}};
#define PIECES (sizeof pieces / sizeof pieces[0])

static size_t cut(struct arena *arena, uint8_t *cuts[PIECES])
{
    for (size_t i = 0; i < PIECES; i++) {
        cuts[i] = arena_take(arena, pieces[i].count, pieces[i].bytes_each, pieces[i].alignment);
    }
    return arena->used;
}

static void measure_is_what_is_cut(void **state)
{
    static _Alignas(64) uint8_t memory[1024];
    struct arena arena;
    uint8_t *cuts[PIECES];
    size_t measured;

    (void)state;
    arena_init(&arena, NULL, 0);
    measured = cut(&arena, cuts);
    /* 15; 16..184; 184; 192..392; 400. */
    assert_int_equal(measured, 400);
    for (size_t i = 0; i < PIECES; i++) {
        assert_null(cuts[i]);
    }
    arena_init(&arena, memory, measured);
    assert_int_equal(cut(&arena, cuts), measured);
    for (size_t i = 0; i < PIECES; i++) {
        assert_non_null(cuts[i]);
        assert_int_equal((uintptr_t)cuts[i] % pieces[i].alignment, 0);
        if (i > 0) {
            assert_true(cuts[i] >= cuts[i - 1] + pieces[i - 1].count * pieces[i - 1].bytes_each);
        }
    }
    assert_true(cuts[PIECES - 1] <= memory + measured);
}

static void what_does_not_fit_is_null_from_there_on(void **state)
{
    static _Alignas(8) uint8_t memory[64];
    struct arena arena;

    (void)state;
    arena_init(&arena, memory, sizeof memory);
    assert_ptr_equal(arena_take(&arena, 1, 60, 1), memory);
    assert_null(arena_take(&arena, 1, 5, 1));
    assert_null(arena_take(&arena, 1, 1, 1));
    assert_int_equal(arena.used, 66);
}

static void a_sum_that_wraps_is_never_satisfied(void **state)
{
    static uint8_t memory[64];
    struct arena arena;

    (void)state;
    arena_init(&arena, memory, sizeof memory);
    assert_null(arena_take(&arena, SIZE_MAX / 2, 3, 8));
    assert_int_equal(arena.used, SIZE_MAX);
    assert_null(arena_take(&arena, 1, 1, 8));
    assert_int_equal(arena.used, SIZE_MAX);
    arena_init(&arena, memory, sizeof memory);
    assert_non_null(arena_take(&arena, 1, 10, 1));
    assert_null(arena_take(&arena, 1, SIZE_MAX - 5, 1));
    assert_int_equal(arena.used, SIZE_MAX);
}

static void memory_is_not_written(void **state)
{
    static uint8_t memory[256];

    (void)state;
    struct arena arena;
    memset(memory, 0x5a, sizeof memory);
    arena_init(&arena, memory, sizeof memory);
    (void)arena_take(&arena, 4, 32, 8);
    for (size_t i = 0; i < sizeof memory; i++) {
        assert_int_equal(memory[i], 0x5a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measure_is_what_is_cut),
        cmocka_unit_test(what_does_not_fit_is_null_from_there_on),
        cmocka_unit_test(a_sum_that_wraps_is_never_satisfied),
        cmocka_unit_test(memory_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
