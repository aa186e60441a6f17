/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_explain.c: `berth rules explain`: the verdict on a connection, the rule that gives it,
 * and why each rule before it does not.
 *
 * Invariant 1: the verdict is firewall_judge's and the reasons are firewall_explain's: nothing is
 * decided here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/rules.h"
#include "cli/table.h"
#include "firewall/rule.h"
#include "firewall/special.h"
#include "run/hostnet.h"

#define TRIED_ROWS_MAX  100 /* for people; JSON has all */
#define ADDRESSES_TRIED 4096

/* One query with its answer. */
struct answer {
    const struct cli_policy *policy;
    const struct firewall *firewall;
    const struct rules_query *asked;
    const struct berth_contact_query *query; /* that, with a peer and a process */
    struct firewall_special special;         /* what the peer is */
    struct berth_verdict verdict;
};

/* ---- Words ---------------------------------------------------------------------------------- */

#define QUERY_BYTES (BERTH_NAME_BYTES + 64)

/* The query as a rule says it: "out 8443/tcp to 10.0.0.7 by curl"; with HOST, "to host". */
static void spell_query(const struct answer *answer, bool host, char out[QUERY_BYTES])
{
    const struct berth_contact_query *query = answer->query;
    const char *process = answer->asked->process;
    const char *mark = process[0] != '\0' && firewall_is_quoted(process) ? "\"" : "";
    char address[BERTH_ADDRESS_TEXT_BYTES];
    const char *peer = berth_address_format(&query->peer, address);
    char what[16] = "icmp";
    size_t used;

    if (query->protocol != BERTH_ICMP) {
        (void)snprintf(what, sizeof what, "%u/%s", (unsigned)query->port,
                       berth_protocol_name(query->protocol));
    }
    peer = answer->asked->name[0] != '\0' ? answer->asked->name : peer;
    used = (size_t)snprintf(out, QUERY_BYTES, "%s %s %s %s",
                            query->direction == BERTH_OUT ? "out" : "in", what,
                            query->direction == BERTH_OUT ? "to" : "from", host ? "host" : peer);
    if (process[0] != '\0') {
        (void)snprintf(out + used, QUERY_BYTES - used, " by %s%s%s", mark, process, mark);
    }
}

static const char *miss_text(enum berth_miss miss)
{
    switch (miss) {
    case BERTH_MATCH:
        return "matches";
    case BERTH_MISS_DIRECTION:
        return "another direction";
    case BERTH_MISS_PROTOCOL:
        return "another protocol";
    case BERTH_MISS_PORT:
        return "another port";
    case BERTH_MISS_PEER:
        return "another peer";
    case BERTH_MISS_UNNAMED:
        return "does not name the peer";
    case BERTH_MISS_PROCESS:
        return "by another process, or none that is known";
    }
    return "";
}

/* ---- Rules that were tried ------------------------------------------------------------------ */

/* Was rule INDEX tried for the answer: of its direction, and not after the deciding one? */
static bool is_tried(const struct answer *answer, uint32_t index, enum berth_miss *miss)
{
    *miss = firewall_explain(answer->firewall, index, answer->query);
    return *miss != BERTH_MISS_DIRECTION &&
           (answer->verdict.rule < 0 || index <= (uint32_t)answer->verdict.rule);
}

