/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_export.c: `berth rules export`: what a target cannot say of a policy, and the policy
 * in the target's words.
 *
 * Two kinds of differences are told apart: those that every export to a target has are notes, in
 * its first comment (and in berth-rules(1)); those that a rule of this very policy has are lost,
 * which is said on standard error, in a comment, and by exit status 1.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/export.h"
#include "cli/message.h"
#include "cli/text.h"
#include "firewall/special.h"

#define LOST_BYTES     8192
#define SHOWN_RULE_MAX 200 /* bytes of a rule in a message: a list may have 1024 items */

char *export_spell(const struct berth_prefix *prefix, char out[FIREWALL_PREFIX_BYTES])
{
    size_t used = strlen(firewall_format_prefix(prefix, out));

    if (prefix->bits == 128) {
        (void)snprintf(out + used, FIREWALL_PREFIX_BYTES - used, "/%d",
                       berth_address_is_v4(&prefix->address) ? 32 : 128);
    }
    return out;
}

void export_lose(struct export *export, int32_t rule, const char *why)
{
    char text[LOST_BYTES];
    char origin[CLI_POLICY_ORIGIN_BYTES];

    if (rule < 0) {
        (void)snprintf(text, sizeof text, "%s", why);
    } else {
        const char *spelling = firewall_rule_text(export->firewall, (uint32_t)rule);

        (void)cli_policy_origin(export->settings->policy,
                                firewall_rule_line(export->firewall, (uint32_t)rule), origin);
        (void)snprintf(text, sizeof text, "%s: '%.*s%s': %s", origin, SHOWN_RULE_MAX, spelling,
                       strlen(spelling) > SHOWN_RULE_MAX ? "..." : "", why);
    }
    export->lost = cli_memory(export->lost, (export->lost_count + 1) * sizeof *export->lost);
    export->lost[export->lost_count++] = cli_text_clean(text);
}

/* ---- What is lost --------------------------------------------------------------------------- */

/* An address that means the host inside `berth run`, and nobody in particular elsewhere. */
static bool is_gateway(const struct firewall_peer *peer)
{
    static const char *const gateways[] = {"10.0.2.2", "10.0.2.3", "fd00::2", "fd00::3"};
    struct berth_address gateway;

    for (size_t i = 0; i < sizeof gateways / sizeof gateways[0]; i++) {
        if (peer->kind == FIREWALL_PEER_PREFIX && peer->prefix.bits == 128 &&
            berth_address_parse(gateways[i], &gateway) == BERTH_OK &&
            berth_address_is_equal(&gateway, &peer->prefix.address)) {
            return true;
        }
    }
    return false;
}

struct traits {
    bool has_host;
    bool has_gateway;
    bool has_name;
};

static struct traits find_traits(const struct export *export, const struct firewall_rule *rule)
{
    struct traits traits = {0};

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        const struct firewall_peer *peer = &export->set->peers[rule->peers_at + i];

        traits.has_host = traits.has_host || peer->kind == FIREWALL_PEER_HOST;
        traits.has_name = traits.has_name || peer->kind == FIREWALL_PEER_NAME;
        traits.has_gateway = traits.has_gateway || is_gateway(peer);
    }
    return traits;
}

static void find_lost_of_names(struct export *export, uint32_t index)
{
    const struct firewall_rule *rule = &export->set->rules[index];

    if (export_is_left_out(rule)) {
        return; /* that is told */
    }
    if (!export_names_are_said(export, index)) {
        export_lose(export, (int32_t)index,
                    rule->action == BERTH_ALLOW
                        ? "host names cannot be said: they are left out"
                        : "host names cannot be said: what it takes by them, later rules may open");
        return;
    }
    if (export_names_are_cut(export, index)) {
        export_lose(export, (int32_t)index,
                    "ports that an earlier rule takes of some of these names' addresses are left "
                    "out");
    }
    if ((rule->protocols & FIREWALL_ICMP) != 0) {
        export_lose(export, (int32_t)index, "ICMP by a host name cannot be said");
    }
}

static void find_lost_of_rule(struct export *export, uint32_t index)
{
    const struct firewall_rule *rule = &export->set->rules[index];
    struct traits traits = find_traits(export, rule);
    bool is_kubernetes = export->target == EXPORT_KUBERNETES;

    if (rule->action == BERTH_ASK) {
        export_lose(export, (int32_t)index, "nobody is asked: it refuses");
    }
    if (rule->processes_count > 0) {
        export_lose(export, (int32_t)index,
                    export_is_left_out(rule) ? "by cannot be said: the rule is left out"
                                             : "by cannot be said: it goes for every process");
    }
    if (rule->limit.count > 0 && export->target != EXPORT_NFTABLES) {
        export_lose(export, (int32_t)index, "limit cannot be said: it is not limited");
    }
    if (traits.has_name) {
        find_lost_of_names(export, index);
    }
    if (traits.has_gateway) {
        export_lose(export, (int32_t)index,
                    "this gateway or resolver is there inside berth run only; host is the word "
                    "for it");
    }
    if (export->target == EXPORT_NFTABLES) {
        return;
    }
    if (rule->log) {
        export_lose(export, (int32_t)index, "log cannot be said");
    }
    if (is_kubernetes && traits.has_host && export->settings->host_count == 0) {
        export_lose(export, (int32_t)index,
                    "host cannot be said; the node's addresses can be given with --host");
    }
    if (is_kubernetes && (rule->protocols & FIREWALL_ICMP) != 0) {
        export_lose(export, (int32_t)index,
                    "ICMP cannot be said; whether echo passes is up to the network plugin");
    }
}

