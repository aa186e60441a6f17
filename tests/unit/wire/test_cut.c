/* SPDX-License-Identifier: MIT */
/*
 * Cutting super-segments: every piece parses with its checksum verified, and together they are the
 * whole; numbers, flags and ids go on from piece to piece.
 */
#include "make.h"

static uint8_t whole[ROOM_BYTES];
static uint8_t piece[ROOM_BYTES];
static uint8_t payload[ROOM_BYTES];

static uint8_t kind_of(const struct wire_packet *packet)
{
    if (packet->protocol == WIRE_UDP) {
        return BERTH_SEGMENT_UDP;
    }
    return packet->version == 4 ? BERTH_SEGMENT_TCP4 : BERTH_SEGMENT_TCP6;
}

static struct berth_offload facts(const struct wire_packet *packet, uint32_t header_bytes,
                                  uint16_t segment_bytes)
{
    struct wire_sum_place place = wire_sum_place(packet, header_bytes);

    return (struct berth_offload){
        .checksum_partial = 1,
        .segment_kind = kind_of(packet),
        .segment_bytes = segment_bytes,
        .checksum_start = place.start,
        .checksum_offset = place.offset,
    };
}

static void pieces_make_the_whole(void **state)
{
    uint64_t seed = 31;

    (void)state;
    draw_bytes(&seed, payload, sizeof payload);
    for (unsigned i = 0; i < 400; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, i % 3 ? WIRE_TCP : WIRE_UDP);
        uint16_t segment_bytes = (uint16_t)(1 + draw_below(&seed, 3000));
        struct berth_offload offload;
        struct wire_cut cut;
        uint32_t bytes, done = 0, count = 0;
        size_t length;
        if (packet.protocol == WIRE_TCP) {
            packet.tcp.flags = WIRE_ACK | WIRE_PSH | WIRE_FIN | WIRE_CWR | WIRE_ECE;
            packet.tcp.options = WIRE_OPTION_TIMESTAMPS;
        }
        packet.fragment_id = 65530; /* ids wrap */
        packet.payload_bytes = draw_below(&seed, 65536 - 80);
        bytes = write_packet(whole, &packet, payload, false);
        offload = facts(&packet, bytes - packet.payload_bytes, segment_bytes);
        wire_cut_init(&cut, whole, bytes, &offload);
        while ((length = wire_cut_next(&cut, piece, sizeof piece)) > 0) {
            struct wire_packet parsed;
            bool is_last;
            assert_int_equal(wire_parse(&parsed, piece, length, &plain), BERTH_DROP_NONE);
            assert_int_equal(parsed.packet_bytes, length);
            assert_true(parsed.payload_bytes <= segment_bytes);
            assert_memory_equal(parsed.payload, payload + done, parsed.payload_bytes);
            is_last = done + parsed.payload_bytes == packet.payload_bytes;
            assert_true(is_last || parsed.payload_bytes == segment_bytes);
            if (packet.version == 4) {
                assert_int_equal(parsed.fragment_id, (65530 + count) & 0xffff);
            }
            if (packet.protocol == WIRE_TCP) {
                uint16_t flags = WIRE_ACK | WIRE_ECE;
                flags |= is_last ? WIRE_PSH | WIRE_FIN : 0;
                flags |= done == 0 ? WIRE_CWR : 0;
                assert_int_equal(parsed.tcp.flags, flags);
                assert_int_equal(parsed.tcp.seq, packet.tcp.seq + done);
            }
            done += parsed.payload_bytes;
            count++;
        }
        assert_int_equal(done, packet.payload_bytes);
        assert_int_equal(count, packet.payload_bytes == 0
                                    ? 1
                                    : (packet.payload_bytes + segment_bytes - 1U) / segment_bytes);
    }
}

static void a_plain_packet_is_only_completed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, i < 2 ? WIRE_TCP : WIRE_UDP);
        struct berth_offload offload;
        struct wire_cut cut;
        uint32_t bytes;
        packet.payload_bytes = 999;
        bytes = write_packet(whole, &packet, payload, false);
        offload = facts(&packet, bytes - 999, 0);
        offload.segment_kind = BERTH_SEGMENT_NONE;
        wire_cut_init(&cut, whole, bytes, &offload);
        assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), bytes);
        assert_int_equal(wire_cut_next(&cut, piece + 2000, 2000), 0);
        (void)write_packet(whole, &packet, payload, true);
        assert_memory_equal(piece, whole, bytes);
        wire_cut_init(&cut, whole, bytes, &plain); /* complete already: as it is */
        assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), bytes);
        assert_memory_equal(piece, whole, bytes);
    }
}

