/* SPDX-License-Identifier: MIT */
/*
 * cli/export_regions.c: what a policy lets through after all denials, for targets that only allow.
 *
 * In berth the first rule that matches wins; where rules can only allow, and count together, an
 * allow must not reach what an earlier denial has taken. So the ports of a protocol are cut where
 * any rule begins or ends, and for each piece the prefixes that rules and special blocks name make
 * a tree. All addresses of a prefix that are in no smaller one have the same verdict: that of the
 * first rule that matches the prefix. Where it is allow and the prefix above is not, a block
 * begins; where it is not and the one above is, that prefix is an exception of the block.
 *
 * 1. Nodes are sorted, those of IPv4 first, each behind the ones that contain it.
 */
#include "cli/export.h"

#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "firewall/special.h"

#define NONE UINT32_MAX

struct node {
    struct berth_prefix prefix;
    uint32_t parent;
    uint32_t block;       /* while blocks are listed: the node that its block began with */
    uint8_t special_bits; /* a prefix that matches has at least so many; 0: not special */
    bool is_host;
    bool is_allowed;
};

struct finder {
    const struct export *export;
    enum berth_direction direction;
    uint8_t protocol;
    struct node *nodes;
    uint32_t count;
    uint32_t *rules; /* that match the piece of ports at hand, in their order */
    uint32_t rules_count;
    struct export_regions *regions;
};

/* ---- The tree ------------------------------------------------------------------------------- */

static bool is_v4(const struct berth_prefix *prefix)
{
    return prefix->bits >= 96 && berth_address_is_v4(&prefix->address);
}

static bool contains(const struct berth_prefix *outer, const struct berth_prefix *inner)
{
    return outer->bits <= inner->bits && is_v4(outer) == is_v4(inner) &&
           berth_prefix_contains(outer, &inner->address);
}

static int compare(const void *left, const void *right)
{
    const struct berth_prefix *a = &((const struct node *)left)->prefix;
    const struct berth_prefix *b = &((const struct node *)right)->prefix;
    int order = (int)is_v4(b) - (int)is_v4(a);

    order = order != 0 ? order : memcmp(a->address.bytes, b->address.bytes, 16);
    return order != 0 ? order : (int)a->bits - (int)b->bits;
}

static void add_node(struct finder *finder, const struct berth_prefix *prefix)
{
    struct node node = {.prefix = *prefix, .parent = NONE, .block = NONE};
    const struct rules_settings *settings = finder->export->settings;
    uint8_t bits;

    if (firewall_special_prefix(prefix, &bits)) {
        node.special_bits = bits;
    }
    for (size_t i = 0; i < settings->host_count && prefix->bits == 128; i++) {
        if (berth_address_is_equal(&settings->host[i], &prefix->address)) {
            node.special_bits = 128;
            node.is_host = true;
        }
    }
    finder->nodes[finder->count++] = node;
}

static void add_text(struct finder *finder, const char *text)
{
    struct berth_prefix prefix;

    if (berth_prefix_parse(text, &prefix) == BERTH_OK) {
        add_node(finder, &prefix);
    }
}

/* Sorts the nodes, each once, and finds their parents. */
static void link_nodes(struct finder *finder)
{
    uint32_t count = 0;

    qsort(finder->nodes, finder->count, sizeof *finder->nodes, compare);
    for (uint32_t i = 0; i < finder->count; i++) {
        if (count == 0 || compare(&finder->nodes[count - 1], &finder->nodes[i]) != 0) {
            finder->nodes[count++] = finder->nodes[i];
        }
    }
    finder->count = count;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t above = i - 1;

        while (above != NONE && !contains(&finder->nodes[above].prefix, &finder->nodes[i].prefix)) {
            above = finder->nodes[above].parent;
        }
        finder->nodes[i].parent = above;
    }
}

static bool is_about(const struct finder *finder, const struct firewall_rule *rule)
{
    return rule->direction == finder->direction && (rule->protocols & finder->protocol) != 0 &&
           !export_is_left_out(rule);
}

