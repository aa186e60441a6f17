/* SPDX-License-Identifier: MIT */
/*
 * A middlebox: what stands in the way and changes what passes: strips TCP options, moves sequence
 * numbers, cuts segments or joins them, clears ECN, swallows ICMP. It keeps nothing of a
 * connection: what it does follows from the packet, its ports and addresses, and its own key.
 *
 * 1. A packet that is no good (a wrong checksum, a length that lies) passes as it is: what was
 *    spoiled stays spoiled.
 * 2. What it changes has complete and right checksums.
 */
#ifndef SIM_MIDDLEBOX_H
#define SIM_MIDDLEBOX_H

#include "base/random.h"
#include "link/packets.h"

enum middlebox_strip { /* options that become no-ops; the first three only on SYNs */
                       MIDDLEBOX_SACK = 1,
                       MIDDLEBOX_TIMESTAMPS = 2,
                       MIDDLEBOX_WINDOW_SCALE = 4,
                       MIDDLEBOX_MSS = 8,
                       MIDDLEBOX_UNKNOWN = 16 /* all but these; on every segment */
};

struct middlebox_config {
    uint64_t key;
    uint32_t strips;    /* enum middlebox_strip, or-ed */
    uint16_t mss_most;  /* announced MSSs are lowered to it; 0: none is */
    bool moves_numbers; /* each direction's sequence numbers by a constant of the connection */
    bool forgets_sack;  /* and leaves SACK blocks as they were, which are then wrong */
    bool drops_icmp;
    bool clears_ect;       /* in the IP header: nothing may be marked on the way (RFC 3168 5) */
    bool clears_ecn_flags; /* of SYNs: ECN is not agreed on */
    uint32_t split_ppm;    /* segments cut in two */
    uint32_t join_ppm;     /* segments joined with the next that waits */
};

struct middlebox {
    struct middlebox_config config;
    struct random random;
};

void middlebox_init(struct middlebox *box, const struct middlebox_config *config, uint64_t seed);
/* Takes PACKET and adds what becomes of it to OUT. */
void middlebox_pass(struct middlebox *box, struct link_packet *packet, struct link_packets *out);
/* A and B in one, if they are neighbours of one stream, and the sum not longer than MTU; then both
 * are taken, else NULL. */
struct link_packet *middlebox_join(struct middlebox *box, struct link_packet *a,
                                   struct link_packet *b, uint32_t mtu);

#endif
