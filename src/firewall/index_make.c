/* SPDX-License-Identifier: MIT */
/*
 * firewall/index_make.c: makes the index of a set of rules (index.h). Called by firewall_load.
 */
#include "firewall/index_slot.h"

#include "base/check.h"

#define TUPLES_MAX ((size_t)FIREWALL_CLASSES * FIREWALL_LISTS * FIREWALL_SHAPES)

enum { PROCESS_FIRST = FIREWALL_PROCESS_REFUSING + 1, PROCESS_LAST = 4095 };

/* ---- Entries -------------------------------------------------------------------------------- */

static void add_entry(struct firewall_set *set, const struct firewall_peer *peer, uint64_t what,
                      uint32_t number)
{
    uint64_t high = 0;
    uint64_t low = 0;
    struct firewall_entry *entry;

    if (peer->kind == FIREWALL_PEER_PREFIX) {
        high = __builtin_bswap64(load_u64(peer->prefix.address.bytes));
        low = __builtin_bswap64(load_u64(peer->prefix.address.bytes + 8));
    } else if (peer->kind == FIREWALL_PEER_NAME) {
        high = peer->name.number;
    }
    entry = index_find_slot(&set->index, high, low, what);
    BERTH_CHECK(entry != NULL);
    if (entry->what == 0) {
        *entry = (struct firewall_entry){.high = high,
                                         .low = low,
                                         .what = what & INDEX_WHAT_MASK,
                                         .rule = number & INDEX_RULE_LAST,
                                         .action = set->rules[number].action & 3U,
                                         .log = set->rules[number].log,
                                         .limited = set->rules[number].limit.count > 0};
    }
}

/* ---- Processes ------------------------------------------------------------------------------ */

/* Gives the processes of RULE their numbers. False: there are not enough. */
static bool number_processes(struct firewall_set *set, const struct firewall_rule *rule)
{
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        const char *name = set->processes[rule->processes_at + i].name;
        struct firewall_entry *entry =
            index_find_slot(&set->index, load_u64(name), load_u64(name + 8), INDEX_WHAT_PROCESS);

        BERTH_CHECK(entry != NULL);
        if (entry->what != 0) {
            continue;
        }
        if (PROCESS_FIRST + set->index.processes > PROCESS_LAST) {
            return false;
        }
        *entry = (struct firewall_entry){.high = load_u64(name),
                                         .low = load_u64(name + 8),
                                         .what = INDEX_WHAT_PROCESS,
                                         .rule = (PROCESS_FIRST + set->index.processes) &
                                                 INDEX_RULE_LAST};
        set->index.processes++;
    }
    return true;
}

/* ---- Patterns of names ---------------------------------------------------------------------- */

/* Gives the patterns of RULE their numbers. False: another name has the same hash, or there are not
 * enough. */
static bool number_patterns(struct firewall_set *set, const struct firewall_rule *rule)
{
    struct firewall_index *index = &set->index;

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        struct firewall_peer *peer = &set->peers[rule->peers_at + i];
        struct firewall_entry *entry;

        if (peer->kind != FIREWALL_PEER_NAME) {
            continue;
        }
        entry = index_pattern_slot(index, &peer->name);
        if (entry->what == 0) {
            if (index->patterns == INDEX_RULE_LAST) {
                return false;
            }
            index->patterns++;
            index->pattern[index->patterns] = peer->name;
            entry->rule = index->patterns & INDEX_RULE_LAST;
            index_pattern_key(&peer->name, entry);
        }
        if (!index_is_pattern(index, entry, &peer->name)) {
            return false;
        }
        peer->name.number = (uint32_t)entry->rule;
    }
    return true;
}

/* All patterns are there: each gets the next wider one. */
static void link_patterns(struct firewall_index *index)
{
    for (uint32_t i = 1; i <= index->patterns; i++) {
        index->wider[i] = index_star_over(index, index->pattern[i].text, index->pattern[i].bytes);
    }
}

/* ---- Rules ---------------------------------------------------------------------------------- */

/* Where an entry belongs, but for its peer and process. */
struct place {
    uint32_t list;
    uint32_t block;
    uint32_t level;
};

static enum firewall_class class_of(const struct firewall_rule *rule)
{
    if (rule->processes_count == 0) {
        return FIREWALL_BY_NONE;
    }
    return rule->action == BERTH_ALLOW ? FIREWALL_BY_ALLOWING : FIREWALL_BY_REFUSING;
}

static void note_first(struct firewall_index *index, enum firewall_class class,
                       const struct place *place, uint32_t bits, uint32_t number)
{
    uint32_t list = (uint32_t) class * FIREWALL_LISTS + place->list;
    uint32_t *first = &index->first[list * FIREWALL_SHAPES + bits * INDEX_LEVELS + place->level];

    *first = min_u32(*first, number);
}

