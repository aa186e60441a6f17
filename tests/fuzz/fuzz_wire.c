/* SPDX-License-Identifier: MIT */
/*
 * Everything of wire/ that reads bytes from outside: parse, quote, cut.
 *
 * Input: 8 bytes of offload facts and switches, then the packet. What must hold: nothing is read
 * outside the packet (the sanitizers see to it), a good parse points inside it, a packet that
 * parses is written again by the emitters and parses to the same, cutting ends.
 */
#include "base/check.h"
#include "wire/wire.h"

#include <stdlib.h>

#define FACTS_BYTES  8
#define PACKET_BYTES 70000
#define PIECES_MAX   70000
/* Our layout of the same options may be a word longer; IPv6 counts without its header. */
#define AGAIN_BYTES_MAX (UINT16_MAX - 8)

#define SWITCH_MEND_IPV4 1 /* make the IPv4 header's checksum right first */
#define SWITCH_MEND_ALL  2 /* and what the transport holds is taken as summed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct wire_packet *packet, const uint8_t *data, size_t bytes)
{
    BERTH_CHECK(packet->packet == data);
    BERTH_CHECK(packet->packet_bytes <= bytes);
    BERTH_CHECK(packet->network_bytes + packet->transport_bytes + packet->payload_bytes <=
                packet->packet_bytes);
    BERTH_CHECK(packet->payload == data + packet->network_bytes + packet->transport_bytes);
    BERTH_CHECK(packet->transport == NULL || packet->transport == data + packet->network_bytes);
    BERTH_CHECK(!packet->is_fragment || packet->transport == NULL);
    BERTH_CHECK(packet->segment_bytes == 0 || packet->segment_bytes < packet->payload_bytes);
    if (packet->transport != NULL && packet->protocol == WIRE_TCP) {
        BERTH_CHECK(packet->tcp.sack_count <= WIRE_SACK_BLOCKS_MAX);
        BERTH_CHECK(packet->tcp.wscale <= 14);
    }
}

static void check_same(const struct wire_packet *a, const struct wire_packet *b)
{
    BERTH_CHECK(memcmp(&a->source, &b->source, sizeof a->source) == 0);
    BERTH_CHECK(memcmp(&a->destination, &b->destination, sizeof a->destination) == 0);
    BERTH_CHECK(a->source_port == b->source_port && a->destination_port == b->destination_port);
    BERTH_CHECK(a->protocol == b->protocol && a->hop_limit == b->hop_limit);
    BERTH_CHECK(a->traffic_class == b->traffic_class && a->payload_bytes == b->payload_bytes);
    if (a->protocol != WIRE_TCP) {
        return;
    }
    BERTH_CHECK(a->tcp.seq == b->tcp.seq && a->tcp.ack == b->tcp.ack);
    BERTH_CHECK(a->tcp.flags == b->tcp.flags && a->tcp.window == b->tcp.window);
    if ((a->tcp.options & WIRE_OPTION_TIMESTAMPS) != 0) {
        BERTH_CHECK((b->tcp.options & WIRE_OPTION_TIMESTAMPS) != 0);
        BERTH_CHECK(a->tcp.tsval == b->tcp.tsval && a->tcp.tsecr == b->tcp.tsecr);
    }
    if ((a->tcp.flags & WIRE_SYN) != 0) {
        BERTH_CHECK(((a->tcp.options ^ b->tcp.options) & ~WIRE_OPTION_SACK) == 0);
        BERTH_CHECK(a->tcp.mss == b->tcp.mss && a->tcp.wscale == b->tcp.wscale);
    }
}

