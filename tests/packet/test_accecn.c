/* SPDX-License-Identifier: MIT */
/*
 * AccECN (RFC 9768): agreeing on it, and on what came in the handshake. Of the counters:
 * test_accecn_marks.c. The three flags A C E are the ACE field after
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

static void both_sides_agree(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_accecn);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 2"); /* ACE 5, no CWR bit of RFC 3168 */
    talk_end(&talk);
    connected(&talk, with_accecn);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 2");
    talk_end(&talk);
}

/* Table 2 and table 3: how a SYN, or a SYN,ACK, came. */
static void the_handshake_says_how_it_came(void **state)
{
    (void)state;
    static const char *const flags[] = {"C", "CE", "A", "AC"}; /* by codepoint */
    for (unsigned code = 0; code < 4; code++) {
        struct talk talk;
        char text[64];
        talk_begin(&talk, with_accecn);
        talk_listen(&talk);
        snprintf(text, sizeof text, "SACE 0 mss 1460 tos %u", code);
        talk_in(&talk, text);
        snprintf(text, sizeof text, "S%s. 0 ack 1 tos 0", flags[code]);
        talk_out(&talk, text);
        talk_in(&talk, ".C 1 ack 1");
        talk_accept(&talk);
        talk_write(&talk, 100);
        talk_out(&talk, "PAE. 1+100"); /* a mark on the SYN is not counted */
        talk_end(&talk);

        talk_begin(&talk, with_accecn);
        talk_connect(&talk);
        talk_out(&talk, "SACE 0");
        snprintf(text, sizeof text, "SC. 0 ack 1 mss 1460 tos %u", code);
        talk_in(&talk, text);
        snprintf(text, sizeof text, "%s. 1 ack 1 tos 0", flags[code]);
        talk_out(&talk, text);
        talk_write(&talk, 100);
        talk_out(&talk, code == 3 ? "PAC. 1+100" : "PAE. 1+100"); /* that on the SYN,ACK is */
        talk_end(&talk);
    }
}

/* Table 2: what the SYN,ACK makes of a SYN that asks. */
static void older_peers_answer(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        const char *ack;
        const char *data;
        enum berth_tcp_ecn_mode mode;
    } cases[] = {
        {"SE. 0 ack 1 mss 1460", ". 1 ack 1", "P. 1+100 tos 2", BERTH_TCP_ECN_CLASSIC},
        {"S. 0 ack 1 mss 1460", ". 1 ack 1", "P. 1+100 tos 0", BERTH_TCP_ECN_NONE},
        {"SACE. 0 ack 1 mss 1460", ". 1 ack 1", "P. 1+100 tos 0", BERTH_TCP_ECN_NONE},
        {"SAE. 0 ack 1 mss 1460", "C. 1 ack 1", "PAE. 1+100 tos 2", BERTH_TCP_ECN_ACCURATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        talk_begin(&talk, with_accecn);
        talk_connect(&talk);
        talk_out(&talk, "SACE 0");
        talk_in(&talk, cases[i].answer);
        talk_out(&talk, cases[i].ack);
        assert_int_equal(talk_info(&talk).ecn, cases[i].mode);
        talk_write(&talk, 100);
        talk_out(&talk, cases[i].data);
        talk_end(&talk);
    }
}

static void older_peers_ask(void **state)
{
    (void)state;
    static const struct {
        const char *syn;
        const char *answer;
        enum berth_tcp_ecn_mode mode;
    } cases[] = {
        {"SCE 0 mss 1460", "SE. 0 ack 1", BERTH_TCP_ECN_CLASSIC},
        {"S 0 mss 1460", "S. 0 ack 1", BERTH_TCP_ECN_NONE},
        {"SAC 0 mss 1460", "SC. 0 ack 1", BERTH_TCP_ECN_ACCURATE}, /* 3.1.3: newer ones */
        {"SA 0 mss 1460", "SC. 0 ack 1", BERTH_TCP_ECN_ACCURATE},
        {"SE 0 mss 1460", "SC. 0 ack 1", BERTH_TCP_ECN_ACCURATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        talk_begin(&talk, with_accecn);
        talk_listen(&talk);
        talk_in(&talk, cases[i].syn);
        talk_out(&talk, cases[i].answer);
        talk_in(&talk, ".C 1 ack 1");
        talk_accept(&talk);
        assert_int_equal(talk_info(&talk).ecn, cases[i].mode);
        talk_end(&talk);
    }
}

/* One that has RFC 3168 alone answers with that. */
static void we_are_the_older_peer(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "SACE 0 mss 1460");
    talk_out(&talk, "SE. 0 ack 1");
    talk_end(&talk);
}

