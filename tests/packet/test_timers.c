/* SPDX-License-Identifier: MIT */
/* What is done by time: retransmission, giving up, keep-alive, ACKs (RFC 9293 3.8.1 to 3.8.4,
 * 3.8.6.3, RFC 6298, RFC 5681), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR_MS 3600000ULL

static void karn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    talk_wait_ms(&talk, 50);
    talk_in(&talk, ". 1 ack 101");
    uint64_t srtt = talk_info(&talk).srtt_ns;
    uint64_t rto = talk_info(&talk).rto_ns;
    talk_write(&talk, 100);
    talk_out(&talk, "P. 101+100");
    talk_wait_out_ms(&talk, 60000);
    talk_out(&talk, "P. 101+100");
    talk_wait_ms(&talk, 3);
    talk_in(&talk, ". 1 ack 201"); /* of which copy? It says nothing of the path */
    assert_int_equal(talk_info(&talk).srtt_ns, srtt);
    assert_int_equal(talk_info(&talk).rto_ns, 2 * rto); /* and the doubled RTO stays */
    talk_write(&talk, 100);
    talk_out(&talk, "P. 201+100");
    uint64_t waited = talk_wait_out_ms(&talk, 60000);
    assert_in_range(waited, 2 * rto / NS_PER_MS, 2 * rto / NS_PER_MS + 2);
    talk_out(&talk, "P. 201+100");
    talk_in(&talk, ". 1 ack 301");
    talk_write(&talk, 100);
    talk_out(&talk, "P. 301+100");
    talk_in(&talk, ". 1 ack 401"); /* sent once: a sample, and the RTO is what it says again */
    assert_true(talk_info(&talk).rto_ns <= rto);
    talk_end(&talk);
}

static void karn_and_what_waited(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    uint64_t srtt = talk_info(&talk).srtt_ns;
    talk_write(&talk, 2920);
    talk_out(&talk, ". 1+1460");
    talk_out(&talk, "P. 1461+1460"); /* it arrives, and waits for the first */
    talk_wait_out_ms(&talk, 60000);
    talk_out(&talk, ". 1+1460");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 2921");
    assert_int_equal(talk_info(&talk).srtt_ns, srtt);
    talk_end(&talk);
}

static void karn_and_the_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, 900);
    talk_in(&talk, "S 0 win 1000"); /* the peer thinks that it was lost */
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, 1);
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).srtt_ns, 0);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, 30);
    talk_in(&talk, ". 1 ack 1 win 1000"); /* sent once: the first sample (RFC 6298 2.2) */
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).srtt_ns, 30 * NS_PER_MS);
    assert_int_equal(talk_info(&talk).rttvar_ns, 15 * NS_PER_MS);
    talk_end(&talk);
}

static void quick(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.no_delay = true;
    config->tcp.rto_min_ns = NS_PER_MS;
}

static void smoothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, quick);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_wait_ms(&talk, 100);
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    uint64_t srtt = 100 * NS_PER_MS;
    uint64_t rttvar = 50 * NS_PER_MS;
    assert_int_equal(talk_info(&talk).rto_ns, srtt + 4 * rttvar);
    static const uint32_t rtts_ms[] = {60, 60, 180, 100, 100, 100, 31, 31};
    for (uint32_t i = 0; i < sizeof rtts_ms / sizeof *rtts_ms; i++) {
        char text[64];
        uint64_t rtt = rtts_ms[i] * NS_PER_MS;
        talk_write(&talk, 10);
        talk_forget(&talk);
        talk_wait_ms(&talk, rtts_ms[i]);
        snprintf(text, sizeof text, ". 1 ack %u", 11 + i * 10);
        talk_in(&talk, text);
        rttvar = (3 * rttvar + (srtt > rtt ? srtt - rtt : rtt - srtt)) / 4;
        srtt = (7 * srtt + rtt) / 8;
        assert_in_range(talk_info(&talk).rttvar_ns, rttvar - 20, rttvar + 20); /* rounding */
        assert_in_range(talk_info(&talk).srtt_ns, srtt - 20, srtt + 20);
        assert_in_range(talk_info(&talk).rto_ns, srtt + 4 * rttvar - 100, srtt + 4 * rttvar + 100);
    }
    talk_end(&talk);
}

