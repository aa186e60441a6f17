/* SPDX-License-Identifier: MIT */
/*
 * What a connection sends next, one segment (or super-segment) at a time, pulled by the stack:
 *
 *   1. RST                      the owner aborted
 *   2. SYN, SYN-ACK             opening
 *   3. a tail loss probe        when nothing has come back for two round trips (RFC 8985 7)
 *      what is believed lost    while pipe < cwnd
 *   4. new data                 window, cwnd, Nagle, silly-window avoidance allow
 *                               (RFC 9293 3.8.6.2.1, 3.7.4)
 *   5. FIN                      after the last byte
 *   6. window or keep-alive probe
 *   7. a bare ACK that is owed
 *
 * The sequence numbers, records and timers are moved here, when the segment really leaves.
 */
#include "base/address.h"
#include "tcp/fast_open.h"

/* Nothing but SEQ, whatever was there before. The arrays are not cleared, which would cost as much
   as all the rest: their counts and flags say that nothing is in them. */
static void clear_tcp(struct wire_tcp *out, uint32_t seq)
{
    out->seq = seq;
    out->ack = 0;
    out->flags = 0;
    out->window = 0;
    out->urgent = 0;
    out->mss = 0;
    out->options = 0;
    out->wscale = 0;
    out->sack_count = 0;
    out->cookie_bytes = 0;
    out->tsval = 0;
    out->tsecr = 0;
    out->accecn_count = 0;
    out->accecn_reversed = false;
    out->user_timeout = 0;
}

/* The segment's description, all but what differs by kind, and but what only the parser fills. */
void tcp_describe(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq,
                  struct wire_packet *packet)
{
    packet->source = conn->local.address;
    packet->destination = conn->remote.address;
    packet->source_port = conn->local.port;
    packet->destination_port = conn->remote.port;
    packet->version = address_is_v4(&conn->remote.address) ? 4 : 6;
    packet->protocol = WIRE_TCP;
    packet->hop_limit = conn->back->hop_limit;
    packet->traffic_class = (uint8_t)(conn->back->dscp << 2);
    packet->is_fragment = false;
    packet->dont_fragment = true;
    packet->fragment_id = 0;
    packet->payload_bytes = 0;
    packet->segment_bytes = 0;
    clear_tcp(&packet->tcp, seq);
    if (conn_has(conn, CONN_TIMESTAMPS)) {
        packet->tcp.options |= WIRE_OPTION_TIMESTAMPS;
        packet->tcp.tsval = tcp_ts_now(tcp, conn);
        packet->tcp.tsecr = conn->ts_recent;
    }
}

/* The window field for OFFERED bytes: rounded up, so that rounding never shrinks the window. Each
 * rounding moves the edge a little; a peer that sends a byte at a time to a reader that sleeps
 * would so be offered more and more: only up to a share of LIMIT. */
static uint32_t scaled(const struct tcp_conn *conn, uint32_t offered, uint64_t limit)
{
    uint32_t down = offered >> conn->rcv_wscale;
    uint32_t up = (offered + (1U << conn->rcv_wscale) - 1) >> conn->rcv_wscale;
    uint64_t held = (uint64_t)conn->receive_bytes + ((uint64_t)up << conn->rcv_wscale);
    return held > limit + limit / 16 ? down : up;
}

/* RFC 9293 3.8.6.2.2: the right edge moves in steps worth having, and never back. */
static uint16_t offer(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t window = tcp_receive_window(tcp, conn);
    uint32_t edge = conn->rcv_nxt + window;
    uint32_t limit = tcp_receive_limit(tcp, conn);
    uint32_t step = min_u32(limit / 2, conn->mss_own);
    if (seq_geq(edge, conn->rcv_adv + step) || tcp_is_half_of_bound(conn, edge)) {
        conn->rcv_adv = edge;
    } else if (window < tcp_window_wanted(tcp, conn)) {
        tcp_starve(tcp, conn); /* told again when the pool has more */
    }
    uint32_t offered = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    uint32_t tuned = tcp_receive_tuned(tcp, conn); /* a part of it may be less than was offered */
    uint32_t field = min_u32(scaled(conn, offered, tuned), 65535);
    conn->rcv_adv = seq_max(conn->rcv_adv, conn->rcv_nxt + (field << conn->rcv_wscale));
    return (uint16_t)field;
}

