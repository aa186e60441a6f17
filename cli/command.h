/* SPDX-License-Identifier: MIT */
/*
 * cli/command.h: what a command of berth is, and how one is added.
 *
 * A command lives in cli/NAME.c and has one entry, cli_NAME_main. It is declared here and listed
 * once, in the table of cli/main.c; from there come `berth --help`, the dispatch and the answer to
 * a command that does not exist. A command that does not work yet is not listed.
 *
 * The shape of a command (options.h says more):
 *
 *     struct settings {
 *         bool json;
 *         uint64_t runs;
 *     };
 *
 *     static const struct cli_option options[] = {
 *         {.name = "runs", .kind = CLI_NUMBER, .value = "N", .min = 1, .max = 1000000,
 *          .offset = offsetof(struct settings, runs), .help = "how many runs; 1 unless said"},
 *         {.name = "json", .kind = CLI_FLAG, .offset = offsetof(struct settings, json),
 *          .help = "one JSON document"},
 *     };
 *
 *     static const struct cli_options usage = {
 *         .command = "berth sim", .usage = "[OPTION]...", .about = "...", .notes = "...",
 *         .options = options, .count = sizeof options / sizeof options[0],
 *     };
 *
 *     int cli_sim_main(int argc, char **argv)
 *     {
 *         struct settings settings = {.runs = 1};
 *         struct cli_words operands;
 *         int status = cli_options_parse(&usage, argc, argv, &settings, &operands);
 *
 *         if (status >= 0) {
 *             return status;
 *         }
 *         ...
 *     }
 *
 * Invariants:
 * 1. What a command was asked for goes to standard output, everything else to standard error,
 *    by cli_message (message.h).
 * 2. A bad option or operand is found before anything is done or printed.
 */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

/* Exit statuses. `berth run` has its own, those of its program. */
enum cli_status {
    CLI_OK = 0,      /* done; found */
    CLI_NOTHING = 1, /* done, and the answer is no: nothing matches, findings, denied */
    CLI_ERROR = 2,   /* the command line or its input is wrong, or the system refused */
};

struct cli_command {
    const char *name;
    const char *summary; /* one line of `berth --help`: no capital, no full stop */
    /* argv[0] is the command's name, argv[argc] is NULL. Returns the exit status. */
    int (*main)(int argc, char **argv);
};

int cli_audit_main(int argc, char **argv);
int cli_ports_main(int argc, char **argv);
int cli_rules_main(int argc, char **argv);
int cli_run_main(int argc, char **argv);
int cli_sim_main(int argc, char **argv);
int cli_sockets_main(int argc, char **argv);

#endif
