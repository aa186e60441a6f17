/* SPDX-License-Identifier: MIT */
/*
 * cli/policy.c: see cli/policy.h.
 *
 * 1. The text of a policy is right: each part was loaded by a firewall before it was added, and
 *    each ends with a line end.
 * 2. Parts stand in the order in which they count.
 */
#include "cli/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/policy_file.h"
#include "firewall/firewall.h"
#include "firewall/lexer.h"

#define GATEWAYS_MAX 16 /* what a firewall of berth rules' own can be told */
#define NAMES_MAX    64

/* A file, or one rule of the command line. */
struct part {
    struct policy_file *file; /* NULL: a rule of the command line */
    char *rule;               /* the text of that; ends with a line end */
    const char *text;         /* of either */
    size_t bytes;
    uint32_t lines;
    const char *origin; /* "--allow" */
    const char *words;
};

struct cli_policy {
    struct part *parts;
    size_t count;
    size_t files; /* so many of the parts stand in front */
    char *text;   /* all parts; NULL: to be made */
    size_t bytes;
};

/* A firewall with its memory. */
struct owned {
    struct firewall firewall; /* first: the address of both */
    void *memory;
};

/* ---- Firewalls of a text's size ------------------------------------------------------------- */

static struct firewall *make_firewall(const char *text, size_t bytes)
{
    struct owned *owned = cli_memory(NULL, sizeof *owned);
    struct arena arena;
    struct firewall_limits limits = {.addresses = GATEWAYS_MAX, .names = NAMES_MAX};

    firewall_measure(text, bytes, &limits);
    arena_init(&arena, NULL, 0);
    firewall_init(&owned->firewall, &arena, &limits);
    owned->memory = calloc(1, arena.used);
    if (owned->memory == NULL) {
        cli_message("out of memory");
        exit(CLI_ERROR);
    }
    arena_init(&arena, owned->memory, arena.used);
    firewall_init(&owned->firewall, &arena, &limits);
    return &owned->firewall;
}

void cli_policy_firewall_free(struct firewall *firewall)
{
    struct owned *owned = (struct owned *)firewall;

    if (owned != NULL) {
        free(owned->memory);
        free(owned);
    }
}

struct firewall *cli_policy_firewall(struct cli_policy *policy)
{
    size_t bytes;
    const char *text = cli_policy_text(policy, &bytes);
    struct firewall *firewall = make_firewall(text, bytes);
    struct berth_rules_error error;

    if (firewall_load(firewall, text, bytes, &error) != BERTH_OK) {
        cli_message("rules: line %u: '%s': expected %s", error.line, error.word, error.expected);
        exit(CLI_ERROR);
    }
    return firewall;
}

/* ---- Parts ---------------------------------------------------------------------------------- */

struct cli_policy *cli_policy_new(void)
{
    struct cli_policy *policy = cli_memory(NULL, sizeof *policy);

    *policy = (struct cli_policy){0};
    return policy;
}

void cli_policy_free(struct cli_policy *policy)
{
    if (policy == NULL) {
        return;
    }
    for (size_t i = 0; i < policy->count; i++) {
        policy_file_free(policy->parts[i].file);
        free(policy->parts[i].rule);
    }
    free(policy->parts);
    free(policy->text);
    free(policy);
}

static void add_part(struct cli_policy *policy, struct part part)
{
    size_t at = part.file != NULL ? policy->files : policy->count;

    for (size_t i = 0; i < part.bytes; i++) {
        part.lines += part.text[i] == '\n';
    }
    policy->parts = cli_memory(policy->parts, (policy->count + 1) * sizeof part);
    memmove(&policy->parts[at + 1], &policy->parts[at], (policy->count - at) * sizeof part);
    policy->parts[at] = part;
    policy->count++;
    policy->files += part.file != NULL;
    free(policy->text);
    policy->text = NULL;
}

const char *cli_policy_text(struct cli_policy *policy, size_t *bytes)
{
    if (policy->text == NULL) {
        policy->bytes = 0;
        for (size_t i = 0; i < policy->count; i++) {
            policy->bytes += policy->parts[i].bytes;
        }
        policy->text = cli_memory(NULL, policy->bytes + 1);
        policy->bytes = 0;
        for (size_t i = 0; i < policy->count; i++) {
            memcpy(policy->text + policy->bytes, policy->parts[i].text, policy->parts[i].bytes);
            policy->bytes += policy->parts[i].bytes;
        }
        policy->text[policy->bytes] = '\0';
    }
    *bytes = policy->bytes;
    return policy->text;
}

