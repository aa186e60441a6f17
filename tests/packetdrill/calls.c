/* SPDX-License-Identifier: MIT */
/*
 * The members of packetdrill's table: each takes the lock, looks up its file, does the call, sends
 * what wants to go, and gives back what libc's function of that name would.
 */
#include "adapter.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>

/* ---- Sockets -------------------------------------------------------------------------------- */

static int new_socket(struct adapter *adapter, int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET && domain != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    bool tcp = kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
    bool udp = kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP);
    if (!tcp && !udp) {
        return kind == SOCK_STREAM || kind == SOCK_DGRAM ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT;
    }
    struct file *file = file_new(adapter, tcp ? FILE_TCP : FILE_UDP);
    file->domain = domain;
    file->status |= (type & SOCK_NONBLOCK) != 0 ? O_NONBLOCK : 0;
    return file->fd;
}

static int call_socket(void *userdata, int domain, int type, int protocol)
{
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, new_socket(userdata, domain, type, protocol));
}

static int call_bind(void *userdata, int fd, const struct sockaddr *address, socklen_t bytes)
{
    adapter_enter(userdata);
    int error;
    struct berth_endpoint local;
    struct file *file = socket_of(userdata, fd, &error);
    if (file != NULL) {
        error = address_get(file, address, bytes, &local);
        error = error != 0               ? error
                : file->kind == FILE_TCP ? stream_bind(userdata, file, &local)
                                         : datagrams_bind(userdata, file, &local);
    }
    return (int)adapter_leave(userdata, error);
}

static int call_listen(void *userdata, int fd, int backlog)
{
    adapter_enter(userdata);
    int error;
    struct file *file = socket_of(userdata, fd, &error);
    if (file != NULL) {
        error = file->kind == FILE_TCP ? stream_listen(userdata, file, backlog) : -EOPNOTSUPP;
    }
    return (int)adapter_leave(userdata, error);
}

static int call_accept(void *userdata, int fd, struct sockaddr *address, socklen_t *bytes)
{
    adapter_enter(userdata);
    int result;
    struct file *made = NULL;
    struct file *file = socket_of(userdata, fd, &result);
    if (file != NULL) {
        result = file->kind == FILE_TCP ? stream_accept(userdata, file, &made) : -EOPNOTSUPP;
    }
    if (made != NULL) {
        address_put(made, &made->stream.remote, address, bytes);
        result = made->fd;
    }
    return (int)adapter_leave(userdata, result);
}

static int connect_file(struct adapter *adapter, struct file *file, const struct sockaddr *address,
                        socklen_t bytes)
{
    struct berth_endpoint remote;
    bool tcp = file->kind == FILE_TCP;
    if (address != NULL && bytes >= sizeof address->sa_family && address->sa_family == AF_UNSPEC) {
        return tcp ? stream_disconnect(adapter, file) : datagrams_connect(adapter, file, NULL);
    }
    int error = address_get(file, address, bytes, &remote);
    if (error != 0) {
        return error;
    }
    return tcp ? stream_connect(adapter, file, &remote) : datagrams_connect(adapter, file, &remote);
}

static int call_connect(void *userdata, int fd, const struct sockaddr *address, socklen_t bytes)
{
    adapter_enter(userdata);
    int error;
    struct file *file = socket_of(userdata, fd, &error);
    error = file != NULL ? connect_file(userdata, file, address, bytes) : error;
    return (int)adapter_leave(userdata, error);
}

static int call_shutdown(void *userdata, int fd, int how)
{
    adapter_enter(userdata);
    int error;
    struct file *file = socket_of(userdata, fd, &error);
    if (file != NULL) {
        error = file->kind == FILE_TCP ? stream_shutdown(userdata, file, how)
                                       : datagrams_shutdown(file, how);
    }
    return (int)adapter_leave(userdata, error);
}

