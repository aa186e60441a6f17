/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_check.c: `berth rules check`: mistakes, and what a person should know of rules that
 * are right: those that never decide, and those that slip past a denial.
 *
 * Invariant 1: a file is good, and counts its rules, or its mistakes are said; warnings never
 * change the exit status.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/rules.h"
#include "firewall/rule.h"

#define PAIRS_MAX 50000000U /* comparisons of two rules: what a second or two is enough for */

/* One file under check. */
struct checking {
    const char *path;
    struct cli_policy *policy;
    struct firewall *firewall;
    json_t *mistakes; /* NULL: mistakes and warnings are said */
    json_t *warnings;
};

static void add_mistake(void *context, const char *path, const struct berth_rules_error *error)
{
    struct checking *checking = context;
    json_t *object = cli_json_object();

    cli_json_put(object, "file", cli_json_text(path));
    cli_json_put_number(object, "line", error->line);
    cli_json_put_number(object, "column", error->column);
    cli_json_put(object, "word", cli_json_text(error->word));
    cli_json_put(object, "expected", cli_json_text(error->expected));
    cli_json_append(checking->mistakes, object);
}

/* Does rule INDEX name a single address? It might be the host's own, which no check knows. */
static bool has_single_peer(const struct firewall *firewall, uint32_t index)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    const struct firewall_rule *rule = &set->rules[index];

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        const struct firewall_peer *peer = &set->peers[rule->peers_at + i];

        if (peer->kind == FIREWALL_PEER_PREFIX && peer->prefix.bits == 128) {
            return true;
        }
    }
    return false;
}

/* Where rule INDEX stands, which may be in a file that the one under check includes. */
struct place {
    const char *file;
    uint32_t line;
};

static struct place find_place(const struct checking *checking, uint32_t index)
{
    struct place place = {0};

    place.file = cli_policy_file(checking->policy, firewall_rule_line(checking->firewall, index),
                                 &place.line);
    return place;
}

static void say_warning(const struct checking *checking, uint32_t index, uint32_t other,
                        bool never_decides)
{
    struct place place = find_place(checking, index);
    struct place before = find_place(checking, other);
    const char *text = firewall_rule_text(checking->firewall, index);
    const char *other_text = firewall_rule_text(checking->firewall, other);
    char where[CLI_POLICY_ORIGIN_BYTES];

    if (strcmp(place.file, before.file) == 0) {
        (void)snprintf(where, sizeof where, "line %u", before.line);
    } else {
        (void)snprintf(where, sizeof where, "%s:%u", before.file, before.line);
    }
    if (never_decides) {
        cli_message("%s:%u: warning: '%s' never decides: '%s' of %s matches before it%s",
                    place.file, place.line, text, other_text, where,
                    has_single_peer(checking->firewall, index)
                        ? ", unless its peer is an address of the host's own"
                        : "");
    } else {
        cli_message("%s:%u: warning: '%s' is not stopped by '%s' of %s, which matches the "
                    "host's and other special addresses only if it names them",
                    place.file, place.line, text, other_text, where);
    }
}

/* What is to be known of rule INDEX, because of the earlier rule OTHER. */
static void warn(const struct checking *checking, uint32_t index, uint32_t other,
                 bool never_decides)
{
    struct place place = find_place(checking, index);
    struct place before = find_place(checking, other);
    json_t *object;

    if (checking->warnings == NULL) {
        say_warning(checking, index, other, never_decides);
        return;
    }
    object = cli_json_object();
    cli_json_put(object, "kind", cli_json_text(never_decides ? "never_decides" : "not_stopped"));
    cli_json_put(object, "file", cli_json_text(place.file));
    cli_json_put_number(object, "line", place.line);
    cli_json_put(object, "rule", cli_json_text(firewall_rule_text(checking->firewall, index)));
    cli_json_put(object, "other_file", cli_json_text(before.file));
    cli_json_put_number(object, "other_line", before.line);
    cli_json_put(object, "other_rule",
                 cli_json_text(firewall_rule_text(checking->firewall, other)));
    cli_json_append(checking->warnings, object);
}

static void find_warnings(const struct checking *checking)
{
    uint32_t count = firewall_rule_count(checking->firewall);
    uint32_t pairs = 0;

    for (uint32_t i = 0; i < count && pairs < PAIRS_MAX; i++) {
        int32_t covers = firewall_covered_by(checking->firewall, i);
        int32_t passed = covers >= 0 ? -1 : firewall_slips_past(checking->firewall, i);

        pairs += 2 * i;
        if (covers >= 0 || passed >= 0) {
            warn(checking, i, (uint32_t)(covers >= 0 ? covers : passed), covers >= 0);
        }
    }
}

static int check_file(struct checking *checking)
{
    struct cli_policy_ear ear = cli_policy_stderr;

    if (checking->mistakes != NULL) {
        ear.context = checking;
        ear.on_mistake = add_mistake;
    }
    if (cli_policy_add_file(checking->policy, checking->path, &ear) != 0) {
        return CLI_ERROR;
    }
    checking->firewall = cli_policy_firewall(checking->policy);
    find_warnings(checking);
    return CLI_OK;
}

static void print_text(const struct checking *checking)
{
    uint32_t count = firewall_rule_count(checking->firewall);

    cli_print_line("%s: %u rule%s", checking->path, count, count == 1 ? "" : "s");
}

static json_t *make_object(const struct checking *checking)
{
    json_t *object = cli_json_object();
    uint32_t count = checking->firewall == NULL ? 0 : firewall_rule_count(checking->firewall);

    cli_json_put(object, "file", cli_json_text(checking->path));
    cli_json_put(object, "ok", json_boolean(checking->firewall != NULL));
    cli_json_put_number(object, "rules", count);
    cli_json_put(object, "mistakes", checking->mistakes);
    cli_json_put(object, "warnings", checking->warnings);
    return object;
}

int rules_check(char **files, int count, bool is_json)
{
    json_t *array = is_json ? cli_json_array() : NULL;
    int status = CLI_OK;

    for (int i = 0; i < count; i++) {
        struct checking checking = {.path = files[i], .policy = cli_policy_new()};

        if (is_json) {
            checking.mistakes = cli_json_array();
            checking.warnings = cli_json_array();
        }
        if (check_file(&checking) != CLI_OK) {
            status = CLI_ERROR;
        } else if (!is_json) {
            print_text(&checking);
        }
        if (is_json) {
            cli_json_append(array, make_object(&checking));
        }
        cli_policy_firewall_free(checking.firewall);
        cli_policy_free(checking.policy);
    }
    if (is_json) {
        cli_json_print(array, stdout);
    }
    return status;
}
