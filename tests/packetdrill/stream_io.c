/* SPDX-License-Identifier: MIT */
/*
 * Bytes into and out of TCP sockets, with the flags of recv(2) and send(2). Urgent data is Linux's
 * by default: the last urgent byte is out of the stream and read by MSG_OOB (SO_OOBINLINE: stays).
 */
#include "adapter.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

#define VIEWS_AT_ONCE 64
#ifndef TCP_INQ
#define TCP_INQ 36
#endif
#ifndef TCP_CM_INQ
#define TCP_CM_INQ TCP_INQ
#endif

size_t parts_bytes(const struct msghdr *message)
{
    size_t bytes = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        bytes += message->msg_iov[i].iov_len;
    }
    return bytes;
}

static void parts_copy(const struct msghdr *message, size_t offset, unsigned char *data,
                       size_t bytes, bool put)
{
    for (size_t i = 0; i < message->msg_iovlen && bytes > 0; i++) {
        const struct iovec *part = &message->msg_iov[i];
        if (offset >= part->iov_len) {
            offset -= part->iov_len;
            continue;
        }
        size_t here = part->iov_len - offset < bytes ? part->iov_len - offset : bytes;
        unsigned char *at = (unsigned char *)part->iov_base + offset;
        memcpy(put ? at : data, put ? data : at, here);
        data += here;
        bytes -= here;
        offset = 0;
    }
}

void parts_put(const struct msghdr *message, size_t offset, const void *data, size_t bytes)
{
    unsigned char *from = (unsigned char *)(uintptr_t)data; /* read only: `put` */
    parts_copy(message, offset, from, bytes, true);
}

void parts_get(const struct msghdr *message, size_t offset, void *data, size_t bytes)
{
    parts_copy(message, offset, data, bytes, false);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* How many bytes of the stream lie before the urgent byte that is kept out of it; all, if none. */
static size_t before_urgent(const struct file *file)
{
    uint32_t left = file->stream.info.urgent_bytes;
    bool inline_data = option_value(file, SOL_SOCKET, SO_OOBINLINE) != 0;
    return left == 0 ? SIZE_MAX : inline_data ? left : left - 1;
}

/* The reader stands at the urgent byte: it is passed over, once it is here. */
static void pass_urgent(struct adapter *adapter, struct file *file)
{
    stream_refresh(adapter, file);
    if (before_urgent(file) == 0 && file->stream.info.receive_queue_bytes > 0) {
        (void)!berth_tcp_consume(adapter->berth, file->stream.id, 1);
        file->stream.urgent_taken = false;
        stream_refresh(adapter, file);
    }
}

/* Copies what is there into the parts from OFFSET on: the number of bytes; 0: nothing. */
static size_t read_some(struct adapter *adapter, struct file *file, struct msghdr *message,
                        size_t offset, int flags)
{
    struct berth_view views[VIEWS_AT_ONCE];
    uint32_t count = 0;
    pass_urgent(adapter, file);
    size_t most = parts_bytes(message) - offset;
    most = most < before_urgent(file) ? most : before_urgent(file);
    if (file->stream.info.receive_queue_bytes == 0 ||
        berth_tcp_peek(adapter->berth, file->stream.id, views, VIEWS_AT_ONCE, &count) != 0) {
        return 0;
    }
    size_t copied = 0;
    for (uint32_t i = 0; i < count && copied < most; i++) {
        size_t part = views[i].bytes < most - copied ? views[i].bytes : most - copied;
        if ((flags & MSG_TRUNC) == 0) {
            parts_put(message, offset + copied, views[i].data, part);
        }
        copied += part;
    }
    if ((flags & MSG_PEEK) == 0 &&
        berth_tcp_consume(adapter->berth, file->stream.id, copied) != 0) {
        adapter_fail("bytes that were there cannot be consumed");
    }
    stream_refresh(adapter, file);
    return copied;
}

/* Nothing is there: 0 end of the stream, negative: the error, -EAGAIN: wait. */
static int why_nothing(struct file *file)
{
    const struct stream *stream = &file->stream;
    if (stream->peer_closed) {
        return 0;
    }
    if (file->error != 0) {
        return file_take_error(file);
    }
    if (stream->over || stream->read_shut) {
        return 0;
    }
    return -EAGAIN;
}

static ssize_t receive_urgent(struct adapter *adapter, struct file *file, struct msghdr *message,
                              int flags)
{
    struct stream *stream = &file->stream;
    struct berth_view views[VIEWS_AT_ONCE];
    uint32_t count = 0;
    uint32_t left = stream->info.urgent_bytes;
    if (option_value(file, SOL_SOCKET, SO_OOBINLINE) != 0 || left == 0 || stream->urgent_taken) {
        return -EINVAL;
    }
    if (stream->info.receive_queue_bytes < left ||
        berth_tcp_peek(adapter->berth, stream->id, views, VIEWS_AT_ONCE, &count) != 0) {
        return -EAGAIN;
    }
    size_t skip = left - 1;
    uint32_t i = 0;
    while (i < count && skip >= views[i].bytes) {
        skip -= views[i++].bytes;
    }
    if (i == count) {
        return -EAGAIN;
    }
    parts_put(message, 0, (unsigned char *)views[i].data + skip, 1);
    stream->urgent_taken = (flags & MSG_PEEK) == 0;
    message->msg_flags |= MSG_OOB;
    return 1;
}

/* TCP_INQ: what is left to be read goes with what was, a byte more where the end follows it. */
static void tell_left(const struct file *file, struct msghdr *message, size_t room)
{
    const struct stream *stream = &file->stream;
    int left = (int)stream->info.receive_queue_bytes;
    if (option_value(file, IPPROTO_TCP, TCP_INQ) == 0 || room == 0) {
        return;
    }
    left += left == 0 && stream->peer_closed ? 1 : 0;
    if (room < CMSG_LEN(sizeof left)) {
        message->msg_flags |= MSG_CTRUNC;
        return;
    }
    struct cmsghdr *about = message->msg_control;
    *about = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof left), .cmsg_level = IPPROTO_TCP, .cmsg_type = TCP_CM_INQ};
    memcpy(CMSG_DATA(about), &left, sizeof left);
    message->msg_controllen = CMSG_SPACE(sizeof left) < room ? CMSG_SPACE(sizeof left) : room;
}