static void print_tried(const struct answer *answer)
{
    static const struct cli_column columns[] = {
        {"TRIED", CLI_LEFT, true}, {"RULE", CLI_LEFT, true}, {"RESULT", CLI_LEFT, false}};
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    char origin[CLI_POLICY_ORIGIN_BYTES];
    uint32_t more = 0;

    for (uint32_t i = 0; i < firewall_rule_count(answer->firewall); i++) {
        enum berth_miss miss;
        enum cli_style style;

        if (!is_tried(answer, i, &miss)) {
            continue;
        }
        if (cli_table_rows(table) == TRIED_ROWS_MAX && miss != BERTH_MATCH) {
            more++;
            continue;
        }
        style = miss == BERTH_MATCH ? CLI_BOLD : CLI_PLAIN;
        cli_table_add(
            table, style,
            cli_policy_origin(answer->policy, firewall_rule_line(answer->firewall, i), origin));
        cli_table_add(table, style, firewall_rule_text(answer->firewall, i));
        cli_table_add(table, style, miss_text(miss));
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
    if (more > 0) {
        printf("and %u more (--json has all)\n", more);
    }
}

static json_t *make_rule(const struct answer *answer, uint32_t index)
{
    uint32_t line = firewall_rule_line(answer->firewall, index);
    char origin[CLI_POLICY_ORIGIN_BYTES];
    uint32_t file_line = 0;
    const char *file = cli_policy_file(answer->policy, line, &file_line);
    json_t *object = cli_json_object();

    cli_json_put(object, "origin", cli_json_text(cli_policy_origin(answer->policy, line, origin)));
    cli_json_put(object, "file", cli_json_text(file));
    if (file == NULL) {
        cli_json_put(object, "line", json_null());
    } else {
        cli_json_put_number(object, "line", file_line);
    }
    cli_json_put(object, "text", cli_json_text(firewall_rule_text(answer->firewall, index)));
    return object;
}

static json_t *make_tried(const struct answer *answer)
{
    static const char *const words[] = {"match", "direction", "protocol", "port",
                                        "peer",  "unnamed",   "process"};
    json_t *array = cli_json_array();

    for (uint32_t i = 0; i < firewall_rule_count(answer->firewall); i++) {
        enum berth_miss miss;

        if (is_tried(answer, i, &miss)) {
            json_t *object = make_rule(answer, i);

            cli_json_put(object, "result", cli_json_text(words[miss]));
            cli_json_append(array, object);
        }
    }
    return array;
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* What a person should know of the answer, besides it. */
static void print_notes(const struct answer *answer)
{
    char peer[BERTH_ADDRESS_TEXT_BYTES];

    if (answer->asked->name[0] != '\0') {
        cli_print_line("%s: as at an address that was given for it, and that no rule names",
                       answer->asked->name);
    } else if (answer->special.bits != 0) {
        printf("%s is special (%s): only a rule that names it matches\n",
               berth_address_format(&answer->query->peer, peer), answer->special.name);
    }
    if (answer->verdict.limited) {
        printf("as long as no more of them begin than the rule's limit lets through\n");
    }
    if (answer->verdict.needs_process) {
        printf("a rule goes by the process: say which one asks (by NAME)\n");
    }
}

static void print_answer(const struct answer *answer)
{
    static const char *const verdicts[] = {"allowed", "denied", "dropped",
                                           "asked about"}; /* enum berth_action */
    char text[QUERY_BYTES];

    spell_query(answer, false, text);
    if (answer->verdict.rule >= 0) {
        uint32_t rule = (uint32_t)answer->verdict.rule;
        char origin[CLI_POLICY_ORIGIN_BYTES];

        (void)cli_policy_origin(answer->policy, firewall_rule_line(answer->firewall, rule), origin);
        cli_print_line("%s: %s by %s: %s", text, verdicts[answer->verdict.action], origin,
                       firewall_rule_text(answer->firewall, rule));
    } else {
        cli_print_line("%s: %s: %s", text, verdicts[answer->verdict.action],
                       firewall_rule_count(answer->firewall) == 0 ? "there are no rules"
                                                                  : "no rule matches");
    }
    print_notes(answer);
    print_tried(answer);
    if (answer->verdict.rule < 0) {
        spell_query(answer, answer->special.is_host, text);
        cli_print_line("to allow it: --allow '%s'", text);
    }
}

static json_t *make_answer(const struct answer *answer)
{
    const struct berth_contact_query *query = answer->query;
    bool has_name = answer->asked->name[0] != '\0';
    char peer[BERTH_ADDRESS_TEXT_BYTES];
    json_t *object = cli_json_object();

    cli_json_put(object, "direction", cli_json_text(query->direction == BERTH_OUT ? "out" : "in"));
    cli_json_put(object, "protocol", cli_json_text(berth_protocol_name(query->protocol)));
    cli_json_put(object, "peer",
                 cli_json_text(has_name ? NULL : berth_address_format(&query->peer, peer)));
    cli_json_put(object, "host_name", cli_json_text(has_name ? answer->asked->name : NULL));
    if (query->protocol == BERTH_ICMP) {
        cli_json_put(object, "port", json_null());
    } else {
        cli_json_put_number(object, "port", query->port);
    }
    cli_json_put(object, "process", cli_json_text(query->process));
    cli_json_put(object, "special", cli_json_text(answer->special.name));
    cli_json_put(object, "verdict", cli_json_text(firewall_action_text(answer->verdict.action)));
    cli_json_put(
        object, "reason",
        cli_json_text(answer->verdict.reason == BERTH_REASON_NO_RULE ? "no_rule" : "rule"));
    cli_json_put(object, "needs_process", json_boolean(answer->verdict.needs_process));
    cli_json_put(object, "limited", json_boolean(answer->verdict.limited));
    cli_json_put(object, "log", json_boolean(answer->verdict.log));
    cli_json_put(object, "rule",
                 answer->verdict.rule < 0 ? json_null()
                                          : make_rule(answer, (uint32_t)answer->verdict.rule));
    cli_json_put(object, "tried", make_tried(answer));
    return object;
}

/* ---- An address for a name ------------------------------------------------------------------- */

/* Does a rule name ADDRESS, or a part of IPv4 that it is in? */
static bool is_named(const struct firewall *firewall, const struct berth_address *address)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];

    for (uint32_t i = 0; i < set->peers_used; i++) {
        const struct firewall_peer *peer = &set->peers[i];

        if (peer->kind == FIREWALL_PEER_PREFIX && peer->prefix.bits > 96 &&
            berth_prefix_contains(&peer->prefix, address)) {
            return true;
        }
    }
    return false;
}

