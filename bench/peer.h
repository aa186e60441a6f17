/* SPDX-License-Identifier: MIT */
/*
 * The other end of a stack's connections, with no stack behind it: it says what it is told to, one
 * segment at a time, and forgets what it hears. So all memory is the measured stack's.
 *
 * Time is virtual: a microsecond a segment.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "stacks.h"

#include "wire/wire.h"

#define PEER_PORT 8080 /* where the stack listens */
#define PEER_ISS  1000U

struct peer {
    struct berth *berth;
    struct berth_endpoint here;
    struct berth_endpoint there;
    uint64_t now_ns;
    uint32_t iss;    /* the stack's, of the connection opened last */
    uint32_t ack;    /* what we acknowledge */
    uint32_t newest; /* the end of what the stack has sent */
    uint32_t mss;
};

/* The peer of BERTH, at 10.9.0.2 port 4000. */
void peer_init(struct peer *peer, struct berth *berth);
/* A segment to the stack, from `here`, with PACKET's numbers and payload of its length. */
void peer_give(struct peer *peer, struct wire_packet *packet);
/* What the stack sends is looked at and forgotten; of a SYN,ACK the sequence number stays. */
void peer_take_all(struct peer *peer);
/* A SYN, with what most ask for. */
struct wire_packet peer_syn(uint8_t wscale);
/* An ACK, of the connection opened last. */
struct wire_packet peer_plain(const struct peer *peer);

#endif