static size_t least_bytes(const struct file *file, size_t room, int flags)
{
    size_t least = (size_t)option_value(file, SOL_SOCKET, SO_RCVLOWAT);
    least = (flags & MSG_WAITALL) != 0 ? room : least;
    least = least < room ? least : room;
    return least > 0 ? least : 1;
}

static ssize_t receive_stream(struct adapter *adapter, struct file *file, struct msghdr *message,
                              int flags)
{
    size_t room = parts_bytes(message);
    size_t least = least_bytes(file, room, flags);
    uint64_t deadline_ns = file_deadline(adapter, file->receive_timeout_ns);
    size_t copied = 0;
    int error = 0;
    while (room > 0 && error == 0) {
        size_t from = (flags & MSG_PEEK) != 0 ? 0 : copied;
        copied = from + read_some(adapter, file, message, from, flags);
        bool at_mark = copied > 0 && before_urgent(file) == 0;
        if (copied >= least || at_mark) {
            break;
        }
        error = why_nothing(file);
        if (error != -EAGAIN) {
            break;
        }
        error = file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
        if (error == 0) {
            stream_refresh(adapter, file);
        }
    }
    return copied > 0 ? (ssize_t)copied : error;
}

/* TCP_FASTOPEN_CONNECT: as good as connecting, until somebody writes. */
static int wait_for_start(struct adapter *adapter, const struct file *file, int flags)
{
    uint64_t deadline_ns = file_deadline(adapter, file->receive_timeout_ns);
    int error = 0;
    while (file->stream.state == STREAM_DEFERRED && error == 0) {
        error = file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
    }
    return error;
}

ssize_t stream_receive(struct adapter *adapter, struct file *file, struct msghdr *message,
                       int flags)
{
    size_t control = message->msg_control != NULL ? message->msg_controllen : 0;
    message->msg_flags = 0;
    message->msg_controllen = 0;
    if ((flags & MSG_ERRQUEUE) != 0) {
        return -EAGAIN; /* no error queue, and so nothing in it */
    }
    int error = wait_for_start(adapter, file, flags);
    if (error != 0) {
        return error;
    }
    if (file->stream.id == 0 || file->stream.state == STREAM_LISTENING) {
        return file->error != 0 ? file_take_error(file) : -ENOTCONN;
    }
    stream_refresh(adapter, file);
    if ((flags & MSG_OOB) != 0) {
        return receive_urgent(adapter, file, message, flags);
    }
    ssize_t got = receive_stream(adapter, file, message, flags);
    if (got > 0) {
        tell_left(file, message, control);
    }
    return got;
}

bool stream_is_readable(struct adapter *adapter, struct file *file)
{
    const struct stream *stream = &file->stream;
    pass_urgent(adapter, file);
    size_t least = (size_t)option_value(file, SOL_SOCKET, SO_RCVLOWAT);
    uint32_t there = stream->info.receive_queue_bytes;
    bool only_urgent = there > 0 && before_urgent(file) == 0;
    return (there >= (least > 0 ? least : 1) && !only_urgent) || stream->peer_closed ||
           stream->read_shut || stream->over;
}

/* ---- Writing -------------------------------------------------------------------------------- */

