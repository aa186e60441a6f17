/* SPDX-License-Identifier: MIT */
/*
 * Limits at a stack: what it lets through counts, both ways, and what is beyond is refused and told
 * of; what is its owner's to decide on counts when the owner says so.
 */
#include "gate.h"

static const struct ends web = {"10.0.2.100", "198.51.100.7", 5000, 443};

static void expect_refused(struct gate *gate)
{
    struct berth_contact contact;
    struct wire_packet packet;
    struct berth_event event;

    assert_false(berth_next_event(gate->berth, &event));
    assert_true(take(gate, &packet));
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(contact.verdict.action, BERTH_DENY);
    assert_int_equal(contact.verdict.reason, BERTH_REASON_BY_LIMIT);
    assert_int_equal(contact.verdict.rule, 0);
}

static berth_id expect_event(struct gate *gate)
{
    struct berth_event event;

    assert_true(berth_next_event(gate->berth, &event));
    assert_int_equal(event.bits, BERTH_EVENT_HELD);
    return event.id;
}

static void what_goes_out_is_limited(void **state)
{
    struct gate *gate = *state;

    rules(gate, "allow out any limit 2/minute");
    put_syn(gate, &web);
    assert_int_equal(berth_held_drop(gate->berth, expect_event(gate)), BERTH_OK);
    put_udp(gate, &web, 30, 1);
    assert_int_equal(berth_held_drop(gate->berth, expect_event(gate)), BERTH_OK);
    put_echo(gate, &web, 1);
    expect_refused(gate);
    gate->now_ns += 30 * NS_PER_S;
    put_syn(gate, &web);
    assert_int_equal(berth_held_drop(gate->berth, expect_event(gate)), BERTH_OK);
    put_syn(gate, &web);
    expect_refused(gate);
}

static void what_comes_in_is_limited(void **state)
{
    struct gate *gate = *state;
    struct berth_endpoint from = {address_of("198.51.100.7"), 4000};
    struct berth_endpoint other = {address_of("198.51.100.8"), 4000};
    struct berth_endpoint to = {address_of("10.0.2.100"), 8080};
    struct berth_contact contact;
    struct wire_packet packet;
    struct berth_event event;
    berth_id ids[2];

    rules(gate, "allow in 8080 limit 1/hour");
    assert_int_equal(berth_tcp_connect(gate->berth, &from, &to, NULL, &ids[0]), BERTH_OK);
    from.port++;
    assert_int_equal(berth_tcp_connect(gate->berth, &from, &to, NULL, &ids[1]), BERTH_E_DENIED);
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(contact.verdict.reason, BERTH_REASON_BY_LIMIT);
    assert_int_equal(berth_tcp_connect(gate->berth, &other, &to, NULL, &ids[1]), BERTH_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(berth_tcp_abort(gate->berth, ids[i]), BERTH_OK);
    }
    while (take(gate, &packet) || berth_next_event(gate->berth, &event)) {
    }
}

/* What the owner decides on is held however often, until the owner takes it. */
static void the_owner_takes_what_it_decides_on(void **state)
{
    static const char *const policies[] = {"ask out any limit 1/hour",
                                           "allow out any by curl limit 1/hour"};
    struct gate *gate = *state;

    for (int i = 0; i < 2; i++) {
        struct berth_contact_query query = {.direction = BERTH_OUT,
                                            .protocol = BERTH_TCP,
                                            .peer = address_of(web.to),
                                            .port = web.to_port,
                                            .process = "curl"};

        rules(gate, policies[i]);
        for (int round = 0; round < 3; round++) {
            struct berth_verdict verdict;

            put_syn(gate, &web);
            assert_int_equal(berth_held_drop(gate->berth, expect_event(gate)), BERTH_OK);
            verdict = berth_rules_judge(gate->berth, &query);
            assert_true(verdict.limited);
            assert_int_equal(verdict.action, i == 0 ? BERTH_ASK : BERTH_ALLOW);
            assert_int_equal(berth_rules_take(gate->berth, &query, &verdict),
                             round == 0 ? BERTH_OK : BERTH_E_LIMIT);
            assert_int_equal(verdict.action, round > 0 ? BERTH_DENY
                                             : i == 0  ? BERTH_ASK
                                                       : BERTH_ALLOW);
        }
    }
}

/* A denial has nothing to take, nor has a rule without a limit. */
static void other_verdicts_take_nothing(void **state)
{
    struct gate *gate = *state;
    struct berth_contact_query query = {.direction = BERTH_OUT,
                                        .protocol = BERTH_TCP,
                                        .peer = address_of(web.to),
                                        .port = web.to_port};
    struct berth_verdict verdict;

    rules(gate, "allow out 443\ndeny out");
    for (int i = 0; i < 4; i++) {
        query.port = i % 2 == 0 ? 443 : 444;
        verdict = berth_rules_judge(gate->berth, &query);
        assert_int_equal(berth_rules_take(gate->berth, &query, &verdict), BERTH_OK);
        assert_int_equal(verdict.action, i % 2 == 0 ? BERTH_ALLOW : BERTH_DENY);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_goes_out_is_limited),
        TEST(what_comes_in_is_limited),
        TEST(the_owner_takes_what_it_decides_on),
        TEST(other_verdicts_take_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
