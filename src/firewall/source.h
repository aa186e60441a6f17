/* SPDX-License-Identifier: MIT */
/*
 * Whom first contacts are counted for, by limits and by scans. In: the remote; who has an address
 * of IPv6 has its /64, and may come from all of it (RFC 4291 2.5.4). Out: the guarded host, which
 * is one, and has zeros here.
 */
#ifndef FIREWALL_SOURCE_H
#define FIREWALL_SOURCE_H

#include <string.h>

#include <berth/firewall.h>

#define FIREWALL_SOURCE_BITS6 64

static inline struct berth_address firewall_source(enum berth_direction direction,
                                                   const struct berth_address *peer)
{
    struct berth_address source = {{0}};

    if (direction == BERTH_IN) {
        bool is_v4 = berth_address_is_v4(peer);

        memcpy(source.bytes, peer->bytes, is_v4 ? sizeof source.bytes : FIREWALL_SOURCE_BITS6 / 8);
    }
    return source;
}

#endif
