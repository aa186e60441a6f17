/* SPDX-License-Identifier: MIT */
/*
 * The ICMP messages made: what they say, whom they quote, and when none is made.
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

static const struct fixture_ends ends4 = {"192.0.2.1", "10.0.2.2", 1000, 2000};
static const struct fixture_ends ends6 = {"2001:db8::1", "fd00::2", 1000, 2000};
static const struct fixture_ends far4 = {"192.0.2.1", "203.0.113.9", 1000, 2000};

/* The one packet in the outbox, parsed; its buffer. */
static struct berth_buffer *take(struct fixture *f, struct wire_packet *out)
{
    struct berth_buffer *buffer = outbox_next(&f->outbox);

    assert_non_null(buffer);
    assert_int_equal(f->outbox.count, 0);
    assert_int_equal(buffer->offload.checksum_partial, 0); /* ICMP's are always complete */
    fixture_parse(out, buffer);
    return buffer;
}

static void expect_from(const struct wire_packet *packet, const char *from, const char *to)
{
    struct berth_address source = address_of(from);
    struct berth_address destination = address_of(to);

    assert_true(berth_address_is_equal(&packet->source, &source));
    assert_true(berth_address_is_equal(&packet->destination, &destination));
}

static void unreachable_says_the_reason_and_quotes(void **state)
{
    static const uint8_t codes[2][4] = {{0, 1, 3, 13}, {0, 3, 4, 1}};
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 8; i++) {
        bool is_v6 = i >= 4;
        const struct fixture_ends *ends = is_v6 ? &ends6 : &ends4;
        struct wire_packet packet;
        struct wire_packet answer;
        struct wire_quote quote;
        struct berth_buffer *buffer = fixture_udp(f, ends, 100, &packet);
        struct berth_buffer *reply;

        ip_send_unreachable(&f->ip, &packet, (enum berth_unreachable)(i % 4), 0);
        reply = take(f, &answer);
        expect_from(&answer, ends->to, ends->from);
        assert_int_equal(answer.icmp.type, is_v6 ? 1 : 3);
        assert_int_equal(answer.icmp.code, codes[is_v6][i % 4]);
        assert_int_equal(answer.payload_bytes, packet.packet_bytes);
        assert_memory_equal(answer.payload, packet.packet, packet.packet_bytes);
        assert_int_equal(wire_parse_quote(&quote, answer.payload, answer.payload_bytes),
                         BERTH_DROP_NONE);
        assert_int_equal(quote.source_port, 1000);
        assert_int_equal(quote.destination_port, 2000);
        buffers_put(&f->buffers, reply);
        buffers_put(&f->buffers, buffer);
    }
}

static void quote_is_cut_to_what_every_host_takes(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet;
    struct wire_packet answer;
    struct berth_buffer *buffer = fixture_udp(f, &ends4, 1400, &packet);
    struct berth_buffer *reply;

    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 0);
    reply = take(f, &answer);
    assert_int_equal(answer.packet_bytes, 576); /* RFC 1812 4.3.2.3 */
    buffers_put(&f->buffers, reply);
    buffers_put(&f->buffers, buffer);
    buffer = fixture_udp(f, &ends6, 1400, &packet);
    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 0);
    reply = take(f, &answer);
    assert_int_equal(answer.packet_bytes, 1280); /* RFC 4443 2.4 c */
    buffers_put(&f->buffers, reply);
    buffers_put(&f->buffers, buffer);
}

static void gateway_speaks_for_itself_but_not_of_ports(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet;
    struct wire_packet answer;
    struct berth_buffer *buffer = fixture_udp(f, &far4, 10, &packet);
    struct berth_buffer *reply;

    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PROHIBITED, 0);
    reply = take(f, &answer);
    expect_from(&answer, "10.0.2.2", "192.0.2.1");
    buffers_put(&f->buffers, reply);
    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 0);
    reply = take(f, &answer);
    expect_from(&answer, "203.0.113.9", "192.0.2.1");
    buffers_put(&f->buffers, reply);
    buffers_put(&f->buffers, buffer);
}

