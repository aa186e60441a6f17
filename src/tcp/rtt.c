/* SPDX-License-Identifier: MIT */
/*
 * Round-trip time and the retransmission timeout (RFC 6298), and the timestamp clock (RFC 7323).
 */
#include "tcp/parts.h"

#define MIN_RTT_LIFE_NS (300 * NS_PER_S) /* a path may have become longer for good */

void tcp_rtt_init(const struct tcp *tcp, struct tcp_conn *conn)
{
    conn->rto_ns_base = tcp->settings.rto_initial_ns; /* RFC 6298 (2.1) */
}

/* The least round trip of late: RACK's measure of reordering (RFC 8985 6.2 step 1). */
void tcp_rtt_min(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns)
{
    uint32_t now = tcp_coarse(tcp->now_ns);
    bool old = now - conn->min_rtt_at > tcp_coarse(MIN_RTT_LIFE_NS);
    if (conn->min_rtt_ns == 0 || rtt_ns <= conn->min_rtt_ns || old) {
        conn->min_rtt_ns = max_u64(rtt_ns, 1);
        conn->min_rtt_at = now;
    }
}

void tcp_rtt_sample(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns)
{
    if (!conn_has(conn, CONN_RTT_TAKEN)) {
        conn->srtt_ns = rtt_ns; /* RFC 6298 (2.2) */
        conn->rttvar_ns = rtt_ns / 2;
        conn_set(conn, CONN_RTT_TAKEN);
    } else {
        uint64_t srtt = conn->srtt_ns; /* RFC 6298 (2.3): alpha 1/8, beta 1/4 */
        uint64_t error = srtt > rtt_ns ? srtt - rtt_ns : rtt_ns - srtt;
        conn->rttvar_ns = conn->rttvar_ns - conn->rttvar_ns / 4 + error / 4;
        conn->srtt_ns = srtt - srtt / 8 + rtt_ns / 8;
    }
    /* rto_min is the least margin, not the least timeout: a peer may delay its ACK, however short
       the round trip is. */
    uint64_t spread = max_u64(4 * conn->rttvar_ns, tcp->settings.rto_min_ns);
    conn->rto_ns_base = min_u64(conn->srtt_ns + spread, tcp->settings.rto_max_ns);
    conn->tlp_no_rtt = false;
}

uint64_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t shift = min_u32(conn->backoff, 16); /* RFC 6298 (5.5) */
    return min_u64(conn->rto_ns_base << shift, tcp->settings.rto_max_ns);
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
