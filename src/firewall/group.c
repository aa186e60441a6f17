/* SPDX-License-Identifier: MIT */
/*
 * firewall/group.c: see firewall/group.h.
 */
#include "firewall/group.h"

#include "firewall/parse.h"
#include "firewall/suggest.h"

#define EXPECTED_ELEMENT "ports or services, or addresses"

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool has_shape_of_name(const char *word)
{
    const char *at = word;

    while (is_letter(*at) ||
           (at > word && ((*at >= '0' && *at <= '9') || *at == '-' || *at == '_'))) {
        at++;
    }
    return at > word && *at == '\0';
}

/* Words that have a meaning where a group's name may stand, or might be taken for a rule's. */
static bool is_reserved(const struct firewall_token *token)
{
    static const char *const words[] = {
        "allow",  "deny",  "drop", "ask",  "in",     "out",  "any",       "tcp",    "udp", "icmp",
        "icmpv6", "icmp6", "sctp", "dccp", "system", "user", "ephemeral", "host",   "to",  "from",
        "by",     "limit", "log",  "let",  "on",     "scan", "only",      "include"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (firewall_token_is(token, words[i])) {
            return true;
        }
    }
    return false;
}

/* ---- The groups ------------------------------------------------------------------------------ */

void firewall_groups_begin_part(struct firewall_groups *groups, uint32_t part)
{
    if (groups->part != part) {
        groups->part = part;
        groups->count = 0;
    }
}

const struct firewall_group *firewall_group_find(const struct firewall_groups *groups,
                                                 const char *name)
{
    struct firewall_token token = {
        .kind = FIREWALL_TOKEN_WORD, .text = name, .bytes = strlen(name)};

    for (uint32_t i = 0; groups != NULL && i < groups->count; i++) {
        if (firewall_token_is(&token, groups->list[i].name)) {
            return &groups->list[i];
        }
    }
    return NULL;
}

const char *firewall_group_near(const struct firewall_groups *groups, const char *name)
{
    const char *names[FIREWALL_GROUPS_MAX + 1];
    uint32_t count = groups == NULL ? 0 : groups->count;

    for (uint32_t i = 0; i < count; i++) {
        names[i] = groups->list[i].name;
    }
    names[count] = NULL;
    return firewall_suggest_word(name, names);
}

const struct firewall_group *firewall_group_at(const struct firewall_parser *parser)
{
    char word[FIREWALL_WORD_BYTES];

    return firewall_token_copy(&parser->token, word) ? firewall_group_find(parser->groups, word)
                                                     : NULL;
}

int firewall_group_expand(struct firewall_parser *parser, const struct firewall_group *group)
{
    struct firewall_token name = firewall_parser_take(parser);
    struct firewall_token after = parser->token;
    struct firewall_lexer *outer = parser->lexer;
    struct firewall_lexer content = group->content;
    uint32_t count = group->has_peers ? parser->tree->peer_count : parser->tree->item_count;
    int status;

    if (count + group->count > FIREWALL_ITEMS_MAX) {
        return firewall_parser_fail(parser, &name, "at most %d in a list: go on in another rule",
                                    FIREWALL_ITEMS_MAX);
    }
    parser->lexer = &content;
    parser->token = firewall_lexer_next(&content);
    status = group->has_peers ? firewall_parse_peers(parser) : firewall_parse_items(parser);
    parser->lexer = outer;
    parser->token = after;
    if (status != BERTH_OK) {
        /* Right by itself, and not here: the word that is wrong is the group's name. */
        parser->error->line = name.line;
        parser->error->column = name.column;
    }
    return status;
}

/* ---- Reading one ----------------------------------------------------------------------------- */

static int read_name(struct firewall_parser *parser, const struct firewall_groups *groups,
                     char out[FIREWALL_WORD_BYTES])
{
    struct firewall_token token = firewall_parser_take(parser);

    if (!firewall_token_copy(&token, out) || !has_shape_of_name(out)) {
        return firewall_parser_fail(parser, &token,
                                    "a name for a group: a letter, then letters, digits, - and _");
    }
    if (is_reserved(&token)) {
        return firewall_parser_fail(parser, &token, "another name: %s is a word of the language",
                                    out);
    }
    if (firewall_parse_service(out) != NULL) {
        return firewall_parser_fail(parser, &token, "another name: %s is a service", out);
    }
    if (firewall_group_find(groups, out) != NULL) {
        return firewall_parser_fail(parser, &token, "another name: there is a group of that name");
    }
    return BERTH_OK;
}

static bool is_sign(const struct firewall_token *token, char sign)
{
    return token->kind == FIREWALL_TOKEN_SIGN && token->text[0] == sign;
}

