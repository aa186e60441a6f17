/* SPDX-License-Identifier: MIT */
/*
 * A connection comes from another stack (berth_tcp_import): is there a place for it, and for its
 * port, and what is in its way.
 */
#include "talk.h"

#include "ports/ports.h"
#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void other_seed(struct berth_config *config)
{
    config->seed[0] ^= 1;
}

static void it_comes_once_and_only_to_its_like(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    struct talk stranger;
    struct berth_tcp_exported exported;
    berth_id id = 0;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_begin(&stranger, other_seed);
    talk_established(&first);
    assert_int_equal(berth_tcp_export(first.berth, first.id, &exported), 0);
    assert_int_equal(berth_tcp_import(stranger.berth, &exported, NULL, &id), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_import(second.berth, &exported, NULL, &id), 0);
    assert_int_equal(berth_tcp_import(second.berth, &exported, NULL, &id), BERTH_E_IN_USE);
    assert_int_equal(talk_connections(&second), 1);
    assert_int_equal(berth_tcp_abort(second.berth, id), 0);
    talk_end(&first);
    talk_end(&second);
    talk_end(&stranger);
}

static void connect_from_any_port(struct talk *talk)
{
    struct berth_endpoint remote = {talk_peer(talk), talk->peer_port};
    assert_int_equal(berth_tcp_connect(talk->berth, NULL, &remote, talk, &talk->id), 0);
    talk->port = talk_info(talk).local.port;
    talk_collect(talk);
    talk_out(talk, "S 0");
    talk_in(talk, "S. 0 ack 1 mss 1460 sackok wscale 7");
    talk_forget(talk);
}

static uint32_t taken_towards_peer(struct talk *talk)
{
    struct ports_use use = {.local = talk_stack(talk),
                            .remote = {talk_peer(talk), talk->peer_port},
                            .protocol = BERTH_TCP};
    return ports_taken(&talk->berth->ports, &use);
}

/* A port that connecting took is the new stack's to give back. */
static void its_port_goes_with_it(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    connect_from_any_port(&first);
    assert_int_equal(taken_towards_peer(&first), 1);
    talk_move(&first, &second);
    assert_int_equal(taken_towards_peer(&first), 0);
    assert_int_equal(taken_towards_peer(&second), 1);
    assert_int_equal(berth_tcp_abort(second.berth, second.id), 0);
    talk_collect(&second);
    assert_int_equal(taken_towards_peer(&second), 0);
    talk_end(&first);
    talk_end(&second);
}

static void one_endpoint(struct berth_config *config)
{
    config->limits.port_endpoints = 1;
}

/* Where there is no room for its port it can go back, or elsewhere. */
static void a_full_port_space_is_a_limit(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    struct berth_tcp_exported exported;
    berth_id other = 0;
    talk_begin(&first, NULL);
    talk_begin(&second, one_endpoint);
    struct berth_endpoint elsewhere = {talk_peer(&first), 99};
    assert_int_equal(berth_tcp_connect(second.berth, NULL, &elsewhere, NULL, &other), 0);
    connect_from_any_port(&first);
    assert_int_equal(berth_tcp_export(first.berth, first.id, &exported), 0);
    assert_int_equal(berth_tcp_import(second.berth, &exported, NULL, &second.id), BERTH_E_LIMIT);
    assert_int_equal(talk_connections(&second), 1);
    assert_int_equal(berth_tcp_import(first.berth, &exported, &first, &first.id), 0);
    talk_collect(&first);
    talk_out(&first, ". 1 ack 1");
    talk_end(&first);
    talk_end(&second);
}

static void one_connection(struct berth_config *config)
{
    config->limits.tcp_connections = 1;
}

/* A stack that has no room for it is as it was. */
static void a_full_stack_keeps_nothing_of_it(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    struct berth_tcp_exported exported;
    berth_id id = 0;
    talk_begin(&first, NULL);
    talk_begin(&second, one_connection);
    connect_from_any_port(&first);
    talk_established(&second);
    assert_int_equal(berth_tcp_export(first.berth, first.id, &exported), 0);
    assert_int_equal(berth_tcp_import(second.berth, &exported, NULL, &id), BERTH_E_LIMIT);
    assert_int_equal(taken_towards_peer(&second), 0);
    assert_int_equal(talk_connections(&second), 1);
    talk_end(&first);
    talk_end(&second);
}

/* What is left of an earlier life of its ends gives way. */
static void an_earlier_life_gives_way(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&second);
    assert_int_equal(berth_tcp_close(second.berth, second.id), 0);
    talk_collect(&second);
    talk_in(&second, "F. 1 ack 2");
    talk_forget(&second);
    assert_int_equal(talk_time_waits(&second), 1);
    talk_established(&first);
    talk_move(&first, &second);
    assert_int_equal(talk_time_waits(&second), 0);
    assert_int_equal(talk_connections(&second), 1);
    talk_end(&first);
    talk_end(&second);
}

/* Also what its owner has closed, and the peer does not answer any more: it has begun anew. Not
 * what somebody still has. */
static void a_closed_one_gives_way(void **state)
{
    (void)state;
    struct talk first;
    struct talk second;
    struct berth_tcp_exported exported;
    berth_id id = 0;
    talk_begin(&first, NULL);
    talk_begin(&second, NULL);
    talk_established(&second);
    talk_established(&first);
    assert_int_equal(berth_tcp_export(first.berth, first.id, &exported), 0);
    assert_int_equal(berth_tcp_import(second.berth, &exported, NULL, &id), BERTH_E_IN_USE);
    talk_write(&second, 10);
    assert_int_equal(berth_tcp_close(second.berth, second.id), 0);
    talk_collect(&second);
    talk_forget(&second);
    assert_int_equal(talk_connections(&second), 1);
    talk_share_peer(&second, &first);
    assert_int_equal(berth_tcp_import(second.berth, &exported, &second, &second.id), 0);
    assert_int_equal(talk_connections(&second), 1);
    talk_collect(&second);
    talk_out(&second, ". 1 ack 1");
    assert_int_equal(talk_info(&second).state, BERTH_TCP_ESTABLISHED);
    (void)talk_wait_out_ms(&second, 60000);
    talk_silent(&second);
    talk_end(&first);
    talk_end(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_once_and_only_to_its_like),
        cmocka_unit_test(its_port_goes_with_it),
        cmocka_unit_test(a_full_port_space_is_a_limit),
        cmocka_unit_test(a_full_stack_keeps_nothing_of_it),
        cmocka_unit_test(an_earlier_life_gives_way),
        cmocka_unit_test(a_closed_one_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
