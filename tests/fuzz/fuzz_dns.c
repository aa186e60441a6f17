/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a DNS query of the program's, and as an answer to a question: read or refused. A
 * query that can be read can be answered and made anew, and the answer is one to it. An answer that
 * can be read can be made anew, and then says no more than was read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "run/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "example.test" with a type of CHOICE's, in `question` what berth reads of it. */
static const uint8_t *ask(uint8_t choice, struct dns_question *question, size_t *bytes)
{
    static const uint8_t types[] = {1, 28, 5, 33, 15, 64, 65, 16};
    static uint8_t query[] = {0x12, 0x34, 0x01, 0x00, 0,   1, 0,   0,   0,   0,   0, 0, 7, 'e', 'x',
                              'a',  'm',  'p',  'l',  'e', 4, 't', 'e', 's', 't', 0, 0, 1, 0,   1};

    query[27] = types[choice % sizeof types];
    *bytes = sizeof query;
    BERTH_CHECK(dns_read_query(query, sizeof query, question) == DNS_NO_ERROR);
    return query;
}

static void check_query(const uint8_t *data, size_t size)
{
    const struct dns_reply reply = {.rcode = DNS_REFUSED};
    struct dns_question question;
    struct dns_question again;
    struct dns_answer answer;
    struct berth_address address;
    uint8_t *wire = NULL;
    size_t bytes = 0;

    if (dns_read_query(data, size, &question) != DNS_NO_ERROR) {
        return;
    }
    BERTH_CHECK(strlen(question.name) > 0 && strlen(question.name) < NAMING_BYTES);
    (void)dns_reverse_address(question.name, &address);
    if (dns_make_reply(data, size, &reply, &wire, &bytes) == BERTH_OK) {
        BERTH_CHECK(question.is_odd ||
                    dns_read_answer(wire, bytes, &question, question.id, &answer));
        BERTH_CHECK(question.is_odd || answer.rcode == DNS_REFUSED);
        free(wire);
    }
    if (dns_make_query(&question, &wire, &bytes) == BERTH_OK) {
        BERTH_CHECK(dns_read_query(wire, bytes, &again) == DNS_NO_ERROR);
        BERTH_CHECK(again.type == question.type && strcmp(again.name, question.name) == 0);
        free(wire);
    }
}

static void check_answer(uint8_t choice, const uint8_t *data, size_t size)
{
    struct dns_question question;
    struct dns_answer answer;
    struct dns_answer again;
    struct dns_passing passing = {.answer = data, .answer_bytes = size, .question = &question};
    uint8_t *wire = NULL;
    size_t bytes = 0;

    passing.query = ask(choice, &question, &passing.query_bytes);
    passing.bytes_max = question.datagram_bytes;
    if (!dns_read_answer(data, size, &question, question.id, &answer)) {
        return;
    }
    BERTH_CHECK(answer.count <= DNS_ADDRESSES_MAX && answer.target_count <= DNS_TARGETS_MAX);
    for (size_t i = 0; i < answer.count; i += 2) {
        answer.is_refused[i] = true;
    }
    if (dns_make_answer(&passing, &answer, &wire, &bytes) < 0) {
        return;
    }
    BERTH_CHECK(bytes <= passing.bytes_max);
    BERTH_CHECK(dns_read_answer(wire, bytes, &question, question.id, &again));
    BERTH_CHECK(again.count <= answer.count && again.ttl_s <= DNS_TTL_S_MAX);
    for (size_t i = 0; i < again.count; i++) {
        size_t at = 0;

        while (at < answer.count &&
               (answer.is_refused[at] ||
                !berth_address_is_equal(&answer.addresses[at], &again.addresses[i]))) {
            at++;
        }
        BERTH_CHECK(at < answer.count);
    }
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_query(data, size);
    check_answer(0, data, size);
    for (uint8_t choice = 1; choice < 8; choice++) {
        check_answer(choice, data, size);
    }
    return 0;
}
