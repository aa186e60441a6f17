/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification (RFC 3168): agreeing on it, both halves' part in it, and what is
 * never sent as ECN-capable. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void with_ecn(struct berth_config *config)
{
    config->tcp.ecn = BERTH_TCP_ECN;
}

static void with_newreno(struct berth_config *config)
{
    config->tcp.ecn = BERTH_TCP_ECN;
    strcpy(config->tcp.congestion_control, "newreno");
}

static void without_ecn(struct berth_config *config)
{
    config->tcp.ecn = BERTH_TCP_ECN_OFF;
}

/* A passive open that agrees on ECN. */
static void established(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_listen(talk);
    talk_in(talk, "SEC 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(talk, "S.E 0 ack 1 mss 1460 tos 0");
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ". 1 ack 1");
    talk_accept(talk);
    talk_silent(talk);
    assert_int_equal(talk_info(talk).ecn, BERTH_TCP_ECN_CLASSIC);
}

/* ---- The handshake -------------------------------------------------------------------------- */

static void active_open_asks(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_connect(&talk);
    talk_out(&talk, "SEC 0 tos 0");
    talk_in(&talk, "S.E 0 ack 1 mss 1460 sackok");
    talk_out(&talk, ". 1 ack 1 tos 0");
    assert_int_equal(talk_info(&talk).ecn, BERTH_TCP_ECN_CLASSIC);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 2");
    talk_end(&talk);
}

static void passive_open_answers(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL); /* the default accepts */
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 2");
    talk_end(&talk);
}

static void both_versions(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk.v6 = true;
    talk_connect(&talk);
    talk_out(&talk, "SEC 0 tos 0");
    talk_in(&talk, "S.E 0 ack 1 mss 1440 sackok");
    talk_out(&talk, ". 1 ack 1 tos 0");
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_DSCP, 10), 0);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 42"); /* beside the DSCP */
    talk_end(&talk);
}

static void off_is_off(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, without_ecn);
    talk_open(&talk, "SEC 0 mss 1460", "S. 0 ack 1 tos 0", ". 1 ack 1");
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 0");
    talk_in(&talk, ". 1+100 ack 101 tos 3"); /* nobody asked for it to be told */
    talk_out(&talk, ". 101 ack 101");
    talk_end(&talk);
}

/* One flag of the two, or both in the SYN,ACK, is no agreement: some hosts reflect what they do not
 * know (6.1.1.2). */
static void no_agreement(void **state)
{
    (void)state;
    static const char *const answers[] = {"S. 0 ack 1 mss 1460", "S.EC 0 ack 1 mss 1460",
                                          "S.C 0 ack 1 mss 1460"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct talk talk;
        talk_begin(&talk, with_ecn);
        talk_connect(&talk);
        talk_out(&talk, "SEC 0");
        talk_in(&talk, answers[i]);
        talk_out(&talk, ". 1 ack 1");
        assert_int_equal(talk_info(&talk).ecn, BERTH_TCP_ECN_NONE);
        talk_write(&talk, 100);
        talk_out(&talk, "P. 1+100 tos 0");
        talk_end(&talk);
    }
}

static void no_setup_no_answer(void **state)
{
    (void)state;
    static const char *const syns[] = {"S 0 mss 1460", "SE 0 mss 1460", "SC 0 mss 1460",
                                       "SEC 0 mss 1460 tos 2"}; /* a path that makes things up */
    for (size_t i = 0; i < sizeof syns / sizeof *syns; i++) {
        struct talk talk;
        talk_begin(&talk, with_ecn);
        talk_listen(&talk);
        talk_in(&talk, syns[i]);
        talk_out(&talk, "S. 0 ack 1");
        talk_in(&talk, ". 1 ack 1");
        talk_accept(&talk);
        talk_write(&talk, 100);
        talk_out(&talk, "P. 1+100 tos 0");
        talk_end(&talk);
    }
}

static void lost_syn_goes_without(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_connect(&talk);
    talk_out(&talk, "SEC 0");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S 0");
    talk_in(&talk, "S.E 0 ack 1 mss 1460"); /* of the first, late: ECT is out of the question */
    talk_out(&talk, ". 1 ack 1");
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 0");
    talk_in(&talk, ". 1+100 ack 101 tos 3"); /* but what was promised is kept */
    talk_out(&talk, ".E 101 ack 101");
    talk_end(&talk);
}

