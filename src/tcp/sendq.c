/* SPDX-License-Identifier: MIT */
/*
 * The send queue: buffers in sequence from snd_una to snd_end. The writer fills buffers in place
 * (reserve, commit); transmission takes views; acknowledgement trims from the front.
 *
 * 1. No buffer in the queue is empty.
 * 2. Bytes once committed do not move: views of them stay right until they are acknowledged.
 * 3. `cursor` is NULL or a buffer of the queue, whose first byte has sequence number cursor_seq.
 * 4. What may be committed is what reserve gave, reserved_bytes: behind the last buffer's bytes and
 *    then in `reserved`. It goes with that last buffer.
 */
#include "tcp/parts.h"

static const uint32_t reserve_buffers_max = 8; /* buffers that one reserve may take */

/* After a trim or when there is none: back to the front. */
static void cursor_reset(struct tcp_conn *conn)
{
    conn->work->cursor = conn->work->send_first;
    conn->work->cursor_seq = conn_queue_seq(conn);
}

void tcp_sendq_release(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->work->reserved_bytes == 0) {
        return; /* as at rest, where it is nobody's to write */
    }
    while (conn->work->reserved != NULL) {
        struct berth_buffer *buffer = conn->work->reserved;
        conn->work->reserved = buffer->next;
        buffers_put(tcp->buffers, buffer);
    }
    conn->work->reserved_bytes = 0;
}

/* The first buffer is empty; where it is the last too, what was reserved began in its room. */
static void drop_first(struct tcp *tcp, struct tcp_conn *conn)
{
    struct berth_buffer *buffer = conn->work->send_first;
    conn->work->send_first = buffer->next;
    if (buffer->next == NULL) {
        conn->work->send_last = NULL;
        if (conn->work->reserved_bytes > 0 && buffer_room(buffer) > 0) {
            tcp_sendq_release(tcp, conn);
        }
    }
    buffers_put(tcp->buffers, buffer);
}

/* Drops BYTES from the front; snd_una has moved already. */
void tcp_sendq_trim(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes)
{
    while (bytes > 0) {
        struct berth_buffer *buffer = conn->work->send_first;
        BERTH_CHECK(buffer != NULL);
        uint32_t part = min_u32(bytes, buffer->bytes);
        buffer->begin += part;
        buffer->bytes -= part;
        bytes -= part;
        if (buffer == conn->work->cursor) {
            conn->work->cursor = NULL;
        }
        if (buffer->bytes == 0) {
            drop_first(tcp, conn);
        }
    }
}

void tcp_sendq_clear(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_sendq_release(tcp, conn);
    while (conn->work->send_first != NULL) {
        struct berth_buffer *buffer = conn->work->send_first;
        conn->work->send_first = buffer->next;
        buffers_put(tcp->buffers, buffer);
    }
    conn->work->send_last = NULL;
    conn->work->cursor = NULL;
}

uint32_t tcp_sendq_views(struct tcp_conn *conn, uint32_t seq, uint32_t bytes,
                         struct berth_frame *frame)
{
    if (conn->work->cursor == NULL || seq_lt(seq, conn->work->cursor_seq)) {
        cursor_reset(conn);
    }
    while (seq - conn->work->cursor_seq >= conn->work->cursor->bytes) {
        conn->work->cursor_seq += conn->work->cursor->bytes;
        conn->work->cursor = conn->work->cursor->next;
    }
    struct berth_buffer *buffer = conn->work->cursor;
    uint32_t skip = seq - conn->work->cursor_seq;
    uint32_t covered = 0;
    while (covered < bytes && buffer != NULL && frame->view_count < BERTH_FRAME_VIEWS_MAX) {
        uint32_t part = min_u32(bytes - covered, buffer->bytes - skip);
        frame->views[frame->view_count++] =
            (struct berth_view){.data = buffer->data + buffer->begin + skip, .bytes = part};
        covered += part;
        skip = 0;
        buffer = buffer->next;
    }
    return covered;
}

