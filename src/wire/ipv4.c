/* SPDX-License-Identifier: MIT */
/*
 * The IPv4 header (RFC 791): lengths, checksum, options, fragments, addresses that no packet may
 * have (RFC 1122 3.2.1.3, RFC 6890).
 */
#include "wire/internal.h"

#define OPTION_END          0
#define OPTION_NOP          1
#define OPTION_LOOSE_ROUTE  131
#define OPTION_STRICT_ROUTE 137

#define FLAG_DONT_FRAGMENT 0x4000
#define FLAG_MORE          0x2000
#define FRAGMENT_OFFSET    0x1fff /* in units of 8 bytes */

#define TCP_FIRST_FRAGMENT_MIN 16 /* RFC 1858 3.2.1: reaches over the flags */

/* Options that ask for nothing dangerous are passed over (RFC 7126 has the list of the others). */
static enum berth_drop check_options(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != OPTION_END) {
        if (*at == OPTION_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at) {
            return BERTH_DROP_BAD_OPTION;
        }
        if (*at == OPTION_LOOSE_ROUTE || *at == OPTION_STRICT_ROUTE) {
            return BERTH_DROP_SOURCE_ROUTE;
        }
        at += at[1];
    }
    return BERTH_DROP_NONE;
}

/* 0/8 is this network, 127/8 this host, 224/4 many, 240/4 nobody. */
static bool is_martian_source(uint8_t top)
{
    return top == 0 || top == 127 || top >= 224;
}

static bool is_martian_destination(uint32_t value)
{
    uint32_t top = value >> 24;
    return top == 0 || top == 127 || (top >= 240 && value != 0xffffffff);
}

static enum berth_drop check_fragment(const struct wire_packet *out)
{
    if (out->payload_bytes == 0 || (out->more_fragments && out->payload_bytes % 8 != 0) ||
        out->network_bytes + out->fragment_offset + out->payload_bytes > BERTH_PACKET_BYTES_MAX) {
        return BERTH_DROP_BAD_FRAGMENT;
    }
    if (out->protocol == WIRE_TCP &&
        (out->fragment_offset == 8 ||
         (out->fragment_offset == 0 && out->payload_bytes < TCP_FIRST_FRAGMENT_MIN))) {
        return BERTH_DROP_BAD_FRAGMENT; /* RFC 1858 3 and 4: a port or flag hides in the second */
    }
    return BERTH_DROP_NONE;
}

static enum berth_drop check_addresses(struct wire_packet *out)
{
    wire_load_v4(&out->source, out->packet + 12);
    wire_load_v4(&out->destination, out->packet + 16);
    if (is_martian_source(out->packet[12])) {
        return BERTH_DROP_MARTIAN_SOURCE;
    }
    if (is_martian_destination(load_be32(out->packet + 16))) {
        return BERTH_DROP_MARTIAN_DESTINATION;
    }
    return BERTH_DROP_NONE;
}

/* Header length, checksum, total length. */
static enum berth_drop check_lengths(struct wire_packet *out, size_t bytes)
{
    const uint8_t *at = out->packet;

    if (bytes < WIRE_IPV4_HEADER_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    out->network_bytes = (at[0] & 0xfU) * 4;
    out->packet_bytes = load_be16(at + 2);
    if (out->network_bytes < WIRE_IPV4_HEADER_BYTES) {
        return BERTH_DROP_BAD_HEADER_LENGTH;
    }
    if (out->network_bytes > bytes) {
        return BERTH_DROP_TRUNCATED;
    }
    if (wire_sum_fold(wire_sum_ipv4(at, out->network_bytes)) != 0xffff) {
        return BERTH_DROP_BAD_CHECKSUM;
    }
    if (out->packet_bytes < out->network_bytes) {
        return BERTH_DROP_BAD_LENGTH;
    }
    return out->packet_bytes > bytes ? BERTH_DROP_TRUNCATED : BERTH_DROP_NONE;
}

enum berth_drop wire_parse_ipv4(struct wire_packet *out, size_t bytes)
{
    const uint8_t *at = out->packet;
    enum berth_drop drop = check_lengths(out, bytes);
    uint16_t fragment;

    if (drop != BERTH_DROP_NONE) {
        return drop;
    }
    fragment = load_be16(at + 6);
    out->traffic_class = at[1];
    out->fragment_id = load_be16(at + 4);
    out->dont_fragment = (fragment & FLAG_DONT_FRAGMENT) != 0;
    out->more_fragments = (fragment & FLAG_MORE) != 0;
    out->fragment_offset = (uint16_t)((fragment & FRAGMENT_OFFSET) * 8);
    out->is_fragment = (fragment & (FLAG_MORE | FRAGMENT_OFFSET)) != 0;
    out->hop_limit = at[8];
    out->protocol = at[9];
    out->payload = out->packet + out->network_bytes;
    out->payload_bytes = out->packet_bytes - out->network_bytes;
    drop = check_addresses(out);
    if (drop == BERTH_DROP_NONE && out->network_bytes > WIRE_IPV4_HEADER_BYTES) {
        drop = check_options(at + WIRE_IPV4_HEADER_BYTES, at + out->network_bytes);
    }
    if (drop == BERTH_DROP_NONE && out->is_fragment) {
        drop = check_fragment(out);
    }
    return drop;
}
