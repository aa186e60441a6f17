/* SPDX-License-Identifier: MIT */
/*
 * Addresses, endpoints, prefixes: good and bad texts, round trips, and libc as a second reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#include <berth/address.h>

#include <arpa/inet.h>

static struct berth_address parsed(const char *text)
{
    struct berth_address address;

    if (berth_address_parse(text, &address) != 0) {
        fail_msg("does not parse: %s", text);
    }
    return address;
}

/* What is read from the left text is written as the right one. */
static void good_addresses(void **state)
{
    static const char *const pairs[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.0.2.100", "10.0.2.100"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"2001:DB8::0001", "2001:db8::1"},
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* RFC 5952 4.2.2: one group stays */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* 4.2.3: the longest run */
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1::8", "1::8"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"::1.2.3.4", "::102:304"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1::2:1.2.3.4", "1::2:102:304"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"},
        {"::fffe:1.2.3.4", "::fffe:102:304"},
        {"fe80::1", "fe80::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[BERTH_ADDRESS_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct berth_address address = parsed(pairs[i][0]);

        assert_ptr_equal(berth_address_format(&address, text), text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static const char *const bad_address_texts[] = {
    "",
    " ",
    ".",
    ":",
    "1",
    "1.2.3",
    "1.2.3.",
    "1.2.3.4.",
    "1.2.3.4.5",
    ".1.2.3.4",
    "1..2.3",
    "1.2.3.256",
    "1.2.3.1000",
    "1.2.3.99999999999999999999",
    "01.2.3.4",
    "1.2.3.04",
    "1.2.3.00",
    "0x1.2.3.4",
    "1.2.3.-4",
    "+1.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4/8",
    "1.2.3.4:80",
    "a.b.c.d",
    ":::",
    "::::",
    "1:",
    ":1",
    "1:2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7:8:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::2:3:4:5:6:7:8",
    "1::2::3",
    "1:::2",
    ":1::2",
    "::1:",
    "::12345",
    "::g",
    "::-1",
    "::1%eth0",
    "[::1]",
    "::1/64",
    "::1 ",
    " ::1",
    "::1.2.3",
    "::1.2.3.4.5",
    "::1.2.3.256",
    "::01.2.3.4",
    "::1.2.3.4:5",
    "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:1.2.3.4",
    "::1:2:3:4:5:6:7:1.2.3.4",
    "0:0:0:0:0:0:0:0:0",
    "::\n",
    "1.2.3.4\n",
    "::ffff:1.2.3.4/96",
};

static void bad_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_address_texts / sizeof bad_address_texts[0]; i++) {
        struct berth_address address;
        struct berth_address before;

        memset(&address, 0xa5, sizeof address);
        before = address;
        if (berth_address_parse(bad_address_texts[i], &address) != BERTH_E_SYNTAX) {
            fail_msg("parses: \"%s\"", bad_address_texts[i]);
        }
        assert_memory_equal(&address, &before, sizeof address); /* untouched on failure */
    }
}

/* Zeros in runs, so that every shape of "::" is met. */
static struct berth_address random_address(struct random *random)
{
    struct berth_address address;
    uint32_t zeros = random_u32(random);

    random_fill(random, address.bytes, sizeof address.bytes);
    for (size_t i = 0; i < 8; i++) {
        if ((zeros >> i & 1) != 0) {
            address.bytes[2 * i] = 0;
        }
        if ((zeros >> (i + 8) & 1) != 0) {
            address.bytes[2 * i] = 0;
            address.bytes[2 * i + 1] = 0;
        }
    }
    return random_below(random, 4) == 0 ? berth_address_v4(zeros) : address;
}

static void texts_agree_with_libc(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {7};
    static const uint8_t zeros[12] = {0};
    struct random random;

    (void)state;
    random_init(&random, seed, "address");
    for (int i = 0; i < 50000; i++) {
        struct berth_address address = random_address(&random);
        struct berth_address back;
        char ours[BERTH_ADDRESS_TEXT_BYTES];
        char theirs[INET6_ADDRSTRLEN];
        bool is_v4 = berth_address_is_v4(&address);

        (void)berth_address_format(&address, ours);
        back = parsed(ours);
        assert_true(berth_address_is_equal(&back, &address));
        assert_non_null(inet_ntop(is_v4 ? AF_INET : AF_INET6, address.bytes + (is_v4 ? 12 : 0),
                                  theirs, sizeof theirs));
        /* libc writes ::a.b.c.d for the deprecated compatible addresses (RFC 4291 2.5.5.1). */
        if (memcmp(address.bytes, zeros, sizeof zeros) != 0) {
            assert_string_equal(ours, theirs);
        }
        back = parsed(theirs);
        assert_true(berth_address_is_equal(&back, &address));
    }
}

/* One character of a good text changed, added or taken away: libc and we agree what is good. */
static void changed_texts_agree_with_libc(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {8};
    static const char alphabet[] = "0123456789abcdefF::::....%/gx ";
    struct random random;
    int good = 0;

    (void)state;
    random_init(&random, seed, "address");
    for (int i = 0; i < 200000; i++) {
        struct berth_address address = random_address(&random);
        char text[64] = {0};
        uint8_t theirs[16];

        (void)berth_address_format(&address, text);
        for (uint32_t changes = random_below(&random, 3) + 1; changes > 0; changes--) {
            size_t length = strlen(text);
            size_t at = random_below(&random, (uint32_t)length + 1);
            char with = alphabet[random_below(&random, sizeof alphabet - 1)];

            if (random_below(&random, 2) == 0 && at < length) {
                memmove(text + at, text + at + 1, length - at);
            } else if (length < 60) {
                memmove(text + at + 1, text + at, length - at + 1);
                text[at] = with;
            }
        }
        bool is_good = inet_pton(AF_INET6, text, theirs) == 1;
        if (!is_good && inet_pton(AF_INET, text, theirs + 12) == 1) {
            is_good = true;
            memcpy(theirs, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        }
        int result = berth_address_parse(text, &address);
        if ((result == 0) != is_good) {
            fail_msg("libc %s \"%s\"", is_good ? "takes" : "refuses", text);
        }
        if (is_good) {
            good++;
            assert_memory_equal(address.bytes, theirs, 16);
        }
    }
    assert_true(good > 10000);
}

static void endpoints(void **state)
{
    static const char *const good[][2] = {
        {"10.0.0.1:80", "10.0.0.1:80"},      {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::1]:65535", "[::1]:65535"},      {"[::]:1", "[::]:1"},
        {"[::ffff:1.2.3.4]:5", "1.2.3.4:5"}, {"[2001:DB8:0::1]:8080", "[2001:db8::1]:8080"},
    };
    static const char *const bad[] = {
        "",
        ":",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:65536",
        "10.0.0.1:-1",
        "10.0.0.1:+1",
        "10.0.0.1:080",
        "10.0.0.1:80 ",
        "10.0.0.1: 80",
        "10.0.0.1:8a",
        "10.0.0.1:99999999999",
        "[10.0.0.1]:80",
        "::1:80",
        "[::1]80",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[[::1]]:80",
        "[::1%1]:80",
        ":80",
        "1.2.3.4.5:80",
        "[::1]:80]",
    };
    char text[BERTH_ENDPOINT_TEXT_BYTES];
    struct berth_endpoint endpoint;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(berth_endpoint_parse(good[i][0], &endpoint), 0);
        assert_string_equal(berth_endpoint_format(&endpoint, text), good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (berth_endpoint_parse(bad[i], &endpoint) != BERTH_E_SYNTAX) {
            fail_msg("parses: \"%s\"", bad[i]);
        }
    }
}

static void the_longest_texts_fit(void **state)
{
    struct berth_endpoint endpoint = {.port = 65535};
    char *text = malloc(BERTH_ENDPOINT_TEXT_BYTES);

    (void)state;
    assert_non_null(text);
    memset(endpoint.address.bytes, 0xff, 16);
    assert_true(strlen(berth_endpoint_format(&endpoint, text)) < BERTH_ENDPOINT_TEXT_BYTES);
    assert_true(strlen(berth_address_format(&endpoint.address, text)) < BERTH_ADDRESS_TEXT_BYTES);
    free(text);
}

static void good_prefixes(void **state)
{
    static const struct {
        const char *text;
        uint8_t bits;
        const char *inside;
        const char *outside;
    } cases[] = {
        {"10.0.0.0/8", 104, "10.255.255.255", "11.0.0.0"},
        {"10.0.0.0/8", 104, "10.0.0.0", "9.255.255.255"},
        {"192.168.1.128/25", 121, "192.168.1.200", "192.168.1.127"},
        {"1.2.3.4", 128, "1.2.3.4", "1.2.3.5"},
        {"1.2.3.4/32", 128, "1.2.3.4", "1.2.3.5"},
        {"0.0.0.0/0", 96, "255.1.2.3", "::1"},
        {"0.0.0.0/0", 96, "0.0.0.0", "::"},
        {"::/0", 0, "2001:db8::1", "1.2.3.4"},
        {"::/64", 64, "::1:2:3:4", "0:0:0:1::"},
        {"::/64", 64, "::1", "10.0.0.1"},
        {"::ffff:0:0/96", 96, "10.0.0.1", "::fffe:1.2.3.4"},
        {"::ffff:10.0.0.0/104", 104, "10.1.2.3", "11.1.2.3"},
        {"fd00::/8", 8, "fdff::1", "fe00::"},
        {"fe80::/10", 10, "febf::1", "fec0::"},
        {"2001:db8::/127", 127, "2001:db8::1", "2001:db8::2"},
        {"::1", 128, "::1", "::"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct berth_address inside = parsed(cases[i].inside);
        struct berth_address outside = parsed(cases[i].outside);
        struct berth_prefix prefix;

        assert_int_equal(berth_prefix_parse(cases[i].text, &prefix), 0);
        assert_int_equal(prefix.bits, cases[i].bits);
        assert_true(berth_prefix_contains(&prefix, &inside));
        assert_false(berth_prefix_contains(&prefix, &outside));
    }
}

static void bad_prefixes(void **state)
{
    static const char *const texts[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8 ",
        "10.0.0.1/8",
        "10.0.0.0/8/8",
        "128.0.0.0/0",
        "::1/127",
        "::/129",
        "::1/0",
        "fd00::1/64",
        "10.0/16",
        "::ffff:10.0.0.0/102",
        "::ffff:0.0.0.0/95",
        "10.0.0.0/255.0.0.0",
        "::/",
        "1/8",
        "10.0.0.0/4294967304",
    };
    struct berth_prefix prefix;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (berth_prefix_parse(texts[i], &prefix) != BERTH_E_SYNTAX) {
            fail_msg("parses: \"%s\"", texts[i]);
        }
    }
}

/* Every length, against a comparison bit by bit. */
static void contains_compares_that_many_bits(void **state)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {9};
    struct random random;

    (void)state;
    random_init(&random, seed, "prefix");
    for (uint32_t bits = 0; bits <= 128; bits++) {
        struct berth_prefix prefix = {.bits = (uint8_t)bits};

        for (uint32_t i = 0; i < bits; i++) {
            uint32_t bit = random_below(&random, 2);

            prefix.address.bytes[i / 8] |= (uint8_t)(bit << (7 - i % 8));
        }
        prefix.address.bytes[0] |= bits > 0 ? 0x80 : 0; /* not by chance an IPv4 one */
        for (uint32_t i = 0; i < 128; i++) {
            struct berth_address address = prefix.address;

            address.bytes[i / 8] ^= (uint8_t)(0x80 >> i % 8);
            assert_int_equal(berth_prefix_contains(&prefix, &address), i >= bits);
        }
    }
}

static void kinds(void **state)
{
    static const struct {
        const char *text;
        bool v4, any, loopback, link_local, multicast;
    } cases[] = {
        {"::", false, true, false, false, false},
        {"0.0.0.0", true, true, false, false, false},
        {"0.0.0.1", true, false, false, false, false},
        {"::fffe:0:0", false, false, false, false, false},
        {"1::", false, false, false, false, false},
        {"127.0.0.1", true, false, true, false, false},
        {"127.255.255.255", true, false, true, false, false},
        {"128.0.0.1", true, false, false, false, false},
        {"::1", false, false, true, false, false},
        {"::2", false, false, false, false, false},
        {"1::1", false, false, false, false, false},
        {"169.254.169.254", true, false, false, true, false},
        {"169.253.0.1", true, false, false, false, false},
        {"fe80::1", false, false, false, true, false},
        {"febf::1", false, false, false, true, false},
        {"fec0::1", false, false, false, false, false},
        {"223.255.255.255", true, false, false, false, false},
        {"224.0.0.1", true, false, false, false, true},
        {"239.255.255.255", true, false, false, false, true},
        {"240.0.0.1", true, false, false, false, false},
        {"ff02::1", false, false, false, false, true},
        {"fe00::1", false, false, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct berth_address address = parsed(cases[i].text);

        assert_int_equal(berth_address_is_v4(&address), cases[i].v4);
        assert_int_equal(berth_address_is_any(&address), cases[i].any);
        assert_int_equal(berth_address_is_loopback(&address), cases[i].loopback);
        assert_int_equal(berth_address_is_link_local(&address), cases[i].link_local);
        assert_int_equal(berth_address_is_multicast(&address), cases[i].multicast);
    }
}

static void values(void **state)
{
    struct berth_address localhost = berth_address_v4(0x7f000001);
    struct berth_address any = berth_address_any();
    struct berth_address six = parsed("::7f00:1");
    struct berth_endpoint a = {.address = localhost, .port = 1};
    struct berth_endpoint b = a;

    (void)state;
    assert_int_equal(berth_address_v4_value(&localhost), 0x7f000001);
    assert_int_equal(berth_address_v4_value(&six), 0);
    assert_true(berth_address_is_any(&any) && !berth_address_is_v4(&any));
    assert_false(berth_address_is_equal(&localhost, &six));
    assert_true(berth_endpoint_is_equal(&a, &b));
    b.port = 2;
    assert_false(berth_endpoint_is_equal(&a, &b));
    b = (struct berth_endpoint){.address = six, .port = 1};
    assert_false(berth_endpoint_is_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(texts_agree_with_libc),
        cmocka_unit_test(changed_texts_agree_with_libc),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(good_prefixes),
        cmocka_unit_test(bad_prefixes),
        cmocka_unit_test(contains_compares_that_many_bits),
        cmocka_unit_test(kinds),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
