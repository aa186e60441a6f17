/* SPDX-License-Identifier: MIT */
/*
 * A connection's timers: five deadlines, one entry in the wheel.
 *
 *   rto_ns   retransmission of data, SYN, FIN (RFC 6298 5); persist while the window is shut
 *            (RFC 9293 3.8.6.1); the sender's override of silly-window avoidance
 *   rack_ns  RACK's reordering timer, or the tail loss probe (RFC 8985)
 *   ack_ns   the delayed ACK (RFC 9293 3.8.6.3)
 *   idle_ns  keep-alive (RFC 9293 3.8.4), an orphan's FIN-WAIT-2, a held SYN
 *   rate->pace_ns  the next quantum of a paced connection that waits for it (pace.c)
 *
 * The wheel is not touched when a deadline moves later: it fires early and is set again. So an ACK
 * that restarts the RTO costs one store.
 */
#include "tcp/parts.h"

#define CORK_NS (200 * NS_PER_MS) /* what is held back for more goes after this */

static const uint32_t r1_timeouts = 3; /* RFC 9293 SHLD-10: the owner is told */

static uint64_t earliest(const struct tcp_conn *conn)
{
    uint64_t soon = min_u64(conn->rto_ns, conn->rack_ns);
    soon = min_u64(soon, conn_pace_ns(conn));
    return min_u64(soon, min_u64(conn->ack_ns, conn->idle_ns));
}

void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t deadline = earliest(conn);
    if (deadline == BERTH_NEVER || conn->state == BERTH_TCP_CLOSED) {
        return;
    }
    if (!timer_is_set(&conn->timer) || conn->timer.deadline_ns > deadline) {
        timer_set(tcp->timers, &conn->timer, deadline);
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
    if (conn->snd_una != conn->snd_nxt) {
        conn_clear(conn, CONN_PERSIST);
        conn->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
        tcp_rack_arm_probe(tcp, conn);
    } else if (is_window_shut(conn)) {
        conn_set(conn, CONN_PERSIST);
        uint64_t wait_ns = is_cork_in_the_way(conn) ? CORK_NS : tcp_rto(tcp, conn);
        conn->rto_ns = add_sat_u64(tcp->now_ns, wait_ns);
    } else {
        conn_clear(conn, CONN_PERSIST);
        conn->rto_ns = BERTH_NEVER;
        tcp_rack_rest(conn);
    }
    tcp_timer_arm(tcp, conn);
}

void tcp_timer_idle(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_is_lingering(conn)) {
        return; /* since it was closed */
    }
    conn->idle_ns = BERTH_NEVER;
    if (conn->state == BERTH_TCP_LISTEN) {
        conn->idle_ns = add_sat_u64(tcp->now_ns, tcp->settings.held_ns);
    } else if (conn->state == BERTH_TCP_FIN_WAIT_2 && conn_has(conn, CONN_ORPHAN)) {
        if (conn->options->fin_wait2_ns != 0) {
            conn->idle_ns = add_sat_u64(tcp->now_ns, conn->options->fin_wait2_ns);
        }
    } else if (conn_is_synchronised(conn) && conn_has(conn, CONN_KEEPALIVE)) {
        uint64_t wait =
            conn->probes > 0 ? conn->options->keepalive_interval_ns : tcp_keepalive_idle_ns(conn);
        uint64_t from = conn->probes > 0 ? tcp->now_ns : conn->heard_ns;
        conn->idle_ns = add_sat_u64(from, wait);
    }
    tcp_timer_arm(tcp, conn);
}

/* Has the peer not answered for longer than the user timeout (RFC 9293 3.8.3, R2)? Not before it
 * was asked a second time. */
static bool is_given_up(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t limit = conn->options->user_timeout_ns;
    return limit != 0 && conn->unanswered > 0 && tcp->now_ns - conn->progress_ns >= limit;
}

/* After a timeout: the next one, but R2 is not slept over. */
static uint64_t next_timeout(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t next = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    uint64_t soonest = add_sat_u64(tcp->now_ns, conn->rto_ns_base);
    uint64_t r2 = add_sat_u64(conn->progress_ns, conn->options->user_timeout_ns);
    return conn->options->user_timeout_ns == 0 ? next : min_u64(next, max_u64(r2, soonest));
}

