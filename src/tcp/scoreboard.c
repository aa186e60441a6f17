/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: a record for each piece that was transmitted and is not acknowledged, up to a
 * super-segment long, or a train of full segments of that length; SACK blocks and losses cut it.
 * What the sender concludes from it is recovery.c's and rack.c's.
 *
 * 1. `sent` holds the records by sequence; they cover [snd_una, snd_nxt) without gap or overlap.
 *    Those believed lost are marked in it.
 * 2. `in_flight` holds, by the time of their last transmission, exactly the records that are
 *    neither SACKed nor, as a whole, believed lost.
 * 3. No two neighbours are both SACKed: they are one record. A record that is not SACKed is cut by
 *    SACK blocks only between its segments, as they were on the wire. So a peer can make no more
 *    records than there were segments, however it SACKs, and an ACK costs O(log n), besides what
 *    the records that it is the first to tell of cost once.
 * 4. What is lost and more than may leave is cut. With no record left for that its first segments
 *    go alone, as its head: they are in flight, and the rest is as lost as before (SENT_REST_LOST),
 *    but not marked: it goes when the peer has the head. So an ACK at a time takes a head off.
 */
#include "tcp/parts.h"

#define RECORDS_KEPT    8 /* one in so many */
#define TRAIN_BYTES_MAX 65535U

static struct tcp_sent *sent_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct tcp_sent, node);
}

struct tcp_sent *tcp_score_first(const struct tcp_conn *conn)
{
    return sent_of(tree_first(&conn->work->sent));
}

static struct tcp_sent *next_sent(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
    return sent_of(tree_next(&conn->work->sent, &sent->node));
}

/* Counts SENT into the sums, or out of them. */
static void count(struct tcp_conn *conn, const struct tcp_sent *sent, bool in)
{
    uint32_t sign = in ? 1 : UINT32_MAX; /* modulo 2^32 */
    if ((sent->flags & SENT_SACKED) != 0) {
        conn->work->sacked_bytes += sign * sent_bytes(sent);
    }
    if ((sent->flags & (SENT_LOST | SENT_REST_LOST)) != 0) {
        conn->work->lost_bytes += sign * sent_lost_bytes(sent);
    }
    if ((sent->flags & SENT_RESENT) != 0) {
        conn->work->resent_bytes += sign * sent_head_bytes(sent);
    }
}

/* All of the record is FLAGS now; that changes the sums and its place among those in flight. */
void tcp_score_mark(struct tcp_conn *conn, struct tcp_sent *sent, uint8_t flags)
{
    uint8_t changed = sent->flags ^ flags;
    uint32_t lost_before = sent_lost_bytes(sent);
    count(conn, sent, false);
    sent->flags = flags;
    sent->head = 0;
    count(conn, sent, true);
    if ((changed & SENT_LOST) != 0) {
        tree_mark(&sent->node, (flags & SENT_LOST) != 0);
    }
    if ((changed & flags & SENT_LOST) != 0 && (flags & SENT_PROBE) == 0 &&
        conn->work->rate != NULL) {
        tcp_rate_lost(conn, sent, sent_bytes(sent) - lost_before);
    }
    if ((flags & (SENT_SACKED | SENT_LOST)) != 0) {
        list_remove(&sent->by_time);
    }
}

static void drop_record(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
    if (sent->flags != 0) {
        count(conn, sent, false);
    }
    tree_remove(&conn->work->sent, &sent->node);
    list_remove(&sent->by_time);
    pool_give(&tcp->sent_records, sent);
}

/* SENT is what was behind a head: to go again if it was lost, else in flight since it left first.
 * The sums are the caller's. */
static void become_rest(struct tcp_sent *sent)
{
    bool lost = (sent->flags & SENT_REST_LOST) != 0;
    uint8_t kept = sent->flags & SENT_EVER_RESENT;
    sent->head = 0;
    sent->flags = lost ? kept | SENT_LOST : kept;
    if (lost) {
        tree_mark(&sent->node, true);
        list_remove(&sent->by_time);
    }
}

/* The first BYTES of what SENT was are no more of it; HEAD bytes had been its head. */
static void shorten_head(struct tcp_sent *sent, uint32_t head, uint32_t bytes)
{
    uint32_t left = bytes < head ? (head - bytes) / sent->segment : 0;
    sent->head = left & SENT_HEAD_MAX;
    if (left == 0) {
        become_rest(sent);
    }
}

