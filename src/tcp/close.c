/* SPDX-License-Identifier: MIT */
/*
 * Closing: half (RFC 9293 3.10.4 while reading on), full, and abort (3.10.5).
 */
#include "tcp/parts.h"

int tcp_shutdown(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_CLOSED) {
        return conn->back->error != 0 ? conn->back->error : BERTH_E_CLOSED;
    }
    if (conn->state == BERTH_TCP_LISTEN) {
        return BERTH_E_STATE;
    }
    tcp_sendq_release(tcp, conn);
    if (!conn_has(conn, CONN_FIN_QUEUED)) {
        (void)tcp_work_need(tcp, conn);
        conn_set(conn, CONN_FIN_QUEUED);
        tcp_conn_ready(tcp, conn);
    }
    return 0;
}

void tcp_abort(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_set(conn, CONN_ORPHAN);
    event_forget(&conn->event);
    if (conn->state == BERTH_TCP_CLOSED) {
        tcp_conn_free(tcp, conn);
        return;
    }
    if (conn->state == BERTH_TCP_SYN_SENT || conn->state == BERTH_TCP_LISTEN) {
        tcp_conn_end(tcp, conn, BERTH_E_ABORTED); /* the peer knows of nothing yet */
        return;
    }
    tcp_sendq_release(tcp, conn);
    conn_set(conn, CONN_RST_NOW);
    tcp_timer_stop(conn);
    tcp_conn_ready(tcp, conn);
}

/* RFC 9293 3.10.4; with bytes that nobody will read the peer is told by RST (RFC 2525 2.17), and so
 * it is when the owner has no time for more (BERTH_TCP_LINGER_NS). */
void tcp_close(struct tcp *tcp, struct tcp_conn *conn)
{
    bool unread = conn->receive_bytes > 0 || conn->work->reorder_count > 0;
    bool early = conn->state == BERTH_TCP_SYN_SENT || conn->state == BERTH_TCP_LISTEN;
    if (conn->state == BERTH_TCP_CLOSED || unread || early || conn->back->options->linger_ns == 0) {
        tcp_abort(tcp, conn);
        return;
    }
    conn_set(conn, CONN_ORPHAN);
    event_forget(&conn->event);
    tcp_sendq_release(tcp, conn);
    if (!conn_has(conn, CONN_FIN_QUEUED)) {
        (void)tcp_work_need(tcp, conn);
        conn_set(conn, CONN_FIN_QUEUED);
        tcp_conn_ready(tcp, conn);
    }
    if (conn_is_lingering(conn)) {
        tcp_work_need(tcp, conn)->idle_ns =
            add_sat_u64(tcp->now_ns, conn->back->options->linger_ns);
        tcp_timer_by(tcp, conn, conn->work->idle_ns);
    } else {
        tcp_timer_idle(tcp, conn);
    }
}
