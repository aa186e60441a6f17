/* SPDX-License-Identifier: MIT */
/* Sending: windows, Nagle, probes, retransmission (RFC 9293 3.8, RFC 6298, RFC 5681, RFC 6675). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static bool talk_pushed(const struct talk *talk)
{
    return (talk->last.data[20 + 13] & 8) != 0; /* IPv4's header, then TCP's flags */
}

static void segments_of_mss_with_push_at_the_end(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 3000);
    talk_out(&talk, ". 1+1460");
    talk_out(&talk, ". 1461+1460");
    talk_out(&talk, "P. 2921+80"); /* MUST-61: the last one pushes */
    talk_silent(&talk);
    talk_end(&talk);
}

/* MUST-61 once more: what the windows cut off is pushed too, if it is more than one segment; a bare
 * FIN pushes nothing. */
static void push_at_the_end_of_a_burst(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 2920");
    talk_write(&talk, 7300);
    talk_out(&talk, ". 1+1460");
    assert_false(talk_pushed(&talk));
    talk_out(&talk, "P. 1461+1460");
    talk_wait_ms(&talk, 1);
    talk_in(&talk, ". 1 ack 1461 win 2920");
    talk_out(&talk, ". 2921+1460"); /* one alone */
    assert_false(talk_pushed(&talk));
    talk_wait_ms(&talk, 1);
    talk_in(&talk, ". 1 ack 4381 win 8000");
    talk_out(&talk, ". 4381+1460");
    talk_out(&talk, "P. 5841+1460");
    talk_in(&talk, ". 1 ack 7301 win 8000");
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "F. 7301");
    assert_false(talk_pushed(&talk));
    talk_silent(&talk);
    talk_end(&talk);
}

/* The room that a writer gets for WANT bytes. */
static size_t room_for(struct talk *talk, size_t want)
{
    struct berth_view views[64];
    uint32_t count = 0;
    size_t bytes = 0;
    if (berth_tcp_reserve(talk->berth, talk->id, want, views, 64, &count) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        bytes += views[i].bytes;
    }
    return bytes;
}

/* A writer with more than a segment fills full ones; what waits already counts, and the whole queue
 * can be filled. */
static void room_is_for_full_segments(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(room_for(&talk, 10000), 6 * 1460);
    assert_int_equal(room_for(&talk, 1460), 1460);
    assert_int_equal(room_for(&talk, 1000), 1000);
    size_t views_bytes =
        (size_t)talk.config.limits.buffer_bytes * 8; /* as many as there are of it */
    assert_int_equal(room_for(&talk, 60000), views_bytes - views_bytes % 1460);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 500);
    talk_silent(&talk);
    assert_int_equal(room_for(&talk, 10000), 7 * 1460 - 500);
    size_t bytes = 500;
    size_t room;
    while ((room = room_for(&talk, 10000)) > 0) {
        assert_int_equal(berth_tcp_commit(talk.berth, talk.id, room), 0);
        bytes += room;
    }
    assert_int_equal(bytes, talk.config.tcp.send_bytes_initial);
    talk_end(&talk);
}

static void nagle_waits(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10");
    talk_write(&talk, 10); /* a second short one waits for the first's ACK */
    talk_write(&talk, 10);
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 11");
    talk_out(&talk, "P. 11+20");
    talk_end(&talk);
}

static void nagle_can_be_turned_off(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_NO_DELAY, 1), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10");
    talk_write(&talk, 10);
    talk_out(&talk, "P. 11+10");
    talk_end(&talk);
}

static void the_peers_window_holds(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 2000");
    talk_write(&talk, 8000);
    talk_out(&talk, ". 1+1460");
    talk_silent(&talk); /* 540 more would fit: not worth a segment (3.8.6.2.1) */
    talk_in(&talk, ". 1 ack 1461 win 4000");
    talk_out(&talk, ". 1461+1460");
    talk_out(&talk, ". 2921+1460");
    talk_silent(&talk);
    talk_end(&talk);
}

static void half_of_the_window_is_worth_it(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1400 mss 1460"); /* it never has room for a full segment */
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 1 win 1400");
    talk_accept(&talk);
    talk_write(&talk, 8000);
    talk_out(&talk, ". 1+1400");
    talk_in(&talk, ". 1 ack 1401 win 600"); /* less than half of what it once had */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1401 win 700");
    talk_out(&talk, ". 1401+700");
    talk_end(&talk);
}

