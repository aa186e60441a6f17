/* SPDX-License-Identifier: MIT */
/*
 * firewall/parse_what.c: the list of ports, ranges, services and categories of a rule (parse.h).
 */
#include "firewall/parse.h"
#include "firewall/suggest.h"

#include <berth/registry.h>

#define EXPECTED "a port, a range, a service name or a category"

/* One item while it is read. */
struct reading {
    struct firewall_token token;
    char word[FIREWALL_WORD_BYTES]; /* without its protocol */
    struct firewall_item item;
};

/* The decimal number at AT, which ends where the digits end; above 65535 it is 65536. */
static const char *read_number(const char *at, uint32_t *out)
{
    uint32_t value = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        value = min_u32(value * 10 + (uint32_t)(*at - '0'), UINT16_MAX + 1);
    }
    *out = value;
    return at;
}

/* Has WORD the shape of a port or a range: digits, or digits '-' digits? */
static bool is_numeric(const char *word)
{
    uint32_t value;
    const char *at = read_number(word, &value);

    if (at != word && *at == '-') {
        const char *second = at + 1;

        at = read_number(second, &value);
        return at != second && *at == '\0';
    }
    return at != word && *at == '\0';
}

/* To some readers "010" is eight. */
static bool has_leading_zero(const char *digits)
{
    return digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
}

static bool is_port(uint32_t value)
{
    return value >= 1 && value <= UINT16_MAX;
}

static int read_ports(struct firewall_parser *parser, struct reading *reading)
{
    uint32_t first;
    uint32_t last;
    const char *at = read_number(reading->word, &first);

    last = first;
    if (*at == '-') {
        (void)read_number(at + 1, &last);
    }
    if (has_leading_zero(reading->word) || has_leading_zero(at + (*at == '-'))) {
        return firewall_parser_fail(parser, &reading->token, "a number without leading zeros");
    }
    if (!is_port(first) || !is_port(last)) {
        return firewall_parser_fail(parser, &reading->token, "%s from 1 to 65535",
                                    *at == '-' ? "a range of ports" : "a port");
    }
    if (first > last) {
        return firewall_parser_fail(parser, &reading->token, "the lower port first: %u-%u", last,
                                    first);
    }
    reading->item.kind = FIREWALL_PORTS;
    reading->item.first = (uint16_t)first;
    reading->item.last = (uint16_t)last;
    return BERTH_OK;
}

const char *firewall_parse_service(const char *name)
{
    const struct berth_registry_query query = {.name = name};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    berth_registry_start(&cursor, &query);
    return name[0] != '\0' && berth_registry_next(&cursor, &service) ? service.name : NULL;
}

static int fail_unknown(struct firewall_parser *parser, const struct reading *reading)
{
    static const char *const words[] = {"any",   "tcp",       "udp", "icmp", "system",
                                        "user",  "ephemeral", "to",  "from", "by",
                                        "limit", "log",       NULL};
    const char *near = NULL;

    if (firewall_token_is(&reading->token, "icmpv6") ||
        firewall_token_is(&reading->token, "icmp6")) {
        return firewall_parser_fail(parser, &reading->token, "icmp (which is ICMPv6's too)");
    }
    if (firewall_token_is(&reading->token, "sctp") || firewall_token_is(&reading->token, "dccp")) {
        return firewall_parser_fail(parser, &reading->token,
                                    "tcp, udp, icmp or any: no other protocol passes");
    }
    if (firewall_token_is(&reading->token, "host")) {
        return firewall_parser_fail(parser, &reading->token, EXPECTED " (did you mean %s host?)",
                                    parser->tree->direction == BERTH_OUT ? "to" : "from");
    }
    if (firewall_group_find(parser->groups, reading->word) != NULL) {
        return firewall_parser_fail(parser, &reading->token,
                                    "%s alone: a group says its protocols itself", reading->word);
    }
    if (reading->word[0] != '\0' && !firewall_parse_is_tail_word(&reading->token)) {
        near = firewall_suggest_word(reading->word, words);
        near = near != NULL ? near : firewall_group_near(parser->groups, reading->word);
        near = near != NULL ? near : firewall_suggest_service(reading->word);
    }
    if (near != NULL) {
        return firewall_parser_fail(parser, &reading->token, EXPECTED " (did you mean %s?)", near);
    }
    return firewall_parser_fail(parser, &reading->token, EXPECTED);
}

