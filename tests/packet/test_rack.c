/* SPDX-License-Identifier: MIT */
/* RACK-TLP (RFC 8985), proportional rate reduction (RFC 9937), D-SACK (RFC 2883), undo (RFC
 * 3522). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void send_ten(struct talk *talk)
{
    talk_write(talk, 14600);
    assert_int_equal(talk->out_count, 10);
    talk_forget(talk);
}

static void time_tells_a_loss(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-2921"); /* one SACKed segment is enough, given time */
    talk_silent(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_in_range(waited, TALK_RTT_MS / 4 - 1, TALK_RTT_MS / 4 + 1); /* min_rtt / 4 */
    talk_out(&talk, ". 1+1460");
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    talk_end(&talk);
}

/* The timer finds seven lost, with no ACK that would say that anything has arrived: one goes, and
 * the others one by one, for what the ACKs tell of. */
static void the_timer_lets_one_go(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 10221-11681");
    talk_silent(&talk);
    (void)talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, ". 1+1460");
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).lost_bytes, 6 * 1460);
    talk_in(&talk, ". 1 ack 1 sack 4381-5841,10221-11681");
    talk_out(&talk, ". 1461+1460");
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1 sack 4381-7301,10221-11681");
    talk_out(&talk, ". 2921+1460");
    talk_silent(&talk);
    talk_end(&talk);
}

static void reordering_is_no_loss(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-2921");
    talk_wait_ms(&talk, 1);
    talk_in(&talk, ". 1 ack 2921"); /* late, not lost */
    assert_int_equal(talk_info(&talk).retransmissions, 0);
    talk_wait_ms(&talk, 1);
    talk_in(&talk, ". 1 ack 2921 sack 4381-10221"); /* four at once: but now reordering is known */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 14601");
    assert_int_equal(talk_info(&talk).retransmissions, 0);
    assert_int_equal(talk_info(&talk).fast_recoveries, 0);
    talk_end(&talk);
}

/* Three are enough at once as long as nothing came out of order, wherever the numbers begin. */
static void three_are_enough(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 8; i++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk.peer_port = (uint16_t)(talk.peer_port + i); /* another initial sequence number */
        talk_established(&talk);
        send_ten(&talk);
        talk_wait_ms(&talk, TALK_RTT_MS);
        talk_in(&talk, ". 1 ack 1 sack 1461-2921");
        talk_in(&talk, ". 1 ack 1 sack 1461-4381");
        talk_silent(&talk);
        talk_in(&talk, ". 1 ack 1 sack 1461-5841");
        talk_out(&talk, ". 1+1460");
        talk_end(&talk);
    }
}

/* RFC 3042: the first two duplicate ACKs each let a new segment out, and change no window. */
static void limited_transmit(void **state)
{
    (void)state;
    for (unsigned sack = 0; sack < 2; sack++) {
        struct talk talk;
        talk_begin(&talk, sack != 0 ? NULL : talk_without_sack);
        talk_established(&talk);
        talk_write(&talk, 20000);
        assert_int_equal(talk.out_count, 10);
        talk_forget(&talk);
        uint32_t cwnd = talk_info(&talk).cwnd_bytes;
        talk_in(&talk, sack != 0 ? ". 1 ack 1 sack 1461-2921" : ". 1 ack 1");
        talk_out(&talk, ". 14601+1460");
        talk_silent(&talk);
        talk_in(&talk, sack != 0 ? ". 1 ack 1 sack 1461-4381" : ". 1 ack 1");
        talk_out(&talk, ". 16061+1460");
        talk_silent(&talk);
        assert_int_equal(talk_info(&talk).cwnd_bytes, cwnd);
        assert_int_equal(talk_info(&talk).retransmissions, 0);
        talk_end(&talk);
    }
}

static void lost_retransmission_is_found(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-7301");
    talk_out(&talk, ". 1+1460");
    talk_write(&talk, 14600);
    talk_in(&talk, ". 1 ack 1 sack 1461-14601");
    talk_out(&talk, ". 14601+1460"); /* new data leaves after the retransmission */
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-16061"); /* and comes before it */
    talk_out(&talk, ". 1+1460");
    assert_int_equal(talk_info(&talk).timeouts, 0);
    talk_end(&talk);
}

