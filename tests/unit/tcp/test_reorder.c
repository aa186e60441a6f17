/* SPDX-License-Identifier: MIT */
/*
 * Out-of-order data against a model that knows of each byte whether it has come.
 */
#include "fixture.h"

#define SPAN     20000 /* bytes of stream that the random life moves in */
#define ARRIVALS 30000
#define FLOOD    1000000U

static uint8_t byte_at(uint32_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

/* BYTES of the stream from OFFSET on arrive, as a link would hand them over. */
static enum berth_drop arrive(struct fixture *f, uint32_t offset, uint32_t bytes)
{
    struct berth_buffer *buffer = buffers_get(&f->buffers);

    if (buffer == NULL) {
        return BERTH_DROP_RECEIVE_BUDGET;
    }
    struct tcp_arrival arrival = {.buffer = buffer,
                                  .payload = buffer->data + BUFFERS_HEADROOM + 40,
                                  .seq = FIXTURE_IRS + 1 + offset,
                                  .bytes = bytes};
    for (uint32_t i = 0; i < bytes; i++) {
        arrival.payload[i] = byte_at(offset + i);
    }
    enum berth_drop drop = tcp_reorder_add(&f->tcp, f->conn, &arrival);
    if (arrival.buffer != NULL) {
        buffers_put(&f->buffers, arrival.buffer);
    }
    return drop;
}

/* One block of the model: from the first byte there at or before AT to the last behind it. */
static struct wire_sack model_block(const bool *there, uint32_t at)
{
    uint32_t left = at;
    uint32_t right = at;

    while (left > 0 && there[left - 1]) {
        left--;
    }
    while (right < SPAN && there[right]) {
        right++;
    }
    return (struct wire_sack){FIXTURE_IRS + 1 + left, FIXTURE_IRS + 1 + right};
}

static void compare_blocks(const struct fixture *f, const bool *there, uint32_t newest)
{
    struct wire_sack blocks[4];
    uint8_t count = tcp_reorder_sack(f->conn, blocks, 4);

    for (uint8_t i = 0; i < count; i++) {
        uint32_t offset = blocks[i].left - (FIXTURE_IRS + 1);
        struct wire_sack model = model_block(there, offset);
        assert_true(offset < SPAN && there[offset]);
        assert_int_equal(blocks[i].left, model.left);
        assert_int_equal(blocks[i].right, model.right);
        for (uint8_t j = 0; j < i; j++) {
            assert_int_not_equal(blocks[j].left, blocks[i].left);
        }
    }
    if (there[newest]) { /* RFC 2018 4: the newest arrival's block stands first */
        assert_true(count > 0);
        assert_int_equal(blocks[0].left, model_block(there, newest).left);
    }
}

/* What is in order now is read; *READ says how far. */
static void drain(struct fixture *f, uint32_t *read)
{
    tcp_reorder_drain(&f->tcp, f->conn);
    while (f->conn->receive_last != NULL) {
        const struct berth_buffer *buffer = f->conn->receive_last->next;
        for (uint32_t i = 0; i < buffer->bytes; i++) {
            assert_int_equal(buffer->data[buffer->begin + i], byte_at(*read + i));
        }
        *read += buffer->bytes;
        assert_int_equal(tcp_consume(&f->tcp, f->conn, buffer->bytes), 0);
    }
    assert_int_equal(FIXTURE_IRS + 1 + *read, f->conn->rcv_nxt);
}

/* The hole at rcv_nxt is filled as if the segment had come. */
static void fill_hole(struct fixture *f, const bool *there, uint32_t *read)
{
    uint32_t end = *read;
    struct tcp_arrival arrival = {.buffer = buffers_get(&f->buffers)};

    while (end < SPAN && !there[end] && end - *read < 700) {
        end++;
    }
    arrival.seq = f->conn->rcv_nxt;
    arrival.bytes = end - *read;
    arrival.payload = arrival.buffer->data + 100;
    for (uint32_t i = 0; i < arrival.bytes; i++) {
        arrival.payload[i] = byte_at(*read + i);
    }
    tcp_receive_append(&f->tcp, f->conn, &arrival);
    if (arrival.buffer != NULL) {
        buffers_put(&f->buffers, arrival.buffer);
    }
    drain(f, read);
}

static uint32_t draw_bytes(struct random *random)
{
    uint32_t most[4] = {1, 3, 300, 1460};

    return 1 + random_below(random, most[random_below(random, 4)]);
}

static void a_random_life_agrees_with_a_model(void **state)
{
    static bool there[SPAN];
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 3000});
    struct random random;
    static const uint8_t seed[RANDOM_SEED_BYTES] = {3};
    uint32_t read = 0;
    uint32_t refused = 0;

    (void)state;
    random_init(&random, seed, "test");
    for (uint32_t n = 0; n < ARRIVALS && read < SPAN - 2000; n++) {
        uint32_t offset = read + 1 + random_below(&random, SPAN - read - 1500);
        uint32_t bytes = draw_bytes(&random);
        uint32_t room = SPAN - offset;
        bytes = bytes < room ? bytes : room;
        uint32_t before = f->conn->work->reorder_bytes;
        enum berth_drop drop = arrive(f, offset, bytes);
        if (drop == BERTH_DROP_NONE) {
            /* What it has taken is the first gap that the segment covers. */
            uint32_t at = offset;
            while (there[at]) {
                at++;
            }
            for (uint32_t i = f->conn->work->reorder_bytes - before; i > 0; i--) {
                assert_false(there[at]);
                there[at++] = true;
            }
        } else {
            refused += drop == BERTH_DROP_RECEIVE_BUDGET ? 1 : 0;
            assert_int_equal(f->conn->work->reorder_bytes, before);
        }
        if (drop != BERTH_DROP_RECEIVE_BUDGET) {
            compare_blocks(f, there, offset);
        }
        tcp_conn_check(f->conn);
        if (n % 200 == 199) {
            fill_hole(f, there, &read);
            tcp_conn_check(f->conn);
        }
    }
    assert_true(read > SPAN / 4); /* it went on */
    assert_true(refused < ARRIVALS / 2);
    fixture_free(f);
}

