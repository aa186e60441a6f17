/* SPDX-License-Identifier: MIT */
/*
 * cli/text.h: text as a terminal shows it. Names that come from a network, a file or another
 * process may hold anything; what is printed of them cannot move the cursor, change colours or
 * turn the direction of writing.
 */
#ifndef BERTH_CLI_TEXT_H
#define BERTH_CLI_TEXT_H

#include <stddef.h>

/*
 * A copy of TEXT that is well-formed UTF-8 on one line: control characters, marks that change
 * the direction of writing, characters that cannot be seen or only look like a blank, and bytes
 * that are no UTF-8 are written as \xNN (their bytes). The caller frees it.
 */
char *cli_text_clean(const char *text);

/* The columns that TEXT (clean) takes on a terminal. */
size_t cli_text_width(const char *text);

/* How many bytes of TEXT (clean) fit into WIDTH columns, whole characters only. */
size_t cli_text_fit(const char *text, size_t width);

/*
 * The length in bytes of the UTF-8 character at TEXT (not at its end), 0 if there is none; its
 * code point in *POINT. Overlong forms, surrogates and what is past U+10FFFF are none.
 */
size_t cli_text_decode(const char *text, unsigned *point);

/* Of WORDS (count of them) the one that was probably meant by WORD; NULL if none is near. */
const char *cli_text_nearest(const char *word, const char *const *words, size_t count);

#endif
