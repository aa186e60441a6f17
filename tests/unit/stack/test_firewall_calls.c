/* SPDX-License-Identifier: MIT */
/*
 * First contacts as a stack's guard sees them, counted and noted; and the public calls. The stack
 * is a bare struct: only the members that this file's subject uses are set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stack/stack.h"

#define CONTACTS 3

struct fixture {
    struct berth berth;
    struct berth_contact contacts[CONTACTS];
    void *memory;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct berth_address gateway = berth_address_v4(0x0a000202);
    const struct firewall_limits limits = {.rules = 8, .rule_bytes = 512, .addresses = 1};
    struct arena arena;

    assert_non_null(fixture);
    arena_init(&arena, NULL, 0);
    firewall_init(&fixture->berth.firewall, &arena, &limits);
    firewall_scan_init(&fixture->berth.scan, &arena, 1);
    fixture->memory = calloc(1, arena.used);
    assert_non_null(fixture->memory);
    arena_init(&arena, fixture->memory, arena.used);
    firewall_init(&fixture->berth.firewall, &arena, &limits);
    firewall_scan_init(&fixture->berth.scan, &arena, 1);
    fixture->berth.scan.evicted = &fixture->berth.stats.scan_records_evicted;
    fixture->berth.scan.found = &fixture->berth.stats.scans_found;
    fixture->berth.scan.lost = &fixture->berth.stats.scans_lost;
    assert_int_equal(firewall_add_gateway(&fixture->berth.firewall, &gateway), BERTH_OK);
    fixture->berth.contacts.items = fixture->contacts;
    fixture->berth.contacts.limit = CONTACTS;
    fixture->berth.now_ns = 77;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->memory);
    free(fixture);
    return 0;
}

static void load(struct fixture *fixture, const char *text)
{
    assert_int_equal(berth_rules_load(&fixture->berth, text, strlen(text), NULL), BERTH_OK);
}

/* A contact between local 10.0.0.1:80 and remote 10.0.0.9:5000. */
static struct stack_contact make_contact(enum berth_protocol protocol, bool arriving)
{
    return (struct stack_contact){
        .protocol = protocol,
        .local = {.address = berth_address_v4(0x0a000001), .port = 80},
        .remote = {.address = berth_address_v4(0x0a000009), .port = 5000},
        .arriving = arriving,
    };
}

static void guards_and_directions(void **state)
{
    static const struct {
        enum berth_guard guard;
        bool arriving;
        const char *rule; /* the one that lets it through, and no other of the four */
    } table[] = {
        {BERTH_GUARD_STACK, true, "allow in 80 from 10.0.0.9"},
        {BERTH_GUARD_STACK, false, "allow out 5000 to 10.0.0.9"},
        {BERTH_GUARD_LINK_PEER, true, "allow out 80 to 10.0.0.1"},
        {BERTH_GUARD_LINK_PEER, false, "allow in 5000 from 10.0.0.1"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 4; i++) {
        struct stack_contact contact = make_contact(BERTH_TCP, table[i].arriving);

        fixture->berth.config.guard = table[i].guard;
        for (size_t k = 0; k < 4; k++) {
            load(fixture, table[k].rule);
            assert_int_equal(stack_judge(&fixture->berth, &contact).action,
                             k == i ? BERTH_ALLOW : BERTH_DENY);
        }
    }
    assert_int_equal(fixture->berth.stats.contacts_allowed, 4);
    assert_int_equal(fixture->berth.stats.contacts_denied, 12);
}

static void echo_has_no_port(void **state)
{
    struct fixture *fixture = *state;
    struct stack_contact contact = make_contact(BERTH_ICMP, true);
    struct berth_contact refused;

    load(fixture, "allow out icmp");
    fixture->berth.config.guard = BERTH_GUARD_LINK_PEER;
    assert_int_equal(stack_judge(&fixture->berth, &contact).action, BERTH_ALLOW);
    assert_false(berth_next_contact(&fixture->berth, &refused));
    load(fixture, "drop out icmp log");
    assert_int_equal(stack_judge(&fixture->berth, &contact).action, BERTH_DROP);
    assert_true(berth_next_contact(&fixture->berth, &refused));
    assert_int_equal(refused.guarded.port, 5000); /* the identifier */
    assert_int_equal(refused.protocol, BERTH_ICMP);
    assert_int_equal(refused.verdict.rule, 0);
    assert_true(refused.verdict.log);
}

static void refusals_are_noted_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact refused;
    uint16_t expected = 0;

    assert_false(berth_next_contact(&fixture->berth, &refused));
    for (uint16_t i = 0; i < 20; i++) {
        struct stack_contact contact = make_contact(BERTH_UDP, false);

        contact.remote.port = i;
        assert_int_equal(stack_judge(&fixture->berth, &contact).action, BERTH_DENY);
        if (i % 2 == 1) {
            assert_true(berth_next_contact(&fixture->berth, &refused));
            assert_int_equal(refused.peer.port, expected);
            assert_int_equal(refused.now_ns, 77);
            assert_int_equal(refused.direction, BERTH_OUT);
            assert_int_equal(refused.guarded.port, 80);
            assert_int_equal(refused.verdict.rule, -1);
            expected++;
        }
        if (fixture->berth.stats.contacts_lost > 0) {
            break;
        }
    }
    /* 0 to 4 were noted, and 0 and 1 read, when 5 came: it is lost. */
    assert_int_equal(fixture->berth.stats.contacts_lost, 1);
    assert_int_equal(fixture->berth.stats.contacts_denied, 6);
    for (; expected < 5; expected++) {
        assert_true(berth_next_contact(&fixture->berth, &refused));
        assert_int_equal(refused.peer.port, expected);
    }
    assert_false(berth_next_contact(&fixture->berth, &refused));
}

