/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery: the scoreboard of what is in flight, and what the sender concludes from ACKs.
 * SACK-based (RFC 6675) where the peer agreed to SACK (RFC 2018), else NewReno (RFC 6582), whose
 * duplicate ACKs are counted as bytes that have left the network (dup_bytes), so that one rule,
 * "pipe below cwnd", governs both.
 *
 *   state       event                               next        by
 *   open        three SACKed segments above a gap,  RECOVERY    enter_recovery
 *               or three duplicate ACKs
 *   open        RTO                                 TIMEOUT     tcp_recovery_timeout
 *   RECOVERY    RTO                                 TIMEOUT     tcp_recovery_timeout
 *   RECOVERY    recover is acknowledged             open        leave_recovery
 *   TIMEOUT     recover is acknowledged             open        leave_recovery
 */
#include "tcp/conn.h"

static const uint32_t dup_threshold = 3; /* RFC 6675 2, RFC 5681 3.2 */

static struct tcp_sent *sent_of(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct tcp_sent, node);
}

static uint32_t sent_bytes(const struct tcp_sent *sent)
{
    return sent->end - sent->seq;
}

static struct tcp_sent *first_sent(const struct tcp_conn *conn)
{
    return sent_of(list_first(&conn->sent));
}

static struct tcp_sent *next_sent(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
    return sent_of(list_next(&conn->sent, &sent->node));
}

/* Counts BYTES of a record with FLAGS in (sign 1) or out (sign -1) of the sums. */
static void count_flags(struct tcp_conn *conn, uint8_t flags, uint32_t bytes, bool in)
{
    uint32_t change = in ? bytes : 0U - bytes;
    if ((flags & SENT_SACKED) != 0) {
        conn->sacked_bytes += change;
    }
    if ((flags & SENT_LOST) != 0) {
        conn->lost_bytes += change;
    }
}

static void set_flags(struct tcp_conn *conn, struct tcp_sent *sent, uint8_t flags)
{
    count_flags(conn, sent->flags, sent_bytes(sent), false);
    sent->flags = flags;
    count_flags(conn, sent->flags, sent_bytes(sent), true);
}

static void drop_record(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
    count_flags(conn, sent->flags, sent_bytes(sent), false);
    list_remove(&sent->node);
    pool_give(&tcp->sent_records, sent);
}

/* Cuts SENT at sequence number AT, inside it; the rest is a record behind it. false: no record
 * left. */
static bool split(struct tcp *tcp, struct tcp_sent *sent, uint32_t at)
{
    struct tcp_sent *rest = pool_take(&tcp->sent_records);
    if (rest == NULL) {
        return false;
    }
    *rest = *sent;
    rest->node = (struct list_node){0};
    rest->seq = at;
    sent->end = at;
    list_insert_after(&sent->node, &rest->node);
    return true;
}

/* The new bytes [snd_nxt, snd_nxt + BYTES) go out now. false: no record left, they must wait. */
bool tcp_recovery_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    struct tcp_sent *sent = pool_take(&tcp->sent_records);
    if (sent == NULL) {
        return false;
    }
    *sent = (struct tcp_sent){
        .sent_ns = tcp->now_ns, .seq = conn->snd_nxt, .end = conn->snd_nxt + bytes};
    list_add_last(&conn->sent, &sent->node);
    return true;
}

void tcp_recovery_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *sent = first_sent(conn);
    while (sent != NULL) {
        drop_record(tcp, conn, sent);
        sent = first_sent(conn);
    }
    conn->dup_bytes = 0;
}

/* Without SACK a partial ACK takes back what duplicate ACKs had counted (RFC 6582 3.2 step 3,
 * partial). */
static void deflate(struct tcp_conn *conn, uint32_t acked)
{
    uint32_t beyond = acked > conn->mss ? acked - conn->mss : 0;
    conn->dup_bytes = conn->dup_bytes > beyond ? conn->dup_bytes - beyond : 0;
}

/* ACK acknowledges [snd_una, ack): takes its records off, with an RTT sample by Karn's rule (RFC
 * 6298 3). */
