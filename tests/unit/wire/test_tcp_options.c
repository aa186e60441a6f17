/* SPDX-License-Identifier: MIT */
/*
 * TCP options as they come: in any order, unknown ones among them, twice, and out of shape.
 */
#include "make.h"

#define ALL_SYN \
    (WIRE_OPTION_MSS | WIRE_OPTION_WSCALE | WIRE_OPTION_SACK_PERMITTED | WIRE_OPTION_TIMESTAMPS)

static struct wire_packet parsed;

/* OPTIONS, padded with ends, on a segment with FLAGS. */
static enum berth_drop with(uint16_t flags, const uint8_t *options, uint32_t count)
{
    uint8_t out[128] = {0};
    struct wire_packet packet = describe(4, WIRE_TCP);
    const struct berth_offload good = {.checksum_good = 1};
    uint32_t padded = (count + 3) / 4 * 4;

    packet.tcp.flags = flags;
    packet.payload_bytes = padded;
    (void)write_packet(out, &packet, out, false);
    memset(out + 40, 0, padded);
    memcpy(out + 40, options, count);
    store_be16(out + 32, (uint16_t)((5 + padded / 4) << 12 | flags));
    return parse_copy(&parsed, out, 40 + padded, &good);
}

#define WITH(flags, ...) \
    with(flags, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void syn_options_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_SYN, 3, 3, 9, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 2, 4, 5, 0xb4),
                     BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, ALL_SYN);
    assert_int_equal(parsed.tcp.wscale, 9);
    assert_int_equal(parsed.tcp.mss, 1460);
    assert_int_equal(parsed.tcp.tsval, 0x01020304);
    assert_int_equal(parsed.tcp.tsecr, 0x05060708);
}

static void no_options(void **state)
{
    (void)state;
    assert_int_equal(with(WIRE_ACK, (const uint8_t *)"", 0), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, 0);
    assert_int_equal(WITH(WIRE_ACK, 1, 1, 1, 1), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, 0);
}

static void what_belongs_on_a_syn_is_ignored_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_ACK, 2, 4, 1, 1, 3, 3, 9, 4, 2), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, 0);
    assert_int_equal(WITH(WIRE_ACK, 2, 5, 1, 1, 0), BERTH_DROP_BAD_TCP_OPTION);
}

/* The common layout goes a short way; the same bytes elsewhere go the long one. */
static void timestamps(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_ACK, 1, 1, 8, 10, 0x80, 0, 0, 1, 0, 0, 0, 2), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_TIMESTAMPS);
    assert_int_equal(parsed.tcp.tsval, 0x80000001);
    assert_int_equal(parsed.tcp.tsecr, 2);
    assert_int_equal(WITH(WIRE_ACK, 8, 10, 0x80, 0, 0, 1, 0, 0, 0, 2, 1, 1), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_TIMESTAMPS);
    assert_int_equal(parsed.tcp.tsval, 0x80000001);
    assert_int_equal(parsed.tcp.tsecr, 2);
}

/* RFC 5482 3.3. */
static void user_timeout(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_ACK, 28, 4, 0x81, 0x02), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_USER_TIMEOUT);
    assert_int_equal(parsed.tcp.user_timeout, 0x8102);
    assert_int_equal(WITH(WIRE_SYN, 28, 3, 0x81, 1), BERTH_DROP_NONE); /* out of shape */
    assert_int_equal(parsed.tcp.options, 0);
    assert_int_equal(parsed.tcp.user_timeout, 0);
}

static void sack_blocks(void **state)
{
    uint8_t options[40] = {1, 1, 5, 34};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        store_be32(options + 4 + 8 * i, 1000 * i);
        store_be32(options + 8 + 8 * i, 1000 * i + 500);
    }
    assert_int_equal(with(WIRE_ACK, options, 36), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_SACK);
    assert_int_equal(parsed.tcp.sack_count, 4);
    assert_int_equal(parsed.tcp.sack[3].left, 3000);
    assert_int_equal(parsed.tcp.sack[3].right, 3500);
    for (unsigned length = 2; length < 38; length++) {
        bool is_right = length % 8 == 2 && length > 2 && length <= 34;
        options[3] = (uint8_t)length;
        memset(options + 2 + length, 0, sizeof options - 2 - length);
        assert_int_equal(with(WIRE_ACK, options, sizeof options),
                         is_right ? BERTH_DROP_NONE : BERTH_DROP_BAD_TCP_OPTION);
        memset(options + 4, 7, sizeof options - 4);
    }
}

static void window_scale_beyond_14_is_14(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_SYN, 3, 3, 14), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.wscale, 14);
    assert_int_equal(WITH(WIRE_SYN, 3, 3, 15), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.wscale, 14);
    assert_int_equal(WITH(WIRE_SYN, 3, 3, 255), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.wscale, 14);
}

static void unknown_options_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_SYN, 35, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 1, 0, 254, 4, 9, 9),
                     BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_MSS);
    assert_int_equal(parsed.tcp.mss, 256);
}

/* RFC 7413 4.1.1: a request, or 4 to 16 bytes, an even number; others are as if not there. */
static void fast_open(void **state)
{
    (void)state;
    for (unsigned length = 2; length <= 30; length++) {
        uint8_t options[40] = {34, (uint8_t)length};
        bool is_right = length == 2 || (length >= 6 && length <= 18 && length % 2 == 0);
        assert_int_equal(with(WIRE_SYN, options, sizeof options), BERTH_DROP_NONE);
        assert_int_equal(parsed.tcp.options, is_right ? WIRE_OPTION_FAST_OPEN : 0);
        assert_int_equal(parsed.tcp.cookie_bytes, is_right ? length - 2 : 0);
    }
    assert_int_equal(WITH(WIRE_SYN, 34, 6, 1, 2, 3, 4, 0, 0), BERTH_DROP_NONE);
    assert_memory_equal(parsed.tcp.cookie, "\1\2\3\4", 4);
    assert_int_equal(WITH(WIRE_ACK, 34, 6, 1, 2, 3, 4, 0, 0), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, 0);
}

