/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_query.c: what `berth rules explain` is asked, in either of two forms:
 *
 *   DIRECTION PROTOCOL PEER:PORT [by PROCESS]   out tcp registry.example:443   (icmp: no port)
 *   a rule without its first word               out https to 10.0.0.7 by curl  (one peer, single
 *                                               ports)
 *
 * Invariant 1: the first form is made the second, and that is read by the parser of rules: all know
 * the same words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/rules.h"
#include "firewall/parse.h"

#define WORDS_MAX 4

static size_t complain(struct cli_complaint *complaint, const char *word, const char *expected)
{
    (void)snprintf(complaint->word, sizeof complaint->word, "%s", word);
    (void)snprintf(complaint->expected, sizeof complaint->expected, "%s", expected);
    return 0;
}

/* ---- DIRECTION PROTOCOL ENDPOINT ------------------------------------------------------------ */

static bool read_protocol(const struct firewall_token *word, enum berth_protocol *out)
{
    static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP, BERTH_ICMP};

    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        if (firewall_token_is(word, berth_protocol_name(protocols[i]))) {
            *out = protocols[i];
            return true;
        }
    }
    return false;
}

/* Is the text of this form: two words, the second a protocol, and then no word of a rule? */
static bool is_short(const struct firewall_token *words, size_t count)
{
    static const char *const others[] = {"to", "from", "by", "limit", "log"};
    enum berth_protocol protocol;

    if (count < 3 || !read_protocol(&words[1], &protocol) || words[2].kind != FIREWALL_TOKEN_WORD) {
        return false;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (firewall_token_is(&words[2], others[i])) {
            return false;
        }
    }
    return true;
}

struct end {
    char peer[BERTH_NAME_BYTES];
    char port[8]; /* "" for ICMP */
};

/* "10.0.0.7:443", "[fd00::7]:443", "host:443", "registry.example:443"; for ICMP without the
 * port. */
static bool read_end(const struct firewall_token *word, bool has_port, struct end *out)
{
    const char *text = word->text;
    size_t bytes = word->bytes;
    size_t port_bytes = 0;

    while (has_port && port_bytes < bytes && text[bytes - port_bytes - 1] != ':') {
        port_bytes++;
    }
    if (has_port && (port_bytes == 0 || port_bytes == bytes || port_bytes >= sizeof out->port)) {
        return false;
    }
    (void)snprintf(out->port, sizeof out->port, "%.*s", (int)port_bytes, text + bytes - port_bytes);
    bytes -= has_port ? port_bytes + 1 : 0;
    if (has_port && bytes > 2 && text[0] == '[' && text[bytes - 1] == ']') {
        text++;
        bytes -= 2;
    } else if (has_port && memchr(text, ':', bytes) != NULL) {
        return false;
    }
    if (bytes == 0 || bytes >= sizeof out->peer) {
        return false;
    }
    (void)snprintf(out->peer, sizeof out->peer, "%.*s", (int)bytes, text);
    return strspn(out->port, "0123456789") == strlen(out->port) &&
           (!has_port || strtoul(out->port, NULL, 10) - 1 < UINT16_MAX);
}

/* The text of the first form as one of the second; NULL: *COMPLAINT. The caller's to free. */
static char *make_long(const struct firewall_token *words, size_t count, const char *text,
                       struct cli_complaint *complaint)
{
    char word[FIREWALL_WORD_BYTES];
    enum berth_protocol protocol = BERTH_TCP;
    bool is_out = firewall_token_is(&words[0], "out");
    const char *rest = words[2].text + words[2].bytes;
    size_t room = strlen(text) + 64;
    struct end end;
    char *made;

    (void)firewall_token_copy(&words[0], word);
    if (!is_out && !firewall_token_is(&words[0], "in")) {
        (void)complain(complaint, word, "in or out");
        return NULL;
    }
    (void)read_protocol(&words[1], &protocol);
    if (!read_end(&words[2], protocol != BERTH_ICMP, &end)) {
        (void)snprintf(complaint->word, sizeof complaint->word, "%.*s", (int)words[2].bytes,
                       words[2].text);
        (void)snprintf(complaint->expected, sizeof complaint->expected, "%s",
                       protocol == BERTH_ICMP
                           ? "an address, a host name or host"
                           : "ADDRESS:PORT, [ADDRESS]:PORT for IPv6, NAME:PORT or host:PORT");
        return NULL;
    }
    if (count > 3 && !firewall_token_is(&words[3], "by")) {
        (void)firewall_token_copy(&words[3], word);
        (void)complain(complaint, word, "by and a process, or nothing, after the address");
        return NULL;
    }
    made = cli_memory(NULL, room);
    if (protocol == BERTH_ICMP) {
        (void)snprintf(made, room, "%s icmp %s %s%s", word, is_out ? "to" : "from", end.peer, rest);
    } else {
        (void)snprintf(made, room, "%s %s/%s %s %s%s", word, end.port,
                       berth_protocol_name(protocol), is_out ? "to" : "from", end.peer, rest);
    }
    return made;
}

