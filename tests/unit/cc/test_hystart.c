/* SPDX-License-Identifier: MIT */
/*
 * HyStart++ step by step (RFC 9406 4.2, 4.3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cc/hystart.h"

#define SLOW         1
#define CONSERVATIVE 4
#define DONE         0

static struct hystart hystart;

static uint32_t ack(uint64_t rtt_us, bool round_start)
{
    const struct cc_ack event = {.rtt_ns = rtt_us * NS_PER_US, .round_start = round_start};

    return hystart_on_ack(&hystart, &event);
}

/* A round of ACKS samples of RTT; what the last of them said. */
static uint32_t run_round(uint64_t rtt_us, int acks)
{
    for (int i = 1; i < acks; i++) {
        (void)ack(rtt_us, false);
    }
    return ack(rtt_us, true);
}

static bool is_css_after(uint64_t first_us, uint64_t second_us, int samples)
{
    hystart_init(&hystart);
    (void)run_round(first_us, 10);
    for (int i = 0; i < samples; i++) {
        (void)ack(second_us, false);
    }
    return hystart.is_css;
}

/* RttThresh: an eighth of the last round's least, at least 4 ms, at most 16 ms. */
static void the_threshold(void **state)
{
    (void)state;
    assert_false(is_css_after(10000, 13999, 8));
    assert_true(is_css_after(10000, 14000, 8));
    assert_false(is_css_after(80000, 89999, 8));
    assert_true(is_css_after(80000, 90000, 8));
    assert_false(is_css_after(600000, 615999, 8));
    assert_true(is_css_after(600000, 616000, 8));
    assert_true(is_css_after(1, 4001, 8));
}

static void eight_samples_are_needed(void **state)
{
    (void)state;
    assert_false(is_css_after(50000, 100000, 7));
    assert_true(is_css_after(50000, 100000, 8));
    hystart_init(&hystart);
    (void)run_round(50000, 10);
    for (int i = 0; i < 100; i++) {
        (void)ack(0, false); /* no sample */
    }
    assert_int_equal(hystart.samples, 0);
    assert_false(hystart.is_css);
}

/* One small sample speaks for its round. */
static void the_least_counts(void **state)
{
    (void)state;
    hystart_init(&hystart);
    (void)run_round(50000, 10);
    (void)ack(51000, false);
    for (int i = 0; i < 50; i++) {
        (void)ack(200000, false);
    }
    assert_false(hystart.is_css);
}

/* A rise that is slower than the threshold, round by round, is nobody's. */
static void slow_rises_pass(void **state)
{
    (void)state;
    hystart_init(&hystart);
    for (uint64_t rtt_us = 20000; rtt_us < 60000; rtt_us += 3900) {
        assert_int_equal(run_round(rtt_us, 10), SLOW);
    }
}

static void a_round_without_samples_is_not_compared_with(void **state)
{
    (void)state;
    hystart_init(&hystart);
    (void)run_round(50000, 10);
    assert_int_equal(ack(0, true), SLOW);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ack(100000, false), SLOW);
    }
    assert_false(hystart.is_css);
}

static void five_conservative_rounds_end_it(void **state)
{
    (void)state;
    hystart_init(&hystart);
    assert_int_equal(run_round(50000, 20), SLOW);
    /* The partial round counts: the eighth sample of 20 sees the rise. */
    assert_int_equal(run_round(70000, 20), CONSERVATIVE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_round(70000, 20), CONSERVATIVE);
    }
    assert_int_equal(run_round(70000, 20), DONE);
}

static void a_rise_that_goes_away_was_not_ours(void **state)
{
    (void)state;
    hystart_init(&hystart);
    (void)run_round(50000, 20);
    (void)run_round(70000, 20);
    assert_true(hystart.is_css);
    (void)run_round(70000, 20);
    (void)run_round(70000, 20);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(ack(69999, false), CONSERVATIVE);
    }
    (void)ack(69999, false); /* the eighth */
    assert_int_equal(ack(69999, true), SLOW);
    assert_false(hystart.is_css);
    /* And it begins anew: 69999 is what the next rise is measured from. */
    assert_int_equal(run_round(70000, 20), SLOW);
    (void)run_round(90000, 20);
    assert_true(hystart.is_css);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_round(90000, 20), CONSERVATIVE);
    }
    assert_int_equal(run_round(90000, 20), DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9406 4.2, 4.3: the threshold", the_threshold, NULL, NULL, NULL},
        {"RFC 9406 4.2, 4.3: eight samples are needed", eight_samples_are_needed, NULL, NULL, NULL},
        {"RFC 9406 4.2: the least counts", the_least_counts, NULL, NULL, NULL},
        {"RFC 9406 4.2: slow rises pass", slow_rises_pass, NULL, NULL, NULL},
        {"RFC 9406 4.2: a round without samples is not compared with",
         a_round_without_samples_is_not_compared_with, NULL, NULL, NULL},
        {"RFC 9406 4.2, 4.3: five conservative rounds end it", five_conservative_rounds_end_it,
         NULL, NULL, NULL},
        {"RFC 9406 4.2: a rise that goes away was not ours", a_rise_that_goes_away_was_not_ours,
         NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
