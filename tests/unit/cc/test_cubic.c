/* SPDX-License-Identifier: MIT */
/*
 * CUBIC, event by event: what cwnd and ssthresh are after each (RFC 9438, 9406, 5681).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "cc/cc.h"

#define MSS 1000U

static struct cc cc;
static uint64_t now_ns;

static void start(void)
{
    now_ns = 1000 * NS_PER_S;
    cc_init(&cc, cc_find("cubic"), MSS, 10, &(struct cc_start){0});
    assert_int_equal(cc.cwnd, 10 * MSS);
}

static void ack_after(uint64_t passed_ns, uint32_t bytes, uint64_t rtt_ns, bool limited)
{
    now_ns += passed_ns;
    const struct cc_ack event = {.now_ns = now_ns,
                                 .rtt_ns = rtt_ns,
                                 .srtt_ns = rtt_ns,
                                 .acked = bytes,
                                 .burst = MSS,
                                 .flight = cc.cwnd,
                                 .limited = limited};

    cc.table->on_ack(&cc, &event);
}

static void ack(uint32_t bytes)
{
    ack_after(0, bytes, 0, true);
}

/* One round trip of RTT: the whole window, an ACK for every second segment. */
static void round_trip(uint64_t rtt_ns)
{
    uint32_t count = cc.cwnd / (2 * MSS);
    struct cc_ack event = {.rtt_ns = rtt_ns, .srtt_ns = rtt_ns, .burst = MSS, .limited = true};

    for (uint32_t i = 0; i < count; i++) {
        now_ns += rtt_ns / count;
        event.now_ns = now_ns;
        event.acked = 2 * MSS;
        event.round_start = i == count - 1;
        cc.table->on_ack(&cc, &event);
    }
}

/* In congestion avoidance after a loss at WINDOW segments. */
static void start_after_loss(uint32_t window)
{
    start();
    cc.cwnd = window * MSS;
    cc.table->on_loss(&cc, window * MSS, now_ns);
    cc.table->on_recovered(&cc, now_ns);
}

/* ---- Slow start ------------------------------------------------------------------------------ */

static void slow_start_doubles_each_round_trip(void **state)
{
    (void)state;
    start();
    for (uint32_t window = 20 * MSS; window <= 5120 * MSS; window *= 2) {
        round_trip(20 * NS_PER_MS);
        assert_int_equal(cc.cwnd, window);
    }
    assert_int_equal(cc.ssthresh, UINT32_MAX);
}

/* L = 8 (RFC 9406 4.3), or a super-segment of ours. */
static void one_ack_counts_for_eight_segments_or_a_super_segment(void **state)
{
    struct cc_ack event = {.acked = 100 * MSS, .burst = MSS, .limited = true};

    (void)state;
    start();
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 18 * MSS);
    event.burst = 44 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 62 * MSS);
    event.acked = 3 * MSS;
    cc.table->on_ack(&cc, &event);
    assert_int_equal(cc.cwnd, 65 * MSS);
}

/* RFC 9406 4.2: the RTT rises, the window grows at a quarter's pace for five rounds, then stays. */
static void slow_start_ends_when_the_round_trip_grows(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 5; i++) {
        round_trip(50 * NS_PER_MS);
    }
    assert_int_equal(cc.cwnd, 320 * MSS);
    round_trip(60 * NS_PER_MS); /* eight ACKs at full pace, the others at a quarter */
    assert_int_equal(cc.cwnd, 320 * MSS + 8 * 2 * MSS + 152 * MSS / 2);
    uint32_t window = cc.cwnd;
    for (int i = 0; i < 3; i++) {
        round_trip(60 * NS_PER_MS);
        assert_in_range(cc.cwnd, window / 4 * 5 - MSS, window / 4 * 5);
        window = cc.cwnd;
    }
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    round_trip(60 * NS_PER_MS);
    assert_int_equal(cc.ssthresh, cc.cwnd); /* the fifth's last ACK ends it, and adds nothing */
    window = cc.cwnd;
    /* On the plateau: K = 0. Reno adds a segment a round trip from the first (4.3). */
    for (uint32_t i = 1; i <= 10; i++) {
        round_trip(60 * NS_PER_MS);
        assert_in_range(cc.cwnd, window + i * MSS - MSS / 10, window + i * MSS);
    }
}

