/* SPDX-License-Identifier: MIT */
/*
 * firewall/index.c: see firewall/index.h. Made by firewall_load, read by firewall_judge.
 */
#include "firewall/index.h"

#include "base/check.h"
#include "firewall/rule.h"
#include "firewall/special.h"

#define LEVELS         17
#define V4_PREFIX_BITS 96 /* in front of an IPv4 address in struct berth_address */

#define TUPLES_MAX ((size_t)FIREWALL_CLASSES * FIREWALL_LISTS * FIREWALL_SHAPES)

#define EXPECTED 4 /* tuples whose memory is asked for beforehand */

/* Peers that are no prefix, beside the prefixes' lengths. */
enum { ANY = 129, HOST = 130 };

enum { PROCESS_FIRST = FIREWALL_PROCESS_REFUSING + 1, PROCESS_LAST = 4095 };

#define WHAT_MASK (((uint64_t)1 << 40) - 1)
#define RULE_LAST 0xfffffU /* an entry has room for the number */

/* The `what` of the entry that has a process's number: no list has that number. */
#define WHAT_PROCESS ((uint64_t)7 << 25)

/* ---- Entries -------------------------------------------------------------------------------- */

/* The block of 2^level ports that has PORT: a one in front tells the levels apart. */
static uint32_t block_of(uint16_t port, uint32_t level)
{
    return 1U << (16 - level) | (uint32_t)port >> level;
}

static uint64_t what_of(uint32_t process, uint32_t list, uint32_t bits, uint32_t block)
{
    return (uint64_t)process << 28 | (list << 25 | bits << 17 | block);
}

static uint32_t slot_of(const struct firewall_index *index, uint64_t high, uint64_t low,
                        uint64_t what)
{
    uint64_t hash = (high ^ what) * 0x9e3779b97f4a7c15U + (low ^ what << 32);

    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 32) & UINT32_MAX;
    return (uint32_t)(hash * index->slot_count >> 32);
}

/* The entry of that key, or the free slot where it belongs. */
static struct firewall_entry *find_slot(const struct firewall_index *index, uint64_t high,
                                        uint64_t low, uint64_t what)
{
    uint32_t at = slot_of(index, high, low, what);

    for (uint32_t tries = 0; tries < index->slot_count; tries++) {
        struct firewall_entry *entry = &index->slots[at];

        if (entry->what == 0 || (entry->what == what && entry->low == low && entry->high == high)) {
            return entry;
        }
        at = at + 1 == index->slot_count ? 0 : at + 1;
    }
    return NULL;
}

static void add_entry(struct firewall_set *set, const struct firewall_peer *peer, uint64_t what,
                      uint32_t number)
{
    bool is_prefix = peer->kind == FIREWALL_PEER_PREFIX;
    uint64_t high = is_prefix ? __builtin_bswap64(load_u64(peer->prefix.address.bytes)) : 0;
    uint64_t low = is_prefix ? __builtin_bswap64(load_u64(peer->prefix.address.bytes + 8)) : 0;
    struct firewall_entry *entry = find_slot(&set->index, high, low, what);

    BERTH_CHECK(entry != NULL);
    if (entry->what == 0) {
        *entry = (struct firewall_entry){.high = high,
                                         .low = low,
                                         .what = what & WHAT_MASK,
                                         .rule = number & RULE_LAST,
                                         .action = set->rules[number].action & 3U,
                                         .log = set->rules[number].log};
    }
}

/* ---- Processes ------------------------------------------------------------------------------ */

/* The entry of the process NAME, or the free slot where it belongs. */
static struct firewall_entry *find_process(const struct firewall_index *index, const char *name)
{
    return find_slot(index, load_u64(name), load_u64(name + 8), WHAT_PROCESS);
}

uint32_t firewall_index_process(const struct firewall_index *index, const char *name)
{
    struct firewall_process process = {{0}};
    const struct firewall_entry *entry;
    size_t bytes = strnlen(name, sizeof process.name);

    if (bytes == sizeof process.name) {
        return 0; /* no process has so long a name */
    }
    memcpy(process.name, name, bytes);
    entry = find_process(index, process.name);
    return entry == NULL || entry->what == 0 ? 0 : (uint32_t)entry->rule;
}

/* Gives the processes of RULE their numbers. False: there are not enough. */
static bool number_processes(struct firewall_set *set, const struct firewall_rule *rule)
{
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        const char *name = set->processes[rule->processes_at + i].name;
        struct firewall_entry *entry = find_process(&set->index, name);

        BERTH_CHECK(entry != NULL);
        if (entry->what != 0) {
            continue;
        }
        if (PROCESS_FIRST + set->index.processes > PROCESS_LAST) {
            return false;
        }
        *entry =
            (struct firewall_entry){.high = load_u64(name),
                                    .low = load_u64(name + 8),
                                    .what = WHAT_PROCESS,
                                    .rule = (PROCESS_FIRST + set->index.processes) & RULE_LAST};
        set->index.processes++;
    }
    return true;
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
    uint32_t *first = &index->first[list * FIREWALL_SHAPES + bits * LEVELS + place->level];

    *first = min_u32(*first, number);
}

