/* SPDX-License-Identifier: MIT */
/*
 * registry/category.c: the categories of ports (RFC 6335 section 6) and the transports' names.
 * Anyone may call it.
 *
 * Invariant 1: the categories follow one another and cover 0 to 65535.
 */
#include <berth/registry.h>

#include <stddef.h>

#include "registry/fold.h"

struct category {
    const char name[12];
    uint16_t first;
    uint16_t last;
};

static const struct category categories[] = {
    [BERTH_CATEGORY_SYSTEM] = {"system", 0, 1023},
    [BERTH_CATEGORY_USER] = {"user", 1024, 49151},
    [BERTH_CATEGORY_EPHEMERAL] = {"ephemeral", 49152, 65535},
};

#define CATEGORY_COUNT (sizeof categories / sizeof categories[0])

static const enum berth_transport transports[] = {
    BERTH_TRANSPORT_TCP,
    BERTH_TRANSPORT_UDP,
    BERTH_TRANSPORT_SCTP,
    BERTH_TRANSPORT_DCCP,
};

enum berth_category berth_port_category(uint16_t port)
{
    return port <= categories[BERTH_CATEGORY_SYSTEM].last ? BERTH_CATEGORY_SYSTEM
           : port <= categories[BERTH_CATEGORY_USER].last ? BERTH_CATEGORY_USER
                                                          : BERTH_CATEGORY_EPHEMERAL;
}

const char *berth_category_name(enum berth_category category)
{
    return (size_t)category < CATEGORY_COUNT ? categories[category].name : "";
}

int berth_category_parse(const char *text, enum berth_category *out)
{
    for (size_t i = 0; i < CATEGORY_COUNT; i++) {
        if (registry_compare(text, categories[i].name) == 0) {
            *out = (enum berth_category)i;
            return BERTH_OK;
        }
    }
    return BERTH_E_SYNTAX;
}

int berth_category_ports(enum berth_category category, uint16_t *first_out, uint16_t *last_out)
{
    if ((size_t)category >= CATEGORY_COUNT) {
        return BERTH_E_INVALID;
    }
    *first_out = categories[category].first;
    *last_out = categories[category].last;
    return BERTH_OK;
}

const char *berth_transport_name(enum berth_transport transport)
{
    switch (transport) {
    case BERTH_TRANSPORT_NONE:
        return "";
    case BERTH_TRANSPORT_TCP:
        return "tcp";
    case BERTH_TRANSPORT_UDP:
        return "udp";
    case BERTH_TRANSPORT_SCTP:
        return "sctp";
    case BERTH_TRANSPORT_DCCP:
        return "dccp";
    }
    return "";
}

int berth_transport_parse(const char *text, enum berth_transport *out)
{
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        if (registry_compare(text, berth_transport_name(transports[i])) == 0) {
            *out = transports[i];
            return BERTH_OK;
        }
    }
    return BERTH_E_SYNTAX;
}
