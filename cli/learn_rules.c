/* SPDX-License-Identifier: MIT */
/*
 * cli/learn_rules.c: see cli/learn.h: few rules that allow just what was used.
 *
 * What was used is a set of pairs (port, peer). A rule allows the product of some ports and some
 * peers, so pairs are put together in two ways, and the one with fewer rules is taken: peers of
 * which the same ports were used, with those ports; or ports that were used of the same peers, with
 * those peers. Directions, and ICMP, are apart: no rule spans them.
 */
#include "cli/learn.h"

#include <stdlib.h>
#include <string.h>

#include <berth/registry.h>

#include "cli/message.h"
#include "firewall/parse.h"

enum {
    PROCESSES_MAX = 4, /* named in a comment */
    PORT_TEXT_BYTES = 64,
};

/* A use, and what it is in a rule. Sorted; `port` and `peer` are its places among the different
 * ones of its class. */
struct pair {
    struct learn_use use;
    uint16_t last; /* of a range that begins at use.port */
    uint32_t port;
    uint32_t peer;
};

/* Uses of one direction, ICMP or not. */
struct class
{
    struct pair *pairs;
    size_t count;
};

/* Of one peer all its ports, or of one port all its peers: pairs[first] and those after it. */
struct span {
    const struct pair *pairs;
    size_t count;
    bool by_peer;
};

/* ---- Order ----------------------------------------------------------------------------------- */

static int compare_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_port(const struct pair *a, const struct pair *b)
{
    int order = compare_number(a->use.protocol, b->use.protocol);

    order = order != 0 ? order : compare_number(a->use.port, b->use.port);
    return order != 0 ? order : compare_number(a->last, b->last);
}

static int compare_class(const struct pair *a, const struct pair *b)
{
    int order = compare_number(a->use.direction, b->use.direction);

    return order != 0
               ? order
               : compare_number(a->use.protocol == BERTH_ICMP, b->use.protocol == BERTH_ICMP);
}

static int compare_by_peer(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    int order = compare_class(a, b);

    order = order != 0 ? order : strcmp(a->use.peer, b->use.peer);
    return order != 0 ? order : compare_port(a, b);
}

static int compare_by_port(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    int order = compare_port(a, b);

    return order != 0 ? order : strcmp(a->use.peer, b->use.peer);
}

static uint32_t key_of(const struct pair *pair, bool by_peer)
{
    return by_peer ? pair->port : pair->peer;
}

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    int order = 0;

    for (size_t i = 0; i < a->count && i < b->count && order == 0; i++) {
        order = compare_number(key_of(&a->pairs[i], a->by_peer), key_of(&b->pairs[i], b->by_peer));
    }
    order = order != 0 ? order : compare_number(a->count, b->count);
    /* Those that are alike in the order of what they are of. */
    return order != 0
               ? order
               : compare_number(key_of(a->pairs, !a->by_peer), key_of(b->pairs, !b->by_peer));
}