static void make_tree(struct finder *finder)
{
    /* firewall/special.c's blocks, and IPv6 that carries such (NAT64, 6to4). */
    static const char *const blocks[] = {"0.0.0.0/0",
                                         "0.0.0.0/8",
                                         "127.0.0.0/8",
                                         "169.254.0.0/16",
                                         "224.0.0.0/4",
                                         "255.255.255.255",
                                         "::/0",
                                         "::/96",
                                         "::/128",
                                         "::1",
                                         "fe80::/10",
                                         "ff00::/8",
                                         "64:ff9b::/104",
                                         "64:ff9b::7f00:0/104",
                                         "64:ff9b::a9fe:0/112",
                                         "64:ff9b::e000:0/100",
                                         "64:ff9b::ffff:ffff",
                                         "2002::/24",
                                         "2002:7f00::/24",
                                         "2002:a9fe::/32",
                                         "2002:e000::/20",
                                         "2002:ffff:ffff::/48"};
    const struct firewall_set *set = finder->export->set;
    const struct rules_settings *settings = finder->export->settings;
    size_t max = sizeof blocks / sizeof blocks[0] + settings->host_count + set->peers_used;

    finder->nodes = cli_memory(NULL, max * sizeof *finder->nodes);
    finder->count = 0;
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        add_text(finder, blocks[i]);
    }
    for (size_t i = 0; i < settings->host_count; i++) {
        add_node(finder, &(struct berth_prefix){.address = settings->host[i], .bits = 128});
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct firewall_rule *rule = &set->rules[i];

        for (uint32_t p = 0; is_about(finder, rule) && p < rule->peers_count; p++) {
            if (set->peers[rule->peers_at + p].kind == FIREWALL_PEER_PREFIX) {
                add_node(finder, &set->peers[rule->peers_at + p].prefix);
            }
        }
    }
    link_nodes(finder);
}

/* ---- Verdicts ------------------------------------------------------------------------------- */

static bool peer_matches(const struct firewall_peer *peer, const struct node *node)
{
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return node->special_bits == 0;
    case FIREWALL_PEER_HOST:
        return node->is_host;
    case FIREWALL_PEER_NAME:
        return false; /* it cannot be said: rules_export.c has told */
    case FIREWALL_PEER_PREFIX:
        break;
    }
    return peer->prefix.bits >= node->special_bits && contains(&peer->prefix, &node->prefix);
}

static bool rule_matches(const struct finder *finder, const struct firewall_rule *rule,
                         const struct node *node)
{
    const struct firewall_peer *peers = &finder->export->set->peers[rule->peers_at];

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        if (peer_matches(&peers[i], node)) {
            return true;
        }
    }
    return rule->peers_count == 0 && node->special_bits == 0;
}

static bool is_allowed(const struct finder *finder, const struct node *node)
{
    for (uint32_t i = 0; i < finder->rules_count; i++) {
        const struct firewall_rule *rule = &finder->export->set->rules[finder->rules[i]];

        if (rule_matches(finder, rule, node)) {
            return rule->action == BERTH_ALLOW;
        }
    }
    return false;
}

static bool has_port(const struct finder *finder, const struct firewall_rule *rule, uint32_t port)
{
    const struct firewall_ports *ports = &finder->export->set->ports[rule->ports_at];

    for (uint32_t i = 0; i < rule->ports_count; i++) {
        if (ports[i].first <= port && port <= ports[i].last &&
            (ports[i].protocols & finder->protocol) != 0) {
            return true;
        }
    }
    return rule->ports_count == 0;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

static void add_prefix(struct export_addresses *out, const struct berth_prefix *prefix,
                       bool is_exception)
{
    if (out->count == out->max) {
        out->max = out->max == 0 ? 16 : 2 * out->max;
        out->prefixes = cli_memory(out->prefixes, out->max * sizeof *out->prefixes);
        out->is_exception = cli_memory(out->is_exception, out->max * sizeof *out->is_exception);
    }
    out->prefixes[out->count] = *prefix;
    out->is_exception[out->count++] = is_exception;
}

static void list_blocks(struct finder *finder, struct export_addresses *out)
{
    struct node *nodes = finder->nodes;

    for (uint32_t i = 0; i < finder->count; i++) {
        const struct node *above = nodes[i].parent == NONE ? NULL : &nodes[nodes[i].parent];
        bool is_inside = above != NULL && above->is_allowed;

        nodes[i].block = is_inside ? above->block : nodes[i].is_allowed ? i : NONE;
    }
    for (uint32_t i = 0; i < finder->count; i++) {
        if (!nodes[i].is_allowed || nodes[i].block != i) {
            continue;
        }
        add_prefix(out, &nodes[i].prefix, false);
        for (uint32_t k = i + 1; k < finder->count && contains(&nodes[i].prefix, &nodes[k].prefix);
             k++) {
            if (nodes[k].block == i && !nodes[k].is_allowed) {
                add_prefix(out, &nodes[k].prefix, true);
            }
        }
    }
}

static bool is_same(const struct export_addresses *a, const struct export_addresses *b)
{
    if (a->count != b->count || a->has_host != b->has_host) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->is_exception[i] != b->is_exception[i] ||
            a->prefixes[i].bits != b->prefixes[i].bits ||
            !berth_address_is_equal(&a->prefixes[i].address, &b->prefixes[i].address)) {
            return false;
        }
    }
    return true;
}

