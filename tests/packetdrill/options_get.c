/* SPDX-License-Identifier: MIT */
/*
 * getsockopt: what was set (options.c), and what is read only: errors, kinds, addresses' MTU, and
 * the connection's figures as struct tcp_info.
 */
#include "adapter.h"

#include <linux/tcp.h>
#include <netinet/ip.h>
#include <string.h>

/* Cut to the room that there is. */
static int put(struct option_call *call, const void *value, size_t bytes)
{
    if (call->value == NULL) {
        return -EFAULT;
    }
    call->bytes = call->bytes < bytes ? call->bytes : (socklen_t)bytes;
    memcpy(call->value, value, call->bytes);
    return 0;
}

static int put_number(struct option_call *call, int value)
{
    return put(call, &value, sizeof value);
}

static int put_timeout(struct option_call *call, uint64_t timeout_ns)
{
    struct timeval value = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                            .tv_usec = (suseconds_t)(timeout_ns % NS_PER_S / NS_PER_US)};
    return put(call, &value, sizeof value);
}

static bool is_connected(const struct file *file)
{
    return file->kind == FILE_UDP ? file->datagrams.is_connected
                                  : file->stream.id != 0 && file->stream.state != STREAM_LISTENING;
}

static int path_mtu(const struct adapter *adapter, const struct file *file)
{
    return (int)(file->kind == FILE_UDP ? adapter->settings.config.mtu
                                        : file->stream.info.path_mtu);
}

/* Linux's numbers of the states (include/net/tcp_states.h). */
static unsigned char state_number(enum berth_tcp_state state)
{
    static const unsigned char numbers[] = {
        [BERTH_TCP_CLOSED] = 7,       [BERTH_TCP_LISTEN] = 10,     [BERTH_TCP_SYN_SENT] = 2,
        [BERTH_TCP_SYN_RECEIVED] = 3, [BERTH_TCP_ESTABLISHED] = 1, [BERTH_TCP_FIN_WAIT_1] = 4,
        [BERTH_TCP_FIN_WAIT_2] = 5,   [BERTH_TCP_CLOSE_WAIT] = 8,  [BERTH_TCP_CLOSING] = 11,
        [BERTH_TCP_LAST_ACK] = 9,     [BERTH_TCP_TIME_WAIT] = 6};
    return numbers[state];
}

static unsigned in_segments(uint32_t bytes, const struct berth_tcp_info *info)
{
    uint32_t mss = info->mss_send > 0 ? info->mss_send : 1;
    return (bytes + mss - 1) / mss;
}

/* Linux's TCP_CA_ states: open, disorder, reduced by marks, recovery, loss. */
static unsigned char congestion_state(const struct berth_tcp_info *info)
{
    if (info->timeout_recovery || info->fast_recovery) {
        return info->timeout_recovery ? TCP_CA_Loss : TCP_CA_Recovery;
    }
    return info->sacked_bytes > 0 ? TCP_CA_Disorder : TCP_CA_Open;
}

