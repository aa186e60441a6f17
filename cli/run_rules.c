/* SPDX-License-Identifier: MIT */
/*
 * cli/run_rules.c: see cli/run.h: the rules of a run as one text, in the order in which they count:
 * how the program reaches its resolver; the policy (files, then options); what --publish implies;
 * what becomes of the rest. On request the same once more, with the files as they are by then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/run.h"
#include "run/rules.h"

enum {
    LINE_BYTES = 160, /* of a rule that is made here */
    /* Room for files that grow while the program runs. */
    MORE_RULES = 4096,
    MORE_BYTES = 256 * 1024,
};

/* ---- One text -------------------------------------------------------------------------------- */

static void append(struct run_rules_text *text, const char *bytes, size_t count)
{
    text->bytes = cli_memory(text->bytes, text->used + count + 1);
    memcpy(text->bytes + text->used, bytes, count);
    text->used += count;
    text->bytes[text->used] = '\0';
}

/* How the program reaches its resolver. */
static uint32_t append_own(struct run_rules_text *text, const struct run_rules *rules)
{
    char v4[BERTH_ADDRESS_TEXT_BYTES];
    char v6[BERTH_ADDRESS_TEXT_BYTES];
    char line[LINE_BYTES];

    if (!rules->has_resolver) {
        return 0;
    }
    (void)snprintf(line, sizeof line, "allow out 53/udp,53/tcp to %s,%s\n",
                   berth_address_format(&rules->resolver, v4),
                   berth_address_format(&rules->resolver6, v6));
    append(text, line, strlen(line));
    return 1;
}

static uint32_t append_policy(struct run_rules_text *text, struct cli_policy *policy)
{
    size_t bytes;
    const char *rules = cli_policy_text(policy, &bytes);
    uint32_t lines = 0;

    append(text, rules, bytes);
    for (size_t i = 0; i < bytes; i++) {
        lines += rules[i] == '\n';
    }
    return lines;
}

/* What --publish implies: whoever reaches the host's port reaches the program's. */
static uint32_t append_published(struct run_rules_text *text, const struct run_rules *rules)
{
    for (size_t i = 0; i < rules->publish_count; i++) {
        const struct run_publish *publish = &rules->publishes[i];
        char line[LINE_BYTES];

        (void)snprintf(
            line, sizeof line, "allow in %u-%u/%s from any,host,169.254.0.0/16,fe80::/10\n",
            (unsigned)publish->program_first,
            (unsigned)(publish->program_first + publish->host_last - publish->host_first),
            berth_protocol_name(publish->protocol));
        append(text, line, strlen(line));
    }
    return (uint32_t)rules->publish_count;
}

static struct run_rules_text make_text(const struct run_rules *rules, struct cli_policy *policy)
{
    struct run_rules_text text = {0};

    append(&text, "", 0);
    text.own = append_own(&text, rules);
    text.policy_lines = append_policy(&text, policy);
    text.published = append_published(&text, rules);
    append(&text, rules->rest, strlen(rules->rest));
    return text;
}

/* ---- Where its lines come from --------------------------------------------------------------- */

static const char *origin_of(void *context, uint32_t line)
{
    struct run_rules *rules = context;
    uint32_t own = rules->text.own;
    uint32_t policy = own + rules->text.policy_lines;

    if (line <= own) {
        return "berth";
    }
    if (line <= policy) {
        return cli_policy_origin(*rules->policy, line - own, rules->origin);
    }
    if (line <= policy + rules->text.published) {
        (void)snprintf(rules->origin, sizeof rules->origin, "--publish '%s'",
                       rules->publishes[line - policy - 1].word);
        return rules->origin;
    }
    return rules->rest_origin;
}

static const char *file_of(void *context, uint32_t line, uint32_t *file_line)
{
    const struct run_rules *rules = context;
    uint32_t own = rules->text.own;
    const char *file = NULL;

    if (line > own && line <= own + rules->text.policy_lines) {
        file = cli_policy_file(*rules->policy, line - own, file_line);
    }
    return file != NULL && strcmp(file, CLI_POLICY_INPUT) == 0 ? NULL : file;
}

/* ---- Once more ------------------------------------------------------------------------------- */

static void tell_mistake(void *context, const char *path, const struct berth_rules_error *error)
{
    rules_answer_add(context, "%s:%u:%u: '%s': expected %s", path, error->line, error->column,
                     error->word, error->expected);
}

static void tell_unreadable(void *context, const char *path, const char *why)
{
    rules_answer_add(context, "%s: cannot be read: %s", path, why);
}

static bool read_again(void *context, struct rules_answer *answer, const char **text, size_t *bytes)
{
    struct run_rules *rules = context;
    const struct cli_policy_ear ear = {
        .context = answer, .on_mistake = tell_mistake, .on_unreadable = tell_unreadable};

    rules->next_policy = cli_policy_again(*rules->policy, &ear);
    if (rules->next_policy == NULL) {
        return false;
    }
    rules->next_text = make_text(rules, rules->next_policy);
    *text = rules->next_text.bytes;
    *bytes = rules->next_text.used;
    return true;
}

static void on_taken(void *context, bool is_taken)
{
    struct run_rules *rules = context;

    if (is_taken) {
        cli_policy_free(*rules->policy);
        free(rules->text.bytes);
        *rules->policy = rules->next_policy;
        rules->text = rules->next_text;
    } else {
        cli_policy_free(rules->next_policy);
        free(rules->next_text.bytes);
    }
    rules->next_policy = NULL;
    rules->next_text = (struct run_rules_text){0};
}

/* ---- For the run ----------------------------------------------------------------------------- */

void run_rules_make(struct run_rules *rules, struct run_config *config)
{
    bool may_change = cli_policy_may_change(*rules->policy);
    size_t lines = rules->publish_count + 4;

    rules->text = make_text(rules, *rules->policy);
    config->rules = rules->text.bytes;
    config->rules_bytes = rules->text.used;
    config->rules_owner = (struct run_rules_owner){.context = rules,
                                                   .origin = origin_of,
                                                   .file = file_of,
                                                   .again = may_change ? read_again : NULL,
                                                   .taken = on_taken};
    cli_policy_limits(*rules->policy, &config->rules_max, &config->rule_bytes_max);
    if (may_change) {
        config->rules_max = config->rules_max * 2 + MORE_RULES;
        config->rule_bytes_max = config->rule_bytes_max * 2 + MORE_BYTES;
    }
    config->rules_max += (uint32_t)lines;
    config->rule_bytes_max += (uint32_t)(lines * LINE_BYTES + strlen(rules->rest));
}

void run_rules_done(struct run_rules *rules)
{
    free(rules->text.bytes);
    rules->text = (struct run_rules_text){0};
}