static void no_room_to_note_at_all(void **state)
{
    struct fixture *fixture = *state;
    struct stack_contact contact = make_contact(BERTH_TCP, true);
    struct berth_contact refused;

    fixture->berth.contacts.limit = 0;
    assert_int_equal(stack_judge(&fixture->berth, &contact).action, BERTH_DENY);
    assert_int_equal(fixture->berth.stats.contacts_lost, 1);
    assert_false(berth_next_contact(&fixture->berth, &refused));
}

static void the_public_calls(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address held = berth_address_v4(0xc0a80005);
    struct berth_contact_query query = {
        .direction = BERTH_OUT, .protocol = BERTH_TCP, .peer = held, .port = 80};
    struct berth_rules_error error;

    assert_int_equal(berth_rules_count(&fixture->berth), 0);
    assert_int_equal(berth_rules_load(&fixture->berth, "allow", 5, &error), BERTH_E_SYNTAX);
    assert_int_equal(error.column, 6);
    load(fixture, "\nallow out 80");
    assert_int_equal(berth_rules_count(&fixture->berth), 1);
    assert_int_equal(berth_rules_line(&fixture->berth, 0), 2);
    assert_string_equal(berth_rules_text(&fixture->berth, 0), "allow out 80/tcp");
    assert_true(berth_rules_may_reach_network(&fixture->berth));
    assert_int_equal(berth_rules_judge(&fixture->berth, &query).action, BERTH_ALLOW);
    assert_int_equal(berth_host_addresses_set(&fixture->berth, &held, 1), BERTH_OK);
    assert_int_equal(berth_rules_judge(&fixture->berth, &query).action, BERTH_DENY);
    assert_int_equal(fixture->berth.stats.contacts_denied, 0);
}

/* A contact that its owner describes is judged, and noted, as the one that comes by itself. */
static void a_described_contact_is_judged_alike(void **state)
{
    struct fixture *fixture = *state;

    load(fixture, "allow in 80 from 10.0.0.9\nask out 5000\nallow in 5000 by redis");
    for (unsigned i = 0; i < 4; i++) {
        struct stack_contact contact = make_contact(BERTH_TCP, (i & 1) != 0);
        struct berth_contact noted = {0};
        struct berth_contact described;
        struct berth_verdict verdict;
        struct berth_verdict again;
        bool was_noted;

        fixture->berth.config.guard = i < 2 ? BERTH_GUARD_STACK : BERTH_GUARD_LINK_PEER;
        contact.may_hold = true;
        verdict = stack_judge(&fixture->berth, &contact);
        was_noted = berth_next_contact(&fixture->berth, &noted);
        described = noted;
        if (!was_noted) {
            bool is_out = contact.arriving == (i >= 2);

            described.direction = is_out ? BERTH_OUT : BERTH_IN;
            described.protocol = BERTH_TCP;
            described.guarded = i < 2 ? contact.local : contact.remote;
            described.peer = i < 2 ? contact.remote : contact.local;
        }
        again = berth_contact_judge(&fixture->berth, &described);
        assert_int_equal(again.action, verdict.action);
        assert_int_equal(again.rule, verdict.rule);
        assert_int_equal(again.needs_process, verdict.needs_process);
        assert_int_equal(berth_next_contact(&fixture->berth, &described), was_noted);
        assert_true(berth_endpoint_is_equal(&described.peer, &noted.peer) || !was_noted);
        assert_true(berth_endpoint_is_equal(&described.guarded, &noted.guarded) || !was_noted);
    }
    assert_int_equal(fixture->berth.stats.contacts_allowed, 2);
    assert_int_equal(fixture->berth.stats.contacts_asked, 4);
    assert_int_equal(fixture->berth.stats.contacts_denied, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(guards_and_directions),
        CASE(echo_has_no_port),
        CASE(refusals_are_noted_in_order),
        CASE(no_room_to_note_at_all),
        CASE(the_public_calls),
        CASE(a_described_contact_is_judged_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