static void fill_counts(const struct berth_tcp_info *info, struct tcp_info *out)
{
    out->tcpi_state = state_number(info->state);
    out->tcpi_ca_state = congestion_state(info);
    out->tcpi_options =
        (uint8_t)((info->timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (info->sack ? TCPI_OPT_SACK : 0) |
                  (info->window_scale ? TCPI_OPT_WSCALE : 0) |
                  (info->ecn != BERTH_TCP_ECN_NONE ? TCPI_OPT_ECN : 0));
    out->tcpi_snd_wscale = info->snd_wscale & 15U;
    out->tcpi_rcv_wscale = info->rcv_wscale & 15U;
    out->tcpi_backoff = info->backoff;
    out->tcpi_probes = info->probes;
    out->tcpi_snd_mss = info->mss_send;
    out->tcpi_rcv_mss = info->mss_seen;
    out->tcpi_advmss = info->mss_receive;
    out->tcpi_unacked = in_segments(info->unacked_bytes, info);
    out->tcpi_sacked = in_segments(info->sacked_bytes, info);
    out->tcpi_lost = in_segments(info->lost_bytes, info);
    out->tcpi_retrans = in_segments(info->resent_bytes, info);
    out->tcpi_snd_cwnd = info->mss_send > 0 ? info->cwnd_bytes / info->mss_send : 0;
    out->tcpi_snd_ssthresh = info->mss_send > 0 ? info->ssthresh_bytes / info->mss_send : 0;
    out->tcpi_rcv_space = info->receive_space_bytes;
    out->tcpi_total_retrans = info->retransmissions;
    out->tcpi_pmtu = info->path_mtu;
    out->tcpi_bytes_acked = info->bytes_acked;
    out->tcpi_bytes_received = info->bytes_received;
    out->tcpi_bytes_sent = info->bytes_sent + info->bytes_retransmitted;
    out->tcpi_bytes_retrans = info->bytes_retransmitted;
    out->tcpi_notsent_bytes = info->unsent_bytes;
    out->tcpi_segs_out = info->segments_sent;
    out->tcpi_segs_in = info->segments_received;
    out->tcpi_data_segs_out = info->data_segments_sent;
    out->tcpi_data_segs_in = info->data_segments_received;
    out->tcpi_dsack_dups = info->duplicates_reported;
    out->tcpi_reord_seen = info->reorderings;
    out->tcpi_snd_wnd = info->snd_wnd;
}

static void fill_times(const struct berth_tcp_info *info, struct tcp_info *out)
{
    out->tcpi_rto = (uint32_t)(info->rto_ns / NS_PER_US);
    out->tcpi_ato = (uint32_t)(info->delayed_ack_ns / NS_PER_US);
    out->tcpi_rtt = (uint32_t)(info->srtt_ns / NS_PER_US);
    out->tcpi_rttvar = (uint32_t)(info->rttvar_ns / NS_PER_US);
    out->tcpi_min_rtt = (uint32_t)(info->min_rtt_ns / NS_PER_US);
    out->tcpi_rcv_rtt = (uint32_t)(info->receive_rtt_ns / NS_PER_US);
    out->tcpi_last_data_sent = (uint32_t)(info->data_sent_ago_ns / NS_PER_MS);
    out->tcpi_last_data_recv = (uint32_t)(info->data_received_ago_ns / NS_PER_MS);
    out->tcpi_last_ack_recv = (uint32_t)(info->ack_received_ago_ns / NS_PER_MS);
    out->tcpi_busy_time = info->busy_ns / NS_PER_US;
    out->tcpi_rwnd_limited = info->window_limited_ns / NS_PER_US;
    out->tcpi_sndbuf_limited = info->queue_limited_ns / NS_PER_US;
    out->tcpi_pacing_rate = info->pacing_bps != 0 ? info->pacing_bps / 8 : UINT64_MAX;
    out->tcpi_delivery_rate = info->delivery_bps / 8;
}

static int put_info(const struct file *file, struct option_call *call)
{
    struct tcp_info out = {0};
    const struct berth_tcp_info *info = &file->stream.info;
    if (file->stream.state == STREAM_LISTENING || file->stream.id == 0) {
        out.tcpi_state = file->stream.id != 0 ? 10 : 7;
        return put(call, &out, sizeof out);
    }
    fill_counts(info, &out);
    fill_times(info, &out);
    return put(call, &out, sizeof out);
}

static int get_socket(struct adapter *adapter, struct file *file, struct option_call *call)
{
    (void)adapter;
    bool tcp = file->kind == FILE_TCP;
    switch (call->name) {
    case SO_ERROR:
        return put_number(call, -file_take_error(file));
    case SO_TYPE:
        return put_number(call, tcp ? SOCK_STREAM : SOCK_DGRAM);
    case SO_DOMAIN:
        return put_number(call, file->domain);
    case SO_PROTOCOL:
        return put_number(call, tcp ? IPPROTO_TCP : IPPROTO_UDP);
    case SO_ACCEPTCONN:
        return put_number(call, tcp && file->stream.state == STREAM_LISTENING);
    case SO_LINGER:
        return put(call, &file->linger, sizeof file->linger);
    case SO_RCVTIMEO:
        return put_timeout(call, file->receive_timeout_ns);
    case SO_SNDTIMEO:
        return put_timeout(call, file->send_timeout_ns);
    case SO_BINDTODEVICE:
        return put(call, file->device, strlen(file->device) + (file->device[0] != '\0' ? 1 : 0));
    default:
        return -ENOPROTOOPT;
    }
}

static int get_tcp(struct adapter *adapter, struct file *file, struct option_call *call)
{
    if (file->kind != FILE_TCP) {
        return -ENOPROTOOPT;
    }
    bool connected = is_connected(file);
    const struct berth_tcp_info *info = &file->stream.info;
    switch (call->name) {
    case TCP_INFO:
        return put_info(file, call);
    case TCP_MAXSEG:
        return connected ? put_number(call, (int)info->mss_send) : -ENOPROTOOPT;
    case TCP_CONGESTION: {
        const char *own = file->congestion[0] != '\0'
                              ? file->congestion
                              : adapter->settings.config.tcp.congestion_control;
        char name[16] = "";
        memcpy(name, connected ? info->congestion_control : own, sizeof name);
        if (strcmp(name, "newreno") == 0) {
            memcpy(name, "reno\0\0\0", 8);
        }
        return put(call, name, sizeof name);
    }
    default:
        return -ENOPROTOOPT;
    }
}

static int get_special(struct adapter *adapter, struct file *file, struct option_call *call)
{
    bool v4 = call->level == IPPROTO_IP && call->name == IP_MTU;
    bool v6 = call->level == IPPROTO_IPV6 && call->name == IPV6_MTU;
    if (v4 || v6) {
        return is_connected(file) ? put_number(call, path_mtu(adapter, file)) : -ENOTCONN;
    }
    if (call->level == SOL_SOCKET) {
        return get_socket(adapter, file, call);
    }
    return call->level == IPPROTO_TCP ? get_tcp(adapter, file, call) : -ENOPROTOOPT;
}

int options_get(struct adapter *adapter, struct file *file, struct option_call *call)
{
    int value;
    if (file->kind == FILE_TCP) {
        stream_refresh(adapter, file);
    }
    int error = get_special(adapter, file, call);
    if (error != -ENOPROTOOPT) {
        return error;
    }
    error = options_kept(file, call->level, call->name, &value);
    return error == 0 ? put_number(call, value) : error;
}