/* Writes PACKET as our own and parses that, all checksums verified. */
static void check_again(const struct wire_packet *packet)
{
    uint32_t payload_bytes = packet->payload_bytes;
    uint8_t *out = malloc(BERTH_FRAME_HEADER_BYTES + payload_bytes);
    const struct berth_offload plain = {0};
    struct wire_packet again;
    struct wire_sum_place place;
    struct berth_view views[2];
    uint32_t header_bytes;

    BERTH_CHECK(out != NULL);
    if (packet->protocol == WIRE_TCP) {
        header_bytes = wire_emit_tcp(out, packet);
    } else if (packet->protocol == WIRE_UDP) {
        header_bytes = wire_emit_udp(out, packet);
    } else {
        header_bytes = wire_emit_icmp(out, packet);
    }
    BERTH_CHECK(header_bytes <= BERTH_FRAME_HEADER_BYTES);
    place = wire_sum_place(packet, header_bytes);
    memcpy(out + header_bytes, packet->payload, payload_bytes);
    views[0] = (struct berth_view){out, header_bytes};
    views[1] = (struct berth_view){out + header_bytes, payload_bytes};
    wire_finish(views, 2, &place);
    BERTH_CHECK(wire_parse(&again, out, header_bytes + payload_bytes, &plain) == BERTH_DROP_NONE);
    check_inside(&again, out, header_bytes + payload_bytes);
    check_same(packet, &again);
    free(out);
}

/* Cuts PACKET, which may be no packet; every piece of one that parses must parse, summed. */
static void check_cut(const uint8_t *data, size_t bytes, const struct berth_offload *offload,
                      const struct wire_packet *packet)
{
    static uint8_t piece[PACKET_BYTES];
    const struct berth_offload plain = {0};
    struct wire_cut cut;
    uint32_t payload_bytes = 0;
    uint32_t count = 0;
    size_t length;
    /* A piece loses SYN, FIN, PSH and URG: without an ACK it may be left with no flag at all. */
    bool must_parse = packet != NULL && packet->segment_bytes > 0 &&
                      (packet->protocol != WIRE_TCP || (packet->tcp.flags & WIRE_ACK) != 0);

    wire_cut_init(&cut, data, bytes, offload);
    while ((length = wire_cut_next(&cut, piece, sizeof piece)) > 0) {
        struct wire_packet parsed;
        BERTH_CHECK(length <= bytes && ++count <= PIECES_MAX);
        if (must_parse) {
            BERTH_CHECK(wire_parse(&parsed, piece, length, &plain) == BERTH_DROP_NONE);
            payload_bytes += parsed.payload_bytes;
        }
    }
    if (must_parse && packet->protocol == WIRE_TCP) {
        BERTH_CHECK(payload_bytes == packet->payload_bytes);
    }
}

static void mend_ipv4(uint8_t *data, size_t bytes)
{
    uint32_t header_bytes = bytes > 0 ? (data[0] & 0xfU) * 4 : 0;
    uint16_t field;

    if (bytes < WIRE_IPV4_HEADER_BYTES || data[0] >> 4 != 4 || header_bytes > bytes) {
        return;
    }
    store_be16(data + 10, 0);
    field = (uint16_t)~wire_sum_fold(wire_sum_scalar(0, data, header_bytes));
    memcpy(data + 10, &field, sizeof field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct berth_offload offload = {0};
    struct wire_packet packet;
    struct wire_quote quote;
    size_t bytes;
    uint8_t *copy;
    bool is_good;

    if (size < FACTS_BYTES || size - FACTS_BYTES > PACKET_BYTES) {
        return 0;
    }
    offload.checksum_partial = data[0] & 1;
    offload.checksum_good = data[0] >> 1 & 1;
    offload.segment_kind = data[1] % 5;
    offload.segment_bytes = load_be16(data + 2);
    offload.checksum_start = load_be16(data + 4);
    offload.checksum_offset = data[6];
    if ((data[7] & SWITCH_MEND_ALL) != 0) {
        offload.checksum_good = 1;
    }
    bytes = size - FACTS_BYTES;
    copy = malloc(bytes > 0 ? bytes : 1);
    BERTH_CHECK(copy != NULL);
    memcpy(copy, data + FACTS_BYTES, bytes);
    if ((data[7] & SWITCH_MEND_IPV4) != 0) {
        mend_ipv4(copy, bytes);
    }
    (void)wire_parse_quote(&quote, copy, bytes);
    is_good = wire_parse(&packet, copy, bytes, &offload) == BERTH_DROP_NONE;
    if (is_good) {
        check_inside(&packet, copy, bytes);
    }
    if (is_good && packet.transport != NULL && packet.packet_bytes <= AGAIN_BYTES_MAX) {
        check_again(&packet);
    }
    check_cut(copy, bytes, &offload, is_good ? &packet : NULL);
    free(copy);
    return 0;
}
