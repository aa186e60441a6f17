/* SPDX-License-Identifier: MIT */
/* What an owner may change: ranges, inheritance, and what each does (RFC 9293 3.9.1). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int set(struct talk *talk, enum berth_tcp_option option, uint64_t value)
{
    return berth_tcp_set(talk->berth, talk->id, option, value);
}

static uint64_t get(struct talk *talk, berth_id id, enum berth_tcp_option option)
{
    uint64_t value = 0;
    assert_int_equal(berth_tcp_get(talk->berth, id, option, &value), 0);
    return value;
}

/* What each takes at the least and at the most; one that is refused. */
static const struct range {
    enum berth_tcp_option option;
    uint64_t least;
    uint64_t most;
    uint64_t refused;
} ranges[] = {
    {BERTH_TCP_NO_DELAY, 0, 1, 2},
    {BERTH_TCP_QUICK_ACK, 0, 1, 2},
    {BERTH_TCP_KEEPALIVE, 0, 1, BERTH_NEVER},
    {BERTH_TCP_KEEPALIVE_IDLE_NS, NS_PER_S, 30 * 86400 * NS_PER_S, NS_PER_S - 1},
    {BERTH_TCP_KEEPALIVE_INTERVAL_NS, NS_PER_S, 86400 * NS_PER_S, 86400 * NS_PER_S + 1},
    {BERTH_TCP_KEEPALIVE_PROBES, 1, 255, 0},
    {BERTH_TCP_USER_TIMEOUT_NS, NS_PER_MS, BERTH_NEVER, BERTH_NEVER - 1},
    {BERTH_TCP_RECEIVE_BYTES, 2048, 1U << 30, 2047},
    {BERTH_TCP_SEND_BYTES, 2048, 1U << 30, (1U << 30) + 1},
    {BERTH_TCP_DSCP, 0, 63, 64},
    {BERTH_TCP_HOP_LIMIT, 1, 255, 0},
    {BERTH_TCP_CORK, 0, 1, 2},
    {BERTH_TCP_UNSENT_BYTES, 0, 1U << 30, (1U << 30) + 1},
    {BERTH_TCP_WINDOW_BYTES, 2048, 1U << 30, 2047},
    {BERTH_TCP_SYN_RETRIES, 0, 30, 31},
    {BERTH_TCP_FIN_WAIT2_NS, 0, 86400 * NS_PER_S, 86400 * NS_PER_S + 1},
    {BERTH_TCP_LINGER_NS, 0, BERTH_NEVER, 86400 * NS_PER_S + 1},
};

static void ranges_of_options(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    struct berth_endpoint other = {.port = 9999};
    berth_id fresh;
    assert_int_equal(berth_tcp_listen(talk.berth, &other, 1, NULL, &fresh), 0);
    for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *range = &ranges[i];
        berth_id ids[2] = {talk.id, fresh};
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(berth_tcp_set(talk.berth, ids[k], range->option, range->least), 0);
            assert_int_equal(get(&talk, ids[k], range->option), range->least);
            assert_int_equal(berth_tcp_set(talk.berth, ids[k], range->option, range->most), 0);
            assert_int_equal(get(&talk, ids[k], range->option), range->most);
            assert_int_equal(berth_tcp_set(talk.berth, ids[k], range->option, range->refused),
                             BERTH_E_INVALID);
            assert_int_equal(get(&talk, ids[k], range->option), range->most);
        }
    }
    uint64_t value;
    assert_int_equal(set(&talk, (enum berth_tcp_option)1000, 1), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_get(talk.berth, talk.id, (enum berth_tcp_option)1000, &value),
                     BERTH_E_INVALID);
    assert_int_equal(berth_tcp_get(talk.berth, 0, BERTH_TCP_CORK, &value), BERTH_E_STALE);
    assert_int_equal(set(&talk, BERTH_TCP_USER_TIMEOUT_NS, 0), 0); /* the stack's */
    assert_int_equal(get(&talk, talk.id, BERTH_TCP_USER_TIMEOUT_NS),
                     talk.config.tcp.user_timeout_ns);
    assert_int_equal(set(&talk, BERTH_TCP_MSS_BYTES, 1000), BERTH_E_STATE); /* it was announced */
    assert_int_equal(set(&talk, BERTH_TCP_MSS_BYTES, 63), BERTH_E_INVALID);
    static const enum berth_tcp_option told[] = {BERTH_TCP_MSS_BYTES, BERTH_TCP_RECEIVE_BYTES,
                                                 BERTH_TCP_WINDOW_BYTES};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(berth_tcp_set(talk.berth, fresh, told[i], 4096), 0);
        assert_int_equal(berth_tcp_set(talk.berth, talk.listener, told[i], 4096), BERTH_E_STATE);
    }
    talk_end(&talk);
}