/* Takes "/tcp" or "/udp" from the end of READING's word. */
static int take_protocol(struct firewall_parser *parser, struct reading *reading)
{
    char *slash = strrchr(reading->word, '/');
    enum berth_transport transport;
    int status = slash == NULL ? BERTH_OK : berth_transport_parse(slash + 1, &transport);

    /* Some names have a slash in them: "cl/1". */
    if (slash == NULL || (status != BERTH_OK && firewall_parse_service(reading->word) != NULL)) {
        return BERTH_OK;
    }
    if (status == BERTH_OK && transport == BERTH_TRANSPORT_TCP) {
        reading->item.protocols = FIREWALL_TCP;
    } else if (status == BERTH_OK && transport == BERTH_TRANSPORT_UDP) {
        reading->item.protocols = FIREWALL_UDP;
    } else {
        char *word = reading->word;

        *slash = '\0';
        if (!is_numeric(word) && firewall_parse_service(word) == NULL) {
            return fail_unknown(parser, reading);
        }
        return firewall_parser_fail(parser, &reading->token, "%s/tcp or %s/udp", word, word);
    }
    *slash = '\0';
    return BERTH_OK;
}

/* Words for a whole protocol; some are names that IANA has registered, too. */
static bool is_protocol(const char *word)
{
    const struct firewall_token token = {
        .kind = FIREWALL_TOKEN_WORD, .text = word, .bytes = strlen(word)};

    return firewall_token_is(&token, "any") || firewall_token_is(&token, "tcp") ||
           firewall_token_is(&token, "udp") || firewall_token_is(&token, "icmp");
}

static int read_item(struct firewall_parser *parser, struct reading *reading)
{
    enum berth_category category;
    int status;

    reading->token = firewall_parser_take(parser);
    reading->item =
        (struct firewall_item){.line = reading->token.line, .column = reading->token.column};
    if (!firewall_token_copy(&reading->token, reading->word)) {
        return firewall_parser_fail(parser, &reading->token, EXPECTED);
    }
    status = take_protocol(parser, reading);
    if (status != BERTH_OK) {
        return status;
    }
    if (is_protocol(reading->word)) {
        return firewall_parser_fail(parser, &reading->token, EXPECTED ": %s has a rule of its own",
                                    reading->word);
    }
    if (is_numeric(reading->word)) {
        return read_ports(parser, reading);
    }
    if (berth_category_parse(reading->word, &category) == BERTH_OK) {
        reading->item.kind = FIREWALL_CATEGORY;
        reading->item.name = berth_category_name(category);
        status = berth_category_ports(category, &reading->item.first, &reading->item.last);
        reading->item.first = reading->item.first == 0 ? 1 : reading->item.first;
        return status;
    }
    reading->item.kind = FIREWALL_SERVICE;
    reading->item.name = firewall_parse_service(reading->word);
    return reading->item.name == NULL ? fail_unknown(parser, reading) : BERTH_OK;
}

/* ---- Services against the protocols that they are registered for ----------------------------- */

/* The protocols with a port that IANA has registered for NAME; without a transport: both. */
static uint8_t registered_protocols(const char *name)
{
    const struct berth_registry_query query = {.name = name};
    struct berth_registry_cursor cursor;
    struct berth_service service;
    uint8_t protocols = 0;

    berth_registry_start(&cursor, &query);
    while (berth_registry_next(&cursor, &service)) {
        if (service.has_port) {
            protocols |= firewall_transport_protocols(service.transport);
        }
    }
    return protocols;
}