void tcp_recovery_acked(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack,
                        struct tcp_acked *acked)
{
    struct tcp_sent *sent = first_sent(conn);
    while (sent != NULL && seq_leq(sent->end, ack)) {
        if ((sent->flags & (SENT_EVER_RESENT | SENT_SACKED)) == 0) {
            acked->rtt_ns = max_u64(tcp->now_ns - sent->sent_ns, 1);
        }
        drop_record(tcp, conn, sent);
        sent = first_sent(conn);
    }
    if (sent != NULL && seq_lt(sent->seq, ack)) {
        count_flags(conn, sent->flags, ack - sent->seq, false);
        sent->seq = ack;
    }
    if (!conn_has(conn, CONN_SACK)) {
        deflate(conn, acked->bytes);
    }
}

/* One SACK block that lies within what is outstanding. */
static void mark_block(struct tcp *tcp, struct tcp_conn *conn, const struct wire_sack *block,
                       struct tcp_acked *acked)
{
    struct tcp_sent *sent = first_sent(conn);
    while (sent != NULL && seq_lt(sent->seq, block->right)) {
        bool inside = seq_gt(sent->end, block->left) && (sent->flags & SENT_SACKED) == 0;
        if (inside && seq_lt(sent->seq, block->left)) {
            if (!split(tcp, sent, block->left)) {
                return;
            }
        } else if (inside) {
            if (seq_gt(sent->end, block->right) && !split(tcp, sent, block->right)) {
                return;
            }
            acked->sacked += sent_bytes(sent);
            if ((sent->flags & SENT_EVER_RESENT) == 0) {
                acked->rtt_ns = max_u64(tcp->now_ns - sent->sent_ns, 1);
            }
            set_flags(conn, sent, (uint8_t)((sent->flags & SENT_EVER_RESENT) | SENT_SACKED));
        }
        sent = next_sent(conn, sent);
    }
}

/* Blocks outside of what is outstanding (D-SACK, RFC 2883, or nonsense) change nothing. */
void tcp_recovery_sacked(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment,
                         struct tcp_acked *acked)
{
    for (uint32_t i = 0; i < segment->sack_count; i++) {
        const struct wire_sack *block = &segment->sack[i];
        if (seq_lt(block->left, block->right) && seq_geq(block->left, conn->snd_una) &&
            seq_leq(block->right, conn->snd_nxt)) {
            mark_block(tcp, conn, block, acked);
        }
    }
}

/* RFC 6675 4 IsLost: more than (DupThresh - 1) segments' worth is SACKed above it. */
static void mark_lost_by_sack(struct tcp_conn *conn)
{
    uint32_t above = 0;
    struct tcp_sent *sent = sent_of(list_last(&conn->sent));
    while (sent != NULL) {
        if ((sent->flags & SENT_SACKED) != 0) {
            above += sent_bytes(sent);
        } else if (above > (dup_threshold - 1) * conn->mss &&
                   (sent->flags & (SENT_LOST | SENT_RESENT)) == 0) {
            set_flags(conn, sent, (uint8_t)(sent->flags | SENT_LOST));
        }
        sent = sent_of(list_prev(&conn->sent, &sent->node));
    }
}

/* Without SACK only the first segment is known to be missing. */
static void mark_first_lost(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *sent = first_sent(conn);
    if (sent == NULL || (sent->flags & (SENT_LOST | SENT_RESENT)) != 0) {
        return;
    }
    if (sent_bytes(sent) > conn->mss) {
        (void)split(tcp, sent, sent->seq + conn->mss); /* no record left: all of it again */
    }
    set_flags(conn, sent, (uint8_t)(sent->flags | SENT_LOST));
}

static void enter_recovery(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_nxt - conn->snd_una; /* RFC 5681 2: FlightSize, SACKed or not */
    conn->recover = conn->snd_nxt;
    conn->fast_recoveries++;
    conn_set(conn, CONN_RECOVERY | CONN_FAST_NOW);
    conn->cc.table->on_loss(&conn->cc, flight, tcp->now_ns);
}

static void leave_recovery(struct tcp *tcp, struct tcp_conn *conn)
{
    bool fast = conn_has(conn, CONN_RECOVERY);
    conn_clear(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_FAST_NOW);
    conn->dup_bytes = 0;
    conn->dup_acks = 0;
    if (fast) {
        conn->cc.table->on_recovered(&conn->cc, tcp->now_ns);
    }
}

