/* SPDX-License-Identifier: MIT */
/*
 * The impaired link: each impairment does what its number says, exactly where it is exact and
 * within bounds where it is chance; the same seed has the same fate.
 *
 *   impaired ── far        the test sends at one and reads at the other
 */
#include "stack.h"

#include "base/bytes.h"

#define PACKETS 20000U

struct path {
    struct test_stack stack;
    struct link *impaired;
    struct link *far;
};

static struct path path_new(const struct link_impairment *out, const struct link_impairment *in)
{
    struct link_memory_config config = {.queue_packets = 1U << 20,
                                        .packet_bytes_max = BERTH_PACKET_BYTES_MAX};
    struct link_impairment none = {0};
    struct path path = {.stack = stack_new(32, 2048)};
    struct link *near;

    assert_int_equal(link_memory_new(&config, &near, &path.far), 0);
    assert_int_equal(
        link_impair_new(near, out != NULL ? out : &none, in != NULL ? in : &none, &path.impaired),
        0);
    return path;
}

static void path_free(struct path *path)
{
    link_free(path->impaired);
    link_free(path->far);
    stack_free(&path->stack);
}

/* Lets the impaired link work until nothing is under way; returns the time. */
static uint64_t run_out(struct path *path, uint64_t now_ns)
{
    while (link_next_ns(path->impaired) != BERTH_NEVER) {
        now_ns = max_u64(now_ns, link_next_ns(path->impaired));
        assert_int_equal(read_number(path->impaired, &path->stack, now_ns), -1);
    }
    return now_ns;
}

/* Sends PACKETS, one each STEP_NS; OUT gets their numbers as they arrive. Returns how many. */
static uint32_t send_all(const struct link_impairment *config, uint64_t step_ns, uint32_t *out)
{
    struct path path = path_new(config, NULL);
    uint32_t count = 0;
    uint64_t now_ns = 0;
    int64_t number;

    for (uint32_t i = 0; i < PACKETS; i++) {
        send_number(path.impaired, PACKET_BYTES, i, now_ns);
        now_ns += step_ns;
    }
    (void)run_out(&path, now_ns);
    number = read_number(path.far, &path.stack, now_ns);
    while (number >= 0) {
        assert_true(count < 2 * PACKETS);
        out[count++] = (uint32_t)number;
        number = read_number(path.far, &path.stack, now_ns);
    }
    assert_int_equal(stack_buffers_free(&path.stack), 32);
    path_free(&path);
    return count;
}

static uint32_t arrived[2 * PACKETS];
static uint32_t again[2 * PACKETS];

static void loss_is_as_said(void **state)
{
    struct link_impairment config = {.seed = 1, .loss_ppm = 30000};
    uint32_t count = send_all(&config, 1000, arrived);

    (void)state;
    /* 600 expected, standard deviation 24: five of them each way. */
    assert_in_range(PACKETS - count, 480, 720);
    for (uint32_t i = 1; i < count; i++) {
        assert_true(arrived[i] > arrived[i - 1]);
    }
}

static void duplicates_are_as_said(void **state)
{
    struct link_impairment config = {.seed = 2, .duplicate_ppm = 30000};
    uint32_t count = send_all(&config, 1000, arrived);
    uint32_t twins = 0;

    (void)state;
    assert_in_range(count - PACKETS, 480, 720);
    for (uint32_t i = 1; i < count; i++) {
        twins += arrived[i] == arrived[i - 1];
    }
    assert_int_equal(twins, count - PACKETS);
}

static void jitter_keeps_the_order(void **state)
{
    struct link_impairment config = {.seed = 3, .delay_ns = 1000000, .jitter_ns = 5000000};
    uint32_t count = send_all(&config, 1000, arrived);

    (void)state;
    assert_int_equal(count, PACKETS);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(arrived[i], i);
    }
}

static void reordering_is_as_said(void **state)
{
    struct link_impairment config = {
        .seed = 4, .delay_ns = 1000000, .reorder_ppm = 20000, .reorder_delay_ns = 2500};
    uint32_t count = send_all(&config, 1000, arrived);
    uint32_t late = 0;
    uint32_t highest = 0;

    (void)state;
    assert_int_equal(count, PACKETS);
    for (uint32_t i = 0; i < count; i++) {
        late += arrived[i] < highest;
        highest = max_u32(highest, arrived[i]);
        assert_true(arrived[i] + 3 >= highest); /* held back by 2.5 packet times */
    }
    assert_in_range(late, 300, 500); /* 400, standard deviation 20 */
}