static bool is_same_span(const struct span *a, const struct span *b)
{
    bool is_same = a->count == b->count;

    for (size_t i = 0; i < a->count && is_same; i++) {
        is_same = key_of(&a->pairs[i], a->by_peer) == key_of(&b->pairs[i], b->by_peer);
    }
    return is_same;
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

/* PAIR is one more use of what INTO stands for. */
static void join(struct pair *into, const struct pair *pair)
{
    bool is_other = into->use.process != NULL && pair->use.process != NULL &&
                    strcmp(into->use.process, pair->use.process) != 0;

    into->use.connections += pair->use.connections;
    into->use.has_more = into->use.has_more || pair->use.has_more || is_other;
    into->use.process = into->use.process == NULL ? pair->use.process : into->use.process;
    into->last = into->last > pair->last ? into->last : pair->last;
}

static bool is_of_one_peer(const struct pair *a, const struct pair *b)
{
    return compare_class(a, b) == 0 && a->use.protocol == b->use.protocol &&
           strcmp(a->use.peer, b->use.peer) == 0;
}

/* Where many ports of one peer's (they stand together from BEGIN to END) were chosen by chance, one
 * range takes their place; the same port twice becomes one. Returns how many are left. */
static size_t merge_ports(struct pair *pairs, size_t begin, size_t end)
{
    size_t chosen = end;
    size_t left = begin;

    while (chosen > begin && pairs[chosen - 1].use.port >= LEARN_CHOSEN_FIRST) {
        chosen--;
    }
    if (end - chosen > LEARN_CHOSEN_MAX) {
        for (size_t i = chosen; i < end; i++) {
            pairs[i].use.port = LEARN_CHOSEN_FIRST;
            pairs[i].last = UINT16_MAX;
        }
    }
    for (size_t i = begin + 1; i < end; i++) {
        if (compare_port(&pairs[left], &pairs[i]) == 0) {
            join(&pairs[left], &pairs[i]);
        } else {
            pairs[++left] = pairs[i];
        }
    }
    return left + 1 - begin;
}

/* The pairs of USES, sorted by class, peer and port, each once. */
static struct pair *make_pairs(const struct learn_use *uses, size_t *count)
{
    struct pair *pairs = cli_memory(NULL, (*count + 1) * sizeof *pairs);
    size_t used = 0;

    for (size_t i = 0; i < *count; i++) {
        pairs[i] = (struct pair){.use = uses[i], .last = uses[i].port};
    }
    qsort(pairs, *count, sizeof *pairs, compare_by_peer);
    for (size_t begin = 0; begin < *count;) {
        size_t end = begin + 1;
        size_t left;

        while (end < *count && is_of_one_peer(&pairs[begin], &pairs[end])) {
            end++;
        }
        left = merge_ports(pairs, begin, end);
        memmove(&pairs[used], &pairs[begin], left * sizeof *pairs);
        used += left;
        begin = end;
    }
    *count = used;
    return pairs;
}

/* Numbers the different ports and peers of the COUNT pairs of one class. */
static void number(struct pair *pairs, size_t count)
{
    uint32_t at = 0;

    qsort(pairs, count, sizeof *pairs, compare_by_peer);
    for (size_t i = 0; i < count; i++) {
        at += i > 0 && strcmp(pairs[i].use.peer, pairs[i - 1].use.peer) != 0;
        pairs[i].peer = at;
    }
    qsort(pairs, count, sizeof *pairs, compare_by_port);
    at = 0;
    for (size_t i = 0; i < count; i++) {
        at += i > 0 && compare_port(&pairs[i], &pairs[i - 1]) != 0;
        pairs[i].port = at;
    }
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Does NAME, as a service of PROTOCOL, mean PORT and no other? */
static bool is_name_exact(const char *name, enum berth_transport transport, uint16_t port)
{
    const struct berth_registry_query query = {
        .name = name, .has_transports = true, .transports = transport};
    struct berth_registry_cursor cursor;
    struct berth_service service;
    bool is_exact = true;

    berth_registry_start(&cursor, &query);
    while (is_exact && berth_registry_next(&cursor, &service)) {
        is_exact = !service.has_port || (service.port_first == port && service.port_last == port);
    }
    return is_exact;
}

/* Does the rule language take NAME for a service? */
static bool is_name_understood(const char *name)
{
    char text[PORT_TEXT_BYTES + 16];
    struct berth_rules_error error;
    struct firewall_lexer lexer;
    struct firewall_tree tree;
    int bytes = snprintf(text, sizeof text, "allow out %s", name);

    if (bytes < 0 || (size_t)bytes >= sizeof text) {
        return false;
    }
    firewall_lexer_init(&lexer, text, (size_t)bytes);
    return firewall_lexer_next_rule(&lexer) &&
           firewall_parse_rule(&lexer, NULL, &tree, &error) == 0 && tree.item_count == 1 &&
           tree.items[0].kind == FIREWALL_SERVICE;
}

static void write_port(const struct pair *pair, FILE *out)
{
    enum berth_transport transport =
        pair->use.protocol == BERTH_UDP ? BERTH_TRANSPORT_UDP : BERTH_TRANSPORT_TCP;
    const char *name = berth_service_name(pair->use.port, transport);

    if (pair->use.protocol == BERTH_ICMP) {
        fputs("icmp", out);
    } else if (pair->last != pair->use.port) {
        fprintf(out, "%u-%u", (unsigned)pair->use.port, (unsigned)pair->last);
    } else if (name != NULL && is_name_exact(name, transport, pair->use.port) &&
               is_name_understood(name)) {
        fputs(name, out);
    } else {
        fprintf(out, "%u", (unsigned)pair->use.port);
    }
}

/* A protocol stands behind the last of its ports. */
static void write_ports(const struct pair *pairs, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        enum berth_protocol protocol = pairs[i].use.protocol;

        fputs(i == 0 ? "" : ",", out);
        write_port(&pairs[i], out);
        if (protocol != BERTH_ICMP && (i + 1 == count || pairs[i + 1].use.protocol != protocol)) {
            fputs(protocol == BERTH_UDP ? "/udp" : "/tcp", out);
        }
    }
}

static bool has_process(const char *const *processes, size_t count, const char *process)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(processes[i], process) == 0) {
            return true;
        }
    }
    return false;
}

/* A process may name itself what it likes: only what cannot end the comment is written. */
static void write_process(const char *process, FILE *out)
{
    for (; *process != '\0'; process++) {
        fputc(*process >= ' ' && *process < 127 ? *process : '?', out);
    }
}