static void nothing_answers_errors_and_groups(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet;
    struct berth_buffer *buffer = fixture_udp(f, &ends4, 10, &packet);
    struct wire_packet changed = packet;

    changed.destination = address_of("224.0.0.1");
    ip_send_unreachable(&f->ip, &changed, BERTH_UNREACHABLE_PORT, 0);
    changed.destination = address_of("10.0.2.255");
    ip_send_unreachable(&f->ip, &changed, BERTH_UNREACHABLE_PORT, 0);
    changed = packet;
    changed.source = address_of("10.0.2.255");
    ip_send_unreachable(&f->ip, &changed, BERTH_UNREACHABLE_PORT, 0);
    changed = packet;
    changed.protocol = WIRE_ICMP;
    for (uint32_t type = 0; type < 20; type++) {
        changed.icmp.type = (uint8_t)type;
        if (icmp_is_error(4, (uint8_t)type)) {
            ip_send_unreachable(&f->ip, &changed, BERTH_UNREACHABLE_PORT, 0);
        }
    }
    assert_int_equal(f->outbox.count, 0);
    changed.icmp.type = ICMP4_ECHO_REQUEST; /* asks, and may be told */
    ip_send_unreachable(&f->ip, &changed, BERTH_UNREACHABLE_PROHIBITED, 0);
    assert_int_equal(f->outbox.count, 1);
    buffers_put(&f->buffers, buffer);
}

static void unknown_protocols_are_named_by_place(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet;
    struct wire_packet answer;
    struct berth_buffer *buffer = fixture_udp(f, &ends4, 10, &packet);
    struct berth_buffer *reply;
    uint8_t *at;

    ip_send_protocol_unreachable(&f->ip, &packet, 0);
    reply = take(f, &answer);
    assert_int_equal(answer.icmp.type, 3);
    assert_int_equal(answer.icmp.code, 2);
    buffers_put(&f->buffers, reply);
    buffers_put(&f->buffers, buffer);

    buffer = fixture_udp(f, &ends6, 10, &packet);
    ip_send_protocol_unreachable(&f->ip, &packet, 0);
    reply = take(f, &answer);
    assert_int_equal(answer.icmp.type, 4);
    assert_int_equal(answer.icmp.code, 1);
    assert_int_equal(answer.icmp.mtu, 6); /* the IPv6 header's own field */
    buffers_put(&f->buffers, reply);

    /* With destination options of 8 bytes in front, whose first byte names the next. */
    at = packet.packet;
    memmove(at + 48, at + 40, packet.packet_bytes - 40);
    at[6] = 60;
    memcpy(at + 40, (const uint8_t[]){253, 0, 1, 4, 0, 0, 0, 0}, 8);
    store_be16(at + 4, (uint16_t)(packet.packet_bytes - 40 + 8));
    buffer->bytes += 8;
    fixture_parse(&packet, buffer);
    assert_int_equal(packet.protocol, 253);
    ip_send_protocol_unreachable(&f->ip, &packet, 0);
    reply = take(f, &answer);
    assert_int_equal(answer.icmp.mtu, 40);
    buffers_put(&f->buffers, reply);
    buffers_put(&f->buffers, buffer);
}

static void quotes_are_made_of_what_is_known(void **state)
{
    struct fixture *f = *state;
    struct wire_packet answer;
    struct wire_quote got;
    struct wire_quote quotes[] = {
        {.protocol = WIRE_UDP, .source_port = 53, .destination_port = 99},
        {.protocol = WIRE_TCP, .source_port = 1, .destination_port = 2, .tcp_seq = 0x12345678},
        {.protocol = WIRE_ICMP, .source_port = 7, .destination_port = 7, .echo_sequence = 9},
    };

    for (uint32_t i = 0; i < 6; i++) {
        struct wire_quote quote = quotes[i % 3];
        struct berth_buffer *reply;

        quote.source = address_of(i < 3 ? "192.0.2.1" : "2001:db8::1");
        quote.destination = address_of(i < 3 ? "10.0.2.2" : "fd00::2");
        quote.protocol = i == 5 ? WIRE_ICMP6 : quote.protocol;
        ip_send_unreachable_quote(&f->ip, &quote, BERTH_UNREACHABLE_HOST, 0);
        reply = take(f, &answer);
        assert_int_equal(answer.icmp.type, i < 3 ? 3 : 1);
        assert_int_equal(answer.icmp.code, i < 3 ? 1 : 3);
        assert_int_equal(wire_parse_quote(&got, answer.payload, answer.payload_bytes),
                         BERTH_DROP_NONE);
        assert_int_equal(got.protocol, quote.protocol);
        assert_int_equal(got.source_port, quote.source_port);
        assert_int_equal(got.destination_port, quote.destination_port);
        assert_int_equal(got.tcp_seq, quote.tcp_seq);
        assert_int_equal(got.echo_sequence, quote.echo_sequence);
        assert_true(berth_address_is_equal(&got.source, &quote.source));
        buffers_put(&f->buffers, reply);
    }
}

