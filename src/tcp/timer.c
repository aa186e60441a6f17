/* SPDX-License-Identifier: MIT */
/*
 * A connection's timers: some deadlines, one entry in the wheel. At rest none of them is running,
 * but for keep-alive's.
 *
 *   rto_ns   retransmission of data, SYN, FIN (RFC 6298 5); persist while the window is shut
 *            (RFC 9293 3.8.6.1); the sender's override of silly-window avoidance
 *   rack_ns  RACK's reordering timer, or the tail loss probe (RFC 8985)
 *   ack_tick  the delayed ACK (RFC 9293 3.8.6.3)
 *   idle_ns  keep-alive's probes (RFC 9293 3.8.4), an orphan's FIN-WAIT-2, a held SYN, linger
 *   heard_tick  and keep-alive's time: the first probe
 *   rest_ns  the record of work goes (work.c)
 *   rate->pace_ns  the next quantum of a paced connection that waits for it (pace.c)
 *
 * The wheel is not touched when a deadline moves later: it fires early and is set again. So an ACK
 * that restarts the RTO costs one store.
 */
#include "tcp/parts.h"

#define CORK_NS (200 * NS_PER_MS) /* what is held back for more goes after this */

static const uint32_t r1_timeouts = 3; /* RFC 9293 SHLD-10: the owner is told */

/* Closed, and only the peer's FIN is missing. */
static bool is_orphan_waiting(const struct tcp_conn *conn)
{
    return conn->state == BERTH_TCP_FIN_WAIT_2 && conn_has(conn, CONN_ORPHAN);
}

/* When keep-alive asks for the first time, while nothing else waits for the peer. */
static uint64_t keepalive_ns(const struct tcp *tcp, const struct tcp_conn *conn)
{
    bool other = conn->probes > 0 || conn->work->idle_ns != BERTH_NEVER ||
                 !conn_is_synchronised(conn) || is_orphan_waiting(conn);
    if (other || conn_is_lingering(conn)) {
        return BERTH_NEVER;
    }
    uint64_t heard_ns = conn_tick_ns(conn->heard_tick, tcp->now_ns);
    return add_sat_u64(heard_ns, tcp_keepalive_idle_ns(conn));
}

static uint64_t earliest(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct tcp_work *work = conn->work;
    uint64_t soon = min_u64(work->rto_ns, work->rack_ns);
    soon = min_u64(soon, min_u64(conn_ack_ns(conn, tcp->now_ns), work->idle_ns));
    soon = min_u64(soon, min_u64(conn_pace_ns(conn), work->rest_ns));
    return conn_has(conn, CONN_KEEPALIVE) ? min_u64(soon, keepalive_ns(tcp, conn)) : soon;
}

void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t deadline = earliest(tcp, conn);
    if (deadline == BERTH_NEVER || conn->state == BERTH_TCP_CLOSED) {
        return;
    }
    tcp_timer_by(tcp, conn, deadline);
}

void tcp_timer_stop(struct tcp_conn *conn)
{
    conn_clear(conn, CONN_ACK_DELAYED);
    if (!conn_is_at_rest(conn)) {
        conn->work->rto_ns = BERTH_NEVER;
        conn->work->rack_ns = BERTH_NEVER;
        conn->work->idle_ns = BERTH_NEVER;
    }
}

static bool is_window_shut(const struct tcp_conn *conn)
{
    return conn_has_unsent(conn) && conn->snd_una == conn->snd_nxt && conn_is_synchronised(conn);
}

/* Nothing is in flight, and what waits would go but for the owner, who will write more. */
static bool is_cork_in_the_way(const struct tcp_conn *conn)
{
    return conn_is_corked(conn) && conn_unsent_bytes(conn) <= conn->snd_wnd;
}

/* RFC 6298 (5.1)-(5.3): runs while anything is outstanding; as persist timer while nothing may go
 * out. */
void tcp_timer_retransmit(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = conn->work;
    if (conn->snd_una != conn->snd_nxt) {
        conn_clear(conn, CONN_PERSIST);
        work->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
        tcp_timer_by(tcp, conn, work->rto_ns);
        tcp_rack_arm_probe(tcp, conn);
    } else if (is_window_shut(conn)) {
        conn_set(conn, CONN_PERSIST);
        uint64_t wait_ns = is_cork_in_the_way(conn) ? CORK_NS : tcp_rto(tcp, conn);
        work->rto_ns = add_sat_u64(tcp->now_ns, wait_ns);
        tcp_timer_by(tcp, conn, work->rto_ns);
    } else {
        conn_clear(conn, CONN_PERSIST);
        work->rto_ns = BERTH_NEVER;
        tcp_rack_rest(conn);
        tcp_work_done(tcp, conn);
    }
}

