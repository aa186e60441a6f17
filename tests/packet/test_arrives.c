/* SPDX-License-Identifier: MIT */
/* A segment arrives at an open connection (RFC 9293 3.10.7.4, RFC 5961, RFC 7323). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void data_in_order(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+100 ack 1");
    talk_out(&talk, ". 1 ack 101");
    talk_in(&talk, "P. 101+50 ack 1");
    talk_out(&talk, ". 1 ack 151");
    talk_read(&talk, 0, 150);
    assert_int_equal(talk_info(&talk).bytes_received, 150);
    talk_end(&talk);
}

static void old_and_new_in_one(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 101");
    talk_in(&talk, ". 51+100 ack 1"); /* the first half is known */
    talk_out(&talk, ". 1 ack 151");
    talk_in(&talk, ". 1+100 ack 1"); /* all of it is: answered, so that a lost ACK is repaired */
    talk_out(&talk, ". 1 ack 151");
    talk_read(&talk, 0, 150);
    talk_end(&talk);
}

static void out_of_order_with_sack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 101+100 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 101-201");
    talk_in(&talk, ". 301+100 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 301-401,101-201"); /* RFC 2018 4: the newest first */
    talk_in(&talk, ". 201+100 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 101-401");
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 401");
    talk_read(&talk, 0, 400);
    talk_end(&talk);
}

static void overlapping_out_of_order(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 201+100 ack 1");
    talk_in(&talk, ". 151+100 ack 1"); /* overlaps the next from the left */
    talk_in(&talk, ". 251+100 ack 1"); /* and the last from the right */
    talk_in(&talk, ". 101+400 ack 1"); /* and covers them all: what is there stays */
    talk_forget(&talk);
    talk_in(&talk, ". 1+120 ack 1");
    talk_forget(&talk);
    talk_in(&talk, ". 351+150 ack 1");
    talk_out(&talk, ". 1 ack 501");
    talk_read(&talk, 0, 500);
    talk_end(&talk);
}

static void outside_the_window(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 99000000+10 ack 1");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OUT_OF_WINDOW), 1);
    assert_int_equal(talk_info(&talk).reorder_queue_bytes, 0);
    talk_in(&talk, "R 99000000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_silent(&talk);
    talk_end(&talk);
}

static void reset_must_be_exact(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "R 5"); /* in the window, not next: RFC 5961 3.2 */
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, "R 1");
    assert_int_equal(talk.error, BERTH_E_RESET);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void syn_is_challenged(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "S 1 win 1000"); /* RFC 5961 4.2 */
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, "S 700 win 1000");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void challenges_are_throttled(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    unsigned sent = 0;
    for (unsigned i = 0; i < 5000; i++) {
        talk_in(&talk, "S 700 win 1000");
        sent += talk.out_count;
        talk_forget(&talk);
    }
    assert_in_range(sent, 1, talk.config.tcp.challenge_acks_per_second);
    talk_end(&talk);
}

static void foreign_acks_change_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    talk_in(&talk, "P. 1+10 ack 5000"); /* not yet sent: RFC 9293 3.10.7.4 */
    talk_out(&talk, ". 101 ack 1");
    assert_int_equal(talk_info(&talk).bytes_acked, 0);
    talk_in(&talk, "P. 1+10 ack -9000000"); /* far too old: RFC 5961 5.2 */
    talk_out(&talk, ". 101 ack 1");
    assert_int_equal(talk_info(&talk).bytes_received, 0);
    talk_in(&talk, ". 1 ack 101");
    assert_int_equal(talk_info(&talk).bytes_acked, 100);
    talk_end(&talk);
}

static void no_ack_no_effect(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P 1+10"); /* RFC 9293 3.10.7.4, fifth: without ACK dropped */
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).bytes_received, 0);
    talk_end(&talk);
}

