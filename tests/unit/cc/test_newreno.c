/* SPDX-License-Identifier: MIT */
/*
 * NewReno, event by event: what cwnd and ssthresh are after each (RFC 5681, 6582, 3465, 7661).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "cc/cc.h"

#define MSS 1000U

static struct cc cc;

static void start(void)
{
    cc_init(&cc, cc_find("newreno"), MSS, 10, &(struct cc_start){0});
    assert_int_equal(cc.cwnd, 10 * MSS);
}

static void ack(uint32_t bytes)
{
    const struct cc_ack event = {.acked = bytes, .flight = cc.cwnd, .limited = true};

    cc.table->on_ack(&cc, &event);
}

/* One round trip: the whole window, an ACK for every second segment. */
static void round_trip(void)
{
    uint32_t left = cc.cwnd;

    while (left > 0) {
        uint32_t bytes = min_u32(left, 2 * MSS);

        ack(bytes);
        left -= bytes;
    }
}

static void slow_start_doubles_each_round_trip(void **state)
{
    (void)state;
    start();
    for (uint32_t window = 20 * MSS; window <= 5120 * MSS; window *= 2) {
        round_trip();
        assert_int_equal(cc.cwnd, window);
    }
    assert_int_equal(cc.ssthresh, UINT32_MAX);
}

/* Bytes count, not ACKs: a receiver that acknowledges in crumbs gains nothing (RFC 3465 1). */
static void crumbs_gain_nothing(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 100; i++) {
        ack(MSS / 100);
    }
    assert_int_equal(cc.cwnd, 11 * MSS);
}

/* Two segments (RFC 3465 2.2), or what we gave the link at once. */
static void one_ack_counts_for_two_segments_or_a_super_segment(void **state)
{
    struct cc_ack event = {.acked = 100 * MSS, .burst = MSS, .limited = true};

    (void)state;
    start();
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 12 * MSS);
    event.burst = 44 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 56 * MSS);
    event.acked = 44 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 100 * MSS);
    event.acked = 7 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 107 * MSS);
}

/* After a timeout one (RFC 3465 2.3): for a super-segment half, as one ACK for two would give. */
static void careful_slow_start_counts_half_a_super_segment(void **state)
{
    struct cc_ack event = {.acked = MSS, .burst = 44 * MSS, .limited = true};

    (void)state;
    start();
    cc.cwnd = 1000 * MSS;
    cc.table->on_timeout(&cc, 1000 * MSS, 0);
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 2 * MSS);
    event.acked = 2 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 3 * MSS);
    event.acked = 20 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 13 * MSS);
    event.acked = 400 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 35 * MSS);
}

static void nothing_grows_while_the_sender_is_idle_or_limited_otherwise(void **state)
{
    struct cc_ack event = {.acked = 2 * MSS, .flight = MSS, .limited = false};

    (void)state;
    start();
    for (int i = 0; i < 1000; i++) {
        cc.table->on_ack(&cc, &event);
    }
    assert_int_equal(cc.cwnd, 10 * MSS);
    cc.ssthresh = 5 * MSS; /* in avoidance too */
    for (int i = 0; i < 1000; i++) {
        cc.table->on_ack(&cc, &event);
    }
    assert_int_equal(cc.cwnd, 10 * MSS);
}

static void loss_halves_and_avoidance_adds_a_segment_a_round_trip(void **state)
{
    (void)state;
    start();
    round_trip();
    round_trip();
    assert_int_equal(cc.cwnd, 40 * MSS);
    cc.table->on_loss(&cc, 40 * MSS, 0);
    assert_int_equal(cc.ssthresh, 20 * MSS);
    assert_int_equal(cc.cwnd, 20 * MSS);
    cc.cwnd += 3 * MSS; /* as recovery without SACK adds for segments that left */
    cc.table->on_recovered(&cc, 0);
    assert_int_equal(cc.cwnd, 20 * MSS);
    for (uint32_t i = 1; i <= 10; i++) {
        round_trip();
        assert_int_equal(cc.cwnd, (20 + i) * MSS);
    }
    assert_int_equal(cc.ssthresh, 20 * MSS);
}