void cli_policy_limits(struct cli_policy *policy, uint32_t *rules, uint32_t *rule_bytes)
{
    size_t bytes;
    const char *text = cli_policy_text(policy, &bytes);
    struct firewall_limits limits;

    firewall_measure(text, bytes, &limits);
    *rules = limits.rules;
    *rule_bytes = limits.rule_bytes;
}

/* The part that LINE (from 1) of the text is in, and its line there. */
static const struct part *find_part(const struct cli_policy *policy, uint32_t line,
                                    uint32_t *inside)
{
    uint32_t before = 0;

    for (size_t i = 0; i < policy->count; i++) {
        if (line - before <= policy->parts[i].lines) {
            *inside = line - before;
            return &policy->parts[i];
        }
        before += policy->parts[i].lines;
    }
    return NULL;
}

const char *cli_policy_file(const struct cli_policy *policy, uint32_t line, uint32_t *file_line)
{
    const struct part *part = find_part(policy, line, file_line);

    return part == NULL || part->file == NULL ? NULL
                                              : policy_file_find(part->file, *file_line, file_line);
}

char *cli_policy_origin(const struct cli_policy *policy, uint32_t line,
                        char out[CLI_POLICY_ORIGIN_BYTES])
{
    uint32_t inside;
    const struct part *part = find_part(policy, line, &inside);
    const char *file = cli_policy_file(policy, line, &inside);

    if (part == NULL) {
        out[0] = '\0';
    } else if (file != NULL) {
        (void)snprintf(out, CLI_POLICY_ORIGIN_BYTES, "%s:%u", file, inside);
    } else {
        (void)snprintf(out, CLI_POLICY_ORIGIN_BYTES, "%s '%s'", part->origin, part->words);
    }
    return out;
}

/* ---- Rules of the command line -------------------------------------------------------------- */

static void complain(const struct berth_rules_error *error, struct cli_complaint *complaint)
{
    bool is_end = strcmp(error->word, "end of line") == 0;

    (void)snprintf(complaint->word, sizeof complaint->word, "%s", is_end ? "" : error->word);
    (void)snprintf(complaint->expected, sizeof complaint->expected, "%s%s", error->expected,
                   is_end ? " at its end" : "");
}

