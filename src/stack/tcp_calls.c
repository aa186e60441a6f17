/* SPDX-License-Identifier: MIT */
/*
 * The public calls on TCP connections and listeners (<berth/tcp.h>): ids to records, the firewall
 * and the port space asked, the rest is tcp/.
 */
#include "stack/stack.h"
#include "tcp/move.h"
#include "tcp/parts.h"
#include "tcp/timewait.h"

static struct tcp_conn *conn_of(const struct berth *berth, berth_id id)
{
    if (stack_id_kind(id) != BERTH_KIND_TCP) {
        return NULL;
    }
    return tcp_conn_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
}

static struct tcp_listener *listener_of(const struct berth *berth, berth_id id)
{
    if (stack_id_kind(id) != BERTH_KIND_TCP_LISTENER) {
        return NULL;
    }
    return tcp_listener_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
}

static berth_id id_of(const struct berth *berth, const struct tcp_conn *conn)
{
    return stack_id(BERTH_KIND_TCP, conn->back->generation, tcp_conn_index(&berth->tcp, conn));
}

/* A connection that the caller owns: not one that waits to be accepted. */
static struct tcp_conn *owned(const struct berth *berth, berth_id id)
{
    struct tcp_conn *conn = conn_of(berth, id);
    if (conn == NULL || conn_has(conn, CONN_ORPHAN)) {
        return NULL;
    }
    return conn_has(conn, CONN_UNOWNED) && conn->back->listener != 0 ? NULL : conn;
}

int berth_tcp_listen(struct berth *berth, const struct berth_endpoint *local, uint32_t backlog,
                     void *user, berth_id *out)
{
    bool any = berth_address_is_any(&local->address);
    if (backlog < 1 || backlog > 65535 || (!any && !ip_is_own(&berth->ip, &local->address))) {
        return BERTH_E_INVALID;
    }
    struct tcp_listener *listener = tcp_listener_new(&berth->tcp, local, backlog, user);
    if (listener == NULL) {
        return BERTH_E_LIMIT;
    }
    berth_id id = stack_id(BERTH_KIND_TCP_LISTENER, listener->generation,
                           tcp_listener_index(&berth->tcp, listener));
    struct ports_bind bind = {.local = *local, .owner = id, .protocol = BERTH_TCP};
    int error = ports_bind(&berth->ports, &bind);
    if (error != 0) {
        tcp_listener_free(&berth->tcp, listener);
        return error;
    }
    *out = id;
    return 0;
}

int berth_tcp_accept(struct berth *berth, berth_id listener_id, void *user, berth_id *out)
{
    struct tcp_listener *listener = listener_of(berth, listener_id);
    if (listener == NULL) {
        return BERTH_E_STALE;
    }
    struct tcp_conn *conn = tcp_accept(&berth->tcp, listener, user);
    if (conn == NULL) {
        return BERTH_E_AGAIN;
    }
    *out = id_of(berth, conn);
    return 0;
}

/* The ends of an active open: the stack's own address where none is given. */
static int choose_local(struct berth *berth, const struct berth_endpoint *local,
                        const struct berth_endpoint *remote, struct berth_endpoint *out)
{
    *out = local != NULL ? *local : (struct berth_endpoint){0};
    if (remote->port == 0 || !stack_is_unicast(berth, &remote->address)) {
        return BERTH_E_INVALID;
    }
    if (!ip_has_route(&berth->ip, &remote->address)) {
        return BERTH_E_NO_ROUTE;
    }
    if (local == NULL || berth_address_is_any(&local->address)) {
        return ip_source_for(&berth->ip, &remote->address, &out->address);
    }
    bool same = berth_address_is_v4(&local->address) == berth_address_is_v4(&remote->address);
    return same && stack_is_unicast(berth, &local->address) ? 0 : BERTH_E_INVALID;
}

/* OUT->port is taken from the port space: picked, or as asked. */
static int take_port(struct berth *berth, const struct berth_endpoint *remote,
                     struct berth_endpoint *local)
{
    struct ports_use use = {.local = local->address, .remote = *remote, .protocol = BERTH_TCP};
    if (local->port == 0) {
        return ports_pick(&berth->ports, &use, &local->port);
    }
    return ports_take(&berth->ports, &use, local->port) ? 0 : BERTH_E_IN_USE;
}

int berth_tcp_connect(struct berth *berth, const struct berth_endpoint *local,
                      const struct berth_endpoint *remote, void *user, berth_id *out)
{
    struct berth_endpoint from;
    int error = choose_local(berth, local, remote, &from);
    if (error != 0) {
        return error;
    }
    struct stack_contact contact = {
        .protocol = BERTH_TCP, .local = from, .remote = *remote, .arriving = false};
    if (stack_judge(berth, &contact).action != BERTH_ALLOW) {
        return BERTH_E_DENIED;
    }
    /* A TIME-WAIT of the same four-tuple holds its port; tcp_connect may reopen it (RFC 6191). */
    struct tcp_pair pair = tcp_pair(&berth->tcp, &from, remote);
    struct tcp_time_wait *wait = from.port != 0 ? tcp_find_time_wait(&berth->tcp, &pair) : NULL;
    error = wait != NULL && wait_has_port(wait) ? 0 : take_port(berth, remote, &from);
    if (error != 0) {
        return error;
    }
    struct tcp_conn *conn;
    error = tcp_connect(&berth->tcp, &from, remote, true, &conn);
    berth->tcp.reopening = false;
    if (error != 0) {
        return error;
    }
    conn->back->user = user;
    *out = id_of(berth, conn);
    return 0;
}

