/* SPDX-License-Identifier: MIT */
/*
 * Verdicts: what opens which address, in and out, IPv4 and IPv6; ports and protocols; the first
 * match; and that nothing passes where nothing is loaded.
 */
#include "fixture.h"

#include "firewall/special.h"

/* ---- Peers: the heart ----------------------------------------------------------------------- */

/* Addresses that no rule reaches unless it names them, and two that are the network. */
enum {
    GATEWAY,
    GATEWAY6,
    HELD,
    HELD6,
    LOOPBACK,
    LOOPBACK6,
    METADATA,
    LINK6,
    MULTICAST,
    MULTICAST6,
    BROADCAST,
    UNSPECIFIED,
    UNSPECIFIED6,
    NAT64_LOOPBACK,
    SIX_TO_FOUR_HELD,
    NETWORK,
    NETWORK6,
    ADDRESSES
};

static const char *const addresses[ADDRESSES] = {
    [GATEWAY] = "10.0.2.2",
    [GATEWAY6] = "fd00::2",
    [HELD] = "10.1.2.3",
    [HELD6] = "2001:db8::5",
    [LOOPBACK] = "127.0.0.1",
    [LOOPBACK6] = "::1",
    [METADATA] = "169.254.169.254",
    [LINK6] = "fe80::1",
    [MULTICAST] = "224.0.0.251",
    [MULTICAST6] = "ff02::fb",
    [BROADCAST] = "255.255.255.255",
    [UNSPECIFIED] = "0.0.0.0",
    [UNSPECIFIED6] = "::",
    [NAT64_LOOPBACK] = "64:ff9b::7f00:1",
    [SIX_TO_FOUR_HELD] = "2002:a01:203::1",
    [NETWORK] = "10.9.9.9",
    [NETWORK6] = "2001:db8::99",
};

#define BIT(address) (1U << (address))
#define HOST         (BIT(GATEWAY) | BIT(GATEWAY6) | BIT(HELD) | BIT(HELD6))

static const struct {
    const char *peer;
    uint32_t opened; /* of the addresses above; everything else stays shut */
} openings[] = {
    {"", BIT(NETWORK) | BIT(NETWORK6)},
    {"any", BIT(NETWORK) | BIT(NETWORK6)},
    {"0.0.0.0/0", BIT(NETWORK)},
    {"::/0", BIT(NETWORK6)},
    {"0.0.0.0/0,::/0", BIT(NETWORK) | BIT(NETWORK6)},
    {"10.0.0.0/8", BIT(NETWORK)},
    {"10.1.2.0/24", 0},
    {"10.1.2.2/31", 0},
    {"10.0.2.0/24", 0},
    {"2001:db8::/32", BIT(NETWORK6)},
    {"2001:db8::4/127", 0},
    {"fd00::/64", 0},
    {"host", HOST},
    {"any,host", HOST | BIT(NETWORK) | BIT(NETWORK6)},
    {"10.0.2.2", BIT(GATEWAY)},
    {"10.1.2.3/32", BIT(HELD)},
    {"fd00::2", BIT(GATEWAY6)},
    {"2001:db8::5/128", BIT(HELD6)},
    {"127.0.0.1", BIT(LOOPBACK)},
    {"127.0.0.0/8", BIT(LOOPBACK)},
    {"127.0.0.0/31", BIT(LOOPBACK)},
    {"126.0.0.0/7", 0},
    {"64.0.0.0/2", 0},
    {"::1", BIT(LOOPBACK6)},
    {"::/127", 0},
    {"::/96", 0},
    {"::/64", 0},
    {"169.254.169.254", BIT(METADATA)},
    {"169.254.0.0/16", BIT(METADATA)},
    {"169.254.169.0/24", BIT(METADATA)},
    {"169.254.0.0/15", 0},
    {"168.0.0.0/5", 0},
    {"fe80::/10", BIT(LINK6)},
    {"fe80::/64", BIT(LINK6)},
    {"fe80::1", BIT(LINK6)},
    {"fe00::/9", 0},
    {"fe80::/9", 0},
    {"224.0.0.0/4", BIT(MULTICAST)},
    {"224.0.0.0/24", BIT(MULTICAST)},
    {"224.0.0.0/3", 0},
    {"ff00::/8", BIT(MULTICAST6)},
    {"ff02::fb", BIT(MULTICAST6)},
    {"fe00::/7", 0},
    {"255.255.255.255", BIT(BROADCAST)},
    {"255.255.255.254/31", 0},
    {"240.0.0.0/4", 0},
    {"0.0.0.0", BIT(UNSPECIFIED)},
    {"0.0.0.0/8", BIT(UNSPECIFIED)},
    {"0.0.0.0/7", 0},
    {"::", BIT(UNSPECIFIED6)},
    {"64:ff9b::/96", 0},
    {"64:ff9b::7f00:1", BIT(NAT64_LOOPBACK)},
    {"64:ff9b::7f00:0/104", BIT(NAT64_LOOPBACK)},
    {"2002::/16", 0},
    {"2002:a01:203::/48", BIT(SIX_TO_FOUR_HELD)},
    {"2002:a01::/32", 0},
};