bool cli_policy_add_rule(struct cli_policy *policy, const char *origin, const char *action,
                         const char *words, struct cli_complaint *complaint)
{
    size_t room = strlen(action) + strlen(words) + 3;
    struct part part = {.origin = origin, .words = words};
    struct berth_rules_error error;
    struct firewall *firewall;
    int status;

    if (strpbrk(words, "\n#") != NULL) {
        (void)snprintf(complaint->expected, sizeof complaint->expected,
                       "one rule, without a line break or comment");
        return false;
    }
    part.rule = cli_memory(NULL, room);
    part.text = part.rule;
    part.bytes = (size_t)snprintf(part.rule, room, "%s %s\n", action, words);
    firewall = make_firewall(part.text, part.bytes);
    status = firewall_load(firewall, part.text, part.bytes, &error);
    cli_policy_firewall_free(firewall);
    if (status != BERTH_OK) {
        complain(&error, complaint);
        free(part.rule);
        return false;
    }
    add_part(policy, part);
    return true;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void say_mistake(void *context, const char *path, const struct berth_rules_error *error)
{
    (void)context;
    cli_message("%s:%u:%u: '%s': expected %s", path, error->line, error->column, error->word,
                error->expected);
}

static void say_unreadable(void *context, const char *path, const char *why)
{
    (void)context;
    cli_message("%s: cannot be read: %s", path, why);
}

const struct cli_policy_ear cli_policy_stderr = {.on_mistake = say_mistake,
                                                 .on_unreadable = say_unreadable};

/* Makes LINE (from 1) of TEXT blank, so that the mistakes after it are found. */
static void blank_line(char *text, size_t bytes, uint32_t line)
{
    size_t at = 0;

    for (uint32_t i = 1; i < line && at < bytes; at++) {
        i += text[at] == '\n';
    }
    for (; at < bytes && text[at] != '\n'; at++) {
        text[at] = ' ';
    }
}

/* Is LINE of TEXT one of a group's? What uses a group that is wrong cannot be judged. */
static bool is_in_group(const char *text, size_t bytes, uint32_t line)
{
    struct firewall_lexer lexer;
    bool is_group = false;

    firewall_lexer_init(&lexer, text, bytes);
    while (firewall_lexer_next_rule(&lexer) && lexer.line <= line) {
        firewall_lexer_skip(&lexer);
        is_group = lexer.is_group && lexer.line >= line;
    }
    return is_group;
}

/* What is wrong with the rules of FILE, which is all there. How many mistakes. */
static int find_mistakes(const struct policy_file *file, const struct cli_policy_ear *ear)
{
    size_t bytes;
    const char *right = policy_file_text(file, &bytes);
    char *text = memcpy(cli_memory(NULL, bytes), right, bytes);
    struct firewall *firewall = make_firewall(text, bytes);
    struct berth_rules_error error;
    int mistakes = 0;

    while (mistakes < CLI_POLICY_MISTAKES_MAX &&
           firewall_load(firewall, text, bytes, &error) != BERTH_OK) {
        struct berth_rules_error told = error;

        ear->on_mistake(ear->context, policy_file_find(file, error.line, &told.line), &told);
        mistakes++;
        if (is_in_group(text, bytes, error.line)) {
            break;
        }
        blank_line(text, bytes, error.line);
    }
    cli_policy_firewall_free(firewall);
    free(text);
    return mistakes;
}

static void add_file(struct cli_policy *policy, struct policy_file *file)
{
    struct part part = {.file = file};

    part.text = policy_file_text(file, &part.bytes);
    add_part(policy, part);
}

/* PATH in a message. */
static const char *name_of(const char *path)
{
    if (*path == '\0') {
        return "''";
    }
    return strcmp(path, "-") == 0 ? CLI_POLICY_INPUT : path;
}

static int read_file(struct cli_policy *policy, const char *path, bool is_again,
                     const struct cli_policy_ear *ear)
{
    struct policy_file *file;
    const char *why = "";
    int mistakes = policy_file_read(&file, path, is_again, ear, &why);

    if (mistakes < 0) {
        ear->on_unreadable(ear->context, name_of(path), why);
    }
    if (mistakes != 0) {
        return mistakes;
    }
    mistakes = find_mistakes(file, ear);
    if (mistakes == 0) {
        add_file(policy, file);
    } else {
        policy_file_free(file);
    }
    return mistakes;
}

int cli_policy_add_file(struct cli_policy *policy, const char *path,
                        const struct cli_policy_ear *ear)
{
    return read_file(policy, path, false, ear == NULL ? &cli_policy_stderr : ear);
}

/* ---- Once more ------------------------------------------------------------------------------- */

static void copy_rule(struct cli_policy *policy, const struct part *part)
{
    struct part copy = *part;

    copy.rule = memcpy(cli_memory(NULL, part->bytes), part->rule, part->bytes);
    copy.text = copy.rule;
    copy.lines = 0;
    add_part(policy, copy);
}

struct cli_policy *cli_policy_again(const struct cli_policy *policy,
                                    const struct cli_policy_ear *ear)
{
    struct cli_policy *again = cli_policy_new();
    bool is_right = true;

    for (size_t i = 0; i < policy->count; i++) {
        const struct part *part = &policy->parts[i];

        if (part->file == NULL) {
            copy_rule(again, part);
        } else if (!policy_file_may_change(part->file)) {
            add_file(again, policy_file_share(part->file));
        } else if (read_file(again, policy_file_path(part->file), true, ear) != 0) {
            is_right = false;
        }
    }
    if (!is_right) {
        cli_policy_free(again);
        return NULL;
    }
    return again;
}

bool cli_policy_may_change(const struct cli_policy *policy)
{
    for (size_t i = 0; i < policy->files; i++) {
        if (policy_file_may_change(policy->parts[i].file)) {
            return true;
        }
    }
    return false;
}
