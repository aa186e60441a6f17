/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets between two stacks: who may speak to whom, what comes across, what is told.
 */
#include "pair.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIG_BUFFER 70000

static void rules(struct berth *berth, const char *text)
{
    struct berth_rules_error error;

    assert_int_equal(berth_rules_load(berth, text, strlen(text), &error), BERTH_OK);
}

static struct pair *new_pair(uint32_t buffer_bytes, uint32_t offloads)
{
    struct pair *pair = calloc(1, sizeof *pair);
    struct berth_config config;

    assert_non_null(pair);
    berth_config_init(&config);
    config.limits.buffers = 1024;
    config.limits.buffer_bytes = buffer_bytes;
    config.limits.buffers_reserved = 64;
    config.offloads = offloads;
    config.system_ports_bindable = true;
    pair_init(pair, &config);
    return pair;
}

static int setup(void **state)
{
    *state = new_pair(2048, 0);
    return 0;
}

static int setup_big(void **state)
{
    *state = new_pair(BIG_BUFFER, 0);
    return 0;
}

static int setup_offload(void **state)
{
    *state = new_pair(BIG_BUFFER, BERTH_LINK_CHECKSUM | BERTH_LINK_USO);
    return 0;
}

/* Whatever a test did, once the sockets are closed every buffer and port is back. */
static int teardown(void **state)
{
    struct pair *pair = *state;

    pair_run(pair, pair->now_ns + 100 * NS_PER_S);
    for (int side = 0; side < 2; side++) {
        struct berth_stats stats;

        berth_stats(pair->side[side], &stats);
        assert_int_equal(stats.udp_sockets, 0);
        assert_int_equal(stats.reassemblies, 0);
        assert_int_equal(stats.buffers_free, 1024);
        assert_int_equal(pair->side[side]->ports.binds.used, 0);
        assert_int_equal(pair->side[side]->ports.endpoints.used, 0);
    }
    pair_done(pair);
    free(pair);
    return 0;
}

static void run(struct pair *pair)
{
    pair_run(pair, pair->now_ns + 100 * NS_PER_MS);
}

static berth_id bind_on(struct pair *pair, int side, uint16_t port)
{
    struct berth_endpoint local = {berth_address_any(), port};
    berth_id id = 0;

    assert_int_equal(berth_udp_open(pair->side[side], &local, NULL, NULL, &id), BERTH_OK);
    return id;
}

/* A socket of side 0 connected to PORT of side 1. */
static berth_id connect_to(struct pair *pair, bool v6, uint16_t port)
{
    struct berth_endpoint remote = pair_endpoint(1, v6, port);
    berth_id id = 0;

    assert_int_equal(berth_udp_open(pair->side[0], NULL, &remote, NULL, &id), BERTH_OK);
    return id;
}

static void expect_text(struct berth *berth, berth_id id, const char *text,
                        struct berth_endpoint *from)
{
    struct berth_datagram got;

    assert_int_equal(berth_udp_peek(berth, id, &got), BERTH_OK);
    assert_int_equal(got.payload.bytes, strlen(text));
    assert_memory_equal(got.payload.data, text, strlen(text));
    assert_int_equal(got.hop_limit, 64);
    if (from != NULL) {
        *from = got.remote;
    }
    assert_int_equal(berth_udp_consume(berth, id), BERTH_OK);
}

static int write_text(struct berth *berth, berth_id id, const struct berth_endpoint *to,
                      const char *text)
{
    return berth_udp_write(berth, id, to, text, strlen(text));
}

static int peek(struct berth *berth, berth_id id)
{
    struct berth_datagram got;

    return berth_udp_peek(berth, id, &got);
}

static uint64_t drops(struct pair *pair, int side, enum berth_drop drop)
{
    struct berth_stats stats;

    berth_stats(pair->side[side], &stats);
    return stats.drops[drop];
}

/* ---- Conversations --------------------------------------------------------------------------- */

