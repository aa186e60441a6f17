/* SPDX-License-Identifier: MIT */
/*
 * What a Fast Open client remembers of servers (RFC 7413 4.1.3): bounded; at the limit the one that
 * was used longest ago is forgotten.
 */
#include "base/address.h"
#include "tcp/fast_open.h"

#define SHUN_NS       (3600 * NS_PER_S) /* RFC 7413 4.1.3.1: "at least temporarily" */
#define SHUN_DOUBLING 5                 /* at most: a day and a half */

static uint32_t key_hash(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint8_t key[sizeof conn->local.address + sizeof conn->remote];
    memcpy(key, &conn->local.address, sizeof conn->local.address);
    memcpy(key + sizeof conn->local.address, &conn->remote, sizeof conn->remote);
    return (uint32_t)hash_keyed(&tcp->table_key, key, sizeof key);
}

static struct tcp_fast_peer *find(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t hash)
{
    uint32_t at = *table_head(&tcp->fast.table, hash);
    while (at != 0) {
        struct tcp_fast_peer *peer = pool_at(&tcp->fast.peers, at - 1);
        if (peer->hash == hash && endpoint_is_same(&peer->remote, &conn->remote) &&
            address_is_same(&peer->local, &conn->local.address)) {
            return peer;
        }
        at = peer->hash_next;
    }
    return NULL;
}

struct tcp_fast_peer *tcp_fast_find(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return tcp->fast.peers.used == 0 ? NULL : find(tcp, conn, key_hash(tcp, conn));
}

static void forget(struct tcp *tcp, struct tcp_fast_peer *peer)
{
    uint32_t *link = table_head(&tcp->fast.table, peer->hash);
    uint32_t self = pool_index(&tcp->fast.peers, peer) + 1;
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct tcp_fast_peer *)pool_at(&tcp->fast.peers, *link - 1))->hash_next;
    }
    *link = peer->hash_next;
    list_remove(&peer->order);
    pool_give(&tcp->fast.peers, peer);
}

static struct tcp_fast_peer *take(struct tcp *tcp)
{
    struct tcp_fast_peer *peer = pool_take(&tcp->fast.peers);
    struct list_node *oldest = list_first(&tcp->fast.order);
    if (peer == NULL && oldest != NULL) {
        forget(tcp, CONTAINER_OF(oldest, struct tcp_fast_peer, order));
        peer = pool_take(&tcp->fast.peers);
    }
    return peer;
}

/* The record of CONN's server, which is now the one used last; NULL: there are to be none. */
static struct tcp_fast_peer *use(struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t hash = key_hash(tcp, conn);
    struct tcp_fast_peer *peer = find(tcp, conn, hash);
    if (peer == NULL) {
        peer = take(tcp);
        if (peer == NULL) {
            return NULL;
        }
        *peer = (struct tcp_fast_peer){
            .hash = hash, .local = conn->local.address, .remote = conn->remote};
        uint32_t *head = table_head(&tcp->fast.table, hash);
        peer->hash_next = *head;
        *head = pool_index(&tcp->fast.peers, peer) + 1;
    }
    list_remove(&peer->order);
    list_add_last(&tcp->fast.order, &peer->order);
    return peer;
}

void tcp_fast_learn(struct tcp *tcp, const struct tcp_conn *conn, const struct wire_tcp *syn_ack)
{
    struct tcp_fast_peer *peer = use(tcp, conn);
    if (peer != NULL) {
        memcpy(peer->cookie, syn_ack->cookie, syn_ack->cookie_bytes);
        peer->cookie_bytes = syn_ack->cookie_bytes;
        peer->mss = conn->back->mss_peer;
        peer->failures = 0;
        peer->retry_ns = 0;
    }
}

void tcp_fast_trust(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_fast_peer *peer = tcp_fast_find(tcp, conn);
    if (peer != NULL) {
        peer->failures = 0;
        peer->retry_ns = 0;
        peer->mss = conn->back->mss_peer;
    }
}

void tcp_fast_shun(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_fast_peer *peer = use(tcp, conn);
    if (peer != NULL) {
        uint64_t wait = (uint64_t)SHUN_NS << min_u32(peer->failures, SHUN_DOUBLING);
        peer->retry_ns = add_sat_u64(tcp->now_ns, wait);
        peer->failures = (uint8_t)min_u32(peer->failures + 1U, UINT8_MAX);
    }
}
