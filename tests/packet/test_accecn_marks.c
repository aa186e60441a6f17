/* SPDX-License-Identifier: MIT */
/*
 * AccECN (RFC 9768): marks that come are counted and told, marks that the peer tells of reduce the
 * window. The three flags A C E are the ACE field after
 * the handshake: 5 is "AE", 6 "AC", 7 "ACE", 0 none.
 */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void with_accecn(struct berth_config *config)
{
    config->tcp.ecn = BERTH_TCP_ACCECN;
    strcpy(config->tcp.congestion_control, "newreno");
}

static void without_option(struct berth_config *config)
{
    with_accecn(config);
    config->tcp.accecn_option = false;
}

static void with_timestamps(struct berth_config *config)
{
    with_accecn(config);
    config->tcp.timestamps = true;
}

/* A passive open that agrees on AccECN. */
static void established(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_listen(talk);
    talk_in(talk, "SACE 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(talk, "SC. 0 ack 1 mss 1460 tos 0");
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ".C 1 ack 1");
    talk_accept(talk);
    talk_silent(talk);
    assert_int_equal(talk_info(talk).ecn, BERTH_TCP_ECN_ACCURATE);
}

/* An active one; the option on data is tested still. */
static void connected(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_connect(talk);
    talk_out(talk, "SACE 0 tos 0 noaccecn");
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, "SC. 0 ack 1 mss 1460 sackok wscale 0");
    talk_out(talk, "C. 1 ack 1 tos 0");
    talk_silent(talk);
    assert_int_equal(talk_info(talk).ecn, BERTH_TCP_ECN_ACCURATE);
}

/* ---- As receiver ---------------------------------------------------------------------------- */

static void marks_are_counted(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_in(&talk, "AE. 1+1000 ack 1 tos 2");
    talk_out(&talk, "AE. 1 ack 1001 accecn0 1001,0");
    talk_in(&talk, "AE. 1001+1000 ack 1 tos 3"); /* 5, 6, 7, 0, 1 */
    talk_out(&talk, "AC. 1 ack 2001 accecn0 1001,1000");
    talk_in(&talk, "AE. 2001+1000 ack 1 tos 3");
    talk_out(&talk, "ACE. 1 ack 3001 accecn0 1001,2000");
    talk_in(&talk, "AE. 3001+1000 ack 1 tos 3");
    talk_out(&talk, ". 1 ack 4001 accecn0 1001,3000");
    talk_in(&talk, "AE. 4001+1000 ack 1 tos 1");
    talk_out(&talk, ". 1 ack 5001 accecn0 1001,3000,1001");
    talk_in(&talk, "AE. 5001+1000 ack 1"); /* not ECT: nothing new to tell */
    talk_out(&talk, ". 1 ack 6001 noaccecn");
    talk_write(&talk, 100); /* on data, the same */
    talk_out(&talk, "P. 1+100 ack 6001");
    assert_int_equal(talk_info(&talk).marks_received, 3);
    talk_end(&talk);
}

/* Kind 174 where ECT(1) is all that comes. */
static void the_other_order(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_in(&talk, "AE. 1+1000 ack 1 tos 1");
    talk_out(&talk, "AE. 1 ack 1001 accecn1 1001,0");
    talk_end(&talk);
}

static void no_option_when_off(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, without_option);
    talk_open(&talk, "SACE 0 mss 1460", "SC. 0 ack 1 noaccecn", ".C 1 ack 1");
    talk_in(&talk, "AE. 1+1000 ack 1 tos 3");
    talk_out(&talk, "AC. 1 ack 1001 noaccecn");
    talk_end(&talk);
}

/* The option takes its room from the payload, so that a packet is never longer than its MSS. */
static void the_option_takes_room(void **state)
{
    (void)state;
    struct talk talk;
    connected(&talk, with_accecn);
    talk_write(&talk, 2920);
    talk_out(&talk, "AE. 1+1452 accecn0 1,0"); /* the first data segment tests the path */
    talk_out(&talk, "AE. 1453+1460 noaccecn");
    talk_out(&talk, "PAE. 2913+8 noaccecn");
    talk_end(&talk);
}

static void sack_goes_first(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_timestamps);
    talk_open(&talk, "SACE 0 mss 1460 sackok ts 100 0", "SC. 0 ack 1 accecn0 1,0,1",
              ".C 1 ack 1 ts 101 0");
    talk_in(&talk, "AE. 1001+100 ack 1 tos 2 ts 102 0");
    talk_out(&talk, "AE. 1 ack 1 sack 1001-1101 accecn0 101,0");
    talk_in(&talk, "AE. 2001+100 ack 1 tos 2 ts 103 0");
    talk_out(&talk, "AE. 1 ack 1 sack 2001-2101,1001-1101 accecn0 201,0");
    talk_in(&talk, "AE. 3001+100 ack 1 tos 2 ts 104 0");
    talk_out(&talk, "AE. 1 ack 1 sack 3001-3101,2001-2101,1001-1101 noaccecn");
    talk_end(&talk);
}