static void connections_begin_with_the_listeners(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_NO_DELAY, 1), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_DSCP, 10), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_MSS_BYTES, 1000), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_LINGER_NS, 5 * NS_PER_S),
                     0);
    assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.listener, "newreno"), 0);
    talk_in(&talk, "S 0 win 65535 mss 1460");
    talk_out(&talk, "S. 0 ack 1 mss 1000 tos 40");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    assert_string_equal(talk_info(&talk).congestion_control, "newreno");
    assert_int_equal(get(&talk, talk.id, BERTH_TCP_LINGER_NS), 5 * NS_PER_S);
    talk_write(&talk, 1010); /* no longer segments than that either way */
    talk_out(&talk, ". 1+1000 tos 40");
    talk_out(&talk, "P. 1001+10"); /* at once: no Nagle */
    /* What one changes then is its own. */
    assert_int_equal(set(&talk, BERTH_TCP_NO_DELAY, 0), 0);
    assert_int_equal(set(&talk, BERTH_TCP_LINGER_NS, 0), 0);
    assert_int_equal(get(&talk, talk.listener, BERTH_TCP_NO_DELAY), 1);
    assert_int_equal(get(&talk, talk.listener, BERTH_TCP_LINGER_NS), 5 * NS_PER_S);
    assert_int_equal(berth_tcp_abort(talk.berth, talk.listener), 0);
    assert_int_equal(get(&talk, talk.id, BERTH_TCP_LINGER_NS), 0); /* and outlives the listener */
    talk_end(&talk);
}

static void paced(struct berth_config *config)
{
    memcpy(config->tcp.congestion_control, "bbr", 4);
}

/* What waited for the pace of the controller that there was does not wait any more. */
static void another_controller_does_not_wait(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, paced);
    talk_established(&talk);
    talk_write(&talk, 14600);
    talk_forget(&talk); /* a quantum */
    char ack[32];
    uint64_t sent = talk_info(&talk).bytes_sent;
    assert_in_range(sent, 1460, 14599);
    (void)snprintf(ack, sizeof ack, ". 1 ack %u", (unsigned)sent + 1);
    talk_in(&talk, ack);
    talk_silent(&talk); /* not yet */
    assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.id, "cubic"), 0);
    talk_collect(&talk);
    (void)snprintf(ack, sizeof ack, ". %u+1460", (unsigned)sent + 1);
    talk_out(&talk, ack);
    talk_end(&talk);
}

static void before_the_syn_leaves(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    struct berth_endpoint from = {.address = talk_stack(&talk), .port = TALK_PORT};
    struct berth_endpoint to = {.address = talk_peer(&talk), .port = talk.peer_port};
    assert_int_equal(berth_tcp_connect(talk.berth, &from, &to, NULL, &talk.id), 0);
    assert_int_equal(set(&talk, BERTH_TCP_MSS_BYTES, 900), 0);
    assert_int_equal(set(&talk, BERTH_TCP_RECEIVE_BYTES, 1U << 20), 0);
    assert_int_equal(set(&talk, BERTH_TCP_WINDOW_BYTES, 30000), 0);
    assert_int_equal(set(&talk, BERTH_TCP_SYN_RETRIES, 1), 0);
    talk_collect(&talk);
    talk_out(&talk, "S 0 mss 900 win 30000 wscale 0"); /* what the bound needs */
    assert_int_equal(set(&talk, BERTH_TCP_MSS_BYTES, 800), BERTH_E_STATE);
    talk_wait_ms(&talk, 1010);
    talk_out(&talk, "S 0 mss 900");
    talk_wait_ms(&talk, 2010);
    talk_silent(&talk);
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    talk_end(&talk);
}

