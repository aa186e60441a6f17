/* SPDX-License-Identifier: MIT */
/*
 * BBR, sample by sample: the cases of draft-ietf-ccwg-bbr's appendix A that a controller shows
 * without a network, named there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cc/bbr.h"

#define MSS    1000U
#define RTT_NS (40 * NS_PER_MS)
#define BW     UINT64_C(10000000)           /* bytes per second */
#define BDP    ((uint32_t)(BW * 40 / 1000)) /* 400 segments */

static struct cc cc;
static struct bbr bbr;
static uint64_t now_ns;
static uint32_t total;

/* What the next sample has besides. */
static struct cc_sample next;

static int start(void **state)
{
    struct cc_start begin = {.now_ns = NS_PER_S, .srtt_ns = RTT_NS, .state = &bbr, .seed = 7};

    (void)state;
    now_ns = NS_PER_S;
    total = UINT32_MAX - 5 * BDP; /* counts wrap */
    memset(&bbr, 0x55, sizeof bbr);
    cc_init(&cc, cc_find("bbr"), MSS, 10, &begin);
    bbr.next_round_delivered = total;
    bbr.loss_round_delivered = total;
    next = (struct cc_sample){.rtt_ns = RTT_NS, .has_sack = true};
    return 0;
}

/* A round trip at RATE with IN_FLIGHT, told by one ACK. */
static void round_trip(uint64_t rate, uint32_t in_flight)
{
    uint32_t bytes = (uint32_t)(rate * (RTT_NS / NS_PER_MS) / 1000);
    struct cc_sample sample = next;

    now_ns += RTT_NS;
    sample.now_ns = now_ns;
    sample.rate = rate;
    sample.newly = bytes;
    sample.prior = total;
    sample.delivered = bytes;
    total += bytes;
    sample.total = total;
    sample.tx_in_flight = sample.tx_in_flight != 0 ? sample.tx_in_flight : in_flight;
    sample.in_flight = in_flight;
    sample.has_prior = true;
    cc.table->on_sample(&cc, &sample);
    assert_in_range(cc.cwnd, 4 * MSS, CC_WINDOW_MAX);
}

static void lose(uint32_t seq, uint32_t bytes, uint32_t lost, uint32_t tx_in_flight)
{
    struct cc_lost event = {.now_ns = now_ns,
                            .seq = seq,
                            .bytes = bytes,
                            .lost = lost,
                            .tx_in_flight = tx_in_flight,
                            .total = total,
                            .has_sack = true};

    cc.table->on_lost(&cc, &event);
}

static void reach_drain(void)
{
    for (uint64_t rate = BW / 64; rate < BW; rate *= 2) {
        round_trip(rate, 2 * BDP);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bbr.state, BBR_STARTUP);
        round_trip(BW, 2 * BDP);
    }
    assert_int_equal(bbr.state, BBR_DRAIN);
}

static void reach_cruise(void)
{
    reach_drain();
    round_trip(BW, BDP); /* drained, and so no need to stay in DOWN */
    assert_int_equal(bbr.state, BBR_CRUISE);
}

static void reach_up(void)
{
    reach_cruise();
    for (int i = 0; i < 200 && bbr.state == BBR_CRUISE; i++) {
        round_trip(BW, BDP);
    }
    assert_int_equal(bbr.state, BBR_REFILL);
    round_trip(BW, BDP);
    assert_int_equal(bbr.state, BBR_UP);
}

/* 5.6.2: 2.77 initial windows in a round trip; in a millisecond where none is known. */
static void begins_with_the_initial_window_paced(void **state)
{
    struct cc_start begin = {.state = &bbr, .seed = 0};

    (void)state;
    assert_int_equal(cc.cwnd, 10 * MSS);
    assert_int_equal(cc.pacing_bps, 10 * MSS * 8 * 277 / 100 * 25);
    cc_init(&cc, cc_find("bbr"), MSS, 10, &begin);
    assert_int_equal(cc.pacing_bps, 10 * MSS * 8 * 277 / 100 * 1000);
    assert_int_equal(cc_send_quantum(&cc), 27700);
    cc.pacing_bps = UINT64_C(100000000000);
    assert_int_equal(cc_send_quantum(&cc), 65536);
    cc.pacing_bps = 1000;
    assert_int_equal(cc_send_quantum(&cc), 2 * MSS);
}

/* A.1: three rounds without a quarter more; the model has the rate then. */
static void startup_ends_on_a_plateau(void **state)
{
    (void)state;
    reach_drain();
    assert_true(bbr.full_bw_reached);
    assert_int_equal(bbr_max_bw(&bbr), BW);
    assert_int_equal(cc.pacing_bps, BW * 8 / 2 * 99 / 100);
}