/* What came out of order (RFC 2018 3). */
static void sack(const struct tcp_conn *conn, struct wire_tcp *out)
{
    bool any = conn->work->reorder_count > 0 || conn->work->dsack_owed;
    if (!any || !conn_has(conn, CONN_SACK)) {
        return;
    }
    uint8_t room = conn_has(conn, CONN_TIMESTAMPS) ? 3 : 4;
    uint8_t first = 0;
    if (conn->work->dsack_owed) { /* RFC 2883 4: what arrived twice stands first */
        out->sack[first++] =
            (struct wire_sack){.left = conn->work->dsack_left, .right = conn->work->dsack_right};
    }
    uint8_t more = tcp_reorder_sack(conn, out->sack + first, (uint8_t)(room - first));
    out->sack_count = (uint8_t)(first + more);
    out->options |= WIRE_OPTION_SACK;
}

/* Every segment after the SYN acknowledges (RFC 9293 3.10.7.4); what was owed is paid. */
static void acknowledge(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    packet->tcp.flags |= WIRE_ACK;
    packet->tcp.ack = conn->rcv_nxt;
    packet->tcp.window = offer(tcp, conn);
    sack(conn, &packet->tcp);
    if (tcp_accecn_is_due(conn)) {
        tcp_accecn_option(conn, &packet->tcp);
    }
    if (conn->back->options->timeout_option) {
        tcp_timeout_option(tcp, conn, packet);
    }
    if (conn_has(conn, CONN_ECN)) {
        tcp_ecn_acknowledge(conn, packet);
    }
    if (conn->work->dsack_owed) {
        conn->work->dsack_owed = false;
    }
    tcp_urgent_point(conn, &packet->tcp);
    conn->rcv_acked = conn->rcv_nxt;
    conn_clear(conn, CONN_ACK_NOW | CONN_ACK_DELAYED);
}

static void fill_reset(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    tcp_describe(tcp, conn, conn->snd_nxt, packet);
    packet->tcp.flags = WIRE_RST | WIRE_ACK;
    packet->tcp.ack = conn->rcv_nxt;
    tcp->stats->tcp_resets_out++;
    conn_clear(conn, CONN_RST_NOW);
    tcp_conn_unready(tcp, conn);
    tcp_conn_end(tcp, conn, BERTH_E_ABORTED);
}

static void fill_syn(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                     struct berth_frame *frame)
{
    tcp_fill_syn(tcp, conn, packet);
    conn_clear(conn, CONN_SYN_NOW | CONN_ACK_NOW);
    bool first = conn->probes == 0;
    conn->probes = (uint8_t)min_u32(conn->probes + 1U, UINT8_MAX);
    conn->snd_nxt = seq_max(conn->snd_nxt, conn->back->iss + 1);
    conn->work->sent_ns = tcp->now_ns;
    if (first && conn->state == BERTH_TCP_SYN_SENT) {
        tcp_fast_offer(tcp, conn, packet, frame);
    } else if (first && conn->back->fast_renew) {
        tcp_fast_give(tcp, packet);
    }
    if (conn->work->rto_ns == BERTH_NEVER) {
        conn->work->rto_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    }
    tcp_timer_by(tcp, conn, conn->work->rto_ns);
}

static bool may_cut(const struct tcp *tcp, const struct tcp_conn *conn)
{
    if ((tcp->offloads & (BERTH_LINK_TSO4 | BERTH_LINK_TSO6)) == 0) {
        return false;
    }
    bool v4 = address_is_v4(&conn->remote.address);
    return (tcp->offloads & (v4 ? BERTH_LINK_TSO4 : BERTH_LINK_TSO6)) != 0;
}

uint32_t tcp_burst_bytes(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return may_cut(tcp, conn) ? max_u32(tcp->segment_bytes_max, conn->mss) : conn->mss;
}

/* Payload of a full segment now: less than mss while SACK blocks or AccECN's counters take room
 * (RFC 6691 3.1). */
uint32_t tcp_mss_beside_options(const struct tcp_conn *conn)
{
    struct wire_tcp tcp = {0};
    sack(conn, &tcp);
    tcp_accecn_option(conn, &tcp);
    uint32_t option_bytes = wire_tcp_option_bytes(&tcp);
    uint32_t mss = conn->mss > option_bytes ? conn->mss - option_bytes : 1;
    BERTH_CHECK(mss > 0); /* it divides */
    return mss;
}

