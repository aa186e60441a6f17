/* SPDX-License-Identifier: MIT */
/*
 * Pings and ICMP errors at a stack that stands for the whole network.
 */
#include "gate.h"

static const struct ends ping4 = {"10.0.2.100", "8.8.8.8", 77, 77};
static const struct ends ping6 = {"fd00::100", "2001:db8::8", 77, 77};
static const struct ends ping_gateway = {"10.0.2.100", "10.0.2.2", 77, 77};

static void ping_is_held_answered_or_refused(void **state)
{
    struct gate *gate = *state;

    for (int v6 = 0; v6 < 2; v6++) {
        const struct ends *ends = v6 != 0 ? &ping6 : &ping4;
        struct berth_udp_send send = {.bytes = 56};
        struct berth_address from = address_of(ends->to);
        struct berth_datagram got;
        struct berth_view room;
        struct wire_packet packet;
        berth_id id;

        put_echo(gate, ends, 1);
        put_echo(gate, ends, 2);
        id = expect_held(gate, BERTH_ICMP);
        assert_int_equal(berth_held_accept(gate->berth, id, NULL), BERTH_OK);
        for (uint16_t sequence = 1; sequence <= 2; sequence++) {
            assert_int_equal(berth_udp_peek(gate->berth, id, &got), BERTH_OK);
            assert_int_equal(got.echo_sequence, sequence);
            assert_int_equal(got.local.port, 77);
            assert_int_equal(got.payload.bytes, 56);
            assert_int_equal(berth_udp_reserve(gate->berth, id, 56, &room), BERTH_OK);
            memcpy(room.data, got.payload.data, 56);
            send.echo_sequence = sequence;
            assert_int_equal(berth_udp_commit(gate->berth, id, &send), BERTH_OK);
            assert_int_equal(berth_udp_consume(gate->berth, id), BERTH_OK);
            assert_true(take(gate, &packet));
            assert_int_equal(packet.icmp.type, v6 != 0 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY);
            assert_int_equal(packet.icmp.identifier, 77);
            assert_int_equal(packet.icmp.sequence, sequence);
            assert_true(berth_address_is_equal(&packet.source, &from));
            assert_int_equal(packet.payload[0], sequence);
        }
        put_echo(gate, ends, 3);
        assert_int_equal(berth_udp_peek(gate->berth, id, &got), BERTH_OK);
        assert_int_equal(berth_udp_unreachable(gate->berth, id, BERTH_UNREACHABLE_HOST), BERTH_OK);
        expect_error(gate, v6 != 0 ? 1 : 3, v6 != 0 ? 3 : 1, ends);
        assert_int_equal(berth_udp_close(gate->berth, id), BERTH_OK);
    }
}

static void gateways_own_echo_is_held_too(void **state)
{
    struct gate *gate = *state;
    struct berth_event event;
    berth_id id;

    rules(gate, "allow out any");
    put_echo(gate, &ping_gateway, 1); /* the host is not matched by a rule that names nobody */
    expect_error(gate, 3, 13, &ping_gateway);
    assert_false(berth_next_event(gate->berth, &event));
    rules(gate, "allow out icmp to host");
    put_echo(gate, &ping_gateway, 1);
    id = expect_held(gate, BERTH_ICMP);
    assert_int_equal(berth_held_refuse(gate->berth, id), BERTH_OK);
    expect_error(gate, 3, 3, &ping_gateway);
}

static void without_an_owner_only_own_addresses_answer(void **state)
{
    struct gate *gate = *state;
    struct wire_packet packet;

    berth_intercept(gate->berth, false);
    rules(gate, "allow out icmp to any\nallow out icmp to host");
    put_echo(gate, &ping_gateway, 9);
    assert_true(take(gate, &packet));
    assert_int_equal(packet.icmp.type, ICMP4_ECHO_REPLY);
    assert_int_equal(packet.icmp.sequence, 9);
    put_echo(gate, &ping4, 9);
    assert_false(take(gate, &packet));
    assert_int_equal(drops(gate, BERTH_DROP_NOT_OURS), 1);
    rules(gate, "deny out icmp to host");
    put_echo(gate, &ping_gateway, 10);
    expect_error(gate, 3, 13, &ping_gateway);
}

/* ---- ICMP that nobody asked for -------------------------------------------------------------- */

static void put_icmp(struct gate *gate, const struct ends *ends, uint8_t type, uint8_t code)
{
    struct wire_packet packet = between(ends);

    packet.protocol = packet.version == 4 ? WIRE_ICMP : WIRE_ICMP6;
    packet.icmp.type = type;
    packet.icmp.code = code;
    put(gate, &packet, 48, 0);
}