static void ack_when_marks_begin(void **state)
{
    (void)state;
    struct talk talk;
    char text[64];
    established(&talk, with_accecn);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "AE. %u+100 ack 1 tos 2", 1 + i * 100);
        talk_in(&talk, text);
        talk_wait_ms(&talk, 100);
    }
    talk_forget(&talk);
    talk_in(&talk, "AE. 4001+100 ack 1 tos 2");
    talk_silent(&talk);
    talk_in(&talk, "AE. 4101+100 ack 1 tos 3"); /* a change */
    talk_out(&talk, "AC. 1 ack 4201");
    talk_in(&talk, "AE. 4201+100 ack 1 tos 3"); /* no change, one mark */
    talk_silent(&talk);
    talk_in(&talk, "AE. 4301+100 ack 1 tos 3"); /* two */
    talk_out(&talk, ". 1 ack 4401");
    talk_end(&talk);
}

/* ACKs that come marked want an ACK when they are three. */
static void ack_for_marked_acks(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 4380);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 1461 tos 3");
    talk_silent(&talk);
    talk_in(&talk, "AE. 1 ack 2921 tos 3");
    talk_silent(&talk);
    talk_in(&talk, "AE. 1 ack 4381 tos 3");
    talk_out(&talk, ". 4381 ack 1 tos 0 noaccecn"); /* 8 marks: 0 */
    talk_end(&talk);
}

static void marks_out_of_the_window_are_not_counted(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_in(&talk, "AE. 1+1000 ack 1");
    talk_forget(&talk);
    talk_in(&talk, "AE. 1+1000 ack 1 tos 3");
    talk_out(&talk, "AE. 1 ack 1001 noaccecn");
    talk_in(&talk, "AE. 1001+10 ack 900000 tos 3"); /* RFC 5961 */
    talk_out(&talk, "AE. 1 ack 1001");
    assert_int_equal(talk_info(&talk).marks_received, 0);
    talk_end(&talk);
}

/* ---- As sender ------------------------------------------------------------------------------ */

static void a_mark_reduces_the_window(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, "AC. 1 ack 2921");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    assert_int_equal(talk_info(&talk).marks_told, 1);
    talk_in(&talk, "ACE. 1 ack 5841"); /* the same window's */
    talk_in(&talk, "ACE. 1 ack 14601");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 7300);
    assert_int_equal(talk_info(&talk).marks_told, 2);
    talk_write(&talk, 7300);
    talk_out(&talk, "AE. 14601+1460 tos 2"); /* CWR means nothing here */
    talk_forget(&talk);
    talk_in(&talk, "ACE. 1 ack 21901"); /* no new mark: no reduction */
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    talk_end(&talk);
}

static void an_old_ack_tells_nothing(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 5841");
    talk_in(&talk, "C. 1 ack 2921");
    talk_in(&talk, "C. 1 ack 5841");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    assert_int_equal(talk_info(&talk).marks_told, 0);
    talk_end(&talk);
}

/* A.2.1: an ACK of nine segments, where ACKs covered one each, may hide eight marks. */
static void marks_that_went_round(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 1461");
    talk_in(&talk, "AE. 1 ack 14601");
    assert_int_equal(talk_info(&talk).marks_told, 8);
    assert_true(talk_info(&talk).ssthresh_bytes < 14600);
    talk_end(&talk);
}

/* A.2.2: the option says that it did not. */
static void the_option_tells_better(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 1461 accecn0 1461,0");
    talk_in(&talk, "AE. 1 ack 14601 accecn0 14601");
    assert_int_equal(talk_info(&talk).marks_told, 0);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    talk_end(&talk);
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 1461 accecn0 1461,0");
    talk_in(&talk, "AE. 1 ack 14601 accecn0 1461,11680,1"); /* and here it did */
    assert_int_equal(talk_info(&talk).marks_told, 8);
    talk_end(&talk);
}

/* Where every ACK covers many, the worst is not assumed. */
static void a_peer_that_acknowledges_many_at_once(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, "AE. 1 ack 14601");
    assert_int_equal(talk_info(&talk).marks_told, 0);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    talk_end(&talk);
}

