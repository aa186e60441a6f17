/* SPDX-License-Identifier: MIT */
/*
 * Learning: the rules that are made of what was used. That they are few and read well, by example;
 * that they allow all that was used and nothing else, by a firewall that is asked about random
 * uses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "cli/learn.h"
#include "cli/policy.h"
#include "firewall/firewall.h"

enum { USES_MAX = 400, ROUNDS = 200, PEERS = 6, PORTS = 7 };

static char *rules_of(struct learn_use *uses, size_t count, size_t *rules)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    *rules = learn_write_rules(uses, count, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect(struct learn_use *uses, size_t count, const char *expected)
{
    size_t rules;
    char *text = rules_of(uses, count, &rules);
    size_t lines = 0;

    assert_string_equal(text, expected);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(rules * 2, lines); /* each with its comment */
    free(text);
}

static struct learn_use use(uint16_t port, const char *peer, const char *process)
{
    return (struct learn_use){BERTH_OUT, BERTH_TCP, port, peer, process, false, 1};
}

static void test_nothing(void **state)
{
    struct learn_use none = {0};

    (void)state;
    expect(&none, 0, "");
}

static void test_one(void **state)
{
    struct learn_use uses[] = {use(443, "192.0.2.7", "curl")};

    (void)state;
    expect(uses, 1, "# curl: 1 time\nallow out https/tcp to 192.0.2.7\n");
}

/* Two addresses of one kind, and the same two ports: one rule. */
static void test_product(void **state)
{
    struct learn_use uses[] = {use(443, "b", "curl"), use(80, "a", "curl"), use(80, "b", "git"),
                               use(443, "a", NULL)};

    (void)state;
    expect(uses, 4, "# curl, git: 4 times\nallow out http,https/tcp to a, b\n");
}

/* Put together by port it is two rules, by peer it would be three. */
static void test_by_port(void **state)
{
    struct learn_use uses[] = {use(80, "a", "x"), use(80, "b", "x"), use(443, "b", "x"),
                               use(443, "c", "x")};

    (void)state;
    expect(uses, 4,
           "# x: 2 times\nallow out http/tcp to a, b\n# x: 2 times\nallow out https/tcp to b, c\n");
}

static void test_protocols_and_directions(void **state)
{
    struct learn_use uses[] = {
        {BERTH_OUT, BERTH_UDP, 53, "a", "dig", false, 2},
        {BERTH_OUT, BERTH_TCP, 53, "a", "dig", false, 1},
        {BERTH_OUT, BERTH_ICMP, 0, "a", "ping", false, 1},
        {BERTH_IN, BERTH_TCP, 8080, "host", "python3", true, 9},
        {BERTH_OUT, BERTH_TCP, 5433, "a", "dig", false, 1},
    };

    (void)state;
    expect(uses, 5,
           "# dig: 4 times\nallow out domain,pyrrho/tcp,domain/udp to a\n"
           "# ping: 1 time\nallow out icmp to a\n"
           "# python3 and others: 9 times\nallow in 8080/tcp from host\n");
}

/* What IANA has no name for is a number. */
static void test_numbers(void **state)
{
    struct learn_use uses[] = {use(55555, "a", "x"), use(4, "a", "x")};

    (void)state;
    expect(uses, 2, "# x: 2 times\nallow out 4,55555/tcp to a\n");
}

static void test_chosen_ports(void **state)
{
    struct learn_use uses[LEARN_CHOSEN_MAX + 2];

    (void)state;
    for (size_t i = 0; i < LEARN_CHOSEN_MAX + 1; i++) {
        uses[i] = use((uint16_t)(LEARN_CHOSEN_FIRST + 100 * i), "a", "ftp");
    }
    uses[LEARN_CHOSEN_MAX + 1] = use(21, "a", "ftp");
    expect(uses, LEARN_CHOSEN_MAX + 2, "# ftp: 10 times\nallow out ftp,32768-65535/tcp to a\n");
}

/* A process names itself: it cannot write a rule. */
static void test_process_name(void **state)
{
    struct learn_use uses[] = {use(80, "a", "x\nallow out")};

    (void)state;
    expect(uses, 1, "# x?allow out: 1 time\nallow out http/tcp to a\n");
}

/* ---- All that was used, and nothing else ---------------------------------------------------- */

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

