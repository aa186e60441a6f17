/* SPDX-License-Identifier: MIT */
/*
 * Packets that a link keeps for a while: copies in memory of its own, in first-in first-out queues.
 * Used by the links that are memory (memory.c, impair.c) and by the simulator's network.
 *
 * 1. A packet has one owner: a queue, or the caller.
 * 2. What a packet holds came from outside and is not trusted: only its length is known good.
 */
#ifndef LINK_PACKETS_H
#define LINK_PACKETS_H

#include "link/link.h"

struct link_packet {
    struct link_packet *next;
    uint64_t due_ns; /* when it may go on */
    uint64_t order;  /* of packets due at the same time */
    struct berth_offload offload;
    uint32_t bytes;
    uint8_t data[];
};

struct link_packets {
    struct link_packet *first;
    struct link_packet *last;
    uint32_t count;
    uint64_t bytes; /* memory held, the packets' own overhead included */
};

/* The caller's, with BYTES of data not yet written; NULL: no memory. */
struct link_packet *link_packet_new(uint32_t bytes);
/* FRAME in one piece, its offload facts as they are; NULL: no memory. */
struct link_packet *link_packet_from_frame(const struct berth_frame *frame);
/* The packet in BUFFER (still the caller's), copied, its facts as they are; NULL: no memory. */
struct link_packet *link_packet_from_buffer(const struct berth_buffer *buffer);
void link_packet_free(struct link_packet *packet);
/* PACKET as a frame of one view, borrowed from PACKET. */
void link_packet_to_frame(struct link_packet *packet, struct berth_frame *frame);

/* Takes PACKET. */
void link_packets_add(struct link_packets *packets, struct link_packet *packet);
/* Takes PACKET and makes it the first. */
void link_packets_put_back(struct link_packets *packets, struct link_packet *packet);
/* The first, taken out; NULL: none. */
struct link_packet *link_packets_take(struct link_packets *packets);
void link_packets_clear(struct link_packets *packets);

enum link_give { LINK_GIVEN, LINK_NO_BUFFER, LINK_TOO_LONG };
/* Copies PACKET (still the caller's) into a buffer of BERTH's pool. */
enum link_give link_packet_give(const struct link_packet *packet, struct berth *berth,
                                struct berth_buffer **out);
/*
 * The read() of a link that delivers from PACKETS: moves up to MAX of those due at NOW_NS into
 * BUFFERS, counts them in LINK, sets its `starved`. Returns how many.
 */
unsigned link_packets_read(struct link_packets *packets, struct link *link, struct berth *berth,
                           struct berth_buffer **buffers, unsigned max);

#endif
