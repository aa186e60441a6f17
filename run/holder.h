/* SPDX-License-Identifier: MIT */
/*
 * run/holder.h: which process inside has a socket open. Owns the list of processes and a memory of
 * where sockets were seen. run/attribute.c calls it, once for each first contact.
 *
 * The kernel tells the inode of a socket, but not whose it is: descriptors are looked at, in this
 * order, until one is the socket.
 *   1. where it was seen before
 *   2. the process that opened the last one, from that descriptor on: mostly it opens the next too
 *   3. processes made since the last look, all their descriptors
 *   4. the other recent ones, near their last descriptor
 *   5. every process inside, at the descriptor that it would get next; what is seen there is kept
 *   6. everything
 * Steps 1 to 4 cost the same however many processes there are, and step 5 a call for each, of which
 * the next contacts have the use. Between them the caller asks whether the socket is there still:
 * mostly its process has ended when it is not found.
 *
 * Invariants
 *  1. An answer was true when it was given: the descriptor named that inode.
 *  2. The work for one question is bounded (HOLDER_FILES_MAX descriptors); past the bound nobody is
 *     named.
 */
#ifndef RUN_HOLDER_H
#define RUN_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "run/processes.h"

enum {
    HOLDER_FILES_MAX = 16384, /* descriptors looked at for one question */
    HOLDER_RECENT_MAX = 8,    /* processes remembered in the order of their sockets */
    HOLDER_SEEN_MAX = 4096,   /* sockets remembered */
};

struct holder_seen {
    uint64_t inode; /* 0: none */
    pid_t pid;
    int fd;
};

struct holder {
    struct processes processes;
    pid_t recent[HOLDER_RECENT_MAX]; /* the latest first; 0: none */
    struct holder_seen *seen;        /* by inode */
    size_t cursor;                   /* step 5 goes on here */
};

/* PROGRAM: the first process inside. Returns 0 or BERTH_E_STATE. */
BERTH_MUST_CHECK int holder_init(struct holder *holder, uint64_t network_inode, pid_t program);
void holder_done(struct holder *holder);

/* The process that has the socket INODE open; of several, one. 0: nobody, or nobody that may be
 * looked at. holder_find_near takes steps 1 to 4, holder_find_far the others. */
pid_t holder_find_near(struct holder *holder, uint64_t inode);
pid_t holder_find_far(struct holder *holder, uint64_t inode);

#endif
