/* SPDX-License-Identifier: MIT */
/*
 * run/dns_message.c: see run/dns_message.h.
 */
#include "run/dns_message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "registry/fold.h"
#include "run/dns_packet.h"

enum {
    FLAG_RESPONSE = 0x80,
    FLAG_RECURSION_WANTED = 0x01,
    FLAG_RECURSION_DONE = 0x80,
    EDNS_BYTES = 1232, /* of answers that berth asks for itself */
};

/* ---- Names ----------------------------------------------------------------------------------- */

static bool is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

/* ldns gives a whole name of at most 255 bytes (RFC 1035 3.1), its labels' lengths right. */
bool dns_packet_name(const ldns_rdf *rdf, char out[NAMING_BYTES])
{
    const uint8_t *wire = ldns_rdf_data(rdf);
    size_t size = ldns_rdf_size(rdf);
    size_t used = 0;
    bool is_good = true;

    for (size_t at = 0; at < size && wire[at] != 0; at += 1U + wire[at]) {
        for (size_t i = 1; i <= wire[at] && at + i < size && used + 2 < NAMING_BYTES; i++) {
            uint8_t byte = registry_fold((char)wire[at + i]);

            is_good = is_good && is_plain(byte);
            out[used++] = is_plain(byte) ? (char)byte : '?';
        }
        out[used++] = '.';
    }
    used += used == 0;
    out[used - 1] = '\0';
    if (used == 1) {
        memcpy(out, ".", 2);
    }
    return is_good;
}

char *dns_type_text(uint16_t type, char out[DNS_TYPE_TEXT_BYTES])
{
    char *text = ldns_rr_type2str((ldns_rr_type)type);

    snprintf(out, DNS_TYPE_TEXT_BYTES, "%s", text == NULL ? "" : text);
    free(text);
    return out;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* "1.2.3.4" backwards. */
static bool reverse_v4(const char *name, size_t bytes, struct berth_address *out)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (bytes >= sizeof text) {
        return false;
    }
    memcpy(text, name, bytes);
    text[bytes] = '\0';
    if (inet_pton(AF_INET, text, &address) != 1) {
        return false;
    }
    *out = berth_address_v4(__builtin_bswap32(ntohl(address.s_addr)));
    return true;
}

/* 32 digits, the last first, each a label. */
static bool reverse_v6(const char *name, size_t bytes, struct berth_address *out)
{
    enum { DIGITS = 32 };
    if (bytes != 2 * DIGITS - 1) {
        return false;
    }
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < DIGITS; i++) {
        char c = name[2 * i];
        size_t digit = DIGITS - 1 - i;
        int value = c <= '9' ? c - '0' : c - 'a' + 10;

        if (!is_hex(c) || (i + 1 < DIGITS && name[2 * i + 1] != '.')) {
            return false;
        }
        out->bytes[digit / 2] |= (uint8_t)(digit % 2 == 0 ? value << 4 : value);
    }
    return true;
}

bool dns_reverse_address(const char *name, struct berth_address *out)
{
    static const char v4[] = ".in-addr.arpa";
    static const char v6[] = ".ip6.arpa";
    size_t bytes = strlen(name);

    if (bytes >= sizeof v4 && strcmp(name + bytes + 1 - sizeof v4, v4) == 0) {
        return reverse_v4(name, bytes + 1 - sizeof v4, out);
    }
    return bytes >= sizeof v6 && strcmp(name + bytes + 1 - sizeof v6, v6) == 0 &&
           reverse_v6(name, bytes + 1 - sizeof v6, out);
}

/* ---- Queries --------------------------------------------------------------------------------- */

bool dns_packet_question(const ldns_pkt *packet, struct dns_question *out)
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
    out->is_odd = !dns_packet_name(ldns_rr_owner(record), out->name);
    return true;
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
    } else if (dns_packet_question(packet, out)) {
        result = DNS_NO_ERROR;
        out->has_edns = ldns_pkt_edns(packet);
        out->datagram_bytes = out->has_edns ? ldns_pkt_edns_udp_size(packet) : 0;
        out->wants_recursion = ldns_pkt_rd(packet);
        out->wants_signatures = out->has_edns && ldns_pkt_edns_do(packet);
        out->wants_no_check = ldns_pkt_cd(packet);
        if (out->datagram_bytes < DNS_DATAGRAM_BYTES) {
            out->datagram_bytes = DNS_DATAGRAM_BYTES; /* RFC 6891 6.2.3 */
        }
    }
    ldns_pkt_free(packet);
    return result;
}

