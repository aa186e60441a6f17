/* SPDX-License-Identifier: MIT */
/*
 * The host's addresses and name servers. The lists are compared with a network namespace of this
 * test's own, in which addresses are added and removed with ip(8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/hostnet.h"

enum { WAIT_MS = 2000 };

static struct berth_address address(const char *text)
{
    struct berth_address out;

    assert_int_equal(berth_address_parse(text, &out), 0);
    return out;
}

static bool has(struct hostnet_list list, const char *text)
{
    struct berth_address wanted = address(text);

    for (size_t i = 0; i < list.count; i++) {
        if (berth_address_is_equal(&list.addresses[i], &wanted)) {
            return true;
        }
    }
    return false;
}

/* --- resolv.conf --- */

static void name_servers_come_in_order(void **state)
{
    struct hostnet_nameserver out[4];
    size_t count = hostnet_parse_resolv("# nameserver 192.0.2.9\n"
                                        "nameserver 192.0.2.1\n"
                                        "search example.org\n"
                                        "nameserver\t2001:db8::1 # comment\r\n"
                                        "nameserver not-an-address\n"
                                        "nameservers 192.0.2.8\n"
                                        "nameserver\n"
                                        "nameserver fe80::1%1",
                                        out, 4);

    (void)state;
    assert_int_equal(count, 3);
    assert_memory_equal(&out[0].endpoint.address, address("192.0.2.1").bytes, 16);
    assert_int_equal(out[0].endpoint.port, 53);
    assert_int_equal(out[0].scope_id, 0);
    assert_memory_equal(&out[1].endpoint.address, address("2001:db8::1").bytes, 16);
    assert_memory_equal(&out[2].endpoint.address, address("fe80::1").bytes, 16);
    assert_int_equal(out[2].scope_id, 1);
}

static void no_more_name_servers_than_asked_for(void **state)
{
    struct hostnet_nameserver out[1];

    (void)state;
    assert_int_equal(hostnet_parse_resolv("nameserver 192.0.2.1\nnameserver 192.0.2.2\n", out, 1),
                     1);
    assert_int_equal(hostnet_parse_resolv("", out, 1), 0);
    assert_int_equal(hostnet_read_resolv("/nonexistent/resolv.conf", out, 1), 0);
}

static void words_with_ports_and_scopes(void **state)
{
    static const struct {
        const char *word;
        const char *address;
        uint16_t port;
        uint32_t scope_id;
    } good[] = {
        {"192.0.2.1", "192.0.2.1", 53, 0},
        {"192.0.2.1:5353", "192.0.2.1", 5353, 0},
        {"::1", "::1", 53, 0},
        {"[::1]", "::1", 53, 0},
        {"[::1]:65535", "::1", 65535, 0},
        {"fe80::1%1", "fe80::1", 53, 1},
        {"[fe80::1%7]:54", "fe80::1", 54, 7},
        {"2001:db8::1%1", "2001:db8::1", 53, 0},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "192.0.2.1:",
                                      "192.0.2.1:0",
                                      "1.2.3",
                                      "[::1",
                                      "[::1]x",
                                      "192.0.2.1:65536",
                                      "[::1]:",
                                      "fe80::1%",
                                      "fe80::1%no such",
                                      "192.0.2.1:53x",
                                      "192.0.2.1:-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct hostnet_nameserver out;

        assert_int_equal(hostnet_parse_nameserver(good[i].word, &out), 0);
        assert_memory_equal(&out.endpoint.address, address(good[i].address).bytes, 16);
        assert_int_equal(out.endpoint.port, good[i].port);
        assert_int_equal(out.scope_id, good[i].scope_id);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hostnet_nameserver out = {.scope_id = 99};

        assert_int_equal(hostnet_parse_nameserver(bad[i], &out), BERTH_E_SYNTAX);
        assert_int_equal(out.scope_id, 99);
    }
}

/* --- addresses --- */

static bool wait_update(struct hostnet *hostnet)
{
    struct pollfd waiting = {.fd = hostnet_fd(hostnet), .events = POLLIN};

    return poll(&waiting, 1, WAIT_MS) == 1 && hostnet_update(hostnet);
}

