/* SPDX-License-Identifier: MIT */
/*
 * Receiving: the seventh and eighth check of RFC 9293 3.10.7.4, the receive queue, the window that
 * is offered, and when an ACK is owed.
 *
 * A payload stays in the buffer that the link read it into; one that is small against its buffer is
 * copied behind the last one instead, so that a trickle of small segments cannot pin the pool.
 */
#include "tcp/parts.h"

static const uint32_t copy_share = 8; /* copied when it fills less than 1/8 of its buffer */

/* What could be offered now: free queue space, and no more than a share of the pool that is left;
   but one full segment as long as there is a buffer, where nothing waits to be read: so the last
   buffers are not for those who do not read, and nobody is offered less than a segment for ever. */
uint32_t tcp_receive_window(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t queued = conn->receive_bytes;
    uint32_t limit = tcp_receive_limit(tcp, conn);
    uint32_t room = limit > queued ? limit - queued : 0;
    const struct buffers *pool = tcp->buffers;
    uint32_t spare = pool->free > pool->reserved ? pool->free - pool->reserved : 0;
    uint64_t share = (uint64_t)spare * pool->capacity / 8;
    uint64_t least = queued == 0 ? min_u64((uint64_t)spare * pool->capacity, conn->mss_own) : 0;
    uint64_t most =
        conn->back->options->window_bytes != 0 ? conn->back->options->window_bytes : UINT32_MAX;
    return (uint32_t)min_u64(min_u64(room, most), max_u64(share, least));
}

uint32_t tcp_first_window(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return min_u32(65535, tcp_receive_window(tcp, conn)); /* not scaled yet */
}

/* The first buffer of the queue goes back to the pool. */
static void drop_first(struct tcp *tcp, struct tcp_conn *conn)
{
    struct berth_buffer *first = conn->receive_last->next;
    conn->receive_last->next = first->next;
    if (first == conn->receive_last) {
        conn->receive_last = NULL;
    }
    buffers_put(tcp->buffers, first);
}

void tcp_receive_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    while (conn->receive_last != NULL) {
        drop_first(tcp, conn);
    }
    conn->receive_bytes = 0;
}

static bool copy_behind(struct tcp_conn *conn, const uint8_t *payload, uint32_t bytes)
{
    struct berth_buffer *last = conn->receive_last;
    if (last == NULL || buffer_room(last) < bytes) {
        return false;
    }
    memcpy(buffer_end(last), payload, bytes);
    last->bytes += bytes;
    return true;
}

/* The payload, in order, goes behind the queue; arrival->buffer is NULL afterwards if it was
 * kept. */
void tcp_receive_append(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    (void)tcp;
    uint32_t bytes = arrival->bytes;
    struct berth_buffer *buffer = arrival->buffer;
    bool small = bytes < buffer->capacity / copy_share || !buffers_may_keep(tcp->buffers);
    if (!small || !copy_behind(conn, arrival->payload, bytes)) {
        buffer->begin = (uint32_t)(arrival->payload - buffer->data);
        buffer->bytes = bytes;
        buffer->next = buffer;
        if (conn->receive_last != NULL) {
            buffer->next = conn->receive_last->next;
            conn->receive_last->next = buffer;
        }
        conn->receive_last = buffer;
        arrival->buffer = NULL;
    }
    conn->receive_bytes += bytes;
    conn_received(conn, bytes);
}

static void ack_at_once(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_set(conn, CONN_ACK_NOW);
    tcp_conn_ready(tcp, conn);
}

void tcp_ack_soon(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t wait_ns = conn_has(conn, CONN_QUICK_ACK) ? 0 : tcp->settings.quick_ack_ns;
    if (wait_ns == 0) {
        ack_at_once(tcp, conn);
    } else if (conn_ack_ns(conn, tcp->now_ns) > add_sat_u64(tcp->now_ns, wait_ns)) {
        tcp_timer_ack(tcp, conn, wait_ns);
    }
}

/* RFC 9293 3.8.6.3, RFC 5681 4.2: every second full segment at once, else within the delay. */
void tcp_ack_schedule(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    uint32_t owed = conn->rcv_nxt - conn->rcv_acked;
    bool at_once = conn_has(conn, CONN_QUICK_ACK) || owed >= 2U * conn->rcv_mss ||
                   conn->work->reorder_count > 0;
    bool is_early = conn->quick_acks > 0;
    if (is_early && bytes > 0) {
        conn->quick_acks--;
    }
    if (at_once) {
        ack_at_once(tcp, conn);
    } else if (is_early) {
        tcp_ack_soon(tcp, conn);
    } else if (!conn_has(conn, CONN_ACK_DELAYED)) {
        tcp_timer_ack(tcp, conn, tcp->settings.delayed_ack_ns);
    }
}

