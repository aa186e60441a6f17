/* SPDX-License-Identifier: MIT */
/*
 * run/owners.c: see run/owners.h.
 */
#include "run/owners.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct owner {
    struct owner *next;
    size_t taken;
    struct attribute_process process;
};

static struct owner **chain_of(struct owners *owners, pid_t pid)
{
    return &owners->chains[(unsigned)pid % OWNERS_CHAINS];
}

static bool is_same(const struct attribute_process *a, const struct attribute_process *b)
{
    return a->pid == b->pid && a->parent == b->parent && a->uid == b->uid &&
           strcmp(a->name, b->name) == 0 && strcmp(a->command, b->command) == 0 &&
           strcmp(a->parent_name, b->parent_name) == 0 && strcmp(a->user, b->user) == 0;
}

const struct attribute_process *owners_take(struct owners *owners,
                                            const struct attribute_process *like)
{
    struct owner **chain = chain_of(owners, like->pid);
    struct owner *owner = *chain;

    while (owner != NULL && !is_same(&owner->process, like)) {
        owner = owner->next;
    }
    if (owner == NULL) {
        owner = calloc(1, sizeof *owner);
        if (owner == NULL) {
            return NULL;
        }
        owner->process = *like;
        owner->next = *chain;
        *chain = owner;
    }
    owner->taken++;
    return &owner->process;
}

void owners_give(struct owners *owners, const struct attribute_process *process)
{
    struct owner **at;
    struct owner *owner;

    if (process == NULL) {
        return;
    }
    at = chain_of(owners, process->pid);
    while (*at != NULL && &(*at)->process != process) {
        at = &(*at)->next;
    }
    owner = *at;
    BERTH_CHECK(owner != NULL);
    if (--owner->taken == 0) {
        *at = owner->next;
        free(owner);
    }
}