/* The I-th of N numbers, each once: up, down, all even ones before the odd, or scattered. */
static uint32_t nth(unsigned order, uint32_t i, uint32_t n)
{
    switch (order) {
    case 0:
        return i;
    case 1:
        return n - 1 - i;
    case 2:
        return i < n / 2 ? 2 * i : 2 * (i - n / 2) + 1;
    default:
        return (uint32_t)((uint64_t)i * 2654435761U % n); /* the factor and n have no divisor */
    }
}

/* A million segments of one byte, none of them the one that is missing, in four orders: they take
 * the buffers that their stretch of the stream fills, and in the end one block. */
static void a_flood_of_bytes_is_bounded(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        uint32_t n = FLOOD;
        struct fixture *f =
            fixture_new(&(struct fixture_limits){.buffers = 1200, .records = FLOOD});
        uint32_t most = 0;
        uint32_t records = 0;
        struct wire_sack block;

        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(arrive(f, 1 + nth(order, i, n), 1), BERTH_DROP_NONE);
            uint32_t used = f->count - f->buffers.free;
            most = used > most ? used : most;
            records =
                f->conn->work->reorder_count > records ? f->conn->work->reorder_count : records;
        }
        tcp_conn_check(f->conn);
        assert_int_equal(f->conn->work->reorder_bytes, n);
        assert_in_range(most, n / FIXTURE_CAPACITY, n / FIXTURE_CAPACITY + 4);
        assert_true(order > 1 || records <= n / FIXTURE_CAPACITY + 4);
        assert_int_equal(tcp_reorder_sack(f->conn, &block, 1), 1);
        assert_int_equal(block.right - block.left, n);
        fixture_free(f);
    }
}

/* The same with few records: what does not fit is refused, and nothing else happens. */
static void without_records_more_is_refused(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 1200, .records = 100});
    uint32_t refused = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        enum berth_drop drop = arrive(f, 1 + 2 * i, 1);
        assert_true(drop == BERTH_DROP_NONE || drop == BERTH_DROP_REORDER_LIMIT);
        refused += drop == BERTH_DROP_REORDER_LIMIT ? 1 : 0;
    }
    assert_int_equal(refused, 900);
    assert_int_equal(f->conn->work->reorder_count, 100);
    assert_int_equal(arrive(f, 2, 1), BERTH_DROP_NONE); /* it joins two: a record is free again */
    assert_int_equal(f->conn->work->reorder_count, 99);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

/* Bytes that share a buffer with others that are still ahead are handed over as a copy; without a
 * buffer for it they have to come again. */
static void without_a_buffer_they_come_again(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 100});
    struct berth_buffer *taken[16];
    uint32_t count = 0;

    (void)state;
    assert_int_equal(arrive(f, 1, 10), BERTH_DROP_NONE);
    assert_int_equal(arrive(f, 20, 10), BERTH_DROP_NONE); /* in the same buffer */
    assert_int_equal(f->count - f->buffers.free, 1);
    for (; f->buffers.free > 0; count++) {
        taken[count] = buffers_get(&f->buffers);
    }
    f->conn->rcv_nxt += 1;
    tcp_reorder_drain(&f->tcp, f->conn);
    assert_int_equal(f->conn->rcv_nxt, FIXTURE_IRS + 2);
    assert_int_equal(f->conn->work->reorder_count, 1);
    while (count > 0) {
        buffers_put(&f->buffers, taken[--count]);
    }
    assert_int_equal(arrive(f, 2, 9), BERTH_DROP_NONE);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_agrees_with_a_model),
        cmocka_unit_test(a_flood_of_bytes_is_bounded),
        cmocka_unit_test(without_records_more_is_refused),
        cmocka_unit_test(without_a_buffer_they_come_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
