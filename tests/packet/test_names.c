/* SPDX-License-Identifier: MIT */
/* Sequence numbers to begin with, OPEN calls, addresses (RFC 9293 3.4.1, 3.5, 3.9.1.1, 3.9.2). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The number that the stack begins with, seeded with SEED, for a SYN from PORT after MS. */
static uint8_t the_seed;
static void seeded(struct berth_config *config)
{
    config->seed[0] = the_seed;
    config->tcp.timestamps = false;
}

static uint32_t isn_of(uint8_t seed, uint16_t port, uint64_t ms)
{
    struct talk talk;
    the_seed = seed;
    talk_begin(&talk, seeded);
    talk_listen(&talk);
    talk_wait_ms(&talk, ms);
    talk.peer_port = port;
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t iss = talk.iss;
    talk_end(&talk);
    return iss;
}

static void isn_clock(void **state)
{
    (void)state;
    /* Of one four-tuple they differ by the 4-microsecond clock and by nothing else. */
    uint32_t first = isn_of(1, 5000, 0);
    assert_int_equal(isn_of(1, 5000, 1) - first, 250);
    assert_int_equal(isn_of(1, 5000, 10000) - first, 2500000);
}

static void isn_is_keyed(void **state)
{
    (void)state;
    uint32_t base = isn_of(1, 5000, 0);
    unsigned near = 0;
    for (uint16_t port = 5001; port < 5033; port++) { /* another four-tuple: far away */
        uint32_t away = isn_of(1, port, 0) - base;
        near += away < 1U << 20 || away > 0U - (1U << 20) ? 1 : 0;
    }
    assert_true(near <= 1);
    for (uint8_t seed = 2; seed < 34; seed++) { /* another secret: nothing can be told from ours */
        uint32_t away = isn_of(seed, 5000, 0) - base;
        near += away < 1U << 20 || away > 0U - (1U << 20) ? 1 : 0;
    }
    assert_true(near <= 2);
}

static void listen_beside_a_connection(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk); /* from TALK_PORT, in SYN-SENT now */
    talk_out(&talk, "S 0");
    talk_listen(&talk);
    talk.peer_port = 5000;
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk.peer_port = 5001;
    talk_in(&talk, "S 0 win 1000"); /* and beside one in SYN-RECEIVED */
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_connections(&talk), 1);
    assert_int_equal(talk_half_open(&talk), 2);
    talk_end(&talk);
}

static void listening_disturbs_nobody(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    struct berth_endpoint at = {.address = talk_stack(&talk), .port = TALK_PORT};
    berth_id second = 0;
    assert_int_equal(berth_tcp_listen(talk.berth, &at, 4, NULL, &second), BERTH_E_IN_USE);
    at.port = TALK_PORT + 1;
    assert_int_equal(berth_tcp_listen(talk.berth, &at, 4, NULL, &second), 0);
    talk_in(&talk, "P. 1+10 ack 1");
    talk_out(&talk, ". 1 ack 11");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk.peer_port = 5000;
    talk_in(&talk, "S 0 win 1000"); /* the first listener still listens */
    talk_out(&talk, "S. 0 ack 1");
    talk_end(&talk);
}