static void find_lost(struct export *export)
{
    for (uint32_t i = 0; i < export->set->count; i++) {
        find_lost_of_rule(export, i);
    }
    if (export->set->scan[BERTH_OUT].action != BERTH_ALLOW ||
        export->set->scan[BERTH_IN].action != BERTH_ALLOW) {
        export_lose(export, -1, "on scan cannot be said: nothing looks out for scans");
    }
}

/* ---- Writing -------------------------------------------------------------------------------- */

static const char *const notes[][9] = {
    [EXPORT_NFTABLES] =
        {"load it with: nft -f FILE; a table that was loaded before is replaced",
         "NAT64 and 6to4 addresses that carry an address of the machine are the network's here",
         "a limit counts every packet that would begin a conversation, repeated ones too", NULL},
    [EXPORT_KUBERNETES] =
        {"for pods with the label berth-policy=NAME; needs a network plugin that enforces policies",
         "what is refused gets no answer; other protocols than TCP and UDP are not decided on",
         "an allow has lost what an earlier deny or drop takes, for policies only allow",
         "addresses are those that the plugin sees, which for pods and services may be others;",
         "the node's and the pod's own count as the network's, but for those given with --host;",
         "the node may always reach its pods", NULL},
    [EXPORT_CILIUM] =
        {"for endpoints with the label berth-policy=NAME; ranges of ports need Cilium 1.16",
         "what is refused gets no answer, unless Cilium is set up to give one",
         "an allow has lost what an earlier deny or drop takes, for these rules only allow",
         "prefixes do not match pods and nodes of the cluster, unless Cilium is set up so;",
         "host is the node; the node may always reach its pods",
         "host names need the cluster's name servers to be kube-dns in kube-system, and all labels",
         "under a star Cilium 1.19; earlier ones take one label there", NULL},
};

static void write_head(const struct export *export, const char *path, FILE *out)
{
    char *shown = cli_text_clean(path);

    fprintf(out, "# made by berth rules export of %s\n#\n", shown);
    free(shown);
    for (const char *const *note = notes[export->target]; *note != NULL; note++) {
        fprintf(out, "# %s\n", *note);
    }
    if (export->lost_count > 0) {
        fprintf(out, "#\n# of this policy it does not say:\n");
    }
    for (size_t i = 0; i < export->lost_count; i++) {
        fprintf(out, "#   %s\n", export->lost[i]);
    }
}

/* The file's name up to its first dot, as a label may be. */
static void make_name(const char *path, char out[EXPORT_NAME_BYTES])
{
    const char *slash = strrchr(path, '/');
    const char *at = slash == NULL ? path : slash + 1;
    size_t used = 0;

    for (; *at != '\0' && *at != '.' && used + 1 < EXPORT_NAME_BYTES; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte < 0x80 && isalnum(byte)) {
            out[used++] = (char)tolower(byte);
        } else if (used > 0 && out[used - 1] != '-') {
            out[used++] = '-';
        }
    }
    while (used > 0 && out[used - 1] == '-') {
        used--;
    }
    if (used == 0) {
        memcpy(out, "berth", 5);
        used = 5;
    }
    out[used] = '\0';
}

int rules_export(struct rules_settings *settings, const char *path)
{
    struct cli_progress progress = cli_progress_begin();
    struct export export = {.settings = settings,
                            .target = (enum export_target)settings->target,
                            .progress = &progress};
    struct firewall *firewall;
    int status;

    if (cli_policy_add_file(settings->policy, path, NULL) != 0) {
        return CLI_ERROR;
    }
    firewall = cli_policy_firewall(settings->policy);
    export.firewall = firewall;
    export.set = &firewall->sets[firewall->active];
    make_name(path, export.name);
    find_lost(&export);
    write_head(&export, path, stdout);
    switch (export.target) {
    case EXPORT_NFTABLES:
        export_nft(&export, stdout);
        break;
    case EXPORT_KUBERNETES:
        export_kubernetes(&export, stdout);
        break;
    case EXPORT_CILIUM:
        export_cilium(&export, stdout);
        break;
    }
    for (size_t i = 0; i < export.lost_count; i++) {
        cli_message("%s", export.lost[i]);
        free(export.lost[i]);
    }
    status = export.lost_count == 0 ? CLI_OK : CLI_NOTHING;
    free(export.lost);
    cli_policy_firewall_free(firewall);
    return status;
}
