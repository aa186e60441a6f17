/* SPDX-License-Identifier: MIT */
/*
 * firewall/load.c: memory, and texts of rules in and out. The owner of the stack calls it.
 */
#include "firewall/parse.h"

#include "base/check.h"

#include <stdio.h>

/*
 * Room follows from the bytes of the canonical text: a peer takes two at least ("a,"), and a
 * service name four where it gives four ranges of ports at most; a process takes two.
 */
#define PEER_TEXT_BYTES_MIN    2
#define PROCESS_TEXT_BYTES_MIN 2

static const struct firewall_scan_policy scan_default = {.action = BERTH_ALLOW, .ns = SCAN_LOG_NS};

static void init_set(struct firewall_set *set, struct arena *arena, const struct firewall *firewall)
{
    set->rules =
        arena_take(arena, firewall->rules_max, sizeof *set->rules, _Alignof(struct firewall_rule));
    set->text = arena_take(arena, firewall->text_bytes_max, 1, 1);
    set->ports =
        arena_take(arena, firewall->ports_max, sizeof *set->ports, _Alignof(struct firewall_ports));
    set->peers =
        arena_take(arena, firewall->peers_max, sizeof *set->peers, _Alignof(struct firewall_peer));
    set->processes = arena_take(arena, firewall->processes_max, sizeof *set->processes,
                                _Alignof(struct firewall_process));
    set->names = arena_take(arena, firewall->text_bytes_max, 1, 1);
    firewall_index_init(&set->index, arena, firewall->rules_max, firewall->peers_max,
                        firewall->text_bytes_max);
}

void firewall_init(struct firewall *firewall, struct arena *arena,
                   const struct firewall_limits *limits)
{
    uint32_t rules = limits->rules;
    uint32_t rule_bytes = limits->rule_bytes;

    *firewall = (struct firewall){.rules_max = rules, .gateways_max = limits->addresses};
    firewall->text_bytes_max = rule_bytes > UINT32_MAX - rules ? UINT32_MAX : rule_bytes + rules;
    firewall->ports_max = firewall->text_bytes_max;
    firewall->peers_max = rules + rule_bytes / PEER_TEXT_BYTES_MIN;
    firewall->processes_max = rule_bytes / PROCESS_TEXT_BYTES_MIN;
    firewall->host = arena_take(arena, FIREWALL_HOST_ADDRESSES_MAX, sizeof *firewall->host,
                                _Alignof(struct berth_address));
    firewall->gateways = arena_take(arena, limits->addresses, sizeof *firewall->gateways,
                                    _Alignof(struct berth_address));
    firewall_limiter_init(&firewall->limiter, arena, limits->limit_sources);
    firewall_bindings_init(&firewall->bindings, arena, limits->names);
    for (int i = 0; i < 2; i++) {
        init_set(&firewall->sets[i], arena, firewall);
    }
}

/* Adds TREE and its spelling to SET; BERTH_E_LIMIT. */
static int add_rule(const struct firewall *firewall, struct firewall_set *set,
                    const struct firewall_tree *tree)
{
    int64_t text_bytes = firewall_format(tree, set->text + set->text_bytes,
                                         firewall->text_bytes_max - set->text_bytes);
    int status;

    if (text_bytes < 0) {
        return (int)text_bytes;
    }
    status = firewall_compile_rule(firewall, set, tree, set->text_bytes);
    if (status == BERTH_OK) {
        set->text_bytes += (uint32_t)text_bytes + 1;
    }
    return status;
}

static int say_limit(const struct firewall *firewall, uint32_t line,
                     struct berth_rules_error *error)
{
    *error = (struct berth_rules_error){.line = line, .column = 1};
    (void)snprintf(error->word, sizeof error->word, "rule");
    (void)snprintf(error->expected, sizeof error->expected,
                   "at most %u rules, of %u bytes together (limits.rules, limits.rule_bytes)",
                   firewall->rules_max, firewall->text_bytes_max - firewall->rules_max);
    return BERTH_E_LIMIT;
}

/* What lines besides rules have said. */
struct lines {
    struct firewall_groups groups;
    struct firewall_scan_lines scan;
};

static void begin_lines(struct lines *lines)
{
    lines->groups.part = 0;
    lines->groups.count = 0;
    lines->scan = (struct firewall_scan_lines){.policy = {scan_default, scan_default}};
}

