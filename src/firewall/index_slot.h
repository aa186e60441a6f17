/* SPDX-License-Identifier: MIT */
/*
 * Between index_make.c, which fills the table of the index, and index.c, which asks it: where an
 * entry stands.
 *
 * An entry's key is (high, low, what). `what` is, from the top: the process's number (12 bits), the
 * list (3), the shape of the peer (8: the prefix's length, or one of those below), the block of
 * ports (17, never 0). Two more kinds of entry have a list of their own, and give numbers: those of
 * processes, whose key is the name, and those of patterns, whose key is a hash of the name.
 */
#ifndef FIREWALL_INDEX_SLOT_H
#define FIREWALL_INDEX_SLOT_H

#include "firewall/index.h"
#include "firewall/rule.h"

#define INDEX_LEVELS 17

/* Peers that are no prefix, beside the prefixes' lengths. */
enum { INDEX_ANY = 129, INDEX_HOST = 130, INDEX_NAME = 131 };

#define INDEX_WHAT_MASK (((uint64_t)1 << 40) - 1)
#define INDEX_RULE_LAST 0xfffffU /* an entry has room for the number */

#define INDEX_WHAT_PROCESS ((uint64_t)7 << 25)
#define INDEX_WHAT_PATTERN ((uint64_t)7 << 25 | 1)
#define INDEX_WHAT_STAR    ((uint64_t)7 << 25 | 2)

/* The block of 2^level ports that has PORT: a one in front tells the levels apart. */
static inline uint32_t index_block(uint16_t port, uint32_t level)
{
    return 1U << (16 - level) | (uint32_t)port >> level;
}

static inline uint64_t index_what(uint32_t process, uint32_t list, uint32_t bits, uint32_t block)
{
    return (uint64_t)process << 28 | (list << 25 | bits << 17 | block);
}

static inline uint32_t index_slot(const struct firewall_index *index, uint64_t high, uint64_t low,
                                  uint64_t what)
{
    uint64_t hash = (high ^ what) * 0x9e3779b97f4a7c15U + (low ^ what << 32);

    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 32) & UINT32_MAX;
    return (uint32_t)(hash * index->slot_count >> 32);
}

/* The entry of that key, or the free slot where it belongs. */
static inline struct firewall_entry *index_find_slot(const struct firewall_index *index,
                                                     uint64_t high, uint64_t low, uint64_t what)
{
    uint32_t at = index_slot(index, high, low, what);

    for (uint32_t tries = 0; tries < index->slot_count; tries++) {
        struct firewall_entry *entry = &index->slots[at];

        if (entry->what == 0 || (entry->what == what && entry->low == low && entry->high == high)) {
            return entry;
        }
        at = at + 1 == index->slot_count ? 0 : at + 1;
    }
    return NULL;
}

/* The number of the process of that NAME, NULs filling it up; 0: it has none. */
static inline uint32_t index_process(const struct firewall_index *index, const char *name)
{
    const struct firewall_entry *entry =
        index_find_slot(index, load_u64(name), load_u64(name + 8), INDEX_WHAT_PROCESS);

    return entry == NULL || entry->what == 0 ? 0 : (uint32_t)entry->rule;
}

/* ---- index_names.c -------------------------------------------------------------------------- */

/* Fills the key of the entry of PATTERN. */
void index_pattern_key(const struct firewall_pattern *pattern, struct firewall_entry *entry);
/* The entry of PATTERN, or of another one of the same hash, or the free slot where it belongs. */
struct firewall_entry *index_pattern_slot(const struct firewall_index *index,
                                          const struct firewall_pattern *pattern);
/* Is ENTRY PATTERN's? */
bool index_is_pattern(const struct firewall_index *index, const struct firewall_entry *entry,
                      const struct firewall_pattern *pattern);
/* The number of the most specific pattern with a star that names NAME, or all that it names if it
 * is a pattern with a star; 0: none does. */
uint32_t index_star_over(const struct firewall_index *index, const char *name, size_t bytes);

#endif
