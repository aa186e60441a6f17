/* SPDX-License-Identifier: MIT */
/*
 * Special addresses: those that are not "the network", and that a rule matches only by naming them.
 *
 *   an address is special when it is             and is then matched only by
 *   the stack's own, or held by the host         `host`, or exactly that address
 *   loopback, link-local, multicast, broadcast,  exactly that address, or a prefix that lies
 *   unspecified (the blocks in special.c)        wholly inside the block
 *   IPv6 that carries a special IPv4 address     exactly that address, or a prefix that lies
 *   (NAT64 64:ff9b::/96, 6to4 2002::/16)         wholly inside what carries the block
 *   any other, while it is not known which       exactly that address
 *   the host holds (it has too many)
 *
 * All of it is one number: how many leading bits of the address a rule's prefix must at least have.
 * A prefix contains the address, and so does the block; so a prefix with no fewer bits than the
 * block lies inside it.
 */
#ifndef FIREWALL_SPECIAL_H
#define FIREWALL_SPECIAL_H

#include "firewall/firewall.h"

struct firewall_special {
    uint8_t bits;     /* a prefix that matches has at least so many; 0: not special */
    bool is_host;     /* `host` matches */
    const char *name; /* "link-local" and so on, for people; NULL: not special */
};

/* What ADDRESS is to FIREWALL. */
struct firewall_special firewall_special(const struct firewall *firewall,
                                         const struct berth_address *address);
/* Does PREFIX lie wholly inside a special block? *BITS: those of the narrowest, where true. The
 * host's own addresses are not looked at. */
bool firewall_special_prefix(const struct berth_prefix *prefix, uint8_t *bits);

#endif
