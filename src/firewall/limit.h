/* SPDX-License-Identifier: MIT */
/*
 * Limits: how many first contacts a rule lets through in a time, for each source. A token bucket
 * each, as large as the limit: N at once, then one each Nth of the time.
 *
 * A bucket is one time: when it is full again (the generic cell rate algorithm of ITU-T I.371,
 * which is the token bucket without counting tokens). A bucket that is full is as good as none.
 *
 * 1. Of a limit N/T no time of length kT sees more than (k + 1)N: a record that is not full stays.
 * 2. Without a free record the answer is no: it fails closed.
 * 3. A bucket belongs to a rule's text, not to its place: a rule that is loaded again keeps it.
 */
#ifndef FIREWALL_LIMIT_H
#define FIREWALL_LIMIT_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/table.h"

#include <berth/firewall.h>

enum firewall_period { FIREWALL_PER_SECOND, FIREWALL_PER_MINUTE, FIREWALL_PER_HOUR };
#define FIREWALL_LIMIT_MAX 1000000

struct firewall_limit {
    uint64_t key;   /* of the rule's text; not set in a tree */
    uint32_t count; /* 1 to FIREWALL_LIMIT_MAX; 0: no limit */
    uint8_t period; /* enum firewall_period */
};

struct firewall_bucket {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t next; /* in its chain: index + 1 */
    struct berth_address source;
    uint64_t key; /* the limit's */
    uint64_t full_ns;
    struct list_node order;
};

struct firewall_limiter {
    struct pool pool;
    struct table table;
    struct list order; /* those to look at for reuse */
    struct hash_key key;
};

void firewall_limiter_init(struct firewall_limiter *limiter, struct arena *arena, uint32_t max);
/* "second" and so on. */
const char *firewall_period_text(enum firewall_period period);
/* A contact from SOURCE: may it pass under LIMIT? If so it counts. */
bool firewall_limit_take(struct firewall_limiter *limiter, const struct firewall_limit *limit,
                         const struct berth_address *source, uint64_t now_ns);

#endif
