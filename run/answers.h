/* SPDX-License-Identifier: MIT */
/*
 * run/answers.h: every name that led the program to an address, and the address, for a policy that
 * is learned from the run (naming.h keeps the latest name of an address only). Owns the pairs. The
 * resolver adds to it, cli/learn.c reads it.
 *
 * Invariants
 *  1. A pair of name and address stands once.
 *  2. At most ANSWERS_MAX pairs; what comes after is only counted.
 */
#ifndef RUN_ANSWERS_H
#define RUN_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/address.h>

enum { ANSWERS_MAX = 8192, ANSWERS_CHAINS = 1024 };

struct answer {
    struct berth_address address;
    char *name;
    bool is_inward; /* a rule by name alone does not reach it: inward.h */
    uint32_t next;  /* in its chain: index + 1 */
};

struct answers {
    bool is_on; /* else nothing is kept */
    struct answer *all;
    size_t count;
    size_t capacity;
    uint64_t uncounted;
    uint32_t chains[ANSWERS_CHAINS]; /* index + 1 */
};

void answers_done(struct answers *answers);
/* NAME (copied) led to ADDRESS. */
void answers_add(struct answers *answers, const struct berth_address *address, const char *name,
                 bool is_inward);
/* The next answer with ADDRESS after AT (NULL: the first), borrowed until answers_add; NULL: there
 * are no more. */
const struct answer *answers_next(const struct answers *answers,
                                  const struct berth_address *address, const struct answer *at);

#endif
