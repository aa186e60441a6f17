/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_exposure.h: who can reach a socket, judged by what it is bound to and by the
 * addresses that the host has. Commands call it.
 *
 * 1. No firewall is looked at, this host's or another's: what is told is what the socket allows.
 * 2. What is not known counts as the wider: an exposure may be told too wide, never too narrow.
 * 3. Only what takes first contacts is exposed: a socket with a peer hears that peer alone, and one
 *    that is bound without listening hears nobody.
 */
#ifndef INSPECT_HOST_EXPOSURE_H
#define INSPECT_HOST_EXPOSURE_H

#include <stdbool.h>

#include <berth/address.h>

#include "inspect/host_sockets.h"

/* Each is wider than the one before it. */
enum host_exposure {
    HOST_EXPOSURE_NONE,
    HOST_EXPOSURE_LOOPBACK, /* programs of this host */
    HOST_EXPOSURE_NETWORK,  /* private, unique local and link-local addresses */
    HOST_EXPOSURE_ANYONE
};

/* How far a socket reaches that listens on every address of a version: loopback where the host has
 * no other, this network where all others are link-local, else anyone, for a private address is
 * often forwarded to, and the host may be given another. */
struct host_reach {
    enum host_exposure v4;
    enum host_exposure v6;
    int refused; /* errno where the addresses could not be asked for: anyone; else 0 */
};

/* Asks the kernel for the host's addresses, and for what else it takes for its own (local
 * routes). */
void host_reach_read(struct host_reach *out);
/* ADDRESS is one of the host's own. */
void host_reach_add(struct host_reach *reach, const struct berth_address *address);

/* Who can send to ADDRESS, which is not 0.0.0.0 or ::. */
enum host_exposure host_exposure_of_address(const struct berth_address *address);
enum host_exposure host_exposure_of(const struct host_socket *socket,
                                    const struct host_reach *reach);

/* "loopback", "this network", "anyone"; "" for HOST_EXPOSURE_NONE. */
const char *host_exposure_name(enum host_exposure exposure);

#endif
