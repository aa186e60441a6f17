/* SPDX-License-Identifier: MIT */
/* What the owner sets and is told (RFC 9293 3.8.3, 3.9.1.8, 3.9.1.9, 3.9.2): ICMP, soft errors,
 * DSCP and TTL, segment by segment. */
#include "talk.h"

#include "base/bytes.h"
#include "ip/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void in_flight(struct talk *talk)
{
    talk_established(talk);
    talk_write(talk, 100);
    talk_out(talk, "P. 1+100");
    talk->events = 0;
}

static void soft_errors_do_not_end_it(void **state)
{
    (void)state;
    static const struct {
        struct talk_icmp icmp;
        int error;
    } soft[] = {
        {{ICMP4_UNREACHABLE, ICMP4_NETWORK, 1, 0}, BERTH_E_NET_UNREACHABLE},
        {{ICMP4_UNREACHABLE, ICMP4_HOST, 1, 0}, BERTH_E_HOST_UNREACHABLE},
        {{ICMP4_UNREACHABLE, ICMP4_SOURCE_ROUTE, 1, 0}, BERTH_E_HOST_UNREACHABLE},
        {{ICMP4_TIME_EXCEEDED, 0, 1, 0}, BERTH_E_HOST_UNREACHABLE},
        {{ICMP4_TIME_EXCEEDED, 1, 1, 0}, BERTH_E_HOST_UNREACHABLE},
        {{ICMP4_PARAMETER_PROBLEM, 0, 1, 0}, BERTH_E_HOST_UNREACHABLE},
    };
    struct talk talk;
    talk_begin(&talk, NULL);
    in_flight(&talk);
    for (size_t i = 0; i < sizeof soft / sizeof *soft; i++) {
        talk_icmp(&talk, &soft[i].icmp);
        assert_true((talk.events & BERTH_EVENT_SOFT_ERROR) != 0);
        assert_int_equal(talk.soft_error, soft[i].error);
        assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
        talk.events = 0;
    }
    talk_in(&talk, ". 1 ack 101");
    talk_end(&talk);
}

static void soft_errors_over_ipv6(void **state)
{
    (void)state;
    static const struct talk_icmp soft[] = {
        {ICMP6_UNREACHABLE, ICMP6_NETWORK, 1, 0},
        {ICMP6_UNREACHABLE, ICMP6_HOST, 1, 0},
        {ICMP6_TIME_EXCEEDED, 0, 1, 0},
        {ICMP6_TIME_EXCEEDED, 1, 1, 0},
        {ICMP6_PARAMETER_PROBLEM, 0, 1, 0},
        {ICMP6_PARAMETER_PROBLEM, ICMP6_NEXT_HEADER, 1, 0},
        {ICMP6_PARAMETER_PROBLEM, 2, 1, 0},
    };
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.v6 = true;
    in_flight(&talk);
    for (size_t i = 0; i < sizeof soft / sizeof *soft; i++) {
        talk_icmp(&talk, &soft[i]);
        assert_true((talk.events & BERTH_EVENT_SOFT_ERROR) != 0);
        assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
        talk.events = 0;
    }
    talk_end(&talk);
}

static void only_about_what_is_in_flight(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    in_flight(&talk);
    struct talk_icmp icmp = {ICMP4_UNREACHABLE, ICMP4_HOST, 0, 0};
    talk_icmp(&talk, &icmp); /* acknowledged long ago: RFC 5927 4.1 */
    icmp.seq = 101;          /* not sent yet */
    talk_icmp(&talk, &icmp);
    assert_int_equal(talk.events, 0);
    talk.port = TALK_PORT + 1; /* another connection's */
    icmp.seq = 1;
    talk_icmp(&talk, &icmp);
    assert_int_equal(talk.events, 0);
    talk_end(&talk);
}

static void hard_errors_end_the_opening(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        int error;
    } hard[] = {{ICMP4_PROTOCOL, BERTH_E_REFUSED},
                {ICMP4_PORT, BERTH_E_REFUSED},
                {ICMP4_PROHIBITED, BERTH_E_PROHIBITED}};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk_connect(&talk);
        talk_out(&talk, "S 0");
        struct talk_icmp icmp = {ICMP4_UNREACHABLE, hard[i].code, 0, 0};
        talk_icmp(&talk, &icmp);
        assert_true((talk.events & BERTH_EVENT_CLOSED) != 0);
        assert_int_equal(talk.error, hard[i].error);
        talk_end(&talk);
    }
}

static void unreachable_ends_the_opening(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0");
    struct talk_icmp icmp = {ICMP4_UNREACHABLE, ICMP4_HOST, 0, 0};
    talk_icmp(&talk, &icmp);
    assert_int_equal(talk.error, BERTH_E_HOST_UNREACHABLE);
    talk_end(&talk);
}

