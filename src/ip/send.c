/* SPDX-License-Identifier: MIT */
/*
 * ip/send.c: the IP header in front of what goes out, and cutting what is too large.
 *
 * 1. A packet goes out whole or not at all: room for all its fragments is made sure of first.
 * 2. An IPv4 packet that may be fragmented has a random id (RFC 6864 4.1 asks for uniqueness within
 *    the packet's lifetime, RFC 7739 for ids that nobody can guess).
 * Called by stack/, and by icmp.c.
 */
#include "ip/internal.h"

#define FRAGMENT_HEADER_BYTES 8 /* IPv6 */
#define FRAGMENT_UNIT         8

/* Payload of each fragment but the last. */
static uint32_t fragment_bytes(const struct ip *ip, uint8_t version)
{
    uint32_t header =
        version == 4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES;
    uint32_t room = min_u32(ip->limits.mtu - header, ip->buffers->capacity - BUFFERS_HEADROOM);

    return room / FRAGMENT_UNIT * FRAGMENT_UNIT;
}

uint32_t ip_packet_count(const struct ip *ip, const struct berth_address *destination,
                         uint32_t transport_bytes, uint32_t segment_bytes)
{
    uint8_t version = berth_address_is_v4(destination) ? 4 : 6;
    uint32_t each = fragment_bytes(ip, version);

    if (segment_bytes != 0) {
        if ((ip->limits.offloads & BERTH_LINK_USO) != 0) {
            return 1;
        }
        return (transport_bytes - WIRE_UDP_HEADER_BYTES + segment_bytes - 1) / segment_bytes;
    }
    if (ip_header_bytes(version) + transport_bytes <= ip->limits.mtu) {
        return 1;
    }
    return (transport_bytes + each - 1) / each;
}

bool ip_may_send(const struct ip *ip, uint32_t packets)
{
    uint64_t room = 2 * (uint64_t)ip->outbox->limit; /* outbox.h: datagrams may fill this */

    return ip->outbox->count + (uint64_t)packets <= room &&
           (packets <= 1 || ip->buffers->free >= (uint64_t)ip->buffers->reserved + packets - 1);
}

/* Completes the checksum of the transport that BUFFER holds from begin on. */
static void finish(struct berth_buffer *buffer)
{
    struct berth_view view = {buffer->data + buffer->begin, buffer->bytes};
    struct wire_sum_place place = {.start = 0, .offset = buffer->offload.checksum_offset};

    wire_finish(&view, 1, &place);
    buffer->offload.checksum_partial = 0;
    buffer->offload.checksum_offset = 0;
}

/* Puts the header that PACKET describes in front of what BUFFER holds. */
static uint32_t put_header(const struct wire_packet *packet, struct berth_buffer *buffer)
{
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint32_t bytes = wire_emit_network(header, packet);

    BERTH_CHECK(bytes <= buffer->begin);
    buffer->begin -= bytes;
    buffer->bytes += bytes;
    memcpy(buffer->data + buffer->begin, header, bytes);
    return bytes;
}

/* The header of a packet that goes in one, and the offload facts that depend on it. */
static void fill_header(struct wire_packet *packet, struct berth_buffer *buffer)
{
    uint32_t header_bytes;

    packet->is_fragment = false;
    packet->payload_bytes = buffer->bytes;
    header_bytes = put_header(packet, buffer);
    if (buffer->offload.checksum_partial != 0) {
        buffer->offload.checksum_start = (uint16_t)header_bytes;
    }
    if (buffer->offload.segment_kind != BERTH_SEGMENT_NONE) {
        buffer->offload.header_bytes = (uint16_t)(header_bytes + packet->transport_bytes);
    }
}

static void send_whole(struct ip *ip, struct wire_packet *packet, struct berth_buffer *buffer)
{
    fill_header(packet, buffer);
    outbox_add(ip->outbox, buffer);
}

/* Sends BYTES of the packet, which BUFFER holds, as the piece at OFFSET. */
static void send_piece(struct ip *ip, struct wire_packet *packet, struct berth_buffer *buffer,
                       uint32_t offset, bool more)
{
    packet->is_fragment = true;
    packet->dont_fragment = false;
    packet->more_fragments = more;
    packet->fragment_offset = (uint16_t)offset;
    packet->payload_bytes = buffer->bytes;
    (void)put_header(packet, buffer);
    outbox_add(ip->outbox, buffer);
}

/* The first piece stays in BUFFER; its bytes further on are copied out before anyone sends it.
 * PACKET may be a fragment itself: its pieces are of the same packet. */
static void send_fragments(struct ip *ip, struct wire_packet *packet, struct berth_buffer *buffer)
{
    const uint8_t *data = buffer->data + buffer->begin;
    uint32_t total = buffer->bytes;
    uint32_t each = fragment_bytes(ip, packet->version);
    uint32_t base = packet->is_fragment ? packet->fragment_offset : 0;
    bool is_last = !packet->is_fragment || !packet->more_fragments;

    buffer->bytes = each;
    send_piece(ip, packet, buffer, base, true);
    for (uint32_t offset = each; offset < total; offset += each) {
        struct berth_buffer *piece = buffers_get(ip->buffers);

        BERTH_CHECK(piece != NULL); /* ip_may_send has counted them */
        piece->bytes = min_u32(each, total - offset);
        memcpy(piece->data + piece->begin, data + offset, piece->bytes);
        send_piece(ip, packet, piece, base + offset, !is_last || offset + each < total);
    }
}

