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

#define TRIED_ROWS_MAX 100 /* for people; JSON has all */

/* One query with its answer. */
struct answer {
    const struct cli_policy *policy;
    const struct firewall *firewall;
    const struct berth_contact_query *query;
    struct firewall_special special; /* what the peer is */
    struct berth_verdict verdict;
};

/* ---- Words ---------------------------------------------------------------------------------- */

static const char *protocol_text(enum berth_protocol protocol)
{
    return protocol == BERTH_TCP ? "tcp" : protocol == BERTH_UDP ? "udp" : "icmp";
}

static const char *action_text(enum berth_action action)
{
    switch (action) {
    case BERTH_ALLOW:
        return "allow";
    case BERTH_DENY:
        return "deny";
    case BERTH_DROP:
        return "drop";
    case BERTH_ASK:
        return "ask";
    }
    return "deny";
}

/* The query as a rule says it: "out 8443/tcp to 10.0.0.7"; with HOST, "to host". */
static void spell_query(const struct answer *answer, bool host, char *out, size_t bytes)
{
    const struct berth_contact_query *query = answer->query;
    char peer[BERTH_ADDRESS_TEXT_BYTES];
    char what[16] = "icmp";

    if (query->protocol != BERTH_ICMP) {
        (void)snprintf(what, sizeof what, "%u/%s", (unsigned)query->port,
                       protocol_text(query->protocol));
    }
    (void)snprintf(out, bytes, "%s %s %s %s", query->direction == BERTH_OUT ? "out" : "in", what,
                   query->direction == BERTH_OUT ? "to" : "from",
                   host ? "host" : berth_address_format(&query->peer, peer));
}

static const char *miss_text(enum firewall_miss miss)
{
    switch (miss) {
    case FIREWALL_MATCH:
        return "matches";
    case FIREWALL_MISS_DIRECTION:
        return "another direction";
    case FIREWALL_MISS_PROTOCOL:
        return "another protocol";
    case FIREWALL_MISS_PORT:
        return "another port";
    case FIREWALL_MISS_PEER:
        return "another peer";
    case FIREWALL_MISS_UNNAMED:
        return "does not name the peer";
    case FIREWALL_MISS_PROCESS:
        return "by another process";
    }
    return "";
}

/* ---- Rules that were tried ------------------------------------------------------------------ */

/* Was rule INDEX tried for the answer: of its direction, and not after the deciding one? */
static bool is_tried(const struct answer *answer, uint32_t index, enum firewall_miss *miss)
{
    *miss = firewall_explain(answer->firewall, index, answer->query);
    return *miss != FIREWALL_MISS_DIRECTION &&
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
        enum firewall_miss miss;
        enum cli_style style;

        if (!is_tried(answer, i, &miss)) {
            continue;
        }
        if (cli_table_rows(table) == TRIED_ROWS_MAX && miss != FIREWALL_MATCH) {
            more++;
            continue;
        }
        style = miss == FIREWALL_MATCH ? CLI_BOLD : CLI_PLAIN;
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
    static const char *const words[] = {"match", "direction", "protocol",
                                        "port",  "peer",      "unnamed"};
    json_t *array = cli_json_array();

    for (uint32_t i = 0; i < firewall_rule_count(answer->firewall); i++) {
        enum firewall_miss miss;

        if (is_tried(answer, i, &miss)) {
            json_t *object = make_rule(answer, i);

            cli_json_put(object, "result", cli_json_text(words[miss]));
            cli_json_append(array, object);
        }
    }
    return array;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void print_answer(const struct answer *answer)
{
    static const char *const verdicts[] = {"allowed", "denied", "dropped"}; /* enum berth_action */
    char text[128];

    spell_query(answer, false, text, sizeof text);
    printf("%s: %s", text, verdicts[answer->verdict.action]);
    if (answer->verdict.rule >= 0) {
        uint32_t rule = (uint32_t)answer->verdict.rule;
        char origin[CLI_POLICY_ORIGIN_BYTES];

        (void)cli_policy_origin(answer->policy, firewall_rule_line(answer->firewall, rule), origin);
        printf(" by %s: %s\n", origin, firewall_rule_text(answer->firewall, rule));
    } else {
        printf(": %s\n", firewall_rule_count(answer->firewall) == 0 ? "there are no rules"
                                                                    : "no rule matches");
    }
    if (answer->special.bits != 0) {
        char peer[BERTH_ADDRESS_TEXT_BYTES];

        printf("%s is special (%s): only a rule that names it matches\n",
               berth_address_format(&answer->query->peer, peer), answer->special.name);
    }
    print_tried(answer);
    if (answer->verdict.rule < 0) {
        spell_query(answer, answer->special.is_host, text, sizeof text);
        printf("to allow it: --allow '%s'\n", text);
    }
}

static json_t *make_answer(const struct answer *answer)
{
    const struct berth_contact_query *query = answer->query;
    char peer[BERTH_ADDRESS_TEXT_BYTES];
    json_t *object = cli_json_object();

    cli_json_put(object, "direction", cli_json_text(query->direction == BERTH_OUT ? "out" : "in"));
    cli_json_put(object, "protocol", cli_json_text(protocol_text(query->protocol)));
    cli_json_put(object, "peer", cli_json_text(berth_address_format(&query->peer, peer)));
    if (query->protocol == BERTH_ICMP) {
        cli_json_put(object, "port", json_null());
    } else {
        cli_json_put_number(object, "port", query->port);
    }
    cli_json_put(object, "special", cli_json_text(answer->special.name));
    cli_json_put(object, "verdict", cli_json_text(action_text(answer->verdict.action)));
    cli_json_put(object, "log", json_boolean(answer->verdict.log));
    cli_json_put(object, "rule",
                 answer->verdict.rule < 0 ? json_null()
                                          : make_rule(answer, (uint32_t)answer->verdict.rule));
    cli_json_put(object, "tried", make_tried(answer));
    return object;
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
    size_t count = 0;
    int status;

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
    status = firewall_set_host(firewall, all, count);
    free(all);
    hostnet_free(hostnet);
    return status == BERTH_OK ? CLI_OK : CLI_ERROR;
}

int rules_explain(const struct rules_settings *settings, const struct berth_contact_query *queries,
                  size_t count)
{
    struct firewall *firewall = cli_policy_firewall(settings->policy);
    json_t *array = settings->is_json ? cli_json_array() : NULL;
    int status = set_host(settings, firewall);

    for (size_t i = 0; i < count && status != CLI_ERROR; i++) {
        struct answer answer = {.policy = settings->policy,
                                .firewall = firewall,
                                .query = &queries[i],
                                .special = firewall_special(firewall, &queries[i].peer),
                                .verdict = firewall_judge(firewall, &queries[i])};

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
