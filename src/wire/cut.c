/* SPDX-License-Identifier: MIT */
/*
 * Cutting a super-segment in software, for links that must see single packets. The counterpart of
 * what a device does with a virtio-net header's facts (virtio 1.2 5.1.6.2).
 */
#include "wire/internal.h"

/* Does the packet, whole and well laid out, have the header that KIND names? Sets header_bytes. */
static bool may_cut(struct wire_cut *cut, const struct berth_offload *offload)
{
    struct wire_layout layout;
    uint32_t left;
    uint32_t segment_bytes = offload->segment_bytes;
    uint8_t kind = offload->segment_kind;

    if (!wire_find_layout(&layout, cut->packet, cut->bytes) || layout.is_fragment ||
        layout.packet_bytes > cut->bytes || layout.packet_bytes < layout.network_bytes ||
        segment_bytes == 0) {
        return false;
    }
    left = layout.packet_bytes - layout.network_bytes;
    cut->version = layout.version;
    cut->protocol = layout.protocol;
    cut->network_bytes = layout.network_bytes;
    if (kind == BERTH_SEGMENT_UDP) {
        cut->header_bytes = layout.network_bytes + WIRE_UDP_HEADER_BYTES;
        return layout.protocol == WIRE_UDP && left > WIRE_UDP_HEADER_BYTES + segment_bytes;
    }
    if (kind != (layout.version == 4 ? BERTH_SEGMENT_TCP4 : BERTH_SEGMENT_TCP6) ||
        layout.protocol != WIRE_TCP || left < WIRE_TCP_HEADER_BYTES) {
        return false;
    }
    cut->header_bytes = (cut->packet[layout.network_bytes + 12] >> 4) * 4U;
    if (cut->header_bytes < WIRE_TCP_HEADER_BYTES || left <= cut->header_bytes + segment_bytes) {
        return false;
    }
    cut->header_bytes += layout.network_bytes;
    return true;
}

void wire_cut_init(struct wire_cut *cut, const uint8_t *packet, size_t bytes,
                   const struct berth_offload *offload)
{
    *cut = (struct wire_cut){
        .packet = packet,
        .bytes = (uint32_t)min_size(bytes, UINT32_MAX),
        .place = {offload->checksum_start, offload->checksum_offset},
    };
    if (offload->segment_kind != BERTH_SEGMENT_NONE && may_cut(cut, offload)) {
        cut->segment_bytes = offload->segment_bytes;
        /* The link's padding, if any, is no payload. */
        cut->bytes = cut->version == 4 ? load_be16(packet + 2)
                                       : WIRE_IPV6_HEADER_BYTES + (uint32_t)load_be16(packet + 4);
        cut->is_summed = cut->protocol == WIRE_TCP || cut->version == 6 ||
                         offload->checksum_partial ||
                         load_be16(packet + cut->network_bytes + WIRE_UDP_CHECKSUM_OFFSET) != 0;
        return;
    }
    cut->is_partial = offload->checksum_partial &&
                      (uint32_t)offload->checksum_start + offload->checksum_offset + 2 <= bytes;
}

static size_t next_whole(struct wire_cut *cut, uint8_t *out, size_t room)
{
    struct berth_view view = {out, cut->bytes};

    if (cut->bytes > room || cut->bytes == 0) {
        return 0;
    }
    memcpy(out, cut->packet, cut->bytes);
    if (cut->is_partial) {
        wire_finish(&view, 1, &cut->place);
    }
    cut->is_done = true;
    return cut->bytes;
}

static void patch_network(const struct wire_cut *cut, uint8_t *out, uint32_t bytes)
{
    if (cut->version == 6) {
        store_be16(out + 4, (uint16_t)(bytes - WIRE_IPV6_HEADER_BYTES));
        return;
    }
    store_be16(out + 2, (uint16_t)bytes);
    store_be16(out + 4, (uint16_t)(load_be16(out + 4) + cut->pieces));
    store_be16(out + 10, 0);
    wire_store_sum(out + 10, wire_sum_ipv4(out, cut->network_bytes));
}

static void patch_tcp(const struct wire_cut *cut, uint8_t *at, bool is_last)
{
    uint16_t flags = load_be16(at + 12);
    uint16_t urgent = load_be16(at + 18);
    uint32_t offset = cut->done_bytes;

    if (offset > 0) {
        uint32_t syn_bytes = (flags & WIRE_SYN) != 0 ? 1 : 0; /* it takes a number, once */
        store_be32(at + 4, load_be32(at + 4) + offset + syn_bytes);
        flags &= (uint16_t) ~(WIRE_CWR | WIRE_SYN);
    }
    if (!is_last) {
        flags &= (uint16_t) ~(WIRE_FIN | WIRE_PSH);
    }
    if ((flags & WIRE_URG) != 0) {
        /* The pointer counts from this piece's own number; behind it nothing is urgent. */
        bool is_urgent = urgent > offset;
        store_be16(at + 18, is_urgent ? (uint16_t)(urgent - offset) : 0);
        flags &= (uint16_t)(is_urgent ? 0xffff : ~WIRE_URG);
    }
    store_be16(at + 12, flags);
}

/* BYTES from the transport header on, pseudo header included. */
static void put_checksum(const struct wire_cut *cut, uint8_t *out, uint32_t bytes)
{
    uint8_t *transport = out + cut->network_bytes;
    bool is_udp = cut->protocol == WIRE_UDP;
    uint8_t *field = transport + (is_udp ? WIRE_UDP_CHECKSUM_OFFSET : WIRE_TCP_CHECKSUM_OFFSET);
    uint64_t sum = wire_sum_upper(cut->protocol, bytes);

    store_be16(field, 0);
    if (!cut->is_summed) {
        return;
    }
    sum = cut->version == 4 ? wire_sum(sum, out + 12, 8) : wire_sum(sum, out + 8, 32);
    wire_store_sum(field, wire_sum(sum, transport, bytes));
    if (is_udp && load_be16(field) == 0) {
        store_be16(field, 0xffff);
    }
}

static size_t next_piece(struct wire_cut *cut, uint8_t *out, size_t room)
{
    uint32_t left = cut->bytes - cut->header_bytes - cut->done_bytes;
    uint32_t payload = min_u32(left, cut->segment_bytes);
    uint32_t bytes = cut->header_bytes + payload;
    uint8_t *transport = out + cut->network_bytes;

    if (bytes > room) {
        return 0;
    }
    memcpy(out, cut->packet, cut->header_bytes);
    memcpy(out + cut->header_bytes, cut->packet + cut->header_bytes + cut->done_bytes, payload);
    patch_network(cut, out, bytes);
    if (cut->protocol == WIRE_TCP) {
        patch_tcp(cut, transport, payload == left);
    } else {
        store_be16(transport + 4, (uint16_t)(bytes - cut->network_bytes));
    }
    put_checksum(cut, out, bytes - cut->network_bytes);
    cut->done_bytes += payload;
    cut->pieces++;
    cut->is_done = payload == left;
    return bytes;
}

size_t wire_cut_next(struct wire_cut *cut, uint8_t *out, size_t room)
{
    if (cut->is_done) {
        return 0;
    }
    return cut->segment_bytes > 0 ? next_piece(cut, out, room) : next_whole(cut, out, room);
}
