/* SPDX-License-Identifier: MIT */
/*
 * Emitters: what they write is what the parser reads back, for random descriptors; and byte for
 * byte against packets that other stacks made.
 */
#include "make.h"

static void assert_same_tcp(const struct wire_tcp *a, const struct wire_tcp *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->ack, b->ack);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->urgent, b->urgent);
    assert_int_equal(a->options, b->options);
    if ((a->options & WIRE_OPTION_MSS) != 0) {
        assert_int_equal(a->mss, b->mss);
    }
    if ((a->options & WIRE_OPTION_WSCALE) != 0) {
        assert_int_equal(a->wscale, b->wscale);
    }
    if ((a->options & WIRE_OPTION_TIMESTAMPS) != 0) {
        assert_int_equal(a->tsval, b->tsval);
        assert_int_equal(a->tsecr, b->tsecr);
    }
    if ((a->options & WIRE_OPTION_SACK) != 0) {
        assert_int_equal(a->sack_count, b->sack_count);
        assert_memory_equal(a->sack, b->sack, a->sack_count * sizeof a->sack[0]);
    }
}

static void assert_same(const struct wire_packet *a, const struct wire_packet *b)
{
    assert_memory_equal(&a->source, &b->source, sizeof a->source);
    assert_memory_equal(&a->destination, &b->destination, sizeof a->destination);
    assert_int_equal(a->source_port, b->source_port);
    assert_int_equal(a->destination_port, b->destination_port);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->protocol, b->protocol);
    assert_int_equal(a->hop_limit, b->hop_limit);
    assert_int_equal(a->traffic_class, b->traffic_class);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    if (a->version == 4) {
        assert_int_equal(a->dont_fragment, b->dont_fragment);
        assert_int_equal(a->fragment_id, b->fragment_id);
    }
}

static void draw_network(uint64_t *seed, struct wire_packet *packet)
{
    packet->hop_limit = (uint8_t)draw_below(seed, 256);
    packet->traffic_class = (uint8_t)draw_below(seed, 256);
    packet->dont_fragment = draw_below(seed, 2) == 0;
    packet->fragment_id = draw_below(seed, 65536);
    packet->payload_bytes = draw_below(seed, 1500);
}

static void draw_tcp(uint64_t *seed, struct wire_packet *packet)
{
    static const uint16_t flags[] = {
        WIRE_ACK,
        WIRE_SYN,
        WIRE_SYN | WIRE_ACK,
        WIRE_RST,
        WIRE_ACK | WIRE_FIN | WIRE_PSH,
        WIRE_ACK | WIRE_URG,
        WIRE_ACK | WIRE_ECE | WIRE_CWR | WIRE_AE,
    };
    struct wire_tcp *tcp = &packet->tcp;
    uint32_t most;

    packet->source_port = (uint16_t)(1 + draw_below(seed, 65535));
    packet->destination_port = (uint16_t)(1 + draw_below(seed, 65535));
    tcp->seq = (uint32_t)draw(seed);
    tcp->ack = (uint32_t)draw(seed);
    tcp->window = (uint16_t)draw(seed);
    tcp->urgent = (uint16_t)draw(seed);
    tcp->flags = flags[draw_below(seed, 7)];
    tcp->options = (uint8_t)draw_below(seed, 32);
    tcp->mss = (uint16_t)draw(seed);
    tcp->wscale = (uint8_t)draw_below(seed, 15);
    tcp->tsval = (uint32_t)draw(seed);
    tcp->tsecr = (uint32_t)draw(seed);
    if ((tcp->flags & WIRE_SYN) != 0) {
        tcp->options &= (uint8_t)~WIRE_OPTION_SACK;
    } else {
        tcp->options &= WIRE_OPTION_SACK | WIRE_OPTION_TIMESTAMPS;
    }
    most = (tcp->options & WIRE_OPTION_TIMESTAMPS) != 0 ? 3 : 4;
    tcp->sack_count = (uint8_t)(1 + draw_below(seed, most));
    for (unsigned i = 0; i < WIRE_SACK_BLOCKS_MAX; i++) {
        tcp->sack[i] = (struct wire_sack){(uint32_t)draw(seed), (uint32_t)draw(seed)};
    }
}

/* The bytes behind the headers are the caller's. */
static void assert_stays_in_its_length(const struct wire_packet *packet)
{
    uint8_t out[BERTH_FRAME_HEADER_BYTES + 16];
    uint32_t bytes;

    memset(out, 0xee, sizeof out);
    bytes = wire_emit_tcp(out, packet);
    for (; bytes < sizeof out; bytes++) {
        assert_int_equal(out[bytes], 0xee);
    }
}