static uint32_t bits_of(const struct firewall_peer *peer)
{
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return INDEX_ANY;
    case FIREWALL_PEER_HOST:
        return INDEX_HOST;
    case FIREWALL_PEER_NAME:
        return INDEX_NAME;
    case FIREWALL_PEER_PREFIX:
        break;
    }
    return peer->prefix.bits;
}

/* The level of the largest block that begins at FIRST and ends at LAST or before. */
static uint32_t level_at(uint32_t first, uint32_t last)
{
    uint32_t level = first == 0 ? 16 : (uint32_t)__builtin_ctz(first);

    while (first + (1U << level) - 1 > last) {
        level--;
    }
    return level;
}

static uint32_t count_blocks(uint32_t first, uint32_t last)
{
    uint32_t count = 0;

    while (first <= last) {
        first += 1U << level_at(first, last);
        count++;
    }
    return count;
}

static uint32_t count_names(const struct firewall_set *set, const struct firewall_rule *rule)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rule->peers_count; i++) {
        count += set->peers[rule->peers_at + i].kind == FIREWALL_PEER_NAME;
    }
    return count;
}

/* How many entries RULE takes in the list of protocol BIT, with those that give its processes and
 * names their numbers. */
static uint64_t count_entries(const struct firewall_set *set, const struct firewall_rule *rule,
                              uint8_t bit)
{
    uint64_t blocks = rule->ports_count == 0 ? 1 : 0;

    for (uint32_t i = 0; i < rule->ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule->ports_at + i];

        blocks += (ports->protocols & bit) != 0 ? count_blocks(ports->first, ports->last) : 0;
    }
    blocks *= rule->peers_count == 0 ? 1 : rule->peers_count;
    blocks *= rule->processes_count == 0 ? 1 : rule->processes_count + 1;
    return blocks + rule->processes_count + count_names(set, rule);
}

/* Adds the entry of rule NUMBER, PEER and BLOCK for each process, and for whatever process. */
static void add_peer(struct firewall_set *set, uint32_t number, const struct firewall_peer *peer,
                     const struct place *place)
{
    const struct firewall_rule *rule = &set->rules[number];
    enum firewall_class class = class_of(rule);
    uint32_t bits = bits_of(peer);
    uint32_t any = class == FIREWALL_BY_NONE       ? 0
                   : class == FIREWALL_BY_ALLOWING ? FIREWALL_PROCESS_ALLOWING
                                                   : FIREWALL_PROCESS_REFUSING;

    add_entry(set, peer, index_what(any, place->list, bits, place->block), number);
    note_first(&set->index, class, place, bits, number);
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        const char *name = set->processes[rule->processes_at + i].name;
        uint32_t process = index_process(&set->index, name);

        add_entry(set, peer, index_what(process, place->list, bits, place->block), number);
        note_first(&set->index, FIREWALL_BY_PROCESS, place, bits, number);
    }
}

static void add_block(struct firewall_set *set, uint32_t number, uint32_t list, uint32_t block,
                      uint32_t level)
{
    static const struct firewall_peer any = {.kind = FIREWALL_PEER_ANY};
    const struct firewall_rule *rule = &set->rules[number];
    const struct place place = {.list = list, .block = block, .level = level};

    if (rule->peers_count == 0) {
        add_peer(set, number, &any, &place);
    }
    for (uint32_t i = 0; i < rule->peers_count; i++) {
        add_peer(set, number, &set->peers[rule->peers_at + i], &place);
    }
}

static void add_rule(struct firewall_set *set, uint32_t number, uint32_t list, uint8_t bit)
{
    const struct firewall_rule *rule = &set->rules[number];

    if (rule->ports_count == 0) {
        add_block(set, number, list, index_block(0, 16), 16);
    }
    for (uint32_t i = 0; i < rule->ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule->ports_at + i];
        uint32_t at = ports->first;

        while ((ports->protocols & bit) != 0 && at <= ports->last) {
            uint32_t level = level_at(at, ports->last);

            add_block(set, number, list, index_block((uint16_t)at, level), level);
            at += 1U << level;
        }
    }
}

/* Walks the rules of each list: those that find room are COUNTed, or else added to the table, and
 * the others to the rest. Returns how many entries the former take. */
