/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_holders.h: which processes have a socket open, and what their users are called.
 * Reads /proc and /etc/passwd. Commands call it.
 *
 * 1. A process is found where this user may look into its /proc/PID/fd: root everywhere, others at
 *    their own. How many could not be looked into is told.
 * 2. Names are raw: a process may call itself anything. Who prints them makes them harmless.
 * 3. Processes that share a socket are all there, by rising id.
 */
#ifndef INSPECT_HOST_HOLDERS_H
#define INSPECT_HOST_HOLDERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/error.h>

#define HOST_PROCESS_NAME_BYTES 16 /* as the kernel keeps it, with its zero */
#define HOST_USER_NAME_BYTES    33 /* as useradd(8) allows, with its zero */

struct host_process {
    pid_t pid;
    char name[HOST_PROCESS_NAME_BYTES];
};

struct host_holding {
    uint64_t inode; /* of the socket */
    uint32_t process;
};

struct host_holders {
    struct host_process *processes; /* that have a socket, by rising id */
    size_t process_count;
    size_t process_max;
    struct host_holding *holdings; /* by inode, then process; each once */
    size_t count;
    size_t max;
    size_t hidden; /* processes that could not be looked into */
};

/* BERTH_E_STATE: there is no /proc, or no memory (errno). Free with the next in either case. */
BERTH_MUST_CHECK int host_holders_read(struct host_holders *out);
void host_holders_free(struct host_holders *holders);

/* Those that have the socket INODE: *COUNT of them, the first at the pointer, borrowed. */
const struct host_holding *host_holders_find(const struct host_holders *holders, uint64_t inode,
                                             size_t *count);

/* The inode in the text of a link of /proc/PID/fd, "socket:[4711]"; 0: it is no socket. */
uint64_t host_holders_parse_link(const char *text);

struct host_user {
    uint32_t uid;
    char name[HOST_USER_NAME_BYTES];
};

struct host_users {
    struct host_user *rows; /* by uid, each once */
    size_t count;
    size_t max;
};

/* /etc/passwd, and no other source: those are asked over sockets. A file that cannot be read names
 * nobody. BERTH_E_STATE: no memory. */
BERTH_MUST_CHECK int host_users_read(struct host_users *out);
void host_users_free(struct host_users *users);
/* NULL: it has no name. Borrowed. */
const char *host_users_find(const struct host_users *users, uint32_t uid);

#endif
