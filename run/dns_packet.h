/* SPDX-License-Identifier: MIT */
/*
 * run/dns_packet.h: what dns_message.c and dns_answer.c share of ldns. Nobody else includes it.
 */
#ifndef RUN_DNS_PACKET_H
#define RUN_DNS_PACKET_H

#include <ldns/ldns.h>

#include "run/dns_message.h"

/* RDF, a name, in lower case without the dot at its end; '?' for each byte that host names do not
 * have. False: there is such a byte. */
bool dns_packet_name(const ldns_rdf *rdf, char out[NAMING_BYTES]);
/* The one question of PACKET; flags and EDNS are not read. */
bool dns_packet_question(const ldns_pkt *packet, struct dns_question *out);
/* The begin of a reply to QUERY: id, flags, question and EDNS, without its options. NULL: there is
 * no memory. */
ldns_pkt *dns_packet_reply(const ldns_pkt *query, uint8_t rcode);

#endif
