/* SPDX-License-Identifier: MIT */
/*
 * The bind table: conflicts, the most specific bind, limits, system ports, a port to listen on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "space.h"

#include <berth/firewall.h>

static struct space space;

static void make(uint32_t binds, bool system_ports_bindable)
{
    const struct ports_limits limits = {.binds = binds,
                                        .endpoints = 4,
                                        .ephemeral_first = 50000,
                                        .ephemeral_last = 50099,
                                        .system_ports_bindable = system_ports_bindable};

    space_init(&space, &limits);
}

static struct ports_bind bind_of(uint8_t protocol, const char *address, uint16_t port,
                                 uint64_t owner)
{
    return (struct ports_bind){.local = {.address = space_address(address), .port = port},
                               .owner = owner,
                               .protocol = protocol};
}

static int bind_tcp(const char *address, uint16_t port, uint64_t owner)
{
    struct ports_bind bind = bind_of(BERTH_TCP, address, port, owner);

    return ports_bind(&space.ports, &bind);
}

static void unbind_tcp(const char *address, uint16_t port, uint64_t owner)
{
    struct ports_bind bind = bind_of(BERTH_TCP, address, port, owner);

    ports_unbind(&space.ports, &bind);
}

static uint64_t find_tcp(const char *address, uint16_t port)
{
    struct berth_endpoint local = {.address = space_address(address), .port = port};

    return ports_find(&space.ports, BERTH_TCP, &local);
}

/* FIRST is bound, then SECOND: in use or not, and the other way round the same. */
static void conflicts(void **state)
{
    static const struct {
        const char *first;
        uint16_t first_port;
        const char *second;
        uint16_t second_port;
        bool in_use;
    } cases[] = {
        {"10.0.0.1", 80, "10.0.0.1", 80, true},
        {"10.0.0.1", 80, "10.0.0.2", 80, false},
        {"10.0.0.1", 80, "10.0.0.1", 81, false},
        {"10.0.0.1", 80, "0.0.0.0", 80, true},
        {"10.0.0.1", 80, "::", 80, true},
        {"fd00::1", 80, "::", 80, true},
        {"fd00::1", 80, "0.0.0.0", 80, false},
        {"0.0.0.0", 80, "::", 80, true},
        {"::", 80, "::", 80, true},
        {"0.0.0.0", 80, "0.0.0.0", 80, true},
        {"::", 80, "::", 81, false},
        {"::", 0, "::", 80, false},
        {"::", 0, "10.0.0.1", 0, true},
        {"10.0.0.1", 0, "10.0.0.2", 0, false},
        {"10.0.0.1", 0, "0.0.0.0", 80, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int expected = cases[i].in_use ? BERTH_E_IN_USE : 0;

        make(16, true);
        assert_int_equal(bind_tcp(cases[i].first, cases[i].first_port, 1), 0);
        assert_int_equal(bind_tcp(cases[i].second, cases[i].second_port, 2), expected);
        space_done(&space);
        make(16, true);
        assert_int_equal(bind_tcp(cases[i].second, cases[i].second_port, 2), 0);
        assert_int_equal(bind_tcp(cases[i].first, cases[i].first_port, 1), expected);
        unbind_tcp(cases[i].second, cases[i].second_port, 2);
        expected = cases[i].in_use ? 0 : BERTH_E_IN_USE; /* the first is there already */
        assert_int_equal(bind_tcp(cases[i].first, cases[i].first_port, 1), expected);
        space_done(&space);
    }
}

static void protocols_are_apart(void **state)
{
    struct ports_bind udp;
    struct berth_endpoint local = {.address = space_address("10.0.0.1"), .port = 8080};

    (void)state;
    make(16, false);
    udp = bind_of(BERTH_UDP, "::", 8080, 2);
    assert_int_equal(bind_tcp("::", 8080, 1), 0);
    assert_int_equal(ports_bind(&space.ports, &udp), 0);
    assert_int_equal(ports_find(&space.ports, BERTH_TCP, &local), 1);
    assert_int_equal(ports_find(&space.ports, BERTH_UDP, &local), 2);
    ports_unbind(&space.ports, &udp);
    assert_int_equal(ports_find(&space.ports, BERTH_TCP, &local), 1);
    assert_int_equal(ports_find(&space.ports, BERTH_UDP, &local), 0);
    space_done(&space);
}

static void the_most_specific_bind_serves(void **state)
{
    (void)state;
    make(16, false);
    assert_int_equal(bind_tcp("::", 0, 4), 0);
    assert_int_equal(bind_tcp("0.0.0.0", 8080, 2), 0);
    assert_int_equal(find_tcp("10.0.0.1", 8080), 2);
    assert_int_equal(find_tcp("fd00::1", 8080), 4); /* 0.0.0.0 is IPv4's any alone */
    assert_int_equal(find_tcp("10.0.0.1", 8081), 4);
    unbind_tcp("0.0.0.0", 8080, 2);
    unbind_tcp("::", 0, 4);
    assert_int_equal(find_tcp("10.0.0.1", 8080), 0);
    assert_int_equal(bind_tcp("10.0.0.1", 0, 3), 0);
    assert_int_equal(bind_tcp("10.0.0.1", 8080, 1), 0);
    assert_int_equal(bind_tcp("10.0.0.2", 8080, 5), 0);
    assert_int_equal(find_tcp("10.0.0.1", 8080), 1);
    assert_int_equal(find_tcp("10.0.0.1", 9), 0); /* a system port */
    assert_int_equal(find_tcp("10.0.0.1", 1024), 3);
    assert_int_equal(find_tcp("10.0.0.2", 8080), 5);
    assert_int_equal(find_tcp("10.0.0.2", 1024), 0);
    space_done(&space);
}

static void system_ports(void **state)
{
    (void)state;
    make(16, false);
    assert_int_equal(bind_tcp("::", 1, 1), BERTH_E_DENIED);
    assert_int_equal(bind_tcp("::", 1023, 1), BERTH_E_DENIED);
    assert_int_equal(bind_tcp("::", 1024, 1), 0);
    assert_int_equal(bind_tcp("::", 0, 2), 0);
    assert_int_equal(find_tcp("10.0.0.1", 1023), 0);
    assert_int_equal(find_tcp("10.0.0.1", 1025), 2);
    space_done(&space);
    make(16, true);
    assert_int_equal(bind_tcp("::", 443, 1), 0);
    assert_int_equal(bind_tcp("::", 0, 2), 0);
    assert_int_equal(find_tcp("10.0.0.1", 443), 1);
    assert_int_equal(find_tcp("10.0.0.1", 1), 2);
    space_done(&space);
}

static void the_limit(void **state)
{
    (void)state;
    make(3, false);
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(bind_tcp("::", (uint16_t)(2000 + i), 1), 0);
    }
    assert_int_equal(bind_tcp("::", 3000, 1), BERTH_E_LIMIT);
    assert_int_equal(bind_tcp("::", 2000, 1), BERTH_E_IN_USE);
    unbind_tcp("::", 2001, 7); /* another's: nothing happens */
    assert_int_equal(find_tcp("10.0.0.1", 2001), 1);
    unbind_tcp("::", 2001, 1);
    assert_int_equal(bind_tcp("::", 3000, 1), 0);
    space_done(&space);
}

