/* SPDX-License-Identifier: MIT */
/*
 * DNS messages: queries read, replies made, and answers taken only for the question that was asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/dns_message.h"

/* "example.test A?", id 0x1234, recursion wanted. */
static const uint8_t query[] = {0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0,
                                0,    0,    7,    'e',  'x', 'a', 'm', 'p', 'l', 'e',
                                4,    't',  'e',  's',  't', 0,   0,   1,   0,   1};

/* What follows the question in an answer: name by pointer, A, IN, TTL 60, 192.0.2.7. */
static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};

static size_t make_answer(uint8_t *out)
{
    memcpy(out, query, sizeof query);
    memcpy(out + sizeof query, record, sizeof record);
    out[2] = 0x81;
    out[3] = 0x80;
    out[7] = 1;
    return sizeof query + sizeof record;
}

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

static void test_answer(void **state)
{
    struct dns_question question;
    struct dns_answer answer;
    uint8_t wire[64];
    size_t bytes = make_answer(wire);

    (void)state;
    assert_int_equal(dns_read_query(query, sizeof query, &question), DNS_NO_ERROR);
    assert_true(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    assert_int_equal(answer.count, 1);
    assert_int_equal(berth_address_v4_value(&answer.addresses[0]), 0xc0000207);
    assert_false(answer.is_truncated);
    assert_false(dns_read_answer(wire, bytes, &question, 0x1235, &answer)); /* another id */
    for (size_t i = 0; i < bytes; i++) {
        assert_false(dns_read_answer(wire, i, &question, 0x1234, &answer));
    }
    wire[13] = 'E'; /* case is no difference */
    assert_true(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    wire[13] = 'f'; /* another name */
    assert_false(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    bytes = make_answer(wire);
    wire[27] = 28; /* another type */
    assert_false(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    bytes = make_answer(wire);
    wire[2] = 0x01; /* a query */
    assert_false(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    wire[2] = 0x83;
    assert_true(dns_read_answer(wire, bytes, &question, 0x1234, &answer));
    assert_true(answer.is_truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
