/* SPDX-License-Identifier: MIT */
/* Scans: the walk and its numbers, what counts once, what ends, what is forgotten; the lines. */
#include "fixture.h"

#include "firewall/scan.h"

#include <math.h>

#define RECORDS 8

static const struct firewall_scan_policy log_only = {.action = BERTH_ALLOW, .ns = SCAN_LOG_NS};
static const struct firewall_scan_policy deny = {.action = BERTH_DENY, .ns = 60 * NS_PER_S};

struct scans {
    struct firewall_scan scan;
    void *memory;
    uint64_t evicted;
    uint64_t found;
    uint64_t lost;
    uint64_t now_ns;
    const struct firewall_scan_policy *policy;
};

static int setup(void **state)
{
    struct scans *scans = calloc(1, sizeof *scans);
    struct arena arena;

    assert_non_null(scans);
    arena_init(&arena, NULL, 0);
    firewall_scan_init(&scans->scan, &arena, RECORDS);
    scans->memory = calloc(1, arena.used);
    assert_non_null(scans->memory);
    arena_init(&arena, scans->memory, arena.used);
    firewall_scan_init(&scans->scan, &arena, RECORDS);
    scans->scan.evicted = &scans->evicted;
    scans->scan.found = &scans->found;
    scans->scan.lost = &scans->lost;
    scans->now_ns = NS_PER_S;
    scans->policy = &log_only;
    *state = scans;
    return 0;
}

static int teardown(void **state)
{
    struct scans *scans = *state;

    firewall_scan_check(&scans->scan);
    free(scans->memory);
    free(scans);
    return 0;
}

static struct berth_address address_of(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), BERTH_OK);
    return address;
}

/* PEER tries PORT of 192.0.2.1. */
static struct scan_contact contact_in(const char *peer, uint16_t port)
{
    return (struct scan_contact){.direction = BERTH_IN,
                                 .protocol = BERTH_TCP,
                                 .guarded = {address_of("192.0.2.1"), port},
                                 .peer = {address_of(peer), 50000}};
}

static struct scan_contact contact_out(const char *peer, uint16_t port)
{
    return (struct scan_contact){.direction = BERTH_OUT,
                                 .protocol = BERTH_TCP,
                                 .guarded = {address_of("192.0.2.1"), 50000},
                                 .peer = {address_of(peer), port}};
}

static void note(struct scans *scans, const struct scan_contact *contact,
                 enum berth_outcome outcome)
{
    firewall_scan_note(&scans->scan, contact, outcome, scans->policy, scans->now_ns);
}

static void try_in(struct scans *scans, const char *peer, uint16_t port, enum berth_outcome outcome)
{
    struct scan_contact contact = contact_in(peer, port);

    note(scans, &contact, outcome);
}

static void fail_ports(struct scans *scans, const char *peer, uint16_t first, uint16_t last)
{
    for (uint32_t port = first; port <= last; port++) {
        try_in(scans, peer, (uint16_t)port, BERTH_OUTCOME_FAILURE);
    }
}

static bool found(struct scans *scans)
{
    struct berth_scan event;

    return firewall_scan_next(&scans->scan, &event);
}

/* The header's numbers, from the paper's parameters. */
static void the_numbers_are_those_of_the_parameters(void **state)
{
    double theta0 = 0.8;
    double theta1 = 0.2;
    double alpha = 0.0003;
    double beta = 0.99;

    (void)state;
    assert_int_equal(SCAN_SUCCESS, lround(log2(theta1 / theta0) * SCAN_ONE));
    assert_int_equal(SCAN_FAILURE, lround(log2((1 - theta1) / (1 - theta0)) * SCAN_ONE));
    assert_int_equal(SCAN_THRESHOLD, lround(log2(beta / alpha) * SCAN_ONE));
}