static int take_sign(struct firewall_parser *parser, char sign)
{
    struct firewall_token token = firewall_parser_take(parser);

    return is_sign(&token, sign)
               ? BERTH_OK
               : firewall_parser_fail(parser, &token, "%c (as in: let web = {http, https, 8080})",
                                      sign);
}

/* Whether the first element is a peer. */
static int read_kind(struct firewall_parser *parser, bool *has_peers)
{
    const struct firewall_group *group = firewall_group_at(parser);
    char word[FIREWALL_WORD_BYTES];
    const char *near;

    *has_peers = group != NULL ? group->has_peers : !firewall_parse_is_item(&parser->token);
    if (group != NULL || !*has_peers || firewall_parse_is_peer(&parser->token)) {
        return BERTH_OK;
    }
    (void)firewall_token_copy(&parser->token, word);
    near = firewall_group_near(parser->groups, word);
    near = near != NULL || word[0] == '\0' ? near : firewall_suggest_service(word);
    if (near != NULL) {
        return firewall_parser_fail(parser, &parser->token, EXPECTED_ELEMENT " (did you mean %s?)",
                                    near);
    }
    return firewall_parser_fail(parser, &parser->token, EXPECTED_ELEMENT);
}

/* How deep groups stand in the one that is read; its names are all known. */
static uint8_t find_depth(const struct firewall_groups *groups, struct firewall_lexer content)
{
    struct firewall_token token = firewall_lexer_next(&content);
    char word[FIREWALL_WORD_BYTES];
    uint8_t depth = 1;

    for (; token.kind != FIREWALL_TOKEN_END && !is_sign(&token, '}');
         token = firewall_lexer_next(&content)) {
        const struct firewall_group *inner =
            firewall_token_copy(&token, word) ? firewall_group_find(groups, word) : NULL;

        if (inner != NULL && inner->depth >= depth) {
            depth = (uint8_t)(inner->depth + 1);
        }
    }
    return depth;
}

static int read_content(struct firewall_parser *parser, struct firewall_group *group)
{
    int status = read_kind(parser, &group->has_peers);

    if (status == BERTH_OK) {
        status = group->has_peers ? firewall_parse_peers(parser) : firewall_parse_items(parser);
    }
    group->count = group->has_peers ? parser->tree->peer_count : parser->tree->item_count;
    if (status == BERTH_OK && !is_sign(&parser->token, '}')) {
        status = firewall_parser_fail(parser, &parser->token, "a comma, or } at the group's end");
    }
    return status;
}

static int read_group(struct firewall_parser *parser, const struct firewall_groups *groups,
                      struct firewall_group *group)
{
    struct firewall_token name = parser->token;
    int status = read_name(parser, groups, group->name);

    if (status == BERTH_OK) {
        status = take_sign(parser, '=');
    }
    if (status == BERTH_OK) {
        /* The token after the brace is read when the brace is taken: the lexer is before it now. */
        group->content = *parser->lexer;
        status = take_sign(parser, '{');
    }
    if (status == BERTH_OK) {
        status = read_content(parser, group);
    }
    if (status != BERTH_OK) {
        return status;
    }
    group->depth = find_depth(groups, group->content);
    if (group->depth > FIREWALL_GROUP_DEPTH_MAX) {
        return firewall_parser_fail(parser, &name,
                                    "groups that stand in each other %d deep at most",
                                    FIREWALL_GROUP_DEPTH_MAX);
    }
    (void)firewall_parser_take(parser);
    return parser->token.kind == FIREWALL_TOKEN_END
               ? BERTH_OK
               : firewall_parser_fail(parser, &parser->token, "the end of the line after }");
}

bool firewall_group_begins(const struct firewall_lexer *lexer)
{
    struct firewall_lexer copy = *lexer;
    struct firewall_token token = firewall_lexer_next(&copy);

    return firewall_token_is(&token, "let");
}

int firewall_group_add(struct firewall_groups *groups, struct firewall_lexer *lexer,
                       struct firewall_tree *tree, struct berth_rules_error *error)
{
    struct firewall_parser parser = {
        .lexer = lexer, .groups = groups, .tree = tree, .error = error};
    int status;

    firewall_groups_begin_part(groups, lexer->part);
    (void)firewall_lexer_next(lexer); /* let */
    parser.token = firewall_lexer_next(lexer);
    tree->direction = BERTH_OUT;
    tree->item_count = 0;
    tree->peer_count = 0;
    if (groups->count == FIREWALL_GROUPS_MAX) {
        return firewall_parser_fail(&parser, &parser.token, "at most %d groups",
                                    FIREWALL_GROUPS_MAX);
    }
    status = read_group(&parser, groups, &groups->list[groups->count]);
    groups->count += status == BERTH_OK;
    return status;
}
