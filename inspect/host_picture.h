/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_picture.h: all that is looked at of this host in one moment: sockets, who has them,
 * how far they reach. Owns the four parts. `berth sockets` and `berth audit` call it.
 */
#ifndef INSPECT_HOST_PICTURE_H
#define INSPECT_HOST_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/host_exposure.h"
#include "inspect/host_holders.h"
#include "inspect/host_ports.h"
#include "inspect/host_sockets.h"

struct host_picture {
    struct host_sockets sockets; /* what listens first; by port, protocol, addresses */
    struct host_holders holders;
    struct host_users users;
    struct host_reach reach;
    struct host_port_set listening[2]; /* local ports of TCP, UDP that take first contacts */
};

/* BERTH_E_STATE: errno says why. Free with the next in either case. */
BERTH_MUST_CHECK int host_picture_read(struct host_picture *out);
void host_picture_free(struct host_picture *picture);

/* By port, protocol, addresses and inode, whatever its state: equal for one socket twice, and for
 * what the same ends are in the next picture. */
int host_socket_compare(const struct host_socket *a, const struct host_socket *b);

/* The port that names the service: this host's where a first contact came or may come in, the
 * peer's where the connection was opened from here. */
uint16_t host_picture_service_port(const struct host_picture *picture,
                                   const struct host_socket *socket);

/* Has SOCKET a process, and none of those that could be looked into? */
bool host_picture_is_unseen(const struct host_picture *picture, const struct host_socket *socket);

#endif
