/* SPDX-License-Identifier: MIT */
/*
 * A connection goes from one stack to another (berth_tcp_export, berth_tcp_import): the peer sees
 * one connection, with one set of numbers, before and after.
 */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int try_export(struct talk *from)
{
    struct berth_tcp_exported exported;
    return berth_tcp_export(from->berth, from->id, &exported);
}

static void with_timestamps(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

/* Bytes go on both ways, where they were. */
static void the_stream_goes_on(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    talk_in(&first, "P. 1+100 ack 1");
    talk_read(&first, 0, 100);
    talk_forget(&first);
    talk_write(&first, 50);
    talk_out(&first, "P. 1+50 ack 101");
    talk_in(&first, ". 101 ack 51");
    struct berth_tcp_info before = talk_info(&first);
    talk_move(&first, &second);
    talk_out(&second, ". 51 ack 101");
    struct berth_tcp_info after = talk_info(&second);
    assert_int_equal(after.state, BERTH_TCP_ESTABLISHED);
    assert_int_equal(after.bytes_received, 100);
    assert_int_equal(after.bytes_acked, 50);
    assert_int_equal(after.cwnd_bytes, before.cwnd_bytes);
    assert_int_equal(after.ssthresh_bytes, before.ssthresh_bytes);
    assert_int_equal(after.srtt_ns, before.srtt_ns);
    assert_int_equal(after.snd_wnd, before.snd_wnd);
    assert_int_equal(after.rcv_wnd, before.rcv_wnd);
    assert_int_equal(after.segments_received, before.segments_received);
    assert_string_equal(after.congestion_control, before.congestion_control);
    talk_in(&second, "P. 101+100 ack 51");
    talk_read(&second, 100, 100);
    struct berth_view view;
    uint32_t count = 0;
    assert_int_equal(berth_tcp_peek(second.berth, second.id, &view, 1, &count), BERTH_E_AGAIN);
    assert_int_equal(berth_tcp_reserve(second.berth, second.id, 10, &view, 1, &count), 0);
    memset(view.data, 'x', 10);
    assert_int_equal(berth_tcp_commit(second.berth, second.id, 10), 0);
    assert_int_equal(talk_info(&second).unsent_bytes, 10);
    assert_int_equal(berth_tcp_abort(second.berth, second.id), 0);
    talk_end(&first);
    talk_end(&second);
}

/* The old stack knows nothing of it any more. */
static void it_is_gone_where_it_was(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    berth_id was = first.id;
    talk_move(&first, &second);
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(first.berth, was, &info), BERTH_E_STALE);
    assert_int_equal(talk_connections(&first), 0);
    assert_int_equal(talk_connections(&second), 1);
    assert_true(first.berth != second.berth);
    talk_in(&first, "P. 1+10 ack 1");
    talk_out(&first, "R 1");
    talk_end(&first);
    talk_end(&second);
}

/* Its end is seen through where it is, TIME-WAIT too, which knows it by its keyed hash. */
static void it_ends_in_order(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    talk_move(&first, &second);
    talk_out(&second, ". 1 ack 1");
    assert_int_equal(berth_tcp_close(second.berth, second.id), 0);
    talk_collect(&second);
    talk_out(&second, "F. 1 ack 1");
    talk_in(&second, ". 1 ack 2");
    talk_in(&second, "F. 1 ack 2");
    talk_out(&second, ". 2 ack 2");
    assert_int_equal(talk_time_waits(&second), 1);
    talk_in(&second, "F. 1 ack 2");
    talk_out(&second, ". 2 ack 2");
    talk_end(&first);
    talk_end(&second);
}

/* Timestamps run on from where they began, for the peer's PAWS (RFC 7323 5). */
static void timestamps_run_on(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, with_timestamps);
    talk_begin(&second, with_timestamps);
    talk_open(&first, "S 0 mss 1460 sackok wscale 7 ts 100 0", "S. 0 ack 1", ". 1 ack 1 ts 101 0");
    uint32_t began = first.last_tsval;
    talk_wait_ms(&first, 500);
    talk_move(&first, &second);
    talk_out(&second, ". 1 ack 1");
    assert_in_range(second.last_tsval - began, 500, 501);
    assert_int_equal(second.last_tsecr, 101);
    /* and ours for what comes */
    talk_in(&second, "P. 1+10 ack 1 ts 90 0");
    assert_int_equal(talk_info(&second).bytes_received, 0);
    talk_end(&first);
    talk_end(&second);
}