static void refused_syn_goes_without(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_connect(&talk);
    talk_out(&talk, "SEC 0");
    talk_in(&talk, "R. 0 ack 1");
    talk_out(&talk, "S 0");
    talk_in(&talk, "S. 0 ack 1 mss 1460");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void refused_twice_is_refused(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_connect(&talk);
    talk_out(&talk, "SEC 0");
    talk_in(&talk, "R. 0 ack 1");
    talk_out(&talk, "S 0");
    talk_in(&talk, "R. 0 ack 1");
    talk_silent(&talk);
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSED);
    assert_int_equal(talk.error, BERTH_E_REFUSED);
    talk_end(&talk);
}

/* The example of 6.1.1.1: our SYN,ACK is lost, the SYN comes again without. */
static void a_plain_syn_later(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "SEC 0 mss 1460");
    talk_out(&talk, "S.E 0 ack 1");
    talk_in(&talk, "S 0 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 0");
    talk_end(&talk);
}

static void syn_ack_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "SEC 0 mss 1460");
    talk_out(&talk, "S.E 0 ack 1");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S.E 0 ack 1 tos 0");
    talk_end(&talk);
}

static void simultaneous(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_connect(&talk);
    talk_out(&talk, "SEC 0");
    talk_in(&talk, "SEC 0 mss 1460");
    talk_out(&talk, "S.E 0 ack 1");
    talk_in(&talk, "S.E 0 ack 1 mss 1460");
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX); /* that ECE was no echo */
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 tos 2");
    talk_end(&talk);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static void marks_are_echoed(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_in(&talk, ". 1+1460 ack 1 tos 3");
    talk_out(&talk, ".E 1 ack 1461");
    talk_in(&talk, ". 1461+1460 ack 1 tos 2"); /* not marked: still told */
    talk_wait_ms(&talk, 100);
    talk_out(&talk, ".E 1 ack 2921");
    talk_write(&talk, 10); /* on data too */
    talk_out(&talk, "P.E 1+10 ack 2921 tos 2");
    talk_in(&talk, "C. 2921+1460 ack 11 tos 2");
    talk_out(&talk, ". 11 ack 4381"); /* CWR: told no more, and at once */
    talk_in(&talk, ". 4381+1460 ack 11 tos 3");
    talk_out(&talk, ".E 11 ack 5841");
    assert_int_equal(talk_info(&talk).marks_received, 2);
    talk_end(&talk);
}

static void cwr_that_is_marked(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_in(&talk, ". 1+1460 ack 1 tos 3");
    talk_out(&talk, ".E 1 ack 1461");
    talk_in(&talk, "C. 1461+1460 ack 1 tos 3");
    talk_out(&talk, ".E 1 ack 2921");
    talk_end(&talk);
}

/* After many ACKs at once the first mark still does not wait for the delayed ACK. */
static void first_mark_is_told_at_once(void **state)
{
    (void)state;
    struct talk talk;
    char text[64];
    established(&talk, NULL);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof text, ". %u+100 ack 1 tos 2", 1 + i * 100);
        talk_in(&talk, text);
        talk_wait_ms(&talk, 100);
    }
    talk_forget(&talk);
    talk_in(&talk, ". 4001+100 ack 1 tos 2");
    talk_silent(&talk);
    talk_in(&talk, ". 4101+100 ack 1 tos 3");
    talk_out(&talk, ".E 1 ack 4201");
    talk_end(&talk);
}

static void marks_out_of_the_window_are_ignored(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_in(&talk, ". 1+1000 ack 1 tos 2");
    talk_forget(&talk);
    talk_in(&talk, ". 1+1000 ack 1 tos 3");
    talk_out(&talk, ". 1 ack 1001");
    talk_in(&talk, ". 900000+1000 ack 1 tos 3");
    talk_out(&talk, ". 1 ack 1001");
    talk_end(&talk);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void only_new_data_is_ect(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_write(&talk, 1000);
    talk_out(&talk, "P. 1+1000 tos 2");
    talk_wait_out_ms(&talk, 5000); /* the tail loss probe */
    talk_out(&talk, "P. 1+1000 tos 0");
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, "P. 1+1000 tos 0");
    talk_in(&talk, ". 1 ack 1001");
    talk_in(&talk, ". 1+1000 ack 1001"); /* a pure ACK */
    talk_out(&talk, ". 1001 ack 1001 tos 0");
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "F. 1001+0 tos 0");
    talk_end(&talk);
}

