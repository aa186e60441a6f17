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

#define EXPECTED 4 /* tuples whose memory is asked for beforehand */

/* Peers that are no prefix, beside the prefixes' lengths. */
enum { ANY = 129, HOST = 130 };

/* ---- Entries -------------------------------------------------------------------------------- */

/* The block of 2^level ports that has PORT: a one in front tells the levels apart. */
static uint32_t block_of(uint16_t port, uint32_t level)
{
    return 1U << (16 - level) | (uint32_t)port >> level;
}

static uint32_t what_of(uint32_t list, uint32_t bits, uint32_t block)
{
    return list << 25 | bits << 17 | block;
}

static uint32_t slot_of(const struct firewall_index *index, uint64_t high, uint64_t low,
                        uint32_t what)
{
    uint64_t hash = (high ^ what) * 0x9e3779b97f4a7c15U + (low ^ (uint64_t)what << 32);

    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 32) & UINT32_MAX;
    return (uint32_t)(hash * index->slot_count >> 32);
}

/* The entry of that key, or the free slot where it belongs. */
static struct firewall_entry *find_slot(const struct firewall_index *index, uint64_t high,
                                        uint64_t low, uint32_t what)
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

static void add_entry(struct firewall_set *set, const struct firewall_peer *peer, uint32_t what,
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
                                         .what = what,
                                         .rule = number & 0xfffffffU,
                                         .action = set->rules[number].action & 7U,
                                         .log = set->rules[number].log};
    }
}

/* ---- Rules ---------------------------------------------------------------------------------- */

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

/* How many entries RULE takes in the list of protocol BIT. */
static uint64_t count_entries(const struct firewall_set *set, const struct firewall_rule *rule,
                              uint8_t bit)
{
    uint64_t blocks = rule->ports_count == 0 ? 1 : 0;

    for (uint32_t i = 0; i < rule->ports_count; i++) {
        const struct firewall_ports *ports = &set->ports[rule->ports_at + i];

        blocks += (ports->protocols & bit) != 0 ? count_blocks(ports->first, ports->last) : 0;
    }
    return blocks * (rule->peers_count == 0 ? 1 : rule->peers_count);
}

static void add_block(struct firewall_set *set, uint32_t number, uint32_t list, uint32_t block,
                      uint32_t level)
{
    static const struct firewall_peer any = {.kind = FIREWALL_PEER_ANY};
    const struct firewall_rule *rule = &set->rules[number];
    uint32_t count = rule->peers_count == 0 ? 1 : rule->peers_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct firewall_peer *peer =
            rule->peers_count == 0 ? &any : &set->peers[rule->peers_at + i];
        uint32_t bits = bits_of(peer);
        uint32_t *first = &set->index.first[list * FIREWALL_SHAPES + bits * LEVELS + level];

        add_entry(set, peer, what_of(list, bits, block), number);
        *first = min_u32(*first, number);
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
            if (entries > left) {
                index->rest[rest++] = i;
                continue;
            }
            left -= (uint32_t)entries;
            if (!is_count) {
                add_rule(set, i, list, bit);
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

    for (uint32_t list = 0; list < FIREWALL_LISTS; list++) {
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
    index->tuples_begin[FIREWALL_LISTS] = used;
}

void firewall_index_init(struct firewall_index *index, struct arena *arena, uint32_t rules_max,
                         uint32_t text_bytes_max)
{
    uint64_t entries = (uint64_t)rules_max * 4 + text_bytes_max / 4;

    index->entries_max = (uint32_t)min_u64(entries, UINT32_MAX / 4);
    index->slots_max = index->entries_max * 2 + 1;
    index->slots =
        arena_take(arena, index->slots_max, sizeof *index->slots, _Alignof(struct firewall_entry));
    index->first = arena_take(arena, (size_t)FIREWALL_LISTS * FIREWALL_SHAPES, sizeof *index->first,
                              _Alignof(uint32_t));
    index->tuples = arena_take(arena, (size_t)FIREWALL_LISTS * FIREWALL_SHAPES,
                               sizeof *index->tuples, _Alignof(struct firewall_tuple));
    index->rest = arena_take(arena, (size_t)rules_max * FIREWALL_PROTOCOLS, sizeof *index->rest,
                             _Alignof(uint32_t));
}

void firewall_index_make(struct firewall_set *set)
{
    struct firewall_index *index = &set->index;
    uint32_t entries = walk(set, true);

    index->slot_count = entries * 2 + 1;
    memset(index->slots, 0, index->slot_count * sizeof *index->slots);
    memset(index->first, 0xff, sizeof *index->first * FIREWALL_LISTS * FIREWALL_SHAPES);
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
    uint32_t what;
};

static struct sought sought_of(const struct firewall_tuple *tuple, const struct firewall_key *key)
{
    uint32_t bits = tuple->bits >= ANY ? 0 : tuple->bits;
    uint64_t high = __builtin_bswap64(load_u64(key->peer->bytes));
    uint64_t low = __builtin_bswap64(load_u64(key->peer->bytes + 8));

    return (struct sought){
        .high = high & mask_of(bits),
        .low = low & mask_of(bits < 64 ? 0 : bits - 64),
        .what = what_of(key->list, tuple->bits, block_of(key->port, tuple->level)),
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
                                                 const struct firewall_key *key)
{
    bool is_v4 = berth_address_is_v4(key->peer);
    const struct firewall_entry *found = NULL;

    for (uint32_t i = index->tuples_begin[key->list]; i < index->tuples_begin[key->list + 1]; i++) {
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
