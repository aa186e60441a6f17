/* SPDX-License-Identifier: MIT */
/*
 * A pool against a model: every record given out once, all to be had, bytes past the link kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/random.h"

#define COUNT 37
#define STEPS 20000

struct record {
    uint32_t pool_link;
    uint32_t generation; /* kept across lives */
    uint64_t stamp;
};

static struct arena arena_of(void *memory, size_t bytes)
{
    struct arena arena;

    arena_init(&arena, memory, bytes);
    return arena;
}

static void a_random_life_agrees_with_a_model(void **state)
{
    static struct record memory[COUNT];
    static const uint8_t seed[RANDOM_SEED_BYTES] = {1};
    struct arena arena = arena_of(memory, sizeof memory);
    struct pool pool;
    struct random random;
    struct record *taken[COUNT];
    uint32_t lives[COUNT] = {0};
    uint32_t count = 0;
    uint32_t most = 0;

    (void)state;
    random_init(&random, seed, "test");
    pool_init(&pool, &arena, COUNT, sizeof(struct record));
    for (uint32_t step = 0; step < STEPS; step++) {
        /* Phases that fill and phases that empty, so that both ends are met. */
        if (random_below(&random, 10) < (step / 500 % 2 == 0 ? 7U : 3U)) {
            struct record *record = pool_take(&pool);

            if (count == COUNT) {
                assert_null(record);
                continue;
            }
            assert_non_null(record);
            uint32_t index = pool_index(&pool, record);
            assert_in_range(index, 0, COUNT - 1);
            assert_ptr_equal(pool_at(&pool, index), record);
            assert_true(pool_has(&pool, index));
            assert_int_equal(record->generation, lives[index]);
            record->generation = ++lives[index];
            record->stamp = step;
            taken[count++] = record;
            most = count > most ? count : most;
        } else if (count > 0) {
            uint32_t which = random_below(&random, count);
            struct record *record = taken[which];

            taken[which] = taken[--count];
            pool_give(&pool, record);
        }
        assert_int_equal(pool.used, count);
        for (uint32_t i = 1; i < count; i++) {
            assert_ptr_not_equal(taken[i], taken[0]);
        }
    }
    assert_int_equal(most, COUNT);
}

static void a_record_never_taken_is_untouched(void **state)
{
    static struct record memory[4];
    struct arena arena = arena_of(memory, sizeof memory);
    struct pool pool;

    (void)state;
    memset(memory, 0x77, sizeof memory);
    pool_init(&pool, &arena, 4, sizeof(struct record));
    struct record *first = pool_take(&pool);
    assert_ptr_equal(first, memory);
    pool_give(&pool, first);
    assert_ptr_equal(pool_take(&pool), first); /* last given, first taken */
    assert_true(pool_has(&pool, 0));
    assert_false(pool_has(&pool, 1));
    assert_int_equal(memory[0].generation, 0x77777777); /* past the link: kept */
    for (size_t i = sizeof memory[0]; i < sizeof memory; i++) {
        assert_int_equal(((uint8_t *)memory)[i], 0x77);
    }
}

static void a_pool_of_none_gives_none(void **state)
{
    struct arena arena = arena_of(NULL, 0);
    struct pool pool;

    (void)state;
    pool_init(&pool, &arena, 0, sizeof(struct record));
    assert_null(pool_take(&pool));
    assert_int_equal(arena.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_agrees_with_a_model),
        cmocka_unit_test(a_record_never_taken_is_untouched),
        cmocka_unit_test(a_pool_of_none_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
