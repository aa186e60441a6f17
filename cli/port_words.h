/* SPDX-License-Identifier: MIT */
/*
 * cli/port_words.h: ports as a person names them on a command line: "443", "8000-8010", "https",
 * "system", each with "/tcp" behind it or not. `berth ports` and `berth sockets` call it.
 *
 * Invariant 1: what is understood holds one of a name or ports, or neither (everything).
 */
#ifndef BERTH_CLI_PORT_WORDS_H
#define BERTH_CLI_PORT_WORDS_H

#include <berth/registry.h>

#define PORT_WORDS_BYTES 64 /* of an operand, with its zero */

struct port_words {
    const char *operand; /* as it was written; NULL: none was */
    char name[PORT_WORDS_BYTES];
    struct berth_registry_query query; /* may point to name */
};

/* OPERAND into *WORDS, which stays where it is and holds what else is asked (a protocol). NULL, or
 * what was expected instead. A name need not be registered. */
const char *port_words_parse(const char *operand, struct port_words *words);

#endif
