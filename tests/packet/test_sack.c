/* SPDX-License-Identifier: MIT */
/* Loss recovery by SACK (RFC 6675): what goes next, when it ends, and timeouts within it. That
 * something is lost is RACK's to tell (test_rack.c). */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MSS 1460U

/* The first ten of twenty segments are out. */
static void ten_of_twenty(struct talk *talk)
{
    talk_begin(talk, NULL);
    talk_established(talk);
    talk_write(talk, 20 * MSS);
    for (unsigned i = 0; i < 10; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, ". %u+1460", 1 + i * MSS);
        talk_out(talk, text);
    }
    talk_silent(talk);
    talk_wait_ms(talk, TALK_RTT_MS);
}

/* The first segment and the fifth are lost: of the others the peer has told. */
static void two_holes(struct talk *talk)
{
    ten_of_twenty(talk);
    talk_in(talk, ". 1 ack 1 sack 1461-2921");
    talk_out(talk, ". 14601+1460"); /* limited transmit */
    talk_in(talk, ". 1 ack 1 sack 1461-4381");
    talk_out(talk, ". 16061+1460");
    talk_in(talk, ". 1 ack 1 sack 1461-5841");
    talk_out(talk, ". 1+1460");
    talk_silent(talk);
}

static void lost_first_then_new(void **state)
{
    (void)state;
    struct talk talk;
    two_holes(&talk);
    talk_wait_ms(&talk, 2);
    talk_in(&talk, ". 1 ack 1 sack 7301-11681,1461-5841");
    talk_out(&talk, ". 5841+1460"); /* the other hole, before anything new */
    talk_out(&talk, ". 17521+1460");
    /* What the peer has told of is kept, for it may drop it again, but it does not go again. */
    assert_int_equal(talk_info(&talk).sacked_bytes, 6 * MSS);
    assert_int_equal(talk_info(&talk).send_queue_bytes, 20 * MSS);
    assert_int_equal(talk_info(&talk).retransmissions, 2);
    talk_end(&talk);
}

/* The recovery point is the end of what was out when the loss was found: 17521. */
static void until_the_recovery_point(void **state)
{
    (void)state;
    struct talk talk;
    two_holes(&talk);
    talk_in(&talk, ". 1 ack 1 sack 7301-14601,1461-5841");
    talk_forget(&talk); /* some of it is new */
    assert_in_range(talk_info(&talk).unacked_bytes, 13 * MSS, 20 * MSS);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 5841 sack 7301-14601");
    assert_true(talk_info(&talk).fast_recovery);
    talk_in(&talk, ". 1 ack 16061 sack 17521-18981");
    assert_true(talk_info(&talk).fast_recovery);
    talk_in(&talk, ". 1 ack 17520");
    assert_true(talk_info(&talk).fast_recovery);
    talk_in(&talk, ". 1 ack 17521");
    assert_false(talk_info(&talk).fast_recovery);
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    talk_end(&talk);
}

static void news_of_what_is_beyond_is_kept(void **state)
{
    (void)state;
    struct talk talk;
    two_holes(&talk);
    talk_in(&talk, ". 1 ack 1 sack 7301-17521,1461-5841");
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1 sack 18981-20441,7301-17521,1461-5841");
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 17521"); /* the option is lost on the way */
    assert_false(talk_info(&talk).fast_recovery);
    assert_int_equal(talk_info(&talk).sacked_bytes, MSS);
    talk_end(&talk);
}

static void a_timeout_ends_it(void **state)
{
    (void)state;
    struct talk talk;
    two_holes(&talk);
    assert_true(talk_info(&talk).fast_recovery);
    (void)talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, ". 1+1460");
    talk_silent(&talk);
    assert_false(talk_info(&talk).fast_recovery);
    assert_true(talk_info(&talk).timeout_recovery);
    talk_wait_ms(&talk, TALK_RTT_MS);
    /* What was told of meanwhile counts: only what is missing goes again. */
    talk_in(&talk, ". 1 ack 5841 sack 7301-16061");
    talk_out(&talk, ". 5841+1460");
    talk_out(&talk, ". 16061+1460");
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 16061");
    assert_true(talk_info(&talk).timeout_recovery);
    talk_in(&talk, ". 1 ack 17521");
    assert_false(talk_info(&talk).timeout_recovery);
    assert_int_equal(talk_info(&talk).fast_recoveries, 1); /* none began before */
    talk_end(&talk);
}

