/* SPDX-License-Identifier: MIT */
/*
 * cli/policy.h: the rules that a command line gives, from files and from options, as one text in
 * the order in which they count: the files' first, then the options', each in their order.
 *
 * What is added is checked at once, with the whole language, so that a mistake is said while it is
 * known whose it is. `berth run` loads the text into its stack, `berth rules` into a firewall of
 * its own.
 */
#ifndef BERTH_CLI_POLICY_H
#define BERTH_CLI_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/firewall.h>

#include "cli/options.h"

struct firewall;

#define CLI_POLICY_INPUT        "standard input" /* what stands for it where a path would */
#define CLI_POLICY_ORIGIN_BYTES 4200             /* a path, a line, and what stands round them */
#define CLI_POLICY_MISTAKES_MAX 20               /* that are told of one file and its includes */

struct cli_policy;

struct cli_policy *cli_policy_new(void);
void cli_policy_free(struct cli_policy *policy);

/* Who is told what is wrong with a file. */
struct cli_policy_ear {
    void *context;
    void (*on_mistake)(void *context, const char *path, const struct berth_rules_error *error);
    void (*on_unreadable)(void *context, const char *path, const char *why);
};
extern const struct cli_policy_ear cli_policy_stderr; /* cli_message */

/*
 * Adds the rules of the file PATH ("-": standard input). EAR (NULL: cli_policy_stderr) is told that
 * it cannot be read, or every mistake (the first CLI_POLICY_MISTAKES_MAX). The number of those; -1:
 * PATH cannot be read. Nothing is added where there is a mistake.
 */
int cli_policy_add_file(struct cli_policy *policy, const char *path,
                        const struct cli_policy_ear *ear);

/*
 * Adds one rule: ACTION ("allow" or "deny") and its other words, as after --allow. ORIGIN
 * (borrowed as long as the policy lives) names where it comes from: "--allow". False, and nothing
 * added: *COMPLAINT says why.
 */
bool cli_policy_add_rule(struct cli_policy *policy, const char *origin, const char *action,
                         const char *words, struct cli_complaint *complaint);

/* POLICY once more, its files as they are now; those that cannot be read twice, and the rules of
 * the command line, as they were. NULL: EAR was told what is wrong. */
struct cli_policy *cli_policy_again(const struct cli_policy *policy,
                                    const struct cli_policy_ear *ear);
/* Has it files that may change? */
bool cli_policy_may_change(const struct cli_policy *policy);

/* All rules, one a line, for berth_rules_load. Borrowed until the policy changes. */
const char *cli_policy_text(struct cli_policy *policy, size_t *bytes);
/* The limits that a stack needs to load them. */
void cli_policy_limits(struct cli_policy *policy, uint32_t *rules, uint32_t *rule_bytes);
/* Where LINE of the text comes from: "policy.txt:3", "--allow 'out https'". Returns OUT. */
char *cli_policy_origin(const struct cli_policy *policy, uint32_t line,
                        char out[CLI_POLICY_ORIGIN_BYTES]);
/* The same in parts: the file's path, NULL for a rule of the command line; the line in the file. */
const char *cli_policy_file(const struct cli_policy *policy, uint32_t line, uint32_t *file_line);

/* The policy in a firewall: no gateway (it takes 16), no address of the host yet. Free with the
 * next. */
struct firewall *cli_policy_firewall(struct cli_policy *policy);
void cli_policy_firewall_free(struct firewall *firewall);

#endif
