/* SPDX-License-Identifier: MIT */
/*
 * run/added.h: rules that answers at the terminal have added to those of a run. Owns the text of
 * the run's rules as the stack has it: what was loaded, with what was added in its places. Rules
 * are loaded through it (rules.c); questions add to them (asked.c).
 *
 * Invariants
 *  1. A rule that was added stands right before the rule that asked.
 *  2. Rules that do not load change nothing.
 *  3. Rules are added in a turn's work only (inside.h): when first contacts have been looked at.
 */
#ifndef RUN_ADDED_H
#define RUN_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/error.h>

struct run;
struct berth_rules_error;

enum {
    ADDED_MAX = 256,
    ADDED_BYTES = 512, /* of one, at most */
};

#define ADDED_ORIGIN "an answer at the terminal"

struct added_rule {
    char *words;
    const char *before; /* the words of the rule that it stands before; borrowed (rules.h) */
    uint32_t line;      /* of the text */
    bool is_kept;       /* it is in a file too, whence it comes when rules are read again */
    const char *path;   /* that file, borrowed until then */
    uint32_t file_line; /* of the rule that it stands before, as it was read; 0: it is at the end */
};

struct added {
    char *text;
    size_t bytes;
    struct added_rule rules[ADDED_MAX]; /* by line */
    size_t count;
};

/* Replaces all rules by TEXT (copied); of those added to the former, what is in no file is added to
 * these, if the rule that it stood before is among them. Fails as berth_rules_load does;
 * BERTH_E_STATE: no memory. */
BERTH_MUST_CHECK int added_load(struct run *run, const char *text, size_t bytes,
                                struct berth_rules_error *error);
void added_done(struct run *run);

/* Adds the rule WORDS right before the rule NUMBER (rules_note's). BERTH_E_LIMIT: too many were
 * added; BERTH_E_STATE: that rule is no more, or no memory; else as berth_rules_load. */
BERTH_MUST_CHECK int added_add(struct run *run, const char *words, int32_t number);
/* Of the rule that was just added before NUMBER: takes it away again. */
void added_take_back(struct run *run, int32_t number);
/* The same is in the file PATH too, before what is its line LINE; 0: at its end. */
void added_keep(struct run *run, int32_t number, const char *path, uint32_t line);

/* How many lines were put into PATH before its line LINE since it was read. */
uint32_t added_lines(const struct run *run, const char *path, uint32_t line);
/* The line of what was loaded that LINE of the text is; 0: it was added. */
uint32_t added_loaded_line(const struct run *run, uint32_t line);
/* The same of the rule NUMBER; 0: it was added, or is no more. */
uint32_t added_line_of(struct run *run, int32_t number);

#endif