static void six_failures_are_a_scan(void **state)
{
    struct scans *scans = *state;
    struct berth_scan event;

    fail_ports(scans, "198.51.100.7", 20, 24);
    assert_false(found(scans));
    scans->now_ns += NS_PER_S;
    fail_ports(scans, "198.51.100.7", 25, 25);
    assert_true(firewall_scan_next(&scans->scan, &event));
    assert_int_equal(event.direction, BERTH_IN);
    assert_int_equal(event.action, BERTH_ALLOW);
    assert_int_equal(event.contacts, 6);
    assert_int_equal(event.failures, 6);
    assert_int_equal(event.hosts, 1);
    assert_int_equal(event.ports, 6);
    assert_int_equal(event.sample_count, 6);
    assert_int_equal(event.samples[0], 20);
    assert_int_equal(event.samples[5], 25);
    assert_int_equal(event.first_ns, NS_PER_S);
    assert_int_equal(event.last_ns, 2 * NS_PER_S);
    assert_int_equal(event.expires_ns, 2 * NS_PER_S + SCAN_LOG_NS);
    assert_int_equal(event.source.bits, 128);
    assert_int_equal(event.guarded.port, 25);
    assert_int_equal(event.protocol, BERTH_TCP);
    assert_false(found(scans));
    fail_ports(scans, "198.51.100.7", 26, 500); /* the verdict stands: it is told once */
    assert_false(found(scans));
    assert_int_equal(scans->found, 1);
}

/* One port of many hosts is as good as many ports of one. */
static void hosts_count_like_ports(void **state)
{
    struct scans *scans = *state;
    struct berth_scan event;

    for (unsigned i = 1; i <= 6; i++) {
        char peer[32];

        assert_false(found(scans));
        snprintf(peer, sizeof peer, "203.0.113.%u", i);
        struct scan_contact contact = contact_out(peer, 22);
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
    }
    assert_true(firewall_scan_next(&scans->scan, &event));
    assert_int_equal(event.direction, BERTH_OUT);
    assert_int_equal(event.hosts, 6);
    assert_int_equal(event.ports, 1);
    assert_true(event.source.address.bytes[12] == 192); /* the guarded host's */
}

/* A client whose server is down, a health check, a program that tries a handful of refused
 * endpoints again and again. */
static void what_is_tried_again_counts_once(void **state)
{
    struct scans *scans = *state;

    for (unsigned turn = 0; turn < 1000; turn++) {
        scans->now_ns += NS_PER_S;
        fail_ports(scans, "198.51.100.7", 5432, 5436);
        for (uint16_t i = 0; i < 5; i++) {
            struct scan_contact contact = contact_out("203.0.113.9", (uint16_t)(443 + i));

            note(scans, &contact, BERTH_OUTCOME_FAILURE);
        }
        assert_false(found(scans));
    }
}

static void successes_weigh_as_much_as_failures(void **state)
{
    struct scans *scans = *state;

    for (uint16_t i = 0; i < 1000; i++) {
        try_in(scans, "198.51.100.7", (uint16_t)(2 * i + 1), BERTH_OUTCOME_FAILURE);
        try_in(scans, "198.51.100.7", (uint16_t)(2 * i + 2), BERTH_OUTCOME_SUCCESS);
    }
    assert_false(found(scans));
    fail_ports(scans, "198.51.100.7", 3001, 3006); /* and no more: they earn no credit */
    assert_true(found(scans));
}

/* Nothing is kept of who succeeds. */
static void success_makes_no_record(void **state)
{
    struct scans *scans = *state;

    try_in(scans, "198.51.100.7", 80, BERTH_OUTCOME_SUCCESS);
    assert_int_equal(scans->scan.pool.used, 0);
    assert_false(found(scans));
}

static void a_network_of_ipv6_is_one_remote(void **state)
{
    struct scans *scans = *state;
    struct berth_scan event;
    struct berth_address network = address_of("2001:db8:1:2::");

    for (uint16_t i = 1; i <= 6; i++) {
        char peer[64];

        snprintf(peer, sizeof peer, "2001:db8:1:2::%x", i);
        try_in(scans, peer, i, BERTH_OUTCOME_FAILURE);
    }
    assert_true(firewall_scan_next(&scans->scan, &event));
    assert_int_equal(event.source.bits, 64);
    assert_true(berth_address_is_equal(&event.source.address, &network));
    for (uint16_t i = 1; i <= 6; i++) {
        char peer[64];

        snprintf(peer, sizeof peer, "2001:db8:1:%x::1", i);
        try_in(scans, peer, i, BERTH_OUTCOME_FAILURE);
    }
    assert_false(found(scans));
}

