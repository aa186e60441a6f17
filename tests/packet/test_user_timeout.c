/* SPDX-License-Identifier: MIT */
/* The user timeout option (RFC 5482), clause by clause. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int set(struct talk *talk, enum berth_tcp_option option, uint64_t value)
{
    return berth_tcp_set(talk->berth, talk->id, option, value);
}

static void enabled(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.timeout_option = true;
}

static uint64_t timeout_s(struct talk *talk)
{
    return talk_info(talk).user_timeout_ns / NS_PER_S;
}

static void off_unless_asked_for(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 uto 600");
    talk_out(&talk, ". 1 ack 11 uto 0");
    assert_int_equal(timeout_s(&talk), 300);
    assert_int_equal(talk_info(&talk).peer_timeout_ns, 0);
    talk_end(&talk);
}

static void told_on_syns_and_once_after(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_connect(&talk);
    talk_out(&talk, "S 0 uto 300"); /* what holds unless somebody asks for more */
    talk_in(&talk, "S. 0 ack 1 win 65535 mss 1460 uto 400");
    talk_out(&talk, ". 1 ack 1 uto 300");
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 uto 0");
    assert_int_equal(timeout_s(&talk), 400);
    talk_end(&talk);

    talk_begin(&talk, enabled);
    talk_listen(&talk);
    assert_int_equal(
        berth_tcp_set(talk.berth, talk.listener, BERTH_TCP_TIMEOUT_ADVERTISED_NS, 500 * NS_PER_S),
        0);
    talk_in(&talk, "S 0 win 65535 mss 1460 uto 600");
    talk_out(&talk, "S. 0 ack 1 uto 500");
    talk_in(&talk, ". 1 ack 1 uto 600"); /* here it is taken in: the SYN's may not be kept */
    talk_accept(&talk);
    assert_int_equal(timeout_s(&talk), 600);
    talk_write(&talk, 1460); /* full: no room for it */
    talk_out(&talk, "P. 1+1460 uto 0");
    talk_write(&talk, 1456);
    talk_in(&talk, ". 1 ack 1461");
    talk_forget(&talk);
    talk_end(&talk);
}

static void what_is_new_is_told(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_established(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 uto 300");
    talk_in(&talk, ". 1 ack 11");
    assert_int_equal(set(&talk, BERTH_TCP_USER_TIMEOUT_NS, 40000 * NS_PER_S), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 11+10 uto 33435"); /* 667 minutes: 32768 + 667 */
    talk_in(&talk, ". 1 ack 21");
    assert_int_equal(set(&talk, BERTH_TCP_TIMEOUT_ADVERTISED_NS, 1500 * NS_PER_MS), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 21+10 uto 2");
    talk_in(&talk, ". 1 ack 31");
    assert_int_equal(set(&talk, BERTH_TCP_TIMEOUT_OPTION, 0), 0);
    assert_int_equal(set(&talk, BERTH_TCP_TIMEOUT_ADVERTISED_NS, 7 * NS_PER_S), 0);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 31+10 uto 0");
    talk_end(&talk);
}

static void adopted_within_limits(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 uto 5"); /* ours is longer */
    assert_int_equal(timeout_s(&talk), 300);
    assert_int_equal(talk_info(&talk).peer_timeout_ns, 5 * NS_PER_S);
    assert_int_equal(set(&talk, BERTH_TCP_TIMEOUT_ADVERTISED_NS, 2 * NS_PER_S), 0);
    talk_in(&talk, "P. 11+10 ack 1 uto 3"); /* neither asks for more than the least */
    assert_int_equal(timeout_s(&talk), 100);
    talk_in(&talk, "P. 21+10 ack 1 uto 32800"); /* 32 minutes */
    assert_int_equal(timeout_s(&talk), 32 * 60);
    talk_in(&talk, "P. 31+10 ack 1 uto 65535"); /* 22 days */
    assert_int_equal(timeout_s(&talk), 3600);
    talk_in(&talk, "P. 41+10 ack 1 opts 1c040000"); /* reserved */
    talk_in(&talk, "P. 51+10 ack 1 opts 1c048000");
    talk_in(&talk, "P. 61+10 ack 1 opts 1c06000700000101"); /* out of shape */
    assert_int_equal(timeout_s(&talk), 3600);
    assert_int_equal(talk_info(&talk).bytes_received, 70); /* the rest of the segment counts */
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_USER_TIMEOUT_NS, 0), 0);
    assert_int_equal(timeout_s(&talk), 300);
    talk_end(&talk);
}

static void the_owners_word_stands(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_established(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_USER_TIMEOUT_NS, 20 * NS_PER_S), 0);
    talk_in(&talk, "P. 1+10 ack 1 uto 600");
    assert_int_equal(timeout_s(&talk), 20);
    assert_int_equal(talk_info(&talk).peer_timeout_ns, 600 * NS_PER_S); /* told all the same */
    assert_int_equal(set(&talk, BERTH_TCP_TIMEOUT_CHANGEABLE, 1), 0);
    talk_in(&talk, "P. 11+10 ack 1 uto 601");
    assert_int_equal(timeout_s(&talk), 601);
    talk_end(&talk);
}