static int close_file(struct adapter *adapter, int fd)
{
    struct file *file = file_of(adapter, fd);
    if (file == NULL) {
        return -EBADF;
    }
    switch (file->kind) {
    case FILE_TCP:
        stream_close(adapter, file);
        break;
    case FILE_UDP:
        datagrams_close(adapter, file);
        break;
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        pipe_close(file);
        break;
    case FILE_EPOLL:
        break;
    }
    file_forget(adapter, file);
    return 0;
}

static int call_close(void *userdata, int fd)
{
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, close_file(userdata, fd));
}

/* ---- Reading and writing -------------------------------------------------------------------- */

/* Scripts say NULL for a buffer: no memory where there should be some. */
static bool is_bad(const struct msghdr *message)
{
    bool bad = false;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        bad = bad || (message->msg_iov[i].iov_base == NULL && message->msg_iov[i].iov_len > 0);
    }
    return bad;
}

static ssize_t receive(struct adapter *adapter, int fd, struct msghdr *message, int flags)
{
    struct file *file = file_of(adapter, fd);
    bool may_be_none = (flags & MSG_TRUNC) != 0; /* what comes is thrown away: tcp(7) */
    if (file == NULL || (is_bad(message) && !may_be_none)) {
        return file == NULL ? -EBADF : -EFAULT;
    }
    switch (file->kind) {
    case FILE_TCP:
        message->msg_namelen = 0;
        return stream_receive(adapter, file, message, flags);
    case FILE_UDP:
        return datagrams_receive(adapter, file, message, flags);
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        return pipe_receive(adapter, file, message);
    case FILE_EPOLL:
        return -EINVAL;
    }
    return -EINVAL;
}

static ssize_t transmit(struct adapter *adapter, int fd, const struct msghdr *message, int flags)
{
    struct file *file = file_of(adapter, fd);
    if (file == NULL || is_bad(message)) {
        return file == NULL ? -EBADF : -EFAULT;
    }
    switch (file->kind) {
    case FILE_TCP:
        return stream_send(adapter, file, message, flags);
    case FILE_UDP:
        return datagrams_send(adapter, file, message, flags);
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        return pipe_send(adapter, file, message);
    case FILE_EPOLL:
        return -EINVAL;
    }
    return -EINVAL;
}

static ssize_t call_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
    adapter_enter(userdata);
    int error;
    ssize_t result =
        socket_of(userdata, fd, &error) != NULL ? receive(userdata, fd, message, flags) : error;
    return adapter_leave(userdata, result);
}

static ssize_t call_readv(void *userdata, int fd, const struct iovec *parts, int count)
{
    struct iovec *own = (struct iovec *)(uintptr_t)parts; /* not written to */
    struct msghdr message = {.msg_iov = own, .msg_iovlen = (size_t)count};
    adapter_enter(userdata);
    return adapter_leave(userdata, receive(userdata, fd, &message, 0));
}

static ssize_t call_read(void *userdata, int fd, void *data, size_t bytes)
{
    struct iovec part = {.iov_base = data, .iov_len = bytes};
    return call_readv(userdata, fd, &part, 1);
}

static ssize_t call_recvfrom(void *userdata, int fd, void *data, size_t bytes, int flags,
                             struct sockaddr *address, socklen_t *address_bytes)
{
    struct iovec part = {.iov_base = data, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_name = address,
                             .msg_namelen = address_bytes != NULL ? *address_bytes : 0};
    ssize_t result = call_recvmsg(userdata, fd, &message, flags);
    if (result >= 0 && address_bytes != NULL) {
        *address_bytes = message.msg_namelen;
    }
    return result;
}

static ssize_t call_recv(void *userdata, int fd, void *data, size_t bytes, int flags)
{
    return call_recvfrom(userdata, fd, data, bytes, flags, NULL, NULL);
}

static ssize_t call_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
    adapter_enter(userdata);
    int error;
    ssize_t result =
        socket_of(userdata, fd, &error) != NULL ? transmit(userdata, fd, message, flags) : error;
    return adapter_leave(userdata, result);
}

