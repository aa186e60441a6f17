/* SPDX-License-Identifier: MIT */
/*
 * The index against the walk: for policies made at random, of few ports, nested prefixes and few
 * processes so that rules overlap much, firewall_judge gives the first rule that firewall_explain
 * says matches, and whether the process might change that. Where
 * rules find no room in the table, too; and a policy of many rules costs no more probes than a
 * short one of the same shapes.
 */
#include "fixture.h"

#include "base/random.h"
#include "firewall/rule.h"

enum { POLICIES = 400, QUERIES = 400, RULES_MAX = 48, TEXT_BYTES = 1 << 16, MANY = 20000 };

static const uint8_t seed[32] = {7};

static const char *const whats[] = {"",
                                    "any",
                                    "tcp",
                                    "udp",
                                    "icmp",
                                    "22",
                                    "22-25",
                                    "1-65535",
                                    "443/udp",
                                    "system",
                                    "user/tcp",
                                    "ephemeral",
                                    "https",
                                    "domain",
                                    "80,443,8080-8089/tcp",
                                    "1-1023,53/udp",
                                    "65535",
                                    "1023-1025",
                                    "49151-49152",
                                    "2-65534/udp"};

static const char *const peers[] = {"",
                                    "any",
                                    "host",
                                    "0.0.0.0/0",
                                    "10.0.0.0/8",
                                    "10.0.2.0/24",
                                    "10.0.2.2",
                                    "10.1.2.3",
                                    "10.1.2.0/31,192.168.0.5",
                                    "192.168.0.0/16",
                                    "127.0.0.0/8",
                                    "127.0.0.1",
                                    "169.254.0.0/16",
                                    "::/0",
                                    "2001:db8::/32",
                                    "2001:db8::5",
                                    "fe80::/10",
                                    "fd00::/8,host",
                                    "64:ff9b::/96",
                                    "64:ff9b::7f00:0/104",
                                    "a.example.com",
                                    "*.example.com",
                                    "*.a.example.com,*.com",
                                    "example.com,10.1.2.2",
                                    "*.test",
                                    "h.test,192.168.0.0/16",
                                    "old.test,10.9.9.9"};

static const struct {
    const char *name;
    const char *address;
    uint64_t until_ns; /* it is 100 */
    bool may_be_special;
} names[] = {
    {"a.example.com", "198.51.100.7", 200, false},
    {"b.a.example.com", "198.51.100.7", 200, false},
    {"example.com", "192.168.7.7", 200, false},
    {"a.example.com", "127.0.0.1", 200, false},
    {"h.test", "10.0.2.2", 200, true},
    {"h.test", "10.1.2.2", 200, true},
    {"x.test", "10.0.2.2", 200, false},
    {"old.test", "10.9.9.9", 100, false},
    {"a.example.com", "2606::1", 200, false},
    {"nobody.named", "2606::1", 200, false},
    {"c.example.com", "198.51.100.7", 100, false},
};

static const char *const asked[] = {"10.0.2.2",    "10.0.2.9",     "10.1.2.3",        "10.1.2.2",
                                    "10.9.9.9",    "192.168.0.5",  "192.168.7.7",     "127.0.0.1",
                                    "127.3.2.1",   "169.254.1.1",  "198.51.100.7",    "224.0.0.1",
                                    "2001:db8::5", "2001:db8::77", "2606::1",         "fe80::1",
                                    "fd00::2",     "fd00::9",      "64:ff9b::7f00:1", "::1"};

static const uint16_t ports[] = {0,   1,    2,    21,   22,   25,    26,    53,    80,   81,
                                 443, 1022, 1023, 1024, 1025, 49151, 49152, 65534, 65535};

static const char *const conditions[] = {"", "", "", "by curl", "by git,curl", "by npm log"};

static const char *const processes[] = {NULL, NULL, "curl", "git", "npm", "node"};

#define COUNT(list)          (sizeof(list) / sizeof((list)[0]))
#define ONE_OF(random, list) ((list)[random_below(random, (uint32_t)COUNT(list))])

static size_t add_rule(struct random *random, char *out, size_t bytes)
{
    static const char *const actions[] = {"allow", "deny", "drop", "ask"};
    bool is_in = random_below(random, 4) == 0;
    const char *peer = ONE_OF(random, peers);

    return (size_t)snprintf(out, bytes, "%s %s %s %s %s %s\n", ONE_OF(random, actions),
                            is_in ? "in" : "out", ONE_OF(random, whats),
                            peer[0] == '\0' ? ""
                            : is_in         ? "from"
                                            : "to",
                            peer, ONE_OF(random, conditions));
}

