/* SPDX-License-Identifier: MIT */
/*
 * A stack that stands for the whole network, as `berth run` has it: the guest 10.0.2.100 is
 * guarded, the stack is 10.0.2.2 and everybody else, and holds first packets.
 */
#ifndef TESTS_UNIT_STACK_GATE_H
#define TESTS_UNIT_STACK_GATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "ip/icmp.h"
#include "stack/stack.h"

#define GATE_BUFFERS 256

struct gate {
    struct berth *berth;
    void *memory;
    size_t memory_bytes;
    uint64_t now_ns;
    uint8_t out[70000]; /* the packet last taken */
};

struct ends {
    const char *from;
    const char *to;
    uint16_t from_port;
    uint16_t to_port;
};

static const struct ends dns4 = {"10.0.2.100", "8.8.8.8", 5000, 53};
static const struct ends dns6 = {"fd00::100", "2001:db8::8", 5000, 53};

static inline struct berth_address address_of(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), BERTH_OK);
    return address;
}

static inline struct berth_prefix prefix_of(const char *text, uint8_t bits)
{
    return (struct berth_prefix){address_of(text), bits};
}

static inline void rules(struct gate *gate, const char *text)
{
    struct berth_rules_error error;

    assert_int_equal(berth_rules_load(gate->berth, text, strlen(text), &error), BERTH_OK);
}

