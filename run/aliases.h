/* SPDX-License-Identifier: MIT */
/*
 * run/aliases.h: names that records of other names point to (SRV, MX, SVCB, HTTPS): the target
 * counts as the name that was asked for, as long as the record lives. Owns the last ALIASES_MAX.
 * The resolver fills and asks it.
 *
 * Invariant 1: a pair of target and origin stands once; the oldest goes first.
 */
#ifndef RUN_ALIASES_H
#define RUN_ALIASES_H

#include <stddef.h>
#include <stdint.h>

enum { ALIASES_MAX = 256 };

struct alias {
    char *target; /* NULL: none here */
    char *origin;
    uint64_t until_ns;
};

struct aliases {
    struct alias all[ALIASES_MAX];
    size_t next; /* the oldest */
};

void aliases_done(struct aliases *aliases);
/* A record of ORIGIN points to TARGET until then; both in lower case. Without memory it is
 * forgotten. */
void aliases_add(struct aliases *aliases, const char *target, const char *origin,
                 uint64_t until_ns);
/* The next origin of TARGET from *CURSOR (0 at first) on, borrowed until aliases_add; NULL: there
 * are no more. */
const char *aliases_next(const struct aliases *aliases, const char *target, uint64_t now_ns,
                         size_t *cursor);

#endif
