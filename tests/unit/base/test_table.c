/* SPDX-License-Identifier: MIT */
/*
 * A table has a power of two of chains, one a record at least; records are found through them.
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
#include "base/table.h"

#define COUNT 200
#define STEPS 20000

struct record {
    uint32_t pool_link;
    uint32_t next;
    uint32_t hash;
    uint32_t key;
};

static void chains_are_a_power_of_two(void **state)
{
    static const struct {
        uint32_t count;
        uint32_t chains;
    } cases[] = {{0, 1}, {1, 1}, {2, 2},       {3, 4},
                 {4, 4}, {5, 8}, {1000, 1024}, {1U << 20, 1U << 20}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct table table;

        arena_init(&arena, NULL, 0);
        table_init(&table, &arena, cases[i].count);
        assert_int_equal(table.mask, cases[i].chains - 1);
        assert_int_equal(arena.used, cases[i].chains * sizeof(uint32_t));
    }
}

static struct record *find(const struct pool *pool, const struct table *table, uint32_t hash,
                           uint32_t key)
{
    uint32_t link = *table_head(table, hash);

    while (link != 0) {
        struct record *record = pool_at(pool, link - 1);

        if (record->hash == hash && record->key == key) {
            return record;
        }
        link = record->next;
    }
    return NULL;
}

/* Few chains and a hash that collides, so that every place in a chain is met. */
static void records_are_found_until_removed(void **state)
{
    static uint64_t memory[COUNT * 4];
    static const uint8_t seed[RANDOM_SEED_BYTES] = {2};
    bool there[COUNT] = {false};
    struct random random;
    struct arena arena;
    struct table table;
    struct pool pool;

    (void)state;
    random_init(&random, seed, "test");
    arena_init(&arena, memory, sizeof memory);
    table_init(&table, &arena, 16);
    pool_init(&pool, &arena, COUNT, sizeof(struct record));
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t key = random_below(&random, COUNT);
        uint32_t hash = key % 40;
        struct record *record = find(&pool, &table, hash, key);

        assert_int_equal(record != NULL, there[key]);
        if (record == NULL) {
            record = pool_take(&pool);
            assert_non_null(record);
            record->hash = hash;
            record->key = key;
            record->next = *table_head(&table, hash);
            *table_head(&table, hash) = pool_index(&pool, record) + 1;
        } else {
            uint32_t *link = table_head(&table, hash);

            while (*link != pool_index(&pool, record) + 1) {
                link = &((struct record *)pool_at(&pool, *link - 1))->next;
            }
            *link = record->next;
            pool_give(&pool, record);
        }
        there[key] = !there[key];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_a_power_of_two),
        cmocka_unit_test(records_are_found_until_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
