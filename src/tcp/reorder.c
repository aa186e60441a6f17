/* SPDX-License-Identifier: MIT */
/*
 * Data that came ahead of its turn: ranges sorted by sequence, each in one buffer, and the SACK
 * blocks that tell the peer of them (RFC 2018).
 *
 * What continues a range is copied behind it while its buffer has room, so that a hole in a long
 * flight costs a few records, not one per segment. Ranges never overlap; touching ones are one
 * block to the peer.
 */
#include "tcp/conn.h"

static struct tcp_reorder *range_of(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct tcp_reorder, node);
}

static void drop_range(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *range)
{
    list_remove(&range->node);
    list_remove(&range->recent);
    conn->reorder_bytes -= range->end - range->seq;
    conn->reorder_count--;
    if (range->buffer != NULL) {
        buffers_put(tcp->buffers, range->buffer);
    }
    pool_give(&tcp->reorder_records, range);
}

void tcp_reorder_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    while (!list_is_empty(&conn->reorder)) {
        drop_range(tcp, conn, range_of(list_first(&conn->reorder)));
    }
}

/* The last range that begins at or before SEQ; NULL: none. From the end: that is where data
 * arrives. */
static struct tcp_reorder *range_before(const struct tcp_conn *conn, uint32_t seq)
{
    struct tcp_reorder *range = range_of(list_last(&conn->reorder));
    while (range != NULL && seq_gt(range->seq, seq)) {
        range = range_of(list_prev(&conn->reorder, &range->node));
    }
    return range;
}

static void touch(struct tcp_conn *conn, struct tcp_reorder *range)
{
    list_remove(&range->recent);
    list_add_first(&conn->reorder_recent, &range->recent);
}

static bool append(struct tcp_conn *conn, struct tcp_reorder *range,
                   const struct tcp_arrival *arrival)
{
    if (range == NULL || range->end != arrival->seq ||
        buffer_room(range->buffer) < arrival->bytes) {
        return false;
    }
    memcpy(buffer_end(range->buffer), arrival->payload, arrival->bytes);
    range->buffer->bytes += arrival->bytes;
    range->end += arrival->bytes;
    conn->reorder_bytes += arrival->bytes;
    touch(conn, range);
    return true;
}

static enum berth_drop insert(struct tcp *tcp, struct tcp_conn *conn, struct tcp_reorder *before,
                              struct tcp_arrival *arrival)
{
    struct tcp_reorder *range =
        conn->reorder_count < tcp->reorder_per_connection ? pool_take(&tcp->reorder_records) : NULL;
    if (range == NULL) {
        return BERTH_DROP_REORDER_LIMIT;
    }
    struct berth_buffer *buffer = arrival->buffer;
    arrival->buffer = NULL;
    buffer->begin = (uint32_t)(arrival->payload - buffer->data);
    buffer->bytes = arrival->bytes;
    buffer->next = NULL;
    *range = (struct tcp_reorder){
        .buffer = buffer, .seq = arrival->seq, .end = arrival->seq + arrival->bytes};
    if (before == NULL) {
        list_add_first(&conn->reorder, &range->node);
    } else {
        list_insert_after(&before->node, &range->node);
    }
    list_add_first(&conn->reorder_recent, &range->recent);
    conn->reorder_count++;
    conn->reorder_bytes += arrival->bytes;
    return BERTH_DROP_NONE;
}

/* A payload beyond rcv_nxt, within the window. What is there already stays; the rest is taken. */
enum berth_drop tcp_reorder_add(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    struct tcp_reorder *before = range_before(conn, arrival->seq);
    if (before != NULL && seq_gt(before->end, arrival->seq)) {
        uint32_t known = min_u32(before->end - arrival->seq, arrival->bytes);
        tcp_owe_dsack(conn, arrival->seq, arrival->seq + known);
        arrival->seq += known;
        arrival->payload += known;
        arrival->bytes -= known;
        touch(conn, before);
    }
    struct list_node *next_node =
        before == NULL ? list_first(&conn->reorder) : list_next(&conn->reorder, &before->node);
    struct tcp_reorder *next = range_of(next_node);
    if (next != NULL && arrival->bytes > 0 && seq_gt(arrival->seq + arrival->bytes, next->seq)) {
        arrival->bytes = next->seq - arrival->seq;
    }
    if (arrival->bytes == 0) {
        return BERTH_DROP_TCP_DUPLICATE;
    }
    if (append(conn, before, arrival)) {
        return BERTH_DROP_NONE;
    }
    return insert(tcp, conn, before, arrival);
}

/* Moves what has become in order to the receive queue. */
void tcp_reorder_drain(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_reorder *range = range_of(list_first(&conn->reorder));
    while (range != NULL && seq_leq(range->seq, conn->rcv_nxt)) {
        if (seq_gt(range->end, conn->rcv_nxt)) {
            uint32_t known = conn->rcv_nxt - range->seq;
            struct tcp_arrival arrival = {.buffer = range->buffer,
                                          .payload =
                                              range->buffer->data + range->buffer->begin + known,
                                          .seq = conn->rcv_nxt,
                                          .bytes = range->end - conn->rcv_nxt};
            tcp_receive_append(tcp, conn, &arrival);
            range->buffer = arrival.buffer;
        }
        drop_range(tcp, conn, range);
        range = range_of(list_first(&conn->reorder));
    }
}

static bool is_covered(const struct wire_sack *blocks, uint8_t count, uint32_t seq)
{
    for (uint8_t i = 0; i < count; i++) {
        if (seq_geq(seq, blocks[i].left) && seq_lt(seq, blocks[i].right)) {
            return true;
        }
    }
    return false;
}

/* The block that RANGE is part of: touching neighbours belong to it. */
static struct wire_sack block_of(const struct tcp_conn *conn, struct tcp_reorder *range)
{
    struct wire_sack block = {.left = range->seq, .right = range->end};
    struct tcp_reorder *at = range_of(list_prev(&conn->reorder, &range->node));
    while (at != NULL && at->end == block.left) {
        block.left = at->seq;
        at = range_of(list_prev(&conn->reorder, &at->node));
    }
    at = range_of(list_next(&conn->reorder, &range->node));
    while (at != NULL && at->seq == block.right) {
        block.right = at->end;
        at = range_of(list_next(&conn->reorder, &at->node));
    }
    return block;
}

/* RFC 2018 4: the block of the newest arrival first, then the ones reported before. */
uint8_t tcp_reorder_sack(const struct tcp_conn *conn, struct wire_sack *out, uint8_t max)
{
    uint8_t count = 0;
    struct list_node *node = list_first(&conn->reorder_recent);
    while (node != NULL && count < max) {
        struct tcp_reorder *range = CONTAINER_OF(node, struct tcp_reorder, recent);
        if (!is_covered(out, count, range->seq)) {
            out[count++] = block_of(conn, range);
        }
        node = list_next(&conn->reorder_recent, node);
    }
    return count;
}