static void cork_waits_for_full_segments(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_CORK, 1), 0);
    assert_int_equal(set(&talk, BERTH_TCP_NO_DELAY, 1), 0); /* it is stronger than that */
    talk_write(&talk, 1000);
    talk_silent(&talk);
    talk_wait_ms(&talk, 100);
    talk_write(&talk, 1000);
    talk_out(&talk, ". 1+1460"); /* full: it goes, and pushes nothing */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1461");
    assert_int_equal(set(&talk, BERTH_TCP_CORK, 0), 0);
    talk_collect(&talk);
    talk_out(&talk, "P. 1461+540");
    talk_end(&talk);
}

static void cork_gives_way_after_200_ms(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_CORK, 1), 0);
    talk_write(&talk, 100);
    talk_wait_ms(&talk, 150);
    talk_write(&talk, 100); /* the time runs from the first byte */
    talk_silent(&talk);
    talk_wait_ms(&talk, 51);
    talk_out(&talk, "P. 1+200");
    talk_write(&talk, 100); /* and again, once nothing is under way */
    talk_in(&talk, ". 1 ack 201");
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_in_range(waited, 199, 202);
    talk_out(&talk, "P. 201+100");
    talk_in(&talk, ". 1 ack 301");
    talk_write(&talk, 100);
    talk_silent(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0); /* the FIN ends it */
    talk_collect(&talk);
    talk_out(&talk, "FP. 301+100");
    assert_int_equal(talk_info(&talk).timeouts, 0);
    talk_end(&talk);
}

static void more_is_said_for_one_write(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    uint8_t data[200];
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = talk_byte(i);
    }
    size_t taken;
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, data, 100, &taken), 0);
    assert_int_equal(berth_tcp_more(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_silent(&talk);
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, data + 100, 100, &taken), 0);
    talk_collect(&talk);
    talk_out(&talk, "P. 1+200");
    assert_int_equal(berth_tcp_more(talk.berth, 0), BERTH_E_STALE);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    assert_int_equal(berth_tcp_more(talk.berth, talk.id), BERTH_E_CLOSED);
    talk_end(&talk);
}

static void quick_ack_pays_what_is_owed(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (unsigned i = 0; i < 16; i++) { /* the first are at once anyway */
        char text[64];
        (void)snprintf(text, sizeof text, "P. %u+10 ack 1", 1 + 10 * i);
        talk_in(&talk, text);
    }
    talk_forget(&talk);
    talk_in(&talk, "P. 161+10 ack 1");
    talk_silent(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_QUICK_ACK, 1), 0);
    talk_collect(&talk);
    talk_out(&talk, ". 1 ack 171");
    talk_in(&talk, "P. 171+10 ack 1");
    talk_out(&talk, ". 1 ack 181");
    talk_end(&talk);
}

static void unsent_mark(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_UNSENT_BYTES, 1000), 0);
    talk_in(&talk, ". 1 ack 1 win 2920");
    talk_write(&talk, 2920 + 999);
    talk_out(&talk, ". 1+1460");
    talk_out(&talk, ". 1461+1460");
    talk_write(&talk, 1); /* 999 wait: less than the mark */
    size_t taken;
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, "x", 1, &taken), BERTH_E_AGAIN);
    talk.events = 0;
    talk_in(&talk, ". 1 ack 1461 win 1460"); /* acknowledged, but nothing more is sent */
    talk_silent(&talk);
    assert_int_equal(talk.events & BERTH_EVENT_WRITABLE, 0);
    talk_in(&talk, ". 1 ack 2921 win 2920");
    talk_out(&talk, "P. 2921+1000");
    assert_int_not_equal(talk.events & BERTH_EVENT_WRITABLE, 0);
    talk_end(&talk);
}

static void window_bound(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_WINDOW_BYTES, 5000), 0);
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(&talk, "S. 0 ack 1 win 5000 wscale 0");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_in(&talk, ". 1+1000 ack 1");
    talk_out(&talk, ". 1 ack 1001 win 4000"); /* the edge moves when it is worth a segment */
    talk_in(&talk, ". 1001+1000 ack 1");
    talk_out(&talk, ". 1 ack 2001 win 5000");
    talk_end(&talk);
}

static void on_a_large_link(struct berth_config *config)
{
    config->mtu = 9000;
    config->limits.buffer_bytes = 9216;
}

