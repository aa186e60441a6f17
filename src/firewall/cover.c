/* SPDX-License-Identifier: MIT */
/*
 * firewall/cover.c: what a person should know of a policy though it is right: rules that never
 * decide, and denials that a later rule slips past. `berth rules check` calls it; no verdict does.
 *
 * Both answers are sure when given, not complete: a rule is compared with one earlier rule at a
 * time, each of its port ranges and peers with one of the other's. Addresses that are known to be
 * the host's are what firewall_set_host has said.
 */
#include "firewall/rule.h"
#include "firewall/special.h"

static const struct firewall_peer any_peer = {.kind = FIREWALL_PEER_ANY};

/* Rule's peers; a rule without any has "any". */
static const struct firewall_peer *peers_of(const struct firewall_set *set,
                                            const struct firewall_rule *rule, uint32_t *count)
{
    *count = rule->peers_count == 0 ? 1 : rule->peers_count;
    return rule->peers_count == 0 ? &any_peer : &set->peers[rule->peers_at];
}

static bool has_process(const struct firewall_set *set, const struct firewall_rule *rule,
                        const struct firewall_process *process)
{
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        if (memcmp(&set->processes[rule->processes_at + i], process, sizeof *process) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- One rule over another ------------------------------------------------------------------ */

/* Is PORTS, for PROTOCOL alone, inside one range of RULE's? */
static bool holds_ports(const struct firewall_set *set, const struct firewall_rule *rule,
                        const struct firewall_ports *ports, unsigned protocol)
{
    const struct firewall_ports *ranges = &set->ports[rule->ports_at];

    for (uint32_t i = 0; i < rule->ports_count; i++) {
        if ((ranges[i].protocols & protocol) != 0 && ranges[i].first <= ports->first &&
            ports->last <= ranges[i].last) {
            return true;
        }
    }
    return rule->ports_count == 0;
}

static bool covers_ports(const struct firewall_set *set, const struct firewall_rule *over,
                         const struct firewall_rule *under)
{
    static const struct firewall_ports every = {.first = 1, .last = UINT16_MAX};
    const struct firewall_ports *ranges =
        under->ports_count == 0 ? &every : &set->ports[under->ports_at];
    uint32_t count = under->ports_count == 0 ? 1 : under->ports_count;

    if ((over->protocols & under->protocols) != under->protocols) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t protocols = under->ports_count == 0 ? under->protocols : ranges[i].protocols;

        for (unsigned bit = FIREWALL_TCP; bit <= FIREWALL_UDP; bit <<= 1) {
            if ((protocols & bit) != 0 && !holds_ports(set, over, &ranges[i], bit)) {
                return false;
            }
        }
    }
    return true;
}

/* The bits that a prefix must have to name all that PEER, a prefix, names. */
static uint8_t bits_named(const struct firewall *firewall, const struct firewall_peer *peer)
{
    uint8_t bits = 0;

    if (peer->prefix.bits == 128) {
        return firewall_special(firewall, &peer->prefix.address).bits;
    }
    return firewall_special_prefix(&peer->prefix, &bits) ? bits : 0;
}

static bool covers_peer(const struct firewall *firewall, const struct firewall_peer *over,
                        const struct firewall_peer *under)
{
    if (under->kind == FIREWALL_PEER_NAME) {
        return over->kind == FIREWALL_PEER_NAME && firewall_name_covers(&over->name, &under->name);
    }
    if (under->kind != FIREWALL_PEER_PREFIX) {
        return over->kind == under->kind;
    }
    switch ((enum firewall_peer_kind)over->kind) {
    case FIREWALL_PEER_ANY:
        return bits_named(firewall, under) == 0;
    case FIREWALL_PEER_HOST:
        return under->prefix.bits == 128 &&
               firewall_special(firewall, &under->prefix.address).is_host;
    case FIREWALL_PEER_NAME:
        return false;
    case FIREWALL_PEER_PREFIX:
        break;
    }
    return over->prefix.bits <= under->prefix.bits &&
           berth_prefix_contains(&over->prefix, &under->prefix.address) &&
           bits_named(firewall, under) <= over->prefix.bits;
}

static bool covers_peers(const struct firewall *firewall, const struct firewall_rule *over,
                         const struct firewall_peer *under)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    uint32_t count;
    const struct firewall_peer *peers = peers_of(set, over, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (covers_peer(firewall, &peers[i], under)) {
            return true;
        }
    }
    return false;
}

