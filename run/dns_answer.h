/* SPDX-License-Identifier: MIT */
/*
 * run/dns_answer.h: what a name server says, read and made anew for the program (RFC 1035, 2181,
 * 9460), by ldns. Owns nothing. Only the resolver calls it.
 *
 *   of an answer                        it reads                     it passes on
 *   CNAME records from the name asked   the way to the last name     those on the way
 *   A, AAAA of the last name            the addresses                those not refused
 *   SRV, MX, SVCB, HTTPS of it          the names that they point to those; of SVCB and HTTPS
 *                                                                    without address hints and ECH
 *   other types that were asked for     -                            those of the last name
 *   DNAME, RRSIG on the way             -                            those, but signatures of what
 *                                                                    was changed
 *   authority section                   -                            SOA, NSEC, NSEC3, RRSIG
 *   additional section                  -                            nothing
 *
 * Invariants
 *  1. An address is passed on only if it was read and not refused, and with no longer a TTL than
 *     was read.
 *  2. A way has at most DNS_CHAIN_MAX names, each once.
 */
#ifndef RUN_DNS_ANSWER_H
#define RUN_DNS_ANSWER_H

#include "run/dns_message.h"

enum {
    DNS_ADDRESSES_MAX = 256, /* of one answer; more are not passed on */
    DNS_TARGETS_MAX = 16,    /* likewise: more are not remembered */
    DNS_CHAIN_MAX = 16,
    DNS_TTL_S_MAX = 24 * 60 * 60,
};

struct dns_answer {
    enum dns_rcode rcode; /* SERVER_FAILURE also for a way that is a loop or too long */
    bool is_truncated;
    uint32_t ttl_s; /* the least along the way, at most DNS_TTL_S_MAX */
    size_t count;
    struct berth_address addresses[DNS_ADDRESSES_MAX];
    bool is_refused[DNS_ADDRESSES_MAX]; /* false at first; whoever has read it sets them */
    size_t target_count;
    char targets[DNS_TARGETS_MAX][NAMING_BYTES];
};
/* Is it a reply, with the id ID? Says nothing of the rest. */
bool dns_is_reply(const uint8_t *wire, size_t bytes, uint16_t id);
/* False: this is no answer to QUESTION as it was sent, with the id ID. */
bool dns_read_answer(const uint8_t *wire, size_t bytes, const struct dns_question *question,
                     uint16_t id, struct dns_answer *out);

/* An answer on its way to the program. */
struct dns_passing {
    const uint8_t *query; /* the program's own */
    size_t query_bytes;
    const uint8_t *answer; /* what ANSWER was read from */
    size_t answer_bytes;
    const struct dns_question *question;
    size_t bytes_max; /* more is truncated */
};
/* *OUT is the caller's to free. BERTH_E_LIMIT: no memory; BERTH_E_SYNTAX. */
BERTH_MUST_CHECK int dns_make_answer(const struct dns_passing *passing,
                                     const struct dns_answer *answer, uint8_t **out,
                                     size_t *out_bytes);

#endif
