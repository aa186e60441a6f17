/* SPDX-License-Identifier: MIT */
/* Window scale and timestamps (RFC 7323), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

/* A passive open with timestamps; the peer's clock stands at 1001 then. */
static void establish_with(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_listen(talk);
    talk_in(talk, "S 0 win 65535 mss 1460 sackok ts 1000 0");
    talk_out(talk, "S. 0 ack 1");
    assert_int_equal(talk->last_tsecr, 1000);
    talk_in(talk, ". 1 ack 1 ts 1001 0");
    talk_accept(talk);
}

static void establish(struct talk *talk)
{
    establish_with(talk, stamped);
}

static bool has_stamp(const struct talk *talk)
{
    const uint8_t *tcp = talk->last.data + 20;
    return (tcp[12] >> 4) > 5 && tcp[20] == 1 && tcp[21] == 1 && tcp[22] == 8;
}

static void scale_needs_both(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1"); /* not offered, so not answered */
    assert_int_equal(talk.last.data[20 + 12] >> 4, 6);
    talk_in(&talk, ". 1 ack 1 win 1000 opts 01030305"); /* too late: only a SYN has it */
    talk_accept(&talk);
    assert_false(talk_info(&talk).window_scale);
    assert_int_equal(talk_info(&talk).snd_wnd, 1000);
    assert_true(talk_info(&talk).rcv_wnd <= 65535);
    talk_end(&talk);
}

static void scale_each_way(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0 wscale 7"); /* 4 MiB */
    talk_in(&talk, "S. 0 ack 1 win 1000 wscale 3");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_info(&talk).snd_wnd, 1000); /* a SYN's is as it stands */
    uint32_t offered = talk_info(&talk).rcv_wnd;
    assert_int_equal(talk.last_window, (offered + 127) >> 7);
    talk_in(&talk, ". 1 ack 1 win 1000");
    assert_int_equal(talk_info(&talk).snd_wnd, 8000);
    talk_end(&talk);
}

static void scale_of_fifteen(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_open(&talk, "S 0 win 1000 wscale 15", "S. 0 ack 1", ". 1 ack 1 win 2");
    assert_int_equal(talk_info(&talk).snd_wscale, 14);
    assert_int_equal(talk_info(&talk).snd_wnd, 2U << 14);
    talk_end(&talk);
}

static void largest(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.receive_bytes_max = 1U << 30;
}

static void scale_that_is_sent(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, largest);
    talk_connect(&talk);
    talk_out(&talk, "S 0 wscale 14");
    talk_end(&talk);
}

static void rounding_takes_nothing_back(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0 wscale 7");
    talk_in(&talk, "S. 0 ack 1 win 1000 wscale 3");
    talk_out(&talk, ". 1 ack 1");
    uint32_t edge = 1 + (talk.last_window << 7);
    for (uint32_t i = 0; i < 16; i++) { /* by steps smaller than the unit */
        char text[64];
        snprintf(text, sizeof text, ". %u+10 ack 1", 1 + i * 10);
        talk_in(&talk, text);
        snprintf(text, sizeof text, ". 1 ack %u", 11 + i * 10);
        talk_out(&talk, text);
        uint32_t now = 11 + i * 10 + (talk.last_window << 7);
        assert_true(now >= edge);
        edge = now;
    }
    char text[64];
    snprintf(text, sizeof text, ". %u+100 ack 1", edge - 100); /* up to the edge it is taken */
    talk_in(&talk, text);
    assert_int_equal(talk_info(&talk).reorder_queue_bytes, 100);
    talk_end(&talk);
}

