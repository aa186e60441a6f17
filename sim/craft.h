/* SPDX-License-Identifier: MIT */
/*
 * Packets that no stack has sent: what routers and intruders make. Pure but for memory.
 */
#ifndef SIM_CRAFT_H
#define SIM_CRAFT_H

#include "link/packets.h"
#include "wire/wire.h"

/*
 * The packet that PACKET describes (TCP, UDP or ICMP) with its payload_bytes of PAYLOAD behind the
 * headers and its checksums complete. The caller's; NULL: no memory.
 */
struct link_packet *craft_packet(const struct wire_packet *packet, const void *payload);

/* What a router at FROM answers to PACKET (IP, its header whole) that is longer than MTU (RFC 1191
 * 4, RFC 4443 3.2). NULL: no memory. */
struct link_packet *craft_too_big(const struct link_packet *packet,
                                  const struct berth_address *from, uint32_t mtu);

/* Cuts PACKET (IPv4 without options, taken) into fragments of at most MTU bytes and adds them to
 * OUT; what there is no memory for is lost (RFC 791 3.2). */
void craft_fragments(struct link_packet *packet, uint32_t mtu, struct link_packets *out);

/* The IPv4 header's checksum of the BYTES at HEADER, made right. */
void craft_sum_header(uint8_t *header, size_t bytes);

#endif
