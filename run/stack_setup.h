/* SPDX-License-Identifier: MIT */
/*
 * run/stack_setup.h: the stacks of a run (queue.h), with their networks, and the rules of the one
 * that judges. Called by run_setup.c.
 */
#ifndef RUN_STACK_SETUP_H
#define RUN_STACK_SETUP_H

#include "run/inside.h"

/* Makes run.guard and the stack of every queue, which have their links. BERTH_E_STATE: *failure is
 * filled. */
BERTH_MUST_CHECK int stack_setup(struct run *run, struct launch_failure *failure);
/* What `host` means, as the host's network is now. */
void stack_setup_host_addresses(struct run *run);

#endif