/* [left, right) arrived a second time: the next ACK says so (RFC 2883). */
void tcp_owe_dsack(struct tcp *tcp, struct tcp_conn *conn, uint32_t left, uint32_t right)
{
    if (conn_has(conn, CONN_SACK) && left != right) {
        struct tcp_work *work = tcp_work_need(tcp, conn);
        work->dsack_owed = true;
        work->dsack_left = left;
        work->dsack_right = right;
    }
}

/* Cuts what lies outside the window off the payload, FIN with it. */
static void trim(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    if (seq_lt(arrival->seq, conn->rcv_nxt)) {
        uint32_t old = min_u32(conn->rcv_nxt - arrival->seq, arrival->bytes);
        tcp_owe_dsack(tcp, conn, arrival->seq, arrival->seq + old);
        arrival->payload += old;
        arrival->bytes -= old;
        arrival->seq += old;
    }
    uint32_t room = seq_lt(arrival->seq, conn->rcv_adv) ? conn->rcv_adv - arrival->seq : 0;
    if (arrival->bytes > room) {
        arrival->bytes = room;
        arrival->fin = false;
    }
}

static void in_order(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    uint32_t bytes = arrival->bytes;
    uint16_t piece = arrival->packet->segment_bytes;
    uint32_t mss = piece != 0 ? piece : bytes;
    conn->rcv_mss = (uint16_t)max_u32(conn->rcv_mss, min_u32(mss, conn->mss_own));
    bool filled = conn->work->reorder_count > 0;
    if (filled && arrival->packet->tcp.seq == arrival->seq) { /* else trim has told of more */
        tcp_reorder_passed(tcp, conn, arrival->seq + bytes);
    }
    tcp_receive_append(tcp, conn, arrival);
    tcp_tune_arrived(tcp, conn, arrival->packet);
    if (filled) {
        tcp_reorder_drain(tcp, conn);
    }
    tcp_ack_schedule(tcp, conn, bytes);
    if (filled) { /* RFC 5681 4.2: at once when a gap was filled */
        ack_at_once(tcp, conn);
        tcp_work_done(tcp, conn);
    }
    tcp_conn_note(tcp, conn, BERTH_EVENT_READABLE);
}

static bool may_keep(const struct tcp *tcp, const struct tcp_conn *conn,
                     const struct tcp_arrival *arrival)
{
    bool fits = conn->receive_last != NULL && buffer_room(conn->receive_last) >= arrival->bytes;
    if (arrival->seq != conn->rcv_nxt) {
        return buffers_may_keep_early(tcp->buffers);
    }
    return buffers_may_keep(tcp->buffers) || fits;
}

/* RFC 9293 3.10.7.4, seventh check. May end the connection (data after the reader has gone). */
enum berth_drop tcp_on_payload(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival)
{
    if (arrival->bytes == 0) {
        return BERTH_DROP_NONE;
    }
    if (!conn_may_receive(conn)) {
        return BERTH_DROP_TCP_STATE;
    }
    if (conn_has(conn, CONN_ORPHAN) && seq_gt(arrival->seq + arrival->bytes, conn->rcv_nxt)) {
        /* RFC 9293 3.6.1: nobody will read it, and the peer should know. The RST carries what the
           segment acknowledged, which is just what the peer takes at once (RFC 5961 3.2). */
        tcp_reset_for(tcp, arrival->packet);
        tcp_conn_end(tcp, conn, BERTH_E_ABORTED);
        return BERTH_DROP_TCP_AFTER_CLOSE;
    }
    trim(tcp, conn, arrival);
    if (arrival->bytes == 0) {
        conn_quicken(conn);
        ack_at_once(tcp, conn);
        return arrival->fin ? BERTH_DROP_NONE : BERTH_DROP_TCP_DUPLICATE;
    }
    if (!may_keep(tcp, conn, arrival)) {
        arrival->fin = false;
        return BERTH_DROP_RECEIVE_BUDGET;
    }
    if (arrival->seq != conn->rcv_nxt) {
        conn_quicken(conn);
        ack_at_once(tcp, conn);
        return tcp_reorder_add(tcp, conn, arrival);
    }
    in_order(tcp, conn, arrival);
    return BERTH_DROP_NONE;
}