/* SENT and REST were one record, of which only the head had gone again. */
static void divide_head(struct tcp_sent *sent, struct tcp_sent *rest)
{
    uint32_t head = sent_head_bytes(sent);
    uint32_t before = sent_bytes(sent);
    if (before <= head) {
        sent->head = 0;
        sent->flags &= (uint8_t)~SENT_REST_LOST;
    }
    shorten_head(rest, head, before);
}

/* Cuts SENT at sequence number AT, inside it; the rest is a record behind it. false: no record
 * left. */
bool tcp_score_split(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, uint32_t at)
{
    struct tcp_sent *rest = pool_take(&tcp->sent_records);
    if (rest == NULL) {
        return false;
    }
    bool has_head = sent->head > 0;
    if (has_head) {
        count(conn, sent, false);
    }
    *rest = *sent;
    rest->by_time = (struct list_node){0};
    rest->seq = at;
    sent->end = at;
    tree_add_after(&conn->work->sent, &sent->node, &rest->node, &tcp->dice);
    if ((rest->flags & SENT_LOST) != 0) {
        tree_mark(&rest->node, true);
    }
    if (list_has(&sent->by_time)) {
        list_insert_after(&sent->by_time, &rest->by_time);
    }
    if (has_head) {
        divide_head(sent, rest);
        count(conn, sent, true);
        count(conn, rest, true);
    }
    return true;
}

/* May CONN take a record for new bytes? The last ones are for who has nothing in flight: it would
 * wait for no ACK, and those who have all the others may get theirs late, or never. */
bool tcp_score_has_room(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct pool *records = &tcp->sent_records;
    bool has_none = conn->snd_una == conn->snd_nxt;
    uint32_t kept = has_none ? 0 : (records->count + RECORDS_KEPT - 1) / RECORDS_KEPT;
    return records->count - records->used > kept;
}

/* A full segment from snd_nxt on goes out at the same moment as others just before it: one record
 * is theirs, as if they were a super-segment. Not where rates are measured, piece by piece. */
static bool joins_train(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    struct list_node *last = list_last(&conn->work->in_flight);
    struct tcp_sent *sent = last != NULL ? CONTAINER_OF(last, struct tcp_sent, by_time) : NULL;
    if (sent == NULL || sent->end != conn->snd_nxt || sent->sent_ns != tcp->now_ns ||
        sent->flags != 0 || conn->work->rate != NULL || conn->work->snd_small == conn->snd_nxt) {
        return false;
    }
    uint32_t mss = tcp_mss_now(conn);
    if (bytes != mss || sent->segment != mss || sent_bytes(sent) + bytes > TRAIN_BYTES_MAX) {
        return false; /* a short segment, several, or a probe of the path MTU */
    }
    sent->end += bytes;
    return true;
}

/* The new bytes [snd_nxt, snd_nxt + BYTES) go out now. false: no record left, they must wait. */
bool tcp_score_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    if (joins_train(tcp, conn, bytes)) {
        return true;
    }
    struct tcp_sent *sent = tcp_score_has_room(tcp, conn) ? pool_take(&tcp->sent_records) : NULL;
    if (sent == NULL) {
        return false;
    }
    /* Not the whole record: its links are set below, its mark is rate.c's. */
    sent->sent_ns = tcp->now_ns;
    sent->seq = conn->snd_nxt;
    sent->end = conn->snd_nxt + bytes;
    sent->segment = (uint16_t)tcp_mss_now(conn);
    sent->flags = 0;
    sent->app_limited = false;
    sent->head = 0;
    tree_add_after(&conn->work->sent, tree_last(&conn->work->sent), &sent->node, &tcp->dice);
    list_add_last(&conn->work->in_flight, &sent->by_time);
    if (conn->work->rate != NULL) {
        tcp_rate_sent(tcp, conn, sent, conn_pipe(conn));
    }
    return true;
}

void tcp_score_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_sent *sent = tcp_score_first(conn);
    while (sent != NULL) {
        drop_record(tcp, conn, sent);
        sent = tcp_score_first(conn);
    }
    conn->work->dup_bytes = 0;
}

/* A round trip's time, or none (Karn: RFC 6298 3). Nor is it one where SENT, or its ACK, may have
 * waited for a piece that went again after it. */
