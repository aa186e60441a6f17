/* SPDX-License-Identifier: MIT */
/*
 * run/echo_socket.h: ping sockets and raw ICMP sockets of the host's. Owns nothing. The echo relay
 * calls it.
 */
#ifndef RUN_ECHO_SOCKET_H
#define RUN_ECHO_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <berth/berth.h>

#define ECHO_REPLY_BYTES_MAX 65536

struct echo_reply {
    struct berth_endpoint from; /* the port is the identifier; raw sockets only */
    uint16_t sequence;
    const uint8_t *payload; /* in the caller's buffer */
    size_t bytes;
};

/* Descriptors; -1: errno. */
int echo_socket_ping(bool is_v4);
int echo_socket_raw(bool is_v4);
/* A ping socket that hears of TO alone. */
int echo_socket_connect(const struct berth_endpoint *to);

/* Sends REQUEST to TO (its port: the identifier, which a ping socket sets itself). 0 or errno. */
int echo_socket_send(int fd, const struct berth_endpoint *to, const struct berth_datagram *request,
                     bool is_raw);

/* The next reply, into BUFFER of ECHO_REPLY_BYTES_MAX. EAGAIN: none; EBADMSG: no reply, but more
 * may wait; else what the network has told about an earlier request. */
int echo_socket_receive(int fd, const struct berth_endpoint *to, uint8_t *buffer,
                        struct echo_reply *out);
int echo_socket_receive_raw(int fd, bool is_v4, uint8_t *buffer, struct echo_reply *out);

#endif
