/* SPDX-License-Identifier: MIT */
/*
 * run/naming.h: which name the program asked for before it used an address, for lines that people
 * read: also those who answer a question. Owns the last NAMING_MAX answers of the resolver. Rules
 * go by the stack's bindings (berth_name_learn), not by this.
 *
 * Invariant 1: an address stands once; its latest name counts; the one longest unused goes first.
 */
#ifndef RUN_NAMING_H
#define RUN_NAMING_H

#include <berth/address.h>

#include "base/list.h"

enum {
    NAMING_MAX = 2048,
    NAMING_CHAINS = 1024,
    NAMING_BYTES = 256, /* a name's text, with its zero: 253 characters (RFC 1035 2.3.4) */
};

struct naming_entry {
    struct list_node order; /* the longest unused first */
    struct list_node chain;
    struct berth_address address;
    char name[NAMING_BYTES];
};

struct naming {
    struct naming_entry *entries; /* NAMING_MAX */
    size_t used;
    struct list order;
    struct list chains[NAMING_CHAINS];
};

/* 0, or BERTH_E_LIMIT: no memory. */
BERTH_MUST_CHECK int naming_init(struct naming *naming);
void naming_done(struct naming *naming);

/* NAME was given for ADDRESS; cut if too long. */
void naming_learn(struct naming *naming, const struct berth_address *address, const char *name);
/* The name of ADDRESS, borrowed until the next naming_learn; NULL: not known. */
const char *naming_find(const struct naming *naming, const struct berth_address *address);

#endif
