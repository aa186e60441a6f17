/* SPDX-License-Identifier: MIT */
/*
 * The IPv6 header and its chain of extension headers: what passes, what is refused, and why.
 */
#include "make.h"

#define DATAGRAM_BYTES 16

static uint8_t out[4096];
static struct wire_packet parsed;

struct chain { /* extension headers as they are written, one after the other */
    uint8_t bytes[3000];
    uint32_t count;
    uint8_t *next; /* where the number of what follows goes */
};

static struct chain chain;

static void chain_begin(void)
{
    chain.count = 0;
    chain.next = NULL;
}

/* Adds a header NUMBER of 8 * EIGHTS bytes that begins with BODY behind its first two bytes. */
static void chain_add(uint8_t number, uint8_t eights, const uint8_t *body, uint32_t body_bytes)
{
    static uint8_t first;
    uint8_t *at = chain.bytes + chain.count;

    if (chain.next == NULL) {
        chain.next = &first;
    }
    *chain.next = number;
    memset(at, 0, eights * 8U);
    at[1] = (uint8_t)(eights - 1);
    memcpy(at + 2, body, body_bytes);
    chain.next = at;
    chain.count += eights * 8U;
    out[6] = first;
}

/* The chain in front of a UDP datagram of 16 bytes, or of what PROTOCOL says. */
static uint32_t finish_chain(uint8_t protocol)
{
    static const uint8_t payload[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    struct wire_packet packet = describe(6, WIRE_UDP);
    uint8_t first = out[6];
    uint32_t bytes;

    packet.payload_bytes = sizeof payload;
    bytes = write_packet(out, &packet, payload, true);
    if (chain.count > 0) {
        memmove(out + 40 + chain.count, out + 40, bytes - 40);
        *chain.next = protocol;
        memcpy(out + 40, chain.bytes, chain.count);
        out[6] = first;
    } else {
        out[6] = protocol;
    }
    bytes += chain.count;
    store_be16(out + 4, (uint16_t)(bytes - 40));
    return bytes;
}

static enum berth_drop parse(uint32_t bytes)
{
    return parse_copy(&parsed, out, bytes, &plain);
}

static enum berth_drop one(uint8_t number, uint8_t eights, const uint8_t *body, uint32_t bytes)
{
    chain_begin();
    chain_add(number, eights, body, bytes);
    return parse(finish_chain(WIRE_UDP));
}

#define ONE(number, eights, ...) \
    one(number, eights, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void a_good_packet(void **state)
{
    uint32_t bytes;

    (void)state;
    chain_begin();
    bytes = finish_chain(WIRE_UDP);
    store_be32(out, 0x6b9abcde);
    assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.version, 6);
    assert_int_equal(parsed.traffic_class, 0xb9);
    assert_int_equal(parsed.hop_limit, 64);
    assert_int_equal(parsed.network_bytes, 40);
    assert_int_equal(parsed.packet_bytes, 56);
    assert_int_equal(parsed.payload_bytes, 8);
    assert_ptr_equal(parsed.payload, out + 48);
    /* The link's padding is left out. */
    assert_int_equal(wire_parse(&parsed, out, bytes + 9, &plain), BERTH_DROP_NONE);
    assert_int_equal(parsed.packet_bytes, 56);
}

static void payload_length_lies(void **state)
{
    (void)state;
    for (uint32_t length = 0; length <= UINT16_MAX; length += length < 64 ? 1 : 97) {
        uint32_t bytes;
        enum berth_drop drop;
        chain_begin();
        bytes = finish_chain(WIRE_UDP);
        store_be16(out + 4, (uint16_t)length);
        drop = parse(bytes);
        if (length < 8 || length > 16) {
            assert_int_equal(drop, BERTH_DROP_TRUNCATED);
        } else if (length < 16) {
            assert_int_equal(drop, BERTH_DROP_BAD_LENGTH); /* the datagram's own */
        } else {
            assert_int_equal(drop, BERTH_DROP_NONE);
        }
    }
}

static void martians(void **state)
{
    static const struct {
        uint8_t address[16];
        enum berth_drop source, destination;
    } cases[] = {
        {{0}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{[15] = 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{[12] = 10, [15] = 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_MARTIAN_DESTINATION},
        {{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1},
         BERTH_DROP_MARTIAN_SOURCE,
         BERTH_DROP_MARTIAN_DESTINATION},
        {{0xff, 2, [15] = 1}, BERTH_DROP_MARTIAN_SOURCE, BERTH_DROP_NONE},
        {{0xfe, 0x80, [15] = 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{0x20, 1, 0xd, 0xb8, [15] = 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{0, 0x64, 0xff, 0x9b, [12] = 10, [15] = 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
        {{[9] = 1, [15] = 1}, BERTH_DROP_NONE, BERTH_DROP_NONE},
    };
    const struct berth_offload good = {.checksum_good = 1};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t bytes;
        chain_begin();
        bytes = finish_chain(WIRE_UDP);
        memcpy(out + 8, cases[i].address, 16);
        assert_int_equal(parse_copy(&parsed, out, bytes, &good), cases[i].source);
        bytes = finish_chain(WIRE_UDP);
        memcpy(out + 24, cases[i].address, 16);
        assert_int_equal(parse_copy(&parsed, out, bytes, &good), cases[i].destination);
    }
}

static void options_by_their_action(void **state)
{
    (void)state;
    assert_int_equal(ONE(0, 1, 1, 4), BERTH_DROP_NONE);             /* PadN */
    assert_int_equal(ONE(0, 1, 0, 0, 0, 0, 0, 0), BERTH_DROP_NONE); /* Pad1 */
    assert_int_equal(ONE(0, 1, 5, 2, 0, 0, 1, 0), BERTH_DROP_NONE); /* router alert */
    assert_int_equal(ONE(60, 1, 4, 1, 4, 1, 1), BERTH_DROP_NONE);   /* tunnel limit */
    assert_int_equal(ONE(60, 1, 0x3e, 4), BERTH_DROP_NONE);         /* unknown: pass over */
    assert_int_equal(ONE(60, 1, 0x7e, 4), BERTH_DROP_BAD_OPTION);   /* unknown: drop */
    assert_int_equal(ONE(60, 1, 0xbe, 4), BERTH_DROP_BAD_OPTION);   /* and say so */
    assert_int_equal(ONE(60, 1, 0xfe, 4), BERTH_DROP_BAD_OPTION);   /* unless to many */
    assert_int_equal(ONE(0, 1, 0xc2, 4, 0, 1, 0, 0), BERTH_DROP_BAD_OPTION); /* jumbogram */
    assert_int_equal(ONE(0, 1, 1, 5), BERTH_DROP_BAD_OPTION);                /* beyond its header */
    assert_int_equal(ONE(0, 1, 1, 3, 0, 0, 0, 1), BERTH_DROP_BAD_OPTION);    /* no length */
    assert_int_equal(ONE(60, 200, 1, 255), BERTH_DROP_NONE);
}

static void routing_headers(void **state)
{
    (void)state;
    assert_int_equal(ONE(43, 3, 0, 0), BERTH_DROP_SOURCE_ROUTE); /* RFC 5095, whatever is left */
    assert_int_equal(ONE(43, 3, 0, 1), BERTH_DROP_SOURCE_ROUTE);
    assert_int_equal(ONE(43, 3, 2, 1), BERTH_DROP_SOURCE_ROUTE);
    assert_int_equal(ONE(43, 3, 4, 0), BERTH_DROP_NONE);
}

static void hop_by_hop_only_first(void **state)
{
    const uint8_t pad[] = {1, 4};

    (void)state;
    chain_begin();
    chain_add(60, 1, pad, 2);
    chain_add(0, 1, pad, 2);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_BAD_OPTION);
    chain_begin();
    chain_add(0, 1, pad, 2);
    chain_add(60, 1, pad, 2);
    chain_add(43, 1, (const uint8_t[]){4, 0}, 2);
    chain_add(60, 2, (const uint8_t[]){1, 12}, 2);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_NONE);
    assert_int_equal(parsed.network_bytes, 40 + 40);
    assert_int_equal(parsed.payload_bytes, 8);
}

static void chains_have_an_end(void **state)
{
    const uint8_t pad[] = {1, 4};

    (void)state;
    for (unsigned count = 1; count < 40; count++) {
        chain_begin();
        for (unsigned i = 0; i < count; i++) {
            chain_add(60, 1, pad, 2);
        }
        assert_int_equal(parse(finish_chain(WIRE_UDP)),
                         count > 8 ? BERTH_DROP_BAD_OPTION : BERTH_DROP_NONE);
    }
}

static void lengths_of_extension_headers(void **state)
{
    uint32_t bytes;

    (void)state;
    for (unsigned length = 0; length < 256; length++) {
        enum berth_drop drop;
        chain_begin();
        chain_add(43, 1, (const uint8_t[]){4, 0}, 2);
        chain.bytes[1] = (uint8_t)length;
        drop = parse(finish_chain(WIRE_UDP));
        if (length == 0) {
            assert_int_equal(drop, BERTH_DROP_NONE);
        } else if (length < 3) { /* it eats the datagram, and what is left is too short for one */
            assert_true(drop == BERTH_DROP_TRUNCATED || drop == BERTH_DROP_BAD_LENGTH);
        } else {
            assert_int_equal(drop, BERTH_DROP_BAD_HEADER_LENGTH);
        }
    }
    chain_begin();
    chain_add(60, 1, (const uint8_t[]){1, 4}, 2);
    bytes = finish_chain(60); /* another is said to follow, in the datagram's place */
    store_be16(out + 4, 12);
    assert_int_equal(parse(bytes), BERTH_DROP_TRUNCATED);
}

static void what_ends_the_chain(void **state)
{
    static const uint8_t protocols[] = {50, 51, 59, 47, 135, 253};
    const uint8_t pad[] = {1, 4};

    (void)state;
    for (size_t i = 0; i < sizeof protocols; i++) {
        uint32_t bytes;
        chain_begin();
        chain_add(60, 1, pad, 2);
        bytes = finish_chain(protocols[i]);
        assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.protocol, protocols[i]);
        assert_null(parsed.transport);
        assert_ptr_equal(parsed.payload, out + 48);
        assert_int_equal(parsed.payload_bytes, DATAGRAM_BYTES);
    }
    chain_begin();
    assert_int_equal(parse(finish_chain(WIRE_ICMP)), BERTH_DROP_BAD_ICMP);
    (void)finish_chain(59); /* nothing at all behind the header */
    store_be16(out + 4, 0);
    assert_int_equal(parse(40), BERTH_DROP_NONE);
    assert_int_equal(parsed.payload_bytes, 0);
    chain_begin(); /* nothing behind a chain */
    chain_add(60, 1, pad, 2);
    (void)finish_chain(59);
    store_be16(out + 4, 8);
    assert_int_equal(parse(48), BERTH_DROP_NONE);
    assert_int_equal(parsed.payload_bytes, 0);
}

/* A fragment header with the offset in bytes and the flag, then HEAD'S chain begun anew. */
static void chain_fragment(uint16_t offset, bool more)
{
    uint8_t body[6] = {0, 0, 0xaa, 0xbb, 0xcc, 0xdd};

    store_be16(body, (uint16_t)(offset | (more ? 1 : 0)));
    chain_add(44, 1, body, sizeof body);
    chain.bytes[chain.count - 7] = 0;
}

static void fragments(void **state)
{
    uint32_t bytes;

    (void)state;
    chain_begin();
    chain_fragment(0, true);
    bytes = finish_chain(WIRE_UDP);
    assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
    assert_true(parsed.is_fragment && parsed.more_fragments);
    assert_int_equal(parsed.fragment_id, 0xaabbccdd);
    assert_int_equal(parsed.network_bytes, 48);
    assert_int_equal(parsed.payload_bytes, DATAGRAM_BYTES);
    assert_ptr_equal(parsed.payload, out + 48);
    assert_null(parsed.transport);
    chain_begin();
    chain_fragment(1400, false);
    assert_int_equal(parse(finish_chain(60)), BERTH_DROP_NONE);
    assert_int_equal(parsed.protocol, 60);
    assert_int_equal(parsed.fragment_offset, 1400);
    chain_begin();
    chain_fragment(65512, false); /* 65512 + 16 = 65528 */
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_NONE);
    chain_begin();
    chain_fragment(65528, false); /* 65528 + 7 = 65535 */
    bytes = finish_chain(WIRE_UDP);
    store_be16(out + 4, 8 + 7);
    assert_int_equal(parse(bytes), BERTH_DROP_NONE);
    store_be16(out + 4, 8 + 8);
    assert_int_equal(parse(bytes), BERTH_DROP_BAD_FRAGMENT);
    chain_begin();
    chain_fragment(65528, false);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_BAD_FRAGMENT);
    chain_begin();
    chain_fragment(1400, true);
    bytes = finish_chain(WIRE_UDP);
    store_be16(out + 4, 8 + 13);
    assert_int_equal(parse(bytes), BERTH_DROP_BAD_FRAGMENT);
    store_be16(out + 4, 8);
    assert_int_equal(parse(bytes), BERTH_DROP_BAD_FRAGMENT);
    store_be16(out + 4, 7);
    assert_int_equal(parse(bytes), BERTH_DROP_TRUNCATED);
}

/* RFC 6946: nothing comes before or after it, so there is nothing to wait for. */
static void an_atomic_fragment_is_whole(void **state)
{
    (void)state;
    chain_begin();
    chain_fragment(0, false);
    chain_add(60, 1, (const uint8_t[]){1, 4}, 2);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_NONE);
    assert_false(parsed.is_fragment);
    assert_int_equal(parsed.network_bytes, 56);
    assert_int_equal(parsed.source_port, 1000);
    chain_begin();
    chain_fragment(0, false);
    chain_fragment(0, false);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_BAD_FRAGMENT);
}

