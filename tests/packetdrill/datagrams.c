/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets. The stack's are bound or connected when they are made, so one here is made when its
 * first call needs it, and again when connect() changes whom it speaks to.
 */
#include "adapter.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

static int reopen(struct adapter *adapter, struct file *file, const struct berth_endpoint *remote)
{
    struct datagrams *datagrams = &file->datagrams;
    const struct berth_endpoint *local = file->is_bound ? &file->local : NULL;
    if (datagrams->id != 0) {
        berth_udp_close(adapter->berth, datagrams->id);
        datagrams->id = 0;
    }
    int error = berth_udp_open(adapter->berth, local, remote, file, &datagrams->id);
    if (error != 0) {
        datagrams->id = 0;
        return errno_of(error);
    }
    datagrams->is_connected = remote != NULL;
    datagrams->remote = remote != NULL ? *remote : (struct berth_endpoint){0};
    return 0;
}

int datagrams_bind(struct adapter *adapter, struct file *file, const struct berth_endpoint *local)
{
    if (file->is_bound || file->datagrams.id != 0) {
        return -EINVAL;
    }
    file->local = *local;
    file->is_bound = local->port != 0 || !berth_address_is_any(&local->address);
    int error = reopen(adapter, file, NULL);
    file->is_bound = error == 0 && file->is_bound;
    return error == -EINVAL ? -EADDRNOTAVAIL : error;
}

int datagrams_connect(struct adapter *adapter, struct file *file,
                      const struct berth_endpoint *remote)
{
    file->error = 0;
    return reopen(adapter, file, remote);
}

/* The oldest datagram, waited for: 0, or the error. */
static int next(struct adapter *adapter, struct file *file, int flags, struct berth_datagram *out)
{
    uint64_t deadline_ns = file_deadline(adapter, file->receive_timeout_ns);
    if (file->datagrams.id == 0) {
        int error = reopen(adapter, file, NULL);
        if (error != 0) {
            return error;
        }
    }
    int error = berth_udp_peek(adapter->berth, file->datagrams.id, out);
    while (error == BERTH_E_AGAIN) {
        if (file->datagrams.read_shut) {
            return -ESHUTDOWN;
        }
        int waited = file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
        if (waited != 0) {
            return waited;
        }
        error = berth_udp_peek(adapter->berth, file->datagrams.id, out);
    }
    return errno_of(error);
}

ssize_t datagrams_receive(struct adapter *adapter, struct file *file, struct msghdr *message,
                          int flags)
{
    struct berth_datagram datagram;
    message->msg_flags = 0;
    message->msg_controllen = 0;
    if ((flags & (MSG_ERRQUEUE | MSG_OOB)) != 0) {
        return (flags & MSG_OOB) != 0 ? -EOPNOTSUPP : -EAGAIN;
    }
    if (file->error != 0) {
        return file_take_error(file);
    }
    int error = next(adapter, file, flags, &datagram);
    if (error == -ESHUTDOWN) {
        return 0;
    }
    if (error != 0) {
        return error;
    }
    size_t room = parts_bytes(message);
    size_t bytes = datagram.payload.bytes;
    parts_put(message, 0, datagram.payload.data, bytes < room ? bytes : room);
    address_put(file, &datagram.remote, message->msg_name, &message->msg_namelen);
    if (bytes > room) {
        message->msg_flags |= MSG_TRUNC;
    }
    if ((flags & MSG_PEEK) == 0) {
        (void)!berth_udp_consume(adapter->berth, file->datagrams.id); /* it was peeked */
    }
    return (ssize_t)(bytes > room && (flags & MSG_TRUNC) == 0 ? room : bytes);
}

static int send_one(struct adapter *adapter, struct file *file, const struct msghdr *message,
                    const struct berth_endpoint *to)
{
    struct berth_view room;
    size_t bytes = parts_bytes(message);
    int error = berth_udp_reserve(adapter->berth, file->datagrams.id, bytes, &room);
    if (error != 0) {
        return error;
    }
    parts_get(message, 0, room.data, bytes);
    struct berth_udp_send send = {.to = to, .bytes = bytes};
    return berth_udp_commit(adapter->berth, file->datagrams.id, &send);
}

ssize_t datagrams_send(struct adapter *adapter, struct file *file, const struct msghdr *message,
                       int flags)
{
    struct berth_endpoint to;
    bool named = message->msg_name != NULL && message->msg_namelen > 0;
    int error = named ? address_get(file, message->msg_name, message->msg_namelen, &to) : 0;
    if (error == 0 && (file->error != 0 || file->datagrams.write_shut)) {
        error = file_take_error(file);
        error = error != 0 ? error : -EPIPE;
    }
    if (error == 0 && !named && !file->datagrams.is_connected) {
        error = -EDESTADDRREQ;
    }
    if (error == 0 && file->datagrams.id == 0) {
        error = reopen(adapter, file, NULL);
    }
    if (error != 0) {
        return error;
    }
    uint64_t deadline_ns = file_deadline(adapter, file->send_timeout_ns);
    int result = send_one(adapter, file, message, named ? &to : NULL);
    while (result == BERTH_E_AGAIN) {
        error = file_wait(adapter, file, file_is_blocking(file, flags), deadline_ns);
        if (error != 0) {
            return error;
        }
        result = send_one(adapter, file, message, named ? &to : NULL);
    }
    return result == 0 ? (ssize_t)parts_bytes(message) : errno_of(result);
}

int datagrams_shutdown(struct file *file, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    if (!file->datagrams.is_connected) {
        return -ENOTCONN;
    }
    file->datagrams.read_shut = file->datagrams.read_shut || how != SHUT_WR;
    file->datagrams.write_shut = file->datagrams.write_shut || how != SHUT_RD;
    return 0;
}

/* What ICMP said is told once, and kept for the call that asks. */
static bool peek(struct adapter *adapter, struct file *file, struct berth_datagram *out)
{
    if (file->datagrams.id == 0) {
        return false;
    }
    int error = berth_udp_peek(adapter->berth, file->datagrams.id, out);
    if (error != 0 && error != BERTH_E_AGAIN) {
        file->error = -errno_of(error);
    }
    return error == 0;
}

bool datagrams_are_readable(struct adapter *adapter, struct file *file)
{
    struct berth_datagram datagram;
    return peek(adapter, file, &datagram) || file->datagrams.read_shut || file->error != 0;
}

int datagrams_ioctl(struct adapter *adapter, struct file *file, unsigned long request, int *value)
{
    struct berth_datagram datagram;
    if (request != SIOCINQ && request != SIOCOUTQ) {
        return -ENOTTY;
    }
    bool any = request == SIOCINQ && peek(adapter, file, &datagram);
    *value = any ? (int)datagram.payload.bytes : 0;
    return 0;
}

void datagrams_close(struct adapter *adapter, struct file *file)
{
    if (file->datagrams.id != 0) {
        berth_udp_close(adapter->berth, file->datagrams.id);
        file->datagrams.id = 0;
    }
}