/* The most that one segment may carry now, MSS or more: super-segments where the link cuts. */
static uint32_t burst_max(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t mss)
{
    if (!may_cut(tcp, conn) || conn_has(conn, CONN_FORCE_NOW | CONN_URGENT_OUT) ||
        tcp_accecn_is_whole(conn)) {
        return mss;
    }
    uint32_t most = max_u32(tcp->segment_bytes_max, mss);
    if (conn->work->rate != NULL && conn->work->cc.pacing_bps != 0) {
        most = max_u32(min_u32(most, conn->work->rate->burst), mss);
    }
    return most - most % mss;
}

/* Payload and flags of the data segment [seq, seq + bytes), FIN behind it or not. */
static void fill_data(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                      struct berth_frame *frame)
{
    uint32_t bytes = packet->payload_bytes;
    uint32_t mss = tcp_mss_now(conn);
    if (bytes > mss) {
        packet->segment_bytes = (uint16_t)mss;
    }
    acknowledge(tcp, conn, packet);
    if (bytes > 0) {
        bool end = packet->tcp.seq + bytes == conn->snd_end;
        if (end && !(conn_is_corked(conn) && bytes % mss == 0)) {
            packet->tcp.flags |= WIRE_PSH; /* RFC 9293 MUST-61: at the end of what there is */
        }
        uint32_t covered = tcp_sendq_views(conn, packet->tcp.seq, bytes, frame);
        BERTH_CHECK(covered == bytes);
    }
    conn->work->sent_ns = tcp->now_ns;
    if (conn->work->rate != NULL) {
        tcp_pace_sent(tcp, conn, bytes);
    }
    if (conn_has(conn, CONN_RECOVERY) || conn->back->ledger->ecn.reducing) {
        conn->work->prr_out += bytes;
    }
}

/* Bytes of [seq, seq + bytes) that fit the views of one frame. */
static uint32_t limit_views(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t bytes)
{
    if (bytes <= conn->mss || tcp->buffers->capacity >= 65536) {
        return bytes;
    }
    uint64_t most = (uint64_t)tcp->buffers->capacity * (BERTH_FRAME_VIEWS_MAX - 3);
    uint32_t mss = tcp_mss_now(conn);
    uint32_t limited = (uint32_t)min_u64(bytes, most);
    return max_u32(limited - limited % mss, mss);
}

/* The piece [seq, end) goes out once more. */
static void send_again(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                       struct berth_frame *frame)
{
    uint32_t end = packet->tcp.seq + packet->payload_bytes;
    bool fin = conn_has(conn, CONN_FIN_QUEUED) && end == conn->snd_end + 1;
    uint32_t bytes = packet->payload_bytes - (fin ? 1 : 0);
    tcp_describe(tcp, conn, packet->tcp.seq, packet);
    packet->payload_bytes = bytes;
    packet->tcp.flags = fin ? WIRE_FIN : 0;
    fill_data(tcp, conn, packet, frame);
    struct tcp_ledger *ledger = tcp_ledger_need(tcp, conn);
    ledger->retransmissions++;
    ledger->bytes_resent += bytes;
    tcp->stats->tcp_retransmissions++;
}

/* Something is believed lost. */
static bool fill_lost(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                      struct berth_frame *frame)
{
    if (tcp_frto_holds_old(conn)) {
        return false;
    }
    uint32_t pipe = conn_pipe(conn);
    if (pipe >= conn->work->cc.cwnd && pipe > 0 && !conn_has(conn, CONN_FAST_NOW)) {
        return false;
    }
    conn_clear(conn, CONN_FAST_NOW);
    uint32_t mss = tcp_mss_now(conn);
    uint32_t room = max_u32(conn->work->cc.cwnd - min_u32(pipe, conn->work->cc.cwnd), mss);
    uint32_t most = min_u32(room - room % mss, burst_max(tcp, conn, mss));
    uint32_t end;
    if (!tcp_score_resend(tcp, conn, limit_views(tcp, conn, most), &packet->tcp.seq, &end)) {
        return false;
    }
    packet->payload_bytes = end - packet->tcp.seq;
    send_again(tcp, conn, packet, frame);
    /* RFC 6675 6: what goes again in fast recovery has an RTO to be acknowledged. */
    if (conn->work->rto_ns == BERTH_NEVER || conn_has(conn, CONN_PERSIST | CONN_RECOVERY)) {
        tcp_timer_retransmit(tcp, conn);
    }
    return true;
}

