/* SPDX-License-Identifier: MIT */
/*
 * What a connection's owner may ask and set.
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

static void set_flag(struct tcp_conn *conn, uint32_t flag, bool on)
{
    if (on) {
        conn_set(conn, flag);
    } else {
        conn_clear(conn, flag);
    }
}

static int set_switch(struct tcp *tcp, struct tcp_conn *conn, uint32_t flag, uint64_t value)
{
    if (value > 1) {
        return BERTH_E_INVALID;
    }
    set_flag(conn, flag, value != 0);
    if (flag == CONN_KEEPALIVE) {
        tcp_timer_idle(tcp, conn);
    } else if (conn_is_synchronised(conn)) {
        tcp_conn_ready(tcp, conn); /* what Nagle held back may go, the ACK owed too */
        set_flag(conn, CONN_ACK_NOW,
                 conn_has(conn, CONN_ACK_NOW) ||
                     (flag == CONN_QUICK_ACK && value != 0 && conn_has(conn, CONN_ACK_DELAYED)));
    }
    return 0;
}

static int set_bytes(uint32_t *place, uint64_t value)
{
    if (value < 2048 || value > 1U << 30) {
        return BERTH_E_INVALID;
    }
    *place = (uint32_t)value;
    return 0;
}

static int set_small(uint8_t *place, uint64_t value, uint8_t least, uint8_t most)
{
    if (value < least || value > most) {
        return BERTH_E_INVALID;
    }
    *place = (uint8_t)value;
    return 0;
}

int tcp_set(struct tcp *tcp, struct tcp_conn *conn, enum berth_tcp_option option, uint64_t value)
{
    switch (option) {
    case BERTH_TCP_NO_DELAY:
        return set_switch(tcp, conn, CONN_NO_DELAY, value);
    case BERTH_TCP_QUICK_ACK:
        return set_switch(tcp, conn, CONN_QUICK_ACK, value);
    case BERTH_TCP_KEEPALIVE:
        return set_switch(tcp, conn, CONN_KEEPALIVE, value);
    case BERTH_TCP_KEEPALIVE_IDLE_NS:
    case BERTH_TCP_KEEPALIVE_INTERVAL_NS:
        if (value < NS_PER_S) {
            return BERTH_E_INVALID;
        }
        *(option == BERTH_TCP_KEEPALIVE_IDLE_NS ? &conn->keepalive_idle_ns
                                                : &conn->keepalive_interval_ns) = value;
        tcp_timer_idle(tcp, conn);
        return 0;
    case BERTH_TCP_KEEPALIVE_PROBES:
        if (value < 1 || value > 255) {
            return BERTH_E_INVALID;
        }
        conn->keepalive_probes = (uint32_t)value;
        return 0;
    case BERTH_TCP_USER_TIMEOUT_NS:
        conn->user_timeout_ns = value != 0 ? value : tcp->settings.user_timeout_ns;
        return 0;
    case BERTH_TCP_RECEIVE_BYTES:
        return set_bytes(&conn->receive_bytes_max, value);
    case BERTH_TCP_SEND_BYTES:
        return set_bytes(&conn->send_bytes_max, value);
    case BERTH_TCP_DSCP:
        return set_small(&conn->dscp, value, 0, 63);
    case BERTH_TCP_HOP_LIMIT:
        return set_small(&conn->hop_limit, value, 1, 255);
    }
    return BERTH_E_INVALID;
}

int tcp_set_congestion_control(struct tcp *tcp, struct tcp_conn *conn, const char *name)
{
    const struct cc_table *table = cc_find(name);
    if (table == NULL) {
        return BERTH_E_INVALID;
    }
    if (conn->cc.mss == 0) {
        conn->cc.table = table; /* not established: tcp_establish starts it */
    } else if (conn->cc.table != table) {
        cc_switch(&conn->cc, table, tcp->now_ns);
    }
    return 0;
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
        .dscp = conn->dscp,
        .dscp_received = conn->dscp_received,
        .snd_wscale = conn->snd_wscale,
        .rcv_wscale = conn->rcv_wscale,
        .timestamps = conn_has(conn, CONN_TIMESTAMPS),
        .sack = conn_has(conn, CONN_SACK),
        .window_scale = conn_has(conn, CONN_WSCALE)};
    info_counters(conn, out);
    const char *name = conn->cc.table != NULL ? conn->cc.table->name : tcp->cc_default->name;
    strncpy(out->congestion_control, name, sizeof out->congestion_control - 1);
}
