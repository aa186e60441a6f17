/* SPDX-License-Identifier: MIT */
/*
 * More accurate feedback of marks (AccECN, RFC 9768): both halves' counters, in the ACE field and
 * in the AccECN option. What is agreed on, and the reaction, is ecn.c's.
 *
 *   as receiver   cep_in       packets that came marked: its low bits are the ACE field   r.cep
 *                 received     payload bytes by codepoint: the option                     r.e0b...
 *   as sender     cep_told     our packets that the peer has told of                      s.cep
 *                 told_bytes   the payload bytes of them                                  s.ceb
 *
 * 1. The ACE field is on every segment without SYN. The ACK of a SYN,ACK says in it how that came
 *    (RFC 9768 3.2.2.1), and nothing else does.
 * 2. Three bits may have gone round between two ACKs. An option tells; without one the worst is
 *    assumed that the segments acknowledged allow, but not where an ACK usually covers many: there
 *    it would be wrong nearly always (A.2.1).
 */
#include "tcp/parts.h"

#define ACE_SHIFT        6 /* of the flags AE, CWR, ECE as a number */
#define ACE_MASK         7U
#define CEP_INITIAL      5 /* 3.2.1 */
#define BYTES_MASK       0xffffffU
#define OWED_WITH_DATA   2 /* marks that want an ACK (3.2.2.5.1) */
#define OWED_WITHOUT     3
#define PER_ACK_WELL_LOW 32 /* eighths: 4 segments */

/* How a SYN or SYN,ACK came, in the ACE field (3.1.1 and 3.2.2.1, tables 2 and 3). */
static const uint8_t handshake_codes[] = {
    [WIRE_NOT_ECT] = 2, [WIRE_ECT1] = 3, [WIRE_ECT0] = 4, [WIRE_CE] = 6};

static uint16_t ace_flags(uint32_t number)
{
    return (uint16_t)((number & ACE_MASK) << ACE_SHIFT);
}

static uint32_t ace_of(const struct wire_packet *packet)
{
    return packet->tcp.flags >> ACE_SHIFT & ACE_MASK;
}

static enum wire_ecn codepoint(const struct wire_packet *packet)
{
    return (enum wire_ecn)(packet->traffic_class & WIRE_CE);
}

/* ---- The handshake -------------------------------------------------------------------------- */

void tcp_accecn_begin(const struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    ecn->cep_in = CEP_INITIAL;
    ecn->cep_told = CEP_INITIAL;
    ecn->received[WIRE_ECT0 - 1] = 1;
    ecn->received[WIRE_ECT1 - 1] = 1;
    ecn->no_option = !tcp->settings.accecn_option;
    ecn->untested = conn_has(conn, CONN_ACTIVE);
}

uint16_t tcp_accecn_handshake_flags(const struct tcp_conn *conn)
{
    return ace_flags(handshake_codes[conn->back->ledger->ecn.handshake]);
}

/* What the peer says of how our SYN, or SYN,ACK, came: it was sent Not-ECT. Anything else is a path
 * that mangles the field (3.2.2.3); what is said to be marked counts as congestion all the same. */
static void take_handshake_code(struct tcp_conn *conn, uint32_t code)
{
    bool mangled = code == handshake_codes[WIRE_ECT0] || code == handshake_codes[WIRE_ECT1] ||
                   code == handshake_codes[WIRE_CE];
    conn->back->ledger->ecn.ect = conn->back->ledger->ecn.ect && !mangled;
    conn->back->ledger->ecn.shocked = code == handshake_codes[WIRE_CE];
}

/* A SYN,ACK that confirms AccECN, the first or another (3.2.2.1, 3.2.2.2). */
void tcp_accecn_on_syn_ack(struct tcp_conn *conn, const struct wire_packet *packet)
{
    struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    ecn->handshake = (uint8_t)(codepoint(packet) & 3U);
    ecn->answer = true;
    if (ecn->handshake == WIRE_CE && !ecn->syn_counted) {
        ecn->syn_counted = true;
        ecn->cep_in++;
        ecn->marks_in++;
    }
}

void tcp_accecn_take_reply(struct tcp_conn *conn, const struct wire_packet *packet)
{
    take_handshake_code(conn, ace_of(packet));
}