/* RFC 5681 4.1: a window that has not been used for an RTO says nothing about the path, unless it
 * is kept for longer. */
static void restart_if_idle(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->snd_una != conn->snd_nxt) {
        return;
    }
    bool measures = conn->work->rate != NULL && conn->work->cc.table->on_sample != NULL;
    bool due = measures ? conn->work->rate->is_limited
                        : tcp->now_ns - conn->work->sent_ns > tcp_rto(tcp, conn);
    if (due && (conn->work->rate == NULL || !tcp_validate_idle(tcp, conn))) {
        conn->work->cc.table->on_idle(&conn->work->cc, tcp->now_ns);
    }
}

/* Nagle's algorithm (RFC 9293 3.7.4) in Minshall's form: a short segment waits only while another
   short one is unacknowledged, so the tail of a long write does not wait for the ACK of its
   head. */
static bool is_nagled(const struct tcp_conn *conn)
{
    return seq_gt(conn->work->snd_small, conn->snd_una) &&
           !conn_has(conn, CONN_NO_DELAY | CONN_FIN_QUEUED);
}

/* Bytes of new data that may go now; 0: none. */
static uint32_t new_bytes(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t waiting = conn->snd_end - conn->snd_nxt;
    uint32_t used = conn->snd_nxt - conn->snd_una;
    uint32_t window = conn->snd_wnd > used ? conn->snd_wnd - used : 0;
    uint32_t usable = min_u32(waiting, window);
    if (usable == 0) {
        return 0;
    }
    uint32_t pipe = conn_pipe(conn);
    uint32_t room = conn->work->cc.cwnd > pipe ? conn->work->cc.cwnd - pipe : 0;
    if (room < conn->mss && room < usable) {
        if (pipe > 0) {
            conn_set(conn, CONN_CWND_LIMITED);
            return 0;
        }
        room = conn->mss;
    }
    uint32_t mss = tcp_mss_now(conn);
    uint32_t bytes = min_u32(min_u32(usable, room), burst_max(tcp, conn, mss));
    bytes = limit_views(tcp, conn, bytes);
    bool last = bytes == waiting && !is_nagled(conn) && !conn_is_corked(conn);
    if (bytes >= mss) {
        BERTH_CHECK(mss > 0); /* it divides */
        return last || bytes == mss ? bytes : bytes - bytes % mss;
    }
    /* RFC 9293 3.8.6.2.1: a short segment only if it empties the queue and Nagle allows it, if it
       is half of the largest window seen, or if the override timer ran out. */
    bool half = usable == window && window >= conn->snd_wnd_max / 2;
    return last || half || conn_has(conn, CONN_FORCE_NOW) ? bytes : 0;
}

/* Our FIN leaves: the state moves (RFC 9293 3.10.4). */
static void tcp_fin_sent(struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_ESTABLISHED) {
        conn->state = BERTH_TCP_FIN_WAIT_1;
    } else if (conn->state == BERTH_TCP_CLOSE_WAIT) {
        conn->state = BERTH_TCP_LAST_ACK;
    }
}

/* Do BYTES end with a segment that is not full? */
static bool is_small(const struct tcp_conn *conn, uint32_t bytes)
{
    uint32_t mss = tcp_mss_now(conn);
    return bytes != mss && bytes % mss != 0;
}

