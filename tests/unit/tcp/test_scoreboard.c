/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard against a model that knows of each segment whether it was SACKed, and peers that
 * SACK in ways that no receiver does.
 */
#include "fixture.h"

#define SEGMENTS 400
#define STEPS    20000

/* BYTES have left, now. */
static void send_now(struct fixture *f, uint32_t bytes)
{
    assert_true(tcp_score_sent(&f->tcp, f->conn, bytes));
    f->conn->snd_nxt += bytes;
    f->conn->snd_end = f->conn->snd_nxt;
    f->conn->work->snd_small =
        bytes % FIXTURE_MSS != 0 ? f->conn->snd_nxt : f->conn->work->snd_small;
    f->queue.bytes += bytes;
}

/* COUNT times EACH segments have left, a record each time. */
static void send_all(struct fixture *f, uint32_t count, uint32_t each)
{
    for (uint32_t i = 0; i < count; i++) {
        f->tcp.now_ns++; /* at one moment single ones would be one train */
        send_now(f, each * FIXTURE_MSS);
    }
}

/* The peer acknowledges BYTES more. */
static struct tcp_acked acknowledge(struct fixture *f, uint32_t bytes)
{
    struct tcp_acked acked = {0};

    tcp_score_acked(&f->tcp, f->conn, f->conn->snd_una + bytes, &acked);
    f->conn->snd_una += bytes;
    f->queue.bytes -= bytes;
    return acked;
}

/* The peer SACKs [LEFT, RIGHT), offsets from snd_una; returns the bytes that were news. */
static uint32_t sack(struct fixture *f, uint32_t left, uint32_t right)
{
    struct tcp_acked acked = {0};
    struct wire_tcp segment = {.ack = f->conn->snd_una,
                               .sack = {{f->conn->snd_una + left, f->conn->snd_una + right}},
                               .sack_count = 1};

    f->tcp.now_ns += NS_PER_MS;
    tcp_score_sacked(&f->tcp, f->conn, &segment, &acked);
    return acked.sacked;
}

/* All that is not THERE is lost; the lowest of it goes again; then nothing was lost after all. */
static void lose_and_find(struct fixture *f, const bool *there)
{
    uint32_t at = 0;
    uint32_t seq;
    uint32_t end;

    tcp_score_all_lost(f->conn, false);
    tcp_conn_check(f->conn);
    if (tcp_score_resend(&f->tcp, f->conn, 3 * FIXTURE_MSS, &seq, &end)) {
        while (there[at]) {
            at++;
        }
        assert_int_equal(seq, f->conn->snd_una + at * FIXTURE_MSS);
    }
    tcp_score_none_lost(f->conn);
    assert_int_equal(f->conn->work->lost_bytes, 0);
}

static void a_random_life_agrees_with_a_model(void **state)
{
    static bool there[SEGMENTS];
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 1000});
    static const uint8_t seed[RANDOM_SEED_BYTES] = {5};
    struct random random;
    uint32_t first = 0; /* segments acknowledged */

    (void)state;
    random_init(&random, seed, "test");
    send_all(f, SEGMENTS / 8, 8); /* super-segments: SACK cuts them */
    for (uint32_t step = 0; step < STEPS && first < SEGMENTS; step++) {
        uint32_t left = random_below(&random, SEGMENTS - first);
        uint32_t right = left + 1 + random_below(&random, 12);
        uint32_t news = 0;
        right = right < SEGMENTS - first ? right : SEGMENTS - first;
        for (uint32_t i = first + left; i < first + right; i++) {
            news += there[i] ? 0 : FIXTURE_MSS;
            there[i] = true;
        }
        assert_int_equal(sack(f, left * FIXTURE_MSS, right * FIXTURE_MSS), news);
        if (random_below(&random, 50) == 0) {
            struct tcp_acked acked = {0};
            uint32_t ack = f->conn->snd_una + FIXTURE_MSS;
            tcp_score_acked(&f->tcp, f->conn, ack, &acked);
            f->conn->snd_una = ack;
            f->queue.bytes -= FIXTURE_MSS;
            first++;
        }
        if (random_below(&random, 200) == 0) {
            lose_and_find(f, &there[first]);
        }
        tcp_conn_check(f->conn);
    }
    fixture_free(f);
}

