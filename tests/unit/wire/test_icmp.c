/* SPDX-License-Identifier: MIT */
/*
 * ICMP and ICMPv6 messages, byte for byte where a field's place depends on the type.
 */
#include "make.h"

static uint8_t out[256];
static struct wire_packet parsed;
static const struct berth_offload good = {.checksum_good = 1};

static uint32_t make_icmp(uint8_t version, uint8_t type, uint8_t code, uint32_t payload_bytes)
{
    static const uint8_t payload[64];
    struct wire_packet packet = describe(version, version == 4 ? WIRE_ICMP : WIRE_ICMP6);

    packet.icmp = (struct wire_icmp){
        .type = type, .code = code, .identifier = 0x1234, .sequence = 0x5678, .mtu = 1280};
    packet.payload_bytes = payload_bytes;
    return write_packet(out, &packet, payload, true);
}

static void echo(void **state)
{
    static const uint8_t request[] = {0x12, 0x34, 0x56, 0x78};
    uint32_t bytes = make_icmp(4, 8, 0, 4);

    (void)state;
    assert_memory_equal(out + 24, request, 4);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.identifier, 0x1234);
    assert_int_equal(parsed.icmp.sequence, 0x5678);
    assert_int_equal(parsed.icmp.mtu, 0);
    assert_int_equal(parsed.transport_bytes, 8);
    assert_int_equal(parsed.payload_bytes, 4);
    assert_int_equal(parsed.source_port, 0);
}

/* RFC 1191 4: 16 bits at 6; RFC 4443 3.2: 32 bits at 4; pointers: RFC 792 one byte at 4. */
static void places_of_the_number(void **state)
{
    static const uint8_t mtu4[] = {0, 0, 5, 0};
    static const uint8_t mtu6[] = {0, 0, 5, 0};
    uint32_t bytes = make_icmp(4, 3, 4, 28);

    (void)state;
    assert_memory_equal(out + 24, mtu4, 4);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.mtu, 1280);
    assert_int_equal(parsed.icmp.identifier, 0);
    out[24] = 0xff; /* unused half: not part of it */
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.mtu, 1280);
    bytes = make_icmp(4, 3, 1, 28);
    store_be32(out + 24, 0x01010101);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.mtu, 0);
    bytes = make_icmp(6, 2, 0, 48);
    assert_memory_equal(out + 44, mtu6, 4);
    store_be32(out + 44, 0xfffefdfc);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.mtu, 0xfffefdfc);
    bytes = make_icmp(4, 12, 0, 28);
    store_be32(out + 24, 0x14000000);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_NONE);
    assert_int_equal(parsed.icmp.mtu, 0x14);
}

/* An error quotes at least an IP header; other messages need not have anything behind them. */
static void errors_quote(void **state)
{
    static const uint8_t errors4[] = {3, 4, 5, 11, 12};

    (void)state;
    for (unsigned i = 0; i < sizeof errors4; i++) {
        assert_int_equal(parse_copy(&parsed, out, make_icmp(4, errors4[i], 0, 19), &plain),
                         BERTH_DROP_BAD_ICMP);
        assert_int_equal(parse_copy(&parsed, out, make_icmp(4, errors4[i], 0, 20), &plain),
                         BERTH_DROP_NONE);
    }
    for (uint8_t type = 1; type <= 4; type++) {
        assert_int_equal(parse_copy(&parsed, out, make_icmp(6, type, 0, 39), &plain),
                         BERTH_DROP_BAD_ICMP);
        assert_int_equal(parse_copy(&parsed, out, make_icmp(6, type, 0, 40), &plain),
                         BERTH_DROP_NONE);
    }
    assert_int_equal(parse_copy(&parsed, out, make_icmp(4, 13, 0, 0), &plain), BERTH_DROP_NONE);
    assert_int_equal(parse_copy(&parsed, out, make_icmp(6, 135, 0, 0), &plain), BERTH_DROP_NONE);
    assert_int_equal(parse_copy(&parsed, out, make_icmp(6, 128, 0, 0), &plain), BERTH_DROP_NONE);
}

static void too_short(void **state)
{
    (void)state;
    for (uint16_t bytes = 0; bytes < 8; bytes++) {
        (void)make_icmp(4, 8, 0, 0);
        store_be16(out + 2, (uint16_t)(20 + bytes));
        mend_ipv4(out, 20);
        assert_int_equal(parse_copy(&parsed, out, 20U + bytes, &plain), BERTH_DROP_TRUNCATED);
        (void)make_icmp(6, 128, 0, 0);
        store_be16(out + 4, bytes);
        assert_int_equal(parse_copy(&parsed, out, 40U + bytes, &plain), BERTH_DROP_TRUNCATED);
    }
}

/* ICMPv6 is summed with the pseudo header, ICMP without. */
static void any_flipped_bit_is_seen(void **state)
{
    uint32_t bytes = make_icmp(6, 128, 0, 8);

    (void)state;
    for (unsigned bit = 9 * 8; bit < bytes * 8; bit++) {
        out[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        out[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    bytes = make_icmp(4, 8, 0, 8);
    out[15] ^= 1; /* an address: the IPv4 header's matter alone */
    mend_ipv4(out, 20);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    for (unsigned bit = 20 * 8; bit < bytes * 8; bit++) {
        out[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_BAD_CHECKSUM);
        out[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo),
        cmocka_unit_test(places_of_the_number),
        cmocka_unit_test(errors_quote),
        cmocka_unit_test(too_short),
        cmocka_unit_test(any_flipped_bit_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