static void in_every_segment(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    talk_in(&talk, ". 1+10 ack 1 ts 1002 0");
    talk_out(&talk, ". 1 ack 11");
    assert_true(has_stamp(&talk));
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10");
    assert_true(has_stamp(&talk));
    talk_wait_out_ms(&talk, 10000);
    talk_out(&talk, "P. 1+10"); /* a copy, with the time of the copy */
    assert_true(has_stamp(&talk));
    talk_in(&talk, ". 11 ack 11"); /* one without is no reason to end it */
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, "S 500 ts 1003 0");
    talk_out(&talk, ". 11 ack 11"); /* a challenge too */
    assert_true(has_stamp(&talk));
    assert_int_equal(berth_tcp_abort(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "R. 11");
    assert_true(has_stamp(&talk));
    talk_end(&talk);
    talk_begin(&talk, stamped);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    assert_int_equal(talk.last_tsecr, 0);
    talk_in(&talk, "S. 0 ack 1 ts 5 5");
    talk_out(&talk, ". 1 ack 1");
    assert_true(has_stamp(&talk));
    talk_end(&talk);
}

static void not_agreed_on(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535");
    talk_out(&talk, "S. 0 ack 1");
    assert_false(has_stamp(&talk));
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_in(&talk, ". 1+10 ack 1 ts 900 0");
    talk_out(&talk, ". 1 ack 11");
    assert_false(has_stamp(&talk));
    talk_in(&talk, ". 11+10 ack 1 ts 800 0"); /* an older one too: they mean nothing */
    talk_out(&talk, ". 1 ack 21");
    talk_end(&talk);
}

static void which_is_echoed(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    talk_post(&talk, ". 1+10 ack 1 ts 1002 0"); /* three, and one ACK: the earliest's */
    talk_post(&talk, ". 11+10 ack 1 ts 1003 0");
    talk_post(&talk, ". 21+10 ack 1 ts 1004 0");
    talk_collect(&talk);
    talk_out(&talk, ". 1 ack 31");
    assert_int_equal(talk.last_tsecr, 1002);
    talk_in(&talk, ". 31+10 ack 1 ts 1005 0");
    talk_out(&talk, ". 1 ack 41");
    assert_int_equal(talk.last_tsecr, 1005);
    talk_in(&talk, ". 51+10 ack 1 ts 1006 0"); /* behind a gap: the last before it */
    talk_out(&talk, ". 1 ack 41");
    assert_int_equal(talk.last_tsecr, 1005);
    talk_in(&talk, ". 41+10 ack 1 ts 1007 0"); /* that fills it */
    talk_out(&talk, ". 1 ack 61");
    assert_int_equal(talk.last_tsecr, 1007);
    talk_end(&talk);
}

static void paws_comes_first(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    talk_in(&talk, ". 1+10 ack 1 ts 2000 0");
    talk_out(&talk, ". 1 ack 11");
    talk_in(&talk, ". 99000000+10 ack 1 ts 1999 0"); /* old and outside: old */
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OLD_TIMESTAMP), 1);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OUT_OF_WINDOW), 0);
    talk_in(&talk, ". 11+10 ack 1 ts 2000 0"); /* the same is not older */
    talk_out(&talk, ". 1 ack 21");
    talk_in(&talk, ". 21+10 ack 1 ts 2147485647 0"); /* 2^31 - 1 on: newer, round the corner */
    talk_out(&talk, ". 1 ack 31");
    talk_end(&talk);
}

static void with_ten_challenges(struct berth_config *config)
{
    stamped(config);
    config->tcp.challenge_acks_per_second = 10;
}

/* Two ends that each think the other's ACKs old do not echo for ever; text is answered, always. */
static void old_acks_are_answered_now_and_then(void **state)
{
    (void)state;
    struct talk talk;
    unsigned answers = 0;
    establish_with(&talk, with_ten_challenges);
    for (unsigned i = 0; i < 100; i++) {
        talk_in(&talk, ". 1 ack 1 ts 900 0");
        answers += talk.out_count;
        talk_forget(&talk);
    }
    assert_in_range(answers, 1, 10);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_TCP_OLD_TIMESTAMP), 100);
    talk_in(&talk, ". 1+10 ack 1 ts 900 0");
    talk_out(&talk, ". 1 ack 1");
    talk_in(&talk, "F 1 ack 1 ts 900 0");
    talk_out(&talk, ". 1 ack 1");
    talk_end(&talk);
}