static void odd_flags_count_each_and_protocols_too(void **state)
{
    struct scans *scans = *state;

    for (uint16_t i = 1; i <= 3; i++) {
        struct scan_contact contact = contact_in("198.51.100.7", 22);

        contact.oddity = i;
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
        contact = contact_in("198.51.100.7", 1234);
        contact.oddity = 0;
        contact.protocol = (uint8_t)(100 + i); /* of IP: no ports */
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
        contact.guarded.port = 4321;
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
        assert_int_equal(found(scans), i == 3);
    }
}

static void try_name(struct scans *scans, const char *name, const char *peer, uint16_t port)
{
    struct scan_contact contact = contact_out(peer, port);

    contact.name = name;
    note(scans, &contact, BERTH_OUTCOME_FAILURE);
}

/* A browser that a policy refuses a hundred hosts, each at several addresses, at 443 and at 80. */
static void names_that_were_asked_for_may_fail(void **state)
{
    struct scans *scans = *state;

    for (unsigned i = 0; i < 100; i++) {
        char name[32];
        char peer[32];

        snprintf(name, sizeof name, "host%u.example", i);
        for (unsigned j = 0; j < 8; j++) {
            snprintf(peer, sizeof peer, "203.0.113.%u", i + j);
            try_name(scans, name, peer, 443);
            try_name(scans, name, peer, 80);
        }
    }
    assert_false(found(scans));
}

/* One that tries one port after the other of a name is a scanner all the same. */
static void ports_of_a_name_are_a_scan(void **state)
{
    struct scans *scans = *state;

    for (uint16_t port = 1; port <= SCAN_NAMED + 5; port++) {
        try_name(scans, "host.example", "203.0.113.7", port);
        assert_false(found(scans));
    }
    try_name(scans, "host.example", "203.0.113.7", SCAN_NAMED + 6);
    assert_true(found(scans));
}

static void traceroute_is_one_contact(void **state)
{
    struct scans *scans = *state;

    for (uint16_t port = 33434; port <= 33534; port++) {
        struct scan_contact contact = contact_in("198.51.100.7", port);

        contact.protocol = BERTH_UDP;
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
    }
    assert_false(found(scans));
}

static void a_walk_ends_after_an_hour_without_contacts(void **state)
{
    struct scans *scans = *state;

    fail_ports(scans, "198.51.100.7", 1, 5);
    scans->now_ns += SCAN_IDLE_NS;
    fail_ports(scans, "198.51.100.7", 6, 10);
    assert_false(found(scans));
    scans->now_ns += SCAN_IDLE_NS - 1;
    fail_ports(scans, "198.51.100.7", 11, 11);
    assert_true(found(scans));
}

static void slow_scans_are_found(void **state)
{
    struct scans *scans = *state;

    for (uint16_t port = 1; port <= 6; port++) {
        assert_false(found(scans));
        fail_ports(scans, "198.51.100.7", port, port);
        scans->now_ns += 300 * NS_PER_S; /* nmap -T0 */
    }
    assert_true(found(scans));
}

static enum berth_action verdict_in(struct scans *scans, const char *peer)
{
    struct berth_address address = address_of(peer);

    return firewall_scan_verdict(&scans->scan, BERTH_IN, &address, scans->now_ns);
}

static void a_verdict_denies_until_it_expires(void **state)
{
    struct scans *scans = *state;
    struct berth_scan event;

    scans->policy = &deny;
    fail_ports(scans, "198.51.100.7", 1, 5);
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_ALLOW);
    fail_ports(scans, "198.51.100.7", 6, 6);
    assert_true(firewall_scan_next(&scans->scan, &event));
    assert_int_equal(event.action, BERTH_DENY);
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_DENY);
    assert_int_equal(verdict_in(scans, "198.51.100.8"), BERTH_ALLOW);
    scans->now_ns = event.expires_ns - 1;
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_DENY);
    scans->now_ns++;
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_ALLOW);
    fail_ports(scans, "198.51.100.7", 1, 5); /* anew, the same ports too */
    assert_int_equal(scans->scan.denying, 0);
    assert_false(found(scans));
    fail_ports(scans, "198.51.100.7", 6, 6);
    assert_true(found(scans));
}

