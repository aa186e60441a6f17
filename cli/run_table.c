/* SPDX-License-Identifier: MIT */
/*
 * cli/run_table.c: see cli/run.h: the closing table of `berth run`: each port used or refused once,
 * and under it the words that would allow what was refused.
 *
 * Words are printed only for what no rule decided: those would make it pass. What a rule of the
 * user's own refused is named with that rule.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/registry.h>

#include "cli/message.h"
#include "cli/run.h"
#include "cli/table.h"

enum {
    PEERS_MAX = 8,  /* rows of one port; with more peers they become one */
    HINTS_MAX = 40, /* lines */
    CELL_BYTES = 400,
};

/* A row of the table: one of the tally's, or several of one port summed up. */
struct row {
    struct tally_row sum;
    size_t peers;
};

/* ---- Rows ------------------------------------------------------------------------------------ */

static int compare_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* What was allowed first, then outwards before inwards, then by protocol and port. */
static int compare_ports(const struct tally_key *a, const struct tally_key *b)
{
    int order = compare_number(a->action, b->action);

    order = order != 0 ? order : compare_number(a->direction, b->direction);
    order = order != 0 ? order : compare_number(a->protocol, b->protocol);
    return order != 0 ? order : compare_number(a->port, b->port);
}

static int compare_rows(const void *a, const void *b)
{
    const struct tally_row *one = a;
    const struct tally_row *other = b;
    int order = compare_ports(&one->key, &other->key);

    return order != 0 ? order : memcmp(&one->key.peer, &other->key.peer, sizeof one->key.peer);
}

static struct tally_row *sort_rows(const struct tally *tally)
{
    struct tally_row *rows = cli_memory(NULL, (tally->count + 1) * sizeof *rows);

    if (tally->count > 0) {
        memcpy(rows, tally->rows, tally->count * sizeof *rows);
        qsort(rows, tally->count, sizeof *rows, compare_rows);
    }
    return rows;
}

static void sum_up(struct row *row, const struct tally_row *other)
{
    row->peers++;
    row->sum.connections += other->connections;
    row->sum.bytes_out += other->bytes_out;
    row->sum.bytes_in += other->bytes_in;
    row->sum.has_more_processes = row->sum.has_more_processes || other->has_more_processes ||
                                  strcmp(row->sum.process, other->process) != 0;
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static void add_peer(struct cli_table *table, const struct run_config *config,
                     const struct row *row)
{
    char address[BERTH_ADDRESS_TEXT_BYTES];
    const char *name = row->sum.name;

    if (row->peers > 1) {
        cli_table_addf(table, CLI_PLAIN, "%zu peers", row->peers);
        return;
    }
    (void)berth_address_format(&row->sum.key.peer, address);
    if (run_is_host(config, &row->sum.key.peer)) {
        name = "host";
    }
    if (name == NULL) {
        cli_table_add(table, CLI_PLAIN, address);
    } else {
        cli_table_addf(table, CLI_PLAIN, "%s (%s)", name, address);
    }
}

static void add_process(struct cli_table *table, const struct tally_row *row)
{
    if (row->pid == 0) {
        cli_table_add(table, CLI_DIM, "-");
    } else {
        cli_table_addf(table, CLI_PLAIN, "%s%s", row->process,
                       row->has_more_processes ? " and others" : "");
    }
}

static void add_bytes(struct cli_table *table, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 10000) {
        cli_table_addf(table, CLI_PLAIN, "%u", (unsigned)bytes);
        return;
    }
    while (value >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    cli_table_addf(table, CLI_PLAIN, "%.1f %s", value, units[unit]);
}

static void add_port(struct cli_table *table, const struct tally_key *key)
{
    const char *service;

    if (key->protocol == BERTH_ICMP) {
        cli_table_add(table, CLI_BOLD, "icmp");
        cli_table_add(table, CLI_PLAIN, "echo");
        cli_table_add(table, CLI_PLAIN, "-");
        return;
    }
    service = berth_service_name(key->port, key->protocol == BERTH_UDP ? BERTH_TRANSPORT_UDP
                                                                       : BERTH_TRANSPORT_TCP);
    cli_table_addf(table, CLI_BOLD, "%u/%s", (unsigned)key->port,
                   berth_protocol_name((enum berth_protocol)key->protocol));
    cli_table_add(table, CLI_PLAIN, service);
    cli_table_add(table, CLI_PLAIN, berth_category_name(berth_port_category(key->port)));
}

static void add_row(struct cli_table *table, const struct run_config *config, const struct row *row)
{
    static const char *const verdicts[] = {"allowed", "refused", "dropped", "refused"};
    const struct tally_key *key = &row->sum.key;

    cli_table_add(table, CLI_PLAIN, key->direction == BERTH_OUT ? "out" : "in");
    add_port(table, key);
    add_peer(table, config, row);
    add_process(table, &row->sum);
    cli_table_addf(table, CLI_PLAIN, "%llu", (unsigned long long)row->sum.connections);
    add_bytes(table, row->sum.bytes_out);
    add_bytes(table, row->sum.bytes_in);
    cli_table_add(table, key->action == BERTH_ALLOW ? CLI_GOOD : CLI_BAD, verdicts[key->action]);
}

static void print_rows(const struct tally_row *rows, size_t count, const struct run_config *config)
{
    static const struct cli_column columns[] = {
        {"DIR", CLI_LEFT, false},     {"PORT", CLI_RIGHT, false}, {"SERVICE", CLI_LEFT, true},
        {"CATEGORY", CLI_LEFT, true}, {"PEER", CLI_LEFT, true},   {"PROCESS", CLI_LEFT, true},
        {"CONNS", CLI_RIGHT, false},  {"OUT", CLI_RIGHT, false},  {"IN", CLI_RIGHT, false},
        {"VERDICT", CLI_LEFT, false},
    };
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);

    for (size_t i = 0; i < count;) {
        size_t same = 1;
        struct row row = {rows[i], 1};

        while (i + same < count && compare_ports(&rows[i].key, &rows[i + same].key) == 0) {
            same++;
        }
        if (same > PEERS_MAX) {
            for (size_t j = 1; j < same; j++) {
                sum_up(&row, &rows[i + j]);
            }
            i += same;
        } else {
            i++;
        }
        add_row(table, config, &row);
    }
    cli_table_print(table, stderr);
    cli_table_free(table);
}