static void lost_syns(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_connect(&talk);
    talk_out(&talk, "SACE 0");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "SACE 0");
    talk_wait_out_ms(&talk, 4000);
    talk_out(&talk, "S 0");
    talk_in(&talk, "SC. 0 ack 1 mss 1460"); /* the first did arrive: the mode is that one's */
    talk_out(&talk, "C. 1 ack 1");
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 2");
    talk_end(&talk);
}

static void lost_syn_acks(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_listen(&talk);
    talk_in(&talk, "SACE 0 mss 1460");
    talk_out(&talk, "SC. 0 ack 1 accecn0 1,0,1");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "SC. 0 ack 1 noaccecn");
    talk_wait_out_ms(&talk, 4000);
    talk_out(&talk, "S. 0 ack 1 noaccecn");
    talk_in(&talk, ".C 1 ack 1");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).ecn, BERTH_TCP_ECN_ACCURATE);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 0"); /* the mode stays, ECT is out of the question */
    talk_end(&talk);
}

static void the_syn_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_listen(&talk);
    talk_in(&talk, "SACE 0 mss 1460");
    talk_out(&talk, "SC. 0 ack 1");
    talk_in(&talk, "SACE 0 mss 1460 tos 3"); /* the latest counts */
    talk_out(&talk, "SAC. 0 ack 1 noaccecn");
    talk_in(&talk, "S 0 mss 1460");
    talk_out(&talk, "SC. 0 ack 1");
    talk_in(&talk, ".C 1 ack 1");
    talk_accept(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 0");
    talk_end(&talk);
}

static void contradicting_syns(void **state)
{
    (void)state;
    static const char *const syns[2] = {"SACE 0 mss 1460", "SCE 0 mss 1460"};
    for (unsigned i = 0; i < 2; i++) {
        struct talk talk;
        talk_begin(&talk, with_accecn);
        talk_listen(&talk);
        talk_in(&talk, syns[i]);
        talk_out(&talk, i == 0 ? "SC. 0 ack 1" : "SE. 0 ack 1");
        talk_in(&talk, syns[1 - i]);
        talk_out(&talk, "R. 0 ack 1");
        assert_int_equal(talk_connections(&talk), 0);
        talk_end(&talk);
    }
}

static void the_syn_ack_again(void **state)
{
    (void)state;
    struct talk talk;
    connected(&talk, with_accecn);
    talk_in(&talk, "SC. 0 ack 1 mss 1460 tos 3");
    talk_out(&talk, "AC. 1 ack 1");
    talk_in(&talk, "SC. 0 ack 1 mss 1460 tos 3");
    talk_out(&talk, "AC. 1 ack 1");
    talk_write(&talk, 100);
    talk_out(&talk, "PAC. 1+100"); /* counted once: 6 */
    talk_end(&talk);
}