static uint32_t bits_of(const struct firewall_peer *peer)
{
    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_ANY:
        return ANY;
    case FIREWALL_PEER_HOST:
        return HOST;
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

/* How many entries RULE takes in the list of protocol BIT, its processes' numbers with them. */
static uint64_t count_entries(const struct firewall_set *set, const struct firewall_rule *rule,
                              uint8_t bit)
{
    uint64_t blocks = rule->ports_count == 0 ? 1 : 0;

    for (uint32_t i = 0; i < rule->ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule->ports_at + i];

        blocks += (ports->protocols & bit) != 0 ? count_blocks(ports->first, ports->last) : 0;
    }
    blocks *= rule->peers_count == 0 ? 1 : rule->peers_count;
    return rule->processes_count == 0
               ? blocks
               : blocks * (rule->processes_count + 1) + rule->processes_count;
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

    add_entry(set, peer, what_of(any, place->list, bits, place->block), number);
    note_first(&set->index, class, place, bits, number);
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        const char *name = set->processes[rule->processes_at + i].name;
        uint32_t process = firewall_index_process(&set->index, name);

        add_entry(set, peer, what_of(process, place->list, bits, place->block), number);
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
        add_block(set, number, list, block_of(0, 16), 16);
    }
    for (uint32_t i = 0; i < rule->ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule->ports_at + i];
        uint32_t at = ports->first;

        while ((ports->protocols & bit) != 0 && at <= ports->last) {
            uint32_t level = level_at(at, ports->last);

            add_block(set, number, list, block_of((uint16_t)at, level), level);
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
            if (entries > left || i > RULE_LAST) {
                index->rest[rest++] = i;
                continue;
            }
            left -= (uint32_t)entries; /* both times, so that both find the same room */
            if (is_count) {
                continue;
            }
            if (number_processes(set, rule)) {
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

static void gather_tuples(struct firewall_index *index)
{
    uint32_t used = 0;

    for (uint32_t list = 0; list < FIREWALL_CLASSES * FIREWALL_LISTS; list++) {
        const uint32_t *first = &index->first[list * FIREWALL_SHAPES];

        index->tuples_begin[list] = used;
        for (uint32_t shape = 0; shape < FIREWALL_SHAPES; shape++) {
            if (first[shape] != UINT32_MAX) {
                index->tuples[used++] = (struct firewall_tuple){.first = first[shape],
                                                                .bits = (uint8_t)(shape / LEVELS),
                                                                .level = (uint8_t)(shape % LEVELS)};
            }
        }
        sort_tuples(&index->tuples[index->tuples_begin[list]], used - index->tuples_begin[list]);
    }
    index->tuples_begin[FIREWALL_CLASSES * FIREWALL_LISTS] = used;
}

void firewall_index_init(struct firewall_index *index, struct arena *arena, uint32_t rules_max,
                         uint32_t text_bytes_max)
{
    uint64_t entries = (uint64_t)rules_max * 4 + text_bytes_max / 4;

    index->entries_max = (uint32_t)min_u64(entries, UINT32_MAX / 4);
    index->slots_max = index->entries_max * 2 + 1;
    index->slots =
        arena_take(arena, index->slots_max, sizeof *index->slots, _Alignof(struct firewall_entry));
    index->first = arena_take(arena, TUPLES_MAX, sizeof *index->first, _Alignof(uint32_t));
    index->tuples =
        arena_take(arena, TUPLES_MAX, sizeof *index->tuples, _Alignof(struct firewall_tuple));
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
    (void)walk(set, false);
    gather_tuples(index);
}

/* ---- Finding -------------------------------------------------------------------------------- */

static uint64_t mask_of(uint32_t bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

/* May an entry of TUPLE match, as far as the kind of the peer goes? */
static bool is_asked(const struct firewall_tuple *tuple, const struct firewall_key *key, bool is_v4)
{
    switch (tuple->bits) {
    case HOST:
        return key->special->is_host;
    case ANY:
        return key->special->bits == 0;
    default:
        /* A special address is named by a prefix inside its block only (special.h); an IPv4 address
         * is not inside an IPv6 prefix. */
        return tuple->bits >= key->special->bits && (!is_v4 || tuple->bits >= V4_PREFIX_BITS);
    }
}

struct sought {
    uint64_t high;
    uint64_t low;
    uint64_t what;
};

static struct sought sought_of(const struct firewall_tuple *tuple, const struct firewall_key *key)
{
    uint32_t bits = tuple->bits >= ANY ? 0 : tuple->bits;
    uint64_t high = __builtin_bswap64(load_u64(key->peer->bytes));
    uint64_t low = __builtin_bswap64(load_u64(key->peer->bytes + 8));

    return (struct sought){
        .high = high & mask_of(bits),
        .low = low & mask_of(bits < 64 ? 0 : bits - 64),
        .what = what_of(key->process, key->list, tuple->bits, block_of(key->port, tuple->level)),
    };
}

void firewall_index_expect(const struct firewall_index *index, const struct firewall_key *key)
{
    uint32_t begin = index->tuples_begin[key->list];
    uint32_t end = min_u32(index->tuples_begin[key->list + 1], begin + EXPECTED);

    for (uint32_t i = begin; i < end; i++) {
        struct sought sought = sought_of(&index->tuples[i], key);

        __builtin_prefetch(&index->slots[slot_of(index, sought.high, sought.low, sought.what)]);
    }
}

const struct firewall_entry *firewall_index_find(const struct firewall_index *index,
                                                 const struct firewall_key *key,
                                                 enum firewall_class class,
                                                 const struct firewall_entry *found)
{
    const uint32_t *begin = &index->tuples_begin[(uint32_t) class * FIREWALL_LISTS + key->list];
    bool is_v4 = berth_address_is_v4(key->peer);

    for (uint32_t i = begin[0]; i < begin[1]; i++) {
        const struct firewall_tuple *tuple = &index->tuples[i];
        const struct firewall_entry *entry;
        struct sought sought;

        if (found != NULL && tuple->first >= found->rule) {
            break;
        }
        if (!is_asked(tuple, key, is_v4)) {
            continue;
        }
        sought = sought_of(tuple, key);
        entry = find_slot(index, sought.high, sought.low, sought.what);
        if (entry != NULL && entry->what != 0 && (found == NULL || entry->rule < found->rule)) {
            found = entry;
        }
    }
    return found;
}
