/* SPDX-License-Identifier: MIT */
/*
 * What a connection's owner may ask.
 */
#include "tcp/conn.h"

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
    out->retransmissions = conn->retransmissions;
    out->timeouts = conn->timeouts;
    out->fast_recoveries = conn->fast_recoveries;
}

void tcp_info(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out)
{
    uint32_t una = conn->snd_una == conn->iss ? conn->iss + 1 : conn->snd_una;
    *out = (struct berth_tcp_info){
        .state = (enum berth_tcp_state)conn->state,
        .local = conn->local,
        .remote = conn->remote,
        .error = conn->error,
        .srtt_ns = conn->srtt_ns,
        .rttvar_ns = conn->rttvar_ns,
        .rto_ns = tcp_rto(tcp, conn),
        .cwnd_bytes = conn->cc.cwnd,
        .ssthresh_bytes = conn->cc.ssthresh,
        .flight_bytes = conn_pipe(conn),
        .snd_wnd = conn->snd_wnd,
        .rcv_wnd = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0,
        .mss_send = conn->mss,
        .mss_receive = conn->mss_own,
        .send_queue_bytes = seq_gt(conn->snd_end, una) ? conn->snd_end - una : 0,
        .receive_queue_bytes = conn->receive_bytes,
        .reorder_queue_bytes = conn->reorder_bytes,
        .urgent_bytes = tcp_urgent_left(conn),
        .ecn = (enum berth_tcp_ecn_mode)conn->ecn.mode,
        .marks_received = conn->ecn.marks_in,
        .marks_told = conn->ecn.marks_told,
        .dscp = conn->dscp,
        .dscp_received = conn->dscp_received,
        .snd_wscale = conn->snd_wscale,
        .rcv_wscale = conn->rcv_wscale,
        .timestamps = conn_has(conn, CONN_TIMESTAMPS),
        .sack = conn_has(conn, CONN_SACK),
        .window_scale = conn_has(conn, CONN_WSCALE)};
    info_counters(conn, out);
    strncpy(out->congestion_control, conn->cc.table->name, sizeof out->congestion_control - 1);
}