static void tcp_comes_back_as_it_went(void **state)
{
    uint64_t seed = 17;
    uint8_t payload[1500];
    uint8_t out[2000];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, WIRE_TCP);
        struct wire_packet parsed;
        uint32_t bytes;
        draw_network(&seed, &packet);
        draw_tcp(&seed, &packet);
        draw_bytes(&seed, payload, packet.payload_bytes);
        assert_stays_in_its_length(&packet);
        bytes = write_packet(out, &packet, payload, true);
        assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_same(&packet, &parsed);
        assert_same_tcp(&packet.tcp, &parsed.tcp);
        assert_int_equal(parsed.packet_bytes, bytes);
        assert_int_equal(parsed.transport_bytes, 20 + wire_tcp_option_bytes(&packet.tcp));
        assert_ptr_equal(parsed.payload, out + bytes - packet.payload_bytes);
        assert_memory_equal(parsed.payload, payload, packet.payload_bytes);
    }
}

static void udp_comes_back_as_it_went(void **state)
{
    uint64_t seed = 19;
    uint8_t payload[1500];
    uint8_t out[2000];

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, WIRE_UDP);
        struct wire_packet parsed;
        uint32_t bytes;
        draw_network(&seed, &packet);
        draw_bytes(&seed, payload, packet.payload_bytes);
        bytes = write_packet(out, &packet, payload, true);
        assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_same(&packet, &parsed);
        assert_memory_equal(parsed.payload, payload, packet.payload_bytes);
    }
}

static void icmp_comes_back_as_it_went(void **state)
{
    static const struct {
        uint8_t version, type, code;
        bool echo, mtu;
    } kinds[] = {
        {4, 8, 0, true, false},   {4, 0, 0, true, false},   {4, 3, 4, false, true},
        {4, 3, 3, false, false},  {4, 11, 0, false, false}, {4, 12, 0, false, true},
        {6, 128, 0, true, false}, {6, 129, 0, true, false}, {6, 2, 0, false, true},
        {6, 1, 4, false, false},  {6, 3, 0, false, false},  {6, 4, 1, false, true},
        {4, 11, 4, false, false}, {4, 8, 4, true, false},   {6, 1, 0, false, false},
    };
    uint64_t seed = 23;
    uint8_t payload[1500];
    uint8_t out[2000];

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned k = draw_below(&seed, sizeof kinds / sizeof kinds[0]);
        struct wire_packet packet =
            describe(kinds[k].version, kinds[k].version == 4 ? WIRE_ICMP : WIRE_ICMP6);
        struct wire_packet parsed;
        uint32_t bytes;
        draw_network(&seed, &packet);
        packet.payload_bytes += 40;
        packet.payload_bytes = min_u32(packet.payload_bytes, sizeof payload);
        draw_bytes(&seed, payload, packet.payload_bytes);
        packet.icmp = (struct wire_icmp){
            .type = kinds[k].type,
            .code = kinds[k].code,
            .identifier = (uint16_t)draw(&seed),
            .sequence = (uint16_t)draw(&seed),
            .mtu = (uint32_t)draw(&seed) & (packet.version == 6 ? 0xffffffff : 0xff),
        };
        bytes = write_packet(out, &packet, payload, true);
        assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_same(&packet, &parsed);
        assert_int_equal(parsed.icmp.type, packet.icmp.type);
        assert_int_equal(parsed.icmp.code, packet.icmp.code);
        /* A field that the type has not is written and read as 0. */
        assert_int_equal(parsed.icmp.identifier, kinds[k].echo ? packet.icmp.identifier : 0);
        assert_int_equal(parsed.icmp.sequence, kinds[k].echo ? packet.icmp.sequence : 0);
        assert_int_equal(parsed.icmp.mtu, kinds[k].mtu ? packet.icmp.mtu : 0);
        assert_true(kinds[k].echo || kinds[k].mtu || load_be32(parsed.transport + 4) == 0);
    }
}

static void fragments_come_back_as_they_went(void **state)
{
    uint64_t seed = 29;
    uint8_t out[2000];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct wire_packet packet = describe(i % 2 ? 4 : 6, WIRE_UDP);
        struct wire_packet parsed;
        uint32_t bytes;
        draw_network(&seed, &packet);
        packet.is_fragment = true;
        packet.more_fragments = draw_below(&seed, 2) == 0;
        packet.fragment_offset = (uint16_t)(8 + 8 * draw_below(&seed, 7000));
        packet.payload_bytes = 8 + (packet.payload_bytes & 0xff8);
        packet.fragment_id = i % 2 ? packet.fragment_id : (uint32_t)draw(&seed);
        bytes = wire_emit_network(out, &packet);
        assert_int_equal(bytes, i % 2 ? 20 : 48);
        memset(out + bytes, 0x55, packet.payload_bytes);
        assert_int_equal(wire_parse(&parsed, out, bytes + packet.payload_bytes, &plain),
                         BERTH_DROP_NONE);
        assert_true(parsed.is_fragment);
        assert_int_equal(parsed.more_fragments, packet.more_fragments);
        assert_int_equal(parsed.fragment_offset, packet.fragment_offset);
        assert_int_equal(parsed.fragment_id, packet.fragment_id);
        assert_int_equal(parsed.protocol, WIRE_UDP);
        assert_int_equal(parsed.network_bytes, bytes);
        assert_int_equal(parsed.payload_bytes, packet.payload_bytes);
        assert_ptr_equal(parsed.payload, out + bytes);
        assert_null(parsed.transport);
    }
}

