/* SPDX-License-Identifier: MIT */
/*
 * bench-rules: what a verdict costs, by the number of rules.
 *
 *   bench-rules policy N   prints a policy of N rules, of the same shapes whatever N is: seven in
 *                          ten open one port of one address, two a port of a /24, one shuts a range
 *                          of ports of a /16
 *   bench-rules judge N    judges first contacts under that policy, half of them such as some rule
 *                          names, half to any address; prints a line of JSON: mean of a verdict
 *   bench-rules walk N     the same by asking rule after rule, as berth rules explain does
 *   bench-rules names N    as judge, but the rules open a port of a host name each, one in ten of
 *                          all names below one; the addresses asked for have one name each
 *   bench-rules by N       as judge, but each rule goes by one of 1000 processes
 */
#include "base/random.h"
#include "firewall/firewall.h"
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERIES      65536U
#define VERDICTS     (8U * QUERIES)
#define WALKED_RULES 20000000U /* in all */
#define RULES_MAX    1000000U
#define RULE_BYTES   64U
#define PROCESSES    1000U

static const uint16_t ports[] = {22, 25, 53, 80, 110, 143, 389, 443, 587, 993, 3306, 5432, 8080};

enum kind { KIND_ADDRESSES, KIND_NAMES, KIND_PROCESSES };

static char processes[PROCESSES][8];

struct draw {
    struct random random;
    enum kind kind;
    uint32_t address; /* of the rule drawn last */
    uint16_t port;
};

static size_t add_rule(struct draw *draw, uint32_t number, char *out, size_t bytes)
{
    uint32_t a;

    draw->address = 0x0b000000U + (random_u32(&draw->random) & 0x3fffffffU);
    draw->port = ports[random_below(&draw->random, sizeof ports / sizeof ports[0])];
    a = draw->address;
    if (draw->kind == KIND_NAMES) {
        return (size_t)snprintf(out, bytes, "allow out %u to %sn%u.example\n", draw->port,
                                number % 10 == 9 ? "*." : "", number);
    }
    if (draw->kind == KIND_PROCESSES) {
        return (size_t)snprintf(out, bytes, "allow out %u to %u.%u.%u.%u by %s\n", draw->port,
                                a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255,
                                processes[number % PROCESSES]);
    }
    if (number % 10 < 7) {
        return (size_t)snprintf(out, bytes, "allow out %u to %u.%u.%u.%u\n", draw->port, a >> 24,
                                a >> 16 & 255, a >> 8 & 255, a & 255);
    }
    if (number % 10 < 9) {
        return (size_t)snprintf(out, bytes, "allow out %u to %u.%u.%u.0/24\n", draw->port, a >> 24,
                                a >> 16 & 255, a >> 8 & 255);
    }
    draw->port = 8192;
    return (size_t)snprintf(out, bytes, "deny out 8192-16383 to %u.%u.0.0/16\n", a >> 24,
                            a >> 16 & 255);
}

static void draw_init(struct draw *draw, enum kind kind)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {3};

    draw->kind = kind;
    random_init(&draw->random, seed, "rules");
}

/* A policy of COUNT rules; *QUERIES_OUT, where asked for, gets what they name and what not. */
static char *make_policy(enum kind kind, uint32_t count, struct berth_contact_query *queries)
{
    size_t bytes = (size_t)count * RULE_BYTES + 1;
    char *text = malloc(bytes);
    struct draw draw;
    size_t used = 0;

    must(text == NULL ? BERTH_E_LIMIT : 0, "memory");
    draw_init(&draw, kind);
    for (uint32_t i = 0; i < count; i++) {
        used += add_rule(&draw, i, text + used, bytes - used);
        /* Every rule has its turn while there are more queries than rules, then some have. */
        for (uint32_t at = i; queries != NULL && at < QUERIES / 2; at += count) {
            queries[2 * at] = (struct berth_contact_query){.direction = BERTH_OUT,
                                                           .protocol = BERTH_TCP,
                                                           .peer = berth_address_v4(draw.address),
                                                           .port = draw.port,
                                                           .process = processes[i % PROCESSES]};
        }
    }
    for (uint32_t at = 0; queries != NULL && at < QUERIES / 2; at++) {
        queries[2 * at + 1] = queries[2 * at];
        queries[2 * at + 1].peer =
            berth_address_v4(0x4c000000U + (random_u32(&draw.random) & 0x3fffffffU));
    }
    return text;
}

