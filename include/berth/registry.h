/* SPDX-License-Identifier: MIT */
/*
 * berth/registry.h: what IANA says of a port or a service name, offline.
 *
 * The table is part of the library, read-only, and made from IANA's Service Name and Transport
 * Protocol Port Number Registry. Nothing here allocates, reads a file, or keeps state: any thread
 * may call anything. Every string is a view into that table: NUL-terminated UTF-8, never NULL,
 * valid for ever, not to be freed.
 *
 *     struct berth_registry_query query = {0};
 *     struct berth_registry_cursor cursor;
 *     struct berth_service service;
 *
 *     query.name = "https";
 *     berth_registry_start(&cursor, &query);
 *     while (berth_registry_next(&cursor, &service)) {
 *         printf("%u/%s\n", service.port_first, berth_transport_name(service.transport));
 *     }
 */
#ifndef BERTH_REGISTRY_H
#define BERTH_REGISTRY_H

#include <berth/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 6335 section 6. Whatever the registry says of a port, every port is in exactly one. */
enum berth_category {
    BERTH_CATEGORY_SYSTEM = 0,   /* 0 to 1023; 0 itself is reserved and no program can have it */
    BERTH_CATEGORY_USER = 1,     /* 1024 to 49151 */
    BERTH_CATEGORY_EPHEMERAL = 2 /* 49152 to 65535: dynamic; IANA never registers one */
};

/* PORT in host order. Cannot fail. */
BERTH_API enum berth_category berth_port_category(uint16_t port);
/* "system", "user" or "ephemeral"; "" for what is no category. */
BERTH_API const char *berth_category_name(enum berth_category category);
/* The category of that name, case ignored. BERTH_E_SYNTAX: TEXT is none of the three. */
BERTH_API BERTH_MUST_CHECK int berth_category_parse(const char *text, enum berth_category *out);
/* Its first and its last port. BERTH_E_INVALID: CATEGORY is none. */
BERTH_API BERTH_MUST_CHECK int berth_category_ports(enum berth_category category,
                                                    uint16_t *first_out, uint16_t *last_out);

/* The transports of the registry, as bits, so that a query can ask for several. */
enum berth_transport {
    BERTH_TRANSPORT_NONE = 0, /* in a registration: IANA gives none */
    BERTH_TRANSPORT_TCP = 1,
    BERTH_TRANSPORT_UDP = 2,
    BERTH_TRANSPORT_SCTP = 4,
    BERTH_TRANSPORT_DCCP = 8
};

/* "tcp", "udp", "sctp" or "dccp"; "" for BERTH_TRANSPORT_NONE and for what is none. */
BERTH_API const char *berth_transport_name(enum berth_transport transport);
/* The transport of that name, case ignored. BERTH_E_SYNTAX: TEXT is none of the four. */
BERTH_API BERTH_MUST_CHECK int berth_transport_parse(const char *text, enum berth_transport *out);

/* One registration: one record of IANA's. */
struct berth_service {
    const char *name;               /* as registered; "": the ports belong to no service, and the
                                       description says why (Reserved, Unassigned, ...) */
    const char *description;        /* "": none given */
    const char *reference;          /* as IANA writes it, "[RFC9110]"; "": none given */
    uint16_t port_first;            /* host order; 0 without a port */
    uint16_t port_last;             /* equal to port_first for a single port */
    bool has_port;                  /* false: the name is registered without a port */
    enum berth_transport transport; /* one of the bits, or BERTH_TRANSPORT_NONE */
};

/*
 * Which registrations are wanted: those that answer all that is asked. All zero asks nothing and
 * gives the whole registry. Strings are borrowed as long as the cursor is in use.
 */
struct berth_registry_query {
    const char *name;    /* NULL: any; else the whole name, case ignored (ASCII) */
    const char *word;    /* NULL: any; else a piece of the name or the description, case ignored
                            (ASCII) */
    bool has_ports;      /* true: a port of port_first to port_last is among its ports */
    uint16_t port_first; /* host order */
    uint16_t port_last;
    bool has_transports; /* true: its transport is one of the bits of transports; with
                            transports 0: IANA gives none */
    unsigned transports; /* enum berth_transport, or-ed */
};

/* A place in the answer. The caller's memory; its fields are the registry's. */
struct berth_registry_cursor {
    struct berth_registry_query query;
    uint32_t range_at; /* in the index of ranges: those that begin before port_first */
    uint32_t range_end;
    uint32_t at; /* in the rows, or in the index of names */
    uint32_t end;
};

/* Sets CURSOR before the first answer to QUERY, which is copied. Looking for a name or for ports
 * takes a time logarithmic in the registry, looking for a word linear. Cannot fail. */
BERTH_API void berth_registry_start(struct berth_registry_cursor *cursor,
                                    const struct berth_registry_query *query);

/*
 * The next answer in *OUT; false, and *OUT untouched, when there is no further. Answers come by
 * port; of one port tcp, udp, sctp, dccp, then no transport; of one transport the familiar name
 * first. Names without a port come last, by name.
 */
BERTH_API bool berth_registry_next(struct berth_registry_cursor *cursor, struct berth_service *out);

/*
 * The familiar name of PORT (host order) with TRANSPORT (one bit): "https" for 443 and tcp. A name
 * that IANA gives without a transport stands in where the transport has none of its own. NULL: no
 * service is registered there. Takes a time logarithmic in the registry.
 */
BERTH_API const char *berth_service_name(uint16_t port, enum berth_transport transport);

#ifdef __cplusplus
}
#endif
#endif