/* The next BYTES leave for the first time, FIN behind the last. false: no record left for them. */
static bool send_new(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                     struct berth_frame *frame)
{
    uint32_t bytes = packet->payload_bytes;
    bool fin = conn_has(conn, CONN_FIN_QUEUED) && conn_is_synchronised(conn) &&
               conn->snd_nxt + bytes == conn->snd_end &&
               conn->snd_nxt + bytes - conn->snd_una < conn->snd_wnd;
    if (bytes == 0 && !fin) {
        return false;
    }
    if (!tcp_score_sent(tcp, conn, bytes + (fin ? 1 : 0))) {
        conn->work->wants_record = true;
        tcp_starve(tcp, conn);
        return false;
    }
    if (conn->snd_una == conn->snd_nxt && conn->work->unanswered == 0) {
        conn->work->progress_ns = tcp->now_ns; /* the user timeout counts from here */
    }
    conn_clear(conn, CONN_FORCE_NOW);
    tcp_describe(tcp, conn, conn->snd_nxt, packet);
    packet->payload_bytes = bytes;
    packet->tcp.flags = fin ? WIRE_FIN : 0;
    if (conn_has(conn, CONN_ECN)) {
        tcp_ecn_send_new(conn, packet);
    }
    conn->snd_nxt += bytes + (fin ? 1 : 0);
    conn->work->snd_small = is_small(conn, bytes) ? conn->snd_nxt : conn->work->snd_small;
    fill_data(tcp, conn, packet, frame);
    if (conn->back->options->unsent_bytes != 0) {
        tcp_sendq_wake(tcp, conn);
    }
    if (fin) {
        tcp_fin_sent(conn);
    }
    return true;
}

/* What left last was new data, and just now. */
static bool goes_on(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct list_node *node = list_last(&conn->work->in_flight);
    const struct tcp_sent *sent =
        node != NULL ? CONTAINER_OF(node, const struct tcp_sent, by_time) : NULL;
    return sent != NULL && sent->end == conn->snd_nxt && sent->sent_ns == tcp->now_ns;
}

/* The window and cwnd take another segment, and there is one: what new_bytes would find. */
static bool has_full_segment(const struct tcp_conn *conn)
{
    uint32_t used = conn->snd_nxt - conn->snd_una;
    uint32_t pipe = conn_pipe(conn);
    return conn->snd_end - conn->snd_nxt >= conn->mss && conn->snd_wnd >= used + conn->mss &&
           conn->work->cc.cwnd >= pipe + conn->mss;
}

/* PSH also where a burst ends that the window or cwnd has cut off, of two segments and more: so a
   receiver that gathers segments hands them on. A single one may well be followed soon. */
static void push_burst(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                       bool many)
{
    if (packet->payload_bytes > 0 && (many || packet->segment_bytes != 0) &&
        !has_full_segment(conn) && !conn_is_corked(conn) && new_bytes(tcp, conn) == 0) {
        packet->tcp.flags |= WIRE_PSH;
    }
}

static bool fill_new(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                     struct berth_frame *frame)
{
    if (!conn_has_unsent(conn)) {
        return false;
    }
    (void)tcp_work_need(tcp, conn);
    if ((conn->work->frto != FRTO_OFF && tcp_frto_holds_new(conn)) ||
        (conn->back->ledger->ecn.paused && !conn_has(conn, CONN_FORCE_NOW))) {
        return false;
    }
    bool many = goes_on(tcp, conn);
    restart_if_idle(tcp, conn);
    conn_clear(conn, CONN_CWND_LIMITED);
    packet->payload_bytes = conn->back->path != 0 ? tcp_pmtu_probe_bytes(tcp, conn) : 0;
    bool probe = packet->payload_bytes > 0;
    uint32_t small = conn->work->snd_small;
    if (probe && conn_pipe(conn) + packet->payload_bytes > conn->work->cc.cwnd) {
        conn_set(conn, CONN_CWND_LIMITED);
        return false; /* there will be room for it */
    }
    packet->payload_bytes = probe ? packet->payload_bytes : new_bytes(tcp, conn);
    if (!send_new(tcp, conn, packet, frame)) {
        return false;
    }
    if (probe) { /* as one segment, whatever the others' size */
        packet->segment_bytes = 0;
        conn->work->snd_small = small;
        tcp_pmtu_probe_sent(conn,
                            CONTAINER_OF(tree_last(&conn->work->sent), struct tcp_sent, node));
    }
    push_burst(tcp, conn, packet, many);
    if (conn->work->rto_ns == BERTH_NEVER || conn_has(conn, CONN_PERSIST)) {
        conn->work->backoff =
            conn_has(conn, CONN_PERSIST) ? 0 : conn->work->backoff; /* probes are no losses */
        tcp_timer_retransmit(tcp, conn);
    } else {
        tcp_rack_arm_probe(tcp, conn);
    }
    return true;
}

/* RFC 8985 7.3: new data if there is any and the peer's window takes it, else the last segment once
   more; cwnd is not asked. */