static void tail_is_probed(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_in_range(waited, 2 * TALK_RTT_MS - 1, 2 * TALK_RTT_MS + 1); /* 2 SRTT */
    talk_out(&talk, "P. 13141+1460"); /* the last segment once more */
    talk_silent(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 11681 sack 13141-14601"); /* the one before it is missing */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_out(&talk, ". 11681+1460");
    assert_int_equal(talk_info(&talk).timeouts, 0);
    talk_end(&talk);
}

static void probe_prefers_new_data(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 20000); /* more than the initial window */
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, ". 14601+1460");
    assert_int_equal(talk_info(&talk).retransmissions, 0);
    talk_end(&talk);
}

static void lone_segment_waits_for_the_delayed_ack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    uint64_t waited = talk_wait_out_ms(&talk, 5000);
    /* 2 SRTT and the peer's delay, or the RTO where that is sooner: then in its stead. */
    assert_in_range(waited, TALK_RTT_MS + 199, TALK_RTT_MS + 201);
    talk_out(&talk, "P. 1+100");
    assert_int_equal(talk_info(&talk).timeouts, 0);
    assert_in_range(talk_wait_out_ms(&talk, 5000), TALK_RTT_MS + 199, TALK_RTT_MS + 201);
    talk_out(&talk, "P. 1+100");
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_end(&talk);
}

static void loss_behind_a_probe_is_heard_of(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, "P. 13141+1460");
    uint32_t before = talk_info(&talk).cwnd_bytes;
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 14601"); /* the probe mended it, without a D-SACK */
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 14601+1460");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 16061");
    assert_true(talk_info(&talk).cwnd_bytes < before); /* 7.4.2 */
    talk_end(&talk);
}

static void nothing_of_it_without_sack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 2920);
    talk_forget(&talk);
    uint64_t waited_ms = talk_wait_out_ms(&talk, 2000);
    assert_in_range(waited_ms, 200, 230); /* the timeout, no probe after two round trips */
    talk_out(&talk, ". 1+1460");
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_end(&talk);
}

static void needless_probe_costs_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, "P. 13141+1460");
    uint32_t before = talk_info(&talk).cwnd_bytes;
    talk_in(&talk, ". 1 ack 14601 sack 13141-14601"); /* it came twice: RFC 2883 */
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 14601+1460");
    talk_in(&talk, ". 1 ack 16061");
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    talk_end(&talk);
}

static void duplicates_are_told(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 101");
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 101 sack 1-101");
    talk_in(&talk, ". 301+100 ack 1");
    talk_out(&talk, ". 1 ack 101 sack 301-401");
    talk_in(&talk, ". 301+50 ack 1");
    talk_out(&talk, ". 1 ack 101 sack 301-351,301-401"); /* RFC 2883 4.2: with what it is part of */
    talk_end(&talk);
}

/* RFC 2883 4.2: of what came in one segment only a part was there already; of several parts the
 * first is told, with the block that it is of if that is still out of order. */
static void parts_that_came_twice_are_told(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1001+1000 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 1001-2001");
    talk_in(&talk, ". 2001+1000 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 1001-3001");
    talk_in(&talk, ". 4001+1000 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 4001-5001,1001-3001");
    talk_in(&talk, ". 1501+1460 ack 1"); /* within a block that is in two buffers */
    talk_out(&talk, ". 1 ack 1 sack 1501-2961,1001-3001,4001-5001");
    talk_in(&talk, ". 3501+1000 ack 1"); /* the end of it was there */
    talk_out(&talk, ". 1 ack 1 sack 4001-4501,3501-5001,1001-3001");
    talk_in(&talk, ". 7001+100 ack 1");
    talk_out(&talk, ". 1 ack 1 sack 7001-7101,3501-5001,1001-3001");
    talk_in(&talk, ". 1+1200 ack 1"); /* in order: example 4 */
    talk_out(&talk, ". 1 ack 3001 sack 1001-1201,7001-7101,3501-5001");
    talk_in(&talk, ". 2901+1400 ack 1"); /* two parts: the first is old, the second is not told */
    talk_out(&talk, ". 1 ack 5001 sack 2901-3001,7001-7101");
    talk_end(&talk);
}