/* Linux's SYN: mss 1460, sackOK, TS val 0x11223344 ecr 0, nop, wscale 7. */
static void syn_options_as_linux_lays_them(void **state)
{
    static const uint8_t with[] = {2,    4,    5, 0xb4, 4, 2, 8, 10, 0x11, 0x22,
                                   0x33, 0x44, 0, 0,    0, 0, 1, 3,  3,    7};
    static const uint8_t without[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
    struct wire_packet packet = describe(4, WIRE_TCP);
    uint8_t out[BERTH_FRAME_HEADER_BYTES];

    (void)state;
    packet.tcp.flags = WIRE_SYN;
    packet.tcp.options =
        WIRE_OPTION_MSS | WIRE_OPTION_SACK_PERMITTED | WIRE_OPTION_TIMESTAMPS | WIRE_OPTION_WSCALE;
    packet.tcp.mss = 1460;
    packet.tcp.wscale = 7;
    packet.tcp.tsval = 0x11223344;
    assert_int_equal(wire_emit_tcp(out, &packet), 60);
    assert_memory_equal(out + 40, with, sizeof with);
    packet.tcp.options &= (uint8_t)~WIRE_OPTION_TIMESTAMPS;
    assert_int_equal(wire_emit_tcp(out, &packet), 52);
    assert_memory_equal(out + 40, without, sizeof without);
}

/* Four blocks alone, three beside timestamps (RFC 2018 3). */
static void sack_blocks_stop_where_the_room_ends(void **state)
{
    struct wire_packet packet = describe(6, WIRE_TCP);

    (void)state;
    packet.tcp.options = WIRE_OPTION_SACK;
    packet.tcp.sack_count = 4;
    assert_int_equal(wire_tcp_option_bytes(&packet.tcp), 36);
    packet.tcp.options |= WIRE_OPTION_TIMESTAMPS;
    assert_int_equal(wire_tcp_option_bytes(&packet.tcp), 40);
    packet.tcp.sack_count = 0;
    assert_int_equal(wire_tcp_option_bytes(&packet.tcp), 12);
}

/* The lengths' fields hold 16 bits: IPv4's counts its own header, IPv6's does not. */
static void the_longest_packets(void **state)
{
    static uint8_t out[66000];
    static const uint8_t payload[66000];

    (void)state;
    for (uint8_t version = 4; version <= 6; version += 2) {
        struct wire_packet packet = describe(version, WIRE_TCP);
        struct wire_packet parsed;
        uint32_t bytes;
        packet.payload_bytes = version == 4 ? 65535 - 40 : 65535 - 20;
        bytes = write_packet(out, &packet, payload, true);
        assert_int_equal(wire_parse(&parsed, out, bytes, &plain), BERTH_DROP_NONE);
        assert_int_equal(parsed.payload_bytes, packet.payload_bytes);
    }
}

/* The field of a partial checksum: the pseudo header's sum, folded, not complemented. */
static void partial_checksum_is_the_pseudo_sum(void **state)
{
    struct wire_packet packet = describe(4, WIRE_TCP);
    uint8_t out[BERTH_FRAME_HEADER_BYTES];
    uint8_t pseudo[12] = {10, 0, 2, 100, 192, 0, 2, 7, 0, 6};
    uint16_t expected;

    (void)state;
    packet.payload_bytes = 1000;
    store_be16(pseudo + 10, 1020);
    expected = wire_sum_fold(wire_sum_scalar(0, pseudo, sizeof pseudo));
    assert_int_equal(wire_emit_tcp(out, &packet), 40);
    assert_memory_equal(out + 36, &expected, 2);
    assert_int_equal(wire_sum_place(&packet, 40).start, 20);
    assert_int_equal(wire_sum_place(&packet, 40).offset, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_comes_back_as_it_went),
        cmocka_unit_test(udp_comes_back_as_it_went),
        cmocka_unit_test(icmp_comes_back_as_it_went),
        cmocka_unit_test(fragments_come_back_as_they_went),
        cmocka_unit_test(syn_options_as_linux_lays_them),
        cmocka_unit_test(sack_blocks_stop_where_the_room_ends),
        cmocka_unit_test(the_longest_packets),
        cmocka_unit_test(partial_checksum_is_the_pseudo_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
