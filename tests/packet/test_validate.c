/* SPDX-License-Identifier: MIT */
/* A window that the writer does not fill: how long it is kept, and what a loss leaves of it
 * (RFC 7661). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MSS    1460U
#define IW     (10 * MSS)
#define FILLED (24 * MSS) /* at least so much is in the window that `grow` leaves */

static void with_pacing(struct berth_config *config)
{
    config->tcp.pacing = true;
    config->tcp.user_timeout_ns = 24 * 3600 * NS_PER_S;
    (void)snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control,
                   "newreno");
}

static void with_cubic(struct berth_config *config)
{
    with_pacing(config);
    (void)snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control, "cubic");
}

static void without_keeping(struct berth_config *config)
{
    with_pacing(config);
    config->tcp.idle_window_ns = 0;
}

static void without_pacing(struct berth_config *config)
{
    with_pacing(config);
    config->tcp.pacing = false;
}

/* All that has left by now is acknowledged, two segments at a time. */
static void acknowledge(struct talk *talk)
{
    uint64_t left = talk_info(talk).bytes_sent;
    uint64_t at = talk_info(talk).bytes_acked;

    while (at < left) {
        char segment[64];

        at = min_u64(at + 2 * MSS, left);
        (void)snprintf(segment, sizeof segment, ". 1 ack %llu", (unsigned long long)at + 1);
        talk_forget(talk);
        talk_in(talk, segment);
    }
}

/* Writes BYTES and sees them all acknowledged, a round trip after they left. */
static void transfer(struct talk *talk, uint32_t bytes)
{
    uint64_t all = talk_info(talk).bytes_acked + bytes;

    talk_write(talk, bytes);
    for (unsigned i = 0; i < 100 && talk_info(talk).bytes_acked < all; i++) {
        talk_wait_ms(talk, TALK_RTT_MS);
        acknowledge(talk);
    }
    assert_int_equal(talk_info(talk).bytes_acked, all);
}

/* A connection in slow start that has filled its window: how large it is. */
static uint32_t grow(struct talk *talk, void (*change)(struct berth_config *config))
{
    uint32_t window;

    talk_begin(talk, change);
    talk_established(talk);
    transfer(talk, 60 * MSS);
    window = talk_info(talk).cwnd_bytes;
    assert_in_range(window, FILLED, 60 * MSS);
    return window;
}

static uint32_t cwnd(struct talk *talk)
{
    return talk_info(talk).cwnd_bytes;
}

static void a_window_is_kept_through_an_idle_time(void **state)
{
    void (*const changes[])(struct berth_config *) = {with_pacing, with_cubic};

    (void)state;
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct talk talk;
        uint32_t window = grow(&talk, changes[i]);

        talk_wait_ms(&talk, 240 * 1000);
        talk_write(&talk, 60 * MSS);
        assert_int_equal(cwnd(&talk), window);
        assert_in_range(talk.out_count, 1, 8); /* the pace spreads it (4.4.2) */
        talk_wait_ms(&talk, TALK_RTT_MS);
        assert_in_range(talk_info(&talk).flight_bytes, window - MSS, window);
        talk_end(&talk);
    }
}

/* RFC 5681 4.1, after an RTO: where it is not to be kept, and where no pace would spread it. */
static void else_it_restarts(void **state)
{
    void (*const changes[])(struct berth_config *) = {without_keeping, without_pacing};

    (void)state;
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct talk talk;

        (void)grow(&talk, changes[i]);
        talk_wait_ms(&talk, 2000);
        talk_write(&talk, 60 * MSS);
        assert_int_equal(cwnd(&talk), IW);
        talk_end(&talk);
    }
}

static void after_five_minutes_half_of_it(void **state)
{
    struct talk talk;
    uint32_t window = grow(&talk, with_pacing);

    (void)state;
    talk_wait_ms(&talk, 302 * 1000);
    talk_write(&talk, MSS);
    assert_int_equal(cwnd(&talk), window / 2);
    assert_true(talk_info(&talk).ssthresh_bytes >= window / 4 * 3);
    acknowledge(&talk);
    talk_wait_ms(&talk, 297 * 1000);
    transfer(&talk, MSS); /* so little does not validate it: the time goes on */
    assert_int_equal(cwnd(&talk), window / 2);
    talk_wait_ms(&talk, 4000);
    transfer(&talk, MSS);
    assert_int_equal(cwnd(&talk), max_u32(window / 4, IW));
    talk_wait_ms(&talk, 3600 * 1000);
    transfer(&talk, MSS);
    assert_int_equal(cwnd(&talk), IW);
    talk_end(&talk);
}

/* The phase ends when half of the window has been acknowledged in a round trip: then five minutes
 * count anew. */
static void use_validates_it(void **state)
{
    struct talk talk;
    uint32_t window = grow(&talk, with_pacing);

    (void)state;
    talk_wait_ms(&talk, 200 * 1000);
    transfer(&talk, window / 4 * 3);
    talk_wait_ms(&talk, 200 * 1000);
    talk_write(&talk, MSS);
    assert_true(cwnd(&talk) >= window);
    talk_end(&talk);
}