static void ask_all(const struct fixture *fixture, const char *direction, const char *peer,
                    uint32_t opened)
{
    static const char *const kinds[] = {"tcp", "udp", "icmp"};

    for (int a = 0; a < ADDRESSES; a++) {
        for (int k = 0; k < 3; k++) {
            char text[100];
            int rule;

            (void)snprintf(text, sizeof text, "%s %s %s %d", direction, kinds[k], addresses[a],
                           k == 2 ? 0 : 443);
            rule = fixture_ask(fixture, text);
            if (rule != ((opened & BIT(a)) != 0 ? 0 : -1)) {
                fail_msg("peer '%s': %s: %d", peer, text, rule);
            }
        }
    }
}

static void special_addresses_must_be_named(void **state)
{
    static const char *const directions[] = {"out", "in"};
    struct fixture *fixture = *state;
    unsigned asked = 0;

    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        for (int d = 0; d < 2; d++) {
            char rule[100];
            const char *word = d == 0 ? " to " : " from ";

            (void)snprintf(rule, sizeof rule, "allow %s%s%s", directions[d],
                           openings[i].peer[0] == '\0' ? "" : word, openings[i].peer);
            if (firewall_load(&fixture->firewall, rule, strlen(rule), NULL) != BERTH_OK) {
                continue; /* 169.254.0.0/15 and the like cannot be said at all */
            }
            ask_all(fixture, directions[d], openings[i].peer, openings[i].opened);
            asked++;
        }
    }
    assert_true(asked > 90);
}

/* A rule means the same whatever its action: a denial without a peer is no wall before the host. */
static void actions_do_not_change_what_matches(void **state)
{
    struct fixture *fixture = *state;

    fixture_load(fixture, "deny out 22\nallow out to host\nallow out");
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 22"), -2);
    assert_int_equal(fixture_ask(fixture, "out tcp 10.0.2.2 22"), 1);
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 23"), 2);
    fixture_load(fixture, "deny out 22 to any,host\nallow out to host\nallow out");
    assert_int_equal(fixture_ask(fixture, "out tcp 10.0.2.2 22"), -2);
    assert_int_equal(fixture_ask(fixture, "out tcp 127.0.0.1 22"), -1);
}

/* ---- Everything by brute force --------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Is every address of PREFIX special, as a walk over its edges and the blocks would have it? Said
 * apart from special.c: by the public predicates, which know no bits. */