int dns_make_query(const struct dns_question *question, uint8_t **out, size_t *out_bytes)
{
    ldns_rdf *name;
    ldns_pkt *packet;
    int result = BERTH_E_LIMIT;

    /* ldns takes 0 for A, and for IN. */
    if (question->is_odd || question->type == 0 || question->class == 0) {
        return BERTH_E_SYNTAX;
    }
    name = ldns_dname_new_frm_str(question->name);
    if (name == NULL) {
        return BERTH_E_LIMIT;
    }
    packet = ldns_pkt_query_new(name, (ldns_rr_type)question->type, (ldns_rr_class)question->class,
                                0); /* takes the name */
    if (packet == NULL) {
        ldns_rdf_deep_free(name);
        return BERTH_E_LIMIT;
    }
    ldns_pkt_set_id(packet, question->id);
    ldns_pkt_set_rd(packet, question->wants_recursion);
    ldns_pkt_set_cd(packet, question->wants_no_check);
    if (question->has_edns) {
        /* Not the program's number, which would go out with each question. What is longer comes by
         * TCP, or is cut to what the program takes. */
        ldns_pkt_set_edns_udp_size(packet, EDNS_BYTES);
        ldns_pkt_set_edns_do(packet, question->wants_signatures);
    }
    if (ldns_pkt2wire(out, packet, out_bytes) == LDNS_STATUS_OK) {
        result = BERTH_OK;
    }
    ldns_pkt_free(packet);
    return result;
}

/* ---- Replies --------------------------------------------------------------------------------- */

ldns_pkt *dns_packet_reply(const ldns_pkt *query, uint8_t rcode)
{
    const ldns_rr_list *questions = ldns_pkt_question(query);
    ldns_pkt *packet = ldns_pkt_new();

    if (packet == NULL) {
        return NULL;
    }
    ldns_pkt_set_id(packet, ldns_pkt_id(query));
    ldns_pkt_set_opcode(packet, ldns_pkt_get_opcode(query));
    ldns_pkt_set_qr(packet, true);
    ldns_pkt_set_ra(packet, true);
    ldns_pkt_set_rd(packet, ldns_pkt_rd(query));
    ldns_pkt_set_cd(packet, ldns_pkt_cd(query));
    ldns_pkt_set_rcode(packet, rcode);
    if (ldns_pkt_edns(query)) {
        ldns_pkt_set_edns_udp_size(packet, EDNS_BYTES);
        ldns_pkt_set_edns_do(packet, ldns_pkt_edns_do(query));
    }
    for (size_t i = 0; i < ldns_rr_list_rr_count(questions); i++) {
        ldns_rr *question = ldns_rr_clone(ldns_rr_list_rr(questions, i));

        if (question == NULL || !ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION, question)) {
            ldns_rr_free(question);
            ldns_pkt_free(packet);
            return NULL;
        }
    }
    return packet;
}

/* A record of TYPE with DATA (taken), of what was asked. */
static bool push_record(ldns_pkt *packet, enum dns_type type, ldns_rdf *data, uint32_t ttl_s)
{
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    ldns_rr *record = ldns_rr_new();

    if (data == NULL || record == NULL) {
        ldns_rdf_deep_free(data);
        ldns_rr_free(record);
        return false;
    }
    ldns_rr_set_type(record, (ldns_rr_type)type);
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

static bool push_address(ldns_pkt *packet, const struct berth_address *address, uint32_t ttl_s)
{
    bool is_v4 = berth_address_is_v4(address);

    return push_record(packet, is_v4 ? DNS_TYPE_A : DNS_TYPE_AAAA,
                       ldns_rdf_new_frm_data(is_v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
                                             is_v4 ? 4 : 16, address->bytes + (is_v4 ? 12 : 0)),
                       ttl_s);
}

int dns_make_reply(const uint8_t *wire, size_t bytes, const struct dns_reply *reply, uint8_t **out,
                   size_t *out_bytes)
{
    ldns_pkt *query = NULL;
    ldns_pkt *packet = NULL;
    int result = BERTH_E_LIMIT;

    if (ldns_wire2pkt(&query, wire, bytes) != LDNS_STATUS_OK) {
        return BERTH_E_SYNTAX;
    }
    packet = dns_packet_reply(query, (uint8_t)reply->rcode);
    if (packet == NULL) {
        goto out;
    }
    for (size_t i = 0; i < reply->count; i++) {
        if (!push_address(packet, &reply->addresses[i], reply->ttl_s)) {
            goto out;
        }
    }
    if (reply->target != NULL &&
        !push_record(packet, DNS_TYPE_PTR, ldns_dname_new_frm_str(reply->target), reply->ttl_s)) {
        goto out;
    }
    if (ldns_pkt2wire(out, packet, out_bytes) == LDNS_STATUS_OK) {
        result = BERTH_OK;
    }
out:
    ldns_pkt_free(packet);
    ldns_pkt_free(query);
    return result;
}

void dns_make_header_reply(const uint8_t *wire, enum dns_rcode rcode, uint8_t out[DNS_HEADER_BYTES])
{
    memset(out, 0, DNS_HEADER_BYTES);
    memcpy(out, wire, 2);
    out[2] = (uint8_t)(FLAG_RESPONSE | (wire[2] & (0x78 | FLAG_RECURSION_WANTED)));
    out[3] = (uint8_t)(FLAG_RECURSION_DONE | (unsigned)rcode);
}