/* Why there is no answer: what ICMP has told meanwhile, if it has (RFC 1122 4.2.3.9). */
static int reason(const struct tcp_conn *conn)
{
    bool told = conn->soft_error != 0 && conn->soft_error_ns >= conn->progress_ns;
    return told ? conn->soft_error : BERTH_E_TIMED_OUT;
}

/* No answer, once more: at R1 the owner is told (RFC 9293 3.8.3 e). */
static void count_unanswered(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->unanswered = (uint8_t)min_u32(conn->unanswered + 1U, UINT8_MAX);
    if (conn->unanswered == r1_timeouts) {
        tcp_conn_soft_error(tcp, conn, reason(conn));
    }
}

static void on_syn_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->backoff >= conn->options->syn_retries) {
        tcp_conn_end(tcp, conn, reason(conn));
        return;
    }
    conn->backoff++;
    conn->timeouts++;
    count_unanswered(tcp, conn);
    conn_set(conn, CONN_SYN_NOW);
    conn->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
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
        conn->rto_ns = BERTH_NEVER;
        tcp_conn_ready(tcp, conn);
        return;
    }
    if (is_given_up(tcp, conn)) {
        tcp_conn_end(tcp, conn, reason(conn));
        return;
    }
    if (conn->unanswered == 0 && conn_window_is_in_the_way(conn)) {
        conn->progress_ns = tcp->now_ns; /* it is asked now: the user timeout counts from here */
    }
    count_unanswered(tcp, conn);
    conn->backoff = (uint8_t)min_u32(conn->backoff + 1U, 16); /* RFC 6298 (5.5) */
    if (conn_has(conn, CONN_PERSIST)) {
        on_persist(conn);
    } else {
        conn->timeouts++;
        tcp_pmtu_on_timeout(tcp, conn);
        tcp_recovery_timeout(tcp, conn);
    }
    conn->rto_ns = next_timeout(tcp, conn);
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
    if (conn->state == BERTH_TCP_FIN_WAIT_2 && conn_has(conn, CONN_ORPHAN)) {
        tcp_conn_end(tcp, conn, BERTH_E_TIMED_OUT);
        return;
    }
    bool heard = tcp->now_ns - conn->heard_ns < tcp_keepalive_idle_ns(conn);
    if (heard || conn_has_unsent(conn) || conn->snd_una != conn->snd_nxt) {
        conn->probes = 0; /* what is under way finds out by itself (RFC 9293 MUST-26) */
        conn->idle_ns =
            add_sat_u64(heard ? conn->heard_ns : tcp->now_ns, tcp_keepalive_idle_ns(conn));
        return;
    }
    if (conn->probes >= conn->options->keepalive_probes) {
        tcp_conn_end(tcp, conn, BERTH_E_TIMED_OUT);
        return;
    }
    conn->probes++;
    conn_set(conn, CONN_PROBE_NOW);
    tcp_timer_idle(tcp, conn);
    tcp_conn_ready(tcp, conn);
}

static void on_conn_timer(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->rate != NULL) {
        tcp_rate_check(tcp, conn);
        if (conn_pace_ns(conn) <= tcp->now_ns) {
            conn->rate->is_waiting = false;
            tcp_conn_ready(tcp, conn);
        }
    }
    if (conn->ack_ns <= tcp->now_ns) {
        conn->ack_ns = BERTH_NEVER;
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
    if (conn->rack_ns <= tcp->now_ns) {
        tcp_rack_timeout(tcp, conn);
    }
    if (conn->idle_ns <= tcp->now_ns) {
        uint32_t generation = conn->generation;
        on_idle(tcp, conn);
        if (conn->generation != generation || conn->state == BERTH_TCP_CLOSED) {
            return;
        }
    }
    if (conn->rto_ns <= tcp->now_ns) {
        uint32_t generation = conn->generation;
        on_retransmit(tcp, conn);
        if (conn->generation != generation || conn->state == BERTH_TCP_CLOSED) {
            return;
        }
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
        on_conn_timer(tcp, CONTAINER_OF(timer, struct tcp_conn, timer));
    }
}
