/* SPDX-License-Identifier: MIT */
/*
 * firewall/format.c: the canonical spelling of a rule. load.c calls it, and cli/ for errors.
 *
 * 1. What is written parses to the same rule, and is then written the same.
 * 2. A protocol is written wherever the language would not give the same without it. As it reaches
 *    back over the items before it, items come in the order: with tcp, with udp, with none.
 * 3. "any" is written for ports, never for peers alone: no peer says the same.
 */
#include "firewall/parse.h"

#include <stdio.h>

/* Text being written; `used` goes on growing when there is no more room. */
struct writer {
    char *out;
    size_t bytes;
    size_t used;
};

static void write_text(struct writer *writer, const char *text)
{
    size_t bytes = strlen(text);

    if (writer->used < writer->bytes && bytes < writer->bytes - writer->used) {
        memcpy(writer->out + writer->used, text, bytes + 1);
    }
    writer->used += bytes;
}

char *firewall_format_prefix(const struct berth_prefix *prefix, char out[FIREWALL_PREFIX_BYTES])
{
    bool is_v4 = prefix->bits >= 96 && berth_address_is_v4(&prefix->address);
    size_t used = strlen(berth_address_format(&prefix->address, out));

    if (prefix->bits < 128) {
        (void)snprintf(out + used, FIREWALL_PREFIX_BYTES - used, "/%u",
                       prefix->bits - (is_v4 ? 96U : 0U));
    }
    return out;
}

static void write_item(struct writer *writer, const struct firewall_item *item)
{
    char ports[16];

    if (item->kind != FIREWALL_PORTS) {
        write_text(writer, item->name);
        return;
    }
    if (item->first == item->last) {
        (void)snprintf(ports, sizeof ports, "%u", (unsigned)item->first);
    } else {
        (void)snprintf(ports, sizeof ports, "%u-%u", (unsigned)item->first, (unsigned)item->last);
    }
    write_text(writer, ports);
}

/* The protocol to write after ITEM: a port without one is TCP's. */
static uint8_t written_protocols(const struct firewall_item *item)
{
    return item->protocols == 0 && item->kind == FIREWALL_PORTS ? FIREWALL_TCP : item->protocols;
}

static void write_items(struct writer *writer, const struct firewall_tree *tree)
{
    static const struct {
        uint8_t protocols;
        const char *suffix;
    } groups[] = {{FIREWALL_TCP, "/tcp"}, {FIREWALL_UDP, "/udp"}, {0, ""}};
    const char *between = " ";

    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        bool is_begun = false;

        for (uint32_t i = 0; i < tree->item_count; i++) {
            if (written_protocols(&tree->items[i]) == groups[g].protocols) {
                write_text(writer, between);
                write_item(writer, &tree->items[i]);
                between = ",";
                is_begun = true;
            }
        }
        if (is_begun) {
            write_text(writer, groups[g].suffix);
        }
    }
}

/* A name that is a word of the language too has a dot at its end, as where it was read. */
static void write_name(struct writer *writer, const struct firewall_pattern *name)
{
    char text[BERTH_NAME_BYTES];
    uint8_t bytes = firewall_name_copy(name->text, name->bytes, text);
    struct firewall_token token = {.kind = FIREWALL_TOKEN_WORD, .text = text, .bytes = bytes};

    write_text(writer, name->has_star ? "*." : "");
    write_text(writer, text);
    write_text(writer, name->has_star || firewall_parse_is_name(&token) ? "" : ".");
}

static void write_peer(struct writer *writer, const struct firewall_peer *peer)
{
    char text[BERTH_NAME_BYTES];

    _Static_assert(sizeof text >= FIREWALL_PREFIX_BYTES, "room for both");
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        write_text(writer, "any");
        break;
    case FIREWALL_PEER_HOST:
        write_text(writer, "host");
        break;
    case FIREWALL_PEER_PREFIX:
        write_text(writer, firewall_format_prefix(&peer->prefix, text));
        break;
    case FIREWALL_PEER_NAME:
        write_name(writer, &peer->name);
        break;
    }
}

static void write_peers(struct writer *writer, const struct firewall_tree *tree)
{
    bool is_named = false;

    for (uint32_t i = 0; i < tree->peer_count; i++) {
        is_named = is_named || tree->peers[i].kind != FIREWALL_PEER_ANY;
    }
    if (!is_named) {
        return;
    }
    write_text(writer, tree->direction == BERTH_OUT ? " to " : " from ");
    for (uint32_t i = 0; i < tree->peer_count; i++) {
        const struct firewall_peer *peer = &tree->peers[i];

        write_text(writer, i == 0 ? "" : ",");
        write_peer(writer, peer);
    }
}

bool firewall_is_quoted(const char *name)
{
    struct firewall_token token = {
        .kind = FIREWALL_TOKEN_WORD, .text = name, .bytes = strlen(name)};

    return name[0] == '"' || name[strcspn(name, " \t\r\f,#")] != '\0' ||
           firewall_parse_is_tail_word(&token);
}

static void write_processes(struct writer *writer, const struct firewall_tree *tree)
{
    for (uint32_t i = 0; i < tree->process_count; i++) {
        const char *name = tree->processes[i].name;
        const char *mark = firewall_is_quoted(name) ? "\"" : "";

        write_text(writer, i == 0 ? " by " : ",");
        write_text(writer, mark);
        write_text(writer, name);
        write_text(writer, mark);
    }
}

static void write_limit(struct writer *writer, const struct firewall_tree *tree)
{
    char text[32];

    if (tree->limit.count > 0) {
        (void)snprintf(text, sizeof text, " limit %u/%s", (unsigned)tree->limit.count,
                       firewall_period_text((enum firewall_period)tree->limit.period));
        write_text(writer, text);
    }
}

static const char *protocols_text(uint8_t protocols)
{
    switch (protocols) {
    case FIREWALL_TCP:
        return " tcp";
    case FIREWALL_UDP:
        return " udp";
    case FIREWALL_ICMP:
        return " icmp";
    default:
        return " any";
    }
}

const char *firewall_action_text(enum berth_action action)
{
    switch (action) {
    case BERTH_ALLOW:
        return "allow";
    case BERTH_DENY:
        return "deny";
    case BERTH_DROP:
        return "drop";
    case BERTH_ASK:
        return "ask";
    }
    return "";
}

static void write_rule(struct writer *writer, const struct firewall_tree *tree)
{
    write_text(writer, firewall_action_text(tree->action));
    write_text(writer, tree->direction == BERTH_OUT ? " out" : " in");
    if (tree->item_count > 0) {
        write_items(writer, tree);
    } else {
        write_text(writer, protocols_text(tree->protocols));
    }
    write_peers(writer, tree);
    write_processes(writer, tree);
    write_limit(writer, tree);
    write_text(writer, tree->log ? " log" : "");
}

const char *berth_protocol_name(enum berth_protocol protocol)
{
    switch (protocol) {
    case BERTH_TCP:
        return "tcp";
    case BERTH_UDP:
        return "udp";
    case BERTH_ICMP:
        return "icmp";
    }
    return "";
}

int64_t firewall_format(const struct firewall_tree *tree, char *out, size_t bytes)
{
    struct writer writer = {.out = out, .bytes = bytes};

    write_rule(&writer, tree);
    return writer.used < bytes ? (int64_t)writer.used : BERTH_E_LIMIT;
}

size_t firewall_format_bytes(const struct firewall_tree *tree)
{
    struct writer writer = {0};

    write_rule(&writer, tree);
    return writer.used;
}