static void zero_window_takes_acks(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_RECEIVE_BYTES, 2048), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10");
    uint32_t at = 1;
    for (unsigned i = 0; i < 100; i++) { /* fill what was offered */
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", at);
        talk_in(&talk, text);
        at += 1000;
    }
    talk_forget(&talk);
    assert_true(talk_info(&talk).rcv_wnd < 1000);
    uint64_t received = talk_info(&talk).bytes_received;
    char text[64];
    snprintf(text, sizeof text, ". %u+1000 ack 11", (unsigned)received + 1);
    talk_in(&talk, text); /* MUST-66: ACK and RST are taken even so */
    assert_int_equal(talk_info(&talk).bytes_acked, 10);
    talk_end(&talk);
}

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

static void paws(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535 mss 1460 ts 1000 0");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk.last_tsecr, 1000);
    talk_in(&talk, ". 1 ack 1 win 65535 ts 1001 0");
    talk_accept(&talk);
    talk_in(&talk, ". 1+10 ack 1 ts 1005 0");
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk.last_tsecr, 1005);
    talk_in(&talk, ". 11+10 ack 1 ts 900 0"); /* RFC 7323 5.3 R1 */
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OLD_TIMESTAMP), 1);
    talk_in(&talk, ". 111+10 ack 1 ts 1010 0"); /* out of order: its stamp is not echoed (4.3) */
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk.last_tsecr, 1005);
    talk_wait_ms(&talk, 25ULL * 86400 * 1000); /* 5.5: after 24 days old stamps prove nothing */
    talk_forget(&talk);
    talk_in(&talk, ". 11+10 ack 1 ts 900 0");
    talk_out(&talk, ". 1 ack 21");
    talk_end(&talk);
}

static void delayed_ack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (unsigned i = 0; i < 20; i++) { /* past the quick ACKs at the start */
        char text[64];
        snprintf(text, sizeof text, ". %u+1460 ack 1", 1 + i * 1460);
        talk_in(&talk, text);
    }
    talk_wait_ms(&talk, 1000);
    talk_read(&talk, 0, 20 * 1460);
    talk_forget(&talk);
    talk_in(&talk, ". 29201+1460 ack 1");
    talk_silent(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_in_range(waited, 1, 500); /* MUST-40 */
    talk_out(&talk, ". 1 ack 30661");
    talk_in(&talk, ". 30661+1460 ack 1");
    talk_silent(&talk);
    talk_in(&talk, ". 32121+1460 ack 1"); /* the second full one: at once */
    talk_out(&talk, ". 1 ack 33581");
    talk_end(&talk);
}

/* An ACK that came to be due before its time leaves an entry for the timer, which fires too early
 * for the next. Each that is really delayed waits as long as the first, whenever the last was. */
static void acks_delayed_in_a_row(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t seq = 1;
    char text[64];
    talk_begin(&talk, NULL);
    talk_established(&talk);
    uint64_t all_ms = talk.config.tcp.delayed_ack_ns / NS_PER_MS;
    for (unsigned i = 0; i < 201; i++) {
        bool early = i < 21; /* the quick ACKs at the start */
        snprintf(text, sizeof text, ". %u+1000 ack 1", seq);
        talk_in(&talk, text);
        seq += 1000;
        snprintf(text, sizeof text, ". 1 ack %u", seq);
        if (early) {
            talk_wait_ms(&talk, 1000);
            talk_forget(&talk);
        } else if (i % 3 == 0) { /* alone */
            assert_in_range(talk_wait_out_ms(&talk, 1000), all_ms, all_ms + 1);
            talk_out(&talk, text);
        } else if (i % 3 == 2) { /* the second of two */
            talk_out(&talk, text);
        }
        talk_silent(&talk);
        talk_read(&talk, seq - 1001, 1000);
        talk_wait_ms(&talk, early || i % 3 == 1 ? 1 : i % 57);
        talk_silent(&talk);
    }
    talk_end(&talk);
}

static void patient(struct berth_config *config)
{
    config->tcp.quick_ack_ns = 5 * NS_PER_MS;
}

