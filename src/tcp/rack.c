/* SPDX-License-Identifier: MIT */
/*
 * RACK-TLP (RFC 8985): a piece is lost when one sent later has arrived and the reordering window
 * has passed since; a tail that stays unacknowledged is probed before the retransmission timeout.
 * With SACK only; without, recovery.c counts duplicate ACKs.
 *
 * rack_ns is one deadline for two timers that never run together: the reordering timer, and (with
 * rack_pto) the probe timeout.
 */
#include "tcp/parts.h"

#define MAX_ACK_DELAY_NS  (200 * NS_PER_MS) /* RFC 8985 7.2: what the peer may delay an ACK */
#define REO_WINDOW_MIN_NS ((uint64_t)1 << TIMERS_TICK_SHIFT) /* what the timer can tell apart */

static const uint8_t persist_recoveries = 16; /* RFC 8985 6.2 step 4 */
static const uint32_t dup_threshold = 3;

/* RFC 8985 6.2: RACK_sent_after. */
static bool is_sent_after(uint64_t a_ns, uint32_t a_end, uint64_t b_ns, uint32_t b_end)
{
    return a_ns > b_ns || (a_ns == b_ns && seq_gt(a_end, b_end));
}

/* Step 3: has the path changed their order? */
static void detect_reordering(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent)
{
    if (seq_gt(sent->end, conn->work->rack_fack)) {
        conn->work->rack_fack = sent->end;
    } else if (seq_lt(sent->end, conn->work->rack_fack) && (sent->flags & SENT_EVER_RESENT) == 0) {
        conn->back->rack_reordering = true;
        tcp_ledger_need(tcp, conn)->reorderings++;
    }
}

/* Steps 1 to 3: SENT has arrived. */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent,
                        const struct tcp_acked *acked)
{
    uint64_t rtt_ns = max_u64(tcp->now_ns - sent->sent_ns, 1);
    detect_reordering(tcp, conn, sent);
    if ((sent->flags & SENT_EVER_RESENT) !=
        0) { /* perhaps the first copy arrived: then this says nothing of the last */
        uint32_t sent_ts = tcp_ts_at(conn, sent->sent_ns);
        bool early = acked->echoed && seq_lt(acked->tsecr, sent_ts);
        if (early || rtt_ns < conn_min_rtt_ns(conn)) {
            return;
        }
    } else {
        tcp_rtt_min(tcp, conn, rtt_ns);
    }
    conn->work->rack_rtt_ns = rtt_ns;
    if (is_sent_after(sent->sent_ns, sent->end, conn->work->rack_sent_ns, conn->work->rack_end)) {
        conn->work->rack_sent_ns = sent->sent_ns;
        conn->work->rack_end = sent->end;
    }
}

/* Step 4: a D-SACK says that the window was too small; it grows, and shrinks again by and by. */
static void adapt_window(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    if (conn->work->rack_in_dsack_round && seq_geq(conn->snd_una, conn->work->rack_dsack_round)) {
        conn->work->rack_in_dsack_round = false;
    }
    if (acked->dsack && !conn->work->rack_in_dsack_round) {
        conn->work->rack_in_dsack_round = true;
        conn->back->rack_reordering = true;
        conn->work->rack_dsack_round = conn->snd_nxt;
        conn->back->rack_persist = persist_recoveries;
        conn->back->rack_multiple = (uint8_t)min_u32(conn->back->rack_multiple + 1U, UINT8_MAX - 1);
    }
}

/* A recovery is over: RFC 8985 6.2 step 4. */
void tcp_rack_recovered(struct tcp_conn *conn)
{
    if (conn->back->rack_persist > 0 && --conn->back->rack_persist == 0) {
        conn->back->rack_multiple = 0;
    }
}

static uint64_t reordering_window(const struct tcp_conn *conn)
{
    if (!conn->back->rack_reordering) {
        bool sure = conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT) ||
                    conn->work->sacked_bytes >= dup_threshold * conn->mss;
        if (sure) {
            return 0;
        }
    }
    uint64_t window = (conn->back->rack_multiple + 1U) * (conn_min_rtt_ns(conn) / 4);
    return max_u64(min_u64(window, conn_srtt_ns(conn)), REO_WINDOW_MIN_NS);
}

static void start_reordering_timer(struct tcp *tcp, struct tcp_conn *conn, uint64_t wait_ns)
{
    if (wait_ns > 0) {
        conn->work->rack_pto = false;
        conn->work->rack_ns = add_sat_u64(tcp->now_ns, wait_ns);
        tcp_timer_by(tcp, conn, conn->work->rack_ns);
    } else if (!conn->work->rack_pto) {
        conn->work->rack_ns = BERTH_NEVER;
    }
}

static void mark_lost(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
    uint8_t kept = sent->flags & (SENT_EVER_RESENT | SENT_PROBE);
    if ((kept & SENT_PROBE) != 0) {
        tcp_pmtu_probe_lost(tcp, conn, sent);
    }
    tcp_score_mark(conn, sent, kept | SENT_LOST);
}

/* Step 5: marks what is lost now; the timer waits for what may yet come. Those in flight stand in
 * the order of their sending, so the first that is not due ends the search, and the timer is its:
 * each piece is judged when its own time has come, not all at the last one's. */
