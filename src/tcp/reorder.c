/* SPDX-License-Identifier: MIT */
/*
 * Data that came ahead of its turn: ranges sorted by sequence, and the SACK blocks that tell the
 * peer of them (RFC 2018).
 *
 * A large payload stays in the buffer it came in. A small one is copied to where it belongs in a
 * neighbour's buffer, so that a flood of tiny segments takes as much memory as the stretch of
 * sequence numbers that it covers, in whatever order it comes, not a buffer each.
 *
 * 1. Ranges never overlap. Two that touch in the same buffer are one range.
 * 2. All ranges in one buffer lie in it as in the stream: `at` - `seq` is the same for all of them,
 *    so what does not overlap in the stream does not in the buffer. While in here, a buffer's
 *    `bytes` is the number of its ranges.
 * 3. Ranges that touch are one block to the peer. The first of a block is marked, and it alone is
 *    in `reorder_recent`.
 *
 * An arrival costs O(log n) of the ranges there are, and O(1) at either end.
 */
#include "tcp/parts.h"

static const uint32_t copy_share = 8; /* small: it fills less than 1/8 of its buffer */

static struct tcp_reorder *range_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct tcp_reorder, node);
}

static struct tcp_reorder *next_range(const struct tcp_conn *conn, const struct tcp_reorder *range)
{
    struct tree_node *next = range == NULL ? tree_first(&conn->work->reorder)
                                           : tree_next(&conn->work->reorder, &range->node);
    return range_of(next);
}

static bool is_touching(const struct tcp_reorder *left, const struct tcp_reorder *right)
{
    return left != NULL && right != NULL && left->end == right->seq;
}

/* The record goes; its bytes are somebody else's. */
static void forget(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *range)
{
    tree_remove(&conn->work->reorder, &range->node);
    list_remove(&range->recent);
    conn->work->reorder_count--;
    if (range->buffer != NULL && --range->buffer->bytes == 0) {
        buffers_put(tcp->buffers, range->buffer);
    }
    pool_give(&tcp->reorder_records, range);
}

/* The first range goes, and what it holds; the rest of its block stays one. */
static void drop_first(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *range)
{
    struct tcp_reorder *next = next_range(conn, range);
    if (is_touching(range, next)) {
        tree_mark(&next->node, true);
        list_insert_after(&range->recent, &next->recent);
    }
    conn->work->reorder_bytes -= range->end - range->seq;
    forget(tcp, conn, range);
}

void tcp_reorder_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    while (!tree_is_empty(&conn->work->reorder)) {
        forget(tcp, conn, range_of(tree_first(&conn->work->reorder)));
    }
    conn->work->reorder_bytes = 0;
}

/* The last range that begins at or before SEQ; NULL: none. */
static struct tcp_reorder *range_before(const struct tcp_conn *conn, uint32_t seq)
{
    struct tcp_reorder *last = range_of(tree_last(&conn->work->reorder));
    if (last == NULL || seq_leq(last->seq, seq)) {
        return last; /* that is where data arrives */
    }
    struct tree_node *node = conn->work->reorder.root;
    struct tcp_reorder *found = NULL;
    while (node != NULL) {
        struct tcp_reorder *range = range_of(node);
        bool before = seq_leq(range->seq, seq);
        found = before ? range : found;
        node = before ? node->right : node->left;
    }
    return found;
}

/* RANGE's block is the one that something arrived for last. */
static void touch(struct tcp_conn *conn, struct tcp_reorder *range)
{
    struct tcp_reorder *head = range_of(tree_last_marked(&range->node));
    list_remove(&head->recent);
    list_add_first(&conn->work->reorder_recent, &head->recent);
}

static void set_head(struct tcp_reorder *range, bool head)
{
    if (range->node.marked != head) {
        tree_mark(&range->node, head);
    }
    if (!head) {
        list_remove(&range->recent);
    }
}

/* RANGE is new or has grown: what does it touch now? */
static void settle(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *range)
{
    struct tcp_reorder *before = range_of(tree_prev(&conn->work->reorder, &range->node));
    struct tcp_reorder *next = next_range(conn, range);
    set_head(range, !is_touching(before, range));
    if (next != NULL) {
        set_head(next, !is_touching(range, next));
    }
    touch(conn, range);
    if (is_touching(range, next) && range->buffer == next->buffer) {
        range->end = next->end;
        forget(tcp, conn, next);
    }
}