static void zero_window_is_probed(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    talk_silent(&talk);
    uint64_t last = 0;
    for (unsigned i = 0; i < 12; i++) { /* MUST-36, MUST-37: for as long as it answers */
        uint64_t waited = talk_wait_out_ms(&talk, 200000);
        assert_true(waited + 2 >= min_u64(2 * last, 60000)); /* SHLD-30: each twice as long */
        last = waited;
        talk_out(&talk, ". 0+0");
        talk_in(&talk, ". 1 ack 1 win 0");
    }
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_out(&talk, "P. 1+100");
    talk_end(&talk);
}

static void lone_probe_without_answer_gives_up(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    talk_wait_ms(&talk, talk.config.tcp.user_timeout_ns / NS_PER_MS + 130000);
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    talk_end(&talk);
}

static void override_sends_what_fits(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk,
            ". 1 ack 1 win 300"); /* for ever: less than a segment, less than half of the most */
    talk_write(&talk, 5000);
    talk_silent(&talk);
    talk_wait_out_ms(&talk, 200000);
    talk_out(&talk, ". 1+300");
    talk_end(&talk);
}

static void retransmission_timeout(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack); /* with SACK a tail loss probe goes first */
    talk_established(&talk);
    talk_write(&talk, 4000);
    talk_out(&talk, ". 1+1460");
    talk_out(&talk, ". 1461+1460");
    talk_out(&talk, "P. 2921+1080");
    uint64_t first = talk_wait_out_ms(&talk, 10000);
    talk_out(&talk, ". 1+1460"); /* one segment: RFC 5681 3.1 */
    talk_silent(&talk);
    uint64_t second = talk_wait_out_ms(&talk, 10000);
    assert_in_range(second, 2 * first - 2, 2 * first + 2); /* RFC 6298 (5.5) */
    talk_out(&talk, ". 1+1460");
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460"); /* slow start goes on */
    talk_out(&talk, "P. 2921+1080");
    talk_in(&talk, ". 1 ack 4001");
    assert_int_equal(talk_info(&talk).timeouts, 2);
    talk_wait_ms(&talk, 10000);
    talk_silent(&talk);
    talk_end(&talk);
}

/* A timeout's window of one is in use with the one segment that there is: its ACK lets it grow. */
static void window_of_one_grows(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 1+1460");
    (void)talk_wait_out_ms(&talk, 10000);
    talk_out(&talk, "P. 1+1460");
    talk_in(&talk, ". 1 ack 1461");
    assert_int_equal(talk_info(&talk).cwnd_bytes, 2 * 1460);
    talk_end(&talk);
}

/* A writer that has just as much as cwnd takes uses all of it: all ACKs of the flight count. */
static void flight_that_fills_the_window_grows_it(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 14600);
    assert_int_equal(talk.out_count, 10);
    talk_forget(&talk);
    for (unsigned i = 1; i <= 5; i++) {
        char text[64];
        snprintf(text, sizeof text, ". 1 ack %u", 1 + 2920 * i);
        talk_in(&talk, text);
        assert_int_equal(talk_info(&talk).cwnd_bytes, (10 + 2 * i) * 1460);
    }
    talk_write(&talk, 1460); /* a twentieth of it: it does not grow (RFC 7661, RFC 9438 5.8) */
    talk_in(&talk, ". 1 ack 16061");
    assert_int_equal(talk_info(&talk).cwnd_bytes, 20 * 1460);
    talk_end(&talk);
}

static void data_without_answer_times_out(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 100);
    uint64_t limit_ms = talk.config.tcp.user_timeout_ns / NS_PER_MS;
    assert_true(limit_ms >= 100000); /* SHLD-11: R2 at least 100 seconds */
    uint64_t from_ns = talk.now_ns;
    for (unsigned i = 0; i < 100 && (talk.events & BERTH_EVENT_CLOSED) == 0; i++) {
        talk_wait_out_ms(&talk, 200000);
        talk_forget(&talk);
    }
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    uint64_t waited_ms = (talk.now_ns - from_ns) / NS_PER_MS;
    assert_in_range(waited_ms, limit_ms, limit_ms + 60000); /* MUST-20: then it ends */
    talk_end(&talk);
}

static void fast_retransmit_by_sack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 14600);
    for (unsigned i = 0; i < 10; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %u+1460", i == 9 ? "P." : ".", 1 + i * 1460);
        talk_out(&talk, text);
    }
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1 sack 1461-2921");
    talk_in(&talk, ". 1 ack 1 sack 1461-4381");
    talk_silent(&talk); /* the reordering window has not passed */
    talk_in(&talk, ". 1 ack 1 sack 1461-5841");
    talk_out(&talk, ". 1+1460"); /* three segments' worth: the hole, and nothing else */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 14601");
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    assert_int_equal(talk_info(&talk).retransmissions, 1);
    assert_int_equal(talk_info(&talk).cwnd_bytes, talk_info(&talk).ssthresh_bytes);
    talk_end(&talk);
}

