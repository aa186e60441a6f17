/* SPDX-License-Identifier: MIT */
/*
 * The quote of an ICMP error: found however short RFC 792 lets it be, refused when shorter.
 */
#include "make.h"

static uint8_t out[256];

static enum berth_drop quote(struct wire_quote *found, const uint8_t *data, size_t bytes)
{
    uint8_t *copy = exact_copy(data, bytes);
    enum berth_drop drop = wire_parse_quote(found, copy, bytes);

    free(copy);
    return drop;
}

/* The first CUT bytes of PACKET, as written in `out`. */
static void check_truncation(const struct wire_packet *packet, uint32_t cut)
{
    uint32_t network_bytes = packet->version == 4 ? 20 : 40;
    bool is_tcp = packet->protocol == WIRE_TCP;
    struct wire_quote found;

    if (cut < network_bytes + 8) {
        assert_int_equal(quote(&found, out, cut), BERTH_DROP_BAD_ICMP);
        return;
    }
    assert_int_equal(quote(&found, out, cut), BERTH_DROP_NONE);
    assert_memory_equal(&found.source, &packet->source, 16);
    assert_memory_equal(&found.destination, &packet->destination, 16);
    assert_int_equal(found.protocol, packet->protocol);
    assert_int_equal(found.source_port, 1000);
    assert_int_equal(found.destination_port, 80);
    assert_int_equal(found.has_tcp_seq, is_tcp);
    assert_int_equal(found.tcp_seq, is_tcp ? 0x01020304 : 0);
}

static void every_truncation(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, i < 2 ? WIRE_TCP : WIRE_UDP);
        uint32_t bytes;
        packet.payload_bytes = 40;
        bytes = write_packet(out, &packet, out + 100, true);
        for (uint32_t cut = 0; cut <= bytes; cut++) {
            check_truncation(&packet, cut);
        }
    }
}

static void echo_identifier_is_both_ports(void **state)
{
    (void)state;
    for (uint8_t version = 4; version <= 6; version += 2) {
        struct wire_packet packet = describe(version, version == 4 ? WIRE_ICMP : WIRE_ICMP6);
        struct wire_quote found;
        uint32_t bytes;
        packet.icmp = (struct wire_icmp){
            .type = version == 4 ? 8 : 128, .identifier = 0x4321, .sequence = 0x8765};
        bytes = write_packet(out, &packet, NULL, true);
        assert_int_equal(quote(&found, out, bytes), BERTH_DROP_NONE);
        assert_int_equal(found.source_port, 0x4321);
        assert_int_equal(found.destination_port, 0x4321);
        assert_int_equal(found.echo_sequence, 0x8765);
        assert_false(found.has_tcp_seq);
        out[version == 4 ? 20 : 40] = 3; /* an error about an error has no identifier */
        assert_int_equal(quote(&found, out, bytes), BERTH_DROP_NONE);
        assert_int_equal(found.source_port, 0);
    }
}

static void fragments(void **state)
{
    struct wire_packet packet = describe(4, WIRE_UDP);
    struct wire_quote found;
    uint32_t bytes;

    (void)state;
    bytes = write_packet(out, &packet, NULL, true);
    store_be16(out + 6, 0x2000);
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_NONE);
    store_be16(out + 6, 0x2001);
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
}

static void behind_options_and_extension_headers(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    struct wire_quote found;
    uint32_t bytes = write_packet(out, &packet, NULL, true);

    (void)state;
    memmove(out + 24, out + 20, bytes - 20);
    memset(out + 20, 1, 4);
    out[0] = 0x46;
    store_be16(out + 2, (uint16_t)(bytes + 4));
    assert_int_equal(quote(&found, out, 32), BERTH_DROP_NONE);
    assert_int_equal(found.source_port, 1000);
    assert_int_equal(found.tcp_seq, 0x01020304);
    packet = describe(6, WIRE_TCP);
    bytes = write_packet(out, &packet, NULL, true);
    memmove(out + 56, out + 40, bytes - 40);
    memset(out + 40, 0, 16);
    out[6] = 60; /* destination options, then a fragment header with more to come */
    out[40] = 44;
    out[48] = WIRE_TCP;
    out[51] = 1;
    store_be16(out + 4, (uint16_t)(bytes - 40 + 16));
    assert_int_equal(quote(&found, out, bytes + 16), BERTH_DROP_NONE);
    assert_int_equal(found.protocol, WIRE_TCP);
    assert_int_equal(found.destination_port, 80);
    assert_int_equal(quote(&found, out, 55), BERTH_DROP_BAD_ICMP);
    assert_int_equal(quote(&found, out, 47), BERTH_DROP_BAD_ICMP);
    out[50] = 1; /* not the first: its bytes are not a header */
    assert_int_equal(quote(&found, out, bytes + 16), BERTH_DROP_BAD_ICMP);
}

/* As many extension headers as the parser takes, of every kind; one more is one too many. */
static void chains_have_an_end(void **state)
{
    static const uint8_t kinds[] = {0, 43, 60, 44};
    struct wire_packet packet = describe(6, WIRE_UDP);
    struct wire_quote found;
    uint8_t chain[9 * 8] = {0};

    (void)state;
    for (unsigned count = 1; count <= 9; count++) {
        uint32_t bytes = write_packet(out, &packet, NULL, true);
        memmove(out + 40 + 8 * count, out + 40, bytes - 40);
        out[6] = kinds[count % 4];
        for (unsigned i = 0; i < count; i++) {
            chain[8 * i] = i + 1 == count ? WIRE_UDP : kinds[(count + i + 1) % 4];
        }
        memcpy(out + 40, chain, 8 * count);
        bytes += 8 * count;
        store_be16(out + 4, (uint16_t)(bytes - 40));
        assert_int_equal(quote(&found, out, bytes),
                         count > 8 ? BERTH_DROP_BAD_ICMP : BERTH_DROP_NONE);
        if (count <= 8) {
            assert_int_equal(found.protocol, WIRE_UDP);
            assert_int_equal(found.destination_port, 80);
        }
    }
}

static void out_of_shape(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    struct wire_quote found;
    uint32_t bytes = write_packet(out, &packet, NULL, true);

    (void)state;
    assert_int_equal(quote(&found, out, 0), BERTH_DROP_BAD_ICMP);
    out[0] = 0x44;
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
    out[0] = 0x4f;
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
    out[0] = 0x55;
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
    out[0] = 0x45;
    store_be16(out + 2, 10); /* it says that it was shorter than its header */
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
    store_be16(out + 2, 27);
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_BAD_ICMP);
    store_be16(out + 2, 28);
    assert_int_equal(quote(&found, out, bytes), BERTH_DROP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(echo_identifier_is_both_ports),
        cmocka_unit_test(fragments),
        cmocka_unit_test(behind_options_and_extension_headers),
        cmocka_unit_test(chains_have_an_end),
        cmocka_unit_test(out_of_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