/* Ports of one chain, removed from its front, middle and end. */
static void chains_hold_together(void **state)
{
    (void)state;
    make(4, false); /* 4 chains: these ports are all in one */
    for (int gone = 0; gone < 4; gone++) {
        for (uint16_t i = 0; i < 4; i++) {
            assert_int_equal(bind_tcp("::", (uint16_t)(4000 + i * 2), 1U + i), 0);
        }
        unbind_tcp("::", (uint16_t)(4000 + gone * 2), 1U + (uint64_t)gone);
        for (uint16_t i = 0; i < 4; i++) {
            uint64_t expected = i == gone ? 0 : 1U + i;

            assert_int_equal(find_tcp("10.0.0.1", (uint16_t)(4000 + i * 2)), expected);
            unbind_tcp("::", (uint16_t)(4000 + i * 2), 1U + i);
            assert_int_equal(find_tcp("10.0.0.1", (uint16_t)(4000 + i * 2)), 0);
        }
    }
    space_done(&space);
}

static void a_port_to_listen_on(void **state)
{
    struct berth_address local = space_address("10.0.0.1");
    uint32_t seen[100] = {0};
    uint16_t port = 0;

    (void)state;
    make(200, false);
    /* Taken for this address: 0 to 49 by it, 50 to 97 by every one. By others: all. */
    for (uint16_t i = 0; i < 98; i++) {
        assert_int_equal(bind_tcp(i < 50 ? "10.0.0.1" : "0.0.0.0", (uint16_t)(50000 + i), 1), 0);
    }
    for (uint16_t i = 0; i < 100; i++) {
        assert_int_equal(bind_tcp("fd00::1", (uint16_t)(50000 + i), 1), 0);
    }
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(ports_pick_bind(&space.ports, BERTH_TCP, &local, &port), 0);
        assert_in_range(port, 50098, 50099);
        seen[port - 50000]++;
    }
    /* Both paths, of tries and of counting, are even: 2000 each, sigma 32. */
    assert_in_range(seen[98], 1800, 2200);
    assert_int_equal(bind_tcp("10.0.0.1", 50098, 1), 0);
    assert_int_equal(bind_tcp("10.0.0.1", 50099, 1), 0);
    assert_int_equal(ports_pick_bind(&space.ports, BERTH_TCP, &local, &port), BERTH_E_NO_PORT);
    assert_int_equal(ports_pick_bind(&space.ports, BERTH_UDP, &local, &port), 0);
    space_done(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conflicts),
        cmocka_unit_test(protocols_are_apart),
        cmocka_unit_test(the_most_specific_bind_serves),
        cmocka_unit_test(system_ports),
        cmocka_unit_test(the_limit),
        cmocka_unit_test(chains_hold_together),
        cmocka_unit_test(a_port_to_listen_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
