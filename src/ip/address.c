/* SPDX-License-Identifier: MIT */
/*
 * ip/address.c: making the IP layer, and the stack's own addresses.
 *
 * 1. An own address is a unicast address; its prefix is a network that the link reaches.
 * Called by stack/ alone; ip_is_own and ip_is_broadcast also within ip/.
 */
#include "base/address.h"
#include "ip/internal.h"

#define ANY_BROADCAST  0xffffffffU
#define V4_PREFIX_BITS 96
#define ADDRESS_BITS   128
#define HOST_BITS_MIN  2 /* a network with fewer has no broadcast address (RFC 3021) */

void ip_init(struct ip *ip, struct arena *arena, const struct ip_limits *limits,
             const struct ip_parts *parts)
{
    *ip = (struct ip){
        .limits = *limits,
        .key = parts->key,
        .buffers = parts->buffers,
        .outbox = parts->outbox,
        .timers = parts->timers,
        .random = parts->random,
        .stats = parts->stats,
    };
    ip->addresses =
        arena_take(arena, limits->addresses, sizeof *ip->addresses, _Alignof(struct berth_prefix));
    ip->routes =
        arena_take(arena, limits->routes, sizeof *ip->routes, _Alignof(struct berth_prefix));
    ip->peers = arena_take(arena, limits->routes, sizeof *ip->peers, _Alignof(struct berth_prefix));
    ip_init_reassembly(ip, arena);
}

bool ip_is_prefix(const struct berth_prefix *prefix)
{
    return prefix->bits <= ADDRESS_BITS &&
           !(berth_address_is_v4(&prefix->address) && prefix->bits < V4_PREFIX_BITS);
}

/* Is VALUE the first or the last address of PREFIX's network (RFC 1122 3.2.1.3 c, d)? */
static bool is_edge(const struct berth_prefix *prefix, uint32_t value)
{
    uint32_t host_bits = ADDRESS_BITS - (uint32_t)prefix->bits;
    uint32_t mask;

    if (!address_is_v4(&prefix->address) || host_bits < HOST_BITS_MIN) {
        return false;
    }
    mask = host_bits == 32 ? UINT32_MAX : ((uint32_t)1 << host_bits) - 1;
    if (((load_be32(prefix->address.bytes + 12) ^ value) & ~mask) != 0) {
        return false;
    }
    return (value & mask) == mask || (value & mask) == 0;
}

static bool may_be_own(const struct ip *ip, const struct berth_prefix *prefix)
{
    const struct berth_address *address = &prefix->address;

    return !berth_address_is_any(address) && !berth_address_is_multicast(address) &&
           !ip_is_broadcast(ip, address) && !is_edge(prefix, load_be32(address->bytes + 12));
}

int ip_add_address(struct ip *ip, const struct berth_prefix *prefix)
{
    if (!ip_is_prefix(prefix) || !may_be_own(ip, prefix)) {
        return BERTH_E_INVALID;
    }
    if (ip_is_own(ip, &prefix->address)) {
        return BERTH_OK;
    }
    if (ip->address_count == ip->limits.addresses) {
        return BERTH_E_LIMIT;
    }
    ip->addresses[ip->address_count++] = *prefix;
    ip->has_admitted = false;
    return BERTH_OK;
}

bool ip_is_own(const struct ip *ip, const struct berth_address *address)
{
    for (uint32_t i = 0; i < ip->address_count; i++) {
        if (address_is_same(&ip->addresses[i].address, address)) {
            return true;
        }
    }
    return false;
}

bool ip_is_broadcast(const struct ip *ip, const struct berth_address *address)
{
    uint32_t value;

    if (!address_is_v4(address)) {
        return false;
    }
    value = load_be32(address->bytes + 12);
    if (value == ANY_BROADCAST) {
        return true;
    }
    for (uint32_t i = 0; i < ip->address_count; i++) {
        if (is_edge(&ip->addresses[i], value)) {
            return true;
        }
    }
    return false;
}

/* How well own address OWN suits DESTINATION (RFC 6724 5, what of it a stack with few addresses
 * needs); 0: not at all. */
static uint32_t suitability(const struct berth_prefix *own, const struct berth_address *destination)
{
    if (berth_address_is_v4(&own->address) != berth_address_is_v4(destination)) {
        return 0;
    }
    if (berth_prefix_contains(own, destination)) {
        return 3 + (uint32_t)own->bits;
    }
    return berth_address_is_link_local(&own->address) == berth_address_is_link_local(destination)
               ? 2
               : 1;
}

int ip_source_for(const struct ip *ip, const struct berth_address *destination,
                  struct berth_address *out)
{
    const struct berth_prefix *best = NULL;
    uint32_t best_suits = 0;

    for (uint32_t i = 0; i < ip->address_count; i++) {
        uint32_t suits = suitability(&ip->addresses[i], destination);

        if (suits > best_suits) {
            best = &ip->addresses[i];
            best_suits = suits;
        }
    }
    if (best == NULL) {
        return BERTH_E_NO_ROUTE;
    }
    *out = best->address;
    return BERTH_OK;
}
