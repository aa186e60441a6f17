/* SPDX-License-Identifier: MIT */
/*
 * ip/admit.c: whether a packet that came has any business here.
 *
 * The parser has dropped what no packet may have (martians); here stands what depends on this
 * stack's addresses. Called by stack/ for every packet, before reassembly.
 *
 * The answer hangs on the two addresses and on this stack's addresses and peers, on nothing else.
 * So the last pair that was let in is kept, and let in again until those change.
 */
#include "base/address.h"
#include "ip/internal.h"

static enum berth_drop admit_destination(const struct ip *ip,
                                         const struct berth_address *destination)
{
    if (ip_is_own(ip, destination)) {
        return BERTH_DROP_NONE;
    }
    /* After "own": an address on a link of two may be what a wider network calls its edge. */
    if (berth_address_is_multicast(destination) || ip_is_broadcast(ip, destination)) {
        return BERTH_DROP_MULTICAST;
    }
    /* RFC 1122 3.2.1.3 g, RFC 4291 2.5.3: nothing on a link is for a loopback address. */
    if (berth_address_is_any(destination) || berth_address_is_loopback(destination)) {
        return BERTH_DROP_MARTIAN_DESTINATION;
    }
    /* A guarded host that another one of them calls is not ours to play. */
    return !ip->limits.forward_any || ip_is_peer(ip, destination) ? BERTH_DROP_NOT_OURS
                                                                  : BERTH_DROP_NONE;
}

static bool is_admitted(const struct ip *ip, const struct wire_packet *packet)
{
    return ip->has_admitted && address_is_same(&ip->admitted_source, &packet->source) &&
           address_is_same(&ip->admitted_destination, &packet->destination);
}

static enum berth_drop admit(const struct ip *ip, const struct wire_packet *packet)
{
    enum berth_drop drop = admit_destination(ip, &packet->destination);

    if (drop != BERTH_DROP_NONE) {
        return drop;
    }
    if (ip_is_own(ip, &packet->source) ||
        (ip->limits.guard_peer && !ip_is_peer(ip, &packet->source))) {
        return BERTH_DROP_SPOOFED_SOURCE;
    }
    return ip_is_broadcast(ip, &packet->source) ? BERTH_DROP_MARTIAN_SOURCE : BERTH_DROP_NONE;
}

enum berth_drop ip_admit(struct ip *ip, const struct wire_packet *packet)
{
    if (is_admitted(ip, packet)) {
        return BERTH_DROP_NONE;
    }
    enum berth_drop drop = admit(ip, packet);
    if (drop == BERTH_DROP_NONE) {
        ip->has_admitted = true;
        ip->admitted_source = packet->source;
        ip->admitted_destination = packet->destination;
    }
    return drop;
}
