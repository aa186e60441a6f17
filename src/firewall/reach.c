/* SPDX-License-Identifier: MIT */
/*
 * firewall/reach.c: what the rules leave open at all: for a resolver, which must know whether a
 * name may be asked for and whether an answer may be given. Pure.
 *
 * Each walks the rules for out in their order and keeps the protocols that no denial has shut for
 * everything that is asked about. "Could some rule" is said of ports and processes: whether the one
 * asks that the other allows is not looked into.
 */
#include "firewall/rule.h"
#include "firewall/special.h"

#define NETWORK_PROTOCOLS (FIREWALL_TCP | FIREWALL_UDP)

/* Which peers of a rule count. */
struct reach {
    const struct firewall *firewall;
    uint8_t open;                        /* protocols that no rule so far has shut altogether */
    const struct berth_address *address; /* NULL: the network */
    struct firewall_special special;     /* what the address is */
    const char *name;                    /* in lower case; NULL: none */
    size_t name_bytes;
    bool is_named_only; /* the network does not count */
};

/* Does PEER take in an address that is not special? */
static bool reaches_network(const struct firewall *firewall, const struct firewall_peer *peer)
{
    uint8_t bits;

    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
    case FIREWALL_PEER_NAME:
        return true;
    case FIREWALL_PEER_HOST:
        return false;
    case FIREWALL_PEER_PREFIX:
        break;
    }
    if (peer->prefix.bits == 128) {
        return firewall_special(firewall, &peer->prefix.address).bits == 0;
    }
    return !firewall_special_prefix(&peer->prefix, &bits);
}

/* Does PEER take the address in, by more than a name? */
static bool reaches_address(const struct reach *reach, const struct firewall_peer *peer)
{
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return reach->special.bits == 0;
    case FIREWALL_PEER_NAME:
        return false;
    case FIREWALL_PEER_HOST:
        return reach->special.is_host;
    case FIREWALL_PEER_PREFIX:
        break;
    }
    return peer->prefix.bits >= reach->special.bits &&
           berth_prefix_contains(&peer->prefix, reach->address);
}

/* Does PEER, of a rule that allows, lead to what is asked about? */
static bool is_reached(const struct reach *reach, const struct firewall_peer *peer)
{
    if (reach->address != NULL) {
        return reaches_address(reach, peer);
    }
    if (peer->kind == FIREWALL_PEER_NAME && reach->name != NULL) {
        return firewall_name_matches(&peer->name, reach->name, reach->name_bytes);
    }
    return !reach->is_named_only && reaches_network(reach->firewall, peer);
}

/* Does PEER, of a rule that denies, take in all that is asked about? */
static bool is_shut(const struct reach *reach, const struct firewall_peer *peer)
{
    if (reach->address != NULL) {
        return reaches_address(reach, peer);
    }
    if (peer->kind == FIREWALL_PEER_NAME) {
        return reach->name != NULL &&
               firewall_name_matches(&peer->name, reach->name, reach->name_bytes);
    }
    return peer->kind == FIREWALL_PEER_ANY;
}

static bool any_peer(const struct reach *reach, const struct firewall_rule *rule,
                     bool (*test)(const struct reach *, const struct firewall_peer *))
{
    static const struct firewall_peer any = {.kind = FIREWALL_PEER_ANY};
    const struct firewall_set *set = &reach->firewall->sets[reach->firewall->active];

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        if (test(reach, &set->peers[rule->peers_at + i])) {
            return true;
        }
    }
    return rule->peers_count == 0 && test(reach, &any);
}

static bool may_reach(struct reach *reach)
{
    const struct firewall *firewall = reach->firewall;
    const struct firewall_set *set = &firewall->sets[firewall->active];

    for (uint32_t i = 0; firewall->loaded && i < set->count && reach->open != 0; i++) {
        const struct firewall_rule *rule = &set->rules[i];
        bool is_allow = rule->action == BERTH_ALLOW || rule->action == BERTH_ASK;

        if (rule->direction != BERTH_OUT || (rule->protocols & reach->open) == 0) {
            continue;
        }
        if (is_allow && any_peer(reach, rule, is_reached)) {
            return true;
        }
        if (!is_allow && rule->ports_count == 0 && rule->processes_count == 0 &&
            any_peer(reach, rule, is_shut)) {
            reach->open &= (uint8_t)~rule->protocols;
        }
    }
    return false;
}

bool firewall_may_reach_network(const struct firewall *firewall)
{
    struct reach reach = {.firewall = firewall, .open = NETWORK_PROTOCOLS};

    return may_reach(&reach);
}

bool firewall_may_reach_address(const struct firewall *firewall,
                                const struct berth_address *address)
{
    struct reach reach = {.firewall = firewall,
                          .open = NETWORK_PROTOCOLS,
                          .address = address,
                          .special = firewall_special(firewall, address)};

    return may_reach(&reach);
}

bool firewall_name_is_named(const struct firewall *firewall, const char *name)
{
    char lower[BERTH_NAME_BYTES];
    uint8_t bytes = firewall_name_copy(name, strnlen(name, BERTH_NAME_BYTES + 1), lower);
    /* Who may only ping a name must get its address, too. */
    struct reach reach = {.firewall = firewall,
                          .open = NETWORK_PROTOCOLS | FIREWALL_ICMP,
                          .name = lower,
                          .name_bytes = bytes,
                          .is_named_only = true};

    return bytes != 0 && may_reach(&reach);
}

bool firewall_may_reach_name(const struct firewall *firewall, const char *name)
{
    char lower[BERTH_NAME_BYTES];
    uint8_t bytes = firewall_name_copy(name, strnlen(name, BERTH_NAME_BYTES + 1), lower);
    struct reach reach = {
        .firewall = firewall, .open = NETWORK_PROTOCOLS, .name = lower, .name_bytes = bytes};

    return bytes != 0 && (may_reach(&reach) || firewall_name_is_named(firewall, name));
}

bool firewall_name_matches_rule(const struct firewall *firewall, uint32_t index, const char *name)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    char lower[BERTH_NAME_BYTES];
    uint8_t bytes = firewall_name_copy(name, strnlen(name, BERTH_NAME_BYTES + 1), lower);

    if (bytes == 0 || index >= firewall_rule_count(firewall)) {
        return false;
    }
    for (uint32_t i = 0; i < set->rules[index].peers_count; i++) {
        const struct firewall_peer *peer = &set->peers[set->rules[index].peers_at + i];

        if (peer->kind == FIREWALL_PEER_NAME && firewall_name_matches(&peer->name, lower, bytes)) {
            return true;
        }
    }
    return false;
}