/* RFC 9293 3.10.7.4, eighth check: the FIN is next in order. */
void tcp_on_fin(struct tcp *tcp, struct tcp_conn *conn)
{
    conn_received(conn, 1);
    conn_clear(conn, CONN_FIN_SEEN);
    conn_set(conn, CONN_FIN_RECEIVED);
    if (conn->state == BERTH_TCP_ESTABLISHED) {
        tcp_ack_soon(tcp, conn); /* our own FIN may be near */
    } else {
        ack_at_once(tcp, conn);
    }
    tcp_urgent_read(conn);
    tcp_conn_note(tcp, conn, BERTH_EVENT_READABLE | BERTH_EVENT_PEER_CLOSED);
    switch ((enum berth_tcp_state)conn->state) {
    case BERTH_TCP_ESTABLISHED:
        conn->state = BERTH_TCP_CLOSE_WAIT;
        break;
    case BERTH_TCP_FIN_WAIT_1:
        conn->state = BERTH_TCP_CLOSING;
        break;
    case BERTH_TCP_FIN_WAIT_2:
        tcp_time_wait_enter(tcp, conn);
        break;
    case BERTH_TCP_CLOSED:
    case BERTH_TCP_LISTEN:
    case BERTH_TCP_SYN_SENT:
    case BERTH_TCP_SYN_RECEIVED:
    case BERTH_TCP_CLOSE_WAIT:
    case BERTH_TCP_CLOSING:
    case BERTH_TCP_LAST_ACK:
    case BERTH_TCP_TIME_WAIT:
        break;
    }
}

int tcp_peek(struct tcp *tcp, struct tcp_conn *conn, struct berth_view *views, uint32_t max,
             uint32_t *count)
{
    (void)tcp;
    uint32_t filled = 0;
    const struct berth_buffer *last = conn->receive_last;
    for (const struct berth_buffer *at = last; at != NULL && filled < max;) {
        at = at->next;
        views[filled++] = (struct berth_view){.data = at->data + at->begin, .bytes = at->bytes};
        at = at == last ? NULL : at;
    }
    if (filled == 0) {
        if (last != NULL) {
            return BERTH_E_INVALID; /* no view to put it in: not the end of the stream */
        }
        if (conn->state == BERTH_TCP_CLOSED && conn->back->error != 0) {
            return conn->back->error;
        }
        if (!conn_has(conn, CONN_FIN_RECEIVED)) {
            return conn->state == BERTH_TCP_CLOSED ? BERTH_E_CLOSED : BERTH_E_AGAIN;
        }
    }
    *count = filled;
    return 0;
}

/* RFC 9293 3.8.6.2.2: a window update is worth a segment when it offers a good deal more. */
static bool is_update_worth(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t limit = tcp_receive_limit(tcp, conn);
    uint32_t edge = conn->rcv_nxt + tcp_receive_window(tcp, conn);
    if (seq_leq(edge, conn->rcv_adv)) {
        return false;
    }
    uint32_t step = max_u32(2U * conn->mss_own, limit / 16);
    uint32_t offered = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    bool nearly_shut = offered < conn->mss_own && edge - conn->rcv_adv >= conn->mss_own;
    return nearly_shut || edge - conn->rcv_adv >= min_u32(limit / 2, step) ||
           tcp_is_half_of_bound(conn, edge);
}