static void free_addresses(struct export_addresses *addresses)
{
    free(addresses->prefixes);
    free(addresses->is_exception);
}

/* ---- Regions -------------------------------------------------------------------------------- */

/* Takes ADDRESSES. */
static struct export_region *find_region(struct export_regions *regions,
                                         struct export_addresses *addresses)
{
    for (size_t i = 0; i < regions->count; i++) {
        if (is_same(&regions->list[i].addresses, addresses)) {
            free_addresses(addresses);
            return &regions->list[i];
        }
    }
    regions->list = cli_memory(regions->list, (regions->count + 1) * sizeof *regions->list);
    regions->list[regions->count] = (struct export_region){.addresses = *addresses};
    return &regions->list[regions->count++];
}

static void add_ports(struct export_region *region, struct export_ports ports)
{
    if (region->count > 0) {
        struct export_ports *last = &region->ports[region->count - 1];

        if (last->protocol == ports.protocol && (uint32_t)last->last + 1 == ports.first) {
            last->last = ports.last;
            return;
        }
    }
    region->ports = cli_memory(region->ports, (region->count + 1) * sizeof ports);
    region->ports[region->count++] = ports;
}

/* The ports from FIRST to LAST, in which no rule begins or ends. */
static void judge_piece(struct finder *finder, uint32_t first, uint32_t last)
{
    const struct firewall_set *set = finder->export->set;
    const struct node host = {.special_bits = 128, .is_host = true};
    struct export_addresses addresses = {0};
    bool may_allow = false;

    finder->rules_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (is_about(finder, &set->rules[i]) && has_port(finder, &set->rules[i], first)) {
            finder->rules[finder->rules_count++] = i;
            may_allow = may_allow || set->rules[i].action == BERTH_ALLOW;
        }
    }
    if (!may_allow) {
        return;
    }
    for (uint32_t i = 0; i < finder->count; i++) {
        finder->nodes[i].is_allowed = is_allowed(finder, &finder->nodes[i]);
    }
    addresses.has_host = is_allowed(finder, &host);
    list_blocks(finder, &addresses);
    if (addresses.count == 0 && !addresses.has_host) {
        free_addresses(&addresses);
        return;
    }
    add_ports(find_region(finder->regions, &addresses),
              (struct export_ports){
                  .protocol = finder->protocol, .first = (uint16_t)first, .last = (uint16_t)last});
}

static void show_progress(const struct finder *finder, uint32_t port)
{
    struct cli_progress *progress = finder->export->progress;

    if (cli_progress_is_due(progress)) {
        cli_progress_show(progress, "%s, %s, up to port %u of 65535",
                          finder->direction == BERTH_OUT ? "out" : "in",
                          finder->protocol == FIREWALL_TCP ? "tcp" : "udp", (unsigned)port - 1);
    }
}

/* Cuts the ports where a rule begins or ends, and judges each piece. */
static void judge_ports(struct finder *finder)
{
    const struct firewall_set *set = finder->export->set;
    bool *begins = cli_memory(NULL, UINT16_MAX + 2); /* a piece begins at that port */
    uint32_t first = 1;

    memset(begins, 0, UINT16_MAX + 2);
    begins[UINT16_MAX + 1] = true;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct firewall_rule *rule = &set->rules[i];

        for (uint32_t p = 0; is_about(finder, rule) && p < rule->ports_count; p++) {
            begins[set->ports[rule->ports_at + p].first] = true;
            begins[set->ports[rule->ports_at + p].last + 1] = true;
        }
    }
    for (uint32_t port = 2; port <= UINT16_MAX + 1; port++) {
        if (begins[port]) {
            judge_piece(finder, first, port - 1);
            first = port;
            show_progress(finder, port);
        }
    }
    free(begins);
}

struct export_regions export_regions_find(const struct export *export,
                                          enum berth_direction direction)
{
    struct export_regions regions = {0};
    struct finder finder = {.export = export, .direction = direction, .regions = &regions};

    finder.rules = cli_memory(NULL, ((size_t) export->set->count + 1) * sizeof *finder.rules);
    for (uint32_t bit = FIREWALL_TCP; bit <= FIREWALL_ICMP; bit <<= 1) {
        finder.protocol = (uint8_t)bit;
        make_tree(&finder);
        if (bit == FIREWALL_ICMP) {
            judge_piece(&finder, 0, 0);
        } else {
            judge_ports(&finder);
        }
        free(finder.nodes);
    }
    free(finder.rules);
    cli_progress_end(export->progress); /* the regions are written next, perhaps on the terminal */
    return regions;
}

void export_regions_free(struct export_regions *regions)
{
    for (size_t i = 0; i < regions->count; i++) {
        free_addresses(&regions->list[i].addresses);
        free(regions->list[i].ports);
    }
    free(regions->list);
}