static void no_variance(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, quick);
    talk_established(&talk);
    for (uint32_t i = 0; i < 100; i++) {
        char text[64];
        talk_write(&talk, 10);
        talk_forget(&talk);
        talk_wait_ms(&talk, TALK_RTT_MS);
        snprintf(text, sizeof text, ". 1 ack %u", 11 + i * 10);
        talk_in(&talk, text);
    }
    assert_true(talk_info(&talk).rttvar_ns < NS_PER_MS / 100);
    assert_true(talk_info(&talk).rto_ns >= talk_info(&talk).srtt_ns + NS_PER_MS);
    talk_end(&talk);
}

static void after_a_lost_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    uint64_t waited = talk_wait_out_ms(&talk, 60000);
    assert_in_range(waited, 999, 1002); /* no measurement yet */
    talk_out(&talk, "S 0");
    talk_in(&talk, "S. 0 ack 1 mss 1460");
    talk_out(&talk, ". 1 ack 1");
    talk_write(&talk, 3000);
    talk_out(&talk, ". 1+1460"); /* an initial window of one segment */
    talk_silent(&talk);
    waited = talk_wait_out_ms(&talk, 60000);
    assert_in_range(waited, 2999, 3002);
    talk_end(&talk);
}

static void the_timer_runs_while_something_is_out(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, quick);
    talk_established(&talk);
    talk_write(&talk, 10); /* on */
    talk_out(&talk, "P. 1+10");
    uint64_t rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    talk_wait_ms(&talk, rto_ms / 2);
    talk_write(&talk, 10); /* more changes nothing */
    talk_out(&talk, "P. 11+10");
    talk_wait_ms(&talk, rto_ms / 3);
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 11"); /* anew: the second one has a whole RTO from here */
    rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    uint64_t waited = talk_wait_out_ms(&talk, 60000);
    assert_in_range(waited, rto_ms, rto_ms + 2);
    talk_out(&talk, "P. 11+10");  /* the earliest */
    talk_in(&talk, ". 1 ack 21"); /* off */
    talk_wait_ms(&talk, 100000);
    talk_silent(&talk);
    talk_end(&talk);
}

static void cubic(struct berth_config *config)
{
    config->tcp.timestamps = false;
    snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control, "cubic");
}

static void another_controller(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, cubic);
    talk_established(&talk);
    assert_string_equal(talk_info(&talk).congestion_control, "cubic");
    talk_write(&talk, 14600);
    assert_int_equal(talk.out_count, 10);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-14601"); /* one lost: 7/10, not half (RFC 9438 4.6) */
    talk_out(&talk, ". 1+1460");
    assert_in_range(talk_info(&talk).ssthresh_bytes, 14600 / 10 * 7 - 10, 14600 / 10 * 7 + 10);
    talk_end(&talk);
}

static void idle_restart(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 100000);
    uint32_t acked = 1;
    while (acked < 100001) {
        char text[64];
        acked = min_u32(acked + 2 * 1460, 100001); /* as a receiver does */
        talk_forget(&talk);
        snprintf(text, sizeof text, ". 1 ack %u", acked);
        talk_in(&talk, text);
    }
    assert_true(talk_info(&talk).cwnd_bytes > 30 * 1460);
    talk_wait_ms(&talk, 5000);
    talk_write(&talk, 100000);
    assert_int_equal(talk.out_count, 10); /* the path may be another by now */
    talk_end(&talk);
}

static void ack_all(struct talk *talk, uint32_t upto)
{
    char text[64];
    talk_forget(talk);
    snprintf(text, sizeof text, ". 1 ack %u", upto);
    talk_in(talk, text);
}

/* As a receiver does: every second segment. */
static void ack_in_twos(struct talk *talk, uint32_t from, uint32_t upto)
{
    while (from < upto) {
        from += min_u32(2 * 1460, upto - from);
        ack_all(talk, from);
    }
}

static void with_newreno(struct berth_config *config)
{
    talk_without_sack(config);
    config->tcp.frto = false; /* the peer of this test acknowledges what it cannot have */
    config->tcp.send_bytes_initial = 1U << 20;
    strcpy(config->tcp.congestion_control, "newreno");
}

