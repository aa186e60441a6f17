/* SPDX-License-Identifier: MIT */
/*
 * firewall/index.c: asks the index (index.h). Pure.
 */
#include "firewall/index_slot.h"

#include "firewall/special.h"

#define V4_PREFIX_BITS 96 /* in front of an IPv4 address in struct berth_address */

#define EXPECTED 4 /* tuples whose memory is asked for beforehand */

/* ---- Finding -------------------------------------------------------------------------------- */

static uint64_t mask_of(uint32_t bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

/* May an entry of TUPLE match, as far as the kind of the peer goes? */
static bool is_asked(const struct firewall_tuple *tuple, const struct firewall_key *key, bool is_v4)
{
    switch (tuple->bits) {
    case INDEX_HOST:
        return key->special->is_host;
    case INDEX_ANY:
        return key->special->bits == 0;
    default: /* a prefix: those of names are asked apart */
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
    uint32_t bits = tuple->bits >= INDEX_ANY ? 0 : tuple->bits;
    uint64_t high = __builtin_bswap64(load_u64(key->peer->bytes));
    uint64_t low = __builtin_bswap64(load_u64(key->peer->bytes + 8));

    return (struct sought){
        .high = high & mask_of(bits),
        .low = low & mask_of(bits < 64 ? 0 : bits - 64),
        .what =
            index_what(key->process, key->list, tuple->bits, index_block(key->port, tuple->level)),
    };
}

void firewall_index_expect(const struct firewall_index *index, const struct firewall_key *key)
{
    uint32_t begin = index->tuples_begin[2 * key->list];
    uint32_t end = min_u32(index->tuples_begin[2 * key->list + 1], begin + EXPECTED);

    for (uint32_t i = begin; i < end; i++) {
        struct sought sought = sought_of(&index->tuples[i], key);

        __builtin_prefetch(&index->slots[index_slot(index, sought.high, sought.low, sought.what)]);
    }
}

/* The same for BINDING alone: the patterns that name it, from the most specific on. */
static const struct firewall_entry *find_binding(const struct firewall_index *index,
                                                 const struct firewall_key *key,
                                                 const struct firewall_binding *binding,
                                                 const struct firewall_tuple *tuple,
                                                 const struct firewall_entry *found)
{
    uint64_t what =
        index_what(key->process, key->list, INDEX_NAME, index_block(key->port, tuple->level));

    for (uint32_t at = binding->pattern; at != 0; at = index->wider[at]) {
        const struct firewall_entry *entry = index_find_slot(index, at, 0, what);

        if (entry != NULL && entry->what != 0 && (found == NULL || entry->rule < found->rule)) {
            found = entry;
        }
    }
    return found;
}

/* The first rule that matches by a name that was given for the peer's address. */
static const struct firewall_entry *find_named(const struct firewall_index *index,
                                               const struct firewall_key *key, uint32_t range,
                                               const struct firewall_entry *found)
{
    for (uint32_t i = index->tuples_begin[range]; i < index->tuples_begin[range + 1]; i++) {
        const struct firewall_tuple *tuple = &index->tuples[i];
        const struct firewall_binding *binding = NULL;

        if (found != NULL && tuple->first >= found->rule) {
            break;
        }
        while ((binding = firewall_binding_next(key->named, binding)) != NULL) {
            if (firewall_binding_is_live(binding, key->now_ns) &&
                (key->special->bits == 0 || binding->may_be_special)) {
                found = find_binding(index, key, binding, tuple, found);
            }
        }
    }
    return found;
}

bool firewall_index_is_by_name(const struct firewall_entry *entry)
{
    return (entry->what >> 17 & UINT8_MAX) == INDEX_NAME;
}

static const struct firewall_entry *find_address(const struct firewall_index *index,
                                                 const struct firewall_key *key, uint32_t range,
                                                 const struct firewall_entry *found)
{
    const uint32_t *begin = &index->tuples_begin[range];
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
        entry = index_find_slot(index, sought.high, sought.low, sought.what);
        if (entry != NULL && entry->what != 0 && (found == NULL || entry->rule < found->rule)) {
            found = entry;
        }
    }
    return found;
}

const struct firewall_entry *firewall_index_find(const struct firewall_index *index,
                                                 const struct firewall_key *key,
                                                 enum firewall_class class,
                                                 const struct firewall_entry *found)
{
    uint32_t range = ((uint32_t) class * FIREWALL_LISTS + key->list) * 2;

    found = find_address(index, key, range, found);
    return key->named == NULL ? found : find_named(index, key, range + 1, found);
}

uint32_t firewall_index_process(const struct firewall_index *index, const char *name)
{
    struct firewall_process process = {{0}};
    size_t bytes = strnlen(name, sizeof process.name);

    if (bytes == sizeof process.name) {
        return 0; /* no process has so long a name */
    }
    memcpy(process.name, name, bytes);
    return index_process(index, process.name);
}
