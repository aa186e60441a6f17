/* SPDX-License-Identifier: MIT */
/*
 * Who can reach a socket: by its address, its version and its interface, and by the host's own
 * addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect/host_exposure.h"

static struct berth_address address_of(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), BERTH_OK);
    return address;
}

static void addresses_have_an_exposure(void **state)
{
    static const struct {
        const char *address;
        enum host_exposure exposure;
    } rows[] = {
        {"127.0.0.1", HOST_EXPOSURE_LOOPBACK},
        {"127.255.255.254", HOST_EXPOSURE_LOOPBACK},
        {"::1", HOST_EXPOSURE_LOOPBACK},
        {"::ffff:127.0.0.1", HOST_EXPOSURE_LOOPBACK},
        {"ff01::1", HOST_EXPOSURE_LOOPBACK},
        {"10.0.0.1", HOST_EXPOSURE_NETWORK},
        {"11.0.0.1", HOST_EXPOSURE_ANYONE},
        {"172.15.255.255", HOST_EXPOSURE_ANYONE},
        {"172.16.0.0", HOST_EXPOSURE_NETWORK},
        {"172.31.255.255", HOST_EXPOSURE_NETWORK},
        {"172.32.0.0", HOST_EXPOSURE_ANYONE},
        {"192.168.0.1", HOST_EXPOSURE_NETWORK},
        {"192.169.0.1", HOST_EXPOSURE_ANYONE},
        {"100.64.0.1", HOST_EXPOSURE_NETWORK},
        {"100.127.255.255", HOST_EXPOSURE_NETWORK},
        {"100.128.0.0", HOST_EXPOSURE_ANYONE},
        {"169.254.169.254", HOST_EXPOSURE_NETWORK},
        {"224.0.0.251", HOST_EXPOSURE_NETWORK},
        {"224.0.1.1", HOST_EXPOSURE_ANYONE},
        {"239.1.2.3", HOST_EXPOSURE_NETWORK},
        {"255.255.255.255", HOST_EXPOSURE_NETWORK},
        {"203.0.113.7", HOST_EXPOSURE_ANYONE},
        {"fe80::1", HOST_EXPOSURE_NETWORK},
        {"febf::1", HOST_EXPOSURE_NETWORK},
        {"fec0::1", HOST_EXPOSURE_NETWORK},
        {"fc00::1", HOST_EXPOSURE_NETWORK},
        {"fdff::1", HOST_EXPOSURE_NETWORK},
        {"fe00::1", HOST_EXPOSURE_ANYONE},
        {"ff02::fb", HOST_EXPOSURE_NETWORK},
        {"ff05::2", HOST_EXPOSURE_NETWORK},
        {"ff0e::1", HOST_EXPOSURE_ANYONE},
        {"2001:db8::1", HOST_EXPOSURE_ANYONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct berth_address address = address_of(rows[i].address);

        assert_int_equal(host_exposure_of_address(&address), rows[i].exposure);
    }
}

static void add(struct host_reach *reach, const char *text)
{
    struct berth_address address = address_of(text);

    host_reach_add(reach, &address);
}

static void the_host_is_as_wide_as_its_widest_address(void **state)
{
    struct host_reach reach = {HOST_EXPOSURE_LOOPBACK, HOST_EXPOSURE_LOOPBACK, 0};

    (void)state;
    add(&reach, "127.0.0.1");
    add(&reach, "fe80::1");
    assert_int_equal(reach.v4, HOST_EXPOSURE_LOOPBACK);
    assert_int_equal(reach.v6, HOST_EXPOSURE_NETWORK);
    /* A private address is often forwarded to. */
    add(&reach, "192.168.0.1");
    add(&reach, "127.0.0.1");
    assert_int_equal(reach.v4, HOST_EXPOSURE_ANYONE);
    assert_int_equal(reach.v6, HOST_EXPOSURE_NETWORK);
    add(&reach, "fd00::1");
    assert_int_equal(reach.v6, HOST_EXPOSURE_ANYONE);
}

static struct host_socket listener(const char *address, bool is_v6)
{
    return (struct host_socket){.local = {address_of(address), 80},
                                .transport = BERTH_TRANSPORT_TCP,
                                .is_listening = true,
                                .is_whole = true,
                                .is_v6 = is_v6,
                                .state = HOST_STATE_LISTEN};
}

static void every_address_is_that_of_its_version(void **state)
{
    const struct host_reach reach = {HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_LOOPBACK, 0};
    struct host_socket socket = listener("0.0.0.0", false);

    (void)state;
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_ANYONE);
    socket = listener("::", true);
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_ANYONE);
    socket.is_v6_only = true;
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_LOOPBACK);
    /* Mapped: an IPv6 socket on every IPv4 address. */
    socket = listener("::ffff:0.0.0.0", true);
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_ANYONE);
}

static void the_loopback_interface_narrows(void **state)
{
    const struct host_reach reach = {HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_ANYONE, 0};
    struct host_socket socket = listener("0.0.0.0", false);

    (void)state;
    socket.device = 1;
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_LOOPBACK);
    socket.device = 2;
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_ANYONE);
}

static void who_hears_nobody_new_is_not_exposed(void **state)
{
    const struct host_reach reach = {HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_ANYONE, 0};
    struct host_socket socket = listener("203.0.113.7", false);

    (void)state;
    socket.is_listening = false;
    assert_int_equal(host_exposure_of(&socket, &reach), HOST_EXPOSURE_NONE);
    assert_string_equal(host_exposure_name(HOST_EXPOSURE_NONE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_an_exposure),
        cmocka_unit_test(the_host_is_as_wide_as_its_widest_address),
        cmocka_unit_test(every_address_is_that_of_its_version),
        cmocka_unit_test(the_loopback_interface_narrows),
        cmocka_unit_test(who_hears_nobody_new_is_not_exposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