static ssize_t call_writev(void *userdata, int fd, const struct iovec *parts, int count)
{
    struct iovec *own = (struct iovec *)(uintptr_t)parts; /* not written to */
    struct msghdr message = {.msg_iov = own, .msg_iovlen = (size_t)count};
    adapter_enter(userdata);
    return adapter_leave(userdata, transmit(userdata, fd, &message, 0));
}

static ssize_t call_write(void *userdata, int fd, const void *data, size_t bytes)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    return call_writev(userdata, fd, &part, 1);
}

static ssize_t call_sendto(void *userdata, int fd, const void *data, size_t bytes, int flags,
                           const struct sockaddr *address, socklen_t address_bytes)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address_bytes};
    return call_sendmsg(userdata, fd, &message, flags);
}

static ssize_t call_send(void *userdata, int fd, const void *data, size_t bytes, int flags)
{
    return call_sendto(userdata, fd, data, bytes, flags, NULL, 0);
}

/* ---- Control -------------------------------------------------------------------------------- */

static int control(struct adapter *adapter, int fd, int command, int value)
{
    static const int settable = O_NONBLOCK | O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME;
    struct file *file = file_of(adapter, fd);
    if (file == NULL) {
        return -EBADF;
    }
    switch (command) {
    case F_GETFL:
        return file->status;
    case F_SETFL:
        file->status = (file->status & ~settable) | (value & settable);
        return 0;
    case F_GETFD:
    case F_SETFD:
        return 0;
    default:
        return -EINVAL;
    }
}

static int call_fcntl(void *userdata, int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int value = command == F_SETFL || command == F_SETFD ? va_arg(arguments, int) : 0;
    va_end(arguments);
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, control(userdata, fd, command, value));
}

static int call_ioctl(void *userdata, int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    int *value = va_arg(arguments, int *);
    va_end(arguments);
    adapter_enter(userdata);
    struct file *file = file_of(userdata, fd);
    int error = file == NULL ? -EBADF : -ENOTTY;
    if (file != NULL && file->kind == FILE_TCP) {
        error = stream_ioctl(userdata, file, request, value);
    } else if (file != NULL && file->kind == FILE_UDP) {
        error = datagrams_ioctl(userdata, file, request, value);
    }
    return (int)adapter_leave(userdata, error);
}

static int call_getsockopt(void *userdata, int fd, int level, int name, void *value,
                           socklen_t *bytes)
{
    adapter_enter(userdata);
    int error;
    struct file *file = socket_of(userdata, fd, &error);
    if (file != NULL) {
        struct option_call call = {level, name, value, *bytes};
        error = options_get(userdata, file, &call);
        *bytes = call.bytes;
    }
    return (int)adapter_leave(userdata, error);
}

static int call_setsockopt(void *userdata, int fd, int level, int name, const void *value,
                           socklen_t bytes)
{
    adapter_enter(userdata);
    int error;
    struct file *file = socket_of(userdata, fd, &error);
    if (file != NULL) {
        struct option_call call = {level, name, (void *)(uintptr_t)value, bytes};
        error = options_set(userdata, file, &call);
    }
    return (int)adapter_leave(userdata, error);
}

static int call_poll(void *userdata, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, poll_files(userdata, fds, count, timeout_ms));
}

static int call_epoll_create(void *userdata, int size)
{
    adapter_enter(userdata);
    if (size <= 0) {
        return (int)adapter_leave(userdata, -EINVAL);
    }
    struct file *file = file_new(userdata, FILE_EPOLL);
    file->epoll = calloc(1, sizeof *file->epoll);
    if (file->epoll == NULL) {
        adapter_fail("no memory for an epoll instance");
    }
    return (int)adapter_leave(userdata, file->fd);
}

static int call_epoll_ctl(void *userdata, int epoll_fd, int operation, int fd,
                          struct epoll_event *event)
{
    adapter_enter(userdata);
    struct file *file = file_of(userdata, epoll_fd);
    int error = file != NULL ? epoll_change(userdata, file, operation, fd, event) : -EBADF;
    return (int)adapter_leave(userdata, error);
}

