/* SPDX-License-Identifier: MIT */
/*
 * cli/rules.h: between the files of `berth rules`: rules.c reads the command line, rules_check.c,
 * rules_explain.c, rules_export.c and rules_reload.c answer, rules_query.c reads what is asked.
 */
#ifndef BERTH_CLI_RULES_H
#define BERTH_CLI_RULES_H

#include "cli/policy.h"

#define RULES_QUERIES_MAX 64 /* connections that one question asks about */
#define RULES_HOST_MAX    64 /* --host */

struct rules_settings {
    struct cli_policy *policy; /* --policy, --allow, --deny */
    struct berth_address host[RULES_HOST_MAX];
    size_t host_count;
    bool is_policy_bad; /* a file of --policy was, and it has been said */
    bool has_policy;    /* any of --policy, --allow, --deny */
    int target;         /* --to: enum export_target; -1: not said */
    bool is_json;
};

/* What is asked about. */
struct rules_query {
    struct berth_contact_query contact; /* without a process; without a peer where it has a name */
    char name[BERTH_NAME_BYTES];        /* "": the peer is an address */
    char process[BERTH_PROCESS_NAME_BYTES]; /* "": not said */
};

/* rules_query.c: TEXT, a connection or a service, in *OUT: one query for each protocol and port
 * that it names. `host` is HOST. How many; 0: *COMPLAINT says why. */
size_t rules_query_parse(const char *text, const struct berth_address *host,
                         struct rules_query out[RULES_QUERIES_MAX],
                         struct cli_complaint *complaint);

/* rules_check.c: the exit status. */
int rules_check(char **files, int count, bool is_json);
/* rules_explain.c: the exit status. QUERIES: of rules_query_parse. */
int rules_explain(const struct rules_settings *settings, const struct rules_query *queries,
                  size_t count);
/* rules_reload.c: the run of process PID, 0: all of this user's, reads its files again. The exit
 * status. */
int rules_reload_runs(int pid, bool is_json);
/* rules_export.c: the rules of the file PATH in the words of settings->target. The exit status. */
int rules_export(struct rules_settings *settings, const char *path);

#endif
