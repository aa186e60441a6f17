/* SPDX-License-Identifier: MIT */
/*
 * What the files of wire/ share and nobody else sees: the steps of one parse, the layout of bytes
 * that are not parsed in full, the pseudo header's sum.
 */
#ifndef WIRE_INTERNAL_H
#define WIRE_INTERNAL_H

#include "wire/wire.h"

enum wire_next_header { /* IANA protocol-numbers: the IPv6 extension headers that are walked */
                        WIRE_HOP_BY_HOP = 0,
                        WIRE_ROUTING = 43,
                        WIRE_FRAGMENT = 44,
                        WIRE_DESTINATION_OPTIONS = 60
};

#define WIRE_EXTENSIONS_MAX       8 /* IPv6 extension headers in one packet */
#define WIRE_FRAGMENT_BYTES       8 /* the IPv6 fragment header */
#define WIRE_TCP_CHECKSUM_OFFSET  16
#define WIRE_UDP_CHECKSUM_OFFSET  6
#define WIRE_ICMP_CHECKSUM_OFFSET 2

enum wire_icmp_type { /* RFC 792 */
                      WIRE_ICMP_ECHO_REPLY = 0,
                      WIRE_ICMP_UNREACHABLE = 3,
                      WIRE_ICMP_SOURCE_QUENCH = 4,
                      WIRE_ICMP_REDIRECT = 5,
                      WIRE_ICMP_ECHO_REQUEST = 8,
                      WIRE_ICMP_TIME_EXCEEDED = 11,
                      WIRE_ICMP_PARAMETER_PROBLEM = 12
};

enum wire_icmp6_type { /* RFC 4443 */
                       WIRE_ICMP6_UNREACHABLE = 1,
                       WIRE_ICMP6_TOO_BIG = 2,
                       WIRE_ICMP6_TIME_EXCEEDED = 3,
                       WIRE_ICMP6_PARAMETER_PROBLEM = 4,
                       WIRE_ICMP6_ECHO_REQUEST = 128,
                       WIRE_ICMP6_ECHO_REPLY = 129
};

#define WIRE_ICMP_FRAGMENTATION_NEEDED 4 /* code of WIRE_ICMP_UNREACHABLE */

/* ---- The steps of wire_parse, in their order ------------------------------------------------- */

/* OUT->packet has BYTES, not 0, of the right version. Sets all but what is the transport's;
   payload is then everything after the network headers. */
enum berth_drop wire_parse_ipv4(struct wire_packet *out, size_t bytes);
enum berth_drop wire_parse_ipv6(struct wire_packet *out, size_t bytes);
/* OUT->payload is the transport header; both move on behind it. VERIFY: the checksum too. */
enum berth_drop wire_parse_tcp(struct wire_packet *out, bool verify);
enum berth_drop wire_parse_udp(struct wire_packet *out, bool verify);
enum berth_drop wire_parse_icmp(struct wire_packet *out, bool verify);
enum berth_drop wire_parse_tcp_options(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes);
/* Are the facts about this packet? Sets segment_bytes. */
enum berth_drop wire_check_offload(struct wire_packet *out, const struct berth_offload *offload);

void wire_emit_tcp_options(uint8_t *out, const struct wire_tcp *tcp);

/* ---- Layout ---------------------------------------------------------------------------------- */

/* Where the transport header of a packet is that may be cut off and is not checked further. */
struct wire_layout {
    uint8_t version;
    uint8_t protocol;
    bool is_fragment;
    uint16_t fragment_offset;
    uint32_t network_bytes; /* with options or extension headers; never more than there are */
    uint32_t packet_bytes;  /* as the IP header says; may be more than there are */
};
/* False: the network headers are out of shape or cut off. */
bool wire_find_layout(struct wire_layout *out, const uint8_t *data, size_t bytes);

/* ---- Small shared things --------------------------------------------------------------------- */

static inline void wire_load_v4(struct berth_address *out, const uint8_t *at)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(out->bytes, mapped, sizeof mapped);
    memcpy(out->bytes + sizeof mapped, at, 4);
}

/* Two words of 32 bits as one sum. */
static inline uint64_t wire_halves(uint64_t word)
{
    return (word & 0xffffffff) + (word >> 32);
}

static inline uint64_t wire_sum_address(const struct berth_address *address)
{
    return wire_halves(load_u64(address->bytes)) + wire_halves(load_u64(address->bytes + 8));
}

/* wire_sum of an IPv4 header, which nearly always has no options. */
static inline uint64_t wire_sum_ipv4(const uint8_t *at, uint32_t header_bytes)
{
    uint32_t last;

    if (header_bytes != WIRE_IPV4_HEADER_BYTES) {
        return wire_sum(0, at, header_bytes);
    }
    memcpy(&last, at + 16, sizeof last);
    return wire_halves(load_u64(at)) + wire_halves(load_u64(at + 8)) + last;
}

/* The part of a pseudo header that holds no address, for both versions (RFC 793 3.1, RFC 8200 8.1):
   the sum of a 16-bit length and a 16-bit number is that of the 32-bit ones. */
static inline uint64_t wire_sum_upper(uint8_t protocol, uint32_t bytes)
{
    return (uint64_t)__builtin_bswap32(bytes) + ((uint64_t)protocol << 8);
}

/*
 * The pseudo header's sum for BYTES of PROTOCOL. An IPv4 address is held behind a prefix whose sum
 * is 0xffff, which is zero in one's complement: the same code serves both versions.
 */
static inline uint64_t wire_sum_pseudo(const struct wire_packet *packet, uint8_t protocol,
                                       uint32_t bytes)
{
    return wire_sum_address(&packet->source) + wire_sum_address(&packet->destination) +
           wire_sum_upper(protocol, bytes);
}

/* What is stored in a checksum field for SUM. */
static inline void wire_store_sum(uint8_t *at, uint64_t sum)
{
    uint16_t field = (uint16_t)~wire_sum_fold(sum);
    memcpy(at, &field, sizeof field);
}

#endif
