/* SPDX-License-Identifier: MIT */
/*
 * registry/fold.h: comparing text without regard to case, the same in every locale: the letters A
 * to Z are a to z, every other byte is itself. Service names are ASCII (RFC 6335 section 5.1). For
 * src/registry/ and those above it.
 */
#ifndef BERTH_REGISTRY_FOLD_H
#define BERTH_REGISTRY_FOLD_H

#include <stdbool.h>

static inline unsigned char registry_fold(char letter)
{
    unsigned char byte = (unsigned char)letter;

    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte - 'A' + 'a') : byte;
}

/* Less than, equal to or more than 0, as strcmp. */
static inline int registry_compare(const char *a, const char *b)
{
    while (*a != '\0' && registry_fold(*a) == registry_fold(*b)) {
        a++;
        b++;
    }
    return (int)registry_fold(*a) - (int)registry_fold(*b);
}

/* Whether TEXT begins with PIECE. */
static inline bool registry_begins(const char *text, const char *piece)
{
    while (*piece != '\0' && registry_fold(*text) == registry_fold(*piece)) {
        text++;
        piece++;
    }
    return *piece == '\0';
}

#endif
