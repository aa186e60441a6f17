/* SPDX-License-Identifier: MIT */
/*
 * Packets from bytes and bytes from packets. Pure functions over the caller's memory.
 *
 * Sources: IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293, UDP RFC 768 and 8200 8.1, ICMP RFC 792,
 * ICMPv6 RFC 4443, TCP options RFC 9293/7323/2018/9768, offload facts virtio 1.2 5.1.6.
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
 * and ports of 0 are checked here, and that OFFLOAD's facts are about this packet.
 */
enum berth_drop wire_parse(struct wire_packet *out, uint8_t *data, size_t bytes,
                           const struct berth_offload *offload);

/*
 * Parses the packet that an ICMP error quotes (cut off as it may be): addresses, protocol, ports or
 * echo identifier (then both ports are it), TCP sequence number. Checksums are not looked at.
 * BERTH_DROP_BAD_ICMP when it does not reach to the ports, or is a fragment without them.
 */
struct wire_quote {
    struct berth_address source; /* ours: we sent it */
    struct berth_address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    uint16_t echo_sequence; /* echo only */
    uint32_t tcp_seq;       /* TCP only */
    bool has_tcp_seq;
};
enum berth_drop wire_parse_quote(struct wire_quote *out, const uint8_t *data, size_t bytes);

/* ---- Emit ----------------------------------------------------------------------------------- */

/*
 * Write the network and transport headers that PACKET describes (version, addresses, ports,
 * hop_limit, traffic_class, dont_fragment, fragment_id, payload_bytes, tcp or icmp) to OUT, which
 * has room for BERTH_FRAME_HEADER_BYTES, and return their length. The transport checksum field
 * holds the pseudo-header sum (a "partial" checksum: folded, not complemented, as virtio wants it;
 * 0 for ICMP over IPv4, which has no pseudo header); wire_finish completes it, or the link does.
 * Lengths in the headers are those of the whole super-segment. IPv6 flow labels are 0.
 */
uint32_t wire_emit_tcp(uint8_t *out, const struct wire_packet *packet);
uint32_t wire_emit_udp(uint8_t *out, const struct wire_packet *packet);
/* ICMP or ICMPv6 by PACKET's version: type, code, and identifier/sequence or mtu by type. */
uint32_t wire_emit_icmp(uint8_t *out, const struct wire_packet *packet);
/*
 * Only the network header, for a payload of payload_bytes that has its transport header already, or
 * for a fragment (is_fragment, more_fragments, fragment_offset, fragment_id; IPv6: with the
 * fragment header). The protocol is PACKET's.
 */
uint32_t wire_emit_network(uint8_t *out, const struct wire_packet *packet);

/* Length of the TCP options that wire_emit_tcp will write for TCP: a multiple of 4, at most 40.
   SYN options are laid out as Linux lays them: mss, sackOK, TS, nop, wscale. SACK blocks beyond the
   room are left out. An AccECN option comes last; the caller sees to it that it fits
   (wire_accecn_bytes). */
uint32_t wire_tcp_option_bytes(const struct wire_tcp *tcp);

/* Length of an AccECN option of COUNT fields, with its padding. */
uint32_t wire_accecn_bytes(uint32_t count);

/* Completes the partial transport checksum of a whole packet in VIEWS (headers in views[0]). */
struct wire_sum_place {
    uint16_t start;  /* of the transport header, from the start of the packet */
    uint16_t offset; /* of the field, from start */
};
void wire_finish(struct berth_view *views, uint32_t count, const struct wire_sum_place *place);
/* Where the field is for PACKET (of PACKET's protocol) as emitted, HEADER_BYTES long. */
struct wire_sum_place wire_sum_place(const struct wire_packet *packet, uint32_t header_bytes);

/* ---- Cut ------------------------------------------------------------------------------------ */

/*
 * Cuts an outgoing super-segment into the packets that a link without offloads would carry, as a
 * network device does: lengths, IPv4 ids, sequence numbers, FIN and PSH on the last piece only, CWR
 * on the first only; every checksum complete. What is no super-segment comes out as one packet with
 * its partial checksum, if any, completed. OFFLOAD's facts that do not fit the packet are ignored:
 * it then comes out as it is.
 */
struct wire_cut {
    const uint8_t *packet; /* borrowed until the last piece */
    uint32_t bytes;        /* of it, all headers included */
    uint32_t network_bytes;
    uint32_t header_bytes;  /* network and transport: in front of every piece */
    uint32_t segment_bytes; /* payload of each; 0: one piece, the packet as it is */
    uint32_t done_bytes;    /* payload that is out */
    uint32_t pieces;        /* that are out */
    uint8_t version;
    uint8_t protocol;
    bool is_partial; /* one piece: complete the checksum at PLACE */
    bool is_summed;  /* pieces: a UDP sender may do without */
    bool is_done;
    struct wire_sum_place place;
};
BERTH_API void wire_cut_init(struct wire_cut *cut, const uint8_t *packet, size_t bytes,
                             const struct berth_offload *offload);
/* Writes the next piece to OUT and returns its length; 0: there is none, or it is longer than ROOM
   (header_bytes + segment_bytes is enough, and the whole packet's length where it is not cut). */
BERTH_API size_t wire_cut_next(struct wire_cut *cut, uint8_t *out, size_t room);

/* ---- ECN (RFC 3168 5) ----------------------------------------------------------------------- */

/* The ECN field of the IP packet of BYTES at PACKET; WIRE_NOT_ECT also for what is no IP packet. */
BERTH_API enum wire_ecn wire_ecn_get(const uint8_t *packet, size_t bytes);
/*
 * Marks the packet as having met congestion, as a queue does instead of dropping it: its ECN field
 * becomes CE, an IPv4 header checksum that was right stays right (RFC 1624). false, and nothing is
 * changed: its transport cannot hear that (Not-ECT), or it is no IP packet.
 */
BERTH_API bool wire_ecn_mark(uint8_t *packet, size_t bytes);

/* How many packets of the wire PACKET is: of a super-segment, its pieces. */
static inline uint32_t wire_pieces(const struct wire_packet *packet)
{
    uint32_t each = packet->segment_bytes;
    return each == 0 || packet->payload_bytes == 0 ? 1 : (packet->payload_bytes + each - 1) / each;
}

/* ---- Checksums (RFC 1071, RFC 1624) --------------------------------------------------------- */

/*
 * The one's complement sum of BYTES at DATA, in memory order, added to SUM, not folded: the fastest
 * the CPU has. SUM is 0 or a sum of fewer than 2^32 bytes in all. An odd last byte counts as padded
 * with zero.
 */
uint64_t wire_sum(uint64_t sum, const void *data, size_t bytes);
/* The same in plain C: the twin that tests compare with. */
uint64_t wire_sum_scalar(uint64_t sum, const void *data, size_t bytes);
/* Folds to 16 bits, as stored in memory (network order), not complemented. */
static inline uint16_t wire_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

#endif
