/* SPDX-License-Identifier: MIT */
/* Closing (RFC 9293 3.6, 3.10.4, 3.10.5, 3.10.7.4 eighth), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void transmit(struct talk *talk)
{
    talk_wait_ms(talk, 0);
}

static void orderly_from_this_side(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 10);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "P. 1+10");
    talk_out(&talk, "F. 11");
    assert_int_equal(talk_state(&talk), BERTH_TCP_FIN_WAIT_1);
    talk_in(&talk, ". 1 ack 12");
    assert_int_equal(talk_state(&talk), BERTH_TCP_FIN_WAIT_2);
    talk_in(&talk, "P. 1+20 ack 12"); /* the other way goes on */
    talk_out(&talk, ". 12 ack 21");
    talk_read(&talk, 0, 20);
    talk_in(&talk, "F. 21 ack 12");
    talk_out(&talk, ". 12 ack 22");
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk_time_waits(&talk), 1);
    assert_true((talk.events & BERTH_EVENT_PEER_CLOSED) != 0);
    talk_in(&talk, "F. 21 ack 12"); /* our ACK was lost */
    talk_out(&talk, ". 12 ack 22");
    talk_in(&talk, "R 22"); /* RFC 1337 3 */
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_wait_ms(&talk, talk.config.tcp.time_wait_ns / NS_PER_MS + 1000);
    assert_int_equal(talk_time_waits(&talk), 0); /* MUST-13 */
    talk_end(&talk);
}

static void orderly_from_the_other_side(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "FP. 1+5 ack 1");
    talk_out(&talk, ". 1 ack 7");
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSE_WAIT);
    talk_read(&talk, 0, 5);
    uint8_t byte;
    size_t got = 1;
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, &byte, 1, &got), 0);
    assert_int_equal(got, 0); /* the end of the stream */
    talk_write(&talk, 30);    /* half-close: we may still write */
    talk_out(&talk, "P. 1+30 ack 7");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 31 ack 7");
    talk_in(&talk, ". 7 ack 32");
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk_time_waits(&talk), 0);
    talk_end(&talk);
}

static void simultaneous_close(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 1");
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSING);
    talk_in(&talk, ". 2 ack 2");
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_end(&talk);
}

static void fin_out_of_order(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "FP. 101+50 ack 1");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 152"); /* the FIN was not forgotten */
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSE_WAIT);
    talk_read(&talk, 0, 150);
    talk_end(&talk);
}

static void fin_is_repeated(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, "F. 1 ack 1");
    talk_end(&talk);
}

static void abort_sends_reset(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_abort(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "R. 1 ack 1");
    assert_int_equal(talk_connections(&talk), 0);
    talk_in(&talk, ". 1 ack 1"); /* a segment of no connection */
    talk_out(&talk, "R 1");
    talk_end(&talk);
}

static void close_with_unread_bytes_resets(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+5 ack 1");
    talk_out(&talk, ". 1 ack 6");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "R. 1 ack 6"); /* RFC 2525 2.17 */
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void data_after_close_resets(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, ". 1 ack 2");
    talk_in(&talk, "P. 1+5 ack 2"); /* nobody will read it: RFC 9293 3.6.1 */
    talk_out(&talk, "R 2");         /* in the place that it acknowledged */
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void orphan_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, ". 1 ack 2");
    assert_int_equal(talk_connections(&talk), 1);
    talk_wait_ms(&talk, talk.config.tcp.fin_wait2_ns / NS_PER_MS + 1000);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void time_wait_gives_way_to_a_new_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_in(&talk, "S 1 win 1000"); /* not past what was received: RFC 1122 4.2.2.13 */
    talk_out(&talk, ". 2 ack 2");
    uint32_t old_iss = talk.iss;
    talk_in(&talk, "S 100 win 1000");
    assert_int_equal(talk.out_count, 1);
    talk.iss = old_iss + 2 + 65537; /* past every number of the old connection: RFC 6191 */
    talk_out(&talk, "S. 0 ack 101");
    talk_in(&talk, ". 101 ack 1");
    assert_int_equal(talk_time_waits(&talk), 0);
    assert_int_equal(talk_connections(&talk), 1);
    talk_end(&talk);
}

