/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_repeat.h: the command that repeats a run of `berth sim`. Called by cli/sim.c, once in a
 * process.
 *
 * Invariant 1: also a check of ours inside the stack that aborts prints it: of the run that was
 * named last, once sim_repeat_watch was called.
 */
#ifndef BERTH_CLI_SIM_REPEAT_H
#define BERTH_CLI_SIM_REPEAT_H

#include "sim/sim.h"

/* Keeps the words of the command line that make a run what it is: not which one, or how shown. */
void sim_repeat_keep(int argc, char **argv);
/* Adds " --words" that were not said and went without saying. */
void sim_repeat_add(const char *words);
/* The run of CONFIG is the one to repeat. */
void sim_repeat_name(const struct sim_config *config);
/* "berth: repeat with: berth sim ...", with its line end. */
const char *sim_repeat_text(void);
/* From now on a signal that ends the process wrongly prints it first. */
void sim_repeat_watch(void);

#endif