static bool is_wholly(const struct berth_prefix *prefix,
                      bool (*predicate)(const struct berth_address *))
{
    struct berth_address last = prefix->address;

    for (uint32_t bit = prefix->bits; bit < 128; bit++) {
        last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    return predicate(&prefix->address) && predicate(&last);
}

static bool is_broadcast(const struct berth_address *address)
{
    return berth_address_v4_value(address) == UINT32_MAX;
}

/* 0.0.0.0/8, which the public predicate has one address of. */
static bool is_this_network(const struct berth_address *address)
{
    return berth_address_is_v4(address) && address->bytes[12] == 0;
}

static bool may_open(const struct berth_prefix *prefix, const struct berth_address *address)
{
    static bool (*const predicates[])(const struct berth_address *) = {berth_address_is_loopback,
                                                                       berth_address_is_link_local,
                                                                       berth_address_is_multicast,
                                                                       is_broadcast,
                                                                       is_this_network,
                                                                       berth_address_is_any};

    for (size_t i = 0; i < sizeof predicates / sizeof predicates[0]; i++) {
        if (predicates[i](address)) {
            return is_wholly(prefix, predicates[i]);
        }
    }
    return true;
}

/* Random prefixes over random addresses of the first octets that matter. */
static void prefixes_against_predicates(void **state)
{
    static const uint8_t octets[] = {0, 10, 126, 127, 128, 168, 169, 170, 223, 224, 239, 240, 255};
    struct fixture *fixture = *state;
    uint32_t seed = 1;

    for (int i = 0; i < 20000; i++) {
        uint32_t value = (uint32_t)octets[next_random(&seed) % sizeof octets] << 24 |
                         (next_random(&seed) % 3 == 0 ? 254U << 16 : 0) |
                         (next_random(&seed) % 4 == 0 ? 0xffffffU : next_random(&seed) % 512);
        uint32_t bits = next_random(&seed) % 33;
        struct berth_contact_query query = {
            .protocol = BERTH_TCP, .port = 1, .peer = berth_address_v4(value)};
        uint32_t network = bits == 0 ? 0 : value & ~(uint32_t)0 << (32 - bits);
        struct berth_prefix prefix = {.address = berth_address_v4(network),
                                      .bits = (uint8_t)(96 + bits)};
        char address[BERTH_ADDRESS_TEXT_BYTES];
        char rule[100];

        (void)snprintf(rule, sizeof rule, "allow out to %s/%u",
                       berth_address_format(&prefix.address, address), bits);
        fixture_load(fixture, rule);
        if ((firewall_judge(&fixture->firewall, &query).rule == 0) !=
            may_open(&prefix, &query.peer)) {
            fail_msg("%s: %s", rule, berth_address_format(&query.peer, address));
        }
    }
}

/* ---- Ports, protocols, order ---------------------------------------------------------------- */

static const struct {
    const char *rule;
    const char *query;
    bool is_allowed;
} ports_table[] = {
    {"allow out 80", "out tcp 10.9.9.9 80", true},
    {"allow out 80", "out udp 10.9.9.9 80", false},
    {"allow out 80", "out tcp 10.9.9.9 79", false},
    {"allow out 80", "out tcp 10.9.9.9 81", false},
    {"allow out 80", "in tcp 10.9.9.9 80", false},
    {"allow in 80", "in tcp 10.9.9.9 80", true},
    {"allow in 80", "out tcp 10.9.9.9 80", false},
    {"allow out 80/udp", "out udp 10.9.9.9 80", true},
    {"allow out 80/udp", "out tcp 10.9.9.9 80", false},
    {"allow out https", "out tcp 10.9.9.9 443", true},
    {"allow out https", "out udp 10.9.9.9 443", true},
    {"allow out https/udp", "out tcp 10.9.9.9 443", false},
    {"allow out imaps", "out udp 10.9.9.9 993", false},
    {"allow out http-alt", "out tcp 10.9.9.9 591", true},
    {"allow out http-alt", "out tcp 10.9.9.9 8008", true},
    {"allow out http-alt", "out udp 10.9.9.9 8080", true},
    {"allow out http-alt", "out tcp 10.9.9.9 8009", false},
    {"allow out x11", "out tcp 10.9.9.9 6063", true},
    {"allow out x11", "out tcp 10.9.9.9 6064", false},
    {"allow out boe-cms", "out udp 10.9.9.9 6400", true}, /* IANA gives no transport */
    {"allow out 8080-8090", "out tcp 10.9.9.9 8080", true},
    {"allow out 8080-8090", "out tcp 10.9.9.9 8090", true},
    {"allow out 8080-8090", "out tcp 10.9.9.9 8091", false},
    {"allow out 8080-8090", "out tcp 10.9.9.9 8079", false},
    {"allow out system", "out udp 10.9.9.9 1", true},
    {"allow out system", "out tcp 10.9.9.9 1023", true},
    {"allow out system", "out tcp 10.9.9.9 1024", false},
    {"allow out system", "out tcp 10.9.9.9 0", false},
    {"allow out user", "out tcp 10.9.9.9 1024", true},
    {"allow out user", "out tcp 10.9.9.9 49151", true},
    {"allow out user", "out tcp 10.9.9.9 49152", false},
    {"allow out ephemeral/tcp", "out tcp 10.9.9.9 65535", true},
    {"allow out ephemeral/tcp", "out udp 10.9.9.9 65535", false},
    {"allow out tcp", "out tcp 10.9.9.9 65535", true},
    {"allow out tcp", "out udp 10.9.9.9 1", false},
    {"allow out tcp", "out icmp 10.9.9.9", false},
    {"allow out udp", "out udp 10.9.9.9 1", true},
    {"allow out icmp", "out icmp 10.9.9.9", true},
    {"allow out icmp", "out icmp 2001:db8::99", true},
    {"allow out icmp", "out tcp 10.9.9.9 1", false},
    {"allow out any", "out icmp 10.9.9.9", true},
    {"allow out 1-65535,1-65535/udp", "out icmp 10.9.9.9", false},
    /* sorted, merged, and still each of its own protocol */
    {"allow out 30-40,10-20,20-30/tcp,15/udp", "out tcp 10.9.9.9 25", true},
    {"allow out 30-40,10-20,20-30/tcp,15/udp", "out udp 10.9.9.9 15", true},
    {"allow out 30-40,10-20,20-30/tcp,15/udp", "out udp 10.9.9.9 16", false},
    {"allow out 30-40,10-20,20-30/tcp,15/udp", "out tcp 10.9.9.9 41", false},
    {"allow out 1-100/tcp,5/udp,7/tcp,9/udp", "out udp 10.9.9.9 9", true},
    {"allow out 1-100/tcp,5/udp,7/tcp,9/udp", "out udp 10.9.9.9 7", false},
    {"allow out 1-100/tcp,5/udp,7/tcp,9/udp", "out tcp 10.9.9.9 100", true},
};

static void ports_and_protocols(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof ports_table / sizeof ports_table[0]; i++) {
        fixture_load(fixture, ports_table[i].rule);
        if ((fixture_ask(fixture, ports_table[i].query) == 0) != ports_table[i].is_allowed) {
            fail_msg("%s: %s", ports_table[i].rule, ports_table[i].query);
        }
    }
}

