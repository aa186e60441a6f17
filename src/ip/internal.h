/* SPDX-License-Identifier: MIT */
/*
 * What the files of ip/ share with one another and with nobody else.
 */
#ifndef IP_INTERNAL_H
#define IP_INTERNAL_H

#include "ip/ip.h"

#define IP_MTU_MIN_V4 576  /* what every IPv4 host takes (RFC 791): most of an ICMP error */
#define IP_MTU_MIN_V6 1280 /* RFC 8200 5; RFC 4443 2.4 c */

/* Is PREFIX in shape: at most 128 bits, and an IPv4 one at least 96? */
bool ip_is_prefix(const struct berth_prefix *prefix);
/* Is ADDRESS one of a guarded peer? */
bool ip_is_peer(const struct ip *ip, const struct berth_address *address);
void ip_init_reassembly(struct ip *ip, struct arena *arena);
/* Time exceeded for the packet whose first fragment was PACKET, with QUOTED_BYTES of its payload at
 * packet->payload. */
void ip_send_reassembly_timeout(struct ip *ip, const struct wire_packet *packet, uint64_t now_ns);

static inline uint32_t ip_header_bytes(uint8_t version)
{
    return version == 4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
}

#endif
