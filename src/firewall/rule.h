/* SPDX-License-Identifier: MIT */
/*
 * A rule in its two forms: the tree that parse.c reads from a text and format.c spells, and the
 * entries of a set that compile.c makes of it and judge.c and cover.c read.
 *
 * 1. A tree is right by itself: ports from 1 to 65535 in ranges that do not run backwards, service
 *    names that IANA knows with a port of the protocol asked for, prefixes without stray bits.
 * 2. A compiled rule's ports are sorted by their first port.
 * 3. Its `protocols` are those that it can match at all.
 *
 * Groups (group.h) end before the tree.
 */
#ifndef FIREWALL_RULE_H
#define FIREWALL_RULE_H

#include "firewall/firewall.h"
#include "firewall/name.h"

#include <berth/registry.h>

enum firewall_protocols { /* bits */
                          FIREWALL_TCP = 1,
                          FIREWALL_UDP = 2,
                          FIREWALL_ICMP = 4
};
#define FIREWALL_PROTOCOLS 3

/* The bit of an enum berth_protocol; 0 for what is none. */
static inline uint8_t firewall_protocol_bit(enum berth_protocol protocol)
{
    switch (protocol) {
    case BERTH_TCP:
        return FIREWALL_TCP;
    case BERTH_UDP:
        return FIREWALL_UDP;
    case BERTH_ICMP:
        return FIREWALL_ICMP;
    }
    return 0;
}

/* The protocols that a registration is for: without a transport both that have ports. */
static inline uint8_t firewall_transport_protocols(enum berth_transport transport)
{
    switch (transport) {
    case BERTH_TRANSPORT_NONE:
        return FIREWALL_TCP | FIREWALL_UDP;
    case BERTH_TRANSPORT_TCP:
        return FIREWALL_TCP;
    case BERTH_TRANSPORT_UDP:
        return FIREWALL_UDP;
    case BERTH_TRANSPORT_SCTP:
    case BERTH_TRANSPORT_DCCP:
        break;
    }
    return 0;
}

/* ---- The tree ------------------------------------------------------------------------------- */

#define FIREWALL_ITEMS_MAX     1024 /* in the lists of one rule: ports, and as many peers */
#define FIREWALL_PROCESSES_MAX 64   /* likewise */

enum firewall_item_kind { FIREWALL_PORTS, FIREWALL_SERVICE, FIREWALL_CATEGORY };

struct firewall_item {
    enum firewall_item_kind kind;
    uint8_t protocols; /* as written, 0: not said */
    uint16_t first;    /* of a service: not set, it may have several ports */
    uint16_t last;
    uint32_t line;
    uint32_t column;
    const char *name; /* the registry's own spelling of a service or category; NULL for ports */
};

enum firewall_peer_kind {
    FIREWALL_PEER_ANY,
    FIREWALL_PEER_HOST,
    FIREWALL_PEER_PREFIX,
    FIREWALL_PEER_NAME
};

struct firewall_peer {
    uint8_t kind; /* enum firewall_peer_kind */
    union {
        struct berth_prefix prefix;
        struct firewall_pattern name; /* its text: in a tree of the text that is parsed, as it is
                                         written there; in a set of its names */
    };
};

struct firewall_process {
    char name[BERTH_PROCESS_NAME_BYTES]; /* NULs fill it up */
};

struct firewall_tree {
    enum berth_action action;
    enum berth_direction direction;
    struct firewall_limit limit;
    bool log;
    uint32_t line;
    uint8_t protocols;      /* of "any", "tcp", "udp", "icmp"; 0: the items say */
    uint32_t item_count;    /* 0: every port */
    uint32_t peer_count;    /* 0: no peer named */
    uint32_t process_count; /* 0: whoever it is */
    struct firewall_item items[FIREWALL_ITEMS_MAX];
    struct firewall_peer peers[FIREWALL_ITEMS_MAX];
    struct firewall_process processes[FIREWALL_PROCESSES_MAX];
};

/* ---- Compiled ------------------------------------------------------------------------------- */

struct firewall_ports {
    uint16_t first;
    uint16_t last;
    uint8_t protocols;
};

struct firewall_rule {
    uint32_t line;
    uint32_t text_at; /* in the set's text */
    uint32_t ports_at;
    uint32_t ports_count; /* 0: every port of its protocols */
    uint32_t peers_at;
    uint32_t peers_count; /* 0: no peer named */
    uint32_t processes_at;
    uint32_t processes_count; /* 0: whoever it is */
    struct firewall_limit limit;
    uint8_t action;    /* enum berth_action */
    uint8_t direction; /* enum berth_direction */
    uint8_t protocols; /* enum firewall_protocols, or-ed */
    bool log;
    uint16_t ports_first; /* the lowest and the highest of its ports, so that most rules are told */
    uint16_t ports_last;  /* from a port without a look at their ranges */
};

/* ---- The steps ------------------------------------------------------------------------------ */

/* format.c: writes TREE's canonical spelling and a NUL to OUT, which has room for BYTES. The length
 * without the NUL; BERTH_E_LIMIT: no room. */
int64_t firewall_format(const struct firewall_tree *tree, char *out, size_t bytes);
/* How long that is, without the NUL. */
size_t firewall_format_bytes(const struct firewall_tree *tree);

/* format.c: the word that a rule begins with. */
const char *firewall_action_text(enum berth_action action);
/* format.c: must NAME be written in quotes? */
bool firewall_is_quoted(const char *name);

#define FIREWALL_PREFIX_BYTES (BERTH_ADDRESS_TEXT_BYTES + 4)
/* PREFIX as a rule spells it: without a length where it is one address. Returns OUT. */
char *firewall_format_prefix(const struct berth_prefix *prefix, char out[FIREWALL_PREFIX_BYTES]);

/* compile.c: adds TREE to SET, whose text it has at text_at. BERTH_E_LIMIT. */
int firewall_compile_rule(const struct firewall *firewall, struct firewall_set *set,
                          const struct firewall_tree *tree, uint32_t text_at);
/* compile.c: the list of a direction and a protocol bit. */
uint32_t firewall_list_of(enum berth_direction direction, uint8_t protocol_bit);

#endif