/* *IS_RULE: the line is one, in *TREE. */
static int parse_line(struct firewall_lexer *lexer, struct lines *lines, struct firewall_tree *tree,
                      struct berth_rules_error *error, bool *is_rule)
{
    *is_rule = false;
    if (firewall_group_begins(lexer)) {
        return firewall_group_add(&lines->groups, lexer, tree, error);
    }
    if (firewall_parse_is_scan(lexer)) {
        return firewall_parse_scan(lexer, &lines->scan, error);
    }
    *is_rule = true;
    firewall_groups_begin_part(&lines->groups, lexer->part);
    return firewall_parse_rule(lexer, &lines->groups, tree, error);
}

void firewall_measure(const char *text, size_t bytes, struct firewall_limits *limits)
{
    struct berth_rules_error error;
    struct lines lines;
    struct firewall_tree tree;
    struct firewall_lexer lexer;

    begin_lines(&lines);
    limits->rules = 0;
    limits->rule_bytes = 0;
    firewall_lexer_init(&lexer, text, bytes);
    while (firewall_lexer_next_rule(&lexer)) {
        size_t before = limits->rule_bytes;
        bool is_rule;

        if (parse_line(&lexer, &lines, &tree, &error, &is_rule) == BERTH_OK && is_rule) {
            limits->rules++;
            limits->rule_bytes =
                (uint32_t)min_size(before + firewall_format_bytes(&tree), UINT32_MAX / 2);
        }
        firewall_lexer_skip(&lexer);
    }
}

int firewall_load(struct firewall *firewall, const char *text, size_t bytes,
                  struct berth_rules_error *error)
{
    struct firewall_set *set = &firewall->sets[1 - firewall->active];
    struct berth_rules_error unread = {0};
    struct firewall_tree tree;
    struct firewall_lexer lexer;
    struct lines lines;

    BERTH_CHECK(set->rules != NULL || firewall->rules_max == 0);
    error = error == NULL ? &unread : error;
    begin_lines(&lines);
    set->count = 0;
    set->text_bytes = 0;
    set->ports_used = 0;
    set->peers_used = 0;
    set->processes_used = 0;
    set->names_bytes = 0;
    set->has_names = false;
    firewall_lexer_init(&lexer, text, bytes);
    while (firewall_lexer_next_rule(&lexer)) {
        bool is_rule = false;
        int status = parse_line(&lexer, &lines, &tree, error, &is_rule);

        if (status != BERTH_OK) {
            return status;
        }
        if (is_rule && add_rule(firewall, set, &tree) != BERTH_OK) {
            return say_limit(firewall, tree.line, error);
        }
    }
    firewall_index_make(set);
    memcpy(set->scan, lines.scan.policy, sizeof set->scan);
    firewall->active = 1 - firewall->active;
    firewall->loaded = true;
    firewall_bindings_number(&firewall->bindings, &set->index);
    return BERTH_OK;
}

const struct firewall_scan_policy *firewall_scan_policy(const struct firewall *firewall,
                                                        enum berth_direction direction)
{
    return firewall->loaded ? &firewall->sets[firewall->active].scan[direction] : &scan_default;
}

static const struct firewall_rule *find_rule(const struct firewall *firewall, uint32_t index)
{
    return index < firewall_rule_count(firewall) ? &firewall->sets[firewall->active].rules[index]
                                                 : NULL;
}

const char *firewall_rule_text(const struct firewall *firewall, uint32_t index)
{
    const struct firewall_rule *rule = find_rule(firewall, index);

    return rule == NULL ? NULL : firewall->sets[firewall->active].text + rule->text_at;
}

uint32_t firewall_rule_line(const struct firewall *firewall, uint32_t index)
{
    const struct firewall_rule *rule = find_rule(firewall, index);

    return rule == NULL ? 0 : rule->line;
}

uint32_t firewall_rule_count(const struct firewall *firewall)
{
    return firewall->loaded ? firewall->sets[firewall->active].count : 0;
}

int firewall_learn(struct firewall *firewall, const char *name, const struct berth_address *address,
                   uint64_t until_ns, bool may_be_special)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    struct firewall_binding binding = {.until_ns = until_ns, .may_be_special = may_be_special};

    binding.bytes = firewall_name_copy(name, strnlen(name, BERTH_NAME_BYTES + 1), binding.name);
    if (binding.bytes == 0) {
        return BERTH_E_INVALID;
    }
    binding.pattern =
        firewall->loaded ? firewall_index_pattern(&set->index, binding.name, binding.bytes) : 0;
    return firewall_bindings_learn(&firewall->bindings, address, &binding);
}