static void slow_start_stops_at_ssthresh(void **state)
{
    (void)state;
    start_after_loss(20);
    cc.table->on_timeout(&cc, 14 * MSS, now_ns);
    assert_int_equal(cc.ssthresh, 14 * MSS * 7 / 10);
    for (uint32_t i = 2; i <= 9; i++) {
        ack(2 * MSS); /* careful: one segment an ACK (RFC 3465 2.3) */
        assert_int_equal(cc.cwnd, i * MSS);
    }
    ack(2 * MSS);
    assert_in_range(cc.cwnd, 9800, 9900);
}

/* ---- Reductions ------------------------------------------------------------------------------ */

/* RFC 9438 4.6: to 0.7 of what was in flight, never below two segments, never upwards. */
static void loss_leaves_seven_tenths(void **state)
{
    (void)state;
    start();
    cc.cwnd = 100 * MSS;
    cc.table->on_loss(&cc, 100 * MSS, now_ns);
    assert_int_equal(cc.cwnd, 70 * MSS);
    assert_int_equal(cc.ssthresh, 70 * MSS);
    cc.cwnd += 3 * MSS;
    cc.table->on_recovered(&cc, now_ns);
    assert_int_equal(cc.cwnd, 70 * MSS);
    cc.table->on_loss(&cc, 50 * MSS, now_ns); /* less was in flight than allowed */
    assert_int_equal(cc.cwnd, 35 * MSS);
    cc.table->on_loss(&cc, 100 * MSS, now_ns); /* more */
    assert_int_equal(cc.cwnd, 35 * MSS * 7 / 10);
    cc.table->on_loss(&cc, MSS, now_ns);
    assert_int_equal(cc.cwnd, 2 * MSS);
    assert_int_equal(cc.ssthresh, 2 * MSS);
}

/* In recovery cwnd is what may leave now; a timeout reduces what recovery is on its way to. */
static void a_timeout_in_recovery_counts_from_its_aim(void **state)
{
    (void)state;
    start();
    cc.cwnd = 100 * MSS;
    cc.table->on_loss(&cc, 100 * MSS, now_ns);
    cc.cwnd = 3 * MSS;
    cc.table->on_timeout(&cc, 100 * MSS, now_ns);
    assert_int_equal(cc.cwnd, MSS);
    assert_int_equal(cc.ssthresh, 49 * MSS);
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, 70 * MSS);
}

/* RFC 9438 4.7: a window that did not come back to W_max gives more away. */
static void fast_convergence(void **state)
{
    (void)state;
    start_after_loss(100);
    assert_int_equal(cc.cubic.w_max, 100 * MSS);
    cc.cwnd = 90 * MSS;
    cc.table->on_loss(&cc, 90 * MSS, now_ns);
    assert_int_equal(cc.cubic.w_max, 90 * MSS * 17 / 20);
    cc.table->on_recovered(&cc, now_ns);
    cc.cwnd = 90 * MSS;
    cc.table->on_loss(&cc, 90 * MSS, now_ns);
    assert_int_equal(cc.cubic.w_max, 90 * MSS);
}

/* RFC 9438 4.8: as Reno, but ssthresh by 0.7; then the curve from its plateau. */
static void a_timeout_starts_slowly_again(void **state)
{
    (void)state;
    start_after_loss(100);
    cc.table->on_timeout(&cc, 70 * MSS, now_ns);
    assert_int_equal(cc.cwnd, MSS);
    assert_int_equal(cc.ssthresh, 49 * MSS);
    cc.table->on_timeout(&cc, MSS, now_ns); /* the same segment again */
    assert_int_equal(cc.ssthresh, 49 * MSS);
    while (cc.cwnd < cc.ssthresh) {
        ack(MSS);
    }
    assert_true(cc.cubic.in_epoch);
    assert_int_equal(cc.cubic.epoch.k_ticks, 0);
    assert_int_equal(cc.cubic.w_max, 49 * MSS);
    assert_int_equal(cc.cubic.epoch.w_est, 49 * MSS);
    cc.table->on_timeout(&cc, 49 * MSS, now_ns); /* something was acknowledged: it counts */
    assert_int_equal(cc.ssthresh, 49 * MSS * 7 / 10);
}

