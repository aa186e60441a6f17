/* SPDX-License-Identifier: MIT */
/*
 * run/dns_answer.c: see run/dns_answer.h.
 */
#include "run/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "run/dns_packet.h"
#include "run/dns_service.h"

enum { FLAG_RESPONSE = 0x80 };

/* ---- The way from the name that was asked to the one that has the records -------------------- */

struct way {
    const ldns_rdf *names[DNS_CHAIN_MAX];
    size_t count;
    uint32_t ttl_s;
    bool is_bad;
};

static bool is_on(const struct way *way, const ldns_rdf *name)
{
    for (size_t i = 0; i < way->count; i++) {
        if (ldns_dname_compare(way->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_last(const struct way *way, const ldns_rdf *name)
{
    return ldns_dname_compare(way->names[way->count - 1], name) == 0;
}

/* Where the last name is an alias of another: that one. NULL: it is none. */
static const ldns_rdf *next_name(const ldns_rr_list *list, struct way *way)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);

        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_CNAME && ldns_rr_rdf(record, 0) != NULL &&
            is_last(way, ldns_rr_owner(record))) {
            way->ttl_s = min_u32(way->ttl_s, ldns_rr_ttl(record));
            return ldns_rr_rdf(record, 0);
        }
    }
    return NULL;
}

static struct way find_way(const ldns_pkt *packet, uint16_t type)
{
    const ldns_rr_list *list = ldns_pkt_answer(packet);
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    struct way way = {.names = {ldns_rr_owner(question)}, .count = 1, .ttl_s = DNS_TTL_S_MAX};
    const ldns_rdf *name = NULL;

    while (type != DNS_TYPE_CNAME && (name = next_name(list, &way)) != NULL) {
        if (way.count == DNS_CHAIN_MAX || is_on(&way, name)) {
            way.is_bad = true;
            break;
        }
        way.names[way.count++] = name;
    }
    return way;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool read_address(const ldns_rr *record, struct berth_address *out)
{
    const ldns_rdf *data = ldns_rr_rdf(record, 0);

    if (data != NULL && ldns_rr_get_type(record) == LDNS_RR_TYPE_A && ldns_rdf_size(data) == 4) {
        *out = berth_address_v4(load_be32(ldns_rdf_data(data)));
        return true;
    }
    if (data != NULL && ldns_rr_get_type(record) == LDNS_RR_TYPE_AAAA &&
        ldns_rdf_size(data) == sizeof out->bytes) {
        memcpy(out->bytes, ldns_rdf_data(data), sizeof out->bytes);
        return true;
    }
    return false;
}

static bool is_asked(const ldns_rr *record, const struct way *way, uint16_t type)
{
    return (uint16_t)ldns_rr_get_type(record) == type &&
           ldns_rr_get_class(record) == LDNS_RR_CLASS_IN && is_last(way, ldns_rr_owner(record));
}

static void read_records(const ldns_rr_list *list, struct way *way, uint16_t type,
                         struct dns_answer *out)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);

        if (!is_asked(record, way, type)) {
            continue;
        }
        way->ttl_s = min_u32(way->ttl_s, ldns_rr_ttl(record));
        if (out->count < DNS_ADDRESSES_MAX && read_address(record, &out->addresses[out->count])) {
            out->is_refused[out->count++] = false;
        }
        if (out->target_count < DNS_TARGETS_MAX &&
            dns_service_target(record, out->targets[out->target_count])) {
            out->target_count++;
        }
    }
    out->ttl_s = way->ttl_s;
}

/* Servers that refuse sometimes leave the question out. */
static bool is_to(const ldns_pkt *packet, const struct dns_question *question)
{
    struct dns_question told;

    if (ldns_pkt_qdcount(packet) == 0) {
        return ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR &&
               ldns_pkt_get_rcode(packet) != LDNS_RCODE_NXDOMAIN;
    }
    return dns_packet_question(packet, &told) && told.type == question->type &&
           told.class == question->class && !told.is_odd && strcmp(told.name, question->name) == 0;
}

bool dns_is_reply(const uint8_t *wire, size_t bytes, uint16_t id)
{
    return bytes >= DNS_HEADER_BYTES && (wire[2] & FLAG_RESPONSE) != 0 && load_be16(wire) == id;
}

bool dns_read_answer(const uint8_t *wire, size_t bytes, const struct dns_question *question,
                     uint16_t id, struct dns_answer *out)
{
    ldns_pkt *packet = NULL;
    bool is_good = false;

    if (!dns_is_reply(wire, bytes, id) || ldns_wire2pkt(&packet, wire, bytes) != LDNS_STATUS_OK) {
        return false;
    }
    if (is_to(packet, question)) {
        is_good = true;
        out->rcode = (enum dns_rcode)ldns_pkt_get_rcode(packet);
        out->is_truncated = ldns_pkt_tc(packet);
        out->count = 0;
        out->target_count = 0;
        out->ttl_s = 0;
        if (ldns_pkt_edns_extended_rcode(packet) != 0) {
            out->rcode = DNS_SERVER_FAILURE;
        }
        if (out->rcode == DNS_NO_ERROR && !out->is_truncated) {
            struct way way = find_way(packet, question->type);

            read_records(ldns_pkt_answer(packet), &way, question->type, out);
            out->rcode = way.is_bad ? DNS_SERVER_FAILURE : out->rcode;
        }
    }
    ldns_pkt_free(packet);
    return is_good;
}

/* ---- Making ---------------------------------------------------------------------------------- */

