/* SPDX-License-Identifier: MIT */
/*
 * What packetdrill (2026) asks of a shared object given by --so_filename: one function that fills a
 * table. The order of the members is the ABI; the first argument of each is `userdata`. A member's
 * result is that of the call it is named after: -1 and errno on failure.
 */
#ifndef TESTS_PACKETDRILL_INTERFACE_H
#define TESTS_PACKETDRILL_INTERFACE_H

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct packetdrill_interface {
    void *userdata;
    void (*free)(void *userdata);
    int (*socket)(void *userdata, int domain, int type, int protocol);
    int (*bind)(void *userdata, int fd, const struct sockaddr *address, socklen_t bytes);
    int (*listen)(void *userdata, int fd, int backlog);
    int (*accept)(void *userdata, int fd, struct sockaddr *address, socklen_t *bytes);
    int (*connect)(void *userdata, int fd, const struct sockaddr *address, socklen_t bytes);
    ssize_t (*read)(void *userdata, int fd, void *data, size_t bytes);
    ssize_t (*readv)(void *userdata, int fd, const struct iovec *parts, int count);
    ssize_t (*recv)(void *userdata, int fd, void *data, size_t bytes, int flags);
    ssize_t (*recvfrom)(void *userdata, int fd, void *data, size_t bytes, int flags,
                        struct sockaddr *address, socklen_t *address_bytes);
    ssize_t (*recvmsg)(void *userdata, int fd, struct msghdr *message, int flags);
    ssize_t (*write)(void *userdata, int fd, const void *data, size_t bytes);
    ssize_t (*writev)(void *userdata, int fd, const struct iovec *parts, int count);
    ssize_t (*send)(void *userdata, int fd, const void *data, size_t bytes, int flags);
    ssize_t (*sendto)(void *userdata, int fd, const void *data, size_t bytes, int flags,
                      const struct sockaddr *address, socklen_t address_bytes);
    ssize_t (*sendmsg)(void *userdata, int fd, const struct msghdr *message, int flags);
    int (*fcntl)(void *userdata, int fd, int command, ...);
    int (*ioctl)(void *userdata, int fd, unsigned long request, ...);
    int (*close)(void *userdata, int fd);
    int (*shutdown)(void *userdata, int fd, int how);
    int (*getsockopt)(void *userdata, int fd, int level, int name, void *value, socklen_t *bytes);
    int (*setsockopt)(void *userdata, int fd, int level, int name, const void *value,
                      socklen_t bytes);
    int (*poll)(void *userdata, struct pollfd *fds, nfds_t count, int timeout_ms);
    /* A packet for the stack: 0, or not 0. */
    int (*netdev_send)(void *userdata, const void *packet, size_t bytes);
    /* The stack's next packet; waits for it. *BYTES: the room, then the length. *TIME_US: when the
     * stack sent it, by gettimeofday's clock. */
    int (*netdev_receive)(void *userdata, void *packet, size_t *bytes, long long *time_us);
    int (*usleep)(void *userdata, useconds_t us);
    int (*gettimeofday)(void *userdata, struct timeval *time, struct timezone *zone);
    int (*epoll_create)(void *userdata, int size);
    int (*epoll_ctl)(void *userdata, int epoll_fd, int operation, int fd,
                     struct epoll_event *event);
    int (*epoll_wait)(void *userdata, int epoll_fd, struct epoll_event *events, int max,
                      int timeout_ms);
    int (*pipe)(void *userdata, int fds[2]);
    int (*splice)(void *userdata, int in, loff_t *in_offset, int out, loff_t *out_offset,
                  size_t bytes, unsigned flags);
};

_Static_assert(sizeof(struct packetdrill_interface) == 33 * sizeof(void *), "33 members");

/* The one symbol that is looked up. FLAGS: the text of --so_flags, or NULL. */
__attribute__((visibility("default"))) void packetdrill_interface_init(
    const char *flags, struct packetdrill_interface *interface);

#endif