static void a_reset_does_not_end_time_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    talk_in(&talk, "R 2");
    talk_in(&talk, "R. 2 ack 2");
    talk_silent(&talk);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_in(&talk, "P. 2+10 ack 2"); /* an old duplicate does no harm: it is not taken */
    talk_out(&talk, ". 2 ack 2");
    talk_end(&talk);
}

/* RFC 9293 3.6.1 MAY-2 (2): the SYN turns out to be an old one. */
static void an_old_syn_brings_time_wait_back(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    uint32_t old_iss = talk.iss;
    talk_in(&talk, "S 100 win 1000");
    talk.iss = old_iss + 2 + 65537;
    talk_out(&talk, "S. 0 ack 101");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_in(&talk, "R 101"); /* the peer knows of no such SYN */
    assert_int_equal(talk_half_open(&talk), 0);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk.iss = old_iss;
    talk_in(&talk, "F. 1 ack 2"); /* and the old FIN is answered as before */
    talk_out(&talk, ". 2 ack 2");
    talk_end(&talk);
}

static void to_time_wait(struct talk *talk)
{
    assert_int_equal(berth_tcp_close(talk->berth, talk->id), 0);
    transmit(talk);
    talk_out(talk, "F. 1 ack 1");
    talk_in(talk, "F. 1 ack 2");
    talk_out(talk, ". 2 ack 2");
    assert_int_equal(talk_time_waits(talk), 1);
}

static void time_wait_lasts(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    to_time_wait(&talk);
    uint64_t all_ms = talk.config.tcp.time_wait_ns / NS_PER_MS;
    talk_wait_ms(&talk, all_ms - 1);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_in(&talk, "F. 1 ack 2"); /* again: from here on (3.10.7.4, eighth) */
    talk_out(&talk, ". 2 ack 2");
    talk_wait_ms(&talk, all_ms - 1);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_in(&talk, "F. 500000 ack 2"); /* not the peer's: anyone may send it */
    talk_out(&talk, ". 2 ack 2");
    talk_wait_ms(&talk, 2);
    assert_int_equal(talk_time_waits(&talk), 0);
    talk_end(&talk);
}

static void time_wait_of_ipv6_answers(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.v6 = true;
    talk_established(&talk);
    to_time_wait(&talk);
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    talk_wait_ms(&talk, talk.config.tcp.time_wait_ns / NS_PER_MS + 1);
    assert_int_equal(talk_time_waits(&talk), 0);
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, "R 2");
    talk_end(&talk);
}

static void a_refused_syn_leaves_time_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.listener), 0);
    to_time_wait(&talk);
    talk_in(&talk, "S 100 win 1000"); /* new, but nobody listens */
    talk_out(&talk, "R. 0 ack 101");
    assert_int_equal(talk_time_waits(&talk), 1);
    struct berth_rules_error error;
    assert_int_equal(berth_rules_load(talk.berth, "drop in any\n", 12, &error), 0);
    talk_in(&talk, "S 100 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_end(&talk);
}

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

static void timestamps_shorten_time_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_open(&talk, "S 0 win 65535 ts 1000 0", "S. 0 ack 1", ". 1 ack 1 ts 1001 0");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2 ts 1002 0");
    talk_out(&talk, ". 2 ack 2");
    uint32_t last_tsval = talk.last_tsval;
    talk_in(&talk, "S 900 win 1000 ts 1000 0"); /* older: an old duplicate, whatever its number */
    talk_out(&talk, ". 2 ack 2");
    uint32_t old_iss = talk.iss;
    talk_wait_ms(&talk, 1);
    talk_in(&talk, "S -5000 win 1000 ts 1003 0"); /* newer: a new connection, whatever its number */
    talk.iss = old_iss + 2 + 65537;
    talk_out(&talk, "S. 0 ack -4999");
    assert_true(talk.last_tsval - last_tsval < 1000); /* ours goes on too */
    talk_in(&talk, ". -4999 ack 1 ts 1004 0");
    assert_int_equal(talk_time_waits(&talk), 0);
    talk_end(&talk);
}

