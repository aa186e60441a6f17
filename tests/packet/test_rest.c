/* SPDX-License-Identifier: MIT */
/*
 * Connections at rest: they hold no record of work, no buffer, no timer; and they come back to life
 * with what they knew.
 */
#include "talk.h"

#include "base/bytes.h"
#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FRESH_MS 11   /* until a connection that was never sent anything rests */
#define RTO_MS   1000 /* more than any here */

static bool is_at_rest(const struct talk *talk)
{
    bool all_free = talk->berth->buffers.free == talk->berth->buffers.count;
    return talk->berth->tcp.works.used == 0 && all_free;
}

static void to_rest(struct talk *talk)
{
    assert_false(is_at_rest(talk));
    talk_wait_ms(talk, RTO_MS);
    assert_true(is_at_rest(talk));
    talk_silent(talk);
}

#define SENT 29200U /* by open_window */

/* Sends two windows and is told of them, so that the window is larger than the first one. */
static void open_window(struct talk *talk)
{
    talk_write(talk, SENT);
    talk_forget(talk);
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ". 1 ack 14601");
    talk_forget(talk);
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ". 1 ack 29201");
    assert_true(talk_info(talk).cwnd_bytes > 14600);
}

static void an_idle_connection_holds_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, FRESH_MS);
    assert_true(is_at_rest(&talk));
    assert_int_equal(talk.berth->tcp.ledgers.used, 0);
    talk_wait_ms(&talk, RTO_MS); /* the listener's timer for its SYN,ACK */
    assert_true(berth_deadline(talk.berth) == BERTH_NEVER);
    talk_wait_ms(&talk, 3 * 86400 * 1000ULL);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.state, BERTH_TCP_ESTABLISHED);
    assert_int_equal(info.cwnd_bytes, 14600);
    assert_int_equal(info.ssthresh_bytes, UINT32_MAX);
    assert_string_equal(info.congestion_control, "cubic");
    assert_in_range(info.data_sent_ago_ns / NS_PER_MS, 3 * 86400 * 1000ULL,
                    3 * 86400 * 1000ULL + 2 * RTO_MS);
    talk_end(&talk);
}

/* RFC 5681 4.1: the window begins anew; the round trip and the figures stay. */
static void what_it_knew_stays(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    open_window(&talk);
    talk_in(&talk, "P. 1+100 ack 29201");
    talk_read(&talk, 0, 100);
    talk_forget(&talk);
    struct berth_tcp_info before = talk_info(&talk);
    to_rest(&talk);
    assert_true(berth_deadline(talk.berth) == BERTH_NEVER);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.srtt_ns, before.srtt_ns);
    assert_int_equal(info.rttvar_ns, before.rttvar_ns);
    assert_int_equal(info.min_rtt_ns, before.min_rtt_ns);
    assert_int_equal(info.rto_ns, before.rto_ns);
    assert_int_equal(info.bytes_sent, SENT);
    assert_int_equal(info.bytes_acked, SENT);
    assert_int_equal(info.bytes_received, 100);
    assert_int_equal(info.segments_sent, before.segments_sent);
    assert_int_equal(info.busy_ns, before.busy_ns);
    assert_int_equal(info.cwnd_bytes, 14600);
    talk_write(&talk, 30 * 1460); /* 10 of them may go */
    assert_int_equal(talk_info(&talk).flight_bytes, 14600);
    assert_int_equal(talk_info(&talk).rto_ns, before.rto_ns);
    talk_end(&talk);
}

/* What a loss has taught survives: ssthresh, the figures, and that nothing is made up. */
static void a_loss_is_remembered(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-14601");
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 14601");
    struct berth_tcp_info before = talk_info(&talk);
    assert_int_equal(before.retransmissions, 1);
    assert_true(before.ssthresh_bytes < 14600);
    to_rest(&talk);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.retransmissions, 1);
    assert_int_equal(info.bytes_retransmitted, 1460);
    assert_int_equal(info.fast_recoveries, 1);
    assert_int_equal(info.ssthresh_bytes, before.ssthresh_bytes);
    assert_int_equal(info.cwnd_bytes, before.cwnd_bytes);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 14601+1460 ack 1");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 16061");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, before.ssthresh_bytes);
    talk_end(&talk);
}

