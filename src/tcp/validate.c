/* SPDX-License-Identifier: MIT */
/*
 * Congestion window validation (RFC 7661): a window that was reached is kept while the writer does
 * not fill it, up to settings.idle_window_ns, instead of restarting after an RTO (RFC 5681 4.1).
 * Only of a connection that is paced: what it kept may leave at once, and the pace spreads it over
 * a round trip (4.4.2). Not of a controller that measures what the path carries (BBR).
 *
 *   RFC 7661            here
 *   pipeACK             pipe_ack: the most that was acknowledged in a round trip, of the last half
 *                       to whole sampling period; has_pipe: it is defined
 *   non-validated       since_ns != 0
 *   NVP                 settings.idle_window_ns
 *   R                   what the recovery has sent again; what went twice counts twice
 *
 *   phase          event                              next           by
 *   validated      pipeACK < cwnd / 2                 non-validated  look
 *   non-validated  pipeACK >= cwnd / 2                validated      look
 *   non-validated  loss, mark                         validated      tcp_validate_reduced
 *   non-validated  RTO                                validated      tcp_validate_forget
 *   non-validated  NVP over: cwnd is halved           non-validated  shrink
 *
 * That a window which is not filled does not grow (4.4) is each controller's: cc_ack.limited.
 */
#include "tcp/parts.h"

#define SAMPLING_NS_MIN NS_PER_S /* 4.2: max(3 RTT, 1 s) */

static bool is_kept(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return conn->work->rate != NULL && conn->work->cc.table->on_sample == NULL &&
           tcp->settings.idle_window_ns > 0;
}

static uint64_t sampling_ns(const struct tcp_conn *conn)
{
    return max_u64(3 * conn_srtt_ns(conn), SAMPLING_NS_MIN);
}

/* Half a sampling period is over, or more: what was measured before the last is forgotten. */
static void turn_period(const struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_validation *kept = &conn->work->rate->validation;
    uint64_t half_ns = sampling_ns(conn) / 2;
    uint64_t age_ns = tcp->now_ns - kept->period_ns;
    if (age_ns < half_ns) {
        return;
    }
    kept->pipe_before = age_ns < 2 * half_ns ? kept->pipe_now : 0;
    kept->pipe_now = 0;
    kept->period_ns = tcp->now_ns - age_ns % half_ns;
}

/* The sample under way is over, with BYTES: it counts for the half period in which it began. */
static void take_sample(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t bytes)
{
    struct tcp_validation *kept = &conn->work->rate->validation;
    turn_period(tcp, conn);
    if (kept->sample_ns >= kept->period_ns) {
        kept->pipe_now = max_u32(kept->pipe_now, bytes);
    } else if (kept->period_ns - kept->sample_ns <= sampling_ns(conn) / 2) {
        kept->pipe_before = max_u32(kept->pipe_before, bytes);
    }
    kept->has_pipe = true;
    kept->sample_ns = 0;
}

/* The sample under way counts with what it has by now. */
static uint32_t pipe_ack(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct tcp_validation *kept = &conn->work->rate->validation;
    bool is_recent = kept->sample_ns != 0 && tcp->now_ns - kept->sample_ns < sampling_ns(conn);
    turn_period(tcp, conn);
    return max_u32(max_u32(kept->pipe_now, kept->pipe_before),
                   is_recent ? conn->snd_una - kept->sample_una : 0);
}

/* 4.3. A phase that begins now is found out late where nothing was acknowledged: it began when what
 * was sent last had left the sampling period. */
static void look(const struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_validation *kept = &conn->work->rate->validation;
    bool is_sampled = kept->sample_ns != 0 && tcp->now_ns - kept->sample_ns >= conn_srtt_ns(conn);
    kept->has_pipe = kept->has_pipe || is_sampled;
    if (!kept->has_pipe || pipe_ack(tcp, conn) >= conn->work->cc.cwnd / 2) {
        kept->since_ns = 0;
    } else if (kept->since_ns == 0) {
        uint64_t gone_ns = add_sat_u64(conn->work->sent_ns, sampling_ns(conn));
        kept->since_ns = max_u64(min_u64(gone_ns, tcp->now_ns), 1);
    }
}

