/* SPDX-License-Identifier: MIT */
/* F-RTO (RFC 5682): spurious timeouts found out without timestamps; the basic algorithm without
 * SACK, and the one with. */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void without_frto(struct berth_config *config)
{
    talk_without_sack(config);
    config->tcp.frto = false;
}

/* Ten segments are out and MORE waits; nothing is heard until the timeout. The probe before it, if
 * there is SACK, is answered by nothing either. Returns the window before. */
static uint32_t time_out(struct talk *talk, void (*change)(struct berth_config *), uint32_t more)
{
    talk_begin(talk, change);
    talk_established(talk);
    talk_write(talk, 14600 + more);
    talk_forget(talk);
    uint32_t before = talk_info(talk).cwnd_bytes;
    while (talk_info(talk).timeouts == 0) {
        talk_forget(talk);
        talk_wait_out_ms(talk, 1000);
    }
    talk_out(talk, ". 1+1460");
    talk_silent(talk);
    assert_true(talk_info(talk).cwnd_bytes < before);
    return before;
}

static void a_late_ack_is_found_out(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, talk_without_sack, 14600);
    talk_in(&talk, ". 1 ack 1461"); /* 2b: new data, two segments of it */
    talk_out(&talk, ". 14601+1460");
    talk_out(&talk, ". 16061+1460");
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 2921"); /* 3b: that was sent before the timeout, and only then */
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 14601");
    assert_int_equal(talk_info(&talk).retransmissions, 1); /* nothing else went twice */
    talk_end(&talk);
}

static void a_duplicate_means_loss(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, talk_without_sack, 14600);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 14601+1460");
    talk_out(&talk, ". 16061+1460");
    talk_in(&talk, ". 1 ack 1461"); /* 3a: the new one came, and the old are missing */
    talk_out(&talk, ". 1461+1460");
    assert_true(talk_info(&talk).cwnd_bytes <= 3 * 1460);
    assert_true(talk_info(&talk).cwnd_bytes < before);
    talk_end(&talk);
}

static void a_duplicate_at_once_means_loss(void **state)
{
    (void)state;
    struct talk talk;
    (void)time_out(&talk, talk_without_sack, 14600);
    talk_in(&talk, ". 1 ack 1");
    talk_in(&talk, ". 1 ack 1461"); /* 2a came first: what was sent goes again */
    talk_out(&talk, ". 1461+1460");
    talk_end(&talk);
}

static void part_of_the_segment_proves_nothing(void **state)
{
    (void)state;
    struct talk talk;
    (void)time_out(&talk, talk_without_sack, 14600);
    talk_in(&talk, ". 1 ack 701");
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460"); /* 2a */
    talk_end(&talk);
}

static void without_new_data_it_is_not_tried(void **state)
{
    (void)state;
    struct talk talk;
    (void)time_out(&talk, talk_without_sack, 0);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460"); /* 2b: conventionally */
    talk_end(&talk);
}

static void an_ack_of_all_proves_nothing(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, talk_without_sack, 14600);
    talk_in(&talk, ". 1 ack 14601"); /* 2a */
    assert_true(talk_info(&talk).cwnd_bytes < before);
    talk_end(&talk);
}

static void a_second_timeout_of_the_same_segment(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, talk_without_sack, 14600);
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, ". 1+1460");
    assert_int_equal(talk_info(&talk).timeouts, 2);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 14601+1460");
    talk_out(&talk, ". 16061+1460");
    talk_in(&talk, ". 1 ack 2921");
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    talk_end(&talk);
}

static void a_timeout_in_recovery_is_not_asked_about(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 29200);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1");
    talk_in(&talk, ". 1 ack 1");
    talk_in(&talk, ". 1 ack 1");
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 1000);
    assert_int_equal(talk_info(&talk).timeouts, 1);
    talk_out(&talk, ". 1+1460");
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460");
    talk_end(&talk);
}

static void off_means_off(void **state)
{
    (void)state;
    struct talk talk;
    (void)time_out(&talk, without_frto, 14600);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 1461+1460");
    talk_end(&talk);
}

/* With SACK: the probe took 14601 to 16061 already. */
static void with_sack_a_late_ack_is_found_out(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, NULL, 14600);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 16061+1460");
    talk_out(&talk, ". 17521+1460");
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1461 sack 2921-4381"); /* 3b: a SACK of what was sent before */
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    assert_int_equal(talk_info(&talk).retransmissions, 1);
    talk_end(&talk);
}

static void with_sack_duplicates_are_waited_out(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, NULL, 14600);
    talk_in(&talk, ". 1 ack 1"); /* step 2: a duplicate changes nothing */
    talk_silent(&talk);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 16061+1460");
    talk_out(&talk, ". 17521+1460");
    talk_in(&talk, ". 1 ack 2921");
    assert_true(talk_info(&talk).cwnd_bytes >= before);
    talk_end(&talk);
}

static void with_sack_news_of_the_new_means_loss(void **state)
{
    (void)state;
    struct talk talk;
    uint32_t before = time_out(&talk, NULL, 14600);
    talk_in(&talk, ". 1 ack 1461");
    talk_out(&talk, ". 16061+1460");
    talk_out(&talk, ". 17521+1460");
    talk_in(&talk, ". 1 ack 1461 sack 16061-17521"); /* 3a */
    talk_out(&talk, ". 1461+1460");
    assert_true(talk_info(&talk).cwnd_bytes <= 3 * 1460);
    assert_true(talk_info(&talk).cwnd_bytes < before);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 5682 2.1: a late ACK is found out", a_late_ack_is_found_out, NULL, NULL, NULL},
        {"RFC 5682 2.1: a duplicate means loss", a_duplicate_means_loss, NULL, NULL, NULL},
        {"RFC 5682 2.1: a duplicate at once means loss", a_duplicate_at_once_means_loss, NULL, NULL,
         NULL},
        {"RFC 5682 2.1: part of the segment proves nothing", part_of_the_segment_proves_nothing,
         NULL, NULL, NULL},
        {"RFC 5682 2.1: without new data it is not tried", without_new_data_it_is_not_tried, NULL,
         NULL, NULL},
        {"RFC 5682 2.1: an ACK of all proves nothing", an_ack_of_all_proves_nothing, NULL, NULL,
         NULL},
        {"RFC 5682 2.1: a second timeout of the same segment", a_second_timeout_of_the_same_segment,
         NULL, NULL, NULL},
        {"RFC 5682 2.1: a timeout in recovery is not asked about",
         a_timeout_in_recovery_is_not_asked_about, NULL, NULL, NULL},
        {"RFC 5682 2.1: it can be turned off", off_means_off, NULL, NULL, NULL},
        {"RFC 5682 3.1: with SACK, a late ACK is found out", with_sack_a_late_ack_is_found_out,
         NULL, NULL, NULL},
        {"RFC 5682 3.1: with SACK, duplicates are waited out", with_sack_duplicates_are_waited_out,
         NULL, NULL, NULL},
        {"RFC 5682 3.1: with SACK, news of the new means loss",
         with_sack_news_of_the_new_means_loss, NULL, NULL, NULL},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