static void source_quench(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    in_flight(&talk);
    uint32_t cwnd = talk_info(&talk).cwnd_bytes;
    struct talk_icmp icmp = {ICMP4_SOURCE_QUENCH, 0, 1, 0};
    talk_icmp(&talk, &icmp);
    talk_silent(&talk);
    assert_int_equal(talk.events, 0);
    assert_int_equal(talk_info(&talk).cwnd_bytes, cwnd);
    talk_end(&talk);
}

static void excessive_retransmissions(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    in_flight(&talk);
    unsigned copies = 0;
    for (unsigned i = 0; i < 20 && (talk.events & BERTH_EVENT_SOFT_ERROR) == 0; i++) {
        talk_wait_out_ms(&talk, 60000);
        copies += talk.out_count;
        talk_forget(&talk);
    }
    assert_int_equal(copies, 4); /* R1, at least three: a tail loss probe, and three timeouts' */
    assert_int_equal(talk.soft_error, BERTH_E_TIMED_OUT);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED); /* R2 is further on */
    talk.events = 0;
    talk_in(&talk, ". 1 ack 101");
    talk_write(&talk, 10);
    talk_out(&talk, "P. 101+10");
    talk_wait_out_ms(&talk, 60000);
    assert_int_equal(talk.events & BERTH_EVENT_SOFT_ERROR, 0); /* counted anew */
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_connect(&talk); /* and of SYNs the same */
    talk_wait_ms(&talk, 8000);
    assert_true((talk.events & BERTH_EVENT_SOFT_ERROR) != 0);
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_SENT);
    talk_end(&talk);
}

static void what_icmp_told_is_the_reason(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    in_flight(&talk);
    struct talk_icmp icmp = {ICMP4_UNREACHABLE, ICMP4_NETWORK, 1, 0};
    talk_icmp(&talk, &icmp);
    for (unsigned i = 0; i < 100 && (talk.events & BERTH_EVENT_CLOSED) == 0; i++) {
        talk_wait_ms(&talk, 30000);
        talk_forget(&talk);
    }
    assert_int_equal(talk.error, BERTH_E_NET_UNREACHABLE);
    talk_end(&talk);
}

static void dscp_and_ttl(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.dscp = 10;
    config->tcp.hop_limit = 3;
}

static void configured_for_all(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, dscp_and_ttl);
    talk_open(&talk, "S 0 win 1000", "S. 0 ack 1 tos 40 ttl 3", ". 1 ack 1 win 1000 tos 184");
    assert_int_equal(talk_info(&talk).dscp, 10);
    assert_int_equal(talk_info(&talk).dscp_received, 46);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 tos 40 ttl 3");
    talk.peer_port = 5;
    talk_in(&talk, ". 7 ack 1");
    talk_out(&talk, "R 1 tos 40 ttl 3");
    talk_end(&talk);
}

static void set_for_one(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk);
    talk_out(&talk, "S 0 tos 0 ttl 64");
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_DSCP, 46), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_HOP_LIMIT, 255), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_DSCP, 64), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_HOP_LIMIT, 0), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_HOP_LIMIT, 256), BERTH_E_INVALID);
    talk_in(&talk, "S. 0 ack 1");
    talk_out(&talk, ". 1 ack 1 tos 184 ttl 255");
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_DSCP, 1), 0); /* and again */
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 tos 4 ttl 255");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "F. 11 tos 4 ttl 255");
    talk_in(&talk, "F. 1 ack 12");
    talk_out(&talk, ". 12 ack 2 tos 4 ttl 255"); /* TIME-WAIT's */
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk.v6 = true;
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_DSCP, 63), 0);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_HOP_LIMIT, 1), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 tos 252 ttl 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-54, MUST-56, SHLD-25, MUST-47: soft errors do not end a connection",
         soft_errors_do_not_end_it, NULL, NULL, NULL},
        {"RFC 9293 MUST-54, MUST-56, SHLD-25: soft errors over IPv6", soft_errors_over_ipv6, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-54: ICMP about what is not in flight", only_about_what_is_in_flight, NULL,
         NULL, NULL},
        {"RFC 9293 SHLD-26: hard errors end the opening", hard_errors_end_the_opening, NULL, NULL,
         NULL},
        {"RFC 5461 4.1: unreachable ends the opening", unreachable_ends_the_opening, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-55: source quench", source_quench, NULL, NULL, NULL},
        {"RFC 9293 SHLD-9, SHLD-10, MUST-20, MUST-22, MUST-47: R1 is told",
         excessive_retransmissions, NULL, NULL, NULL},
        {"RFC 1122 4.2.3.9: what ICMP told is the reason", what_icmp_told_is_the_reason, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-48, MUST-49, SHLD-22, MAY-9: DSCP and TTL of all", configured_for_all, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-48, MUST-49, SHLD-21, SHLD-22: DSCP and TTL of one", set_for_one, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
