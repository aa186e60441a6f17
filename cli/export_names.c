/* SPDX-License-Identifier: MIT */
/*
 * cli/export_names.c: rules by host name in a CiliumNetworkPolicy: toFQDNs, and the rule by which
 * Cilium sees the answers of name servers.
 *
 * Such a rule only allows, and its addresses are not known here: so it loses all ports that an
 * earlier rule which does not allow may take of any of them. Where that rule takes less than all,
 * more is lost than the policy says, which is told (export_names_are_cut).
 */
#include "cli/export.h"

#include <stdlib.h>
#include <string.h>

#include "cli/message.h"

#define PORTS 65536

/* How much of what goes by RULE's names an earlier rule takes. */
enum share { SHARE_NONE, SHARE_SOME, SHARE_ALL };

static const struct firewall_peer *peers_of(const struct export *export,
                                            const struct firewall_rule *rule)
{
    return &export->set->peers[rule->peers_at];
}

static bool overlaps(const struct firewall_pattern *a, const struct firewall_pattern *b)
{
    return firewall_name_covers(a, b) || firewall_name_covers(b, a);
}

/* Of the names of RULE, those that PATTERN takes. */
static enum share share_of_name(const struct export *export, const struct firewall_rule *rule,
                                const struct firewall_pattern *pattern)
{
    const struct firewall_peer *peers = peers_of(export, rule);
    bool has_some = false;
    bool has_all = true;

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        if (peers[i].kind == FIREWALL_PEER_NAME) {
            has_some = has_some || overlaps(pattern, &peers[i].name);
            has_all = has_all && firewall_name_covers(pattern, &peers[i].name);
        }
    }
    return has_all ? SHARE_ALL : has_some ? SHARE_SOME : SHARE_NONE;
}

/* A name is never the host's, nor at another special address. */
static enum share share_of(const struct export *export, const struct firewall_rule *rule,
                           const struct firewall_rule *before)
{
    const struct firewall_peer *peers = peers_of(export, before);
    enum share share = before->peers_count == 0 ? SHARE_ALL : SHARE_NONE;

    for (uint32_t i = 0; i < before->peers_count; i++) {
        enum share one = SHARE_NONE;
        uint8_t bits;

        switch ((enum firewall_peer_kind)peers[i].kind) {
        case FIREWALL_PEER_ANY:
            one = SHARE_ALL;
            break;
        case FIREWALL_PEER_HOST:
            break;
        case FIREWALL_PEER_PREFIX:
            one = firewall_special_prefix(&peers[i].prefix, &bits) ? SHARE_NONE : SHARE_SOME;
            break;
        case FIREWALL_PEER_NAME:
            one = share_of_name(export, rule, &peers[i].name);
            break;
        }
        share = one > share ? one : share;
    }
    return share;
}

/* Takes (or gives) the ports of RULE in OPEN. How many were not as they are now. */
static uint32_t mark(const struct export *export, const struct firewall_rule *rule,
                     uint8_t protocol, bool is_open, bool *open)
{
    const struct firewall_ports *ports = &export->set->ports[rule->ports_at];
    uint32_t changed = 0;

    for (uint32_t i = 0; i < (rule->ports_count == 0 ? 1 : rule->ports_count); i++) {
        uint32_t first = rule->ports_count == 0 ? 1 : ports[i].first;
        uint32_t last = rule->ports_count == 0 ? PORTS - 1 : ports[i].last;

        if (rule->ports_count > 0 && (ports[i].protocols & protocol) == 0) {
            continue;
        }
        for (uint32_t port = first; port <= last; port++) {
            changed += open[port] != is_open;
            open[port] = is_open;
        }
    }
    return changed;
}

/* The ports of PROTOCOL that rule INDEX lets through by its names. Whether some were lost that a
 * rule takes in part only. */
static bool find_open(const struct export *export, uint32_t index, uint8_t protocol, bool *open)
{
    const struct firewall_rule *rule = &export->set->rules[index];
    bool is_cut = false;

    memset(open, 0, PORTS * sizeof *open);
    if ((rule->protocols & protocol) == 0) {
        return false;
    }
    (void)mark(export, rule, protocol, true, open);
    for (uint32_t i = 0; i < index; i++) {
        const struct firewall_rule *before = &export->set->rules[i];
        enum share share;

        if (before->action == BERTH_ALLOW || before->direction != rule->direction ||
            (before->protocols & protocol) == 0) {
            continue;
        }
        share = share_of(export, rule, before);
        if (share != SHARE_NONE && mark(export, before, protocol, false, open) > 0) {
            is_cut = is_cut || share == SHARE_SOME;
        }
    }
    return is_cut;
}

