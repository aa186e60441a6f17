/* SPDX-License-Identifier: MIT */
/*
 * Groups: lists of ports or of peers that a policy gives a name, and rules and later groups use by
 * it. load.c reads them; the lists of parse_what.c and parse_peer.c put their contents in the place
 * of their names.
 *
 *   group    = "let" NAME "=" "{" element {"," element} "}"
 *   element  = an item of a rule, or the name of an earlier group of ports: all of them
 *            | a peer of a rule, or the name of an earlier group of peers: all of them
 *   NAME     = a letter, then letters, digits, '-' and '_'; no word of the language, no service
 *
 * 1. A group stands for its contents: a tree, a compiled rule and a rule's canonical spelling know
 *    nothing of it, so that a rule that is shown alone says all that it does, and its length is
 *    what it costs.
 * 2. A group is right by itself, and was read whole once, before a rule can name it.
 * 3. A group names earlier groups only: nothing goes round in circles. It stands for at most
 *    FIREWALL_ITEMS_MAX elements, groups stand in each other FIREWALL_GROUP_DEPTH_MAX deep.
 * 4. Its contents stay in the text: a group is where they begin there.
 */
#ifndef FIREWALL_GROUP_H
#define FIREWALL_GROUP_H

#include "firewall/lexer.h"

#define FIREWALL_GROUPS_MAX      128 /* in one part of a text (lexer.h) */
#define FIREWALL_GROUP_DEPTH_MAX 16

struct berth_rules_error;
struct firewall_parser;
struct firewall_tree;

struct firewall_group {
    char name[FIREWALL_WORD_BYTES];
    struct firewall_lexer content; /* at the first element; it ends with the brace */
    uint32_t count;                /* of what it stands for */
    uint8_t depth;                 /* 1: no group in it */
    bool has_peers;
};

struct firewall_groups {
    uint32_t part; /* of the text, that they belong to */
    uint32_t count;
    struct firewall_group list[FIREWALL_GROUPS_MAX];
};

/* Does the line at LEXER (firewall_lexer_next_rule said true) begin with "let"? */
bool firewall_group_begins(const struct firewall_lexer *lexer);
/* Reads the group at LEXER, and adds it to GROUPS. TREE is scratch. BERTH_E_SYNTAX: *ERROR. */
int firewall_group_add(struct firewall_groups *groups, struct firewall_lexer *lexer,
                       struct firewall_tree *tree, struct berth_rules_error *error);
/* Where PART of the text begins, groups of the one before are forgotten. */
void firewall_groups_begin_part(struct firewall_groups *groups, uint32_t part);

/* The group NAME, in any case; NULL: there is none. GROUPS may be NULL. */
const struct firewall_group *firewall_group_find(const struct firewall_groups *groups,
                                                 const char *name);
/* The name of a group that is near NAME; NULL: none is. */
const char *firewall_group_near(const struct firewall_groups *groups, const char *name);

/* ---- For the lists of a rule ----------------------------------------------------------------- */

/* The group that PARSER's next token names; NULL: it names none. */
const struct firewall_group *firewall_group_at(const struct firewall_parser *parser);
/* Takes that token and puts what GROUP stands for into the tree. BERTH_E_SYNTAX. */
int firewall_group_expand(struct firewall_parser *parser, const struct firewall_group *group);

#endif
