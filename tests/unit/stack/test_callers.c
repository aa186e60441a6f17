/* SPDX-License-Identifier: MIT */
/*
 * What the caller does wrong is an error and changes nothing: ids that are not held, ends that are
 * no unicast addresses, more committed than reserved, values of no enumeration.
 */
#include "pair.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct ends {
    berth_id listener;
    berth_id a; /* the connecting side's */
    berth_id b; /* the accepting side's */
};

static void open_pair(struct pair *pair, struct ends *ends)
{
    struct berth_endpoint at = pair_endpoint(1, false, 8080);
    struct berth_event event;
    pair_init(pair, NULL);
    assert_int_equal(berth_tcp_listen(pair->side[1], &at, 16, NULL, &ends->listener), 0);
    assert_int_equal(berth_tcp_connect(pair->side[0], NULL, &at, NULL, &ends->a), 0);
    pair_run(pair, pair->now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_accept(pair->side[1], ends->listener, NULL, &ends->b), 0);
    while (berth_next_event(pair->side[0], &event)) {
    }
}

/* ---- Held or not ----------------------------------------------------------------------------- */

static void assert_not_held(struct berth *berth, berth_id id, int error)
{
    struct berth_held held;
    assert_int_equal(berth_held(berth, id, &held), error);
    assert_int_equal(berth_held_accept(berth, id, NULL), error);
    assert_int_equal(berth_held_refuse(berth, id), error);
    assert_int_equal(berth_held_reject(berth, id, BERTH_UNREACHABLE_HOST), error);
    assert_int_equal(berth_held_drop(berth, id), error);
}

static void what_is_not_held_is_not_decided_on(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    open_pair(&pair, &ends);
    assert_not_held(pair.side[0], ends.a, BERTH_E_STATE);
    assert_not_held(pair.side[1], ends.b, BERTH_E_STATE);
    assert_not_held(pair.side[1], ends.listener, BERTH_E_STALE);
    assert_int_equal(berth_tcp_shutdown(pair.side[0], ends.a), 0);
    assert_int_equal(berth_tcp_shutdown(pair.side[1], ends.b), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    for (int side = 0; side < 2; side++) { /* over, and its owner's until it is given back */
        berth_id id = side == 0 ? ends.a : ends.b;
        assert_not_held(pair.side[side], id, BERTH_E_STATE);
        assert_int_equal(berth_tcp_close(pair.side[side], id), 0);
        assert_not_held(pair.side[side], id, BERTH_E_STALE);
    }
    pair_done(&pair);
}

/* The id of what side 1 holds, of its next event. */
static berth_id next_held(struct pair *pair)
{
    struct berth_event event;
    pair_run(pair, pair->now_ns + NS_PER_S / 2);
    while (berth_next_event(pair->side[1], &event)) {
        if ((event.bits & BERTH_EVENT_HELD) != 0) {
            return event.id;
        }
    }
    fail_msg("nothing is held");
    return 0;
}

static void a_reason_is_one_of_four(void **state)
{
    (void)state;
    static const int wrong[] = {-2, -1, BERTH_UNREACHABLE_PROHIBITED + 1, 99};
    struct berth_endpoint at = pair_endpoint(1, false, 8080);
    struct berth_held held;
    struct pair pair;
    berth_id ids[2];
    pair_init(&pair, NULL);
    berth_intercept(pair.side[1], true);
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &ids[0]), 0);
    berth_id tcp = next_held(&pair);
    assert_int_equal(berth_udp_open(pair.side[0], NULL, &at, NULL, &ids[1]), 0);
    assert_int_equal(berth_udp_write(pair.side[0], ids[1], NULL, "x", 1), 0);
    berth_id udp = next_held(&pair);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enum berth_unreachable reason = (enum berth_unreachable)wrong[i];
        assert_int_equal(berth_held_reject(pair.side[1], tcp, reason), BERTH_E_INVALID);
        assert_int_equal(berth_held_reject(pair.side[1], udp, reason), BERTH_E_INVALID);
    }
    assert_int_equal(berth_held(pair.side[1], tcp, &held), 0);
    assert_int_equal(berth_held(pair.side[1], udp, &held), 0);
    assert_int_equal(berth_held_accept(pair.side[1], tcp, NULL), 0);
    assert_not_held(pair.side[1], tcp, BERTH_E_STATE);
    assert_int_equal(berth_held_accept(pair.side[1], udp, NULL), 0);
    assert_not_held(pair.side[1], udp, BERTH_E_STATE);
    pair_done(&pair);
}