static void react_without_sack(struct tcp *tcp, struct tcp_conn *conn,
                               const struct tcp_acked *acked)
{
    if (acked->duplicate) {
        uint32_t out = conn->snd_nxt - conn->snd_una;
        conn->dup_bytes = min_u32(conn->dup_bytes + conn->mss, out);
        if (conn->dup_acks == dup_threshold && !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT)) {
            mark_first_lost(tcp, conn);
        }
    } else if (acked->bytes > 0 && conn_has(conn, CONN_RECOVERY)) {
        mark_first_lost(tcp, conn); /* a partial ACK: the next gap, at once (RFC 6582 3.2) */
        conn_set(conn, CONN_FAST_NOW);
    }
}

/* After the scoreboard has taken in an ACK: is something lost, is recovery over? */
void tcp_recovery_react(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked)
{
    bool recovering = conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT);
    if (recovering && seq_geq(conn->snd_una, conn->recover)) {
        leave_recovery(tcp, conn);
        recovering = false;
    }
    if (acked->bytes > 0 && !recovering) {
        conn->dup_acks = 0;
        conn->dup_bytes = 0;
    }
    if (!conn_has(conn, CONN_SACK)) {
        react_without_sack(tcp, conn, acked);
    } else if (acked->sacked > 0) {
        mark_lost_by_sack(conn);
    }
    if (conn->lost_bytes > 0 && !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT)) {
        enter_recovery(tcp, conn);
    }
}

/* RFC 6298 (5.4)-(5.6), RFC 5681 3.1: everything not SACKed is to go again, from a window of
 * one. */
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *sent = first_sent(conn);
    if (sent == NULL) {
        return;
    }
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    bool reneged =
        (sent->flags & SENT_SACKED) != 0; /* RFC 2018 8: the receiver dropped what it SACKed */
    for (; sent != NULL; sent = next_sent(conn, sent)) {
        if ((sent->flags & SENT_SACKED) == 0 || reneged) {
            set_flags(conn, sent, SENT_LOST | SENT_EVER_RESENT);
        }
    }
    conn->dup_bytes = 0;
    conn->dup_acks = 0;
    conn->recover = conn->snd_nxt;
    if (conn_has(conn, CONN_TIMEOUT) && conn->backoff > 1) {
        conn->cc.cwnd = conn->mss; /* the same loss again: ssthresh stands (RFC 5681 3.1) */
    } else {
        conn->cc.table->on_timeout(&conn->cc, flight, tcp->now_ns);
    }
    conn_clear(conn, CONN_RECOVERY | CONN_FAST_NOW);
    conn_set(conn, CONN_TIMEOUT);
}

bool tcp_recovery_has_lost(const struct tcp_conn *conn)
{
    return conn->lost_bytes > 0;
}

bool tcp_recovery_resend(struct tcp *tcp, struct tcp_conn *conn, uint32_t max, uint32_t *seq,
                         uint32_t *end)
{
    struct tcp_sent *sent = first_sent(conn);
    while (sent != NULL && (sent->flags & SENT_LOST) == 0) {
        sent = next_sent(conn, sent);
    }
    if (sent == NULL) {
        return false;
    }
    if (sent_bytes(sent) > max) {
        /* No record left: only its first bytes go, and the rest waits for the next timeout. */
        (void)split(tcp, sent, sent->seq + max);
    }
    set_flags(conn, sent, SENT_RESENT | SENT_EVER_RESENT);
    sent->sent_ns = tcp->now_ns;
    *seq = sent->seq;
    *end = sent->seq + min_u32(sent_bytes(sent), max);
    return true;
}

/* The path takes only smaller packets: what is in flight was dropped for its size, not for
 * congestion
   (RFC 1191 6.5), and goes again. */
void tcp_recovery_repack(struct tcp_conn *conn)
{
    for (struct tcp_sent *sent = first_sent(conn); sent != NULL; sent = next_sent(conn, sent)) {
        if ((sent->flags & (SENT_SACKED | SENT_LOST)) == 0) {
            set_flags(conn, sent, SENT_LOST | SENT_EVER_RESENT);
        }
    }
}