/* A.7. */
static void startup_does_not_end_while_the_writer_limits(void **state)
{
    (void)state;
    next.app_limited = true;
    for (int i = 0; i < 100; i++) {
        round_trip(BW / 100, BDP / 100);
        next.rtt_ns = RTT_NS - (uint64_t)i; /* no look at the round-trip time is due */
    }
    assert_int_equal(bbr.state, BBR_STARTUP);
    assert_false(bbr.full_bw_reached);
}

/* A.2: a round in recovery, more than 2 % in six places; five are not enough. */
static void startup_ends_on_losses_in_six_places(void **state)
{
    (void)state;
    round_trip(BW / 4, BDP);
    next.recovering = true;
    for (uint32_t places = 5; places <= 6; places++) {
        assert_int_equal(bbr.state, BBR_STARTUP);
        for (uint32_t i = 0; i < places; i++) {
            lose(i * 10 * MSS, 2 * MSS, 12 * MSS, BDP);
        }
        cc.table->on_loss(&cc, BDP, now_ns);
        next.lost = 12 * MSS;
        next.tx_in_flight = BDP;
        round_trip(BW / 2 * (places - 4), BDP);
    }
    assert_int_equal(bbr.state, BBR_DRAIN);
    assert_true(bbr.inflight_longterm != BBR_NO_INFLIGHT);
    cc.table->on_spurious(&cc, now_ns); /* A.18 */
    assert_int_equal(bbr.state, BBR_STARTUP);
    assert_false(bbr.full_bw_reached);
    assert_int_equal(bbr.inflight_longterm, BBR_NO_INFLIGHT);
}

/* Pieces next to each other are one place. */
static void losses_in_a_row_are_one_place(void **state)
{
    (void)state;
    round_trip(BW / 4, BDP);
    next.recovering = true;
    for (uint32_t i = 0; i < 20; i++) {
        lose(i * MSS, MSS, 20 * MSS, BDP);
    }
    cc.table->on_loss(&cc, BDP, now_ns);
    next.lost = 20 * MSS;
    round_trip(BW / 2, BDP);
    assert_int_equal(bbr.state, BBR_STARTUP);
}

/* A.3, A.4. */
static void drain_ends_when_it_is_drained_or_after_three_rounds(void **state)
{
    (void)state;
    reach_drain();
    for (int i = 0; i < 3; i++) {
        round_trip(BW, 2 * BDP);
        assert_int_equal(bbr.state, BBR_DRAIN);
    }
    round_trip(BW, 2 * BDP);
    assert_int_equal(bbr.state, BBR_DOWN);
    (void)start(state);
    reach_drain();
    round_trip(BW, BDP + 10 * MSS);
    assert_int_equal(bbr.state, BBR_DRAIN);
    round_trip(BW, BDP);
    assert_int_equal(bbr.state, BBR_CRUISE);
}

/* A.5, A.8; 5.6.1's gains on the way. */
static void the_cycle_turns(void **state)
{
    (void)state;
    reach_up();
    round_trip(BW, BDP);
    assert_int_equal(cc.pacing_bps, BW * 8 / 100 * 125 / 100 * 99);
    round_trip(BW, BDP);
    assert_int_equal(bbr.state, BBR_UP);
    round_trip(BW, BDP); /* the third without more */
    assert_int_equal(bbr.state, BBR_DOWN);
    assert_int_equal(cc.pacing_bps, BW * 8 / 100 * 90 / 100 * 99);
    assert_int_equal(cc.cwnd, 2 * BDP + bbr.extra_acked.now);
    round_trip(BW, BDP / 2);
    assert_int_equal(bbr.state, BBR_CRUISE);
    assert_int_equal(cc.pacing_bps, BW * 8 / 100 * 99);
}

/* 5.3.3.8: 62 or 63 round trips, or 2 to 3 s; as many round trips as segments where those are
 * fewer. */
static void probes_as_often_as_reno_would(void **state)
{
    uint64_t begin_ns;

    (void)state;
    reach_cruise();
    begin_ns = bbr.cycle_stamp_ns;
    for (int i = 0; i < 1000 && bbr.state == BBR_CRUISE; i++) {
        round_trip(BW, BDP);
    }
    assert_in_range(now_ns - begin_ns, 2 * NS_PER_S, 3 * NS_PER_S);
}

