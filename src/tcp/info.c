/* SPDX-License-Identifier: MIT */
/*
 * What a connection's owner may ask.
 */
#include "base/address.h"
#include "tcp/parts.h"

#include <string.h>

const char *berth_tcp_state_name(enum berth_tcp_state state)
{
    static const char *const names[] = {"CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
                                        "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                        "CLOSING",     "LAST-ACK",   "TIME-WAIT"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

/* Sequence numbers that have been round, and how often, make up what was counted. */
static uint64_t acked_bytes(const struct tcp_conn *conn)
{
    uint64_t high = (uint64_t)conn->back->acked_high << 32;
    if (conn_is_syn_unacked(conn)) {
        return 0;
    }
    bool fin = conn_has(conn, CONN_FIN_QUEUED) && conn->snd_una == conn->snd_end + 1;
    return (high | conn->snd_una) - (uint32_t)(conn->back->iss + 1) - (fin ? 1 : 0);
}

static uint32_t unacked_bytes(const struct tcp_conn *conn)
{
    uint32_t una = conn_queue_seq(conn);
    bool fin = conn_fin_is_sent(conn) && una != conn->snd_nxt;
    return seq_gt(conn->snd_nxt, una) ? conn->snd_nxt - una - (fin ? 1 : 0) : 0;
}

static uint64_t received_bytes(const struct tcp_conn *conn)
{
    uint64_t end = (uint64_t)conn->back->received_high << 32 | conn->rcv_nxt;
    bool begun = conn->back->irs != conn->rcv_nxt || conn->back->received_high != 0;
    bool fin = conn_has(conn, CONN_FIN_RECEIVED);
    return begun ? end - (uint32_t)(conn->back->irs + 1) - (fin ? 1 : 0) : 0;
}

static void info_counters(const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    out->bytes_acked = acked_bytes(conn);
    out->bytes_sent = out->bytes_acked + unacked_bytes(conn);
    out->bytes_received = received_bytes(conn);
    out->bytes_retransmitted = conn->back->ledger->bytes_resent;
    out->bytes_delivered = out->bytes_acked + conn->work->sacked_bytes;
    out->retransmissions = conn->back->ledger->retransmissions;
    out->timeouts = conn->back->ledger->timeouts;
    out->fast_recoveries = conn->back->ledger->fast_recoveries;
}

static void info_time(const struct tcp *tcp, const struct tcp_conn *conn,
                      struct berth_tcp_info *out)
{
    out->srtt_ns = conn_srtt_ns(conn);
    out->rttvar_ns = conn_rttvar_ns(conn);
    out->rto_ns = tcp_rto(tcp, conn);
    out->min_rtt_ns = conn_min_rtt_ns(conn);
    out->receive_rtt_ns = tcp_tune_rtt_us(conn) * (uint64_t)NS_PER_US;
    bool quick = conn_has(conn, CONN_QUICK_ACK) || conn->quick_acks > 0;
    out->delayed_ack_ns = quick ? 0 : tcp->settings.delayed_ack_ns;
    out->user_timeout_ns = conn->back->options->user_timeout_ns;
    out->peer_timeout_ns = conn->back->options->told_ns;
    uint64_t sent_ns = conn_is_at_rest(conn) ? conn_tick_ns(conn->back->sent_tick, tcp->now_ns)
                                             : conn->work->sent_ns;
    uint64_t heard_ns = conn_tick_ns(conn->heard_tick, tcp->now_ns);
    out->data_sent_ago_ns = tcp->now_ns - min_u64(tcp->now_ns, sent_ns);
    out->ack_received_ago_ns = tcp->now_ns - min_u64(tcp->now_ns, heard_ns);
}

static void info_receiving(const struct tcp *tcp, const struct tcp_conn *conn,
                           struct berth_tcp_info *out)
{
    out->rcv_wnd = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    out->mss_receive = conn->mss_own;
    out->mss_seen = conn->rcv_mss;
    out->receive_queue_bytes = conn->receive_bytes;
    out->reorder_queue_bytes = conn->work->reorder_bytes;
    out->receive_limit_bytes = tcp_receive_limit(tcp, conn);
    out->receive_space_bytes = conn->back->tune.space;
    out->urgent_bytes = tcp_urgent_left(conn);
    out->dscp_received = conn->dscp_received;
    out->marks_received = conn->back->ledger->ecn.marks_in;
    out->marks_told = conn->back->ledger->ecn.marks_told;
    out->rcv_wscale = conn->rcv_wscale;
}

static void info_sending(const struct tcp *tcp, const struct tcp_conn *conn,
                         struct berth_tcp_info *out)
{
    uint32_t una = conn_queue_seq(conn);
    bool v4 = address_is_v4(&conn->remote.address);
    uint32_t headers = v4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
    headers += WIRE_TCP_HEADER_BYTES + (conn_has(conn, CONN_TIMESTAMPS) ? 12U : 0U);
    bool at_rest = conn_is_at_rest(conn);
    out->cwnd_bytes = at_rest ? conn->back->cc_rest.cwnd : conn->work->cc.cwnd;
    out->ssthresh_bytes = at_rest ? conn->back->cc_rest.ssthresh : conn->work->cc.ssthresh;
    out->flight_bytes = conn_pipe(conn);
    out->unacked_bytes = conn->snd_nxt - conn->snd_una;
    out->sacked_bytes = conn->work->sacked_bytes;
    out->lost_bytes = conn->work->lost_bytes;
    out->resent_bytes = conn->work->resent_bytes;
    out->unsent_bytes = conn_unsent_bytes(conn);
    out->snd_wnd = conn->snd_wnd;
    out->mss_send = conn->mss;
    out->path_mtu = conn->mss + headers;
    out->send_queue_bytes = seq_gt(conn->snd_end, una) ? conn->snd_end - una : 0;
    out->send_limit_bytes = tcp_send_limit(tcp, conn);
    out->dscp = conn->back->dscp;
    out->snd_wscale = conn->snd_wscale;
    out->backoff = conn->work->backoff;
    out->fast_recovery = conn_has(conn, CONN_RECOVERY);
    out->timeout_recovery = conn_has(conn, CONN_TIMEOUT);
    out->persist = conn_has(conn, CONN_PERSIST);
    out->pacing_bps = conn->work->cc.pacing_bps;
    if (conn->work->rate != NULL) {
        out->delivery_bps = 8 * conn->work->rate->told;
        out->app_limited = conn->work->rate->is_limited;
    }
}

void tcp_info(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    *out = (struct berth_tcp_info){.state = (enum berth_tcp_state)conn->state,
                                   .local = conn->local,
                                   .remote = conn->remote,
                                   .error = conn->back->error,
                                   .ecn = (enum berth_tcp_ecn_mode)conn->back->ledger->ecn.mode,
                                   .timestamps = conn_has(conn, CONN_TIMESTAMPS),
                                   .sack = conn_has(conn, CONN_SACK),
                                   .window_scale = conn_has(conn, CONN_WSCALE)};
    out->probes = conn_is_synchronised(conn) ? conn->probes : 0;
    info_time(tcp, conn, out);
    info_sending(tcp, conn, out);
    info_receiving(tcp, conn, out);
    info_counters(conn, out);
    tcp_count_tell(tcp, conn, out);
    const struct cc_table *table =
        conn_is_at_rest(conn) ? cc_at(conn->back->cc_rest.number) : conn->work->cc.table;
    strncpy(out->congestion_control, table->name, sizeof out->congestion_control - 1);
}
