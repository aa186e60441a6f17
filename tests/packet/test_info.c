/* SPDX-License-Identifier: MIT */
/* What berth_tcp_info tells (RFC 9293 3.9.1.6, STATUS), figure by figure. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MS_NS(ns) ((ns) / NS_PER_MS)

static void what_is_under_way(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 7300");
    talk_write(&talk, 10000);
    talk_forget(&talk);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.unacked_bytes, 5 * 1460);
    assert_int_equal(info.unsent_bytes, 10000 - 5 * 1460);
    assert_int_equal(info.send_queue_bytes, 10000);
    assert_int_equal(info.data_segments_sent, 5);
    assert_int_equal(info.path_mtu, 1500);
    assert_int_equal(info.bytes_delivered, 0);
    /* The first is lost. */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 win 7300 sack 1461-2921");
    talk_in(&talk, ". 1 ack 1 win 7300 sack 1461-4381");
    talk_in(&talk, ". 1 ack 1 win 7300 sack 1461-5841");
    info = talk_info(&talk);
    assert_int_equal(info.sacked_bytes, 3 * 1460);
    assert_int_equal(info.bytes_delivered, 3 * 1460);
    assert_int_equal(info.resent_bytes, 1460); /* it went again */
    assert_int_equal(info.lost_bytes, 0);
    assert_int_equal(info.retransmissions, 1);
    assert_true(info.fast_recovery);
    assert_int_equal(info.data_segments_sent, 6);
    assert_int_equal(info.reorderings, 0);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 7301 win 7300 sack 1-1461"); /* both copies came */
    info = talk_info(&talk);
    assert_int_equal(info.duplicates_reported, 1);
    assert_int_equal(info.resent_bytes, 0);
    assert_int_equal(info.sacked_bytes, 0);
    assert_int_equal(info.bytes_delivered, 7300);
    talk_end(&talk);
}

static void what_came(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.data_segments_received, 0);
    assert_int_equal(info.data_received_ago_ns, 0);
    uint32_t segments = info.segments_received;
    talk_in(&talk, ". 1+1000 ack 1");
    talk_in(&talk, ". 1 ack 1");
    talk_forget(&talk);
    talk_wait_ms(&talk, 500);
    info = talk_info(&talk);
    assert_int_equal(info.segments_received, segments + 2);
    assert_int_equal(info.data_segments_received, 1);
    assert_in_range(MS_NS(info.data_received_ago_ns), 498, 502);
    assert_in_range(MS_NS(info.ack_received_ago_ns), 498, 502);
    assert_int_equal(info.mss_seen, 1000);
    assert_int_equal(info.receive_limit_bytes, 64 * 1024);
    talk_read(&talk, 0, 1000);
    talk_wait_ms(&talk, 500);
    talk_in(&talk, ". 1001+1000 ack 1");
    talk_read(&talk, 1000, 1000);
    assert_int_equal(talk_info(&talk).receive_space_bytes, 1000);
    assert_in_range(MS_NS(talk_info(&talk).receive_rtt_ns), TALK_RTT_MS, TALK_RTT_MS + 1);
    assert_in_range(MS_NS(talk_info(&talk).min_rtt_ns), TALK_RTT_MS, TALK_RTT_MS + 1);
    talk_end(&talk);
}

static void small_queue(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.send_bytes_initial = 4096;
    config->tcp.send_bytes_max = 4096;
}

/* Where the time goes: the path, the peer's window, our own queue, nothing to send. */
static void what_holds_it_up(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_queue);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_NO_DELAY, 1), 0);
    talk_wait_ms(&talk, 1000); /* idle */
    talk_write(&talk, 1000);
    talk_forget(&talk);
    talk_wait_ms(&talk, 100);
    talk_in(&talk, ". 1 ack 1001 win 0");
    talk_wait_ms(&talk, 1000);
    struct berth_tcp_info info = talk_info(&talk);
    assert_in_range(MS_NS(info.busy_ns), 98, 102);
    assert_int_equal(info.window_limited_ns, 0);
    talk_write(&talk, 1000);
    talk_wait_ms(&talk, 150);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1001 win 65535");
    talk_forget(&talk);
    info = talk_info(&talk);
    assert_in_range(MS_NS(info.window_limited_ns), 148, 152);
    assert_in_range(MS_NS(info.busy_ns), 246, 254);
    talk_write(&talk, 3096);
    size_t taken;
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, "x", 1, &taken), BERTH_E_AGAIN);
    talk_collect(&talk);
    talk_in(&talk, ". 1 ack 1002"); /* all is sent, and there would be more to write */
    talk_forget(&talk);
    talk_wait_ms(&talk, 50);
    info = talk_info(&talk);
    assert_in_range(MS_NS(info.queue_limited_ns), 48, 52);
    assert_in_range(MS_NS(info.busy_ns), 294, 306);
    talk_end(&talk);
}

static void super_segments(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4;
    config->limits.buffer_bytes = 70000;
    config->limits.buffers = 64;
    config->limits.buffers_reserved = 8;
}

static void super_segments_count_as_many(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, super_segments);
    talk_open(&talk, "S 0 win 65535 mss 400", "S. 0 ack 1", ". 1 ack 1");
    uint32_t segments = talk_info(&talk).segments_sent;
    talk_write(&talk, 3 * 400 + 1);
    assert_int_equal(talk.out_count, 1);
    talk_forget(&talk);
    assert_int_equal(talk_info(&talk).data_segments_sent, 4);
    assert_int_equal(talk_info(&talk).segments_sent, segments + 4);
    talk_end(&talk);
}

static void a_timeout(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 100);
    talk_forget(&talk);
    talk_wait_ms(&talk, 800);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.timeouts, 2);
    assert_int_equal(info.backoff, 2);
    assert_true(info.timeout_recovery);
    assert_int_equal(info.resent_bytes, 100);
    talk_in(&talk, ". 1 ack 101 win 0");
    talk_write(&talk, 100);
    info = talk_info(&talk);
    assert_false(info.timeout_recovery);
    assert_int_equal(info.backoff, info.persist ? info.backoff : 0);
    talk_wait_ms(&talk, 300);
    assert_true(talk_info(&talk).persist);
    talk_end(&talk);
}

static void with_bbr(struct berth_config *config)
{
    (void)snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control, "bbr");
}

static void rates(void **state)
{
    (void)state;
    const char *what = NULL;
    struct berth_config config;
    berth_config_init(&config);
    with_bbr(&config);
    if (berth_config_check(&config, &what) != 0) {
        skip();
    }
    struct talk talk;
    talk_begin(&talk, with_bbr);
    talk_established(&talk);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_wait_ms(&talk, 100);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 14601");
    struct berth_tcp_info info = talk_info(&talk);
    assert_true(info.pacing_bps > 0);
    assert_in_range(info.delivery_bps, 14600 * 8 * 9, 14600 * 8 * 11); /* in 100 ms */
    assert_false(info.app_limited);
    talk_write(&talk, 100);
    assert_true(talk_info(&talk).app_limited);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.9.1.6: what is under way", what_is_under_way, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.6: what came, and when", what_came, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.6: what holds the sender up", what_holds_it_up, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.6: super-segments count as many", super_segments_count_as_many, NULL, NULL,
         NULL},
        {"RFC 9293 3.9.1.6: timeouts and probes", a_timeout, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.6: rates", rates, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