/* The pointer stays at the same byte; pieces behind it are not urgent. */
static void urgent_pointer_moves(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    struct berth_offload offload;
    struct wire_packet parsed;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.tcp.flags = WIRE_ACK | WIRE_URG;
    packet.tcp.urgent = 150;
    packet.payload_bytes = 300;
    bytes = write_packet(whole, &packet, payload, false);
    offload = facts(&packet, 40, 100);
    wire_cut_init(&cut, whole, bytes, &offload);
    for (unsigned i = 0; i < 3; i++) {
        size_t length = wire_cut_next(&cut, piece, sizeof piece);
        assert_int_equal(wire_parse(&parsed, piece, length, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.tcp.urgent, i == 0 ? 150 : i == 1 ? 50 : 0);
        assert_int_equal(parsed.tcp.flags, WIRE_ACK | (i < 2 ? WIRE_URG : 0));
    }
}

static void urgent_data_may_end_with_a_piece(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    struct berth_offload offload;
    struct wire_packet parsed;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.tcp.flags = WIRE_ACK | WIRE_URG;
    packet.tcp.urgent = 100;
    packet.payload_bytes = 200;
    bytes = write_packet(whole, &packet, payload, false);
    offload = facts(&packet, 40, 100);
    wire_cut_init(&cut, whole, bytes, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 140);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 140);
    assert_int_equal(wire_parse(&parsed, piece, 140, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.flags, WIRE_ACK);
}

static void syn_with_data_takes_one_number(void **state)
{
    struct wire_packet packet = describe(6, WIRE_TCP);
    struct berth_offload offload;
    struct wire_packet parsed;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.tcp.flags = WIRE_SYN | WIRE_ACK;
    packet.tcp.seq = 0xffffffff;
    packet.payload_bytes = 20;
    bytes = write_packet(whole, &packet, payload, false);
    offload = facts(&packet, 60, 10);
    wire_cut_init(&cut, whole, bytes, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 70);
    assert_int_equal(wire_parse(&parsed, piece, 70, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.flags, WIRE_SYN | WIRE_ACK);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 70);
    assert_int_equal(wire_parse(&parsed, piece, 70, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.flags, WIRE_ACK);
    assert_int_equal(parsed.tcp.seq, 10);
}

/* Facts that do not fit: the packet as it is, and never a byte beyond it. */
static void wrong_facts_do_nothing(void **state)
{
    uint64_t seed = 37;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, i % 3 ? WIRE_TCP : WIRE_UDP);
        struct berth_offload offload = {
            .checksum_partial = (uint8_t)draw_below(&seed, 2),
            .segment_kind = (uint8_t)draw_below(&seed, 5),
            .segment_bytes = (uint16_t)draw_below(&seed, 40),
            .checksum_start = (uint16_t)draw_below(&seed, i % 5 ? 120 : 65536),
            .checksum_offset = (uint16_t)draw_below(&seed, i % 7 ? 20 : 65536),
        };
        struct wire_cut cut;
        uint8_t *copy;
        uint32_t bytes;
        size_t length;
        packet.payload_bytes = draw_below(&seed, 50);
        bytes = write_packet(whole, &packet, payload, true);
        bytes = draw_below(&seed, bytes + 1);
        for (unsigned k = 0; k < 2 && bytes > 0; k++) {
            whole[draw_below(&seed, bytes)] = (uint8_t)draw(&seed);
        }
        copy = exact_copy(whole, bytes);
        wire_cut_init(&cut, copy, bytes, &offload);
        while ((length = wire_cut_next(&cut, piece, bytes)) > 0) {
            assert_true(length <= bytes);
        }
        free(copy);
    }
}

/* What may not be cut comes out as it went in, byte for byte. */
static void assert_uncut(uint32_t bytes, const struct berth_offload *offload)
{
    struct wire_cut cut;

    wire_cut_init(&cut, whole, bytes, offload);
    assert_int_equal(wire_cut_next(&cut, piece, bytes - 1), 0); /* there is no room */
    assert_int_equal(wire_cut_next(&cut, piece, bytes), bytes);
    assert_memory_equal(piece, whole, bytes);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 0);
}

static void what_may_not_be_cut(void **state)
{
    struct berth_offload offload = {.segment_kind = BERTH_SEGMENT_TCP4, .segment_bytes = 100};
    struct wire_packet packet = describe(4, WIRE_TCP);
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 300;
    bytes = write_packet(whole, &packet, payload, true);
    assert_uncut(bytes - 1, &offload); /* it says that it is longer */
    offload.segment_bytes = 0;
    assert_uncut(bytes, &offload);
    offload.segment_bytes = 300; /* one piece */
    whole[36] ^= 1;              /* whose checksum nobody asked for */
    assert_uncut(bytes, &offload);
    offload.segment_bytes = 100;
    offload.segment_kind = BERTH_SEGMENT_TCP6;
    assert_uncut(bytes, &offload);
    offload.segment_kind = BERTH_SEGMENT_UDP;
    assert_uncut(bytes, &offload);
    offload.segment_kind = BERTH_SEGMENT_TCP4;
    whole[32] = 0x40; /* a header shorter than the shortest */
    assert_uncut(bytes, &offload);
    whole[32] = 0x50;
    whole[9] = WIRE_UDP;
    assert_uncut(bytes, &offload);
    whole[9] = WIRE_TCP;
    store_be16(whole + 6, 0x2000); /* a fragment */
    assert_uncut(bytes, &offload);
    store_be16(whole + 6, 0x0001);
    assert_uncut(bytes, &offload);
    store_be16(whole + 6, 0);
    store_be16(whole + 2, 19); /* shorter than its header */
    assert_uncut(bytes, &offload);
    store_be16(whole + 2, 39); /* than TCP's */
    assert_uncut(bytes, &offload);
}

