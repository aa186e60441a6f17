/* SPDX-License-Identifier: MIT */
/*
 * What is known of paths that take less than the link: a record per peer address, shared by its
 * connections and outliving them. A path without a record takes what the link takes.
 *
 * 1. mtu <= high: the size that is used, and the largest that is not known to be too much.
 * 2. `path_order` holds the records, the one that was not asked for longest first: it makes room.
 * 3. A connection remembers its record's index; whether the record is still its peer's it asks each
 *    time.
 */
#include "base/address.h"
#include "tcp/parts.h"

static uint32_t hash_of(const struct tcp *tcp, const struct berth_address *peer)
{
    return (uint32_t)hash_keyed(&tcp->table_key, peer, sizeof *peer);
}

static struct tcp_path *find(const struct tcp *tcp, const struct berth_address *peer)
{
    uint32_t at = *table_head(&tcp->path_table, hash_of(tcp, peer));
    while (at != 0) {
        struct tcp_path *path = pool_at(&tcp->paths, at - 1);
        if (address_is_same(&path->peer, peer)) {
            return path;
        }
        at = path->hash_next;
    }
    return NULL;
}

static void drop(struct tcp *tcp, struct tcp_path *path)
{
    uint32_t *link = table_head(&tcp->path_table, path->hash);
    uint32_t self = pool_index(&tcp->paths, path) + 1;
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct tcp_path *)pool_at(&tcp->paths, *link - 1))->hash_next;
    }
    *link = path->hash_next;
    list_remove(&path->order);
    pool_give(&tcp->paths, path);
}

/* Its time has come: what the path takes may have grown (RFC 1191 6.3, RFC 8899 5.1.1
 * PMTU_RAISE_TIMER). Where routers tell, it is tried out; where they do not, probes find out. */
static struct tcp_path *age(struct tcp *tcp, struct tcp_path *path)
{
    if (path == NULL || tcp->now_ns < path->until_ns) {
        return path;
    }
    if (!path->probed) {
        drop(tcp, path);
        return NULL;
    }
    tcp_path_search(tcp, path);
    return path;
}

static bool is_of(const struct tcp_path *path, const struct tcp_conn *conn)
{
    return list_has(&path->order) && address_is_same(&path->peer, &conn->remote.address);
}

/* The record of CONN's path; NULL: there is none. */
struct tcp_path *tcp_path_of(struct tcp *tcp, struct tcp_conn *conn)
{
    if (list_is_empty(&tcp->path_order)) { /* the usual case */
        conn->back->path = 0;
        return NULL;
    }
    struct tcp_path *path =
        conn->back->path != 0 ? pool_at(&tcp->paths, conn->back->path - 1U) : NULL;
    if (path == NULL || !is_of(path, conn)) {
        path = find(tcp, &conn->remote.address);
    }
    path = age(tcp, path);
    conn->back->path = path == NULL ? 0 : (uint16_t)(pool_index(&tcp->paths, path) + 1);
    if (path != NULL) {
        list_remove(&path->order);
        list_add_last(&tcp->path_order, &path->order);
    }
    return path;
}

/* The same, made if there is none; NULL: the limit is 0. */
struct tcp_path *tcp_path_make(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_path *path = tcp_path_of(tcp, conn);
    if (path != NULL) {
        return path;
    }
    path = pool_take(&tcp->paths);
    if (path == NULL && !list_is_empty(&tcp->path_order)) {
        drop(tcp, CONTAINER_OF(list_first(&tcp->path_order), struct tcp_path, order));
        path = pool_take(&tcp->paths);
    }
    if (path == NULL) {
        return NULL;
    }
    uint32_t *head = table_head(&tcp->path_table, hash_of(tcp, &conn->remote.address));
    *path = (struct tcp_path){.hash = hash_of(tcp, &conn->remote.address),
                              .hash_next = *head,
                              .peer = conn->remote.address,
                              .mtu = (uint16_t)tcp->mtu,
                              .high = (uint16_t)tcp->mtu,
                              .until_ns = BERTH_NEVER};
    conn->back->path = (uint16_t)(pool_index(&tcp->paths, path) + 1);
    *head = conn->back->path;
    list_add_last(&tcp->path_order, &path->order);
    return path;
}

/* A router has said what the path takes. */
void tcp_path_told(const struct tcp *tcp, struct tcp_path *path, uint32_t mtu)
{
    path->mtu = (uint16_t)mtu;
    path->high = (uint16_t)mtu;
    path->searching = false;
    path->probed = false;
    path->until_ns = add_sat_u64(tcp->now_ns, tcp->settings.mtu_age_ns);
}

/* Probes look for more than its mtu, up to what the link takes: that first. */
void tcp_path_search(const struct tcp *tcp, struct tcp_path *path)
{
    path->high = (uint16_t)max_u32(tcp->mtu, path->mtu);
    path->failures = 0;
    path->narrowed = false;
    path->probed = true;
    path->searching = true;
    path->until_ns = BERTH_NEVER;
}

/* Who asked for the search sends no probes. Should nobody else find out, the path is taken for a
 * plain one again after a while: perhaps it was an outage. */
void tcp_path_forget_later(const struct tcp *tcp, struct tcp_path *path)
{
    path->probed = false;
    path->until_ns = add_sat_u64(tcp->now_ns, tcp->settings.mtu_age_ns);
}

/* The search is over, for a while. */
void tcp_path_found(const struct tcp *tcp, struct tcp_path *path)
{
    path->searching = false;
    path->probed = true;
    path->until_ns = add_sat_u64(tcp->now_ns, tcp->settings.mtu_age_ns);
}
