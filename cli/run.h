/* SPDX-License-Identifier: MIT */
/*
 * cli/run.h: between the files of `berth run`: run.c reads the command line and runs,
 * run_values.c reads the values of its options, run_rules.c puts its rules together, run_table.c
 * prints the closing table.
 */
#ifndef BERTH_CLI_RUN_H
#define BERTH_CLI_RUN_H

#include <stdbool.h>

#include "cli/options.h"
#include "cli/policy.h"
#include "run/run.h"

/* ---- run_values.c: pure; false: *COMPLAINT says why ----------------------------------------- */

/* "[ADDR:]PORT[-PORT][:PORT[-PORT]][/tcp|/udp]". */
bool run_parse_publish(const char *text, struct run_publish *out, struct cli_complaint *complaint);
/* "NAME=ADDRESS"; the name, cut off, without a dot at its end, is the caller's to free. */
bool run_parse_host(const char *text, struct launch_host *out, struct cli_complaint *complaint);
/* A network's prefix, and the addresses in it: gateway the second, resolver the third, program the
 * hundredth (IPv4; the last where there are fewer) or the 256th (IPv6). */
bool run_parse_network(const char *text, struct launch_network *out, struct berth_address *resolver,
                       struct cli_complaint *complaint);
bool run_parse_network6(const char *text, struct launch_network *out,
                        struct berth_address *resolver, struct cli_complaint *complaint);

/* ---- run_rules.c ----------------------------------------------------------------------------- */

struct run_rules_text {
    char *bytes;
    size_t used;
    uint32_t own; /* lines before the policy's: berth's */
    uint32_t policy_lines;
    uint32_t published; /* lines after them: implied by --publish; then the rest's */
};

/* The first members are the command line's. */
struct run_rules {
    struct cli_policy **policy; /* becomes another when files are read again */
    struct berth_address resolver;
    struct berth_address resolver6;
    bool has_resolver;
    const struct run_publish *publishes;
    size_t publish_count;
    const char *rest; /* rules behind all others, each with its line end */
    const char *rest_origin;

    struct run_rules_text text;
    struct run_rules_text next_text; /* while it is not known whether it will be taken */
    struct cli_policy *next_policy;
    char origin[CLI_POLICY_ORIGIN_BYTES];
};

/* Fills what CONFIG has of rules; RULES lives until the run is freed. */
void run_rules_make(struct run_rules *rules, struct run_config *config);
void run_rules_done(struct run_rules *rules);

/* Is ADDRESS what rules call "host"? */
static inline bool run_is_host(const struct run_config *config, const struct berth_address *address)
{
    return berth_address_is_equal(address, &config->network.gateway) ||
           berth_address_is_equal(address, &config->network6.gateway);
}

#define RUN_ASK_ORIGIN "--default ask"

/* ---- run_table.c ----------------------------------------------------------------------------- */

/* Prints what RUN has used and been refused on standard error. */
void run_print_table(const struct run *run, const struct run_config *config);

#endif
