/* SPDX-License-Identifier: MIT */
/*
 * Who may be bound where, by the public calls: wildcard against one address, IPv4 and IPv6, system
 * ports; and that a port may be listened on again while conversations of its earlier listener live
 * (what SO_REUSEADDR is asked for on other systems).
 */
#include "pair.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pair pair;

static struct berth_endpoint end_of(const char *address, uint16_t port)
{
    struct berth_endpoint end = {.port = port};

    assert_int_equal(berth_address_parse(address, &end.address), 0);
    return end;
}

static int listen_on(const char *address, uint16_t port, berth_id *out)
{
    struct berth_endpoint end = end_of(address, port);

    return berth_tcp_listen(pair.side[1], &end, 16, NULL, out);
}

static int open_udp(const char *address, uint16_t port, berth_id *out)
{
    struct berth_endpoint end = end_of(address, port);

    return berth_udp_open(pair.side[1], &end, NULL, NULL, out);
}

/* The side's addresses are 10.9.0.2 and fd09::2; it has no others to be bound to. */
static void wildcards_and_addresses(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        int result;
    } cases[] = {
        {"::", "::", BERTH_E_IN_USE},
        {"::", "0.0.0.0", BERTH_E_IN_USE},
        {"::", "10.9.0.2", BERTH_E_IN_USE},
        {"::", "fd09::2", BERTH_E_IN_USE},
        {"0.0.0.0", "10.9.0.2", BERTH_E_IN_USE},
        {"0.0.0.0", "fd09::2", 0}, /* 0.0.0.0 is IPv4's alone */
        {"10.9.0.2", "fd09::2", 0},
        {"10.9.0.2", "10.9.0.3", BERTH_E_INVALID}, /* not the stack's */
    };
    berth_id one;
    berth_id other;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair_init(&pair, NULL);
        assert_int_equal(listen_on(cases[i].first, 8080, &one), 0);
        assert_int_equal(listen_on(cases[i].second, 8080, &other), cases[i].result);
        assert_int_equal(listen_on(cases[i].second, 8081, &other),
                         cases[i].result == BERTH_E_INVALID ? BERTH_E_INVALID : 0);
        assert_int_equal(open_udp(cases[i].first, 8080, &one), 0); /* a protocol of its own */
        assert_int_equal(open_udp(cases[i].second, 8080, &other), cases[i].result);
        pair_done(&pair);
    }
}

static void system_ports_need_permission(void **state)
{
    struct berth_config config;
    berth_id id;

    (void)state;
    pair_init(&pair, NULL);
    assert_int_equal(listen_on("::", 1023, &id), BERTH_E_DENIED);
    assert_int_equal(open_udp("10.9.0.2", 1, &id), BERTH_E_DENIED);
    assert_int_equal(listen_on("::", 1024, &id), 0);
    pair_done(&pair);
    berth_config_init(&config);
    config.system_ports_bindable = true;
    pair_init(&pair, &config);
    assert_int_equal(listen_on("::", 1023, &id), 0);
    assert_int_equal(open_udp("10.9.0.2", 1, &id), 0);
    pair_done(&pair);
}

/* A listener is closed and one made anew, while a connection of the first is open, then in
 * TIME-WAIT: the new one takes new clients, the old connection goes on. */
static void a_port_is_listened_on_again(void **state)
{
    struct berth_endpoint at = pair_endpoint(1, false, 8080);
    berth_id listener;
    berth_id client;
    berth_id served;
    berth_id again;
    uint8_t byte = 7;
    size_t count = 0;

    (void)state;
    pair_init(&pair, NULL);
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &listener), 0);
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &client), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_accept(pair.side[1], listener, NULL, &served), 0);
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &again), BERTH_E_IN_USE);
    assert_int_equal(berth_tcp_close(pair.side[1], listener), 0);
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &listener), 0);

    assert_int_equal(berth_tcp_write(pair.side[0], client, &byte, 1, &count), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    byte = 0;
    assert_int_equal(berth_tcp_read(pair.side[1], served, &byte, 1, &count), 0);
    assert_int_equal(byte, 7);
    assert_int_equal(berth_tcp_close(pair.side[1], served), 0); /* first: it waits */
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_close(pair.side[0], client), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);

    assert_int_equal(berth_tcp_close(pair.side[1], listener), 0);
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &listener), 0);
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &client), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_accept(pair.side[1], listener, NULL, &served), 0);
    pair_done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_and_addresses),
        cmocka_unit_test(system_ports_need_permission),
        cmocka_unit_test(a_port_is_listened_on_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
