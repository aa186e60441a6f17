/* SPDX-License-Identifier: MIT */
/*
 * TCP alone, with what it needs around it, and one established connection whose peer is the test.
 * The sequence numbers begin shortly before they wrap.
 */
#ifndef TESTS_UNIT_TCP_FIXTURE_H
#define TESTS_UNIT_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/parts.h"

#define FIXTURE_CAPACITY 2048
#define FIXTURE_ISS      (UINT32_MAX - 5000)
#define FIXTURE_IRS      (UINT32_MAX - 3000)
#define FIXTURE_MSS      1000

struct fixture_limits {
    uint32_t buffers;
    uint32_t records; /* of either kind */
};

struct fixture {
    void *memory;
    struct buffers buffers;
    struct outbox outbox;
    struct events events;
    struct timers timers;
    struct random random;
    struct berth_stats stats;
    struct berth_config config;
    struct tcp tcp;
    struct tcp_conn *conn;
    uint32_t count;            /* of buffers */
    struct berth_buffer queue; /* stands for the send queue: nobody looks into it */
};

static inline void fixture_cut(struct fixture *f, struct arena *arena)
{
    buffers_init(
        &f->buffers, arena,
        &(struct buffers_limits){.count = f->count, .capacity = FIXTURE_CAPACITY, .reserved = 8});
    tcp_init(&f->tcp, arena, &f->config,
             &(struct tcp_parts){.buffers = &f->buffers,
                                 .outbox = &f->outbox,
                                 .events = &f->events,
                                 .timers = &f->timers,
                                 .random = &f->random,
                                 .stats = &f->stats});
}

static inline struct fixture *fixture_of(const struct fixture_limits *limits, uint32_t connections)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {7};
    struct fixture *f = calloc(1, sizeof *f);
    struct arena arena;

    assert_non_null(f);
    f->count = limits->buffers;
    berth_config_init(&f->config);
    f->config.limits.tcp_connections = connections;
    f->config.limits.tcp_sent_records = limits->records;
    f->config.limits.tcp_reorder_records = limits->records;
    f->config.limits.tcp_reorder_per_connection = limits->records;
    random_init(&f->random, seed, "tcp");
    outbox_init(&f->outbox, 16);
    events_init(&f->events);
    timers_init(&f->timers, NS_PER_S);
    arena_init(&arena, NULL, 0);
    fixture_cut(f, &arena);
    size_t bytes = arena.used;
    f->memory = calloc(1, bytes + 4096);
    assert_non_null(f->memory);
    uint8_t *start = (uint8_t *)(((uintptr_t)f->memory + 4095) & ~(uintptr_t)4095);
    arena_init(&arena, start, bytes);
    fixture_cut(f, &arena);
    tcp_seed(&f->tcp, NS_PER_S);
    struct berth_endpoint local = {berth_address_v4(0x0a000001), 80};
    struct berth_endpoint remote = {berth_address_v4(0x0a000002), 4000};
    struct tcp_pair pair = tcp_pair(&f->tcp, &local, &remote);
    f->conn = tcp_conn_new(&f->tcp, &pair);
    f->conn->state = BERTH_TCP_ESTABLISHED;
    conn_set(f->conn, CONN_SACK);
    f->conn->back->iss = FIXTURE_ISS;
    f->conn->snd_una = FIXTURE_ISS + 1;
    f->conn->snd_nxt = FIXTURE_ISS + 1;
    f->conn->snd_end = FIXTURE_ISS + 1;
    f->conn->back->irs = FIXTURE_IRS;
    f->conn->rcv_nxt = FIXTURE_IRS + 1;
    f->conn->rcv_adv = f->conn->rcv_nxt + (1U << 29);
    f->conn->mss = FIXTURE_MSS;
    f->conn->snd_wnd = 1U << 29;
    f->conn->snd_wnd_max = 1U << 29;
    f->conn->work->send_first = &f->queue;
    f->conn->work->rest_ns = 3600 * NS_PER_S; /* as if it had been settled */
    tcp_timer_arm(&f->tcp, f->conn);
    return f;
}

static inline struct fixture *fixture_new(const struct fixture_limits *limits)
{
    return fixture_of(limits, 4);
}

/* Nothing may be left. */
static inline void fixture_free(struct fixture *f)
{
    f->conn->state = BERTH_TCP_CLOSED;
    if (!conn_is_at_rest(f->conn)) {
        f->conn->work->send_first = NULL;
    }
    tcp_conn_free(&f->tcp, f->conn);
    assert_int_equal(f->buffers.free, f->count);
    assert_int_equal(f->tcp.sent_records.used, 0);
    assert_int_equal(f->tcp.reorder_records.used, 0);
    assert_int_equal(f->tcp.works.used, 0);
    assert_int_equal(f->tcp.ledgers.used, 0);
    free(f->memory);
    free(f);
}

#endif