static void not_while_something_is_under_way(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1"); /* unread */
    assert_int_equal(try_export(&talk), BERTH_E_AGAIN);
    talk_read(&talk, 0, 10);
    talk_write(&talk, 10); /* unacknowledged */
    assert_int_equal(try_export(&talk), BERTH_E_AGAIN);
    talk_in(&talk, ". 11 ack 11");
    talk_in(&talk, "P. 21+10 ack 11"); /* a gap */
    assert_int_equal(try_export(&talk), BERTH_E_AGAIN);
    talk_in(&talk, "P. 11+10 ack 11");
    talk_read(&talk, 10, 20);
    struct berth_view view;
    uint32_t count = 0;
    assert_int_equal(berth_tcp_reserve(talk.berth, talk.id, 10, &view, 1, &count), 0);
    assert_int_equal(try_export(&talk), BERTH_E_AGAIN); /* reserved */
    assert_int_equal(berth_tcp_commit(talk.berth, talk.id, 0), 0);
    assert_int_equal(try_export(&talk), 0);
    assert_int_equal(try_export(&talk), BERTH_E_STALE);
    talk_end(&talk);
}

static void only_an_established_one_moves(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    assert_int_equal(try_export(&talk), BERTH_E_STATE);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_collect(&talk);
    assert_int_equal(try_export(&talk), BERTH_E_STATE);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "F. 1 ack 1");
    assert_int_equal(try_export(&talk), BERTH_E_STATE);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.id, "bbr"), 0);
    assert_int_equal(try_export(&talk), BERTH_E_STATE);
    assert_int_equal(try_export(&(struct talk){.berth = talk.berth, .id = talk.listener}),
                     BERTH_E_STALE);
    talk_end(&talk);
}

/* An ACK that was still owed is the one that it begins with. */
static void an_ack_that_is_owed_goes(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    for (uint64_t at = 0; at < 40; at++) { /* past the ACKs at once of the start */
        char segment[64];
        snprintf(segment, sizeof segment, "P. %u+10 ack 1", (unsigned)(at * 10 + 1));
        talk_in(&first, segment);
        talk_read(&first, at * 10, 10);
        talk_forget(&first);
    }
    talk_move(&first, &second);
    talk_out(&second, ". 1 ack 401");
    talk_in(&second, "P. 401+10 ack 1"); /* and the next is in time, whatever timer ran there */
    talk_silent(&second);
    uint64_t delay_ms = second.config.tcp.delayed_ack_ns / NS_PER_MS;
    assert_in_range(talk_wait_out_ms(&second, 1000), delay_ms, delay_ms + 10);
    talk_out(&second, ". 1 ack 411");
    talk_wait_ms(&second, 1000);
    talk_silent(&second);
    talk_end(&first);
    talk_end(&second);
}

/* What its owner has set goes with it. */
static void its_options_go_with_it(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    uint64_t value = 0;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    assert_int_equal(
        berth_tcp_set(first.berth, first.id, BERTH_TCP_KEEPALIVE_IDLE_NS, 5 * NS_PER_S), 0);
    assert_int_equal(berth_tcp_set(first.berth, first.id, BERTH_TCP_KEEPALIVE, 1), 0);
    assert_int_equal(berth_tcp_set(first.berth, first.id, BERTH_TCP_DSCP, 10), 0);
    assert_int_equal(berth_tcp_set(first.berth, first.id, BERTH_TCP_NO_DELAY, 1), 0);
    talk_wait_ms(&first, 1000);
    talk_move(&first, &second);
    talk_out(&second, ". 1 ack 1 tos 40");
    assert_int_equal(berth_tcp_get(second.berth, second.id, BERTH_TCP_NO_DELAY, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(berth_tcp_get(second.berth, second.id, BERTH_TCP_KEEPALIVE_IDLE_NS, &value),
                     0);
    assert_int_equal(value, 5 * NS_PER_S);
    talk_wait_ms(&second, 3000);
    talk_silent(&second);
    talk_wait_ms(&second, 3000);
    talk_out(&second, ". 0 ack 1"); /* a keep-alive probe */
    talk_end(&first);
    talk_end(&second);
}

/* A window that has grown is there at once, whether the new stack was asked lately or long ago. */
static void its_window_goes_with_it(void **state)
{
    (void)state;
    for (uint64_t idle_ms = 0; idle_ms < 20000; idle_ms += 10000) {
        struct talk first;
        struct talk second;
        talk_begin(&first, NULL);
        talk_begin(&second, NULL);
        talk_established(&first);
        talk_wait_ms(&first, idle_ms);
        talk_write(&first, 14600);
        talk_forget(&first);
        talk_in(&first, ". 1 ack 14601");
        struct berth_tcp_info before = talk_info(&first);
        assert_true(before.cwnd_bytes > 14600);
        talk_move(&first, &second);
        talk_forget(&second);
        talk_write(&second, 2000);
        assert_int_equal(talk_info(&second).cwnd_bytes, before.cwnd_bytes);
        talk_end(&first);
        talk_end(&second);
    }
}

static void always_cookies(struct berth_config *config)
{
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_ALWAYS;
}

/* What opened it does not open it again where it was. */
static void a_cookie_opens_once(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, always_cookies);
    talk_begin(&second, always_cookies);
    talk_open(&first, "S 0 win 65535 mss 1460", "S. 0 ack 1", ". 1 ack 1");
    talk_move(&first, &second);
    assert_int_equal(talk_connections(&first), 0);
    talk_in(&first, ". 1 ack 1");
    assert_int_equal(talk_connections(&first), 0);
    talk_out(&first, "R 1");
    talk_end(&first);
    talk_end(&second);
}

/* Its segments are as large as where it is now knows that they may be. */
static void its_segments_fit_the_path(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&second);
    talk_write(&second, 1460);
    talk_out(&second, "P. 1+1460 ack 1");
    talk_icmp(&second, &(struct talk_icmp){.type = 3, .code = 4, .seq = 1, .mtu = 1000});
    assert_int_equal(talk_info(&second).mss_send, 960);
    talk_forget(&second);
    first.peer_port++;
    talk_established(&first);
    talk_move(&first, &second);
    assert_int_equal(talk_info(&second).mss_send, 960);
    talk_end(&first);
    talk_end(&second);
}