static void ask_port(const struct fixture *fixture, const char *rule, uint32_t port,
                     uint32_t protocol, bool is_open)
{
    struct berth_contact_query query = {.protocol = protocol == 0 ? BERTH_TCP : BERTH_UDP,
                                        .peer = berth_address_v4(0x0a090909),
                                        .port = (uint16_t)port};

    if ((firewall_judge(&fixture->firewall, &query).rule == 0) != is_open) {
        fail_msg("%s: port %u", rule, port);
    }
}

/* Random lists of ranges against a table of every port. */
static void ranges_against_a_table(void **state)
{
    static bool open[2][2048];
    struct fixture *fixture = *state;
    uint32_t seed = 7;

    for (int round = 0; round < 200; round++) {
        char rule[1024] = "allow out ";
        size_t used = strlen(rule);
        uint32_t items = next_random(&seed) % 24 + 1;

        memset(open, 0, sizeof open);
        for (uint32_t i = 0; i < items; i++) {
            uint32_t first = next_random(&seed) % 1000 + 1;
            uint32_t last = first + next_random(&seed) % (i % 2 == 0 ? 4 : 200);
            uint32_t protocol = next_random(&seed) % 2;

            used += (size_t)snprintf(rule + used, sizeof rule - used, "%s%u-%u/%s",
                                     i == 0 ? "" : ",", first, last, protocol == 0 ? "tcp" : "udp");
            memset(&open[protocol][first], 1, last - first + 1);
        }
        fixture_load(fixture, rule);
        for (uint32_t i = 0; i < 2 * 2048; i++) {
            ask_port(fixture, rule, i % 2048, i / 2048, open[i / 2048][i % 2048]);
        }
    }
}

