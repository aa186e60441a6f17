/* SPDX-License-Identifier: MIT */
/*
 * Explicit congestion notification: agreeing on RFC 3168's feedback or on AccECN's (RFC 9768, the
 * counters are accecn.c's), ECT on what is sent, ECE back for marks that come, and the reaction to
 * marks that the peer tells of.
 *
 * 1. Only new data is sent ECT: no SYN, no pure ACK, no probe, nothing for the second time (RFC
 *    3168 6.1.1, 6.1.4 to 6.1.6).
 * 2. The mode is agreed on once: by the first SYN for whoever answers it, by the first SYN,ACK for
 *    who opens. A SYN or SYN,ACK without ECN, sent or received, later takes ECT away, not the mode.
 * 3. One reduction a window of data, be it for marks or losses.
 *
 *   AE CWR ECE of the SYN   of the SYN,ACK       mode
 *   0 1 1                   0 0 1                CLASSIC
 *   1 1 1                   how the SYN came     ACCURATE     (where both sides have it)
 *   1 1 1                   0 0 1                CLASSIC
 *   anything                anything else        NONE
 *
 * A SYN that was refused, or lost, goes again without ECN (RFC 3168 6.1.1.1); one that asks for
 * AccECN once more with it before that (RFC 9768 3.1.4.1). A SYN,ACK likewise.
 */
#include "tcp/parts.h"

#define SETUP_SHIFT         6 /* AE, CWR, ECE as a number */
#define SETUP_MASK          7U
#define SETUP(ae, cwr, ece) ((uint32_t)(ae) << 2 | (uint32_t)(cwr) << 1 | (uint32_t)(ece))

static uint32_t setup_of(const struct wire_packet *packet)
{
    return packet->tcp.flags >> SETUP_SHIFT & SETUP_MASK;
}

static enum tcp_ecn_mode mode_asked(uint8_t setting)
{
    switch ((enum berth_tcp_ecn)setting) {
    case BERTH_TCP_ECN:
    case BERTH_TCP_ACCECN_ASK_ECN:
        return TCP_ECN_CLASSIC;
    case BERTH_TCP_ACCECN:
        return TCP_ECN_ACCURATE;
    case BERTH_TCP_ECN_OFF:
    case BERTH_TCP_ECN_ACCEPT:
    case BERTH_TCP_ACCECN_ACCEPT:
        break;
    }
    return TCP_ECN_NONE;
}

/* Only who asks has anything to remember yet. */
void tcp_ecn_begin(struct tcp *tcp, struct tcp_conn *conn)
{
    enum tcp_ecn_mode asked = mode_asked(tcp->settings.ecn);
    if (asked != TCP_ECN_NONE && conn_has(conn, CONN_ACTIVE)) {
        tcp_ledger_need(tcp, conn)->ecn =
            (struct tcp_ecn){.asked = (uint8_t)asked & 3U, .end = conn->back->iss};
    }
}

/* MODE is agreed on. */
static void agree(struct tcp *tcp, struct tcp_conn *conn, enum tcp_ecn_mode mode)
{
    if (mode != TCP_ECN_NONE) {
        struct tcp_ecn *ecn = &tcp_ledger_need(tcp, conn)->ecn;
        ecn->mode = (uint8_t)mode & 3U;
        ecn->end = conn->back->iss;
        conn_set(conn, CONN_ECN);
    }
}

/* ---- The handshake -------------------------------------------------------------------------- */

static uint16_t flags_of_syn(struct tcp_conn *conn)
{
    bool accurate = conn->back->ledger->ecn.asked == TCP_ECN_ACCURATE;
    bool lost = conn->work->backoff > (accurate ? 1 : 0);
    if (conn->back->ledger->ecn.asked == TCP_ECN_NONE) {
        return 0;
    }
    if (lost || conn->back->ledger->ecn.plain) {
        conn->back->ledger->ecn.plain = true;
        return 0;
    }
    return (uint16_t)(SETUP(accurate, 1, 1) << SETUP_SHIFT);
}

/* RFC 9768 3.2.3.2.2: the second time without the option (accecn.c), then without ECN, but the mode
 * stays. */
