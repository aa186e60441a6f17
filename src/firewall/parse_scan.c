/* SPDX-License-Identifier: MIT */
/*
 * firewall/parse_scan.c: the lines of a policy that say what becomes of scanners (<berth/scan.h>):
 *
 *   scan = "on" "scan" ["in" | "out"] (("deny" | "drop") NUMBER unit | "log" ["only"])
 *   unit = ("second" | "minute" | "hour") ["s"]
 *
 * Each direction has one such line at most; without one its scanners are logged. load.c calls it.
 */
#include "firewall/parse.h"

static const char *const units[] = {"seconds", "minutes", "hours", "second",
                                    "minute",  "hour",    NULL};
static const uint64_t unit_ns[] = {NS_PER_S, 60 * NS_PER_S, 3600 * NS_PER_S};

bool firewall_parse_is_scan(const struct firewall_lexer *lexer)
{
    struct firewall_lexer ahead = *lexer;
    struct firewall_token token = firewall_lexer_next(&ahead);

    return firewall_token_is(&token, "on");
}

/* A whole number of decimal digits; 0: none, or more than there are in MAX. */
static uint64_t number_of(const struct firewall_token *token, uint64_t max)
{
    uint64_t value = 0;

    for (size_t i = 0; i < token->bytes; i++) {
        if (token->text[i] < '0' || token->text[i] > '9' || value > max) {
            return 0;
        }
        value = value * 10 + (uint64_t)(token->text[i] - '0');
    }
    return value > max ? 0 : value;
}

static int parse_time(struct firewall_parser *parser, struct firewall_scan_policy *out)
{
    struct firewall_token number = firewall_parser_take(parser);
    uint64_t value = number_of(&number, SCAN_NS_MAX / NS_PER_S);
    struct firewall_token unit;

    if (value == 0) {
        return firewall_parser_fail(parser, &number, "how long: a number from 1, then a unit");
    }
    unit = firewall_parser_take(parser);
    for (size_t i = 0; units[i] != NULL; i++) {
        if (firewall_token_is(&unit, units[i])) {
            out->ns = value * unit_ns[i % 3];
            return out->ns <= SCAN_NS_MAX
                       ? BERTH_OK
                       : firewall_parser_fail(parser, &number, "at most 8784 hours");
        }
    }
    return firewall_parser_fail_near(parser, &unit, "seconds, minutes or hours", units);
}

/* MAY_DIRECT: a direction might have stood in this place. */
static int parse_what(struct firewall_parser *parser, bool may_direct,
                      struct firewall_scan_policy *out)
{
    static const char *const words[] = {"deny", "drop", "log", NULL};
    struct firewall_token token = firewall_parser_take(parser);

    *out = (struct firewall_scan_policy){.action = BERTH_ALLOW, .ns = SCAN_LOG_NS};
    if (firewall_token_is(&token, "log")) {
        if (firewall_token_is(&parser->token, "only")) {
            (void)firewall_parser_take(parser);
        }
        return BERTH_OK;
    }
    if (!firewall_token_is(&token, "deny") && !firewall_token_is(&token, "drop")) {
        return firewall_parser_fail_near(
            parser, &token, may_direct ? "in, out, deny, drop or log" : "deny, drop or log", words);
    }
    out->action = firewall_token_is(&token, "deny") ? BERTH_DENY : BERTH_DROP;
    return parse_time(parser, out);
}

/* Sets POLICY for one direction, or for both (first to last); at FROM the line begins. */
static int set_policies(struct firewall_parser *parser, struct firewall_scan_lines *lines,
                        const struct firewall_token *from, int first, int last)
{
    struct firewall_scan_policy policy;
    int status = parse_what(parser, first != last, &policy);

    if (status != BERTH_OK) {
        return status;
    }
    if (parser->token.kind != FIREWALL_TOKEN_END) {
        return firewall_parser_fail(parser, &parser->token, "the end of the line");
    }
    for (int i = first; i <= last; i++) {
        if (lines->line[i] != 0) {
            /* Which line, would be one of this text: a file of rules may be many (include). */
            return firewall_parser_fail(parser, from,
                                        "no second 'on scan' for %s: an earlier line has one",
                                        i == BERTH_IN ? "in" : "out");
        }
        lines->line[i] = from->line;
        lines->policy[i] = policy;
    }
    return BERTH_OK;
}

int firewall_parse_scan(struct firewall_lexer *lexer, struct firewall_scan_lines *lines,
                        struct berth_rules_error *error)
{
    struct firewall_parser parser = {.lexer = lexer, .error = error};
    struct firewall_token from;
    struct firewall_token scan;
    int first = BERTH_OUT;
    int last = BERTH_IN;

    parser.token = firewall_lexer_next(lexer);
    from = firewall_parser_take(&parser);
    scan = firewall_parser_take(&parser);
    if (!firewall_token_is(&scan, "scan")) {
        return firewall_parser_fail(&parser, &scan, "scan");
    }
    if (firewall_token_is(&parser.token, "in") || firewall_token_is(&parser.token, "out")) {
        first = firewall_token_is(&parser.token, "in") ? BERTH_IN : BERTH_OUT;
        last = first;
        (void)firewall_parser_take(&parser);
    }
    return set_policies(&parser, lines, &from, first, last);
}
