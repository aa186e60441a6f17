/* SPDX-License-Identifier: MIT */
/*
 * F-RTO (RFC 5682): was a retransmission timeout spurious? After the timeout only the first segment
 * goes again. If its ACK leaves something to acknowledge, two new segments go rather than old ones;
 * should the next ACK be for what was sent before the timeout, and never again, then that had not
 * been lost. It asks for no timestamps; where there are some, recovery.c knows an ACK earlier
 * (RFC 3522).
 *
 *   frto        event                                            next       clause
 *   FRTO_OFF    timeout, no loss recovery under way              FRTO_FIRST 2.1, 3.1 (1)
 *   FRTO_FIRST  timeout again, of the same segment               FRTO_FIRST 2.1 (1), 2.2
 *   FRTO_FIRST  ACK of all that went again, and not of all       FRTO_NEW   2.1, 3.1 (2b)
 *   FRTO_FIRST  any other new ACK; without SACK a duplicate      FRTO_OFF   (2a)
 *   FRTO_NEW    nothing new can be sent                          FRTO_OFF   (2b)
 *   FRTO_NEW    ACK of what was sent before the timeout          FRTO_OFF   (3b), undone
 *   FRTO_NEW    ACK that tells nothing new of that               FRTO_OFF   (3a)
 */
#include "tcp/parts.h"

/* The timer has expired. RECOVERING: it was not the first loss of late. */
void tcp_frto_begin(const struct tcp *tcp, struct tcp_conn *conn, bool recovering)
{
    bool may = !recovering || conn->work->frto == FRTO_FIRST;
    conn->work->frto = tcp->settings.frto && may ? FRTO_FIRST : FRTO_OFF;
}

void tcp_frto_end(struct tcp_conn *conn)
{
    conn->work->frto = FRTO_OFF;
}

/* (3a): back to the ordinary, from where it would be by now. */
static void give_up(struct tcp_conn *conn)
{
    conn->work->frto = FRTO_OFF;
    conn->work->cc.cwnd = min_u32(conn->work->cc.cwnd, 3U * conn->mss);
}

/* The first ACK. */
static void on_first(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    bool sack = conn_has(conn, CONN_SACK);
    if (acked->bytes == 0) {
        conn->work->frto = acked->duplicate && !sack ? FRTO_OFF : FRTO_FIRST;
        return;
    }
    const struct tcp_sent *first = tcp_score_first(conn);
    bool all = first == NULL || (first->flags & SENT_RESENT) == 0;
    uint32_t out = conn->snd_nxt - conn->snd_una;
    bool more = conn_has_unsent(conn) && conn->snd_wnd > out;
    if (!all || !more || seq_geq(conn->snd_una, conn->work->recover)) {
        conn->work->frto = FRTO_OFF;
        return;
    }
    conn->work->frto = FRTO_NEW;
    conn->work->cc.cwnd = max_u32(conn->work->cc.cwnd, conn_pipe(conn) + 2U * conn->mss);
}

/* The second. */
static bool on_second(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    if (acked->bytes == 0 && acked->sacked == 0 && !acked->duplicate) {
        return false; /* it tells nothing */
    }
    bool spurious = acked->bytes > 0;
    if (conn_has(conn, CONN_SACK)) {
        bool beyond = seq_gt(conn->snd_una, conn->work->recover) ||
                      tcp_score_is_sacked_beyond(conn, conn->work->recover);
        spurious = acked->delivered > 0 && !beyond;
    }
    if (spurious) {
        conn->work->frto = FRTO_OFF;
    } else {
        give_up(conn);
    }
    return spurious;
}

/* After the scoreboard has taken in an ACK. true: the timeout was spurious. */
bool tcp_frto_judge(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    if (conn->work->frto == FRTO_FIRST) {
        on_first(conn, acked);
        return false;
    }
    return conn->work->frto == FRTO_NEW && on_second(conn, acked);
}

/* May NEW data leave now, or old? */
bool tcp_frto_holds_old(const struct tcp_conn *conn)
{
    return conn->work->frto == FRTO_NEW ||
           (conn->work->frto == FRTO_FIRST && !conn_has(conn, CONN_FAST_NOW));
}

bool tcp_frto_holds_new(const struct tcp_conn *conn)
{
    uint32_t new = conn->snd_nxt - conn->work->recover;
    return conn->work->frto == FRTO_FIRST ||
           (conn->work->frto == FRTO_NEW && new >= 2U * conn->mss);
}

/* Nothing leaves. If no new data went after the first ACK, the old goes on (2b). */
bool tcp_frto_unstick(struct tcp_conn *conn)
{
    bool stuck = conn->work->frto == FRTO_NEW && conn->snd_nxt == conn->work->recover;
    conn->work->frto = stuck ? FRTO_OFF : conn->work->frto;
    return stuck;
}