/* The ACK of our SYN,ACK (3.2.2.1, table 4). One with data or SACK blocks carries the counter. */
void tcp_accecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet)
{
    uint32_t code = ace_of(packet);
    bool pure = packet->payload_bytes == 0 && packet->tcp.sack_count == 0;
    if (!pure) {
        return;
    }
    if (code == 0) {
        conn->back->ledger->ecn.deaf = true;
        conn->back->ledger->ecn.ect = false;
        return;
    }
    take_handshake_code(conn, code);
    conn->back->ledger->ecn.cep_told =
        (uint8_t)(CEP_INITIAL + (conn->back->ledger->ecn.shocked ? 1 : 0));
    conn->back->ledger->ecn.marks_told += conn->back->ledger->ecn.shocked ? 1 : 0;
}

/* ---- As receiver ---------------------------------------------------------------------------- */

/* Payload of a codepoint that is counted. */
static void count_bytes(struct tcp_ecn *ecn, enum wire_ecn code, uint32_t bytes)
{
    if (code != WIRE_NOT_ECT && bytes > 0) {
        ecn->received[code - 1] += bytes;
        ecn->seen = (ecn->seen | 1U << (code - 1)) & 7U;
        ecn->news = true;
    }
}

/* An acceptable segment came. true: it wants an ACK at once (3.2.2.5.1). Of a super-segment, whose
 * pieces came alike, one ACK at its end. */
bool tcp_accecn_on_segment(struct tcp_conn *conn, const struct wire_packet *packet)
{
    struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    bool is_marked = codepoint(packet) == WIRE_CE;
    bool changed = is_marked && !ecn->came_marked && packet->payload_bytes > 0;
    bool has_data = packet->payload_bytes > 0 || conn->rcv_nxt != conn->rcv_acked;
    ecn->came_marked = is_marked;
    count_bytes(ecn, codepoint(packet), packet->payload_bytes);
    if (is_marked) {
        uint32_t pieces = wire_pieces(packet);
        ecn->cep_in = (uint8_t)(ecn->cep_in + pieces);
        ecn->owed = (uint8_t)min_u32(ecn->owed + pieces, UINT8_MAX);
        ecn->marks_in += pieces;
    }
    return changed || ecn->owed >= (has_data ? OWED_WITH_DATA : OWED_WITHOUT);
}

uint16_t tcp_accecn_flags(const struct tcp_conn *conn)
{
    return conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE
               ? ace_flags(conn->back->ledger->ecn.cep_in)
               : 0;
}

/* The ACE field of a segment on its way out. */
void tcp_accecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet)
{
    struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    bool pure = packet->payload_bytes == 0 && packet->tcp.sack_count == 0;
    packet->tcp.flags |=
        ecn->answer && pure ? tcp_accecn_handshake_flags(conn) : tcp_accecn_flags(conn);
    ecn->answer = false;
    ecn->owed = 0;
    ecn->untested = ecn->untested && packet->payload_bytes == 0;
    if ((packet->tcp.options & WIRE_OPTION_ACCECN) != 0) {
        ecn->news = false;
    }
}

/* The counters that have changed, and the one beside them, which costs no room (3.2.3.3). */
static void put_counters(const struct tcp_ecn *ecn, struct wire_tcp *out)
{
    bool has0 = (ecn->seen & 1U << (WIRE_ECT0 - 1)) != 0;
    bool has1 = (ecn->seen & 1U << (WIRE_ECT1 - 1)) != 0;
    uint32_t e0b = ecn->received[WIRE_ECT0 - 1] & BYTES_MASK;
    uint32_t e1b = ecn->received[WIRE_ECT1 - 1] & BYTES_MASK;
    out->accecn_reversed = has1 && !has0;
    out->accecn_count = has0 && has1 ? 3 : 2;
    out->accecn[0] = out->accecn_reversed ? e1b : e0b;
    out->accecn[1] = ecn->received[WIRE_CE - 1] & BYTES_MASK;
    out->accecn[2] = out->accecn_reversed ? e0b : e1b;
}

/* The option, where it is due, in what the other options leave free: SACK goes first (3.2.3.3). Not
 * due any more where it seems to be the reason for losses (3.2.3.2.2). */
