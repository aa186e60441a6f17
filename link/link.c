/* SPDX-License-Identifier: MIT */
/*
 * link/link.c: what is the same for every link. Called by the owner of a link and a stack.
 */
#include "link/link.h"

/* Read before any is handed over: few, so that a small pool has buffers left for the answers. */
#define LINK_BATCH 8

int link_receive(struct link *link, struct berth *berth, unsigned max, uint64_t now_ns)
{
    struct berth_buffer *buffers[LINK_BATCH];
    unsigned total = 0;

    while (total < max) {
        unsigned want = max - total < LINK_BATCH ? max - total : LINK_BATCH;
        int count = link->table->read(link, berth, buffers, want, now_ns);

        if (count < 0) {
            return total > 0 ? (int)total : count;
        }
        for (int i = 0; i < count; i++) {
            berth_receive(berth, buffers[i], now_ns);
        }
        total += (unsigned)count;
        if ((unsigned)count < want) {
            break;
        }
    }
    return (int)total;
}
