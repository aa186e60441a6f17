/* SPDX-License-Identifier: MIT */
/*
 * run/name_refusal.c: see run/name_refusal.h.
 */
#include "run/name_refusal.h"

#include <stdio.h>
#include <string.h>

#include <berth/registry.h>

#include "firewall/name.h"
#include "run/dns_message.h"

const char *name_refusal_text(enum name_refusal why)
{
    switch (why) {
    case NAME_NOT_REFUSED:
        return "";
    case NAME_REFUSED_RULES:
        return "no rule";
    case NAME_REFUSED_UNNAMED:
        return "not named by a rule";
    case NAME_REFUSED_TYPE:
        return "type";
    case NAME_REFUSED_ADDRESS:
        return "address";
    case NAME_REFUSED_SERVER:
        return "other server name";
    case NAME_REFUSED_HIDDEN:
        return "hidden server name";
    }
    return "";
}

/* Is NAME a service of PORT (0: of any) and of no other port? */
static bool is_service(const char *name, uint16_t port)
{
    const struct berth_registry_query query = {.name = name};
    struct berth_registry_cursor cursor;
    struct berth_service service;
    bool has_port = false;

    berth_registry_start(&cursor, &query);
    while (berth_registry_next(&cursor, &service)) {
        if (service.has_port && port != 0 &&
            (service.port_first != port || service.port_last != port)) {
            return false;
        }
        has_port = has_port || service.has_port;
    }
    return has_port;
}

char *name_refusal_service(uint16_t port, enum berth_protocol protocol,
                           char out[NAME_SERVICE_BYTES])
{
    const char *service =
        berth_service_name(port, protocol == BERTH_UDP ? BERTH_TRANSPORT_UDP : BERTH_TRANSPORT_TCP);

    if (service != NULL && strlen(service) < NAME_SERVICE_BYTES && is_service(service, port)) {
        snprintf(out, NAME_SERVICE_BYTES, "%s", service);
    } else {
        snprintf(out, NAME_SERVICE_BYTES, "%u/%s", (unsigned)port, berth_protocol_name(protocol));
    }
    return out;
}

/* The service of "_service._proto.NAME" (RFC 2782) as a rule has it. */
static char *asked_service(const struct name_refused *refused, char out[NAME_SERVICE_BYTES])
{
    const char *name = refused->name;
    size_t bytes = strcspn(name, ".");

    if (refused->type == DNS_TYPE_SRV && refused->host != name && bytes > 1 &&
        bytes < NAME_SERVICE_BYTES) {
        snprintf(out, NAME_SERVICE_BYTES, "%.*s", (int)(bytes - 1), name + 1);
        if (is_service(out, 0)) {
            return out;
        }
    }
    snprintf(out, NAME_SERVICE_BYTES, "https");
    return out;
}

/* The program chose what it asked for: nothing becomes a rule but a host's name, or an address, and
 * that means just this host. */
static char *write_hint(const char *service, const char *host, char out[NAME_HINT_BYTES])
{
    char peer[BERTH_NAME_BYTES];
    struct berth_address address;

    _Static_assert(sizeof peer >= BERTH_ADDRESS_TEXT_BYTES, "room for both");
    if (host == NULL) {
        return out;
    }
    if (berth_address_parse(host, &address) == BERTH_OK) {
        (void)berth_address_format(&address, peer);
    } else if (firewall_name_write(host, peer) == 0) {
        return out;
    }
    snprintf(out, NAME_HINT_BYTES, "out %s to %s", service, peer);
    return out;
}

char *name_refusal_hint(const struct name_refused *refused, char out[NAME_HINT_BYTES])
{
    char service[NAME_SERVICE_BYTES];
    char address[BERTH_ADDRESS_TEXT_BYTES];

    *out = '\0';
    switch (refused->why) {
    case NAME_REFUSED_RULES:
    case NAME_REFUSED_UNNAMED:
        return write_hint(asked_service(refused, service), refused->host, out);
    case NAME_REFUSED_ADDRESS:
        return write_hint(asked_service(refused, service),
                          berth_address_format(refused->address, address), out);
    case NAME_REFUSED_SERVER:
        return write_hint(name_refusal_service(refused->port, BERTH_TCP, service), refused->host,
                          out);
    case NAME_NOT_REFUSED:
    case NAME_REFUSED_TYPE:
    case NAME_REFUSED_HIDDEN:
        break;
    }
    return out;
}

char *name_refusal_detail(const struct name_refused *refused, char out[NAME_DETAIL_BYTES])
{
    char text[BERTH_ADDRESS_TEXT_BYTES + DNS_TYPE_TEXT_BYTES];
    bool is_plain = refused->type == DNS_TYPE_A || refused->type == DNS_TYPE_AAAA;

    if (refused->why == NAME_REFUSED_ADDRESS) {
        snprintf(out, NAME_DETAIL_BYTES, "%s (%s, %s)", refused->name,
                 berth_address_format(refused->address, text), refused->kind);
    } else if (refused->why == NAME_REFUSED_SERVER) {
        snprintf(out, NAME_DETAIL_BYTES, "%s (let through for %s)", refused->name,
                 refused->let_through_for);
    } else if (refused->why == NAME_REFUSED_HIDDEN) {
        snprintf(out, NAME_DETAIL_BYTES, "%s", refused->let_through_for);
    } else if (is_plain) {
        snprintf(out, NAME_DETAIL_BYTES, "%s", refused->name);
    } else {
        snprintf(out, NAME_DETAIL_BYTES, "%s (%s)", refused->name,
                 dns_type_text(refused->type, text));
    }
    return out;
}