static uint16_t flags_of_syn_ack(struct tcp_conn *conn)
{
    if (conn->back->ledger->ecn.mode == TCP_ECN_CLASSIC) {
        return conn->back->ledger->ecn.plain ? 0 : WIRE_ECE;
    }
    bool lost = conn->work->backoff > 1;
    return conn->back->ledger->ecn.mode == TCP_ECN_NONE || lost ? 0
                                                                : tcp_accecn_handshake_flags(conn);
}

uint16_t tcp_ecn_syn_flags(struct tcp_conn *conn)
{
    return conn->state == BERTH_TCP_SYN_SENT ? flags_of_syn(conn) : flags_of_syn_ack(conn);
}

/* What SYN asks, of what we have. */
static enum tcp_ecn_mode mode_of(const struct wire_packet *syn, bool accurate, bool classic)
{
    uint32_t setup = setup_of(syn);
    if (setup == SETUP(0, 0, 0)) {
        return TCP_ECN_NONE;
    }
    if (accurate && setup != SETUP(0, 1, 1)) { /* others too (RFC 9768 3.1.3) */
        return TCP_ECN_ACCURATE;
    }
    /* A SYN that comes with ECT: a path that mangles the field, or no RFC 3168. */
    bool ect = (syn->traffic_class & WIRE_CE) != WIRE_NOT_ECT && setup == SETUP(0, 1, 1);
    bool asks = (setup & SETUP(0, 1, 1)) == SETUP(0, 1, 1);
    return asks && classic && !ect ? TCP_ECN_CLASSIC : TCP_ECN_NONE;
}

enum tcp_ecn_mode tcp_ecn_mode_of(const struct tcp *tcp, const struct wire_packet *syn)
{
    uint8_t setting = tcp->settings.ecn;
    return mode_of(syn, setting >= BERTH_TCP_ACCECN, setting != BERTH_TCP_ECN_OFF);
}

/* In a simultaneous open the peer goes by our own SYN, so it is what that asked. */
static enum tcp_ecn_mode mode_of_syn(const struct tcp *tcp, const struct tcp_conn *conn,
                                     const struct wire_packet *syn)
{
    if (!conn_has(conn, CONN_ACTIVE)) {
        return tcp_ecn_mode_of(tcp, syn);
    }
    return mode_of(syn, conn->back->ledger->ecn.asked == TCP_ECN_ACCURATE,
                   conn->back->ledger->ecn.asked != TCP_ECN_NONE && !conn->back->ledger->ecn.plain);
}

void tcp_ecn_on_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *syn)
{
    enum tcp_ecn_mode mode = mode_of_syn(tcp, conn, syn);
    agree(tcp, conn, mode);
    if (mode != TCP_ECN_NONE) {
        conn->back->ledger->ecn.ect = !conn->back->ledger->ecn.plain;
    }
    if (mode == TCP_ECN_ACCURATE) {
        tcp_accecn_begin(tcp, conn);
        conn->back->ledger->ecn.handshake = syn->traffic_class & 3U;
    }
}

/* RFC 3168 6.1.1, RFC 9768 3.1.5: who has received a SYN without ECN does not set ECT; RFC 3168's
 * answer to it is one without, AccECN's is how it came. */
bool tcp_ecn_on_syn_again(const struct tcp *tcp, struct tcp_conn *conn,
                          const struct wire_packet *syn)
{
    enum tcp_ecn_mode first = (enum tcp_ecn_mode)conn->back->ledger->ecn.mode;
    enum tcp_ecn_mode mode = mode_of_syn(tcp, conn, syn);
    if (!conn_has(conn, CONN_ECN)) {
        return true;
    }
    conn->back->ledger->ecn.again = true;
    conn->back->ledger->ecn.handshake = syn->traffic_class & 3U;
    if (mode == TCP_ECN_NONE) {
        conn->back->ledger->ecn.plain = true;
        conn->back->ledger->ecn.ect = false;
    }
    return mode == first || mode == TCP_ECN_NONE;
}

/* RFC 3168 6.1.1, RFC 9768 3.1.2, table 2. Some hosts reflect flags that they do not know, so all
 * of them are no agreement. */
