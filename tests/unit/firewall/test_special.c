/* SPDX-License-Identifier: MIT */
/*
 * Which addresses are special, how narrow a prefix must be to name them, and that at both edges of
 * every block.
 */
#include "fixture.h"

#include "firewall/special.h"

static const struct {
    const char *address;
    unsigned bits;
    const char *name; /* NULL: not special */
} edges[] = {
    {"0.0.0.0", 104, "unspecified"},
    {"0.255.255.255", 104, "unspecified"},
    {"1.0.0.0", 0, NULL},
    {"126.255.255.255", 0, NULL},
    {"127.0.0.0", 104, "loopback"},
    {"127.0.0.1", 104, "loopback"},
    {"127.255.255.255", 104, "loopback"},
    {"128.0.0.0", 0, NULL},
    {"169.253.255.255", 0, NULL},
    {"169.254.0.0", 112, "link-local"},
    {"169.254.169.254", 112, "link-local"},
    {"169.254.255.255", 112, "link-local"},
    {"169.255.0.0", 0, NULL},
    {"223.255.255.255", 0, NULL},
    {"224.0.0.0", 100, "multicast"},
    {"239.255.255.255", 100, "multicast"},
    {"240.0.0.0", 0, NULL},
    {"255.255.255.254", 0, NULL},
    {"255.255.255.255", 128, "broadcast"},
    {"10.0.0.1", 0, NULL},
    {"::", 128, "unspecified"},
    {"::1", 128, "loopback"},
    {"::2", 96, "IPv4-compatible"},
    {"::7f00:1", 96, "IPv4-compatible"},
    {"0:0:0:0:0:1::", 0, NULL},
    {"fe7f:ffff::", 0, NULL},
    {"fe80::", 10, "link-local"},
    {"febf:ffff::1", 10, "link-local"},
    {"fec0::", 0, NULL},
    {"feff::", 0, NULL},
    {"ff00::", 8, "multicast"},
    {"ff02::1", 8, "multicast"},
    {"fd00::3", 0, NULL},
    {"2001:db8::1", 0, NULL},
    /* carried */
    {"64:ff9b::7f00:1", 104, "loopback"},
    {"64:ff9b::a9fe:a9fe", 112, "link-local"},
    {"64:ff9b::808:808", 0, NULL},
    {"64:ff9b:0:0:0:1:7f00:1", 0, NULL},
    {"2002:7f00:1::1", 24, "loopback"},
    {"2002:a9fe:a9fe::", 32, "link-local"},
    {"2002:808:808::1", 0, NULL},
    {"2003:7f00:1::1", 0, NULL},
    /* the host's own, and what carries it */
    {"10.0.2.2", 128, "the host's own"},
    {"fd00::2", 128, "the host's own"},
    {"192.168.0.5", 128, "the host's own"},
    {"10.1.2.3", 128, "the host's own"},
    {"2001:db8::5", 128, "the host's own"},
    {"192.168.0.4", 0, NULL},
    {"192.168.0.6", 0, NULL},
    {"64:ff9b::a00:202", 128, "the host's own"},
    {"2002:a00:202::1", 48, "the host's own"},
};

static void blocks_and_their_edges(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        struct berth_address address;
        struct firewall_special special;

        assert_int_equal(berth_address_parse(edges[i].address, &address), BERTH_OK);
        special = firewall_special(&fixture->firewall, &address);
        if (special.bits != edges[i].bits || (special.name == NULL) != (edges[i].name == NULL) ||
            (special.name != NULL && strcmp(special.name, edges[i].name) != 0)) {
            fail_msg("%s: %u %s", edges[i].address, special.bits,
                     special.name == NULL ? "-" : special.name);
        }
    }
}

static void only_held_addresses_are_host(void **state)
{
    static const char *const others[] = {"127.0.0.1", "64:ff9b::a00:202", "2002:a00:202::1",
                                         "169.254.169.254", "10.0.2.100"};
    struct fixture *fixture = *state;
    struct berth_address address;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(berth_address_parse(others[i], &address), BERTH_OK);
        assert_false(firewall_special(&fixture->firewall, &address).is_host);
    }
    assert_int_equal(berth_address_parse("10.0.2.2", &address), BERTH_OK);
    assert_true(firewall_special(&fixture->firewall, &address).is_host);
}