static void fast_retransmit_by_duplicates(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1");
    talk_in(&talk, ". 1 ack 1");
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1"); /* the third: RFC 5681 3.2 */
    talk_out(&talk, ". 1+1460");
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 4381"); /* partial: the next hole at once (RFC 6582 3.2) */
    talk_out(&talk, ". 4381+1460");
    talk_in(&talk, ". 1 ack 14601");
    assert_int_equal(talk_info(&talk).timeouts, 0);
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    talk_end(&talk);
}

static void reneging_is_survived(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 2920);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1 sack 1461-2921");
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, ". 1+1460");
    talk_in(&talk, ". 1 ack 1461"); /* what it SACKed it has dropped again: RFC 2018 8 */
    talk_silent(&talk);
    talk_wait_out_ms(&talk, 60000);
    talk_out(&talk, "P. 1461+1460");
    talk_in(&talk, ". 1 ack 2921");
    assert_int_equal(talk_info(&talk).bytes_acked, 2920);
    talk_end(&talk);
}

static void keep(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.keepalive = true;
}

static void keep_alive(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, keep);
    talk_established(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 3 * 7200000ULL);
    assert_true(waited >= 7200000); /* MUST-28 */
    talk_out(&talk, ". 0");
    talk_in(&talk, ". 1 ack 1");
    waited = talk_wait_out_ms(&talk, 3 * 7200000ULL);
    assert_true(waited >= 7199000);
    for (unsigned i = 0; i < talk.config.tcp.keepalive_probes; i++) {
        talk_out(&talk, ". 0");
        talk_wait_out_ms(&talk, 7200000);
    }
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT); /* only after several: MUST-29 */
    talk_end(&talk);
}

static void window_that_shrinks(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 5840);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1461 win 1000"); /* the right edge moved left: MUST-34 */
    talk_write(&talk, 100);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, ". 1461+1460"); /* what was sent is sent again (SHLD-16), nothing new */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 5841 win 8000");
    talk_out(&talk, "P. 5841+100");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-61, SHLD-27, SHLD-28: full segments, and PSH at the end",
         segments_of_mss_with_push_at_the_end, NULL, NULL, NULL},
        {"RFC 9293 MUST-61: PSH at the end of a burst", push_at_the_end_of_a_burst, NULL, NULL,
         NULL},
        {"RFC 9293 SHLD-28: room for a writer is room for full segments", room_is_for_full_segments,
         NULL, NULL, NULL},
        {"RFC 9293 SHLD-7, MAY-16: Nagle's algorithm", nagle_waits, NULL, NULL, NULL},
        {"RFC 9293 MUST-17: Nagle can be turned off", nagle_can_be_turned_off, NULL, NULL, NULL},
        {"RFC 9293 MUST-38: no silly segments", the_peers_window_holds, NULL, NULL, NULL},
        {"RFC 9293 MUST-38: half of a small window is worth a segment",
         half_of_the_window_is_worth_it, NULL, NULL, NULL},
        {"RFC 9293 MUST-36, MUST-37, SHLD-30: a zero window is probed", zero_window_is_probed, NULL,
         NULL, NULL},
        {"RFC 9293 3.8.3: probes without an answer", lone_probe_without_answer_gives_up, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-60, MUST-38: the override timer", override_sends_what_fits, NULL, NULL,
         NULL},
        {"RFC 6298 5.4, 5.5, 5.6: the retransmission timer", retransmission_timeout, NULL, NULL,
         NULL},
        {"RFC 5681 3.1: a window of one grows with its ACK", window_of_one_grows, NULL, NULL, NULL},
        {"RFC 5681 3.1; RFC 7661 4.3: a flight that fills the window grows it",
         flight_that_fills_the_window_grows_it, NULL, NULL, NULL},
        {"RFC 9293 MUST-20, SHLD-11: data without an answer", data_without_answer_times_out, NULL,
         NULL, NULL},
        {"RFC 6675 5; RFC 2018 5; RFC 5681 4.3: fast retransmit by SACK", fast_retransmit_by_sack,
         NULL, NULL, NULL},
        {"RFC 5681 3.2; RFC 6582 3.2: fast retransmit without SACK", fast_retransmit_by_duplicates,
         NULL, NULL, NULL},
        {"RFC 2018 8: reneging is survived", reneging_is_survived, NULL, NULL, NULL},
        {"RFC 9293 MUST-28, MUST-29: keep-alive", keep_alive, NULL, NULL, NULL},
        {"RFC 9293 MUST-34, SHLD-15, SHLD-16: a window that shrinks", window_that_shrinks, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
