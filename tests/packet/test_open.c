/* SPDX-License-Identifier: MIT */
/* Opening (RFC 9293 3.5, 3.10.1, 3.10.7.1 to 3.10.7.3), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void passive_open(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_open(&talk, "S 0 win 1000 mss 1460 sackok wscale 3", "S.  0 ack 1 mss 1460 sackok",
              ". 1 ack 1 win 1000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    assert_int_equal(talk_info(&talk).snd_wnd, 1000U << 3);
    talk_silent(&talk);
    talk_end(&talk);
}

static void active_open(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0 mss 1460 sackok");
    talk_in(&talk, "S. 0 ack 1 win 500 mss 536");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    assert_int_equal(talk_info(&talk).snd_wnd,
                     500); /* RFC 7323 2.2: no scale unless both offer it */
    assert_int_equal(talk_info(&talk).mss_send, 536);
    assert_false(talk_info(&talk).sack);
    talk_end(&talk);
}

static void simultaneous_open(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_RECEIVED);
    talk_in(&talk, "S. 0 ack 1 win 1000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void syn_sent_ignores_foreign_ack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    talk_in(&talk, ". 500 ack 77"); /* an old connection's: RFC 9293 3.5.1 */
    talk_out(&talk, "R 77");
    talk_in(&talk, "S. 500 ack 0"); /* nor is the SYN itself acknowledged by its own number */
    talk_out(&talk, "R 0");
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_SENT);
    talk_in(&talk, "R. 0 ack 78"); /* a RST that does not acknowledge our SYN says nothing */
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_SENT);
    talk_in(&talk, "R. 0 ack 1");
    assert_int_equal(talk.error, BERTH_E_REFUSED);
    talk_end(&talk);
}

static void closed_port_answers_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.iss_known = false;
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "R. 0 ack 1");
    talk_in(&talk, "S 0+20 win 1000"); /* the length of the segment counts */
    talk_out(&talk, "R. 0 ack 21");
    talk_in(&talk, ". 5 ack 900");
    talk_out(&talk, "R 900");
    talk_in(&talk, "R 5");
    talk_silent(&talk); /* never a RST for a RST */
    talk_end(&talk);
}

static void syn_is_repeated_with_backoff(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    uint64_t expected_ms = 1000; /* RFC 6298 2.1 and 5.5 */
    uint64_t total_ms = 0;
    unsigned repeats = 0;
    while ((talk.events & BERTH_EVENT_CLOSED) == 0 && repeats < 20) {
        uint64_t waited = talk_wait_out_ms(&talk, 300000);
        total_ms += waited;
        if (talk.out_count == 0) {
            break;
        }
        assert_in_range(waited, expected_ms - 1, expected_ms + 2);
        talk_out(&talk, "S 0");
        expected_ms = min_u64(expected_ms * 2, talk.config.tcp.rto_max_ns / NS_PER_MS);
        repeats++;
    }
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    assert_true(total_ms >= 180000); /* MUST-23: R2 for a SYN is at least three minutes */
    talk_end(&talk);
}

static void syn_received_repeats_syn_ack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 5"); /* not of our SYN: RFC 9293 3.10.7.4, fifth */
    talk_out(&talk, "R 5");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_in(&talk, "R 1");
    assert_int_equal(talk_half_open(&talk), 0); /* passive: back to LISTEN */
    talk_end(&talk);
}

static void syn_received_answers_what_it_cannot_take(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 9000000 ack 1"); /* first check: an ACK goes back */
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, "S 9000000 win 1000"); /* a peer that begins anew is told so too */
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, "R 500"); /* second check, RFC 5961 3.2 */
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, "S 0+20 win 1000"); /* the same SYN, with text (RFC 7413) */
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_in(&talk, "S 500 win 1000"); /* fourth check: back to LISTEN */
    talk_silent(&talk);
    assert_int_equal(talk_half_open(&talk), 0);
    talk_in(&talk, "S 500 win 1000");
    talk_out(&talk, "S. 0 ack 501");
    talk_end(&talk);
}

static void text_on_a_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0+20 win 1000");
    talk_out(&talk, "S. 0 ack 1"); /* without Fast Open it is not taken, and not acknowledged */
    talk_in(&talk, "P. 1+20 ack 1 win 1000");
    talk_out(&talk, ". 1 ack 21");
    talk_accept(&talk);
    talk_read(&talk, 0, 20);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    talk_in(&talk, "S. 0+20 ack 1 win 1000");
    talk_out(&talk, ". 1 ack 21"); /* that of a SYN,ACK is: the handshake is complete */
    talk_read(&talk, 0, 20);
    talk_in(&talk, "P. 21+20 ack 1 win 1000");
    talk_out(&talk, ". 1 ack 41");
    talk_end(&talk);
}

