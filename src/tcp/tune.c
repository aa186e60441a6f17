/* SPDX-License-Identifier: MIT */
/*
 * How far the queues are let grow: each to what the path has shown that it can use, from an initial
 * to a greatest size. What the pool has left for one connection bounds both besides
 * (tcp_receive_window, tcp_reserve): when memory runs short windows get smaller as data comes in,
 * and the right edge never goes back.
 *
 * The receive queue (dynamic right-sizing, Fisk and Feng): what the reader takes within a round
 * trip is what the path delivers. Twice that is offered, so that a lost segment's round trip does
 * not stop the sender, and up to four times while it grows, since a sender in slow start sends
 * twice as much in the round trip that the offer reaches it in. A reader that takes nothing never
 * makes it grow.
 *
 * The round trip as a receiver sees it: from timestamps that come back with data; where the peer
 * sends none, what our own data or SYN has measured; else the time that it takes to fill a window.
 *
 * Where all that flows shares a cache (settings.receive_bytes_shared) each queue has a part of it.
 *
 * The send queue: twice the congestion window, what is in flight and as much to follow.
 */
#include "tcp/parts.h"

#define ROUND_US_MIN 1000U /* the grain of the timestamp clock */

#define SHARE_COUNT_US 64000U /* connections are counted for so long; longer round trips as such */

static const uint32_t spare_segments = 16; /* that the offer exceeds the estimate by */

static uint32_t now_us(const struct tcp *tcp)
{
    return (uint32_t)(tcp->now_ns / NS_PER_US); /* differences count */
}

/* A data segment is echoing one of our timestamps. What comes later than a round trip, because the
 * sender had nothing to send, counts little, and not for long. */
static void take_echo(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment)
{
    uint32_t elapsed_ms = tcp_ts_now(tcp, conn) - segment->tsecr;
    if (segment->tsecr == 0 || elapsed_ms > UINT32_MAX / 1000U) {
        return;
    }
    uint32_t sample_us = max_u32(elapsed_ms * 1000U, ROUND_US_MIN);
    uint32_t old_us = conn->back->tune.rtt_us;
    bool lower = old_us == 0 || sample_us < old_us;
    conn->back->tune.rtt_us = lower ? sample_us : old_us + (sample_us - old_us) / 8;
}

/* Without timestamps: the window offered when the measurement began has been filled. */
static void take_turnover(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_tune *tune = &conn->back->tune;
    if (conn->turnover_us != 0) {
        if (seq_lt(conn->rcv_nxt, conn->turnover_seq)) {
            return;
        }
        uint32_t sample_us = max_u32(now_us(tcp) - conn->turnover_us, ROUND_US_MIN);
        tune->rtt_us = tune->rtt_us == 0 ? sample_us : min_u32(tune->rtt_us, sample_us);
    }
    conn->turnover_us = max_u32(now_us(tcp), 1);
    conn->turnover_seq = conn->rcv_adv;
}

/* PACKET brought payload in order. */
void tcp_tune_arrived(const struct tcp *tcp, struct tcp_conn *conn,
                      const struct wire_packet *packet)
{
    if (conn_has(conn, CONN_TIMESTAMPS)) {
        if (packet->payload_bytes >= conn->rcv_mss &&
            (packet->tcp.options & WIRE_OPTION_TIMESTAMPS) != 0) {
            take_echo(tcp, conn, &packet->tcp);
        }
    } else if (!conn_has(conn, CONN_RTT_TAKEN)) {
        take_turnover(tcp, conn);
    }
}

/* 0: not known. */
uint32_t tcp_tune_rtt_us(const struct tcp_conn *conn)
{
    if (conn->back->tune.rtt_us != 0 || !conn_has(conn, CONN_RTT_TAKEN)) {
        return conn->back->tune.rtt_us;
    }
    uint64_t srtt_us = min_u64(conn_srtt_ns(conn) / NS_PER_US, UINT32_MAX);
    return max_u32((uint32_t)srtt_us, ROUND_US_MIN);
}

static void grow(struct tcp_conn *conn, uint32_t taken)
{
    uint64_t twice = 2 * (uint64_t)taken;
    uint64_t growth = 4 * (uint64_t)(taken - conn->back->tune.space);
    uint64_t want = twice + min_u64(twice, growth) + spare_segments * conn->mss_own;
    uint32_t most = conn->back->options->receive_bytes;
    conn->back->tune.receive_bytes =
        max_u32(conn->back->tune.receive_bytes, (uint32_t)min_u64(want, most));
}

/* A round trip has ended in which the reader took TAKEN: what many share is divided by how many
 * there were on average since it was divided last. */
static void share_out(struct tcp *tcp, uint32_t taken, uint32_t rtt_us)
{
    struct tcp_share *share = &tcp->share;
    uint32_t least = tcp->settings.receive_bytes_initial;
    uint64_t since_us = (tcp->now_ns - share->began_ns) / NS_PER_US;

    if (tcp->settings.receive_bytes_shared == 0) {
        return;
    }
    if (taken >= least / 2) {
        share->busy_us += min_u32(rtt_us, SHARE_COUNT_US);
    }
    if (since_us >= SHARE_COUNT_US) {
        uint64_t many = max_u64((share->busy_us + since_us / 2) / since_us, 1);
        uint64_t part = tcp->settings.receive_bytes_shared / many;
        share->bytes = max_u32(least, (uint32_t)part);
        share->began_ns = tcp->now_ns;
        share->busy_us = 0;
    }
}

/* The reader has taken more. As long as the round trip is not known the first round goes on. */
void tcp_tune_taken(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_tune *tune = &conn->back->tune;
    uint32_t total = conn->rcv_nxt - conn->receive_bytes;
    uint32_t taken = total - tune->round_total;
    if (taken > tune->space) {
        grow(conn, taken);
    }
    uint32_t rtt_us = tcp_tune_rtt_us(conn);
    uint32_t now = now_us(tcp);
    if (rtt_us != 0 && now - tune->round_us >= rtt_us) {
        tune->space = max_u32(tune->space, taken);
        tune->round_total = total;
        share_out(tcp, taken, min_u32(now - tune->round_us, 2 * rtt_us));
        tune->round_us = now;
    }
}

/* The congestion window may have grown. */
void tcp_tune_sent(struct tcp_conn *conn)
{
    uint64_t want = 2 * (uint64_t)conn->work->cc.cwnd;
    uint32_t most = conn->back->options->send_bytes;
    conn->back->tune.send_bytes =
        max_u32(conn->back->tune.send_bytes, (uint32_t)min_u64(want, most));
}

uint32_t tcp_send_limit(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t most = conn->back->options->send_bytes;
    uint32_t tuned = max_u32(conn->back->tune.send_bytes, tcp->settings.send_bytes_initial);
    return conn->back->options->send_fixed ? most : min_u32(most, tuned);
}