/* 4.4.3, for as many NVP as have passed. The controller begins anew from the window. */
static void shrink(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_validation *kept = &conn->work->rate->validation;
    struct cc *cc = &conn->work->cc;
    uint64_t over =
        kept->since_ns == 0 ? 0 : (tcp->now_ns - kept->since_ns) / tcp->settings.idle_window_ns;
    uint32_t window = over < 32 ? cc->cwnd >> over : 0;
    if (over == 0) {
        return;
    }
    cc->table->on_idle(cc, tcp->now_ns); /* ssthresh, and cwnd = min(cwnd, IW) */
    cc->cwnd = max_u32(cc->cwnd, window);
    kept->since_ns += over * tcp->settings.idle_window_ns;
    tcp_pace_set(conn);
}

/* 4.2: a sample is what was acknowledged in a round trip, the ACK that comes later not counted. */
void tcp_validate_acked(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    if (!is_kept(tcp, conn)) {
        return;
    }
    struct tcp_validation *kept = &conn->work->rate->validation;
    uint32_t before = conn->snd_una - bytes;
    if (kept->sample_ns != 0 && tcp->now_ns - kept->sample_ns >= conn_srtt_ns(conn)) {
        take_sample(tcp, conn, before - kept->sample_una);
    }
    if (kept->sample_ns == 0) {
        kept->sample_ns = max_u64(tcp->now_ns, 1);
        kept->sample_una = before;
    }
    look(tcp, conn);
    shrink(tcp, conn);
}

bool tcp_validate_idle(const struct tcp *tcp, struct tcp_conn *conn)
{
    if (!is_kept(tcp, conn)) {
        return false;
    }
    if (tcp->now_ns - conn->work->sent_ns >= sampling_ns(conn)) {
        conn->work->rate->validation.has_pipe = true; /* nothing was in use: that is known */
    }
    look(tcp, conn);
    shrink(tcp, conn);
    return true;
}

uint32_t tcp_validate_flight(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t flight)
{
    if (!is_kept(tcp, conn)) {
        return flight;
    }
    struct tcp_validation *kept = &conn->work->rate->validation;
    look(tcp, conn);
    kept->used = kept->since_ns == 0 ? 0 : max_u32(pipe_ack(tcp, conn), flight);
    kept->resent_before = (uint32_t)conn->back->ledger->bytes_resent;
    return max_u32(flight, kept->used);
}

/* 4.4.1: whatever part of it the controller takes, no more than half of what was used is left. */
void tcp_validate_reduced(const struct tcp *tcp, const struct tcp_conn *conn)
{
    if (!is_kept(tcp, conn) || conn->work->rate->validation.used == 0) {
        return;
    }
    struct cc *cc = &conn->work->cc;
    uint32_t half = max_u32(conn->work->rate->validation.used / 2, conn->mss);
    cc->ssthresh = min_u32(cc->ssthresh, half);
    cc->cwnd = min_u32(cc->cwnd, max_u32(half, conn_pipe(conn)));
    conn->work->rate->validation.since_ns = 0;
}

/* 4.4.1, and 4.2: pipeACK is measured anew. */
void tcp_validate_recovered(const struct tcp *tcp, const struct tcp_conn *conn)
{
    if (!is_kept(tcp, conn)) {
        return;
    }
    struct tcp_validation *kept = &conn->work->rate->validation;
    struct cc *cc = &conn->work->cc;
    if (kept->used != 0) {
        uint32_t resent = (uint32_t)conn->back->ledger->bytes_resent - kept->resent_before;
        uint32_t left = kept->used > resent ? (kept->used - resent) / 2 : 0;
        cc->cwnd = min_u32(cc->cwnd, max_u32(left, conn->mss));
        cc->ssthresh = cc->cwnd;
    }
    tcp_validate_forget(conn);
}

void tcp_validate_forget(const struct tcp_conn *conn)
{
    if (conn->work->rate != NULL) {
        conn->work->rate->validation = (struct tcp_validation){0};
    }
}