/* Below a segment, too: it opens again as it is read. */
static void window_bound_below_a_segment(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, on_a_large_link);
    talk_listen(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_WINDOW_BYTES, 2048), 0);
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(&talk, "S. 0 ack 1 win 2048 wscale 0");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_in(&talk, "P. 1+2048 ack 1");
    talk_out(&talk, ". 1 ack 2049 win 2048");
    talk_end(&talk);
}

static void linger_of_nothing_resets(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_LINGER_NS, 0), 0);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "R. 101 ack 1");
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void linger_has_its_time(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_LINGER_NS, 3 * NS_PER_S), 0);
    assert_int_equal(set(&talk, BERTH_TCP_KEEPALIVE, 1), 0);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 2990);
    assert_int_equal(talk_connections(&talk), 1);
    talk_forget(&talk); /* probes */
    talk_wait_ms(&talk, 20);
    talk_out(&talk, "R. 1 ack 1");
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void linger_that_is_not_needed(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_LINGER_NS, 3 * NS_PER_S), 0);
    assert_int_equal(set(&talk, BERTH_TCP_FIN_WAIT2_NS, 20 * NS_PER_S), 0);
    talk_write(&talk, 100);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "P. 1+100");
    talk_out(&talk, "F. 101");
    talk_in(&talk, ". 1 ack 102"); /* FIN-WAIT-2: that time counts now */
    talk_wait_ms(&talk, 19990);
    talk_silent(&talk);
    assert_int_equal(talk_connections(&talk), 1);
    talk_wait_ms(&talk, 20);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void fin_wait_2_for_ever(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_FIN_WAIT2_NS, 0), 0);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "F. 1");
    talk_in(&talk, ". 1 ack 2");
    talk_wait_ms(&talk, 86400 * 1000);
    assert_int_equal(talk_connections(&talk), 1);
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void fixed_queues(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_SEND_BYTES, 4000), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_RECEIVE_BYTES, 4000), 0);
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(&talk, "S. 0 ack 1 win 4000 wscale 0");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_write(&talk, 4000);
    talk_forget(&talk);
    size_t taken;
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, "x", 1, &taken), BERTH_E_AGAIN);
    talk_in(&talk, ". 1+1460 ack 1");
    talk_in(&talk, ". 1461+1460 ack 1");
    talk_in(&talk, ". 2921+1080 ack 1");
    talk_forget(&talk);
    assert_int_equal(talk_info(&talk).rcv_wnd, 0);
    for (unsigned i = 0; i < 4; i++) { /* however much is read, it does not grow */
        talk_read(&talk, 1000 * i, 1000);
    }
    assert_int_equal(talk_info(&talk).rcv_wnd, 4000);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.9.1: options have ranges", ranges_of_options, NULL, NULL, NULL},
        {"RFC 9293 3.9.1: connections begin with their listener's options",
         connections_begin_with_the_listeners, NULL, NULL, NULL},
        {"another controller does not wait for the pace of the one before",
         another_controller_does_not_wait, NULL, NULL, NULL},
        {"RFC 9293 3.7.1: options that the SYN tells", before_the_syn_leaves, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.2: cork", cork_waits_for_full_segments, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.2: cork gives way", cork_gives_way_after_200_ms, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.2: more follows", more_is_said_for_one_write, NULL, NULL, NULL},
        {"RFC 9293 3.8.6.3: quick ACK", quick_ack_pays_what_is_owed, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.2: the mark of what is unsent", unsent_mark, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: a bound to the window", window_bound, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: a bound below a segment", window_bound_below_a_segment, NULL, NULL, NULL},
        {"RFC 9293 3.10.5: no time to linger", linger_of_nothing_resets, NULL, NULL, NULL},
        {"RFC 9293 3.10.4: a time to linger", linger_has_its_time, NULL, NULL, NULL},
        {"RFC 9293 3.10.4: lingering ends with the FIN's ACK", linger_that_is_not_needed, NULL,
         NULL, NULL},
        {"RFC 9293 3.6: FIN-WAIT-2 for ever", fin_wait_2_for_ever, NULL, NULL, NULL},
        {"RFC 9293 3.9.1: queues of a fixed size", fixed_queues, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