static void resets_and_stamps(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    talk_in(&talk, ". 1+10 ack 1 ts 2000 0");
    talk_out(&talk, ". 1 ack 11");
    talk_in(&talk, "R 20 ts 9000 0"); /* challenged; its stamp is not kept */
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk.last_tsecr, 2000);
    talk_in(&talk, "R 11 ts 5 0"); /* not old, whatever its stamp says */
    assert_int_equal(talk.error, BERTH_E_RESET);
    talk_in(&talk, ". 11+10 ack 1 ts 2005 77"); /* of no connection: its stamps come back */
    talk_out(&talk, "R 1");
    assert_true(has_stamp(&talk));
    assert_int_equal(talk.last_tsecr, 2005);
    assert_int_equal(talk.last_tsval, 77); /* src/tcp/reset.c says why not 0 */
    talk_in(&talk, ". 11+10 ack 1");
    talk_out(&talk, "R 1");
    assert_false(has_stamp(&talk));
    talk_end(&talk);
}

static void the_clock(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    uint32_t last = 0;
    for (uint32_t i = 0; i < 12; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %u+10 ack 1 ts %u 0", 1 + i * 10, 2000 + i);
        talk_in(&talk, text);
        snprintf(text, sizeof text, ". 1 ack %u", 11 + i * 10);
        talk_out(&talk, text);
        assert_true(i == 0 || talk.last_tsval - last == 700);
        last = talk.last_tsval;
        talk_read(&talk, i * 10ULL, 10);
        talk_wait_ms(&talk, 700);
        talk_forget(&talk);
    }
    talk_end(&talk);
}

/* A forged segment just where it was expected, its ACK number a guess: its stamp, far ahead, would
 * make all that the peer sends look old. */
static void forged_stamp_is_not_kept(void **state)
{
    (void)state;
    struct talk talk;
    establish(&talk);
    talk_in(&talk, ". 1+10 ack 900000000 ts 900000000 0");
    talk_out(&talk, ". 1 ack 1"); /* RFC 5961 5.2: challenged */
    talk_in(&talk, ". 1+10 ack 1 ts 1002 0");
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk.last_tsecr, 1002);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 7323 2.2: window scale needs both", scale_needs_both, NULL, NULL, NULL},
        {"RFC 7323 2.2: window scale, each way its own", scale_each_way, NULL, NULL, NULL},
        {"RFC 7323 2.3: a shift of 15 is one of 14", scale_of_fifteen, NULL, NULL, NULL},
        {"RFC 7323 2.3: no shift above 14 is sent", scale_that_is_sent, NULL, NULL, NULL},
        {"RFC 7323 2.4; RFC 9293 SHLD-14: rounding takes nothing back", rounding_takes_nothing_back,
         NULL, NULL, NULL},
        {"RFC 7323 3.2: a timestamp in every segment", in_every_segment, NULL, NULL, NULL},
        {"RFC 7323 3.2: timestamps not agreed on", not_agreed_on, NULL, NULL, NULL},
        {"RFC 7323 4.3: which timestamp is echoed", which_is_echoed, NULL, NULL, NULL},
        {"RFC 7323 5.3: the stamp of a forged segment", forged_stamp_is_not_kept, NULL, NULL, NULL},
        {"RFC 7323 5.3: PAWS comes first", paws_comes_first, NULL, NULL, NULL},
        {"RFC 7323 5.3; RFC 5961 7: old ACKs are answered now and then",
         old_acks_are_answered_now_and_then, NULL, NULL, NULL},
        {"RFC 7323 5.2: resets and timestamps", resets_and_stamps, NULL, NULL, NULL},
        {"RFC 7323 5.4: the clock", the_clock, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