static void it_does_not_grow_unfilled(void **state)
{
    struct talk talk;
    uint32_t window = grow(&talk, with_pacing);

    (void)state;
    talk_wait_ms(&talk, 5000);
    for (unsigned i = 0; i < 50; i++) {
        transfer(&talk, 4 * MSS);
    }
    assert_int_equal(cwnd(&talk), window);
    talk_end(&talk);
}

/* Of eight segments the first is lost: the window is on its way to SSTHRESH then. The copy brings
 * the end of the recovery. */
static void lose_one_of_eight(struct talk *talk, uint32_t ssthresh)
{
    uint64_t at = talk_info(talk).bytes_acked + 1;
    char segment[96];

    talk_write(talk, 8 * MSS);
    talk_wait_ms(talk, TALK_RTT_MS);
    assert_int_equal(talk_info(talk).flight_bytes, 8 * MSS);
    (void)snprintf(segment, sizeof segment, ". 1 ack %llu sack %llu-%llu", (unsigned long long)at,
                   (unsigned long long)at + MSS, (unsigned long long)at + 8 * MSS);
    talk_in(talk, segment);
    talk_wait_ms(talk, TALK_RTT_MS);
    assert_true(talk_info(talk).fast_recovery);
    assert_int_equal(talk_info(talk).ssthresh_bytes, ssthresh);
    assert_int_equal(talk_info(talk).bytes_retransmitted, MSS);
    acknowledge(talk);
    assert_false(talk_info(talk).fast_recovery);
}

static void a_loss_leaves_half_of_what_was_in_use(void **state)
{
    void (*const changes[])(struct berth_config *) = {with_pacing, with_cubic};

    (void)state;
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct talk talk;

        (void)grow(&talk, changes[i]);
        talk_wait_ms(&talk, 5000);
        lose_one_of_eight(&talk, 4 * MSS);
        assert_int_equal(cwnd(&talk), (8 * MSS - MSS) / 2);
        assert_int_equal(talk_info(&talk).ssthresh_bytes, (8 * MSS - MSS) / 2);
        talk_end(&talk);
    }
}

/* What was acknowledged in a round trip of late, up to a second ago, counts for more than what is
 * in flight. */
static void what_was_used_of_late_counts(void **state)
{
    struct talk talk;

    (void)state;
    (void)grow(&talk, with_pacing);
    talk_wait_ms(&talk, 5000);
    transfer(&talk, 12 * MSS);
    talk_wait_ms(&talk, 100);
    lose_one_of_eight(&talk, 6 * MSS);
    assert_int_equal(cwnd(&talk), (12 * MSS - MSS) / 2);
    talk_end(&talk);
}

/* Validated, a loss takes what it takes elsewhere: half of what is in flight, R not taken off. It
 * is by the most of the last second, not by the last round trip. */
static void a_validated_window_is_reduced_as_ever(void **state)
{
    struct talk talk;

    (void)state;
    (void)grow(&talk, with_pacing);
    talk_wait_ms(&talk, 5000);
    transfer(&talk, 20 * MSS);
    for (unsigned i = 0; i < 4; i++) {
        transfer(&talk, MSS);
    }
    lose_one_of_eight(&talk, 4 * MSS);
    assert_int_equal(cwnd(&talk), 4 * MSS);
    talk_end(&talk);
}

static void a_timeout_ends_the_phase(void **state)
{
    struct talk talk;

    (void)state;
    (void)grow(&talk, with_pacing);
    talk_wait_ms(&talk, 5000);
    talk_write(&talk, 8 * MSS);
    for (unsigned i = 0; i < 100 && talk_info(&talk).timeouts == 0; i++) {
        talk_wait_ms(&talk, 100);
    }
    assert_int_equal(talk_info(&talk).timeouts, 1);
    assert_int_equal(cwnd(&talk), MSS);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 4 * MSS); /* FlightSize / 2 */
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 7661 4.4; RFC 7661 4.4.2: a window is kept through an idle time, and paced",
         a_window_is_kept_through_an_idle_time, NULL, NULL, NULL},
        {"RFC 5681 4.1: else it restarts", else_it_restarts, NULL, NULL, NULL},
        {"RFC 7661 4.4.3: after five minutes half of it", after_five_minutes_half_of_it, NULL, NULL,
         NULL},
        {"RFC 7661 4.3: use validates it", use_validates_it, NULL, NULL, NULL},
        {"RFC 7661 4.4: it does not grow unfilled", it_does_not_grow_unfilled, NULL, NULL, NULL},
        {"RFC 7661 4.4.1: a loss leaves half of what was in use",
         a_loss_leaves_half_of_what_was_in_use, NULL, NULL, NULL},
        {"RFC 7661 4.2: what was used of late counts", what_was_used_of_late_counts, NULL, NULL,
         NULL},
        {"RFC 7661 4.3: a validated window is reduced as ever",
         a_validated_window_is_reduced_as_ever, NULL, NULL, NULL},
        {"RFC 7661 4.4: a timeout ends the phase", a_timeout_ends_the_phase, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