static void the_local_address_given(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    struct berth_prefix second = {.address = talk_address("10.9.0.77"), .bits = 96 + 24};
    assert_int_equal(berth_address_add(talk.berth, &second), 0);
    struct berth_endpoint from = {.address = second.address, .port = TALK_PORT};
    struct berth_endpoint to = {.address = talk_peer(&talk), .port = TALK_PEER_PORT};
    assert_int_equal(berth_tcp_connect(talk.berth, &from, &to, NULL, &talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "S 0");
    assert_memory_equal(talk.last.data + 12, second.address.bytes + 12, 4);
    talk_in(&talk, "S. 0 ack 1 to 10.9.0.77");
    talk_out(&talk, ". 1 ack 1");
    assert_memory_equal(talk.last.data + 12, second.address.bytes + 12, 4);
    /* A listener that names an address takes what comes to that address alone. */
    talk_listen(&talk);
    talk.peer_port = 5000;
    talk_in(&talk, "S 0 win 1000 to 10.9.0.77");
    talk_out(&talk, "R. 0");
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_end(&talk);
}

static void the_local_address_chosen(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    struct berth_prefix second = {.address = talk_address("172.20.0.1"), .bits = 96 + 16};
    assert_int_equal(berth_address_add(talk.berth, &second), 0);
    struct berth_endpoint to = {.address = talk_address("172.20.3.3"), .port = TALK_PEER_PORT};
    assert_int_equal(berth_tcp_connect(talk.berth, NULL, &to, NULL, &talk.id), 0);
    talk_collect(&talk);
    talk.port = talk_info(&talk).local.port;
    talk_out(&talk, "S 0"); /* from the address of that network */
    assert_memory_equal(talk.last.data + 12, second.address.bytes + 12, 4);
    talk_in(&talk, "S. 0 ack 1 from 172.20.3.3 to 172.20.0.1");
    talk_out(&talk, ". 1 ack 1");
    assert_memory_equal(talk.last.data + 12, second.address.bytes + 12, 4);
    talk_write(&talk, 10); /* and so it stays (MUST-45) */
    talk_out(&talk, "P. 1+10");
    assert_memory_equal(talk.last.data + 12, second.address.bytes + 12, 4);
    talk_end(&talk);
}

static void opening_to_nobody(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    static const char *const wrong[] = {"10.9.0.255", "255.255.255.255", "224.0.0.1",
                                        "0.0.0.0",    "ff02::1",         "::"};
    struct berth_prefix all = {.address = talk_address("0.0.0.0"), .bits = 96};
    struct berth_prefix all6 = {.address = talk_address("::"), .bits = 0};
    assert_int_equal(berth_route_add(talk.berth, &all), 0);
    assert_int_equal(berth_route_add(talk.berth, &all6), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct berth_endpoint to = {.address = talk_address(wrong[i]), .port = 80};
        assert_true(berth_tcp_connect(talk.berth, NULL, &to, NULL, &talk.id) < 0);
    }
    talk_collect(&talk);
    talk_silent(&talk);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void nobody_speaks_from_there(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 from 224.0.0.5");
    talk_in(&talk, "S 0 win 1000 from 255.255.255.255");
    talk_in(&talk, "S 0 win 1000 from 10.9.0.255");
    talk_in(&talk, "S 0 win 1000 from 127.0.0.1");
    talk_in(&talk, "S 0 win 1000 from 0.0.0.0");
    talk_in(&talk, "S 0 win 1000 from 240.0.0.1");
    talk_in(&talk, "S 0 win 1000 from 10.9.0.1"); /* the stack's own */
    talk.v6 = true;
    talk_in(&talk, "S 0 win 1000 from ff02::1");
    talk_in(&talk, "S 0 win 1000 from ::");
    talk_in(&talk, "S 0 win 1000 from ::1");
    talk_silent(&talk);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void to_everybody_is_to_nobody(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    struct berth_endpoint any = {.address = talk_address("::"), .port = TALK_PORT};
    assert_int_equal(berth_tcp_listen(talk.berth, &any, 4, NULL, &talk.listener), 0);
    talk_in(&talk, "S 0 win 1000 to 10.9.0.255");
    talk_in(&talk, "S 0 win 1000 to 255.255.255.255");
    talk_in(&talk, "S 0 win 1000 to 224.0.0.1");
    talk_in(&talk, "P. 0+5 ack 9 to 224.0.0.1");
    talk.v6 = true;
    talk_in(&talk, "S 0 win 1000 to ff02::1");
    talk_silent(&talk); /* not even a RST */
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_MULTICAST), 5);
    talk_end(&talk);
}

static void ip_options_are_passed_over(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 ipopts 94040000"); /* router alert */
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 1 win 1000 ipopts 4408050000000000"); /* timestamp */
    /* one that nobody knows, record route, and it again behind the end */
    talk_in(&talk, "P. 1+10 ack 1 win 1000 ipopts 9e04000007070400000000009e040000");
    talk_out(&talk, ". 1 ack 11");
    talk_end(&talk);
}

static void source_routes_are_refused(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 ipopts 830708000000000001000000");
    talk_in(&talk, "S 0 win 1000 ipopts 890708000000000001000000");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_SOURCE_ROUTE), 2);
    talk_end(&talk);
}

static void syn_received_remembers_where_it_came_from(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_connect(&talk); /* actively: the owner is told that it was refused */
    talk_out(&talk, "S 0");
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_RECEIVED);
    talk_in(&talk, "R 1");
    assert_true((talk.events & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(talk.error, BERTH_E_REFUSED);
    talk_end(&talk);
    talk_begin(&talk, NULL);
    talk_listen(&talk); /* passively: nobody is told, and the next SYN is answered */
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, "R 1");
    assert_int_equal(talk.events, 0);
    assert_int_equal(talk_connections(&talk), 0);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-8: the clock in initial sequence numbers", isn_clock, NULL, NULL, NULL},
        {"RFC 9293 MUST-9, SHLD-1: initial sequence numbers are keyed", isn_is_keyed, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-11: SYN-RECEIVED remembers where it came from",
         syn_received_remembers_where_it_came_from, NULL, NULL, NULL},
        {"RFC 9293 MUST-41: listening disturbs no connection", listening_disturbs_nobody, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-42: listening beside a connection of the same port",
         listen_beside_a_connection, NULL, NULL, NULL},
        {"RFC 9293 MUST-43: the local address that was given", the_local_address_given, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-44, MUST-45: the local address is chosen, and stays",
         the_local_address_chosen, NULL, NULL, NULL},
        {"RFC 9293 MUST-46: no OPEN to broadcast, multicast or nobody", opening_to_nobody, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-63: a SYN from an address that nobody has", nobody_speaks_from_there, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-57: a segment to broadcast or multicast", to_everybody_is_to_nobody, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-50: IP options are passed over", ip_options_are_passed_over, NULL, NULL,
         NULL},
        {"RFC 7126 4.3: source routes are refused", source_routes_are_refused, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