static void question_and_answer(void **state)
{
    struct pair *pair = *state;

    for (int v6 = 0; v6 < 2; v6++) {
        struct berth_endpoint to = pair_endpoint(1, v6 != 0, 5353);
        struct berth_endpoint from;
        struct berth_event event;
        berth_id server = bind_on(pair, 1, 5353);
        berth_id client;

        assert_int_equal(berth_udp_open(pair->side[0], NULL, NULL, pair, &client), BERTH_OK);
        assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
        assert_int_equal(write_text(pair->side[0], client, &to, "what?"), BERTH_OK);
        run(pair);
        assert_true(berth_next_event(pair->side[1], &event));
        assert_true(event.id == server && event.bits == BERTH_EVENT_READABLE);
        assert_int_equal(event.kind, BERTH_KIND_DATAGRAM);
        expect_text(pair->side[1], server, "what?", &from);
        assert_in_range(from.port, 49152, 65535);
        assert_int_equal(write_text(pair->side[1], server, &from, "that."), BERTH_OK);
        run(pair);
        assert_true(berth_next_event(pair->side[0], &event));
        assert_true(event.id == client && event.user == pair);
        expect_text(pair->side[0], client, "that.", &from);
        assert_true(berth_endpoint_is_equal(&from, &to));
        assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
        assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
    }
}

static void connected_socket_hears_its_remote_alone(void **state)
{
    struct pair *pair = *state;
    berth_id server = bind_on(pair, 1, 7);
    berth_id other = bind_on(pair, 1, 8);
    berth_id client = connect_to(pair, false, 7);
    struct berth_endpoint from;

    assert_int_equal(write_text(pair->side[0], client, NULL, "a"), BERTH_OK);
    run(pair);
    expect_text(pair->side[1], server, "a", &from);
    assert_int_equal(write_text(pair->side[1], other, &from, "b"), BERTH_OK);
    assert_int_equal(write_text(pair->side[1], server, &from, "c"), BERTH_OK);
    run(pair);
    expect_text(pair->side[0], client, "c", NULL);
    assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
    assert_int_equal(drops(pair, 0, BERTH_DROP_NO_LISTENER), 1);
    assert_int_equal(write_text(pair->side[0], client, &from, "d"), BERTH_E_INVALID);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], other), BERTH_OK);
}

static void closed_port_is_told_once(void **state)
{
    struct pair *pair = *state;

    for (int v6 = 0; v6 < 2; v6++) {
        berth_id client = connect_to(pair, v6 != 0, 9);
        struct berth_event event;

        assert_int_equal(write_text(pair->side[0], client, NULL, "anyone?"), BERTH_OK);
        run(pair);
        assert_true(berth_next_event(pair->side[0], &event));
        assert_int_equal(event.bits, BERTH_EVENT_READABLE);
        assert_int_equal(peek(pair->side[0], client), BERTH_E_REFUSED);
        assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
        assert_int_equal(write_text(pair->side[0], client, NULL, "still?"), BERTH_OK);
        assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    }
    run(pair);
    assert_int_equal(drops(pair, 1, BERTH_DROP_NO_LISTENER), 4);
    assert_int_equal(drops(pair, 0, BERTH_DROP_NO_CONNECTION), 2); /* told too late */
}

/* ---- The firewall ---------------------------------------------------------------------------- */

static void answers_pass_a_firewall_that_lets_nothing_in(void **state)
{
    struct pair *pair = *state;
    struct berth_endpoint to = pair_endpoint(1, false, 5353);
    struct berth_endpoint from;
    berth_id server = bind_on(pair, 1, 5353);
    berth_id stranger = bind_on(pair, 1, 5354);
    berth_id client;

    rules(pair->side[0], "allow out 5353/udp");
    assert_int_equal(berth_udp_open(pair->side[0], NULL, NULL, NULL, &client), BERTH_OK);
    assert_int_equal(write_text(pair->side[0], client, &to, "q"), BERTH_OK);
    run(pair);
    expect_text(pair->side[1], server, "q", &from);
    assert_int_equal(write_text(pair->side[1], server, &from, "a"), BERTH_OK);
    assert_int_equal(write_text(pair->side[1], stranger, &from, "me too"), BERTH_OK);
    run(pair);
    expect_text(pair->side[0], client, "a", NULL);
    assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
    assert_int_equal(drops(pair, 0, BERTH_DROP_DENIED), 1);
    /* Who has been silent for too long is a stranger again. */
    pair_run(pair, pair->now_ns + UDP_PEER_NS + NS_PER_S);
    assert_int_equal(write_text(pair->side[1], server, &from, "late"), BERTH_OK);
    run(pair);
    assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
    assert_int_equal(drops(pair, 0, BERTH_DROP_DENIED), 2);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], stranger), BERTH_OK);
}

