/* SPDX-License-Identifier: MIT */
/*
 * firewall/parse_condition.c: what stands behind the peers of a rule: by, limit, log (parse.h). In
 * any order, each at most once.
 */
#include "firewall/parse.h"
#include "firewall/suggest.h"

#include <stdio.h>

#define EXPECTED_BYTES 96

static bool may_limit(const struct firewall_tree *tree)
{
    return tree->action == BERTH_ALLOW || tree->action == BERTH_ASK;
}

/* What may stand here, for the words of an error: of the conditions those not said yet. */
static const char *expected(const struct firewall_tree *tree, char out[EXPECTED_BYTES])
{
    bool is_begun = tree->process_count > 0 || tree->limit.count > 0 || tree->log;
    bool may_name = tree->peer_count == 0 && !is_begun;
    const char *peer = tree->direction == BERTH_OUT ? "to, " : "from, ";
    const char *by = tree->process_count > 0 ? "" : "by, ";
    const char *limit = tree->limit.count > 0 || !may_limit(tree) ? "" : "limit, ";
    const char *log = tree->log ? "" : "log, ";
    size_t used =
        (size_t)snprintf(out, EXPECTED_BYTES, "%s%s%s%s", may_name ? peer : "", by, limit, log);

    /* "by, log, " -> "by, log or " */
    if (used > 0) {
        (void)snprintf(out + used - 2, EXPECTED_BYTES - used + 2, " or the end of the rule");
    } else {
        (void)snprintf(out, EXPECTED_BYTES, "the end of the rule");
    }
    return out;
}

/* ---- by ------------------------------------------------------------------------------------- */

#define EXPECTED_PROCESS "a process name (at most 15 bytes, \"in quotes\" if it has blanks)"

static bool has_control(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static int read_process(struct firewall_parser *parser)
{
    struct firewall_tree *tree = parser->tree;
    struct firewall_token token = firewall_parser_take(parser);
    const char *text = token.text;
    size_t bytes = token.bytes;
    bool is_quoted = token.kind == FIREWALL_TOKEN_WORD && text[0] == '"';

    if (token.kind == FIREWALL_TOKEN_WORD && firewall_parse_is_tail_word(&token)) {
        return firewall_parser_fail(parser, &token,
                                    "a process name (in quotes if it is a word of the language)");
    }
    if (is_quoted) {
        bool is_closed = bytes > 1 && memchr(text + 1, '"', bytes - 1) == text + bytes - 1;

        text++;
        bytes = is_closed ? bytes - 2 : 0;
    }
    if (token.kind != FIREWALL_TOKEN_WORD || bytes == 0 || bytes >= BERTH_PROCESS_NAME_BYTES ||
        has_control(text, bytes)) {
        return firewall_parser_fail(parser, &token, EXPECTED_PROCESS);
    }
    if (tree->process_count == FIREWALL_PROCESSES_MAX) {
        return firewall_parser_fail(parser, &token, "at most %d in a list: go on in another rule",
                                    FIREWALL_PROCESSES_MAX);
    }
    tree->processes[tree->process_count] = (struct firewall_process){{0}};
    memcpy(tree->processes[tree->process_count].name, text, bytes);
    tree->process_count++;
    return BERTH_OK;
}

static int parse_by(struct firewall_parser *parser)
{
    int status = read_process(parser);

    while (status == BERTH_OK && parser->token.kind == FIREWALL_TOKEN_COMMA) {
        (void)firewall_parser_take(parser);
        status = read_process(parser);
    }
    return status;
}

/* ---- limit ---------------------------------------------------------------------------------- */

#define EXPECTED_LIMIT "a number from 1 to 1000000 and a time: 20/second, 5/minute, 1/hour"

/* The period whose name is TEXT, of BYTES; -1: none. */
static int find_period(const char *text, size_t bytes)
{
    struct firewall_token token = {.kind = FIREWALL_TOKEN_WORD, .text = text, .bytes = bytes};

    for (int i = FIREWALL_PER_SECOND; i <= FIREWALL_PER_HOUR; i++) {
        if (firewall_token_is(&token, firewall_period_text((enum firewall_period)i))) {
            return i;
        }
    }
    return -1;
}

static int parse_limit(struct firewall_parser *parser)
{
    struct firewall_token token = firewall_parser_take(parser);
    uint32_t count = 0;
    size_t at = 0;
    int period;

    while (at < token.bytes && token.text[at] >= '0' && token.text[at] <= '9') {
        count = min_u32(count * 10 + (uint32_t)(token.text[at] - '0'), FIREWALL_LIMIT_MAX + 1);
        at++;
    }
    if (token.kind != FIREWALL_TOKEN_WORD || at == 0 || token.text[0] == '0' || at == token.bytes ||
        token.text[at] != '/' || count > FIREWALL_LIMIT_MAX) {
        return firewall_parser_fail(parser, &token, EXPECTED_LIMIT);
    }
    period = find_period(token.text + at + 1, token.bytes - at - 1);
    if (period < 0) {
        return firewall_parser_fail(parser, &token, "%u/second, %u/minute or %u/hour",
                                    (unsigned)count, (unsigned)count, (unsigned)count);
    }
    parser->tree->limit = (struct firewall_limit){.count = count, .period = (uint8_t)period};
    return BERTH_OK;
}

/* ---- All of them ---------------------------------------------------------------------------- */

/* Is TOKEN a part of the rule that stands in it already? */
static bool is_said(const struct firewall_tree *tree, const struct firewall_token *token)
{
    return (tree->peer_count > 0 &&
            firewall_token_is(token, tree->direction == BERTH_OUT ? "to" : "from")) ||
           (tree->process_count > 0 && firewall_token_is(token, "by")) ||
           (tree->limit.count > 0 && firewall_token_is(token, "limit")) ||
           (tree->log && firewall_token_is(token, "log"));
}

static int fail(struct firewall_parser *parser)
{
    static const char *const near[] = {"to", "from", "by", "limit", "log", NULL};
    char words[EXPECTED_BYTES];

    (void)expected(parser->tree, words);
    if (is_said(parser->tree, &parser->token)) {
        return firewall_parser_fail(parser, &parser->token, "%s (it is said already)", words);
    }
    if (firewall_token_is(&parser->token, "limit") && !may_limit(parser->tree)) {
        return firewall_parser_fail(parser, &parser->token, "%s (limit goes with allow and ask)",
                                    words);
    }
    if (firewall_token_is(&parser->token, "ask")) {
        return firewall_parser_fail(parser, &parser->token, "%s (ask is an action: ask %s ...)",
                                    words, parser->tree->direction == BERTH_OUT ? "out" : "in");
    }
    return firewall_parser_fail_near(parser, &parser->token, words, near);
}

int firewall_parse_conditions(struct firewall_parser *parser)
{
    struct firewall_tree *tree = parser->tree;
    int status = BERTH_OK;

    while (status == BERTH_OK && parser->token.kind != FIREWALL_TOKEN_END) {
        if (firewall_token_is(&parser->token, "log") && !tree->log) {
            tree->log = true;
            (void)firewall_parser_take(parser);
        } else if (firewall_token_is(&parser->token, "by") && tree->process_count == 0) {
            (void)firewall_parser_take(parser);
            status = parse_by(parser);
        } else if (firewall_token_is(&parser->token, "limit") && tree->limit.count == 0 &&
                   may_limit(tree)) {
            (void)firewall_parser_take(parser);
            status = parse_limit(parser);
        } else {
            status = fail(parser);
        }
    }
    return status;
}
