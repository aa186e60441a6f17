/* SPDX-License-Identifier: MIT */
/*
 * The table of open files. A file's number is its eventfd's, so that it is nobody else's, and so
 * that packetdrill may close(2) it when a script ends.
 */
#include "adapter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct file *file_new(struct adapter *adapter, enum file_kind kind)
{
    int fd = eventfd(0, 0);
    struct file *file = fd >= 0 && fd < FILES_MAX ? calloc(1, sizeof *file) : NULL;
    if (file == NULL) {
        adapter_fail("no more files");
    }
    free(adapter->files[fd]); /* packetdrill has closed it behind our back */
    file->fd = fd;
    file->kind = kind;
    file->status = O_RDWR;
    adapter->files[fd] = file;
    return file;
}

struct file *file_of(struct adapter *adapter, int fd)
{
    return fd >= 0 && fd < FILES_MAX ? adapter->files[fd] : NULL;
}

struct file *socket_of(struct adapter *adapter, int fd, int *error)
{
    struct file *file = file_of(adapter, fd);
    if (file == NULL) {
        *error = -EBADF;
        return NULL;
    }
    *error = -ENOTSOCK;
    return file->kind == FILE_TCP || file->kind == FILE_UDP ? file : NULL;
}

void file_forget(struct adapter *adapter, struct file *file)
{
    epoll_forget(adapter, file->fd);
    adapter->files[file->fd] = NULL;
    close(file->fd);
    free(file->epoll);
    free(file);
}

int file_take_error(struct file *file)
{
    int error = file->error;
    file->error = 0;
    return -error;
}

bool file_is_blocking(const struct file *file, int flags)
{
    return (file->status & O_NONBLOCK) == 0 && (flags & MSG_DONTWAIT) == 0;
}

int file_wait(struct adapter *adapter, const struct file *file, bool blocking, uint64_t deadline_ns)
{
    int fd = file->fd;
    if (!blocking || !adapter_wait(adapter, deadline_ns)) {
        return -EAGAIN;
    }
    return file_of(adapter, fd) == file ? 0 : -EBADF;
}

uint64_t file_deadline(const struct adapter *adapter, uint64_t timeout_ns)
{
    return timeout_ns == 0 ? BERTH_NEVER : adapter->now_ns + timeout_ns;
}

int errno_of(int error)
{
    switch ((enum berth_error)error) {
    case BERTH_OK:
        return 0;
    case BERTH_E_INVALID:
        return -EINVAL;
    case BERTH_E_STALE:
        return -EBADF;
    case BERTH_E_STATE:
        return -EINVAL;
    case BERTH_E_AGAIN:
        return -EAGAIN;
    case BERTH_E_LIMIT:
        return -ENOBUFS;
    case BERTH_E_IN_USE:
        return -EADDRINUSE;
    case BERTH_E_NO_PORT:
        return -EADDRNOTAVAIL;
    case BERTH_E_DENIED:
        return -EACCES;
    case BERTH_E_NO_ROUTE:
    case BERTH_E_NET_UNREACHABLE:
        return -ENETUNREACH;
    case BERTH_E_CLOSED:
        return -EPIPE;
    case BERTH_E_TOO_LONG:
        return -EMSGSIZE;
    case BERTH_E_REFUSED:
        return -ECONNREFUSED;
    case BERTH_E_RESET:
        return -ECONNRESET;
    case BERTH_E_TIMED_OUT:
        return -ETIMEDOUT;
    case BERTH_E_HOST_UNREACHABLE:
    case BERTH_E_PROHIBITED:
        return -EHOSTUNREACH;
    case BERTH_E_ABORTED:
        return -ECONNABORTED;
    case BERTH_E_SYNTAX:
        return -EINVAL;
    }
    return -EIO;
}