static void server_answers_but_does_not_begin(void **state)
{
    struct pair *pair = *state;
    struct berth_endpoint to = pair_endpoint(1, true, 53);
    struct berth_endpoint from;
    struct berth_endpoint other = pair_endpoint(0, true, 1234);
    berth_id server = bind_on(pair, 1, 53);
    berth_id client;

    rules(pair->side[1], "allow in 53/udp");
    assert_int_equal(berth_udp_open(pair->side[0], NULL, NULL, NULL, &client), BERTH_OK);
    assert_int_equal(write_text(pair->side[0], client, &to, "q"), BERTH_OK);
    run(pair);
    expect_text(pair->side[1], server, "q", &from);
    assert_int_equal(write_text(pair->side[1], server, &from, "a"), BERTH_OK);
    assert_int_equal(write_text(pair->side[1], server, &other, "b"), BERTH_E_DENIED);
    run(pair);
    expect_text(pair->side[0], client, "a", NULL);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

static void verdict_is_given_once_per_conversation(void **state)
{
    struct pair *pair = *state;
    berth_id server = bind_on(pair, 1, 53);
    berth_id client = connect_to(pair, false, 53);
    struct berth_stats stats;

    for (int i = 0; i < 20; i++) {
        struct berth_endpoint from;

        assert_int_equal(write_text(pair->side[0], client, NULL, "q"), BERTH_OK);
        run(pair);
        expect_text(pair->side[1], server, "q", &from);
        assert_int_equal(write_text(pair->side[1], server, &from, "a"), BERTH_OK);
        run(pair);
        expect_text(pair->side[0], client, "a", NULL);
    }
    for (int side = 0; side < 2; side++) {
        berth_stats(pair->side[side], &stats);
        assert_int_equal(stats.contacts_allowed, 1);
    }
    /* Established conversations stay when the rules change. */
    rules(pair->side[1], "deny in any");
    assert_int_equal(write_text(pair->side[0], client, NULL, "still"), BERTH_OK);
    run(pair);
    expect_text(pair->side[1], server, "still", NULL);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

static void refusals_are_answered_or_silent(void **state)
{
    struct pair *pair = *state;
    berth_id server = bind_on(pair, 1, 53);
    berth_id client = connect_to(pair, false, 53);
    struct berth_endpoint remote = pair_endpoint(1, false, 53);
    struct berth_contact contact;
    berth_id other = 0;

    rules(pair->side[1], "deny in 53/udp");
    assert_int_equal(write_text(pair->side[0], client, NULL, "q"), BERTH_OK);
    run(pair);
    assert_int_equal(peek(pair->side[0], client), BERTH_E_PROHIBITED);
    assert_true(berth_next_contact(pair->side[1], &contact));
    assert_int_equal(contact.direction, BERTH_IN);
    assert_int_equal(contact.guarded.port, 53);
    rules(pair->side[1], "drop in 53/udp");
    assert_int_equal(write_text(pair->side[0], client, NULL, "q"), BERTH_OK);
    run(pair);
    assert_int_equal(peek(pair->side[0], client), BERTH_E_AGAIN);
    assert_int_equal(drops(pair, 1, BERTH_DROP_SILENT), 1);
    assert_int_equal(peek(pair->side[1], server), BERTH_E_AGAIN);
    rules(pair->side[0], "deny out 53/udp");
    assert_int_equal(berth_udp_open(pair->side[0], NULL, &remote, NULL, &other), BERTH_E_DENIED);
    assert_int_equal(other, 0);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

/* ---- Ports, ids, arguments ------------------------------------------------------------------- */

static void ports_are_taken_and_given_back(void **state)
{
    struct pair *pair = *state;
    struct berth *berth = pair->side[0];
    struct berth_endpoint at = pair_endpoint(0, false, 5353);
    struct berth_endpoint remote = pair_endpoint(1, false, 5000);
    struct berth_endpoint any = {berth_address_any(), 5353};
    berth_id a;
    berth_id b;

    assert_int_equal(berth_udp_open(berth, &at, NULL, NULL, &a), BERTH_OK);
    assert_int_equal(berth_udp_open(berth, &any, NULL, NULL, &b), BERTH_E_IN_USE);
    assert_int_equal(berth_udp_close(berth, a), BERTH_OK);
    assert_int_equal(berth_udp_open(berth, &any, NULL, NULL, &b), BERTH_OK);
    assert_int_equal(berth_udp_close(berth, b), BERTH_OK);
    at.port = 50000;
    assert_int_equal(berth_udp_open(berth, &at, &remote, NULL, &a), BERTH_OK);
    assert_int_equal(berth_udp_open(berth, &at, &remote, NULL, &b), BERTH_E_IN_USE);
    remote.port = 5001; /* free towards another */
    assert_int_equal(berth_udp_open(berth, &at, &remote, NULL, &b), BERTH_OK);
    assert_int_equal(berth_udp_close(berth, a), BERTH_OK);
    assert_int_equal(berth_udp_close(berth, b), BERTH_OK);
    at.port = 600; /* not of the range: only the pair of ends counts */
    assert_int_equal(berth_udp_open(berth, &at, &remote, NULL, &a), BERTH_OK);
    assert_int_equal(berth_udp_open(berth, &at, &remote, NULL, &b), BERTH_E_IN_USE);
    assert_int_equal(berth_udp_close(berth, a), BERTH_OK);
}

static void wrong_ends_are_refused(void **state)
{
    struct pair *pair = *state;
    struct berth *berth = pair->side[0];
    struct berth_endpoint remote = pair_endpoint(1, false, 5000);
    struct berth_endpoint local = pair_endpoint(0, true, 5000);
    struct berth_endpoint far = {berth_address_v4(0x08080808), 53};
    struct berth_endpoint group = {berth_address_v4(0xe0000001), 53};
    struct berth_endpoint edge = {berth_address_v4(0x0a0900ff), 53};
    berth_id id = 0;

    assert_int_equal(berth_udp_open(berth, &local, &remote, NULL, &id), BERTH_E_INVALID);
    assert_int_equal(berth_udp_open(berth, NULL, &far, NULL, &id), BERTH_E_NO_ROUTE);
    assert_int_equal(berth_udp_open(berth, NULL, &group, NULL, &id), BERTH_E_INVALID);
    assert_int_equal(berth_udp_open(berth, NULL, &edge, NULL, &id), BERTH_E_INVALID);
    assert_int_equal(berth_udp_open(berth, &far, NULL, NULL, &id), BERTH_E_INVALID);
    remote.port = 0;
    assert_int_equal(berth_udp_open(berth, NULL, &remote, NULL, &id), BERTH_E_INVALID);
    assert_int_equal(id, 0);
    assert_int_equal(berth_udp_open(berth, NULL, NULL, NULL, &id), BERTH_OK);
    assert_int_equal(write_text(berth, id, NULL, "x"), BERTH_E_STATE);
    assert_int_equal(write_text(berth, id, &far, "x"), BERTH_E_NO_ROUTE);
    assert_int_equal(write_text(berth, id, &remote, "x"), BERTH_E_INVALID);
    assert_int_equal(write_text(berth, id, &group, "x"), BERTH_E_INVALID);
    assert_int_equal(write_text(berth, id, &edge, "x"), BERTH_E_INVALID);
    assert_int_equal(berth_udp_unreachable(berth, id, 0), BERTH_E_STATE);
    assert_int_equal(berth_udp_unreachable(berth, id, 4), BERTH_E_INVALID);
    assert_int_equal(berth_udp_close(berth, id), BERTH_OK);
}

static void stale_ids_are_errors(void **state)
{
    struct pair *pair = *state;
    struct berth *berth = pair->side[0];
    struct berth_view room;
    struct berth_udp_send send = {.bytes = 0};
    berth_id id = bind_on(pair, 0, 5000);
    berth_id ids[] = {id, id | (UINT64_C(1) << 63), 0, UINT64_MAX};

    assert_int_equal(berth_udp_commit(berth, id, &send), BERTH_E_STATE);
    assert_int_equal(berth_udp_consume(berth, id), BERTH_E_AGAIN);
    assert_int_equal(berth_held_accept(berth, id, NULL), BERTH_E_STATE);
    assert_int_equal(berth_udp_close(berth, id), BERTH_OK);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(peek(berth, ids[i]), BERTH_E_STALE);
        assert_int_equal(berth_udp_consume(berth, ids[i]), BERTH_E_STALE);
        assert_int_equal(berth_udp_reserve(berth, ids[i], 1, &room), BERTH_E_STALE);
        assert_int_equal(berth_udp_commit(berth, ids[i], &send), BERTH_E_STALE);
        assert_int_equal(berth_udp_unreachable(berth, ids[i], 0), BERTH_E_STALE);
        assert_int_equal(berth_udp_close(berth, ids[i]), BERTH_E_STALE);
    }
}

/* A socket of every port answers from the port that was asked, and asks nobody. */
static void every_port_is_served(void **state)
{
    struct pair *pair = *state;
    struct berth_endpoint stranger = pair_endpoint(0, false, 99);
    berth_id server = bind_on(pair, 1, 0);
    berth_id client = connect_to(pair, false, 4711);
    struct berth_endpoint from;

    assert_int_equal(write_text(pair->side[0], client, NULL, "q"), BERTH_OK);
    run(pair);
    expect_text(pair->side[1], server, "q", &from);
    assert_int_equal(write_text(pair->side[1], server, &from, "a"), BERTH_OK);
    run(pair);
    expect_text(pair->side[0], client, "a", NULL);
    assert_int_equal(write_text(pair->side[1], server, &stranger, "x"), BERTH_E_STATE);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

/* ---- Sizes and room -------------------------------------------------------------------------- */

static void fill(uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(i * 31 + (i >> 8));
    }
}

static void every_size_comes_across(void **state)
{
    static const size_t sizes[] = {0, 1, 1452, 1453, 1472, 1473, 9000, 65506, 65507};
    static uint8_t data[65508];
    struct pair *pair = *state;

    fill(data, sizeof data);
    for (int v6 = 0; v6 < 2; v6++) {
        berth_id server = bind_on(pair, 1, 5000);
        berth_id client = connect_to(pair, v6 != 0, 5000);

        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct berth_datagram got;

            assert_int_equal(berth_udp_write(pair->side[0], client, NULL, data, sizes[i]),
                             BERTH_OK);
            run(pair);
            assert_int_equal(berth_udp_peek(pair->side[1], server, &got), BERTH_OK);
            assert_int_equal(got.payload.bytes, sizes[i]);
            assert_memory_equal(got.payload.data, data, sizes[i]);
            assert_int_equal(berth_udp_consume(pair->side[1], server), BERTH_OK);
        }
        assert_int_equal(
            berth_udp_write(pair->side[0], client, NULL, data, v6 != 0 ? 65528 : sizeof data),
            BERTH_E_TOO_LONG);
        assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
        assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
    }
}

static void buffer_bounds_the_size(void **state)
{
    struct pair *pair = *state;
    struct berth_view room;
    berth_id client = connect_to(pair, false, 5000);

    assert_int_equal(berth_udp_reserve(pair->side[0], client, 2048 - BUFFERS_HEADROOM, &room),
                     BERTH_OK);
    assert_int_equal(berth_udp_reserve(pair->side[0], client, 2049 - BUFFERS_HEADROOM, &room),
                     BERTH_E_TOO_LONG);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
}

/* Eight pieces and a short one, cut by the stack or left to the link: the same arrives. */
static void super_datagrams(struct pair *pair, bool by_link)
{
    static uint8_t data[10000];
    struct berth_udp_send send = {.bytes = sizeof data, .segment_bytes = 1200};
    struct berth_view room;
    berth_id server = bind_on(pair, 1, 5000);
    berth_id client = connect_to(pair, true, 5000);
    size_t done = 0;

    fill(data, sizeof data);
    assert_int_equal(berth_udp_reserve(pair->side[0], client, sizeof data, &room), BERTH_OK);
    memcpy(room.data, data, sizeof data);
    send.segment_bytes = 1453; /* larger than the MTU lets it */
    assert_int_equal(berth_udp_commit(pair->side[0], client, &send), BERTH_E_INVALID);
    send.segment_bytes = 60; /* more than 128 pieces */
    assert_int_equal(berth_udp_commit(pair->side[0], client, &send), BERTH_E_INVALID);
    send.segment_bytes = 1200;
    assert_int_equal(berth_udp_commit(pair->side[0], client, &send), BERTH_OK);
    run(pair);
    for (int i = 0; i < (by_link ? 1 : 9); i++) {
        struct berth_datagram got;

        assert_int_equal(berth_udp_peek(pair->side[1], server, &got), BERTH_OK);
        assert_int_equal(got.segment_bytes, by_link ? 1200 : 0);
        assert_memory_equal(got.payload.data, data + done, got.payload.bytes);
        done += got.payload.bytes;
        assert_int_equal(berth_udp_consume(pair->side[1], server), BERTH_OK);
    }
    assert_int_equal(done, sizeof data);
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

static void super_datagrams_are_cut(void **state)
{
    super_datagrams(*state, false);
}

static void super_datagrams_are_handed_on(void **state)
{
    super_datagrams(*state, true);
}

static void full_outbox_is_told_and_room_again(void **state)
{
    struct pair *pair = *state;
    berth_id server = bind_on(pair, 1, 5000);
    berth_id client = connect_to(pair, false, 5000);
    struct berth_event event;
    int sent = 0;
    int result;

    while ((result = write_text(pair->side[0], client, NULL, "x")) == BERTH_OK) {
        sent++;
    }
    assert_int_equal(result, BERTH_E_AGAIN);
    assert_int_equal(sent, 512); /* twice limits.replies */
    assert_false(berth_next_event(pair->side[0], &event));
    run(pair);
    assert_true(berth_next_event(pair->side[0], &event));
    assert_int_equal(event.bits, BERTH_EVENT_WRITABLE);
    assert_int_equal(write_text(pair->side[0], client, NULL, "x"), BERTH_OK);
    run(pair);
    for (int i = 0; i < sent + 1; i++) {
        expect_text(pair->side[1], server, "x", NULL);
    }
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
}

#define TEST(name)         cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_BIG(name)     cmocka_unit_test_setup_teardown(name, setup_big, teardown)
#define TEST_OFFLOAD(name) cmocka_unit_test_setup_teardown(name, setup_offload, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(question_and_answer),
        TEST(connected_socket_hears_its_remote_alone),
        TEST(closed_port_is_told_once),
        TEST(answers_pass_a_firewall_that_lets_nothing_in),
        TEST(server_answers_but_does_not_begin),
        TEST(verdict_is_given_once_per_conversation),
        TEST(refusals_are_answered_or_silent),
        TEST(ports_are_taken_and_given_back),
        TEST(wrong_ends_are_refused),
        TEST(stale_ids_are_errors),
        TEST(every_port_is_served),
        TEST_BIG(every_size_comes_across),
        TEST_OFFLOAD(every_size_comes_across),
        TEST(buffer_bounds_the_size),
        TEST_BIG(super_datagrams_are_cut),
        TEST_OFFLOAD(super_datagrams_are_handed_on),
        TEST(full_outbox_is_told_and_room_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
