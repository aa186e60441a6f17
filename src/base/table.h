/* SPDX-License-Identifier: MIT */
/*
 * A hash table of pool indices, chained through the records: the record keeps `uint32_t next`
 * (index + 1 of the next in its chain, 0 at the end) and its own 32-bit hash.
 * Comparing keys is the owner's; the table knows indices and hashes only.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/arena.h"

struct table {
    uint32_t *heads; /* index + 1, 0: empty */
    uint32_t mask;   /* number of chains - 1, a power of two less one */
};

/* Chains for COUNT records at a load of at most one. */
void table_init(struct table *table, struct arena *arena, uint32_t count);

static inline uint32_t *table_head(const struct table *table, uint32_t hash)
{
    return &table->heads[hash & table->mask];
}

#endif