static void slow_start_then_avoidance(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_newreno);
    talk_established(&talk);
    talk_write(&talk, 300000);
    assert_int_equal(talk.out_count, 10); /* IW10 */
    ack_in_twos(&talk, 1, 14601);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 20 * 1460); /* slow start: what was acked, more */
    ack_in_twos(&talk, 14601, 14601 + 29200);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 40 * 1460);
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 60000);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 1460); /* the loss window */
    uint32_t ssthresh = talk_info(&talk).ssthresh_bytes;
    assert_int_equal(ssthresh, 20 * 1460); /* half of what was out */
    assert_int_equal(talk.out_count, 1);
    uint32_t acked = 43801;
    while (talk_info(&talk).cwnd_bytes < ssthresh) {
        uint32_t before = talk_info(&talk).cwnd_bytes;
        acked += 1460;
        ack_all(&talk, acked);
        assert_true(talk_info(&talk).cwnd_bytes <= before + 1460);
    }
    uint32_t at = talk_info(&talk).cwnd_bytes;
    for (unsigned i = 0; i < at / 1460; i++) { /* a window's worth: one segment more */
        acked += 1460;
        ack_all(&talk, acked);
    }
    assert_in_range(talk_info(&talk).cwnd_bytes, at + 1, at + 1460);
    talk_end(&talk);
}

static void exponential_backoff(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack); /* no probe comes first */
    talk_established(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    uint64_t last = talk_wait_out_ms(&talk, 60000);
    for (unsigned i = 0; i < 6; i++) {
        talk_out(&talk, "P. 1+100");
        uint64_t waited = talk_wait_out_ms(&talk, 200000);
        assert_in_range(waited, 2 * last - 2, 2 * last + 2);
        last = waited;
    }
    talk_end(&talk);
}

static void the_owner_sets_r2(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_USER_TIMEOUT_NS, 20 * NS_PER_S),
                     0);
    talk_write(&talk, 100);
    talk_wait_ms(&talk, 19990);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_wait_ms(&talk, 20);
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_USER_TIMEOUT_NS, BERTH_NEVER), 0);
    talk_write(&talk, 100);
    for (unsigned i = 0; i < 24; i++) {
        talk_wait_ms(&talk, HOUR_MS);
        talk_forget(&talk);
    }
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED); /* R2 of infinity */
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, HOUR_MS); /* R2 counts from what was sent, not from the last answer */
    talk_write(&talk, 100);
    talk_wait_ms(&talk, talk.config.tcp.user_timeout_ns / NS_PER_MS - 10);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void keep_alive_is_off(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_wait_ms(&talk, 100 * HOUR_MS);
    talk_silent(&talk);
    talk_end(&talk);
}

static void keep_alive_is_asked_for(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE, 1), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE_IDLE_NS, 60 * NS_PER_S),
                     0);
    uint64_t waited = talk_wait_out_ms(&talk, HOUR_MS);
    assert_in_range(waited, 60000, 60002);
    talk_out(&talk, ". 0+0 ack 1"); /* no data, a number that it has: it must answer */
    talk_in(&talk, ". 1 ack 1");
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE, 0), 0);
    talk_wait_ms(&talk, 10 * HOUR_MS);
    talk_silent(&talk);
    talk_end(&talk);
}

static void keep_alive_only_when_idle(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE, 1), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_KEEPALIVE_IDLE_NS, 60 * NS_PER_S),
                     0);
    talk_wait_ms(&talk, 50000);
    talk_in(&talk, ". 1 ack 1"); /* it spoke */
    talk_wait_ms(&talk, 50000);
    talk_silent(&talk);
    talk_in(&talk, ". 1+10 ack 1");
    talk_out(&talk, ". 1 ack 11");
    talk_wait_ms(&talk, 59000);
    talk_silent(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_USER_TIMEOUT_NS, BERTH_NEVER), 0);
    talk_write(&talk, 100); /* outstanding for longer than the interval: its own copies ask */
    uint64_t until = talk.now_ns + 600 * NS_PER_S;
    while (talk.now_ns < until) {
        talk_wait_out_ms(&talk, 60000);
        while (talk.out_count > 0) {
            talk_out(&talk, "P. 1+100");
        }
    }
    talk_end(&talk);
}

static void acks_are_aggregated(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (uint32_t i = 0; i < 10; i++) { /* all that have come are looked at, then one is sent */
        char text[64];
        snprintf(text, sizeof text, ". %u+1460 ack 1", 1 + i * 1460);
        talk_post(&talk, text);
    }
    talk_collect(&talk);
    talk_out(&talk, ". 1 ack 14601");
    talk_silent(&talk);
    talk_post(&talk, ". 14601+100 ack 1");
    talk_post(&talk, ". 14801+100 ack 1"); /* a gap between */
    talk_post(&talk, ". 14701+100 ack 1");
    talk_collect(&talk);
    talk_out(&talk, ". 1 ack 14901");
    talk_silent(&talk);
    talk_end(&talk);
}

