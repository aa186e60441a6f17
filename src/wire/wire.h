/* SPDX-License-Identifier: MIT */
/*
 * Packets from bytes and bytes from packets. Pure functions over the caller's memory.
 *
 * Sources: IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293, UDP RFC 768 and 8200 8.1, ICMP RFC 792,
 * ICMPv6 RFC 4443, TCP options RFC 9293/7323/2018, offload facts virtio 1.2 5.1.6.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "wire/packet.h"

/* ---- Parse ---------------------------------------------------------------------------------- */

/*
 * Parses the IP packet of BYTES at DATA into *OUT, whose pointers lie in DATA. BERTH_DROP_NONE, or
 * why the packet is no good; *OUT is then partly filled and only for diagnostics. The transport
 * checksum is verified unless OFFLOAD says it is good or partial. The version, lengths, extension
 * headers (order tolerated, number limited, routing type 0 refused), TCP options, martian addresses
 * and ports of 0 are checked here.
 */
enum berth_drop wire_parse(struct wire_packet *out, uint8_t *data, size_t bytes,
                           const struct berth_offload *offload);

/*
 * Parses the packet that an ICMP error quotes (cut off as it may be): addresses, protocol, ports or
 * echo identifier, TCP sequence number. Checksums are not looked at.
 */
struct wire_quote {
    struct berth_address source; /* ours: we sent it */
    struct berth_address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    uint32_t tcp_seq; /* TCP only */
    bool has_tcp_seq;
};
enum berth_drop wire_parse_quote(struct wire_quote *out, const uint8_t *data, size_t bytes);

/* ---- Emit ----------------------------------------------------------------------------------- */

/*
 * Write the network and transport headers that PACKET describes (addresses, ports, hop_limit,
 * traffic_class, dont_fragment, fragment_id, payload_bytes, tcp or icmp) to OUT, which has room for
 * BERTH_FRAME_HEADER_BYTES, and return their length. The transport checksum field holds
 * the pseudo-header sum (a "partial" checksum); wire_finish completes it, or the link does.
 * Lengths in the headers are those of the whole super-segment.
 */
uint32_t wire_emit_tcp(uint8_t *out, const struct wire_packet *packet);
uint32_t wire_emit_udp(uint8_t *out, const struct wire_packet *packet);
/* ICMP or ICMPv6 by PACKET's version: type, code, and identifier/sequence or mtu by type. */
uint32_t wire_emit_icmp(uint8_t *out, const struct wire_packet *packet);
/* Only the network header, for a fragment or for a payload that has its transport header already.
 */
uint32_t wire_emit_network(uint8_t *out, const struct wire_packet *packet);

/* Length of the TCP options that wire_emit_tcp will write for TCP: a multiple of 4, at most 40.
   SYN options are laid out as Linux lays them: mss, sackOK, TS, nop, wscale. */
uint32_t wire_tcp_option_bytes(const struct wire_tcp *tcp);

/* Completes the partial transport checksum of a whole packet in VIEWS (headers in views[0]). */
struct wire_sum_place {
    uint16_t start;  /* of the transport header, from the start of the packet */
    uint16_t offset; /* of the field, from start */
};
void wire_finish(struct berth_view *views, uint32_t count, const struct wire_sum_place *place);
/* Where the field is for PACKET as emitted. */
struct wire_sum_place wire_sum_place(const struct wire_packet *packet, uint32_t header_bytes);

/* ---- Checksums (RFC 1071, RFC 1624) --------------------------------------------------------- */

/* The one's complement sum of BYTES at DATA added to SUM, not folded: the fastest the CPU has. */
uint64_t wire_sum(uint64_t sum, const void *data, size_t bytes);
/* The same in plain C: the twin that tests compare with. */
uint64_t wire_sum_scalar(uint64_t sum, const void *data, size_t bytes);
/* Folds to 16 bits, as stored in memory (network order), not complemented. */
uint16_t wire_sum_fold(uint64_t sum);

#endif
