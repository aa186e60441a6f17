/* SPDX-License-Identifier: MIT */
/*
 * Offload facts that are about the packet pass and give segment_bytes; those that are not do not.
 */
#include "make.h"

#define PAYLOAD_BYTES 3000

static uint8_t out[4000];
static struct wire_packet parsed;

static uint32_t make(uint8_t version, uint8_t protocol)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    struct wire_packet packet = describe(version, protocol);

    packet.payload_bytes = sizeof payload;
    packet.icmp.type = protocol == WIRE_ICMP ? 8 : packet.icmp.type;
    if (protocol == WIRE_TCP) {
        packet.tcp.flags = WIRE_ACK;
    }
    return write_packet(out, &packet, payload, false);
}

static enum berth_drop parse(uint32_t bytes, const struct berth_offload *offload)
{
    return parse_copy(&parsed, out, bytes, offload);
}

static void partial_must_point_at_the_field(void **state)
{
    uint32_t bytes = make(4, WIRE_TCP);

    (void)state;
    for (uint16_t start = 0; start < 60; start++) {
        for (uint16_t offset = 0; offset < 40; offset++) {
            struct berth_offload offload = {
                .checksum_partial = 1, .checksum_start = start, .checksum_offset = offset};
            assert_int_equal(parse(bytes, &offload), start == 20 && offset == 16
                                                         ? BERTH_DROP_NONE
                                                         : BERTH_DROP_BAD_OFFLOAD);
        }
    }
}

static void partial_for_each_protocol(void **state)
{
    struct berth_offload offload = {
        .checksum_partial = 1, .checksum_start = 40, .checksum_offset = 6};
    uint32_t bytes = make(6, WIRE_UDP);

    (void)state;
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
    bytes = make(4, WIRE_ICMP);
    offload =
        (struct berth_offload){.checksum_partial = 1, .checksum_start = 20, .checksum_offset = 2};
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
    out[9] = 47; /* no protocol whose field is known */
    mend_ipv4(out, 20);
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_BAD_OFFLOAD);
}

static void kind_must_be_the_packets(void **state)
{
    static const struct {
        uint8_t version, protocol, kind;
    } right[] = {
        {4, WIRE_TCP, BERTH_SEGMENT_TCP4},
        {6, WIRE_TCP, BERTH_SEGMENT_TCP6},
        {4, WIRE_UDP, BERTH_SEGMENT_UDP},
        {6, WIRE_UDP, BERTH_SEGMENT_UDP},
    };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint32_t bytes = make(right[i].version, right[i].protocol);
        for (unsigned kind = 0; kind < 256; kind++) {
            struct berth_offload offload = {
                .checksum_good = 1, .segment_kind = (uint8_t)kind, .segment_bytes = 1000};
            bool is_right = kind == 0 || kind == right[i].kind;
            assert_int_equal(parse(bytes, &offload),
                             is_right ? BERTH_DROP_NONE : BERTH_DROP_BAD_OFFLOAD);
            if (is_right) {
                assert_int_equal(parsed.segment_bytes, kind == 0 ? 0 : 1000);
            }
        }
    }
}

static void segment_bytes(void **state)
{
    struct berth_offload offload = {.checksum_good = 1, .segment_kind = BERTH_SEGMENT_TCP4};
    uint32_t bytes = make(4, WIRE_TCP);

    (void)state;
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_BAD_OFFLOAD);
    offload.segment_bytes = PAYLOAD_BYTES - 1;
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
    assert_int_equal(parsed.segment_bytes, PAYLOAD_BYTES - 1);
    offload.segment_bytes = PAYLOAD_BYTES; /* a super-segment of one piece is none */
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
    assert_int_equal(parsed.segment_bytes, 0);
}

/* The link completes checksums before it fragments; a fragment has no facts. */
static void fragments_have_none(void **state)
{
    struct berth_offload offload = {
        .checksum_partial = 1, .checksum_start = 20, .checksum_offset = 6};
    uint32_t bytes = make(4, WIRE_UDP);

    (void)state;
    store_be16(out + 6, 0x2000);
    mend_ipv4(out, 20);
    assert_int_equal(bytes % 8, 4);
    assert_int_equal(parse(bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_BAD_OFFLOAD);
    offload = (struct berth_offload){.segment_kind = BERTH_SEGMENT_UDP, .segment_bytes = 100};
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_BAD_OFFLOAD);
    offload = (struct berth_offload){.checksum_good = 1};
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
}

/* A super-segment with neither fact about its checksum has a whole one, and it is verified. */
static void a_whole_checksum_over_a_super_segment(void **state)
{
    const struct berth_offload offload = {.segment_kind = BERTH_SEGMENT_TCP6, .segment_bytes = 500};
    struct wire_sum_place place = {40, 16};
    uint32_t bytes = make(6, WIRE_TCP);
    struct berth_view view = {out, bytes};

    (void)state;
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_BAD_CHECKSUM);
    wire_finish(&view, 1, &place);
    assert_int_equal(parse(bytes, &offload), BERTH_DROP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_must_point_at_the_field),
        cmocka_unit_test(partial_for_each_protocol),
        cmocka_unit_test(kind_must_be_the_packets),
        cmocka_unit_test(segment_bytes),
        cmocka_unit_test(fragments_have_none),
        cmocka_unit_test(a_whole_checksum_over_a_super_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