/* 3.2.3.2.5. */
static void contradicting_feedback(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 1460);
    talk_out(&talk, "PAE. 1+1460 tos 2");
    talk_in(&talk, "AE. 1 ack 1461 accecn0 1,1460");
    talk_write(&talk, 1460);
    talk_out(&talk, "PAE. 1461+1460 tos 0");
    talk_end(&talk);
}

/* 3.2.3.2.2: the first data segment is lost, maybe for its option. */
static void options_that_do_not_get_through(void **state)
{
    (void)state;
    struct talk talk;
    connected(&talk, with_accecn);
    talk_write(&talk, 1000);
    talk_out(&talk, "PAE. 1+1000 accecn0 1,0");
    while (talk_info(&talk).timeouts == 0) {
        talk_forget(&talk);
        talk_wait_out_ms(&talk, 5000);
    }
    talk_out(&talk, "PAE. 1+1000 tos 0 noaccecn");
    talk_in(&talk, "AE. 1+1000 ack 1001 tos 2");
    talk_out(&talk, "AE. 1001 ack 1001 noaccecn");
    talk_end(&talk);
}

static void time_wait_goes_on_counting(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_in(&talk, "AE. 1+100 ack 1 tos 3");
    talk_out(&talk, "AC. 1 ack 101");
    talk_read(&talk, 0, 100);
    talk_forget(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "FAC. 1 ack 101");
    talk_in(&talk, "FAE. 101 ack 2");
    talk_out(&talk, "AC. 2 ack 102");
    talk_in(&talk, "FAE. 101 ack 2");
    talk_out(&talk, "AC. 2 ack 102");
    talk_end(&talk);
}

/* ---- Super-segments ------------------------------------------------------------------------- */

static void with_offloads(struct berth_config *config)
{
    with_accecn(config);
    config->offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4;
}

/* 3.3.4: links clear CWR behind the first piece, so while it is a counter's bit none cuts. */
static void super_segments_keep_the_counter(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_offloads);
    talk_open(&talk, "SACE 0 mss 536 sackok", "SC. 0 ack 1", ".C 1 ack 1");
    talk_write(&talk, 1072);
    talk_out(&talk, "PAE. 1+1072"); /* 5 */
    assert_int_equal(talk.last.offload.segment_bytes, 536);
    talk_in(&talk, "AE. 1+100 ack 1073 tos 3");
    talk_out(&talk, "AC. 1073 ack 101"); /* 6 */
    talk_write(&talk, 1072);
    talk_out(&talk, "AC. 1073+536");
    assert_int_equal(talk.last.offload.segment_bytes, 0);
    talk_out(&talk, "PAC. 1609+536");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9768 3.2, 3.2.2, 3.2.3, 3.2.3.3: marks are counted", marks_are_counted, NULL, NULL,
         NULL},
        {"RFC 9768 3.2.3: the other order", the_other_order, NULL, NULL, NULL},
        {"RFC 9768 3.2.3: no option when off", no_option_when_off, NULL, NULL, NULL},
        {"RFC 9768 3.2.3.2: the option takes room", the_option_takes_room, NULL, NULL, NULL},
        {"RFC 9768 3.2.3.3: SACK goes first", sack_goes_first, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.5: an ACK when marks begin", ack_when_marks_begin, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.5: an ACK for marked ACKs", ack_for_marked_acks, NULL, NULL, NULL},
        {"RFC 9768 3.2: marks out of the window are not counted",
         marks_out_of_the_window_are_not_counted, NULL, NULL, NULL},
        {"RFC 9768 3.1.5: a mark reduces the window, once", a_mark_reduces_the_window, NULL, NULL,
         NULL},
        {"RFC 9768 3.2.2.2: an old ACK tells nothing", an_old_ack_tells_nothing, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.5: marks that went round", marks_that_went_round, NULL, NULL, NULL},
        {"RFC 9768 3.2.3.1, 3.2.3.2: the option tells better", the_option_tells_better, NULL, NULL,
         NULL},
        {"RFC 9768 3.2.2.5: a peer that acknowledges many at once",
         a_peer_that_acknowledges_many_at_once, NULL, NULL, NULL},
        {"RFC 9768 3.2.3.2: contradicting feedback", contradicting_feedback, NULL, NULL, NULL},
        {"RFC 9768 3.2.3.2: options that do not get through", options_that_do_not_get_through, NULL,
         NULL, NULL},
        {"RFC 9768 3.2.2: TIME-WAIT goes on counting", time_wait_goes_on_counting, NULL, NULL,
         NULL},
        {"RFC 9768 3.3.4: super-segments keep the counter", super_segments_keep_the_counter, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
