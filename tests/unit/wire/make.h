/* SPDX-License-Identifier: MIT */
/*
 * What the tests of wire/ share: a small generator of numbers, and whole packets made with the
 * emitters, checksums complete.
 */
#ifndef TESTS_WIRE_MAKE_H
#define TESTS_WIRE_MAKE_H

#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM_BYTES 70000

static const struct berth_offload plain = {0};

/* xorshift64*: the same numbers every run. */
static inline uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

static inline uint32_t draw_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((draw(state) >> 32) % limit);
}

static inline void draw_bytes(uint64_t *state, uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(draw(state) >> 56);
    }
}

static inline struct berth_address address4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct berth_address){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
}

static inline struct berth_address address6(uint8_t last)
{
    return (struct berth_address){{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}

/* A descriptor of a packet from port 1000 to port 80, nothing in it. */
static inline struct wire_packet describe(uint8_t version, uint8_t protocol)
{
    struct wire_packet packet;

    memset(&packet, 0, sizeof packet);
    packet.version = version;
    packet.protocol = protocol;
    packet.source = version == 4 ? address4(10, 0, 2, 100) : address6(100);
    packet.destination = version == 4 ? address4(192, 0, 2, 7) : address6(7);
    packet.hop_limit = 64;
    if (protocol == WIRE_TCP || protocol == WIRE_UDP) {
        packet.source_port = 1000;
        packet.destination_port = 80;
    }
    if (protocol == WIRE_TCP) {
        packet.tcp.flags = WIRE_ACK;
        packet.tcp.window = 500;
        packet.tcp.seq = 0x01020304;
        packet.tcp.ack = 0x0a0b0c0d;
    }
    return packet;
}

/* Writes PACKET with PAYLOAD behind it, checksum complete if FINISH; returns its length. */
static inline uint32_t write_packet(uint8_t *out, struct wire_packet *packet,
                                    const uint8_t *payload, bool finish)
{
    uint32_t bytes;
    struct wire_sum_place place;
    struct berth_view view;

    if (packet->protocol == WIRE_TCP) {
        bytes = wire_emit_tcp(out, packet);
    } else if (packet->protocol == WIRE_UDP) {
        bytes = wire_emit_udp(out, packet);
    } else {
        bytes = wire_emit_icmp(out, packet);
    }
    place = wire_sum_place(packet, bytes);
    if (payload != NULL && packet->payload_bytes > 0) {
        memcpy(out + bytes, payload, packet->payload_bytes);
    }
    bytes += packet->payload_bytes;
    view = (struct berth_view){out, bytes};
    if (finish) {
        wire_finish(&view, 1, &place);
    }
    return bytes;
}

/* A copy of exactly BYTES, so that a read beyond them is seen; free it. */
static inline uint8_t *exact_copy(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);

    assert_non_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

/* Parses a copy of exactly BYTES; *OUT's pointers are not to be followed. */
static inline enum berth_drop parse_copy(struct wire_packet *out, const uint8_t *data, size_t bytes,
                                         const struct berth_offload *offload)
{
    uint8_t *copy = exact_copy(data, bytes);
    enum berth_drop drop = wire_parse(out, copy, bytes, offload);

    free(copy);
    return drop;
}

/* After a test changed an IPv4 header of BYTES: its checksum is right again. */
static inline void mend_ipv4(uint8_t *packet, uint32_t bytes)
{
    uint16_t sum;

    store_be16(packet + 10, 0);
    sum = (uint16_t)~wire_sum_fold(wire_sum_scalar(0, packet, bytes));
    memcpy(packet + 10, &sum, sizeof sum);
}

#endif