static void timestamps_and_sequence_numbers_tell_old_from_new(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_open(&talk, "S 0 win 65535 ts 1000 0", "S. 0 ack 1", ". 1 ack 1 ts 1001 0");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    transmit(&talk);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2 ts 1002 0");
    talk_out(&talk, ". 2 ack 2");
    talk_in(&talk, "S 1 win 1000 ts 1002 0"); /* the same time, and no number past the FIN's */
    talk_out(&talk, ". 2 ack 2");
    talk_in(&talk, "S 1 win 1000"); /* without a timestamp the number decides */
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_half_open(&talk), 0);
    talk_in(&talk, "S 900 win 1000");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_forget(&talk);
    talk_in(&talk, "R 901");
    talk_in(&talk, "S 900 win 1000 ts 1002 0"); /* the same time, but a number past it */
    assert_int_equal(talk_half_open(&talk), 1);
    talk_end(&talk);
}

/* The old connection had no timestamps, the new one will: PAWS shields it from the old segments. */
static void timestamps_alone_shorten_time_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_established(&talk);
    to_time_wait(&talk);
    talk_in(&talk, "S -5000 win 1000");
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_half_open(&talk), 0);
    talk_in(&talk, "S -5000 win 1000 ts 7 0");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_end(&talk);
}

static void the_owner_learns_how_it_ended(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "F. 1 ack 1"); /* normally: the end of the stream */
    talk_forget(&talk);
    assert_true((talk.events & BERTH_EVENT_PEER_CLOSED) != 0);
    assert_true((talk.events & BERTH_EVENT_CLOSED) == 0);
    talk_in(&talk, "R 2"); /* and then it is aborted */
    assert_true((talk.events & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(talk.error, BERTH_E_RESET);
    uint8_t byte;
    size_t got = 1;
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, &byte, 1, &got), BERTH_E_RESET);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "F. 1 ack 1");
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_in(&talk, ". 2 ack 1");
    talk_in(&talk, ". 2 ack 2");
    assert_true((talk.events & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(talk.error, 0);
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, &byte, 1, &got), 0);
    assert_int_equal(got, 0);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.6: orderly, this side first", orderly_from_this_side, NULL, NULL, NULL},
        {"RFC 9293 3.6: orderly, the other side first", orderly_from_the_other_side, NULL, NULL,
         NULL},
        {"RFC 9293 3.6: both at once", simultaneous_close, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: a FIN out of order", fin_out_of_order, NULL, NULL, NULL},
        {"RFC 9293 3.8.1: a FIN is sent again", fin_is_repeated, NULL, NULL, NULL},
        {"RFC 9293 3.10.5: abort", abort_sends_reset, NULL, NULL, NULL},
        {"RFC 9293 MAY-1, SHLD-3; RFC 2525 2.17: closing with unread bytes",
         close_with_unread_bytes_resets, NULL, NULL, NULL},
        {"RFC 9293 SHLD-3: data after close", data_after_close_resets, NULL, NULL, NULL},
        {"an orphan does not wait for ever", orphan_does_not_wait_for_ever, NULL, NULL, NULL},
        {"RFC 9293 MUST-13: TIME-WAIT lasts 2 MSL", time_wait_lasts, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: TIME-WAIT over IPv6", time_wait_of_ipv6_answers, NULL, NULL, NULL},
        {"RFC 9293 MUST-13: a SYN that is refused leaves TIME-WAIT", a_refused_syn_leaves_time_wait,
         NULL, NULL, NULL},
        {"RFC 9293 MAY-2: TIME-WAIT gives way to a new SYN", time_wait_gives_way_to_a_new_syn, NULL,
         NULL, NULL},
        {"RFC 1337 3: a RST does not end TIME-WAIT", a_reset_does_not_end_time_wait, NULL, NULL,
         NULL},
        {"RFC 9293 MAY-2: an old SYN brings TIME-WAIT back", an_old_syn_brings_time_wait_back, NULL,
         NULL, NULL},
        {"RFC 6191 2: timestamps and sequence numbers tell old from new",
         timestamps_and_sequence_numbers_tell_old_from_new, NULL, NULL, NULL},
        {"RFC 6191 2: timestamps alone shorten TIME-WAIT", timestamps_alone_shorten_time_wait, NULL,
         NULL, NULL},
        {"RFC 9293 SHLD-4; RFC 6191 2: timestamps shorten TIME-WAIT", timestamps_shorten_time_wait,
         NULL, NULL, NULL},
        {"RFC 9293 MUST-12: the owner learns how it ended", the_owner_learns_how_it_ended, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
