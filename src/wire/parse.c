/* SPDX-License-Identifier: MIT */
/*
 * wire_parse: the one place where an incoming packet is judged for its shape.
 *
 * 1. A length is compared with the bytes that are there before anything behind it is read.
 * 2. The checksum is looked at before what it protects, so that damage is counted as damage.
 */
#include "wire/internal.h"

static enum berth_drop parse_network(struct wire_packet *out, size_t bytes)
{
    if (bytes == 0) {
        return BERTH_DROP_TRUNCATED;
    }
    out->version = out->packet[0] >> 4;
    if (out->version == 4) {
        return wire_parse_ipv4(out, bytes);
    }
    if (out->version == 6) {
        return wire_parse_ipv6(out, bytes);
    }
    return BERTH_DROP_BAD_VERSION;
}

static enum berth_drop parse_transport(struct wire_packet *out, bool verify)
{
    switch (out->protocol) {
    case WIRE_TCP:
        return wire_parse_tcp(out, verify);
    case WIRE_UDP:
        return wire_parse_udp(out, verify);
    case WIRE_ICMP:
        return out->version == 4 ? wire_parse_icmp(out, verify) : BERTH_DROP_BAD_ICMP;
    case WIRE_ICMP6:
        return out->version == 6 ? wire_parse_icmp(out, verify) : BERTH_DROP_BAD_ICMP;
    default:
        return BERTH_DROP_NONE;
    }
}

enum berth_drop wire_parse(struct wire_packet *out, uint8_t *data, size_t bytes,
                           const struct berth_offload *offload)
{
    enum berth_drop drop;

    out->packet = data;
    out->transport = NULL;
    out->transport_bytes = 0;
    out->payload = NULL;
    out->payload_bytes = 0;
    out->source_port = 0;
    out->destination_port = 0;
    out->segment_bytes = 0;
    drop = parse_network(out, bytes);
    if (drop == BERTH_DROP_NONE && !out->is_fragment) {
        drop = parse_transport(out, !offload->checksum_good && !offload->checksum_partial);
    }
    if (drop == BERTH_DROP_NONE &&
        (offload->checksum_partial || offload->segment_kind != BERTH_SEGMENT_NONE)) {
        drop = wire_check_offload(out, offload);
    }
    return drop;
}