/* The link does not cut super-datagrams: it is done here, into buffers of their own. */
static void send_cut(struct ip *ip, struct wire_packet *packet, struct berth_buffer *buffer)
{
    struct wire_cut cut;
    struct berth_buffer *piece;

    fill_header(packet, buffer);
    wire_cut_init(&cut, buffer->data + buffer->begin, buffer->bytes, &buffer->offload);
    while (!cut.is_done && (piece = buffers_get(ip->buffers)) != NULL) {
        piece->bytes =
            (uint32_t)wire_cut_next(&cut, piece->data + piece->begin, buffer_room(piece));
        BERTH_CHECK(piece->bytes > 0); /* a segment fits the MTU, and that a buffer */
        outbox_add(ip->outbox, piece);
    }
    buffers_put(ip->buffers, buffer);
}

void ip_send(struct ip *ip, const struct wire_packet *packet, struct berth_buffer *buffer)
{
    struct wire_packet out = *packet;
    bool is_icmp = packet->protocol == WIRE_ICMP || packet->protocol == WIRE_ICMP6;
    bool is_super = buffer->offload.segment_kind != BERTH_SEGMENT_NONE;
    uint32_t count = ip_packet_count(ip, &packet->destination, buffer->bytes,
                                     is_super ? buffer->offload.segment_bytes : 0);

    /* The pieces of a super-datagram are all in new buffers. */
    if (!ip_may_send(ip, is_super && count > 1 ? count + 1 : count)) {
        ip->stats->drops[BERTH_DROP_REPLY_LIMIT]++;
        buffers_put(ip->buffers, buffer);
        return;
    }
    if (packet->version == 6 || !packet->dont_fragment) {
        out.fragment_id = random_u32(ip->random);
    }
    if (is_super && count > 1) {
        send_cut(ip, &out, buffer);
        return;
    }
    /* ICMP's too: links promise to complete TCP's and UDP's. */
    if (buffer->offload.checksum_partial != 0 &&
        (count > 1 || is_icmp || (ip->limits.offloads & BERTH_LINK_CHECKSUM) == 0)) {
        finish(buffer);
    }
    if (count > 1) {
        send_fragments(ip, &out, buffer);
    } else {
        send_whole(ip, &out, buffer);
    }
}

/* ---- Another MTU ----------------------------------------------------------------------------- */

/* Of the largest packet that the link will make of what BUFFER holds. */
static uint32_t bytes_on_link(const struct berth_buffer *buffer)
{
    const struct berth_offload *offload = &buffer->offload;

    return offload->segment_kind == BERTH_SEGMENT_NONE
               ? buffer->bytes
               : (uint32_t)offload->header_bytes + offload->segment_bytes;
}

/* Cuts the packet in BUFFER (taken), which the link no longer takes, while WAITING others have
 * places in the outbox. False, and nothing taken: it cannot go. */
static bool send_again(struct ip *ip, struct berth_buffer *buffer, uint32_t waiting)
{
    uint8_t *data = buffer->data + buffer->begin;
    struct wire_packet packet;
    uint32_t header_bytes;
    uint32_t each;
    uint32_t count;

    if (buffer->offload.segment_kind != BERTH_SEGMENT_NONE ||
        wire_parse(&packet, data, buffer->bytes, &buffer->offload) != BERTH_DROP_NONE) {
        return false;
    }
    header_bytes = (uint32_t)(packet.payload - data) - packet.transport_bytes;
    each = fragment_bytes(ip, packet.version);
    count = (buffer->bytes - header_bytes + each - 1) / each;
    if (ip->outbox->count + (uint64_t)waiting + count > 2 * (uint64_t)ip->outbox->limit ||
        !ip_may_send(ip, count)) {
        return false;
    }
    buffer->begin += header_bytes;
    buffer->bytes -= header_bytes;
    if (buffer->offload.checksum_partial != 0) {
        buffer->offload.checksum_start = 0;
        finish(buffer);
    }
    if (!packet.is_fragment) {
        packet.fragment_id = random_u32(ip->random);
    }
    send_fragments(ip, &packet, buffer);
    return true;
}

void ip_set_mtu(struct ip *ip, uint32_t mtu)
{
    struct outbox waiting = *ip->outbox;
    struct berth_buffer *buffer;

    ip->limits.mtu = mtu;
    outbox_init(ip->outbox, waiting.limit);
    while ((buffer = outbox_next(&waiting)) != NULL) {
        if (bytes_on_link(buffer) <= mtu) {
            outbox_add(ip->outbox, buffer);
        } else if (!send_again(ip, buffer, waiting.count)) {
            ip->stats->drops[BERTH_DROP_TOO_BIG]++;
            buffers_put(ip->buffers, buffer);
        }
    }
}