void tcp_ecn_on_syn_ack(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    uint32_t setup = setup_of(packet);
    bool accurate = conn->back->ledger->ecn.asked == TCP_ECN_ACCURATE;
    if (accurate ? setup == SETUP(0, 0, 1)
                 : conn->back->ledger->ecn.asked == TCP_ECN_CLASSIC &&
                       (setup & SETUP(0, 1, 1)) == SETUP(0, 0, 1)) {
        agree(tcp, conn, TCP_ECN_CLASSIC);
        conn->back->ledger->ecn.ect = !conn->back->ledger->ecn.plain;
    } else if (accurate && setup != SETUP(0, 0, 0) && setup != SETUP(1, 1, 1)) {
        agree(tcp, conn, TCP_ECN_ACCURATE);
        conn->back->ledger->ecn.ect =
            true; /* also where a plain SYN was sent: the answer says which counted */
        tcp_accecn_begin(tcp, conn);
        tcp_accecn_on_syn_ack(conn, packet);
        tcp_accecn_take_reply(conn, packet);
    }
}

void tcp_ecn_on_syn_ack_again(struct tcp_conn *conn, struct wire_packet *packet)
{
    bool accurate = conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE;
    if (accurate && setup_of(packet) != SETUP(0, 0, 0)) {
        tcp_accecn_on_syn_ack(conn, packet);
    }
    bool crossed = conn->state == BERTH_TCP_SYN_RECEIVED && !conn_has(conn, CONN_SYN_NOW);
    if (accurate && crossed) {
        conn->back->ledger->ecn.answer = false; /* SYN,ACKs crossed: ours was the answer */
    }
    packet->tcp.flags &= (uint16_t) ~(SETUP_MASK << SETUP_SHIFT);
    if (accurate) { /* what is known already */
        packet->tcp.flags |=
            (uint16_t)((conn->back->ledger->ecn.cep_told & SETUP_MASK) << SETUP_SHIFT);
    }
}

bool tcp_ecn_may_retry(const struct tcp_conn *conn)
{
    return conn->back->ledger->ecn.asked != TCP_ECN_NONE && !conn->back->ledger->ecn.plain;
}

void tcp_ecn_on_reset(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->back->ledger->ecn.plain = true;
    conn_set(conn, CONN_SYN_NOW);
    tcp_conn_ready(tcp, conn);
}

/* In SYN-RECEIVED. */
void tcp_ecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet)
{
    if (conn->back->ledger->ecn.mode != TCP_ECN_ACCURATE) {
        return;
    }
    if (conn->work->backoff > 1) {
        conn->back->ledger->ecn.ect =
            false; /* RFC 9768 3.1.5: the peer may have seen the plain SYN,ACK only */
    }
    tcp_accecn_on_handshake_ack(conn, packet);
}

/* Both SYNs are acknowledged, congestion control has begun. */
void tcp_ecn_established(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->ledger->ecn.shocked && conn->work->cc.table->on_ecn != NULL) {
        conn->work->cc.table->on_ecn(&conn->work->cc, conn->work->cc.cwnd, tcp->now_ns);
        conn->work->cc.table->on_recovered(&conn->work->cc, tcp->now_ns);
    }
}

/* ---- What comes ----------------------------------------------------------------------------- */

static void ack_now(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_set(conn, CONN_ACK_NOW);
    tcp_conn_ready(tcp, conn);
}

/* RFC 3168 6.1.3. The first mark, and CWR from a sender whose window may be small by now, are
 * answered at once. */
static void on_data(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    bool is_marked = (packet->traffic_class & WIRE_CE) == WIRE_CE;
    if ((packet->tcp.flags & WIRE_CWR) != 0) {
        conn->back->ledger->ecn.echo = false;
        ack_now(tcp, conn);
    }
    if (is_marked) {
        conn->back->ledger->ecn.marks_in += wire_pieces(packet);
        if (!conn->back->ledger->ecn.echo) {
            ack_now(tcp, conn);
        }
        conn->back->ledger->ecn.echo = true;
    }
}

/* An acceptable segment: one outside of the window marks nothing (RFC 3168 6.1.5). */
void tcp_ecn_on_segment(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    if (conn->back->ledger->ecn.mode == TCP_ECN_CLASSIC && packet->payload_bytes > 0) {
        on_data(tcp, conn, packet);
    } else if (conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE &&
               tcp_accecn_on_segment(conn, packet)) {
        ack_now(tcp, conn);
    }
}

/* ---- What leaves ---------------------------------------------------------------------------- */

void tcp_ecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet)
{
    if (conn->back->ledger->ecn.echo) {
        packet->tcp.flags |= WIRE_ECE;
    } else if (conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE) {
        tcp_accecn_acknowledge(conn, packet);
    }
}

