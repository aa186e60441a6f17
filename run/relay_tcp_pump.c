/* SPDX-License-Identifier: MIT */
/*
 * run/relay_tcp_pump.c: see run/relay_tcp.h: the bytes of a relayed connection. Each direction gets
 * a share of a turn, so that one fast connection does not keep the others waiting.
 *
 * The host's socket is watched edge-triggered: it is read until it says that there is no more, or
 * gives less than it was asked for, which says the same (epoll(7)). Where the far end's FIN was
 * announced before, that is the end: the kernel announces it when all before it is in its queue.
 * Two things make a short read say nothing: an error behind the bytes, the mark of urgent data.
 *
 * A short conversation is mostly system calls and segments, so none is made that another can carry:
 * the handshake's ACK goes with the program's first bytes (sockets_call), the FIN with its last
 * (MSG_MORE), and TCP_NODELAY is set when a second write could meet an unacknowledged first.
 * Towards the program a client's first bytes go with the SYN (relay_tcp_answer), the ACK of what it
 * answers with the client's FIN (stack_setup.c).
 */
#include "run/relay_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "run/spread.h"

enum {
    SHARE_BYTES = 384 * 1024, /* of one turn, each direction: two reads */
    READ_BYTES = 256 * 1024,  /* asked for at once */
    WARM_BYTES = 128 * 1024,  /* so many go on at once: after others' turns they would be cold */
    VIEWS_MAX = 64,
};

_Static_assert(offsetof(struct berth_view, data) == offsetof(struct iovec, iov_base) &&
                   offsetof(struct berth_view, bytes) == offsetof(struct iovec, iov_len) &&
                   sizeof(struct berth_view) == sizeof(struct iovec),
               "a view is laid out as an iovec");

static size_t sum(const struct berth_view *views, uint32_t count)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) {
        bytes += views[i].bytes;
    }
    return bytes;
}

/* Other threads read it. */
static void count_moved(struct relay_tcp *relay, size_t bytes)
{
    struct queue *queue = relay->queue;

    __atomic_store_n(&queue->moved_bytes, queue->moved_bytes + bytes, __ATOMIC_RELAXED);
    if (queue->helped == NULL && queue->run->spread.is_picking) {
        spread_count(relay, bytes);
    }
}

/* What an error of the stack's about its connection means here. */
static enum relay_tcp_pumped on_stack_error(struct relay_tcp *relay, int error)
{
    if (relay->stack_error == 0) {
        relay->stack_error = error;
    }
    return RELAY_TCP_LOST;
}

/* ---- From the host to the program ----------------------------------------------------------- */

static enum relay_tcp_pumped end_in(struct relay_tcp *relay)
{
    int result = relay->stack_closed ? 0 : berth_tcp_shutdown(relay->queue->berth, relay->id);

    relay->host_ended = true;
    relay->host_has = false;
    return result < 0 && result != BERTH_E_STATE ? on_stack_error(relay, result) : RELAY_TCP_PUMPED;
}

/* BYTES were read into the ROOM that the stack gave. */
static enum relay_tcp_pumped commit_in(struct relay_tcp *relay, size_t bytes, size_t room)
{
    int result = berth_tcp_commit(relay->queue->berth, relay->id, bytes);

    if (result < 0) {
        return on_stack_error(relay, result);
    }
    relay->conversation.bytes_in += bytes;
    count_moved(relay, bytes);
    if (bytes == room || relay->host_urgent) {
        return RELAY_TCP_PUMPED;
    }
    if (relay->host_fin) {
        return end_in(relay);
    }
    if (!relay->host_hangs_up) {
        relay->host_has = false;
    }
    return RELAY_TCP_PUMPED;
}

/* One read. *MOVED grows. */
static enum relay_tcp_pumped read_once(struct relay_tcp *relay, size_t *moved)
{
    struct berth_view views[VIEWS_MAX];
    struct berth *berth = relay->queue->berth;
    uint32_t count = 0;
    ssize_t bytes;
    int result = berth_tcp_reserve(berth, relay->id, READ_BYTES, views, VIEWS_MAX, &count);

    if (result == BERTH_E_AGAIN) {
        relay->stack_is_full = true;
        return RELAY_TCP_PUMPED;
    }
    if (result < 0) {
        return on_stack_error(relay, result);
    }
    do {
        bytes = readv(relay->fd, (const struct iovec *)views, (int)count);
    } while (bytes < 0 && errno == EINTR);
    if (bytes > 0) {
        *moved += (size_t)bytes;
        return commit_in(relay, (size_t)bytes, sum(views, count));
    }
    if (bytes < 0) {
        int error = errno;

        result = berth_tcp_commit(berth, relay->id, 0);
        if (error == EAGAIN || error == EWOULDBLOCK) {
            relay->host_has = false;
            return result < 0 ? on_stack_error(relay, result) : RELAY_TCP_PUMPED;
        }
        errno = error;
        return RELAY_TCP_FAILED;
    }
    return end_in(relay);
}

enum relay_tcp_pumped relay_tcp_pump_in(struct relay_tcp *relay)
{
    enum relay_tcp_pumped result = RELAY_TCP_PUMPED;
    size_t moved = 0;