static inline int gate_setup(void **state)
{
    struct gate *gate = calloc(1, sizeof *gate);
    struct berth_prefix own = prefix_of("10.0.2.2", 96 + 24);
    struct berth_prefix own6 = prefix_of("fd00::2", 64);
    struct berth_prefix guest = prefix_of("10.0.2.100", 128);
    struct berth_prefix guest6 = prefix_of("fd00::100", 128);
    struct berth_config config;

    assert_non_null(gate);
    berth_config_init(&config);
    config.guard = BERTH_GUARD_LINK_PEER;
    config.forward_any = true;
    config.limits.buffers = GATE_BUFFERS;
    config.limits.buffers_reserved = 16;
    config.limits.buffer_bytes = 70000;
    config.limits.udp_sockets = 8;
    gate->memory_bytes = berth_memory_bytes(&config);
    assert_true(gate->memory_bytes > 0);
    gate->memory = mmap(NULL, gate->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(gate->memory != MAP_FAILED);
    gate->now_ns = NS_PER_S;
    assert_int_equal(
        berth_init(&gate->berth, &config, gate->memory, gate->memory_bytes, gate->now_ns),
        BERTH_OK);
    assert_int_equal(berth_address_add(gate->berth, &own), BERTH_OK);
    assert_int_equal(berth_address_add(gate->berth, &own6), BERTH_OK);
    assert_int_equal(berth_peer_add(gate->berth, &guest), BERTH_OK);
    assert_int_equal(berth_peer_add(gate->berth, &guest6), BERTH_OK);
    rules(gate, "allow out any");
    berth_intercept(gate->berth, true);
    *state = gate;
    return 0;
}

/* The next packet that leaves, parsed; false: none. */
static inline bool take(struct gate *gate, struct wire_packet *out)
{
    struct berth_frame frame;
    size_t at = 0;

    if (berth_transmit(gate->berth, &frame, 1, gate->now_ns) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < frame.view_count; i++) {
        memcpy(gate->out + at, frame.views[i].data, frame.views[i].bytes);
        at += frame.views[i].bytes;
    }
    assert_int_equal(wire_parse(out, gate->out, at, &frame.offload), BERTH_DROP_NONE);
    return true;
}

static inline int gate_teardown(void **state)
{
    struct gate *gate = *state;
    struct wire_packet packet;
    struct berth_stats stats;

    while (take(gate, &packet)) {
    }
    berth_stats(gate->berth, &stats);
    assert_int_equal(stats.udp_sockets, 0);
    assert_int_equal(stats.buffers_free, GATE_BUFFERS);
    stack_check(gate->berth);
    berth_done(gate->berth);
    munmap(gate->memory, gate->memory_bytes);
    free(gate);
    return 0;
}

/* PACKET with BYTES of FILL comes in. */
static inline void put(struct gate *gate, struct wire_packet *packet, uint32_t bytes, uint8_t fill)
{
    struct berth_buffer *buffer = berth_buffer_get(gate->berth);
    uint32_t header_bytes;
    struct wire_sum_place place;
    struct berth_view view;

    assert_non_null(buffer);
    packet->payload_bytes = bytes;
    packet->hop_limit = 64;
    header_bytes =
        packet->protocol == WIRE_TCP   ? wire_emit_tcp(buffer->data + buffer->begin, packet)
        : packet->protocol == WIRE_UDP ? wire_emit_udp(buffer->data + buffer->begin, packet)
                                       : wire_emit_icmp(buffer->data + buffer->begin, packet);
    memset(buffer->data + buffer->begin + header_bytes, fill, bytes);
    buffer->bytes = header_bytes + bytes;
    place = wire_sum_place(packet, header_bytes);
    view = (struct berth_view){buffer->data + buffer->begin, buffer->bytes};
    wire_finish(&view, 1, &place);
    berth_receive(gate->berth, buffer, gate->now_ns);
    stack_check(gate->berth);
}

static inline struct wire_packet between(const struct ends *ends)
{
    struct wire_packet packet = {.source = address_of(ends->from),
                                 .destination = address_of(ends->to)};

    packet.version = berth_address_is_v4(&packet.source) ? 4 : 6;
    return packet;
}

static inline void put_udp(struct gate *gate, const struct ends *ends, uint32_t bytes, uint8_t fill)
{
    struct wire_packet packet = between(ends);

    packet.protocol = WIRE_UDP;
    packet.source_port = ends->from_port;
    packet.destination_port = ends->to_port;
    put(gate, &packet, bytes, fill);
}

static inline void put_syn(struct gate *gate, const struct ends *ends)
{
    struct wire_packet packet = between(ends);

    packet.protocol = WIRE_TCP;
    packet.source_port = ends->from_port;
    packet.destination_port = ends->to_port;
    packet.tcp.flags = WIRE_SYN;
    packet.tcp.seq = 1000;
    packet.tcp.window = 65535;
    put(gate, &packet, 0, 0);
}

/* An echo request whose identifier is the ends' port. */
static inline void put_echo(struct gate *gate, const struct ends *ends, uint16_t sequence)
{
    struct wire_packet packet = between(ends);

    packet.protocol = packet.version == 4 ? WIRE_ICMP : WIRE_ICMP6;
    packet.icmp.type = packet.version == 4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
    packet.icmp.identifier = ends->from_port;
    packet.icmp.sequence = sequence;
    put(gate, &packet, 56, (uint8_t)sequence);
}

static inline berth_id expect_held(struct gate *gate, enum berth_protocol protocol)
{
    struct berth_event event;
    struct berth_held held;

    assert_true(berth_next_event(gate->berth, &event));
    assert_int_equal(event.bits, BERTH_EVENT_HELD);
    assert_int_equal(berth_held(gate->berth, event.id, &held), BERTH_OK);
    assert_int_equal(held.protocol, protocol);
    assert_int_equal(held.verdict.action, BERTH_ALLOW);
    assert_int_equal(held.verdict.rule, 0);
    return event.id;
}

static inline void expect_datagram(struct gate *gate, berth_id id, size_t bytes, uint8_t fill)
{
    struct berth_datagram got;

    assert_int_equal(berth_udp_peek(gate->berth, id, &got), BERTH_OK);
    assert_int_equal(got.payload.bytes, bytes);
    assert_int_equal(*(const uint8_t *)got.payload.data, fill);
    assert_int_equal(berth_udp_consume(gate->berth, id), BERTH_OK);
}

/* The ICMP error that left, of this type and code; it quotes ENDS' packet. */
static inline void expect_error(struct gate *gate, uint8_t type, uint8_t code,
                                const struct ends *ends)
{
    struct wire_packet packet;
    struct wire_quote quote;
    struct berth_address from = address_of(ends->from);
    struct berth_address to = address_of(ends->to);

    assert_true(take(gate, &packet));
    assert_int_equal(packet.icmp.type, type);
    assert_int_equal(packet.icmp.code, code);
    assert_true(berth_address_is_equal(&packet.destination, &from));
    assert_int_equal(wire_parse_quote(&quote, packet.payload, packet.payload_bytes),
                     BERTH_DROP_NONE);
    assert_true(berth_address_is_equal(&quote.source, &from));
    assert_true(berth_address_is_equal(&quote.destination, &to));
    assert_int_equal(quote.source_port, ends->from_port);
    assert_int_equal(quote.destination_port, ends->to_port);
}

static inline uint64_t drops(struct gate *gate, enum berth_drop drop)
{
    struct berth_stats stats;

    berth_stats(gate->berth, &stats);
    return stats.drops[drop];
}

#endif
