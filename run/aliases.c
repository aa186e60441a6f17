/* SPDX-License-Identifier: MIT */
/*
 * run/aliases.c: see run/aliases.h.
 */
#include "run/aliases.h"

#include <stdlib.h>
#include <string.h>

static void forget(struct alias *alias)
{
    free(alias->target);
    free(alias->origin);
    *alias = (struct alias){0};
}

void aliases_done(struct aliases *aliases)
{
    for (size_t i = 0; i < ALIASES_MAX; i++) {
        forget(&aliases->all[i]);
    }
}

static struct alias *find(struct aliases *aliases, const char *target, const char *origin)
{
    for (size_t i = 0; i < ALIASES_MAX; i++) {
        struct alias *alias = &aliases->all[i];

        if (alias->target != NULL && strcmp(alias->target, target) == 0 &&
            strcmp(alias->origin, origin) == 0) {
            return alias;
        }
    }
    return NULL;
}

void aliases_add(struct aliases *aliases, const char *target, const char *origin, uint64_t until_ns)
{
    struct alias *alias = find(aliases, target, origin);
    struct alias made;

    if (alias != NULL) {
        alias->until_ns = alias->until_ns > until_ns ? alias->until_ns : until_ns;
        return;
    }
    /* The words may be those of the alias that goes. */
    made = (struct alias){.target = strdup(target), .origin = strdup(origin), .until_ns = until_ns};
    if (made.target == NULL || made.origin == NULL) {
        forget(&made);
        return;
    }
    alias = &aliases->all[aliases->next];
    aliases->next = (aliases->next + 1) % ALIASES_MAX;
    forget(alias);
    *alias = made;
}

const char *aliases_next(const struct aliases *aliases, const char *target, uint64_t now_ns,
                         size_t *cursor)
{
    while (*cursor < ALIASES_MAX) {
        const struct alias *alias = &aliases->all[(*cursor)++];

        if (alias->target != NULL && alias->until_ns > now_ns &&
            strcmp(alias->target, target) == 0) {
            return alias->origin;
        }
    }
    return NULL;
}