/* RFC 9438 4.9.2, after a loss in avoidance, in slow start, and in recovery's midst. */
static void a_spurious_reduction_is_undone(void **state)
{
    struct cubic before;
    uint32_t window;

    (void)state;
    start_after_loss(1000);
    for (int i = 0; i < 20; i++) {
        round_trip(100 * NS_PER_MS);
    }
    before = cc.cubic;
    window = cc.cwnd;
    cc.table->on_loss(&cc, window, now_ns);
    cc.table->on_spurious(&cc, now_ns);
    cc.table->on_recovered(&cc, now_ns);
    assert_int_equal(cc.cwnd, window);
    assert_int_equal(cc.ssthresh, 700 * MSS);
    assert_int_equal(cc.prior_cwnd, 1000 * MSS);
    assert_int_equal(cc.cubic.w_max, before.w_max);
    assert_memory_equal(&cc.cubic.epoch, &before.epoch, sizeof before.epoch);
    cc.table->on_timeout(&cc, window, now_ns);
    cc.table->on_timeout(&cc, MSS, now_ns);
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, window);
    assert_memory_equal(&cc.cubic.epoch, &before.epoch, sizeof before.epoch);
    start();
    round_trip(100 * NS_PER_MS);
    cc.table->on_loss(&cc, 20 * MSS, now_ns);
    cc.table->on_recovered(&cc, now_ns);
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    round_trip(100 * NS_PER_MS);
    assert_int_equal(cc.cwnd, 40 * MSS);
}

/* RFC 9438 4.9.2: what has grown past it meanwhile stays; and nothing is undone twice. */
static void an_undoing_never_takes_away(void **state)
{
    (void)state;
    start_after_loss(100);
    cc.cwnd = 120 * MSS;
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, 120 * MSS);
    assert_int_equal(cc.ssthresh, 70 * MSS);
    start_after_loss(100);
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, 100 * MSS);
    cc.cwnd = 5 * MSS;
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, 5 * MSS);
    start();
    cc.prior_cwnd = 50 * MSS;
    cc.table->on_spurious(&cc, now_ns); /* there was nothing */
    assert_int_equal(cc.cwnd, 10 * MSS);
}

/* ---- Time and use ---------------------------------------------------------------------------- */

/* RFC 9438 5.8: an application that does not use its window does not grow it, and the curve waits
 * for it. */
static void time_that_is_not_used_does_not_count(void **state)
{
    struct cc_ack event = {.acked = 2 * MSS, .rtt_ns = NS_PER_MS, .srtt_ns = NS_PER_MS};
    struct cc other;

    (void)state;
    start_after_loss(1000);
    for (int i = 0; i < 10; i++) {
        round_trip(100 * NS_PER_MS);
    }
    uint32_t window = cc.cwnd;
    for (int i = 0; i < 1000; i++) {
        ack_after(NS_PER_S, 2 * MSS, 100 * NS_PER_MS, false);
    }
    assert_int_equal(cc.cwnd, window);
    ack_after(100 * NS_PER_S, 2 * MSS, 0, false); /* no sample */
    /* As if those minutes had not been. */
    other = cc;
    start_after_loss(1000);
    for (int i = 0; i < 20; i++) {
        round_trip(100 * NS_PER_MS);
    }
    uint32_t expected = cc.cwnd;
    cc = other;
    now_ns = cc.cubic.last_ns;
    for (int i = 0; i < 10; i++) {
        round_trip(100 * NS_PER_MS);
    }
    assert_int_equal(cc.cwnd, expected);
    /* Nothing to send for hours, then a full window at once: one RTT passed. */
    uint64_t start_ns = cc.cubic.epoch.start_ns;
    ack_after(7200 * NS_PER_S, 2 * MSS, 100 * NS_PER_MS, true);
    assert_true(now_ns - cc.cubic.epoch.start_ns <
                now_ns - 7200 * NS_PER_S - start_ns + 101 * NS_PER_MS);
    /* In slow start too nothing grows. */
    start();
    for (int i = 0; i < 1000; i++) {
        cc.table->on_ack(&cc, &event);
    }
    assert_int_equal(cc.cwnd, 10 * MSS);
}

static void an_idle_connection_restarts(void **state)
{
    (void)state;
    start();
    round_trip(NS_PER_MS);
    cc.table->on_idle(&cc, now_ns);
    assert_int_equal(cc.cwnd, 10 * MSS);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    start_after_loss(100);
    cc.cwnd = 200 * MSS;
    ack(2 * MSS);
    cc.table->on_idle(&cc, now_ns);
    assert_int_equal(cc.cwnd, 10 * MSS);
    assert_in_range(cc.ssthresh, 150 * MSS, 151 * MSS); /* RFC 7661 4.4.3 */
    assert_false(cc.cubic.in_epoch);
}

