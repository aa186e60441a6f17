/* SPDX-License-Identifier: MIT */
/*
 * cli/text.c: UTF-8, widths, and the word that was meant.
 *
 * Invariant 1: nothing here depends on the locale; berth's texts are UTF-8 wherever it runs.
 *
 * Widths are wcwidth's, which needs a UTF-8 locale: cli/main.c sets C.UTF-8 for characters. Where
 * that is missing every character counts as one column.
 */
#include "cli/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "cli/message.h"

#define NEAREST_BYTES_MAX 32 /* longer words are not compared */
#define NEAREST_EDITS_MAX 2  /* letters to change, add or take away */

size_t cli_text_decode(const char *text, unsigned *point)
{
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xc0 ? 0
                    : bytes[0] < 0xe0 ? 2
                    : bytes[0] < 0xf0 ? 3
                    : bytes[0] < 0xf8 ? 4
                                      : 0;
    unsigned value;

    if (length <= 1) {
        *point = bytes[0];
        return length;
    }
    value = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (bytes[i] & 0x3fu);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *point = value;
    return length;
}

/* Controls (C0, DEL, C1), line and paragraph separators, the marks of Unicode's UAX #9, and what
 * nobody sees or takes for a blank: a word with a no-break space, a soft hyphen or a byte order
 * mark in it looks as if it were right. (Joiners are parts of words in some scripts.) */
static bool is_unprintable(unsigned point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0xa0) || point == 0xad || point == 0x61c ||
           point == 0x200b || (point >= 0x200e && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x2069) ||
           point == 0xfeff;
}

char *cli_text_clean(const char *text)
{
    char *clean = cli_memory(NULL, strlen(text) * 4 + 1);
    char *out = clean;

    while (*text != '\0') {
        unsigned point;
        size_t length = cli_text_decode(text, &point);
        bool is_bad = length == 0 || is_unprintable(point);

        length = length == 0 ? 1 : length;
        for (size_t i = 0; i < length; i++) {
            if (is_bad) {
                out += sprintf(out, "\\x%02x", (unsigned char)text[i]);
            } else {
                *out++ = text[i];
            }
        }
        text += length;
    }
    *out = '\0';
    return clean;
}

static size_t point_width(unsigned point)
{
    int width = wcwidth((wchar_t)point);

    return width < 0 ? 1 : (size_t)width;
}

size_t cli_text_width(const char *text)
{
    size_t width = 0;

    while (*text != '\0') {
        unsigned point;
        size_t length = cli_text_decode(text, &point);

        width += length == 0 ? 1 : point_width(point);
        text += length == 0 ? 1 : length;
    }
    return width;
}

size_t cli_text_fit(const char *text, size_t width)
{
    size_t used = 0;
    size_t at = 0;

    while (text[at] != '\0') {
        unsigned point;
        size_t length = cli_text_decode(text + at, &point);

        used += length == 0 ? 1 : point_width(point);
        if (used > width) {
            break;
        }
        at += length == 0 ? 1 : length;
    }
    return at;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance: letters to change, add or take away to make B of A. */
static size_t edits(const char *a, const char *b)
{
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);
    size_t row[NEAREST_BYTES_MAX + 1];

    if (a_bytes > NEAREST_BYTES_MAX || b_bytes > NEAREST_BYTES_MAX) {
        return NEAREST_BYTES_MAX;
    }
    for (size_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_bytes];
}

const char *cli_text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t fewest = NEAREST_EDITS_MAX + 1;
    size_t bytes = strlen(word);

    for (size_t i = 0; i < count; i++) {
        /* The beginning of a word counts as one letter wrong: --proto may be --protocol. */
        size_t distance =
            bytes >= 2 && strncmp(word, words[i], bytes) == 0 ? 1 : edits(word, words[i]);

        if (distance < fewest && distance < strlen(words[i])) {
            fewest = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
