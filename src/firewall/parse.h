/* SPDX-License-Identifier: MIT */
/*
 * One rule: words to a tree. load.c calls firewall_parse_rule; cli/ too, for queries.
 *
 *   rule     = action direction [what] [peer] {condition}
 *   action   = "allow" | "deny" | "drop" | "ask"
 *   direction= "in" | "out"
 *   what     = "any" | "tcp" | "udp" | "icmp" | item {"," item}
 *   item     = (port | port "-" port | service | "system" | "user" | "ephemeral") ["/" protocol]
 *   protocol = "tcp" | "udp"
 *   peer     = "to" name {"," name}         in rules for out
 *            | "from" name {"," name}       in rules for in
 *   name     = "any" | "host" | address | prefix | hostname | "*." hostname
 *   condition= "by" process {"," process} | "limit" NUMBER "/" period | "log"
 *   period   = "second" | "minute" | "hour"
 *
 * A protocol is that of its item and of the items before it, back to the item before that has one:
 * "http,https/tcp" is TCP twice. Where none is said: a port or range is TCP's, a service whatever
 * IANA has registered of TCP and UDP, a category both.
 */
#ifndef FIREWALL_PARSE_H
#define FIREWALL_PARSE_H

#include "firewall/group.h"
#include "firewall/lexer.h"
#include "firewall/rule.h"

struct firewall_parser {
    struct firewall_lexer *lexer;
    const struct firewall_groups *groups; /* NULL: none */
    struct firewall_tree *tree;
    struct berth_rules_error *error;
    struct firewall_token token; /* the next one, not yet taken */
};

/* The rule at LEXER (firewall_lexer_next_rule said true) into *TREE; GROUPS (NULL: none) are those
 * that it may name. BERTH_E_SYNTAX: *ERROR says where and what. The lists of TREE beyond their
 * counts are not touched. */
int firewall_parse_rule(struct firewall_lexer *lexer, const struct firewall_groups *groups,
                        struct firewall_tree *tree, struct berth_rules_error *error);

/* parse_scan.c: what the lines "on scan" of a set say. */
struct firewall_scan_lines {
    struct firewall_scan_policy policy[2]; /* by enum berth_direction */
    uint32_t line[2];                      /* 0: there is none */
};
/* Does such a line stand at LEXER? */
bool firewall_parse_is_scan(const struct firewall_lexer *lexer);
/* Adds it to *LINES. BERTH_E_SYNTAX: *ERROR says where and what. */
int firewall_parse_scan(struct firewall_lexer *lexer, struct firewall_scan_lines *lines,
                        struct berth_rules_error *error);

/* ---- Between the files of the parser -------------------------------------------------------- */

static inline struct firewall_token firewall_parser_take(struct firewall_parser *parser)
{
    struct firewall_token token = parser->token;

    parser->token = firewall_lexer_next(parser->lexer);
    return token;
}

/* Fills *ERROR for TOKEN; BERTH_E_SYNTAX. */
int firewall_parser_fail(struct firewall_parser *parser, const struct firewall_token *token,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same where one of WORDS (NULL at the end) was expected: adds "did you mean". */
int firewall_parser_fail_near(struct firewall_parser *parser, const struct firewall_token *token,
                              const char *expected, const char *const *words);

/* parse_what.c: the list of items, at its first word; they are added to the tree's. */
int firewall_parse_items(struct firewall_parser *parser);
/* Is TOKEN a port, a range, a service or a category? */
bool firewall_parse_is_item(const struct firewall_token *token);
/* The registry's spelling of the service NAME; NULL: there is none. */
const char *firewall_parse_service(const char *name);
/* parse_peer.c: the list of names after "to" or "from"; they are added to the tree's. */
int firewall_parse_peers(struct firewall_parser *parser);
/* Might TOKEN be a peer: an address, a prefix, host, any, or a name with a dot? */
bool firewall_parse_is_peer(const struct firewall_token *token);
/* Is TOKEN, without groups, a host's name? */
bool firewall_parse_is_name(const struct firewall_token *token);
/* parse_condition.c: what stands behind the peers, to the end of the line. */
int firewall_parse_conditions(struct firewall_parser *parser);
/* Is WORD, in any case, one that the language gives a meaning behind a rule's ports? */
bool firewall_parse_is_tail_word(const struct firewall_token *token);

#endif