/* Every second byte: nothing whole has arrived, and nothing is cut. */
static void single_bytes_cut_nothing(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 1000});

    (void)state;
    send_all(f, 10, 40);
    for (uint32_t at = 1; at < 10 * 40 * FIXTURE_MSS; at += 2) {
        assert_int_equal(sack(f, at, at + 1), 0);
    }
    assert_int_equal(f->tcp.sent_records.used, 10);
    assert_int_equal(f->conn->work->sacked_bytes, 0);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

/* Every second segment, from either end: a record a segment at most; then the rest, and all that
 * is SACKed is one record again. */
static void every_second_segment_is_bounded(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        uint32_t n = 20 * 40;
        struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = n});

        send_all(f, 20, 40);
        for (uint32_t i = 0; i < n / 2; i++) {
            uint32_t at = 2 * (order == 0 ? i : n / 2 - 1 - i) + 1;
            assert_int_equal(sack(f, at * FIXTURE_MSS, (at + 1) * FIXTURE_MSS), FIXTURE_MSS);
        }
        assert_int_equal(f->tcp.sent_records.used, n);
        tcp_conn_check(f->conn);
        for (uint32_t i = 1; i < n / 2; i++) {
            assert_int_equal(sack(f, 2 * i * FIXTURE_MSS, (2 * i + 1) * FIXTURE_MSS), FIXTURE_MSS);
        }
        assert_int_equal(f->tcp.sent_records.used, 2);
        tcp_conn_check(f->conn);
        fixture_free(f);
    }
}

/* A block that begins and ends within segments tells of the whole ones in between. */
static void a_crooked_block_counts_whole_segments(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 100});

    (void)state;
    send_all(f, 1, 10);
    assert_int_equal(sack(f, 1500, 4999), 2 * FIXTURE_MSS);
    assert_int_equal(f->tcp.sent_records.used, 3);
    assert_int_equal(sack(f, 1500, 4999), 0);
    assert_int_equal(sack(f, 1000, 10000), 7 * FIXTURE_MSS);
    assert_int_equal(f->tcp.sent_records.used, 2);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

/* Who has something in flight leaves the last record to who has not. */
static void the_last_record_is_for_who_has_none(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 8});

    (void)state;
    assert_true(tcp_score_has_room(&f->tcp, f->conn));
    send_all(f, 7, 1);
    assert_false(tcp_score_has_room(&f->tcp, f->conn));
    f->tcp.now_ns++;
    assert_false(tcp_score_sent(&f->tcp, f->conn, FIXTURE_MSS));
    uint32_t una = f->conn->snd_una;
    f->conn->snd_una = f->conn->snd_nxt; /* as one that has nothing in flight */
    assert_true(tcp_score_has_room(&f->tcp, f->conn));
    f->conn->snd_una = una;
    fixture_free(f);
}

/* Full segments that leave at one moment are one record, which SACK blocks cut as any other; what
 * comes later, is short, follows a short one or is larger has its own. */
static void a_train_is_one_record(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 100});

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        send_now(f, FIXTURE_MSS);
    }
    assert_int_equal(f->tcp.sent_records.used, 1);
    assert_int_equal(sack(f, 2 * FIXTURE_MSS, 3 * FIXTURE_MSS), FIXTURE_MSS);
    assert_int_equal(f->tcp.sent_records.used, 3);
    tcp_conn_check(f->conn);
    send_now(f, FIXTURE_MSS); /* sack() has moved the clock */
    assert_int_equal(f->tcp.sent_records.used, 4);
    send_now(f, 10);
    send_now(f, FIXTURE_MSS);
    send_now(f, 2 * FIXTURE_MSS);
    assert_int_equal(f->tcp.sent_records.used, 7);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

static void a_train_is_no_longer_than_a_super_segment(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 100});

    (void)state;
    for (uint32_t i = 0; i < 65535 / FIXTURE_MSS + 1; i++) {
        send_now(f, FIXTURE_MSS);
    }
    assert_int_equal(f->tcp.sent_records.used, 2);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

