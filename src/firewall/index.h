/* SPDX-License-Identifier: MIT */
/*
 * The first rule of a set that matches a first contact, without a walk along the rules.
 *
 * A rule matches where one of its port ranges and one of its peers do. Ranges are cut into blocks
 * of 2^level ports that begin at a multiple of their size, so that "is the port in it" is one
 * comparison, as "is the address in the prefix" is; each (block, prefix) is an entry of one hash
 * table. Entries of one shape, (length of the prefix, level of the block), make a tuple; a query
 * asks the table once for each tuple of its direction and protocol (tuple space search: Srinivasan,
 * Suri and Varghese, SIGCOMM 1999).
 *
 * Rules "by" a process have tuples of their own, whose entries have the process in their key; the
 * table gives the number of a process too (its name is the key). As their verdict must be found
 * also where the process is not known, they stand once more under "any process": apart those that
 * allow, which then do not match, and those that refuse or ask, which do.
 *
 * A host name in a rule is a pattern, and has a number; an entry of a rule by name has that number
 * in the place of the prefix. A binding (binding.h) knows the most specific pattern that names its
 * name, a pattern the next wider one: a query asks for each of them. Tuples of names stand behind
 * those of addresses, so that a rule that matches by both is found by the address.
 *
 * 1. What a query costs follows from how many tuples there are, at most 132 x 17 of a class, not
 *    from how many rules there are; tuples are asked in the order of their first rule, up to the
 *    one found. Those of names are asked for each name of the address (at most
 *    FIREWALL_NAMES_PER_ADDRESS) and each pattern that names it.
 * 2. An entry has the first rule of those that would make it.
 * 3. A rule that would take more entries or numbers than are left is not in the table
 *    but in the list `rest`, which is walked (limits.rules and limits.rule_bytes say how many
 *    entries there are).
 */
#ifndef FIREWALL_INDEX_H
#define FIREWALL_INDEX_H

#include "base/arena.h"
#include "base/bytes.h"
#include "firewall/binding.h"
#include "firewall/name.h"

#include <berth/address.h>

/* Rules are looked for by direction and protocol (TCP, UDP, ICMP). */
#define FIREWALL_LISTS 6
/* Prefixes of 0 to 128 bits, `any`, `host`, names; levels 0 to 16. */
#define FIREWALL_SHAPES (132 * 17)

/* Whose rules a tuple has. */
enum firewall_class {
    FIREWALL_BY_NONE,     /* rules without "by" */
    FIREWALL_BY_ALLOWING, /* rules with one that allow, whatever process */
    FIREWALL_BY_REFUSING, /* the others with one, whatever process */
    FIREWALL_BY_PROCESS   /* rules with one, by the number of the process */
};
#define FIREWALL_CLASSES 4
/* Of tuples: for each class and list those of addresses, then those of names. */
#define FIREWALL_RANGES (FIREWALL_CLASSES * FIREWALL_LISTS * 2)
/* Numbers of processes: 0 in keys without one, then these, then those of the named ones. */
enum { FIREWALL_PROCESS_ALLOWING = 1, FIREWALL_PROCESS_REFUSING = 2 };

struct firewall_set;
struct firewall_special;

struct firewall_entry {
    uint64_t high; /* the prefix */
    uint64_t low;
    uint64_t what : 40; /* process, list, bits, level and block: index.c; 0: the slot is free */
    uint64_t rule : 20;
    uint64_t action : 2; /* enum berth_action: the rule's, which need not be looked at */
    uint64_t log : 1;
    uint64_t limited : 1;
};

struct firewall_tuple {
    uint32_t first; /* the lowest rule among its entries */
    uint8_t bits;   /* of the prefix; more: index.c */
    uint8_t level;
};

struct firewall_index {
    struct firewall_entry *slots;
    uint32_t slots_max;
    uint32_t slot_count; /* of the rules loaded: twice their entries */
    uint32_t entries_max;
    uint32_t processes; /* numbers given to processes */
    uint32_t patterns;  /* likewise; the first is 1 */
    struct firewall_pattern *pattern;
    uint32_t *wider; /* of each pattern the next wider one; 0: none */
    uint32_t *first; /* while it is made: of each class, list and shape the lowest rule */
    struct firewall_tuple *tuples; /* range by range, each by `first` */
    uint32_t tuples_begin[FIREWALL_RANGES + 1];
    uint32_t *rest; /* rule numbers, list by list, each in rule order */
    uint32_t rest_begin[FIREWALL_LISTS + 1];
};

/* What a query asks for. */
struct firewall_key {
    uint32_t list;
    const struct berth_address *peer;
    const struct firewall_special *special; /* what the peer is */
    uint16_t port;
    const struct firewall_named *named; /* the peer's names; NULL: none */
    uint64_t now_ns;
    uint32_t process; /* by its class: 0, FIREWALL_PROCESS_..., or a process's number */
};

/* Takes room for sets of RULES_MAX rules with PEERS_MAX peers, whose texts have TEXT_BYTES_MAX
 * bytes together. */
void firewall_index_init(struct firewall_index *index, struct arena *arena, uint32_t rules_max,
                         uint32_t peers_max, uint32_t text_bytes_max);
/* All rules of SET are in: makes its index. */
void firewall_index_make(struct firewall_set *set);
/* KEY is about to be looked for (its `special` need not be known yet): the memory that finding it
 * will read is on its way meanwhile. */
void firewall_index_expect(const struct firewall_index *index, const struct firewall_key *key);
/* The number of the most specific pattern that names NAME (in lower case); 0: none. */
uint32_t firewall_index_pattern(const struct firewall_index *index, const char *name, size_t bytes);
/* Is it a name that ENTRY matches by? */
bool firewall_index_is_by_name(const struct firewall_entry *entry);
/* The number of the process NAME; 0: no rule in the table names it. */
uint32_t firewall_index_process(const struct firewall_index *index, const char *name);
/* Has some rule in the table "by"? */
static inline bool firewall_index_has_by(const struct firewall_index *index)
{
    return index->tuples_begin[FIREWALL_LISTS * 2] != index->tuples_begin[FIREWALL_RANGES];
}
/* The entry of the first rule of CLASS in the table that matches KEY, if it stands before that of
 * FOUND (may be NULL); else FOUND. */
const struct firewall_entry *firewall_index_find(const struct firewall_index *index,
                                                 const struct firewall_key *key,
                                                 enum firewall_class class,
                                                 const struct firewall_entry *found);

#endif