/* What has no use for a window in the first place keeps the curve that it is on. */
static void a_small_window_is_not_restarted(void **state)
{
    (void)state;
    start_after_loss(10);
    ack(MSS);
    assert_true(cc.cubic.in_epoch);
    cc.table->on_idle(&cc, now_ns);
    assert_int_equal(cc.cwnd / MSS, 7);
    assert_true(cc.cubic.in_epoch);
}

/* One ACK is worth a window at most, and half of it. */
static void avoidance_never_jumps(void **state)
{
    (void)state;
    start_after_loss(100);
    ack(MSS);
    ack_after(3000 * NS_PER_S, 100000 * MSS, 3000 * NS_PER_S, true);
    assert_in_range(cc.cwnd, 100 * MSS, 70 * MSS * 3 / 2 + MSS);
}

static void the_path_takes_smaller_segments(void **state)
{
    (void)state;
    start_after_loss(100);
    for (int i = 0; i < 10; i++) {
        round_trip(50 * NS_PER_MS);
    }
    uint32_t window = cc.cwnd;
    cc.mss = 500;
    for (int i = 0; i < 10; i++) {
        round_trip(50 * NS_PER_MS);
    }
    assert_in_range(cc.cwnd, window, 2 * window);
}

static void a_connection_changes_to_it(void **state)
{
    (void)state;
    cc_init(&cc, cc_find("newreno"), MSS, 10, &(struct cc_start){0});
    cc.cwnd = 80 * MSS;
    cc.table->on_loss(&cc, 80 * MSS, now_ns);
    cc_switch(&cc, cc_find("cubic"), &(struct cc_start){.now_ns = now_ns});
    assert_string_equal(cc.table->name, "cubic");
    assert_int_equal(cc.cwnd, 40 * MSS);
    assert_int_equal(cc.ssthresh, 40 * MSS);
    cc.table->on_recovered(&cc, now_ns);
    for (int i = 0; i < 10; i++) {
        round_trip(50 * NS_PER_MS);
    }
    assert_in_range(cc.cwnd, 44 * MSS, 60 * MSS);
    cc_switch(&cc, cc_find("newreno"), &(struct cc_start){.now_ns = now_ns});
    cc_init(&cc, cc_find("newreno"), MSS, 10, &(struct cc_start){0});
    round_trip(50 * NS_PER_MS);
    cc_switch(&cc, cc_find("cubic"),
              &(struct cc_start){.now_ns = now_ns}); /* in its first slow start */
    assert_int_equal(cc.cubic.hystart.last_min_us, UINT32_MAX);
    round_trip(50 * NS_PER_MS);
    assert_int_equal(cc.cwnd, 40 * MSS);
}

/* Any order of events, any sizes: the window stays between a segment and 1 GiB. */
static void bounds_hold_in_any_order(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {43};
    struct random random;

    (void)state;
    random_init(&random, seed, "cubic");
    for (int life = 0; life < 300; life++) {
        uint32_t mss = 1 + random_below(&random, 65535);

        cc_init(&cc, cc_find("cubic"), mss, 1 + random_below(&random, 100), &(struct cc_start){0});
        for (int i = 0; i < 2000; i++) {
            uint32_t flight = random_u32(&random) >> random_below(&random, 32);
            uint32_t cwnd = cc.cwnd;
            uint32_t window = cc_window(&cc, cc.cubic.reduced);
            struct cc_ack event = {.rtt_ns = random_u64(&random) >> random_below(&random, 64),
                                   .srtt_ns = random_u64(&random) >> random_below(&random, 64),
                                   .acked = flight,
                                   .burst = random_u32(&random) >> 16,
                                   .limited = random_below(&random, 8) != 0,
                                   .round_start = random_below(&random, 8) == 0};

            now_ns += random_u64(&random) >> (20 + random_below(&random, 44));
            event.now_ns = now_ns;
            switch (random_below(&random, 24)) {
            case 0:
                cc.table->on_loss(&cc, flight, now_ns);
                assert_true(cc.cwnd <= max_u32(window, 2 * mss));
                break;
            case 1:
                cc.table->on_recovered(&cc, now_ns);
                break;
            case 2:
                cc.table->on_timeout(&cc, flight, now_ns);
                break;
            case 3:
                cc.table->on_idle(&cc, now_ns);
                break;
            case 4:
                cc.table->on_spurious(&cc, now_ns);
                break;
            case 5:
                cc.table->on_ecn(&cc, flight, now_ns);
                break;
            default:
                cc.table->on_ack(&cc, &event);
                assert_true(cc.cwnd >= cwnd); /* an ACK never takes away */
                break;
            }
            assert_true(cc.cwnd >= mss && cc.cwnd <= 1U << 30);
            assert_true(cc.ssthresh >= 2 * mss);
        }
    }
}

