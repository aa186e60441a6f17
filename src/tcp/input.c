/* SPDX-License-Identifier: MIT */
/*
 * A segment arrives (RFC 9293 3.10.7): the order of checks of 3.10.7.4 for the synchronised states
 * and SYN-RECEIVED, with PAWS (RFC 7323 5) before and the blind-attack checks (RFC 5961) inside.
 */
#include "tcp/fast_open.h"

#define PAWS_IDLE_NS (24 * 86400 * NS_PER_S) /* RFC 7323 5.5: older timestamps prove nothing */

static uint32_t receive_window(const struct tcp_conn *conn)
{
    return seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
}

/* RFC 9293 3.10.7.4, the four cases of an acceptable segment. What a RST carries explains it
   (SHLD-2) and has no length. More is taken in two cases: the ACK of a segment for a shut window
   (MUST-66), and one without length at the window's edge: there a peer's ACKs are that has filled
   the window, and while a piece of that is lost they are the only ones there are. */
bool tcp_is_acceptable(const struct wire_packet *packet, uint32_t rcv_nxt, uint32_t window)
{
    uint32_t flags = packet->tcp.flags;
    uint32_t from = packet->tcp.seq - rcv_nxt;
    uint32_t length = packet->payload_bytes + ((flags & WIRE_SYN) != 0 ? 1 : 0) +
                      ((flags & WIRE_FIN) != 0 ? 1 : 0);
    if ((flags & WIRE_RST) != 0) {
        return from < max_u32(window, 1);
    }
    if (window == 0 || length == 0) {
        return from <= window;
    }
    uint32_t last = from + length - 1;
    return from < window || last < window || (seq_leq(from, 0) && seq_geq(last, 0));
}

/* RFC 7323 5.5: what the peer's clock said last is too long ago to compare with. */
static bool is_stamp_outdated(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return tcp_coarse(tcp->now_ns) - conn->ts_recent_at >= tcp_coarse(PAWS_IDLE_NS);
}

/* Does the segment fail PAWS (RFC 7323 5.3 R1)? RSTs are exempt. */
static bool is_old_timestamp(const struct tcp *tcp, const struct tcp_conn *conn,
                             const struct wire_tcp *segment)
{
    if (!conn_has(conn, CONN_TIMESTAMPS) || (segment->options & WIRE_OPTION_TIMESTAMPS) == 0) {
        return false;
    }
    return seq_lt(segment->tsval, conn->ts_recent) && !is_stamp_outdated(tcp, conn);
}

/* RFC 7323 4.3 (2): from a segment that reaches back to what we acknowledged last; also where it
 * seems to be older than one that is outdated, else that would be echoed for weeks. Its ACK number
 * has been judged before: else one forged segment with a timestamp far ahead would make all that
 * the peer sends look old. */
static void take_timestamp(const struct tcp *tcp, struct tcp_conn *conn,
                           const struct wire_tcp *segment)
{
    bool stamped =
        conn_has(conn, CONN_TIMESTAMPS) && (segment->options & WIRE_OPTION_TIMESTAMPS) != 0;
    if (stamped && seq_leq(segment->seq, conn->rcv_acked) &&
        (seq_geq(segment->tsval, conn->ts_recent) || is_stamp_outdated(tcp, conn))) {
        conn->ts_recent = segment->tsval;
        conn->ts_recent_at = tcp_coarse(tcp->now_ns);
    }
}

static void ack_now(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_set(conn, CONN_ACK_NOW);
    tcp_conn_ready(tcp, conn);
}

/* Not acceptable: an ACK goes back unless it is a RST; throttled where two ends could echo for
 * ever. */
static enum berth_drop on_unacceptable(struct tcp *tcp, struct tcp_conn *conn,
                                       struct wire_packet *packet)
{
    const struct wire_tcp *segment = &packet->tcp;
    uint32_t syn_ack = WIRE_SYN | WIRE_ACK;
    if ((segment->flags & WIRE_RST) != 0) {
        return BERTH_DROP_TCP_OUT_OF_WINDOW;
    }
    if ((segment->flags & syn_ack) == syn_ack && segment->seq == conn->back->irs) {
        tcp_ecn_on_syn_ack_again(conn, packet);
    }
    if (packet->payload_bytes > 0 && seq_leq(segment->seq + packet->payload_bytes, conn->rcv_nxt)) {
        tcp_owe_dsack(tcp, conn, segment->seq, segment->seq + packet->payload_bytes);
    }
    bool probe = segment->seq == conn->rcv_nxt - 1 || packet->payload_bytes > 0 ||
                 (segment->flags & WIRE_FIN) != 0;
    if (probe) {
        ack_now(tcp, conn);
    } else {
        tcp_challenge(tcp, conn);
    }
    return BERTH_DROP_TCP_OUT_OF_WINDOW;
}