static void probes_are_not_ect(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    talk_wait_out_ms(&talk, 200000);
    talk_out(&talk, ". 0+0 tos 0");
    talk_end(&talk);
}

/* Ten segments are out; the ACK of two of them tells of a mark. */
static void reduce_once(struct talk *talk)
{
    talk_write(talk, 14600);
    assert_int_equal(talk->out_count, 10);
    talk_forget(talk);
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ".E 1 ack 2921");
}

static void an_echo_reduces_the_window(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    reduce_once(&talk);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300); /* slow start: half */
    talk_in(&talk, ".E 1 ack 14601");
    assert_int_equal(talk_info(&talk).cwnd_bytes, 7300);
    assert_int_equal(talk_info(&talk).retransmissions, 0);
    talk_write(&talk, 14600);
    talk_out(&talk, "C. 14601+1460 tos 2"); /* CWR on the first new data, and there only */
    talk_out(&talk, ". 16061+1460 tos 2");
    talk_forget(&talk);
    talk_end(&talk);
}

static void once_a_window(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    reduce_once(&talk);
    for (unsigned at = 4381; at <= 14601; at += 1460) {
        char text[64];
        snprintf(text, sizeof text, ".E 1 ack %u", at); /* told again until CWR is there */
        talk_in(&talk, text);
        assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    }
    talk_write(&talk, 7300);
    talk_out(&talk, "C. 14601+1460");
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 21901");
    talk_write(&talk, 8760);
    talk_forget(&talk);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 8760); /* the flight before filled it */
    talk_in(&talk, ".E 1 ack 24821");                    /* another window's: a fifth (RFC 8511) */
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7008);
    talk_end(&talk);
}

/* 6.1.2: an ECE must not let the window grow, not even when it is not reduced. */
static void no_growth_on_an_echo(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    reduce_once(&talk);
    talk_in(&talk, ".E 1 ack 14601");
    uint32_t cwnd = talk_info(&talk).cwnd_bytes;
    talk_write(&talk, 14600);
    talk_forget(&talk);
    for (unsigned at = 16061; at <= 20441; at += 1460) {
        char text[64];
        snprintf(text, sizeof text, ".E 1 ack %u", at);
        talk_in(&talk, text);
        assert_true(talk_info(&talk).cwnd_bytes <= cwnd);
    }
    talk_end(&talk);
}

static void the_reduction_is_proportional(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    talk_write(&talk, 40 * 1460);
    assert_int_equal(talk.out_count, 10);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    unsigned sent = 0;
    for (unsigned at = 1461; at <= 14601; at += 1460) {
        char text[64];
        snprintf(text, sizeof text, ".E 1 ack %u", at);
        talk_in(&talk, text);
        assert_true(talk.out_count <= 1);
        sent += talk.out_count;
        talk_forget(&talk);
    }
    assert_int_equal(sent, 5);
    talk_end(&talk);
}

static void a_loss_in_the_same_window_is_the_same_congestion(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    reduce_once(&talk);
    talk_in(&talk, ".E 1 ack 2921 sack 4381-14601");
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    talk_out(&talk, ". 2921+1460 tos 0"); /* no CWR on it (6.1.2) */
    talk_in(&talk, ".E 1 ack 14601");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 7300);
    talk_write(&talk, 1460);
    talk_out(&talk, "CP. 14601+1460 tos 2");
    talk_end(&talk);
}

static void a_mark_in_the_window_of_a_loss_is_the_same_congestion(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-8761");
    talk_out(&talk, ". 1+1460 tos 0");
    uint32_t ssthresh = talk_info(&talk).ssthresh_bytes;
    talk_in(&talk, ".E 1 ack 8761");
    talk_in(&talk, ".E 1 ack 14601");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, ssthresh);
    talk_write(&talk, 1460);
    talk_out(&talk, "CP. 14601+1460 tos 2"); /* a loss is told by CWR too */
    talk_in(&talk, ".E 1 ack 14601");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, ssthresh);
    talk_end(&talk);
}

static void an_old_ack_tells_nothing(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, NULL);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 5841");
    talk_in(&talk, ".E 1 ack 2921");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    talk_end(&talk);
}