static void take_sample(const struct tcp *tcp, const struct tcp_sent *sent, struct tcp_acked *acked)
{
    uint64_t elapsed_ns = max_u64(tcp->now_ns - sent->sent_ns, 1);
    if ((sent->flags & SENT_EVER_RESENT) != 0) {
        acked->resent_ns = max_u64(acked->resent_ns, sent->sent_ns);
        acked->rtt_ns = acked->rtt_ns > elapsed_ns ? 0 : acked->rtt_ns;
    } else if (sent->sent_ns >= acked->resent_ns) {
        acked->rtt_ns = elapsed_ns;
    }
}

/* The peer has SENT now, and had not told before. */
static void on_delivered(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent,
                         struct tcp_acked *acked)
{
    take_sample(tcp, sent, acked);
    if (conn->work->rate != NULL) {
        tcp_rate_delivered(tcp, conn, sent);
    }
    if ((sent->flags & SENT_PROBE) != 0) {
        tcp_pmtu_probe_arrived(tcp, conn, sent);
    }
    if (conn_has(conn, CONN_SACK)) {
        tcp_rack_delivered(tcp, conn, sent, acked);
    }
}

/* SENT begins with AT, inside it. */
static void cut_front(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t at)
{
    uint32_t bytes = at - sent->seq;
    count(conn, sent, false);
    if (sent->head > 0) {
        shorten_head(sent, sent_head_bytes(sent), bytes);
    }
    sent->seq = at;
    count(conn, sent, true);
}

/* The peer has SENT's first bytes, up to ACK: the rest stays. */
static void on_part_delivered(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                              uint32_t ack, struct tcp_acked *acked)
{
    if ((sent->flags & (SENT_SACKED | SENT_PROBE)) == 0 && conn->work->rate == NULL) {
        struct tcp_sent part = *sent;
        part.end = ack;
        on_delivered(tcp, conn, &part, acked);
    }
    if (sent->flags == 0) {
        sent->seq = ack;
    } else {
        cut_front(conn, sent, ack);
    }
}

/* ACK acknowledges [snd_una, ack): takes its records off. */
void tcp_score_acked(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack, struct tcp_acked *acked)
{
    struct tcp_sent *sent = tcp_score_first(conn);
    while (sent != NULL && seq_leq(sent->end, ack)) {
        if ((sent->flags & SENT_SACKED) == 0) {
            on_delivered(tcp, conn, sent, acked);
        }
        drop_record(tcp, conn, sent);
        sent = tcp_score_first(conn);
    }
    if (sent != NULL && seq_lt(sent->seq, ack)) {
        on_part_delivered(tcp, conn, sent, ack, acked);
    }
}

/* The first record that ends behind SEQ; NULL: none. */
static struct tcp_sent *find(const struct tcp_conn *conn, uint32_t seq)
{
    struct tree_node *node = conn->work->sent.root;
    struct tcp_sent *found = NULL;
    while (node != NULL) {
        struct tcp_sent *sent = sent_of(node);
        bool behind = seq_gt(sent->end, seq);
        found = behind ? sent : found;
        node = behind ? node->left : node->right;
    }
    return found;
}

/* Neighbours that are both SACKed become one record; LEFT may be NULL, and so may RIGHT. */
static void join(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *left,
                 struct tcp_sent *right)
{
    if (left == NULL || right == NULL || (left->flags & right->flags & SENT_SACKED) == 0) {
        return;
    }
    right->seq = left->seq; /* the sums stay: all of it is SACKed */
    right->flags |= left->flags;
    left->end = left->seq;
    drop_record(tcp, conn, left);
}

/* SENT has arrived. */
static struct tcp_sent *mark_sacked(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                                    struct tcp_acked *acked)
{
    acked->sacked += sent_bytes(sent);
    on_delivered(tcp, conn, sent, acked);
    tcp_score_mark(conn, sent, (uint8_t)((sent->flags & SENT_EVER_RESENT) | SENT_SACKED));
    join(tcp, conn, sent_of(tree_prev(&conn->work->sent, &sent->node)), sent);
    struct tcp_sent *next = next_sent(conn, sent);
    bool joined = next != NULL && (next->flags & SENT_SACKED) != 0;
    join(tcp, conn, sent, next);
    return joined ? next : sent;
}

/* SENT as far as it lies within BLOCK, as a record; NULL: no whole segment does, or there is no
 * record left to cut it. */
