/* SPDX-License-Identifier: MIT */
/* The header, its options and the segment size (RFC 9293 3.1, 3.2, 3.7.1), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

static void checksums(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk); /* talk_out verifies the sum of whatever the stack sends */
    talk_in(&talk, "P. 1+10 ack 1 badsum");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BAD_CHECKSUM), 1);
    assert_int_equal(talk_info(&talk).bytes_received, 0);
    talk_in(&talk, "P. 1+11 ack 1"); /* an odd length */
    talk_out(&talk, ". 1 ack 12");
    talk_write(&talk, 7);
    talk_out(&talk, "P. 1+7");
    talk_end(&talk);
}

static void checksums_over_ipv6(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.v6 = true;
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 badsum");
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BAD_CHECKSUM), 1);
    talk_in(&talk, "P. 1+10 ack 1");
    talk_out(&talk, ". 1 ack 11");
    talk_end(&talk);
}

static void end_nop_and_mss(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    /* NOP, MSS 700, NOP, then the end, and behind the end what would be nonsense */
    talk_in(&talk, "S 0 win 1000 opts 01020402bc0100ff");
    talk_out(&talk, "S. 0 ack 1 mss 1460");
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 700);
    talk_end(&talk);
}

static void options_in_any_segment(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 opts 01010101");
    talk_out(&talk, ". 1 ack 11");
    talk_in(&talk, "P. 11+10 ack 1 opts fd06beef00000101"); /* an experiment's (RFC 4727) */
    talk_out(&talk, ". 1 ack 21");
    talk_in(&talk, "P. 21+10 ack 1 opts 63020100"); /* a kind that nobody has, at its least */
    talk_out(&talk, ". 1 ack 31");
    talk_in(&talk, "F. 31 ack 1 opts 0101010101010101010101010101010101010101"
                   "0101010101010101010101010101010101010101");
    talk_out(&talk, ". 1 ack 32");
    talk_end(&talk);
}

static void illegal_lengths(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    static const char *const wrong[] = {
        "P. 1+10 ack 1 opts fd000000",                         /* 0: would never end */
        "P. 1+10 ack 1 opts fd010000",                         /* less than itself */
        "P. 1+10 ack 1 opts fd050000",                         /* past the header */
        "P. 1+10 ack 1 opts 010101fd",                         /* no length at all */
        "P. 1+10 ack 1 opts 050b0000000000000000000000000000", /* SACK, not of whole blocks */
        "P. 1+10 ack 1 opts 08090000000000000000000000000000", /* timestamps, one short */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        talk_in(&talk, wrong[i]);
        assert_int_equal(talk_drops(&talk, BERTH_DROP_BAD_TCP_OPTION), i + 1);
    }
    talk_silent(&talk);
    talk_in(&talk, "P. 1+10 ack 1"); /* nothing has come of them */
    talk_out(&talk, ". 1 ack 11");
    talk_end(&talk);
}

static void unaligned_options(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_listen(&talk);
    /* NOP, timestamps (value 0x00010203) on an odd byte, MSS 1000 on an odd byte, NOP */
    talk_in(&talk, "S 0 win 1000 opts 01080a0001020300000000020403e801");
    talk_out(&talk, "S. 0 ack 1 ts 0 0");
    assert_int_equal(talk.last_tsecr, 0x00010203);
    talk_in(&talk, ". 1 ack 1 win 1000 ts 66052 0");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1000 - 12);
    assert_true(talk_info(&talk).timestamps);
    talk_end(&talk);
}

/* Every option of what was sent last but NOP has a length that leads to the next one, no MSS is on
 * a segment without SYN, and what follows the end is zero. */
static void check_sent_options(const struct talk *talk)
{
    const uint8_t *tcp = talk->last.data + (talk->v6 ? 40 : 20);
    const uint8_t *at = tcp + 20;
    const uint8_t *end = tcp + (tcp[12] >> 4) * 4;
    while (at < end && *at != 0) {
        assert_false((*at == 2 || *at == 4) && (tcp[13] & 2) == 0); /* MSS, SACK-permitted */
        if (*at == 1) {
            at++;
            continue;
        }
        assert_true(end - at >= 2 && at[1] >= 2 && at[1] <= end - at);
        at += at[1];
    }
    while (at < end) {
        assert_int_equal(*at++, 0);
    }
}

