/* SPDX-License-Identifier: MIT */
/*
 * Rows of the tally, one for each port, peer and verdict; and the words that it offers: loaded as
 * rules, they let through what was refused, and nothing beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <berth/berth.h>

#include "run/tally.h"

static struct berth_address address_of(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), 0);
    return address;
}

static struct tally_entry entry_of(const char *peer, uint16_t port, enum berth_action action)
{
    return (struct tally_entry){.key = {.peer = address_of(peer),
                                        .port = port,
                                        .direction = BERTH_OUT,
                                        .protocol = BERTH_TCP,
                                        .action = (uint8_t)action},
                                .rule = -1};
}

static void test_rows(void **state)
{
    static const struct attribute_process curl = {.pid = 7, .name = "curl"};
    static const struct attribute_process git = {.pid = 8, .name = "git"};
    struct tally tally = {0};
    struct tally_entry entry = entry_of("192.0.2.1", 443, BERTH_ALLOW);

    (void)state;
    entry.bytes_out = 10;
    entry.bytes_in = 20;
    entry.process = &curl;
    tally_add(&tally, &entry);
    entry.name = "example.test";
    tally_add(&tally, &entry);
    assert_int_equal(tally.count, 1);
    assert_int_equal(tally.rows[0].connections, 2);
    assert_int_equal(tally.rows[0].bytes_out, 20);
    assert_int_equal(tally.rows[0].bytes_in, 40);
    assert_string_equal(tally.rows[0].name, "example.test");
    assert_string_equal(tally.rows[0].process, "curl");
    assert_false(tally.rows[0].has_more_processes);
    entry.process = &git;
    tally_add(&tally, &entry);
    assert_true(tally.rows[0].has_more_processes);
    assert_int_equal(tally.refused, 0);
    assert_ptr_equal(tally_find(&tally, &entry.key), &tally.rows[0]);

    entry = entry_of("192.0.2.1", 443, BERTH_DENY);
    assert_null(tally_find(&tally, &entry.key)); /* another verdict is another row */
    tally_add(&tally, &entry);
    entry = entry_of("192.0.2.1", 444, BERTH_DROP);
    tally_add(&tally, &entry);
    entry = entry_of("192.0.2.2", 443, BERTH_ALLOW);
    tally_add(&tally, &entry);
    assert_int_equal(tally.count, 4);
    assert_int_equal(tally.refused, 2);
    tally_done(&tally);
}

static void test_many_rows(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (uint32_t i = 0; i < TALLY_ROWS_MAX + 10; i++) {
        struct tally_entry entry = entry_of("192.0.2.1", 443, BERTH_DENY);

        entry.key.peer = berth_address_v4(0x0a000000 + i);
        tally_add(&tally, &entry);
        tally_add(&tally, &entry);
    }
    assert_int_equal(tally.count, TALLY_ROWS_MAX);
    assert_int_equal(tally.uncounted, 20);
    assert_int_equal(tally.refused, 2 * (TALLY_ROWS_MAX + 10));
    for (size_t i = 0; i < tally.count; i++) {
        assert_int_equal(tally.rows[i].connections, 2);
    }
    tally_done(&tally);
}

static void refuse(struct tally *tally, enum name_refusal why, const char *name)
{
    struct name_refused refused = {.why = why, .name = name, .host = name, .type = 1};

    tally_add_name(tally, &refused);
}

static void test_names(void **state)
{
    struct tally tally = {0};
    char name[32];

    (void)state;
    refuse(&tally, NAME_REFUSED_RULES, "a.test");
    refuse(&tally, NAME_REFUSED_RULES, "a.test");
    assert_int_equal(tally.name_count, 1);
    assert_string_equal(tally.names[0].hint, "out https to a.test");
    refuse(&tally, NAME_REFUSED_TYPE, "a.test"); /* another reason, another entry */
    assert_int_equal(tally.name_count, 2);
    assert_string_equal(tally.names[1].hint, "");
    assert_int_equal(tally.names_refused[NAME_REFUSED_RULES], 2);
    assert_int_equal(tally_names_refused(&tally), 3);
    for (int i = 0; i < 2 * TALLY_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        refuse(&tally, NAME_REFUSED_RULES, name);
    }
    assert_int_equal(tally.name_count, TALLY_NAMES_MAX);
    tally_done(&tally);
}

/* ---- Words ----------------------------------------------------------------------------------- */

struct stack {
    struct berth *berth;
    void *memory;
    size_t bytes;
};

static struct stack stack_new(void)
{
    struct stack stack;
    struct berth_config config;
    struct berth_prefix prefix;