/* Where ARRIVAL lies in the buffer of RANGE; false: not all of it is in there, or it is too much to
 * be copied. */
static bool has_place(const struct tcp_reorder *range, const struct tcp_arrival *arrival,
                      uint32_t *at)
{
    if (range == NULL) {
        return false;
    }
    uint32_t capacity = range->buffer->capacity;
    bool touches = arrival->seq == range->end || arrival->seq + arrival->bytes == range->seq;
    int64_t place = (int64_t)range->at + (int32_t)(arrival->seq - range->seq);
    *at = (uint32_t)place;
    return place >= 0 && place + arrival->bytes <= capacity &&
           (touches || arrival->bytes < capacity / copy_share);
}

/* A buffer of its own: the one that it came in. What is small is moved to a place that others of
 * the same stretch of the stream find, too. */
static uint32_t keep_buffer(const struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    struct berth_buffer *buffer = arrival->buffer;
    uint32_t at = (uint32_t)(arrival->payload - buffer->data);
    if (arrival->bytes < buffer->capacity / copy_share) {
        at = (arrival->seq - conn->back->irs) % buffer->capacity;
        at = min_u32(at, buffer->capacity - arrival->bytes);
        memmove(buffer->data + at, arrival->payload, arrival->bytes);
    }
    arrival->buffer = NULL;
    buffer->begin = 0;
    buffer->bytes = 0;
    buffer->next = NULL;
    return at;
}

/* ARRIVAL as a range of its own behind BEFORE, in the buffer of HOST; NULL: in the buffer that it
 * came in. */
static enum berth_drop insert(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *before,
                              struct tcp_reorder *host, struct tcp_arrival *arrival)
{
    struct tcp_reorder *range = conn->work->reorder_count < tcp->reorder_per_connection
                                    ? pool_take(&tcp->reorder_records)
                                    : NULL;
    if (range == NULL) {
        return BERTH_DROP_REORDER_LIMIT;
    }
    struct berth_buffer *buffer = host == NULL ? arrival->buffer : host->buffer;
    *range = (struct tcp_reorder){
        .buffer = buffer, .seq = arrival->seq, .end = arrival->seq + arrival->bytes};
    if (host == NULL) {
        range->at = keep_buffer(conn, arrival);
    } else {
        range->at = host->at + (arrival->seq - host->seq);
        memcpy(buffer->data + range->at, arrival->payload, arrival->bytes);
    }
    buffer->bytes++;
    tree_add_after(&conn->work->reorder, before == NULL ? NULL : &before->node, &range->node,
                   &tcp->dice);
    conn->work->reorder_count++;
    conn->work->reorder_bytes += arrival->bytes;
    settle(tcp, conn, range);
    return BERTH_DROP_NONE;
}

/* ARRIVAL lies between BEFORE and the range behind it. */
static enum berth_drop take(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *before,
                            struct tcp_arrival *arrival)
{
    uint32_t at;
    struct tcp_reorder *next = next_range(conn, before);
    struct tcp_reorder *host = has_place(before, arrival, &at) ? before : NULL;
    if (host == NULL && has_place(next, arrival, &at)) {
        host = next;
    }
    bool behind = host != NULL && host->end == arrival->seq;
    bool ahead = host != NULL && arrival->seq + arrival->bytes == host->seq;
    if (!behind && !ahead) {
        return insert(tcp, conn, before, host, arrival);
    }
    memcpy(host->buffer->data + at, arrival->payload, arrival->bytes);
    host->end += behind ? arrival->bytes : 0;
    host->seq -= ahead ? arrival->bytes : 0;
    host->at -= ahead ? arrival->bytes : 0;
    conn->work->reorder_bytes += arrival->bytes;
    settle(tcp, conn, host);
    return BERTH_DROP_NONE;
}

/* RANGE and what touches it behind: with the first one of a block, all of the block. */
static struct wire_sack block_of(const struct tcp_conn *conn, const struct tcp_reorder *range)
{
    struct tree_node *next = tree_next_marked(&range->node);
    struct tree_node *last =
        next == NULL ? tree_last(&conn->work->reorder) : tree_prev(&conn->work->reorder, next);
    return (struct wire_sack){.left = range->seq, .right = range_of(last)->end};
}

