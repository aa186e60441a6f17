/* SPDX-License-Identifier: MIT */
/*
 * A connection that goes from one stack to another (<berth/tcp.h>, berth_tcp_export): of two that
 * share a link and its peers, so that the peer sees one connection all the time. What moves is what
 * a connection at rest has (work.h): so it moves only while nothing is under way.
 */
#include "tcp/move.h"

#include "tcp/parts.h"

/* What is in struct berth_tcp_exported. Of the records all that belongs to a stack (places in
 * tables, lists and pools, pointers) is the new stack's own. */
struct moved {
    struct tcp_conn conn;
    struct tcp_back back;
    struct tcp_options options; /* has_options */
    struct tcp_ledger ledger;   /* has_ledger */
    uint64_t now_ns;            /* when it left */
    bool has_options;           /* not those of its stack */
    bool has_ledger;
};

_Static_assert(sizeof(struct moved) <= sizeof(struct berth_tcp_exported), "it fits");
_Static_assert(_Alignof(struct moved) <= _Alignof(struct berth_tcp_exported), "and is aligned");

/* Could CONN move, if not now then later? */
static bool is_movable(const struct tcp_conn *conn)
{
    const struct tcp_work *work = conn->work;
    bool keeps = work->rate != NULL || (work->cc.table != NULL && work->cc.table->rest == NULL);
    return conn->state == BERTH_TCP_ESTABLISHED && conn->back->path == 0 &&
           !conn->back->fast_early && !keeps;
}

int tcp_export(struct tcp *tcp, struct tcp_conn *conn, struct berth_tcp_exported *out)
{
    struct moved *moved = (struct moved *)out;
    if (!is_movable(conn)) {
        return BERTH_E_STATE;
    }
    if (conn->receive_bytes > 0 || conn_has(conn, CONN_URGENT_IN) ||
        !tcp_work_lay_down(tcp, conn)) {
        return BERTH_E_AGAIN;
    }
    memset(out, 0, sizeof *out);
    moved->now_ns = tcp->now_ns;
    moved->conn = *conn;
    moved->back = *conn->back;
    moved->has_options = conn->back->options != &tcp->defaults;
    if (moved->has_options) {
        moved->options = *conn->back->options;
    }
    moved->has_ledger = conn->back->ledger != &tcp_no_ledger;
    if (moved->has_ledger) {
        moved->ledger = *conn->back->ledger;
    }
    tcp_conn_leave(tcp, conn);
    return 0;
}

/* CONN, new, becomes what MOVED says, but for what is its stack's. */
static void fill(struct tcp *tcp, struct tcp_conn *conn, const struct moved *moved)
{
    struct tcp_conn own = *conn;
    struct tcp_back *back = conn->back;
    struct tcp_back own_back = *back;
    *conn = moved->conn;
    conn->hash_next = own.hash_next;
    conn->work = own.work;
    conn->back = back;
    conn->ready = own.ready;
    conn->event = own.event;
    conn->receive_last = NULL;
    *back = moved->back;
    back->generation = own_back.generation;
    back->timer = own_back.timer;
    back->options = own_back.options;
    back->ledger = own_back.ledger;
    back->listener = 0;
    if (moved->has_options) {
        struct tcp_options *options = tcp_options_own(tcp, &back->options);
        uint32_t users = options->users;
        uint32_t pool_link = options->pool_link;
        *options = moved->options;
        options->users = users;
        options->pool_link = pool_link;
    }
    if (moved->has_ledger) {
        *tcp_ledger_need(tcp, conn) = moved->ledger;
    }
}

/* Of one seed there is one hash of both ends, and TIME-WAIT knows a connection by what its
 * timestamps begin with. */
bool tcp_may_import(struct tcp *tcp, const struct berth_tcp_exported *exported, uint64_t *now_ns)
{
    const struct moved *moved = (const struct moved *)exported;
    struct tcp_pair pair = tcp_pair(tcp, &moved->conn.local, &moved->conn.remote);
    *now_ns = moved->now_ns;
    return moved->conn.hash == (uint32_t)pair.hash &&
           moved->conn.ts_offset == (uint32_t)(pair.hash >> 32);
}

/* Its port, if the port space counts it, is CONN's from now on. */
static int take_port(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct ports_use use = {
        .local = conn->local.address, .remote = conn->remote, .protocol = BERTH_TCP};
    if (!conn_has(conn, CONN_OWNS_PORT) || ports_take(tcp->ports, &use, conn->local.port)) {
        return 0;
    }
    return ports_number(tcp->ports, &use, conn->local.port) != 0 ? BERTH_E_IN_USE : BERTH_E_LIMIT;
}

static void give_port_back(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct ports_use use = {
        .local = conn->local.address, .remote = conn->remote, .protocol = BERTH_TCP};
    if (conn_has(conn, CONN_OWNS_PORT)) {
        ports_give(tcp->ports, &use, conn->local.port);
    }
}

/* CONN goes on: it has a record of work, and what this stack knows of its path, and of who opened
 * it, counts. The peer, and what lies between, learn of the way that it goes now. */
static void go_on(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_work_resume(tcp, conn);
    tcp_pmtu_sync(tcp, conn);
    tcp_outcome_joined(tcp, conn);
    conn_clear(conn, CONN_ACK_DELAYED | CONN_ACK_TIMED | CONN_WANT_WRITE);
    conn_set(conn, CONN_ACK_NOW);
    tcp_conn_ready(tcp, conn);
    tcp_timer_arm(tcp, conn);
}

/* What is left here of an earlier life of the four of PAIR ends: the peer has begun another since.
 * False: it is somebody's. */
static bool make_way(struct tcp *tcp, const struct tcp_pair *pair)
{
    struct tcp_conn *conn = tcp_find(tcp, pair);
    struct tcp_time_wait *wait = tcp_find_time_wait(tcp, pair);
    if (conn != NULL && conn_has(conn, CONN_ORPHAN)) {
        tcp_conn_end(tcp, conn, 0);
        conn = NULL;
    }
    if (conn != NULL || tcp_find_syn(tcp, pair) != NULL) {
        return false;
    }
    if (wait != NULL) {
        tcp_time_wait_end(tcp, wait);
    }
    return true;
}

int tcp_import(struct tcp *tcp, const struct berth_tcp_exported *exported, struct tcp_conn **out)
{
    const struct moved *moved = (const struct moved *)exported;
    struct tcp_pair pair = tcp_pair(tcp, &moved->conn.local, &moved->conn.remote);
    if (!make_way(tcp, &pair)) {
        return BERTH_E_IN_USE;
    }
    int error = take_port(tcp, &moved->conn);
    if (error != 0) {
        return error;
    }
    struct tcp_conn *conn = tcp_conn_new(tcp, &pair);
    if (conn == NULL) {
        give_port_back(tcp, &moved->conn);
        return BERTH_E_LIMIT;
    }
    fill(tcp, conn, moved);
    go_on(tcp, conn);
    *out = conn;
    return 0;
}
