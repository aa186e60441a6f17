/* SPDX-License-Identifier: MIT */
/*
 * What a connection counts about itself, for berth_tcp_info alone: nothing is decided by it.
 * A super-segment counts as the segments that it stands for.
 */
#include "tcp/parts.h"

static uint32_t ticks(uint64_t ns)
{
    return (uint32_t)(ns >> TCP_TICK_SHIFT); /* differences count */
}

void tcp_count_in(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    uint32_t segments = wire_pieces(packet);
    conn->counts.segments_in += segments;
    if (packet->payload_bytes > 0) {
        conn->counts.data_in += segments;
        conn->counts.data_tick = ticks(tcp->now_ns);
    }
}

void tcp_count_out(struct tcp_conn *conn, const struct wire_packet *packet)
{
    uint32_t segments = wire_pieces(packet);
    conn->back->totals.segments_out += segments;
    conn->back->totals.data_out += packet->payload_bytes > 0 ? segments : 0;
}

/* What holds the sender up now. */
static enum tcp_busy busy_with(const struct tcp_conn *conn)
{
    uint32_t out = conn->snd_nxt - conn->snd_una;
    uint32_t unsent = conn_unsent_bytes(conn);
    uint32_t window = conn->snd_wnd > out ? conn->snd_wnd - out : 0;
    if (out == 0 && unsent == 0) {
        return TCP_IDLE;
    }
    if (unsent > 0) {
        return window < min_u32(unsent, conn->mss) ? TCP_BUSY_WINDOW : TCP_BUSY;
    }
    return conn_has(conn, CONN_WANT_WRITE) ? TCP_BUSY_QUEUE : TCP_BUSY;
}

/* What was under way is over, or the connection is. */
void tcp_count_stop(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = conn->work;
    if (work->busy != TCP_IDLE) {
        conn->back->spent[work->busy - 1] += ticks(tcp->now_ns) - work->busy_tick;
        work->busy = TCP_IDLE;
    }
}

void tcp_count_change(const struct tcp *tcp, struct tcp_conn *conn)
{
    enum tcp_busy now = busy_with(conn);
    if (now != (enum tcp_busy)conn->work->busy) {
        tcp_count_stop(tcp, conn);
        conn->work->busy_tick = ticks(tcp->now_ns);
        conn->work->busy = (uint8_t)now;
    }
}

static uint64_t spent_ns(const struct tcp *tcp, const struct tcp_conn *conn, enum tcp_busy what)
{
    bool now = what == (enum tcp_busy)conn->work->busy;
    uint32_t under_way = now ? ticks(tcp->now_ns) - conn->work->busy_tick : 0;
    return (uint64_t)(conn->back->spent[what - 1] + under_way) << TCP_TICK_SHIFT;
}

void tcp_count_tell(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    const struct tcp_counts *counts = &conn->counts;
    out->segments_sent = conn->back->totals.segments_out;
    out->segments_received = counts->segments_in;
    out->data_segments_sent = conn->back->totals.data_out;
    out->data_segments_received = counts->data_in;
    out->duplicates_reported = conn->back->ledger->dsacks;
    out->reorderings = conn->back->ledger->reorderings;
    out->window_limited_ns = spent_ns(tcp, conn, TCP_BUSY_WINDOW);
    out->queue_limited_ns = spent_ns(tcp, conn, TCP_BUSY_QUEUE);
    out->busy_ns = spent_ns(tcp, conn, TCP_BUSY) + out->window_limited_ns + out->queue_limited_ns;
    if (counts->data_in > 0) {
        uint32_t age = ticks(tcp->now_ns) - counts->data_tick;
        out->data_received_ago_ns = (uint64_t)age << TCP_TICK_SHIFT;
    }
}