int tcp_may_write(const struct tcp_conn *conn)
{
    if (conn->state == BERTH_TCP_CLOSED) {
        return conn->back->error != 0 ? conn->back->error : BERTH_E_CLOSED;
    }
    if (conn_has(conn, CONN_FIN_QUEUED)) {
        return BERTH_E_CLOSED;
    }
    return conn->state == BERTH_TCP_LISTEN ? BERTH_E_STATE : 0;
}

/* One more reserved buffer; false: the pool has none for queues now. */
static struct berth_buffer *reserve_one(struct tcp *tcp, struct tcp_conn *conn,
                                        struct berth_buffer *last)
{
    struct berth_buffer *buffer =
        buffers_spare_to_send(tcp->buffers) > 0 ? buffers_get(tcp->buffers) : NULL;
    if (buffer == NULL) {
        return NULL;
    }
    buffer->begin = 0;
    buffer->next = NULL;
    if (last == NULL) {
        conn->work->reserved = buffer;
    } else {
        last->next = buffer;
    }
    return buffer;
}

static int nothing_now(struct tcp *tcp, struct tcp_conn *conn, bool starved)
{
    conn_set(conn, CONN_WANT_WRITE);
    if (starved) {
        tcp_starve_writer(tcp, conn);
    }
    return BERTH_E_AGAIN;
}

static uint32_t queued_bytes(const struct tcp_conn *conn)
{
    return conn->snd_end - conn_queue_seq(conn);
}

/* A queue holds no more than is left for the others: the first that stalls gets half of the pool's
   share for sending, the next a quarter, and one that is empty always finds a buffer. What there is
   in the last buffer costs nothing. */
static uint32_t pool_room(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct buffers *pool = tcp->buffers;
    uint32_t queued = queued_bytes(conn);
    uint32_t tail = conn->work->send_last != NULL ? buffer_room(conn->work->send_last) : 0;
    uint64_t share = (uint64_t)buffers_spare_to_send(pool) * pool->capacity;
    uint64_t room = queued == 0 ? share : share > queued ? share - queued : 0;
    return (uint32_t)min_u64(max_u64(room, tail), UINT32_MAX);
}

/* Less waits unsent than the owner wants to have waiting. */
static bool is_below_mark(const struct tcp_conn *conn)
{
    uint32_t mark = conn->back->options->unsent_bytes;
    return mark == 0 || conn_unsent_bytes(conn) < mark;
}

bool tcp_sendq_has_room(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return queued_bytes(conn) < tcp_send_limit(tcp, conn) && is_below_mark(conn) &&
           pool_room(tcp, conn) > 0;
}

/* Room again for a writer that was told to wait: not for every byte, but for a third of the
 * queue. */
void tcp_sendq_wake(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_has(conn, CONN_WANT_WRITE) && is_below_mark(conn) &&
        queued_bytes(conn) <= tcp_send_limit(tcp, conn) / 3 * 2) {
        conn_clear(conn, CONN_WANT_WRITE);
        tcp_conn_note(tcp, conn, BERTH_EVENT_WRITABLE);
    }
}

static uint32_t room_for_more(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t queued = queued_bytes(conn);
    uint32_t limit = tcp_send_limit(tcp, conn);
    return limit > queued ? limit - queued : 0;
}

/* What one reserve can give as MAX views, at most. */
static uint64_t views_room(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t max)
{
    uint32_t tail = conn->work->send_last != NULL ? buffer_room(conn->work->send_last) : 0;
    uint32_t fresh = max > 0 && tail > 0 ? max - 1 : max;
    return tail + (uint64_t)min_u32(fresh, reserve_buffers_max) * tcp->buffers->capacity;
}

/* Of the WANT bytes that a writer would fill in MAX views: so many that nothing small is left
 * over behind full bursts. It would leave in a segment of its own, or wait for an ACK (RFC 9293
 * 3.7.4). */