/* What of [seq, end) is here already, from RANGE on, the first that ends behind seq: of several
 * pieces the first is told (RFC 2883 4.2). */
static void owe_known(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_reorder *range,
                      uint32_t seq, uint32_t end)
{
    if (range == NULL || seq_geq(range->seq, end)) {
        return;
    }
    uint32_t left = seq_gt(range->seq, seq) ? range->seq : seq;
    uint32_t right = block_of(conn, range).right;
    tcp_owe_dsack(tcp, conn, left, seq_lt(right, end) ? right : end);
}

/* [rcv_nxt, END) has come in one segment: what of it was here out of order came twice. */
void tcp_reorder_passed(struct tcp *tcp, struct tcp_conn *conn, uint32_t end)
{
    owe_known(tcp, conn, range_of(tree_first(&conn->work->reorder)), conn->rcv_nxt, end);
}

/* A payload beyond rcv_nxt, within the window. What is there already stays; the rest is taken, up
 * to the next range. */
enum berth_drop tcp_reorder_add(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    (void)tcp_work_need(tcp, conn);
    struct tcp_reorder *before = range_before(conn, arrival->seq);
    bool is_within = before != NULL && seq_gt(before->end, arrival->seq);
    owe_known(tcp, conn, is_within ? before : next_range(conn, before), arrival->seq,
              arrival->seq + arrival->bytes);
    if (is_within) {
        uint32_t known = min_u32(before->end - arrival->seq, arrival->bytes);
        arrival->seq += known;
        arrival->payload += known;
        arrival->bytes -= known;
        touch(conn, before);
    }
    struct tcp_reorder *next = next_range(conn, before);
    if (next != NULL && arrival->bytes > 0 && seq_gt(arrival->seq + arrival->bytes, next->seq)) {
        arrival->bytes = next->seq - arrival->seq;
    }
    return arrival->bytes == 0 ? BERTH_DROP_TCP_DUPLICATE : take(tcp, conn, before, arrival);
}

/* The bytes of RANGE, from AT in its buffer on, go to the receive queue; false: there is no buffer
 * for them, and they have to come again (RFC 2018 8 lets a receiver do that). */
static bool hand_over(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *range,
                      uint32_t at)
{
    struct tcp_arrival arrival = {.buffer = range->buffer,
                                  .payload = range->buffer->data + at,
                                  .seq = conn->rcv_nxt,
                                  .bytes = range->end - conn->rcv_nxt};
    if (range->buffer->bytes == 1) { /* all of the buffer is this range's */
        tcp_receive_append(tcp, conn, &arrival);
        range->buffer = arrival.buffer;
        return true;
    }
    struct berth_buffer *copy = buffers_get(tcp->buffers);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy->data, arrival.payload, arrival.bytes);
    arrival.buffer = copy;
    arrival.payload = copy->data;
    tcp_receive_append(tcp, conn, &arrival);
    if (arrival.buffer != NULL) {
        buffers_put(tcp->buffers, copy);
    }
    return true;
}

/* Moves what has become in order to the receive queue. */
void tcp_reorder_drain(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_reorder *range = range_of(tree_first(&conn->work->reorder));
    while (range != NULL && seq_leq(range->seq, conn->rcv_nxt)) {
        if (seq_gt(range->end, conn->rcv_nxt)) {
            (void)hand_over(tcp, conn, range, range->at + (conn->rcv_nxt - range->seq));
        }
        drop_first(tcp, conn, range);
        range = range_of(tree_first(&conn->work->reorder));
    }
}

/* RFC 2018 4: the block of the newest arrival first, then the ones reported before. */
uint8_t tcp_reorder_sack(const struct tcp_conn *conn, struct wire_sack *out, uint8_t max)
{
    uint8_t count = 0;
    struct list_node *node = list_first(&conn->work->reorder_recent);
    while (node != NULL && count < max) {
        out[count++] = block_of(conn, CONTAINER_OF(node, struct tcp_reorder, recent));
        node = list_next(&conn->work->reorder_recent, node);
    }
    return count;
}
