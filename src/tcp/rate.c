/* SPDX-License-Identifier: MIT */
/*
 * Delivery-rate samples (draft-ietf-ccwg-bbr 4.1): how fast did data arrive of late? Each piece
 * remembers, when it leaves, how much had arrived by then; when it arrives, what arrived since is
 * divided by the longer of the two times that its flight took, to leave and to be acknowledged.
 * Only for connections whose controller measures; it is told with each ACK, and of each loss.
 *
 * 1. rate->delivered never goes back: SACKed bytes count once, when they are SACKed.
 * 2. Of the pieces that one ACK tells of the one that was sent last makes the sample.
 */
#include "tcp/parts.h"

static bool measures(const struct tcp_conn *conn)
{
    return conn->work->rate != NULL && conn->work->cc.table->on_sample != NULL;
}

static uint32_t units(uint64_t ns)
{
    return (uint32_t)min_u64(ns >> RATE_UNIT_SHIFT, UINT32_MAX);
}

/* All that is in flight now, and what leaves before it has arrived, was perhaps held up by the
 * writer. */
static void mark_limited(struct tcp_conn *conn)
{
    conn->work->rate->limited_until = conn->work->rate->delivered + conn_pipe(conn);
    conn->work->rate->is_limited = true;
}

/* draft 4.1.2.4: cwnd and pace would let more leave, and there is no more. */
void tcp_rate_check(const struct tcp *tcp, struct tcp_conn *conn)
{
    if (!measures(conn)) {
        return;
    }
    conn->work->rate->now_ns = tcp->now_ns;
    if (!conn_has_unsent(conn) && conn->work->lost_bytes == 0 &&
        conn_pipe(conn) < conn->work->cc.cwnd) {
        mark_limited(conn);
    }
}

/* draft 4.1.2.2. */
void tcp_rate_sent(const struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                   uint32_t before)
{
    struct tcp_rate *rate = conn->work->rate;
    if (!measures(conn)) {
        return;
    }
    if (before == 0) {
        rate->first_sent_ns = tcp->now_ns;
        rate->delivered_ns = tcp->now_ns;
    }
    sent->mark =
        (struct tcp_rate_mark){.delivered = rate->delivered,
                               .lost = rate->lost,
                               .in_flight = before + sent_bytes(sent) - sent_lost_bytes(sent),
                               .send_elapsed = units(tcp->now_ns - rate->first_sent_ns),
                               .ack_elapsed = units(tcp->now_ns - rate->delivered_ns)};
    sent->app_limited = rate->is_limited;
    rate->cwnd_limited =
        rate->cwnd_limited || sent->mark.in_flight + conn->mss > conn->work->cc.cwnd;
}

/* draft 4.1.2.3, UpdateRateSample. */
void tcp_rate_delivered(const struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent)
{
    struct tcp_rate *rate = conn->work->rate;
    if (!measures(conn)) {
        return;
    }
    bool newer = !rate->has_newest || sent->sent_ns > rate->newest_sent_ns ||
                 (sent->sent_ns == rate->newest_sent_ns && seq_gt(sent->end, rate->newest_end));
    if (newer) {
        bool once = (sent->flags & SENT_EVER_RESENT) == 0;
        rate->has_newest = true;
        rate->newest = sent->mark;
        rate->newest_sent_ns = sent->sent_ns;
        rate->newest_end = sent->end;
        rate->newest_limited = sent->app_limited;
        rate->newest_rtt_ns = once ? max_u64(tcp->now_ns - sent->sent_ns, 1) : 0;
    }
}

void tcp_rate_lost(struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t bytes)
{
    struct tcp_rate *rate = conn->work->rate;
    if (!measures(conn)) {
        return;
    }
    rate->lost += bytes;
    rate->newly_lost += bytes;
    struct cc_lost lost = {.now_ns = rate->now_ns,
                           .seq = sent->seq,
                           .bytes = bytes,
                           .lost = rate->lost - sent->mark.lost,
                           .tx_in_flight = sent->mark.in_flight,
                           .total = rate->delivered,
                           .app_limited = sent->app_limited,
                           .has_sack = conn_has(conn, CONN_SACK)};
    conn->work->cc.table->on_lost(&conn->work->cc, &lost);
}

/* draft 4.1.2.3, GenerateRateSample: what the newest piece says. */
static void fill_newest(struct tcp_conn *conn, struct cc_sample *sample)
{
    struct tcp_rate *rate = conn->work->rate;
    uint64_t since_sent_ns = rate->now_ns - rate->newest_sent_ns;
    uint64_t send_ns = (uint64_t)rate->newest.send_elapsed << RATE_UNIT_SHIFT;
    uint64_t ack_ns = ((uint64_t)rate->newest.ack_elapsed << RATE_UNIT_SHIFT) + since_sent_ns;
    uint64_t interval_ns = max_u64(send_ns, ack_ns);
    sample->has_prior = true;
    sample->rtt_ns = rate->newest_rtt_ns;
    sample->prior = rate->newest.delivered;
    sample->delivered = rate->delivered - rate->newest.delivered;
    sample->lost = rate->lost - rate->newest.lost;
    sample->tx_in_flight = rate->newest.in_flight;
    sample->app_limited = rate->newest_limited;
    if (interval_ns > 0 && interval_ns >= conn_min_rtt_ns(conn)) {
        sample->rate = (uint64_t)sample->delivered * NS_PER_S / interval_ns;
        bool tells = !sample->app_limited || sample->rate > rate->told;
        rate->told = tells ? sample->rate : rate->told;
    }
}

/* The ACK has been taken in, losses are marked. */
void tcp_rate_sample(struct tcp_conn *conn, const struct tcp_acked *acked)
{
    struct tcp_rate *rate = conn->work->rate;
    struct cc_sample sample = {.now_ns = rate->now_ns,
                               .newly = acked->delivered,
                               .newly_lost = rate->newly_lost,
                               .in_flight = conn_pipe(conn),
                               .cwnd_limited = rate->cwnd_limited,
                               .recovering = conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT),
                               .has_sack = conn_has(conn, CONN_SACK)};
    if (acked->delivered > 0) {
        rate->delivered += acked->delivered;
        rate->delivered_ns = rate->now_ns;
    }
    if (rate->is_limited && (int32_t)(rate->delivered - rate->limited_until) > 0) {
        rate->is_limited = false;
    }
    sample.total = rate->delivered;
    if (rate->has_newest) {
        fill_newest(conn, &sample);
        rate->first_sent_ns = rate->newest_sent_ns;
    }
    rate->has_newest = false;
    rate->cwnd_limited = false;
    rate->newly_lost = 0;
    conn->work->cc.table->on_sample(&conn->work->cc, &sample);
    if (sample.mark_limited) {
        mark_limited(conn);
    }
}
