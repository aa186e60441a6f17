/* SPDX-License-Identifier: MIT */
/*
 * run/tally.h: what a run has used and what it was refused, summed up for the closing table. Owns
 * the rows. Conversations are counted when they end; the run command prints the rows.
 *
 * Invariants
 *  1. One row for each direction, protocol, port, peer and verdict.
 *  2. At most TALLY_ROWS_MAX rows and TALLY_NAMES_MAX names; what comes after is only counted.
 */
#ifndef RUN_TALLY_H
#define RUN_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/firewall.h>

#include "run/attribute.h"
#include "run/name_refusal.h"
#include "run/naming.h"

enum {
    TALLY_ROWS_MAX = 8192,
    TALLY_CHAINS = 1024,
    TALLY_NAMES_MAX = 64,
    TALLY_HINT_BYTES = NAME_HINT_BYTES,
};

struct tally_key {
    struct berth_address peer;
    uint16_t port;     /* out: the peer's, in: the program's; 0 for ICMP */
    uint8_t direction; /* enum berth_direction */
    uint8_t protocol;  /* enum berth_protocol */
    uint8_t action;    /* enum berth_action */
};

struct tally_row {
    struct tally_key key;
    uint32_t next; /* in its chain: index + 1 */
    int32_t rule;  /* the deciding rule, as the stack counts them; -1: none matched */
    bool by_scan;  /* the last was refused for a scan: no rule would have let it through */
    uint64_t connections;
    uint64_t bytes_out;
    uint64_t bytes_in;
    pid_t pid; /* of the first process seen; 0: not known */
    bool has_more_processes;
    char process[ATTRIBUTE_NAME_BYTES];
    char *name;         /* the peer's, NULL: not known */
    bool name_is_stale; /* the rules let it through, but not this address (any more) */
    bool is_told;       /* refused, each time with words of its own (tally_name) */
};

/* Something about a name that was refused. */
struct tally_name {
    enum name_refusal why;
    char *detail; /* for people */
    char *hint;   /* the words that would allow it; "": none would */
};

struct tally {
    struct tally_row *rows;
    size_t count;
    size_t capacity;
    uint32_t chains[TALLY_CHAINS];            /* index + 1 */
    uint64_t refused;                         /* conversations refused, those without a row too */
    uint64_t uncounted;                       /* conversations without a row */
    struct tally_name names[TALLY_NAMES_MAX]; /* each once */
    size_t name_count;
    uint64_t names_refused[NAME_REFUSALS]; /* by their reason, repeated ones too */
};

struct tally_entry {
    struct tally_key key;
    int32_t rule;
    bool by_scan;
    uint64_t bytes_out;
    uint64_t bytes_in;
    const struct attribute_process *process; /* NULL: not known */
    const char *name;                        /* NULL: not known */
    bool name_is_stale;
    bool is_told;
};

void tally_done(struct tally *tally);
void tally_add(struct tally *tally, const struct tally_entry *entry);
/* The row of KEY, borrowed until the next tally_add; NULL: there is none. */
const struct tally_row *tally_find(const struct tally *tally, const struct tally_key *key);
void tally_add_name(struct tally *tally, const struct name_refused *refused);
/* How often a name was refused, for whatever reason. */
uint64_t tally_names_refused(const struct tally *tally);

/* The words after "--allow" that would let ROW through: "out 8000/tcp to host", and by its name
 * where that is known: "out https to registry.example". GATEWAYS: the addresses that `host` stands
 * for here, COUNT of them. Returns OUT. */
char *tally_hint(const struct tally_row *row, const struct berth_address *gateways, size_t count,
                 char out[TALLY_HINT_BYTES]);

#endif
