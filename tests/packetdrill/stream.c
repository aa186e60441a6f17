/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: from socket() to close(). What a call says in which state is Linux's way
 * (af_inet and tcp as their manual pages tell it): connect() on a connection under way, once
 * established, is 0 the first time; an error is told once, by the first call that asks.
 */
#include "adapter.h"

#include <fcntl.h>
#include <netinet/tcp.h>

static const uint16_t first_free_port = 49152; /* for bind() to port 0 */

/* The errno with which Linux's reset tells a reader and a writer. */
static int end_of(const struct stream *stream, int error)
{
    if (error == BERTH_E_RESET && stream->peer_closed && !stream->write_shut) {
        return EPIPE;
    }
    return error == BERTH_E_ABORTED ? 0 : -errno_of(error);
}

static bool is_peer_closed(enum berth_tcp_state state)
{
    return state == BERTH_TCP_CLOSE_WAIT || state == BERTH_TCP_CLOSING ||
           state == BERTH_TCP_LAST_ACK || state == BERTH_TCP_TIME_WAIT;
}

void stream_refresh(struct adapter *adapter, struct file *file)
{
    struct stream *stream = &file->stream;
    if (stream->id == 0 || stream->state == STREAM_LISTENING || stream->over) {
        return;
    }
    if (berth_tcp_info(adapter->berth, stream->id, &stream->info) != 0) {
        adapter_fail("a connection's id went stale while its socket is open");
    }
    stream->peer_closed = stream->peer_closed || is_peer_closed(stream->info.state);
    if (stream->info.state == BERTH_TCP_CLOSED) {
        stream->over = true;
        file->error = end_of(stream, stream->info.error);
    }
}

static bool is_own(const struct adapter *adapter, const struct berth_address *address)
{
    for (unsigned i = 0; i < adapter->settings.local_count; i++) {
        if (berth_address_is_equal(&adapter->settings.local[i], address)) {
            return true;
        }
    }
    return false;
}

/* Would LOCAL collide with another socket's? Those that both have SO_REUSEADDR only with a
 * listener. */
static bool is_taken(const struct adapter *adapter, const struct file *file,
                     const struct berth_endpoint *local)
{
    for (int fd = 0; fd < FILES_MAX; fd++) {
        const struct file *other = adapter->files[fd];
        bool same = other != NULL && other != file && other->kind == file->kind &&
                    other->is_bound && other->local.port == local->port;
        bool any = same && (berth_address_is_any(&local->address) ||
                            berth_address_is_any(&other->local.address));
        if (!same || (!any && !berth_address_is_equal(&other->local.address, &local->address))) {
            continue;
        }
        bool shared = option_value(file, SOL_SOCKET, SO_REUSEADDR) != 0 &&
                      option_value(other, SOL_SOCKET, SO_REUSEADDR) != 0 &&
                      other->stream.state != STREAM_LISTENING;
        if (!shared) {
            return true;
        }
    }
    return false;
}

int stream_bind(struct adapter *adapter, struct file *file, const struct berth_endpoint *local)
{
    struct berth_endpoint wanted = *local;
    if (file->is_bound || file->stream.id != 0) {
        return -EINVAL;
    }
    if (!berth_address_is_any(&wanted.address) && !is_own(adapter, &wanted.address)) {
        return -EADDRNOTAVAIL;
    }
    if (wanted.port == 0) {
        wanted.port = first_free_port;
        while (is_taken(adapter, file, &wanted)) {
            wanted.port++;
        }
    }
    if (is_taken(adapter, file, &wanted)) {
        return -EADDRINUSE;
    }
    file->local = wanted;
    file->is_bound = true;
    return 0;
}

static int bind_anyhow(struct adapter *adapter, struct file *file)
{
    struct berth_endpoint any = {.address = address_any(file)};
    return file->is_bound ? 0 : stream_bind(adapter, file, &any);
}

