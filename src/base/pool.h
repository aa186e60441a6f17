/* SPDX-License-Identifier: MIT */
/*
 * A pool of records of one size in memory that the arena gave: O(1) take and give, no allocation.
 *
 * 1. A record that was never taken is untouched memory (still zero).
 * 2. While a record is free the pool uses its first 4 bytes and no others, so an owner may keep a
 *    generation further in, across lives.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/arena.h"
#include "base/check.h"

#include <stdbool.h>

struct pool {
    uint8_t *items;
    uint32_t item_bytes;
    uint32_t count; /* records there are */
    uint32_t fresh; /* records from here on were never taken */
    uint32_t free;  /* first free record, plus 1; 0: none */
    uint32_t used;  /* records taken now */
};

/* Cuts COUNT records of ITEM_BYTES (at least 4, a multiple of 4) from ARENA. They are aligned to
 * the greatest power of two that divides ITEM_BYTES, at most to 64. */
void pool_init(struct pool *pool, struct arena *arena, uint32_t count, uint32_t item_bytes);
/* A record, its bytes as they were left; NULL when all are taken. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *item);

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->items + (size_t)index * pool->item_bytes;
}

static inline uint32_t pool_index(const struct pool *pool, const void *item)
{
    return (uint32_t)((size_t)((const uint8_t *)item - pool->items) / pool->item_bytes);
}

/* Was a record of this INDEX ever taken? (It may be free now: the owner's generation tells.) */
static inline bool pool_has(const struct pool *pool, uint32_t index)
{
    return index < pool->fresh;
}

#endif