int berth_tcp_peek(struct berth *berth, berth_id id, struct berth_view *views, uint32_t max,
                   uint32_t *count)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_peek(&berth->tcp, conn, views, max, count);
}

int berth_tcp_consume(struct berth *berth, berth_id id, size_t bytes)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_consume(&berth->tcp, conn, bytes);
}

int berth_tcp_read(struct berth *berth, berth_id id, void *data, size_t bytes, size_t *got)
{
    struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    struct berth_view views[16];
    uint32_t count = 0;
    int error = tcp_peek(&berth->tcp, conn, views, 16, &count);
    if (error != 0) {
        return error;
    }
    uint32_t urgent = tcp_urgent_left(conn);
    bytes = urgent > 0 ? min_size(bytes, urgent) : bytes; /* a read ends at the mark */
    size_t copied = 0;
    for (uint32_t i = 0; i < count && copied < bytes; i++) {
        size_t part = min_size(views[i].bytes, bytes - copied);
        memcpy((uint8_t *)data + copied, views[i].data, part);
        copied += part;
    }
    *got = copied;
    return tcp_consume(&berth->tcp, conn, copied);
}

int berth_tcp_reserve(struct berth *berth, berth_id id, size_t want, struct berth_view *views,
                      uint32_t max, uint32_t *count)
{
    struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    size_t whole = tcp_whole_bursts(&berth->tcp, conn, want, max);
    int filled = tcp_reserve(&berth->tcp, conn, whole, views, max);
    if (filled < 0) {
        return filled;
    }
    *count = (uint32_t)filled;
    return 0;
}

int berth_tcp_commit(struct berth *berth, berth_id id, size_t bytes)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_commit(&berth->tcp, conn, bytes);
}

int berth_tcp_write(struct berth *berth, berth_id id, const void *data, size_t bytes, size_t *taken)
{
    struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    struct berth_view views[16];
    int count = tcp_reserve(&berth->tcp, conn, bytes, views, 16);
    if (count < 0) {
        return count;
    }
    size_t copied = 0;
    for (int i = 0; i < count; i++) {
        memcpy(views[i].data, (const uint8_t *)data + copied, views[i].bytes);
        copied += views[i].bytes;
    }
    int error = tcp_commit(&berth->tcp, conn, copied);
    if (error != 0) {
        return error;
    }
    *taken = copied;
    return 0;
}

int berth_tcp_urgent(struct berth *berth, berth_id id)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_urgent(&berth->tcp, conn);
}

int berth_tcp_shutdown(struct berth *berth, berth_id id)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_shutdown(&berth->tcp, conn);
}

static int close_listener(struct berth *berth, berth_id id)
{
    struct tcp_listener *listener = listener_of(berth, id);
    if (listener == NULL) {
        return BERTH_E_STALE;
    }
    struct ports_bind bind = {.local = listener->local, .owner = id, .protocol = BERTH_TCP};
    ports_unbind(&berth->ports, &bind);
    tcp_listener_free(&berth->tcp, listener);
    return 0;
}

int berth_tcp_close(struct berth *berth, berth_id id)
{
    if (stack_id_kind(id) == BERTH_KIND_TCP_LISTENER) {
        return close_listener(berth, id);
    }
    struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    tcp_close(&berth->tcp, conn);
    return 0;
}

int berth_tcp_abort(struct berth *berth, berth_id id)
{
    if (stack_id_kind(id) == BERTH_KIND_TCP_LISTENER) {
        return close_listener(berth, id);
    }
    struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    tcp_abort(&berth->tcp, conn);
    return 0;
}

int berth_tcp_more(struct berth *berth, berth_id id)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_more(&berth->tcp, conn);
}

int berth_tcp_set(struct berth *berth, berth_id id, enum berth_tcp_option option, uint64_t value)
{
    struct tcp_listener *listener = listener_of(berth, id);
    if (listener != NULL) {
        return tcp_listener_set(&berth->tcp, listener, option, value);
    }
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_set(&berth->tcp, conn, option, value);
}

int berth_tcp_get(const struct berth *berth, berth_id id, enum berth_tcp_option option,
                  uint64_t *value)
{
    const struct tcp_listener *listener = listener_of(berth, id);
    if (listener != NULL) {
        return tcp_listener_get(listener, option, value);
    }
    const struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_get(&berth->tcp, conn, option, value);
}

int berth_tcp_set_congestion_control(struct berth *berth, berth_id id, const char *name)
{
    struct tcp_listener *listener = listener_of(berth, id);
    if (listener != NULL) {
        return tcp_listener_set_congestion_control(&berth->tcp, listener, name);
    }
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_set_congestion_control(&berth->tcp, conn, name);
}

int berth_tcp_info(const struct berth *berth, berth_id id, struct berth_tcp_info *out)
{
    const struct tcp_conn *conn = owned(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
    }
    tcp_info(&berth->tcp, conn, out);
    return 0;
}

int berth_tcp_export(struct berth *berth, berth_id id, struct berth_tcp_exported *out)
{
    struct tcp_conn *conn = owned(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_export(&berth->tcp, conn, out);
}

int berth_tcp_import(struct berth *berth, const struct berth_tcp_exported *exported, void *user,
                     berth_id *out)
{
    struct tcp_conn *conn;
    uint64_t now_ns;
    if (!tcp_may_import(&berth->tcp, exported, &now_ns)) {
        return BERTH_E_INVALID;
    }
    stack_set_now(berth, now_ns); /* its times are not yet to come */
    int error = tcp_import(&berth->tcp, exported, &conn);
    if (error != 0) {
        return error;
    }
    conn->back->user = user;
    *out = id_of(berth, conn);
    return 0;
}
