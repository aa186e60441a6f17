/* SPDX-License-Identifier: MIT */
/*
 * DNS messages: queries read and made anew, replies made, names and addresses in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/dns_answer.h"
#include "run/dns_message.h"

/* "example.test A?", id 0x1234, recursion wanted. */
static const uint8_t query[] = {0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0,
                                0,    0,    7,    'e',  'x', 'a', 'm', 'p', 'l', 'e',
                                4,    't',  'e',  's',  't', 0,   0,   1,   0,   1};

static void test_query(void **state)
{
    struct dns_question question;
    uint8_t copy[sizeof query];

    (void)state;
    assert_int_equal(dns_read_query(query, sizeof query, &question), DNS_NO_ERROR);
    assert_int_equal(question.id, 0x1234);
    assert_int_equal(question.type, DNS_TYPE_A);
    assert_int_equal(question.class, DNS_CLASS_IN);
    assert_string_equal(question.name, "example.test");
    for (size_t bytes = 0; bytes < sizeof query; bytes++) {
        int wanted = bytes < DNS_HEADER_BYTES ? -1 : DNS_FORMAT_ERROR;

        assert_int_equal(dns_read_query(query, bytes, &question), wanted);
    }
    memcpy(copy, query, sizeof copy);
    copy[2] |= 0x80; /* an answer is no query, so that two resolvers cannot answer each other */
    assert_int_equal(dns_read_query(copy, sizeof copy, &question), -1);
    copy[2] = 0x29; /* UPDATE */
    assert_int_equal(dns_read_query(copy, sizeof copy, &question), DNS_NOT_IMPLEMENTED);
    memcpy(copy, query, sizeof copy);
    copy[5] = 0; /* no question */
    assert_int_equal(dns_read_query(copy, DNS_HEADER_BYTES, &question), DNS_FORMAT_ERROR);
}

static void test_reply(void **state)
{
    struct berth_address addresses[2] = {berth_address_v4(0xc0000207), berth_address_v4(1)};
    struct dns_reply reply = {.addresses = addresses, .count = 2, .ttl_s = 60};
    struct dns_question question;
    struct dns_answer answer;
    uint8_t header[DNS_HEADER_BYTES];
    uint8_t *wire = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(dns_read_query(query, sizeof query, &question), DNS_NO_ERROR);
    assert_int_equal(dns_make_reply(query, sizeof query, &reply, &wire, &bytes), 0);
    assert_true(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    assert_int_equal(answer.rcode, DNS_NO_ERROR);
    assert_int_equal(answer.count, 2);
    assert_true(berth_address_is_equal(&answer.addresses[0], &addresses[0]));
    assert_true(berth_address_is_equal(&answer.addresses[1], &addresses[1]));
    free(wire);

    reply = (struct dns_reply){.rcode = DNS_REFUSED};
    assert_int_equal(dns_make_reply(query, sizeof query, &reply, &wire, &bytes), 0);
    assert_true(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    assert_int_equal(answer.rcode, DNS_REFUSED);
    assert_int_equal(answer.count, 0);
    free(wire);

    assert_true(dns_make_reply(query, 14, &reply, &wire, &bytes) < 0);
    dns_make_header_reply(query, DNS_FORMAT_ERROR, header);
    assert_int_equal(header[0], 0x12);
    assert_int_equal(header[1], 0x34);
    assert_int_equal(header[2] & 0x80, 0x80);
    assert_int_equal(header[3] & 0x0f, DNS_FORMAT_ERROR);
    assert_int_equal(header[5], 0);
}

/* A query with all that could carry something out: the case of letters, EDNS options, records. */
static void test_made_query(void **state)
{
    static const uint8_t chatty[] = {
        0x12, 0x34, 0x01, 0x70, 0,   1,   0,   0,    0,   0,   0,  1, 7,  'e', 'X',
        'a',  'm',  'P',  'l',  'E', 4,   'T', 'e',  's', 't', 0,  0, 28, 0,   1, /* the name */
        0,    0,    41,   0x10, 0,   0,   0,   0x80, 0,   0,   12, 0, 10, 0,   8, /* a cookie */
        's',  'e',  'c',  'r',  'e', 't', '!', '!'};
    static const uint8_t wanted[] = {0x12, 0x34, 0x01, 0x10, 0,    1,   0,   0,   0,   0, 0,
                                     1,    7,    'e',  'x',  'a',  'm', 'p', 'l', 'e', 4, 't',
                                     'e',  's',  't',  0,    0,    28,  0,   1,   0,   0, 41,
                                     0x04, 0xd0, 0,    0,    0x80, 0,   0,   0};
    struct dns_question question;
    uint8_t *wire = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(dns_read_query(chatty, sizeof chatty, &question), DNS_NO_ERROR);
    assert_string_equal(question.name, "example.test");
    assert_true(question.has_edns && question.wants_signatures && question.wants_no_check);
    assert_int_equal(question.datagram_bytes, 4096);
    assert_int_equal(dns_make_query(&question, &wire, &bytes), 0);
    assert_int_equal(bytes, sizeof wanted);
    assert_memory_equal(wire, wanted, sizeof wanted);
    free(wire);

    assert_int_equal(dns_read_query(query, sizeof query, &question), DNS_NO_ERROR);
    assert_int_equal(question.datagram_bytes, DNS_DATAGRAM_BYTES);
    assert_int_equal(dns_make_query(&question, &wire, &bytes), 0);
    assert_int_equal(bytes, sizeof query);
    assert_memory_equal(wire, query, sizeof query);
    free(wire);
}

static void test_odd_name(void **state)
{
    uint8_t odd[sizeof query];
    struct dns_question question;
    uint8_t *wire = NULL;
    size_t bytes = 0;

    (void)state;
    memcpy(odd, query, sizeof odd);
    odd[14] = '.';
    odd[15] = 0x07;
    assert_int_equal(dns_read_query(odd, sizeof odd, &question), DNS_NO_ERROR);
    assert_true(question.is_odd);
    assert_string_equal(question.name, "e??mple.test");
    assert_int_equal(dns_make_query(&question, &wire, &bytes), BERTH_E_SYNTAX);
    memcpy(odd, query, 12); /* the root */
    memcpy(odd + 12, query + sizeof query - 5, 5);
    assert_int_equal(dns_read_query(odd, 17, &question), DNS_NO_ERROR);
    assert_string_equal(question.name, ".");
}

static void test_reverse(void **state)
{
    struct berth_address address;
    char text[BERTH_ADDRESS_TEXT_BYTES];

    (void)state;
    assert_true(dns_reverse_address("7.2.0.192.in-addr.arpa", &address));
    assert_string_equal(berth_address_format(&address, text), "192.0.2.7");
    assert_true(dns_reverse_address(
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", &address));
    assert_string_equal(berth_address_format(&address, text), "2001:db8::7");
    assert_false(dns_reverse_address("secret.7.2.0.192.in-addr.arpa", &address));
    assert_false(dns_reverse_address("2.0.192.in-addr.arpa", &address));
    assert_false(dns_reverse_address("x.0.0.0.ip6.arpa", &address));
    assert_false(dns_reverse_address("in-addr.arpa", &address));
    assert_false(dns_reverse_address("7.2.0.192.in-addr.arpa.example", &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),      cmocka_unit_test(test_reply),
        cmocka_unit_test(test_made_query), cmocka_unit_test(test_odd_name),
        cmocka_unit_test(test_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