/* A flood from many sources pushes out what it made itself, not who has failed twice. */
static void a_flood_keeps_what_is_worth_more(void **state)
{
    struct scans *scans = *state;

    scans->policy = &deny;
    fail_ports(scans, "198.51.100.7", 1, 6);
    fail_ports(scans, "198.51.100.8", 1, 5);
    for (uint32_t i = 0; i < 100000; i++) {
        struct scan_contact contact = contact_in("198.51.100.9", 80);

        contact.peer.address = berth_address_v4(0x0b000000 + i);
        note(scans, &contact, BERTH_OUTCOME_FAILURE);
    }
    assert_int_equal(scans->scan.pool.used, RECORDS);
    assert_int_equal(scans->evicted, 100000 - (RECORDS - 2));
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_DENY);
    assert_true(found(scans));
    assert_false(found(scans));
    fail_ports(scans, "198.51.100.8", 6, 6);
    assert_true(found(scans));
    for (unsigned i = 0; i < 2 * RECORDS; i++) { /* more scanners than records: the oldest go */
        char peer[32];

        snprintf(peer, sizeof peer, "203.0.113.%u", i);
        fail_ports(scans, peer, 1, 6);
    }
    assert_int_equal(scans->scan.denying, RECORDS);
    assert_int_equal(verdict_in(scans, "198.51.100.7"), BERTH_ALLOW);
    assert_int_equal(verdict_in(scans, "203.0.113.15"), BERTH_DENY);
}

static void without_records_nothing_is_found(void **state)
{
    struct firewall_scan scan;
    struct arena arena;
    uint64_t memory[4096] = {0};
    uint64_t counter = 0;
    struct berth_scan event;

    (void)state;
    arena_init(&arena, memory, sizeof memory);
    firewall_scan_init(&scan, &arena, 0);
    scan.evicted = &counter;
    for (uint16_t port = 1; port < 20; port++) {
        struct scan_contact contact = contact_in("198.51.100.7", port);

        firewall_scan_note(&scan, &contact, BERTH_OUTCOME_FAILURE, &log_only, 1);
    }
    assert_false(firewall_scan_next(&scan, &event));
    assert_int_equal(counter, 0);
}

static void events_beyond_the_ring_are_counted(void **state)
{
    struct scans *scans = *state;
    uint32_t told = 0;

    for (unsigned i = 0; i < SCAN_EVENTS + 5; i++) {
        char peer[32];

        snprintf(peer, sizeof peer, "203.0.113.%u", i);
        fail_ports(scans, peer, 1, 6);
    }
    while (found(scans)) {
        told++;
    }
    assert_int_equal(told, SCAN_EVENTS);
    assert_int_equal(scans->lost, 5);
    assert_int_equal(scans->found, SCAN_EVENTS + 5);
}

/* ---- The lines ------------------------------------------------------------------------------- */

static void expect_policy(const struct fixture *fixture, enum berth_direction direction,
                          enum berth_action action, uint64_t seconds)
{
    const struct firewall_scan_policy *policy = firewall_scan_policy(&fixture->firewall, direction);

    assert_int_equal(policy->action, action);
    assert_int_equal(policy->ns, seconds * NS_PER_S);
}