static void reduction_is_proportional(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 100000);
    assert_int_equal(talk.out_count, 10);
    talk_forget(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 sack 1461-5841"); /* ssthresh is now seven of ten */
    talk_out(&talk, ". 1+1460");
    unsigned sent = 0;
    talk_forget(&talk);
    static const char *const acks[] = {". 1 ack 1 sack 1461-7301",  ". 1 ack 1 sack 1461-8761",
                                       ". 1 ack 1 sack 1461-10221", ". 1 ack 1 sack 1461-11681",
                                       ". 1 ack 1 sack 1461-13141", ". 1 ack 1 sack 1461-14601"};
    for (unsigned i = 0; i < 6; i++) {
        talk_in(&talk, acks[i]);
        assert_in_range(talk.out_count, 0, 2); /* no burst, no long silence */
        sent += talk.out_count;
        talk_forget(&talk);
    }
    assert_in_range(sent, 5, 6); /* after one that went again at once */
    talk_end(&talk);
}

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

static void spurious_timeout_is_undone(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535 mss 1460 ts 1000 0");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1 ts 1001 0");
    talk_accept(&talk);
    talk_write(&talk, 14480);
    talk_out(&talk, ". 1+1448");
    uint32_t first_ts = talk.last_tsval;
    talk_forget(&talk);
    uint32_t before = talk_info(&talk).cwnd_bytes;
    talk_wait_out_ms(&talk, 5000); /* no SACK was agreed: this is the timeout */
    talk_out(&talk, ". 1+1448");
    assert_int_equal(talk_info(&talk).timeouts, 1);
    assert_true(talk_info(&talk).cwnd_bytes < before);
    char text[64];
    snprintf(text, sizeof text, ". 1 ack 1449 ts 1100 %u", first_ts);
    talk_in(&talk, text); /* it echoes the first copy: RFC 3522 3.2 */
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    talk_silent(&talk); /* and nothing goes again */
    talk_end(&talk);
}

/* Two probes need an RTT between them. */
static void no_second_probe_without_an_rtt(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 1+1460");
    talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, "P. 1+1460"); /* the probe: its ACK will tell no RTT (Karn) */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461 sack 1-1461"); /* it came twice: no loss */
    talk_write(&talk, 14600);
    talk_forget(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_int_equal(talk_info(&talk).timeouts, 1); /* no probe: the timeout */
    assert_true(waited >= 200);
    talk_out(&talk, ". 1461+1460");
    talk_end(&talk);
}

static void what_left_late_is_not_lost_at_the_timeout(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461 sack 2921-14601"); /* the second is lost; it goes again */
    talk_out(&talk, ". 1461+1460");
    talk_wait_ms(&talk, TALK_RTT_MS + 195);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 14601+1460"); /* shortly before the timeout */
    talk_wait_out_ms(&talk, 1000);
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_out(&talk, ". 1461+1460");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_silent(&talk); /* the last is still on its way */
    talk_in(&talk, ". 1 ack 16061");
    assert_int_equal(talk_info(&talk).retransmissions, 2);
    talk_end(&talk);
}

static void timer_starts_anew_in_recovery(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack); /* so that no probe comes first */
    talk_established(&talk);
    send_ten(&talk);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 1461");
    talk_wait_ms(&talk, 150);
    talk_in(&talk, ". 1 ack 1461");
    talk_in(&talk, ". 1 ack 1461");
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460");
    talk_forget(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 1000);
    assert_in_range(waited, 209, 211); /* an RTO, not the 60 ms that were left */
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_end(&talk);
}