static int call_epoll_wait(void *userdata, int epoll_fd, struct epoll_event *events, int max,
                           int timeout_ms)
{
    adapter_enter(userdata);
    struct file *file = file_of(userdata, epoll_fd);
    int result = file != NULL ? epoll_ask(userdata, file, events, max, timeout_ms) : -EBADF;
    return (int)adapter_leave(userdata, result);
}

static int call_pipe(void *userdata, int fds[2])
{
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, pipe_new(userdata, fds));
}

/* Offsets: packetdrill gives pointers to 0 where a script says NULL; there are none here. */
static ssize_t splice_files(struct adapter *adapter, loff_t in_offset, loff_t out_offset,
                            const struct splice_call *call)
{
    return in_offset != 0 || out_offset != 0 ? -ESPIPE : pipe_splice(adapter, call);
}

static int call_splice(void *userdata, int in, loff_t *in_offset, int out, loff_t *out_offset,
                       size_t bytes, unsigned flags)
{
    struct splice_call call = {.in = in, .out = out, .bytes = bytes, .flags = flags};
    loff_t from = in_offset != NULL ? *in_offset : 0;
    loff_t to = out_offset != NULL ? *out_offset : 0;
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, splice_files(userdata, from, to, &call));
}

/* ---- The wire and the clock ----------------------------------------------------------------- */

static int call_netdev_send(void *userdata, const void *packet, size_t bytes)
{
    adapter_enter(userdata);
    return (int)adapter_leave(userdata, net_send(userdata, packet, bytes));
}

static int call_netdev_receive(void *userdata, void *packet, size_t *bytes, long long *time_us)
{
    uint64_t sent_ns;
    adapter_enter(userdata);
    net_receive(userdata, packet, bytes, &sent_ns);
    *time_us = (long long)(sent_ns / NS_PER_US);
    return (int)adapter_leave(userdata, 0);
}

static int call_usleep(void *userdata, useconds_t us)
{
    struct adapter *adapter = userdata;
    adapter_enter(adapter);
    clock_advance(adapter, adapter->now_ns + us * NS_PER_US);
    return (int)adapter_leave(adapter, 0);
}

static int call_gettimeofday(void *userdata, struct timeval *time, struct timezone *zone)
{
    adapter_enter(userdata);
    uint64_t now_ns = adapter_look_at_clock(userdata);
    time->tv_sec = (time_t)(now_ns / NS_PER_S);
    time->tv_usec = (suseconds_t)(now_ns % NS_PER_S / NS_PER_US);
    if (zone != NULL) {
        *zone = (struct timezone){0};
    }
    adapter_leave_clock(userdata);
    return 0;
}

static void call_free(void *userdata)
{
    adapter_free(userdata);
}

void calls_fill(struct packetdrill_interface *interface)
{
    *interface = (struct packetdrill_interface){
        .free = call_free,
        .socket = call_socket,
        .bind = call_bind,
        .listen = call_listen,
        .accept = call_accept,
        .connect = call_connect,
        .read = call_read,
        .readv = call_readv,
        .recv = call_recv,
        .recvfrom = call_recvfrom,
        .recvmsg = call_recvmsg,
        .write = call_write,
        .writev = call_writev,
        .send = call_send,
        .sendto = call_sendto,
        .sendmsg = call_sendmsg,
        .fcntl = call_fcntl,
        .ioctl = call_ioctl,
        .close = call_close,
        .shutdown = call_shutdown,
        .getsockopt = call_getsockopt,
        .setsockopt = call_setsockopt,
        .poll = call_poll,
        .netdev_send = call_netdev_send,
        .netdev_receive = call_netdev_receive,
        .usleep = call_usleep,
        .gettimeofday = call_gettimeofday,
        .epoll_create = call_epoll_create,
        .epoll_ctl = call_epoll_ctl,
        .epoll_wait = call_epoll_wait,
        .pipe = call_pipe,
        .splice = call_splice,
    };
}
