/* SPDX-License-Identifier: MIT */
/*
 * Connections of which 2^32 bytes have been sent: their numbers come back to where they began (RFC
 * 9293 3.4). The test sets the beginning anew rather than send them.
 */
#include "talk.h"

#include "base/bytes.h"
#include "stack/stack.h"
#include "tcp/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct tcp_conn *conn_of(struct talk *talk)
{
    struct tcp_conn *conn = pool_at(&talk->berth->tcp.conns, 0);
    assert_int_equal(conn->state, talk_state(talk));
    return conn;
}

/* As if the connection had sent all numbers there are but AHEAD: then it is at its initial one. */
static void go_round(struct talk *talk, uint32_t ahead)
{
    struct tcp_conn *conn = conn_of(talk);
    conn->back->iss = conn->snd_nxt + ahead;
    conn->back->acked_high = 1;
}

/* Writes BYTES of the pattern from stream offset AT on. */
static void write_at(struct talk *talk, uint32_t at, uint32_t bytes)
{
    for (uint32_t i = at; i < at + bytes; i++) {
        uint8_t byte = talk_byte(i);
        size_t taken = 0;
        assert_int_equal(berth_tcp_write(talk->berth, talk->id, &byte, 1, &taken), 0);
        assert_int_equal(taken, 1);
    }
    talk_collect(talk);
}

/* Its peer has all up to there, and what follows is lost: it goes again as it was. */
static void what_is_sent_again_at_the_initial_number(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_CORK, 1), 0);
    go_round(&talk, 1460);
    write_at(&talk, 0, 4380);
    talk_out(&talk, ". 1+1460");
    talk_out(&talk, ". 1461+1460");
    talk_out(&talk, ". 2921+1460");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461");
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.send_queue_bytes, 2920);
    assert_int_equal(info.unacked_bytes, 2920);
    assert_int_equal(info.bytes_sent - info.bytes_acked, 2920);
    talk_forget(&talk);
    assert_true(talk_wait_out_ms(&talk, 3000) < 3000);
    talk_out(&talk, ". 2921+1460"); /* the tail loss probe */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461 sack 2921-4381");
    assert_true(talk_wait_out_ms(&talk, 100) < 100);
    talk_out(&talk, ". 1461+1460");
    talk_in(&talk, ". 1 ack 4381");
    talk_silent(&talk);
    talk_end(&talk);
}

/* Nothing is in flight, and what is written there leaves as it is. */
static void what_is_written_at_the_initial_number(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    go_round(&talk, 1000);
    write_at(&talk, 0, 1000);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1001 win 0");
    write_at(&talk, 1000, 500);
    talk_silent(&talk);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.unsent_bytes, 500);
    assert_int_equal(info.send_queue_bytes, 500);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1001");
    talk_out(&talk, "PU. 1001+500 urg 500");
    talk_in(&talk, ". 1 ack 1501");
    talk_silent(&talk);
    talk_end(&talk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {"RFC 9293 3.4: what goes again where the numbers began",
         what_is_sent_again_at_the_initial_number, NULL, NULL, NULL},
        {"RFC 9293 3.4: what is written where the numbers began",
         what_is_written_at_the_initial_number, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
