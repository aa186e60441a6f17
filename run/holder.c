/* SPDX-License-Identifier: MIT */
/*
 * run/holder.c: see run/holder.h.
 */
#include "run/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NEAR_FILES = 4 /* descriptors looked at beyond the last one found */ };

static const char socket_prefix[] = "socket:[";

int holder_init(struct holder *holder, uint64_t network_inode, pid_t program)
{
    *holder = (struct holder){.recent = {program}};
    holder->seen = calloc(HOLDER_SEEN_MAX, sizeof(holder->seen[0]));
    if (holder->seen == NULL || processes_init(&holder->processes, network_inode) < 0) {
        free(holder->seen);
        holder->seen = NULL;
        return BERTH_E_STATE;
    }
    processes_look(&holder->processes);
    return 0;
}

void holder_done(struct holder *holder)
{
    if (holder->seen != NULL) {
        processes_done(&holder->processes);
        free(holder->seen);
        holder->seen = NULL;
    }
}

/* ---- One descriptor ------------------------------------------------------------------------- */

enum looked { LOOKED_SOCKET, LOOKED_OTHER, LOOKED_NOTHING };

/* What descriptor FD of the process is; a socket is remembered, its inode put into *INODE. */
static enum looked look_at(struct holder *holder, pid_t pid, int fd, uint64_t *inode)
{
    char path[PROCESSES_PATH_BYTES];
    char text[PROCESSES_PATH_BYTES];
    struct holder_seen *seen = NULL;
    ssize_t length = 0;

    *inode = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    length = readlink(path, text, sizeof(text) - 1);
    if (length < 0) {
        return LOOKED_NOTHING;
    }
    text[length] = '\0';
    if (strncmp(text, socket_prefix, sizeof(socket_prefix) - 1) != 0) {
        return LOOKED_OTHER;
    }
    *inode = strtoull(text + sizeof(socket_prefix) - 1, NULL, 10);
    seen = &holder->seen[*inode % HOLDER_SEEN_MAX];
    *seen = (struct holder_seen){*inode, pid, fd};
    return LOOKED_SOCKET;
}

static bool is_seen(struct holder *holder, uint64_t inode, pid_t *pid)
{
    struct holder_seen seen = holder->seen[inode % HOLDER_SEEN_MAX];
    uint64_t there = 0;

    *pid = seen.pid;
    return seen.inode == inode && seen.pid > 0 &&
           look_at(holder, seen.pid, seen.fd, &there) == LOOKED_SOCKET && there == inode;
}

/* The process opened the last socket. */
static void remember(struct holder *holder, pid_t pid, int fd)
{
    struct process *process = processes_find(&holder->processes, pid);
    size_t at = 0;

    if (process != NULL) {
        process->hint_fd = fd;
    }
    while (at < HOLDER_RECENT_MAX - 1 && holder->recent[at] != pid) {
        at++;
    }
    memmove(&holder->recent[1], &holder->recent[0], at * sizeof(holder->recent[0]));
    holder->recent[0] = pid;
}

/* ---- One process ---------------------------------------------------------------------------- */

/* Is the socket at the process's hint, or at one of REACH descriptors after it? */
static bool is_near(struct holder *holder, const struct process *process, uint64_t inode, int reach)
{
    pid_t pid = process->pid;
    int first = process->hint_fd;

    for (int fd = first; fd <= first + reach; fd++) {
        uint64_t there = 0;

        if (look_at(holder, pid, fd, &there) == LOOKED_SOCKET && there == inode) {
            remember(holder, pid, fd);
            return true;
        }
    }
    return false;
}

static bool is_near_recent(struct holder *holder, size_t at, uint64_t inode)
{
    const struct process *process = processes_find(&holder->processes, holder->recent[at]);

    return process != NULL && process->is_inside && is_near(holder, process, inode, NEAR_FILES);
}

/* Has the process the socket? Looks at all its descriptors, as long as *FILES allows. */
static bool is_in(struct holder *holder, struct process *process, uint64_t inode, size_t *files)
{
    char path[PROCESSES_PATH_BYTES];
    const struct dirent *entry = NULL;
    DIR *directory = NULL;
    int free_fd = 0;
    bool is_found = false;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)process->pid);
    directory = opendir(path);
    if (directory == NULL) {
        process->is_closed = errno == EACCES;
        return false;
    }
    while (!is_found && *files > 0 && (entry = readdir(directory)) != NULL) {
        uint64_t there = 0;
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] == '.') {
            continue;
        }
        --*files;
        free_fd += fd == free_fd;
        is_found = look_at(holder, process->pid, fd, &there) == LOOKED_SOCKET && there == inode;
        if (is_found) {
            remember(holder, process->pid, fd);
        }
    }
    closedir(directory);
    if (!is_found) {
        process->hint_fd = free_fd;
    }
    return is_found;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static pid_t find_new(struct holder *holder, uint64_t inode)
{
    struct processes *processes = &holder->processes;
    size_t files = HOLDER_FILES_MAX;

    processes_look_for_new(processes);
    /* The latest first: it is more often the one. */
    for (size_t i = processes->fresh_count; i > 0; i--) {
        struct process *process = processes_find(processes, processes->fresh[i - 1]);

        if (process != NULL && process->is_inside && is_in(holder, process, inode, &files)) {
            return process->pid;
        }
    }
    return 0;
}

/* Step 5: goes round, since contacts that come together come of processes one after the other. */
static pid_t find_next(struct holder *holder, uint64_t inode)
{
    const struct processes *processes = &holder->processes;

    for (size_t i = 0; i < processes->count; i++) {
        const struct process *process = NULL;

        holder->cursor = holder->cursor + 1 < processes->count ? holder->cursor + 1 : 0;
        process = &processes->items[holder->cursor];
        if (process->is_inside && is_near(holder, process, inode, 0)) {
            return process->pid;
        }
    }
    return 0;
}

/* A program with file capabilities, as ping is on some systems, does not show its descriptors. When
 * it is the only such one, and all others have been asked, the socket is its. */
static pid_t find_anywhere(struct holder *holder, uint64_t inode)
{
    size_t files = HOLDER_FILES_MAX;
    struct processes *processes = &holder->processes;
    size_t closed_count = 0;
    pid_t closed = 0;

    processes_look(processes);
    for (size_t i = 0; i < processes->count && files > 0; i++) {
        struct process *process = &processes->items[i];

        if (!process->is_inside) {
            continue;
        }
        process->is_closed = false;
        if (is_in(holder, process, inode, &files)) {
            return process->pid;
        }
        if (process->is_closed) {
            closed_count++;
            closed = process->pid;
        }
    }
    return closed_count == 1 && files > 0 ? closed : 0;
}

pid_t holder_find_near(struct holder *holder, uint64_t inode)
{
    pid_t pid = 0;

    if (is_seen(holder, inode, &pid)) {
        return pid;
    }
    for (size_t i = 0; i < HOLDER_RECENT_MAX; i++) {
        if (is_near_recent(holder, i, inode)) {
            return holder->recent[0]; /* it has just been put there */
        }
        pid = i == 0 ? find_new(holder, inode) : 0;
        if (pid > 0) {
            return pid;
        }
    }
    return 0;
}

pid_t holder_find_far(struct holder *holder, uint64_t inode)
{
    pid_t pid = find_next(holder, inode);

    return pid > 0 ? pid : find_anywhere(holder, inode);
}