/* One that its peer or its time has ended is told of, and given back by the same calls. */
static void what_ended_while_held_is_given_back(void **state)
{
    (void)state;
    struct berth_endpoint at = pair_endpoint(1, false, 8080);
    struct berth_held held;
    struct pair pair;
    berth_id id;
    pair_init(&pair, NULL);
    berth_intercept(pair.side[1], true);
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &id), 0);
    berth_id tcp = next_held(&pair);
    berth_advance(pair.side[1], pair.now_ns + 200 * NS_PER_S);
    assert_int_equal(berth_held(pair.side[1], tcp, &held), 0);
    assert_int_equal(berth_held_accept(pair.side[1], tcp, NULL), BERTH_E_TIMED_OUT);
    assert_int_equal(berth_held_drop(pair.side[1], tcp), 0);
    assert_not_held(pair.side[1], tcp, BERTH_E_STALE);
    pair_done(&pair);
}

/* ---- Ends that nobody can be ----------------------------------------------------------------- */

static struct berth_endpoint endpoint(const char *text)
{
    struct berth_endpoint out;
    assert_int_equal(berth_endpoint_parse(text, &out), 0);
    return out;
}

static const char *const nobody[] = {"224.0.0.1:9", "255.255.255.255:9", "0.0.0.0:9",
                                     "[ff02::1]:9", "10.9.0.255:9",      "10.9.0.1:0"};

static void nobody_is_called(void **state)
{
    (void)state;
    struct pair pair;
    berth_id id = 0;
    berth_id unconnected;
    pair_init(&pair, NULL);
    assert_int_equal(berth_udp_open(pair.side[1], NULL, NULL, NULL, &unconnected), 0);
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        struct berth_endpoint to = endpoint(nobody[i]);
        assert_int_equal(berth_tcp_connect(pair.side[1], NULL, &to, NULL, &id), BERTH_E_INVALID);
        assert_int_equal(berth_udp_open(pair.side[1], NULL, &to, NULL, &id), BERTH_E_INVALID);
        assert_int_equal(berth_udp_write(pair.side[1], unconnected, &to, "x", 1), BERTH_E_INVALID);
    }
    assert_int_equal(id, 0);
    pair_done(&pair);
}

static void nobody_is_us(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        uint8_t bits;
        int error;
    } cases[] = {
        {"10.7.0.255", 96 + 24, BERTH_E_INVALID},
        {"10.7.0.0", 96 + 24, BERTH_E_INVALID},
        {"255.255.255.255", 128, BERTH_E_INVALID},
        {"224.0.0.1", 128, BERTH_E_INVALID},
        {"0.0.0.0", 128, BERTH_E_INVALID},
        {"10.7.0.1", 95, BERTH_E_INVALID},
        {"10.7.0.1", 129, BERTH_E_INVALID},
        {"10.7.0.255", 96 + 23, 0},
        {"10.8.0.0", 96 + 31, 0},
        {"10.8.0.3", 128, 0},
    };
    struct pair pair;
    pair_init(&pair, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct berth_prefix prefix = {.bits = cases[i].bits};
        assert_int_equal(berth_address_parse(cases[i].address, &prefix.address), 0);
        assert_int_equal(berth_address_add(pair.side[0], &prefix), cases[i].error);
    }
    pair_done(&pair);
}

/* RFC 1122 3.2.1.3: no source of a packet. */
static void nobody_calls(void **state)
{
    (void)state;
    static const char *const from[] = {"224.0.0.1:9", "255.255.255.255:9", "10.9.0.255:9"};
    struct berth_endpoint to = pair_endpoint(1, false, 8080);
    struct pair pair;
    berth_id id = 0;
    pair_init(&pair, NULL);
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        struct berth_endpoint local = endpoint(from[i]);
        assert_int_equal(berth_tcp_connect(pair.side[0], &local, &to, NULL, &id), BERTH_E_INVALID);
        assert_int_equal(berth_udp_open(pair.side[0], &local, &to, NULL, &id), BERTH_E_INVALID);
    }
    assert_int_equal(id, 0);
    pair_done(&pair);
}

/* ---- Reserve and commit ---------------------------------------------------------------------- */