static void what_comes_ahead_wakes_it(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, FRESH_MS);
    assert_true(is_at_rest(&talk));
    talk_in(&talk, "P. 101+100 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 101-201");
    talk_in(&talk, "P. 101+100 ack 1"); /* twice (RFC 2883) */
    talk_out(&talk, ". 1 ack 1 sack 101-201,101-201");
    assert_int_equal(talk.berth->tcp.works.used, 1);
    talk_wait_ms(&talk, 60000);
    assert_int_equal(talk.berth->tcp.works.used, 1); /* as long as the gap is there */
    talk_in(&talk, "P. 1+100 ack 1");
    talk_out(&talk, ". 1 ack 201");
    talk_read(&talk, 0, 200);
    talk_wait_ms(&talk, 120000);
    assert_true(is_at_rest(&talk));
    talk_in(&talk, "P. 1+100 ack 1"); /* at rest too */
    talk_out(&talk, ". 1 ack 201 sack 1-101");
    to_rest(&talk);
    assert_int_equal(talk_info(&talk).bytes_received, 200);
    talk_end(&talk);
}

/* In order it is not even woken. */
static void reading_needs_no_record(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, FRESH_MS);
    for (uint32_t i = 0; i < 20; i++) {
        char segment[64];
        (void)snprintf(segment, sizeof segment, "P. %u+1460 ack 1", 1 + i * 1460);
        talk_in(&talk, segment);
        talk_read(&talk, i * 1460ULL, 1460);
        assert_int_equal(talk.berth->tcp.works.used, 0);
    }
    talk_wait_ms(&talk, RTO_MS); /* the delayed ACK, the listener's timer */
    talk_forget(&talk);
    assert_true(is_at_rest(&talk));
    assert_true(berth_deadline(talk.berth) == BERTH_NEVER);
    talk_end(&talk);
}

static void with_timestamps(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

/* RFC 7323 5.3: at rest old segments are as old as ever. */
static void paws_at_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_timestamps);
    talk_open(&talk, "S 0 win 65535 mss 1460 sackok wscale 7 ts 100 0", "S. 0 ack 1",
              ". 1 ack 1 ts 101 0");
    talk_in(&talk, "P. 1+10 ack 1 ts 200 0");
    talk_forget(&talk);
    talk_read(&talk, 0, 10);
    talk_wait_ms(&talk, RTO_MS);
    assert_int_equal(talk.berth->tcp.works.used, 0);
    talk_forget(&talk);
    talk_in(&talk, "P. 11+10 ack 1 ts 150 0");
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OLD_TIMESTAMP), 1);
    talk_in(&talk, "P. 11+10 ack 1 ts 201 0");
    talk_read(&talk, 10, 10);
    talk_end(&talk);
}

/* RFC 7323 5.5: after 24 days a timestamp proves nothing, as the peer's clock may have come half
 * round. The next one takes its place: it is echoed, and older ones are dropped again. */
static void a_stamp_of_last_month(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_timestamps);
    talk_open(&talk, "S 0 win 65535 mss 1460 sackok wscale 7 ts 1000 0", "S. 0 ack 1",
              ". 1 ack 1 ts 1001 0");
    talk_wait_ms(&talk, 26 * 86400 * 1000ULL);
    talk_forget(&talk);
    talk_in(&talk, "P. 1+10 ack 1 ts 2246401001 0"); /* 26 days on: seen from 1001, before it */
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk.last_tsecr, 2246401001U);
    talk_in(&talk, "P. 11+10 ack 1 ts 2246401000 0");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OLD_TIMESTAMP), 1);
    talk_forget(&talk);
    talk_in(&talk, "P. 11+10 ack 1 ts 2246401002 0");
    talk_out(&talk, ". 1 ack 21");
    assert_int_equal(talk.last_tsecr, 2246401002U);
    talk_end(&talk);
}

static void with_keepalive(struct berth_config *config)
{
    config->tcp.keepalive = true;
    config->tcp.keepalive_idle_ns = 100 * NS_PER_S;
    config->tcp.keepalive_interval_ns = 10 * NS_PER_S;
    config->tcp.keepalive_probes = 3;
}

/* RFC 9293 3.8.4: its only timer then; a record only while a probe waits for its answer. */
static void keepalive_at_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_keepalive);
    talk_established(&talk);
    talk_wait_ms(&talk, FRESH_MS);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(is_at_rest(&talk));
        assert_in_range(talk_wait_out_ms(&talk, 200000), 99980, 100010);
        talk_out(&talk, ". 0 ack 1");
        assert_int_equal(talk.berth->tcp.works.used, 1);
        talk_wait_ms(&talk, 5);
        talk_in(&talk, ". 1 ack 1");
        talk_wait_ms(&talk, 20000);
        assert_true(is_at_rest(&talk));
        talk_in(&talk, ". 1 ack 1"); /* heard again: from here on */
    }
    assert_in_range(talk_wait_out_ms(&talk, 200000), 99980, 100010);
    talk_wait_ms(&talk, 35000);
    talk_forget(&talk);
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    assert_int_equal(talk.berth->tcp.works.used, 0);
    talk_end(&talk);
}

