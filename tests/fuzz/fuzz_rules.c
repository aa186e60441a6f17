/* SPDX-License-Identifier: MIT */
/*
 * The rule language: any bytes as a policy.
 *
 * What is wrong is said with a place inside the text. What is right, spelled canonically and loaded
 * again, is the same rules with the same verdicts; the deciding rule is the first that explains
 * itself as a match; a rule said to be covered never decides.
 */
#include "firewall/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES      512
#define RULE_BYTES 32768
#define COVERS_MAX 64 /* rules that are asked for coverage: it walks all pairs */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                            \
    do {                                                           \
        if (!(condition)) {                                        \
            (void)fprintf(stderr, "fuzz_rules: %s\n", #condition); \
            abort();                                               \
        }                                                          \
    } while (0)

static const char *const addresses[] = {
    "10.0.2.2",    "fd00::2",         "10.9.9.9",        "8.8.8.8",
    "2001:db8::1", "127.0.0.1",       "169.254.169.254", "255.255.255.255",
    "fe80::1",     "64:ff9b::7f00:1", "224.0.0.1",       "ff02::1",
    "::1",         "0.0.0.0",         "192.168.1.5",
};
#define ADDRESSES (sizeof addresses / sizeof addresses[0])

static const struct {
    const char *name;
    const char *address;
    uint64_t until_ns; /* it is 0 */
    bool may_be_special;
} names[] = {
    {"a.example", "8.8.8.8", 1, false},   {"b.a.example", "2001:db8::1", 1, false},
    {"a.example", "127.0.0.1", 1, false}, {"h.example", "192.168.1.5", 1, true},
    {"c.example", "8.8.8.8", 0, false},
};

static const uint16_t ports[] = {0, 1, 22, 53, 80, 443, 1023, 1024, 8080, 49151, 49152, 65535};
#define PORTS (sizeof ports / sizeof ports[0])

static const char *const processes[] = {NULL, "curl", "git"};
#define PROCESSES (sizeof processes / sizeof processes[0])

#define QUERIES (ADDRESSES * PORTS * PROCESSES * 3 * 2)

static void make(struct firewall *firewall)
{
    struct berth_address held = berth_address_v4(0xc0a80105);
    struct berth_address gateway;
    const struct firewall_limits limits = {
        .rules = RULES, .rule_bytes = RULE_BYTES, .addresses = 2, .names = 16, .limit_sources = 16};
    struct arena arena;

    arena_init(&arena, NULL, 0);
    firewall_init(firewall, &arena, &limits);
    arena_init(&arena, malloc(arena.used), arena.used);
    MUST(arena.memory != NULL);
    firewall_init(firewall, &arena, &limits);
    MUST(firewall_set_host(firewall, &held, 1) == BERTH_OK);
    for (int i = 0; i < 2; i++) {
        MUST(berth_address_parse(addresses[i], &gateway) == BERTH_OK);
        MUST(firewall_add_gateway(firewall, &gateway) == BERTH_OK);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct berth_address address;

        MUST(berth_address_parse(names[i].address, &address) == BERTH_OK);
        MUST(firewall_learn(firewall, names[i].name, &address, names[i].until_ns,
                            names[i].may_be_special) == BERTH_OK);
    }
}

static struct berth_contact_query queries[QUERIES];

static void make_queries(void)
{
    static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP, BERTH_ICMP};

    for (size_t i = 0; i < QUERIES; i++) {
        queries[i].direction = i % 2 == 0 ? BERTH_OUT : BERTH_IN;
        queries[i].protocol = protocols[i / 2 % 3];
        queries[i].port = ports[i / 6 % PORTS];
        queries[i].process = processes[i / 6 / PORTS % PROCESSES];
        MUST(berth_address_parse(addresses[i / 6 / PORTS / PROCESSES], &queries[i].peer) ==
             BERTH_OK);
    }
}

static void check_error(const struct berth_rules_error *error, const char *text, size_t bytes)
{
    uint32_t line = 1;
    size_t begin = 0;

    for (size_t i = 0; i < bytes && line < error->line; i++) {
        if (text[i] == '\n') {
            line++;
            begin = i + 1;
        }
    }
    MUST(line == error->line);
    MUST(error->column >= 1 && error->column - 1 <= bytes - begin);
    MUST(error->word[0] != '\0' && memchr(error->word, '\0', sizeof error->word) != NULL);
    MUST(error->expected[0] != '\0' &&
         memchr(error->expected, '\0', sizeof error->expected) != NULL);
    MUST(strlen(error->expected) < sizeof error->expected - 1); /* cut: make it shorter */
}

