/* SPDX-License-Identifier: MIT */
/*
 * The queue: first in, first out, whatever the sizes; bounded in bytes and in buffers.
 */
#include "base/random.h"
#include "tests/unit/udp/fixture.h"

static int setup(void **state)
{
    *state = fixture_new();
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static const struct udp_flow *flow_in(struct udp_flow *flow)
{
    *flow = fixture_flow(1000);
    return flow;
}

static struct udp_socket *open_one(struct fixture *f)
{
    struct udp_flow flow;
    struct udp_socket *socket;

    assert_int_equal(udp_open(&f->udp, flow_in(&flow), NULL, &socket), BERTH_OK);
    return socket;
}

static enum berth_drop put(struct fixture *f, struct udp_socket *socket, uint32_t bytes,
                           uint8_t fill)
{
    struct udp_flow flow;

    return fixture_deliver(f, socket, fixture_datagram(f, flow_in(&flow), bytes, fill));
}

static void expect_next(struct fixture *f, struct udp_socket *socket, uint32_t bytes, uint8_t fill)
{
    struct wire_packet packet;

    assert_true(udp_peek(socket, &packet));
    assert_int_equal(packet.payload_bytes, bytes);
    assert_int_equal(packet.source_port, 1000);
    for (uint32_t i = 0; i < bytes; i++) {
        assert_int_equal(packet.payload[i], fill);
    }
    assert_true(udp_consume(&f->udp, socket));
}

/* Sizes small and large in any mixture, against a plain list. */
static void order_and_bytes_are_kept(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {3};
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);
    struct random random;
    uint32_t sizes[4096];
    uint32_t in = 0;
    uint32_t out = 0;

    random_init(&random, seed, "test");
    while (in < 4000) {
        uint32_t bytes = random_below(&random, random_below(&random, 4) == 0 ? 9000 : 300);
        enum berth_drop drop = put(f, socket, bytes, (uint8_t)in);

        if (drop == BERTH_DROP_NONE) {
            sizes[in++] = bytes;
        } else {
            assert_int_equal(drop, BERTH_DROP_QUEUE_FULL);
        }
        assert_int_equal(socket->queue_count, in - out);
        udp_check(&f->udp);
        for (uint32_t i = random_below(&random, 3); i > 0 && out < in; i--) {
            expect_next(f, socket, sizes[out], (uint8_t)out);
            out++;
        }
    }
    while (out < in) {
        expect_next(f, socket, sizes[out], (uint8_t)out);
        out++;
    }
    assert_int_equal(socket->queue_bytes, 0);
    assert_false(udp_consume(&f->udp, socket));
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS);
    udp_close(&f->udp, socket);
}

static void small_ones_share_a_buffer(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);

    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(put(f, socket, i, (uint8_t)i), BERTH_DROP_NONE);
    }
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS - 1);
    for (uint32_t i = 0; i < 100; i++) {
        expect_next(f, socket, i, (uint8_t)i);
    }
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS);
    udp_close(&f->udp, socket);
}

static void headers_count_so_that_empty_ones_fill_it_too(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);
    uint32_t count = 0;

    while (put(f, socket, 0, 0) == BERTH_DROP_NONE) {
        count++;
    }
    assert_int_equal(count, FIXTURE_QUEUE_BYTES / 28);
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS - 2);
    udp_close(&f->udp, socket);
}

/* One that is larger than the whole queue may be comes through while it is alone. */
static void one_always_fits(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);

    f->udp.queue_bytes_max = 1000;
    assert_int_equal(put(f, socket, 5000, 1), BERTH_DROP_NONE);
    assert_int_equal(put(f, socket, 1, 2), BERTH_DROP_QUEUE_FULL);
    expect_next(f, socket, 5000, 1);
    assert_int_equal(put(f, socket, 1, 3), BERTH_DROP_NONE);
    expect_next(f, socket, 1, 3);
    udp_close(&f->udp, socket);
}

static void pool_is_never_pinned_to_its_reserve(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);
    uint32_t count = 0;
    enum berth_drop drop;

    f->udp.queue_bytes_max = 1000000;
    while ((drop = put(f, socket, 9000, 1)) == BERTH_DROP_NONE) {
        count++;
    }
    assert_int_equal(drop, BERTH_DROP_RECEIVE_BUDGET);
    assert_true(f->buffers.free >= f->buffers.reserved);
    assert_int_equal(count, FIXTURE_BUFFERS - f->buffers.free);
    udp_close(&f->udp, socket);
}

static void super_datagram_keeps_its_pieces_size(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);
    struct udp_flow flow;
    struct wire_packet packet;
    struct berth_buffer *buffer = fixture_datagram(f, flow_in(&flow), 1000, 5);

    buffer->offload.segment_kind = BERTH_SEGMENT_UDP;
    buffer->offload.segment_bytes = 300;
    assert_int_equal(put(f, socket, 10, 1), BERTH_DROP_NONE);
    assert_int_equal(fixture_deliver(f, socket, buffer), BERTH_DROP_NONE);
    assert_int_equal(put(f, socket, 11, 2), BERTH_DROP_NONE);
    expect_next(f, socket, 10, 1);
    assert_true(udp_peek(socket, &packet));
    assert_int_equal(packet.segment_bytes, 300);
    expect_next(f, socket, 1000, 5);
    expect_next(f, socket, 11, 2);
    udp_close(&f->udp, socket);
}

static void packets_without_room_around_them_keep_their_buffer(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *socket = open_one(f);

    for (uint32_t i = 0; i < 2; i++) {
        struct udp_flow flow;
        struct berth_buffer *buffer = fixture_datagram(f, flow_in(&flow), 100, 7);
        uint32_t to = i == 0 ? 0 : buffer->capacity - buffer->bytes;

        memmove(buffer->data + to, buffer->data + buffer->begin, buffer->bytes);
        buffer->begin = to;
        assert_int_equal(fixture_deliver(f, socket, buffer), BERTH_DROP_NONE);
    }
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS - 2);
    expect_next(f, socket, 100, 7);
    expect_next(f, socket, 100, 7);
    udp_close(&f->udp, socket);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order_and_bytes_are_kept),
        TEST(small_ones_share_a_buffer),
        TEST(headers_count_so_that_empty_ones_fill_it_too),
        TEST(one_always_fits),
        TEST(pool_is_never_pinned_to_its_reserve),
        TEST(super_datagram_keeps_its_pieces_size),
        TEST(packets_without_room_around_them_keep_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
