/* SPDX-License-Identifier: MIT */
/*
 * Asking: a first packet whose verdict is the owner's to give (ask, or a process that is not known)
 * is held, TCP, UDP and echo alike; where nobody can be asked it is refused.
 */
#include "gate.h"

static const struct ends web = {"10.0.2.100", "198.51.100.7", 5000, 443};

static void put_protocol(struct gate *gate, enum berth_protocol protocol)
{
    switch (protocol) {
    case BERTH_TCP:
        put_syn(gate, &web);
        break;
    case BERTH_UDP:
        put_udp(gate, &web, 30, 1);
        break;
    case BERTH_ICMP:
        put_echo(gate, &web, 1);
        break;
    }
}

static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP, BERTH_ICMP};

static berth_id expect_asked(struct gate *gate, enum berth_protocol protocol,
                             const struct berth_verdict *expected)
{
    struct berth_contact contact;
    struct berth_event event;
    struct berth_held held;

    assert_true(berth_next_event(gate->berth, &event));
    assert_int_equal(event.bits, BERTH_EVENT_HELD);
    assert_int_equal(berth_held(gate->berth, event.id, &held), BERTH_OK);
    assert_int_equal(held.protocol, protocol);
    assert_int_equal(held.verdict.action, expected->action);
    assert_int_equal(held.verdict.rule, expected->rule);
    assert_int_equal(held.verdict.log, expected->log);
    assert_int_equal(held.verdict.reason, expected->reason);
    assert_int_equal(held.verdict.needs_process, expected->needs_process);
    assert_int_equal(held.verdict.limited, expected->limited);
    assert_false(berth_next_contact(gate->berth, &contact)); /* it is not refused */
    return event.id;
}

static void expect_stats(struct gate *gate, uint64_t allowed, uint64_t asked, uint64_t denied)
{
    struct berth_stats stats;

    berth_stats(gate->berth, &stats);
    assert_int_equal(stats.contacts_allowed, allowed);
    assert_int_equal(stats.contacts_asked, asked);
    assert_int_equal(stats.contacts_denied, denied);
}

static void what_the_owner_decides_on_is_held(void **state)
{
    static const struct {
        const char *rules;
        struct berth_verdict verdict;
    } table[] = {
        {"ask out any log",
         {.action = BERTH_ASK, .log = true, .reason = BERTH_REASON_BY_RULE, .rule = 0}},
        {"ask out any limit 1/hour",
         {.action = BERTH_ASK, .limited = true, .reason = BERTH_REASON_BY_RULE, .rule = 0}},
        {"allow out any by curl", {.action = BERTH_DENY, .needs_process = true, .rule = -1}},
        {"allow in\ndeny out by curl\nallow out",
         {.action = BERTH_DENY, .needs_process = true, .reason = BERTH_REASON_BY_RULE, .rule = 1}},
        {"drop out by curl log",
         {.action = BERTH_DROP,
          .log = true,
          .needs_process = true,
          .reason = BERTH_REASON_BY_RULE,
          .rule = 0}},
        {"ask out by curl",
         {.action = BERTH_ASK, .needs_process = true, .reason = BERTH_REASON_BY_RULE, .rule = 0}},
    };
    struct gate *gate = *state;
    uint64_t asked = 0;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        rules(gate, table[i].rules);
        for (size_t p = 0; p < 3; p++) {
            struct wire_packet packet;
            berth_id id;

            put_protocol(gate, protocols[p]);
            id = expect_asked(gate, protocols[p], &table[i].verdict);
            assert_false(take(gate, &packet)); /* nothing is told before the decision */
            assert_int_equal(berth_held_drop(gate->berth, id), BERTH_OK);
            asked++;
        }
    }
    expect_stats(gate, 0, asked, 0);
}

/* An allow is an allow, whatever rule by a process stands before it: it is held as ever. */
static void an_allow_without_the_process_is_no_question(void **state)
{
    struct gate *gate = *state;
    struct berth_verdict verdict = {
        .action = BERTH_ALLOW, .needs_process = true, .reason = BERTH_REASON_BY_RULE, .rule = 1};

    rules(gate, "allow out any by curl\nallow out any");
    for (size_t p = 0; p < 3; p++) {
        put_protocol(gate, protocols[p]);
        assert_int_equal(berth_held_drop(gate->berth, expect_asked(gate, protocols[p], &verdict)),
                         BERTH_OK);
    }
    expect_stats(gate, 3, 0, 0);
}

/* Beyond the limit of the rule for all it may still be the process that another rule allows. */
static void beyond_a_limit_the_process_may_matter(void **state)
{
    struct gate *gate = *state;
    struct berth_verdict verdict = {.action = BERTH_ALLOW,
                                    .needs_process = true,
                                    .limited = true,
                                    .reason = BERTH_REASON_BY_RULE,
                                    .rule = 1};

    rules(gate, "allow out any by curl\nallow out any limit 3/hour");
    for (size_t i = 0; i < 6; i++) {
        if (i == 3) {
            verdict.action = BERTH_DENY;
            verdict.reason = BERTH_REASON_BY_LIMIT;
        }
        put_protocol(gate, protocols[i % 3]);
        assert_int_equal(
            berth_held_drop(gate->berth, expect_asked(gate, protocols[i % 3], &verdict)), BERTH_OK);
    }
    expect_stats(gate, 3, 3, 0);
}