void tcp_offer_window(struct tcp *tcp, struct tcp_conn *conn)
{
    bool wanted = conn_may_receive(conn) && !conn_has(conn, CONN_FIN_SEEN | CONN_ORPHAN);
    if (wanted && is_update_worth(tcp, conn)) {
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
}

int tcp_consume(struct tcp *tcp, struct tcp_conn *conn, size_t bytes)
{
    if (bytes > conn->receive_bytes) {
        return BERTH_E_INVALID;
    }
    uint32_t left = (uint32_t)bytes;
    conn->receive_bytes -= left;
    while (left > 0) {
        BERTH_CHECK(conn->receive_last != NULL); /* receive_bytes is the sum of the queue */
        struct berth_buffer *buffer = conn->receive_last->next;
        uint32_t part = min_u32(left, buffer->bytes);
        buffer->begin += part;
        buffer->bytes -= part;
        left -= part;
        if (buffer->bytes == 0) {
            drop_first(tcp, conn);
        }
    }
    tcp_urgent_read(conn);
    tcp_tune_taken(tcp, conn);
    tcp_offer_window(tcp, conn);
    return 0;
}

static uint32_t free_records(const struct tcp *tcp)
{
    return tcp->sent_records.count - tcp->sent_records.used;
}

/* CONN waits for buffers or sent records: it is asked again whenever more of them are free. */
void tcp_starve(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp->is_hungry = true;
    tcp->fed_records = min_u32(tcp->fed_records, free_records(tcp));
    tcp->fed_free = min_u32(tcp->fed_free, tcp->buffers->free);
    struct tcp_work *work = tcp_work_need(tcp, conn);
    if (work->is_writer) {
        work->is_writer = false;
        list_remove(&work->starved);
    }
    if (!list_has(&work->starved)) {
        list_add_last(&tcp->starved, &work->starved);
    }
}

/* CONN waits for buffers to write into: its turn comes. */
void tcp_starve_writer(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = tcp_work_need(tcp, conn);
    if (list_has(&work->starved) && !work->is_writer) {
        tcp_starve(tcp, conn);
        return;
    }
    tcp->is_hungry = true;
    tcp->fed_writers = min_u32(tcp->fed_writers, tcp->buffers->free);
    if (!list_has(&work->starved)) {
        work->is_writer = true;
        list_add_last(&tcp->writers, &work->starved);
    }
}

/* A writer that finds room is told. False: CONN is none, or finds none. */
static bool feed_writer(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!conn_has(conn, CONN_WANT_WRITE) || !tcp_sendq_has_room(tcp, conn)) {
        return false;
    }
    conn_clear(conn, CONN_WANT_WRITE);
    tcp_conn_note(tcp, conn, BERTH_EVENT_WRITABLE);
    return true;
}

/* Writers in turn, as many as there are buffers: were all told, each buffer that comes back would
 * cost a call of every one of them. What those who are told leave is the next ones', from the next
 * call on. */
static void feed_writers(struct tcp *tcp)
{
    uint32_t free = tcp->buffers->free;
    uint32_t spare = buffers_spare_to_send(tcp->buffers);
    uint32_t told = 0;
    tcp->has_untold = false;
    if (free <= tcp->fed_writers || spare == 0) {
        tcp->fed_writers = min_u32(tcp->fed_writers, free);
        return;
    }
    struct list_node *node = list_first(&tcp->writers);
    while (node != NULL && told < spare) {
        struct tcp_work *work = CONTAINER_OF(node, struct tcp_work, starved);
        struct tcp_conn *conn = pool_at(&tcp->conns, work->owner);
        node = list_next(&tcp->writers, node);
        told += feed_writer(tcp, conn) ? 1 : 0;
        if (!conn_has(conn, CONN_WANT_WRITE)) {
            work->is_writer = false;
            list_remove(&work->starved);
        }
    }
    tcp->has_untold = node != NULL;
    tcp->fed_writers = tcp->has_untold ? free - told : free;
}

/* Does CONN still wait, now that there are more buffers or records? */
static bool feed(struct tcp *tcp, struct tcp_conn *conn)
{
    (void)feed_writer(tcp, conn);
    tcp_offer_window(tcp, conn);
    if (conn->work->wants_record && tcp_score_has_room(tcp, conn)) {
        conn->work->wants_record = false;
        tcp_conn_ready(tcp, conn);
    }
    return conn_has(conn, CONN_WANT_WRITE) || conn->work->wants_record ||
           (conn_may_receive(conn) && tcp_receive_window(tcp, conn) < tcp_window_wanted(tcp, conn));
}

/* Senders that had no record or buffer, and readers whose window the pool had shut. */
static void feed_others(struct tcp *tcp)
{
    uint32_t free = tcp->buffers->free;
    bool more = free > tcp->fed_free || free_records(tcp) > tcp->fed_records;
    tcp->fed_free = free;
    tcp->fed_records = free_records(tcp);
    struct list_node *node = more ? list_first(&tcp->starved) : NULL;
    while (node != NULL) {
        struct tcp_work *work = CONTAINER_OF(node, struct tcp_work, starved);
        node = list_next(&tcp->starved, node);
        if (!feed(tcp, pool_at(&tcp->conns, work->owner))) {
            list_remove(&work->starved);
        }
    }
}

void tcp_feed_hungry(struct tcp *tcp)
{
    feed_others(tcp);
    feed_writers(tcp);
    tcp->is_hungry = !list_is_empty(&tcp->starved) || !list_is_empty(&tcp->writers);
}
