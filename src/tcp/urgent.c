/* SPDX-License-Identifier: MIT */
/*
 * The urgent mechanism (RFC 9293 3.8.5, RFC 6093): a mark in the stream, each way. The bytes before
 * it are delivered in line, as all others.
 *
 * 1. While CONN_URGENT_IN is set, rcv_up lies past what the reader has read. The reader may come
 *    after the end: so it is the ledger's.
 * 2. While CONN_URGENT_OUT is set, snd_una < snd_up <= snd_end.
 */
#include "tcp/parts.h"

/* The sequence number that the reader reads next. */
static uint32_t next_read(const struct tcp_conn *conn)
{
    bool fin = conn_has(conn, CONN_FIN_RECEIVED);
    return conn->rcv_nxt - (fin ? 1 : 0) - conn->receive_bytes;
}

/* How many bytes there are up to the mark, those included that have not come yet. */
uint32_t tcp_urgent_left(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_URGENT_IN) ? conn->back->ledger->rcv_up - next_read(conn) : 0;
}

void tcp_urgent_read(struct tcp_conn *conn)
{
    bool fin = conn_has(conn, CONN_FIN_RECEIVED);
    if (fin && conn_has(conn, CONN_URGENT_IN) &&
        seq_gt(conn->back->ledger->rcv_up, conn->rcv_nxt - 1)) { /* nothing comes past the FIN */
        conn->back->ledger->rcv_up = conn->rcv_nxt - 1;
    }
    if (conn_has(conn, CONN_URGENT_IN) && seq_geq(next_read(conn), conn->back->ledger->rcv_up)) {
        conn_clear(conn, CONN_URGENT_IN);
    }
}

/* RFC 9293 3.10.7.4, sixth check: the owner is told of each mark that lies further on (MUST-32). A
 * mark before what was read, or before the last one, says nothing. */
void tcp_on_urgent(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment)
{
    uint32_t mark = segment->seq + segment->urgent; /* MUST-62: the first byte that is not urgent */
    bool further = conn_has(conn, CONN_URGENT_IN) ? seq_gt(mark, conn->back->ledger->rcv_up)
                                                  : seq_gt(mark, next_read(conn));
    if (further) {
        tcp_ledger_need(tcp, conn)->rcv_up = mark;
        conn_set(conn, CONN_URGENT_IN);
        tcp_conn_note(tcp, conn, BERTH_EVENT_URGENT);
    }
}

/* What was committed last is urgent: from here on each segment before the mark points to it, and
 * one goes at once, also where the window is shut. */
int tcp_urgent(struct tcp *tcp, struct tcp_conn *conn)
{
    int error = tcp_may_write(conn);
    if (error != 0) {
        return error;
    }
    bool opening = conn_is_syn_unsent(conn);
    if (conn->snd_end == conn->snd_nxt + (opening ? 1 : 0)) {
        return BERTH_E_STATE;
    }
    tcp_work_need(tcp, conn)->snd_up = conn->snd_end;
    conn_set(conn, CONN_URGENT_OUT);
    if (conn_is_synchronised(conn)) {
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
    return 0;
}

void tcp_urgent_point(const struct tcp_conn *conn, struct wire_tcp *out)
{
    if (conn_has(conn, CONN_URGENT_OUT) && seq_lt(out->seq, conn->work->snd_up)) {
        out->flags |= WIRE_URG;
        out->urgent = (uint16_t)min_u32(conn->work->snd_up - out->seq, UINT16_MAX); /* MUST-31 */
    }
}