/* ---- Words that would allow it --------------------------------------------------------------- */

/* Was it refused since no rule of the user's decided? */
static bool needs_words(const struct run *run, const struct tally_row *row)
{
    bool is_undecided =
        row->rule < 0 || strcmp(run_rule_origin(run, row->rule), RUN_ASK_ORIGIN) == 0;

    return row->key.action != BERTH_ALLOW && is_undecided && !row->by_scan && !row->is_told;
}

/* The words that were printed. */
struct hints {
    char lines[HINTS_MAX][TALLY_HINT_BYTES];
    char last[TALLY_HINT_BYTES]; /* of those that are counted alone */
    size_t count;
};

/* Prints HINT unless it has been: the host by IPv4 and by IPv6, and the addresses of a name, take
 * the same words. */
static void print_hint(struct hints *hints, const char *hint)
{
    for (size_t i = 0; i < hints->count && i < HINTS_MAX; i++) {
        if (strcmp(hints->lines[i], hint) == 0) {
            return;
        }
    }
    if (strcmp(hints->last, hint) == 0) {
        return;
    }
    if (hints->count < HINTS_MAX) {
        fprintf(stderr, "  --allow '%s'\n", hint);
        memcpy(hints->lines[hints->count], hint, strlen(hint) + 1);
    } else {
        memcpy(hints->last, hint, strlen(hint) + 1);
    }
    hints->count++;
}

static void print_hints(const struct run *run, const struct run_config *config,
                        const struct tally_row *rows)
{
    size_t count = run_tally(run)->count;
    const struct berth_address gateways[2] = {config->network.gateway, config->network6.gateway};
    struct hints hints = {.count = 0};
    uint64_t refused = 0;

    for (size_t i = 0; i < count; i++) {
        if (needs_words(run, &rows[i])) {
            refused += rows[i].connections;
        }
    }
    if (refused == 0) {
        return;
    }
    cli_message("refused %llu connection%s; to allow %s next time:", (unsigned long long)refused,
                refused == 1 ? "" : "s", refused == 1 ? "it" : "them");
    for (size_t i = 0; i < count; i++) {
        char hint[TALLY_HINT_BYTES];

        if (needs_words(run, &rows[i])) {
            print_hint(&hints, tally_hint(&rows[i], gateways, 2, hint));
        }
    }
    if (hints.count > HINTS_MAX) {
        cli_message("and %zu more; --log FILE has them all", hints.count - HINTS_MAX);
    }
}

