/* SPDX-License-Identifier: MIT */
/*
 * The UDP header: its length against the IP payload, its checksum that may be missing over IPv4.
 */
#include "make.h"

static uint8_t out[256];
static struct wire_packet parsed;
static const struct berth_offload good = {.checksum_good = 1};

static uint32_t make_udp(uint8_t version)
{
    static const uint8_t payload[12] = "hello world";
    struct wire_packet packet = describe(version, WIRE_UDP);

    packet.payload_bytes = sizeof payload;
    return write_packet(out, &packet, payload, true);
}

static void length_lies(void **state)
{
    (void)state;
    for (uint32_t length = 0; length < 65536; length += length < 64 ? 1 : 97) {
        uint32_t bytes = make_udp(4);
        enum berth_drop drop;
        store_be16(out + 24, (uint16_t)length);
        drop = parse_copy(&parsed, out, bytes, &good);
        if (length < 8 || length > 20) {
            assert_int_equal(drop, BERTH_DROP_BAD_LENGTH);
        } else { /* what the IP payload has more is left alone */
            assert_int_equal(drop, BERTH_DROP_NONE);
            assert_int_equal(parsed.payload_bytes, length - 8);
        }
    }
}

static void a_shorter_datagram_is_summed_alone(void **state)
{
    struct wire_packet packet = describe(4, WIRE_UDP);
    uint32_t bytes;

    (void)state;
    packet.payload_bytes = 5;
    bytes = write_packet(out, &packet, (const uint8_t *)"abcde", true);
    out[bytes] = 0x77; /* in the IP payload, not in the datagram */
    store_be16(out + 2, (uint16_t)(bytes + 1));
    mend_ipv4(out, 20);
    assert_int_equal(parse_copy(&parsed, out, bytes + 1, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.payload_bytes, 5);
}

static void no_checksum_over_ipv4_only(void **state)
{
    uint32_t bytes = make_udp(4);

    (void)state;
    store_be16(out + 26, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    bytes = make_udp(6);
    store_be16(out + 46, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_BAD_CHECKSUM);
}

static void any_flipped_bit_is_seen(void **state)
{
    (void)state;
    for (unsigned version = 4; version <= 6; version += 2) {
        uint32_t bytes = make_udp((uint8_t)version);
        for (unsigned bit = (bytes - 20) * 8; bit < bytes * 8; bit++) {
            out[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_not_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
            out[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    }
}

static void ports_of_zero(void **state)
{
    uint32_t bytes = make_udp(4);

    (void)state;
    store_be16(out + 20, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_BAD_PORT);
    bytes = make_udp(4);
    store_be16(out + 22, 0);
    assert_int_equal(parse_copy(&parsed, out, bytes, &good), BERTH_DROP_BAD_PORT);
}

static void an_empty_datagram(void **state)
{
    struct wire_packet packet = describe(6, WIRE_UDP);
    uint32_t bytes = write_packet(out, &packet, NULL, true);

    (void)state;
    assert_int_equal(bytes, 48);
    assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.payload_bytes, 0);
    assert_ptr_equal(parsed.payload, out + 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(length_lies),
        cmocka_unit_test(a_shorter_datagram_is_summed_alone),
        cmocka_unit_test(no_checksum_over_ipv4_only),
        cmocka_unit_test(any_flipped_bit_is_seen),
        cmocka_unit_test(ports_of_zero),
        cmocka_unit_test(an_empty_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