int stream_listen(struct adapter *adapter, struct file *file, int backlog)
{
    struct stream *stream = &file->stream;
    if (stream->state == STREAM_LISTENING) {
        return 0;
    }
    if (stream->state != STREAM_UNCONNECTED) {
        return -EINVAL;
    }
    int error = bind_anyhow(adapter, file);
    if (error != 0) {
        return error;
    }
    /* Linux's queue is full when it holds more than the backlog. */
    uint32_t most = backlog < 0 || backlog > 4095 ? 4096 : (uint32_t)backlog + 1;
    error = berth_tcp_listen(adapter->berth, &file->local, most, file, &stream->id);
    if (error == 0) {
        stream->state = STREAM_LISTENING;
        options_apply(adapter, file);
    }
    return errno_of(error);
}

/* Takes a connection off the queue, if there is one. */
bool stream_has_next(struct adapter *adapter, struct file *file)
{
    struct stream *listener = &file->stream;
    if (listener->next != NULL) {
        return true;
    }
    struct file *made = file_new(adapter, FILE_TCP);
    made->domain = file->domain;
    if (berth_tcp_accept(adapter->berth, listener->id, made, &made->stream.id) != 0) {
        made->stream.id = 0;
        file_forget(adapter, made);
        return false;
    }
    options_inherit(made, file);
    made->stream.state = STREAM_CONNECTED;
    stream_refresh(adapter, made);
    made->local = made->stream.info.local;
    made->stream.remote = made->stream.info.remote;
    options_apply(adapter, made);
    listener->next = made;
    return true;
}

int stream_accept(struct adapter *adapter, struct file *file, struct file **out)
{
    if (file->stream.state != STREAM_LISTENING) {
        return -EINVAL;
    }
    uint64_t deadline_ns = file_deadline(adapter, file->receive_timeout_ns);
    while (!stream_has_next(adapter, file)) {
        int error = file_wait(adapter, file, file_is_blocking(file, 0), deadline_ns);
        if (error != 0) {
            return error;
        }
    }
    *out = file->stream.next;
    file->stream.next = NULL;
    return 0;
}

/* Opens from the first port that is free, of those that the socket may use. */
static int open_from(struct adapter *adapter, struct file *file,
                     const struct berth_endpoint *remote)
{
    uint32_t range = (uint32_t)option_value(file, IPPROTO_IP, IP_LOCAL_PORT_RANGE);
    struct berth_endpoint local = file->is_bound ? file->local : (struct berth_endpoint){0};
    uint32_t last = file->is_bound || range == 0 ? local.port : range >> 16;
    local.port = file->is_bound || range == 0 ? local.port : (uint16_t)range;
    const struct berth_endpoint *from = local.port != 0 || file->is_bound ? &local : NULL;
    int error = berth_tcp_connect(adapter->berth, from, remote, file, &file->stream.id);
    while (error == BERTH_E_IN_USE && local.port < last) {
        local.port++;
        error = berth_tcp_connect(adapter->berth, from, remote, file, &file->stream.id);
    }
    return error;
}

int stream_start(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote)
{
    struct stream *stream = &file->stream;
    *stream = (struct stream){.remote = *remote};
    int error = open_from(adapter, file, remote);
    if (error != 0) {
        stream->id = 0;
        return error == BERTH_E_IN_USE ? -EADDRNOTAVAIL : errno_of(error);
    }
    stream->state = STREAM_CONNECTING;
    file->error = 0;
    options_apply(adapter, file);
    stream_refresh(adapter, file);
    return 0;
}

/* The attempt is over without a connection: the socket may try again. */
static int fail(struct adapter *adapter, struct file *file)
{
    int error = file_take_error(file);
    berth_tcp_close(adapter->berth, file->stream.id);
    file->stream = (struct stream){.state = STREAM_UNCONNECTED};
    return error != 0 ? error : -ECONNABORTED;
}

bool stream_is_opening(const struct stream *stream)
{
    return stream->state == STREAM_CONNECTING && !stream->over &&
           (stream->info.state == BERTH_TCP_SYN_SENT ||
            stream->info.state == BERTH_TCP_SYN_RECEIVED);
}

