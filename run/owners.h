/* SPDX-License-Identifier: MIT */
/*
 * run/owners.h: the processes that conversations are known to be of, each once, however many
 * conversations a process has: what /proc tells of one is longer than all else that a relayed
 * connection needs. Owns the records. Conversations take and give them back.
 *
 * Invariants
 *  1. Two records differ in what they tell: one that has changed its name since is another.
 *  2. A record is there as long as somebody who has taken it has not given it back.
 */
#ifndef RUN_OWNERS_H
#define RUN_OWNERS_H

#include "run/attribute.h"

enum { OWNERS_CHAINS = 64 };

struct owner;

struct owners {
    struct owner *chains[OWNERS_CHAINS]; /* by pid */
};

/* The record that tells what LIKE does. NULL: no memory. */
const struct attribute_process *owners_take(struct owners *owners,
                                            const struct attribute_process *like);
/* One that owners_take has returned, or NULL. */
void owners_give(struct owners *owners, const struct attribute_process *process);

#endif