/* Silence of 60 days is more than a tick can tell: it asks late, but within its time. */
static void keepalive_after_two_months(void **state)
{
    static const uint64_t days_ms = 86400 * 1000ULL;
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, 60 * days_ms);
    assert_true(is_at_rest(&talk));
    assert_int_equal(
        berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE_IDLE_NS, 30 * days_ms * NS_PER_MS),
        0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE, 1), 0);
    assert_true(talk_wait_out_ms(&talk, 60 * days_ms) <= 30 * days_ms);
    talk_out(&talk, ". 0 ack 1");
    talk_end(&talk);
}

static void with_ecn(struct berth_config *config)
{
    config->tcp.ecn = BERTH_TCP_ECN;
}

/* RFC 3168 6.1.2: an ACK that tells of a mark comes late, when all is quiet. */
static void marks_at_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_ecn);
    talk_open(&talk, "SEC 0 win 65535 mss 1460 sackok wscale 0", "S.E 0 ack 1", ". 1 ack 1");
    talk_write(&talk, 1460);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461");
    to_rest(&talk);
    assert_int_equal(talk.berth->tcp.ledgers.used, 1); /* ECN goes on */
    uint32_t before = talk_info(&talk).cwnd_bytes;
    talk_in(&talk, ".E 1 ack 1461");
    uint32_t reduced = talk_info(&talk).ssthresh_bytes;
    assert_true(talk_info(&talk).cwnd_bytes < before);
    to_rest(&talk); /* no ACK will come that tells of the end of the reduction */
    assert_int_equal(talk_info(&talk).ssthresh_bytes, reduced);
    assert_true(talk_info(&talk).cwnd_bytes <= reduced);
    talk_write(&talk, 1460);
    talk_out(&talk, "P.C 1461+1460");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 2921");
    talk_end(&talk);
}

/* A shut window is no rest; when it opens at last the record goes. */
static void a_long_stall_is_no_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    for (unsigned i = 0; i < 200; i++) { /* it answers every probe */
        talk_wait_ms(&talk, 60000);
        talk_forget(&talk);
        talk_in(&talk, ". 1 ack 1 win 0");
    }
    assert_int_equal(talk.berth->tcp.works.used, 1);
    talk_in(&talk, ". 1 ack 1 win 65535");
    talk_out(&talk, "P. 1+100 ack 1");
    talk_in(&talk, ". 1 ack 101");
    talk_wait_ms(&talk, 2 * talk.config.tcp.rto_max_ns / NS_PER_MS);
    assert_true(is_at_rest(&talk));
    talk_end(&talk);
}

static void it_closes_from_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, FRESH_MS);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, ". 1 ack 2");
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    assert_int_equal(talk_time_waits(&talk), 1);
    assert_true(is_at_rest(&talk));
    talk_end(&talk);
}

static void it_is_aborted_and_reset_at_rest(void **state)
{
    (void)state;
    for (unsigned by_peer = 0; by_peer < 2; by_peer++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk_established(&talk);
        talk_wait_ms(&talk, FRESH_MS);
        if (by_peer != 0) {
            talk_in(&talk, "R 1");
            assert_int_equal(talk.error, BERTH_E_RESET);
        } else {
            assert_int_equal(berth_tcp_abort(talk.berth, talk.id), 0);
            talk_wait_ms(&talk, 0);
            talk_out(&talk, "R. 1 ack 1");
        }
        assert_int_equal(talk_connections(&talk), 0);
        assert_true(is_at_rest(&talk));
        talk_end(&talk);
    }
}

static void with_bbr(struct berth_config *config)
{
    strcpy(config->tcp.congestion_control, "bbr");
}

/* What it has measured of the path is worth more than its memory. */
static void who_measures_does_not_rest(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_bbr);
    talk_established(&talk);
    talk_write(&talk, 1460);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461");
    talk_wait_ms(&talk, 3600 * 1000);
    assert_int_equal(talk.berth->tcp.works.used, 1);
    talk_end(&talk);
}

/* RFC 6298 (5.5), RFC 1122 4.2.3.1 (Karn): the backed-off timeout stays until a round trip has been
 * measured, however long nothing is sent; else a path that has become slow would have every segment
 * sent twice, and none measured. */
static void a_backoff_outlives_a_pause(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    uint64_t rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    uint32_t at = 1;
    for (unsigned round = 0; round < 2; round++) {
        char ack[32];
        talk_write(&talk, 100);
        talk_forget(&talk);
        uint64_t waited_ms = talk_wait_out_ms(&talk, RTO_MS);
        assert_in_range(waited_ms, rto_ms << round, (rto_ms << round) + 1);
        talk_forget(&talk);
        talk_wait_ms(&talk, TALK_RTT_MS); /* of which copy? */
        at += 100;
        (void)snprintf(ack, sizeof ack, ". 1 ack %u", at);
        talk_in(&talk, ack);
        assert_int_equal(talk_info(&talk).backoff, round + 1);
        talk_wait_ms(&talk, 60000);
        assert_int_equal(talk_info(&talk).backoff, round + 1);
    }
    talk_write(&talk, 100); /* and then one is */
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 301");
    assert_int_equal(talk_info(&talk).backoff, 0);
    talk_wait_ms(&talk, 2 * talk.config.tcp.rto_max_ns / NS_PER_MS);
    assert_true(is_at_rest(&talk));
    talk_end(&talk);
}

