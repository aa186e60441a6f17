/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_picture.c: see inspect/host_picture.h.
 */
#include "inspect/host_picture.h"

#include <stdlib.h>
#include <string.h>

static int compare_ends(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
    int order = (int)a->port - (int)b->port;

    return order != 0 ? order : memcmp(a->address.bytes, b->address.bytes, sizeof a->address.bytes);
}

int host_socket_compare(const struct host_socket *a, const struct host_socket *b)
{
    int order = (int)a->local.port - (int)b->local.port;

    order = order != 0 ? order : (int)a->transport - (int)b->transport;
    order = order != 0 ? order : compare_ends(&a->local, &b->local);
    order = order != 0 ? order : compare_ends(&a->remote, &b->remote);
    order = order != 0 ? order : (int)a->is_v6 - (int)b->is_v6;
    if (order == 0 && a->device != b->device) {
        order = a->device < b->device ? -1 : 1;
    }
    /* The ends of a TCP connection are one socket's, whose inode goes when it comes to TIME-WAIT;
     * what has no peer, and UDP, may share its ends. */
    if (order == 0 && a->inode != b->inode &&
        (a->remote.port == 0 || a->transport == BERTH_TRANSPORT_UDP)) {
        order = a->inode < b->inode ? -1 : 1;
    }
    return order;
}

static int compare(const void *left, const void *right)
{
    const struct host_socket *a = left;
    const struct host_socket *b = right;
    int order = (int)b->is_listening - (int)a->is_listening;

    return order != 0 ? order : host_socket_compare(a, b);
}

/* In order, and each once: the kernel may tell of one twice where others come in between. */
static void sort(struct host_sockets *sockets)
{
    size_t kept = 0;

    if (sockets->count == 0) {
        return;
    }
    qsort(sockets->rows, sockets->count, sizeof sockets->rows[0], compare);
    for (size_t i = 1; i < sockets->count; i++) {
        if (compare(&sockets->rows[kept], &sockets->rows[i]) != 0) {
            sockets->rows[++kept] = sockets->rows[i];
        }
    }
    sockets->count = kept + 1;
}

int host_picture_read(struct host_picture *out)
{
    memset(out, 0, sizeof *out);
    host_reach_read(&out->reach);
    if (host_sockets_read(&out->sockets) != BERTH_OK ||
        host_holders_read(&out->holders) != BERTH_OK || host_users_read(&out->users) != BERTH_OK) {
        return BERTH_E_STATE;
    }
    sort(&out->sockets);
    for (size_t i = 0; i < out->sockets.count; i++) {
        const struct host_socket *row = &out->sockets.rows[i];

        if (row->is_listening) {
            host_port_set_add(&out->listening[row->transport == BERTH_TRANSPORT_UDP],
                              row->local.port);
        }
    }
    return BERTH_OK;
}

void host_picture_free(struct host_picture *picture)
{
    host_sockets_free(&picture->sockets);
    host_holders_free(&picture->holders);
    host_users_free(&picture->users);
}

uint16_t host_picture_service_port(const struct host_picture *picture,
                                   const struct host_socket *socket)
{
    bool is_udp = socket->transport == BERTH_TRANSPORT_UDP;
    uint16_t local = socket->local.port;
    uint16_t remote = socket->remote.port;

    if (remote == 0 || host_port_set_has(&picture->listening[is_udp], local)) {
        return local;
    }
    /* Its listener may have gone before it. */
    return berth_service_name(remote, socket->transport) == NULL &&
                   berth_service_name(local, socket->transport) != NULL
               ? local
               : remote;
}

bool host_picture_is_unseen(const struct host_picture *picture, const struct host_socket *socket)
{
    size_t count;

    return socket->inode != 0 &&
           host_holders_find(&picture->holders, socket->inode, &count) == NULL;
}
