/* SPDX-License-Identifier: MIT */
/*
 * firewall/compile.c: trees to tables: each rule's ports as sorted ranges, its peers as prefixes.
 */
#include "firewall/rule.h"

#include "base/check.h"

uint32_t firewall_list_of(enum berth_direction direction, uint8_t protocol_bit)
{
    uint32_t protocol = protocol_bit == FIREWALL_TCP ? 0 : protocol_bit == FIREWALL_UDP ? 1 : 2;

    return (direction == BERTH_IN ? FIREWALL_PROTOCOLS : 0) + protocol;
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static bool is_before(const struct firewall_ports *a, const struct firewall_ports *b)
{
    return a->first != b->first ? a->first < b->first : a->last < b->last;
}

/*
 * Adds PORTS to those from BEGIN on, which are sorted: a range that stands there already takes the
 * protocols, one of the same protocols that touches it in front or behind grows.
 */
static int add_ports(const struct firewall *firewall, struct firewall_set *set, uint32_t begin,
                     struct firewall_ports ports)
{
    uint32_t at = set->ports_used;

    while (at > begin && is_before(&ports, &set->ports[at - 1])) {
        at--;
    }
    if (at > begin) {
        struct firewall_ports *before = &set->ports[at - 1];

        if (before->first == ports.first && before->last == ports.last) {
            before->protocols |= ports.protocols;
            return BERTH_OK;
        }
        if (before->protocols == ports.protocols && ports.first <= (uint32_t)before->last + 1) {
            before->last = before->last > ports.last ? before->last : ports.last;
            return BERTH_OK;
        }
    }
    if (set->ports_used == firewall->ports_max) {
        return BERTH_E_LIMIT;
    }
    memmove(&set->ports[at + 1], &set->ports[at], (set->ports_used - at) * sizeof ports);
    set->ports[at] = ports;
    set->ports_used++;
    return BERTH_OK;
}

static int add_service(const struct firewall *firewall, struct firewall_set *set, uint32_t begin,
                       const struct firewall_item *item)
{
    const struct berth_registry_query query = {.name = item->name};
    uint8_t wanted = item->protocols == 0 ? FIREWALL_TCP | FIREWALL_UDP : item->protocols;
    struct berth_registry_cursor cursor;
    struct berth_service service;
    int status = BERTH_OK;

    berth_registry_start(&cursor, &query);
    while (status == BERTH_OK && berth_registry_next(&cursor, &service)) {
        struct firewall_ports ports = {.first = service.port_first, .last = service.port_last};

        ports.protocols = wanted & firewall_transport_protocols(service.transport);
        if (service.has_port && ports.protocols != 0) {
            status = add_ports(firewall, set, begin, ports);
        }
    }
    return status;
}

static int add_item(const struct firewall *firewall, struct firewall_set *set, uint32_t begin,
                    const struct firewall_item *item)
{
    struct firewall_ports ports = {
        .first = item->first, .last = item->last, .protocols = item->protocols};

    switch (item->kind) {
    case FIREWALL_SERVICE:
        return add_service(firewall, set, begin, item);
    case FIREWALL_PORTS:
        ports.protocols = ports.protocols == 0 ? FIREWALL_TCP : ports.protocols;
        break;
    case FIREWALL_CATEGORY:
        ports.protocols = ports.protocols == 0 ? FIREWALL_TCP | FIREWALL_UDP : ports.protocols;
        break;
    }
    return add_ports(firewall, set, begin, ports);
}

/* ---- Peers ---------------------------------------------------------------------------------- */

static int add_peer(const struct firewall *firewall, struct firewall_set *set,
                    const struct firewall_peer *peer)
{
    struct firewall_peer *added = &set->peers[set->peers_used];
    char *text = set->names + set->names_bytes;

    if (set->peers_used == firewall->peers_max) {
        return BERTH_E_LIMIT;
    }
    *added = *peer;
    if (peer->kind == FIREWALL_PEER_NAME) {
        char name[BERTH_NAME_BYTES];
        uint8_t bytes = firewall_name_copy(peer->name.text, peer->name.bytes, name);

        if (bytes >= firewall->text_bytes_max - set->names_bytes) {
            return BERTH_E_LIMIT;
        }
        memcpy(text, name, bytes + (size_t)1);
        added->name = (struct firewall_pattern){
            .text = text, .bytes = bytes, .has_star = peer->name.has_star};
        set->names_bytes += bytes + 1U;
        set->has_names = true;
    }
    set->peers_used++;
    return BERTH_OK;
}

/* ---- Rules ---------------------------------------------------------------------------------- */

int firewall_compile_rule(const struct firewall *firewall, struct firewall_set *set,
                          const struct firewall_tree *tree, uint32_t text_at)
{
    struct firewall_rule rule = {.line = tree->line,
                                 .text_at = text_at,
                                 .ports_at = set->ports_used,
                                 .peers_at = set->peers_used,
                                 .peers_count = tree->peer_count,
                                 .processes_at = set->processes_used,
                                 .processes_count = tree->process_count,
                                 .limit = tree->limit,
                                 .action = (uint8_t)tree->action,
                                 .direction = (uint8_t)tree->direction,
                                 .protocols = tree->protocols,
                                 .log = tree->log};

    if (set->count == firewall->rules_max ||
        tree->process_count > firewall->processes_max - set->processes_used) {
        return BERTH_E_LIMIT;
    }
    for (uint32_t i = 0; i < tree->item_count; i++) {
        int status = add_item(firewall, set, rule.ports_at, &tree->items[i]);

        if (status != BERTH_OK) {
            return status;
        }
    }
    rule.ports_count = set->ports_used - rule.ports_at;
    rule.ports_last = rule.ports_count == 0 ? UINT16_MAX : 0;
    for (uint32_t i = 0; i < rule.ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule.ports_at + i];

        rule.protocols |= ports->protocols;
        rule.ports_first = i == 0 ? ports->first : rule.ports_first;
        rule.ports_last = ports->last > rule.ports_last ? ports->last : rule.ports_last;
    }
    /* A rule with items has ports: one without would match every port. */
    BERTH_CHECK((rule.ports_count > 0) == (tree->item_count > 0));
    for (uint32_t i = 0; i < tree->peer_count; i++) {
        int status = add_peer(firewall, set, &tree->peers[i]);

        if (status != BERTH_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < tree->process_count; i++) {
        set->processes[set->processes_used++] = tree->processes[i];
    }
    if (rule.limit.count > 0) {
        const char *text = set->text + text_at;

        rule.limit.key = hash_keyed(&firewall->limiter.key, text, strlen(text));
    }
    set->rules[set->count++] = rule;
    return BERTH_OK;
}
