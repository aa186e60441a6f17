/* SPDX-License-Identifier: MIT */
/* Pacing: nothing leaves before its time, and the deadline knows it (draft-ietf-ccwg-bbr 5.6.2). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void with_bbr(struct berth_config *config)
{
    (void)snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control, "bbr");
}

static void with_pacing(struct berth_config *config)
{
    config->tcp.pacing = true;
}

static void with_one_record(struct berth_config *config)
{
    with_bbr(config);
    config->limits.tcp_paced = 0;
}

/* IW is 14600, the round trip 10 ms: 2.77 times that is 4044200 bytes a second, a quantum 4044
 * bytes: three segments, then nothing for 1.08 ms. The wheel's tick may make it longer, and the
 * pace makes up for that. */
static void bbr_begins_paced(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_bbr);
    talk_established(&talk);
    talk_write(&talk, 29200);
    assert_int_equal(talk.out_count, 3);
    talk_forget(&talk);
    uint64_t wait_ns = berth_deadline(talk.berth) - talk.now_ns;
    assert_in_range(wait_ns, 900 * NS_PER_US, 1150 * NS_PER_US);
    assert_int_equal(berth_transmit(talk.berth, &(struct berth_frame){0}, 1, talk.now_ns), 0);
    unsigned sent = 3;
    for (unsigned ms = 0; ms < 4; ms++) {
        talk_wait_ms(&talk, 1);
        assert_in_range(talk.out_count, 0, 3);
        sent += talk.out_count;
        talk_forget(&talk);
    }
    assert_int_equal(sent, 10); /* the window, in a third of a round trip */
    talk_wait_ms(&talk, 3);
    talk_silent(&talk); /* cwnd is full: the pace has nothing more to let go */
    talk_end(&talk);
}

/* Without pacing the window leaves at once; with it CUBIC takes half a round trip for it. */
static void cubic_is_paced_if_told(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 14600);
    assert_int_equal(talk.out_count, 10);
    talk_end(&talk);
    talk_begin(&talk, with_pacing);
    talk_established(&talk);
    talk_write(&talk, 14600);
    assert_in_range(talk.out_count, 2, 3);
    talk_wait_ms(&talk, 2);
    assert_in_range(talk.out_count, 5, 7);
    talk_wait_ms(&talk, 3);
    assert_int_equal(talk.out_count, 10);
    talk_end(&talk);
}

/* An ACK that is owed does not wait for the pace. */
static void acks_are_not_paced(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_bbr);
    talk_established(&talk);
    talk_write(&talk, 29200);
    talk_forget(&talk);
    talk_in(&talk, "P. 1+100 ack 1");
    talk_out(&talk, ". 4381 ack 101");
    talk_silent(&talk);
    talk_end(&talk);
}

/* What went late is made up for a little, not by a burst of all that could have gone. */
static void lateness_is_no_credit(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_bbr);
    talk_established(&talk);
    talk_wait_ms(&talk, 5000);
    talk_write(&talk, 29200);
    assert_in_range(talk.out_count, 2, 4);
    talk_end(&talk);
}

/* limits.tcp_paced is reached: CUBIC, as its line says. */
static void without_a_record_bbr_is_cubic(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, with_one_record);
    talk_established(&talk);
    assert_string_equal(talk_info(&talk).congestion_control, "cubic");
    talk_write(&talk, 14600);
    assert_int_equal(talk.out_count, 10);
    talk_end(&talk);
}

/* From CUBIC to BBR and back, with data in flight. */
static void a_connection_changes_its_controller(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 29200);
    assert_int_equal(talk.out_count, 10);
    talk_forget(&talk);
    assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.id, "bbr"), 0);
    assert_string_equal(talk_info(&talk).congestion_control, "bbr");
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 14601");
    assert_in_range(talk.out_count, 2, 6); /* paced */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_forget(&talk);
    assert_int_equal(berth_tcp_set_congestion_control(talk.berth, talk.id, "newreno"), 0);
    talk_in(&talk, ". 1 ack 29201");
    talk_write(&talk, 14600);
    assert_int_equal(talk.out_count, 10);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bbr_begins_paced),
        cmocka_unit_test(cubic_is_paced_if_told),
        cmocka_unit_test(acks_are_not_paced),
        cmocka_unit_test(lateness_is_no_credit),
        cmocka_unit_test(without_a_record_bbr_is_cubic),
        cmocka_unit_test(a_connection_changes_its_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
