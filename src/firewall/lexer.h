/* SPDX-License-Identifier: MIT */
/*
 * The words of a policy: a line holds at most one rule; blanks and commas part words, '#' begins a
 * comment; a word that begins with a quotation mark goes to the next one, if the line has one.
 * In a line that begins with "let" the signs = { } are words of their own, and between
 * braces a line goes on in the next one. A form feed is a blank, and the groups named before it are
 * not known behind it. parse.c and cli/ (queries) read rules through it.
 *
 * 1. A token lies inside the text; a word is never empty. It has its quotation marks with it.
 * 2. Behind the last word of a line every further token is TOKEN_END.
 */
#ifndef FIREWALL_LEXER_H
#define FIREWALL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIREWALL_WORD_BYTES 64 /* longer words are nothing that the language knows */

enum firewall_token_kind {
    FIREWALL_TOKEN_WORD,
    FIREWALL_TOKEN_COMMA,
    FIREWALL_TOKEN_SIGN, /* = { } of a group */
    FIREWALL_TOKEN_END
};

struct firewall_token {
    enum firewall_token_kind kind;
    const char *text; /* in the text, not NUL-terminated */
    size_t bytes;     /* 0 at the end of the line */
    uint32_t line;    /* from 1 */
    uint32_t column;  /* in bytes, from 1 */
};

struct firewall_lexer {
    const char *text; /* borrowed */
    size_t bytes;
    size_t at;
    size_t line_begin;
    uint32_t line;
    uint32_t part;  /* how many form feeds there were */
    bool is_begun;  /* a token of this line has been given out */
    bool is_group;  /* it was "let" */
    bool is_braced; /* between braces */
};

void firewall_lexer_init(struct firewall_lexer *lexer, const char *text, size_t bytes);
/* Goes to the next line with a word or comma in it, or stays at the one not yet begun. False: there
 * is none. */
bool firewall_lexer_next_rule(struct firewall_lexer *lexer);
/* The next token of this line. */
struct firewall_token firewall_lexer_next(struct firewall_lexer *lexer);

/* The rest of this line, which is then over. */
void firewall_lexer_skip(struct firewall_lexer *lexer);

/* Is TOKEN the word WORD, whatever its case (ASCII)? */
bool firewall_token_is(const struct firewall_token *token, const char *word);
/* TOKEN's text with a NUL; false, and OUT is "": it is no word, has a NUL in it, or is too long. */
bool firewall_token_copy(const struct firewall_token *token, char out[FIREWALL_WORD_BYTES]);

#endif
