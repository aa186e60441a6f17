/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_sockets.h: the TCP and UDP sockets of this network namespace, as the kernel tells
 * them: by sock_diag(7), or where that is refused by /proc/net, which tells less. No privilege is
 * needed for either. Commands call it.
 *
 * 1. What is told is a moment's picture; a socket that opens or closes meanwhile may be in it or
 *    not.
 * 2. Which of the two ways told a row is in it (is_whole): what only sock_diag tells is not known
 *    of a row that came from /proc/net, and nobody may take "not told" for "no".
 * 3. A TCP socket that is bound and neither listens nor is connected is told by sock_diag since
 *    Linux 6.8, and by /proc/net never; only host_port_probe (host_ports.h) finds all.
 * 4. What a kernel tells is checked for its length all the same; a line or a message that is cut
 *    off is no row.
 */
#ifndef INSPECT_HOST_SOCKETS_H
#define INSPECT_HOST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/address.h>
#include <berth/registry.h>

/* The kernel's numbers (include/net/tcp_states.h), which are older than any of its interfaces. UDP
 * has two of them: 1 with a peer, 7 without. */
enum host_state {
    HOST_STATE_ESTABLISHED = 1,
    HOST_STATE_SYN_SENT = 2,
    HOST_STATE_SYN_RECEIVED = 3,
    HOST_STATE_FIN_WAIT_1 = 4,
    HOST_STATE_FIN_WAIT_2 = 5,
    HOST_STATE_TIME_WAIT = 6,
    HOST_STATE_CLOSED = 7,
    HOST_STATE_CLOSE_WAIT = 8,
    HOST_STATE_LAST_ACK = 9,
    HOST_STATE_LISTEN = 10,
    HOST_STATE_CLOSING = 11,
    HOST_STATE_NEW_SYN = 12, /* of a half-open connection: the same as SYN_RECEIVED */
    HOST_STATE_BOUND = 13,   /* bound, and nothing else */
};

struct host_socket {
    struct berth_endpoint local;
    struct berth_endpoint remote;   /* port 0: it has none, it listens or is bound only */
    enum berth_transport transport; /* TCP or UDP */
    bool is_listening;              /* TCP that listens; UDP without a remote end */
    bool is_v6;                     /* an IPv6 socket, which may have IPv4 addresses (mapped) */
    bool is_whole;                  /* sock_diag: is_v6_only and device are known */
    bool is_v6_only;                /* of one that listens at :: */
    uint8_t state;                  /* enum host_state; other numbers are newer kernels' */
    uint32_t device;                /* index of the interface that it is bound to; 0: any */
    uint32_t uid;                   /* whose it is; not known without an inode */
    uint64_t inode;                 /* 0: no process has it: TIME-WAIT, half-open, closed */
};

struct host_sockets {
    struct host_socket *rows;
    size_t count;
    size_t max;
    int refused; /* errno of sock_diag where /proc/net had to stand in; 0: it did not */
};

/* Every TCP and UDP socket, those in TIME-WAIT too. BERTH_E_STATE: neither way is open (errno says
 * why). Free with the next in either case. */
BERTH_MUST_CHECK int host_sockets_read(struct host_sockets *out);
void host_sockets_free(struct host_sockets *sockets);

/* One line of /proc/net/tcp, tcp6, udp or udp6. False: it is none, and *OUT is untouched. */
bool host_sockets_parse(const char *line, enum berth_transport transport, struct host_socket *out);

/* One message of sock_diag (its payload, BYTES of it). False: it is none, and *OUT is untouched. */
bool host_sockets_parse_diag(const void *payload, size_t bytes, enum berth_transport transport,
                             struct host_socket *out);

/* "listen", "time-wait", "bound" ...; of UDP "open" and "connected". Stable words. */
const char *host_socket_state_name(const struct host_socket *socket);

#endif
