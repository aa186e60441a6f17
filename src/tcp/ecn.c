/* SPDX-License-Identifier: MIT */
/*
 * Explicit congestion notification (RFC 3168): agreeing on it, ECT on what is sent, ECE back for
 * marks that come, and the reaction to marks that the peer tells of. AccECN's feedback: accecn.c.
 *
 * 1. Only new data is sent ECT: no SYN, no pure ACK, no probe, nothing for the second time (RFC
 *    3168 6.1.1, 6.1.4 to 6.1.6).
 * 2. The mode is agreed on once: by the first SYN for whoever answers it, by the first SYN,ACK for
 *    who opens. A SYN or SYN,ACK without ECN, sent or received, later takes ECT away, not the mode.
 * 3. One reduction a window of data, be it for marks or losses.
 *
 *   our SYN asks   the SYN,ACK says     mode        the SYN asks   we say   mode
 *   ECE CWR        ECE                  CLASSIC     ECE CWR        ECE      CLASSIC
 *   anything       anything else        NONE        anything else  -        NONE
 *
 * A SYN that was lost or refused goes again without ECN (RFC 3168 6.1.1.1).
 */
#include "tcp/conn.h"

#define ECN_FLAGS ((unsigned)WIRE_ECE | (unsigned)WIRE_CWR)

static enum tcp_ecn_mode mode_asked(uint8_t setting)
{
    switch ((enum berth_tcp_ecn)setting) {
    case BERTH_TCP_ECN:
        return TCP_ECN_CLASSIC;
    case BERTH_TCP_ECN_OFF:
    case BERTH_TCP_ECN_ACCEPT:
        break;
    }
    return TCP_ECN_NONE;
}

void tcp_ecn_begin(const struct tcp *tcp, struct tcp_conn *conn)
{
    conn->ecn =
        (struct tcp_ecn){.asked = (uint8_t)(mode_asked(tcp->settings.ecn) & 3U), .end = conn->iss};
}

/* ---- The handshake -------------------------------------------------------------------------- */

/* Has this SYN been sent without an answer? */
static bool is_repeated(const struct tcp_conn *conn)
{
    return conn->backoff > 0;
}

static uint16_t flags_of_syn(struct tcp_conn *conn)
{
    if (conn->ecn.asked == TCP_ECN_NONE || is_repeated(conn) || conn->ecn.plain) {
        conn->ecn.plain = true;
        return 0;
    }
    return ECN_FLAGS;
}

uint16_t tcp_ecn_syn_flags(struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_SYN_SENT) {
        return flags_of_syn(conn);
    }
    return conn->ecn.mode == TCP_ECN_CLASSIC && !conn->ecn.plain ? WIRE_ECE : 0;
}

/* What a SYN asks of us. */
static enum tcp_ecn_mode mode_of_syn(const struct tcp *tcp, const struct wire_packet *syn)
{
    bool setup = (syn->tcp.flags & ECN_FLAGS) == ECN_FLAGS;
    bool ect = (syn->traffic_class & WIRE_CE) != WIRE_NOT_ECT; /* a mangled path, or no RFC 3168 */
    return setup && !ect && tcp->settings.ecn != BERTH_TCP_ECN_OFF ? TCP_ECN_CLASSIC : TCP_ECN_NONE;
}

/* In a simultaneous open, where our own SYN did not ask, the peer does not take part. */
void tcp_ecn_on_syn(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *syn)
{
    enum tcp_ecn_mode mode = mode_of_syn(tcp, syn);
    if (conn_has(conn, CONN_ACTIVE) && conn->ecn.plain) {
        mode = TCP_ECN_NONE;
    }
    conn->ecn.mode = (uint8_t)(mode & 3U);
    conn->ecn.ect = mode != TCP_ECN_NONE;
    conn->ecn.plain = mode == TCP_ECN_NONE;
}

/* RFC 3168 6.1.1: who has received a SYN without ECN does not set ECT. */
void tcp_ecn_on_syn_again(const struct tcp *tcp, struct tcp_conn *conn,
                          const struct wire_packet *syn)
{
    if (mode_of_syn(tcp, syn) == TCP_ECN_NONE) {
        conn->ecn.plain = true;
        conn->ecn.ect = false;
    }
}

void tcp_ecn_on_syn_ack(struct tcp_conn *conn, const struct wire_packet *packet)
{
    bool agreed = (packet->tcp.flags & ECN_FLAGS) == WIRE_ECE;
    if (conn->ecn.asked == TCP_ECN_CLASSIC && agreed) {
        conn->ecn.mode = TCP_ECN_CLASSIC;
        conn->ecn.ect = !conn->ecn.plain;
    }
}

