/* SPDX-License-Identifier: MIT */
/*
 * The firewall of one stack: rules parsed from text, and verdicts on first contacts.
 *
 * 1. While no rules are loaded, and where none matches, the verdict is deny: it fails closed.
 * 2. The first rule that matches wins.
 * 3. A rule that names no peer, or "any", never matches the host's own addresses, loopback,
 *    link-local, multicast or broadcast addresses; only a rule that names them does (special.h).
 * 4. Loading is all or nothing: the old rules stay until the new ones are known to be right.
 *
 * A text goes lexer -> group and parse (a tree of one rule) -> format (its canonical spelling) and
 * compile (tables of rules) -> index (who is first) -> judge, which reads nothing but what those
 * two made.
 */
#ifndef FIREWALL_FIREWALL_H
#define FIREWALL_FIREWALL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "firewall/binding.h"
#include "firewall/index.h"
#include "firewall/limit.h"
#include "firewall/scan.h"

#include <berth/firewall.h>

/* The host's addresses and its networks' broadcasts. */
#define FIREWALL_HOST_ADDRESSES_MAX 8192
/* Networks of which it takes every address for its own. */
#define FIREWALL_HOST_PREFIXES_MAX 64

struct firewall_rule;    /* rule.h */
struct firewall_ports;   /* rule.h */
struct firewall_peer;    /* rule.h */
struct firewall_process; /* rule.h */

struct firewall_set { /* one loaded set of rules; two exist, so that loading is all or nothing */
    struct firewall_rule *rules;
    uint32_t count;
    char *text; /* canonical spellings, NUL-terminated, one after the other */
    uint32_t text_bytes;
    uint32_t ports_used;
    uint32_t peers_used;
    uint32_t processes_used;
    struct firewall_ports *ports; /* of all rules, one rule's after the other's */
    struct firewall_peer *peers;
    struct firewall_process *processes;
    char *names; /* of peers that are names: in lower case, NUL-terminated, one after the other */
    uint32_t names_bytes;
    bool has_names;
    struct firewall_index index;
    struct firewall_scan_policy scan[2]; /* by enum berth_direction */
};

struct firewall {
    struct firewall_set sets[2];
    uint32_t active; /* which of sets judges */
    bool loaded;
    uint32_t rules_max;
    uint32_t text_bytes_max;
    uint32_t ports_max;
    uint32_t peers_max;
    uint32_t processes_max;
    uint64_t now_ns; /* of the owner's call under way */
    struct firewall_bindings bindings;
    struct firewall_limiter limiter;
    struct berth_address *host; /* sorted, each once */
    uint32_t host_count;
    struct berth_prefix host_prefixes[FIREWALL_HOST_PREFIXES_MAX];
    uint32_t host_prefix_count;
    bool host_is_cut; /* there are more of these than were told: which is not known */
    bool host_prefixes_are_cut;
    struct berth_address *gateways; /* the stack's own addresses: likewise */
    uint32_t gateway_count;
    uint32_t gateways_max;
};

struct firewall_limits {
    uint32_t rules;
    uint32_t rule_bytes; /* of their canonical spellings together */
    uint32_t addresses;  /* of the stack's own */
    uint32_t names;      /* bindings */
    uint32_t limit_sources;
};
void firewall_init(struct firewall *firewall, struct arena *arena,
                   const struct firewall_limits *limits);
/* What the rules of TEXT need: `rules` and `rule_bytes` of *LIMITS. Lines with mistakes are passed
 * over. */
void firewall_measure(const char *text, size_t bytes, struct firewall_limits *limits);
/* BERTH_E_SYNTAX, BERTH_E_LIMIT: *ERROR (may be NULL) says where; the old rules stay. */
int firewall_load(struct firewall *firewall, const char *text, size_t bytes,
                  struct berth_rules_error *error);
struct berth_verdict firewall_judge(const struct firewall *firewall,
                                    const struct berth_contact_query *query);
/* As berth_rules_take. */
int firewall_take(struct firewall *firewall, const struct berth_contact_query *query,
                  struct berth_verdict *verdict);
/* If NAME, and no other, had been given for the query's peer. */
struct berth_verdict firewall_judge_name(const struct firewall *firewall,
                                         const struct berth_contact_query *query, const char *name);
/* Rule INDEX in canonical spelling; NULL past the end. */
const char *firewall_rule_text(const struct firewall *firewall, uint32_t index);
/* The line it was loaded from; 0 past the end. */
uint32_t firewall_rule_line(const struct firewall *firewall, uint32_t index);
uint32_t firewall_rule_count(const struct firewall *firewall);
/* What a verdict on a scanner of DIRECTION comes with. */
const struct firewall_scan_policy *firewall_scan_policy(const struct firewall *firewall,
                                                        enum berth_direction direction);
/* NAME was given for ADDRESS. BERTH_E_INVALID, BERTH_E_LIMIT: as berth_name_learn. */
int firewall_learn(struct firewall *firewall, const char *name, const struct berth_address *address,
                   uint64_t until_ns, bool may_be_special);

/* reach.c: what the rules leave open at all. They walk the rules. */
/* Does some rule let TCP or UDP out to some address that is neither the host's nor special? */
bool firewall_may_reach_network(const struct firewall *firewall);
/* The others as in berth/firewall.h. */
bool firewall_may_reach_name(const struct firewall *firewall, const char *name);
bool firewall_name_is_named(const struct firewall *firewall, const char *name);
bool firewall_may_reach_address(const struct firewall *firewall,
                                const struct berth_address *address);
bool firewall_name_matches_rule(const struct firewall *firewall, uint32_t index, const char *name);

/* Replaces the host's addresses. BERTH_E_LIMIT past FIREWALL_HOST_ADDRESSES_MAX: the old stay, and
 * until a call takes all of them every other address may be the host's (special.h). */
int firewall_set_host(struct firewall *firewall, const struct berth_address *addresses,
                      size_t count);
/* The same of whole networks. BERTH_E_LIMIT past FIREWALL_HOST_PREFIXES_MAX: the old stay. */
int firewall_set_host_prefixes(struct firewall *firewall, const struct berth_prefix *prefixes,
                               size_t count);
/* One more of the stack's own addresses. BERTH_E_LIMIT. */
int firewall_add_gateway(struct firewall *firewall, const struct berth_address *address);

/* The test that firewall_judge makes, of rule INDEX (below firewall_rule_count) alone. */
enum berth_miss firewall_explain(const struct firewall *firewall, uint32_t index,
                                 const struct berth_contact_query *query);

/*
 * What a person should know of rule INDEX; cover.c. Both give the number of the first earlier rule
 * that it is so with, -1: none. They walk the earlier rules.
 */
/* An earlier rule matches everything that this one does: this one never decides. */
int32_t firewall_covered_by(const struct firewall *firewall, uint32_t index);
/* An earlier deny or drop without a peer shares ports with this allow, yet does not stop it, since
 * this one names addresses that a rule without a peer never matches. */
int32_t firewall_slips_past(const struct firewall *firewall, uint32_t index);

#endif