static uint32_t place(uint32_t number) /* of the segment with this NUMBER, from 1 */
{
    return 1 + 1460 * (number - 1);
}

/* An ACK for all before segment ACK, with SACK of the segments FROM to LAST; 2 ms later. Returns
 * how many segments it let out. */
static unsigned let_out(struct talk *talk, uint32_t ack, uint32_t from, uint32_t last)
{
    char text[64];
    talk_forget(talk);
    talk_wait_ms(talk, 2);
    snprintf(text, sizeof text, ". 1 ack %u sack %u-%u", place(ack), place(from), place(last + 1));
    talk_in(talk, text);
    return talk->out_count;
}

/* Below ssthresh an ACK lets out at least as much as it says was delivered, also where that is more
 * than the recovery has in hand, and it brings no progress (PRR-CRB). */
static void as_much_as_was_delivered(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 29200);
    assert_int_equal(talk.out_count, 10);
    talk_wait_ms(&talk, TALK_RTT_MS);
    for (uint32_t last = 5; last <= 12; last++) { /* 1 to 4 are lost, and 13 and later */
        assert_int_equal(let_out(&talk, 1, 5, last), 1);
    }
    talk_wait_ms(&talk, TALK_RTT_MS - 2);
    assert_int_equal(let_out(&talk, 2, 5, 12), 2); /* progress: one delivered, one more */
    assert_int_equal(let_out(&talk, 2, 3, 12), 2); /* two were delivered: 2 again, and one new */
    talk_out(&talk, ". 1461+1460");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9937 6.2; RFC 8985 9.3: as much as was delivered", as_much_as_was_delivered, NULL,
         NULL, NULL},
        {"RFC 8985 6.2: time tells a loss", time_tells_a_loss, NULL, NULL, NULL},
        {"RFC 9937 6.2; RFC 8985 6.2: the reordering timer lets one segment go",
         the_timer_lets_one_go, NULL, NULL, NULL},
        {"RFC 8985 6.2: reordering is no loss", reordering_is_no_loss, NULL, NULL, NULL},
        {"RFC 8985 6.2: three are enough at once", three_are_enough, NULL, NULL, NULL},
        {"RFC 3042 2: limited transmit", limited_transmit, NULL, NULL, NULL},
        {"RFC 8985 6.2: a lost retransmission is found", lost_retransmission_is_found, NULL, NULL,
         NULL},
        {"RFC 8985 4: without SACK there is no probe", nothing_of_it_without_sack, NULL, NULL,
         NULL},
        {"RFC 8985 7.3: the tail is probed", tail_is_probed, NULL, NULL, NULL},
        {"RFC 8985 7.3: a probe prefers new data", probe_prefers_new_data, NULL, NULL, NULL},
        {"RFC 8985 7.2: a lone segment waits longer", lone_segment_waits_for_the_delayed_ack, NULL,
         NULL, NULL},
        {"RFC 8985 7.4.2: a loss that the probe mended", loss_behind_a_probe_is_heard_of, NULL,
         NULL, NULL},
        {"RFC 8985 7.4.2: a needless probe", needless_probe_costs_nothing, NULL, NULL, NULL},
        {"RFC 8985 7.3: no second probe without an RTT", no_second_probe_without_an_rtt, NULL, NULL,
         NULL},
        {"RFC 8985 6.3: what left late is not lost at the timeout",
         what_left_late_is_not_lost_at_the_timeout, NULL, NULL, NULL},
        {"RFC 2883 4: duplicates are told", duplicates_are_told, NULL, NULL, NULL},
        {"RFC 2883 4.2: parts of a segment that came twice are told",
         parts_that_came_twice_are_told, NULL, NULL, NULL},
        {"RFC 6675 6: the timer starts anew in recovery", timer_starts_anew_in_recovery, NULL, NULL,
         NULL},
        {"RFC 9937 6.2: the reduction is proportional", reduction_is_proportional, NULL, NULL,
         NULL},
        {"RFC 3522 3.2: a spurious timeout is undone", spurious_timeout_is_undone, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