/* ssthresh follows what was in flight, not cwnd, and never goes below two segments. */
static void half_of_what_was_in_flight(void **state)
{
    (void)state;
    start();
    cc.table->on_loss(&cc, 8 * MSS, 0);
    assert_int_equal(cc.ssthresh, 4 * MSS);
    cc.table->on_loss(&cc, 3 * MSS, 0);
    assert_int_equal(cc.ssthresh, 2 * MSS);
    assert_int_equal(cc.cwnd, 2 * MSS);
    cc.table->on_loss(&cc, 0, 0);
    assert_int_equal(cc.ssthresh, 2 * MSS);
}

static void a_timeout_starts_slowly_again(void **state)
{
    (void)state;
    start();
    cc.table->on_timeout(&cc, 10 * MSS, 0);
    assert_int_equal(cc.cwnd, MSS);
    assert_int_equal(cc.ssthresh, 5 * MSS);
    /* The same segment again: ssthresh stays (RFC 5681 3.1). */
    cc.table->on_timeout(&cc, MSS, 0);
    cc.table->on_timeout(&cc, MSS, 0);
    assert_int_equal(cc.cwnd, MSS);
    assert_int_equal(cc.ssthresh, 5 * MSS);
    /* Careful: one segment an ACK, however much it acknowledges (RFC 3465 2.3). */
    ack(9 * MSS);
    assert_int_equal(cc.cwnd, 2 * MSS);
    ack(2 * MSS);
    assert_int_equal(cc.cwnd, 3 * MSS);
    /* Something was acknowledged: a new timeout counts again. */
    cc.table->on_timeout(&cc, 3 * MSS, 0);
    assert_int_equal(cc.ssthresh, 2 * MSS);
    ack(MSS);
    assert_int_equal(cc.cwnd, 2 * MSS);
    /* ssthresh is reached: avoidance, a segment for two. */
    ack(MSS);
    assert_int_equal(cc.cwnd, 2 * MSS);
    ack(MSS);
    assert_int_equal(cc.cwnd, 3 * MSS);
}

static void slow_start_stops_at_ssthresh(void **state)
{
    (void)state;
    start();
    cc.ssthresh = 11 * MSS + 500;
    ack(2 * MSS);
    assert_int_equal(cc.cwnd, 11 * MSS + 500); /* 500 bytes count towards avoidance */
    ack(11 * MSS);
    assert_int_equal(cc.cwnd, 12 * MSS + 500);
}

/* One ACK is worth one segment at most in avoidance. */
static void avoidance_never_jumps(void **state)
{
    (void)state;
    start();
    cc.ssthresh = 10 * MSS;
    ack(1000 * MSS);
    assert_int_equal(cc.cwnd, 11 * MSS);
    ack(1000 * MSS);
    assert_int_equal(cc.cwnd, 12 * MSS);
}

static void an_idle_connection_restarts(void **state)
{
    (void)state;
    start();
    round_trip();
    round_trip();
    cc.table->on_idle(&cc, 0);
    assert_int_equal(cc.cwnd, 10 * MSS);
    cc.table->on_timeout(&cc, 10 * MSS, 0);
    cc.table->on_idle(&cc, 0);
    assert_int_equal(cc.cwnd, MSS); /* never more than there was */
    cc.cwnd = 80 * MSS;
    cc.table->on_idle(&cc, 0);
    assert_int_equal(cc.cwnd, 10 * MSS);
    assert_int_equal(cc.ssthresh, 60 * MSS); /* what the path has carried (RFC 7661 4.4.3) */
}

static void a_spurious_reduction_is_undone(void **state)
{
    (void)state;
    start();
    round_trip();
    cc.table->on_loss(&cc, 20 * MSS, 0);
    cc.table->on_spurious(&cc, 0);
    assert_int_equal(cc.cwnd, 20 * MSS);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    cc.table->on_loss(&cc, 20 * MSS, 0);
    cc.table->on_recovered(&cc, 0);
    cc.cwnd = 18 * MSS;
    cc.table->on_loss(&cc, 18 * MSS, 0);
    cc.table->on_spurious(&cc, 0);
    cc.table->on_recovered(&cc, 0); /* nothing left to recover from */
    assert_int_equal(cc.cwnd, 18 * MSS);
    assert_int_equal(cc.ssthresh, 10 * MSS);
    start();
    round_trip();
    cc.table->on_timeout(&cc, 20 * MSS, 0);
    cc.table->on_timeout(&cc, MSS, 0);
    cc.table->on_spurious(&cc, 0);
    assert_int_equal(cc.cwnd, 20 * MSS);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    round_trip();
    assert_int_equal(cc.cwnd, 40 * MSS); /* slow start goes on, no longer careful */
}

