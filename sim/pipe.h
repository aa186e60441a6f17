/* SPDX-License-Identifier: MIT */
/*
 * A pipe: one direction of the way that all hosts of one side share to the other side. A packet
 * meets, in this order: the queue and its discipline; the rate; loss; delay.
 *
 *   add ─▶ queue (tail drop | CoDel) ─▶ rate ─▶ loss ─▶ under way (delay) ─▶ take
 *
 * 1. Packets leave the queue first in, first out, one at a time, each when the last bit of the one
 *    before is out: a change of the rate counts from the next packet on.
 * 2. `under_way[i]` are in order of due_ns. Packets keep their order but across a change to a
 * shorter
 *    delay, where later ones may overtake, as on a new route.
 * 3. The random stream is drawn from for each packet that the rate lets out, and for no other.
 */
#ifndef SIM_PIPE_H
#define SIM_PIPE_H

#include "base/random.h"
#include "link/packets.h"
#include "sim/codel.h"

enum pipe_discipline { PIPE_TAIL_DROP, PIPE_CODEL };

struct pipe_config {
    uint64_t seed;
    uint64_t rate_bps; /* 0: no limit, and no queue */
    uint64_t delay_ns;
    uint32_t queue_bytes; /* what comes while so many wait is lost; 0: 100 ms at the rate, at least
                               64 KiB */
    uint32_t queue_packets; /* the same in packets; 0: any number */
    uint32_t loss_ppm;
    enum pipe_discipline discipline;
    bool marks; /* CoDel marks what may be marked (RFC 3168) instead of dropping it */
};

struct pipe_counters {
    uint64_t carried;
    uint64_t lost;    /* by chance */
    uint64_t dropped; /* by the queue: full, or by its discipline */
    uint64_t marked;
    uint64_t queued_bytes_max;
};

struct pipe {
    struct pipe_config config;
    struct pipe_counters counters;
    struct random random;
    struct codel codel;
    struct link_packets queue; /* due_ns: since when it waits */
    uint64_t queued_bytes;     /* packets' own, without overhead */
    uint64_t free_ns;          /* when the last bit of the one that is being sent is out */
    uint64_t rest;             /* of the division that made free_ns, so that the rate is exact */
    struct link_packets under_way[2];
    uint64_t last_due_ns[2];
    unsigned route; /* of under_way: the one that packets take now */
};

void pipe_init(struct pipe *pipe, const struct pipe_config *config);
void pipe_done(struct pipe *pipe);
/* Takes PACKET. */
void pipe_add(struct pipe *pipe, struct link_packet *packet, uint64_t now_ns);
/* Does what is due; then pipe_take gives what has arrived, NULL: nothing. */
void pipe_advance(struct pipe *pipe, uint64_t now_ns);
struct link_packet *pipe_take(struct pipe *pipe, uint64_t now_ns);
/* When something is due; BERTH_NEVER. */
uint64_t pipe_next_ns(const struct pipe *pipe);
/* From now on packets take DELAY_NS. */
void pipe_set_delay(struct pipe *pipe, uint64_t delay_ns);

#endif
