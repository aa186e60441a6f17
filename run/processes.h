/* SPDX-License-Identifier: MIT */
/*
 * run/processes.h: the processes inside: those whose network namespace is the program's. Owns the
 * list, kept in the order of /proc, which is that of their ids. Attribution and asking use it.
 *
 * Looking at all of /proc costs a call for each process that is new, and little for one that is
 * known. The kernel gives ids in turn and tells which it gave last (/proc/loadavg): looking for the
 * processes made since the last look costs the same however many others there are.
 *
 * Invariants
 *  1. processes.items is in the order of pid, each once.
 *  2. A process is known by its pid and the inode of /proc/PID: another one with the same pid is
 *     looked at anew.
 *  3. One that was inside when it was first seen counts as inside: what it opened there is there.
 */
#ifndef RUN_PROCESSES_H
#define RUN_PROCESSES_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/error.h>

enum {
    PROCESSES_MAX = 32768, /* of the host; what comes after is not seen */
    PROCESSES_PATH_BYTES = 64,
};

struct process {
    pid_t pid;
    uint64_t identity; /* inode of /proc/PID */
    int hint_fd;       /* the lowest free descriptor, or the last at which a socket was found */
    bool is_inside;
    bool is_closed; /* its descriptors may not be listed */
};

struct processes {
    DIR *proc;
    uint64_t network_inode;
    struct process *items;
    size_t count;
    size_t capacity;
    pid_t *fresh; /* those that the last look found for the first time */
    size_t fresh_count;
    size_t fresh_capacity;
    pid_t last;       /* given last, at the last look; 0: not known */
    long seek_offset; /* of a pid in /proc's own order; -1: not known */
};

/* NETWORK_INODE: of /proc/PID/ns/net. Returns 0 or BERTH_E_STATE (errno says why). */
BERTH_MUST_CHECK int processes_init(struct processes *processes, uint64_t network_inode);
void processes_done(struct processes *processes);

/* Looks for processes made since the last look: they are fresh. */
void processes_look_for_new(struct processes *processes);
/* Looks at all: finds new ones that the former has missed, drops those that are gone. */
void processes_look(struct processes *processes);

/* Borrowed until the next look; NULL: not known. */
struct process *processes_find(struct processes *processes, pid_t pid);

#endif
