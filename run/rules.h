/* SPDX-License-Identifier: MIT */
/*
 * run/rules.h: the rules of a run: loaded, read again, and those that have decided something
 * remembered, since a conversation and the closing table outlive the rules that they were judged
 * by.
 *
 *   asked by                        and then
 *   SIGHUP, sent from outside       what came of it is said on standard error
 *   control.h (berth rules reload)  that, and the asker is told
 *
 * Invariants
 *  1. Rules are replaced all at once or not at all: what is wrong leaves the old ones.
 *  2. Nothing that COMMAND can do makes berth read its rules again: as the same user it might have
 *     written them (launch_signals.h says who may send a signal).
 *  3. The number of a noted rule names it until the run is freed.
 */
#ifndef RUN_RULES_H
#define RUN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/error.h>

struct run;
struct berth_rules_error;

enum { RULES_ANSWER_BYTES = 16384, RULES_CHAINS = 256 };

/* Lines for whoever asked, each with its line end; what is too much is cut off. */
struct rules_answer {
    size_t used;
    char text[RULES_ANSWER_BYTES];
};

void rules_answer_add(struct rules_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A rule that has decided something. */
struct rules_note {
    char *text;
    char *origin;  /* "npm.rules:3" */
    uint32_t next; /* in its chain: number + 1 */
};

struct rules {
    struct rules_note *notes;
    size_t count;
    size_t capacity;
    uint32_t chains[RULES_CHAINS];
    int32_t *numbers; /* of the rules that are loaded now: their notes' numbers, -1: none yet */
    uint32_t loaded;
};

/* For added.c: loads TEXT, and what it is made of is numbered anew. As berth_rules_load. */
BERTH_MUST_CHECK int rules_load_text(struct run *run, const char *text, size_t bytes,
                                     struct berth_rules_error *error);
/* Loads run_config.rules. As berth_rules_load. */
BERTH_MUST_CHECK int rules_load_first(struct run *run, struct berth_rules_error *error);
void rules_done(struct run *run);

/* The number by which the rule INDEX, of those that are loaded now, can be named from now on; -1:
 * INDEX is negative, or there is no memory for it. */
int32_t rules_note(struct run *run, int32_t index);

/* Reads the rules again; ANSWER gets what came of it. False: the old ones stay. */
bool rules_reload(struct run *run, struct rules_answer *answer);
/* SIGHUP has come, from a process that is outside or that has ended (launch_take_hangup). */
void rules_on_hangup(struct run *run, bool is_from_outside);
/* Says the lines of ANSWER. */
void rules_answer_say(const struct run *run, const struct rules_answer *answer);

#endif
