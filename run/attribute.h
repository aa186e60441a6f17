/* SPDX-License-Identifier: MIT */
/*
 * run/attribute.h: which process inside owns a port. Asks the program's own kernel for the socket
 * (sock_diag), then looks for the process that has that socket open. Owns a small memory of the
 * last answers. The relay calls it once for each first contact.
 *
 * Invariants
 *  1. An answer is about a process whose network namespace is the program's.
 *  2. The work for one question is bounded (ATTRIBUTE_PROCESSES_MAX, ATTRIBUTE_FILES_MAX); past the
 *     bound the answer is "unknown", never a wait.
 *  3. A name is for people: a process may change its own. No decision may rest on it.
 */
#ifndef RUN_ATTRIBUTE_H
#define RUN_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/address.h>

#include "run/launch.h"

enum {
    ATTRIBUTE_NAME_BYTES = 16,      /* as the kernel keeps it, with its zero */
    ATTRIBUTE_COMMAND_BYTES = 128,  /* command line, words apart by spaces, cut */
    ATTRIBUTE_PROCESSES_MAX = 8192, /* entries of /proc looked at for one question */
    ATTRIBUTE_FILES_MAX = 16384,    /* descriptors looked at for one question */
    ATTRIBUTE_RECENT_MAX = 8,       /* processes remembered */
};

/* The socket as the program's kernel sees it: local is the program's end. */
struct attribute_query {
    uint8_t protocol;             /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 */
    struct berth_endpoint local;  /* for ICMP the port is the echo identifier */
    struct berth_endpoint remote; /* not used for ICMP */
};

struct attribute_process {
    pid_t pid; /* as berth and its caller see it */
    char name[ATTRIBUTE_NAME_BYTES];
    char command[ATTRIBUTE_COMMAND_BYTES];
};

struct attribute;

/* Borrows launch until attribute_free. Returns 0 or BERTH_E_STATE (no memory). */
BERTH_MUST_CHECK int attribute_new(struct attribute **out, const struct launch *launch);
void attribute_free(struct attribute *attribute);

/* Returns whether the process is known; false when there is no such socket, its process is gone or
 * not ours to look at, or the bound was reached. *out is untouched then. */
BERTH_MUST_CHECK bool attribute_find(struct attribute *attribute,
                                     const struct attribute_query *query,
                                     struct attribute_process *out);

#endif
