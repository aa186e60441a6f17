/* SPDX-License-Identifier: MIT */
/*
 * run/launch_message.c: the messages of run/launch_child.h on their way, descriptors with them.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "run/launch_child.h"

union control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(LAUNCH_FD_MAX * sizeof(int))];
};

int launch_message_send(int fd, const struct launch_message *message, const int *fds, size_t count)
{
    struct launch_message copy = *message;
    struct iovec part = {&copy, sizeof(copy)};
    union control control = {0};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        struct cmsghdr *header = NULL;

        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
        header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    return sendmsg(fd, &packet, MSG_NOSIGNAL) == (ssize_t)sizeof(copy) ? 0 : -1;
}

int launch_message_receive(int fd, struct launch_message *message, int *fds)
{
    struct iovec part = {message, sizeof(*message)};
    union control control = {0};
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = NULL;
    ssize_t length = 0;

    do {
        length = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    /* A peer that died before it read what we sent shows as a reset: it is as gone as a closed one.
     */
    if (length == 0 || (length < 0 && errno == ECONNRESET)) {
        return 0;
    }
    if (length != (ssize_t)sizeof(*message)) {
        return -1;
    }
    if (fds == NULL) {
        return 1;
    }
    for (int i = 0; i < LAUNCH_FD_MAX; i++) {
        fds[i] = -1;
    }
    header = CMSG_FIRSTHDR(&packet);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS && header->cmsg_len >= CMSG_LEN(0) &&
        header->cmsg_len <= CMSG_LEN(LAUNCH_FD_MAX * sizeof(int))) {
        memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    }
    return 1;
}