static void one_record(struct berth_config *config)
{
    config->limits.tcp_sent_records = 1;
}

/* Five segments are out that are one piece, which no free record is left to cut. */
static void five_in_one(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_established(talk);
    talk_write(talk, 5 * MSS);
    for (unsigned i = 0; i < 5; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s %u+1460", i < 4 ? "." : "P.", 1 + i * MSS);
        talk_out(talk, text);
    }
    talk_silent(talk);
}

/* The first goes again now, and with its ACK the next: a round trip each, and no timeouts. */
static void one_by_one(struct talk *talk)
{
    for (unsigned i = 0; i < 5; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s %u+1460", i < 4 ? "." : "P.", 1 + i * MSS);
        talk_out(talk, text);
        talk_silent(talk);
        talk_wait_ms(talk, TALK_RTT_MS);
        (void)snprintf(text, sizeof text, ". 1 ack %u", 1 + (i + 1) * MSS);
        talk_in(talk, text);
    }
    assert_int_equal(talk_info(talk).lost_bytes, 0);
    assert_int_equal(talk_info(talk).unacked_bytes, 0);
    assert_int_equal(talk_info(talk).retransmissions, 5);
}

static void a_piece_that_cannot_be_cut(void **state)
{
    (void)state;
    struct talk talk;
    five_in_one(&talk, one_record);
    (void)talk_wait_out_ms(&talk, 5000);
    one_by_one(&talk);
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_end(&talk);
}

/* While its head is under way, the rest of it is as lost as before. */
static void what_waits_is_not_in_flight(void **state)
{
    (void)state;
    struct talk talk;
    five_in_one(&talk, one_record);
    (void)talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, ". 1+1460");
    assert_int_equal(talk_info(&talk).lost_bytes, 4 * MSS);
    assert_int_equal(talk_info(&talk).resent_bytes, MSS);
    /* The peer has more than that: what it has does not go again. */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 4381");
    talk_out(&talk, ". 4381+1460");
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).lost_bytes, MSS);
    talk_end(&talk);
}

static void one_record_without_sack(struct berth_config *config)
{
    talk_without_sack(config);
    one_record(config);
}

static void a_piece_that_cannot_be_cut_without_sack(void **state)
{
    (void)state;
    struct talk talk;
    five_in_one(&talk, one_record_without_sack);
    talk_wait_ms(&talk, TALK_RTT_MS);
    for (unsigned i = 0; i < 3; i++) {
        talk_silent(&talk);
        talk_in(&talk, ". 1 ack 1");
    }
    one_by_one(&talk);
    assert_int_equal(talk_info(&talk).timeouts, 0);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 6675 4, 5: what is lost goes first, then what is new", lost_first_then_new, NULL,
         NULL, NULL},
        {"RFC 6675 5: a recovery lasts until its recovery point", until_the_recovery_point, NULL,
         NULL, NULL},
        {"RFC 6675 5: news of what is beyond is kept", news_of_what_is_beyond_is_kept, NULL, NULL,
         NULL},
        {"RFC 6675 5.1: a timeout ends a recovery, and another waits", a_timeout_ends_it, NULL,
         NULL, NULL},
        {"RFC 5681 3.1: after a timeout what cannot be cut goes segment by segment, an ACK each",
         a_piece_that_cannot_be_cut, NULL, NULL, NULL},
        {"RFC 6675 4: what waits behind its head is lost, not in flight",
         what_waits_is_not_in_flight, NULL, NULL, NULL},
        {"RFC 6582 3.2: with partial ACKs what cannot be cut goes segment by segment",
         a_piece_that_cannot_be_cut_without_sack, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