static void fragments_of_ipv6_are_not_cut(void **state)
{
    static const uint16_t fields[] = {1, 8};
    struct berth_offload offload = {.segment_kind = BERTH_SEGMENT_TCP6, .segment_bytes = 100};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wire_packet packet = describe(6, WIRE_TCP);
        uint32_t bytes;
        packet.payload_bytes = 300;
        bytes = write_packet(whole, &packet, payload, true);
        memmove(whole + 48, whole + 40, bytes - 40);
        memset(whole + 40, 0, 8);
        whole[40] = WIRE_TCP;
        whole[6] = 44;
        store_be16(whole + 42, fields[i]);
        store_be16(whole + 4, (uint16_t)(bytes - 40 + 8));
        assert_uncut(bytes + 8, &offload);
    }
}

/* Extension headers and options go in front of every piece; the link's padding is no payload. */
static void headers_are_repeated(void **state)
{
    struct berth_offload offload = {.segment_kind = BERTH_SEGMENT_TCP6, .segment_bytes = 100};
    struct wire_packet packet = describe(6, WIRE_TCP);
    struct wire_packet parsed;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 200;
    bytes = write_packet(whole, &packet, payload, false);
    memmove(whole + 48, whole + 40, bytes - 40);
    memcpy(whole + 40, (const uint8_t[]){WIRE_TCP, 0, 1, 4, 0, 0, 0, 0}, 8);
    whole[6] = 60;
    store_be16(whole + 4, (uint16_t)(bytes - 40 + 8));
    wire_cut_init(&cut, whole, bytes + 8 + 5, &offload);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 168);
        assert_int_equal(wire_parse(&parsed, piece, 168, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.network_bytes, 48);
        assert_memory_equal(parsed.payload, payload + 100 * i, 100);
    }
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 0);
}

/* A field at the packet's very end is completed; one that reaches over it is left alone. */
static void the_field_is_inside(void **state)
{
    struct berth_offload offload = {.checksum_partial = 1, .checksum_start = 10};
    struct wire_cut cut;

    (void)state;
    memset(whole, 1, 40);
    offload.checksum_offset = 28;
    wire_cut_init(&cut, whole, 40, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 40);
    assert_memory_equal(piece, whole, 38);
    assert_memory_not_equal(piece + 38, whole + 38, 2);
    offload.checksum_offset = 29;
    assert_uncut(40, &offload);
}

static void no_room_no_piece(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    struct berth_offload offload;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 300;
    bytes = write_packet(whole, &packet, payload, false);
    offload = facts(&packet, 40, 100);
    wire_cut_init(&cut, whole, bytes, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, 139), 0);
    assert_int_equal(wire_cut_next(&cut, piece, 140), 140);
}

/* RFC 8200 8.1: over IPv6 there is no doing without. */
static void ipv6_always_has_a_checksum(void **state)
{
    struct wire_packet packet = describe(6, WIRE_UDP);
    struct berth_offload offload = {
        .checksum_good = 1, .segment_kind = BERTH_SEGMENT_UDP, .segment_bytes = 100};
    struct wire_packet parsed;
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 150;
    bytes = write_packet(whole, &packet, payload, true);
    store_be16(whole + 46, 0);
    wire_cut_init(&cut, whole, bytes, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 148);
    assert_int_equal(wire_parse(&parsed, piece, 148, &plain), BERTH_DROP_NONE);
    offload.segment_bytes = 150; /* one datagram: as it is */
    assert_uncut(bytes, &offload);
}

/* RFC 768: a datagram sent without a checksum is not given one. */
static void a_missing_checksum_stays_missing(void **state)
{
    struct wire_packet packet = describe(4, WIRE_UDP);
    struct berth_offload offload = {.segment_kind = BERTH_SEGMENT_UDP, .segment_bytes = 100};
    struct wire_cut cut;
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 150;
    bytes = write_packet(whole, &packet, payload, true);
    store_be16(whole + 26, 0);
    wire_cut_init(&cut, whole, bytes, &offload);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 128);
    assert_int_equal(load_be16(piece + 26), 0);
    assert_int_equal(wire_cut_next(&cut, piece, sizeof piece), 78);
    assert_int_equal(load_be16(piece + 24), 58);
    assert_int_equal(load_be16(piece + 26), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(a_plain_packet_is_only_completed),
        cmocka_unit_test(urgent_pointer_moves),
        cmocka_unit_test(urgent_data_may_end_with_a_piece),
        cmocka_unit_test(syn_with_data_takes_one_number),
        cmocka_unit_test(wrong_facts_do_nothing),
        cmocka_unit_test(what_may_not_be_cut),
        cmocka_unit_test(fragments_of_ipv6_are_not_cut),
        cmocka_unit_test(headers_are_repeated),
        cmocka_unit_test(the_field_is_inside),
        cmocka_unit_test(ipv6_always_has_a_checksum),
        cmocka_unit_test(no_room_no_piece),
        cmocka_unit_test(a_missing_checksum_stays_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