static uint32_t walk(struct firewall_set *set, bool is_count)
{
    struct firewall_index *index = &set->index;
    uint32_t left = index->entries_max;
    uint32_t rest = 0;

    for (uint32_t list = 0; list < FIREWALL_LISTS; list++) {
        uint8_t bit = (uint8_t)(1U << list % FIREWALL_PROTOCOLS);

        index->rest_begin[list] = rest;
        for (uint32_t i = 0; i < set->count; i++) {
            const struct firewall_rule *rule = &set->rules[i];
            enum berth_direction direction = (enum berth_direction)rule->direction;
            uint64_t entries;

            if ((rule->protocols & bit) == 0 || firewall_list_of(direction, bit) != list) {
                continue;
            }
            entries = count_entries(set, rule, bit);
            if (entries > left || i > INDEX_RULE_LAST) {
                index->rest[rest++] = i;
                continue;
            }
            left -= (uint32_t)entries; /* both times, so that both find the same room */
            if (is_count) {
                continue;
            }
            if (number_processes(set, rule) && number_patterns(set, rule)) {
                add_rule(set, i, list, bit);
            } else {
                index->rest[rest++] = i;
            }
        }
    }
    index->rest_begin[FIREWALL_LISTS] = rest;
    return index->entries_max - left;
}

/* ---- Tuples --------------------------------------------------------------------------------- */

/* Sorts by `first`: a heap's way, which is as quick for any order. */
static void sift(struct firewall_tuple *tuples, uint32_t at, uint32_t count)
{
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        struct firewall_tuple tuple = tuples[at];

        child += child + 1 < count && tuples[child + 1].first > tuples[child].first;
        if (tuples[child].first <= tuple.first) {
            return;
        }
        tuples[at] = tuples[child];
        tuples[child] = tuple;
        at = child;
    }
}

static void sort_tuples(struct firewall_tuple *tuples, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sift(tuples, i - 1, count);
    }
    for (uint32_t end = count; end > 1; end--) {
        struct firewall_tuple last = tuples[end - 1];

        tuples[end - 1] = tuples[0];
        tuples[0] = last;
        sift(tuples, 0, end - 1);
    }
}

/* Those of the shapes from BEGIN on, below END, of which FIRST has the lowest rules. */
static uint32_t gather_range(struct firewall_index *index, const uint32_t *first, uint32_t used,
                             uint32_t begin, uint32_t end)
{
    uint32_t from = used;

    for (uint32_t shape = begin; shape < end; shape++) {
        if (first[shape] != UINT32_MAX) {
            index->tuples[used++] =
                (struct firewall_tuple){.first = first[shape],
                                        .bits = (uint8_t)(shape / INDEX_LEVELS),
                                        .level = (uint8_t)(shape % INDEX_LEVELS)};
        }
    }
    sort_tuples(&index->tuples[from], used - from);
    return used;
}

static void gather_tuples(struct firewall_index *index)
{
    const uint32_t names = INDEX_NAME * INDEX_LEVELS; /* the first shape of theirs */
    uint32_t used = 0;

    for (uint32_t list = 0; list < FIREWALL_CLASSES * FIREWALL_LISTS; list++) {
        const uint32_t *first = &index->first[list * FIREWALL_SHAPES];

        index->tuples_begin[2 * list] = used;
        used = gather_range(index, first, used, 0, names);
        index->tuples_begin[2 * list + 1] = used;
        used = gather_range(index, first, used, names, FIREWALL_SHAPES);
    }
    index->tuples_begin[FIREWALL_RANGES] = used;
}

void firewall_index_init(struct firewall_index *index, struct arena *arena, uint32_t rules_max,
                         uint32_t peers_max, uint32_t text_bytes_max)
{
    uint64_t entries = (uint64_t)rules_max * 4 + text_bytes_max / 4;

    index->entries_max = (uint32_t)min_u64(entries, UINT32_MAX / 4);
    index->slots_max = index->entries_max * 2 + 1;
    index->slots =
        arena_take(arena, index->slots_max, sizeof *index->slots, _Alignof(struct firewall_entry));
    index->first = arena_take(arena, TUPLES_MAX, sizeof *index->first, _Alignof(uint32_t));
    index->tuples =
        arena_take(arena, TUPLES_MAX, sizeof *index->tuples, _Alignof(struct firewall_tuple));
    index->pattern = arena_take(arena, (size_t)peers_max + 1, sizeof *index->pattern,
                                _Alignof(struct firewall_pattern));
    index->wider =
        arena_take(arena, (size_t)peers_max + 1, sizeof *index->wider, _Alignof(uint32_t));
    index->rest = arena_take(arena, (size_t)rules_max * FIREWALL_PROTOCOLS, sizeof *index->rest,
                             _Alignof(uint32_t));
}

void firewall_index_make(struct firewall_set *set)
{
    struct firewall_index *index = &set->index;
    uint32_t entries = walk(set, true);

    index->slot_count = entries * 2 + 1;
    memset(index->slots, 0, index->slot_count * sizeof *index->slots);
    memset(index->first, 0xff, sizeof *index->first * TUPLES_MAX);
    index->processes = 0;
    index->patterns = 0;
    (void)walk(set, false);
    link_patterns(index);
    gather_tuples(index);
}
