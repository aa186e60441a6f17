/* SPDX-License-Identifier: MIT */
/*
 * ports/ephemeral.c: which local ports are taken towards each remote endpoint, and choosing one.
 *
 *   state       event                        next        by
 *   (none)      a port is taken              few         add
 *   few         one more than PORTS_FEW      bitmap      move_to_bitmap
 *   bitmap      half of PORTS_FEW are left   few         move_to_few
 *   few         the last is given back       (none)      remove_endpoint
 *
 * 1. A record exists while at least one port is taken towards its endpoint.
 * 2. `few` is ascending; a port stands in `few` or in the bitmap, never in both.
 * Ports are counted from the range's first one in here.
 */
#include "base/address.h"
#include "base/bytes.h"
#include "ports/bitmap.h"
#include "ports/records.h"

static uint32_t range_of(const struct ports *ports)
{
    return (uint32_t)ports->limits.ephemeral_last - ports->limits.ephemeral_first + 1;
}

static bool has_port(const struct ports *ports, uint16_t port)
{
    return port >= ports->limits.ephemeral_first && port <= ports->limits.ephemeral_last;
}

static uint32_t hash_of(const struct ports *ports, const struct ports_use *use)
{
    uint8_t bytes[35]; /* the key without padding */

    memcpy(bytes, use->local.bytes, 16);
    memcpy(bytes + 16, use->remote.address.bytes, 16);
    store_be16(bytes + 32, use->remote.port);
    bytes[34] = use->protocol;
    return (uint32_t)hash_keyed(&ports->key, bytes, sizeof bytes);
}

static bool is_same(const struct ports_use *a, const struct ports_use *b)
{
    return a->protocol == b->protocol && endpoint_is_same(&a->remote, &b->remote) &&
           address_is_same(&a->local, &b->local);
}

static struct ports_endpoint *find_endpoint(const struct ports *ports, const struct ports_use *use,
                                            uint32_t hash)
{
    uint32_t link = *table_head(&ports->endpoint_table, hash);

    while (link != 0) {
        struct ports_endpoint *endpoint = pool_at(&ports->endpoints, link - 1);

        if (endpoint->hash == hash && is_same(&endpoint->use, use)) {
            return endpoint;
        }
        link = endpoint->next;
    }
    return NULL;
}

static struct ports_endpoint *add_endpoint(struct ports *ports, const struct ports_use *use,
                                           uint32_t hash)
{
    struct ports_endpoint *endpoint = pool_take(&ports->endpoints);
    uint32_t *head = table_head(&ports->endpoint_table, hash);

    if (endpoint == NULL) {
        return NULL;
    }
    endpoint->use = *use;
    endpoint->hash = hash;
    endpoint->bitmap = 0;
    endpoint->taken = 0;
    endpoint->next = *head;
    *head = pool_index(&ports->endpoints, endpoint) + 1;
    return endpoint;
}

static void remove_endpoint(struct ports *ports, struct ports_endpoint *endpoint)
{
    uint32_t self = pool_index(&ports->endpoints, endpoint) + 1;
    uint32_t *link = table_head(&ports->endpoint_table, endpoint->hash);

    while (*link != self) {
        struct ports_endpoint *before = pool_at(&ports->endpoints, *link - 1);

        link = &before->next;
    }
    *link = endpoint->next;
    pool_give(&ports->endpoints, endpoint);
}

static struct ports_bitmap *bitmap_of(const struct ports *ports,
                                      const struct ports_endpoint *endpoint)
{
    return endpoint->bitmap == 0 ? NULL : pool_at(&ports->bitmaps, endpoint->bitmap - 1);
}

/* How many of `few` are below I: where I is or belongs. */
static uint32_t place_of(const struct ports_endpoint *endpoint, uint32_t i)
{
    uint32_t place = 0;

    while (place < endpoint->taken && endpoint->few[place] < i) {
        place++;
    }
    return place;
}

static bool is_taken(const struct ports *ports, const struct ports_endpoint *endpoint, uint32_t i)
{
    const struct ports_bitmap *bitmap = bitmap_of(ports, endpoint);

    if (bitmap != NULL) {
        return ports_bitmap_has(bitmap, i);
    }
    uint32_t place = place_of(endpoint, i);
    return place < endpoint->taken && endpoint->few[place] == i;
}

static void move_to_bitmap(struct ports *ports, struct ports_endpoint *endpoint)
{
    struct ports_bitmap *bitmap = pool_take(&ports->bitmaps);

    BERTH_CHECK(bitmap != NULL); /* there are as many as endpoints */
    for (uint32_t k = 0; k < endpoint->taken; k++) {
        ports_bitmap_add(bitmap, endpoint->few[k]);
    }
    endpoint->bitmap = pool_index(&ports->bitmaps, bitmap) + 1;
}

static void move_to_few(struct ports *ports, struct ports_endpoint *endpoint)
{
    struct ports_bitmap *bitmap = bitmap_of(ports, endpoint);

    for (uint32_t k = 0; k < endpoint->taken; k++) {
        uint32_t i = ports_bitmap_find_taken(bitmap);

        ports_bitmap_remove(bitmap, i);
        endpoint->few[k] = (uint16_t)i;
    }
    pool_give(&ports->bitmaps, bitmap);
    endpoint->bitmap = 0;
}

