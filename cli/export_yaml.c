/* SPDX-License-Identifier: MIT */
/*
 * cli/export_yaml.c: a policy as a Kubernetes NetworkPolicy or a CiliumNetworkPolicy. Both choose
 * the pods with the label berth-policy=NAME, and both only allow: what is written are the regions
 * that are left after all denials (export_regions.c).
 */
#include "cli/export.h"

#include <inttypes.h>

struct writer {
    const struct export *export;
    FILE *out;
    enum berth_direction direction;
};

static bool has_protocol(const struct export_region *region, uint8_t protocols)
{
    for (size_t i = 0; i < region->count; i++) {
        if ((region->ports[i].protocol & protocols) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- Pieces --------------------------------------------------------------------------------- */

/* A list of blocks; LEAD stands before each prefix, and INDENT before its exceptions. */
static void write_blocks(const struct writer *writer, const struct export_addresses *addresses,
                         const char *lead, int indent)
{
    char text[FIREWALL_PREFIX_BYTES];

    for (size_t i = 0; i < addresses->count; i++) {
        (void)export_spell(&addresses->prefixes[i], text);
        if (!addresses->is_exception[i]) {
            fprintf(writer->out, "%scidr: \"%s\"\n", lead, text);
            continue;
        }
        if (!addresses->is_exception[i - 1]) {
            fprintf(writer->out, "%*sexcept:\n", indent, "");
        }
        fprintf(writer->out, "%*s- \"%s\"\n", indent + 2, "", text);
    }
}

static const char *protocol_of(const struct export_ports *ports)
{
    return ports->protocol == FIREWALL_TCP ? "TCP" : "UDP";
}

static void write_selector(const struct writer *writer, const char *key)
{
    fprintf(writer->out, "  %s:\n    matchLabels:\n      berth-policy: \"%s\"\n", key,
            writer->export->name);
}

/* ---- Kubernetes ----------------------------------------------------------------------------- */

static void write_kubernetes_region(const struct writer *writer, const struct export_region *region)
{
    fprintf(writer->out, "    - %s:\n", writer->direction == BERTH_OUT ? "to" : "from");
    write_blocks(writer, &region->addresses, "        - ipBlock:\n            ", 12);
    fprintf(writer->out, "      ports:\n");
    for (size_t i = 0; i < region->count; i++) {
        const struct export_ports *ports = &region->ports[i];

        if (ports->protocol == FIREWALL_ICMP) {
            continue;
        }
        fprintf(writer->out, "        - protocol: %s\n          port: %u\n", protocol_of(ports),
                (unsigned)ports->first);
        if (ports->first != ports->last) {
            fprintf(writer->out, "          endPort: %u\n", (unsigned)ports->last);
        }
    }
}

static void write_kubernetes_direction(struct writer *writer, enum berth_direction direction)
{
    struct export_regions regions = export_regions_find(writer->export, direction);
    const char *key = direction == BERTH_OUT ? "egress" : "ingress";
    bool is_empty = true;

    writer->direction = direction;
    for (size_t i = 0; i < regions.count; i++) {
        if (regions.list[i].addresses.count > 0 &&
            has_protocol(&regions.list[i], FIREWALL_TCP | FIREWALL_UDP)) {
            if (is_empty) {
                fprintf(writer->out, "  %s:\n", key);
            }
            write_kubernetes_region(writer, &regions.list[i]);
            is_empty = false;
        }
    }
    if (is_empty) {
        fprintf(writer->out, "  %s: []\n", key);
    }
    export_regions_free(&regions);
}

void export_kubernetes(const struct export *export, FILE *out)
{
    struct writer writer = {.export = export, .out = out};

    fprintf(out,
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: \"%s\"\n"
            "spec:\n",
            export->name);
    write_selector(&writer, "podSelector");
    fprintf(out, "  policyTypes:\n    - Egress\n    - Ingress\n");
    write_kubernetes_direction(&writer, BERTH_OUT);
    write_kubernetes_direction(&writer, BERTH_IN);
}

/* ---- Cilium --------------------------------------------------------------------------------- */

static void write_cilium_ports(const struct writer *writer, const struct export_region *region)
{
    unsigned count = 0;

    fprintf(writer->out, "      toPorts:\n");
    for (size_t i = 0; i < region->count; i++) {
        const struct export_ports *ports = &region->ports[i];

        if (ports->protocol == FIREWALL_ICMP) {
            continue;
        }
        if (count++ % CILIUM_PORTS_MAX == 0) {
            fprintf(writer->out, "        - ports:\n");
        }
        fprintf(writer->out, "            - port: \"%u\"\n", (unsigned)ports->first);
        if (ports->first != ports->last) {
            fprintf(writer->out, "              endPort: %u\n", (unsigned)ports->last);
        }
        fprintf(writer->out, "              protocol: %s\n", protocol_of(ports));
    }
}

static void write_cilium_icmp(const struct writer *writer, const struct export_region *region,
                              bool has_every_version)
{
    const struct export_addresses *addresses = &region->addresses;
    bool has[2] = {has_every_version, has_every_version};

    for (size_t i = 0; i < addresses->count; i++) {
        has[berth_address_is_v4(&addresses->prefixes[i].address) ? 0 : 1] = true;
    }
    fprintf(writer->out, "      icmps:\n        - fields:\n");
    fprintf(writer->out, has[0] ? "            - family: IPv4\n              type: 8\n" : "");
    fprintf(writer->out, has[1] ? "            - family: IPv6\n              type: 128\n" : "");
}

/* The peers of one rule: the blocks of REGION, or the host. */
static void write_cilium_peers(const struct writer *writer, const struct export_region *region,
                               bool is_host)
{
    const char *word = writer->direction == BERTH_OUT ? "to" : "from";

    if (is_host) {
        fprintf(writer->out, "    - %sEntities:\n        - host\n", word);
    } else {
        fprintf(writer->out, "    - %sCIDRSet:\n", word);
        write_blocks(writer, &region->addresses, "        - ", 10);
    }
}

/* Ports and ICMP, blocks and the host exclude each other in one rule. */
static void write_cilium_region(const struct writer *writer, const struct export_region *region)
{
    for (int is_host = 0; is_host <= 1; is_host++) {
        if (is_host != 0 ? !region->addresses.has_host : region->addresses.count == 0) {
            continue;
        }
        if (has_protocol(region, FIREWALL_TCP | FIREWALL_UDP)) {
            write_cilium_peers(writer, region, is_host != 0);
            write_cilium_ports(writer, region);
        }
        if (has_protocol(region, FIREWALL_ICMP)) {
            write_cilium_peers(writer, region, is_host != 0);
            write_cilium_icmp(writer, region, is_host != 0);
        }
    }
}

static void write_cilium_direction(struct writer *writer, enum berth_direction direction)
{
    struct export_regions regions = export_regions_find(writer->export, direction);
    bool has_names;

    writer->direction = direction;
    fprintf(writer->out, "  %s:\n", direction == BERTH_OUT ? "egress" : "ingress");
    for (size_t i = 0; i < regions.count; i++) {
        write_cilium_region(writer, &regions.list[i]);
    }
    has_names = direction == BERTH_OUT && export_names_write(writer->export, writer->out);
    /* An empty rule allows nothing, and makes everything else refused. */
    fprintf(writer->out, regions.count == 0 && !has_names ? "    - {}\n" : "");
    export_regions_free(&regions);
}

void export_cilium(const struct export *export, FILE *out)
{
    struct writer writer = {.export = export, .out = out};

    fprintf(out,
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: \"%s\"\n"
            "spec:\n",
            export->name);
    write_selector(&writer, "endpointSelector");
    write_cilium_direction(&writer, BERTH_OUT);
    write_cilium_direction(&writer, BERTH_IN);
}