/* Is every process that UNDER goes by one of OVER's? */
static bool covers_processes(const struct firewall_set *set, const struct firewall_rule *over,
                             const struct firewall_rule *under)
{
    if (over->processes_count == 0 || under->processes_count == 0) {
        return over->processes_count == 0;
    }
    for (uint32_t i = 0; i < under->processes_count; i++) {
        if (!has_process(set, over, &set->processes[under->processes_at + i])) {
            return false;
        }
    }
    return true;
}

static bool covers(const struct firewall *firewall, const struct firewall_rule *over,
                   const struct firewall_rule *under)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    uint32_t count;
    const struct firewall_peer *peers = peers_of(set, under, &count);

    if (over->direction != under->direction || !covers_ports(set, over, under) ||
        !covers_processes(set, over, under)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!covers_peers(firewall, over, &peers[i])) {
            return false;
        }
    }
    return true;
}

int32_t firewall_covered_by(const struct firewall *firewall, uint32_t index)
{
    const struct firewall_rule *rules = firewall->sets[firewall->active].rules;

    for (uint32_t i = 0; i < index; i++) {
        if (covers(firewall, &rules[i], &rules[index])) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* ---- Past a denial without a peer ----------------------------------------------------------- */

static bool shares_ports(const struct firewall_set *set, const struct firewall_rule *a,
                         const struct firewall_rule *b)
{
    if ((a->protocols & b->protocols) == 0 || a->ports_count == 0 || b->ports_count == 0) {
        return (a->protocols & b->protocols) != 0;
    }
    for (uint32_t i = 0; i < a->ports_count; i++) {
        const struct firewall_ports *one = &set->ports[a->ports_at + i];

        for (uint32_t k = 0; k < b->ports_count; k++) {
            const struct firewall_ports *other = &set->ports[b->ports_at + k];

            if ((one->protocols & other->protocols) != 0 && one->first <= other->last &&
                other->first <= one->last) {
                return true;
            }
        }
    }
    return false;
}

static bool shares_processes(const struct firewall_set *set, const struct firewall_rule *a,
                             const struct firewall_rule *b)
{
    for (uint32_t i = 0; i < a->processes_count; i++) {
        if (has_process(set, b, &set->processes[a->processes_at + i])) {
            return true;
        }
    }
    return a->processes_count == 0 || b->processes_count == 0;
}

static bool is_denial(const struct firewall_rule *rule)
{
    return rule->action == BERTH_DENY || rule->action == BERTH_DROP;
}

/* Does DENIAL say "any", yet not take in the special addresses that PEER names? */
static bool misses(const struct firewall *firewall, const struct firewall_rule *denial,
                   const struct firewall_peer *peer)
{
    return covers_peers(firewall, denial, &any_peer) && !covers_peers(firewall, denial, peer);
}

static bool is_special(const struct firewall *firewall, const struct firewall_peer *peer)
{
    return peer->kind == FIREWALL_PEER_HOST ||
           (peer->kind == FIREWALL_PEER_PREFIX && bits_named(firewall, peer) != 0);
}

int32_t firewall_slips_past(const struct firewall *firewall, uint32_t index)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    const struct firewall_rule *rule = &set->rules[index];
    uint32_t count;
    const struct firewall_peer *peers = peers_of(set, rule, &count);

    if (is_denial(rule)) {
        return -1;
    }
    for (uint32_t p = 0; p < count; p++) {
        for (uint32_t i = 0; i < index && is_special(firewall, &peers[p]); i++) {
            const struct firewall_rule *earlier = &set->rules[i];

            if (is_denial(earlier) && earlier->direction == rule->direction &&
                shares_ports(set, earlier, rule) && shares_processes(set, earlier, rule) &&
                misses(firewall, earlier, &peers[p])) {
                return (int32_t)i;
            }
        }
    }
    return -1;
}