/* RFC 8985 7.2: no second probe before a round trip was measured; 7.4.2: a loss that a probe has
 * mended is heard of with the next ACK, unless both copies came. */
static void a_probe_outlives_a_pause(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk_established(&talk);
        open_window(&talk);
        talk_write(&talk, 1500);
        talk_out(&talk, ". 29201+1460");
        talk_out(&talk, "P. 30661+40");
        assert_true(talk_wait_out_ms(&talk, RTO_MS) < 50);
        talk_out(&talk, "P. 30661+40");
        talk_wait_ms(&talk, TALK_RTT_MS);
        if (way == 2) {
            talk_in(&talk, ". 1 ack 30661"); /* measured, but nothing is said of the probe */
        }
        talk_in(&talk, way == 1 ? ". 1 ack 30701 sack 30661-30701" : ". 1 ack 30701");
        talk_wait_ms(&talk, 60000);
        uint32_t before = talk_info(&talk).ssthresh_bytes;
        for (unsigned round = 0; round < 2; round++) {
            talk_write(&talk, 1500);
            talk_forget(&talk);
            talk_wait_ms(&talk, 50);
            assert_int_equal(talk.out_count, round); /* measured then */
            talk_forget(&talk);
            talk_in(&talk, round == 0 ? ". 1 ack 32201" : ". 1 ack 33701");
            assert_int_equal(talk_info(&talk).ssthresh_bytes < before, way != 1);
        }
        assert_int_equal(talk_info(&talk).timeouts, 0);
        talk_end(&talk);
    }
}

/* It has ended: what it was is still told. */
static void what_has_ended_is_told(void **state)
{
    static const char *const names[] = {"cubic", "newreno", "bbr"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk_established(&talk);
        assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.id, names[i]), 0);
        talk_write(&talk, 1460);
        talk_forget(&talk);
        talk_wait_ms(&talk, 5000); /* nobody answers */
        talk_forget(&talk);
        struct berth_tcp_info before = talk_info(&talk);
        assert_string_equal(before.congestion_control, names[i]);
        assert_in_range(before.busy_ns, 4990 * NS_PER_MS, 5010 * NS_PER_MS);
        talk_in(&talk, "R 1");
        assert_int_equal(talk.error, BERTH_E_RESET);
        talk_wait_ms(&talk, 1000);
        struct berth_tcp_info info = talk_info(&talk);
        assert_int_equal(info.state, BERTH_TCP_CLOSED);
        assert_string_equal(info.congestion_control, names[i]);
        assert_int_equal(info.cwnd_bytes, before.cwnd_bytes);
        assert_int_equal(info.ssthresh_bytes, before.ssthresh_bytes);
        assert_int_equal(info.busy_ns, before.busy_ns);
        talk_end(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_holds_nothing),
        {"RFC 5681 4.1: a window that rested begins anew", what_it_knew_stays, NULL, NULL, NULL},
        cmocka_unit_test(a_loss_is_remembered),
        {"RFC 2018 3; RFC 2883 4: out of order at rest", what_comes_ahead_wakes_it, NULL, NULL,
         NULL},
        cmocka_unit_test(reading_needs_no_record),
        {"RFC 7323 5.3: PAWS at rest", paws_at_rest, NULL, NULL, NULL},
        {"RFC 7323 5.5: a stamp of last month", a_stamp_of_last_month, NULL, NULL, NULL},
        {"RFC 9293 3.8.4: keep-alive at rest", keepalive_at_rest, NULL, NULL, NULL},
        cmocka_unit_test(keepalive_after_two_months),
        {"RFC 3168 6.1.2: marks told of at rest", marks_at_rest, NULL, NULL, NULL},
        cmocka_unit_test(a_long_stall_is_no_rest),
        cmocka_unit_test(it_closes_from_rest),
        cmocka_unit_test(it_is_aborted_and_reset_at_rest),
        cmocka_unit_test(who_measures_does_not_rest),
        {"RFC 6298 5.5: a backoff outlives a pause", a_backoff_outlives_a_pause, NULL, NULL, NULL},
        {"RFC 8985 7.3; RFC 8985 7.4.2: a probe outlives a pause", a_probe_outlives_a_pause, NULL,
         NULL, NULL},
        cmocka_unit_test(what_has_ended_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