static void check_verdict(const struct firewall *firewall, const struct berth_contact_query *query)
{
    struct berth_verdict verdict = firewall_judge(firewall, query);
    uint32_t count = firewall_rule_count(firewall);
    uint32_t before = verdict.rule < 0 ? count : (uint32_t)verdict.rule;

    MUST(verdict.rule >= -1 && verdict.rule < (int32_t)count);
    MUST(verdict.rule >= 0 || verdict.action == BERTH_DENY);
    for (uint32_t i = 0; i < before; i++) {
        MUST(firewall_explain(firewall, i, query) != BERTH_MATCH);
    }
    MUST(before == count || firewall_explain(firewall, before, query) == BERTH_MATCH);
    MUST(!verdict.needs_process || query->process == NULL);
    /* Where the process is not known, a rule may decide for the time being that else never does. */
    MUST(before >= COVERS_MAX || before == count || verdict.needs_process ||
         firewall_covered_by(firewall, before) < 0);
    /* Nothing but "host" and exact addresses open what is the host's own. */
    MUST(verdict.action != BERTH_ALLOW || berth_address_v4_value(&query->peer) != 0xc0a80105 ||
         strstr(firewall_rule_text(firewall, before), "host") != NULL ||
         strstr(firewall_rule_text(firewall, before), "192.168.1.5") != NULL || verdict.by_name);
}

/* Whatever the verdict, a limit makes no more of it. */
static void check_limit(struct firewall *firewall, const struct berth_contact_query *query)
{
    struct berth_verdict verdict = firewall_judge(firewall, query);
    struct berth_verdict taken = verdict;

    firewall->now_ns += NS_PER_MS;
    if (firewall_take(firewall, query, &taken) == BERTH_OK) {
        MUST(taken.action == verdict.action && taken.reason == verdict.reason);
    } else {
        MUST(verdict.limited && taken.action == BERTH_DENY);
        MUST(taken.reason == BERTH_REASON_BY_LIMIT && taken.rule == verdict.rule);
    }
}

/* Loads the canonical spellings of FIREWALL into AGAIN: the same rules, the same verdicts. */
static void check_again(const struct firewall *firewall, struct firewall *again)
{
    static char text[RULE_BYTES + 2 * RULES];
    uint32_t count = firewall_rule_count(firewall);
    size_t used = 0;

    for (uint32_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n",
                                 firewall_rule_text(firewall, i));
        MUST(used < sizeof text);
    }
    MUST(firewall_load(again, text, used, NULL) == BERTH_OK);
    MUST(firewall_rule_count(again) == count);
    for (uint32_t i = 0; i < count; i++) {
        MUST(strcmp(firewall_rule_text(again, i), firewall_rule_text(firewall, i)) == 0);
        MUST(i >= COVERS_MAX || firewall_slips_past(again, i) == firewall_slips_past(firewall, i));
    }
    MUST(firewall_may_reach_network(again) == firewall_may_reach_network(firewall));
    MUST(firewall_may_reach_name(again, "a.example") ==
         firewall_may_reach_name(firewall, "a.example"));
    for (size_t i = 0; i < QUERIES; i++) {
        struct berth_verdict one = firewall_judge(firewall, &queries[i]);
        struct berth_verdict other = firewall_judge(again, &queries[i]);

        MUST(one.rule == other.rule && one.action == other.action && one.log == other.log &&
             one.needs_process == other.needs_process && one.by_name == other.by_name &&
             one.limited == other.limited);
        check_verdict(firewall, &queries[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct firewall firewall;
    static struct firewall again;
    struct berth_rules_error error = {0};
    int status;

    if (firewall.host == NULL) {
        make(&firewall);
        make(&again);
        make_queries();
    }
    status = firewall_load(&firewall, (const char *)data, size, &error);
    if (status == BERTH_OK) {
        check_again(&firewall, &again);
        for (size_t i = 0; i < QUERIES; i += 7) {
            check_limit(&firewall, &queries[i]);
        }
        firewall.now_ns = 0;
    } else {
        MUST(status == BERTH_E_SYNTAX || status == BERTH_E_LIMIT);
        check_error(&error, (const char *)data, size);
    }
    return 0;
}
