/* SPDX-License-Identifier: MIT */
/*
 * What an acceptable ACK does: the fifth check of RFC 9293 3.10.7.4, the send window, and the
 * hand-over to loss recovery (recovery.c) and congestion control (cc/).
 */
#include "tcp/parts.h"

/* RFC 9293 3.10.7.4: the window is taken from the newest segment only (WL1, WL2). */
static void update_window(struct tcp_conn *conn, const struct wire_tcp *segment)
{
    bool newer = seq_lt(conn->snd_wl1, segment->seq) ||
                 (conn->snd_wl1 == segment->seq && seq_leq(conn->snd_wl2, segment->ack));
    if (newer) {
        conn->snd_wnd = (uint32_t)segment->window << conn->snd_wscale;
        conn->snd_wl1 = segment->seq;
        conn->snd_wl2 = segment->ack;
        conn->snd_wnd_max = max_u32(conn->snd_wnd_max, conn->snd_wnd);
    }
}

void tcp_on_fin_acked(struct tcp *tcp, struct tcp_conn *conn)
{
    switch ((enum berth_tcp_state)conn->state) {
    case BERTH_TCP_FIN_WAIT_1:
        conn->state = BERTH_TCP_FIN_WAIT_2;
        tcp_timer_idle(tcp, conn);
        break;
    case BERTH_TCP_CLOSING:
        tcp_time_wait_enter(tcp, conn);
        break;
    case BERTH_TCP_LAST_ACK:
        tcp_conn_end(tcp, conn, 0);
        break;
    case BERTH_TCP_CLOSED:
    case BERTH_TCP_LISTEN:
    case BERTH_TCP_SYN_SENT:
    case BERTH_TCP_SYN_RECEIVED:
    case BERTH_TCP_ESTABLISHED:
    case BERTH_TCP_FIN_WAIT_2:
    case BERTH_TCP_CLOSE_WAIT:
    case BERTH_TCP_TIME_WAIT:
        break;
    }
}

/* [snd_una, ack) is acknowledged for the first time. */
static void on_new_ack(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack,
                       struct tcp_acked *acked)
{
    acked->bytes = ack - conn->snd_una;
    bool fin = conn_fin_is_sent(conn) && ack == conn->snd_nxt;
    uint32_t data = acked->bytes - (fin ? 1 : 0);
    tcp_score_acked(tcp, conn, ack, acked);
    conn_acked(conn, ack);
    tcp_sendq_trim(tcp, conn, data);
    conn->work->progress_ns = tcp->now_ns;
    conn->work->unanswered = 0;
    if (conn_has(conn, CONN_URGENT_OUT) && seq_geq(ack, conn->work->snd_up)) {
        conn_clear(conn, CONN_URGENT_OUT);
    }
    conn->work->snd_small =
        seq_max(conn->work->snd_small, ack); /* so that it cannot fall 2^31 behind */
}

static bool is_duplicate(const struct tcp_conn *conn, const struct wire_packet *packet,
                         uint32_t window_before)
{
    const struct wire_tcp *segment = &packet->tcp; /* RFC 5681 2 */
    return segment->ack == conn->snd_una && packet->payload_bytes == 0 &&
           (segment->flags & (WIRE_SYN | WIRE_FIN)) == 0 && conn->snd_una != conn->snd_nxt &&
           (uint32_t)segment->window << conn->snd_wscale == window_before;
}

static void take_rtt(struct tcp *tcp, struct tcp_conn *conn, struct tcp_acked *acked)
{
    if (acked->rtt_ns == 0 && acked->echoed && acked->bytes > 0) {
        /* RFC 7323 4.1: also right for what was sent again */
        uint32_t elapsed = tcp_ts_now(tcp, conn) - acked->tsecr;
        if (elapsed < 1U << 31) {
            acked->rtt_ns = max_u64(elapsed, 1) * NS_PER_MS;
        }
    }
    if (acked->rtt_ns != 0) {
        tcp_rtt_sample(tcp, conn, acked->rtt_ns);
        conn->work->backoff =
            0; /* RFC 6298 5: it takes a new measurement to end the backoff (Karn) */
    }
}

/* Was cwnd in use, with FLIGHT bytes under way, when the ACK came? So it is where more waits (RFC
 * 7661), after a timeout, and where the writer had just as much as cwnd takes: until something new
 * leaves, for the other ACKs of that flight. */
static bool is_limited(struct tcp_conn *conn, uint32_t flight)
{
    if (flight + conn->mss > conn->work->cc.cwnd && !conn_has(conn, CONN_RECOVERY)) {
        conn_set(conn, CONN_CWND_LIMITED);
    }
    return conn_has(conn, CONN_CWND_LIMITED | CONN_TIMEOUT);
}

