/* SPDX-License-Identifier: MIT */
/*
 * Finding the transport header of a packet that is cut off (a quote in an ICMP error) or is our own
 * (a super-segment to cut): the network headers are walked, nothing else is judged.
 */
#include "wire/internal.h"

static bool find_ipv4(struct wire_layout *out, const uint8_t *data, size_t bytes)
{
    uint16_t fragment;

    if (bytes < WIRE_IPV4_HEADER_BYTES) {
        return false;
    }
    fragment = load_be16(data + 6);
    out->network_bytes = (data[0] & 0xfU) * 4;
    out->packet_bytes = load_be16(data + 2);
    out->protocol = data[9];
    out->fragment_offset = (uint16_t)((fragment & 0x1fff) * 8);
    out->is_fragment = (fragment & 0x3fff) != 0;
    return out->network_bytes >= WIRE_IPV4_HEADER_BYTES && out->network_bytes <= bytes;
}

/* One extension header at network_bytes; false where it is cut off. */
static bool pass_extension(struct wire_layout *out, const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data + out->network_bytes;
    size_t left = bytes - out->network_bytes;
    uint32_t length = WIRE_FRAGMENT_BYTES;

    if (left < 8) {
        return false;
    }
    if (out->protocol == WIRE_FRAGMENT) {
        out->fragment_offset = load_be16(at + 2) & 0xfff8;
        out->is_fragment = out->fragment_offset > 0 || (at[3] & 1) != 0;
    } else {
        length = (at[1] + 1U) * 8;
    }
    out->protocol = at[0];
    out->network_bytes += length;
    return length <= left;
}

static bool find_ipv6(struct wire_layout *out, const uint8_t *data, size_t bytes)
{
    if (bytes < WIRE_IPV6_HEADER_BYTES) {
        return false;
    }
    out->network_bytes = WIRE_IPV6_HEADER_BYTES;
    out->packet_bytes = WIRE_IPV6_HEADER_BYTES + (uint32_t)load_be16(data + 4);
    out->protocol = data[6];
    for (int i = 0; i <= WIRE_EXTENSIONS_MAX; i++) {
        bool is_extension = out->protocol == WIRE_HOP_BY_HOP || out->protocol == WIRE_ROUTING ||
                            out->protocol == WIRE_FRAGMENT ||
                            out->protocol == WIRE_DESTINATION_OPTIONS;
        if (!is_extension || out->fragment_offset > 0) {
            return true;
        }
        if (!pass_extension(out, data, bytes)) {
            return false;
        }
    }
    return false;
}

bool wire_find_layout(struct wire_layout *out, const uint8_t *data, size_t bytes)
{
    *out = (struct wire_layout){.version = bytes > 0 ? data[0] >> 4 : 0};
    if (out->version == 4) {
        return find_ipv4(out, data, bytes);
    }
    return out->version == 6 && find_ipv6(out, data, bytes);
}
