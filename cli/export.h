/* SPDX-License-Identifier: MIT */
/*
 * cli/export.h: between the files of `berth rules export`: rules_export.c reads the policy and
 * lists what a target cannot say, export_nft.c writes an nftables ruleset, export_regions.c finds
 * what is let through after all denials, export_yaml.c writes that as Kubernetes or Cilium say it,
 * export_names.c what goes by host names.
 *
 * 1. What a target cannot say is in `lost`, and so on standard error, in a comment and in the exit
 *    status, before the first line of a ruleset is written.
 */
#ifndef BERTH_CLI_EXPORT_H
#define BERTH_CLI_EXPORT_H

#include <stdio.h>

#include "cli/progress.h"
#include "cli/rules.h"
#include "firewall/rule.h"
#include "firewall/special.h"

#define EXPORT_NAME_BYTES 64

enum export_target { EXPORT_NFTABLES, EXPORT_KUBERNETES, EXPORT_CILIUM };

struct export
{
    const struct rules_settings *settings;
    const struct firewall *firewall;
    const struct firewall_set *set; /* its rules */
    enum export_target target;
    char name[EXPORT_NAME_BYTES]; /* of the policy: a label of RFC 1123 */
    char **lost;
    size_t lost_count;
    struct cli_progress *progress;
};

/* No target knows processes: an allow by some would open for all. */
static inline bool export_is_left_out(const struct firewall_rule *rule)
{
    return rule->processes_count > 0 && rule->action == BERTH_ALLOW;
}

/* Another line of what the target cannot say. RULE: an index, or -1 where it is of all rules. */
void export_lose(struct export *export, int32_t rule, const char *why);

/* The prefix in the target's spelling, always with its length. Returns OUT. */
char *export_spell(const struct berth_prefix *prefix, char out[FIREWALL_PREFIX_BYTES]);

/* ---- export_nft.c --------------------------------------------------------------------------- */

void export_nft(const struct export *export, FILE *out);

/* ---- export_regions.c ----------------------------------------------------------------------- */

/* A set of addresses as a list of prefixes, each without some that lie inside it. */
struct export_addresses {
    struct berth_prefix *prefixes; /* an exception stands behind the prefix it is from */
    bool *is_exception;
    size_t count;
    size_t max;
    bool has_host; /* the host's own, whichever they are */
};

struct export_ports {
    uint8_t protocol; /* a bit; ICMP: echo, and the ports mean nothing */
    uint16_t first;
    uint16_t last;
};

/* What one set of addresses may be asked for. */
struct export_region {
    struct export_addresses addresses;
    struct export_ports *ports;
    size_t count;
};

struct export_regions {
    struct export_region *list;
    size_t count;
};

/* What the rules of DIRECTION let through, no port of a protocol towards one address twice. Free
 * with the next. */
struct export_regions export_regions_find(const struct export *export,
                                          enum berth_direction direction);
void export_regions_free(struct export_regions *regions);

/* ---- export_names.c ------------------------------------------------------------------------- */

#define CILIUM_PORTS_MAX 40 /* in one list; Cilium refuses longer ones */

/* Does the target say the names of rule INDEX, which is an allow by some? */
bool export_names_are_said(const struct export *export, uint32_t index);
/* Does such a rule lose more by that than the policy takes from it? */
bool export_names_are_cut(const struct export *export, uint32_t index);
/* Writes all of them as members of egress, and what they need. Whether there was one. */
bool export_names_write(const struct export *export, FILE *out);

/* ---- export_yaml.c -------------------------------------------------------------------------- */

void export_kubernetes(const struct export *export, FILE *out);
void export_cilium(const struct export *export, FILE *out);

#endif
