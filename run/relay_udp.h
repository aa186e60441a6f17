/* SPDX-License-Identifier: MIT */
/*
 * run/relay_udp.h: UDP flows between the program and the host's network. Outwards each flow has a
 * connected socket of the host's, so that the kernel tells its errors; inwards all flows of a
 * published port share its socket, and each has a socket of the stack's with the client's address.
 * Owns the flows. The gate and publishing make them; they end when idle.
 *
 * Invariants
 *  1. At most RELAY_UDP_FLOWS_MAX flows; for a new one the longest idle goes.
 *  2. A flow ends UDP_BRIEF_NS after its last datagram, UDP_STREAM_NS once both sides have spoken
 *     more than once (as Linux's connection tracking does, and RFC 4787 REQ-5 asks for).
 *  3. What a full socket does not take is lost, as on any network.
 */
#ifndef RUN_RELAY_UDP_H
#define RUN_RELAY_UDP_H

#include "run/conversation.h"
#include "run/inside.h"

enum { RELAY_UDP_FLOWS_MAX = 3072 };

/* 0, or BERTH_E_LIMIT: no memory. */
BERTH_MUST_CHECK int relay_udp_init(struct run *run);
/* Ends all flows. */
void relay_udp_done(struct run *run);

/* The datagram held as ID, HELD by the stack, and allowed (by the rules, or as DECIDED). */
void relay_udp_call(struct run *run, berth_id id, const struct berth_held *held,
                    const struct decided *decided);

/* A datagram that came to a published port. */
struct relay_udp_arrival {
    struct loop_source *listener; /* whose socket sends the answers */
    struct berth_endpoint client; /* on the host's network */
    uint32_t client_scope;
    struct berth_address at;    /* the address that it was sent to; answers come from there */
    struct berth_endpoint seen; /* the client as the program sees it */
    bool is_disguised;          /* decide.h, invariant 5 */
    struct berth_endpoint program;
    const void *data;
    size_t bytes;
};
/* To the client's flow; for one that has none it is decided first. */
void relay_udp_arrive(struct run *run, const struct relay_udp_arrival *arrival);
/* Makes the flow of a client that is allowed (as DECIDED; NULL: if the rules say so), and delivers.
 */
void relay_udp_answer(struct run *run, const struct relay_udp_arrival *arrival,
                      const struct decided *decided);

/* Gives up the longest idle flow, for its descriptor. False: there is none. */
bool relay_udp_evict(struct run *run);

#endif
