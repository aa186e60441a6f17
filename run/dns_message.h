/* SPDX-License-Identifier: MIT */
/*
 * run/dns_message.h: DNS queries of the program's, and replies and queries made here (RFC 1035), by
 * ldns; dns_answer.h has what name servers say. Owns nothing. Only the resolver calls it.
 *
 * Invariant 1: what is made here is made from what was read, never copied from it: nothing that was
 * not looked at passes, in either direction.
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
    DNS_DATAGRAM_BYTES = 512, /* without EDNS (RFC 1035 4.2.1) */
    DNS_CLASS_IN = 1,
};

/* Types that something is decided about (IANA's registry of DNS parameters). */
enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_NAPTR = 35,
    DNS_TYPE_DNAME = 39,
    DNS_TYPE_SSHFP = 44,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_NSEC = 47,
    DNS_TYPE_NSEC3 = 50,
    DNS_TYPE_TLSA = 52,
    DNS_TYPE_SVCB = 64,
    DNS_TYPE_HTTPS = 65,
    DNS_TYPE_URI = 256,
    DNS_TYPE_CAA = 257,
};

enum dns_rcode {
    DNS_NO_ERROR = 0,
    DNS_FORMAT_ERROR = 1,
    DNS_SERVER_FAILURE = 2,
    DNS_NAME_ERROR = 3,
    DNS_NOT_IMPLEMENTED = 4,
    DNS_REFUSED = 5,
};

/* The one question of a query, and what it says of the answer that it wants. */
struct dns_question {
    uint16_t id;
    uint16_t type;
    uint16_t class;
    uint16_t datagram_bytes; /* of an answer over UDP, at most */
    bool has_edns;
    bool wants_recursion;
    bool wants_signatures; /* DO (RFC 3225) */
    bool wants_no_check;   /* CD (RFC 4035 3.2.2) */
    bool is_odd;           /* bytes in the name that host names do not have: '?' stands for each */
    char name[NAMING_BYTES]; /* lower case, without the dot at its end; "." for the root */
};

/*
 * Reads a query. DNS_NO_ERROR, or what it deserves: DNS_FORMAT_ERROR, DNS_NOT_IMPLEMENTED (no
 * ordinary question). -1: no query at all, to be passed over.
 */
int dns_read_query(const uint8_t *wire, size_t bytes, struct dns_question *out);

/* The text of a type, "AAAA", "TYPE65280". Returns OUT. */
enum { DNS_TYPE_TEXT_BYTES = 16 };
char *dns_type_text(uint16_t type, char out[DNS_TYPE_TEXT_BYTES]);
/* The address that NAME, under in-addr.arpa or ip6.arpa, is of (RFC 1035 3.5, RFC 3596 2.5). */
bool dns_reverse_address(const char *name, struct berth_address *out);

/* The query for a name server that asks QUESTION: its name in lower case, its flags, and nothing
 * else that the program may have put beside it (EDNS options, further records). *OUT is the
 * caller's to free. BERTH_E_LIMIT: no memory; BERTH_E_SYNTAX: an odd name, or type or class 0. */
BERTH_MUST_CHECK int dns_make_query(const struct dns_question *question, uint8_t **out,
                                    size_t *out_bytes);

/* The answer to a query, made here. */
struct dns_reply {
    enum dns_rcode rcode;
    const struct berth_address *addresses; /* of the family that was asked for */
    size_t count;
    uint32_t ttl_s;
    const char *target; /* of PTR; NULL: none */
};
/* To the query WIRE. *OUT is the caller's to free. BERTH_E_LIMIT: no memory; BERTH_E_SYNTAX. */
BERTH_MUST_CHECK int dns_make_reply(const uint8_t *wire, size_t bytes,
                                    const struct dns_reply *reply, uint8_t **out,
                                    size_t *out_bytes);
/* The same where the query cannot be read: its header alone, in OUT. */
void dns_make_header_reply(const uint8_t *wire, enum dns_rcode rcode,
                           uint8_t out[DNS_HEADER_BYTES]);

#endif