static void lists_follow_the_host(void **state)
{
    struct hostnet *hostnet = NULL;

    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        print_message("skipped: needs a network namespace\n");
        skip();
    }
    assert_int_equal(system("ip link set lo up"), 0);
    assert_int_equal(hostnet_new(&hostnet), 0);
    assert_true(has(hostnet_addresses(hostnet), "127.0.0.1"));
    assert_false(has(hostnet_addresses(hostnet), "192.0.2.7"));
    assert_false(hostnet_update(hostnet));

    assert_int_equal(system("ip addr add 192.0.2.7/24 brd + dev lo"), 0);
    assert_true(wait_update(hostnet));
    assert_true(has(hostnet_addresses(hostnet), "192.0.2.7"));
    assert_true(has(hostnet_broadcasts(hostnet), "192.0.2.255"));

    /* Nobody has said what its broadcast address is: it has one all the same. */
    assert_int_equal(system("ip addr add 203.0.113.66/26 dev lo"), 0);
    assert_true(wait_update(hostnet));
    assert_true(has(hostnet_broadcasts(hostnet), "203.0.113.127"));
    assert_false(has(hostnet_broadcasts(hostnet), "203.0.113.255"));

    assert_int_equal(system("ip link add near type veth peer far && ip link set near up && "
                            "ip addr add 198.51.100.1 peer 198.51.100.2 dev near && "
                            "ip addr add 2001:db8::7/64 nodad dev lo"),
                     0);
    assert_true(wait_update(hostnet));
    assert_true(has(hostnet_addresses(hostnet), "198.51.100.1"));
    assert_false(has(hostnet_addresses(hostnet), "198.51.100.2"));
    assert_true(has(hostnet_addresses(hostnet), "2001:db8::7"));

    assert_int_equal(system("ip addr del 192.0.2.7/24 dev lo"), 0);
    assert_true(wait_update(hostnet));
    assert_false(has(hostnet_addresses(hostnet), "192.0.2.7"));
    assert_false(has(hostnet_broadcasts(hostnet), "192.0.2.255"));
    hostnet_free(hostnet);
}

static bool has_prefix(struct hostnet_prefixes prefixes, const char *text)
{
    struct berth_prefix wanted;

    assert_int_equal(berth_prefix_parse(text, &wanted), 0);
    for (size_t i = 0; i < prefixes.count; i++) {
        if (prefixes.prefixes[i].bits == wanted.bits &&
            berth_address_is_equal(&prefixes.prefixes[i].address, &wanted.address)) {
            return true;
        }
    }
    return false;
}

/* What the kernel takes for its own without an address of a device's. */
static void local_routes_are_the_hosts(void **state)
{
    struct hostnet *hostnet = NULL;

    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        skip();
    }
    assert_int_equal(system("ip link set lo up && ip route add local 192.0.2.0/24 dev lo"), 0);
    assert_int_equal(hostnet_new(&hostnet), 0);
    assert_true(has_prefix(hostnet_prefixes(hostnet), "192.0.2.0/24"));
    assert_false(has_prefix(hostnet_prefixes(hostnet), "127.0.0.0/8"));

    assert_int_equal(system("ip route add local 198.51.100.7 dev lo && "
                            "ip -6 route add local 2001:db8:5::/64 dev lo && "
                            "ip -6 route add local 2001:db8:6::7 dev lo"),
                     0);
    assert_true(wait_update(hostnet));
    assert_true(has(hostnet_addresses(hostnet), "198.51.100.7"));
    assert_true(has(hostnet_addresses(hostnet), "2001:db8:6::7"));
    assert_true(has_prefix(hostnet_prefixes(hostnet), "2001:db8:5::/64"));
    assert_false(hostnet_prefixes(hostnet).is_cut);

    /* another table's are for marked packets; other routes are no news */
    assert_int_equal(system("ip route add local 0.0.0.0/0 dev lo table 100 && "
                            "ip route add unreachable 203.0.113.0/24"),
                     0);
    assert_false(wait_update(hostnet));
    assert_int_equal(hostnet_prefixes(hostnet).count, 2);

    assert_int_equal(system("ip route del local 192.0.2.0/24 dev lo"), 0);
    assert_true(wait_update(hostnet));
    assert_false(has_prefix(hostnet_prefixes(hostnet), "192.0.2.0/24"));

    /* an address on the loopback device makes its whole network the host's */
    assert_int_equal(system("ip addr add 203.0.113.66/26 dev lo"), 0);
    assert_true(wait_update(hostnet));
    assert_true(has_prefix(hostnet_prefixes(hostnet), "203.0.113.64/26"));
    assert_int_equal(system("for i in $(seq 1 80); do echo route add local 10.$i.0.0/16 dev lo; "
                            "done | ip -batch -"),
                     0);
    assert_true(wait_update(hostnet));
    assert_true(hostnet_prefixes(hostnet).is_cut);
    hostnet_free(hostnet);
}

/* More changes than the socket holds: the kernel drops some, the lists are right all the same. */
static void lost_news_cost_nothing(void **state)
{
    struct hostnet *hostnet = NULL;

    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        skip();
    }
    assert_int_equal(system("ip link set lo up"), 0);
    assert_int_equal(hostnet_new(&hostnet), 0);
    assert_int_equal(
        system("for i in $(seq 1 1500); do echo addr add 10.9.$((i / 250)).$((i % 250))"
               "/32 dev lo; done | ip -batch -"),
        0);
    assert_true(wait_update(hostnet));
    assert_false(hostnet_update(hostnet));
    assert_true(has(hostnet_addresses(hostnet), "10.9.6.0"));
    assert_true(has(hostnet_addresses(hostnet), "10.9.0.1"));
    assert_false(hostnet_addresses(hostnet).is_cut);
    hostnet_free(hostnet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_servers_come_in_order),
        cmocka_unit_test(no_more_name_servers_than_asked_for),
        cmocka_unit_test(words_with_ports_and_scopes),
        cmocka_unit_test(lists_follow_the_host),
        cmocka_unit_test(local_routes_are_the_hosts),
        cmocka_unit_test(lost_news_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
