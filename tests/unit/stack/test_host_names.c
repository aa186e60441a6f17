/* SPDX-License-Identifier: MIT */
/*
 * Rules by host name at a stack: first packets to an address for which a name was given, until when
 * the time says, and while the address is in use.
 */
#include "gate.h"

static const struct ends web = {"10.0.2.100", "198.51.100.7", 5000, 443};

static bool passes(struct gate *gate)
{
    struct wire_packet packet;
    struct berth_contact contact;
    struct berth_event event;
    struct berth_held held;

    put_syn(gate, &web);
    if (!berth_next_event(gate->berth, &event)) {
        assert_true(take(gate, &packet)); /* refused at once */
        assert_int_equal(packet.tcp.flags & WIRE_RST, WIRE_RST);
        assert_true(berth_next_contact(gate->berth, &contact));
        return false;
    }
    assert_int_equal(berth_held(gate->berth, event.id, &held), BERTH_OK);
    assert_int_equal(held.verdict.action, BERTH_ALLOW);
    assert_true(held.verdict.by_name);
    assert_int_equal(berth_held_drop(gate->berth, event.id), BERTH_OK);
    return true;
}

static void a_name_opens_its_address_for_its_time(void **state)
{
    struct gate *gate = *state;
    struct berth_address address = address_of(web.to);

    rules(gate, "allow out https/tcp to registry.example");
    assert_false(passes(gate));
    assert_int_equal(
        berth_name_learn(gate->berth, "registry.example", &address, gate->now_ns + NS_PER_S, false),
        BERTH_OK);
    assert_true(passes(gate));
    assert_int_equal(berth_name_hold(gate->berth, &address), BERTH_OK);
    gate->now_ns += NS_PER_S;
    assert_true(passes(gate)); /* in use */
    berth_name_release(gate->berth, &address);
    assert_false(passes(gate));
    rules(gate, "allow out https/tcp to *.example");
    assert_int_equal(
        berth_name_learn(gate->berth, "registry.example", &address, gate->now_ns + NS_PER_S, false),
        BERTH_OK);
    assert_true(passes(gate));
}

static void what_is_asked_of_the_rules(void **state)
{
    struct gate *gate = *state;
    struct berth_address address = address_of(web.to);
    struct berth_contact_query query = {
        .direction = BERTH_OUT, .protocol = BERTH_TCP, .peer = address, .port = 443};

    rules(gate, "allow out https/tcp to registry.example");
    assert_true(berth_rules_may_reach_name(gate->berth, "registry.example"));
    assert_true(berth_rules_name_is_named(gate->berth, "Registry.Example."));
    assert_true(berth_rules_name_matches(gate->berth, 0, "registry.example"));
    assert_false(berth_rules_may_reach_name(gate->berth, "other.example"));
    assert_false(berth_rules_may_reach_address(gate->berth, &address));
    assert_int_equal(berth_rules_judge_name(gate->berth, &query, "registry.example").action,
                     BERTH_ALLOW);
    assert_int_equal(berth_rules_judge_name(gate->berth, &query, "other.example").action,
                     BERTH_DENY);
    assert_int_equal(berth_rules_explain(gate->berth, 0, &query), BERTH_MISS_PEER);
    assert_int_equal(
        berth_name_learn(gate->berth, "registry.example", &address, BERTH_NEVER, false), BERTH_OK);
    assert_int_equal(berth_rules_explain(gate->berth, 0, &query), BERTH_MATCH);
    query.protocol = BERTH_UDP;
    assert_int_equal(berth_rules_explain(gate->berth, 0, &query), BERTH_MISS_PROTOCOL);
    assert_int_equal(berth_rules_explain(gate->berth, 1, &query), BERTH_MISS_PROTOCOL);
    address = address_of("198.51.100.8");
    assert_int_equal(berth_name_learn(gate->berth, "no name", &address, BERTH_NEVER, false),
                     BERTH_E_INVALID);
    assert_int_equal(berth_name_hold(gate->berth, &address), BERTH_E_STALE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_opens_its_address_for_its_time),
        TEST(what_is_asked_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