/* A.15: more bandwidth is found, and used. */
static void more_bandwidth_is_found(void **state)
{
    uint64_t rate = BW;

    (void)state;
    reach_up();
    while (rate < 5 * BW) {
        rate = rate * 5 / 4;
        round_trip(rate, 2 * BDP);
        assert_int_equal(bbr.state, BBR_UP);
    }
    assert_int_equal(bbr_max_bw(&bbr), rate);
}

/* A.21: the volume at which 2 % were lost is remembered, and the probe is over, once. */
static void losses_while_probing_set_the_safe_volume(void **state)
{
    (void)state;
    reach_up();
    lose(0, MSS, 2 * MSS, 500 * MSS); /* 0.4 %: nothing */
    assert_int_equal(bbr.state, BBR_UP);
    lose(50 * MSS, 4 * MSS, 12 * MSS, 500 * MSS);
    assert_int_equal(bbr.state, BBR_DOWN);
    assert_true(bbr.prev_probe_too_high);
    /* 496 were in flight before the piece, 8 lost: 2 % is 9.92, so 1.959 of it are too many */
    assert_in_range(bbr.inflight_longterm, 497900, 498000);
    uint32_t longterm = bbr.inflight_longterm;
    lose(90 * MSS, 4 * MSS, 30 * MSS, 500 * MSS);
    assert_int_equal(bbr.inflight_longterm, longterm);
    round_trip(BW, BDP / 2);
    assert_int_equal(bbr.state, BBR_CRUISE);
    assert_true(cc.cwnd <= longterm - longterm * 15 / 100); /* headroom */
    cc.table->on_spurious(&cc, now_ns);                     /* A.18 */
    assert_int_equal(bbr.state, BBR_REFILL);
    assert_int_equal(bbr.inflight_longterm, BBR_NO_INFLIGHT);
}

/* 5.3.3.6: after a probe that went too high the next one stops at the volume that was too high, and
 * if that went well the one after it starts at once. */
static void a_burnt_child_probes_with_caution(void **state)
{
    (void)state;
    reach_up();
    lose(0, 12 * MSS, 12 * MSS, 500 * MSS);
    uint32_t longterm = bbr.inflight_longterm;
    for (int i = 0; i < 200 && bbr.state != BBR_UP; i++) {
        round_trip(BW, BDP / 2);
    }
    assert_int_equal(bbr.state, BBR_UP);
    round_trip(BW, longterm);
    assert_int_equal(bbr.state, BBR_DOWN);
    assert_true(bbr.prev_probe_precautionary);
    round_trip(BW, longterm);
    assert_int_equal(bbr.state, BBR_REFILL);
}

/* 5.5.10.3: a round with losses lowers the model to what was delivered, by 30 % at most. */
static void losses_while_cruising_lower_the_short_term_model(void **state)
{
    (void)state;
    reach_cruise();
    round_trip(BW, BDP);
    lose(0, MSS, MSS, BDP);
    round_trip(BW / 100 * 95, BDP);
    round_trip(BW / 100 * 95, BDP);
    assert_in_range(bbr.bw, BW / 100 * 95, BW);
    lose(0, MSS, MSS, BDP);
    for (int i = 0; i < 2; i++) {
        round_trip(BW / 100, BDP);
    }
    assert_in_range(bbr.bw, BW / 100 * 66, BW / 100 * 95);
    assert_int_equal(bbr_max_bw(&bbr), BW);
    bbr_start_refill(&bbr);
    round_trip(BW / 100, BDP);
    assert_int_equal(bbr.bw, BW);
}

/* A.10: half a BDP for 200 ms and a round, 5 s after the lowest round-trip time. */
static void looks_at_the_round_trip_time(void **state)
{
    uint64_t begin_ns;

    (void)state;
    reach_cruise();
    next.rtt_ns = RTT_NS + NS_PER_MS;
    for (int i = 0; i < 1000 && bbr.state != BBR_PROBE_RTT; i++) {
        round_trip(BW, BDP);
    }
    assert_in_range(now_ns, 6 * NS_PER_S, 7 * NS_PER_S);
    assert_int_equal(cc.cwnd, BDP / 2);
    begin_ns = now_ns;
    next.rtt_ns = RTT_NS - NS_PER_MS;
    for (int i = 0; i < 100 && bbr.state == BBR_PROBE_RTT; i++) {
        round_trip(BW / 2, BDP / 4);
    }
    assert_in_range(now_ns - begin_ns, 200 * NS_PER_MS, 400 * NS_PER_MS);
    assert_int_equal(bbr.state, BBR_CRUISE);
    assert_int_equal(bbr.min_rtt_ns, RTT_NS - NS_PER_MS);
    assert_true(cc.cwnd > BDP);
}

