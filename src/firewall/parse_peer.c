/* SPDX-License-Identifier: MIT */
/*
 * firewall/parse_peer.c: the list of peers of a rule (parse.h).
 */
#include "firewall/parse.h"
#include "firewall/suggest.h"

#define EXPECTED "an address, a prefix, a host name, host or any"

/* Sets the bits of PREFIX beyond its length to zero. */
static void mask(struct berth_prefix *prefix)
{
    for (uint32_t bit = prefix->bits; bit < 128; bit++) {
        prefix->address.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    }
}

/* Is WORD an address and a length, but one with bits beyond the length? *OUT: without them. */
static bool has_stray_bits(const char *word, struct berth_prefix *out)
{
    char address[FIREWALL_WORD_BYTES];
    const char *slash = strchr(word, '/');
    uint32_t bits = 0;
    uint32_t before;

    if (slash == NULL || slash[1] == '\0' || strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
        strlen(slash + 1) > 3 || (slash[1] == '0' && slash[2] != '\0')) {
        return false;
    }
    memcpy(address, word, (size_t)(slash - word));
    address[slash - word] = '\0';
    for (const char *at = slash + 1; *at != '\0'; at++) {
        bits = bits * 10 + (uint32_t)(*at - '0');
    }
    before = strchr(address, ':') == NULL ? 96 : 0;
    if (berth_address_parse(address, &out->address) != BERTH_OK || bits + before > 128) {
        return false;
    }
    out->bits = (uint8_t)(bits + before);
    mask(out);
    return true;
}

static int fail(struct firewall_parser *parser, const struct firewall_token *token,
                const char *word)
{
    static const char *const near[] = {"any", "host", NULL};
    struct berth_endpoint endpoint;
    struct berth_prefix prefix;
    char text[FIREWALL_PREFIX_BYTES];
    const char *group;

    if (has_stray_bits(word, &prefix)) {
        return firewall_parser_fail(parser, token, "%s: no bits are set beyond the length",
                                    firewall_format_prefix(&prefix, text));
    }
    if (berth_endpoint_parse(word, &endpoint) == BERTH_OK) {
        return firewall_parser_fail(parser, token,
                                    "an address alone: the port stands before to or from");
    }
    if (strchr(word, '%') != NULL && strchr(word, ':') != NULL) {
        return firewall_parser_fail(parser, token, "an address without a zone");
    }
    if (strspn(word, "0123456789./") == strlen(word) || strchr(word, ':') != NULL) {
        return firewall_parser_fail(parser, token, EXPECTED " (as 10.0.0.7, 10.0.0.0/8, fd00::7)");
    }
    /* "hots" is a misspelling rather than a name without a dot. */
    if (strchr(word, '.') == NULL && firewall_suggest_word(word, near) != NULL) {
        return firewall_parser_fail_near(parser, token, EXPECTED, near);
    }
    group = strchr(word, '.') == NULL ? firewall_group_near(parser->groups, word) : NULL;
    if (group != NULL) {
        return firewall_parser_fail(parser, token, EXPECTED " (did you mean %s?)", group);
    }
    if (strchr(word, '*') != NULL) {
        return firewall_parser_fail(parser, token,
                                    "* for whole labels in front of a name: *.example.com");
    }
    return firewall_parser_fail(parser, token, EXPECTED);
}

/* Words that are no host's name here, without a dot: that mean something else, or nearly. */
static bool is_taken(const struct firewall_parser *parser, const struct firewall_token *token)
{
    static const char *const near[] = {"any", "host", NULL};
    static const char *const words[] = {"tcp", "udp", "icmp", "system", "user", "ephemeral", NULL};
    char word[FIREWALL_WORD_BYTES];

    if (memchr(token->text, '.', token->bytes) != NULL || !firewall_token_copy(token, word)) {
        return false;
    }
    for (const char *const *at = words; *at != NULL; at++) {
        if (firewall_token_is(token, *at)) {
            return true;
        }
    }
    return firewall_parse_is_tail_word(token) || firewall_suggest_word(word, near) != NULL ||
           firewall_group_near(parser->groups, word) != NULL;
}