/* It fails PAWS: an ACK goes back (RFC 7323 5.3 R1), which brings what the peer has to send again;
 * throttled for a bare ACK, the like of which two ends that each think the other old would echo. */
static enum berth_drop on_old_timestamp(struct tcp *tcp, struct tcp_conn *conn,
                                        const struct wire_packet *packet)
{
    if (packet->payload_bytes > 0 || (packet->tcp.flags & WIRE_FIN) != 0) {
        ack_now(tcp, conn);
    } else {
        tcp_challenge(tcp, conn);
    }
    return BERTH_DROP_TCP_OLD_TIMESTAMP;
}

/* Second check, the RST bit. */
static enum berth_drop on_reset(struct tcp *tcp, struct tcp_conn *conn,
                                const struct wire_tcp *segment)
{
    if (segment->seq != conn->rcv_nxt && tcp->settings.blind_attack_checks) {
        tcp_challenge(tcp, conn); /* RFC 5961 3.2 */
        return BERTH_DROP_TCP_BLIND;
    }
    bool active = conn->state == BERTH_TCP_SYN_RECEIVED && conn_has(conn, CONN_ACTIVE);
    bool over = conn->state == BERTH_TCP_CLOSING || conn->state == BERTH_TCP_LAST_ACK;
    tcp_conn_end(tcp, conn, active ? BERTH_E_REFUSED : over ? 0 : BERTH_E_RESET);
    return BERTH_DROP_NONE;
}

/* Fourth check, the SYN bit. What a Fast Open cookie has opened its owner uses already: as in the
 * synchronised states. */
static enum berth_drop on_syn_bit(struct tcp *tcp, struct tcp_conn *conn)
{
    bool passive = !conn_has(conn, CONN_ACTIVE) && !conn->back->fast_early;
    if (conn->state == BERTH_TCP_SYN_RECEIVED && passive) {
        tcp_conn_end(tcp, conn, BERTH_E_RESET); /* the peer begins anew: back to LISTEN */
        return BERTH_DROP_TCP_STATE;
    }
    tcp_challenge(tcp, conn); /* RFC 5961 4.2 */
    return BERTH_DROP_TCP_BLIND;
}

/* Fifth check, first half: is the ACK number one that this connection can have caused? */
static enum berth_drop judge_ack(struct tcp *tcp, struct tcp_conn *conn,
                                 const struct wire_packet *packet)
{
    uint32_t ack = packet->tcp.ack;
    if (conn->state == BERTH_TCP_SYN_RECEIVED) {
        if (seq_leq(ack, conn->back->iss) || seq_gt(ack, conn->snd_nxt)) {
            tcp_reset_for(tcp, packet);
            return BERTH_DROP_TCP_BAD_ACK;
        }
        return BERTH_DROP_NONE;
    }
    if (seq_gt(ack, conn->snd_nxt)) {
        tcp_challenge(tcp, conn);
        return BERTH_DROP_TCP_BAD_ACK;
    }
    bool ancient = seq_lt(ack, conn->snd_una - conn->snd_wnd_max);
    if (ancient && tcp->settings.blind_attack_checks) { /* RFC 5961 5.2 */
        tcp_challenge(tcp, conn);
        return BERTH_DROP_TCP_BLIND;
    }
    return BERTH_DROP_NONE;
}

/* The ACK of our SYN: the connection stands (RFC 9293 3.10.7.4, fifth, SYN-RECEIVED). */
static void on_syn_acked(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment)
{
    conn->snd_una = conn->back->iss + 1;
    conn->snd_wnd = (uint32_t)segment->window << conn->snd_wscale;
    conn->snd_wnd_max = max_u32(conn->snd_wnd_max, conn->snd_wnd);
    conn->snd_wl1 = segment->seq;
    conn->snd_wl2 = segment->ack;
    tcp_establish(tcp, conn);
    tcp_fast_settle(tcp, conn, segment->ack);
}

/* Eighth check: the FIN, if everything before it is here; else its place is kept. One that stands
 * past the window comes again; one just at its edge needs no room and is taken. */