static void without_options_the_defaults_hold(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_open(&talk, "S 0 win 1000", "S. 0 ack 1", ". 1 ack 1 win 1000");
    assert_int_equal(talk_info(&talk).mss_send, 536); /* MUST-15 */
    assert_false(talk_info(&talk).window_scale);
    talk_end(&talk);
}

static void data_before_the_last_ack_is_kept(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, "P. 1+10 ack 1 win 1000"); /* the ACK of the handshake was lost */
    talk_out(&talk, ". 1 ack 11");
    talk_accept(&talk);
    talk_read(&talk, 0, 10);
    talk_end(&talk);
}

/* Both ends listen, and both connect from there: the SYNs that cross meet a connection, not the
 * listener. */
static void simultaneous_open_beside_a_listener(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_half_open(&talk), 0);
    talk_in(&talk, "S. 0 ack 1 win 1000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    berth_id id;
    assert_int_equal(berth_tcp_accept(talk.berth, talk.listener, NULL, &id), BERTH_E_AGAIN);
    talk_end(&talk);
}

/* The peer's SYN was here first: the listener has it, and another connection of the same two ends
 * there cannot be. */
static void connect_across_a_half_open_one(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    struct berth_endpoint from = {.address = talk_stack(&talk), .port = TALK_PORT};
    struct berth_endpoint to = {.address = talk_peer(&talk), .port = talk.peer_port};
    assert_int_equal(berth_tcp_connect(talk.berth, &from, &to, NULL, &talk.id), BERTH_E_IN_USE);
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_accept(&talk);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void a_listener_takes_its_half_open_along(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(berth_tcp_close(talk.berth, talk.listener), 0);
    assert_int_equal(talk_half_open(&talk), 0);
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_out(&talk, "R 1");
    talk_end(&talk);
}

static void no_rules(struct berth_config *config)
{
    (void)config;
}

static void nothing_opens_without_rules(void **state)
{
    (void)state;
    struct talk talk;
    struct berth_rules_error error;
    talk_begin(&talk, no_rules);
    assert_int_equal(berth_rules_load(talk.berth, "", 0, &error), 0);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "R. 0 ack 1");
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_DENIED), 1);
    struct berth_contact contact;
    assert_true(berth_next_contact(talk.berth, &contact));
    assert_int_equal(contact.guarded.port, TALK_PORT);
    assert_int_equal(contact.direction, BERTH_IN);
    talk_end(&talk);
}

/* What is neither a SYN nor an answer to anything is not for a listener: it keeps silent, as if the
 * segment had not come. For whom the rules keep out there is no listener, and any RST is that of a
 * closed port. */
static void listener_passes_over(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "F 0");
    talk_in(&talk, "P 0+100");
    talk_in(&talk, "R 0");
    talk_silent(&talk);
    talk_in(&talk, "F. 0 ack 77"); /* the second check comes before the FIN */
    assert_int_equal(talk.out_count, 1);
    talk_forget(&talk);
    talk_in(&talk, "S 0 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    talk_end(&talk);

    struct berth_rules_error error;
    talk_begin(&talk, NULL);
    assert_int_equal(berth_rules_load(talk.berth, "deny in any\n", 12, &error), 0);
    talk_listen(&talk);
    talk_in(&talk, "F 0");
    talk_out(&talk, "R. 0 ack 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.10.7.2: passive open", passive_open, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.3: active open", active_open, NULL, NULL, NULL},
        {"RFC 9293 MUST-10: simultaneous open", simultaneous_open, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.3; RFC 5961 3.2: SYN-SENT believes only what acknowledges its SYN",
         syn_sent_ignores_foreign_ack, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.1: RST for a closed port", closed_port_answers_syn, NULL, NULL, NULL},
        {"RFC 9293 MUST-22, MUST-23: a SYN is repeated for three minutes",
         syn_is_repeated_with_backoff, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: SYN-RECEIVED", syn_received_repeats_syn_ack, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: SYN-RECEIVED answers what it cannot take",
         syn_received_answers_what_it_cannot_take, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.2: what is not for a listener", listener_passes_over, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.2, 3.10.7.3: text on a SYN comes again, that of a SYN,ACK is taken",
         text_on_a_syn, NULL, NULL, NULL},
        {"RFC 9293 MUST-15: the MSS without an option", without_options_the_defaults_hold, NULL,
         NULL, NULL},
        {"RFC 9293 3.10.7.4: data with the handshake's ACK", data_before_the_last_ack_is_kept, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-10: simultaneous open beside a listener",
         simultaneous_open_beside_a_listener, NULL, NULL, NULL},
        {"connecting across a half-open connection", connect_across_a_half_open_one, NULL, NULL,
         NULL},
        {"a listener takes its half-open connections along", a_listener_takes_its_half_open_along,
         NULL, NULL, NULL},
        {"the firewall is closed while it has no rules", nothing_opens_without_rules, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