struct making {
    const struct dns_answer *answer;
    struct way way;
    uint16_t type;
    ldns_pkt *out;
    bool is_changed; /* not all that was asked for is passed on as it was */
    bool has_failed; /* no memory */
};

static bool is_passed(const struct dns_answer *answer, const ldns_rr *record)
{
    struct berth_address address;

    for (size_t i = 0; read_address(record, &address) && i < answer->count; i++) {
        if (berth_address_is_equal(&answer->addresses[i], &address)) {
            return !answer->is_refused[i];
        }
    }
    return false;
}

static void push(struct making *making, ldns_pkt_section section, ldns_rr *record)
{
    if (record != NULL) {
        ldns_rr_set_ttl(record, min_u32(ldns_rr_ttl(record), making->way.ttl_s));
    }
    if (record == NULL || !ldns_pkt_push_rr(making->out, section, record)) {
        making->has_failed = true;
        ldns_rr_free(record);
    }
}

/* A record of the type that was asked for, at the end of the way. */
static void pass_asked(struct making *making, const ldns_rr *record)
{
    ldns_rr *copy;

    switch (making->type) {
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
        if (is_passed(making->answer, record)) {
            push(making, LDNS_SECTION_ANSWER, ldns_rr_clone(record));
        } else {
            making->is_changed = true;
        }
        break;
    case DNS_TYPE_SVCB:
    case DNS_TYPE_HTTPS:
        copy = dns_service_strip(record, &making->is_changed);
        if (copy != NULL) {
            push(making, LDNS_SECTION_ANSWER, copy);
        }
        break;
    default:
        push(making, LDNS_SECTION_ANSWER, ldns_rr_clone(record));
        break;
    }
}

static void pass_answer(struct making *making, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);
        uint16_t type = (uint16_t)ldns_rr_get_type(record);

        if (is_asked(record, &making->way, making->type)) {
            pass_asked(making, record);
        } else if (type == DNS_TYPE_DNAME ||
                   (type == DNS_TYPE_CNAME && is_on(&making->way, ldns_rr_owner(record)))) {
            push(making, LDNS_SECTION_ANSWER, ldns_rr_clone(record));
        }
    }
}

/* Of what was changed no signature is right any more. */
static void pass_signatures(struct making *making, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);
        const ldns_rdf *covered = ldns_rr_rdf(record, 0);

        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_RRSIG && covered != NULL &&
            !(making->is_changed && ldns_rdf2rr_type(covered) == (ldns_rr_type)making->type)) {
            push(making, LDNS_SECTION_ANSWER, ldns_rr_clone(record));
        }
    }
}

static void pass_authority(struct making *making, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);

        switch ((enum dns_type)ldns_rr_get_type(record)) {
        case DNS_TYPE_SOA:
        case DNS_TYPE_NSEC:
        case DNS_TYPE_NSEC3:
        case DNS_TYPE_RRSIG:
            push(making, LDNS_SECTION_AUTHORITY, ldns_rr_clone(record));
            break;
        default:
            break;
        }
    }
}

/* The reply QUERY, with what may pass of PACKET; false: no memory. */
static bool fill(struct making *making, const ldns_pkt *packet)
{
    const struct dns_answer *answer = making->answer;

    ldns_pkt_set_tc(making->out, answer->is_truncated);
    if (answer->is_truncated || ldns_pkt_qdcount(packet) == 0) {
        return true; /* it is asked again over TCP */
    }
    making->way = find_way(packet, making->type);
    if (answer->rcode == DNS_NO_ERROR) {
        making->way.ttl_s = answer->ttl_s;
    }
    pass_answer(making, ldns_pkt_answer(packet));
    pass_signatures(making, ldns_pkt_answer(packet));
    pass_authority(making, ldns_pkt_authority(packet));
    ldns_pkt_set_ad(making->out, ldns_pkt_ad(packet) && !making->is_changed);
    return !making->has_failed;
}

static int emit(ldns_pkt *packet, uint8_t **out, size_t *out_bytes)
{
    return ldns_pkt2wire(out, packet, out_bytes) == LDNS_STATUS_OK ? BERTH_OK : BERTH_E_LIMIT;
}

int dns_make_answer(const struct dns_passing *passing, const struct dns_answer *answer,
                    uint8_t **out, size_t *out_bytes)
{
    struct making making = {.answer = answer, .type = passing->question->type};
    ldns_pkt *query = NULL;
    ldns_pkt *packet = NULL;
    int result = BERTH_E_SYNTAX;

    if (ldns_wire2pkt(&query, passing->query, passing->query_bytes) != LDNS_STATUS_OK ||
        ldns_wire2pkt(&packet, passing->answer, passing->answer_bytes) != LDNS_STATUS_OK) {
        goto out;
    }
    result = BERTH_E_LIMIT;
    making.out = dns_packet_reply(query, (uint8_t)answer->rcode);
    if (making.out == NULL || !fill(&making, packet)) {
        goto out;
    }
    result = emit(making.out, out, out_bytes);
    if (result == BERTH_OK && *out_bytes > passing->bytes_max) {
        free(*out);
        ldns_pkt_free(making.out);
        making.out = dns_packet_reply(query, (uint8_t)answer->rcode);
        result = BERTH_E_LIMIT;
        if (making.out != NULL) {
            ldns_pkt_set_tc(making.out, true);
            result = emit(making.out, out, out_bytes);
        }
    }
out:
    ldns_pkt_free(making.out);
    ldns_pkt_free(packet);
    ldns_pkt_free(query);
    return result;
}