/* Takes the segment's ACK number, window and SACK blocks in; says what is new in them. */
static void take_in(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet,
                    struct tcp_acked *acked)
{
    const struct wire_tcp *segment = &packet->tcp;
    uint32_t sacked_before = conn->work->sacked_bytes;
    if (conn->work->rate != NULL) {
        tcp_rate_check(tcp, conn);
    }
    acked->flight = conn_pipe(conn);
    acked->tsecr = segment->tsecr;
    acked->echoed = conn_has(conn, CONN_TIMESTAMPS) &&
                    (segment->options & WIRE_OPTION_TIMESTAMPS) != 0 && segment->tsecr != 0;
    acked->duplicate = is_duplicate(conn, packet, conn->snd_wnd);
    if (acked->duplicate && conn->work->dup_acks < UINT8_MAX) {
        conn->work->dup_acks++;
    }
    if (seq_gt(segment->ack, conn->snd_una)) {
        acked->limited = is_limited(conn, acked->flight);
        on_new_ack(tcp, conn, segment->ack, acked);
    }
    update_window(conn, segment);
    if (conn_window_is_in_the_way(conn) && !conn_has(conn, CONN_ORPHAN)) {
        conn->work->unanswered =
            0; /* an orphan's owner waits for nothing: it has its time (RFC 6429 4) */
    }
    if (segment->sack_count > 0 && conn_has(conn, CONN_SACK)) {
        (void)tcp_work_need(tcp, conn);
        tcp_score_sacked(tcp, conn, segment, acked);
    }
    acked->delivered = acked->bytes + conn->work->sacked_bytes - sacked_before;
    take_rtt(tcp, conn, acked);
}

/* IS_TOLD: of marks; then the window does not grow (RFC 3168 6.1.2). */
static void control_congestion(struct tcp *tcp, struct tcp_conn *conn,
                               const struct tcp_acked *acked, bool is_told)
{
    if (conn->work->cc.table->on_sample != NULL) {
        tcp_rate_sample(conn, acked);
        tcp_tune_sent(conn);
        return;
    }
    if (acked->bytes == 0 || is_told || conn->back->ledger->ecn.reducing ||
        conn_has(conn, CONN_RECOVERY)) {
        return;
    }
    struct cc_ack ack = {.now_ns = tcp->now_ns,
                         .rtt_ns = acked->rtt_ns,
                         .srtt_ns = conn_srtt_ns(conn),
                         .acked = acked->bytes,
                         .flight = acked->flight,
                         .burst = tcp_burst_bytes(tcp, conn),
                         .limited = acked->limited,
                         .round_start = seq_geq(conn->snd_una, conn->work->round_end)};
    if (ack.round_start) {
        conn->work->round_end = conn->snd_nxt; /* windowEnd of RFC 9406 4.2 */
    }
    if (conn->work->rate != NULL) {
        tcp_validate_acked(tcp, conn, acked->bytes);
    }
    conn->work->cc.table->on_ack(&conn->work->cc, &ack);
    tcp_tune_sent(conn);
}

/* RFC 9293 3.10.7.4, fifth check, in the synchronised states. The ACK number has been judged
 * already. */
enum berth_drop tcp_on_ack(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    struct tcp_acked acked = {0};
    uint32_t window_before = conn->snd_wnd;
    take_in(tcp, conn, packet, &acked);
    bool has_ecn = conn_has(conn, CONN_ECN);
    bool is_told = has_ecn && tcp_ecn_is_told(conn, packet, &acked);
    if (acked.bytes > 0 || acked.sacked > 0 || acked.duplicate || acked.dsack) {
        tcp_recovery_react(tcp, conn, &acked);
        control_congestion(tcp, conn, &acked, is_told);
        if (conn->work->rate != NULL) {
            tcp_pace_set(conn);
        }
    }
    if (has_ecn) {
        tcp_ecn_react(tcp, conn, &acked, is_told);
    }
    if (acked.bytes > 0 && conn->back->path != 0) {
        tcp_pmtu_sync(tcp, conn);
    }
    bool opened = conn->snd_wnd > window_before && conn_has(conn, CONN_PERSIST);
    if (acked.bytes > 0 || opened) {
        conn->work->backoff = opened ? 0 : conn->work->backoff;
        tcp_timer_retransmit(tcp, conn);
        tcp_sendq_wake(tcp, conn);
    }
    if (conn_has_unsent(conn) || tcp_score_has_lost(conn)) {
        tcp_conn_ready(tcp, conn);
    }
    tcp_count_busy(tcp, conn);
    if (conn_has(conn, CONN_FIN_QUEUED) && conn->snd_una == conn->snd_end + 1) {
        tcp_on_fin_acked(tcp, conn);
    }
    return BERTH_DROP_NONE;
}