static void quick_acks_may_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, patient);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1"); /* one of the first */
    talk_silent(&talk);
    assert_in_range(talk_wait_out_ms(&talk, 1000), 5, 6);
    talk_out(&talk, ". 1 ack 11");
    talk_in(&talk, "P. 11+10 ack 1");
    talk_silent(&talk);
    talk_write(&talk, 30); /* what it goes with */
    talk_out(&talk, "P. 1+30 ack 21");
    talk_wait_ms(&talk, 1000);
    talk_forget(&talk); /* nothing but the 30 once more */
    talk_in(&talk, ". 21 ack 31");
    talk_in(&talk, ". 21+1460 ack 31");
    talk_in(&talk, ". 1481+1460 ack 31"); /* two full ones: at once as ever */
    talk_out(&talk, ". 31 ack 2941");
    talk_in(&talk, ". 4401+1460 ack 31"); /* and out of order */
    talk_out(&talk, ". 31 ack 2941");
    talk_end(&talk);
}

static void the_fins_ack_may_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, patient);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1");
    talk_in(&talk, "F. 11 ack 1");
    talk_silent(&talk);
    talk_read(&talk, 0, 10);
    talk_in(&talk, "F. 11 ack 1"); /* it waits for the ACK, it seems */
    talk_out(&talk, ". 1 ack 12");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 1 ack 12");
    talk_end(&talk);
    talk_begin(&talk, patient);
    talk_established(&talk);
    talk_in(&talk, "PF. 1+10 ack 1");
    talk_silent(&talk);
    talk_read(&talk, 0, 10);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 1 ack 12"); /* one segment for both */
    talk_end(&talk);
    talk_begin(&talk, patient);
    talk_established(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 1"); /* ours has gone: nothing to wait for */
    talk_out(&talk, ". 2 ack 2");
    talk_end(&talk);
}

static void keep_alive_probe_is_answered(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 0 ack 1");
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, ". 0+1 ack 1"); /* with a garbage octet, as some send it */
    talk_out(&talk, ". 1 ack 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.10.7.4: data in order", data_in_order, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: only what is new is taken", old_and_new_in_one, NULL, NULL, NULL},
        {"RFC 9293 SHLD-31, MAY-13; RFC 2018 4; RFC 5681 4.2: out of order, with SACK",
         out_of_order_with_sack, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: overlapping out of order", overlapping_out_of_order, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: outside the window", outside_the_window, NULL, NULL, NULL},
        {"RFC 5961 3.2: a RST must be exact", reset_must_be_exact, NULL, NULL, NULL},
        {"RFC 5961 4.2: a SYN is challenged", syn_is_challenged, NULL, NULL, NULL},
        {"RFC 5961 7: challenges are throttled", challenges_are_throttled, NULL, NULL, NULL},
        {"RFC 9293 MAY-12; RFC 5961 5.2: foreign ACK numbers", foreign_acks_change_nothing, NULL,
         NULL, NULL},
        {"RFC 9293 3.10.7.4: no ACK, no effect", no_ack_no_effect, NULL, NULL, NULL},
        {"RFC 9293 MUST-66: a shut window takes ACKs", zero_window_takes_acks, NULL, NULL, NULL},
        {"RFC 7323 5.3, 5.5: PAWS", paws, NULL, NULL, NULL},
        {"RFC 9293 MUST-40, SHLD-18; RFC 5681 4.2: the delayed ACK", delayed_ack, NULL, NULL, NULL},
        {"RFC 9293 MUST-40: delayed ACKs in a row", acks_delayed_in_a_row, NULL, NULL, NULL},
        {"RFC 9293 3.8.6.3: quick ACKs may wait for company", quick_acks_may_wait, NULL, NULL,
         NULL},
        {"RFC 9293 3.10.7.4: so may a FIN's", the_fins_ack_may_wait, NULL, NULL, NULL},
        {"RFC 9293 3.8.4: a keep-alive probe is answered", keep_alive_probe_is_answered, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
