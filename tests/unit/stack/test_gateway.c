/* SPDX-License-Identifier: MIT */
/*
 * UDP at a stack that stands for the whole network: held, decided on, limited.
 */
#include "gate.h"

static void first_datagram_is_held_and_the_next_wait_with_it(void **state)
{
    struct gate *gate = *state;

    for (int v6 = 0; v6 < 2; v6++) {
        const struct ends *ends = v6 != 0 ? &dns6 : &dns4;
        struct berth_event event;
        struct berth_datagram got;
        struct wire_packet packet;
        struct berth_address from = address_of(ends->to);
        berth_id id;

        put_udp(gate, ends, 30, 1);
        put_udp(gate, ends, 31, 2);
        id = expect_held(gate, BERTH_UDP);
        assert_int_equal(berth_udp_peek(gate->berth, id, &got), BERTH_E_STATE);
        put_udp(gate, ends, 32, 3);
        assert_false(berth_next_event(gate->berth, &event));
        assert_int_equal(berth_held_accept(gate->berth, id, gate), BERTH_OK);
        assert_true(berth_next_event(gate->berth, &event));
        assert_true(event.id == id && event.user == gate && event.bits == BERTH_EVENT_READABLE);
        for (uint8_t i = 0; i < 3; i++) {
            expect_datagram(gate, id, 30U + i, (uint8_t)(1 + i));
        }
        assert_int_equal(berth_held_drop(gate->berth, id), BERTH_E_STATE);
        assert_int_equal(berth_udp_write(gate->berth, id, NULL, "answer", 6), BERTH_OK);
        assert_true(take(gate, &packet));
        assert_true(berth_address_is_equal(&packet.source, &from));
        assert_int_equal(packet.source_port, 53);
        assert_int_equal(packet.destination_port, 5000);
        assert_memory_equal(packet.payload, "answer", 6);
        assert_int_equal(berth_udp_close(gate->berth, id), BERTH_OK);
    }
}

static void owner_may_refuse_reject_or_drop(void **state)
{
    static const struct {
        int reason;
        uint8_t code4;
        uint8_t code6;
    } cases[] = {{BERTH_UNREACHABLE_NETWORK, 0, 0},
                 {BERTH_UNREACHABLE_HOST, 1, 3},
                 {BERTH_UNREACHABLE_PORT, 3, 4},
                 {BERTH_UNREACHABLE_PROHIBITED, 13, 1}};
    struct gate *gate = *state;
    struct wire_packet packet;

    for (uint32_t i = 0; i < 8; i++) {
        bool v6 = i % 2 != 0;
        const struct ends *ends = v6 ? &dns6 : &dns4;
        berth_id id;

        put_udp(gate, ends, 30, 1);
        put_udp(gate, ends, 30, 2); /* each is answered */
        id = expect_held(gate, BERTH_UDP);
        if (cases[i / 2].reason == BERTH_UNREACHABLE_PORT) {
            assert_int_equal(berth_held_refuse(gate->berth, id), BERTH_OK);
        } else {
            assert_int_equal(
                berth_held_reject(gate->berth, id, (enum berth_unreachable)cases[i / 2].reason),
                BERTH_OK);
        }
        for (int k = 0; k < 2; k++) {
            expect_error(gate, v6 ? 1 : 3, v6 ? cases[i / 2].code6 : cases[i / 2].code4, ends);
        }
        assert_false(take(gate, &packet));
        assert_int_equal(berth_held_drop(gate->berth, id), BERTH_E_STALE);
    }
    put_udp(gate, &dns4, 30, 1);
    assert_int_equal(berth_held_drop(gate->berth, expect_held(gate, BERTH_UDP)), BERTH_OK);
    assert_false(take(gate, &packet));
    assert_int_equal(drops(gate, BERTH_DROP_NO_LISTENER), 16);
    assert_int_equal(drops(gate, BERTH_DROP_SILENT), 1);
}

static void rules_decide_before_the_owner(void **state)
{
    struct gate *gate = *state;
    struct berth_event event;
    struct berth_contact contact;

    rules(gate, "allow out 54/udp");
    put_udp(gate, &dns4, 30, 1);
    expect_error(gate, 3, 13, &dns4);
    put_udp(gate, &dns6, 30, 1);
    expect_error(gate, 1, 1, &dns6);
    assert_false(berth_next_event(gate->berth, &event));
    assert_int_equal(drops(gate, BERTH_DROP_DENIED), 2);
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(contact.direction, BERTH_OUT);
    assert_int_equal(contact.protocol, BERTH_UDP);
    assert_int_equal(contact.peer.port, 53);
    assert_int_equal(contact.guarded.port, 5000);
}