static void the_last_of_two_counts(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_SYN, 2, 4, 1, 0, 2, 4, 2, 0), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.mss, 512);
}

static void nothing_counts_after_the_end(void **state)
{
    (void)state;
    assert_int_equal(WITH(WIRE_SYN, 2, 4, 1, 0, 0, 2, 0, 0), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.mss, 256);
}

/* Every length for every kind: only the right one passes for those that are known. */
static void every_length_of_every_kind(void **state)
{
    static const uint8_t right[9] = {[2] = 4, [3] = 3, [4] = 2, [8] = 10};

    (void)state;
    for (unsigned kind = 2; kind < 256; kind++) {
        for (unsigned length = 0; length < 256; length++) {
            uint8_t options[40] = {(uint8_t)kind, (uint8_t)length};
            bool fits = length >= 2 && length <= sizeof options;
            bool is_right = kind == 5 ? length % 8 == 2 && length > 2 && length <= 34
                            : kind < 9 && right[kind] != 0 ? length == right[kind]
                                                           : true;
            assert_int_equal(with(WIRE_SYN, options, sizeof options),
                             fits && is_right ? BERTH_DROP_NONE : BERTH_DROP_BAD_TCP_OPTION);
        }
    }
    assert_int_equal(WITH(WIRE_SYN, 1, 1, 1, 8), BERTH_DROP_BAD_TCP_OPTION); /* no length at all */
}

/* RFC 9768 3.2.3: any length, whole fields count. */
static void accecn_of_every_length(void **state)
{
    uint8_t options[16] = {172, 0, 1, 2, 3, 4, 5, 6, 0xff, 0xff, 0xff, 1, 1, 1, 1, 1};

    (void)state;
    for (uint8_t kind = 172; kind <= 174; kind = (uint8_t)(kind + 2)) {
        options[0] = kind;
        for (uint8_t bytes = 2; bytes <= 16; bytes++) {
            unsigned count = (bytes - 2U) / 3 < 3 ? (bytes - 2U) / 3 : 3;

            options[1] = bytes;
            assert_int_equal(with(WIRE_ACK, options, bytes), BERTH_DROP_NONE);
            assert_int_equal(parsed.tcp.options, WIRE_OPTION_ACCECN);
            assert_int_equal(parsed.tcp.accecn_reversed, kind == 174);
            assert_int_equal(parsed.tcp.accecn_count, count);
            assert_true(count < 1 || parsed.tcp.accecn[0] == 0x010203);
            assert_true(count < 2 || parsed.tcp.accecn[1] == 0x040506);
            assert_true(count < 3 || parsed.tcp.accecn[2] == 0xffffff);
        }
    }
    options[1] = 11;
    assert_int_equal(with(WIRE_SYN, options, 11), BERTH_DROP_NONE); /* 3.2.3.2.1 */
    assert_int_equal(parsed.tcp.options, 0);
    assert_int_equal(with(WIRE_SYN | WIRE_ACK, options, 11), BERTH_DROP_NONE);
    assert_int_equal(parsed.tcp.options, WIRE_OPTION_ACCECN);
}

static void accecn_comes_back_as_it_went(void **state)
{
    static const uint16_t flags[] = {WIRE_ACK, WIRE_SYN | WIRE_ACK};

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t out[128];
        struct wire_packet packet = describe(4, WIRE_TCP);
        uint32_t bytes;

        packet.tcp.flags = flags[i & 1];
        packet.tcp.options = WIRE_OPTION_ACCECN | WIRE_OPTION_TIMESTAMPS;
        packet.tcp.options |= (i & 1) != 0 ? ALL_SYN : WIRE_OPTION_SACK;
        packet.tcp.sack_count = 1;
        packet.tcp.accecn_count = (uint8_t)(i >> 2);
        packet.tcp.accecn_reversed = (i & 2) != 0;
        packet.tcp.accecn[0] = 0xfedcba;
        packet.tcp.accecn[1] = 1;
        packet.tcp.accecn[2] = 0x800000;
        bytes = write_packet(out, &packet, NULL, true);
        assert_int_equal(bytes, 40 + wire_tcp_option_bytes(&packet.tcp));
        assert_int_equal(parse_copy(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.tcp.options, packet.tcp.options);
        assert_int_equal(parsed.tcp.accecn_reversed, packet.tcp.accecn_reversed);
        assert_int_equal(parsed.tcp.accecn_count, packet.tcp.accecn_count);
        assert_memory_equal(parsed.tcp.accecn, packet.tcp.accecn, (i >> 2) * sizeof(uint32_t));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_options_in_any_order),
        cmocka_unit_test(no_options),
        cmocka_unit_test(what_belongs_on_a_syn_is_ignored_elsewhere),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(user_timeout),
        cmocka_unit_test(sack_blocks),
        cmocka_unit_test(window_scale_beyond_14_is_14),
        cmocka_unit_test(unknown_options_are_passed_over),
        cmocka_unit_test(fast_open),
        cmocka_unit_test(the_last_of_two_counts),
        cmocka_unit_test(nothing_counts_after_the_end),
        cmocka_unit_test(every_length_of_every_kind),
        cmocka_unit_test(accecn_of_every_length),
        cmocka_unit_test(accecn_comes_back_as_it_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
