/* SPDX-License-Identifier: MIT */
/*
 * ports/bind.c: the bind table. All binds of one protocol and port are in one chain, so that a walk
 * of it sees every conflict.
 */
#include "ports/records.h"

#define PICK_TRIES 32 /* before the whole range is counted */

static struct ports_bind_record *record_at(const struct ports *ports, uint32_t link)
{
    return link == 0 ? NULL : pool_at(&ports->binds, link - 1);
}

/* Ports are the application's choice and spread themselves: no keyed hash is needed. */
static uint32_t *chain_of(const struct ports *ports, uint8_t protocol, uint16_t port)
{
    return table_head(&ports->bind_table, (uint32_t)port * 2 + (protocol & 1));
}

/* Does a bind at BOUND serve ADDRESS, which may be an any address itself? */
static bool may_cover(const struct berth_address *bound, const struct berth_address *address)
{
    if (!berth_address_is_any(bound)) {
        return berth_address_is_equal(bound, address);
    }
    return !berth_address_is_v4(bound) || berth_address_is_v4(address);
}

static bool has_conflict(const struct ports *ports, const struct ports_bind *bind)
{
    const struct ports_bind_record *record;
    uint32_t link = *chain_of(ports, bind->protocol, bind->local.port);

    for (; (record = record_at(ports, link)) != NULL; link = record->next) {
        if (record->bind.protocol == bind->protocol &&
            record->bind.local.port == bind->local.port &&
            (may_cover(&record->bind.local.address, &bind->local.address) ||
             may_cover(&bind->local.address, &record->bind.local.address))) {
            return true;
        }
    }
    return false;
}

static bool is_denied(const struct ports *ports, uint16_t port)
{
    return port > 0 && port <= PORTS_SYSTEM_LAST && !ports->limits.system_ports_bindable;
}

int ports_bind(struct ports *ports, const struct ports_bind *bind)
{
    struct ports_bind_record *record;
    uint32_t *head = chain_of(ports, bind->protocol, bind->local.port);

    BERTH_CHECK(bind->owner != 0);
    if (is_denied(ports, bind->local.port)) {
        return BERTH_E_DENIED;
    }
    if (has_conflict(ports, bind)) {
        return BERTH_E_IN_USE;
    }
    record = pool_take(&ports->binds);
    if (record == NULL) {
        return BERTH_E_LIMIT;
    }
    record->bind = *bind;
    record->next = *head;
    *head = pool_index(&ports->binds, record) + 1;
    return BERTH_OK;
}

void ports_unbind(struct ports *ports, const struct ports_bind *bind)
{
    struct ports_bind_record *record;
    uint32_t *link = chain_of(ports, bind->protocol, bind->local.port);

    for (; (record = record_at(ports, *link)) != NULL; link = &record->next) {
        if (record->bind.owner == bind->owner && record->bind.protocol == bind->protocol &&
            berth_endpoint_is_equal(&record->bind.local, &bind->local)) {
            *link = record->next;
            pool_give(&ports->binds, record);
            return;
        }
    }
}

/* The owner of the most specific bind of PORT (0: every port) that serves ADDRESS. */
static uint64_t find_at(const struct ports *ports, uint8_t protocol,
                        const struct berth_address *address, uint16_t port)
{
    const struct ports_bind_record *record;
    uint32_t link = *chain_of(ports, protocol, port);
    uint64_t owner = 0;

    for (; (record = record_at(ports, link)) != NULL; link = record->next) {
        if (record->bind.protocol != protocol || record->bind.local.port != port ||
            !may_cover(&record->bind.local.address, address)) {
            continue;
        }
        owner = record->bind.owner;
        if (!berth_address_is_any(&record->bind.local.address)) {
            break;
        }
    }
    return owner;
}

uint64_t ports_find(const struct ports *ports, uint8_t protocol, const struct berth_endpoint *local)
{
    uint64_t owner = 0;

    if (local->port != 0) {
        owner = find_at(ports, protocol, &local->address, local->port);
    }
    if (owner == 0 && !is_denied(ports, local->port)) {
        owner = find_at(ports, protocol, &local->address, 0);
    }
    return owner;
}

/* The K-th port of the range that could be bound as BIND says; 0: there are no more than K. */
static uint16_t find_bindable(const struct ports *ports, const struct ports_bind *bind, uint32_t k)
{
    struct ports_bind candidate = *bind;

    for (uint32_t port = ports->limits.ephemeral_first; port <= ports->limits.ephemeral_last;
         port++) {
        candidate.local.port = (uint16_t)port;
        if (!has_conflict(ports, &candidate) && k-- == 0) {
            return (uint16_t)port;
        }
    }
    return 0;
}

static uint32_t count_bindable(const struct ports *ports, const struct ports_bind *bind)
{
    struct ports_bind candidate = *bind;
    uint32_t count = 0;

    for (uint32_t port = ports->limits.ephemeral_first; port <= ports->limits.ephemeral_last;
         port++) {
        candidate.local.port = (uint16_t)port;
        count += !has_conflict(ports, &candidate);
    }
    return count;
}

/* Blind tries first; where they fail, the free ports are counted. Either way the choice is uniform
 * among those free. */
int ports_pick_bind(struct ports *ports, uint8_t protocol, const struct berth_address *local,
                    uint16_t *out)
{
    uint32_t first = ports->limits.ephemeral_first;
    uint32_t range = ports->limits.ephemeral_last - first + 1;
    struct ports_bind bind = {.local.address = *local, .owner = 1, .protocol = protocol};
    uint32_t count;

    for (int i = 0; i < PICK_TRIES; i++) {
        bind.local.port = (uint16_t)(first + random_below(ports->random, range));
        if (!has_conflict(ports, &bind)) {
            *out = bind.local.port;
            return BERTH_OK;
        }
    }
    count = count_bindable(ports, &bind);
    if (count == 0) {
        return BERTH_E_NO_PORT;
    }
    *out = find_bindable(ports, &bind, random_below(ports->random, count));
    return BERTH_OK;
}
