/* SPDX-License-Identifier: MIT */
/*
 * The IPv4 header: every lie it can tell has its drop reason, and what is harmless passes.
 */
#include "make.h"

static uint8_t out[256];

/* A UDP packet with 8 bytes of payload: 36 bytes. */
static uint32_t make_udp(void)
{
    static const uint8_t payload[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct wire_packet packet = describe(4, WIRE_UDP);

    memset(out, 0, sizeof out);
    packet.payload_bytes = sizeof payload;
    packet.dont_fragment = true;
    packet.traffic_class = 0xb9;
    return write_packet(out, &packet, payload, true);
}

static enum berth_drop parse(size_t bytes)
{
    struct wire_packet parsed;
    return parse_copy(&parsed, out, bytes, &plain);
}

/* The same with the transport's checksum left alone, where a test changed the addresses. */
static enum berth_drop parse_mended(size_t bytes)
{
    const struct berth_offload good = {.checksum_good = 1};
    struct wire_packet parsed;

    mend_ipv4(out, (out[0] & 0xfU) * 4);
    return parse_copy(&parsed, out, bytes, &good);
}

static void a_good_packet(void **state)
{
    struct wire_packet parsed;
    uint32_t bytes = make_udp();

    (void)state;
    assert_int_equal(bytes, 36);
    assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.version, 4);
    assert_int_equal(parsed.traffic_class, 0xb9);
    assert_true(parsed.dont_fragment);
    assert_false(parsed.is_fragment);
    assert_int_equal(parsed.network_bytes, 20);
    assert_int_equal(parsed.packet_bytes, 36);
    assert_ptr_equal(parsed.transport, out + 20);
    assert_ptr_equal(parsed.payload, out + 28);
}