/* An id is of one life in one stack, also when the connection comes back. */
static void its_old_id_stays_stale(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    struct berth_tcp_info info;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    berth_id was = first.id;
    talk_move(&first, &second);
    talk_forget(&second);
    talk_move(&second, &first);
    talk_out(&first, ". 1 ack 1");
    assert_int_equal(berth_tcp_info(first.berth, was, &info), BERTH_E_STALE);
    assert_int_equal(berth_tcp_info(first.berth, first.id, &info), 0);
    talk_end(&first);
    talk_end(&second);
}

/* A timeout that no round trip has been measured after is still backed off (RFC 6298 5): that would
 * be forgotten. */
static void not_while_a_timeout_is_unsettled(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 ack 1");
    (void)talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, "P. 1+10 ack 1");
    talk_in(&talk, ". 1 ack 11");
    assert_true(talk_info(&talk).backoff > 0);
    assert_int_equal(try_export(&talk), BERTH_E_AGAIN);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 11+10 ack 1");
    talk_in(&talk, ". 1 ack 21");
    assert_int_equal(talk_info(&talk).backoff, 0);
    assert_int_equal(try_export(&talk), 0);
    talk_end(&talk);
}

static bool is_scan_found(struct talk *talk)
{
    struct berth_scan scan;
    return berth_next_scan(talk->berth, &scan);
}

static void refuse(struct talk *talk, uint16_t first, uint16_t count)
{
    uint16_t port = talk->port;
    for (uint16_t i = 0; i < count; i++) {
        talk->port = (uint16_t)(first + i);
        talk_in(talk, "S 0");
        talk_forget(talk);
    }
    talk->port = port;
}

/* Who uses what it has opened is no scanner, wherever that is now. */
static void its_use_is_seen_where_it_is(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&first);
    refuse(&second, 1, 5);
    talk_move(&first, &second);
    talk_in(&second, "P. 1+10 ack 1");
    talk_forget(&second);
    refuse(&second, 6, 1);
    assert_false(is_scan_found(&second));
    refuse(&second, 7, 1);
    assert_true(is_scan_found(&second));
    talk_end(&first);
    talk_end(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_goes_on),
        cmocka_unit_test(it_is_gone_where_it_was),
        cmocka_unit_test(it_ends_in_order),
        cmocka_unit_test(timestamps_run_on),
        cmocka_unit_test(not_while_something_is_under_way),
        cmocka_unit_test(only_an_established_one_moves),
        cmocka_unit_test(an_ack_that_is_owed_goes),
        cmocka_unit_test(its_options_go_with_it),
        cmocka_unit_test(its_window_goes_with_it),
        cmocka_unit_test(a_cookie_opens_once),
        cmocka_unit_test(its_segments_fit_the_path),
        cmocka_unit_test(its_old_id_stays_stale),
        cmocka_unit_test(not_while_a_timeout_is_unsettled),
        cmocka_unit_test(its_use_is_seen_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
