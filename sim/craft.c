/* SPDX-License-Identifier: MIT */
/*
 * sim/craft.c: emitted by wire/, and by hand where a router changes what came.
 */
#include "sim/craft.h"

#include <string.h>

#include "base/bytes.h"

#define QUOTE_BYTES    548 /* RFC 1812 4.3.2.3: the error is at most 576 bytes long */
#define HOP_LIMIT      64
#define ICMP_CODE_FRAG 4 /* of destination unreachable: fragmentation needed (RFC 792) */

struct link_packet *craft_packet(const struct wire_packet *packet, const void *payload)
{
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    struct berth_view view;
    struct wire_sum_place place;
    struct link_packet *out;
    uint32_t bytes;

    switch (packet->protocol) {
    case WIRE_TCP:
        bytes = wire_emit_tcp(header, packet);
        break;
    case WIRE_UDP:
        bytes = wire_emit_udp(header, packet);
        break;
    default:
        bytes = wire_emit_icmp(header, packet);
        break;
    }
    out = link_packet_new(bytes + packet->payload_bytes);
    if (out == NULL) {
        return NULL;
    }
    memcpy(out->data, header, bytes);
    if (packet->payload_bytes > 0) {
        memcpy(out->data + bytes, payload, packet->payload_bytes);
    }
    place = wire_sum_place(packet, bytes);
    view = (struct berth_view){.data = out->data, .bytes = out->bytes};
    wire_finish(&view, 1, &place);
    return out;
}

struct link_packet *craft_too_big(const struct link_packet *packet,
                                  const struct berth_address *from, uint32_t mtu)
{
    struct wire_packet error = {.version = packet->data[0] >> 4, .hop_limit = HOP_LIMIT};

    error.source = *from;
    error.payload_bytes = min_u32(packet->bytes, QUOTE_BYTES);
    error.icmp.mtu = mtu;
    if (error.version == 4) {
        error.destination = (struct berth_address){.bytes = {[10] = 0xff, [11] = 0xff}};
        memcpy(error.destination.bytes + 12, packet->data + 12, 4);
        error.protocol = WIRE_ICMP;
        error.icmp.type = 3;
        error.icmp.code = ICMP_CODE_FRAG;
    } else {
        memcpy(error.destination.bytes, packet->data + 8, 16);
        error.protocol = WIRE_ICMP6;
        error.icmp.type = 2;
    }
    return craft_packet(&error, packet->data);
}

void craft_sum_header(uint8_t *header, size_t bytes)
{
    uint16_t sum;

    header[10] = header[11] = 0;
    sum = (uint16_t)~wire_sum_fold(wire_sum(0, header, bytes));
    memcpy(header + 10, &sum, sizeof sum);
}

void craft_fragments(struct link_packet *packet, uint32_t mtu, struct link_packets *out)
{
    uint32_t most = (mtu - WIRE_IPV4_HEADER_BYTES) / 8 * 8;
    uint32_t payload = packet->bytes - WIRE_IPV4_HEADER_BYTES;
    uint16_t field = (uint16_t)(packet->data[6] << 8 | packet->data[7]);

    for (uint32_t at = 0; at < payload; at += most) {
        uint32_t part = min_u32(most, payload - at);
        struct link_packet *piece = link_packet_new(WIRE_IPV4_HEADER_BYTES + part);
        uint16_t place = (uint16_t)(field + at / 8);

        if (piece == NULL) {
            continue;
        }
        if (at + part < payload) {
            place |= 0x2000; /* more fragments follow */
        }
        memcpy(piece->data, packet->data, WIRE_IPV4_HEADER_BYTES);
        memcpy(piece->data + WIRE_IPV4_HEADER_BYTES, packet->data + WIRE_IPV4_HEADER_BYTES + at,
               part);
        piece->data[2] = (uint8_t)(piece->bytes >> 8);
        piece->data[3] = (uint8_t)piece->bytes;
        piece->data[6] = (uint8_t)(place >> 8);
        piece->data[7] = (uint8_t)place;
        craft_sum_header(piece->data, WIRE_IPV4_HEADER_BYTES);
        link_packets_add(out, piece);
    }
    link_packet_free(packet);
}
