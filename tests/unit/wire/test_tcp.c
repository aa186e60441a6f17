/* SPDX-License-Identifier: MIT */
/*
 * The TCP header: data offset, flags, ports, checksum.
 */
#include "make.h"

static uint8_t out[256];
static struct wire_packet parsed;
static const struct berth_offload good = {.checksum_good = 1};

static uint32_t make_tcp(uint8_t version)
{
    static const uint8_t payload[12] = "hello world";
    struct wire_packet packet = describe(version, WIRE_TCP);

    packet.payload_bytes = sizeof payload;
    return write_packet(out, &packet, payload, true);
}

static void data_offset_lies(void **state)
{
    (void)state;
    for (unsigned words = 0; words < 16; words++) {
        uint32_t bytes = make_tcp(4);
        enum berth_drop drop;
        memset(out + 40, 1, 12); /* NOPs, should they be taken for options */
        out[32] = (uint8_t)(words << 4);
        drop = parse_copy(&parsed, out, bytes, &good);
        if (words < 5 || words > 8) {
            assert_int_equal(drop, BERTH_DROP_BAD_HEADER_LENGTH);
        } else {
            assert_int_equal(drop, BERTH_DROP_NONE);
            assert_int_equal(parsed.transport_bytes, words * 4);
            assert_int_equal(parsed.payload_bytes, 32 - words * 4);
        }
    }
}

static void any_flipped_bit_is_seen(void **state)
{
    (void)state;
    for (unsigned version = 4; version <= 6; version += 2) {
        uint32_t bytes = make_tcp((uint8_t)version);
        unsigned begin = version == 4 ? 20 : 8; /* IPv6: the addresses are covered too */
        for (unsigned bit = begin * 8; bit < bytes * 8; bit++) {
            out[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_not_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
            assert_int_equal(parse_copy(&parsed, out, bytes, &plain) == BERTH_DROP_BAD_CHECKSUM ||
                                 bit < 40 * 8,
                             1);
            out[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    }
}

/* A checksum that the link vouches for, or that is to be completed, is not looked at. */
static void checksum_is_the_links(void **state)
{
    const struct berth_offload partial = {
        .checksum_partial = 1, .checksum_start = 20, .checksum_offset = 16};
    uint32_t bytes = make_tcp(4);

    (void)state;
    out[36] ^= 0x55;
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_BAD_CHECKSUM);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parse_copy(&parsed, out, bytes, &partial), BERTH_DROP_NONE);
}

static void ports_of_zero(void **state)
{
    uint32_t bytes = make_tcp(6);

    (void)state;
    store_be16(out + 40, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_BAD_PORT);
    bytes = make_tcp(6);
    store_be16(out + 42, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_BAD_PORT);
}

/* All 512: what says nothing, and a SYN that ends what it begins, are refused; no others are. */
static void flags(void **state)
{
    (void)state;
    for (uint16_t flag = 0; flag < 512; flag++) {
        uint32_t bytes = make_tcp(4);
        bool is_syn = (flag & WIRE_SYN) != 0;
        bool is_bad = (flag & 63) == 0 || (is_syn && (flag & (WIRE_FIN | WIRE_RST)) != 0);
        store_be16(out + 32, (uint16_t)(0x5e00 | flag)); /* reserved bits set: not looked at */
        assert_int_equal(parse_copy(&parsed, out, bytes, &good),
                         is_bad ? BERTH_DROP_BAD_TCP_FLAGS : BERTH_DROP_NONE);
        assert_int_equal(parsed.tcp.flags, flag);
    }
}

static void data_on_a_syn_is_kept(void **state)
{
    uint32_t bytes = make_tcp(4);

    (void)state;
    store_be16(out + 32, 0x5000 | WIRE_SYN);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parsed.payload_bytes, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_offset_lies),
        cmocka_unit_test(any_flipped_bit_is_seen),
        cmocka_unit_test(checksum_is_the_links),
        cmocka_unit_test(ports_of_zero),
        cmocka_unit_test(flags),
        cmocka_unit_test(data_on_a_syn_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