bool export_names_are_said(const struct export *export, uint32_t index)
{
    const struct firewall_rule *rule = &export->set->rules[index];
    bool has_name = false;

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        has_name = has_name || peers_of(export, rule)[i].kind == FIREWALL_PEER_NAME;
    }
    return has_name && export->target == EXPORT_CILIUM && rule->action == BERTH_ALLOW &&
           rule->direction == BERTH_OUT && !export_is_left_out(rule);
}

bool export_names_are_cut(const struct export *export, uint32_t index)
{
    bool *open = cli_memory(NULL, PORTS * sizeof *open);
    bool is_cut = find_open(export, index, FIREWALL_TCP, open);

    is_cut = find_open(export, index, FIREWALL_UDP, open) || is_cut;
    free(open);
    return is_cut;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void write_names(const struct export *export, const struct firewall_rule *rule, int indent,
                        FILE *out)
{
    const struct firewall_peer *peers = peers_of(export, rule);

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        const struct firewall_pattern *name = &peers[i].name;

        if (peers[i].kind == FIREWALL_PEER_NAME) {
            fprintf(out, "%*s- match%s: \"%s%.*s\"\n", indent, "",
                    name->has_star ? "Pattern" : "Name", name->has_star ? "**." : "",
                    (int)name->bytes, name->text);
        }
    }
}

/* The open ports of PROTOCOL, as ranges; COUNT: of those written before. */
static void write_ports(const bool *open, const char *protocol, unsigned *count, FILE *out)
{
    for (uint32_t port = 1; port < PORTS; port++) {
        uint32_t last = port;

        if (!open[port]) {
            continue;
        }
        while (last + 1 < PORTS && open[last + 1]) {
            last++;
        }
        fprintf(out, (*count)++ % CILIUM_PORTS_MAX == 0 ? "        - ports:\n" : "");
        fprintf(out, "            - port: \"%u\"\n", (unsigned)port);
        if (last > port) {
            fprintf(out, "              endPort: %u\n", (unsigned)last);
        }
        fprintf(out, "              protocol: %s\n", protocol);
        port = last;
    }
}

static bool has_open(const bool *open)
{
    uint32_t port = 1;

    while (port < PORTS && !open[port]) {
        port++;
    }
    return port < PORTS;
}

static bool write_rule(const struct export *export, uint32_t index, FILE *out)
{
    bool *tcp = cli_memory(NULL, 2 * PORTS * sizeof *tcp);
    bool *udp = tcp + PORTS;
    unsigned count = 0;
    bool is_written;

    (void)find_open(export, index, FIREWALL_TCP, tcp);
    (void)find_open(export, index, FIREWALL_UDP, udp);
    is_written = has_open(tcp) || has_open(udp);
    if (is_written) {
        fprintf(out, "    - toFQDNs:\n");
        write_names(export, &export->set->rules[index], 8, out);
        fprintf(out, "      toPorts:\n");
        write_ports(tcp, "TCP", &count, out);
        write_ports(udp, "UDP", &count, out);
    }
    free(tcp);
    return is_written;
}

bool export_names_write(const struct export *export, FILE *out)
{
    bool *is_written = cli_memory(NULL, ((size_t) export->set->count + 1) * sizeof *is_written);
    bool has_any = false;

    for (uint32_t i = 0; i < export->set->count; i++) {
        is_written[i] = export_names_are_said(export, i) && write_rule(export, i, out);
        has_any = has_any || is_written[i];
    }
    if (has_any) {
        fprintf(out, "    - toEndpoints:\n"
                     "        - matchLabels:\n"
                     "            \"k8s:io.kubernetes.pod.namespace\": kube-system\n"
                     "            \"k8s:k8s-app\": kube-dns\n"
                     "      toPorts:\n"
                     "        - ports:\n"
                     "            - port: \"53\"\n"
                     "              protocol: ANY\n"
                     "          rules:\n"
                     "            dns:\n");
    }
    for (uint32_t i = 0; i < export->set->count; i++) {
        if (is_written[i]) {
            write_names(export, &export->set->rules[i], 14, out);
        }
    }
    free(is_written);
    return has_any;
}
