/* SPDX-License-Identifier: MIT */
/*
 * The values of `berth run`'s options: what is read from them, and which word is named where they
 * are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/run.h"

struct publish_case {
    const char *text;
    const char *address; /* NULL: none */
    uint16_t first;
    uint16_t last;
    uint16_t program;
    enum berth_protocol protocol;
};

static const struct publish_case published[] = {
    {"8080", NULL, 8080, 8080, 8080, BERTH_TCP},
    {"8080:80", NULL, 8080, 8080, 80, BERTH_TCP},
    {"8080:80/udp", NULL, 8080, 8080, 80, BERTH_UDP},
    {"8000-8010", NULL, 8000, 8010, 8000, BERTH_TCP},
    {"8000-8010:80", NULL, 8000, 8010, 80, BERTH_TCP},
    {"8000-8010:9000-9010/tcp", NULL, 8000, 8010, 9000, BERTH_TCP},
    {"1-65535", NULL, 1, 65535, 1, BERTH_TCP},
    {"0.0.0.0:8080:80", "0.0.0.0", 8080, 8080, 80, BERTH_TCP},
    {"192.0.2.1:53/udp", "192.0.2.1", 53, 53, 53, BERTH_UDP},
    {"[::]:8080:80", "::", 8080, 8080, 80, BERTH_TCP},
    {"[::1]:8000-8001", "::1", 8000, 8001, 8000, BERTH_TCP},
};

static void test_publish(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        const struct publish_case *wanted = &published[i];
        struct run_publish got = {0};
        struct cli_complaint complaint = {.word = ""};
        struct berth_address address;

        assert_true(run_parse_publish(wanted->text, &got, &complaint));
        assert_int_equal(got.has_address, wanted->address != NULL);
        if (wanted->address != NULL) {
            assert_int_equal(berth_address_parse(wanted->address, &address), 0);
            assert_true(berth_address_is_equal(&address, &got.address));
        }
        assert_int_equal(got.host_first, wanted->first);
        assert_int_equal(got.host_last, wanted->last);
        assert_int_equal(got.program_first, wanted->program);
        assert_int_equal(got.protocol, wanted->protocol);
        assert_string_equal(got.word, wanted->text);
    }
}

static void test_bad_publish(void **state)
{
    static const char *const bad[][2] = {
        {"", ""},
        {"0", "0"},
        {"65536", "65536"},
        {"80:", ""},
        {":80", ""},
        {"80-", "80-"},
        {"90-80", "90-80"},
        {"80:90-", "90-"},
        {"80-90:80-85", "80-85"},
        {"60000-60010:65530", "65530"},
        {"80/icmp", "icmp"},
        {"80/", ""},
        {"localhost:80", "localhost"},
        {"1.2.3:80", "1.2.3"},
        {"::1:80:80", "::1"},
        {"[::1]80", "[::1]80"},
        {"[::1", "[::1"},
        {"[1::2::3]:80", "1::2::3"},
        {"80:90:100:110", ""},
        {"http", "http"},
        {" 80", " 80"},
        {"224.0.0.1:80", "224.0.0.1"},
        {"[ff02::1]:80", "ff02::1"},
    };
    char huge[4096];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct run_publish got = {.host_first = 77};
        struct cli_complaint complaint = {.word = ""};

        assert_false(run_parse_publish(bad[i][0], &got, &complaint));
        assert_int_equal(got.host_first, 77);
        assert_string_not_equal(complaint.expected, "");
        if (*bad[i][1] != '\0' && strcmp(bad[i][0], "::1:80:80") != 0) {
            assert_string_equal(complaint.word, bad[i][1]);
        }
    }
    memset(huge, '1', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    {
        struct run_publish got;
        struct cli_complaint complaint = {.word = ""};

        assert_false(run_parse_publish(huge, &got, &complaint));
    }
}

static void test_host(void **state)
{
    static const char *const bad[] = {
        "", "=1.2.3.4", "a", "a=", "a=1.2.3", "a b=1.2.3.4", "a/b=::1", "a=b=1.2.3.4", ".=1.2.3.4"};
    struct launch_host host;
    struct cli_complaint complaint;

    (void)state;
    assert_true(run_parse_host("db.test=192.0.2.5", &host, &complaint));
    assert_string_equal(host.name, "db.test");
    assert_int_equal(berth_address_v4_value(&host.address), 0xc0000205);
    free((char *)(uintptr_t)host.name);
    assert_true(run_parse_host("db.test.=192.0.2.5", &host, &complaint));
    assert_string_equal(host.name, "db.test"); /* as names are compared */
    free((char *)(uintptr_t)host.name);
    assert_true(run_parse_host("x=fd00::5", &host, &complaint));
    free((char *)(uintptr_t)host.name);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(run_parse_host(bad[i], &host, &complaint));
    }
}

static void is_address(const struct berth_address *address, const char *wanted)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];

    assert_string_equal(berth_address_format(address, text), wanted);
}

static void test_networks(void **state)
{
    static const char *const bad[] = {
        "10.0.2.0",  "10.0.2.1/24", "10.0.2.0/30", "10.0.2.0/33", "127.0.0.0/8",     "224.0.0.0/8",
        "0.0.0.0/8", "fd00::/64",   "x",           "240.0.0.0/8", "255.255.255.0/24"};
    static const char *const bad6[] = {"fd00::1/64", "fd00::/113", "fe80::/64",  "ff00::/64",
                                       "::/64",      "10.0.0.0/8", "fd00::/129", ""};
    struct launch_network network = {0};
    struct berth_address resolver;
    struct cli_complaint complaint;

    (void)state;
    assert_true(run_parse_network("10.0.2.0/24", &network, &resolver, &complaint));
    assert_int_equal(network.prefix_bits, 24);
    is_address(&network.gateway, "10.0.2.2");
    is_address(&resolver, "10.0.2.3");
    is_address(&network.program, "10.0.2.100");
    assert_true(run_parse_network("172.16.0.8/29", &network, &resolver, &complaint));
    is_address(&network.gateway, "172.16.0.10");
    is_address(&resolver, "172.16.0.11");
    is_address(&network.program, "172.16.0.14");
    assert_true(run_parse_network6("fd00::/64", &network, &resolver, &complaint));
    assert_int_equal(network.prefix_bits, 64);
    is_address(&network.gateway, "fd00::2");
    is_address(&resolver, "fd00::3");
    is_address(&network.program, "fd00::100");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(run_parse_network(bad[i], &network, &resolver, &complaint));
    }
    for (size_t i = 0; i < sizeof bad6 / sizeof bad6[0]; i++) {
        assert_false(run_parse_network6(bad6[i], &network, &resolver, &complaint));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_bad_publish),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