int stream_connect(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote)
{
    struct stream *stream = &file->stream;
    int pending = -EALREADY;
    if (stream->state == STREAM_CONNECTED || stream->state == STREAM_LISTENING) {
        return -EISCONN;
    }
    if (stream->state == STREAM_DEFERRED) {
        return -EISCONN;
    }
    if (stream->state == STREAM_UNCONNECTED) {
        int error = option_value(file, IPPROTO_TCP, TCP_FASTOPEN_CONNECT) != 0
                        ? fast_connect(adapter, file, remote)
                        : stream_start(adapter, file, remote);
        if (stream->state == STREAM_DEFERRED) {
            return 0;
        }
        if (error != 0) {
            return error;
        }
        pending = -EINPROGRESS;
    }
    uint64_t deadline_ns = file_deadline(adapter, file->send_timeout_ns);
    stream_refresh(adapter, file);
    while (stream_is_opening(stream)) {
        int error = file_wait(adapter, file, file_is_blocking(file, 0), deadline_ns);
        if (error != 0) {
            return error == -EAGAIN ? pending : error;
        }
        stream_refresh(adapter, file);
    }
    if (stream->over) {
        return fail(adapter, file);
    }
    stream->state = STREAM_CONNECTED;
    return 0;
}

static void end_listening(struct adapter *adapter, struct file *file)
{
    struct file *next = file->stream.next;
    if (next != NULL) {
        berth_tcp_abort(adapter->berth, next->stream.id);
        next->stream.id = 0;
        file_forget(adapter, next);
    }
    berth_tcp_close(adapter->berth, file->stream.id);
    file->stream = (struct stream){.state = STREAM_UNCONNECTED};
}

/* connect() to AF_UNSPEC. */
int stream_disconnect(struct adapter *adapter, struct file *file)
{
    if (file->stream.state == STREAM_LISTENING) {
        end_listening(adapter, file);
    } else if (file->stream.id != 0) {
        berth_tcp_abort(adapter->berth, file->stream.id);
        file->stream = (struct stream){.state = STREAM_UNCONNECTED};
    }
    file->error = 0;
    return 0;
}

int stream_shutdown(struct adapter *adapter, struct file *file, int how)
{
    struct stream *stream = &file->stream;
    bool read = how == SHUT_RD || how == SHUT_RDWR;
    bool write = how == SHUT_WR || how == SHUT_RDWR;
    if (!read && !write) {
        return -EINVAL;
    }
    stream_refresh(adapter, file);
    if (stream->state == STREAM_LISTENING) {
        return read ? stream_disconnect(adapter, file) : 0;
    }
    if (stream->id == 0 || stream->over) {
        return -ENOTCONN;
    }
    if (stream_is_opening(stream) && stream->info.state == BERTH_TCP_SYN_SENT) {
        return stream_disconnect(adapter, file);
    }
    stream->read_shut = stream->read_shut || read;
    if (write && !stream->write_shut) {
        stream->write_shut = true;
        return errno_of(berth_tcp_shutdown(adapter->berth, stream->id));
    }
    return 0;
}

/* SO_LINGER: until our FIN is acknowledged, or the time is over. */
static void linger(struct adapter *adapter, struct file *file)
{
    struct stream *stream = &file->stream;
    uint64_t deadline_ns = adapter->now_ns + (uint64_t)file->linger.l_linger * NS_PER_S;
    int error = stream->write_shut ? 0 : berth_tcp_shutdown(adapter->berth, stream->id);
    bool done = error != 0;
    while (!done) {
        stream_refresh(adapter, file);
        enum berth_tcp_state state = stream->info.state;
        done = stream->over || state == BERTH_TCP_FIN_WAIT_2 || state == BERTH_TCP_TIME_WAIT ||
               state == BERTH_TCP_CLOSED || !adapter_wait(adapter, deadline_ns);
    }
}

void stream_close(struct adapter *adapter, struct file *file)
{
    struct stream *stream = &file->stream;
    if (stream->state == STREAM_LISTENING) {
        end_listening(adapter, file);
        return;
    }
    if (stream->id == 0) {
        return;
    }
    stream_refresh(adapter, file);
    bool at_once = file->linger.l_onoff != 0 && file->linger.l_linger == 0;
    bool unread = stream->info.receive_queue_bytes > 0;
    if (file->linger.l_onoff != 0 && !at_once && !unread && !stream->over &&
        !stream_is_opening(stream) && (file->status & O_NONBLOCK) == 0) {
        linger(adapter, file);
    }
    if (at_once && !stream->over) {
        berth_tcp_abort(adapter->berth, stream->id);
    } else {
        berth_tcp_close(adapter->berth, stream->id);
    }
    stream->id = 0;
}