static void prefixes_inside_blocks(void **state)
{
    static const struct {
        const char *prefix;
        unsigned bits; /* 0: not inside */
    } table[] = {
        {"0.0.0.0/0", 0},
        {"127.0.0.0/8", 104},
        {"127.0.0.0/7", 0},
        {"127.0.0.0/30", 104},
        {"169.254.0.0/16", 112},
        {"169.254.169.254", 112},
        {"169.254.0.0/15", 0},
        {"224.0.0.0/4", 100},
        {"224.0.0.0/3", 0},
        {"0.0.0.0/8", 104},
        {"255.255.255.255/32", 128},
        {"255.255.255.254/31", 0},
        {"::/0", 0},
        {"::/96", 96},
        {"::/127", 96},
        {"::1/128", 128},
        {"fe80::/10", 10},
        {"fe80::/64", 10},
        {"fe80::/9", 0},
        {"ff00::/8", 8},
        {"ff02::/16", 8},
        {"fe00::/7", 0},
        {"64:ff9b::/96", 0},
        {"64:ff9b::7f00:0/104", 104},
        {"64:ff9b::/32", 0},
        {"2002::/16", 0},
        {"2002:7f00::/24", 24},
        {"10.0.0.0/8", 0},
        {"fd00::/8", 0},
        {"127.0.0.0/6", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct berth_prefix prefix;
        uint8_t bits = 0;
        bool is_inside;

        if (berth_prefix_parse(table[i].prefix, &prefix) != BERTH_OK) {
            continue; /* 127.0.0.0/7 and the like have stray bits: no rule can say them */
        }
        is_inside = firewall_special_prefix(&prefix, &bits);
        if (is_inside != (table[i].bits != 0) || bits != table[i].bits) {
            fail_msg("%s: %u", table[i].prefix, bits);
        }
    }
}

/* It matches a rule that names it, and neither one without a peer nor "host". */
static bool may_be_hosts(const struct fixture *fixture, const struct berth_address *address)
{
    struct firewall_special special = firewall_special(&fixture->firewall, address);

    assert_false(special.is_host);
    return special.bits == 128;
}

static void networks_of_the_hosts(void **state)
{
    struct fixture *fixture = *state;
    struct berth_prefix many[FIREWALL_HOST_PREFIXES_MAX + 1] = {{{{0}}, 0}};
    struct berth_prefix prefix;
    struct berth_address inside = berth_address_v4(0xc6336463); /* 198.51.100.99 */
    struct berth_address outside = berth_address_v4(0xc6336563);
    struct berth_address nat64 = {.bytes = {0, 0x64, 0xff, 0x9b, [12] = 198, 51, 100, 99}};

    assert_int_equal(berth_prefix_parse("198.51.100.0/24", &prefix), BERTH_OK);
    assert_false(firewall_special(&fixture->firewall, &inside).is_host);
    assert_int_equal(firewall_set_host_prefixes(&fixture->firewall, &prefix, 1), BERTH_OK);
    assert_true(firewall_special(&fixture->firewall, &inside).is_host);
    assert_int_equal(firewall_special(&fixture->firewall, &inside).bits, 128);
    assert_false(firewall_special(&fixture->firewall, &outside).is_host);
    assert_int_not_equal(firewall_special(&fixture->firewall, &nat64).bits, 0);
    assert_int_equal(
        firewall_set_host_prefixes(&fixture->firewall, many, FIREWALL_HOST_PREFIXES_MAX + 1),
        BERTH_E_LIMIT);
    assert_true(firewall_special(&fixture->firewall, &inside).is_host);
    assert_true(may_be_hosts(fixture, &outside));
    assert_int_equal(firewall_set_host_prefixes(&fixture->firewall, NULL, 0), BERTH_OK);
    assert_false(firewall_special(&fixture->firewall, &inside).is_host);
    assert_false(may_be_hosts(fixture, &outside));
}

static void host_addresses_are_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address *many = calloc(FIREWALL_HOST_ADDRESSES_MAX + 1, sizeof *many);
    struct berth_address old = berth_address_v4(0xc0a80005);

    assert_non_null(many);
    for (uint32_t i = 0; i <= FIREWALL_HOST_ADDRESSES_MAX; i++) {
        many[i] = berth_address_v4(0x0b000000 + (i * 7919) % 8209);
    }
    assert_int_equal(firewall_set_host(&fixture->firewall, many, FIREWALL_HOST_ADDRESSES_MAX + 1),
                     BERTH_E_LIMIT);
    assert_true(firewall_special(&fixture->firewall, &old).is_host);
    assert_true(may_be_hosts(fixture, &many[0]));
    assert_int_equal(firewall_set_host_prefixes(&fixture->firewall, NULL, 0), BERTH_OK);
    assert_true(may_be_hosts(fixture, &many[0])); /* that was about something else */
    assert_int_equal(firewall_set_host(&fixture->firewall, NULL, SIZE_MAX), BERTH_E_LIMIT);
    assert_int_equal(firewall_set_host(&fixture->firewall, many, FIREWALL_HOST_ADDRESSES_MAX),
                     BERTH_OK);
    assert_false(firewall_special(&fixture->firewall, &old).is_host);
    for (uint32_t i = 0; i < FIREWALL_HOST_ADDRESSES_MAX; i++) {
        assert_true(firewall_special(&fixture->firewall, &many[i]).is_host);
    }
    assert_false(firewall_special(&fixture->firewall, &many[FIREWALL_HOST_ADDRESSES_MAX]).is_host);
    assert_int_equal(firewall_set_host(&fixture->firewall, NULL, 0), BERTH_OK);
    assert_false(firewall_special(&fixture->firewall, &many[0]).is_host);
    free(many);
}

static void gateways_have_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address address;

    for (uint32_t i = 2; i < FIXTURE_GATEWAYS; i++) {
        address = berth_address_v4(0x01020304 - i);
        assert_int_equal(firewall_add_gateway(&fixture->firewall, &address), BERTH_OK);
        assert_int_equal(firewall_add_gateway(&fixture->firewall, &address), BERTH_OK);
    }
    for (uint32_t i = 2; i < FIXTURE_GATEWAYS; i++) {
        address = berth_address_v4(0x01020304 - i);
        assert_true(firewall_special(&fixture->firewall, &address).is_host);
    }
    address = berth_address_v4(0x01020304);
    assert_int_equal(firewall_add_gateway(&fixture->firewall, &address), BERTH_E_LIMIT);
    assert_false(firewall_special(&fixture->firewall, &address).is_host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_and_their_edges, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(only_held_addresses_are_host, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(prefixes_inside_blocks),
        cmocka_unit_test_setup_teardown(networks_of_the_hosts, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(host_addresses_are_replaced, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(gateways_have_a_limit, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