static void detect(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t window = reordering_window(conn);
    uint64_t wait_ns = 0;
    struct list_node *node = list_first(&conn->work->in_flight);
    while (node != NULL) {
        struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, by_time);
        node = list_next(&conn->work->in_flight, node);
        if (!is_sent_after(conn->work->rack_sent_ns, conn->work->rack_end, sent->sent_ns,
                           sent->end)) {
            break; /* those behind were sent later still */
        }
        uint64_t due = sent->sent_ns + conn->work->rack_rtt_ns + window;
        if (due > tcp->now_ns) {
            wait_ns = due - tcp->now_ns;
            break;
        }
        mark_lost(tcp, conn, sent);
    }
    start_reordering_timer(tcp, conn, wait_ns);
}

/* The retransmission timer has expired (6.3): the first segment is lost, of the others those that
 * left a round trip and more ago. */
void tcp_rack_mark_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t window = reordering_window(conn);
    struct list_node *node = list_first(&conn->work->in_flight);
    while (node != NULL) {
        struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, by_time);
        node = list_next(&conn->work->in_flight, node);
        if (sent->sent_ns + conn->work->rack_rtt_ns + window > tcp->now_ns) {
            break;
        }
        mark_lost(tcp, conn, sent);
    }
    struct tcp_sent *first = tcp_score_first(conn);
    if (first != NULL && (first->flags & (SENT_SACKED | SENT_LOST)) == 0) {
        mark_lost(tcp, conn, first);
    }
}

/* After the scoreboard has taken in an ACK. */
void tcp_rack_detect(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked)
{
    adapt_window(conn, acked);
    detect(tcp, conn);
}

/* ---- Tail loss probe (RFC 8985 7) ----------------------------------------------------------- */

/* New data went out, or an ACK came: the probe's time is counted anew (7.2). */
void tcp_rack_arm_probe(struct tcp *tcp, struct tcp_conn *conn)
{
    bool may = conn_has(conn, CONN_SACK) && conn_is_synchronised(conn) &&
               !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_PERSIST) &&
               !conn->work->tlp_out && !conn->work->tlp_no_rtt && conn->work->sacked_bytes == 0 &&
               conn->snd_una != conn->snd_nxt;
    bool other = conn->work->rack_ns != BERTH_NEVER && !conn->work->rack_pto;
    if (!may || other) {
        if (conn->work->rack_pto) {
            conn->work->rack_pto = false;
            conn->work->rack_ns = BERTH_NEVER;
        }
        return;
    }
    uint64_t wait = NS_PER_S;
    if (conn_has(conn, CONN_RTT_TAKEN)) {
        bool lone = conn->snd_nxt - conn->snd_una <= conn->mss;
        wait = 2 * conn_srtt_ns(conn) + (lone ? MAX_ACK_DELAY_NS : 0);
    }
    wait = max_u64(wait, 2 * REO_WINDOW_MIN_NS);
    conn->work->rack_ns = min_u64(add_sat_u64(tcp->now_ns, wait), conn->work->rto_ns);
    conn->work->rack_pto = true;
    tcp_timer_by(tcp, conn, conn->work->rack_ns);
}

/* rack_ns has come. A probe stands in for the timeout, which counts from here (7.3). */
void tcp_rack_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    bool probe = conn->work->rack_pto;
    conn->work->rack_ns = BERTH_NEVER;
    conn->work->rack_pto = false;
    if (probe) {
        conn->work->tlp_now = true;
        conn->work->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    } else {
        detect(tcp, conn);
        tcp_recovery_judge(tcp, conn);
    }
    tcp_conn_ready(tcp, conn);
}

/* The probe has left: one at a time, and the timeout counts from it (7.3). */
void tcp_rack_probed(struct tcp *tcp, struct tcp_conn *conn, bool again)
{
    conn->work->tlp_now = false;
    conn->work->tlp_out = true;
    conn->work->tlp_no_rtt = true;
    conn->work->tlp_again = again;
    conn->work->tlp_end = conn->snd_nxt;
    conn->work->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    tcp_timer_by(tcp, conn, conn->work->rto_ns);
}

/* 7.4: what the probe's ACK tells. true: it mended a loss that congestion control must hear of. */
bool tcp_rack_probe_acked(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    if (!conn->work->tlp_out || seq_lt(conn->snd_una, conn->work->tlp_end)) {
        return false;
    }
    bool again = conn->work->tlp_again;
    bool both_came = acked->dsack || acked->duplicate;
    bool beyond = seq_gt(conn->snd_una, conn->work->tlp_end);
    if (again && !both_came && !beyond) {
        return false; /* it acknowledges the probe or the first copy: the next ACK will tell */
    }
    conn->work->tlp_out = false;
    conn->work->tlp_again = false;
    return again && !both_came;
}

/* A recovery begins: no probe is needed to find out. */
void tcp_rack_stop_probe(struct tcp_conn *conn)
{
    if (conn->work->rack_pto) {
        conn->work->rack_ns = BERTH_NEVER;
    }
    conn->work->rack_pto = false;
    conn->work->tlp_out = false;
    conn->work->tlp_now = false;
    conn->work->tlp_again = false;
}

/* Nothing is in flight. What a probe's ACK may still tell is kept (7.4). */
void tcp_rack_rest(struct tcp_conn *conn)
{
    conn->work->rack_ns = BERTH_NEVER;
    conn->work->rack_pto = false;
    conn->work->tlp_now = false;
}

void tcp_rack_stop(struct tcp_conn *conn)
{
    conn->work->rack_ns = BERTH_NEVER;
    conn->work->rack_pto = false;
    conn->work->tlp_out = false;
    conn->work->tlp_now = false;
    conn->work->tlp_again = false;
}