static struct tcp_sent *cut_out(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                                const struct wire_sack *block)
{
    uint32_t segment = max_u32(sent->segment, 1);
    uint32_t bytes = sent_bytes(sent);
    uint32_t from = seq_lt(sent->seq, block->left) ? block->left - sent->seq : 0;
    uint32_t to = seq_gt(sent->end, block->right) ? block->right - sent->seq : bytes;
    from = (from + segment - 1) / segment * segment;
    to = to < bytes ? to - to % segment : to;
    if (from >= to) {
        return NULL;
    }
    uint32_t seq = sent->seq;
    if (from > 0) {
        if (!tcp_score_split(tcp, conn, sent, seq + from)) {
            return NULL;
        }
        sent = next_sent(conn, sent);
    }
    if (to < bytes && !tcp_score_split(tcp, conn, sent, seq + to)) {
        return NULL;
    }
    return sent;
}

/* One SACK block that lies within what is outstanding. */
static void mark_block(struct tcp *tcp, struct tcp_conn *conn, const struct wire_sack *block,
                       struct tcp_acked *acked)
{
    struct tcp_sent *sent = find(conn, block->left);
    while (sent != NULL && seq_lt(sent->seq, block->right)) {
        struct tcp_sent *inside = NULL;
        if ((sent->flags & SENT_SACKED) == 0) {
            inside = cut_out(tcp, conn, sent, block);
        }
        sent = next_sent(conn, inside == NULL ? sent : mark_sacked(tcp, conn, inside, acked));
    }
}

/* RFC 2883 4: does the first block tell of data that the peer had already? */
static bool is_dsack(const struct tcp_conn *conn, const struct wire_tcp *segment)
{
    const struct wire_sack *first = &segment->sack[0];
    if (seq_geq(first->left, first->right)) {
        return false;
    }
    if (seq_lt(first->left, segment->ack)) {
        return seq_leq(first->right, segment->ack) &&
               seq_gt(first->right, conn->snd_una - conn->snd_wnd_max);
    }
    const struct wire_sack *second = &segment->sack[1];
    return segment->sack_count > 1 && seq_geq(first->left, second->left) &&
           seq_leq(first->right, second->right);
}

/* Blocks outside of what is outstanding change nothing. */
void tcp_score_sacked(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment,
                      struct tcp_acked *acked)
{
    acked->dsack = is_dsack(conn, segment);
    if (acked->dsack) {
        tcp_ledger_need(tcp, conn)->dsacks++;
    }
    for (uint32_t i = acked->dsack ? 1 : 0; i < segment->sack_count; i++) {
        const struct wire_sack *block = &segment->sack[i];
        if (seq_lt(block->left, block->right) && seq_geq(block->left, conn->snd_una) &&
            seq_leq(block->right, conn->snd_nxt)) {
            mark_block(tcp, conn, block, acked);
        }
    }
}

/* SENT is no probe of the path MTU any more: what becomes of it tells nothing. */
static void forget_probe(struct tcp_conn *conn, const struct tcp_sent *sent)
{
    if ((sent->flags & SENT_PROBE) != 0) {
        conn->work->mtu_probe_out = false;
    }
}

/* Of SENT only the first MAX bytes go, which are whole segments. Without SACK, duplicate ACKs tell
 * of one loss alone (RFC 6582): then a segment goes, and the rest has been in flight all along. */
static void keep_head(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t max)
{
    bool rest_lost = conn_has(conn, CONN_SACK | CONN_TIMEOUT);
    count(conn, sent, false);
    sent->head = rest_lost ? min_u32(max / sent->segment, SENT_HEAD_MAX) & SENT_HEAD_MAX : 1;
    sent->flags |= rest_lost ? SENT_REST_LOST : 0;
    BERTH_CHECK(sent->head > 0 && sent_head_bytes(sent) < sent_bytes(sent));
    count(conn, sent, true);
}

/* SENT goes out once more, now, as far as MAX. */
static void send_again(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, uint32_t max)
{
    forget_probe(conn, sent);
    tcp_score_mark(conn, sent, SENT_RESENT | SENT_EVER_RESENT);
    sent->sent_ns = tcp->now_ns;
    sent->segment = (uint16_t)tcp_mss_now(conn);
    list_remove(&sent->by_time);
    list_add_last(&conn->work->in_flight, &sent->by_time);
    if (sent_bytes(sent) > max) {
        keep_head(conn, sent, max);
    }
    if (conn->work->rate != NULL) {
        uint32_t pipe = conn_pipe(conn);
        tcp_rate_sent(tcp, conn, sent,
                      pipe - min_u32(pipe, sent_bytes(sent) - sent_lost_bytes(sent)));
    }
    if (!conn->work->retrans_stamped) {
        conn->work->retrans_stamped = true;
        conn->work->retrans_ts = tcp_ts_now(tcp, conn);
    }
}

