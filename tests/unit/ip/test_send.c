/* SPDX-License-Identifier: MIT */
/*
 * What ip_send puts into the outbox: whole packets, fragments that reassemble to them, pieces of
 * super-datagrams, offload facts.
 */
#include "tests/unit/ip/fixture.h"

static int setup(void **state)
{
    struct ip_limits limits = fixture_limits();

    *state = fixture_new(&limits);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct wire_packet description(uint8_t version, uint32_t payload_bytes)
{
    return (struct wire_packet){
        .source = address_of(version == 4 ? "10.0.2.2" : "fd00::2"),
        .destination = address_of(version == 4 ? "192.0.2.1" : "2001:db8::1"),
        .source_port = 1000,
        .destination_port = 2000,
        .version = version,
        .protocol = WIRE_UDP,
        .hop_limit = 64,
        .transport_bytes = 8,
        .payload_bytes = payload_bytes,
    };
}

/* A UDP header and payload with a partial checksum, as ip_send wants it. */
static struct berth_buffer *datagram(struct fixture *f, const struct wire_packet *packet)
{
    struct berth_buffer *buffer = buffers_get(&f->buffers);
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint32_t header_bytes = wire_emit_udp(header, packet);

    fixture_pattern(buffer->data + buffer->begin, packet->payload_bytes);
    buffer->begin -= 8;
    memcpy(buffer->data + buffer->begin, header + header_bytes - 8, 8);
    buffer->bytes = 8 + packet->payload_bytes;
    buffer->offload.checksum_partial = 1;
    buffer->offload.checksum_offset = 6;
    return buffer;
}

static void expect_payload(const struct wire_packet *packet, const uint8_t *expected,
                           uint32_t bytes)
{
    assert_int_equal(packet->source_port, 1000);
    assert_int_equal(packet->destination_port, 2000);
    assert_int_equal(packet->payload_bytes, bytes);
    assert_memory_equal(packet->payload, expected, bytes);
}

static void small_ones_go_whole_and_finished(void **state)
{
    struct fixture *f = *state;
    uint8_t expected[1472];

    fixture_pattern(expected, sizeof expected);
    for (uint8_t version = 4; version <= 6; version += 2) {
        struct wire_packet packet = description(version, version == 4 ? 1472 : 1452);
        struct wire_packet sent;
        struct berth_buffer *buffer;

        ip_send(&f->ip, &packet, datagram(f, &packet));
        assert_int_equal(f->outbox.count, 1);
        buffer = outbox_next(&f->outbox);
        assert_int_equal(buffer->bytes, 1500);
        assert_int_equal(buffer->offload.checksum_partial, 0);
        fixture_parse(&sent, buffer);
        expect_payload(&sent, expected, packet.payload_bytes);
        assert_int_equal(sent.hop_limit, 64);
        buffers_put(&f->buffers, buffer);
    }
}

static void checksum_is_left_to_a_link_that_does_it(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet = description(6, 100);
    struct wire_packet sent;
    struct berth_buffer *buffer;
    struct berth_view view;
    struct wire_sum_place place;

    f->ip.limits.offloads = BERTH_LINK_CHECKSUM;
    ip_send(&f->ip, &packet, datagram(f, &packet));
    buffer = outbox_next(&f->outbox);
    assert_int_equal(buffer->offload.checksum_partial, 1);
    assert_int_equal(buffer->offload.checksum_start, 40);
    assert_int_equal(buffer->offload.checksum_offset, 6);
    /* As the link does it. */
    view = (struct berth_view){buffer->data + buffer->begin, buffer->bytes};
    place = (struct wire_sum_place){40, 6};
    wire_finish(&view, 1, &place);
    buffer->offload.checksum_partial = 0;
    fixture_parse(&sent, buffer);
    buffers_put(&f->buffers, buffer);
}

/* Fragments as they leave are fragments that a host can take, and reassemble to what was sent. */
static void large_ones_go_in_fragments(void **state)
{
    static const uint32_t sizes[] = {1473, 1480, 3000, 4096, 65507};
    struct fixture *f = *state;
    static uint8_t expected[65507];

    fixture_pattern(expected, sizeof expected);
    for (uint32_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        uint8_t version = i % 2 == 0 ? 4 : 6;
        struct wire_packet packet = description(version, sizes[i / 2]);
        struct berth_buffer *whole = NULL;
        struct berth_buffer *buffer;
        uint32_t count = ip_packet_count(&f->ip, &packet.destination, 8 + packet.payload_bytes, 0);
        uint64_t ids = 0;

        f->ip.limits.offloads = i % 3 == 0 ? BERTH_LINK_CHECKSUM : 0;
        assert_true(count > 1);
        ip_send(&f->ip, &packet, datagram(f, &packet));
        assert_int_equal(f->outbox.count, count);
        while ((buffer = outbox_next(&f->outbox)) != NULL) {
            struct wire_packet piece;

            assert_true(buffer->bytes <= 1500);
            assert_int_equal(buffer->offload.checksum_partial, 0);
            fixture_parse(&piece, buffer);
            assert_true(piece.is_fragment);
            assert_true(version == 6 || !piece.dont_fragment);
            assert_true(ids == 0 || ids == piece.fragment_id + UINT64_C(1));
            ids = piece.fragment_id + UINT64_C(1);
            assert_null(whole);
            whole = ip_reassemble(&f->ip, &piece, buffer, 0);
        }
        assert_non_null(whole);
        fixture_parse(&packet, whole);
        expect_payload(&packet, expected, sizes[i / 2]);
        buffers_put(&f->buffers, whole);
    }
}

static void ids_differ_from_packet_to_packet(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet = description(4, 10);
    uint32_t same = 0;
    uint32_t last = 0;

    for (uint32_t i = 0; i < 100; i++) {
        struct wire_packet sent;
        struct berth_buffer *buffer;

        ip_send(&f->ip, &packet, datagram(f, &packet));
        buffer = outbox_next(&f->outbox);
        fixture_parse(&sent, buffer);
        same += sent.fragment_id == last || sent.fragment_id == last + 1;
        last = sent.fragment_id;
        buffers_put(&f->buffers, buffer);
    }
    assert_true(same < 3);
}

static void whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet = description(4, 65507);
    struct berth_buffer *taken[FIXTURE_BUFFERS];
    uint32_t count = 0;

    /* 45 fragments: too few buffers. */
    while (f->buffers.free > 45) {
        taken[count++] = buffers_get(&f->buffers);
    }
    ip_send(&f->ip, &packet, datagram(f, &packet));
    assert_int_equal(f->outbox.count, 0);
    assert_int_equal(f->stats.drops[BERTH_DROP_REPLY_LIMIT], 1);
    assert_int_equal(f->buffers.free, 45);
    while (count > 0) {
        buffers_put(&f->buffers, taken[--count]);
    }
    /* Two fit the outbox (128 packets), a third does not. */
    for (uint32_t i = 0; i < 3; i++) {
        ip_send(&f->ip, &packet, datagram(f, &packet));
    }
    assert_int_equal(f->outbox.count, 90);
    assert_int_equal(f->stats.drops[BERTH_DROP_REPLY_LIMIT], 2);
}