void tcp_accecn_option(const struct tcp_conn *conn, struct wire_tcp *out)
{
    const struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    if (!tcp_accecn_is_due(conn)) {
        return;
    }
    struct wire_tcp others = *out;
    others.options |= conn_has(conn, CONN_TIMESTAMPS) ? (unsigned)WIRE_OPTION_TIMESTAMPS : 0;
    put_counters(ecn, out);
    uint32_t bytes = wire_tcp_option_bytes(&others) + wire_accecn_bytes(out->accecn_count);
    if (bytes <= WIRE_TCP_OPTION_BYTES_MAX) {
        out->options |= WIRE_OPTION_ACCECN;
    }
}

/* On the SYN,ACK, all counters, the first time only. */
void tcp_accecn_syn_option(const struct tcp_conn *conn, struct wire_tcp *out)
{
    const struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    bool first = conn->work->backoff == 0 && !ecn->again;
    if (ecn->mode == TCP_ECN_ACCURATE && !ecn->no_option && first) {
        put_counters(ecn, out);
        out->accecn_count = 3;
        out->options |= WIRE_OPTION_ACCECN;
    }
}

/* The first data segment, which carried an option, may be lost because of it. */
void tcp_accecn_on_loss(struct tcp_conn *conn)
{
    if (conn_has(conn, CONN_ACTIVE) && conn->snd_una == conn->back->iss + 1) {
        conn->back->ledger->ecn.no_option = true;
    }
}

/* ---- As sender ------------------------------------------------------------------------------ */

/* What the option says was marked since the last; *KNOWN: there is one. A counter that is left out
 * has not changed. */
static uint32_t take_option(struct tcp_ecn *ecn, const struct wire_tcp *segment, bool *known)
{
    *known = (segment->options & WIRE_OPTION_ACCECN) != 0;
    if (!*known || segment->accecn_count < 2) {
        return 0;
    }
    uint32_t bytes = (segment->accecn[1] - ecn->told_bytes) & BYTES_MASK;
    ecn->told_bytes = segment->accecn[1];
    return bytes;
}

/* A.2.1, A.2.2: of MARKS, 0 to 7, and 8 more, 16 more and so on, the number to reckon with when
 * SEGMENTS were acknowledged. */
static uint32_t safe_marks(uint32_t marks, uint32_t segments)
{
    return segments > marks ? segments - ((segments - marks) & ACE_MASK) : marks;
}

static uint32_t count_marks(struct tcp_conn *conn, const struct wire_packet *packet,
                            uint32_t delivered)
{
    struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    uint32_t mss = conn->mss;
    uint32_t segments = (delivered + mss - 1) / mss;
    uint32_t eighths = 8 * min_u32(segments, 31);
    uint32_t marks = (ace_of(packet) - ecn->cep_told) & ACE_MASK;
    uint32_t safe = safe_marks(marks, segments);
    bool known;
    uint32_t bytes = take_option(ecn, &packet->tcp, &known);
    ecn->per_ack =
        (uint8_t)(ecn->per_ack == 0 ? eighths : (7U * ecn->per_ack + eighths) / 8 & 0xff);
    if (known && bytes > 0 && marks == 0 && segments <= ACE_MASK) {
        ecn->ect = false; /* they contradict each other (3.2.3.2.5) */
    }
    if (known) {
        bool enough = bytes <= (uint64_t)mss * marks && (uint64_t)bytes * 2 < (uint64_t)mss * safe;
        return enough ? marks : safe;
    }
    return ecn->per_ack < PER_ACK_WELL_LOW ? safe : marks;
}

/* Does an ACK, already taken in, tell of marks? One that brings nothing new may be older than what
 * was told last. */
bool tcp_accecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                        const struct tcp_acked *acked)
{
    if (acked->delivered == 0) {
        return false;
    }
    uint32_t marks = count_marks(conn, packet, acked->delivered);
    conn->back->ledger->ecn.cep_told = (uint8_t)(conn->back->ledger->ecn.cep_told + marks);
    conn->back->ledger->ecn.marks_told += marks;
    return marks > 0 && !conn->back->ledger->ecn.deaf;
}
