/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery: what the sender does about losses. With SACK, RACK (rack.c) finds them and
 * proportional rate reduction (RFC 9937) paces the answer; without, NewReno (RFC 6582), whose
 * duplicate ACKs are counted as bytes that have left the network (dup_bytes), so that one rule,
 * "pipe below cwnd", governs both. A recovery that proves spurious by its timestamps is undone
 * (Eifel, RFC 3522 and 4015).
 *
 *   state       event                               next        by
 *   open        a loss: RACK, or three duplicates   RECOVERY    enter_recovery
 *   open        RTO                                 TIMEOUT     tcp_recovery_timeout
 *   RECOVERY    RTO                                 TIMEOUT     tcp_recovery_timeout
 *   RECOVERY    recover is acknowledged             open        leave_recovery
 *   TIMEOUT     recover is acknowledged             open        leave_recovery
 *   either      an ACK of the first copy            open        undo
 *   TIMEOUT     F-RTO (frto.c): it was spurious     open        undo
 *
 * Marks (ecn.c) reduce the window in the same proportional way, without a recovery. A loss in the
 * same window of data is the same congestion (RFC 3168 6.1.2): the recovery goes on with that
 * reduction.
 */
#include "tcp/parts.h"

static const uint32_t dup_threshold = 3; /* RFC 5681 3.2 */

static bool is_recovering(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT);
}

void tcp_recovery_begin_reduction(struct tcp_conn *conn, uint32_t flight)
{
    conn->work->prr_delivered = 0;
    conn->work->prr_out = 0;
    conn->work->prr_flight = max_u32(flight, conn->mss);
}

/* A loss was found, with FLIGHT bytes in flight. */
static void reduce_for_loss(struct tcp *tcp, struct tcp_conn *conn, uint32_t flight)
{
    uint32_t used = tcp_validate_flight(tcp, conn, flight);
    conn->work->cc.table->on_loss(&conn->work->cc, used, tcp->now_ns);
    tcp_validate_reduced(tcp, conn);
}

static void end_reduction(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->work->cc.table->on_recovered(&conn->work->cc, tcp->now_ns);
    tcp_validate_recovered(tcp, conn);
}

static void enter_recovery(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_nxt - conn->snd_una; /* RFC 5681 2: FlightSize, SACKed or not */
    conn->work->recover = conn->snd_nxt;
    tcp_ledger_need(tcp, conn)->fast_recoveries++;
    conn_set(conn, CONN_RECOVERY | CONN_FAST_NOW);
    conn->work->retrans_stamped = false;
    tcp_frto_end(conn);
    tcp_rack_stop_probe(conn);
    if (!conn->back->ledger->ecn.reducing) {
        tcp_recovery_begin_reduction(conn, flight);
        reduce_for_loss(tcp, conn, flight);
    } else if (!conn_has(conn, CONN_SACK)) {
        conn->work->cc.cwnd = conn->work->cc.ssthresh; /* duplicate ACKs pace the rest */
    }
    tcp_ecn_on_loss(conn);
}

static void leave_recovery(struct tcp *tcp, struct tcp_conn *conn)
{
    bool fast = conn_has(conn, CONN_RECOVERY);
    conn_clear(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_FAST_NOW);
    tcp_frto_end(conn);
    conn->work->mtu_repair = false;
    conn->work->retrans_stamped = false;
    conn->work->dup_bytes = 0;
    conn->work->dup_acks = 0;
    tcp_rack_recovered(conn);
    if (fast) {
        end_reduction(tcp, conn);
    }
}

/* RFC 3522 3.2: an ACK echoes a timestamp from before the first retransmission: the first copy had
   arrived, nothing was lost. */
static bool is_spurious(const struct tcp_conn *conn, const struct tcp_acked *acked)
{
    return conn->work->retrans_stamped && acked->bytes > 0 && acked->echoed &&
           seq_lt(acked->tsecr, conn->work->retrans_ts);
}