static void same_seed_same_fate(void **state)
{
    struct link_impairment config = {.seed = 5,
                                     .delay_ns = 1000000,
                                     .jitter_ns = 2000000,
                                     .loss_ppm = 50000,
                                     .duplicate_ppm = 50000,
                                     .reorder_ppm = 50000};
    uint32_t count = send_all(&config, 1000, arrived);

    (void)state;
    assert_int_equal(send_all(&config, 1000, again), count);
    assert_memory_equal(arrived, again, count * sizeof arrived[0]);
    config.seed = 6;
    assert_true(send_all(&config, 1000, again) != count ||
                memcmp(arrived, again, count * sizeof arrived[0]) != 0);
}

/* More of one kind of trouble does not move another kind: each has its stream. */
static void streams_are_apart(void **state)
{
    struct link_impairment config = {.seed = 7, .loss_ppm = 50000};
    uint32_t count = send_all(&config, 1000, arrived);
    uint32_t kept = 0;
    uint32_t total;

    (void)state;
    config.duplicate_ppm = 100000;
    total = send_all(&config, 1000, again);
    for (uint32_t i = 0; i < total; i++) {
        if (i == 0 || again[i] != again[i - 1]) {
            assert_int_equal(again[i], arrived[kept++]);
        }
    }
    assert_int_equal(kept, count);
}

static void corruption_is_one_bit(void **state)
{
    struct link_impairment config = {.seed = 8, .corrupt_ppm = 1000000};
    struct path path = path_new(&config, NULL);
    uint8_t sent[PACKET_BYTES];
    struct berth_frame frame;
    uint64_t places = 0;

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        struct berth_buffer *buffer;
        int flipped = 0;

        frame = frame_of(sent, sizeof sent, i);
        frame.offload.checksum_good = 1;
        assert_int_equal(link_send(path.impaired, &frame, 1, i), 1);
        assert_int_equal(path.far->table->read(path.far, path.stack.berth, &buffer, 1, i), 1);
        assert_int_equal(buffer->offload.checksum_good, 0);
        for (uint32_t k = 0; k < sizeof sent; k++) {
            uint8_t difference = buffer->data[buffer->begin + k] ^ sent[k];

            flipped += __builtin_popcount(difference);
            places |= difference != 0 ? UINT64_C(1) << k % 64 : 0;
        }
        assert_int_equal(flipped, 1);
        berth_buffer_put(path.stack.berth, buffer);
    }
    assert_true(__builtin_popcountll(places) > 40);
    path_free(&path);
}

/* 1,000 packets of 1,250 bytes at 10 Mbit/s take 1 s, to the nanosecond; so they do at 3 Mbit/s. */
static void rate_is_exact(void **state)
{
    static const uint64_t rates[] = {10000000, 3000000};

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct link_impairment config = {
            .rate_bps = rates[k], .queue_bytes = 2000000, .delay_ns = 7};
        struct path path = path_new(&config, NULL);
        uint64_t last_ns;

        for (uint32_t i = 0; i < 1000; i++) {
            send_number(path.impaired, 1250, i, 0);
        }
        last_ns = run_out(&path, 0);
        assert_int_equal(last_ns, UINT64_C(10000000) * NS_PER_S / rates[k] + 7);
        assert_int_equal(path.impaired->counters.lost_impaired, 0);
        path_free(&path);
    }
}

static void the_queue_drops_its_tail(void **state)
{
    struct link_impairment config = {.rate_bps = 8000000, .queue_bytes = 10000};
    struct path path = path_new(&config, NULL);

    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        send_number(path.impaired, 1000, i, 0);
    }
    /* The first is on the line but not yet sent: ten in all are not more than 10,000 bytes. */
    assert_int_equal(path.impaired->counters.lost_impaired, 10);
    assert_int_equal(run_out(&path, 0), 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(read_number(path.far, &path.stack, 0), i);
    }
    assert_int_equal(read_number(path.far, &path.stack, 0), -1);
    path_free(&path);
}

