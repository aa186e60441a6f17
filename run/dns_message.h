/* SPDX-License-Identifier: MIT */
/*
 * run/dns_message.h: DNS messages as far as the resolver reads and makes them (RFC 1035), by ldns.
 * Owns nothing. Only the resolver calls it.
 */
#ifndef RUN_DNS_MESSAGE_H
#define RUN_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/address.h>

#include "run/naming.h"

enum {
    DNS_HEADER_BYTES = 12,
    DNS_MESSAGE_BYTES_MAX = 65535,
    DNS_ADDRESSES_MAX = 64, /* of one answer, that are learnt */
    DNS_TYPE_A = 1,
    DNS_TYPE_AAAA = 28,
    DNS_CLASS_IN = 1,
};

enum dns_rcode {
    DNS_NO_ERROR = 0,
    DNS_FORMAT_ERROR = 1,
    DNS_SERVER_FAILURE = 2,
    DNS_NAME_ERROR = 3,
    DNS_NOT_IMPLEMENTED = 4,
    DNS_REFUSED = 5,
};

/* The one question of a query. */
struct dns_question {
    uint16_t id;
    uint16_t type;
    uint16_t class;
    char name[NAMING_BYTES]; /* without the dot at its end; "." for the root */
};

/*
 * Reads a query. DNS_NO_ERROR, or what it deserves: DNS_FORMAT_ERROR, DNS_NOT_IMPLEMENTED (no
 * ordinary question). -1: no query at all, to be passed over.
 */
int dns_read_query(const uint8_t *wire, size_t bytes, struct dns_question *out);

/* The answer to a query, made here. */
struct dns_reply {
    enum dns_rcode rcode;
    const struct berth_address *addresses; /* of the family that was asked for */
    size_t count;
    uint32_t ttl_s;
};
/* To the query WIRE. *OUT is the caller's to free. BERTH_E_LIMIT: no memory; BERTH_E_SYNTAX. */
BERTH_MUST_CHECK int dns_make_reply(const uint8_t *wire, size_t bytes,
                                    const struct dns_reply *reply, uint8_t **out,
                                    size_t *out_bytes);
/* The same where the query cannot be read: its header alone, in OUT. */
void dns_make_header_reply(const uint8_t *wire, enum dns_rcode rcode,
                           uint8_t out[DNS_HEADER_BYTES]);

/* What a name server says. */
struct dns_answer {
    enum dns_rcode rcode;
    bool is_truncated;
    size_t count;
    struct berth_address addresses[DNS_ADDRESSES_MAX];
};
/* False: this is no answer to QUESTION as it was sent, with the id ID. */
bool dns_read_answer(const uint8_t *wire, size_t bytes, const struct dns_question *question,
                     uint16_t id, struct dns_answer *out);

#endif
