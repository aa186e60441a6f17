/* SPDX-License-Identifier: MIT */
/*
 * firewall/lexer.c: text to words (lexer.h).
 */
#include "firewall/lexer.h"

#include <string.h>

#include "registry/fold.h"

void firewall_lexer_init(struct firewall_lexer *lexer, const char *text, size_t bytes)
{
    *lexer = (struct firewall_lexer){.text = text, .bytes = bytes, .line = 1};
}

/* A carriage return is a blank, so that files of other systems read the same. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static bool is_sign(char c)
{
    return c == '=' || c == '{' || c == '}';
}

static bool ends_word(const struct firewall_lexer *lexer, char c)
{
    return is_blank(c) || c == ',' || c == '\n' || c == '#' || (lexer->is_group && is_sign(c));
}

/* To the next word, comma or sign, or to the end of the line (at '\n' or at the end of the
 * text). */
static void skip_line_blanks(struct firewall_lexer *lexer)
{
    while (lexer->at < lexer->bytes && is_blank(lexer->text[lexer->at])) {
        lexer->part += lexer->text[lexer->at] == '\f';
        lexer->at++;
    }
    if (lexer->at < lexer->bytes && lexer->text[lexer->at] == '#') {
        const char *from = lexer->text + lexer->at;
        const char *newline = memchr(from, '\n', lexer->bytes - lexer->at);

        lexer->at = newline == NULL ? lexer->bytes : lexer->at + (size_t)(newline - from);
    }
}

/* Where the word at AT ends that is in quotation marks; AT: it is in none. */
static size_t quoted_end(const struct firewall_lexer *lexer, size_t at)
{
    const char *text = lexer->text;
    size_t end = at + 1;

    if (text[at] != '"') {
        return at;
    }
    while (end < lexer->bytes && text[end] != '"' && text[end] != '\n') {
        end++;
    }
    return end < lexer->bytes && text[end] == '"' ? end + 1 : at;
}

/* The same over the ends of lines. */
static void skip_all_blanks(struct firewall_lexer *lexer)
{
    skip_line_blanks(lexer);
    while (lexer->at < lexer->bytes && lexer->text[lexer->at] == '\n') {
        lexer->at++;
        lexer->line++;
        lexer->line_begin = lexer->at;
        skip_line_blanks(lexer);
    }
}

bool firewall_lexer_next_rule(struct firewall_lexer *lexer)
{
    lexer->is_begun = false;
    lexer->is_group = false;
    lexer->is_braced = false;
    skip_all_blanks(lexer);
    return lexer->at < lexer->bytes;
}

void firewall_lexer_skip(struct firewall_lexer *lexer)
{
    while (firewall_lexer_next(lexer).kind != FIREWALL_TOKEN_END) {
        continue;
    }
}

static void take_sign(struct firewall_lexer *lexer)
{
    char sign = lexer->text[lexer->at++];

    if (sign != '=') {
        lexer->is_braced = sign == '{';
    }
}

struct firewall_token firewall_lexer_next(struct firewall_lexer *lexer)
{
    struct firewall_token token = {.kind = FIREWALL_TOKEN_END};
    size_t begin;

    if (lexer->is_braced) {
        skip_all_blanks(lexer);
    } else {
        skip_line_blanks(lexer);
    }
    begin = lexer->at;
    token.line = lexer->line;
    token.text = lexer->text + begin;
    token.column = (uint32_t)(begin - lexer->line_begin) + 1;
    if (begin == lexer->bytes || lexer->text[begin] == '\n') {
        return token;
    }
    if (lexer->text[begin] == ',') {
        token.kind = FIREWALL_TOKEN_COMMA;
        lexer->at++;
    } else if (lexer->is_group && is_sign(lexer->text[begin])) {
        token.kind = FIREWALL_TOKEN_SIGN;
        take_sign(lexer);
    } else {
        token.kind = FIREWALL_TOKEN_WORD;
        lexer->at = quoted_end(lexer, begin);
        while (lexer->at < lexer->bytes && !ends_word(lexer, lexer->text[lexer->at])) {
            lexer->at++;
        }
    }
    token.bytes = lexer->at - begin;
    lexer->is_group = lexer->is_group || (!lexer->is_begun && firewall_token_is(&token, "let"));
    lexer->is_begun = true;
    return token;
}

bool firewall_token_is(const struct firewall_token *token, const char *word)
{
    if (token->kind != FIREWALL_TOKEN_WORD || token->bytes != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < token->bytes; i++) {
        if (registry_fold(token->text[i]) != registry_fold(word[i])) {
            return false;
        }
    }
    return true;
}

bool firewall_token_copy(const struct firewall_token *token, char out[FIREWALL_WORD_BYTES])
{
    out[0] = '\0';
    if (token->kind != FIREWALL_TOKEN_WORD || token->bytes >= FIREWALL_WORD_BYTES ||
        memchr(token->text, '\0', token->bytes) != NULL) {
        return false;
    }
    memcpy(out, token->text, token->bytes);
    out[token->bytes] = '\0';
    return true;
}
