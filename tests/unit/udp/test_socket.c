/* SPDX-License-Identifier: MIT */
/*
 * Sockets: found by both ends, limited, held and accepted, gone with their ids.
 */
#include "tests/unit/udp/fixture.h"

static int setup(void **state)
{
    *state = fixture_new();
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void connected_ones_are_found_by_both_ends(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_flow other = fixture_flow(1001);
    struct udp_flow echo = flow;
    struct udp_socket *socket;
    struct udp_socket *again;

    assert_null(udp_find(&f->udp, &flow));
    assert_int_equal(udp_open(&f->udp, &flow, f, &socket), BERTH_OK);
    assert_ptr_equal(udp_find(&f->udp, &flow), socket);
    assert_ptr_equal(socket->user, f);
    assert_int_equal(udp_open(&f->udp, &flow, NULL, &again), BERTH_E_IN_USE);
    assert_null(udp_find(&f->udp, &other));
    echo.protocol = BERTH_ICMP;
    assert_null(udp_find(&f->udp, &echo));
    other = flow;
    other.local.port = 54;
    assert_null(udp_find(&f->udp, &other));
    udp_close(&f->udp, socket);
    assert_null(udp_find(&f->udp, &flow));
}

static void limit_is_told(void **state)
{
    struct fixture *f = *state;
    struct udp_socket *sockets[FIXTURE_SOCKETS];
    struct udp_socket *more = NULL;

    for (uint16_t i = 0; i < FIXTURE_SOCKETS; i++) {
        struct udp_flow flow = fixture_flow((uint16_t)(1000 + i));

        assert_int_equal(udp_open(&f->udp, &flow, NULL, &sockets[i]), BERTH_OK);
        assert_int_equal(f->stats.udp_sockets, i + 1);
    }
    struct udp_flow flow = fixture_flow(2000);
    struct berth_verdict verdict = {.action = BERTH_ALLOW};
    assert_int_equal(udp_open(&f->udp, &flow, NULL, &more), BERTH_E_LIMIT);
    assert_null(udp_hold(&f->udp, &flow, &verdict, 0));
    /* Each is found among the others, and taken out from among them. */
    for (uint16_t i = 0; i < FIXTURE_SOCKETS; i++) {
        flow = fixture_flow((uint16_t)(1000 + i));
        assert_ptr_equal(udp_find(&f->udp, &flow), sockets[i]);
        udp_close(&f->udp, sockets[i]);
        assert_null(udp_find(&f->udp, &flow));
    }
    assert_int_equal(f->stats.udp_sockets, 0);
}

static void ids_of_closed_ones_are_stale(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_socket *socket;
    uint32_t index;
    uint32_t generation;

    assert_null(udp_at(&f->udp, 0, 0)); /* never taken */
    assert_int_equal(udp_open(&f->udp, &flow, NULL, &socket), BERTH_OK);
    index = pool_index(&f->udp.sockets, socket);
    generation = socket->generation;
    assert_ptr_equal(udp_at(&f->udp, index, generation), socket);
    assert_ptr_equal(udp_at(&f->udp, index, generation | 0xc0000000U), socket);
    assert_null(udp_at(&f->udp, index, generation + 1));
    assert_null(udp_at(&f->udp, index + 1, generation));
    udp_close(&f->udp, socket);
    assert_null(udp_at(&f->udp, index, generation));
    assert_null(udp_at(&f->udp, index, generation + 1)); /* free now */
    assert_int_equal(udp_open(&f->udp, &flow, NULL, &socket), BERTH_OK);
    assert_int_equal(pool_index(&f->udp.sockets, socket), index);
    assert_null(udp_at(&f->udp, index, generation));
    udp_close(&f->udp, socket);
}

static struct udp_socket *hold(struct fixture *f, const struct udp_flow *flow, uint64_t now_ns)
{
    struct berth_verdict verdict = {.action = BERTH_ALLOW, .log = true, .rule = 3};
    struct udp_socket *socket = udp_hold(&f->udp, flow, &verdict, now_ns);

    assert_non_null(socket);
    return socket;
}

static void held_one_waits_for_its_owner(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_socket *socket = hold(f, &flow, 0);

    assert_int_equal(socket->verdict.rule, 3);
    assert_int_equal(fixture_deliver(f, socket, fixture_datagram(f, &flow, 10, 1)),
                     BERTH_DROP_NONE);
    udp_on_error(&f->udp, socket, BERTH_E_REFUSED);
    assert_ptr_equal(events_next(&f->events), &socket->event);
    assert_int_equal(socket->event.bits, BERTH_EVENT_HELD); /* nothing to read before */
    socket->event.bits = 0;
    assert_null(events_next(&f->events));
    udp_accept(&f->udp, socket, f);
    assert_false(socket->held);
    assert_ptr_equal(socket->user, f);
    assert_false(timer_is_set(&socket->timer));
    assert_ptr_equal(events_next(&f->events), &socket->event);
    assert_int_equal(socket->event.bits, BERTH_EVENT_READABLE);
    udp_close(&f->udp, socket);
}

static void accepting_unread_forgets_the_held_event(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_socket *socket = hold(f, &flow, 0);

    udp_accept(&f->udp, socket, NULL);
    assert_null(events_next(&f->events));
    udp_close(&f->udp, socket);
}

static void held_one_goes_when_nobody_decides(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_socket *socket = hold(f, &flow, NS_PER_S);
    struct timer *timer;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(fixture_deliver(f, socket, fixture_datagram(f, &flow, 10, 1)),
                         BERTH_DROP_NONE);
    }
    assert_null(timers_expire(&f->timers, NS_PER_S + FIXTURE_HELD_NS - 1));
    timer = timers_expire(&f->timers, NS_PER_S + FIXTURE_HELD_NS + NS_PER_MS);
    assert_non_null(timer);
    assert_int_equal(timer->kind, UDP_TIMER_HELD);
    udp_on_timer(&f->udp, timer);
    assert_null(udp_find(&f->udp, &flow));
    assert_null(events_next(&f->events));
    assert_int_equal(f->stats.drops[BERTH_DROP_HELD_LIMIT], 3);
}

static void room_is_told_once_to_each_that_waits(void **state)
{
    struct fixture *f = *state;
    struct udp_flow flow = fixture_flow(1000);
    struct udp_flow other = fixture_flow(1001);
    struct udp_socket *a;
    struct udp_socket *b;

    assert_int_equal(udp_open(&f->udp, &flow, NULL, &a), BERTH_OK);
    assert_int_equal(udp_open(&f->udp, &other, NULL, &b), BERTH_OK);
    udp_on_room(&f->udp);
    assert_null(events_next(&f->events));
    udp_wait_for_room(&f->udp, a, 1);
    udp_wait_for_room(&f->udp, a, 1);
    udp_wait_for_room(&f->udp, b, 1);
    udp_close(&f->udp, b); /* leaves the line */
    udp_on_room(&f->udp);
    assert_ptr_equal(events_next(&f->events), &a->event);
    assert_int_equal(a->event.bits, BERTH_EVENT_WRITABLE);
    assert_null(events_next(&f->events));
    udp_on_room(&f->udp);
    assert_null(events_next(&f->events));
    udp_close(&f->udp, a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connected_ones_are_found_by_both_ends),
        TEST(limit_is_told),
        TEST(ids_of_closed_ones_are_stale),
        TEST(held_one_waits_for_its_owner),
        TEST(accepting_unread_forgets_the_held_event),
        TEST(held_one_goes_when_nobody_decides),
        TEST(room_is_told_once_to_each_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
