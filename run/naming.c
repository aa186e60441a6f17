/* SPDX-License-Identifier: MIT */
/*
 * run/naming.c: see run/naming.h.
 */
#include "run/naming.h"

#include <stdio.h>
#include <stdlib.h>

int naming_init(struct naming *naming)
{
    *naming = (struct naming){.entries = calloc(NAMING_MAX, sizeof(struct naming_entry))};
    list_init(&naming->order);
    for (size_t i = 0; i < NAMING_CHAINS; i++) {
        list_init(&naming->chains[i]);
    }
    return naming->entries == NULL ? BERTH_E_LIMIT : BERTH_OK;
}

void naming_done(struct naming *naming)
{
    free(naming->entries);
    naming->entries = NULL;
}

/* Whoever aims at one chain slows down the table of his own program. */
static size_t chain_of(const struct berth_address *address)
{
    uint64_t mixed = (load_u64(address->bytes) ^ load_u64(address->bytes + 8) * 31) *
                     UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(mixed >> 40) % NAMING_CHAINS;
}

static struct naming_entry *find(const struct naming *naming, const struct berth_address *address)
{
    const struct list *chain = &naming->chains[chain_of(address)];

    for (struct list_node *at = list_first(chain); at != NULL; at = list_next(chain, at)) {
        struct naming_entry *entry = CONTAINER_OF(at, struct naming_entry, chain);

        if (berth_address_is_equal(&entry->address, address)) {
            return entry;
        }
    }
    return NULL;
}

void naming_learn(struct naming *naming, const struct berth_address *address, const char *name)
{
    struct naming_entry *entry = find(naming, address);

    if (entry == NULL && naming->used < NAMING_MAX) {
        entry = &naming->entries[naming->used++];
    } else if (entry == NULL) {
        entry = CONTAINER_OF(list_first(&naming->order), struct naming_entry, order);
    }
    list_remove(&entry->order);
    list_remove(&entry->chain);
    entry->address = *address;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    list_add_last(&naming->order, &entry->order);
    list_add_first(&naming->chains[chain_of(address)], &entry->chain);
}

const char *naming_find(const struct naming *naming, const struct berth_address *address)
{
    const struct naming_entry *entry = find(naming, address);

    return entry == NULL ? NULL : entry->name;
}