static void ask(const struct firewall *firewall, struct random *random)
{
    static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP, BERTH_ICMP};
    struct berth_contact_query query = {
        .direction = random_below(random, 4) == 0 ? BERTH_IN : BERTH_OUT,
        .protocol = ONE_OF(random, protocols),
    };
    struct berth_verdict verdict;
    bool needs_process = false;
    int32_t first = -1;

    assert_int_equal(berth_address_parse(ONE_OF(random, asked), &query.peer), BERTH_OK);
    query.port = query.protocol == BERTH_ICMP ? 0 : ONE_OF(random, ports);
    query.process = ONE_OF(random, processes);
    verdict = firewall_judge(firewall, &query);
    for (uint32_t i = 0; i < firewall_rule_count(firewall) && first < 0; i++) {
        enum berth_miss miss = firewall_explain(firewall, i, &query);
        bool is_by = strstr(firewall_rule_text(firewall, i), " by ") != NULL;

        first = miss == BERTH_MATCH ? (int32_t)i : -1;
        needs_process = needs_process || (is_by && query.process == NULL &&
                                          (first >= 0 || miss == BERTH_MISS_PROCESS));
    }
    assert_int_equal(verdict.rule, first);
    assert_int_equal(verdict.needs_process, needs_process);
    if (first >= 0) {
        /* By its name, or also without? */
        struct firewall unnamed = *firewall;

        unnamed.bindings.pool.used = 0;
        assert_int_equal(verdict.by_name,
                         firewall_explain(&unnamed, (uint32_t)first, &query) != BERTH_MATCH);
    }
}

/* Returns how many policies had rules that are not in the table. */
static int compare(struct fixture *fixture, struct random *random)
{
    static char text[TEXT_BYTES];
    int with_rest = 0;

    fixture->firewall.now_ns = 100;
    for (size_t i = 0; i < COUNT(names); i++) {
        fixture_learn(fixture, names[i].name, names[i].address, names[i].until_ns,
                      names[i].may_be_special);
    }
    for (int policy = 0; policy < POLICIES; policy++) {
        uint32_t count = random_below(random, RULES_MAX) + 1;
        size_t used = 0;

        for (uint32_t i = 0; i < count; i++) {
            used += add_rule(random, text + used, sizeof text - used);
        }
        fixture_load(fixture, text);
        for (int i = 0; i < QUERIES; i++) {
            ask(&fixture->firewall, random);
        }
        with_rest +=
            fixture->firewall.sets[fixture->firewall.active].index.rest_begin[FIREWALL_LISTS] > 0;
    }
    return with_rest;
}

static void the_first_rule_is_the_walks(void **state)
{
    struct fixture *fixture = *state;
    struct random random;

    random_init(&random, seed, "index");
    assert_int_equal(compare(fixture, &random), 0);
}

static void rules_without_room_in_the_table_are_walked(void **state)
{
    struct fixture *fixture = *state;
    struct random random;

    random_init(&random, seed, "rest");
    for (int i = 0; i < 2; i++) {
        fixture->firewall.sets[i].index.entries_max = 100;
    }
    assert_in_range(compare(fixture, &random), POLICIES / 2, POLICIES);
}

static void many_rules_make_no_more_tuples(void **state)
{
    static char text[MANY * 32];
    struct fixture many = {0};
    const struct firewall_index *index;
    size_t used = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "allow out 443 to 11.%u.%u.7\n",
                                 i >> 8, i & 255);
    }
    fixture_make(&many, MANY, sizeof text);
    fixture_load(&many, text);
    index = &many.firewall.sets[many.firewall.active].index;
    assert_int_equal(index->tuples_begin[FIREWALL_RANGES], 1);
    assert_int_equal(fixture_ask(&many, "out tcp 11.0.0.7 443"), 0);
    assert_int_equal(fixture_ask(&many, "out tcp 11.78.31.7 443"), MANY - 1);
    assert_int_equal(fixture_ask(&many, "out tcp 11.78.32.7 443"), -1);
    assert_int_equal(fixture_ask(&many, "out tcp 11.0.0.7 444"), -1);
    free(many.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_rule_is_the_walks, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(rules_without_room_in_the_table_are_walked, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(many_rules_make_no_more_tuples),
    };
    return cmocka_run_group_tests_name("firewall/index", tests, NULL, NULL);
}
