/* SPDX-License-Identifier: MIT */
/*
 * run/launch_child.h: what the program's process does between fork and exec, and what it says to
 * berth meanwhile. Owns the messages between the two. run/launch.c alone calls it.
 *
 * The conversation, on a sequenced-packet socket pair; each line is one message:
 *   berth                        the program's process
 *                                unshare A; LAUNCH_SAID_MAPS: "write my maps"
 *   maps of A; LAUNCH_SAID_MAPS
 *                                device, network, mounts, unshare B; LAUNCH_SAID_WARNING, any
 * number LAUNCH_SAID_READY, with the TUN device and the diag socket LAUNCH_SAID_GO exec: the socket
 * closes, or LAUNCH_SAID_FAILED LAUNCH_SAID_FAILED may stand in place of anything that the
 * program's process says, and is its last. When the socket closes in place of what berth says,
 * berth is gone and the process ends.
 */
#ifndef RUN_LAUNCH_CHILD_H
#define RUN_LAUNCH_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "run/launch.h"
#include "run/launch_step.h"
#include "run/namespace.h"

enum launch_said {
    LAUNCH_SAID_MAPS,
    LAUNCH_SAID_WARNING,
    LAUNCH_SAID_READY,
    LAUNCH_SAID_GO,
    LAUNCH_SAID_FAILED,
};

/* Of the descriptors that go with a message: the queues of the TUN stand last. */
enum { LAUNCH_FD_DIAG, LAUNCH_FD_TUN, LAUNCH_FD_MAX = LAUNCH_FD_TUN + LAUNCH_QUEUES_MAX };

struct launch_message {
    enum launch_said said;
    struct launch_error error; /* WARNING, FAILED */
    uint32_t offloads;         /* READY */
    bool has_ipv6;             /* READY */
    uint64_t network_inode;    /* READY */
};

struct launch_child {
    const struct launch_config *config;
    const struct namespace_maps *maps;
    int fd;                /* the child's end of the pair */
    sigset_t signal_mask;  /* the caller's, for COMMAND */
    struct sigaction chld; /* the caller's disposition of SIGCHLD, for COMMAND */
};

/* FDS: COUNT (up to LAUNCH_FD_MAX) descriptors to go with the message. Returns 0, or -1 with errno.
 */
int launch_message_send(int fd, const struct launch_message *message, const int *fds, size_t count);
/* Waits for a message. fds, of LAUNCH_FD_MAX, is filled (-1: none came), or NULL. Returns 1, 0 when
 * the other end is closed, or -1 with errno. */
int launch_message_receive(int fd, struct launch_message *message, int *fds);

/* Does all of it; never returns. */
_Noreturn void launch_child_run(const struct launch_child *child);

#endif