static void only_what_was_reserved_is_committed(void **state)
{
    (void)state;
    struct berth_view views[4];
    uint8_t got[64];
    uint32_t count;
    size_t bytes;
    struct pair pair;
    struct ends ends;
    open_pair(&pair, &ends);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 1), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_write(pair.side[0], ends.a, "0123", 4, &bytes), 0);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 1),
                     BERTH_E_INVALID); /* in its buffer */
    assert_int_equal(berth_tcp_reserve(pair.side[0], ends.a, 6, views, 4, &count), 0);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 7), BERTH_E_INVALID);
    memcpy(views[0].data, "456789", 6);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 6), 0); /* it stood */
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 1), BERTH_E_INVALID);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_read(pair.side[1], ends.b, got, sizeof got, &bytes), 0);
    assert_int_equal(bytes, 10);
    assert_memory_equal(got, "0123456789", 10);
    pair_done(&pair);
}

/* The room behind the last byte goes with that byte's buffer, once it is acknowledged. */
static void a_reservation_goes_with_its_buffer(void **state)
{
    (void)state;
    struct berth_view views[4];
    uint8_t got[64];
    uint32_t count;
    size_t bytes;
    struct pair pair;
    struct ends ends;
    open_pair(&pair, &ends);
    assert_int_equal(berth_tcp_write(pair.side[0], ends.a, "0123", 4, &bytes), 0);
    assert_int_equal(berth_tcp_reserve(pair.side[0], ends.a, 4000, views, 4, &count), 0);
    assert_true(count > 1);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 3000), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_commit(pair.side[0], ends.a, 1), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_write(pair.side[0], ends.a, "4", 1, &bytes), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_read(pair.side[1], ends.b, got, sizeof got, &bytes), 0);
    assert_int_equal(bytes, 5);
    assert_memory_equal(got, "01234", 5);
    pair_done(&pair);
}

/* No view is no end of the stream. */
static void a_look_without_a_view_shows_nothing(void **state)
{
    (void)state;
    struct berth_view view;
    uint32_t count = 7;
    size_t bytes;
    struct pair pair;
    struct ends ends;
    open_pair(&pair, &ends);
    assert_int_equal(berth_tcp_write(pair.side[0], ends.a, "0123", 4, &bytes), 0);
    assert_int_equal(berth_tcp_shutdown(pair.side[0], ends.a), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_peek(pair.side[1], ends.b, &view, 0, &count), BERTH_E_INVALID);
    assert_int_equal(count, 7);
    assert_int_equal(berth_tcp_peek(pair.side[1], ends.b, &view, 1, &count), 0);
    assert_int_equal(count, 1);
    pair_done(&pair);
}

/* ---- Values of no enumeration ---------------------------------------------------------------- */

static void an_outcome_of_no_direction_is_nobodys(void **state)
{
    (void)state;
    struct pair pair;
    struct berth_scan scan;
    struct berth_contact contact = {.protocol = BERTH_TCP};
    pair_init(&pair, NULL);
    contact.guarded = pair_endpoint(0, false, 1);
    contact.peer = pair_endpoint(1, false, 1);
    for (int i = 0; i < 64; i++) {
        contact.peer.port++;
        contact.direction = (enum berth_direction)(i % 2 == 0 ? -1 : 2);
        berth_contact_outcome(pair.side[0], &contact, BERTH_OUTCOME_FAILURE);
        contact.direction = i % 2 == 0 ? BERTH_IN : BERTH_OUT;
        berth_contact_outcome(pair.side[0], &contact, (enum berth_outcome)(2 + i));
        berth_contact_outcome(pair.side[0], &contact, (enum berth_outcome) - 1);
    }
    assert_false(berth_next_scan(pair.side[0], &scan));
    pair_done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_held_is_not_decided_on),
        cmocka_unit_test(a_reason_is_one_of_four),
        cmocka_unit_test(what_ended_while_held_is_given_back),
        cmocka_unit_test(nobody_is_called),
        cmocka_unit_test(nobody_is_us),
        cmocka_unit_test(nobody_calls),
        cmocka_unit_test(only_what_was_reserved_is_committed),
        cmocka_unit_test(a_reservation_goes_with_its_buffer),
        cmocka_unit_test(a_look_without_a_view_shows_nothing),
        cmocka_unit_test(an_outcome_of_no_direction_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
