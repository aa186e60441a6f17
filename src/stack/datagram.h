/* SPDX-License-Identifier: MIT */
/*
 * What the files of stack/ that deal with datagram sockets share.
 */
#ifndef STACK_DATAGRAM_H
#define STACK_DATAGRAM_H

#include "stack/stack.h"

static inline berth_id stack_datagram_id(const struct berth *berth, const struct udp_socket *socket)
{
    return stack_id(BERTH_KIND_DATAGRAM, socket->generation,
                    pool_index(&berth->udp.sockets, socket));
}

/* The socket that ID names; NULL: gone, or another kind's. */
static inline struct udp_socket *stack_datagram_find(const struct berth *berth, berth_id id)
{
    if (stack_id_kind(id) != BERTH_KIND_DATAGRAM) {
        return NULL;
    }
    return udp_at(&berth->udp, stack_id_index(id), stack_id_generation(id));
}

/* udp_calls.c: ends SOCKET and gives its port back. */
void stack_datagram_close(struct berth *berth, struct udp_socket *socket);

#endif