static void marks_leave_seventeen_twentieths(void **state)
{
    (void)state;
    start();
    cc.table->on_ecn(&cc, 10 * MSS, now_ns); /* slow start: as a loss */
    assert_int_equal(cc.ssthresh, 7 * MSS);
    cc.table->on_recovered(&cc, now_ns);
    assert_int_equal(cc.cwnd, 7 * MSS);
    start_after_loss(200);
    assert_int_equal(cc.cwnd, 140 * MSS);
    cc.cwnd = 200 * MSS;
    cc.table->on_ecn(&cc, 200 * MSS, now_ns);
    assert_int_equal(cc.ssthresh, 170 * MSS);
    assert_int_equal(cc.cubic.w_max, 200 * MSS);
    cc.cwnd = 10 * MSS; /* where proportional reduction stands */
    cc.table->on_recovered(&cc, now_ns);
    assert_int_equal(cc.cwnd, 170 * MSS);
    cc.table->on_ecn(&cc, 170 * MSS, now_ns); /* below w_max: fast convergence, (1 + 0.85) / 2 */
    assert_int_equal(cc.cubic.w_max, 157250);
}

static void marks_are_not_undone(void **state)
{
    (void)state;
    start_after_loss(200);
    cc.cwnd = 200 * MSS;
    cc.table->on_ecn(&cc, 200 * MSS, now_ns);
    cc.table->on_spurious(&cc, now_ns);
    assert_int_equal(cc.cwnd, 170 * MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9438 4.10: slow start doubles each round trip", slow_start_doubles_each_round_trip,
         NULL, NULL, NULL},
        {"RFC 9406 4.3: one ACK counts for eight segments or a super-segment",
         one_ack_counts_for_eight_segments_or_a_super_segment, NULL, NULL, NULL},
        {"RFC 9438 4.10; RFC 9406 4.2: slow start ends when the round trip grows",
         slow_start_ends_when_the_round_trip_grows, NULL, NULL, NULL},
        {"RFC 9438 4.10: slow start stops at ssthresh", slow_start_stops_at_ssthresh, NULL, NULL,
         NULL},
        {"RFC 9438 4.6: loss leaves seven tenths", loss_leaves_seven_tenths, NULL, NULL, NULL},
        {"RFC 9438 4.8: a timeout in recovery counts from its aim",
         a_timeout_in_recovery_counts_from_its_aim, NULL, NULL, NULL},
        {"RFC 9438 4.7: fast convergence", fast_convergence, NULL, NULL, NULL},
        {"RFC 9438 4.8: a timeout starts slowly again", a_timeout_starts_slowly_again, NULL, NULL,
         NULL},
        {"RFC 9438 4.9.1, 4.9.2: a spurious reduction is undone", a_spurious_reduction_is_undone,
         NULL, NULL, NULL},
        {"RFC 9438 4.9.2: an undoing never takes away", an_undoing_never_takes_away, NULL, NULL,
         NULL},
        {"RFC 9438 4.2, 5.8: time that is not used does not count",
         time_that_is_not_used_does_not_count, NULL, NULL, NULL},
        {"RFC 5681 4.1; RFC 7661 4.4.3: an idle connection restarts", an_idle_connection_restarts,
         NULL, NULL, NULL},
        cmocka_unit_test(a_small_window_is_not_restarted),
        {"RFC 9438 4.2: avoidance never jumps", avoidance_never_jumps, NULL, NULL, NULL},
        cmocka_unit_test(the_path_takes_smaller_segments),
        cmocka_unit_test(a_connection_changes_to_it),
        {"RFC 8511 3.1: marks leave seventeen twentieths", marks_leave_seventeen_twentieths, NULL,
         NULL, NULL},
        cmocka_unit_test(marks_are_not_undone),
        cmocka_unit_test(bounds_hold_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
