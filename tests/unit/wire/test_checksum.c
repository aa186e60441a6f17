/* SPDX-License-Identifier: MIT */
/*
 * Sums: the fast one against its plain twin over lengths and alignments, the examples of RFC 1071,
 * and completing a checksum over views of any split.
 */
#include "make.h"

static uint16_t fold_slowly(uint64_t sum)
{
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* RFC 1071 3: the sum of 00 01 f2 03 f4 f5 f6 f7 is ddf2. */
static void example_of_rfc_1071(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    uint16_t folded = wire_sum_fold(wire_sum(0, bytes, sizeof bytes));

    (void)state;
    assert_int_equal(load_be16(&folded), 0xddf2);
}

static void fast_sum_is_the_plain_one(void **state)
{
    uint64_t seed = 7;
    uint8_t *data = malloc(ROOM_BYTES + 64);

    (void)state;
    assert_non_null(data);
    for (unsigned i = 0; i < 4000; i++) {
        uint32_t align = draw_below(&seed, 64);
        uint32_t bytes = draw_below(&seed, i % 40 == 0 ? ROOM_BYTES : 400);
        uint64_t begin = draw(&seed) >> 33;
        draw_bytes(&seed, data + align, bytes < 400 ? bytes : 400);
        assert_int_equal(fold_slowly(wire_sum(begin, data + align, bytes)),
                         fold_slowly(wire_sum_scalar(begin, data + align, bytes)));
    }
    free(data);
}

/* Every length up to some strides at every place in a vector, of bytes whose halves carry most. */
static void each_length_at_each_place(void **state)
{
    static const uint8_t kinds[] = {0x00, 0xff, 0x80, 0x7f};
    uint8_t data[300 + 16];

    (void)state;
    for (unsigned kind = 0; kind < sizeof kinds; kind++) {
        for (unsigned i = 0; i < sizeof data; i++) {
            data[i] = i % 5 == 3 ? (uint8_t)~kinds[kind] : kinds[kind];
        }
        for (uint32_t align = 0; align < 16; align++) {
            for (uint32_t bytes = 0; bytes <= 300; bytes++) {
                assert_int_equal(fold_slowly(wire_sum(UINT32_MAX, data + align, bytes)),
                                 fold_slowly(wire_sum_scalar(UINT32_MAX, data + align, bytes)));
            }
        }
    }
}

static void all_ones_do_not_overflow(void **state)
{
    size_t bytes = 3U * 1024 * 1024 + 7;
    uint8_t *data = malloc(bytes);

    (void)state;
    assert_non_null(data);
    memset(data, 0xff, bytes);
    assert_int_equal(wire_sum_fold(wire_sum(0, data, bytes - 1)), 0xffff);
    assert_int_equal(wire_sum_fold(wire_sum(0, data, bytes)), 0x00ff);
    free(data);
}

static void folding_is_slow_folding(void **state)
{
    uint64_t seed = 11;

    (void)state;
    assert_int_equal(wire_sum_fold(0), 0);
    assert_int_equal(wire_sum_fold(UINT64_MAX), 0xffff);
    assert_int_equal(wire_sum_fold(0xffff), 0xffff);
    assert_int_equal(wire_sum_fold(0x10000), 1);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t sum = draw(&seed) >> draw_below(&seed, 64);
        assert_int_equal(wire_sum_fold(sum), fold_slowly(sum));
    }
}

/* The views of one packet may be of any length, odd ones and empty ones too. */
static void finish_over_any_views(void **state)
{
    uint64_t seed = 13;
    uint8_t payload[3000];
    uint8_t whole[4000];
    uint8_t split[4000];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, i % 3 ? WIRE_TCP : WIRE_UDP);
        struct wire_sum_place place;
        struct berth_view views[6];
        uint32_t header;
        uint32_t bytes;
        uint32_t at;
        draw_bytes(&seed, payload, sizeof payload);
        packet.payload_bytes = draw_below(&seed, sizeof payload);
        bytes = write_packet(whole, &packet, payload, true);
        header = bytes - packet.payload_bytes;
        (void)write_packet(split, &packet, payload, false);
        place = wire_sum_place(&packet, header);
        views[0] = (struct berth_view){split, header};
        at = header;
        for (unsigned k = 1; k < 6; k++) {
            uint32_t part = k == 5 ? bytes - at : draw_below(&seed, bytes - at + 1);
            views[k] = (struct berth_view){split + at, part};
            at += part;
        }
        wire_finish(views, 6, &place);
        assert_memory_equal(whole, split, bytes);
    }
}

/* RFC 768: a sum that comes out as 0 is sent as ffff. TCP has no such rule. */
static void udp_never_sends_zero(void **state)
{
    struct wire_packet packet = describe(4, WIRE_UDP);
    struct wire_packet parsed;
    uint8_t out[64];
    uint8_t payload[2] = {0, 0};
    uint32_t bytes;
    uint16_t field;

    (void)state;
    packet.payload_bytes = 2;
    bytes = write_packet(out, &packet, payload, true);
    memcpy(payload, out + 26, 2); /* the checksum as payload makes the sum ffff */
    bytes = write_packet(out, &packet, payload, true);
    field = load_be16(out + 26);
    assert_int_equal(field, 0xffff);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_rfc_1071),       cmocka_unit_test(fast_sum_is_the_plain_one),
        cmocka_unit_test(each_length_at_each_place), cmocka_unit_test(all_ones_do_not_overflow),
        cmocka_unit_test(folding_is_slow_folding),   cmocka_unit_test(finish_over_any_views),
        cmocka_unit_test(udp_never_sends_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
