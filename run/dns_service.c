/* SPDX-License-Identifier: MIT */
/*
 * run/dns_service.c: see run/dns_service.h. ldns may or may not know SVCB's fields: here they are
 * read from the bytes.
 */
#include "run/dns_service.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
    DATA_BYTES_MAX = 65535,
    PRIORITY_BYTES = 2,
    PARAMETER_BYTES = 4, /* key and length */
    KEY_MANDATORY = 0,
    KEY_IPV4HINT = 4,
    KEY_ECH = 5,
    KEY_IPV6HINT = 6,
};

struct data {
    size_t bytes;
    uint8_t at[DATA_BYTES_MAX];
};

/* The data of RECORD as on the wire, its names whole. NULL: no memory, or too long. */
static struct data *data_new(const ldns_rr *record)
{
    struct data *data = malloc(sizeof *data);

    if (data == NULL) {
        return NULL;
    }
    data->bytes = 0;
    for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
        const ldns_rdf *field = ldns_rr_rdf(record, i);
        size_t bytes = ldns_rdf_size(field);

        if (bytes > sizeof data->at - data->bytes) {
            free(data);
            return NULL;
        }
        memcpy(data->at + data->bytes, ldns_rdf_data(field), bytes);
        data->bytes += bytes;
    }
    return data;
}

/* Where the name that begins at AT ends; 0: it does not. */
static size_t name_end(const struct data *data, size_t at)
{
    while (at < data->bytes && data->at[at] != 0) {
        if (data->at[at] > LDNS_MAX_LABELLEN) {
            return 0; /* RFC 9460 2.2: no compression there */
        }
        at += 1U + data->at[at];
    }
    return at < data->bytes ? at + 1 : 0;
}

bool dns_service_target(const ldns_rr *record, char out[NAMING_BYTES])
{
    static const struct {
        enum dns_type type;
        size_t at; /* of its name, in the data */
    } types[] = {{DNS_TYPE_SRV, 6}, {DNS_TYPE_MX, 2}, {DNS_TYPE_SVCB, 2}, {DNS_TYPE_HTTPS, 2}};
    struct data *data = NULL;
    bool is_good = false;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t end;
        ldns_rdf *name;

        if (ldns_rr_get_type(record) != (ldns_rr_type)types[i].type) {
            continue;
        }
        data = data_new(record);
        end = data == NULL ? 0 : name_end(data, types[i].at);
        if (end <= types[i].at + 1 || end - types[i].at > LDNS_MAX_DOMAINLEN) {
            break; /* "." is the name itself, or none */
        }
        name =
            ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, end - types[i].at, data->at + types[i].at);
        is_good = name != NULL && dns_packet_name(name, out);
        ldns_rdf_deep_free(name);
        break;
    }
    free(data);
    return is_good;
}

static bool is_stripped(unsigned key)
{
    return key == KEY_IPV4HINT || key == KEY_ECH || key == KEY_IPV6HINT;
}

/* Does the list of keys that a client must know (RFC 9460 8) have one that is taken away? */
static bool is_of_no_use(const uint8_t *keys, size_t bytes)
{
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        if (is_stripped(load_be16(keys + i))) {
            return true;
        }
    }
    return false;
}

/* Takes parameters out of DATA. False: out of shape, or of no use without them. */
static bool strip(struct data *data, bool *changed)
{
    size_t at = name_end(data, PRIORITY_BYTES);
    size_t kept = at;

    while (at != 0 && at < data->bytes) {
        size_t bytes = PARAMETER_BYTES;
        unsigned key;

        if (data->bytes - at < bytes) {
            return false;
        }
        key = load_be16(data->at + at);
        bytes += load_be16(data->at + at + 2);
        if (data->bytes - at < bytes ||
            (key == KEY_MANDATORY &&
             is_of_no_use(data->at + at + PARAMETER_BYTES, bytes - PARAMETER_BYTES))) {
            return false;
        }
        if (is_stripped(key)) {
            *changed = true;
        } else {
            memmove(data->at + kept, data->at + at, bytes);
            kept += bytes;
        }
        at += bytes;
    }
    data->bytes = kept;
    return kept != 0;
}

ldns_rr *dns_service_strip(const ldns_rr *record, bool *changed)
{
    struct data *data = data_new(record);
    ldns_rr *out = NULL;
    ldns_rdf *field;

    if (data == NULL || !strip(data, changed)) {
        *changed = true;
        goto out;
    }
    out = ldns_rr_new();
    field = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, data->bytes, data->at);
    if (out == NULL || field == NULL) {
        ldns_rdf_deep_free(field);
        ldns_rr_free(out);
        out = NULL;
        goto out;
    }
    ldns_rr_set_type(out, ldns_rr_get_type(record));
    ldns_rr_set_class(out, ldns_rr_get_class(record));
    ldns_rr_set_owner(out, ldns_rdf_clone(ldns_rr_owner(record)));
    ldns_rr_set_ttl(out, ldns_rr_ttl(record));
    (void)ldns_rr_push_rdf(out, field);
out:
    free(data);
    return out;
}
