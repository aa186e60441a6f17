/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets alone, with what they need around them.
 */
#ifndef TESTS_UNIT_UDP_FIXTURE_H
#define TESTS_UNIT_UDP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "udp/udp.h"

#define FIXTURE_BUFFERS         16
#define FIXTURE_BUFFER_CAPACITY 16384
#define FIXTURE_MEMORY_BYTES    ((size_t)1024 * 1024)
#define FIXTURE_SOCKETS         4
#define FIXTURE_PEERS           3
#define FIXTURE_QUEUE_BYTES     20000
#define FIXTURE_HELD_NS         (5 * NS_PER_S)

struct fixture {
    void *memory;
    struct arena arena;
    struct buffers buffers;
    struct events events;
    struct timers timers;
    struct berth_stats stats;
    struct udp udp;
};

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->memory = aligned_alloc(4096, FIXTURE_MEMORY_BYTES);
    assert_non_null(f->memory);
    memset(f->memory, 0, FIXTURE_MEMORY_BYTES);
    arena_init(&f->arena, f->memory, FIXTURE_MEMORY_BYTES);
    buffers_init(&f->buffers, &f->arena,
                 &(struct buffers_limits){
                     .count = FIXTURE_BUFFERS, .capacity = FIXTURE_BUFFER_CAPACITY, .reserved = 2});
    events_init(&f->events);
    timers_init(&f->timers, 0);
    udp_init(&f->udp, &f->arena,
             &(struct udp_limits){.sockets = FIXTURE_SOCKETS,
                                  .peers = FIXTURE_PEERS,
                                  .queue_bytes = FIXTURE_QUEUE_BYTES,
                                  .held_ns = FIXTURE_HELD_NS},
             &(struct udp_parts){.key = {{9}},
                                 .buffers = &f->buffers,
                                 .events = &f->events,
                                 .timers = &f->timers,
                                 .stats = &f->stats});
    assert_true(f->arena.used <= FIXTURE_MEMORY_BYTES);
    return f;
}

/* Every buffer must be back. */
static inline void fixture_free(struct fixture *f)
{
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS);
    free(f->memory);
    free(f);
}

/* A flow from 192.0.2.1:PORT to 10.0.2.2:53. */
static inline struct udp_flow fixture_flow(uint16_t port)
{
    return (struct udp_flow){
        .protocol = BERTH_UDP,
        .connected = true,
        .local = {berth_address_v4(0x0a000202), 53},
        .remote = {berth_address_v4(0xc0000201), port},
    };
}

/* A datagram of FLOW whose BYTES of payload are all FILL, as a link hands it over. */
static inline struct berth_buffer *fixture_datagram(struct fixture *f, const struct udp_flow *flow,
                                                    uint32_t bytes, uint8_t fill)
{
    struct berth_buffer *buffer = buffers_get(&f->buffers);
    struct wire_packet packet = {
        .source = flow->remote.address,
        .destination = flow->local.address,
        .source_port = flow->remote.port,
        .destination_port = flow->local.port,
        .version = 4,
        .protocol = WIRE_UDP,
        .hop_limit = 64,
        .payload_bytes = bytes,
    };
    uint32_t header_bytes = wire_emit_udp(buffer->data + buffer->begin, &packet);

    memset(buffer->data + buffer->begin + header_bytes, fill, bytes);
    buffer->bytes = header_bytes + bytes;
    buffer->offload.checksum_partial = 1;
    buffer->offload.checksum_start = WIRE_IPV4_HEADER_BYTES;
    buffer->offload.checksum_offset = 6;
    return buffer;
}

static inline enum berth_drop fixture_deliver(struct fixture *f, struct udp_socket *socket,
                                              struct berth_buffer *buffer)
{
    struct wire_packet packet;

    assert_int_equal(
        wire_parse(&packet, buffer->data + buffer->begin, buffer->bytes, &buffer->offload),
        BERTH_DROP_NONE);
    return udp_deliver(&f->udp, socket, &packet, buffer);
}

#endif