/* A controller that does not hear marks sends nothing that can be marked. */
void tcp_ecn_send_new(struct tcp_conn *conn, struct wire_packet *packet)
{
    if (packet->payload_bytes == 0 || conn->back->ledger->ecn.mode == TCP_ECN_NONE) {
        return;
    }
    if (conn->back->ledger->ecn.ect && conn->work->cc.table->on_ecn != NULL) {
        packet->traffic_class |= WIRE_ECT0;
    }
    if (conn->back->ledger->ecn.cwr) {
        packet->tcp.flags |= WIRE_CWR; /* of a super-segment, the link sets it on the first only */
        conn->back->ledger->ecn.cwr = false;
    }
    conn->back->ledger->ecn.paused = false;
}

/* ---- Marks that the peer tells of ----------------------------------------------------------- */

bool tcp_ecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                     const struct tcp_acked *acked)
{
    bool echo = (packet->tcp.flags & WIRE_ECE) != 0 && packet->tcp.ack == conn->snd_una;
    bool told = conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE
                    ? tcp_accecn_is_told(conn, packet, acked)
                    : conn->back->ledger->ecn.mode == TCP_ECN_CLASSIC && echo;
    conn->back->ledger->ecn.told = conn->back->ledger->ecn.told || told;
    return told;
}

/* The window is reduced, for marks or a loss: CWR says so, and what is in flight tells no more. */
static void note_reduction(struct tcp_conn *conn)
{
    conn->back->ledger->ecn.end = conn->snd_nxt;
    conn->back->ledger->ecn.cwr = conn->back->ledger->ecn.mode == TCP_ECN_CLASSIC;
}

void tcp_ecn_on_loss(struct tcp_conn *conn)
{
    if (!conn_has(conn, CONN_ECN)) {
        return;
    }
    conn->back->ledger->ecn.told = conn->back->ledger->ecn.reducing;
    conn->back->ledger->ecn.reducing = false;
    note_reduction(conn);
    tcp_accecn_on_loss(conn);
}

static void reduce(struct tcp *tcp, struct tcp_conn *conn, uint32_t flight)
{
    uint32_t used = tcp_validate_flight(tcp, conn, flight);
    conn->work->cc.table->on_ecn(&conn->work->cc, used, tcp->now_ns);
    tcp_validate_reduced(tcp, conn);
    tcp_recovery_begin_reduction(conn, flight);
    conn->back->ledger->ecn.reducing =
        conn->work->cc.table->on_sample == NULL; /* one that measures keeps its cwnd */
    note_reduction(conn);
}

static void finish_reduction(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->back->ledger->ecn.reducing = false;
    conn->work->cc.table->on_recovered(&conn->work->cc, tcp->now_ns);
    tcp_validate_recovered(tcp, conn);
}

/* CONN goes to rest: nothing is in flight that a reduction could wait for. */
void tcp_ecn_rest(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->ledger->ecn.reducing) {
        finish_reduction(tcp, conn);
    }
}

/* RFC 3168 6.1.2: with a window of one segment, the next leaves when the timer has run out. */
static void pause(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->work->cc.cwnd <= conn->mss && conn->snd_una == conn->snd_nxt) {
        conn->back->ledger->ecn.paused = true;
        tcp_timer_retransmit(tcp, conn);
    }
}

/* After loss recovery has had its turn. */
void tcp_ecn_react(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked,
                   bool is_told)
{
    bool recovering = conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT);
    if (conn->back->ledger->ecn.reducing && seq_geq(conn->snd_una, conn->back->ledger->ecn.end)) {
        finish_reduction(tcp, conn);
    }
    if (is_told) {
        (void)tcp_work_need(tcp, conn);
        pause(tcp, conn);
    }
    if (is_told && recovering) {
        conn->back->ledger->ecn.told = true;
    } else if (is_told && seq_gt(conn->snd_una, conn->back->ledger->ecn.end) &&
               conn->work->cc.table->on_ecn != NULL) {
        reduce(tcp, conn, acked->bytes + conn->snd_nxt - conn->snd_una);
    }
    if (conn->back->ledger->ecn.reducing) {
        tcp_recovery_reduce(conn, acked);
    }
    conn->back->ledger->ecn.end =
        seq_max(conn->back->ledger->ecn.end, conn->snd_una - 1); /* not to fall 2^31 behind */
}
