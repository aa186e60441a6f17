/* SPDX-License-Identifier: MIT */
/*
 * firewall/binding.c: see firewall/binding.h.
 */
#include "firewall/binding.h"

#include "base/check.h"
#include "firewall/index.h"

#include <string.h>

void firewall_bindings_init(struct firewall_bindings *bindings, struct arena *arena, uint32_t max)
{
    pool_init(&bindings->pool, arena, max, sizeof(struct firewall_binding));
    pool_init(&bindings->addresses, arena, max, sizeof(struct firewall_named));
    table_init(&bindings->table, arena, max);
    list_init(&bindings->free_order);
    list_init(&bindings->held_order);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static uint32_t hash_of(const struct firewall_bindings *bindings,
                        const struct berth_address *address)
{
    return (uint32_t)hash_keyed(&bindings->key, address->bytes, sizeof address->bytes);
}

/* Where the number of ADDRESS's record stands in its chain, or the end of the chain. */
static uint32_t *find_link(const struct firewall_bindings *bindings,
                           const struct berth_address *address, uint32_t hash)
{
    uint32_t *link = table_head(&bindings->table, hash);

    while (*link != 0) {
        struct firewall_named *named = pool_at(&bindings->addresses, *link - 1);

        if (named->hash == hash && berth_address_is_equal(&named->address, address)) {
            break;
        }
        link = &named->next;
    }
    return link;
}

static struct firewall_named *find_named(const struct firewall_bindings *bindings,
                                         const struct berth_address *address)
{
    uint32_t *link = find_link(bindings, address, hash_of(bindings, address));

    return *link == 0 ? NULL : pool_at(&bindings->addresses, *link - 1);
}

const struct firewall_named *firewall_bindings_find(const struct firewall_bindings *bindings,
                                                    const struct berth_address *address)
{
    return bindings->pool.used == 0 ? NULL : find_named(bindings, address);
}

/* There are as many records as bindings, and each of them has one: there is always room. */
static struct firewall_named *add_named(struct firewall_bindings *bindings,
                                        const struct berth_address *address)
{
    struct firewall_named *named = pool_take(&bindings->addresses);
    uint32_t hash = hash_of(bindings, address);
    uint32_t *head = table_head(&bindings->table, hash);

    BERTH_CHECK(named != NULL);
    *named = (struct firewall_named){.hash = hash, .next = *head, .address = *address};
    list_init(&named->bindings);
    *head = pool_index(&bindings->addresses, named) + 1;
    return named;
}

/* ---- Bindings ------------------------------------------------------------------------------- */

static void forget(struct firewall_bindings *bindings, struct firewall_binding *binding)
{
    struct firewall_named *named = binding->named;

    list_remove(&binding->of_address);
    list_remove(&binding->order);
    pool_give(&bindings->pool, binding);
    named->count--;
    if (named->count == 0) {
        uint32_t *link = find_link(bindings, &named->address, named->hash);

        BERTH_CHECK(named->holds == 0 && *link != 0);
        *link = named->next;
        pool_give(&bindings->addresses, named);
    }
}

static struct firewall_binding *find_binding(const struct firewall_named *named,
                                             const struct firewall_binding *like)
{
    const struct firewall_binding *binding = NULL;

    do {
        binding = firewall_binding_next(named, binding);
    } while (binding != NULL && (binding->bytes != like->bytes ||
                                 memcmp(binding->name, like->name, like->bytes) != 0));
    return (struct firewall_binding *)binding;
}

/* That of NAMED whose time is over first. */
static struct firewall_binding *find_first_over(const struct firewall_named *named)
{
    const struct firewall_binding *first = firewall_binding_next(named, NULL);
    const struct firewall_binding *binding = first;

    while ((binding = firewall_binding_next(named, binding)) != NULL) {
        first = binding->until_ns < first->until_ns ? binding : first;
    }
    return (struct firewall_binding *)first;
}

/* A record for another binding of ADDRESS; NULL: all are in use. */
static struct firewall_binding *take(struct firewall_bindings *bindings,
                                     const struct berth_address *address)
{
    struct firewall_named *named = find_named(bindings, address);
    struct list_node *oldest;

    if (named != NULL && named->count == FIREWALL_NAMES_PER_ADDRESS) {
        forget(bindings, find_first_over(named));
    }
    if (bindings->pool.used == bindings->pool.count) {
        oldest = list_first(&bindings->free_order);
        if (oldest == NULL) {
            return NULL;
        }
        forget(bindings, CONTAINER_OF(oldest, struct firewall_binding, order));
    }
    return pool_take(&bindings->pool);
}

static void put_last(struct firewall_bindings *bindings, struct firewall_binding *binding)
{
    struct list *order = binding->named->holds > 0 ? &bindings->held_order : &bindings->free_order;

    list_remove(&binding->of_address);
    list_remove(&binding->order);
    list_add_last(&binding->named->bindings, &binding->of_address);
    list_add_last(order, &binding->order);
}

int firewall_bindings_learn(struct firewall_bindings *bindings, const struct berth_address *address,
                            const struct firewall_binding *like)
{
    struct firewall_named *named = find_named(bindings, address);
    struct firewall_binding *binding = named == NULL ? NULL : find_binding(named, like);

    if (binding == NULL) {
        binding = take(bindings, address);
        if (binding == NULL) {
            return BERTH_E_LIMIT;
        }
        named = find_named(bindings, address); /* it may have gone to make room */
        named = named != NULL ? named : add_named(bindings, address);
        *binding = *like;
        binding->of_address = (struct list_node){0};
        binding->order = (struct list_node){0};
        binding->named = named;
        named->count++;
    }
    binding->until_ns = max_u64(binding->until_ns, like->until_ns);
    binding->may_be_special = binding->may_be_special || like->may_be_special;
    put_last(bindings, binding);
    return BERTH_OK;
}

/* ---- In use --------------------------------------------------------------------------------- */

static void reorder(struct firewall_bindings *bindings, struct firewall_named *named)
{
    for (uint32_t i = 0; i < named->count; i++) {
        struct list_node *first = list_first(&named->bindings);

        put_last(bindings, CONTAINER_OF(first, struct firewall_binding, of_address));
    }
}

int firewall_bindings_hold(struct firewall_bindings *bindings, const struct berth_address *address)
{
    struct firewall_named *named = bindings->pool.used == 0 ? NULL : find_named(bindings, address);

    if (named == NULL) {
        return BERTH_E_STALE;
    }
    named->holds++;
    if (named->holds == 1) {
        reorder(bindings, named);
    }
    return BERTH_OK;
}

void firewall_bindings_release(struct firewall_bindings *bindings,
                               const struct berth_address *address)
{
    struct firewall_named *named = find_named(bindings, address);

    if (named == NULL || named->holds == 0) {
        return;
    }
    named->holds--;
    if (named->holds == 0) {
        reorder(bindings, named);
    }
}

/* ---- Rules ---------------------------------------------------------------------------------- */

static void number(struct list *order, const struct firewall_index *index)
{
    for (struct list_node *node = list_first(order); node != NULL; node = list_next(order, node)) {
        struct firewall_binding *binding = CONTAINER_OF(node, struct firewall_binding, order);

        binding->pattern = firewall_index_pattern(index, binding->name, binding->bytes);
    }
}

void firewall_bindings_number(struct firewall_bindings *bindings,
                              const struct firewall_index *index)
{
    number(&bindings->free_order, index);
    number(&bindings->held_order, index);
}
