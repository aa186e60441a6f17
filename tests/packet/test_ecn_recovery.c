/* SPDX-License-Identifier: MIT */
/* Marks and losses in one window of data (RFC 3168 6.1.2), and what must not be undone. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void with_newreno(struct berth_config *config)
{
    strcpy(config->tcp.congestion_control, "newreno");
}

static void with_timestamps(struct berth_config *config)
{
    with_newreno(config);
    config->tcp.timestamps = true;
}

static void without_sack(struct berth_config *config)
{
    with_newreno(config);
    config->tcp.sack = false;
}

/* SYN: what the peer offers. */
static void established(struct talk *talk, void (*change)(struct berth_config *config),
                        const char *syn, const char *ack)
{
    talk_begin(talk, change);
    talk_listen(talk);
    talk_in(talk, syn);
    talk_out(talk, "S.E 0 ack 1 tos 0");
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ack);
    talk_accept(talk);
    talk_silent(talk);
}

/* A timeout that was none, and marks too or not. */
static uint32_t ssthresh_after_a_spurious_timeout(const char *flags)
{
    struct talk talk;
    char text[64];
    established(&talk, with_timestamps, "SEC 0 mss 1460 ts 1000 0", ". 1 ack 1 ts 1001 0");
    talk_write(&talk, 14480);
    talk_out(&talk, ". 1+1448");
    uint32_t first_ts = talk.last_tsval;
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, ". 1+1448 tos 0");
    assert_int_equal(talk_info(&talk).timeouts, 1);
    snprintf(text, sizeof text, "%s 1 ack 1449 ts 1100 %u", flags, first_ts);
    talk_in(&talk, text); /* it echoes the first copy (RFC 3522 3.2) */
    uint32_t ssthresh = talk_info(&talk).ssthresh_bytes;
    talk_end(&talk);
    return ssthresh;
}

static void marks_forbid_the_undoing(void **state)
{
    (void)state;
    assert_int_equal(ssthresh_after_a_spurious_timeout("."), UINT32_MAX);
    assert_int_equal(ssthresh_after_a_spurious_timeout(".E"), 7240);
}

/* The tail's loss, that its probe mended, was in the window of a mark. */
static void a_loss_behind_a_probe(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, with_newreno, "SEC 0 mss 1460 sackok", ". 1 ack 1");
    talk_write(&talk, 7300);
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 1000);
    talk_out(&talk, "P. 5841+1460 tos 0");
    talk_write(&talk, 5840);
    talk_out(&talk, ". 7301+1460 tos 2");
    talk_forget(&talk);
    talk_in(&talk, ".E 1 ack 1461");
    uint32_t ssthresh = talk_info(&talk).ssthresh_bytes;
    assert_in_range(ssthresh, 2920, 13140);
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ".E 1 ack 8761"); /* RFC 8985 7.4.2: no D-SACK, so it was lost */
    assert_int_equal(talk_info(&talk).ssthresh_bytes, ssthresh);
    talk_end(&talk);
}

/* Without SACK it is duplicate ACKs that pace recovery, from the window that marks left. */
static void a_loss_without_sack(void **state)
{
    (void)state;
    struct talk talk;
    established(&talk, without_sack, "SEC 0 mss 1460", ". 1 ack 1");
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_in(&talk, ".E 1 ack 2921");
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    for (unsigned i = 0; i < 3; i++) {
        talk_in(&talk, ".E 1 ack 2921");
    }
    assert_int_equal(talk_info(&talk).fast_recoveries, 1);
    assert_int_equal(talk_info(&talk).ssthresh_bytes, 7300);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 7300);
    talk_end(&talk);
}

/* Slow start after a timeout does not grow on an echo either. */
static uint32_t cwnd_after_a_timeout(const char *flags)
{
    struct talk talk;
    char text[64];
    established(&talk, without_sack, "SEC 0 mss 1460", ". 1 ack 1");
    talk_write(&talk, 14600);
    talk_forget(&talk);
    talk_wait_out_ms(&talk, 5000);
    talk_out(&talk, ". 1+1460 tos 0");
    assert_int_equal(talk_info(&talk).timeouts, 1);
    snprintf(text, sizeof text, "%s 1 ack 1461", flags);
    talk_in(&talk, text);
    uint32_t cwnd = talk_info(&talk).cwnd_bytes;
    talk_end(&talk);
    return cwnd;
}

static void no_growth_after_a_timeout(void **state)
{
    (void)state;
    assert_int_equal(cwnd_after_a_timeout("."), 2920);
    assert_int_equal(cwnd_after_a_timeout(".E"), 1460);
}

/* The sender's window may be small by now: its CWR is not kept waiting. */
static void cwr_is_answered_at_once(void **state)
{
    (void)state;
    struct talk talk;
    char text[64];
    established(&talk, NULL, "SEC 0 mss 1460 sackok", ". 1 ack 1");
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof text, ". %u+100 ack 1 tos 2", 1 + i * 100);
        talk_in(&talk, text);
        talk_wait_ms(&talk, 100);
    }
    talk_forget(&talk);
    talk_in(&talk, ". 4001+100 ack 1 tos 2");
    talk_silent(&talk);
    talk_in(&talk, "C. 4101+100 ack 1 tos 2");
    talk_out(&talk, ". 1 ack 4201");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 3168 6.1.2: marks forbid the undoing", marks_forbid_the_undoing, NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a loss behind a probe in the window of a mark", a_loss_behind_a_probe,
         NULL, NULL, NULL},
        {"RFC 3168 6.1.2: a loss without SACK in the window of a mark", a_loss_without_sack, NULL,
         NULL, NULL},
        {"RFC 3168 6.1.2: no growth on an echo after a timeout", no_growth_after_a_timeout, NULL,
         NULL, NULL},
        {"RFC 3168 6.1.3: CWR is answered at once", cwr_is_answered_at_once, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
