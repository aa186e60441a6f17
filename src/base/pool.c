/* SPDX-License-Identifier: MIT */
/*
 * base/pool.c: records of one size, last given first taken. Invariants: base/pool.h.
 */
#include "base/pool.h"

#include <string.h>

#define CACHE_LINE 64U

void pool_init(struct pool *pool, struct arena *arena, uint32_t count, uint32_t item_bytes)
{
    BERTH_CHECK(item_bytes >= sizeof(uint32_t) && item_bytes % sizeof(uint32_t) == 0);
    *pool = (struct pool){.item_bytes = item_bytes, .count = count};
    uint32_t divisor = item_bytes & (~item_bytes + 1); /* the greatest power of two */
    uint32_t alignment = divisor < CACHE_LINE ? divisor : CACHE_LINE;
    pool->items = arena_take(arena, count, item_bytes, alignment);
}

void *pool_take(struct pool *pool)
{
    void *item;

    if (pool->free != 0) {
        item = pool_at(pool, pool->free - 1);
        memcpy(&pool->free, item, sizeof pool->free);
    } else if (pool->fresh < pool->count) {
        item = pool_at(pool, pool->fresh++);
    } else {
        return NULL;
    }
    pool->used++;
    return item;
}

void pool_give(struct pool *pool, void *item)
{
    uint32_t index = pool_index(pool, item);

    BERTH_CHECK(pool->used > 0 && index < pool->fresh && item == pool_at(pool, index));
    memcpy(item, &pool->free, sizeof pool->free);
    pool->free = index + 1;
    pool->used--;
}