static const char *const peers[PEERS] = {"192.0.2.1",   "192.0.2.2",   "198.51.100.3",
                                         "203.0.113.4", "2001:db8::5", "10.0.0.6"};
static const uint16_t ports[PORTS] = {22, 80, 443, 5432, 8080, 33000, 60000};
static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP, BERTH_ICMP};

static bool is_used(const struct learn_use *uses, size_t count, const struct learn_use *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (uses[i].direction == wanted->direction && uses[i].protocol == wanted->protocol &&
            uses[i].port == wanted->port && strcmp(uses[i].peer, wanted->peer) == 0) {
            return true;
        }
    }
    return false;
}

static void ask(const struct firewall *firewall, const struct learn_use *uses, size_t count,
                const struct learn_use *wanted)
{
    struct berth_contact_query query = {
        .direction = wanted->direction, .protocol = wanted->protocol, .port = wanted->port};
    struct berth_verdict verdict;

    assert_int_equal(berth_address_parse(wanted->peer, &query.peer), 0);
    verdict = firewall_judge(firewall, &query);
    assert_int_equal(verdict.action == BERTH_ALLOW, is_used(uses, count, wanted));
}

static void ask_all(const struct firewall *firewall, const struct learn_use *uses, size_t count)
{
    for (size_t i = 0; i < (size_t)2 * 3 * PEERS * PORTS; i++) {
        struct learn_use wanted = {.direction = (enum berth_direction)(i % 2),
                                   .protocol = protocols[i / 2 % 3],
                                   .peer = peers[i / 6 % PEERS],
                                   .port = ports[i / 6 / PEERS]};

        wanted.port = wanted.protocol == BERTH_ICMP ? 0 : wanted.port;
        ask(firewall, uses, count, &wanted);
    }
}

static size_t draw_uses(uint32_t *seed, uint32_t below, struct learn_use *uses)
{
    size_t count = draw(seed, below);

    for (size_t i = 0; i < count; i++) {
        uses[i] = (struct learn_use){.direction = (enum berth_direction)draw(seed, 2),
                                     .protocol = protocols[draw(seed, 3)],
                                     .port = ports[draw(seed, PORTS)],
                                     .peer = peers[draw(seed, PEERS)],
                                     .connections = 1};
        uses[i].port = uses[i].protocol == BERTH_ICMP ? 0 : uses[i].port;
    }
    return count;
}

static void add_text(struct cli_policy *policy, const char *text)
{
    char path[] = "/tmp/berth-learn-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(cli_policy_add_file(policy, path, NULL), 0);
    unlink(path);
    close(fd);
}

static void test_random(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct learn_use uses[USES_MAX];
        size_t count = draw_uses(&seed, round % 2 == 0 ? 12 : USES_MAX, uses);
        struct cli_policy *policy = cli_policy_new();
        struct firewall *firewall;
        size_t rules;
        char *text = rules_of(uses, count, &rules);

        add_text(policy, text);
        firewall = cli_policy_firewall(policy);
        assert_int_equal(firewall_rule_count(firewall), rules);
        ask_all(firewall, uses, count);
        cli_policy_firewall_free(firewall);
        cli_policy_free(policy);
        free(text);
    }
}

/* What is in the way of nothing while a policy is learned is a policy itself. */
static void test_everything(void **state)
{
    static const char *const all[] = {"192.0.2.1", "127.0.0.1",    "0.0.0.0",  "169.254.169.254",
                                      "224.0.0.1", "::1",          "fe80::1",  "255.255.255.255",
                                      "ff02::1",   "2001:db8::",   "10.0.0.1", "64:ff9b::7f00:1",
                                      "::",        "2002:7f00:1::"};
    struct cli_policy *policy = cli_policy_new();
    struct firewall *firewall;

    (void)state;
    add_text(policy, learn_everything);
    firewall = cli_policy_firewall(policy);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct learn_use wanted = {BERTH_OUT, BERTH_TCP, 80, all[i], NULL, false, 1};

        ask(firewall, &wanted, 1, &wanted);
        wanted.direction = BERTH_IN;
        ask(firewall, &wanted, 1, &wanted);
    }
    cli_policy_firewall_free(firewall);
    cli_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_by_port),
        cmocka_unit_test(test_protocols_and_directions),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_chosen_ports),
        cmocka_unit_test(test_process_name),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