/* I is free. */
static void add(struct ports *ports, struct ports_endpoint *endpoint, uint32_t i)
{
    if (endpoint->taken == PORTS_FEW && endpoint->bitmap == 0) {
        move_to_bitmap(ports, endpoint);
    }
    struct ports_bitmap *bitmap = bitmap_of(ports, endpoint);

    if (bitmap != NULL) {
        ports_bitmap_add(bitmap, i);
    } else {
        uint32_t place = place_of(endpoint, i);

        memmove(&endpoint->few[place + 1], &endpoint->few[place],
                (endpoint->taken - place) * sizeof endpoint->few[0]);
        endpoint->few[place] = (uint16_t)i;
    }
    endpoint->taken++;
}

/* I is taken. */
static void remove_port(struct ports *ports, struct ports_endpoint *endpoint, uint32_t i)
{
    struct ports_bitmap *bitmap = bitmap_of(ports, endpoint);

    endpoint->taken--;
    if (bitmap != NULL) {
        ports_bitmap_remove(bitmap, i);
        if (endpoint->taken <= PORTS_FEW / 2) {
            move_to_few(ports, endpoint);
        }
        return;
    }
    uint32_t place = 0;
    while (endpoint->few[place] != i) {
        place++;
    }
    memmove(&endpoint->few[place], &endpoint->few[place + 1],
            (endpoint->taken - place) * sizeof endpoint->few[0]);
}

/* The K-th free port: each taken one that is not above moves it up by one. */
static uint32_t find_free(const struct ports *ports, const struct ports_endpoint *endpoint,
                          uint32_t k)
{
    const struct ports_bitmap *bitmap = bitmap_of(ports, endpoint);

    if (bitmap != NULL) {
        return ports_bitmap_find_free(bitmap, k);
    }
    for (uint32_t place = 0; place < endpoint->taken && endpoint->few[place] <= k; place++) {
        k++;
    }
    return k;
}

int ports_pick(struct ports *ports, const struct ports_use *use, uint16_t *out)
{
    uint32_t hash = hash_of(ports, use);
    uint32_t range = range_of(ports);
    struct ports_endpoint *endpoint = find_endpoint(ports, use, hash);

    if (endpoint == NULL) {
        endpoint = add_endpoint(ports, use, hash);
    }
    if (endpoint == NULL) {
        return BERTH_E_LIMIT;
    }
    if (endpoint->taken == range) {
        return BERTH_E_NO_PORT;
    }
    uint32_t k = random_below(ports->random, range - endpoint->taken);
    uint32_t i = find_free(ports, endpoint, k);

    add(ports, endpoint, i);
    *out = (uint16_t)(ports->limits.ephemeral_first + i);
    return BERTH_OK;
}

bool ports_take(struct ports *ports, const struct ports_use *use, uint16_t port)
{
    if (!has_port(ports, port)) {
        return true;
    }
    uint32_t i = (uint32_t)port - ports->limits.ephemeral_first;
    uint32_t hash = hash_of(ports, use);
    struct ports_endpoint *endpoint = find_endpoint(ports, use, hash);

    if (endpoint == NULL) {
        endpoint = add_endpoint(ports, use, hash);
    }
    if (endpoint == NULL || is_taken(ports, endpoint, i)) {
        return false;
    }
    add(ports, endpoint, i);
    return true;
}

uint32_t ports_number(const struct ports *ports, const struct ports_use *use, uint16_t port)
{
    if (!has_port(ports, port)) {
        return 0;
    }
    uint32_t i = (uint32_t)port - ports->limits.ephemeral_first;
    const struct ports_endpoint *endpoint = find_endpoint(ports, use, hash_of(ports, use));

    return endpoint != NULL && is_taken(ports, endpoint, i)
               ? pool_index(&ports->endpoints, endpoint) + 1
               : 0;
}

bool ports_is_number_of(const struct ports *ports, uint32_t number, const struct ports_use *use)
{
    const struct ports_endpoint *endpoint = pool_at(&ports->endpoints, number - 1);

    return is_same(&endpoint->use, use);
}

void ports_give_by_number(struct ports *ports, uint32_t number, uint16_t port)
{
    struct ports_endpoint *endpoint = pool_at(&ports->endpoints, number - 1);
    uint32_t i = (uint32_t)port - ports->limits.ephemeral_first;

    BERTH_CHECK(has_port(ports, port) && is_taken(ports, endpoint, i));
    remove_port(ports, endpoint, i);
    if (endpoint->taken == 0) {
        remove_endpoint(ports, endpoint);
    }
}

void ports_give(struct ports *ports, const struct ports_use *use, uint16_t port)
{
    uint32_t number = ports_number(ports, use, port);

    if (number != 0) {
        ports_give_by_number(ports, number, port);
    }
}

uint32_t ports_taken(const struct ports *ports, const struct ports_use *use)
{
    const struct ports_endpoint *endpoint = find_endpoint(ports, use, hash_of(ports, use));

    return endpoint == NULL ? 0 : endpoint->taken;
}
