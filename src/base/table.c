/* SPDX-License-Identifier: MIT */
/*
 * base/table.c: how many chains a table gets. Walking them is the owner's (base/table.h).
 */
#include "base/table.h"

#include "base/check.h"

#define CHAINS_MAX ((uint32_t)1 << 31)

void table_init(struct table *table, struct arena *arena, uint32_t count)
{
    uint32_t chains = 1;

    BERTH_CHECK(count <= CHAINS_MAX);
    while (chains < count) {
        chains *= 2;
    }
    table->mask = chains - 1;
    table->heads = arena_take(arena, chains, sizeof *table->heads, sizeof(uint64_t));
}