static void idle_messages_are_dropped(void **state)
{
    static const struct ends solicit = {"fd00::100", "fd00::2", 0, 0};
    static const struct ends router = {"fd00::100", "ff02::2", 0, 0};
    struct gate *gate = *state;
    struct wire_packet packet;

    put_icmp(gate, &ping4, ICMP4_ECHO_REPLY, 0);
    put_icmp(gate, &ping6, ICMP6_ECHO_REPLY, 0);
    put_icmp(gate, &ping4, 13, 0);    /* timestamp */
    put_icmp(gate, &solicit, 135, 0); /* neighbour solicitation */
    assert_int_equal(drops(gate, BERTH_DROP_NO_ECHO), 4);
    put_icmp(gate, &router, 133, 0);
    assert_int_equal(drops(gate, BERTH_DROP_MULTICAST), 1);
    assert_false(take(gate, &packet));
}

/* An ICMP error from the guest, of TYPE and CODE, about what ENDS' far end sent to the guest. */
static void put_error(struct gate *gate, const struct ends *ends, uint8_t type, uint8_t code)
{
    struct wire_packet packet = between(ends);
    struct wire_packet about = {
        .source = packet.destination,
        .destination = packet.source,
        .source_port = ends->to_port,
        .destination_port = ends->from_port,
        .version = packet.version,
        .hop_limit = 60,
    };
    struct berth_buffer *buffer = berth_buffer_get(gate->berth);
    uint8_t quoted[BERTH_FRAME_HEADER_BYTES];
    uint32_t quoted_bytes = wire_emit_udp(quoted, &about);
    uint32_t header_bytes;
    struct wire_sum_place place;
    struct berth_view view;

    packet.protocol = packet.version == 4 ? WIRE_ICMP : WIRE_ICMP6;
    packet.icmp.type = type;
    packet.icmp.code = code;
    packet.hop_limit = 64;
    packet.payload_bytes = quoted_bytes;
    header_bytes = wire_emit_icmp(buffer->data + buffer->begin, &packet);
    memcpy(buffer->data + buffer->begin + header_bytes, quoted, quoted_bytes);
    buffer->bytes = header_bytes + quoted_bytes;
    place = wire_sum_place(&packet, header_bytes);
    view = (struct berth_view){buffer->data + buffer->begin, buffer->bytes};
    wire_finish(&view, 1, &place);
    berth_receive(gate->berth, buffer, gate->now_ns);
}

static void errors_find_their_socket(void **state)
{
    static const struct {
        uint8_t version;
        uint8_t type;
        uint8_t code;
        int error;
    } cases[] = {
        {4, 3, 0, BERTH_E_NET_UNREACHABLE},
        {4, 3, 1, BERTH_E_HOST_UNREACHABLE},
        {4, 3, 2, BERTH_E_REFUSED},
        {4, 3, 3, BERTH_E_REFUSED},
        {4, 3, 4, BERTH_E_TOO_LONG},
        {4, 3, 13, BERTH_E_PROHIBITED},
        {4, 11, 0, BERTH_E_HOST_UNREACHABLE},
        {4, 4, 0, BERTH_E_AGAIN}, /* RFC 6633 */
        {4, 5, 1, BERTH_E_AGAIN},
        {6, 1, 0, BERTH_E_NET_UNREACHABLE},
        {6, 1, 1, BERTH_E_PROHIBITED},
        {6, 1, 3, BERTH_E_HOST_UNREACHABLE},
        {6, 1, 4, BERTH_E_REFUSED},
        {6, 2, 0, BERTH_E_TOO_LONG},
        {6, 3, 0, BERTH_E_HOST_UNREACHABLE},
        {6, 4, 1, BERTH_E_REFUSED},
    };
    struct gate *gate = *state;
    struct berth_datagram got;
    struct berth_event event;
    berth_id ids[2];

    for (int v6 = 0; v6 < 2; v6++) {
        put_udp(gate, v6 != 0 ? &dns6 : &dns4, 10, 1);
        ids[v6] = expect_held(gate, BERTH_UDP);
        /* Held: it has sent nothing that could fail. */
        put_error(gate, v6 != 0 ? &dns6 : &dns4, v6 != 0 ? 1 : 3, 0);
        assert_int_equal(berth_held_accept(gate->berth, ids[v6], NULL), BERTH_OK);
        expect_datagram(gate, ids[v6], 10, 1);
        assert_true(berth_next_event(gate->berth, &event));
        assert_true(event.id == ids[v6] && event.bits == BERTH_EVENT_READABLE);
    }
    assert_int_equal(drops(gate, BERTH_DROP_NO_CONNECTION), 2);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool v6 = cases[i].version == 6;

        put_error(gate, v6 ? &dns6 : &dns4, cases[i].type, cases[i].code);
        assert_int_equal(berth_udp_peek(gate->berth, ids[v6], &got), cases[i].error);
        assert_int_equal(berth_udp_peek(gate->berth, ids[v6], &got), BERTH_E_AGAIN);
    }
    assert_int_equal(berth_udp_close(gate->berth, ids[0]), BERTH_OK);
    assert_int_equal(berth_udp_close(gate->berth, ids[1]), BERTH_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ping_is_held_answered_or_refused),
        TEST(gateways_own_echo_is_held_too),
        TEST(without_an_owner_only_own_addresses_answer),
        TEST(idle_messages_are_dropped),
        TEST(errors_find_their_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
