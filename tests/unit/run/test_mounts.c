/* SPDX-License-Identifier: MIT */
/*
 * The texts that the program finds in /etc/resolv.conf and before its /etc/hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "run/mounts.h"

static struct berth_address address(const char *text)
{
    struct berth_address out;

    assert_int_equal(berth_address_parse(text, &out), 0);
    return out;
}

static void resolvers_are_ours_and_search_is_the_hosts(void **state)
{
    const struct berth_address resolvers[] = {address("10.0.2.3"), address("fd00::3")};
    const struct launch_config config = {.resolvers = resolvers, .resolver_count = 2};
    char out[512];
    size_t length = mounts_format_resolv(&config,
                                         "nameserver 192.0.2.1\nsearch example.org corp\n"
                                         "# search no\nsearching no\noptions ndots:2\n"
                                         "nameserver 192.0.2.2",
                                         out, sizeof(out));

    (void)state;
    assert_int_equal(length, strlen(out));
    assert_string_equal(out, "# made by berth for this program\nnameserver 10.0.2.3\n"
                             "nameserver fd00::3\nsearch example.org corp\noptions ndots:2\n");
}

static void no_resolvers_leave_no_nameserver(void **state)
{
    const struct launch_config config = {0};
    char out[512];

    (void)state;
    (void)mounts_format_resolv(&config, "nameserver 192.0.2.1\n", out, sizeof(out));
    assert_null(strstr(out, "nameserver"));
}

static void too_little_room_is_told_by_the_length(void **state)
{
    const struct berth_address resolvers[] = {address("10.0.2.3")};
    const struct launch_config config = {.resolvers = resolvers, .resolver_count = 1};
    char out[512];
    char small[20];
    size_t whole = mounts_format_resolv(&config, "search a\n", out, sizeof(out));

    (void)state;
    assert_int_equal(mounts_format_resolv(&config, "search a\n", small, sizeof(small)), whole);
    assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void hosts_come_in_their_order(void **state)
{
    const struct launch_host hosts[] = {{"db", address("10.0.2.2")},
                                        {"db6.example", address("fd00::2")}};
    const struct launch_config config = {.hosts = hosts, .host_count = 2};
    char out[512];

    (void)state;
    (void)mounts_format_hosts(&config, out, sizeof(out));
    assert_string_equal(out, "10.0.2.2\tdb\nfd00::2\tdb6.example\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolvers_are_ours_and_search_is_the_hosts),
        cmocka_unit_test(no_resolvers_leave_no_nameserver),
        cmocka_unit_test(too_little_room_is_told_by_the_length),
        cmocka_unit_test(hosts_come_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