/* An echo request of BYTES of data, in a buffer of its own. */
static struct berth_buffer *echo_request(struct fixture *f, uint8_t version, uint32_t bytes,
                                         struct wire_packet *out)
{
    struct berth_buffer *buffer = buffers_get(&f->buffers);
    struct wire_packet packet = {
        .source = address_of(version == 4 ? ends4.from : ends6.from),
        .destination = address_of(version == 4 ? ends4.to : ends6.to),
        .version = version,
        .protocol = version == 4 ? WIRE_ICMP : WIRE_ICMP6,
        .hop_limit = 3,
        .traffic_class = 0x20,
        .payload_bytes = bytes,
        .icmp = {.type = version == 4 ? 8 : 128, .identifier = 0x4711, .sequence = 5},
    };
    uint32_t header_bytes = wire_emit_icmp(buffer->data + buffer->begin, &packet);
    struct wire_sum_place place = wire_sum_place(&packet, header_bytes);
    struct berth_view view = {buffer->data + buffer->begin, header_bytes + bytes};

    fixture_pattern(buffer->data + buffer->begin + header_bytes, bytes);
    wire_finish(&view, 1, &place);
    buffer->bytes = header_bytes + bytes;
    fixture_parse(out, buffer);
    return buffer;
}

static void echo_is_answered_in_its_own_buffer(void **state)
{
    struct fixture *f = *state;

    for (uint8_t version = 4; version <= 6; version += 2) {
        uint8_t data[56];
        struct wire_packet request;
        struct wire_packet answer;
        struct berth_buffer *buffer = echo_request(f, version, sizeof data, &request);
        struct berth_buffer *reply;

        memcpy(data, request.payload, sizeof data);
        ip_echo_reply(&f->ip, &request, buffer, 0);
        reply = take(f, &answer);
        assert_ptr_equal(reply, buffer);
        assert_int_equal(answer.icmp.type, version == 4 ? 0 : 129);
        assert_int_equal(answer.icmp.identifier, 0x4711);
        assert_int_equal(answer.icmp.sequence, 5);
        assert_int_equal(answer.hop_limit, 64);
        assert_int_equal(answer.traffic_class, 0x20);
        assert_int_equal(answer.payload_bytes, sizeof data);
        assert_memory_equal(answer.payload, data, sizeof data);
        buffers_put(&f->buffers, reply);
    }
}

/* A bucket of one second's worth, then so many per second. */
static void messages_are_rate_limited(void **state)
{
    struct fixture *f = *state;
    struct wire_packet packet;
    struct berth_buffer *buffer = fixture_udp(f, &ends4, 10, &packet);
    uint32_t made = 0;

    f->ip.limits.icmp_per_second = 10;
    for (uint32_t i = 0; i < 100; i++) {
        ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, NS_PER_S);
    }
    assert_int_equal(f->outbox.count, 10);
    assert_int_equal(f->stats.drops[BERTH_DROP_REPLY_LIMIT], 90);
    for (uint32_t i = 0; i < 100; i++) { /* one second more, 10 ms each */
        ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT,
                            NS_PER_S + (i + 1) * 10 * NS_PER_MS);
    }
    made = f->outbox.count - 10;
    assert_int_equal(made, 10);
    f->ip.limits.icmp_per_second = 0;
    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 100 * NS_PER_S);
    assert_int_equal(f->outbox.count, 20);
    buffers_put(&f->buffers, buffer);
}

static void full_outbox_and_empty_pool_make_nothing(void **state)
{
    struct fixture *f = *state;
    struct berth_buffer *taken[FIXTURE_BUFFERS];
    struct wire_packet packet;
    struct berth_buffer *buffer = fixture_udp(f, &ends4, 10, &packet);
    uint32_t count = 0;

    for (uint32_t i = 0; i < 70; i++) { /* the outbox holds 64 replies */
        ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 0);
    }
    assert_int_equal(f->outbox.count, 64);
    assert_int_equal(f->stats.drops[BERTH_DROP_REPLY_LIMIT], 6);
    while (f->outbox.count > 0) {
        buffers_put(&f->buffers, outbox_next(&f->outbox));
    }
    while (f->buffers.free > 0) {
        taken[count++] = buffers_get(&f->buffers);
    }
    ip_send_unreachable(&f->ip, &packet, BERTH_UNREACHABLE_PORT, 0);
    assert_int_equal(f->outbox.count, 0);
    assert_int_equal(f->stats.drops[BERTH_DROP_REPLY_LIMIT], 7);
    while (count > 0) {
        buffers_put(&f->buffers, taken[--count]);
    }
    buffers_put(&f->buffers, buffer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unreachable_says_the_reason_and_quotes),
        TEST(quote_is_cut_to_what_every_host_takes),
        TEST(gateway_speaks_for_itself_but_not_of_ports),
        TEST(nothing_answers_errors_and_groups),
        TEST(unknown_protocols_are_named_by_place),
        TEST(quotes_are_made_of_what_is_known),
        TEST(echo_is_answered_in_its_own_buffer),
        TEST(messages_are_rate_limited),
        TEST(full_outbox_and_empty_pool_make_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
