/* SPDX-License-Identifier: MIT */
/*
 * cli/options.h: one table of options per command drives its parsing, its --help and its errors.
 *
 * Understood: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, flags in a bundle (-ab), and -- to end
 * the options. Options and operands may be mixed, unless the command's operands are a command line
 * of their own (stop_at_operand). Names are not abbreviated: a script that abbreviates breaks when
 * an option is added. --help (-h) is there without being listed.
 *
 * A mistake is one line that names the bad word and what was expected, and exit status 2:
 *
 *     berth: ports: --proto 'tpc': expected tcp, udp, sctp, dccp or none
 */
#ifndef BERTH_CLI_OPTIONS_H
#define BERTH_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option does to the command's settings, at `offset` in them. */
enum cli_option_kind {
    CLI_HEADING, /* no option: a line of --help over those that follow; `help` has its text */
    CLI_FLAG,    /* bool: becomes true */
    CLI_TEXT,    /* const char *: the value, in argv, never empty; the last one counts */
    CLI_NUMBER,  /* uint64_t: decimal, min to max */
    CLI_CHOICE,  /* int: the value's index in `choices` */
    CLI_CALL,    /* what the others can't: repeated options, their order, rules, addresses */
};

/* Filled by a `call` that refuses a value. Both start empty; both are cut, not overrun. */
struct cli_complaint {
    char word[128];     /* the bad word, where it is a part of the value only */
    char expected[256]; /* what was expected instead: "a port from 1 to 65535" */
};

struct cli_option {
    const char *name; /* without its dashes */
    char letter;      /* 0: no short form */
    enum cli_option_kind kind;
    const char *value; /* the value's name in --help, "FILE"; NULL: takes none */
    const char *help;  /* one sentence, no capital, no full stop */
    size_t offset;
    uint64_t min; /* CLI_NUMBER */
    uint64_t max;
    const char *const *choices; /* CLI_CHOICE: words, then NULL */
    /* CLI_CALL: VALUE is NULL where the option takes none; it lives as long as argv. False: bad. */
    bool (*call)(void *settings, const char *value, struct cli_complaint *complaint);
};

struct cli_options {
    const char *command; /* "berth ports" */
    const char *usage;   /* what follows it: "[OPTION]... [PORT]..."; "\n" between several forms */
    const char *about;   /* what it does; "\n" ends a paragraph */
    const char *notes;   /* after the options: operands, exit status, examples; printed as it is */
    const struct cli_option *options;
    size_t count;
    bool stop_at_operand; /* the first operand ends the options, as in `berth run` */
};

/* The operands, in their order, inside argv. */
struct cli_words {
    int count;
    char **words;
};

/*
 * Reads argv[1] on. Options are stored in SETTINGS as they are met; argv is rearranged so that the
 * operands stand together. Returns -1 to go on, else the exit status: CLI_OK after --help (which
 * went to standard output), CLI_ERROR after a mistake (which has been said).
 */
int cli_options_parse(const struct cli_options *options, int argc, char **argv, void *settings,
                      struct cli_words *operands);

/* The --help of OPTIONS on standard output. */
void cli_options_help(const struct cli_options *options);

/*
 * A bad operand, said in the words of a bad option: "berth: COMMAND: 'WORD': expected EXPECTED".
 * Returns CLI_ERROR.
 */
int cli_options_refuse(const struct cli_options *options, const char *word, const char *expected);

/* Decimal digits only, MIN to MAX; false, and *OUT untouched, for anything else. */
bool cli_options_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

#endif