static void padding_of_the_link_is_no_payload(void **state)
{
    struct wire_packet parsed;

    (void)state;
    (void)make_udp();
    assert_int_equal(wire_parse(&parsed, out, 60, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.packet_bytes, 36);
    assert_int_equal(parsed.payload_bytes, 8);
}

static void versions(void **state)
{
    uint32_t bytes = make_udp();

    (void)state;
    assert_int_equal(parse(0), BERTH_DROP_TRUNCATED);
    for (unsigned version = 0; version < 16; version++) {
        out[0] = (uint8_t)(version << 4 | 5);
        if (version != 4 && version != 6) {
            assert_int_equal(parse(bytes), BERTH_DROP_BAD_VERSION);
        }
    }
}

static void header_length_lies(void **state)
{
    (void)state;
    for (unsigned ihl = 0; ihl < 16; ihl++) {
        uint32_t bytes = make_udp();
        enum berth_drop drop;
        out[0] = (uint8_t)(0x40 | ihl);
        drop = parse(bytes);
        if (ihl < 5) {
            assert_int_equal(drop, BERTH_DROP_BAD_HEADER_LENGTH);
        } else if (ihl == 5) {
            assert_int_equal(drop, BERTH_DROP_NONE);
        } else if (ihl > 9) {
            assert_int_equal(drop, BERTH_DROP_TRUNCATED);
        } else {
            assert_int_equal(drop, BERTH_DROP_BAD_CHECKSUM);
        }
    }
}

/* Every total length but the true one: shorter than the header, cutting the datagram, too long. */
static void total_length_lies(void **state)
{
    (void)state;
    for (uint32_t total = 0; total <= UINT16_MAX; total += total < 64 ? 1 : 97) {
        uint32_t bytes = make_udp();
        enum berth_drop drop;
        store_be16(out + 2, (uint16_t)total);
        mend_ipv4(out, 20);
        drop = parse(bytes);
        if (total < 20) {
            assert_int_equal(drop, BERTH_DROP_BAD_LENGTH);
        } else if (total < 28) {
            assert_int_equal(drop, BERTH_DROP_TRUNCATED);
        } else if (total < 36) {
            assert_int_equal(drop, BERTH_DROP_BAD_LENGTH); /* the datagram's own */
        } else if (total > 36) {
            assert_int_equal(drop, BERTH_DROP_TRUNCATED);
        } else {
            assert_int_equal(drop, BERTH_DROP_NONE);
        }
    }
}

static void any_flipped_bit_of_the_header_is_seen(void **state)
{
    (void)state;
    for (unsigned bit = 8; bit < 160; bit++) {
        uint32_t bytes = make_udp();
        out[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(parse(bytes), BERTH_DROP_BAD_CHECKSUM);
    }
}

static void martians(void **state)
{
    static const struct {
        uint8_t address[4];
        enum berth_drop source, destination;
    } cases[] = {
        {{0, 0, 0, 0}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{0, 1, 2, 3}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{127, 0, 0, 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{127, 255, 255, 255}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{224, 0, 0, 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_NONE},
        {{239, 255, 255, 250}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_NONE},
        {{240, 0, 0, 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{255, 255, 255, 254}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{255, 255, 255, 255}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_NONE},
        {{169, 254, 1, 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{1, 0, 0, 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{126, 255, 255, 255}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{128, 0, 0, 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{223, 255, 255, 254}, BERTH_DROP_NONE, BERTH_DROP_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t bytes = make_udp();
        memcpy(out + 12, cases[i].address, 4);
        assert_int_equal(parse_mended(bytes), cases[i].source);
        bytes = make_udp();
        memcpy(out + 16, cases[i].address, 4);
        assert_int_equal(parse_mended(bytes), cases[i].destination);
    }
}

/* OPTIONS of a multiple of 4 bytes put between the header and the datagram. */
static enum berth_drop with_options(const uint8_t *options, uint32_t count)
{
    uint32_t bytes = make_udp();

    memmove(out + 20 + count, out + 20, bytes - 20);
    memcpy(out + 20, options, count);
    out[0] = (uint8_t)(0x45 + count / 4);
    store_be16(out + 2, (uint16_t)(bytes + count));
    mend_ipv4(out, 20 + count);
    return parse(bytes + count);
}

static void options(void **state)
{
    static const struct {
        uint8_t options[12];
        uint32_t count;
        enum berth_drop drop;
    } cases[] = {
        {{1, 1, 1, 1}, 4, BERTH_DROP_NONE},
        {{0, 9, 9, 9}, 4, BERTH_DROP_NONE},                       /* nothing after the end */
        {{7, 7, 4, 0, 0, 0, 0, 0}, 8, BERTH_DROP_NONE},           /* record route */
        {{68, 12, 5, 0}, 12, BERTH_DROP_NONE},                    /* timestamps */
        {{148, 4, 0, 0}, 4, BERTH_DROP_NONE},                     /* router alert */
        {{131, 7, 4, 1, 2, 3, 4, 0}, 8, BERTH_DROP_SOURCE_ROUTE}, /* loose */
        {{1, 137, 7, 4, 1, 2, 3, 4}, 8, BERTH_DROP_SOURCE_ROUTE}, /* strict */
        {{7, 5, 4, 0, 0, 131, 3, 4}, 8, BERTH_DROP_SOURCE_ROUTE}, /* behind another */
        {{30, 2, 30, 2}, 4, BERTH_DROP_NONE},                     /* the shortest, to the end */
        {{148, 0, 0, 0}, 4, BERTH_DROP_BAD_OPTION},
        {{148, 1, 0, 0}, 4, BERTH_DROP_BAD_OPTION},
        {{148, 5, 0, 0}, 4, BERTH_DROP_BAD_OPTION},
        {{131, 9, 0, 0}, 4, BERTH_DROP_BAD_OPTION},
        {{1, 1, 1, 148}, 4, BERTH_DROP_BAD_OPTION},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(with_options(cases[i].options, cases[i].count), cases[i].drop);
    }
}

/* What is wrong first is what is said. */
static void a_martian_with_options(void **state)
{
    (void)state;
    assert_int_equal(with_options((const uint8_t[]){1, 1, 1, 1}, 4), BERTH_DROP_NONE);
    out[12] = 127;
    mend_ipv4(out, 24);
    assert_int_equal(parse(40), BERTH_DROP_MARTIAN_SOURCE);
}

static enum berth_drop fragment(uint8_t protocol, uint16_t field, uint32_t payload)
{
    make_udp();
    out[9] = protocol;
    store_be16(out + 6, field);
    store_be16(out + 2, (uint16_t)(20 + payload));
    return parse_mended(20 + payload);
}

static void fragments(void **state)
{
    (void)state;
    assert_int_equal(fragment(WIRE_UDP, 0x2000, 64), BERTH_DROP_NONE);
    assert_int_equal(fragment(WIRE_UDP, 0x2000, 8), BERTH_DROP_NONE);
    assert_int_equal(fragment(WIRE_UDP, 0x0001, 3), BERTH_DROP_NONE);
    assert_int_equal(fragment(WIRE_UDP, 0x2000, 63), BERTH_DROP_BAD_FRAGMENT); /* not eights */
    assert_int_equal(fragment(WIRE_UDP, 0x2000, 0), BERTH_DROP_BAD_FRAGMENT);
    assert_int_equal(fragment(WIRE_UDP, 0x0001, 0), BERTH_DROP_BAD_FRAGMENT);
    /* 20 + 8 * 8189 + 3 = 65535 */
    assert_int_equal(fragment(WIRE_UDP, 8189, 3), BERTH_DROP_NONE);
    assert_int_equal(fragment(WIRE_UDP, 8189, 4), BERTH_DROP_BAD_FRAGMENT);
    assert_int_equal(fragment(WIRE_UDP, 0x1fff, 8), BERTH_DROP_BAD_FRAGMENT);
    /* RFC 1858: TCP's flags are in the first fragment, and the second does not cover them. */
    assert_int_equal(fragment(WIRE_TCP, 0x2000, 8), BERTH_DROP_BAD_FRAGMENT);
    assert_int_equal(fragment(WIRE_TCP, 0x2000, 16), BERTH_DROP_NONE);
    assert_int_equal(fragment(WIRE_TCP, 0x2001, 16), BERTH_DROP_BAD_FRAGMENT);
    assert_int_equal(fragment(WIRE_TCP, 0x2002, 16), BERTH_DROP_NONE);
}

static void other_protocols_have_no_transport(void **state)
{
    struct wire_packet parsed;
    uint32_t bytes = make_udp();

    (void)state;
    out[9] = 47; /* GRE */
    mend_ipv4(out, 20);
    assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.protocol, 47);
    assert_null(parsed.transport);
    assert_int_equal(parsed.transport_bytes, 0);
    assert_int_equal(parsed.payload_bytes, 16);
    assert_int_equal(parsed.source_port, 0);
    out[9] = WIRE_ICMP6; /* is of IPv6 only */
    assert_int_equal(parse_mended(bytes), BERTH_DROP_BAD_ICMP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_packet),
        cmocka_unit_test(padding_of_the_link_is_no_payload),
        cmocka_unit_test(versions),
        cmocka_unit_test(header_length_lies),
        cmocka_unit_test(total_length_lies),
        cmocka_unit_test(any_flipped_bit_of_the_header_is_seen),
        cmocka_unit_test(martians),
        cmocka_unit_test(options),
        cmocka_unit_test(a_martian_with_options),
        cmocka_unit_test(fragments),
        cmocka_unit_test(other_protocols_have_no_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
