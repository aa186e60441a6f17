/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a DNS query of the program's, and as an answer to a question: read or refused. A
 * query that can be read can be answered, and the answer is one to it.
 */
#include <stdlib.h>

#include "base/check.h"
#include "run/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dns_question asked = {
        .id = 0x1234, .type = DNS_TYPE_A, .class = DNS_CLASS_IN, .name = "example.test"};
    const struct dns_reply reply = {.rcode = DNS_REFUSED};
    struct dns_question question;
    struct dns_answer answer;
    uint8_t *wire = NULL;
    size_t bytes = 0;

    if (dns_read_query(data, size, &question) == DNS_NO_ERROR &&
        dns_make_reply(data, size, &reply, &wire, &bytes) == BERTH_OK) {
        BERTH_CHECK(dns_read_answer(wire, bytes, &question, question.id, &answer));
        BERTH_CHECK(answer.rcode == DNS_REFUSED);
        free(wire);
    }
    if (dns_read_answer(data, size, &asked, asked.id, &answer)) {
        BERTH_CHECK(answer.count <= DNS_ADDRESSES_MAX);
    }
    return 0;
}