void tcp_timer_idle(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_is_lingering(conn)) {
        return; /* since it was closed */
    }
    uint64_t wait_ns = BERTH_NEVER;
    if (conn->state == BERTH_TCP_LISTEN) {
        wait_ns = tcp->settings.held_ns;
    } else if (is_orphan_waiting(conn)) {
        uint64_t most_ns = conn->back->options->fin_wait2_ns;
        wait_ns = most_ns != 0 ? most_ns : BERTH_NEVER;
    } else if (conn_is_synchronised(conn) && conn_has(conn, CONN_KEEPALIVE) && conn->probes > 0) {
        wait_ns = conn->back->options->keepalive_interval_ns;
    }
    if (wait_ns != BERTH_NEVER || conn->work->idle_ns != BERTH_NEVER) {
        tcp_work_need(tcp, conn)->idle_ns = add_sat_u64(tcp->now_ns, wait_ns);
    }
    tcp_timer_arm(tcp, conn);
}

/* Has the peer not answered for longer than the user timeout (RFC 9293 3.8.3, R2)? Not before it
 * was asked a second time. */
static bool is_given_up(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t limit = conn->back->options->user_timeout_ns;
    return limit != 0 && conn->work->unanswered > 0 &&
           tcp->now_ns - conn->work->progress_ns >= limit;
}

/* After a timeout: the next one, but R2 is not slept over. */
static uint64_t next_timeout(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t next = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    uint64_t soonest = add_sat_u64(tcp->now_ns, conn->work->rto_ns_base);
    uint64_t r2 = add_sat_u64(conn->work->progress_ns, conn->back->options->user_timeout_ns);
    return conn->back->options->user_timeout_ns == 0 ? next : min_u64(next, max_u64(r2, soonest));
}

/* Why there is no answer: what ICMP has told meanwhile, if it has (RFC 1122 4.2.3.9). */
static int reason(const struct tcp_conn *conn)
{
    bool told = conn->back->soft_error != 0 && conn->work->soft_error_ns >= conn->work->progress_ns;
    return told ? conn->back->soft_error : BERTH_E_TIMED_OUT;
}

/* No answer, once more: at R1 the owner is told (RFC 9293 3.8.3 e). */
static void count_unanswered(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->work->unanswered = (uint8_t)min_u32(conn->work->unanswered + 1U, UINT8_MAX);
    if (conn->work->unanswered == r1_timeouts) {
        tcp_conn_soft_error(tcp, conn, reason(conn));
    }
}

static void on_syn_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->work->backoff >= conn->back->options->syn_retries) {
        tcp_conn_end(tcp, conn, reason(conn));
        return;
    }
    conn->work->backoff++;
    tcp_ledger_need(tcp, conn)->timeouts++;
    count_unanswered(tcp, conn);
    conn_set(conn, CONN_SYN_NOW);
    conn->work->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    tcp_conn_ready(tcp, conn);
}

/* Nothing is in flight and the window is shut, or too small to be worth it: ask, or send what
 * fits. */
static void on_persist(struct tcp_conn *conn)
{
    uint32_t room = conn->snd_una + conn->snd_wnd - conn->snd_nxt;
    conn_set(conn, room > 0 && room <= conn->snd_wnd ? CONN_FORCE_NOW : CONN_PROBE_NOW);
}