static void nobody_deciding_is_a_drop(void **state)
{
    struct gate *gate = *state;
    struct wire_packet packet;
    struct berth_held held;
    berth_id id;

    put_udp(gate, &dns4, 30, 1);
    id = expect_held(gate, BERTH_UDP);
    gate->now_ns += 29 * NS_PER_S;
    berth_advance(gate->berth, gate->now_ns);
    assert_int_equal(berth_held(gate->berth, id, &held), BERTH_OK);
    gate->now_ns += 2 * NS_PER_S;
    assert_true(berth_deadline(gate->berth) <= gate->now_ns);
    berth_advance(gate->berth, gate->now_ns);
    assert_int_equal(berth_held(gate->berth, id, &held), BERTH_E_STALE);
    assert_int_equal(berth_held_accept(gate->berth, id, NULL), BERTH_E_STALE);
    assert_false(take(gate, &packet));
    assert_int_equal(drops(gate, BERTH_DROP_HELD_LIMIT), 1);
}

static void held_flows_are_limited(void **state)
{
    struct gate *gate = *state;
    struct ends ends = dns4;
    struct berth_event event;

    for (uint16_t i = 0; i < 12; i++) {
        ends.from_port = (uint16_t)(6000 + i);
        put_udp(gate, &ends, 10, 1);
    }
    assert_int_equal(drops(gate, BERTH_DROP_HELD_LIMIT), 4);
    for (int i = 0; i < 8; i++) {
        assert_true(berth_next_event(gate->berth, &event));
        assert_int_equal(berth_held_drop(gate->berth, event.id), BERTH_OK);
    }
    assert_false(berth_next_event(gate->berth, &event));
}

/* A queue that nobody reads takes so much and no more. */
static void flood_of_a_held_flow_is_bounded(void **state)
{
    struct gate *gate = *state;
    struct berth_stats stats;
    berth_id id;

    for (int i = 0; i < 3000; i++) {
        put_udp(gate, &dns4, 1400, 1);
    }
    id = expect_held(gate, BERTH_UDP);
    berth_stats(gate->berth, &stats);
    assert_true(stats.drops[BERTH_DROP_QUEUE_FULL] > 2700);
    assert_true(stats.buffers_free > GATE_BUFFERS - 8); /* 256 KiB share buffers */
    assert_int_equal(berth_held_drop(gate->berth, id), BERTH_OK);
}

/* The rules see ports: fragments are judged when they are whole. */
static void fragments_are_judged_whole(void **state)
{
    struct gate *gate = *state;
    struct berth_event event;
    uint8_t data[3000];
    struct wire_packet packet = between(&dns4);
    uint32_t total = 8 + sizeof data;
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint8_t whole[8 + sizeof data];
    struct berth_view view = {whole, sizeof whole};
    struct wire_sum_place place = {0, 6};

    packet.protocol = WIRE_UDP;
    packet.source_port = 5000;
    packet.destination_port = 53;
    packet.payload_bytes = sizeof data;
    memset(whole, 7, sizeof whole);
    memcpy(whole, header + wire_emit_udp(header, &packet) - 8, 8);
    wire_finish(&view, 1, &place);
    for (int round = 0; round < 2; round++) {
        rules(gate, round == 0 ? "allow out any" : "deny out 53/udp\nallow out any");
        for (uint32_t offset = 0; offset < total; offset += 1480) {
            struct berth_buffer *buffer = berth_buffer_get(gate->berth);
            uint32_t bytes = min_u32(1480, total - offset);
            uint32_t header_bytes;

            packet.is_fragment = true;
            packet.fragment_id = (uint32_t)round;
            packet.fragment_offset = (uint16_t)offset;
            packet.more_fragments = offset + bytes < total;
            packet.payload_bytes = bytes;
            packet.hop_limit = 64;
            header_bytes = wire_emit_network(buffer->data + buffer->begin, &packet);
            memcpy(buffer->data + buffer->begin + header_bytes, whole + offset, bytes);
            buffer->bytes = header_bytes + bytes;
            assert_false(berth_next_event(gate->berth, &event));
            berth_receive(gate->berth, buffer, gate->now_ns);
        }
        if (round == 0) {
            berth_id id = expect_held(gate, BERTH_UDP);

            assert_int_equal(berth_held_accept(gate->berth, id, NULL), BERTH_OK);
            expect_datagram(gate, id, sizeof data, 7);
            assert_true(berth_next_event(gate->berth, &event));
            assert_int_equal(berth_udp_close(gate->berth, id), BERTH_OK);
        }
    }
    expect_error(gate, 3, 13, &dns4);
    assert_false(berth_next_event(gate->berth, &event));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_datagram_is_held_and_the_next_wait_with_it),
        TEST(owner_may_refuse_reject_or_drop),
        TEST(rules_decide_before_the_owner),
        TEST(nobody_deciding_is_a_drop),
        TEST(held_flows_are_limited),
        TEST(flood_of_a_held_flow_is_bounded),
        TEST(fragments_are_judged_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
