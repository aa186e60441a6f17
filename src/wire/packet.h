/* SPDX-License-Identifier: MIT */
/*
 * One packet as one parse found it, and as one emit writes it: the descriptor that the whole stack
 * passes along. All values in host order; network order is never seen outside wire/.
 *
 * 1. After wire_parse returned BERTH_DROP_NONE every length and pointer here lies inside the
 * packet, and nothing below needs to check one again.
 * 2. For a fragment (is_fragment) `transport` is NULL, `payload` is what follows the IPv4 header or
 * the IPv6 fragment header, whole, and `protocol` is the next header named there (it may be an
 * IPv6 extension header). It is parsed again after reassembly. What is alone in being a fragment
 * (offset 0 and no more to come; RFC 6946) is a whole packet.
 * 3. For a protocol that wire/ does not know (ESP, AH, no next header, GRE...) `transport` is NULL
 * and `payload` is everything after the IP headers. ICMP is known over IPv4 only, ICMPv6 over IPv6.
 */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include "base/bytes.h"

#include <berth/address.h>
#include <berth/buffer.h>
#include <berth/stats.h>

enum wire_protocol { /* IANA protocol-numbers */
                     WIRE_ICMP = 1,
                     WIRE_TCP = 6,
                     WIRE_UDP = 17,
                     WIRE_ICMP6 = 58
};

enum wire_ecn { /* the lowest bits of the traffic class (RFC 3168 5) */
                WIRE_NOT_ECT = 0,
                WIRE_ECT1 = 1,
                WIRE_ECT0 = 2,
                WIRE_CE = 3
};

enum wire_tcp_flag { /* RFC 9293 3.1; AE: RFC 9768 */
                     WIRE_FIN = 1,
                     WIRE_SYN = 2,
                     WIRE_RST = 4,
                     WIRE_PSH = 8,
                     WIRE_ACK = 16,
                     WIRE_URG = 32,
                     WIRE_ECE = 64,
                     WIRE_CWR = 128,
                     WIRE_AE = 256
};

enum wire_tcp_option { /* which of the options below are there */
                       WIRE_OPTION_MSS = 1,
                       WIRE_OPTION_WSCALE = 2,
                       WIRE_OPTION_SACK_PERMITTED = 4,
                       WIRE_OPTION_TIMESTAMPS = 8,
                       WIRE_OPTION_SACK = 16,
                       WIRE_OPTION_ACCECN = 32,
                       WIRE_OPTION_FAST_OPEN = 64,
                       WIRE_OPTION_USER_TIMEOUT = 128
};

#define WIRE_SACK_BLOCKS_MAX      4
#define WIRE_ACCECN_FIELDS_MAX    3
#define WIRE_COOKIE_BYTES_MIN     4 /* RFC 7413 4.1.1 */
#define WIRE_COOKIE_BYTES_MAX     16
#define WIRE_TCP_HEADER_BYTES     20
#define WIRE_TCP_OPTION_BYTES_MAX 40
#define WIRE_IPV4_HEADER_BYTES    20
#define WIRE_IPV6_HEADER_BYTES    40
#define WIRE_UDP_HEADER_BYTES     8
#define WIRE_ICMP_HEADER_BYTES    8

struct wire_sack {
    uint32_t left;
    uint32_t right;
};

struct wire_tcp {
    uint32_t seq;
    uint32_t ack;
    uint16_t flags;  /* enum wire_tcp_flag */
    uint16_t window; /* as on the wire, not scaled */
    uint16_t urgent;
    uint16_t mss;
    uint8_t options; /* enum wire_tcp_option */
    uint8_t wscale;
    uint8_t sack_count;
    uint8_t cookie_bytes; /* of the Fast Open option; 0: it asks for a cookie */
    uint32_t tsval;
    uint32_t tsecr;
    struct wire_sack sack[WIRE_SACK_BLOCKS_MAX];
    /* RFC 9768 3.2.3, AccECN: bytes that came ECT(0), CE, ECT(1), 24 bits each, as many of them as
       accecn_count says; reversed: ECT(1), CE, ECT(0). */
    uint32_t accecn[WIRE_ACCECN_FIELDS_MAX];
    uint8_t accecn_count;
    bool accecn_reversed;
    uint8_t cookie[WIRE_COOKIE_BYTES_MAX];
    uint16_t user_timeout; /* RFC 5482 3.3, as on the wire */
};

struct wire_icmp { /* ICMP and ICMPv6 */
    uint8_t type;
    uint8_t code;
    uint16_t identifier; /* echo */
    uint16_t sequence;
    uint32_t mtu; /* too big / fragmentation needed; parameter problem: the pointer */
};

struct wire_packet {
    struct berth_address source;
    struct berth_address destination;
    uint16_t source_port; /* 0 where there are none */
    uint16_t destination_port;
    uint8_t version;  /* 4 or 6 */
    uint8_t protocol; /* of the transport, after all extension headers */
    uint8_t hop_limit;
    uint8_t traffic_class;
    bool is_fragment;
    bool more_fragments;
    bool dont_fragment;       /* IPv4; emit sets DF when true */
    uint16_t fragment_offset; /* bytes */
    uint32_t fragment_id;
    uint32_t network_bytes;   /* IP header with options or extension headers */
    uint32_t transport_bytes; /* TCP header with options, UDP 8, ICMP 8 */
    uint32_t packet_bytes;    /* by the IP header; what the link padded is left out */
    uint8_t *packet;          /* first byte of the IP header */
    uint8_t *transport;
    uint8_t *payload;
    uint32_t payload_bytes;
    uint16_t segment_bytes; /* not 0: a super-segment of pieces with this payload */
    union {
        struct wire_tcp tcp;
        struct wire_icmp icmp;
    };
};

#endif