static void delay_is_each_ways_own(void **state)
{
    struct link_impairment out = {.delay_ns = 3000};
    struct link_impairment in = {.delay_ns = 5000};
    struct path path = path_new(&out, &in);

    (void)state;
    send_number(path.impaired, PACKET_BYTES, 1, 100);
    assert_int_equal(link_next_ns(path.impaired), 3100);
    assert_int_equal(read_number(path.impaired, &path.stack, 3099), -1);
    assert_int_equal(read_number(path.far, &path.stack, 3099), -1);
    assert_int_equal(read_number(path.impaired, &path.stack, 3100), -1);
    assert_int_equal(read_number(path.far, &path.stack, 3100), 1);
    send_number(path.far, PACKET_BYTES, 2, 4000);
    assert_int_equal(link_next_ns(path.impaired), 0);
    assert_int_equal(read_number(path.impaired, &path.stack, 4000), -1);
    assert_int_equal(link_next_ns(path.impaired), 9000);
    assert_int_equal(read_number(path.impaired, &path.stack, 9000), 2);
    assert_int_equal(link_next_ns(path.impaired), BERTH_NEVER);
    path_free(&path);
}

/* Nothing that came out is lost while the stack has no buffer; its own pool is not held on to. */
static void starved_is_not_lost(void **state)
{
    struct link_impairment in = {.delay_ns = 1000};
    struct path path = path_new(NULL, &in);
    struct berth_buffer *taken[32];

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        send_number(path.far, PACKET_BYTES, i, 0);
    }
    assert_int_equal(read_number(path.impaired, &path.stack, 0), -1);
    assert_int_equal(stack_buffers_free(&path.stack), 32);
    for (int i = 0; i < 32; i++) {
        taken[i] = berth_buffer_get(path.stack.berth);
    }
    assert_int_equal(read_number(path.impaired, &path.stack, 1000), -1);
    assert_true(link_is_starved(path.impaired));
    assert_int_equal(link_next_ns(path.impaired), BERTH_NEVER);
    for (int i = 0; i < 32; i++) {
        berth_buffer_put(path.stack.berth, taken[i]);
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(read_number(path.impaired, &path.stack, 1000), i);
    }
    path_free(&path);
}

static void memory_is_bounded(void **state)
{
    struct link_impairment config = {.delay_ns = NS_PER_S};
    struct path path = path_new(&config, NULL);

    (void)state;
    for (uint32_t i = 0; i < 1100; i++) {
        send_number(path.impaired, BERTH_PACKET_BYTES_MAX, i, 0);
    }
    assert_in_range(path.impaired->counters.lost_impaired, 1100 - 1024, 1100 - 1000);
    path_free(&path);
}

/* Sends PACKETS with this traffic class; returns how many came out with CE. */
static uint32_t count_marked(struct path *path, uint8_t traffic_class, uint64_t now_ns)
{
    uint8_t sent[PACKET_BYTES];
    uint32_t marked = 0;

    for (uint32_t i = 0; i < PACKETS; i++) {
        struct berth_buffer *buffer;
        struct berth_frame frame = frame_of(sent, sizeof sent, i);

        sent[0] = 0x45;
        sent[1] = traffic_class;
        assert_int_equal(link_send(path->impaired, &frame, 1, now_ns), 1);
        assert_int_equal(path->far->table->read(path->far, path->stack.berth, &buffer, 1, now_ns),
                         1);
        marked += (buffer->data[buffer->begin + 1] & 3) == 3;
        berth_buffer_put(path->stack.berth, buffer);
    }
    return marked;
}

static void marking_is_as_said_and_no_loss(void **state)
{
    struct link_impairment config = {.seed = 9, .ecn_ppm = 50000};
    struct path path = path_new(&config, NULL);

    (void)state;
    assert_in_range(count_marked(&path, 2, 1), PACKETS / 20 - 150, PACKETS / 20 + 150);
    assert_in_range(count_marked(&path, 1, 2), PACKETS / 20 - 150, PACKETS / 20 + 150);
    assert_int_equal(count_marked(&path, 0, 3), 0);
    assert_in_range(path.impaired->counters.marked, PACKETS / 10 - 300, PACKETS / 10 + 300);
    assert_int_equal(path.impaired->counters.lost_impaired, 0);
    path_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_as_said),
        cmocka_unit_test(duplicates_are_as_said),
        cmocka_unit_test(jitter_keeps_the_order),
        cmocka_unit_test(reordering_is_as_said),
        cmocka_unit_test(same_seed_same_fate),
        cmocka_unit_test(streams_are_apart),
        cmocka_unit_test(corruption_is_one_bit),
        cmocka_unit_test(rate_is_exact),
        cmocka_unit_test(the_queue_drops_its_tail),
        cmocka_unit_test(delay_is_each_ways_own),
        cmocka_unit_test(starved_is_not_lost),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(marking_is_as_said_and_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
