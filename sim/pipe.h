/* SPDX-License-Identifier: MIT */
/*
 * A pipe: one direction of the way that all hosts of one side share to the other side.
 *
 *   add ─▶ router ─▶ middlebox ─▶ queue ─▶ rate ─▶ loss ─▶ under way ─▶ take
 *          (MTU)                  (tail drop, CoDel)       (delay)
 *
 * 1. Packets leave the queue first in, first out, one at a time, each when the last bit of the one
 *    before is out: a change of the rate counts from the next packet on.
 * 2. `under_way[i]` are in order of due_ns. Packets keep their order but across a change to a
 *    shorter delay, where later ones may overtake, as on a new route.
 * 3. The random stream is drawn from for each packet that the rate lets out, and for no other.
 * 4. Changes of the path come when they are due, but no packet is asked about one that comes while
 *    nothing happens: they are made before the next thing that does.
 */
#ifndef SIM_PIPE_H
#define SIM_PIPE_H

#include "base/random.h"
#include "link/packets.h"
#include "sim/codel.h"
#include "sim/middlebox.h"

#define PIPE_CHANGES_MAX 8

enum pipe_discipline { PIPE_TAIL_DROP, PIPE_CODEL };

enum pipe_what { PIPE_RATE, PIPE_DELAY, PIPE_LOSS, PIPE_MTU, PIPE_DOWN };

/* From at_ns on WHAT is VALUE: in the units of struct pipe_config; PIPE_DOWN: 1 lost is all that
 * comes, 0 no longer. */
struct pipe_change {
    uint64_t at_ns;
    enum pipe_what what;
    uint64_t value;
};

struct pipe_config {
    uint64_t seed;
    uint64_t rate_bps; /* 0: no limit, and no queue */
    uint64_t delay_ns;
    uint32_t queue_bytes; /* what comes while so many wait is lost; 0: 100 ms at the rate, at least
                               64 KiB */
    uint32_t queue_packets; /* the same in packets; 0: any number */
    uint32_t loss_ppm;
    enum pipe_discipline discipline;
    bool marks;     /* CoDel marks what may be marked (RFC 3168) instead of dropping it */
    uint32_t mtu;   /* of the router in front; 0: any. What is longer is cut if it may be, else
                     answered (RFC 1191, RFC 8201) */
    bool is_silent; /* not answered: a black hole (RFC 2923 2.1) */
    struct pipe_change changes[PIPE_CHANGES_MAX]; /* in order of at_ns */
    uint32_t change_count;
    uint32_t join_mtu; /* segments are joined up to this; 0: none are */
};

struct pipe_counters {
    uint64_t carried;
    uint64_t lost;    /* by chance */
    uint64_t dropped; /* by the queue: full, or by its discipline */
    uint64_t marked;
    uint64_t too_big; /* for the router's MTU */
    uint64_t down;    /* that came during an outage */
    uint64_t queued_bytes_max;
};

struct pipe {
    struct pipe_config config;
    struct pipe_counters counters;
    struct random random;
    struct codel codel;
    struct middlebox *box;          /* borrowed; NULL: none */
    struct berth_address router[2]; /* its addresses, IPv4 and IPv6 */
    struct link_packets replies;    /* of the router, back to where packets came from */
    uint32_t changed;               /* so many of config.changes are made */
    bool is_down;
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
#endif