/* ---- A rule without its first word ---------------------------------------------------------- */

/* The one peer that TREE names, and its process, if it names one. */
static bool read_ends(const struct firewall_tree *tree, const struct berth_address *host,
                      struct rules_query *out)
{
    const struct firewall_peer *peer = &tree->peers[0];

    if (tree->peer_count != 1 || tree->process_count > 1 || tree->limit.count > 0 || tree->log) {
        return false;
    }
    if (tree->process_count == 1) {
        memcpy(out->process, tree->processes[0].name, sizeof out->process);
    }
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return false;
    case FIREWALL_PEER_HOST:
        out->contact.peer = *host;
        return true;
    case FIREWALL_PEER_PREFIX:
        out->contact.peer = peer->prefix.address;
        return peer->prefix.bits == 128;
    case FIREWALL_PEER_NAME:
        (void)firewall_name_copy(peer->name.text, peer->name.bytes, out->name);
        return !peer->name.has_star;
    }
    return false;
}

/* Does TREE name a range of ports, or a category? */
static bool has_range(const struct firewall_tree *tree)
{
    for (uint32_t i = 0; i < tree->item_count; i++) {
        if (tree->items[i].kind == FIREWALL_CATEGORY ||
            (tree->items[i].kind == FIREWALL_PORTS &&
             tree->items[i].first != tree->items[i].last)) {
            return true;
        }
    }
    return tree->item_count == 0;
}

/* A query for each protocol of each port of FIREWALL's only rule, which is TREE. 0: ranges, too
 * many. */
static size_t list_queries(const struct firewall *firewall, const struct firewall_tree *tree,
                           const struct rules_query *query,
                           struct rules_query out[RULES_QUERIES_MAX])
{
    static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP};
    const struct firewall_set *set = &firewall->sets[firewall->active];
    size_t count = 0;

    if (tree->item_count == 0 && tree->protocols == FIREWALL_ICMP) {
        out[0] = *query;
        out[0].contact.protocol = BERTH_ICMP;
        return 1;
    }
    for (uint32_t i = 0; i < set->ports_used && !has_range(tree); i++) {
        for (uint32_t at = 0; at < 2 * (1U + set->ports[i].last - set->ports[i].first); at++) {
            enum berth_protocol protocol = protocols[at % 2];

            if ((set->ports[i].protocols & firewall_protocol_bit(protocol)) == 0) {
                continue;
            }
            if (count == RULES_QUERIES_MAX) {
                return 0;
            }
            out[count] = *query;
            out[count].contact.port = (uint16_t)(set->ports[i].first + at / 2);
            out[count++].contact.protocol = protocol;
        }
    }
    return count;
}

static size_t read_rule(const char *text, const struct berth_address *host, struct rules_query *out,
                        struct cli_complaint *complaint)
{
    struct cli_policy *policy = cli_policy_new();
    struct firewall_tree *tree = cli_memory(NULL, sizeof *tree);
    struct rules_query query = {.contact.direction = BERTH_OUT};
    struct berth_rules_error error;
    struct firewall_lexer lexer;
    struct firewall *firewall;
    size_t bytes;
    size_t count = 0;

    if (!cli_policy_add_rule(policy, "", "allow", text, complaint)) {
        goto out;
    }
    text = cli_policy_text(policy, &bytes);
    firewall_lexer_init(&lexer, text, bytes);
    if (!firewall_lexer_next_rule(&lexer) ||
        firewall_parse_rule(&lexer, NULL, tree, &error) != BERTH_OK ||
        !read_ends(tree, host, &query)) {
        (void)complain(complaint, "",
                       "'to' (in: 'from') and one address, host name or host; at most one process; "
                       "no log, no limit");
        goto out;
    }
    query.contact.direction = tree->direction;
    firewall = cli_policy_firewall(policy);
    count = list_queries(firewall, tree, &query, out);
    cli_policy_firewall_free(firewall);
    if (count == 0) {
        (void)complain(complaint, "", "single ports (8443/tcp), a service with such, or icmp");
    }
out:
    free(tree);
    cli_policy_free(policy);
    return count;
}

size_t rules_query_parse(const char *text, const struct berth_address *host,
                         struct rules_query out[RULES_QUERIES_MAX], struct cli_complaint *complaint)
{
    struct firewall_token words[WORDS_MAX];
    struct firewall_lexer lexer;
    size_t count = 0;
    char *made;

    firewall_lexer_init(&lexer, text, strlen(text));
    do {
        words[count] = firewall_lexer_next(&lexer);
    } while (words[count].kind != FIREWALL_TOKEN_END && ++count < WORDS_MAX);
    if (!is_short(words, count)) {
        return read_rule(text, host, out, complaint);
    }
    made = make_long(words, count, text, complaint);
    count = made == NULL ? 0 : read_rule(made, host, out, complaint);
    free(made);
    return count;
}
