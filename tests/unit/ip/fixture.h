/* SPDX-License-Identifier: MIT */
/*
 * An IP layer alone, with what it needs around it, for the tests of ip/ and udp/.
 */
#ifndef TESTS_UNIT_IP_FIXTURE_H
#define TESTS_UNIT_IP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ip/icmp.h"
#include "ip/ip.h"

#define FIXTURE_BUFFERS         128
#define FIXTURE_BUFFER_CAPACITY (66 * 1024)
#define FIXTURE_MEMORY_BYTES    ((size_t)32 * 1024 * 1024)
#define FIXTURE_PAYLOAD_MAX     65507

struct fixture {
    void *memory;
    struct arena arena;
    struct buffers buffers;
    struct outbox outbox;
    struct timers timers;
    struct random random;
    struct berth_stats stats;
    struct ip ip;
};

static inline struct ip_limits fixture_limits(void)
{
    return (struct ip_limits){
        .addresses = 4,
        .routes = 4,
        .reassemblies = 4,
        .icmp_per_second = 1000,
        .mtu = 1500,
        .reassembly_ns = 60 * NS_PER_S,
    };
}

static inline struct berth_address address_of(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), BERTH_OK);
    return address;
}

/* "10.0.2.2/24": the address with its network's length, host bits and all. */
static inline struct berth_prefix prefix_of(const char *text, uint8_t bits)
{
    struct berth_address address = address_of(text);

    return (struct berth_prefix){address,
                                 (uint8_t)(bits + (berth_address_is_v4(&address) ? 96 : 0))};
}

/* Own addresses 10.0.2.2/24 and fd00::2/64. */
static inline struct fixture *fixture_new(const struct ip_limits *limits)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {7};
    struct fixture *f = calloc(1, sizeof *f);
    struct berth_prefix v4 = prefix_of("10.0.2.2", 24);
    struct berth_prefix v6 = prefix_of("fd00::2", 64);

    assert_non_null(f);
    f->memory = aligned_alloc(4096, FIXTURE_MEMORY_BYTES);
    assert_non_null(f->memory);
    memset(f->memory, 0, FIXTURE_MEMORY_BYTES);
    arena_init(&f->arena, f->memory, FIXTURE_MEMORY_BYTES);
    buffers_init(&f->buffers, &f->arena,
                 &(struct buffers_limits){
                     .count = FIXTURE_BUFFERS, .capacity = FIXTURE_BUFFER_CAPACITY, .reserved = 4});
    outbox_init(&f->outbox, 64);
    timers_init(&f->timers, 0);
    random_init(&f->random, seed, "ip");
    ip_init(&f->ip, &f->arena, limits,
            &(struct ip_parts){.key = {{1, 2, 3}},
                               .buffers = &f->buffers,
                               .outbox = &f->outbox,
                               .timers = &f->timers,
                               .random = &f->random,
                               .stats = &f->stats});
    assert_true(f->arena.used <= FIXTURE_MEMORY_BYTES);
    assert_int_equal(ip_add_address(&f->ip, &v4), BERTH_OK);
    assert_int_equal(ip_add_address(&f->ip, &v6), BERTH_OK);
    return f;
}

/* Every buffer must be back: the outbox is emptied first. */
static inline void fixture_free(struct fixture *f)
{
    struct berth_buffer *buffer;

    while ((buffer = outbox_next(&f->outbox)) != NULL) {
        buffers_put(&f->buffers, buffer);
    }
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS);
    free(f->memory);
    free(f);
}

/* Fires what is due at NOW_NS. */
static inline void fixture_advance(struct fixture *f, uint64_t now_ns)
{
    struct timer *timer;

    while ((timer = timers_expire(&f->timers, now_ns)) != NULL) {
        assert_int_equal(timer->kind, IP_TIMER_REASSEMBLY);
        ip_on_timer(&f->ip, timer, true, now_ns);
    }
}

static inline void fixture_parse(struct wire_packet *out, struct berth_buffer *buffer)
{
    assert_int_equal(wire_parse(out, buffer->data + buffer->begin, buffer->bytes, &buffer->offload),
                     BERTH_DROP_NONE);
}

/* Bytes that differ from place to place. */
static inline void fixture_pattern(uint8_t *out, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
    }
}

/* A UDP datagram FROM -> TO in a buffer, complete; PACKET describes it. */
struct fixture_ends {
    const char *from;
    const char *to;
    uint16_t from_port;
    uint16_t to_port;
};

static inline struct berth_buffer *fixture_udp(struct fixture *f, const struct fixture_ends *ends,
                                               uint32_t bytes, struct wire_packet *packet)
{
    struct berth_buffer *buffer = buffers_get(&f->buffers);
    struct wire_packet out = {
        .source = address_of(ends->from),
        .destination = address_of(ends->to),
        .source_port = ends->from_port,
        .destination_port = ends->to_port,
        .protocol = WIRE_UDP,
        .hop_limit = 64,
        .payload_bytes = bytes,
    };
    struct wire_sum_place place;
    struct berth_view view;
    uint32_t header_bytes;

    assert_non_null(buffer);
    out.version = berth_address_is_v4(&out.source) ? 4 : 6;
    header_bytes = wire_emit_udp(buffer->data + buffer->begin, &out);
    fixture_pattern(buffer->data + buffer->begin + header_bytes, bytes);
    buffer->bytes = header_bytes + bytes;
    view = (struct berth_view){buffer->data + buffer->begin, buffer->bytes};
    place = wire_sum_place(&out, header_bytes);
    wire_finish(&view, 1, &place);
    fixture_parse(packet, buffer);
    return buffer;
}

#endif
