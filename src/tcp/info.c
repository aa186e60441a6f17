/* SPDX-License-Identifier: MIT */
/*
 * What a connection's owner may ask.
 */
#include "tcp/parts.h"

#include <string.h>

const char *berth_tcp_state_name(enum berth_tcp_state state)
{
    static const char *const names[] = {"CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
                                        "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                        "CLOSING",     "LAST-ACK",   "TIME-WAIT"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

static void info_counters(const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    out->bytes_sent = conn->bytes_sent;
    out->bytes_acked = conn->bytes_acked;
    out->bytes_received = conn->bytes_received;
    out->bytes_retransmitted = conn->bytes_resent;
    out->bytes_delivered = conn->bytes_acked + conn->sacked_bytes;
    out->retransmissions = conn->retransmissions;
    out->timeouts = conn->timeouts;
    out->fast_recoveries = conn->fast_recoveries;
}

static void info_time(const struct tcp *tcp, const struct tcp_conn *conn,
                      struct berth_tcp_info *out)
{
    out->srtt_ns = conn->srtt_ns;
    out->rttvar_ns = conn->rttvar_ns;
    out->rto_ns = tcp_rto(tcp, conn);
    out->min_rtt_ns = conn->min_rtt_ns;
    out->receive_rtt_ns = tcp_tune_rtt_us(conn) * (uint64_t)NS_PER_US;
    bool quick = conn_has(conn, CONN_QUICK_ACK) || conn->quick_acks > 0;
    out->delayed_ack_ns = quick ? 0 : tcp->settings.delayed_ack_ns;
    out->user_timeout_ns = conn->options->user_timeout_ns;
    out->peer_timeout_ns = conn->options->told_ns;
    out->data_sent_ago_ns = tcp->now_ns - conn->sent_ns;
    out->ack_received_ago_ns = tcp->now_ns - conn->heard_ns;
}

static void info_receiving(const struct tcp *tcp, const struct tcp_conn *conn,
                           struct berth_tcp_info *out)
{
    out->rcv_wnd = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    out->mss_receive = conn->mss_own;
    out->mss_seen = conn->rcv_mss;
    out->receive_queue_bytes = conn->receive_bytes;
    out->reorder_queue_bytes = conn->reorder_bytes;
    out->receive_limit_bytes = tcp_receive_limit(tcp, conn);
    out->receive_space_bytes = conn->tune.space;
    out->urgent_bytes = tcp_urgent_left(conn);
    out->dscp_received = conn->dscp_received;
    out->marks_received = conn->ecn.marks_in;
    out->marks_told = conn->ecn.marks_told;
    out->rcv_wscale = conn->rcv_wscale;
}

static void info_sending(const struct tcp *tcp, const struct tcp_conn *conn,
                         struct berth_tcp_info *out)
{
    uint32_t una = conn->snd_una == conn->iss ? conn->iss + 1 : conn->snd_una;
    bool v4 = berth_address_is_v4(&conn->remote.address);
    uint32_t headers = v4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
    headers += WIRE_TCP_HEADER_BYTES + (conn_has(conn, CONN_TIMESTAMPS) ? 12U : 0U);
    out->cwnd_bytes = conn->cc.cwnd;
    out->ssthresh_bytes = conn->cc.ssthresh;
    out->flight_bytes = conn_pipe(conn);
    out->unacked_bytes = conn->snd_nxt - conn->snd_una;
    out->sacked_bytes = conn->sacked_bytes;
    out->lost_bytes = conn->lost_bytes;
    out->resent_bytes = conn->resent_bytes;
    out->unsent_bytes = conn_unsent_bytes(conn);
    out->snd_wnd = conn->snd_wnd;
    out->mss_send = conn->mss;
    out->path_mtu = conn->mss + headers;
    out->send_queue_bytes = seq_gt(conn->snd_end, una) ? conn->snd_end - una : 0;
    out->send_limit_bytes = tcp_send_limit(tcp, conn);
    out->dscp = conn->dscp;
    out->snd_wscale = conn->snd_wscale;
    out->backoff = conn->backoff;
    out->fast_recovery = conn_has(conn, CONN_RECOVERY);
    out->timeout_recovery = conn_has(conn, CONN_TIMEOUT);
    out->persist = conn_has(conn, CONN_PERSIST);
    out->pacing_bps = conn->cc.pacing_bps;
    if (conn->rate != NULL) {
        out->delivery_bps = 8 * conn->rate->told;
        out->app_limited = conn->rate->is_limited;
    }
}

void tcp_info(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    *out = (struct berth_tcp_info){.state = (enum berth_tcp_state)conn->state,
                                   .local = conn->local,
                                   .remote = conn->remote,
                                   .error = conn->error,
                                   .ecn = (enum berth_tcp_ecn_mode)conn->ecn.mode,
                                   .timestamps = conn_has(conn, CONN_TIMESTAMPS),
                                   .sack = conn_has(conn, CONN_SACK),
                                   .window_scale = conn_has(conn, CONN_WSCALE)};
    out->probes = conn_is_synchronised(conn) ? conn->probes : 0;
    info_time(tcp, conn, out);
    info_sending(tcp, conn, out);
    info_receiving(tcp, conn, out);
    info_counters(conn, out);
    tcp_count_tell(tcp, conn, out);
    strncpy(out->congestion_control, conn->cc.table->name, sizeof out->congestion_control - 1);
}