/* 6.1.2: with a window of one segment, the timer paces. */
static void one_segment_waits_for_the_timer(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno);
    talk_write(&talk, 14600);
    talk_out(&talk, ". 1+1460");
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 14601");
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 14601+1460");
    while (talk_info(&talk).timeouts == 0) {
        talk_wait_out_ms(&talk, 5000);
        talk_forget(&talk);
    }
    assert_int_equal(talk_info(&talk).cwnd_bytes, 1460);
    talk_in(&talk, ".E 1 ack 16061");
    uint64_t rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    talk_write(&talk, 4380);
    talk_silent(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 5000);
    assert_in_range(waited, rto_ms - 2, rto_ms + 2);
    talk_out(&talk, "C. 16061+1460 tos 2");
    talk_silent(&talk);
    talk_end(&talk);
}

static void with_offloads(struct berth_config *config)
{
    with_newreno(config);
    config->offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4;
}

/* CWR is on the first piece only: the link is told to see to it. */
static void a_super_segment_has_cwr_once(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_offloads);
    talk_open(&talk, "SEC 0 mss 536 sackok", "S.E 0 ack 1", ". 1 ack 1");
    talk_write(&talk, 1072);
    talk_out(&talk, "P. 1+1072 tos 2");
    assert_int_equal(talk.last.offload.segment_bytes, 536);
    assert_int_equal(talk.last.offload.ecn, 0);
    talk_in(&talk, ".E 1 ack 1073");
    talk_write(&talk, 1072);
    talk_out(&talk, "PC. 1073+1072 tos 2");
    assert_int_equal(talk.last.offload.segment_bytes, 536);
    assert_int_equal(talk.last.offload.ecn, 1);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 SHLD-8; RFC 3168 6.1.1: an active open asks", active_open_asks, NULL, NULL,
         NULL},
        {"RFC 9293 SHLD-8; RFC 3168 6.1.1: a passive open answers", passive_open_answers, NULL,
         NULL, NULL},
        {"RFC 3168 5: in both versions of IP", both_versions, NULL, NULL, NULL},
        {"RFC 3168 6.1.1: off is off", off_is_off, NULL, NULL, NULL},
        {"RFC 3168 6.1.1: no agreement", no_agreement, NULL, NULL, NULL},
        {"RFC 3168 6.1.1: only what was asked is answered", no_setup_no_answer, NULL, NULL, NULL},
        {"RFC 3168 6.1.1.1: a lost SYN goes without", lost_syn_goes_without, NULL, NULL, NULL},
        {"RFC 3168 6.1.1.1: a refused SYN goes without", refused_syn_goes_without, NULL, NULL,
         NULL},
        {"RFC 3168 6.1.1.1: refused twice is refused", refused_twice_is_refused, NULL, NULL, NULL},
        {"RFC 3168 6.1.1, 6.1.1.1: the SYN again, without", a_plain_syn_later, NULL, NULL, NULL},
        {"RFC 3168 6.1.1: the SYN,ACK again", syn_ack_again, NULL, NULL, NULL},
        {"RFC 3168 6.1.1: a simultaneous open", simultaneous, NULL, NULL, NULL},
        {"RFC 3168 6.1.3: marks are echoed until CWR", marks_are_echoed, NULL, NULL, NULL},
        {"RFC 3168 6.1.3: CWR that is marked", cwr_that_is_marked, NULL, NULL, NULL},
        {"RFC 3168 6.1.3: the first mark is told at once", first_mark_is_told_at_once, NULL, NULL,
         NULL},
        {"RFC 3168 6.1.5: marks out of the window are ignored", marks_out_of_the_window_are_ignored,
         NULL, NULL, NULL},
        {"RFC 3168 6.1.1, 6.1.4, 6.1.5: only new data is ECN-capable", only_new_data_is_ect, NULL,
         NULL, NULL},
        {"RFC 3168 6.1.6: window probes are not ECN-capable", probes_are_not_ect, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: an echo reduces the window", an_echo_reduces_the_window, NULL, NULL,
         NULL},
        {"RFC 3168 6.1.2; RFC 8511 3: once a window", once_a_window, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: no growth on an echo", no_growth_on_an_echo, NULL, NULL, NULL},
        {"RFC 9937 6.2: the reduction for marks is proportional", the_reduction_is_proportional,
         NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a loss in the window of a mark",
         a_loss_in_the_same_window_is_the_same_congestion, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a mark in the window of a loss",
         a_mark_in_the_window_of_a_loss_is_the_same_congestion, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: an old ACK tells nothing", an_old_ack_tells_nothing, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a window of one segment waits for the timer",
         one_segment_waits_for_the_timer, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a super-segment has CWR once", a_super_segment_has_cwr_once, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