/* TOKEN as a host name, or one with a star. */
static bool read_name(const struct firewall_parser *parser, const struct firewall_token *token,
                      struct firewall_peer *out)
{
    bool has_star = token->bytes > 2 && memcmp(token->text, "*.", 2) == 0;
    const char *text = token->text + (has_star ? 2 : 0);
    size_t bytes = token->bytes - (has_star ? 2 : 0);

    if (!firewall_name_check(text, &bytes) || (!has_star && is_taken(parser, token))) {
        return false;
    }
    out->kind = FIREWALL_PEER_NAME;
    out->name =
        (struct firewall_pattern){.text = text, .bytes = (uint8_t)bytes, .has_star = has_star};
    return true;
}

static bool is_word(const struct firewall_token *token)
{
    return firewall_token_is(token, "any") || firewall_token_is(token, "host") ||
           firewall_token_is(token, "localhost");
}

bool firewall_parse_is_name(const struct firewall_token *token)
{
    static const struct firewall_parser without_groups;
    struct firewall_peer peer;

    return !is_word(token) && read_name(&without_groups, token, &peer);
}

static int read_peer(struct firewall_parser *parser, struct firewall_token *token,
                     struct firewall_peer *out)
{
    char word[FIREWALL_WORD_BYTES];
    bool is_short;

    *token = firewall_parser_take(parser);
    *out = (struct firewall_peer){.kind = FIREWALL_PEER_PREFIX};
    if (token->kind != FIREWALL_TOKEN_WORD) {
        return firewall_parser_fail(parser, token, EXPECTED);
    }
    is_short = firewall_token_copy(token, word); /* as addresses are, and all but names */
    if (firewall_token_is(token, "any")) {
        out->kind = FIREWALL_PEER_ANY;
    } else if (firewall_token_is(token, "host")) {
        out->kind = FIREWALL_PEER_HOST;
    } else if (firewall_token_is(token, "localhost")) {
        return firewall_parser_fail(parser, token, "host, or 127.0.0.1: no name is the loopback's");
    } else if ((!is_short || berth_prefix_parse(word, &out->prefix) != BERTH_OK) &&
               !read_name(parser, token, out)) {
        return fail(parser, token, word);
    }
    return BERTH_OK;
}

static int read_group(struct firewall_parser *parser, const struct firewall_group *group)
{
    if (!group->has_peers) {
        return firewall_parser_fail(parser, &parser->token,
                                    "a group of addresses (%s is one of ports)", group->name);
    }
    return firewall_group_expand(parser, group);
}

static int read_single(struct firewall_parser *parser)
{
    struct firewall_tree *tree = parser->tree;
    struct firewall_token token;
    struct firewall_peer peer;
    int status = read_peer(parser, &token, &peer);

    if (status == BERTH_OK && tree->peer_count == FIREWALL_ITEMS_MAX) {
        status = firewall_parser_fail(parser, &token, "at most %d in a list: go on in another rule",
                                      FIREWALL_ITEMS_MAX);
    }
    if (status == BERTH_OK) {
        tree->peers[tree->peer_count++] = peer;
    }
    return status;
}

int firewall_parse_peers(struct firewall_parser *parser)
{
    bool has_more;
    int status;

    do {
        const struct firewall_group *group = firewall_group_at(parser);

        status = group != NULL ? read_group(parser, group) : read_single(parser);
        has_more = status == BERTH_OK && parser->token.kind == FIREWALL_TOKEN_COMMA;
        if (has_more) {
            (void)firewall_parser_take(parser);
        }
    } while (has_more);
    return status;
}

bool firewall_parse_is_peer(const struct firewall_token *token)
{
    return firewall_token_is(token, "any") || firewall_token_is(token, "host") ||
           (token->kind == FIREWALL_TOKEN_WORD && (memchr(token->text, '.', token->bytes) != NULL ||
                                                   memchr(token->text, ':', token->bytes) != NULL));
}