/* Any order of events, any sizes: the window stays between a segment and 1 GiB. */
static void bounds_hold_in_any_order(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {41};
    struct random random;

    (void)state;
    random_init(&random, seed, "newreno");
    for (int life = 0; life < 100; life++) {
        uint32_t mss = 1 + random_below(&random, 65535);

        cc_init(&cc, cc_find("newreno"), mss, 1 + random_below(&random, 100),
                &(struct cc_start){0});
        for (int i = 0; i < 2000; i++) {
            uint32_t flight = random_u32(&random) >> random_below(&random, 32);

            switch (random_below(&random, 24)) {
            case 0:
                cc.table->on_loss(&cc, flight, 0);
                break;
            case 1:
                cc.table->on_recovered(&cc, 0);
                break;
            case 2:
                cc.table->on_timeout(&cc, flight, 0);
                break;
            case 3:
                cc.table->on_idle(&cc, 0);
                break;
            case 4:
                cc.table->on_spurious(&cc, 0);
                break;
            case 5:
                cc.table->on_ecn(&cc, flight, 0);
                break;
            default:
                ack(flight);
                break;
            }
            assert_true(cc.cwnd >= mss && cc.cwnd <= 1U << 30);
            assert_true(cc.ssthresh >= 2 * mss);
        }
    }
}

static void marks_take_a_fifth_and_stop_slow_start(void **state)
{
    (void)state;
    start();
    cc.table->on_ecn(&cc, 10 * MSS, 0); /* slow start: as a loss */
    assert_int_equal(cc.ssthresh, 5 * MSS);
    assert_int_equal(cc.cwnd, 5 * MSS);
    cc.table->on_recovered(&cc, 0);
    assert_int_equal(cc.cwnd, 5 * MSS);
    cc.cwnd = 100 * MSS;
    cc.table->on_ecn(&cc, 100 * MSS, 0);
    assert_int_equal(cc.ssthresh, 80 * MSS);
    assert_int_equal(cc.cwnd, 80 * MSS);
    cc.cwnd = 10 * MSS; /* where proportional reduction stands */
    cc.table->on_recovered(&cc, 0);
    assert_int_equal(cc.cwnd, 80 * MSS);
    cc.table->on_ecn(&cc, 2 * MSS, 0);
    assert_int_equal(cc.ssthresh, 2 * MSS); /* no less */
}

static void marks_are_not_undone(void **state)
{
    (void)state;
    start();
    cc.ssthresh = 50 * MSS;
    cc.cwnd = 100 * MSS;
    cc.table->on_ecn(&cc, 100 * MSS, 0);
    cc.table->on_spurious(&cc, 0);
    assert_int_equal(cc.cwnd, 80 * MSS);
    assert_int_equal(cc.ssthresh, 80 * MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start_doubles_each_round_trip),
        {"RFC 3465 2.1: bytes count, not ACKs", crumbs_gain_nothing, NULL, NULL, NULL},
        {"RFC 3465 2.2: one ACK counts for two segments, or a super-segment",
         one_ack_counts_for_two_segments_or_a_super_segment, NULL, NULL, NULL},
        {"RFC 3465 2.3: after a timeout for one, or half a super-segment",
         careful_slow_start_counts_half_a_super_segment, NULL, NULL, NULL},
        {"RFC 7661 4.4: a window that is not used does not grow",
         nothing_grows_while_the_sender_is_idle_or_limited_otherwise, NULL, NULL, NULL},
        cmocka_unit_test(loss_halves_and_avoidance_adds_a_segment_a_round_trip),
        cmocka_unit_test(half_of_what_was_in_flight),
        cmocka_unit_test(a_timeout_starts_slowly_again),
        cmocka_unit_test(slow_start_stops_at_ssthresh),
        cmocka_unit_test(avoidance_never_jumps),
        {"RFC 5681 4.1; RFC 7661 4.4.3: an idle connection restarts", an_idle_connection_restarts,
         NULL, NULL, NULL},
        cmocka_unit_test(a_spurious_reduction_is_undone),
        {"RFC 8511 3: marks take a fifth", marks_take_a_fifth_and_stop_slow_start, NULL, NULL,
         NULL},
        cmocka_unit_test(marks_are_not_undone),
        cmocka_unit_test(bounds_hold_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