    berth_config_init(&config);
    config.guard = BERTH_GUARD_LINK_PEER;
    stack.bytes = berth_memory_bytes(&config);
    stack.memory = mmap(NULL, stack.bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(stack.memory != MAP_FAILED);
    assert_int_equal(berth_init(&stack.berth, &config, stack.memory, stack.bytes, 0), 0);
    assert_int_equal(berth_prefix_parse("10.0.2.2/32", &prefix), 0);
    assert_int_equal(berth_address_add(stack.berth, &prefix), 0);
    assert_int_equal(berth_prefix_parse("fd00::2/128", &prefix), 0);
    assert_int_equal(berth_address_add(stack.berth, &prefix), 0);
    return stack;
}

static bool is_allowed(const struct berth *berth, const struct tally_key *key, uint16_t port)
{
    struct berth_contact_query query = {.direction = (enum berth_direction)key->direction,
                                        .protocol = (enum berth_protocol)key->protocol,
                                        .peer = key->peer,
                                        .port = port};

    return berth_rules_judge(berth, &query).action == BERTH_ALLOW;
}

static void check_hint(enum berth_direction direction, enum berth_protocol protocol,
                       const char *peer, uint16_t port, const char *words)
{
    const struct berth_address gateways[2] = {address_of("10.0.2.2"), address_of("fd00::2")};
    struct tally_row row = {.key = {.peer = address_of(peer),
                                    .port = port,
                                    .direction = (uint8_t)direction,
                                    .protocol = (uint8_t)protocol,
                                    .action = BERTH_DENY}};
    struct stack stack = stack_new();
    struct berth_rules_error error;
    char hint[TALLY_HINT_BYTES];
    char rule[TALLY_HINT_BYTES + 8];
    struct tally_key other;

    assert_string_equal(tally_hint(&row, gateways, 2, hint), words);
    assert_false(is_allowed(stack.berth, &row.key, port));
    snprintf(rule, sizeof rule, "allow %s", hint);
    assert_int_equal(berth_rules_load(stack.berth, rule, strlen(rule), &error), 0);
    assert_true(is_allowed(stack.berth, &row.key, port));
    other = row.key;
    other.peer.bytes[15] ^= 0x40;
    assert_false(is_allowed(stack.berth, &other, port));
    other = row.key;
    other.direction = direction == BERTH_OUT ? BERTH_IN : BERTH_OUT;
    assert_false(is_allowed(stack.berth, &other, port));
    if (protocol != BERTH_ICMP) {
        assert_false(is_allowed(stack.berth, &row.key, (uint16_t)(port + 1)));
        other = row.key;
        other.protocol = protocol == BERTH_TCP ? BERTH_UDP : BERTH_TCP;
        assert_false(is_allowed(stack.berth, &other, port));
    }
    berth_done(stack.berth);
    munmap(stack.memory, stack.bytes);
}

static void test_hints(void **state)
{
    (void)state;
    check_hint(BERTH_OUT, BERTH_TCP, "10.0.2.2", 8000, "out 8000/tcp to host");
    check_hint(BERTH_OUT, BERTH_TCP, "fd00::2", 443, "out 443/tcp to host");
    check_hint(BERTH_OUT, BERTH_TCP, "198.51.100.7", 22, "out 22/tcp to 198.51.100.7");
    check_hint(BERTH_OUT, BERTH_UDP, "2001:db8::7", 53, "out 53/udp to 2001:db8::7");
    check_hint(BERTH_OUT, BERTH_ICMP, "10.0.2.2", 0, "out icmp to host");
    check_hint(BERTH_OUT, BERTH_ICMP, "2001:db8::7", 0, "out icmp to 2001:db8::7");
    check_hint(BERTH_IN, BERTH_TCP, "192.0.2.9", 80, "in 80/tcp from 192.0.2.9");
    /* Special addresses are named too, so that the words work for them. */
    check_hint(BERTH_OUT, BERTH_TCP, "169.254.169.254", 80, "out 80/tcp to 169.254.169.254");
    check_hint(BERTH_OUT, BERTH_TCP, "fe80::1", 80, "out 80/tcp to fe80::1");
}

/* By its name, where that is known and would let it through. */
static void test_hints_by_name(void **state)
{
    const struct berth_address gateways[2] = {address_of("10.0.2.2"), address_of("fd00::2")};
    char name[] = "registry.example";
    char word[] = "any";
    char odd[] = "a.7";
    char hint[TALLY_HINT_BYTES];
    struct tally_row row = {.key = {.peer = address_of("192.0.2.7"),
                                    .port = 443,
                                    .direction = BERTH_OUT,
                                    .protocol = BERTH_TCP,
                                    .action = BERTH_DENY},
                            .name = name};

    (void)state;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out https to registry.example");
    row.name = word;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out https to any.");
    row.name = odd;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out 443/tcp to 192.0.2.7");
    row.name = name;
    row.key.port = 50001;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out 50001/tcp to registry.example");
    row.key.protocol = BERTH_ICMP;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out icmp to registry.example");
    row.key.protocol = BERTH_UDP;
    row.name_is_stale = true;
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out 50001/udp to 192.0.2.7");
    row.name_is_stale = false;
    row.key.peer = gateways[1];
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "out 50001/udp to host");
    row.key.direction = BERTH_IN;
    row.key.peer = address_of("192.0.2.7");
    assert_string_equal(tally_hint(&row, gateways, 2, hint), "in 50001/udp from 192.0.2.7");
}

/* The word for a port is one that rules know, of that port and no other. */
static void test_services(void **state)
{
    char service[NAME_SERVICE_BYTES];
    char rule[NAME_SERVICE_BYTES + 16];
    struct stack stack = stack_new();
    struct berth_rules_error error;

    (void)state;
    for (uint32_t port = 1; port <= 65535; port += port < 10000 ? 1 : 97) {
        struct tally_key key = {.peer = address_of("192.0.2.7"),
                                .port = (uint16_t)port,
                                .direction = BERTH_OUT,
                                .protocol = port % 2 == 0 ? BERTH_TCP : BERTH_UDP};

        (void)name_refusal_service(key.port, (enum berth_protocol)key.protocol, service);
        snprintf(rule, sizeof rule, "allow out %s", service);
        assert_int_equal(berth_rules_load(stack.berth, rule, strlen(rule), &error), 0);
        assert_true(is_allowed(stack.berth, &key, key.port));
        assert_false(is_allowed(stack.berth, &key, (uint16_t)(port + 1)));
    }
    berth_done(stack.berth);
    munmap(stack.memory, stack.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_hints),
        cmocka_unit_test(test_hints_by_name), cmocka_unit_test(test_services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
