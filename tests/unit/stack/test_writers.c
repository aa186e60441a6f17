/* SPDX-License-Identifier: MIT */
/*
 * Many connections that want to write, and few buffers: whose turn it is, and what asking costs.
 */
#include "pair.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONNECTIONS 600
#define BUFFERS     256
#define PORT        8080
#define SEGMENT     1448

/* The owner's note on a connection of side 0. */
struct writer {
    uint64_t left;  /* bytes that it still wants to write */
    bool has_begun; /* and been told to wait */
    bool gives_up;  /* then it does not write again */
};

struct world {
    struct pair pair;
    struct writer writers[CONNECTIONS];
    berth_id ids[CONNECTIONS];
    uint64_t written;
    uint64_t in_vain; /* calls that found no room, but for each writer's first */
    uint64_t consumed;
};

static struct world *new_world(uint64_t each)
{
    struct world *world = calloc(1, sizeof *world);
    struct berth_endpoint server = pair_endpoint(1, false, PORT);
    struct berth_config config;
    berth_id listener;

    assert_non_null(world);
    berth_config_init(&config);
    config.limits.buffers = BUFFERS;
    config.limits.buffers_reserved = 64;
    config.limits.buffer_bytes = 2048;
    pair_init(&world->pair, &config);
    assert_int_equal(berth_tcp_listen(world->pair.side[1], &server, CONNECTIONS, NULL, &listener),
                     BERTH_OK);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        world->writers[i].left = each;
        assert_int_equal(berth_tcp_connect(world->pair.side[0], NULL, &server, &world->writers[i],
                                           &world->ids[i]),
                         BERTH_OK);
    }
    return world;
}

static void free_world(struct world *world)
{
    stack_check(world->pair.side[0]);
    pair_done(&world->pair);
    free(world);
}

/* Segment by segment, until there is no room. */
static void write_more(struct world *world, struct writer *writer, berth_id id)
{
    while (writer->left > 0 && !(writer->has_begun && writer->gives_up)) {
        struct berth_view room;
        uint32_t count = 0;
        size_t want = writer->left < SEGMENT ? writer->left : SEGMENT;
        int result = berth_tcp_reserve(world->pair.side[0], id, want, &room, 1, &count);

        if (result != BERTH_OK) {
            assert_int_equal(result, BERTH_E_AGAIN);
            world->in_vain += writer->has_begun ? 1 : 0;
            writer->has_begun = true;
            return;
        }
        memset(room.data, 7, room.bytes);
        assert_int_equal(berth_tcp_commit(world->pair.side[0], id, room.bytes), BERTH_OK);
        writer->left -= room.bytes;
        world->written += room.bytes;
    }
}

static void read_all(struct world *world, berth_id id)
{
    struct berth_view views[8];
    uint32_t count = 0;

    while (berth_tcp_peek(world->pair.side[1], id, views, 8, &count) == BERTH_OK && count > 0) {
        size_t bytes = 0;

        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
        }
        assert_int_equal(berth_tcp_consume(world->pair.side[1], id, bytes), BERTH_OK);
        world->consumed += bytes;
    }
}

static void take_events(struct world *world)
{
    struct berth_event event;
    berth_id id;

    while (berth_next_event(world->pair.side[0], &event)) {
        if ((event.bits & (BERTH_EVENT_CONNECTED | BERTH_EVENT_WRITABLE)) != 0) {
            write_more(world, event.user, event.id);
        }
    }
    while (berth_next_event(world->pair.side[1], &event)) {
        if ((event.bits & BERTH_EVENT_ACCEPTABLE) != 0) {
            while (berth_tcp_accept(world->pair.side[1], event.id, NULL, &id) == BERTH_OK) {
                read_all(world, id);
            }
        } else {
            read_all(world, event.id);
        }
    }
}

/* Until BYTES have come, at most so many seconds. */
static void run(struct world *world, uint64_t bytes, uint64_t seconds)
{
    uint64_t until_ns = world->pair.now_ns + seconds * NS_PER_S;

    while (world->consumed < bytes && world->pair.now_ns < until_ns) {
        take_events(world);
        (void)pair_step(&world->pair, until_ns);
    }
    assert_true(world->consumed >= bytes);
}

/* A buffer that comes back is not offered to all who wait. */
static void a_buffer_is_offered_to_one(void **state)
{
    struct world *world = new_world(1 << 20);

    (void)state;
    run(world, 4000000, 60);
    assert_true(world->in_vain < world->written / SEGMENT / 4);
    free_world(world);
}

/* ---- What somebody is offered and does not take ---------------------------------------------- */

#define HOLDERS 20

static void open_all(struct world *world)
{
    for (unsigned turns = 0; turns < 100000; turns++) {
        struct berth_stats stats;

        take_events(world);
        berth_stats(world->pair.side[1], &stats);
        if (stats.tcp_connections == CONNECTIONS) {
            break;
        }
        (void)pair_step(&world->pair, world->pair.now_ns + NS_PER_S);
    }
    pair_run(&world->pair, world->pair.now_ns + NS_PER_S);
    take_events(world);
}

/* Nothing comes back from the peer, and some have taken all buffers that there are for writers. */
static void take_all_buffers(struct world *world)
{
    world->pair.cut = true;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        world->writers[i].left = UINT64_MAX;
        write_more(world, &world->writers[i], world->ids[i]);
        world->writers[i].gives_up = true;
        assert_true(world->writers[i].has_begun);
    }
    pair_run(&world->pair, world->pair.now_ns);
    assert_int_equal(buffers_spare_to_send(&world->pair.side[0]->buffers), 0);
}

/* Every one of the others is told in the end, at once and without a packet: as the owner of a stack
 * goes on, by berth_deadline. */
static void what_is_not_taken_is_the_next_ones(void **state)
{
    struct world *world = new_world(0);
    struct berth *berth = world->pair.side[0];
    uint64_t now_ns;
    unsigned told = 0;

    (void)state;
    open_all(world);
    take_all_buffers(world);
    now_ns = world->pair.now_ns;
    assert_int_equal(berth_tcp_abort(berth, world->ids[0]), BERTH_OK);
    for (unsigned turns = 0; turns < 1000; turns++) {
        struct berth_frame frame;
        struct berth_event event;

        while (berth_transmit(berth, &frame, 1, now_ns) > 0) {
        }
        while (berth_next_event(berth, &event)) {
            told += (event.bits & BERTH_EVENT_WRITABLE) != 0 ? 1 : 0;
        }
        if (berth_deadline(berth) > now_ns) {
            break;
        }
        berth_advance(berth, now_ns);
    }
    assert_true(told >= CONNECTIONS - HOLDERS);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_offered_to_one),
        cmocka_unit_test(what_is_not_taken_is_the_next_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