static void the_first_match_wins(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact_query query = fixture_query("out tcp 10.9.9.9 22");
    struct berth_verdict verdict;

    fixture_load(fixture, "drop out 22 log\nallow out system\ndeny out 1-1024\nallow in any log");
    verdict = firewall_judge(&fixture->firewall, &query);
    assert_int_equal(verdict.action, BERTH_DROP);
    assert_int_equal(verdict.rule, 0);
    assert_true(verdict.log);
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 23"), 1);
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 1024"), -4);
    assert_int_equal(fixture_ask(fixture, "out udp 10.9.9.9 1024"), -1);
    query = fixture_query("in icmp 10.9.9.9");
    verdict = firewall_judge(&fixture->firewall, &query);
    assert_int_equal(verdict.rule, 3);
    assert_true(verdict.log);
}

static void closed_without_rules(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact_query query;

    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 80"), -1);
    assert_int_equal(fixture_ask(fixture, "in udp 10.0.2.2 80"), -1);
    assert_false(firewall_may_reach_network(&fixture->firewall));
    fixture_load(fixture, "# nothing\n");
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 80"), -1);
    fixture_load(fixture, "allow out\nallow in");
    query = fixture_query("out tcp 10.9.9.9 80");
    query.protocol = (enum berth_protocol)132; /* SCTP */
    assert_int_equal(firewall_judge(&fixture->firewall, &query).action, BERTH_DENY);
    query.protocol = BERTH_TCP;
    query.direction = (enum berth_direction)2;
    assert_int_equal(firewall_judge(&fixture->firewall, &query).action, BERTH_DENY);
}

static void why_a_rule_misses(void **state)
{
    static const struct {
        const char *query;
        enum berth_miss miss;
    } table[] = {
        {"out tcp 10.9.9.9 80", BERTH_MATCH},         {"in tcp 10.9.9.9 80", BERTH_MISS_DIRECTION},
        {"out udp 10.9.9.9 80", BERTH_MISS_PROTOCOL}, {"out tcp 10.9.9.9 81", BERTH_MISS_PORT},
        {"out tcp 11.9.9.9 80", BERTH_MISS_PEER},     {"out tcp 10.0.2.2 80", BERTH_MISS_UNNAMED},
    };
    struct fixture *fixture = *state;

    fixture_load(fixture, "allow out 80 to 10.0.0.0/8,192.168.0.0/16");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct berth_contact_query query = fixture_query(table[i].query);

        assert_int_equal(firewall_explain(&fixture->firewall, 0, &query), table[i].miss);
    }
}

static void reaching_the_network(void **state)
{
    static const struct {
        const char *rules;
        bool may;
    } table[] = {
        {"allow in", false},
        {"allow out", true},
        {"allow out icmp", false},
        {"allow out https", true},
        {"allow out 53/udp to host", false},
        {"allow out 53/udp to host,8.8.8.8", true},
        {"allow out to 127.0.0.0/8,169.254.169.254,fe80::/10,ff02::1,::1", false},
        {"allow out to 10.0.2.2,192.168.0.5", false},
        {"allow out to 192.168.0.6", true},
        {"allow out to 0.0.0.0/0", true},
        {"allow out to ::/0", true},
        {"allow out to ::/96", false},
        {"deny out https", false},
        {"deny out\nallow out https", false},
        {"drop out any to 10.0.0.0/8,any log\nallow out https", false},
        {"deny out tcp\nallow out 443/tcp", false},
        {"deny out tcp\nallow out https", true},
        {"deny out tcp\ndrop out udp\nallow out https", false},
        {"deny out to 10.0.0.0/8\nallow out https", true},
        {"deny in\nallow out https", true},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_load(fixture, table[i].rules);
        if (firewall_may_reach_network(&fixture->firewall) != table[i].may) {
            fail_msg("%s", table[i].rules);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(special_addresses_must_be_named),
        CASE(actions_do_not_change_what_matches),
        CASE(prefixes_against_predicates),
        CASE(ports_and_protocols),
        CASE(ranges_against_a_table),
        CASE(the_first_match_wins),
        CASE(closed_without_rules),
        CASE(why_a_rule_misses),
        CASE(reaching_the_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