bool tcp_ecn_may_retry(const struct tcp_conn *conn)
{
    return conn->ecn.asked != TCP_ECN_NONE && !conn->ecn.plain;
}

void tcp_ecn_on_reset(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->ecn.plain = true;
    conn_set(conn, CONN_SYN_NOW);
    tcp_conn_ready(tcp, conn);
}

/* ---- What comes ----------------------------------------------------------------------------- */

static void ack_now(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_set(conn, CONN_ACK_NOW);
    tcp_conn_ready(tcp, conn);
}

/* RFC 3168 6.1.3. An acceptable segment, so one outside of the window marks nothing (6.1.5). The
 * first mark, and CWR from a sender whose window may be small by now, are answered at once. */
void tcp_ecn_on_segment(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    bool is_marked = (packet->traffic_class & WIRE_CE) == WIRE_CE;
    if (conn->ecn.mode == TCP_ECN_NONE || packet->payload_bytes == 0) {
        return;
    }
    if ((packet->tcp.flags & WIRE_CWR) != 0) {
        conn->ecn.echo = false;
        ack_now(tcp, conn);
    }
    if (is_marked) {
        conn->ecn.marks_in += wire_pieces(packet);
        if (!conn->ecn.echo) {
            ack_now(tcp, conn);
        }
        conn->ecn.echo = true;
    }
}

/* ---- What leaves ---------------------------------------------------------------------------- */

void tcp_ecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet)
{
    if (conn->ecn.echo) {
        packet->tcp.flags |= WIRE_ECE;
    }
}

/* A controller that does not hear marks sends nothing that can be marked. */
void tcp_ecn_send_new(struct tcp_conn *conn, struct wire_packet *packet)
{
    if (packet->payload_bytes == 0 || conn->ecn.mode == TCP_ECN_NONE) {
        return;
    }
    if (conn->ecn.ect && conn->cc.table->on_ecn != NULL) {
        packet->traffic_class |= WIRE_ECT0;
    }
    if (conn->ecn.cwr) {
        packet->tcp.flags |= WIRE_CWR; /* of a super-segment, the link sets it on the first only */
        conn->ecn.cwr = false;
    }
    conn->ecn.paused = false;
}

/* ---- Marks that the peer tells of ----------------------------------------------------------- */

bool tcp_ecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                     const struct tcp_acked *acked)
{
    (void)acked;
    return conn->ecn.mode == TCP_ECN_CLASSIC && (packet->tcp.flags & WIRE_ECE) != 0 &&
           packet->tcp.ack == conn->snd_una;
}

/* The window is reduced, for marks or a loss: CWR says so, and what is in flight tells no more. */
static void note_reduction(struct tcp_conn *conn)
{
    conn->ecn.end = conn->snd_nxt;
    conn->ecn.cwr = conn->ecn.mode == TCP_ECN_CLASSIC;
}

void tcp_ecn_on_loss(struct tcp_conn *conn)
{
    conn->ecn.told = conn->ecn.reducing;
    conn->ecn.reducing = false;
    note_reduction(conn);
}

static void reduce(struct tcp *tcp, struct tcp_conn *conn, uint32_t flight)
{
    conn->cc.table->on_ecn(&conn->cc, flight, tcp->now_ns);
    tcp_recovery_begin_reduction(conn, flight);
    conn->ecn.reducing = conn->cc.table->on_sample == NULL; /* one that measures keeps its cwnd */
    note_reduction(conn);
}

static void finish_reduction(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->ecn.reducing = false;
    conn->cc.table->on_recovered(&conn->cc, tcp->now_ns);
}

/* RFC 3168 6.1.2: with a window of one segment, the next leaves when the timer has run out. */
static void pause(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->cc.cwnd <= conn->mss && conn->snd_una == conn->snd_nxt) {
        conn->ecn.paused = true;
        tcp_timer_retransmit(tcp, conn);
    }
}

/* After loss recovery has had its turn. */
void tcp_ecn_react(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked,
                   bool is_told)
{
    bool recovering = conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT);
    if (conn->ecn.reducing && seq_geq(conn->snd_una, conn->ecn.end)) {
        finish_reduction(tcp, conn);
    }
    if (is_told) {
        pause(tcp, conn);
    }
    if (is_told && recovering) {
        conn->ecn.told = true;
    } else if (is_told && seq_gt(conn->snd_una, conn->ecn.end) && conn->cc.table->on_ecn != NULL) {
        reduce(tcp, conn, acked->bytes + conn->snd_nxt - conn->snd_una);
    }
    if (conn->ecn.reducing) {
        tcp_recovery_reduce(conn, acked);
    }
    conn->ecn.end = seq_max(conn->ecn.end, conn->snd_una - 1); /* not to fall 2^31 behind */
}
