/* SPDX-License-Identifier: MIT */
/*
 * The other end of the wire in test_adapter.c: segments of 192.0.2.1, built and read byte by byte.
 */
#ifndef TESTS_PACKETDRILL_TEST_PEER_H
#define TESTS_PACKETDRILL_TEST_PEER_H

#include "interface.h"

#include <stdint.h>

#define PORT      8080
#define PEER_PORT 40000
#define ISS       1000U

extern struct packetdrill_interface table; /* the test's */

struct segment {
    uint8_t flags;
    uint32_t seq;
    uint32_t ack;
    uint16_t window;
    uint16_t bytes;
};

/* From the peer to 192.168.0.1:PORT. */
void send_in(const struct segment *segment);
/* What the stack sends next; the time is when it did. */
struct segment take_out(long long *sent_us);
/* The three segments of a passive open. Returns the stack's initial sequence number. */
uint32_t shake_hands(void);

#endif
