/* SPDX-License-Identifier: MIT */
/*
 * Own addresses, routes, peers, and who is let in.
 */
#include "tests/unit/ip/fixture.h"

static int setup(void **state)
{
    struct ip_limits limits = fixture_limits();

    *state = fixture_new(&limits);
    return 0;
}

static int setup_gateway(void **state)
{
    struct ip_limits limits = fixture_limits();
    struct berth_prefix guest = prefix_of("10.0.2.100", 32);
    struct berth_prefix guest6 = prefix_of("fd00::100", 128);
    struct fixture *f;

    limits.guard_peer = true;
    limits.forward_any = true;
    f = fixture_new(&limits);
    assert_int_equal(ip_add_peer(&f->ip, &guest), BERTH_OK);
    assert_int_equal(ip_add_peer(&f->ip, &guest6), BERTH_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static int add_address(struct fixture *f, const char *text, uint8_t bits)
{
    struct berth_prefix prefix = prefix_of(text, bits);

    return ip_add_address(&f->ip, &prefix);
}

static int add_route(struct fixture *f, const char *text, uint8_t bits)
{
    struct berth_prefix prefix = prefix_of(text, bits);

    return ip_add_route(&f->ip, &prefix);
}

static bool has_route(struct fixture *f, const char *text)
{
    struct berth_address address = address_of(text);

    return ip_has_route(&f->ip, &address);
}

static bool is_broadcast(struct fixture *f, const char *text)
{
    struct berth_address address = address_of(text);

    return ip_is_broadcast(&f->ip, &address);
}

static void addresses_are_added_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    struct berth_address other = address_of("10.0.3.3");

    assert_int_equal(add_address(f, "10.0.2.3", 24), BERTH_OK);
    assert_int_equal(add_address(f, "10.0.2.3", 24), BERTH_OK); /* again: no new entry */
    assert_int_equal(add_address(f, "fd00::3", 64), BERTH_OK);
    assert_int_equal(add_address(f, "10.0.3.3", 24), BERTH_E_LIMIT);
    assert_false(ip_is_own(&f->ip, &other));
}

static void addresses_are_unicast(void **state)
{
    struct fixture *f = *state;
    struct berth_prefix wide = {address_of("10.1.1.1"), 95};
    struct berth_prefix beyond = {address_of("fd01::1"), 129};

    assert_int_equal(add_address(f, "0.0.0.0", 0), BERTH_E_INVALID);
    assert_int_equal(add_address(f, "::", 0), BERTH_E_INVALID);
    assert_int_equal(add_address(f, "224.0.0.1", 32), BERTH_E_INVALID);
    assert_int_equal(add_address(f, "ff02::1", 128), BERTH_E_INVALID);
    assert_int_equal(add_address(f, "255.255.255.255", 32), BERTH_E_INVALID);
    assert_int_equal(add_address(f, "10.0.2.255", 32), BERTH_E_INVALID);
    assert_int_equal(ip_add_address(&f->ip, &wide), BERTH_E_INVALID);
    assert_int_equal(ip_add_address(&f->ip, &beyond), BERTH_E_INVALID);
}

static void broadcast_is_the_edge_of_a_network(void **state)
{
    struct fixture *f = *state;

    assert_true(is_broadcast(f, "255.255.255.255"));
    assert_true(is_broadcast(f, "10.0.2.255"));
    assert_true(is_broadcast(f, "10.0.2.0"));
    assert_false(is_broadcast(f, "10.0.2.1"));
    assert_false(is_broadcast(f, "10.0.3.255"));
    assert_int_equal(add_address(f, "192.0.2.1", 31), BERTH_OK); /* RFC 3021 */
    assert_false(is_broadcast(f, "192.0.2.0"));
    assert_int_equal(add_address(f, "198.51.100.4", 32), BERTH_OK);
    assert_false(is_broadcast(f, "198.51.100.4"));
}

static void routes_are_networks_and_what_was_added(void **state)
{
    struct fixture *f = *state;

    assert_true(has_route(f, "10.0.2.100"));
    assert_false(has_route(f, "10.0.2.2")); /* itself */
    assert_false(has_route(f, "10.0.2.255"));
    assert_false(has_route(f, "192.0.2.1"));
    assert_true(has_route(f, "fd00::100"));
    assert_int_equal(add_route(f, "0.0.0.0", 0), BERTH_OK);
    assert_true(has_route(f, "192.0.2.1"));
    assert_false(has_route(f, "2001:db8::1"));
    assert_int_equal(add_route(f, "::", 0), BERTH_OK);
    assert_true(has_route(f, "2001:db8::1"));
    assert_false(has_route(f, "224.0.0.1"));
    assert_false(has_route(f, "ff02::1"));
    assert_false(has_route(f, "0.0.0.0"));
    assert_int_equal(add_route(f, "::", 0), BERTH_OK);
    assert_int_equal(add_route(f, "192.0.2.0", 24), BERTH_OK);
    assert_int_equal(add_route(f, "192.0.3.0", 24), BERTH_OK);
    assert_int_equal(add_route(f, "192.0.4.0", 24), BERTH_E_LIMIT);
}

static void expect_source(struct fixture *f, const char *destination, const char *expected)
{
    struct berth_address to = address_of(destination);
    struct berth_address want = address_of(expected);
    struct berth_address got;

    assert_int_equal(ip_source_for(&f->ip, &to, &got), BERTH_OK);
    assert_true(berth_address_is_equal(&got, &want));
}

static void source_is_of_the_same_network_first(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add_address(f, "192.0.2.1", 24), BERTH_OK);
    assert_int_equal(add_address(f, "fe80::1", 64), BERTH_OK);
    expect_source(f, "10.0.2.100", "10.0.2.2");
    expect_source(f, "192.0.2.7", "192.0.2.1");
    expect_source(f, "8.8.8.8", "10.0.2.2");
    expect_source(f, "fe80::7", "fe80::1");
    expect_source(f, "2001:db8::1", "fd00::2");
}

