/* SPDX-License-Identifier: MIT */
/*
 * What the firewall's unit tests share: a firewall in memory of its own, and queries in one line.
 */
#ifndef TESTS_FIREWALL_FIXTURE_H
#define TESTS_FIREWALL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firewall/firewall.h"

#define FIXTURE_RULES      64
#define FIXTURE_RULE_BYTES 4096
#define FIXTURE_GATEWAYS   8
#define FIXTURE_NAMES      128
#define FIXTURE_SOURCES    64

struct fixture {
    struct firewall firewall;
    void *memory;
    struct berth_rules_error error;
};

/* The gateway is 10.0.2.2 and fd00::2; the host holds 192.168.0.5, 10.1.2.3 and 2001:db8::5. */
static inline void fixture_make(struct fixture *fixture, uint32_t rules, uint32_t rule_bytes)
{
    static const char *const gateways[] = {"10.0.2.2", "fd00::2"};
    static const char *const held[] = {"192.168.0.5", "2001:db8::5", "10.1.2.3", "192.168.0.5"};
    struct berth_address addresses[4];
    const struct firewall_limits limits = {.rules = rules,
                                           .rule_bytes = rule_bytes,
                                           .addresses = FIXTURE_GATEWAYS,
                                           .names = FIXTURE_NAMES,
                                           .limit_sources = FIXTURE_SOURCES};
    struct arena arena;

    arena_init(&arena, NULL, 0);
    firewall_init(&fixture->firewall, &arena, &limits);
    fixture->memory = calloc(1, arena.used);
    assert_non_null(fixture->memory);
    arena_init(&arena, fixture->memory, arena.used);
    firewall_init(&fixture->firewall, &arena, &limits);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(berth_address_parse(gateways[i], &addresses[0]), BERTH_OK);
        assert_int_equal(firewall_add_gateway(&fixture->firewall, &addresses[0]), BERTH_OK);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(berth_address_parse(held[i], &addresses[i]), BERTH_OK);
    }
    assert_int_equal(firewall_set_host(&fixture->firewall, addresses, 4), BERTH_OK);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture_make(fixture, FIXTURE_RULES, FIXTURE_RULE_BYTES);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->memory);
    free(fixture);
    return 0;
}

/* Loads TEXT, which is right. */
static inline void fixture_load(struct fixture *fixture, const char *text)
{
    int status = firewall_load(&fixture->firewall, text, strlen(text), &fixture->error);

    if (status != BERTH_OK) {
        print_error("%s: %u:%u: '%s': expected %s\n", text, fixture->error.line,
                    fixture->error.column, fixture->error.word, fixture->error.expected);
    }
    assert_int_equal(status, BERTH_OK);
}

struct fixture_spelling {
    const char *text;
    const char *canonical; /* of its last rule */
};

/* The texts of TABLE are spelt so, and each canonical spelling as itself. */
static inline void fixture_spellings(struct fixture *fixture, const struct fixture_spelling *table,
                                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fixture_load(fixture, table[i].text);
        assert_true(firewall_rule_count(&fixture->firewall) > 0);
        assert_string_equal(
            firewall_rule_text(&fixture->firewall, firewall_rule_count(&fixture->firewall) - 1),
            table[i].canonical);
        fixture_load(fixture, table[i].canonical);
        assert_int_equal(firewall_rule_count(&fixture->firewall), 1);
        assert_string_equal(firewall_rule_text(&fixture->firewall, 0), table[i].canonical);
    }
}

struct fixture_mistake {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *word;
    const char *expected; /* begins with */
};

/* The texts of TABLE are wrong, there and for that reason. */
static inline void fixture_mistakes(struct fixture *fixture, const struct fixture_mistake *table,
                                    size_t count)
{
    const struct berth_rules_error *error = &fixture->error;

    for (size_t i = 0; i < count; i++) {
        if (firewall_load(&fixture->firewall, table[i].text, strlen(table[i].text),
                          &fixture->error) != BERTH_E_SYNTAX ||
            error->line != table[i].line || error->column != table[i].column ||
            strcmp(error->word, table[i].word) != 0 ||
            strncmp(error->expected, table[i].expected, strlen(table[i].expected)) != 0) {
            fail_msg("%s\ngot %u:%u: '%s': expected %s", table[i].text, error->line, error->column,
                     error->word, error->expected);
        }
    }
}

/* NAME was given for ADDRESS. */
static inline void fixture_learn(struct fixture *fixture, const char *name, const char *address,
                                 uint64_t until_ns, bool may_be_special)
{
    struct berth_address parsed;

    assert_int_equal(berth_address_parse(address, &parsed), BERTH_OK);
    assert_int_equal(firewall_learn(&fixture->firewall, name, &parsed, until_ns, may_be_special),
                     BERTH_OK);
}

/* "out tcp 10.0.0.7 443" */
static inline struct berth_contact_query fixture_query(const char *text)
{
    struct berth_contact_query query = {.direction = BERTH_OUT};
    char direction[4];
    char protocol[8];
    char address[64];
    unsigned port = 0;

    assert_true(sscanf(text, "%3s %7s %63s %u", direction, protocol, address, &port) >= 3);
    query.direction = strcmp(direction, "in") == 0 ? BERTH_IN : BERTH_OUT;
    query.protocol = strcmp(protocol, "tcp") == 0   ? BERTH_TCP
                     : strcmp(protocol, "udp") == 0 ? BERTH_UDP
                                                    : BERTH_ICMP;
    query.port = (uint16_t)port;
    assert_int_equal(berth_address_parse(address, &query.peer), BERTH_OK);
    return query;
}

/* The number of the rule that allows TEXT; -1: denied by no rule; -2 and below: by rule -2 - N. */
static inline int fixture_ask(const struct fixture *fixture, const char *text)
{
    struct berth_contact_query query = fixture_query(text);
    struct berth_verdict verdict = firewall_judge(&fixture->firewall, &query);

    return verdict.action == BERTH_ALLOW ? verdict.rule : verdict.rule < 0 ? -1 : -2 - verdict.rule;
}

#endif