/* RFC 7112: the first fragment has all headers, the upper layer's included. */
static void the_first_fragment_has_all_headers(void **state)
{
    (void)state;
    chain_begin();
    chain_fragment(0, true);
    assert_int_equal(parse(finish_chain(WIRE_TCP)), BERTH_DROP_BAD_FRAGMENT); /* 16 of 20 bytes */
    for (unsigned i = 0; i < 2; i++) { /* 8 of 8 are enough, but for a chain that takes them */
        uint32_t bytes;
        chain_begin();
        chain_fragment(0, true);
        if (i == 1) {
            chain_add(60, 1, (const uint8_t[]){1, 4}, 2);
        }
        bytes = finish_chain(WIRE_UDP);
        store_be16(out + 4, 16);
        assert_int_equal(parse(bytes), i == 0 ? BERTH_DROP_NONE : BERTH_DROP_BAD_FRAGMENT);
    }
    chain_begin();
    chain_fragment(0, true);
    chain_add(60, 1, (const uint8_t[]){1, 4}, 2);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_NONE);
    assert_int_equal(parsed.protocol, 60);
    chain.bytes[chain.count - 7] = 40; /* its options go on in the next fragment */
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_BAD_FRAGMENT);
    chain_begin();
    chain_fragment(0, true);
    chain_fragment(0, true);
    assert_int_equal(parse(finish_chain(WIRE_UDP)), BERTH_DROP_BAD_FRAGMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_packet),
        cmocka_unit_test(payload_length_lies),
        cmocka_unit_test(martians),
        cmocka_unit_test(options_by_their_action),
        cmocka_unit_test(routing_headers),
        cmocka_unit_test(hop_by_hop_only_first),
        cmocka_unit_test(chains_have_an_end),
        cmocka_unit_test(lengths_of_extension_headers),
        cmocka_unit_test(what_ends_the_chain),
        cmocka_unit_test(fragments),
        cmocka_unit_test(an_atomic_fragment_is_whole),
        cmocka_unit_test(the_first_fragment_has_all_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
