/* SPDX-License-Identifier: MIT */
/*
 * run/attribute.h: which process inside owns a port. Asks the program's own kernel for the socket
 * (sock_diag), then looks for the process that has that socket open (holder.h), then for what /proc
 * tells of it. The relay calls it once for each first contact, and waits for the answer: the socket
 * is there as long as the packet is held, or as its refusal has not left.
 *
 * Invariants
 *  1. An answer is about a process inside the program's network.
 *  2. The work for one question is bounded (holder.h); past the bound the answer is "unknown",
 *     never a wait.
 *  3. A name is what the process calls itself: it may change it. A rule that goes by it keeps
 *     well-meaning programs apart, and no others.
 */
#ifndef RUN_ATTRIBUTE_H
#define RUN_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/address.h>

#include "run/launch.h"

enum {
    ATTRIBUTE_NAME_BYTES = 16,     /* as the kernel keeps it, with its zero */
    ATTRIBUTE_COMMAND_BYTES = 256, /* command line, words apart by spaces, cut */
    ATTRIBUTE_USER_BYTES = 33,     /* as useradd(8) allows, with its zero */
};

/* The socket as the program's kernel sees it: local is the program's end. */
struct attribute_query {
    uint8_t protocol;             /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 */
    struct berth_endpoint local;  /* for ICMP the port is the echo identifier */
    struct berth_endpoint remote; /* not used for ICMP */
};

/* Text is printable; what is not known is 0 or empty. */
struct attribute_process {
    pid_t pid;                       /* as berth and its caller see it */
    char name[ATTRIBUTE_NAME_BYTES]; /* what rules go by */
    char command[ATTRIBUTE_COMMAND_BYTES];
    pid_t parent;
    char parent_name[ATTRIBUTE_NAME_BYTES];
    uid_t uid;
    char user[ATTRIBUTE_USER_BYTES]; /* its name in /etc/passwd */
};

struct attribute;
struct processes;

/* Borrows launch until attribute_free. Returns 0 or BERTH_E_STATE (no memory). */
BERTH_MUST_CHECK int attribute_new(struct attribute **out, const struct launch *launch);
void attribute_free(struct attribute *attribute);

/* Returns whether the process is known; false when there is no such socket, its process is gone or
 * not ours to look at, or the bound was reached. *out is untouched then. */
BERTH_MUST_CHECK bool attribute_find(struct attribute *attribute,
                                     const struct attribute_query *query,
                                     struct attribute_process *out);

/* The processes inside, as far as they have been seen; the attribution's own. */
struct processes *attribute_processes(struct attribute *attribute);

#endif