static void undo(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_clear(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_FAST_NOW);
    tcp_frto_end(conn);
    conn->work->retrans_stamped = false;
    conn->back->rack_reordering = true;
    conn->work->dup_bytes = 0;
    conn->work->dup_acks = 0;
    tcp_score_none_lost(conn);
    if (conn->back->ledger->ecn.told) { /* not for this loss, but congestion it was */
        conn->work->cc.table->on_recovered(&conn->work->cc, tcp->now_ns);
    } else {
        conn->work->cc.table->on_spurious(&conn->work->cc, tcp->now_ns);
    }
    tcp_validate_forget(conn);
}

/* Without SACK a partial ACK takes back what duplicate ACKs had counted (RFC 6582 3.2 step 3,
 * partial). */
static void deflate(struct tcp_conn *conn, uint32_t acked)
{
    uint32_t beyond = acked > conn->mss ? acked - conn->mss : 0;
    conn->work->dup_bytes = conn->work->dup_bytes > beyond ? conn->work->dup_bytes - beyond : 0;
}

/* Without SACK only the first segment is known to be missing. */
static void mark_first_lost(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *sent = tcp_score_first(conn);
    if (sent == NULL || (sent->flags & (SENT_LOST | SENT_RESENT)) != 0) {
        return;
    }
    if (sent->end - sent->seq > conn->mss) {
        /* no record left: all of it, until its head goes */
        (void)tcp_score_split(tcp, conn, sent, sent->seq + conn->mss);
    }
    tcp_score_mark(conn, sent, (uint8_t)(sent->flags | SENT_LOST));
}

static void react_without_sack(struct tcp *tcp, struct tcp_conn *conn,
                               const struct tcp_acked *acked)
{
    deflate(conn, acked->bytes);
    if (acked->duplicate && conn_has(conn, CONN_TIMEOUT)) {
        return; /* caused by what went again: nothing has left that was in flight */
    }
    if (acked->duplicate) {
        uint32_t out = conn->snd_nxt - conn->snd_una;
        conn->work->dup_bytes = min_u32(conn->work->dup_bytes + conn->mss, out);
        if (conn->work->dup_acks == dup_threshold && !conn_has(conn, CONN_RECOVERY)) {
            mark_first_lost(tcp, conn);
        }
    } else if (acked->bytes > 0 && conn_has(conn, CONN_RECOVERY)) {
        mark_first_lost(tcp, conn); /* a partial ACK: the next gap, at once (RFC 6582 3.2) */
        conn_set(conn, CONN_FAST_NOW);
    }
}

/* RFC 9937 6.2: how much may leave for what this ACK says has arrived. */
void tcp_recovery_reduce(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    uint32_t pipe = conn_pipe(conn);
    uint64_t send = 0;
    conn->work->prr_delivered += acked->delivered;
    if (pipe > conn->work->cc.ssthresh) {
        uint64_t share = (uint64_t)conn->work->prr_delivered * conn->work->cc.ssthresh;
        uint64_t due = (share + conn->work->prr_flight - 1) / conn->work->prr_flight;
        send = due > conn->work->prr_out ? due - conn->work->prr_out : 0;
    } else {
        uint32_t kept = conn->work->prr_delivered > conn->work->prr_out
                            ? conn->work->prr_delivered - conn->work->prr_out
                            : 0;
        bool safe = acked->bytes > 0 && !acked->lost_more;
        uint32_t limit = max_u32(kept, acked->delivered) + (safe ? conn->mss : 0);
        send = min_u32(conn->work->cc.ssthresh - pipe, limit);
    }
    uint32_t least = conn_has(conn, CONN_FAST_NOW) ? conn->mss : 0;
    conn->work->cc.cwnd = pipe + (uint32_t)max_u64(min_u64(send, UINT32_MAX / 4), least);
}

/* Does RFC 9937 say how much leaves in this recovery? */
static bool is_proportional(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_RECOVERY) && conn_has(conn, CONN_SACK) &&
           conn->work->cc.table->on_sample == NULL;
}

