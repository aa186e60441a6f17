/* SPDX-License-Identifier: MIT */
/*
 * firewall/suggest.c: edit distance over keywords and IANA's service names (suggest.h).
 *
 * The search is bounded: words of at most WORD_BYTES_MAX letters, the registry walked once, and a
 * name compared only when its length can be near.
 */
#include "firewall/suggest.h"

#include <berth/registry.h>

#include <string.h>

#include "registry/fold.h"

#define WORD_BYTES_MAX 20
#define FAR            (WORD_BYTES_MAX + 1)

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters may be wrong in a word of BYTES. */
static size_t edits_max(size_t bytes)
{
    return bytes < 3 ? 0 : bytes < 6 ? 1 : 2;
}

/* Letters to change, add, take away or swap with their neighbour to make B of A (optimal string
 * alignment), case ignored; FAR when a word is too long or the lengths alone say too much. */
static size_t edits(const char *a, const char *b)
{
    size_t rows[3][WORD_BYTES_MAX + 1]; /* the row being made and the two before it, in turn */
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);

    if (a_bytes > WORD_BYTES_MAX || b_bytes > WORD_BYTES_MAX ||
        (a_bytes > b_bytes ? a_bytes - b_bytes : b_bytes - a_bytes) > edits_max(a_bytes)) {
        return FAR;
    }
    for (size_t j = 0; j <= b_bytes; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t change = above[j - 1] + (registry_fold(a[i - 1]) != registry_fold(b[j - 1]));

            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && registry_fold(a[i - 1]) == registry_fold(b[j - 2]) &&
                registry_fold(a[i - 2]) == registry_fold(b[j - 1])) {
                row[j] = least(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

const char *firewall_suggest_word(const char *word, const char *const *words)
{
    size_t fewest = edits_max(strlen(word)) + 1;
    const char *nearest = NULL;

    for (; *words != NULL; words++) {
        size_t distance = edits(word, *words);

        if (distance < fewest) {
            fewest = distance;
            nearest = *words;
        }
    }
    return nearest;
}

const char *firewall_suggest_service(const char *word)
{
    const struct berth_registry_query query = {
        .has_ports = true, .port_first = 1, .port_last = UINT16_MAX};
    struct berth_registry_cursor cursor;
    struct berth_service service;
    size_t fewest = edits_max(strlen(word)) + 1;
    const char *nearest = NULL;
    const char *before = ""; /* a name stands there once a transport: it is compared once */

    berth_registry_start(&cursor, &query);
    while (fewest > 1 && berth_registry_next(&cursor, &service)) {
        if (service.name[0] != '\0' && service.name != before) {
            size_t distance = edits(word, service.name);

            nearest = distance < fewest ? service.name : nearest;
            fewest = least(distance, fewest);
        }
        before = service.name;
    }
    return nearest;
}