size_t tcp_whole_bursts(const struct tcp *tcp, const struct tcp_conn *conn, size_t want,
                        uint32_t max)
{
    uint32_t room = min_u32(room_for_more(tcp, conn), pool_room(tcp, conn));
    size_t most = min_size(want, (size_t)min_u64(room, views_room(tcp, conn, max)));
    uint32_t burst = tcp_burst_bytes(tcp, conn);
    BERTH_CHECK(conn->mss > 0 && burst >= conn->mss); /* it divides */
    burst -= burst % conn->mss;
    return most <= burst ? want : most - (conn_unsent_bytes(conn) + most) % burst;
}

/* Returns the number of views, or an error. */
int tcp_reserve(struct tcp *tcp, struct tcp_conn *conn, size_t want, struct berth_view *views,
                uint32_t max)
{
    int error = tcp_may_write(conn);
    if (error != 0) {
        return error;
    }
    (void)tcp_work_need(tcp, conn);
    tcp_sendq_release(tcp, conn);
    uint32_t room = room_for_more(tcp, conn);
    if (room == 0 || !is_below_mark(conn)) {
        return nothing_now(tcp, conn, false);
    }
    size_t most = min_size(want, min_u32(room, pool_room(tcp, conn)));
    size_t left = most;
    uint32_t count = 0;
    if (conn->work->send_last != NULL && buffer_room(conn->work->send_last) > 0 && left > 0 &&
        max > 0) {
        size_t part = min_size(left, buffer_room(conn->work->send_last));
        views[count++] =
            (struct berth_view){.data = buffer_end(conn->work->send_last), .bytes = part};
        left -= part;
    }
    struct berth_buffer *last = NULL;
    for (uint32_t taken = 0; left > 0 && count < max && taken < reserve_buffers_max; taken++) {
        last = reserve_one(tcp, conn, last);
        if (last == NULL) {
            break;
        }
        size_t part = min_size(left, last->capacity);
        views[count++] = (struct berth_view){.data = last->data, .bytes = part};
        left -= part;
    }
    conn->work->reserved_bytes = (uint32_t)(most - left);
    return count == 0 && want > 0 && max > 0 ? nothing_now(tcp, conn, true) : (int)count;
}

/* Moves what of BYTES fits into the last buffer's tail. */
static uint32_t commit_tail(struct tcp_conn *conn, uint32_t bytes)
{
    if (conn->work->send_last == NULL) {
        return 0;
    }
    uint32_t part = min_u32(bytes, buffer_room(conn->work->send_last));
    conn->work->send_last->bytes += part;
    return part;
}

int tcp_commit(struct tcp *tcp, struct tcp_conn *conn, size_t bytes)
{
    int error = tcp_may_write(conn);
    if (error != 0) {
        return error;
    }
    uint32_t queued = queued_bytes(conn);
    if (bytes > conn->work->reserved_bytes || bytes + queued > tcp_send_limit(tcp, conn)) {
        return BERTH_E_INVALID;
    }
    uint32_t left = (uint32_t)bytes;
    left -= commit_tail(conn, left);
    while (left > 0) {
        struct berth_buffer *buffer = conn->work->reserved;
        BERTH_CHECK(buffer != NULL); /* reserved_bytes counts their room */
        conn->work->reserved = buffer->next;
        buffer->next = NULL;
        buffer->bytes = min_u32(left, buffer->capacity);
        left -= buffer->bytes;
        if (conn->work->send_last == NULL) {
            conn->work->send_first = buffer;
        } else {
            conn->work->send_last->next = buffer;
        }
        conn->work->send_last = buffer;
    }
    tcp_sendq_release(tcp, conn);
    conn->back->more = false;
    if (bytes > 0) {
        if (conn->work->rate != NULL) {
            tcp_rate_check(tcp, conn);
        }
        conn->snd_end += (uint32_t)bytes;
        tcp_conn_ready(tcp, conn);
    }
    return 0;
}

int tcp_more(struct tcp *tcp, struct tcp_conn *conn)
{
    int error = tcp_may_write(conn);
    if (error == 0) {
        tcp_sendq_release(tcp, conn);
        conn->back->more = true;
    }
    return error;
}