/* Something is believed lost and no recovery runs: one begins. true: it has. */
static bool judge(struct tcp *tcp, struct tcp_conn *conn)
{
    bool begins =
        conn->work->lost_bytes > 0 && !is_recovering(conn) && !tcp_pmtu_is_probe_only(conn);
    if (begins) {
        enter_recovery(tcp, conn);
    }
    return begins;
}

/* The reordering timer has found losses. No ACK has come that says that anything has arrived, so of
 * what is missing one segment goes (RFC 9937 6.2); all the rest waits for the ACKs that will. */
void tcp_recovery_judge(struct tcp *tcp, struct tcp_conn *conn)
{
    static const struct tcp_acked nothing = {0};
    if (judge(tcp, conn) && is_proportional(conn)) {
        tcp_recovery_reduce(conn, &nothing);
    }
}

/* After the scoreboard has taken in an ACK: is something lost, is recovery over? */
void tcp_recovery_react(struct tcp *tcp, struct tcp_conn *conn, struct tcp_acked *acked)
{
    bool spurious =
        tcp_frto_judge(conn, acked) || (is_spurious(conn, acked) && !conn->work->mtu_repair);
    if (is_recovering(conn) && spurious) {
        undo(tcp, conn);
    } else if (is_recovering(conn) && seq_geq(conn->snd_una, conn->work->recover)) {
        leave_recovery(tcp, conn);
    }
    if (acked->bytes > 0 && !is_recovering(conn)) {
        conn->work->dup_acks = 0;
        conn->work->dup_bytes = 0;
    }
    uint32_t lost_before = conn->work->lost_bytes;
    if (!conn_has(conn, CONN_SACK)) {
        react_without_sack(tcp, conn, acked);
    } else {
        tcp_rack_detect(tcp, conn, acked);
    }
    acked->lost_more = conn->work->lost_bytes > lost_before;
    if (tcp_rack_probe_acked(conn, acked) && !is_recovering(conn) &&
        !conn->back->ledger->ecn.reducing) {
        reduce_for_loss(tcp, conn, conn_pipe(conn) + acked->bytes);
        end_reduction(tcp, conn);
        tcp_ecn_on_loss(conn);
    }
    (void)judge(tcp, conn);
    if (is_proportional(conn)) {
        tcp_recovery_reduce(conn, acked);
    }
}

/* What the timeout says is lost: with SACK the first segment, and what was sent long enough ago
 * (RFC 8985 6.3); else, or when the peer has gone back on what it SACKed, everything. */
static void mark_timeout(struct tcp *tcp, struct tcp_conn *conn, bool reneged)
{
    if (conn_has(conn, CONN_SACK) && !reneged) {
        tcp_rack_mark_timeout(tcp, conn);
    } else {
        tcp_score_all_lost(conn, reneged);
    }
}

/* RFC 6298 (5.4)-(5.6), RFC 5681 3.1: what is lost goes again, from a window of one. */
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *first = tcp_score_first(conn);
    if (first == NULL) {
        return;
    }
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    bool reneged = (first->flags & SENT_SACKED) != 0;
    tcp_frto_begin(tcp, conn, reneged || is_recovering(conn));
    conn->work->mtu_repair = false;
    mark_timeout(tcp, conn, reneged);
    conn->work->dup_bytes = 0;
    conn->work->dup_acks = 0;
    conn->work->recover = conn->snd_nxt;
    tcp_rack_stop(conn);
    if (conn_has(conn, CONN_TIMEOUT) && conn->work->backoff > 1) {
        conn->work->cc.cwnd = conn->mss; /* the same loss again: ssthresh stands (RFC 5681 3.1) */
    } else {
        conn->work->retrans_stamped = false;
        conn->work->cc.table->on_timeout(&conn->work->cc, flight, tcp->now_ns);
    }
    tcp_validate_forget(conn);
    tcp_ecn_on_loss(conn);
    conn_clear(conn, CONN_RECOVERY);
    conn_set(conn, CONN_TIMEOUT | CONN_FAST_NOW); /* the first goes, whatever is in flight */
}
