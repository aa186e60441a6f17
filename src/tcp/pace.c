/* SPDX-License-Identifier: MIT */
/*
 * Which controller a connection has, and its pace: what may leave when (draft-ietf-ccwg-bbr 5.6.2,
 * 5.6.3). A paced connection gives its link a quantum at once, a millisecond's worth, and then
 * nothing until the pace has paid for it.
 *
 * 1. A connection that is not paced and whose controller measures nothing has no rate, and pays
 *    nothing for those that have.
 * 2. What may leave later is never forgotten: while is_waiting, pace_ns is one of the connection's
 *    deadlines (timer.c).
 */
#include "tcp/parts.h"

/* Timers may be so late (base/timers.h): what they cost is made up for, no more. */
#define LATE_NS_MAX ((uint64_t)2 << TIMERS_TICK_SHIFT)

static bool wants_rate(const struct tcp *tcp, const struct cc_table *table)
{
    return tcp->settings.pacing || table->on_sample != NULL;
}

/* Gives CONN a rate if TABLE's controller is to have one. The table that it gets: where there is no
 * record left, that of a controller that does without. */
static const struct cc_table *take_rate(struct tcp *tcp, struct tcp_conn *conn,
                                        const struct cc_table *table)
{
    if (!wants_rate(tcp, table)) {
        tcp_pace_end(tcp, conn);
        return table;
    }
    if (conn->work->rate == NULL) {
        conn->work->rate = pool_take(&tcp->rates);
        if (conn->work->rate == NULL) {
            return table->on_sample != NULL ? cc_at(0) : table;
        }
    }
    *conn->work->rate = (struct tcp_rate){
        .now_ns = tcp->now_ns, .delivered_ns = tcp->now_ns, .first_sent_ns = tcp->now_ns};
    return table;
}

/* Pieces that left under another controller have no marks: as if they had left just now. */
static void mark_all(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tree_node *node = tree_first(&conn->work->sent);
    for (; node != NULL; node = tree_next(&conn->work->sent, node)) {
        struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, node);
        sent->app_limited = true;
        sent->mark = (struct tcp_rate_mark){
            .in_flight = conn_pipe(conn),
            .ack_elapsed = (uint32_t)((tcp->now_ns - sent->sent_ns) >> RATE_UNIT_SHIFT)};
    }
}

void tcp_control(struct tcp *tcp, struct tcp_conn *conn, const struct cc_table *table,
                 uint32_t window)
{
    table = take_rate(tcp, conn, table);
    struct cc_start start = {.now_ns = tcp->now_ns,
                             .srtt_ns = conn_srtt_ns(conn),
                             .state = conn->work->rate != NULL ? conn->work->rate->state : NULL,
                             .seed = conn->back->iss ^ conn->hash};
    if (window > 0) {
        cc_init(&conn->work->cc, table, conn->mss, window, &start);
    } else {
        cc_switch(&conn->work->cc, table, &start);
    }
    if (conn->work->rate != NULL) {
        mark_all(tcp, conn);
        tcp_pace_set(conn);
    }
}

void tcp_pace_end(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->work->rate != NULL) {
        pool_give(&tcp->rates, conn->work->rate);
        conn->work->rate = NULL;
        conn->work->cc.pacing_bps = 0;
    }
}

/* Controllers that do not pace by themselves: the window in a round trip, and room to grow. */
void tcp_pace_set(struct tcp_conn *conn)
{
    struct cc *cc = &conn->work->cc;
    if (conn->work->rate == NULL || cc->table->on_sample != NULL || conn->back->srtt == 0) {
        return;
    }
    uint64_t window = max_u32(cc->cwnd, conn_pipe(conn)); /* at most 2^30 bytes: no overflow */
    uint64_t percent = cc->cwnd < cc->ssthresh / 2 ? 200 : 120;
    uint64_t srtt_us = max_u64(conn_srtt_ns(conn) / NS_PER_US, 1);
    cc->pacing_bps = max_u64(window * 8 * percent * 10000 / srtt_us, 1);
}

/* May CONN's data leave now? If not, it is ready again when its time has come. */
bool tcp_pace_is_due(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_rate *rate = conn->work->rate;
    if (rate == NULL || conn->work->cc.pacing_bps == 0) {
        return true;
    }
    if (rate->pace_ns <= tcp->now_ns) {
        rate->burst = cc_send_quantum(&conn->work->cc);
        rate->is_waiting = false;
    }
    return rate->burst > 0;
}

/* BYTES of CONN's leave now: the pace pays for them. */
void tcp_pace_sent(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    struct tcp_rate *rate = conn->work->rate;
    if (rate == NULL || conn->work->cc.pacing_bps == 0) {
        return;
    }
    uint64_t cost_ns = (uint64_t)bytes * 8 * NS_PER_S / conn->work->cc.pacing_bps;
    uint64_t earliest_ns = tcp->now_ns - min_u64(tcp->now_ns, LATE_NS_MAX);
    rate->pace_ns = max_u64(rate->pace_ns, earliest_ns) + min_u64(cost_ns, NS_PER_S);
    rate->burst -= min_u32(rate->burst, bytes);
}
