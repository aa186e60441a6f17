/* SPDX-License-Identifier: MIT */
/*
 * firewall/index_names.c: the patterns of host names in the index (index.h). Pure.
 */
#include "firewall/index_slot.h"

#include "base/check.h"
#include "base/hash.h"

void index_pattern_key(const struct firewall_pattern *pattern, struct firewall_entry *entry)
{
    /* The names in the table are the policy's own, so that nobody aims at places in it; what has
     * the same hash and another text is told by the text. */
    static const struct hash_key keys[2] = {{{1}}, {{2}}};

    entry->high = hash_keyed(&keys[0], pattern->text, pattern->bytes);
    entry->low = hash_keyed(&keys[1], pattern->text, pattern->bytes);
    entry->what = pattern->has_star ? INDEX_WHAT_STAR : INDEX_WHAT_PATTERN;
}

struct firewall_entry *index_pattern_slot(const struct firewall_index *index,
                                          const struct firewall_pattern *pattern)
{
    struct firewall_entry key = {0};
    struct firewall_entry *entry;

    index_pattern_key(pattern, &key);
    entry = index_find_slot(index, key.high, key.low, key.what);
    BERTH_CHECK(entry != NULL);
    return entry;
}

bool index_is_pattern(const struct firewall_index *index, const struct firewall_entry *entry,
                      const struct firewall_pattern *pattern)
{
    const struct firewall_pattern *known = &index->pattern[entry->rule];

    return entry->what != 0 && known->bytes == pattern->bytes &&
           memcmp(known->text, pattern->text, pattern->bytes) == 0;
}

/* The number of PATTERN; 0: the table does not have it. */
static uint32_t number_of(const struct firewall_index *index,
                          const struct firewall_pattern *pattern)
{
    const struct firewall_entry *entry = index_pattern_slot(index, pattern);

    return index_is_pattern(index, entry, pattern) ? (uint32_t)entry->rule : 0;
}

uint32_t index_star_over(const struct firewall_index *index, const char *name, size_t bytes)
{
    uint32_t number = 0;

    for (size_t i = 0; i < bytes && number == 0; i++) {
        if (name[i] == '.') {
            struct firewall_pattern pattern = {
                .text = name + i + 1, .bytes = (uint8_t)(bytes - i - 1), .has_star = true};

            number = number_of(index, &pattern);
        }
    }
    return number;
}

uint32_t firewall_index_pattern(const struct firewall_index *index, const char *name, size_t bytes)
{
    struct firewall_pattern exact = {.text = name, .bytes = (uint8_t)bytes};
    uint32_t number = index->patterns == 0 ? 0 : number_of(index, &exact);

    return number != 0 || index->patterns == 0 ? number : index_star_over(index, name, bytes);
}
