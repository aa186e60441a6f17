/* SPDX-License-Identifier: MIT */
/*
 * firewall/parse.c: the order of a rule's words, and what is said where it is broken (parse.h).
 */
#include "firewall/parse.h"

#include "firewall/suggest.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const actions[] = {"allow", "deny", "drop", "ask", NULL}; /* enum berth_action */
static const char *const directions[] = {"out", "in", NULL}; /* enum berth_direction */

#define EXPECTED_ACTION "allow, deny, drop or ask"

/* ---- Errors --------------------------------------------------------------------------------- */

/* TOKEN's text, cut to BYTES with its NUL: not inside a UTF-8 character, where it is UTF-8. */
static void copy_word(const struct firewall_token *token, char *out, size_t bytes)
{
    size_t count = min_size(token->bytes, bytes - 1);

    for (int i = 0; i < 3 && count < token->bytes && ((uint8_t)token->text[count] & 0xc0) == 0x80;
         i++) {
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = token->text[i] == '\0' ? '?' : token->text[i];
    }
    out[count] = '\0';
}

int firewall_parser_fail(struct firewall_parser *parser, const struct firewall_token *token,
                         const char *format, ...)
{
    struct berth_rules_error *error = parser->error;
    va_list values;

    error->line = token->line;
    error->column = token->column;
    if (token->kind == FIREWALL_TOKEN_END) {
        (void)snprintf(error->word, sizeof error->word, "end of line");
    } else {
        copy_word(token, error->word, sizeof error->word);
    }
    va_start(values, format);
    (void)vsnprintf(error->expected, sizeof error->expected, format, values);
    va_end(values);
    return BERTH_E_SYNTAX;
}

int firewall_parser_fail_near(struct firewall_parser *parser, const struct firewall_token *token,
                              const char *expected, const char *const *words)
{
    char word[FIREWALL_WORD_BYTES];
    const char *near = firewall_token_copy(token, word) ? firewall_suggest_word(word, words) : NULL;

    if (near == NULL || firewall_token_is(token, near)) { /* such a word is in the wrong place */
        return firewall_parser_fail(parser, token, "%s", expected);
    }
    return firewall_parser_fail(parser, token, "%s (did you mean %s?)", expected, near);
}

/* The index in WORDS of TOKEN, -1: it is none of them. */
static int find_word(const struct firewall_token *token, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (firewall_token_is(token, words[i])) {
            return i;
        }
    }
    return -1;
}

/* ---- The parts of a rule -------------------------------------------------------------------- */

static int parse_action(struct firewall_parser *parser)
{
    struct firewall_token token = firewall_parser_take(parser);
    int word = find_word(&token, actions);

    if (word < 0) {
        if (firewall_token_is(&token, "include")) {
            return firewall_parser_fail(parser, &token,
                                        EXPECTED_ACTION " (include is for files of rules)");
        }
        if (find_word(&token, directions) >= 0) {
            return firewall_parser_fail(parser, &token, EXPECTED_ACTION " before it");
        }
        return firewall_parser_fail_near(parser, &token, EXPECTED_ACTION, actions);
    }
    parser->tree->action = (enum berth_action)word;
    return BERTH_OK;
}

static int parse_direction(struct firewall_parser *parser)
{
    struct firewall_token token = firewall_parser_take(parser);
    int word = find_word(&token, directions);

    if (word < 0) {
        if (find_word(&token, actions) >= 0) {
            return firewall_parser_fail(parser, &token, "in or out (the action is said already)");
        }
        return firewall_parser_fail_near(parser, &token, "in or out", directions);
    }
    parser->tree->direction = (enum berth_direction)word;
    return BERTH_OK;
}

/* A rule without ports goes on with such a word. */
bool firewall_parse_is_tail_word(const struct firewall_token *token)
{
    static const char *const words[] = {"to", "from", "by", "limit", "log", "ask", NULL};

    return find_word(token, words) >= 0;
}

static int parse_what(struct firewall_parser *parser)
{
    static const char *const words[] = {"any", "tcp", "udp", "icmp", NULL};
    static const uint8_t protocols[] = {FIREWALL_TCP | FIREWALL_UDP | FIREWALL_ICMP, FIREWALL_TCP,
                                        FIREWALL_UDP, FIREWALL_ICMP};
    int word = find_word(&parser->token, words);

    if (parser->token.kind == FIREWALL_TOKEN_END || firewall_parse_is_tail_word(&parser->token)) {
        parser->tree->protocols = protocols[0];
        return BERTH_OK;
    }
    if (word < 0) {
        return firewall_parse_items(parser);
    }
    parser->tree->protocols = protocols[word];
    (void)firewall_parser_take(parser);
    if (parser->token.kind == FIREWALL_TOKEN_COMMA) {
        return firewall_parser_fail(parser, &parser->token,
                                    "no list after %s: it has a rule of its own", words[word]);
    }
    return BERTH_OK;
}

static int parse_peer(struct firewall_parser *parser)
{
    bool out = parser->tree->direction == BERTH_OUT;

    if (firewall_token_is(&parser->token, out ? "from" : "to")) {
        return firewall_parser_fail(parser, &parser->token,
                                    out ? "to (a rule for out names where it goes to)"
                                        : "from (a rule for in names where it comes from)");
    }
    if (!firewall_token_is(&parser->token, out ? "to" : "from")) {
        return BERTH_OK;
    }
    (void)firewall_parser_take(parser);
    return firewall_parse_peers(parser);
}

int firewall_parse_rule(struct firewall_lexer *lexer, const struct firewall_groups *groups,
                        struct firewall_tree *tree, struct berth_rules_error *error)
{
    struct firewall_parser parser = {
        .lexer = lexer, .groups = groups, .tree = tree, .error = error};
    int status;

    parser.token = firewall_lexer_next(lexer);
    tree->line = parser.token.line;
    tree->log = false;
    tree->protocols = 0;
    tree->item_count = 0;
    tree->peer_count = 0;
    tree->process_count = 0;
    tree->limit = (struct firewall_limit){0};
    status = parse_action(&parser);
    if (status == BERTH_OK) {
        status = parse_direction(&parser);
    }
    if (status == BERTH_OK) {
        status = parse_what(&parser);
    }
    if (status == BERTH_OK) {
        status = parse_peer(&parser);
    }
    if (status == BERTH_OK) {
        status = firewall_parse_conditions(&parser);
    }
    return status;
}
