/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_query.c: what `berth rules explain` is asked, in either of two forms:
 *
 *   DIRECTION PROTOCOL ADDRESS:PORT     out tcp 10.0.0.7:8443    (icmp: an address alone)
 *   a rule without its first word       out https to 10.0.0.7    (with one peer and single ports)
 *
 * Invariant 1: the second form is read by the parser of rules, so that both know the same words.
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
    static const struct {
        const char *word;
        enum berth_protocol protocol;
    } protocols[] = {{"tcp", BERTH_TCP}, {"udp", BERTH_UDP}, {"icmp", BERTH_ICMP}};

    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        if (firewall_token_is(word, protocols[i].word)) {
            *out = protocols[i].protocol;
            return true;
        }
    }
    return false;
}

/* Is the text of this form: two words, the second a protocol, and then no word of a rule? */
static bool is_short(const struct firewall_token *words, size_t count)
{
    static const char *const others[] = {"to", "from", "log"};
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

/* "10.0.0.7:443", "[fd00::7]:443", "host:443"; for ICMP without the port. */
static bool read_end(const char *word, const struct berth_address *host,
                     struct berth_contact_query *out)
{
    char text[FIREWALL_WORD_BYTES + BERTH_ENDPOINT_TEXT_BYTES];
    char address[BERTH_ADDRESS_TEXT_BYTES];
    struct berth_endpoint endpoint;

    (void)snprintf(text, sizeof text, "%s", word);
    if (strncmp(word, "host", 4) == 0 && (word[4] == '\0' || word[4] == ':')) {
        bool is_v4 = berth_address_is_v4(host) || out->protocol == BERTH_ICMP;

        (void)snprintf(text, sizeof text, is_v4 ? "%s%s" : "[%s]%s",
                       berth_address_format(host, address), word + 4);
    }
    if (out->protocol == BERTH_ICMP) {
        out->port = 0;
        return berth_address_parse(text, &out->peer) == BERTH_OK;
    }
    if (berth_endpoint_parse(text, &endpoint) != BERTH_OK || endpoint.port == 0) {
        return false;
    }
    out->peer = endpoint.address;
    out->port = endpoint.port;
    return true;
}

static size_t read_short(const struct firewall_token *words, size_t count,
                         const struct berth_address *host, struct berth_contact_query *out,
                         struct cli_complaint *complaint)
{
    char word[FIREWALL_WORD_BYTES];
    bool is_out = firewall_token_is(&words[0], "out");

    (void)firewall_token_copy(&words[0], word);
    if (!is_out && !firewall_token_is(&words[0], "in")) {
        return complain(complaint, word, "in or out");
    }
    out->direction = is_out ? BERTH_OUT : BERTH_IN;
    (void)read_protocol(&words[1], &out->protocol);
    if (!firewall_token_copy(&words[2], word) || !read_end(word, host, out)) {
        return complain(complaint, word,
                        out->protocol == BERTH_ICMP
                            ? "an address or host"
                            : "ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or host:PORT");
    }
    if (count > 3) {
        (void)firewall_token_copy(&words[3], word);
        return complain(complaint, word, "nothing after the address");
    }
    return 1;
}

/* ---- A rule without its first word ---------------------------------------------------------- */

/* The one address that TREE names. */
static bool read_peer(const struct firewall_tree *tree, const struct berth_address *host,
                      struct berth_address *out)
{
    const struct firewall_peer *peer = &tree->peers[0];

    if (tree->peer_count != 1 || peer->kind == FIREWALL_PEER_ANY ||
        peer->kind == FIREWALL_PEER_NAME ||
        (peer->kind == FIREWALL_PEER_PREFIX && peer->prefix.bits != 128)) {
        return false;
    }
    *out = peer->kind == FIREWALL_PEER_HOST ? *host : peer->prefix.address;
    return true;
}

/* A query for each protocol of each single port of FIREWALL's only rule. 0: ranges, too many. */
static size_t list_queries(const struct firewall *firewall, const struct firewall_tree *tree,
                           struct berth_contact_query query,
                           struct berth_contact_query out[RULES_QUERIES_MAX])
{
    static const enum berth_protocol protocols[] = {BERTH_TCP, BERTH_UDP};
    const struct firewall_set *set = &firewall->sets[firewall->active];
    size_t count = 0;

    if (tree->item_count == 0 && tree->protocols == FIREWALL_ICMP) {
        out[0] = query;
        out[0].protocol = BERTH_ICMP;
        return 1;
    }
    for (uint32_t i = 0; i < set->ports_used; i++) {
        query.port = set->ports[i].first;
        if (set->ports[i].last != query.port || count + 2 > RULES_QUERIES_MAX) {
            return 0;
        }
        for (size_t p = 0; p < sizeof protocols / sizeof protocols[0]; p++) {
            query.protocol = protocols[p];
            if ((set->ports[i].protocols & firewall_protocol_bit(protocols[p])) != 0) {
                out[count++] = query;
            }
        }
    }
    return count;
}

static size_t read_rule(const char *text, const struct berth_address *host,
                        struct berth_contact_query *out, struct cli_complaint *complaint)
{
    struct cli_policy *policy = cli_policy_new();
    struct firewall_tree *tree = cli_memory(NULL, sizeof *tree);
    struct berth_contact_query query = {.direction = BERTH_OUT};
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
        firewall_parse_rule(&lexer, NULL, tree, &error) != BERTH_OK || tree->log ||
        !read_peer(tree, host, &query.peer)) {
        (void)complain(complaint, "", "to (in: from) one address, or host, and no log");
        goto out;
    }
    query.direction = tree->direction;
    firewall = cli_policy_firewall(policy);
    count = list_queries(firewall, tree, query, out);
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
                         struct berth_contact_query out[RULES_QUERIES_MAX],
                         struct cli_complaint *complaint)
{
    struct firewall_token words[WORDS_MAX];
    struct firewall_lexer lexer;
    size_t count = 0;

    firewall_lexer_init(&lexer, text, strlen(text));
    do {
        words[count] = firewall_lexer_next(&lexer);
    } while (words[count].kind != FIREWALL_TOKEN_END && ++count < WORDS_MAX);
    return is_short(words, count) ? read_short(words, count, host, out, complaint)
                                  : read_rule(text, host, out, complaint);
}
