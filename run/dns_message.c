/* SPDX-License-Identifier: MIT */
/*
 * run/dns_message.c: see run/dns_message.h.
 */
#include "run/dns_message.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

enum { FLAG_RESPONSE = 0x80, FLAG_RECURSION_WANTED = 0x01, FLAG_RECURSION_DONE = 0x80 };

/* RDF as text without the dot at its end. */
static bool name_of(const ldns_rdf *rdf, char out[NAMING_BYTES])
{
    char *text = ldns_rdf2str(rdf);
    size_t bytes = text == NULL ? 0 : strlen(text);
    bool is_good = bytes > 0 && bytes < NAMING_BYTES;

    if (is_good) {
        memcpy(out, text, bytes + 1);
        if (bytes > 1 && out[bytes - 1] == '.') {
            out[bytes - 1] = '\0';
        }
    }
    free(text);
    return is_good;
}

static bool read_question(const ldns_pkt *packet, struct dns_question *out)
{
    const ldns_rr_list *list = ldns_pkt_question(packet);
    const ldns_rr *record;

    if (list == NULL || ldns_rr_list_rr_count(list) != 1) {
        return false;
    }
    record = ldns_rr_list_rr(list, 0);
    out->id = ldns_pkt_id(packet);
    out->type = (uint16_t)ldns_rr_get_type(record);
    out->class = (uint16_t)ldns_rr_get_class(record);
    return name_of(ldns_rr_owner(record), out->name);
}

int dns_read_query(const uint8_t *wire, size_t bytes, struct dns_question *out)
{
    ldns_pkt *packet = NULL;
    int result = DNS_FORMAT_ERROR;

    if (bytes < DNS_HEADER_BYTES || (wire[2] & FLAG_RESPONSE) != 0) {
        return -1;
    }
    if (ldns_wire2pkt(&packet, wire, bytes) != LDNS_STATUS_OK) {
        return DNS_FORMAT_ERROR;
    }
    if (ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY) {
        result = DNS_NOT_IMPLEMENTED;
    } else if (read_question(packet, out)) {
        result = DNS_NO_ERROR;
    }
    ldns_pkt_free(packet);
    return result;
}

/* ---- Making ---------------------------------------------------------------------------------- */

static bool push_address(ldns_pkt *packet, const struct berth_address *address, uint32_t ttl_s)
{
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    bool is_v4 = berth_address_is_v4(address);
    ldns_rdf *data = ldns_rdf_new_frm_data(is_v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
                                           is_v4 ? 4 : 16, address->bytes + (is_v4 ? 12 : 0));
    ldns_rr *record = ldns_rr_new();

    if (data == NULL || record == NULL) {
        ldns_rdf_free(data);
        ldns_rr_free(record);
        return false;
    }
    ldns_rr_set_type(record, is_v4 ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA);
    ldns_rr_set_class(record, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(record, ttl_s);
    ldns_rr_set_owner(record, ldns_rdf_clone(ldns_rr_owner(question)));
    (void)ldns_rr_push_rdf(record, data);
    if (ldns_rr_owner(record) == NULL || !ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER, record)) {
        ldns_rr_free(record);
        return false;
    }
    return true;
}

int dns_make_reply(const uint8_t *wire, size_t bytes, const struct dns_reply *reply, uint8_t **out,
                   size_t *out_bytes)
{
    ldns_pkt *packet = NULL;
    int result = BERTH_E_LIMIT;

    if (ldns_wire2pkt(&packet, wire, bytes) != LDNS_STATUS_OK) {
        return BERTH_E_SYNTAX;
    }
    ldns_pkt_set_qr(packet, true);
    ldns_pkt_set_ra(packet, true);
    ldns_pkt_set_aa(packet, false);
    ldns_pkt_set_ad(packet, false);
    ldns_pkt_set_rcode(packet, (uint8_t)reply->rcode);
    ldns_rdf_deep_free(ldns_pkt_edns_data(packet)); /* a cookie, say: not ours to send back */
    ldns_pkt_set_edns_data(packet, NULL);
    for (size_t i = 0; i < reply->count; i++) {
        if (!push_address(packet, &reply->addresses[i], reply->ttl_s)) {
            goto out;
        }
    }
    if (ldns_pkt2wire(out, packet, out_bytes) == LDNS_STATUS_OK) {
        result = BERTH_OK;
    }
out:
    ldns_pkt_free(packet);
    return result;
}

void dns_make_header_reply(const uint8_t *wire, enum dns_rcode rcode, uint8_t out[DNS_HEADER_BYTES])
{
    memset(out, 0, DNS_HEADER_BYTES);
    memcpy(out, wire, 2);
    out[2] = (uint8_t)(FLAG_RESPONSE | (wire[2] & (0x78 | FLAG_RECURSION_WANTED)));
    out[3] = (uint8_t)(FLAG_RECURSION_DONE | (unsigned)rcode);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void learn(const ldns_rr_list *list, struct dns_answer *out)
{
    size_t count = list == NULL ? 0 : ldns_rr_list_rr_count(list);

    for (size_t i = 0; i < count && out->count < DNS_ADDRESSES_MAX; i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);
        const ldns_rdf *data = ldns_rr_rdf(record, 0);
        struct berth_address *address = &out->addresses[out->count];

        if (data == NULL) {
            continue;
        }
        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_A && ldns_rdf_size(data) == 4) {
            *address = berth_address_v4(load_be32(ldns_rdf_data(data)));
            out->count++;
        } else if (ldns_rr_get_type(record) == LDNS_RR_TYPE_AAAA && ldns_rdf_size(data) == 16) {
            memcpy(address->bytes, ldns_rdf_data(data), sizeof address->bytes);
            out->count++;
        }
    }
}

/* Servers that refuse sometimes leave the question out. */
static bool is_to(const ldns_pkt *packet, const struct dns_question *question)
{
    struct dns_question told;

    if (ldns_pkt_qdcount(packet) == 0) {
        return ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR;
    }
    return read_question(packet, &told) && told.type == question->type &&
           told.class == question->class && strcasecmp(told.name, question->name) == 0;
}

bool dns_read_answer(const uint8_t *wire, size_t bytes, const struct dns_question *question,
                     uint16_t id, struct dns_answer *out)
{
    ldns_pkt *packet = NULL;
    bool is_good = false;

    if (bytes < DNS_HEADER_BYTES || (wire[2] & FLAG_RESPONSE) == 0 || load_be16(wire) != id ||
        ldns_wire2pkt(&packet, wire, bytes) != LDNS_STATUS_OK) {
        return false;
    }
    if (is_to(packet, question)) {
        is_good = true;
        out->rcode = (enum dns_rcode)ldns_pkt_get_rcode(packet);
        out->is_truncated = ldns_pkt_tc(packet);
        out->count = 0;
        learn(ldns_pkt_answer(packet), out);
    }
    ldns_pkt_free(packet);
    return is_good;
}