/* What the user's own rules have refused, each rule once. */
static void print_refusing_rules(const struct run *run)
{
    const struct tally *tally = run_tally(run);

    for (size_t i = 0; i < tally->count; i++) {
        const struct tally_row *row = &tally->rows[i];
        uint64_t refused = 0;
        bool is_first = true;

        if (row->key.action == BERTH_ALLOW || row->rule < 0 || needs_words(run, row)) {
            continue;
        }
        for (size_t j = 0; j < tally->count; j++) {
            bool is_same =
                tally->rows[j].key.action != BERTH_ALLOW && tally->rows[j].rule == row->rule;

            refused += is_same ? tally->rows[j].connections : 0;
            is_first = is_first && !(is_same && j < i);
        }
        if (is_first) {
            cli_message("refused %llu connection%s by the rule '%s' (%s)",
                        (unsigned long long)refused, refused == 1 ? "" : "s",
                        run_rule_text(run, row->rule), run_rule_origin(run, row->rule));
        }
    }
}

/* What is said of names that were refused for one reason. */
struct saying {
    const char *before;
    const char *after;
};

static const struct saying sayings[NAME_REFUSALS] = {
    [NAME_REFUSED_RULES] = {"did not resolve", "no rule lets a connection there out"},
    [NAME_REFUSED_UNNAMED] = {"did not ask for", "that takes a rule that names it"},
    [NAME_REFUSED_TYPE] = {"did not ask for", "what opens no connection is not resolved"},
    [NAME_REFUSED_ADDRESS] = {"did not pass on the address of",
                              "it is not out in the network, and no rule goes by it"},
    [NAME_REFUSED_SERVER] = {"ended connections that asked for", "that is another server"},
    [NAME_REFUSED_HIDDEN] = {"ended connections to",
                             "they began such that the server's name could not be told"},
};

static void print_name_hints(const struct tally *tally, enum name_refusal why)
{
    for (size_t i = 0; i < tally->name_count; i++) {
        const struct tally_name *name = &tally->names[i];
        bool is_first = name->why == why && *name->hint != '\0';

        for (size_t j = 0; j < i && is_first; j++) {
            is_first = tally->names[j].why != why || strcmp(tally->names[j].hint, name->hint) != 0;
        }
        if (is_first) {
            fprintf(stderr, "  --allow '%s'\n", name->hint);
        }
    }
}

/* The names that were refused for the reason WHY, and the words that would allow them. */
static void print_names(const struct tally *tally, enum name_refusal why)
{
    char line[CELL_BYTES] = "";
    size_t used = 0;
    size_t shown = 0;
    bool is_cut = false;
    bool has_hint = false;

    if (tally->names_refused[why] == 0) {
        return;
    }
    for (size_t i = 0; i < tally->name_count; i++) {
        const struct tally_name *name = &tally->names[i];

        if (name->why != why) {
            continue;
        }
        has_hint = has_hint || *name->hint != '\0';
        is_cut = is_cut || used + strlen(name->detail) + 2 >= sizeof line;
        if (!is_cut) {
            used += (size_t)snprintf(line + used, sizeof line - used, "%s%s",
                                     shown++ == 0 ? "" : ", ", name->detail);
        }
    }
    cli_message("%s %s%s: %s%s", sayings[why].before, line,
                is_cut || tally->name_count == TALLY_NAMES_MAX ? " and others" : "",
                sayings[why].after, has_hint ? "; to allow connections there next time:" : "");
    print_name_hints(tally, why);
}

static void print_scans(const struct run *run)
{
    uint64_t count = run_scan_count(run);
    uint64_t first = count > RUN_SCANS_MAX ? count - RUN_SCANS_MAX : 0;

    if (first > 0) {
        cli_message("%llu scans were said of before these:", (unsigned long long)first);
    }
    for (uint64_t i = first; i < count; i++) {
        cli_message("%s", run_scan_at(run, i)->text);
    }
}

void run_print_table(const struct run *run, const struct run_config *config)
{
    const struct tally *tally = run_tally(run);
    struct tally_row *rows = sort_rows(tally);
    uint64_t lost = run_refusals_lost(run) + tally->uncounted;

    print_rows(rows, tally->count, config);
    if (lost > 0) {
        cli_message("%llu more are not in the table: they came too fast, or from too many peers",
                    (unsigned long long)lost);
    }
    print_scans(run);
    for (int why = 0; why < NAME_REFUSALS; why++) {
        print_names(tally, (enum name_refusal)why);
    }
    print_refusing_rules(run);
    print_hints(run, config, rows);
    free(rows);
}