bool stream_is_writable(const struct file *file)
{
    const struct berth_tcp_info *info = &file->stream.info;
    uint32_t most = (uint32_t)option_value(file, SOL_SOCKET, SO_SNDBUF);
    int low = option_value(file, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    bool held = low > 0 && info->unsent_bytes >= (uint32_t)low;
    return !held && (uint64_t)info->send_queue_bytes * 3 <= (uint64_t)most * 2;
}

/* May FILE be written to? 0, or the error. */
static int may_send(struct adapter *adapter, struct file *file, int flags, uint64_t deadline_ns)
{
    struct stream *stream = &file->stream;
    stream_refresh(adapter, file);
    while (stream_is_opening(stream)) {
        int error = file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
        if (error != 0) {
            return error;
        }
        stream_refresh(adapter, file);
    }
    bool open = stream->id != 0 && stream->state != STREAM_LISTENING && !stream->over;
    if (open && !stream->write_shut && file->error == 0) {
        return 0;
    }
    int error = file_take_error(file);
    return error != 0 ? error : -EPIPE;
}

/* What of WANT bytes may be written before some of it leaves: with TCP_NOTSENT_LOWAT so much as
 * reaches the mark. */
static size_t below_mark(struct adapter *adapter, struct file *file, size_t want)
{
    size_t mark = (size_t)option_value(file, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    if (option_value(file, IPPROTO_TCP, TCP_NOTSENT_LOWAT) <= 0) {
        return want;
    }
    clock_pump(adapter);
    stream_refresh(adapter, file);
    size_t unsent = file->stream.info.unsent_bytes;
    size_t room = mark > unsent ? mark - unsent : 0;
    return want < room ? want : room;
}

/* Writes what there is room for: the number of bytes; 0: no room. Negative: the error. */
static ssize_t write_some(struct adapter *adapter, struct file *file, const struct msghdr *message,
                          size_t offset)
{
    struct berth_view views[VIEWS_AT_ONCE];
    uint32_t count = 0;
    size_t want = below_mark(adapter, file, parts_bytes(message) - offset);
    want =
        want > 0 ? want : 1; /* asked for all the same: the stack then tells when there is room */
    int error =
        berth_tcp_reserve(adapter->berth, file->stream.id, want, views, VIEWS_AT_ONCE, &count);
    if (error != 0) {
        return error == BERTH_E_AGAIN ? 0 : errno_of(error);
    }
    size_t copied = 0;
    for (uint32_t i = 0; i < count; i++) {
        parts_get(message, offset + copied, views[i].data, views[i].bytes);
        copied += views[i].bytes;
    }
    return errno_of(berth_tcp_commit(adapter->berth, file->stream.id, copied)) + (ssize_t)copied;
}

ssize_t stream_send(struct adapter *adapter, struct file *file, const struct msghdr *message,
                    int flags)
{
    size_t bytes = parts_bytes(message);
    uint64_t deadline_ns = file_deadline(adapter, file->send_timeout_ns);
    bool fast = file->stream.state == STREAM_DEFERRED ||
                (file->stream.state == STREAM_UNCONNECTED && (flags & MSG_FASTOPEN) != 0);
    if ((flags & MSG_FASTOPEN) != 0 && stream_is_opening(&file->stream)) {
        return -EALREADY;
    }
    ssize_t begun = fast ? fast_send(adapter, file, message) : 0;
    if (begun < 0 && (begun != -EINPROGRESS || !file_is_blocking(file, flags))) {
        return begun;
    }
    size_t sent = begun > 0 ? (size_t)begun : 0;
    if (sent > 0 && !file_is_blocking(file, flags)) {
        return begun;
    }
    int error = may_send(adapter, file, flags, deadline_ns);
    while (error == 0 && sent < bytes) {
        ssize_t part = write_some(adapter, file, message, sent);
        if (part > 0) {
            sent += (size_t)part;
            continue;
        }
        error = part < 0 ? (int)part
                         : file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
        if (error == 0) {
            error = may_send(adapter, file, flags, deadline_ns);
        }
    }
    if (sent > 0 && sent == bytes && (flags & MSG_OOB) != 0) {
        (void)!berth_tcp_urgent(adapter->berth, file->stream.id);
    }
    if (sent > 0 && (flags & MSG_MORE) != 0) {
        (void)!berth_tcp_more(adapter->berth, file->stream.id);
    }
    return sent > 0 ? (ssize_t)sent : error;
}

int stream_ioctl(struct adapter *adapter, struct file *file, unsigned long request, int *value)
{
    const struct berth_tcp_info *info = &file->stream.info;
    if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCOUTQNSD &&
        request != SIOCATMARK) {
        return -ENOTTY;
    }
    if (file->stream.state == STREAM_LISTENING) {
        return -EINVAL;
    }
    stream_refresh(adapter, file);
    bool open = file->stream.id != 0;
    size_t unread = open ? info->receive_queue_bytes : 0;
    if (request == SIOCINQ) {
        *value = (int)(unread < before_urgent(file) ? unread : before_urgent(file));
    } else if (request == SIOCATMARK) {
        *value = open && before_urgent(file) == 0;
    } else {
        uint32_t bytes = request == SIOCOUTQNSD ? info->unsent_bytes : info->send_queue_bytes;
        *value = open && !file->stream.over ? (int)bytes : 0;
    }
    return 0;
}