static bool fill_tail_probe(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                            struct berth_frame *frame)
{
    conn->work->tlp_now = false;
    if (conn->snd_una == conn->snd_nxt || conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT)) {
        return false;
    }
    uint32_t used = conn->snd_nxt - conn->snd_una;
    uint32_t window = conn->snd_wnd > used ? conn->snd_wnd - used : 0;
    uint32_t mss = tcp_mss_now(conn);
    packet->payload_bytes = min_u32(min_u32(conn->snd_end - conn->snd_nxt, window), mss);
    if (conn_has_unsent(conn) && send_new(tcp, conn, packet, frame)) {
        tcp_rack_probed(tcp, conn, false);
        return true;
    }
    struct tcp_sent *tail = tcp_score_tail(tcp, conn, mss);
    if (tail == NULL || (tail->flags & SENT_SACKED) != 0 || tail->end - tail->seq > mss) {
        return false;
    }
    tcp_score_again(tcp, conn, tail);
    packet->tcp.seq = tail->seq;
    packet->payload_bytes = tail->end - tail->seq;
    send_again(tcp, conn, packet, frame);
    tcp_rack_probed(tcp, conn, true);
    return true;
}

static bool fill_probe(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    if (!conn_has(conn, CONN_PROBE_NOW)) {
        return false;
    }
    /* RFC 9293 3.8.4: a sequence number that the peer must answer because it has it already. */
    conn_clear(conn, CONN_PROBE_NOW);
    tcp_describe(tcp, conn, conn->snd_una - 1, packet);
    acknowledge(tcp, conn, packet);
    return true;
}

static bool fill_ack(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    if (!conn_has(conn, CONN_ACK_NOW)) {
        return false;
    }
    tcp_describe(tcp, conn, conn->snd_nxt, packet);
    acknowledge(tcp, conn, packet);
    return true;
}

/* Not yet: CONN is ready again when its pace allows more, if there is more. */
static void wait_for_pace(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_has_unsent(conn) || tcp_score_has_lost(conn) || conn->work->tlp_now) {
        conn->work->rate->is_waiting = true;
        tcp_timer_by(tcp, conn, conn->work->rate->pace_ns);
    }
}

static bool fill_synchronised(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                              struct berth_frame *frame)
{
    if (conn->work->rate != NULL && !tcp_pace_is_due(tcp, conn)) {
        wait_for_pace(tcp, conn);
        return fill_probe(tcp, conn, packet) || fill_ack(tcp, conn, packet);
    }
    if (conn->back->ledger->ecn.answer && fill_ack(tcp, conn, packet)) {
        return true; /* before data (RFC 9768 3.2.2.1) */
    }
    if ((conn->work->tlp_now && fill_tail_probe(tcp, conn, packet, frame)) ||
        (tcp_score_has_lost(conn) && fill_lost(tcp, conn, packet, frame)) ||
        fill_new(tcp, conn, packet, frame)) {
        return true;
    }
    if (conn->work->frto != FRTO_OFF && tcp_frto_unstick(conn) && tcp_score_has_lost(conn) &&
        fill_lost(tcp, conn, packet, frame)) {
        return true;
    }
    if (conn->work->rto_ns == BERTH_NEVER && conn_has_unsent(conn)) {
        tcp_timer_retransmit(tcp, conn); /* as persist timer */
    }
    return fill_probe(tcp, conn, packet) || fill_ack(tcp, conn, packet);
}

bool tcp_fill(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
              struct berth_frame *frame)
{
    if (conn_has(conn, CONN_RST_NOW)) {
        fill_reset(tcp, conn, packet);
        return true;
    }
    bool filled = false;
    if (conn_has(conn, CONN_SYN_NOW)) {
        fill_syn(tcp, conn, packet, frame);
        filled = true;
    } else if (conn_is_synchronised(conn)) {
        filled = fill_synchronised(tcp, conn, packet, frame);
    } else if (conn->state == BERTH_TCP_SYN_RECEIVED) {
        filled = (conn->back->fast_early && fill_new(tcp, conn, packet, frame)) ||
                 fill_ack(tcp, conn, packet); /* to what was not acceptable */
    }
    if (!filled) {
        tcp_conn_unready(tcp, conn);
        tcp_count_busy(tcp, conn);
        return false;
    }
    tcp_count_out(conn, packet);
    tcp_conn_requeue(tcp, conn);
    return true;
}
