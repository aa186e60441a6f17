/* SPDX-License-Identifier: MIT */
/*
 * run/sockets.h: sockets of the host: addresses to and fro, and what their errors mean. Owns
 * nothing. The relays, the resolver and publishing call it.
 */
#ifndef RUN_SOCKETS_H
#define RUN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <berth/address.h>

/* How a conversation ended, or why there was none. */
enum run_end {
    RUN_END_CLOSED,
    RUN_END_RESET_BY_PROGRAM,
    RUN_END_RESET_BY_PEER,
    RUN_END_REFUSED, /* by the far end */
    RUN_END_NETWORK_UNREACHABLE,
    RUN_END_HOST_UNREACHABLE,
    RUN_END_PROHIBITED, /* by the host's kernel, or on the way */
    RUN_END_TIMED_OUT,
    RUN_END_GIVEN_UP,       /* whoever asked went away before the answer */
    RUN_END_IDLE,           /* a datagram flow, silent for long */
    RUN_END_EVICTED,        /* a datagram flow, for a newer one */
    RUN_END_NO_DESCRIPTORS, /* berth may open no more files */
    RUN_END_RUN_ENDED,
    RUN_END_DENIED,        /* by a rule, or because none allows it; answered */
    RUN_END_DROPPED,       /* by a rule, in silence */
    RUN_END_OTHER_SERVER,  /* its first bytes asked for a server that no rule allows */
    RUN_END_HIDDEN_SERVER, /* which server they ask for cannot be told */
};

/* "closed", "reset by program"...: stable words. */
const char *run_end_text(enum run_end end);

/* What the error number of a socket call says about the conversation. */
enum run_end run_end_of_errno(int error);

/* SCOPE: interface of a link-local address, or 0. Returns the length. */
socklen_t sockets_address(const struct berth_endpoint *endpoint, uint32_t scope,
                          struct sockaddr_storage *out);
struct berth_endpoint sockets_endpoint(const struct sockaddr_storage *address);

/* A non-blocking socket for ENDPOINT's family, closed on exec. -1: errno. */
int sockets_open(const struct berth_endpoint *endpoint, int type, int protocol);
/* Such a socket, connected or connecting (errno EINPROGRESS is no failure). -1: errno. */
int sockets_connect(const struct berth_endpoint *to, uint32_t scope, int type, int protocol);
/* A TCP socket, connecting, whose ACK that completes the handshake waits for the first bytes that
 * are sent, 200 ms at most: one segment instead of two, and one wakeup of the far end.
 * sockets_ack_now ends that, and sends what waits. -1: errno. */
int sockets_call(const struct berth_endpoint *to);
void sockets_ack_now(int fd);

/* Whether ERROR says that there are no more descriptors, or no memory for them. */
bool sockets_is_exhausted(int error);

void sockets_set(int fd, int level, int option, int value);
/* The pending error of FD, taken away. */
int sockets_take_error(int fd);
/* Closes FD so that the far end gets a RST. */
void sockets_reset(int fd);

#endif
