/* SPDX-License-Identifier: MIT */
/*
 * run/datagrams.h: datagrams of the stack's to and from sockets of the host's, several of one size
 * in one call where the kernel can (UDP_SEGMENT, UDP_GRO). Owns nothing. The UDP relay and
 * publishing call it.
 */
#ifndef RUN_DATAGRAMS_H
#define RUN_DATAGRAMS_H

#include <stdbool.h>
#include <sys/types.h>

#include <berth/berth.h>

/* Where datagrams go. */
struct datagram_route {
    int fd;
    bool is_addressed; /* the socket is not connected: what follows counts */
    struct berth_endpoint to;
    uint32_t scope;            /* of a link-local address */
    struct berth_address from; /* of the host's; any: the kernel picks */
};

/* The longest payload towards or from PEER's family. */
size_t datagrams_bytes_max(const struct berth_address *peer);

/* Sends all of DATAGRAM. 0, or the errno of the part that could not be sent. */
int datagrams_send(const struct datagram_route *route, const struct berth_datagram *datagram);

/* Receives into VIEW. *SEGMENT_BYTES: 0, or several datagrams of that size. -1: errno (EAGAIN:
 * none there). */
ssize_t datagrams_receive(int fd, struct berth_view view, uint16_t *segment_bytes);

/* Receives from anyone, with the address that it was sent to (where the socket has PKTINFO on). */
struct datagram_arrival {
    struct berth_endpoint from;
    uint32_t scope;
    struct berth_address at; /* any: not told */
};
ssize_t datagrams_receive_from(int fd, struct berth_view view, struct datagram_arrival *out);

#endif
