/* SPDX-License-Identifier: MIT */
/*
 * run/run_setup.h: making and unmaking the parts of a run (inside.h). Called by run.c.
 */
#ifndef RUN_RUN_SETUP_H
#define RUN_RUN_SETUP_H

#include "run/inside.h"

/* Ends whatever is still under way, so that the journal and the tally have it. */
void run_setup_end_conversations(struct run *run);

#endif
