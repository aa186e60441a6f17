/* SPDX-License-Identifier: MIT */
/* Rules that never decide, and denials that are slipped past. */
#include "fixture.h"

struct pair {
    const char *rules;
    int answer; /* for the last rule */
};

static void covered_rules(void **state)
{
    static const struct pair table[] = {
        {"allow out https", -1},
        {"allow out https\nallow out https", 0},
        {"deny out\nallow out https", 0},
        {"deny out\nallow in https", -1},
        {"allow out tcp\nallow out https", -1}, /* https is UDP's too */
        {"allow out tcp\nallow out https/tcp", 0},
        {"allow out 1-1023\nallow out system/tcp", 0},
        {"allow out 1-1000\nallow out system/tcp", -1},
        {"allow out 1-500,500-1023\nallow out system/tcp", 0},
        {"allow out 1-65535,1-65535/udp\nallow out any", -1}, /* ICMP */
        {"allow out icmp\nallow out icmp to 10.9.9.9", 0},
        {"deny in 5\ndeny out 80\nallow out 80,81", -1},
        {"deny out 81\ndeny out 80\nallow out 80", 1},
        {"deny out 80-81\nallow out 80,81", 0},
        /* peers */
        {"deny out\nallow out 80 to 10.0.0.0/8", 0},
        {"deny out\nallow out 80 to 10.9.9.9", 0},
        {"deny out\nallow out 80 to 10.1.2.3", -1}, /* the host's own */
        {"deny out\nallow out 80 to host", -1},
        {"deny out\nallow out 80 to 127.0.0.0/8", -1},
        {"deny out\nallow out 80 to fe80::/64", -1},
        {"deny out to host\nallow out 80 to 10.1.2.3", 0},
        {"deny out to host\nallow out 80 to 10.9.9.9", -1},
        {"deny out to any,host\nallow out 80 to host", 0},
        {"deny out to 10.0.0.0/8\nallow out to 10.9.0.0/16", 0},
        {"deny out to 10.9.0.0/16\nallow out to 10.0.0.0/8", -1},
        {"deny out to 10.0.0.0/8\nallow out to 10.9.9.9,11.9.9.9", -1},
        {"deny out to 10.0.0.0/8,11.0.0.0/8\nallow out to 10.9.9.9,11.9.9.9", 0},
        {"deny out to 0.0.0.0/0\nallow out to 169.254.0.0/16", -1},
        {"deny out to 169.254.0.0/16\nallow out to 169.254.169.254", 0},
        {"deny out to ::/0\nallow out to 10.9.9.9", -1},
        {"deny out to 0.0.0.0/0,::/0\nallow out", -1},
        {"deny out to ::/127\nallow out to ::1", -1},
        /* processes */
        {"deny out\nallow out by curl", 0},
        {"deny out by curl\nallow out", -1},
        {"deny out by curl,git\nallow out by git", 0},
        {"deny out by curl\nallow out by curl,git", -1},
        {"ask out\nallow out 80", 0},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint32_t last;

        fixture_load(fixture, table[i].rules);
        last = firewall_rule_count(&fixture->firewall) - 1;
        if (firewall_covered_by(&fixture->firewall, last) != table[i].answer) {
            fail_msg("%s", table[i].rules);
        }
    }
}

/* What is said to be covered never decides: asked for every pair of random rules. */
static void covered_rules_never_decide(void **state)
{
    static const char *const whats[] = {"",       "80",   "80-90", "https", "system",
                                        "80/udp", "icmp", "tcp",   "udp",   "81,443"};
    static const char *const peers[] = {"",          "any",      "host",           "10.0.0.0/8",
                                        "10.9.9.9",  "10.1.2.3", "127.0.0.0/8",    "127.0.0.1",
                                        "0.0.0.0/0", "::/0",     "169.254.0.0/16", "any,host",
                                        "fe80::/10", "::1",      "64:ff9b::/96"};
    static const char *const queries[] = {
        "10.9.9.9", "10.0.0.1",        "10.1.2.3", "10.0.2.2", "127.0.0.1",   "8.8.8.8",
        "::1",      "169.254.169.254", "fe80::1",  "fd00::2",  "2001:db8::9", "64:ff9b::7f00:1"};
    static const int ports[] = {1, 79, 80, 81, 90, 443, 1023, 1024};
    struct fixture *fixture = *state;
    int covered = 0;

    for (size_t pair = 0; pair < 10 * 15 * 10 * 15; pair++) {
        const char *peer_a = peers[pair % 15];
        const char *peer_b = peers[pair / 15 % 15];
        char rules[160];

        (void)snprintf(rules, sizeof rules, "deny out %s %s %s\nallow out %s %s %s",
                       whats[pair / 225 % 10], *peer_a == '\0' ? "" : "to", peer_a,
                       whats[pair / 2250 % 10], *peer_b == '\0' ? "" : "to", peer_b);
        fixture_load(fixture, rules);
        if (firewall_covered_by(&fixture->firewall, 1) < 0) {
            continue;
        }
        covered++;
        for (size_t q = 0; q < 12 * 8 * 3; q++) {
            static const char *const kinds[] = {"tcp", "udp", "icmp"};
            char query[80];

            (void)snprintf(query, sizeof query, "out %s %s %d", kinds[q % 3], queries[q / 24],
                           ports[q / 3 % 8]);
            if (fixture_ask(fixture, query) == 1) {
                fail_msg("%s: %s", rules, query);
            }
        }
    }
    assert_true(covered > 1000);
}

static void slipping_past_a_denial(void **state)
{
    static const struct pair table[] = {
        {"deny out system\nallow out to host", 0},
        {"drop out\nallow out 80 to 10.0.2.2", 0},
        {"deny out system\nallow out 8000 to host", -1},
        {"deny out system\nallow in from host", -1},
        {"deny out system to any,host\nallow out to host", -1},
        {"deny out system to 10.0.0.0/8\nallow out to host", -1},
        {"deny out udp\nallow out 80/tcp to host", -1},
        {"deny out 80-90\nallow out 85/tcp to 169.254.169.254", 0},
        {"deny out 80-90\nallow out 85/tcp to 10.9.9.9", -1},
        {"deny out 80-90\ndeny out 85/tcp to host", -1},
        {"allow out to host", -1},
        {"ask out\nallow out to host", -1},
        {"deny out\nask out to host", 0},
        {"deny out by curl\nallow out to host", 0},
        {"deny out by curl\nallow out to host by git", -1},
        {"deny out by curl\nallow out to host by git,curl", 0},
        {"allow out\nallow out to host", -1},
        {"deny out icmp\nallow out icmp to host", 0},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_load(fixture, table[i].rules);
        if (firewall_slips_past(&fixture->firewall, firewall_rule_count(&fixture->firewall) - 1) !=
            table[i].answer) {
            fail_msg("%s", table[i].rules);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(covered_rules),
        CASE(covered_rules_never_decide),
        CASE(slipping_past_a_denial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