static void on_fin_bit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_arrival *arrival)
{
    uint32_t place = arrival->seq + arrival->bytes;
    if (!conn_has(conn, CONN_FIN_RECEIVED) && seq_leq(place, conn->rcv_adv)) {
        tcp_work_need(tcp, conn)->rcv_fin = place;
        conn_set(conn, CONN_FIN_SEEN);
    }
}

/* In SYN-RECEIVED the peer's SYN comes again. With an ACK it is a simultaneous open's, and its ACK
 * is what counts (RFC 9293 3.5). true: without, our SYN,ACK was lost. */
static bool is_syn_again(struct tcp_conn *conn, struct wire_packet *packet)
{
    struct wire_tcp *segment = &packet->tcp;
    if (conn->state != BERTH_TCP_SYN_RECEIVED || (segment->flags & WIRE_SYN) == 0 ||
        segment->seq != conn->back->irs) {
        return false;
    }
    if ((segment->flags & WIRE_ACK) == 0) {
        return true;
    }
    tcp_ecn_on_syn_ack_again(conn, packet);
    segment->flags &= (uint16_t)~WIRE_SYN;
    segment->seq++;
    segment->window = (uint16_t)(segment->window >> conn->snd_wscale); /* unscaled in a SYN */
    return false;
}

/* Our SYN,ACK again; but a RST where its flags for ECN contradict the first SYN's (RFC 9768
 * 3.1.5). */
static enum berth_drop on_syn_again(struct tcp *tcp, struct tcp_conn *conn,
                                    const struct wire_packet *packet)
{
    if (!tcp_ecn_on_syn_again(tcp, conn, packet)) {
        tcp_reset_for(tcp, packet);
        tcp_conn_end(tcp, conn, BERTH_E_RESET);
        return BERTH_DROP_TCP_STATE;
    }
    conn_set(conn, CONN_SYN_NOW);
    tcp_conn_ready(tcp, conn);
    return BERTH_DROP_TCP_DUPLICATE;
}

/* The checks that come before the ACK: sequence, timestamps, RST, SYN. */
static enum berth_drop check_first(struct tcp *tcp, struct tcp_conn *conn,
                                   struct wire_packet *packet)
{
    struct wire_tcp *segment = &packet->tcp;
    bool reset = (segment->flags & WIRE_RST) != 0;
    if (is_syn_again(conn, packet)) {
        return on_syn_again(tcp, conn, packet);
    }
    if (!reset && is_old_timestamp(tcp, conn, segment)) {
        return on_old_timestamp(tcp, conn, packet);
    }
    if (!tcp_is_acceptable(packet, conn->rcv_nxt, receive_window(conn))) {
        return on_unacceptable(tcp, conn, packet);
    }
    if (reset) {
        return on_reset(tcp, conn, segment);
    }
    return (segment->flags & WIRE_SYN) != 0 ? on_syn_bit(tcp, conn) : BERTH_DROP_NONE;
}

/* Sixth to eighth: URG, payload, FIN. SEQ: of the payload. */
static enum berth_drop take_text(struct tcp *tcp, struct tcp_conn *conn,
                                 struct tcp_arrival *arrival, uint32_t seq)
{
    const struct wire_packet *packet = arrival->packet;
    arrival->payload = packet->payload;
    arrival->seq = seq;
    arrival->bytes = packet->payload_bytes;
    arrival->fin = (packet->tcp.flags & WIRE_FIN) != 0;
    if ((packet->tcp.flags & WIRE_URG) != 0 && conn_may_receive(conn)) {
        tcp_on_urgent(tcp, conn, &packet->tcp);
    }
    if (arrival->fin) {
        on_fin_bit(tcp, conn, arrival);
    }
    enum berth_drop drop = tcp_on_payload(tcp, conn, arrival);
    if (conn->state == BERTH_TCP_CLOSED) {
        return drop;
    }
    if (conn_has(conn, CONN_FIN_SEEN) && conn->work->rcv_fin == conn->rcv_nxt) {
        tcp_on_fin(tcp, conn);
    } else if ((packet->tcp.flags & WIRE_FIN) != 0) {
        ack_now(tcp, conn); /* it is not next, or came before */
    }
    return drop;
}

