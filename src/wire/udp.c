/* SPDX-License-Identifier: MIT */
/*
 * The UDP header (RFC 768; RFC 8200 8.1: no datagram without a checksum over IPv6).
 */
#include "wire/internal.h"

static bool is_sum_good(const struct wire_packet *out, const uint8_t *at, uint32_t bytes)
{
    if (load_be16(at + WIRE_UDP_CHECKSUM_OFFSET) == 0) {
        return out->version == 4;
    }
    return wire_sum_fold(wire_sum(wire_sum_pseudo(out, WIRE_UDP, bytes), at, bytes)) == 0xffff;
}

enum berth_drop wire_parse_udp(struct wire_packet *out, bool verify)
{
    const uint8_t *at = out->payload;
    uint32_t bytes;

    if (out->payload_bytes < WIRE_UDP_HEADER_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    /* What the IP payload has beyond the datagram is left alone. A length of 0 is a jumbogram's. */
    bytes = load_be16(at + 4);
    if (bytes < WIRE_UDP_HEADER_BYTES || bytes > out->payload_bytes) {
        return BERTH_DROP_BAD_LENGTH;
    }
    if (verify && !is_sum_good(out, at, bytes)) {
        return BERTH_DROP_BAD_CHECKSUM;
    }
    out->transport = out->payload;
    out->transport_bytes = WIRE_UDP_HEADER_BYTES;
    out->payload += WIRE_UDP_HEADER_BYTES;
    out->payload_bytes = bytes - WIRE_UDP_HEADER_BYTES;
    out->source_port = load_be16(at);
    out->destination_port = load_be16(at + 2);
    if (out->source_port == 0 || out->destination_port == 0) {
        return BERTH_DROP_BAD_PORT;
    }
    return BERTH_DROP_NONE;
}