static void simultaneous(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_connect(&talk);
    talk_out(&talk, "SACE 0");
    talk_in(&talk, "SACE 0 mss 1460");
    talk_out(&talk, "SC. 0 ack 1");
    talk_in(&talk, "SC. 0 ack 1 mss 1460");
    assert_int_equal(talk_info(&talk).ecn, BERTH_TCP_ECN_ACCURATE);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    talk_silent(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 2");
    talk_in(&talk, "AE. 1+100 ack 101");
    talk_out(&talk, "AE. 101 ack 101"); /* no handshake's code */
    assert_int_equal(talk_info(&talk).marks_told, 0);
    talk_end(&talk);
    talk_begin(&talk, with_accecn);
    talk_connect(&talk);
    talk_out(&talk, "SACE 0");
    talk_in(&talk, "SACE 0 mss 1460");
    talk_out(&talk, "SC. 0 ack 1");
    talk_in(&talk, "SC. 0 ack 1 mss 1460");
    talk_in(&talk, "AE. 1+100 ack 1");
    talk_out(&talk, "AE. 1 ack 101"); /* the first pure ACK: it is of data, and counts */
    talk_end(&talk);
}

static void the_answer_goes_before_data(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_connect(&talk);
    talk_out(&talk, "SACE 0");
    talk_post(&talk, "SC. 0 ack 1 mss 1460");
    talk_write(&talk, 100);
    talk_out(&talk, "C. 1 ack 1");
    talk_out(&talk, "PAE. 1+100 ack 1");
}

/* Table 4, note 1. */
static void an_ack_that_says_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_open(&talk, "SACE 0 mss 1460 sackok", "SC. 0 ack 1", ". 1 ack 1");
    talk_write(&talk, 14600);
    talk_out(&talk, "AE. 1+1460 tos 0");
    talk_forget(&talk);
    talk_in(&talk, "C. 1 ack 1461"); /* whatever it says */
    assert_int_equal(talk_info(&talk).ssthresh_bytes, UINT32_MAX);
    talk_in(&talk, "C. 1+1460 ack 1461 tos 3"); /* but what comes is told */
    talk_out(&talk, "AC. 14601 ack 1461");
    talk_end(&talk);
}

/* 3.2.2.3: the SYN,ACK was Not-ECT, and came as something else. */
static void a_path_that_mangles(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_accecn);
    talk_open(&talk, "SACE 0 mss 1460", "SC. 0 ack 1", "A. 1 ack 1");
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 0");
    talk_end(&talk);
    talk_begin(&talk, with_accecn);
    talk_connect(&talk);
    talk_out(&talk, "SACE 0");
    talk_in(&talk, "SAC. 0 ack 1 mss 1460"); /* marked, it says: congestion all the same */
    talk_out(&talk, "C. 1 ack 1");
    assert_int_equal(talk_info(&talk).cwnd_bytes, 7300);
    assert_int_equal(talk_info(&talk).marks_told, 0);
    talk_write(&talk, 100);
    talk_out(&talk, "PAE. 1+100 tos 0");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9768 3.1.1, 3.1.5, 3.2.1: both sides agree", both_sides_agree, NULL, NULL, NULL},
        {"RFC 9768 3.1.1, 3.2.2.1, 3.2.2.2: the handshake says how it came",
         the_handshake_says_how_it_came, NULL, NULL, NULL},
        {"RFC 9768 3.1.2, 3.1.3: older peers answer", older_peers_answer, NULL, NULL, NULL},
        {"RFC 9768 3.1.2, 3.1.3: older peers ask", older_peers_ask, NULL, NULL, NULL},
        {"RFC 9768 3.1.2: we are the older peer", we_are_the_older_peer, NULL, NULL, NULL},
        {"RFC 9768 3.1.4: lost SYNs", lost_syns, NULL, NULL, NULL},
        {"RFC 9768 3.1.4, 3.1.5, 3.2.3.2: lost SYN,ACKs", lost_syn_acks, NULL, NULL, NULL},
        {"RFC 9768 3.1.5: the SYN again", the_syn_again, NULL, NULL, NULL},
        {"RFC 9768 3.1.5: contradicting SYNs", contradicting_syns, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.1: the SYN,ACK again", the_syn_ack_again, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.1: the answer goes before data", the_answer_goes_before_data, NULL, NULL,
         NULL},
        {"RFC 9768 3.1.2: a simultaneous open", simultaneous, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.1: an ACK that says nothing", an_ack_that_says_nothing, NULL, NULL, NULL},
        {"RFC 9768 3.2.2.3: a path that mangles", a_path_that_mangles, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
