/* SPDX-License-Identifier: MIT */
/*
 * Pieces: what a wire would carry of a super-segment, with complete checksums.
 */
#include "segments.h"

#include "link/pieces.h"

static uint8_t payload[10000];

static struct link_packets pieces_of(const struct berth_frame *frame)
{
    struct link_packets pieces = {0};
    struct link_packet *packet = link_packet_from_frame(frame);

    assert_non_null(packet);
    assert_true(link_pieces(packet, &pieces));
    return pieces;
}

/* Parses the first piece, whose checksum must be right, and takes it out. */
static struct wire_packet take_piece(struct link_packets *pieces, struct link_packet **piece)
{
    static const struct berth_offload plain;
    struct wire_packet parsed;

    *piece = link_packets_take(pieces);
    assert_non_null(*piece);
    assert_memory_equal(&(*piece)->offload, &plain, sizeof plain);
    assert_int_equal(wire_parse(&parsed, (*piece)->data, (*piece)->bytes, &plain), BERTH_DROP_NONE);
    return parsed;
}

static void a_super_segment_is_cut(void **state)
{
    struct segment segment = segment_of(WIRE_TCP, "10.0.0.1", "10.0.0.2", 1000, 2000);
    struct berth_frame frame;
    struct link_packets pieces;
    uint32_t at = 0;

    (void)state;
    for (uint32_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)(i * 7 + i / 256);
    }
    segment.packet.tcp = (struct wire_tcp){.seq = 0xfffff000, .flags = WIRE_ACK | WIRE_PSH};
    frame = segment_frame(&segment, payload, sizeof payload, 1448);
    pieces = pieces_of(&frame);
    assert_int_equal(pieces.count, 7);
    while (pieces.count > 0) {
        struct link_packet *piece;
        struct wire_packet parsed = take_piece(&pieces, &piece);

        assert_int_equal(parsed.tcp.seq, 0xfffff000 + at);
        assert_memory_equal(parsed.payload, payload + at, parsed.payload_bytes);
        assert_int_equal((parsed.tcp.flags & WIRE_PSH) != 0, pieces.count == 0);
        at += parsed.payload_bytes;
        link_packet_free(piece);
    }
    assert_int_equal(at, sizeof payload);
    assert_int_equal(pieces.bytes, 0);
}

static void a_partial_checksum_is_completed(void **state)
{
    struct segment segment = segment_of(WIRE_UDP, "10.0.0.1", "10.0.0.2", 1000, 2000);
    struct berth_frame frame = segment_frame(&segment, payload, 333, 0);
    struct link_packets pieces = pieces_of(&frame);
    struct link_packet *piece;
    struct wire_packet parsed = take_piece(&pieces, &piece);

    (void)state;
    assert_int_equal(parsed.payload_bytes, 333);
    assert_int_equal(pieces.count, 0);
    link_packet_free(piece);
}

/* Facts that lie about the packet must not move a byte that is not there. */
static void facts_that_lie_are_harmless(void **state)
{
    (void)state;
    for (uint32_t bytes = 1; bytes < 80; bytes++) {
        struct berth_offload offload = {.checksum_partial = 1,
                                        .segment_kind = (uint8_t)(bytes % 4),
                                        .segment_bytes = (uint16_t)(bytes * 31),
                                        .header_bytes = (uint16_t)(bytes * 17),
                                        .checksum_start = (uint16_t)(bytes * 13),
                                        .checksum_offset = (uint16_t)(bytes * 3)};
        struct berth_frame frame = frame_of(payload, bytes + 4, 0x45);
        struct link_packets pieces;

        frame.offload = offload;
        pieces = pieces_of(&frame);
        assert_true(pieces.count >= 1);
        link_packets_clear(&pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_super_segment_is_cut),
        cmocka_unit_test(a_partial_checksum_is_completed),
        cmocka_unit_test(facts_that_lie_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