static void lines_say_what_follows(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    fixture_make(&fixture, FIXTURE_RULES, FIXTURE_RULE_BYTES);
    expect_policy(&fixture, BERTH_IN, BERTH_ALLOW, 600);
    fixture_load(&fixture, "on scan deny 10 minutes\nallow out https\n");
    expect_policy(&fixture, BERTH_IN, BERTH_DENY, 600);
    expect_policy(&fixture, BERTH_OUT, BERTH_DENY, 600);
    assert_int_equal(firewall_rule_count(&fixture.firewall), 1);
    fixture_load(&fixture, "ON SCAN out drop 1 second # a comment\non scan in log only");
    expect_policy(&fixture, BERTH_IN, BERTH_ALLOW, 600);
    expect_policy(&fixture, BERTH_OUT, BERTH_DROP, 1);
    fixture_load(&fixture, "on scan in deny 8784 hours");
    expect_policy(&fixture, BERTH_IN, BERTH_DENY, 8784 * 3600);
    expect_policy(&fixture, BERTH_OUT, BERTH_ALLOW, 600);
    fixture_load(&fixture, "on scan log");
    expect_policy(&fixture, BERTH_IN, BERTH_ALLOW, 600);
    free(fixture.memory);
}

static void wrong_lines_are_told(void **state)
{
    static const struct {
        const char *text;
        uint32_t column;
        const char *word;
        const char *expected; /* in what is said */
    } wrong[] = {
        {"on", 3, "end of line", "scan"},
        {"on scans deny 1 hour", 4, "scans", "scan"},
        {"on scan", 8, "end of line", "in, out, deny, drop or log"},
        {"on scan allow", 9, "allow", "in, out, deny, drop or log"},
        {"on scan den 1 hour", 9, "den", "did you mean deny"},
        {"on scan in out log", 12, "out", "deny, drop or log"},
        {"on scan deny", 13, "end of line", "a number"},
        {"on scan deny ten minutes", 14, "ten", "a number"},
        {"on scan deny 0 minutes", 14, "0", "a number from 1"},
        {"on scan deny 10", 16, "end of line", "seconds, minutes or hours"},
        {"on scan deny 10 minuts", 17, "minuts", "did you mean minutes"},
        {"on scan deny 8785 hours", 14, "8785", "at most 8784 hours"},
        {"on scan deny 99999999999999999999 hours", 14, "99999999999999999999", "a number"},
        {"on scan deny 1 hour log", 21, "log", "the end of the line"},
        {"on scan log only in", 18, "in", "the end of the line"},
        {"on scan in log\non scan deny 1 hour", 1, "on", "no second 'on scan' for in: an earlier"},
    };
    struct fixture fixture = {0};

    (void)state;
    fixture_make(&fixture, FIXTURE_RULES, FIXTURE_RULE_BYTES);
    fixture_load(&fixture, "on scan drop 7 seconds");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct berth_rules_error *error = &fixture.error;

        assert_int_equal(
            firewall_load(&fixture.firewall, wrong[i].text, strlen(wrong[i].text), &fixture.error),
            BERTH_E_SYNTAX);
        assert_string_equal(error->word, wrong[i].word);
        assert_int_equal(error->column, wrong[i].column);
        if (strstr(error->expected, wrong[i].expected) == NULL) {
            print_error("%s: expected %s\n", wrong[i].text, error->expected);
            fail();
        }
        expect_policy(&fixture, BERTH_OUT, BERTH_DROP, 7); /* the old ones stay */
    }
    free(fixture.memory);
}

#define WALK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK(the_numbers_are_those_of_the_parameters),
        WALK(six_failures_are_a_scan),
        WALK(hosts_count_like_ports),
        WALK(what_is_tried_again_counts_once),
        WALK(successes_weigh_as_much_as_failures),
        WALK(success_makes_no_record),
        WALK(a_network_of_ipv6_is_one_remote),
        WALK(odd_flags_count_each_and_protocols_too),
        WALK(names_that_were_asked_for_may_fail),
        WALK(ports_of_a_name_are_a_scan),
        WALK(traceroute_is_one_contact),
        WALK(a_walk_ends_after_an_hour_without_contacts),
        WALK(slow_scans_are_found),
        WALK(a_verdict_denies_until_it_expires),
        WALK(a_flood_keeps_what_is_worth_more),
        WALK(without_records_nothing_is_found),
        WALK(events_beyond_the_ring_are_counted),
        cmocka_unit_test(lines_say_what_follows),
        cmocka_unit_test(wrong_lines_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
