/* SPDX-License-Identifier: MIT */
/*
 * ip/route.c: what the link reaches, and whom the firewall guards.
 *
 * A link is point to point: a route says that a network lies behind it, never by way of whom.
 * Called by stack/; ip_is_peer within ip/ too.
 */
#include "base/address.h"
#include "ip/internal.h"

static bool is_in(const struct berth_prefix *prefixes, uint32_t count,
                  const struct berth_address *address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (berth_prefix_contains(&prefixes[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_same(const struct berth_prefix *a, const struct berth_prefix *b)
{
    return a->bits == b->bits && address_is_same(&a->address, &b->address);
}

static int add(struct berth_prefix *prefixes, uint32_t *count, uint32_t limit,
               const struct berth_prefix *prefix)
{
    if (!ip_is_prefix(prefix)) {
        return BERTH_E_INVALID;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (is_same(&prefixes[i], prefix)) {
            return BERTH_OK;
        }
    }
    if (*count == limit) {
        return BERTH_E_LIMIT;
    }
    prefixes[(*count)++] = *prefix;
    return BERTH_OK;
}

int ip_add_route(struct ip *ip, const struct berth_prefix *prefix)
{
    return add(ip->routes, &ip->route_count, ip->limits.routes, prefix);
}

int ip_add_peer(struct ip *ip, const struct berth_prefix *prefix)
{
    if (berth_address_is_multicast(&prefix->address)) {
        return BERTH_E_INVALID;
    }
    ip->has_admitted = false;
    return add(ip->peers, &ip->peer_count, ip->limits.routes, prefix);
}

bool ip_is_peer(const struct ip *ip, const struct berth_address *address)
{
    return is_in(ip->peers, ip->peer_count, address);
}

bool ip_has_route(const struct ip *ip, const struct berth_address *destination)
{
    if (ip_is_own(ip, destination) || ip_is_broadcast(ip, destination) ||
        berth_address_is_any(destination) || berth_address_is_multicast(destination)) {
        return false;
    }
    return is_in(ip->addresses, ip->address_count, destination) ||
           is_in(ip->routes, ip->route_count, destination) || ip_is_peer(ip, destination);
}
