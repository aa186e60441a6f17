/* SPDX-License-Identifier: MIT */
/*
 * The firewall of one stack: rules parsed from text, and verdicts on first contacts.
 *
 * 1. While no rules are loaded, and where none matches, the verdict is deny: it fails closed.
 * 2. The first rule that matches wins.
 * 3. A rule that names no peer, or "any", never matches the host's own addresses, loopback,
 * link-local, multicast or broadcast addresses; only a rule that names them does.
 * 4. Loading is all or nothing: the old rules stay until the new ones are known to be right.
 */
#ifndef FIREWALL_FIREWALL_H
#define FIREWALL_FIREWALL_H

#include "base/arena.h"
#include "base/bytes.h"

#include <berth/firewall.h>

#define FIREWALL_HOST_ADDRESSES_MAX 1024

struct firewall_rule; /* rule.h */

struct firewall_set { /* one loaded set of rules; two exist, so that loading is all or nothing */
    struct firewall_rule *rules;
    uint32_t count;
    char *text; /* canonical spellings, NUL-terminated, one after the other */
    uint32_t text_bytes;
    uint32_t ports_used; /* of the items that rules share, rule.h */
    uint32_t peers_used;
    struct firewall_ports *ports;
    struct firewall_peer *peers;
};

struct firewall {
    struct firewall_set sets[2];
    uint32_t active; /* which of sets judges */
    bool loaded;
    uint32_t rules_max;
    uint32_t text_bytes_max;
    uint32_t ports_max;
    uint32_t peers_max;
    struct berth_address *host; /* sorted; "host", and what no peerless rule matches */
    uint32_t host_count;
    struct berth_address gateways[4]; /* the stack's own addresses: "host" too */
    uint32_t gateway_count;
};

void firewall_init(struct firewall *firewall, struct arena *arena, uint32_t rules,
                   uint32_t rule_bytes);
int firewall_load(struct firewall *firewall, const char *text, size_t bytes,
                  struct berth_rules_error *error);
struct berth_verdict firewall_judge(const struct firewall *firewall,
                                    const struct berth_contact_query *query);
/* Rule INDEX in canonical spelling; NULL past the end. */
const char *firewall_rule_text(const struct firewall *firewall, uint32_t index);
uint32_t firewall_rule_line(const struct firewall *firewall, uint32_t index);
uint32_t firewall_rule_count(const struct firewall *firewall);
bool firewall_may_reach_network(const struct firewall *firewall);
int firewall_set_host(struct firewall *firewall, const struct berth_address *addresses,
                      size_t count);
int firewall_add_gateway(struct firewall *firewall, const struct berth_address *address);

#endif