static void on_retransmit(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_SYN_SENT || conn->state == BERTH_TCP_SYN_RECEIVED) {
        on_syn_timeout(tcp, conn);
        return;
    }
    if (conn_has(conn, CONN_PERSIST) && is_cork_in_the_way(conn)) {
        conn_set(conn, CONN_FORCE_NOW);
        conn->work->rto_ns = BERTH_NEVER;
        tcp_conn_ready(tcp, conn);
        return;
    }
    if (is_given_up(tcp, conn)) {
        tcp_conn_end(tcp, conn, reason(conn));
        return;
    }
    if (conn->work->unanswered == 0 && conn_window_is_in_the_way(conn)) {
        conn->work->progress_ns =
            tcp->now_ns; /* it is asked now: the user timeout counts from here */
    }
    count_unanswered(tcp, conn);
    conn->work->backoff = (uint8_t)min_u32(conn->work->backoff + 1U, 16); /* RFC 6298 (5.5) */
    if (conn_has(conn, CONN_PERSIST)) {
        on_persist(conn);
    } else {
        tcp_ledger_need(tcp, conn)->timeouts++;
        tcp_pmtu_on_timeout(tcp, conn);
        tcp_recovery_timeout(tcp, conn);
    }
    conn->work->rto_ns = next_timeout(tcp, conn);
    tcp_conn_ready(tcp, conn);
}

static void on_idle(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_LISTEN) {
        tcp_conn_end(tcp, conn, BERTH_E_TIMED_OUT);
        return;
    }
    if (conn_is_lingering(conn)) {
        tcp_abort(tcp, conn); /* its time is over */
        return;
    }
    if (is_orphan_waiting(conn)) {
        tcp_conn_end(tcp, conn, BERTH_E_TIMED_OUT);
        return;
    }
    uint64_t idle_ns = tcp_keepalive_idle_ns(conn);
    bool heard = add_sat_u64(conn_tick_ns(conn->heard_tick, tcp->now_ns), idle_ns) > tcp->now_ns;
    bool busy = conn_has_unsent(conn) || conn->snd_una != conn->snd_nxt;
    if (heard || busy) { /* what is under way finds out by itself (RFC 9293 MUST-26) */
        conn->probes = 0;
        if (!heard) {
            tcp_work_need(tcp, conn)->idle_ns = add_sat_u64(tcp->now_ns, idle_ns);
        } else if (!conn_is_at_rest(conn)) {
            conn->work->idle_ns = BERTH_NEVER;
            tcp_work_recall(tcp, conn);
        }
        return;
    }
    if (conn->probes >= conn->back->options->keepalive_probes) {
        tcp_conn_end(tcp, conn, BERTH_E_TIMED_OUT);
        return;
    }
    conn->probes++;
    conn_set(conn, CONN_PROBE_NOW);
    tcp_timer_idle(tcp, conn);
    tcp_conn_ready(tcp, conn);
}

static bool is_keepalive_due(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_KEEPALIVE) && keepalive_ns(tcp, conn) <= tcp->now_ns;
}

static void on_conn_timer(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_clear(conn, CONN_ACK_TIMED);
    if (conn->work->rate != NULL) {
        tcp_rate_check(tcp, conn);
        if (conn_pace_ns(conn) <= tcp->now_ns) {
            conn->work->rate->is_waiting = false;
            tcp_conn_ready(tcp, conn);
        }
    }
    if (conn_ack_ns(conn, tcp->now_ns) <= tcp->now_ns) {
        conn_clear(conn, CONN_ACK_DELAYED);
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
    if (conn->work->rack_ns <= tcp->now_ns) {
        tcp_rack_timeout(tcp, conn);
    }
    if (conn->work->idle_ns <= tcp->now_ns || is_keepalive_due(tcp, conn)) {
        uint32_t generation = conn->back->generation;
        on_idle(tcp, conn);
        if (conn->back->generation != generation || conn->state == BERTH_TCP_CLOSED) {
            return;
        }
    }
    if (conn->work->rto_ns <= tcp->now_ns) {
        uint32_t generation = conn->back->generation;
        on_retransmit(tcp, conn);
        if (conn->back->generation != generation || conn->state == BERTH_TCP_CLOSED) {
            return;
        }
    }
    if (conn->work->rest_ns <= tcp->now_ns) {
        tcp_work_timeout(tcp, conn);
    }
    tcp_timer_arm(tcp, conn);
}

void tcp_on_timer(struct tcp *tcp, struct timer *timer)
{
    if (timer->kind == TCP_TIMER_TIME_WAIT) {
        tcp_time_wait_timeout(tcp);
    } else if (timer->kind == TCP_TIMER_SYN) {
        tcp_half_timeout(tcp);
    } else {
        const struct tcp_back *back = CONTAINER_OF(timer, struct tcp_back, timer);
        on_conn_timer(tcp, pool_at(&tcp->conns, pool_index(&tcp->backs, back)));
    }
}