/* What was adopted is what decides. */
static void it_is_waited_for_so_long(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 uto 1000");
    talk_write(&talk, 10);
    talk_forget(&talk);
    for (unsigned i = 0; i < 99; i++) {
        talk_wait_ms(&talk, 10000);
        talk_forget(&talk);
    }
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_wait_ms(&talk, 20000);
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSED);
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
    talk_end(&talk);
}

static void keep_alive_waits_longer(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, enabled);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 uto 1000");
    talk_forget(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_KEEPALIVE_IDLE_NS, 10 * NS_PER_S), 0);
    assert_int_equal(set(&talk, BERTH_TCP_KEEPALIVE, 1), 0);
    talk_forget(&talk);
    assert_in_range(talk_wait_out_ms(&talk, 2000000), 1000000, 1001100);
    talk_out(&talk, ". 0+0");
    talk_end(&talk);
}

static void stamped(struct berth_config *config)
{
    config->tcp.timestamps = true;
    config->tcp.timeout_option = true;
}

/* Timestamps and three SACK blocks leave no room. */
static void no_room_for_it(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, stamped);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok ts 100 0");
    talk_out(&talk, "S. 0 ack 1 uto 300");
    char text[128];
    (void)snprintf(text, sizeof text, ". 1 ack 1 ts 101 %u", talk.last_tsval);
    talk_in(&talk, text);
    talk_accept(&talk);
    for (unsigned i = 0; i < 4; i++) { /* four gaps */
        (void)snprintf(text, sizeof text, ". %u+100 ack 1 ts 102 %u", 1001 + 1000 * i,
                       talk.last_tsval);
        talk_in(&talk, text);
    }
    talk_out(&talk, ". 1 ack 1 uto 300");
    talk_forget(&talk);
    assert_int_equal(set(&talk, BERTH_TCP_USER_TIMEOUT_NS, 50 * NS_PER_S), 0);
    talk_in(&talk, text);
    talk_out(&talk, ". 1 ack 1 uto 0");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 5482 3: off unless asked for", off_unless_asked_for, NULL, NULL, NULL},
        {"RFC 5482 3, 3.2: told on SYNs and once after", told_on_syns_and_once_after, NULL, NULL,
         NULL},
        {"RFC 5482 3, 3.3: what is new is told", what_is_new_is_told, NULL, NULL, NULL},
        {"RFC 5482 3.1, 3.4: adopted within limits", adopted_within_limits, NULL, NULL, NULL},
        {"RFC 5482 3, 3.1: the owner's word stands", the_owners_word_stands, NULL, NULL, NULL},
        {"RFC 5482 3.1: it is waited for so long", it_is_waited_for_so_long, NULL, NULL, NULL},
        {"RFC 5482 4.2: keep-alive waits longer", keep_alive_waits_longer, NULL, NULL, NULL},
        {"RFC 5482 3: no room for it", no_room_for_it, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
