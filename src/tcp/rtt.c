/* SPDX-License-Identifier: MIT */
/*
 * Round-trip time and the retransmission timeout (RFC 6298), and the timestamp clock (RFC 7323).
 */
#include "tcp/parts.h"

#define MIN_RTT_LIFE_NS (300 * NS_PER_S) /* a path may have become longer for good */
#define RTT_MAX_NS      (60 * NS_PER_S)  /* fits RTT_UNIT_SHIFT's units */

/* To the nearest unit: rounded down, each sample would take a little. */
static uint32_t nearest(uint64_t ns)
{
    return (uint32_t)((ns + (1U << (RTT_UNIT_SHIFT - 1))) >> RTT_UNIT_SHIFT);
}

/* rto_min is the least margin, not the least timeout: a peer may delay its ACK, however short the
 * round trip is. */
static uint64_t base_of(const struct tcp *tcp, uint64_t srtt_ns, uint64_t rttvar_ns)
{
    uint64_t spread_ns = max_u64(4 * rttvar_ns, tcp->settings.rto_min_ns);
    return min_u64(srtt_ns + spread_ns, tcp->settings.rto_max_ns);
}

/* The timeout without backoff, from what was measured (RFC 6298 2). */
uint64_t tcp_rtt_base(const struct tcp *tcp, const struct tcp_conn *conn)
{
    if (!conn_has(conn, CONN_RTT_TAKEN)) {
        uint64_t initial_ns = tcp->settings.rto_initial_ns; /* (2.1); (5.7) */
        return conn->back->syn_lost ? max_u64(initial_ns, 3 * NS_PER_S) : initial_ns;
    }
    return base_of(tcp, conn_srtt_ns(conn), conn_rttvar_ns(conn));
}

void tcp_rtt_init(const struct tcp *tcp, struct tcp_conn *conn)
{
    conn->work->rto_ns_base = tcp_rtt_base(tcp, conn);
}

/* The least round trip of late: RACK's measure of reordering (RFC 8985 6.2 step 1). */
void tcp_rtt_min(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns)
{
    uint32_t now = tcp_coarse(tcp->now_ns);
    uint32_t rtt = (uint32_t)(min_u64(rtt_ns, RTT_MAX_NS) >> RTT_UNIT_SHIFT);
    bool old = now - conn->back->min_rtt_at > tcp_coarse(MIN_RTT_LIFE_NS);
    if (conn->back->min_rtt == 0 || rtt <= conn->back->min_rtt || old) {
        conn->back->min_rtt = rtt;
        conn->back->min_rtt_at = now;
    }
}

void tcp_rtt_sample(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns)
{
    rtt_ns = min_u64(rtt_ns, RTT_MAX_NS);
    uint64_t srtt_ns = rtt_ns; /* RFC 6298 (2.2) */
    uint64_t rttvar_ns = rtt_ns / 2;
    if (conn_has(conn, CONN_RTT_TAKEN)) {
        uint64_t old_ns = conn_srtt_ns(conn); /* RFC 6298 (2.3): alpha 1/8, beta 1/4 */
        uint64_t var_ns = conn_rttvar_ns(conn);
        uint64_t error_ns = old_ns > rtt_ns ? old_ns - rtt_ns : rtt_ns - old_ns;
        rttvar_ns = var_ns - var_ns / 4 + error_ns / 4;
        srtt_ns = old_ns - old_ns / 8 + rtt_ns / 8;
    }
    conn->back->srtt = max_u32(nearest(srtt_ns), 1);
    conn->back->rttvar = nearest(rttvar_ns);
    conn_set(conn, CONN_RTT_TAKEN);
    conn->work->rto_ns_base = base_of(tcp, srtt_ns, rttvar_ns);
    conn->work->tlp_no_rtt = false;
}

uint64_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t base_ns = conn_is_at_rest(conn) ? tcp_rtt_base(tcp, conn) : conn->work->rto_ns_base;
    uint32_t shift = min_u32(conn->work->backoff, 16); /* RFC 6298 (5.5) */
    return min_u64(base_ns << shift, tcp->settings.rto_max_ns);
}

/* Milliseconds, offset per connection so that it tells nobody how long we have been up (RFC 7323
 * 5.4, 7.1). */
uint32_t tcp_ts_now(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return tcp_ts_at(conn, tcp->now_ns);
}

/* The same at another time. */
uint32_t tcp_ts_at(const struct tcp_conn *conn, uint64_t at_ns)
{
    return (uint32_t)(at_ns / NS_PER_MS) + conn->ts_offset;
}