/* In an order that no cache foresees. */
static void shuffle(struct berth_contact_query *queries)
{
    struct draw draw;

    draw_init(&draw, KIND_ADDRESSES);
    for (uint32_t i = QUERIES - 1; i > 0; i--) {
        uint32_t other = random_below(&draw.random, i + 1);
        struct berth_contact_query query = queries[i];

        queries[i] = queries[other];
        queries[other] = query;
    }
}

static void load(struct firewall *firewall, uint32_t count, const char *text)
{
    const struct firewall_limits limits = {
        .rules = count, .rule_bytes = count * RULE_BYTES, .addresses = 8, .names = QUERIES};
    struct berth_rules_error error;
    struct arena arena;
    void *memory;

    arena_init(&arena, NULL, 0);
    firewall_init(firewall, &arena, &limits);
    memory = calloc(1, arena.used);
    must(memory == NULL ? BERTH_E_LIMIT : 0, "memory");
    arena_init(&arena, memory, arena.used);
    firewall_init(firewall, &arena, &limits);
    must(firewall_load(firewall, text, strlen(text), &error), "the policy");
}

/* Tells the names of the addresses that the queries made of rules ask for. */
static void learn(struct firewall *firewall, uint32_t count,
                  const struct berth_contact_query *queries)
{
    for (uint32_t i = 0; i < min_u32(count, QUERIES / 2); i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "%sn%u.example", i % 10 == 9 ? "a." : "", i);
        must(firewall_learn(firewall, name, &queries[2 * i].peer, UINT64_MAX, false), "a name");
    }
}

static uint32_t judge(const struct firewall *firewall, const struct berth_contact_query *query)
{
    return firewall_judge(firewall, query).action == BERTH_ALLOW;
}

static uint32_t walk(const struct firewall *firewall, const struct berth_contact_query *query)
{
    for (uint32_t i = 0; i < firewall_rule_count(firewall); i++) {
        if (firewall_explain(firewall, i, query) == BERTH_MATCH) {
            return 1;
        }
    }
    return 0;
}

static void measure(const char *way, uint32_t count)
{
    static struct berth_contact_query queries[QUERIES];
    static struct firewall firewall;
    bool is_walk = strcmp(way, "walk") == 0;
    enum kind kind = strcmp(way, "names") == 0 ? KIND_NAMES
                     : strcmp(way, "by") == 0  ? KIND_PROCESSES
                                               : KIND_ADDRESSES;
    uint32_t verdicts = is_walk ? max_u32(min_u32(WALKED_RULES / count, VERDICTS), 64) : VERDICTS;
    char *text = make_policy(kind, count, queries);
    uint32_t allowed = 0;
    uint64_t begin_ns;

    load(&firewall, count, text);
    if (kind == KIND_NAMES) {
        learn(&firewall, count, queries);
    }
    shuffle(queries);
    for (uint32_t i = 0; i < verdicts / 4; i++) {
        allowed += (is_walk ? walk : judge)(&firewall, &queries[i % QUERIES]);
    }
    allowed = 0;
    begin_ns = cpu_ns();
    for (uint32_t i = 0; i < verdicts; i++) {
        allowed += (is_walk ? walk : judge)(&firewall, &queries[i % QUERIES]);
    }
    begin_ns = cpu_ns() - begin_ns;
    printf("{\"way\": \"%s\", \"rules\": %u, \"ns\": %.2f, \"allowed\": %.3f}\n", way, count,
           (double)begin_ns / verdicts, (double)allowed / verdicts);
    free(text);
}

int main(int argc, char **argv)
{
    unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    for (uint32_t i = 0; i < PROCESSES; i++) {
        (void)snprintf(processes[i], sizeof processes[i], "p%u", i);
    }

    if (count == 0 || count > RULES_MAX) {
        fputs(
            "usage: bench-rules policy | judge | walk | names | by NUMBER-OF-RULES (to 1000000)\n",
            stderr);
        return 2;
    }
    if (strcmp(argv[1], "policy") == 0) {
        char *text = make_policy(KIND_ADDRESSES, (uint32_t)count, NULL);

        fputs(text, stdout);
        free(text);
    } else {
        measure(argv[1], (uint32_t)count);
    }
    return 0;
}