bool tcp_score_resend(struct tcp *tcp, struct tcp_conn *conn, uint32_t max, uint32_t *seq,
                      uint32_t *end)
{
    struct tcp_sent *sent = sent_of(tree_first_marked(&conn->work->sent));
    if (sent == NULL) {
        return false;
    }
    if (sent_bytes(sent) > max) {
        (void)tcp_score_split(tcp, conn, sent, sent->seq + max); /* no record left: its head goes */
    }
    send_again(tcp, conn, sent, max);
    *seq = sent->seq;
    *end = sent->seq + sent_head_bytes(sent);
    return true;
}

/* SENT goes out once more, now. */
void tcp_score_again(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
    send_again(tcp, conn, sent, sent_bytes(sent));
}

/* The last BYTES of what is in flight, as a record, or more if that is SACKed; NULL: nothing is. */
struct tcp_sent *tcp_score_tail(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    struct tcp_sent *sent = sent_of(tree_last(&conn->work->sent));
    if (sent != NULL && sent_bytes(sent) > bytes && (sent->flags & SENT_SACKED) == 0 &&
        tcp_score_split(tcp, conn, sent, sent->end - bytes)) {
        sent = sent_of(tree_last(&conn->work->sent));
    }
    return sent;
}

/* All that is not SACKed is to go again; with RENEGED also what is (RFC 2018 8). */
void tcp_score_all_lost(struct tcp_conn *conn, bool reneged)
{
    struct tcp_sent *sent = tcp_score_first(conn);
    for (; sent != NULL; sent = next_sent(conn, sent)) {
        if ((sent->flags & SENT_SACKED) == 0 || reneged) {
            forget_probe(conn, sent);
            tcp_score_mark(conn, sent, (uint8_t)((sent->flags & SENT_EVER_RESENT) | SENT_LOST));
        }
    }
}

/* What left in segments of more than SEGMENT bytes is lost. */
void tcp_score_large_lost(struct tcp_conn *conn, uint32_t segment)
{
    struct tcp_sent *sent = tcp_score_first(conn);
    for (; sent != NULL; sent = next_sent(conn, sent)) {
        uint32_t bytes = min_u32(sent->segment, sent_bytes(sent));
        if ((sent->flags & (SENT_SACKED | SENT_LOST)) == 0 && bytes > segment) {
            forget_probe(conn, sent);
            tcp_score_mark(conn, sent, (uint8_t)((sent->flags & SENT_EVER_RESENT) | SENT_LOST));
        }
    }
}

/* Has something behind SEQ been SACKed? Little is behind it. */
bool tcp_score_is_sacked_beyond(const struct tcp_conn *conn, uint32_t seq)
{
    struct tcp_sent *sent = sent_of(tree_last(&conn->work->sent));
    while (sent != NULL && seq_gt(sent->end, seq)) {
        if ((sent->flags & SENT_SACKED) != 0) {
            return true;
        }
        sent = sent_of(tree_prev(&conn->work->sent, &sent->node));
    }
    return false;
}

/* What waits behind heads was not lost either. */
static void no_rest_lost(struct tcp_conn *conn)
{
    struct list_node *node = list_first(&conn->work->in_flight);
    for (; node != NULL && conn->work->lost_bytes > 0;
         node = list_next(&conn->work->in_flight, node)) {
        struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, by_time);
        count(conn, sent, false);
        sent->flags &= (uint8_t)~SENT_REST_LOST;
        count(conn, sent, true);
    }
}

/* What was believed lost was not: it counts as in flight again, before what was sent since. */
void tcp_score_none_lost(struct tcp_conn *conn)
{
    struct tree_node *node = tree_first_marked(&conn->work->sent);
    struct list_node *before = &conn->work->in_flight.head;
    while (node != NULL) {
        struct tcp_sent *sent = sent_of(node);
        node = tree_next_marked(node);
        tcp_score_mark(conn, sent, (uint8_t)(sent->flags & ~SENT_LOST));
        list_insert_after(before, &sent->by_time);
        before = &sent->by_time;
    }
    no_rest_lost(conn);
}
