/* SPDX-License-Identifier: MIT */
/*
 * Datagrams that wait for the link when it takes less than before (berth_set_mtu).
 */
#include "pair.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BUFFERS       1024
#define MTU           1300 /* what the link takes from then on; 1500 before */
#define SIZE_MAX_SENT 9000

static uint8_t data[SIZE_MAX_SENT];

/* PAIR's `drop`: none, but what side 0 sends fits the link. */
static bool fits(struct pair *pair, unsigned number, const struct pair_packet *packet)
{
    uint32_t bytes = packet->offload.segment_kind == BERTH_SEGMENT_NONE
                         ? packet->bytes
                         : packet->offload.header_bytes + packet->offload.segment_bytes;

    (void)pair;
    (void)number;
    assert_true(packet->to == 0 || bytes <= MTU);
    return false;
}

static struct pair *new_pair(uint32_t offloads)
{
    struct pair *pair = calloc(1, sizeof *pair);
    struct berth_config config;

    assert_non_null(pair);
    berth_config_init(&config);
    config.limits.buffers = BUFFERS;
    config.limits.buffer_bytes = 70000;
    config.limits.buffers_reserved = 64;
    config.offloads = offloads;
    pair_init(pair, &config);
    pair->drop = fits;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    return pair;
}

static int setup(void **state)
{
    *state = new_pair(0);
    return 0;
}

static int setup_offload(void **state)
{
    *state = new_pair(BERTH_LINK_CHECKSUM | BERTH_LINK_USO);
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    pair_run(pair, pair->now_ns + 100 * NS_PER_S);
    for (int side = 0; side < 2; side++) {
        struct berth_stats stats;

        berth_stats(pair->side[side], &stats);
        assert_int_equal(stats.reassemblies, 0);
        assert_int_equal(stats.buffers_free, BUFFERS);
    }
    pair_done(pair);
    free(pair);
    return 0;
}

static uint64_t drops(struct pair *pair)
{
    struct berth_stats stats;

    berth_stats(pair->side[0], &stats);
    return stats.drops[BERTH_DROP_TOO_BIG] + stats.drops[BERTH_DROP_REPLY_LIMIT];
}

static void open_both(struct pair *pair, bool v6, berth_id *client, berth_id *server)
{
    struct berth_endpoint local = {berth_address_any(), 5000};
    struct berth_endpoint remote = pair_endpoint(1, v6, 5000);

    assert_int_equal(berth_udp_open(pair->side[1], &local, NULL, NULL, server), BERTH_OK);
    assert_int_equal(berth_udp_open(pair->side[0], NULL, &remote, NULL, client), BERTH_OK);
}

static void close_both(struct pair *pair, berth_id client, berth_id server)
{
    assert_int_equal(berth_udp_close(pair->side[0], client), BERTH_OK);
    assert_int_equal(berth_udp_close(pair->side[1], server), BERTH_OK);
    assert_int_equal(berth_set_mtu(pair->side[0], 1500), BERTH_OK);
}

static void expect(struct pair *pair, berth_id server, size_t bytes)
{
    struct berth_datagram got;

    assert_int_equal(berth_udp_peek(pair->side[1], server, &got), BERTH_OK);
    assert_int_equal(got.payload.bytes, bytes);
    assert_memory_equal(got.payload.data, data, bytes);
    assert_int_equal(berth_udp_consume(pair->side[1], server), BERTH_OK);
}

/* Whole ones are cut (RFC 791 3.2, RFC 8200 4.5), fragments once more, and none passes another. */
static void they_go_in_fragments(void **state)
{
    static const size_t sizes[] = {100, 1272, 1273, 1400, 1452, 1453, SIZE_MAX_SENT, 1};
    struct pair *pair = *state;

    for (int v6 = 0; v6 < 2; v6++) {
        berth_id client;
        berth_id server;

        open_both(pair, v6 != 0, &client, &server);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_int_equal(berth_udp_write(pair->side[0], client, NULL, data, sizes[i]),
                             BERTH_OK);
        }
        assert_int_equal(berth_set_mtu(pair->side[0], MTU), BERTH_OK);
        pair_run(pair, pair->now_ns + 100 * NS_PER_MS);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            expect(pair, server, sizes[i]);
        }
        assert_int_equal(drops(pair), 0);
        close_both(pair, client, server);
    }
}

static void write_pieces(struct pair *pair, berth_id client, uint16_t segment_bytes)
{
    struct berth_udp_send send = {.bytes = 4000, .segment_bytes = segment_bytes};
    struct berth_view room;

    assert_int_equal(berth_udp_reserve(pair->side[0], client, 4000, &room), BERTH_OK);
    memcpy(room.data, data, 4000);
    assert_int_equal(berth_udp_commit(pair->side[0], client, &send), BERTH_OK);
}

/* The pieces of a super-datagram are the caller's: larger than the link takes they are dropped. */
static void large_pieces_are_dropped(void **state)
{
    struct pair *pair = *state;
    struct berth_stats stats;
    berth_id client;
    berth_id server;

    open_both(pair, false, &client, &server);
    write_pieces(pair, client, 1400);
    write_pieces(pair, client, 1000);
    assert_int_equal(berth_set_mtu(pair->side[0], MTU), BERTH_OK);
    berth_stats(pair->side[0], &stats);
    assert_int_equal(stats.drops[BERTH_DROP_TOO_BIG], 1);
    pair_run(pair, pair->now_ns + 100 * NS_PER_MS);
    expect(pair, server, 4000); /* the pieces of 1000, as they came: uncut */
    close_both(pair, client, server);
}

/* What takes more places than the outbox has is dropped whole, and counted. */
static void the_outbox_keeps_its_limit(void **state)
{
    struct pair *pair = *state;
    struct berth *berth = pair->side[0];
    uint32_t limit = berth->outbox.limit * 2;
    uint32_t sent = 0;
    berth_id client;
    berth_id server;

    open_both(pair, false, &client, &server);
    while (berth_udp_write(berth, client, NULL, data, 1400) == BERTH_OK) {
        sent++;
    }
    assert_int_equal(berth->outbox.count, limit);
    assert_int_equal(sent, limit);
    assert_int_equal(berth_set_mtu(berth, MTU), BERTH_OK);
    assert_true(berth->outbox.count <= limit);
    assert_int_equal(drops(pair), limit - berth->outbox.count / 2);
    pair_run(pair, pair->now_ns + 100 * NS_PER_MS);
    close_both(pair, client, server);
}

#define TEST(name)         cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_OFFLOAD(name) cmocka_unit_test_setup_teardown(name, setup_offload, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_go_in_fragments),
        TEST_OFFLOAD(they_go_in_fragments),
        TEST_OFFLOAD(large_pieces_are_dropped),
        TEST(the_outbox_keeps_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
