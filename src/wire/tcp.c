/* SPDX-License-Identifier: MIT */
/*
 * The TCP header (RFC 9293 3.1): parse. Its options are in tcp_options.c.
 */
#include "wire/internal.h"

#define FLAGS_MASK 0x1ff

/* What no state has a use for, whatever it is (3.10.7 gets by without): none of the flags that say
   what a segment is for, or a SYN that ends what it begins. */
static bool has_bad_flags(uint16_t flags)
{
    if ((flags & (WIRE_FIN | WIRE_SYN | WIRE_RST | WIRE_PSH | WIRE_ACK | WIRE_URG)) == 0) {
        return true;
    }
    return (flags & WIRE_SYN) != 0 && (flags & (WIRE_FIN | WIRE_RST)) != 0;
}

enum berth_drop wire_parse_tcp(struct wire_packet *out, bool verify)
{
    const uint8_t *at = out->payload;
    uint32_t bytes = out->payload_bytes;
    struct wire_tcp *tcp = &out->tcp;
    uint32_t header_bytes;

    if (bytes < WIRE_TCP_HEADER_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    if (verify &&
        wire_sum_fold(wire_sum(wire_sum_pseudo(out, WIRE_TCP, bytes), at, bytes)) != 0xffff) {
        return BERTH_DROP_BAD_CHECKSUM;
    }
    header_bytes = (at[12] >> 4) * 4U;
    if (header_bytes < WIRE_TCP_HEADER_BYTES || header_bytes > bytes) {
        return BERTH_DROP_BAD_HEADER_LENGTH;
    }
    out->transport = out->payload;
    out->transport_bytes = header_bytes;
    out->payload += header_bytes;
    out->payload_bytes = bytes - header_bytes;
    out->source_port = load_be16(at);
    out->destination_port = load_be16(at + 2);
    tcp->seq = load_be32(at + 4);
    tcp->ack = load_be32(at + 8);
    tcp->flags = load_be16(at + 12) & FLAGS_MASK;
    tcp->window = load_be16(at + 14);
    tcp->urgent = load_be16(at + 18);
    if (out->source_port == 0 || out->destination_port == 0) {
        return BERTH_DROP_BAD_PORT;
    }
    if (has_bad_flags(tcp->flags)) {
        return BERTH_DROP_BAD_TCP_FLAGS;
    }
    return wire_parse_tcp_options(tcp, at + WIRE_TCP_HEADER_BYTES,
                                  header_bytes - WIRE_TCP_HEADER_BYTES);
}
