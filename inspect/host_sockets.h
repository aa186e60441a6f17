/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_sockets.h: the TCP and UDP sockets of this network namespace, as /proc/net tells
 * them: no kernel module and no privilege is needed. Commands call it.
 *
 * 1. What is told is a moment's picture; a socket that opens or closes meanwhile may be in it or
 *    not.
 * 2. A TCP socket that is bound and neither listens nor is connected is not in /proc/net; only
 *    host_port_probe (host_ports.h) finds it.
 */
#ifndef INSPECT_HOST_SOCKETS_H
#define INSPECT_HOST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include <berth/address.h>
#include <berth/registry.h>

struct host_socket {
    struct berth_endpoint local;
    struct berth_endpoint remote;   /* port 0: it has none, it listens or is bound only */
    enum berth_transport transport; /* TCP or UDP */
    bool is_listening;              /* TCP that listens; UDP without a remote end */
};

struct host_sockets {
    struct host_socket *rows;
    size_t count;
    size_t max;
};

/* Every TCP and UDP socket, those in TIME-WAIT too. BERTH_E_STATE: /proc/net cannot be read (errno
 * says why). Free with the next in either case. */
BERTH_MUST_CHECK int host_sockets_read(struct host_sockets *out);
void host_sockets_free(struct host_sockets *sockets);

/* One line of /proc/net/tcp, tcp6, udp or udp6. False: it is none, and *OUT is untouched. */
bool host_sockets_parse(const char *line, enum berth_transport transport, struct host_socket *out);

#endif
