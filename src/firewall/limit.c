/* SPDX-License-Identifier: MIT */
/*
 * firewall/limit.c: see firewall/limit.h.
 */
#include "firewall/limit.h"

#include <string.h>

/* Records looked at for one that is full; the others go behind, so that all have their turn. */
#define LOOKED_AT_MAX 16

void firewall_limiter_init(struct firewall_limiter *limiter, struct arena *arena, uint32_t max)
{
    pool_init(&limiter->pool, arena, max, sizeof(struct firewall_bucket));
    table_init(&limiter->table, arena, max);
    list_init(&limiter->order);
}

const char *firewall_period_text(enum firewall_period period)
{
    switch (period) {
    case FIREWALL_PER_SECOND:
        return "second";
    case FIREWALL_PER_MINUTE:
        return "minute";
    case FIREWALL_PER_HOUR:
        return "hour";
    }
    return "hour";
}

static uint64_t period_ns(enum firewall_period period)
{
    switch (period) {
    case FIREWALL_PER_SECOND:
        return NS_PER_S;
    case FIREWALL_PER_MINUTE:
        return 60 * NS_PER_S;
    case FIREWALL_PER_HOUR:
        return 3600 * NS_PER_S;
    }
    return 3600 * NS_PER_S;
}

/* ---- Records -------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct firewall_limiter *limiter, uint64_t key,
                        const struct berth_address *source)
{
    uint8_t bytes[sizeof key + sizeof source->bytes];

    memcpy(bytes, &key, sizeof key);
    memcpy(bytes + sizeof key, source->bytes, sizeof source->bytes);
    return (uint32_t)hash_keyed(&limiter->key, bytes, sizeof bytes);
}

static struct firewall_bucket *find(const struct firewall_limiter *limiter, uint64_t key,
                                    const struct berth_address *source, uint32_t hash)
{
    uint32_t at = *table_head(&limiter->table, hash);

    while (at != 0) {
        struct firewall_bucket *bucket = pool_at(&limiter->pool, at - 1);

        if (bucket->hash == hash && bucket->key == key &&
            berth_address_is_equal(&bucket->source, source)) {
            return bucket;
        }
        at = bucket->next;
    }
    return NULL;
}

static void forget(struct firewall_limiter *limiter, struct firewall_bucket *bucket)
{
    uint32_t number = pool_index(&limiter->pool, bucket) + 1;
    uint32_t *link = table_head(&limiter->table, bucket->hash);

    while (*link != number) {
        struct firewall_bucket *before = pool_at(&limiter->pool, *link - 1);

        link = &before->next;
    }
    *link = bucket->next;
    list_remove(&bucket->order);
    pool_give(&limiter->pool, bucket);
}

/* Makes room if a record among the first in order is full. */
static void reuse(struct firewall_limiter *limiter, uint64_t now_ns)
{
    for (int i = 0; i < LOOKED_AT_MAX && !list_is_empty(&limiter->order); i++) {
        struct list_node *first = list_first(&limiter->order);
        struct firewall_bucket *bucket = CONTAINER_OF(first, struct firewall_bucket, order);

        if (bucket->full_ns <= now_ns) {
            forget(limiter, bucket);
            return;
        }
        list_remove(first);
        list_add_last(&limiter->order, first);
    }
}

/* A full bucket; NULL: there is no room. */
static struct firewall_bucket *add(struct firewall_limiter *limiter, uint64_t key,
                                   const struct berth_address *source, uint64_t now_ns)
{
    uint32_t hash = hash_of(limiter, key, source);
    uint32_t *head = table_head(&limiter->table, hash);
    struct firewall_bucket *bucket;

    if (limiter->pool.used == limiter->pool.count) {
        reuse(limiter, now_ns);
    }
    bucket = pool_take(&limiter->pool);
    if (bucket == NULL) {
        return NULL;
    }
    *bucket = (struct firewall_bucket){
        .hash = hash, .next = *head, .source = *source, .key = key, .full_ns = now_ns};
    *head = pool_index(&limiter->pool, bucket) + 1;
    list_add_last(&limiter->order, &bucket->order);
    return bucket;
}

/* ---- Taking --------------------------------------------------------------------------------- */

bool firewall_limit_take(struct firewall_limiter *limiter, const struct firewall_limit *limit,
                         const struct berth_address *source, uint64_t now_ns)
{
    uint64_t each_ns =
        (period_ns((enum firewall_period)limit->period) + limit->count - 1) / limit->count;
    struct firewall_bucket *bucket =
        find(limiter, limit->key, source, hash_of(limiter, limit->key, source));
    uint64_t full_ns;

    if (bucket == NULL) {
        bucket = add(limiter, limit->key, source, now_ns);
    }
    if (bucket == NULL) {
        return false;
    }
    full_ns = max_u64(bucket->full_ns, now_ns);
    if (full_ns - now_ns > (limit->count - 1) * each_ns) {
        return false;
    }
    bucket->full_ns = full_ns + each_ns;
    return true;
}
