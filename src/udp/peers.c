/* SPDX-License-Identifier: MIT */
/*
 * udp/peers.c: with whom the unconnected sockets talk, so that a verdict is given once per
 * conversation and an answer comes in because its question went out.
 *
 * 1. A record is believed for UDP_PEER_NS after the last datagram, and only for the socket (its
 *    generation too) that it was made for; closing a socket leaves its records to age.
 * 2. Records are few: the quietest gives way. One that is lost costs a verdict, nothing else.
 * Called by stack/ alone.
 */
#include "udp/udp.h"

struct peer_key {
    struct berth_address remote;
    uint32_t socket_index;
    uint32_t remote_port;
};
_Static_assert(sizeof(struct peer_key) == 24, "hashed as bytes: no holes");

static uint32_t hash_peer(const struct udp *udp, uint32_t socket_index,
                          const struct berth_endpoint *remote)
{
    struct peer_key key = {
        .remote = remote->address, .socket_index = socket_index, .remote_port = remote->port};

    return (uint32_t)hash_keyed(&udp->key, &key, sizeof key);
}

/* The record of REMOTE and SOCKET's place, however old and whosoever's. */
static struct udp_peer *find(const struct udp *udp, uint32_t hash, uint32_t socket_index,
                             const struct berth_endpoint *remote)
{
    uint32_t link = *table_head(&udp->peer_table, hash);

    while (link != 0) {
        struct udp_peer *peer = pool_at(&udp->peers, link - 1);

        if (peer->hash == hash && peer->socket_index == socket_index &&
            berth_endpoint_is_equal(&peer->remote, remote)) {
            return peer;
        }
        link = peer->hash_next;
    }
    return NULL;
}

struct udp_peer *udp_find_peer(const struct udp *udp, const struct udp_socket *socket,
                               const struct berth_endpoint *remote, uint64_t now_ns)
{
    uint32_t index = pool_index(&udp->sockets, socket);
    struct udp_peer *peer = find(udp, hash_peer(udp, index, remote), index, remote);

    if (peer == NULL || peer->socket_generation != socket->generation ||
        now_ns - peer->last_ns > UDP_PEER_NS) {
        return NULL;
    }
    return peer;
}

static void unlink_peer(struct udp *udp, const struct udp_peer *peer)
{
    uint32_t index = pool_index(&udp->peers, peer);
    uint32_t *link = table_head(&udp->peer_table, peer->hash);

    while (*link != index + 1) {
        link = &((struct udp_peer *)pool_at(&udp->peers, *link - 1))->hash_next;
    }
    *link = peer->hash_next;
}

/* A record that is in no chain; the quietest's where none is free. NULL: there are none at all. */
static struct udp_peer *take(struct udp *udp)
{
    struct udp_peer *peer = pool_take(&udp->peers);
    struct list_node *quietest = list_first(&udp->peer_order);

    if (peer != NULL || quietest == NULL) {
        return peer;
    }
    peer = CONTAINER_OF(quietest, struct udp_peer, order);
    list_remove(&peer->order);
    unlink_peer(udp, peer);
    return peer;
}

static struct udp_peer *add(struct udp *udp, uint32_t hash)
{
    struct udp_peer *peer = take(udp);
    uint32_t *head = table_head(&udp->peer_table, hash);

    if (peer == NULL) {
        return NULL;
    }
    *peer = (struct udp_peer){.hash = hash, .hash_next = *head};
    *head = pool_index(&udp->peers, peer) + 1;
    return peer;
}

void udp_note_peer(struct udp *udp, const struct udp_socket *socket, const struct udp_flow *between,
                   uint64_t now_ns)
{
    uint32_t index = pool_index(&udp->sockets, socket);
    uint32_t hash = hash_peer(udp, index, &between->remote);
    struct udp_peer *peer = find(udp, hash, index, &between->remote);

    if (peer == NULL) {
        peer = add(udp, hash);
    }
    if (peer == NULL) {
        return;
    }
    peer->socket_index = index;
    peer->socket_generation = socket->generation;
    peer->local = between->local;
    peer->remote = between->remote;
    peer->last_ns = now_ns;
    list_remove(&peer->order);
    list_add_last(&udp->peer_order, &peer->order);
}