/* Each ACK that takes a part of a train measures the round trip, as it would of single records. */
static void a_part_of_a_train_is_a_sample(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 100});

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        send_now(f, FIXTURE_MSS);
    }
    f->tcp.now_ns += 3 * NS_PER_MS;
    assert_int_equal(acknowledge(f, 2 * FIXTURE_MSS).rtt_ns, 3 * NS_PER_MS);
    assert_int_equal(f->conn->work->rack_end, f->conn->snd_una);
    f->tcp.now_ns += NS_PER_MS;
    assert_int_equal(acknowledge(f, 2 * FIXTURE_MSS).rtt_ns, 4 * NS_PER_MS);
    assert_int_equal(f->tcp.sent_records.used, 0);
    tcp_conn_check(f->conn);
    fixture_free(f);
}

/* All is lost, and others have what records there are. Returns how much of it goes at once. */
static uint32_t lose_all(struct fixture *f, uint32_t max)
{
    struct tcp_sent *others[8];
    uint32_t taken = 0;
    uint32_t seq;
    uint32_t end;

    while (f->tcp.sent_records.used < f->tcp.sent_records.count) {
        others[taken++] = pool_take(&f->tcp.sent_records);
    }
    tcp_score_all_lost(f->conn, false);
    assert_true(tcp_score_resend(&f->tcp, f->conn, max, &seq, &end));
    assert_int_equal(seq, f->conn->snd_una);
    tcp_conn_check(f->conn);
    while (taken > 0) {
        pool_give(&f->tcp.sent_records, others[--taken]);
    }
    return end - seq;
}

/* Its head goes, and is in flight; the rest stays lost, and goes when the head has arrived. */
static void what_cannot_be_cut_goes_by_its_head(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 1});
    uint32_t seq;
    uint32_t end;

    (void)state;
    send_all(f, 1, 10);
    assert_int_equal(lose_all(f, 3 * FIXTURE_MSS), 3 * FIXTURE_MSS);
    assert_int_equal(conn_pipe(f->conn), 3 * FIXTURE_MSS);
    assert_int_equal(f->conn->work->lost_bytes, 7 * FIXTURE_MSS);
    assert_int_equal(f->conn->work->resent_bytes, 3 * FIXTURE_MSS);
    assert_false(tcp_score_has_lost(f->conn));
    assert_false(tcp_score_resend(&f->tcp, f->conn, FIXTURE_MSS, &seq, &end));
    (void)acknowledge(f, 2 * FIXTURE_MSS); /* not all of the head */
    assert_int_equal(conn_pipe(f->conn), FIXTURE_MSS);
    assert_false(tcp_score_has_lost(f->conn));
    (void)acknowledge(f, FIXTURE_MSS);
    tcp_conn_check(f->conn);
    assert_int_equal(conn_pipe(f->conn), 0);
    assert_true(tcp_score_has_lost(f->conn));
    assert_true(tcp_score_resend(&f->tcp, f->conn, FIXTURE_MSS, &seq, &end));
    assert_int_equal(end, f->conn->snd_una + FIXTURE_MSS);
    (void)acknowledge(f, 4 * FIXTURE_MSS); /* the first copies have come */
    tcp_conn_check(f->conn);
    assert_int_equal(f->conn->work->lost_bytes, 3 * FIXTURE_MSS);
    assert_int_equal(f->conn->work->resent_bytes, 0);
    fixture_free(f);
}

/* It was not lost after all; nor is what waits. */
static void no_rest_is_lost_if_nothing_is(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 4});

    (void)state;
    send_all(f, 1, 10);
    send_all(f, 1, 1);
    (void)lose_all(f, FIXTURE_MSS);
    tcp_score_none_lost(f->conn);
    tcp_conn_check(f->conn);
    assert_int_equal(conn_pipe(f->conn), 11 * FIXTURE_MSS);
    (void)acknowledge(f, 4 * FIXTURE_MSS);
    tcp_conn_check(f->conn);
    assert_int_equal(conn_pipe(f->conn), 7 * FIXTURE_MSS);
    assert_int_equal(f->conn->work->lost_bytes, 0);
    fixture_free(f);
}

/* The head is lost too: all of it is, once. */
static void a_head_is_lost_again(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 1});

    (void)state;
    send_all(f, 1, 10);
    (void)lose_all(f, FIXTURE_MSS);
    assert_int_equal(lose_all(f, 2 * FIXTURE_MSS), 2 * FIXTURE_MSS);
    assert_int_equal(f->conn->work->lost_bytes, 8 * FIXTURE_MSS);
    fixture_free(f);
}

