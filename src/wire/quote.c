/* SPDX-License-Identifier: MIT */
/*
 * The packet that an ICMP error quotes. RFC 792 promises its IP header and 8 bytes more, and no
 * more than that is asked for.
 */
#include "wire/internal.h"

static bool is_echo(const struct wire_layout *layout, uint8_t type)
{
    if (layout->version == 6) {
        return layout->protocol == WIRE_ICMP6 &&
               (type == WIRE_ICMP6_ECHO_REQUEST || type == WIRE_ICMP6_ECHO_REPLY);
    }
    return layout->protocol == WIRE_ICMP &&
           (type == WIRE_ICMP_ECHO_REQUEST || type == WIRE_ICMP_ECHO_REPLY);
}

enum berth_drop wire_parse_quote(struct wire_quote *out, const uint8_t *data, size_t bytes)
{
    struct wire_layout layout;
    const uint8_t *transport;
    size_t left;

    if (!wire_find_layout(&layout, data, bytes) || layout.fragment_offset > 0) {
        return BERTH_DROP_BAD_ICMP;
    }
    *out = (struct wire_quote){.protocol = layout.protocol};
    if (layout.version == 4) {
        wire_load_v4(&out->source, data + 12);
        wire_load_v4(&out->destination, data + 16);
    } else {
        memcpy(out->source.bytes, data + 8, sizeof out->source.bytes);
        memcpy(out->destination.bytes, data + 24, sizeof out->destination.bytes);
    }
    transport = data + layout.network_bytes;
    left = min_size(bytes, layout.packet_bytes);
    left = left < layout.network_bytes ? 0 : left - layout.network_bytes;
    if (left < 8) {
        return BERTH_DROP_BAD_ICMP;
    }
    if (layout.protocol == WIRE_TCP || layout.protocol == WIRE_UDP) {
        out->source_port = load_be16(transport);
        out->destination_port = load_be16(transport + 2);
    } else if (is_echo(&layout, transport[0])) {
        out->source_port = load_be16(transport + 4);
        out->destination_port = out->source_port;
        out->echo_sequence = load_be16(transport + 6);
    }
    if (layout.protocol == WIRE_TCP) {
        out->tcp_seq = load_be32(transport + 4);
        out->has_tcp_seq = true;
    }
    return BERTH_DROP_NONE;
}