static void the_owner_may_let_it_through(void **state)
{
    struct gate *gate = *state;
    struct berth_verdict verdict = {.action = BERTH_ASK, .reason = BERTH_REASON_BY_RULE, .rule = 0};
    struct wire_packet packet;
    struct berth_event event;
    berth_id id;

    rules(gate, "ask out any");
    put_syn(gate, &web);
    id = expect_asked(gate, BERTH_TCP, &verdict);
    assert_int_equal(berth_held_accept(gate->berth, id, gate), BERTH_OK);
    assert_true(take(gate, &packet));
    assert_int_equal(packet.tcp.flags & (WIRE_SYN | WIRE_ACK), WIRE_SYN | WIRE_ACK);
    assert_int_equal(berth_tcp_abort(gate->berth, id), BERTH_OK);
    while (take(gate, &packet) || berth_next_event(gate->berth, &event)) {
    }
    put_udp(gate, &web, 30, 1);
    id = expect_asked(gate, BERTH_UDP, &verdict);
    assert_int_equal(berth_held_accept(gate->berth, id, gate), BERTH_OK);
    expect_datagram(gate, id, 30, 1);
    assert_int_equal(berth_udp_close(gate->berth, id), BERTH_OK);
}

static void nobody_to_ask_is_a_refusal(void **state)
{
    static const char *const policies[] = {"ask out any", "allow out any by curl"};
    struct gate *gate = *state;

    berth_intercept(gate->berth, false);
    for (int i = 0; i < 2; i++) {
        rules(gate, policies[i]);
        for (size_t p = 0; p < 3; p++) {
            struct wire_packet packet;
            struct berth_contact contact;
            struct berth_event event;

            put_protocol(gate, protocols[p]);
            assert_false(berth_next_event(gate->berth, &event));
            assert_true(take(gate, &packet));
            assert_true(protocols[p] == BERTH_TCP ? (packet.tcp.flags & WIRE_RST) != 0
                                                  : packet.icmp.code == 13);
            assert_true(berth_next_contact(gate->berth, &contact));
            assert_int_equal(contact.verdict.action, BERTH_DENY);
            assert_int_equal(contact.verdict.rule, i == 0 ? 0 : -1);
        }
    }
    expect_stats(gate, 0, 0, 6);
    assert_int_equal(drops(gate, BERTH_DROP_DENIED), 6);
}

/* The owner decides on what it holds, not on what a socket of the stack's own serves. */
static void own_services_are_not_asked_about(void **state)
{
    struct gate *gate = *state;
    struct berth_endpoint at = {address_of("10.0.2.2"), 5353};
    static const struct ends own = {"10.0.2.100", "10.0.2.2", 5000, 5353};
    struct berth_contact contact;
    struct berth_event event;
    struct wire_packet packet;
    berth_id id;

    rules(gate, "ask out any to host");
    assert_int_equal(berth_udp_open(gate->berth, &at, NULL, NULL, &id), BERTH_OK);
    put_udp(gate, &own, 30, 1);
    assert_false(berth_next_event(gate->berth, &event));
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(contact.verdict.action, BERTH_DENY);
    assert_true(take(gate, &packet));
    assert_int_equal(packet.icmp.code, 13);
    assert_int_equal(berth_udp_close(gate->berth, id), BERTH_OK);
}

/* What the stack begins itself has nobody to ask about it. */
static void what_the_owner_begins_is_not_asked_about(void **state)
{
    struct gate *gate = *state;
    struct berth_endpoint from = {address_of("8.8.8.8"), 4000};
    struct berth_endpoint to = {address_of("10.0.2.100"), 8080};
    struct berth_contact contact;
    berth_id id;

    rules(gate, "ask in 8080");
    assert_int_equal(berth_tcp_connect(gate->berth, &from, &to, NULL, &id), BERTH_E_DENIED);
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(contact.verdict.action, BERTH_DENY);
    assert_int_equal(contact.verdict.rule, 0);
}

/* Nor are the rules, where the owner has decided: about that alone. */
static void what_the_owner_has_decided_is_not_judged(void **state)
{
    struct gate *gate = *state;
    static const struct berth_verdict allow = {.action = BERTH_ALLOW, .rule = -1};
    struct berth_endpoint from = {address_of("8.8.8.8"), 4000};
    struct berth_endpoint to = {address_of("10.0.2.100"), 8080};
    struct berth_contact contact;
    struct berth_event event;
    struct wire_packet packet;
    berth_id tcp;
    berth_id udp;

    rules(gate, "ask in 8080\nask out");
    berth_decide(gate->berth, &allow);
    assert_int_equal(berth_tcp_connect(gate->berth, &from, &to, NULL, &tcp), BERTH_OK);
    assert_int_equal(berth_udp_open(gate->berth, &from, &to, NULL, &udp), BERTH_OK);
    put_syn(gate, &web); /* what arrives is judged as ever */
    assert_true(berth_next_event(gate->berth, &event));
    assert_int_equal(event.bits, BERTH_EVENT_HELD);
    expect_stats(gate, 2, 1, 0);
    berth_decide(gate->berth, NULL);
    from.port++;
    assert_int_equal(berth_udp_open(gate->berth, &from, &to, NULL, &udp), BERTH_E_DENIED);
    assert_true(berth_next_contact(gate->berth, &contact));
    assert_int_equal(berth_held_drop(gate->berth, event.id), BERTH_OK);
    assert_int_equal(berth_udp_close(gate->berth, udp), BERTH_OK);
    assert_int_equal(berth_tcp_abort(gate->berth, tcp), BERTH_OK);
    while (take(gate, &packet)) {
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_owner_decides_on_is_held),
        TEST(an_allow_without_the_process_is_no_question),
        TEST(beyond_a_limit_the_process_may_matter),
        TEST(the_owner_may_let_it_through),
        TEST(nobody_to_ask_is_a_refusal),
        TEST(own_services_are_not_asked_about),
        TEST(what_the_owner_begins_is_not_asked_about),
        TEST(what_the_owner_has_decided_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