/* In ProbeRTT the samples count as limited: the rate is low on purpose. */
static void low_rates_of_a_look_are_not_believed(void **state)
{
    struct cc_sample sample = {.has_sack = true, .in_flight = BDP};

    (void)state;
    reach_cruise();
    sample.now_ns = now_ns + 6 * NS_PER_S;
    sample.total = total;
    cc.table->on_sample(&cc, &sample);
    assert_int_equal(bbr.state, BBR_PROBE_RTT);
    assert_true(sample.mark_limited);
}

/* A.11: an idle time was look enough. */
static void an_idle_time_is_a_look(void **state)
{
    (void)state;
    reach_cruise();
    now_ns += 10 * NS_PER_S;
    cc.table->on_idle(&cc, now_ns);
    assert_int_equal(cc.pacing_bps, BW * 8 / 100 * 99); /* 5.4.1: at once, at the rate that was */
    round_trip(BW, BDP);
    assert_int_not_equal(bbr.state, BBR_PROBE_RTT);
    assert_true(cc.cwnd > BDP);
}

/* A.14: less than a packet in flight would do; four keep the ACKs coming. */
static void a_tiny_path_has_four_segments(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        round_trip(MSS, 2 * MSS);
    }
    assert_true(bbr.full_bw_reached);
    assert_in_range(cc.cwnd, 4 * MSS, 12 * MSS);
    assert_in_range(cc.pacing_bps, MSS * 8 / 2 - 200, MSS * 8 * 125 / 100);
}

/* 5.6.4.4; A.19. */
static void a_timeout_begins_with_one_segment(void **state)
{
    uint32_t window;

    (void)state;
    reach_cruise();
    round_trip(BW, BDP);
    window = cc.cwnd;
    cc.table->on_timeout(&cc, BDP, now_ns);
    assert_int_equal(cc.cwnd, MSS);
    next.recovering = true;
    round_trip(BW / 400, MSS);
    assert_in_range(cc.cwnd, MSS, 6 * MSS);
    next.recovering = false;
    round_trip(BW, BDP);
    assert_in_range(cc.cwnd, BDP, window + BDP);
}

/* A recovery leaves the window alone, and gives back what it may have cost. */
static void recovery_is_left_with_the_window_that_was(void **state)
{
    uint32_t window;

    (void)state;
    reach_cruise();
    window = cc.cwnd;
    lose(0, MSS, MSS, BDP);
    cc.table->on_loss(&cc, BDP, now_ns);
    assert_int_equal(cc.cwnd, window);
    cc.cwnd = 5 * MSS;
    cc.table->on_recovered(&cc, now_ns);
    assert_int_equal(cc.cwnd, window);
}

/* A.12, A.13: what ACKs brought together adds to the window. */
static void aggregation_adds_to_the_window(void **state)
{
    struct cc_sample sample = {.has_sack = true, .rtt_ns = RTT_NS, .newly = 100 * MSS};

    (void)state;
    reach_cruise();
    round_trip(BW, BDP);
    uint32_t before = max_u32(bbr.extra_acked.now, bbr.extra_acked.before);
    for (int i = 0; i < 6; i++) { /* 600 segments within 6 ms, where 60 were due */
        now_ns += NS_PER_MS;
        total += sample.newly;
        sample.now_ns = now_ns;
        sample.total = total;
        sample.in_flight = BDP;
        cc.table->on_sample(&cc, &sample);
    }
    assert_true(max_u32(bbr.extra_acked.now, bbr.extra_acked.before) >= before);
    assert_true(bbr.extra_acked.now >= 500 * MSS);
}

#define TEST(function) cmocka_unit_test_setup(function, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begins_with_the_initial_window_paced),
        TEST(startup_ends_on_a_plateau),
        TEST(startup_does_not_end_while_the_writer_limits),
        TEST(startup_ends_on_losses_in_six_places),
        TEST(losses_in_a_row_are_one_place),
        TEST(drain_ends_when_it_is_drained_or_after_three_rounds),
        TEST(the_cycle_turns),
        TEST(probes_as_often_as_reno_would),
        TEST(more_bandwidth_is_found),
        TEST(losses_while_probing_set_the_safe_volume),
        TEST(a_burnt_child_probes_with_caution),
        TEST(losses_while_cruising_lower_the_short_term_model),
        TEST(looks_at_the_round_trip_time),
        TEST(low_rates_of_a_look_are_not_believed),
        TEST(an_idle_time_is_a_look),
        TEST(a_tiny_path_has_four_segments),
        TEST(a_timeout_begins_with_one_segment),
        TEST(recovery_is_left_with_the_window_that_was),
        TEST(aggregation_adds_to_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