    while (result == RELAY_TCP_PUMPED && relay->host_has && !relay->stack_is_full &&
           !relay->host_ended && !relay->stack_closed && relay->moves_to == NULL) {
        result = moved < SHARE_BYTES ? read_once(relay, &moved) : RELAY_TCP_MORE;
    }
    if (moved >= WARM_BYTES && result <= RELAY_TCP_MORE) {
        queue_transmit(relay->queue);
    }
    return result;
}

/* ---- From the program to the host ----------------------------------------------------------- */

static enum relay_tcp_pumped end_out(struct relay_tcp *relay)
{
    relay->stack_ended = true;
    relay->stack_has = false;
    if (relay->host_ended) {
        return RELAY_TCP_PUMPED; /* closing, which is next, says the same */
    }
    /* ENOTCONN: the far end has reset already; reading tells. */
    if (shutdown(relay->fd, SHUT_WR) < 0 && errno != ENOTCONN) {
        return RELAY_TCP_FAILED;
    }
    return RELAY_TCP_PUMPED;
}

/* Writes what it takes of VIEWS. -1: errno. */
static ssize_t write_views(struct relay_tcp *relay, struct berth_view *views, uint32_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)views, .msg_iovlen = count};
    bool is_last = relay->stack_fin && count < VIEWS_MAX;
    ssize_t bytes;

    if (relay->host_wrote && !relay->host_prompt) {
        sockets_set(relay->fd, IPPROTO_TCP, TCP_NODELAY, 1);
        relay->host_prompt = true;
    }
    do {
        bytes = sendmsg(relay->fd, &message, is_last ? MSG_MORE : 0);
    } while (bytes < 0 && errno == EINTR);
    relay->host_wrote = true;
    return bytes;
}

/* One write. *MOVED grows. */
static enum relay_tcp_pumped write_once(struct relay_tcp *relay, size_t *moved)
{
    struct berth_view views[VIEWS_MAX];
    struct berth *berth = relay->queue->berth;
    uint32_t count = 0;
    ssize_t bytes;
    int result = berth_tcp_peek(berth, relay->id, views, VIEWS_MAX, &count);

    if (result == BERTH_E_AGAIN) {
        relay->stack_has = false;
        return RELAY_TCP_PUMPED;
    }
    if (result < 0) {
        return on_stack_error(relay, result);
    }
    if (count == 0) {
        return end_out(relay);
    }
    if (relay->server != NULL) {
        bool may_go = false;
        enum relay_tcp_pumped looked = relay_server_look(relay, views, count, &may_go);

        if (!may_go) {
            relay->stack_has = false; /* more bytes bring it on */
            return looked;
        }
    }
    bytes = write_views(relay, views, count);
    if (bytes < 0) {
        relay->host_may = false;
        return errno == EAGAIN || errno == EWOULDBLOCK ? RELAY_TCP_PUMPED : RELAY_TCP_FAILED;
    }
    if ((size_t)bytes < sum(views, count)) {
        relay->host_may = false;
    }
    relay_server_sent(relay, (size_t)bytes);
    *moved += (size_t)bytes;
    relay->conversation.bytes_out += (size_t)bytes;
    count_moved(relay, (size_t)bytes);
    result = berth_tcp_consume(berth, relay->id, (size_t)bytes);
    return result < 0 ? on_stack_error(relay, result) : RELAY_TCP_PUMPED;
}

static enum relay_tcp_pumped pump_out(struct relay_tcp *relay)
{
    size_t moved = 0;

    relay->queue->turn_senders += relay->stack_has;
    while (relay->stack_has && relay->host_may && !relay->stack_ended) {
        enum relay_tcp_pumped result;

        if (moved >= SHARE_BYTES) {
            return RELAY_TCP_MORE;
        }
        result = write_once(relay, &moved);
        if (result != RELAY_TCP_PUMPED) {
            return result;
        }
    }
    return RELAY_TCP_PUMPED;
}

/* ---- Both ----------------------------------------------------------------------------------- */

static bool is_done(const struct relay_tcp *relay)
{
    return relay->stack_ended && (relay->host_ended || relay->stack_closed);
}

/* The handshake's ACK went with the program's first bytes; without any, it goes now. From the far
 * end's first bytes on, ACKs are the kernel's matter again, unless our FIN will carry them. */
static void release_ack(struct relay_tcp *relay)
{
    bool is_used = !relay->host_wrote || relay->conversation.bytes_in > 0;

    if (relay->host_ack_waits && is_used && !relay->host_ended) {
        sockets_ack_now(relay->fd);
        relay->host_ack_waits = false;
    }
}

enum relay_tcp_pumped relay_tcp_pump(struct relay_tcp *relay)
{
    enum relay_tcp_pumped out = pump_out(relay);
    enum relay_tcp_pumped in;

    if (out > RELAY_TCP_MORE) {
        return out;
    }
    in = relay_tcp_pump_in(relay);
    release_ack(relay);
    if (in > RELAY_TCP_MORE) {
        return in;
    }
    if (is_done(relay)) {
        return RELAY_TCP_DONE;
    }
    return out == RELAY_TCP_MORE || in == RELAY_TCP_MORE ? RELAY_TCP_MORE : RELAY_TCP_PUMPED;
}
