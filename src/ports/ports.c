/* SPDX-License-Identifier: MIT */
/*
 * ports/ports.c: making the port space. Called by the stack while it is measured and made.
 */
#include "ports/ports.h"

#include "ports/bitmap.h"
#include "ports/records.h"

#define ROUND8(bytes) (((bytes) + 7) / 8 * 8)

void ports_init(struct ports *ports, struct arena *arena, const struct ports_limits *limits)
{
    uint32_t range = (uint32_t)limits->ephemeral_last - limits->ephemeral_first + 1;

    BERTH_CHECK(limits->ephemeral_first > PORTS_SYSTEM_LAST &&
                limits->ephemeral_first <= limits->ephemeral_last);
    ports->limits = *limits;
    pool_init(&ports->binds, arena, limits->binds, ROUND8(sizeof(struct ports_bind_record)));
    table_init(&ports->bind_table, arena, limits->binds);
    pool_init(&ports->endpoints, arena, limits->endpoints, ROUND8(sizeof(struct ports_endpoint)));
    table_init(&ports->endpoint_table, arena, limits->endpoints);
    pool_init(&ports->bitmaps, arena, limits->endpoints, ports_bitmap_bytes(range));
}

void ports_seed(struct ports *ports, const struct hash_key *key, struct random *random)
{
    ports->key = *key;
    ports->random = random;
}