static void what_is_sent_is_well_formed(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct talk talk;
        bool sack = (variant & 1) != 0;
        talk_begin(&talk, (variant & 2) != 0 ? stamped : NULL);
        talk_listen(&talk);
        talk_in(&talk, sack ? "S 0 win 65535 mss 1460 ts 5 0 sackok wscale 2"
                            : "S 0 win 65535 mss 1460 ts 5 0");
        talk_out(&talk, "S. 0 ack 1");
        check_sent_options(&talk);
        talk_in(&talk, ". 1 ack 1 ts 6 0");
        talk_accept(&talk);
        talk_in(&talk, ". 101+100 ack 1 ts 6 0");
        talk_out(&talk, ". 1 ack 1");
        check_sent_options(&talk);
        talk_in(&talk, ". 301+100 ack 1 ts 6 0");
        talk_out(&talk, ". 1 ack 1");
        check_sent_options(&talk);
        talk_write(&talk, 50);
        talk_out(&talk, "P. 1+50");
        check_sent_options(&talk);
        assert_int_equal(berth_tcp_abort(talk.berth, talk.id), 0);
        talk_collect(&talk);
        talk_out(&talk, "R. 51");
        check_sent_options(&talk);
        talk_end(&talk);
    }
}

static void mss_is_sent_and_obeyed(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0 mss 1460");
    talk_in(&talk, "S. 0 ack 1 win 10000 mss 500");
    talk_out(&talk, ". 1 ack 1");
    talk_write(&talk, 1200);
    talk_out(&talk, ". 1+500");
    talk_out(&talk, ". 501+500");
    talk_out(&talk, "P. 1001+200");
    talk_end(&talk);
}

static void mss_over_ipv6(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.v6 = true;
    talk_connect(&talk);
    talk_out(&talk, "S 0 mss 1440");
    talk_in(&talk, "S. 0 ack 1 win 10000");
    talk_out(&talk, ". 1 ack 1");
    assert_int_equal(talk_info(&talk).mss_send, 1220);
    talk_write(&talk, 1300);
    talk_out(&talk, ". 1+1220");
    talk_out(&talk, "P. 1221+80");
    talk_end(&talk);
}

static void small_mtu(struct berth_config *config)
{
    config->mtu = 576;
    config->tcp.timestamps = true;
}

static void effective_send_mss(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_mtu);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535 mss 9000 sackok ts 1 0"); /* it would take more than the link */
    talk_out(&talk, "S. 0 ack 1 mss 536");                  /* no options taken off: RFC 6691 */
    talk_in(&talk, ". 1 ack 1 ts 2 0");
    talk_accept(&talk);
    talk_write(&talk, 600);
    talk_out(&talk, ". 1+524"); /* 536, less the timestamps */
    talk_in(&talk, ". 1 ack 525 ts 3 0");
    talk_out(&talk, "P. 525+76");
    talk_in(&talk, ". 101+10 ack 601 ts 4 0");
    talk_out(&talk, ". 601 ack 1");
    talk_write(&talk, 600);
    talk_out(&talk, ". 601+512"); /* and less a SACK block */
    talk_end(&talk);
}

static void mss_follows_the_link(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_mtu);
    talk_connect(&talk);
    talk_out(&talk, "S 0 mss 536"); /* 576, less the fixed headers: what comes fits a buffer */
    assert_true(talk.config.limits.buffer_bytes >= 536 + 40);
    talk_in(&talk, "S. 0 ack 1 mss 1460 ts 1 0");
    talk_out(&talk, ". 1 ack 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-2, MUST-3: checksums", checksums, NULL, NULL, NULL},
        {"RFC 9293 MUST-2, MUST-3: checksums over IPv6", checksums_over_ipv6, NULL, NULL, NULL},
        {"RFC 9293 MUST-4: end of options, NOP, MSS", end_nop_and_mss, NULL, NULL, NULL},
        {"RFC 9293 MUST-5, MUST-6: options in any segment, and unknown ones",
         options_in_any_segment, NULL, NULL, NULL},
        {"RFC 9293 MUST-7: illegal option lengths", illegal_lengths, NULL, NULL, NULL},
        {"RFC 9293 MUST-64: options at any byte", unaligned_options, NULL, NULL, NULL},
        {"RFC 9293 MUST-65, MUST-68, MUST-69; RFC 2018 2: options that are sent",
         what_is_sent_is_well_formed, NULL, NULL, NULL},
        {"RFC 9293 MUST-14, MAY-3: the MSS is sent and obeyed", mss_is_sent_and_obeyed, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-15, SHLD-5: the MSS over IPv6", mss_over_ipv6, NULL, NULL, NULL},
        {"RFC 9293 MUST-16: the effective send MSS", effective_send_mss, NULL, NULL, NULL},
        {"RFC 9293 MUST-67, SHLD-5: the MSS is what the link takes", mss_follows_the_link, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
