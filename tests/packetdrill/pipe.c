/* SPDX-License-Identifier: MIT */
/*
 * Pipes and splice(2), between a pipe and a TCP socket, for scripts that splice.
 */
#include "adapter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int pipe_new(struct adapter *adapter, int fds[2])
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL) {
        adapter_fail("no memory for a pipe");
    }
    struct file *reader = file_new(adapter, FILE_PIPE_READ);
    struct file *writer = file_new(adapter, FILE_PIPE_WRITE);
    pipe->reader = true;
    pipe->writer = true;
    reader->pipe = pipe;
    writer->pipe = pipe;
    fds[0] = reader->fd;
    fds[1] = writer->fd;
    return 0;
}

void pipe_close(struct file *file)
{
    struct pipe *pipe = file->pipe;
    if (pipe == NULL) {
        return;
    }
    file->pipe = NULL;
    pipe->reader = pipe->reader && file->kind != FILE_PIPE_READ;
    pipe->writer = pipe->writer && file->kind != FILE_PIPE_WRITE;
    if (!pipe->reader && !pipe->writer) {
        free(pipe);
    }
}

short pipe_mask(const struct file *file)
{
    const struct pipe *pipe = file->pipe;
    if (file->kind == FILE_PIPE_READ) {
        int mask = pipe->bytes > 0 ? POLLIN | POLLRDNORM : 0;
        return (short)(mask | (pipe->writer ? 0 : POLLHUP));
    }
    int mask = pipe->bytes < PIPE_BYTES ? POLLOUT | POLLWRNORM : 0;
    return (short)(mask | (pipe->reader ? 0 : POLLERR));
}

/* Copies up to BYTES out (not NULL: to OUT); TAKE: they are gone then. */
static size_t take(struct pipe *pipe, const struct msghdr *message)
{
    size_t bytes = parts_bytes(message);
    bytes = bytes < pipe->bytes ? bytes : pipe->bytes;
    for (size_t done = 0; done < bytes;) {
        size_t straight = PIPE_BYTES - pipe->begin;
        size_t part = bytes - done < straight ? bytes - done : straight;
        parts_put(message, done, pipe->data + pipe->begin, part);
        pipe->begin = (pipe->begin + part) % PIPE_BYTES;
        done += part;
    }
    pipe->bytes -= bytes;
    return bytes;
}

static size_t give(struct pipe *pipe, const struct msghdr *message, size_t offset)
{
    size_t bytes = parts_bytes(message) - offset;
    bytes = bytes < PIPE_BYTES - pipe->bytes ? bytes : PIPE_BYTES - pipe->bytes;
    for (size_t done = 0; done < bytes;) {
        size_t end = (pipe->begin + pipe->bytes) % PIPE_BYTES;
        size_t straight = PIPE_BYTES - end;
        size_t part = bytes - done < straight ? bytes - done : straight;
        parts_get(message, offset + done, pipe->data + end, part);
        pipe->bytes += part;
        done += part;
    }
    return bytes;
}

ssize_t pipe_receive(struct adapter *adapter, struct file *file, struct msghdr *message)
{
    if (file->kind != FILE_PIPE_READ) {
        return -EBADF;
    }
    while (file->pipe->bytes == 0) {
        if (!file->pipe->writer) {
            return 0;
        }
        int error = file_wait(adapter, file, file_is_blocking(file, 0), BERTH_NEVER);
        if (error != 0) {
            return error;
        }
    }
    return (ssize_t)take(file->pipe, message);
}

ssize_t pipe_send(struct adapter *adapter, struct file *file, const struct msghdr *message)
{
    size_t bytes = parts_bytes(message);
    size_t done = 0;
    if (file->kind != FILE_PIPE_WRITE) {
        return -EBADF;
    }
    while (done < bytes) {
        if (!file->pipe->reader) {
            return done > 0 ? (ssize_t)done : -EPIPE;
        }
        done += give(file->pipe, message, done);
        int error =
            done == bytes ? 0 : file_wait(adapter, file, file_is_blocking(file, 0), BERTH_NEVER);
        if (error != 0) {
            return done > 0 ? (ssize_t)done : error;
        }
    }
    return (ssize_t)done;
}

/* ---- splice --------------------------------------------------------------------------------- */

static ssize_t from_socket(struct adapter *adapter, struct file *in, struct file *out,
                           const struct splice_call *call)
{
    unsigned char data[PIPE_BYTES];
    size_t room = PIPE_BYTES - out->pipe->bytes;
    if (room == 0) {
        return -EAGAIN;
    }
    struct iovec part = {.iov_base = data, .iov_len = call->bytes < room ? call->bytes : room};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int flags = (call->flags & SPLICE_F_NONBLOCK) != 0 ? MSG_DONTWAIT : 0;
    ssize_t got = stream_receive(adapter, in, &message, flags);
    if (got > 0) {
        part.iov_len = (size_t)got;
        give(out->pipe, &message, 0);
    }
    return got;
}

static ssize_t to_socket(struct adapter *adapter, struct file *in, struct file *out,
                         const struct splice_call *call)
{
    unsigned char data[PIPE_BYTES];
    struct pipe *pipe = in->pipe;
    if (pipe->bytes == 0) {
        return pipe->writer ? -EAGAIN : 0;
    }
    struct pipe before = *pipe;
    struct iovec part = {.iov_base = data,
                         .iov_len = call->bytes < PIPE_BYTES ? call->bytes : PIPE_BYTES};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    part.iov_len = take(pipe, &message);
    int flags = (call->flags & SPLICE_F_NONBLOCK) != 0 ? MSG_DONTWAIT : 0;
    flags |= (call->flags & SPLICE_F_MORE) != 0 ? MSG_MORE : 0;
    ssize_t sent = stream_send(adapter, out, &message, flags);
    size_t gone = sent > 0 ? (size_t)sent : 0;
    pipe->begin = (before.begin + gone) % PIPE_BYTES; /* what the socket did not take stays */
    pipe->bytes = before.bytes - gone;
    return sent;
}

ssize_t pipe_splice(struct adapter *adapter, const struct splice_call *call)
{
    struct file *in = file_of(adapter, call->in);
    struct file *out = file_of(adapter, call->out);
    if (in == NULL || out == NULL) {
        return -EBADF;
    }
    if (in->kind == FILE_TCP && out->kind == FILE_PIPE_WRITE) {
        return from_socket(adapter, in, out, call);
    }
    if (in->kind == FILE_PIPE_READ && out->kind == FILE_TCP) {
        return to_socket(adapter, in, out, call);
    }
    return -EINVAL;
}