/* "# curl, git: 7 connections", of all pairs of the SPANS. */
static void write_comment(const struct span *spans, size_t count, FILE *out)
{
    const char *processes[PROCESSES_MAX];
    uint64_t connections = 0;
    size_t named = 0;
    bool has_more = false;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < spans[i].count; j++) {
            const struct learn_use *use = &spans[i].pairs[j].use;

            connections += use->connections;
            has_more = has_more || use->has_more;
            if (use->process == NULL || has_process(processes, named, use->process)) {
                continue;
            }
            if (named == PROCESSES_MAX) {
                has_more = true;
                continue;
            }
            processes[named++] = use->process;
        }
    }
    fputs("# ", out);
    for (size_t i = 0; i < named; i++) {
        fputs(i == 0 ? "" : ", ", out);
        write_process(processes[i], out);
    }
    fputs(named == 0 ? "a process that is not known" : has_more ? " and others" : "", out);
    fprintf(out, ": %llu time%s\n", (unsigned long long)connections, connections == 1 ? "" : "s");
}

/* ---- Rules ----------------------------------------------------------------------------------- */

/* One rule: the members of one span, with what each of the COUNT alike spans is of. */
static void write_rule(const struct span *spans, size_t count, FILE *out)
{
    const struct span *first = &spans[0];
    size_t ports = first->by_peer ? first->count : count;
    size_t peers = first->by_peer ? count : first->count;
    bool is_out = first->pairs[0].use.direction == BERTH_OUT;
    struct pair *of_ports = cli_memory(NULL, ports * sizeof *of_ports);

    for (size_t i = 0; i < ports; i++) {
        of_ports[i] = first->by_peer ? first->pairs[i] : spans[i].pairs[0];
    }
    write_comment(spans, count, out);
    fprintf(out, "allow %s ", is_out ? "out" : "in");
    write_ports(of_ports, ports, out);
    fputs(is_out ? " to " : " from ", out);
    for (size_t i = 0; i < peers; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ", ",
                first->by_peer ? spans[i].pairs[0].use.peer : first->pairs[i].use.peer);
    }
    fputc('\n', out);
    free(of_ports);
}

/* The spans of CLASS, alike ones together. */
static struct span *make_spans(const struct class *class, bool by_peer, size_t *count)
{
    struct span *spans = cli_memory(NULL, (class->count + 1) * sizeof *spans);

    *count = 0;
    qsort(class->pairs, class->count, sizeof *class->pairs,
          by_peer ? compare_by_peer : compare_by_port);
    for (size_t i = 0; i < class->count; i++) {
        const struct pair *pair = &class->pairs[i];

        if (i > 0 && key_of(pair, !by_peer) == key_of(pair - 1, !by_peer) &&
            spans[*count - 1].count < FIREWALL_ITEMS_MAX) {
            spans[*count - 1].count++;
        } else {
            spans[(*count)++] = (struct span){pair, 1, by_peer};
        }
    }
    qsort(spans, *count, sizeof *spans, compare_spans);
    return spans;
}

/* How many of the spans from AT on go into one rule: they are alike, and a rule has room. */
static size_t count_alike(const struct span *spans, size_t at, size_t count)
{
    size_t alike = 1;

    while (at + alike < count && alike < FIREWALL_ITEMS_MAX &&
           is_same_span(&spans[at], &spans[at + alike])) {
        alike++;
    }
    return alike;
}

/* Writes the rules that CLASS makes, put together BY_PEER or by port; with OUT NULL only counts
 * them. */
static size_t write_class(const struct class *class, bool by_peer, FILE *out)
{
    size_t count;
    struct span *spans = make_spans(class, by_peer, &count);
    size_t rules = 0;

    for (size_t i = 0; i < count; rules++) {
        size_t alike = count_alike(spans, i, count);

        if (out != NULL) {
            write_rule(&spans[i], alike, out);
        }
        i += alike;
    }
    free(spans);
    return rules;
}

size_t learn_write_rules(struct learn_use *uses, size_t count, FILE *out)
{
    struct pair *pairs = make_pairs(uses, &count);
    size_t rules = 0;

    for (size_t begin = 0; begin < count;) {
        struct class class = {.pairs = &pairs[begin], .count = 1};

        while (begin + class.count < count &&
               compare_class(&pairs[begin], &pairs[begin + class.count]) == 0) {
            class.count++;
        }
        number(class.pairs, class.count);
        rules += write_class(
            &class, write_class(&class, true, NULL) <= write_class(&class, false, NULL), out);
        begin += class.count;
    }
    free(pairs);
    return rules;
}