static struct berth_buffer *super_datagram(struct fixture *f, const struct wire_packet *packet,
                                           uint16_t segment_bytes)
{
    struct berth_buffer *buffer = datagram(f, packet);

    buffer->offload.segment_kind = BERTH_SEGMENT_UDP;
    buffer->offload.segment_bytes = segment_bytes;
    return buffer;
}

static void super_datagrams_pass_to_a_link_that_cuts(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet = description(4, 10000);
    struct berth_buffer *buffer;

    f->ip.limits.offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_USO;
    ip_send(&f->ip, &packet, super_datagram(f, &packet, 1200));
    assert_int_equal(f->outbox.count, 1);
    buffer = outbox_next(&f->outbox);
    assert_int_equal(buffer->bytes, 10028);
    assert_int_equal(buffer->offload.segment_kind, BERTH_SEGMENT_UDP);
    assert_int_equal(buffer->offload.segment_bytes, 1200);
    assert_int_equal(buffer->offload.header_bytes, 28);
    assert_int_equal(buffer->offload.checksum_start, 20);
    assert_int_equal(buffer->offload.checksum_partial, 1);
    fixture_parse(&packet, buffer);
    assert_int_equal(packet.segment_bytes, 1200);
    buffers_put(&f->buffers, buffer);
}

static void super_datagrams_are_cut_for_others(void **state)
{
    struct fixture *f = *state;
    static uint8_t expected[10000];

    fixture_pattern(expected, sizeof expected);
    for (uint32_t i = 0; i < 4; i++) {
        struct wire_packet packet = description(i % 2 == 0 ? 4 : 6, 10000);
        uint32_t done = 0;
        struct berth_buffer *buffer;

        f->ip.limits.offloads = i < 2 ? BERTH_LINK_CHECKSUM : 0;
        ip_send(&f->ip, &packet, super_datagram(f, &packet, 1200));
        assert_int_equal(f->outbox.count, 9);
        while ((buffer = outbox_next(&f->outbox)) != NULL) {
            assert_int_equal(buffer->offload.segment_kind, BERTH_SEGMENT_NONE);
            fixture_parse(&packet, buffer);
            expect_payload(&packet, expected + done, done < 9600 ? 1200 : 400);
            done += packet.payload_bytes;
            buffers_put(&f->buffers, buffer);
        }
        assert_int_equal(done, 10000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_ones_go_whole_and_finished),
        TEST(checksum_is_left_to_a_link_that_does_it),
        TEST(large_ones_go_in_fragments),
        TEST(ids_differ_from_packet_to_packet),
        TEST(whole_or_not_at_all),
        TEST(super_datagrams_pass_to_a_link_that_cuts),
        TEST(super_datagrams_are_cut_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