static void no_source_without_an_address_of_the_version(void **state)
{
    struct fixture *f = *state;
    struct berth_address to = address_of("8.8.8.8");
    struct berth_address got = address_of("1.2.3.4");

    f->ip.address_count = 0;
    assert_int_equal(ip_source_for(&f->ip, &to, &got), BERTH_E_NO_ROUTE);
    assert_int_equal(berth_address_v4_value(&got), 0x01020304);
}

static enum berth_drop admit(struct fixture *f, const char *from, const char *to)
{
    struct wire_packet packet = {.source = address_of(from), .destination = address_of(to)};

    return ip_admit(&f->ip, &packet);
}

static void host_admits_what_is_its_own(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.2"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "2001:db8::1", "fd00::2"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.3"), BERTH_DROP_NOT_OURS);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.255"), BERTH_DROP_MULTICAST);
    assert_int_equal(admit(f, "192.0.2.1", "255.255.255.255"), BERTH_DROP_MULTICAST);
    assert_int_equal(admit(f, "192.0.2.1", "224.0.0.251"), BERTH_DROP_MULTICAST);
    assert_int_equal(admit(f, "fe80::1", "ff02::2"), BERTH_DROP_MULTICAST);
    assert_int_equal(admit(f, "10.0.2.2", "10.0.2.2"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "fd00::2", "fd00::2"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "10.0.2.255", "10.0.2.2"), BERTH_DROP_MARTIAN_SOURCE);
}

/* The last pair that was let in is remembered: not beyond what made it right. */
static void what_was_let_in_is_judged_anew(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.2"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.2"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.3"), BERTH_DROP_NOT_OURS);
    assert_int_equal(admit(f, "10.0.2.2", "10.0.2.2"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.2"), BERTH_DROP_NONE);
    assert_int_equal(add_address(f, "192.0.2.1", 24), BERTH_OK);
    assert_int_equal(admit(f, "192.0.2.1", "10.0.2.2"), BERTH_DROP_SPOOFED_SOURCE);
}

static void a_new_peer_is_judged_anew(void **state)
{
    struct fixture *f = *state;
    struct berth_prefix peer = {.address = address_of("8.8.8.8"), .bits = 128};

    assert_int_equal(admit(f, "10.0.2.100", "8.8.8.8"), BERTH_DROP_NONE);
    assert_int_equal(ip_add_peer(&f->ip, &peer), BERTH_OK);
    assert_int_equal(admit(f, "10.0.2.100", "8.8.8.8"), BERTH_DROP_NOT_OURS);
}

/* Nothing was let in yet: a packet from nowhere to nowhere is not what was. */
static void nothing_is_let_in_at_first(void **state)
{
    assert_int_not_equal(admit(*state, "::", "::"), BERTH_DROP_NONE);
}

static void gateway_admits_its_guest_to_everywhere(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(admit(f, "10.0.2.100", "10.0.2.2"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "10.0.2.100", "8.8.8.8"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "fd00::100", "2001:db8::1"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "10.0.2.100", "169.254.169.254"), BERTH_DROP_NONE);
    assert_int_equal(admit(f, "10.0.2.101", "8.8.8.8"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "10.0.2.2", "8.8.8.8"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "fe80::1", "2001:db8::1"), BERTH_DROP_SPOOFED_SOURCE);
    assert_int_equal(admit(f, "10.0.2.100", "10.0.2.255"), BERTH_DROP_MULTICAST);
    assert_int_equal(admit(f, "10.0.2.100", "127.0.0.1"), BERTH_DROP_MARTIAN_DESTINATION);
    assert_int_equal(admit(f, "fd00::100", "::1"), BERTH_DROP_MARTIAN_DESTINATION);
    assert_int_equal(admit(f, "10.0.2.100", "10.0.2.100"), BERTH_DROP_NOT_OURS);
    assert_true(has_route(f, "10.0.2.100"));
}

#define TEST(name)         cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_GATEWAY(name) cmocka_unit_test_setup_teardown(name, setup_gateway, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_added_up_to_the_limit),
        TEST(addresses_are_unicast),
        TEST(broadcast_is_the_edge_of_a_network),
        TEST(routes_are_networks_and_what_was_added),
        TEST(source_is_of_the_same_network_first),
        TEST(no_source_without_an_address_of_the_version),
        TEST(host_admits_what_is_its_own),
        TEST(what_was_let_in_is_judged_anew),
        TEST(nothing_is_let_in_at_first),
        TEST_GATEWAY(gateway_admits_its_guest_to_everywhere),
        TEST_GATEWAY(a_new_peer_is_judged_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
