/* SPDX-License-Identifier: MIT */
/*
 * Bindings: which names were given for an address, and until when. The owner's resolver tells of
 * them; rules by name match by them.
 *
 *   binding   event                            next     function
 *   -         a name is given for an address   live     firewall_bindings_learn
 *   live      it is given again                live     firewall_bindings_learn: the later end
 *   live      its time is over                 dead     none: judging compares the time
 *   live,dead its address comes into use       held     firewall_bindings_hold: live, and stays
 *   held      the last use ends                live or dead, as its time says
 *   live,dead room is needed, it is the oldest -        firewall_bindings_learn
 *
 * 1. A (name, address) stands once; an address is there while it has a binding.
 * 2. Bindings of addresses in use go only for another name of the same address, past
 *    FIREWALL_NAMES_PER_ADDRESS: the one whose time is over first.
 * 3. Bindings outlive the rules: loading rules numbers their patterns anew.
 */
#ifndef FIREWALL_BINDING_H
#define FIREWALL_BINDING_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/table.h"

#include <berth/firewall.h>

/* A verdict on an address looks at so many at most. */
#define FIREWALL_NAMES_PER_ADDRESS 64

/* An address that has names. */
struct firewall_named {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t next; /* in its chain: index + 1 */
    uint32_t count;
    uint32_t holds; /* uses that it is held for */
    struct berth_address address;
    struct list bindings; /* the one learnt longest ago first */
};

struct firewall_binding {
    uint32_t pool_link;
    uint32_t pattern; /* the most specific of the rules' that names it; 0: none of the index's */
    struct list_node of_address;
    struct list_node order;
    struct firewall_named *named;
    uint64_t until_ns;
    bool may_be_special;
    uint8_t bytes; /* of name */
    char name[BERTH_NAME_BYTES];
};

struct firewall_bindings {
    struct pool pool;       /* struct firewall_binding */
    struct pool addresses;  /* struct firewall_named */
    struct table table;     /* of them, by address */
    struct list free_order; /* of addresses that nobody holds: learnt longest ago first */
    struct list held_order;
    struct hash_key key;
};

struct firewall_index;

void firewall_bindings_init(struct firewall_bindings *bindings, struct arena *arena, uint32_t max);
/* The bindings of ADDRESS; NULL: none. */
const struct firewall_named *firewall_bindings_find(const struct firewall_bindings *bindings,
                                                    const struct berth_address *address);
/* LIKE (its name, pattern, end and leave to be special) becomes one of ADDRESS's, or what there is
 * of that name lives to the later end. BERTH_E_LIMIT: all are in use. */
int firewall_bindings_learn(struct firewall_bindings *bindings, const struct berth_address *address,
                            const struct firewall_binding *like);
/* BERTH_E_STALE: ADDRESS has no names, and is not held. */
int firewall_bindings_hold(struct firewall_bindings *bindings, const struct berth_address *address);
void firewall_bindings_release(struct firewall_bindings *bindings,
                               const struct berth_address *address);
/* Other rules judge from now on, those of INDEX. */
void firewall_bindings_number(struct firewall_bindings *bindings,
                              const struct firewall_index *index);

static inline bool firewall_binding_is_live(const struct firewall_binding *binding, uint64_t now_ns)
{
    return binding->named->holds > 0 || now_ns < binding->until_ns;
}

/* The binding after BINDING of the same address, from NULL on; NULL: there are no more. */
static inline const struct firewall_binding *firewall_binding_next(
    const struct firewall_named *named, const struct firewall_binding *binding)
{
    const struct list_node *node = binding == NULL
                                       ? list_first(&named->bindings)
                                       : list_next(&named->bindings, &binding->of_address);

    return node == NULL ? NULL : CONTAINER_OF(node, struct firewall_binding, of_address);
}

#endif