/* After the first checks: ACK, payload, FIN. CONN may end on the way (state CLOSED). */
static enum berth_drop process(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    const struct wire_packet *packet = arrival->packet;
    if ((packet->tcp.flags & WIRE_ACK) == 0) {
        return BERTH_DROP_TCP_BAD_ACK;
    }
    enum berth_drop drop = judge_ack(tcp, conn, packet);
    if (drop != BERTH_DROP_NONE) {
        return drop;
    }
    take_timestamp(tcp, conn, &packet->tcp);
    if (conn->state == BERTH_TCP_SYN_RECEIVED) {
        tcp_ecn_on_handshake_ack(conn, packet);
        on_syn_acked(tcp, conn, &packet->tcp);
    }
    conn->heard_tick = conn_tick(tcp->now_ns);
    if ((packet->tcp.options & WIRE_OPTION_USER_TIMEOUT) != 0) {
        tcp_on_timeout_option(tcp, conn, &packet->tcp);
    }
    conn->dscp_received = packet->traffic_class >> 2;
    conn->probes = 0;
    if (conn_has(conn, CONN_ECN)) {
        tcp_ecn_on_segment(tcp, conn, packet);
    }
    drop = tcp_on_ack(tcp, conn, packet);
    bool bare = packet->payload_bytes == 0 && (packet->tcp.flags & (WIRE_FIN | WIRE_URG)) == 0;
    if (conn->state == BERTH_TCP_CLOSED || bare) {
        return drop;
    }
    return take_text(tcp, conn, arrival, packet->tcp.seq);
}

/* A segment of a connection whose SYN is held: its repetitions are absorbed, its RST ends it. */
static enum berth_drop on_held(struct tcp *tcp, struct tcp_conn *conn,
                               const struct wire_packet *packet)
{
    const struct wire_tcp *segment = &packet->tcp;
    bool same = (segment->flags & WIRE_SYN) != 0 && segment->seq == conn->back->irs;
    if (same) {
        (void)tcp_ecn_on_syn_again(tcp, conn, packet); /* nothing was answered yet */
    }
    if (same || !conn_has(conn, CONN_HELD)) {
        return BERTH_DROP_TCP_DUPLICATE;
    }
    bool reset = (segment->flags & WIRE_RST) != 0 &&
                 (segment->seq == conn->rcv_nxt || segment->seq == conn->back->irs);
    bool other = (segment->flags & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN;
    if (reset || other) { /* it gave up, or began anew: its next SYN is a new first contact */
        tcp_conn_end(tcp, conn, BERTH_E_RESET);
    }
    return BERTH_DROP_TCP_STATE;
}

/* The text of a SYN,ACK (RFC 9293 3.10.7.3, fourth; RFC 7413 4.2.2). */
static enum berth_drop take_early(struct tcp *tcp, struct tcp_conn *conn,
                                  struct tcp_arrival *arrival)
{
    if (conn->state != BERTH_TCP_ESTABLISHED || arrival->packet->payload_bytes == 0) {
        return BERTH_DROP_NONE;
    }
    return take_text(tcp, conn, arrival, arrival->packet->tcp.seq + 1);
}

enum berth_drop tcp_on_segment(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                               struct berth_buffer *buffer)
{
    struct tcp_arrival arrival = {.packet = packet, .buffer = buffer};
    enum berth_drop drop = BERTH_DROP_TCP_STATE;
    tcp_count_in(tcp, conn, packet);
    if (conn->state == BERTH_TCP_SYN_SENT) {
        drop = tcp_on_syn_sent(tcp, conn, packet);
        drop = drop == BERTH_DROP_NONE ? take_early(tcp, conn, &arrival) : drop;
    } else if (conn->state == BERTH_TCP_LISTEN) {
        drop = on_held(tcp, conn, packet);
    } else if (!conn_has(conn, CONN_RST_NOW)) {
        drop = check_first(tcp, conn, packet);
        if (drop == BERTH_DROP_NONE && conn->state != BERTH_TCP_CLOSED) {
            drop = process(tcp, conn, &arrival);
        }
    }
    if (arrival.buffer != NULL) {
        buffers_put(tcp->buffers, arrival.buffer);
    }
    return drop;
}

/* RFC 9293 3.9.2.2, RFC 5927 4.1: only about what is in flight; before the handshake is done it
   ends the attempt (RFC 5461 4), later it is told, and the retransmission timeout judges. */
void tcp_on_unreachable(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, int error)
{
    bool ours = seq_geq(seq, conn->snd_una) && seq_lt(seq, conn->snd_nxt);
    bool opening = conn->state == BERTH_TCP_SYN_SENT ||
                   (conn->state == BERTH_TCP_SYN_RECEIVED && conn_has(conn, CONN_ACTIVE));
    if (ours && opening) {
        tcp_conn_end(tcp, conn, error);
    } else if (ours) {
        tcp_conn_soft_error(tcp, conn, error);
    }
}