/* One of IPv4 that is nobody's in particular: a name's, for the answer goes by the name. Where
 * rules leave none, the last one tried. */
static struct berth_address find_address(const struct firewall *firewall)
{
    struct berth_address address = {0};

    for (uint32_t i = 1; i <= ADDRESSES_TRIED; i++) {
        address = berth_address_v4(i * UINT32_C(2654435761));
        if (firewall_special(firewall, &address).bits == 0 && !is_named(firewall, &address)) {
            break;
        }
    }
    return address;
}

/* QUERY with what it lacks: the address of its name, which FIREWALL learns, and the process. */
static struct berth_contact_query complete(struct firewall *firewall,
                                           const struct rules_query *asked)
{
    struct berth_contact_query query = asked->contact;

    query.process = asked->process[0] == '\0' ? NULL : asked->process;
    if (asked->name[0] != '\0') {
        query.peer = find_address(firewall);
        if (firewall_learn(firewall, asked->name, &query.peer, UINT64_MAX, false) != BERTH_OK) {
            cli_message("rules: no room for the name");
            exit(CLI_ERROR);
        }
    }
    return query;
}

/* ---- The host ------------------------------------------------------------------------------- */

/* What a stack of `berth run` has for its own, and `host` means. */
static const char *const gateways[] = {"10.0.2.2", "10.0.2.3", "fd00::2", "fd00::3"};

/* Tells FIREWALL the host's addresses: those that it holds now and those of --host. */
static int set_host(const struct rules_settings *settings, struct firewall *firewall)
{
    struct berth_address *all;
    struct hostnet *hostnet;
    struct hostnet_list held;
    struct hostnet_list broadcasts;
    struct hostnet_prefixes prefixes;
    size_t count = 0;

    for (size_t i = 0; i < sizeof gateways / sizeof gateways[0]; i++) {
        struct berth_address gateway;

        if (berth_address_parse(gateways[i], &gateway) != BERTH_OK ||
            firewall_add_gateway(firewall, &gateway) != BERTH_OK) {
            return CLI_ERROR;
        }
    }
    if (hostnet_new(&hostnet) != BERTH_OK) {
        cli_message("rules: the host's addresses cannot be read (netlink)");
        return CLI_ERROR;
    }
    held = hostnet_addresses(hostnet);
    broadcasts = hostnet_broadcasts(hostnet);
    all = cli_memory(NULL, (held.count + broadcasts.count + RULES_HOST_MAX) * sizeof *all);
    for (size_t i = 0; i < held.count; i++) {
        all[count++] = held.addresses[i];
    }
    for (size_t i = 0; i < broadcasts.count; i++) {
        all[count++] = broadcasts.addresses[i];
    }
    for (size_t i = 0; i < settings->host_count; i++) {
        all[count++] = settings->host[i];
    }
    prefixes = hostnet_prefixes(hostnet);
    /* Where there are too many the answer is as berth run's: any may be the host's. */
    (void)firewall_set_host(firewall, all, held.is_cut || broadcasts.is_cut ? SIZE_MAX : count);
    (void)firewall_set_host_prefixes(firewall, prefixes.prefixes,
                                     prefixes.is_cut ? SIZE_MAX : prefixes.count);
    free(all);
    hostnet_free(hostnet);
    return CLI_OK;
}

int rules_explain(const struct rules_settings *settings, const struct rules_query *queries,
                  size_t count)
{
    struct firewall *firewall = cli_policy_firewall(settings->policy);
    json_t *array = settings->is_json ? cli_json_array() : NULL;
    int status = set_host(settings, firewall);

    for (size_t i = 0; i < count && status != CLI_ERROR; i++) {
        struct berth_contact_query query = complete(firewall, &queries[i]);
        struct answer answer = {.policy = settings->policy,
                                .firewall = firewall,
                                .asked = &queries[i],
                                .query = &query,
                                .special = firewall_special(firewall, &query.peer),
                                .verdict = firewall_judge(firewall, &query)};

        status = answer.verdict.action == BERTH_ALLOW ? status : CLI_NOTHING;
        if (settings->is_json) {
            cli_json_append(array, make_answer(&answer));
        } else {
            printf("%s", i == 0 ? "" : "\n");
            print_answer(&answer);
        }
    }
    if (settings->is_json && status != CLI_ERROR) {
        cli_json_print(array, stdout);
    }
    cli_policy_firewall_free(firewall);
    return status;
}
