/* SPDX-License-Identifier: MIT */
/* Addresses that an answer may not lead to: the ends of each block, and what lies next to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/inward.h"

static const char *kind(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), 0);
    return inward_kind(&address);
}

static void test_inward(void **state)
{
    static const struct {
        const char *address;
        const char *kind;
    } rows[] = {
        {"0.0.0.0", "unspecified"},
        {"0.255.255.255", "unspecified"},
        {"10.0.0.0", "private"},
        {"10.255.255.255", "private"},
        {"100.64.0.0", "shared"},
        {"100.127.255.255", "shared"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"169.254.169.254", "link-local"},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"192.0.0.1", "reserved"},
        {"192.168.0.0", "private"},
        {"192.168.255.255", "private"},
        {"198.19.255.255", "benchmarking"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"240.0.0.0", "reserved"},
        {"255.255.255.255", "reserved"},
        {"::ffff:10.0.0.1", "private"},
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"::127.0.0.1", "loopback"},
        {"::10.0.0.1", "private"},
        {"64:ff9b::10.0.0.1", "private"},
        {"64:ff9b:1::8.8.8.8", "private"},
        {"100::1", "discard"},
        {"2002:7f00:1::", "loopback"},
        {"2002:a00:1::1", "private"},
        {"2001:db8::5efe:10.0.0.1", "private"},
        {"2001:db8::200:5efe:192.168.0.1", "private"},
        {"fc00::", "private"},
        {"fdff::1", "private"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"fec0::1", "private"},
        {"ff02::1", "multicast"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_non_null(kind(rows[i].address));
        assert_string_equal(kind(rows[i].address), rows[i].kind);
    }
}

static void test_outward(void **state)
{
    static const char *const rows[] = {
        "1.0.0.0",      "9.255.255.255",   "11.0.0.0",         "100.63.255.255",
        "100.128.0.0",  "126.255.255.255", "128.0.0.1",        "169.253.255.255",
        "169.255.0.0",  "172.15.255.255",  "172.32.0.0",       "192.0.1.0",
        "192.0.2.1",    "192.167.255.255", "192.169.0.0",      "198.17.255.255",
        "198.20.0.0",   "223.255.255.255", "64:ff9b::8.8.8.8", "2002:808:808::1",
        "2001:db8::1",  "2606:4700::1111", "fbff::1",          "fe00::1",
        "64:ff9b:2::1", "2003:a00:1::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(kind(rows[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inward),
        cmocka_unit_test(test_outward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
