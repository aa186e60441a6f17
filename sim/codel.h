/* SPDX-License-Identifier: MIT */
/*
 * Controlled delay (RFC 8289): which packets of a queue are dropped, or marked, at its head, so
 * that the standing delay stays at the target. Pure but for its own few words.
 */
#ifndef SIM_CODEL_H
#define SIM_CODEL_H

#include <stdbool.h>
#include <stdint.h>

struct codel {
    uint64_t target_ns;   /* 4.3: 5 ms */
    uint64_t interval_ns; /* 4.2: 100 ms */
    uint64_t first_above_ns;
    uint64_t drop_next_ns;
    uint32_t count;
    uint32_t last_count;
    bool is_dropping;
};

void codel_init(struct codel *codel);
/*
 * The queue's head has waited SOJOURN_NS and leaves at NOW_NS; IS_LAST: no more than a packet stays
 * behind. true: it is one to be dropped or marked (5.5, 5.6).
 */
bool codel_hits(struct codel *codel, uint64_t sojourn_ns, bool is_last, uint64_t now_ns);

#endif
