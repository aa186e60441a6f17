/* SPDX-License-Identifier: MIT */
/*
 * cli/learn.h: `berth run --learn FILE`: the smallest policy that would have allowed what a run
 * did.
 *
 *   conversations of the run -> uses (learn.c) -> rules (learn_rules.c) -> added to FILE (learn.c)
 *
 * Invariants
 *  1. What FILE held before is never changed: rules are added at its end, all of them or none.
 *  2. Of the run's conversations only those are learned that no rule but learning itself let
 *     through: what FILE allows already, or another rule of the command line, is not written again.
 *  3. The rules written allow every use that they were made of. They allow nothing else, but for
 *     ports that the far end chose itself (LEARN_CHOSEN_FIRST), which become one range.
 */
#ifndef BERTH_CLI_LEARN_H
#define BERTH_CLI_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/run.h"

/* Rules that let everything through, each special address by its block (berth-policy(5)). They
 * stand behind all others while a policy is learned. */
extern const char learn_everything[];
/* Where they are said to come from. */
#define LEARN_ORIGIN "--learn"

/* More ports from here on than so many, of one peer and protocol, are taken for ports that were
 * chosen by chance: Linux's ephemeral ports and IANA's. */
enum { LEARN_CHOSEN_FIRST = 32768, LEARN_CHOSEN_MAX = 8 };

/* ---- learn_rules.c: pure --------------------------------------------------------------------- */

/* One port of one peer's, used. Strings are borrowed. */
struct learn_use {
    enum berth_direction direction;
    enum berth_protocol protocol;
    uint16_t port;       /* 0 for ICMP */
    const char *peer;    /* as a rule names it */
    const char *process; /* NULL: not known */
    bool has_more;       /* other processes used it too */
    uint64_t connections;
};

/* Writes rules that allow the COUNT uses, which it reorders, with a comment for each on who used
 * it and how often. Returns how many rules. */
size_t learn_write_rules(struct learn_use *uses, size_t count, FILE *out);

/* ---- learn.c --------------------------------------------------------------------------------- */

struct learn;

/* Opens PATH, and makes it where it is not there; before the run, since berth gives up its
 * privileges. NULL: it has been said why. */
struct learn *learn_open(const char *path);
/* RUN is over: adds to the file what was learned. False: it could not be written, which has been
 * said, and the rules are on standard error. */
bool learn_finish(struct learn *learn, const struct run *run, const struct run_config *config,
                  struct cli_policy *policy);
/* Closes it. A file that was made and has nothing in it is removed. */
void learn_free(struct learn *learn);

#endif