static int check_service(struct firewall_parser *parser, const struct firewall_item *item)
{
    uint8_t registered = registered_protocols(item->name);
    uint8_t wanted = item->protocols == 0 ? FIREWALL_TCP | FIREWALL_UDP : item->protocols;
    struct firewall_token token = {.kind = FIREWALL_TOKEN_WORD,
                                   .text = item->name,
                                   .bytes = strlen(item->name),
                                   .line = item->line,
                                   .column = item->column};

    if ((registered & wanted) != 0) {
        return BERTH_OK;
    }
    if (registered == 0) {
        return firewall_parser_fail(parser, &token,
                                    "a port: IANA registers none of TCP or UDP for this name");
    }
    return firewall_parser_fail(parser, &token, "%s: IANA registers the name for %s alone",
                                registered == FIREWALL_TCP ? "tcp" : "udp",
                                registered == FIREWALL_TCP ? "TCP" : "UDP");
}

/* The items from BEGIN on have PROTOCOLS (0: none was said). */
static int close_group(struct firewall_parser *parser, uint32_t begin, uint8_t protocols)
{
    struct firewall_tree *tree = parser->tree;

    for (uint32_t i = begin; i < tree->item_count; i++) {
        tree->items[i].protocols = protocols;
        if (tree->items[i].kind == FIREWALL_SERVICE) {
            int status = check_service(parser, &tree->items[i]);

            if (status != BERTH_OK) {
                return status;
            }
        }
    }
    return BERTH_OK;
}

/* The group GROUP in the place of an item. What stands before it is closed, and no protocol behind
 * it reaches into it. *BEGIN: where what is still open begins. */
static int read_group(struct firewall_parser *parser, const struct firewall_group *group,
                      uint32_t *begin)
{
    int status = close_group(parser, *begin, 0);

    if (status == BERTH_OK && group->has_peers) {
        status = firewall_parser_fail(parser, &parser->token,
                                      "a group of ports (%s is one of addresses)", group->name);
    }
    if (status == BERTH_OK) {
        status = firewall_group_expand(parser, group);
    }
    *begin = parser->tree->item_count;
    return status;
}

/* One item and, where it says a protocol, the end of those that wait for one. */
static int read_single(struct firewall_parser *parser, uint32_t *begin)
{
    struct firewall_tree *tree = parser->tree;
    struct reading reading;
    int status = read_item(parser, &reading);

    if (status == BERTH_OK && tree->item_count == FIREWALL_ITEMS_MAX) {
        status =
            firewall_parser_fail(parser, &reading.token,
                                 "at most %d in a list: go on in another rule", FIREWALL_ITEMS_MAX);
    }
    if (status != BERTH_OK) {
        return status;
    }
    tree->items[tree->item_count++] = reading.item;
    if (reading.item.protocols != 0) {
        status = close_group(parser, *begin, reading.item.protocols);
        *begin = tree->item_count;
    }
    return status;
}

int firewall_parse_items(struct firewall_parser *parser)
{
    uint32_t begin = parser->tree->item_count;
    bool has_more;
    int status;

    do {
        const struct firewall_group *group = firewall_group_at(parser);

        status = group != NULL ? read_group(parser, group, &begin) : read_single(parser, &begin);
        has_more = status == BERTH_OK && parser->token.kind == FIREWALL_TOKEN_COMMA;
        if (has_more) {
            (void)firewall_parser_take(parser);
        }
    } while (has_more);
    return status == BERTH_OK ? close_group(parser, begin, 0) : status;
}

bool firewall_parse_is_item(const struct firewall_token *token)
{
    char word[FIREWALL_WORD_BYTES];
    enum berth_category category;
    enum berth_transport transport;
    char *slash;

    if (!firewall_token_copy(token, word)) {
        return false;
    }
    slash = strrchr(word, '/');
    if (slash != NULL && berth_transport_parse(slash + 1, &transport) == BERTH_OK) {
        *slash = '\0';
    }
    return is_numeric(word) || berth_category_parse(word, &category) == BERTH_OK ||
           firewall_parse_service(word) != NULL;
}