/* There are records again, and SACK cuts: in the head, at its end, and behind it. */
static void a_head_is_cut(void **state)
{
    (void)state;
    for (uint32_t at = 1; at < 6; at++) {
        struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 5});
        uint32_t in_head = at < 4 ? 3 : 4; /* segments of it that the peer has not told of */

        send_all(f, 1, 10);
        assert_int_equal(lose_all(f, 4 * FIXTURE_MSS), 4 * FIXTURE_MSS);
        assert_int_equal(sack(f, at * FIXTURE_MSS, (at + 1) * FIXTURE_MSS), FIXTURE_MSS);
        tcp_conn_check(f->conn);
        assert_int_equal(f->conn->work->resent_bytes, in_head * FIXTURE_MSS);
        assert_int_equal(f->conn->work->lost_bytes, (9 - in_head) * FIXTURE_MSS);
        assert_int_equal(tcp_score_has_lost(f->conn), at >= 3); /* else some of the head waits */
        fixture_free(f);
    }
}

/* Without SACK one segment is known to be lost: one goes, the rest is in flight, as it was. */
static void without_sack_a_head_is_a_segment(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 1});

    (void)state;
    conn_clear(f->conn, CONN_SACK);
    conn_set(f->conn, CONN_RECOVERY);
    send_all(f, 1, 10);
    assert_int_equal(lose_all(f, 3 * FIXTURE_MSS), FIXTURE_MSS);
    assert_int_equal(conn_pipe(f->conn), 10 * FIXTURE_MSS);
    (void)acknowledge(f, FIXTURE_MSS);
    tcp_conn_check(f->conn);
    assert_int_equal(conn_pipe(f->conn), 9 * FIXTURE_MSS);
    assert_int_equal(tcp_score_first(f->conn)->flags, SENT_EVER_RESENT); /* this has not */
    conn_clear(f->conn, CONN_RECOVERY);
    fixture_free(f);
}

/* Whatever happens where records are few, the sums are right, and what is lost goes. */
static void a_random_life_with_few_records(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 6});
    static const uint8_t seed[RANDOM_SEED_BYTES] = {6};
    struct random random;

    (void)state;
    random_init(&random, seed, "test");
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t out = (f->conn->snd_nxt - f->conn->snd_una) / FIXTURE_MSS;
        uint32_t count = 1 + random_below(&random, 8);
        uint32_t seq;
        uint32_t end;

        f->tcp.now_ns++;
        switch (random_below(&random, 8)) {
        case 0:
            tcp_score_all_lost(f->conn, false);
            break;
        case 1:
            tcp_score_none_lost(f->conn);
            break;
        case 2:
            (void)acknowledge(f, min_u32(count, out) * FIXTURE_MSS / (1 + count % 2));
            break;
        case 3:
        case 4:
            if (out > 1) {
                uint32_t left = random_below(&random, out - 1);
                (void)sack(f, left * FIXTURE_MSS, min_u32(left + count, out) * FIXTURE_MSS);
            }
            break;
        case 5:
            if (tcp_score_has_room(&f->tcp, f->conn)) {
                send_now(f, count * FIXTURE_MSS);
            }
            break;
        default: {
            bool any = tcp_score_has_lost(f->conn);
            assert_int_equal(tcp_score_resend(&f->tcp, f->conn, count * FIXTURE_MSS, &seq, &end),
                             any);
        }
        }
        tcp_conn_check(f->conn);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_agrees_with_a_model),
        cmocka_unit_test(the_last_record_is_for_who_has_none),
        cmocka_unit_test(a_train_is_one_record),
        cmocka_unit_test(a_train_is_no_longer_than_a_super_segment),
        cmocka_unit_test(a_part_of_a_train_is_a_sample),
        cmocka_unit_test(single_bytes_cut_nothing),
        cmocka_unit_test(every_second_segment_is_bounded),
        cmocka_unit_test(a_crooked_block_counts_whole_segments),
        cmocka_unit_test(what_cannot_be_cut_goes_by_its_head),
        cmocka_unit_test(no_rest_is_lost_if_nothing_is),
        cmocka_unit_test(a_head_is_lost_again),
        cmocka_unit_test(a_head_is_cut),
        cmocka_unit_test(without_sack_a_head_is_a_segment),
        cmocka_unit_test(a_random_life_with_few_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