static void acks_ride_on_data(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_post(&talk, "P. 1+100 ack 1");
    talk_write(&talk, 40);
    talk_out(&talk, "P. 1+40 ack 101");
    talk_silent(&talk);
    talk_end(&talk);
}

static void every_second_full_segment(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (uint32_t i = 0; i < 20; i++) { /* past the quick ACKs at the start */
        char text[64];
        snprintf(text, sizeof text, ". %u+1460 ack 1", 1 + i * 1460);
        talk_in(&talk, text);
    }
    talk_wait_ms(&talk, 1000);
    talk_read(&talk, 0, 20 * 1460);
    talk_forget(&talk);
    for (uint32_t i = 20; i < 40; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %u+1460 ack 1", 1 + i * 1460);
        talk_in(&talk, text);
        assert_int_equal(talk.out_count, i % 2); /* 2 * RMSS, and not before */
        talk_forget(&talk);
    }
    talk_end(&talk);
}

/* After a gap the peer's window is small: a lone segment is not left waiting for its ACK. */
static void acks_at_once_after_a_gap(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (uint32_t i = 0; i < 20; i++) { /* past the quick ACKs at the start */
        char text[64];
        snprintf(text, sizeof text, ". %u+1460 ack 1", 1 + i * 1460);
        talk_in(&talk, text);
    }
    talk_wait_ms(&talk, 1000);
    talk_read(&talk, 0, 20 * 1460);
    talk_forget(&talk);
    talk_in(&talk, ". 29201+1460 ack 1");
    talk_silent(&talk);
    talk_in(&talk, ". 32121+1460 ack 1"); /* the one between is missing */
    talk_in(&talk, ". 30661+1460 ack 1");
    talk_forget(&talk);
    talk_in(&talk, ". 33581+1460 ack 1");
    assert_int_equal(talk.out_count, 1);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-18; RFC 6298 3: Karn's algorithm", karn, NULL, NULL, NULL},
        {"RFC 9293 MUST-18; RFC 6298 3: Karn's algorithm and what waited", karn_and_what_waited,
         NULL, NULL, NULL},
        {"RFC 9293 MUST-18; RFC 6298 3: Karn's algorithm and the SYN", karn_and_the_syn, NULL, NULL,
         NULL},
        {"RFC 6298 2.2, 2.3: smoothing", smoothing, NULL, NULL, NULL},
        {"RFC 6298 4: no variance", no_variance, NULL, NULL, NULL},
        {"RFC 6298 2.1, 5.7; RFC 5681 3.1: after a lost SYN", after_a_lost_syn, NULL, NULL, NULL},
        {"RFC 6298 5, 5.1, 5.2, 5.3: the timer runs while something is out",
         the_timer_runs_while_something_is_out, NULL, NULL, NULL},
        {"RFC 9293 MAY-18: another controller", another_controller, NULL, NULL, NULL},
        {"RFC 5681 4.1: idle for an RTO", idle_restart, NULL, NULL, NULL},
        {"RFC 9293 MUST-19; RFC 5681 3.1; RFC 6928 2: slow start and congestion avoidance",
         slow_start_then_avoidance, NULL, NULL, NULL},
        {"RFC 9293 MUST-19: exponential backoff", exponential_backoff, NULL, NULL, NULL},
        {"RFC 9293 MUST-21: the owner sets R2", the_owner_sets_r2, NULL, NULL, NULL},
        {"RFC 9293 MUST-25: keep-alive is off", keep_alive_is_off, NULL, NULL, NULL},
        {"RFC 9293 MUST-24, MUST-27, MAY-5, SHLD-12: keep-alive is asked for",
         keep_alive_is_asked_for, NULL, NULL, NULL},
        {"RFC 9293 MUST-26: keep-alive only when idle", keep_alive_only_when_idle, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-58, MUST-59: ACKs are aggregated", acks_are_aggregated, NULL, NULL, NULL},
        {"RFC 9293 MUST-58: ACKs ride on data", acks_ride_on_data, NULL, NULL, NULL},
        {"RFC 5681 4.2: ACKs at once after a gap", acks_at_once_after_a_gap, NULL, NULL, NULL},
        {"RFC 9293 SHLD-19; RFC 5681 4.2: every second full segment", every_second_full_segment,
         NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
