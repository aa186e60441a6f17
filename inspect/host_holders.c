/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_holders.c: see inspect/host_holders.h.
 */
#include "inspect/host_holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES   64
#define PASSWD_BYTES 4096 /* of one row; behind a longer one nobody is looked for */

/* ITEMS with room for one more, each of SIZE; NULL: no memory. */
static void *with_room(void *items, size_t count, size_t *max, size_t size)
{
    size_t more = *max == 0 ? 256 : 2 * *max;
    void *moved;

    if (count < *max) {
        return items;
    }
    moved = realloc(items, more * size);
    if (moved != NULL) {
        *max = more;
    }
    return moved;
}

/* ---- Processes ------------------------------------------------------------------------------ */

uint64_t host_holders_parse_link(const char *text)
{
    static const char prefix[] = "socket:[";
    uint64_t inode = 0;

    if (strncmp(text, prefix, sizeof prefix - 1) != 0) {
        return 0;
    }
    text += sizeof prefix - 1;
    while (*text >= '0' && *text <= '9' && inode <= (UINT64_MAX - 9) / 10) {
        inode = inode * 10 + (uint64_t)(*text++ - '0');
    }
    return strcmp(text, "]") == 0 ? inode : 0;
}

static void read_name(int proc_fd, struct host_process *process)
{
    char path[PATH_BYTES];
    ssize_t length = -1;
    int fd;

    snprintf(path, sizeof path, "%d/comm", (int)process->pid);
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, process->name, sizeof process->name - 1);
        (void)close(fd);
    }
    length = length < 0 ? 0 : length;
    if (length > 0 && process->name[length - 1] == '\n') {
        length--;
    }
    process->name[length] = '\0';
}

/* The process, in the list from now on; false: no memory. */
static bool add_process(struct host_holders *holders, int proc_fd, pid_t pid)
{
    struct host_process *moved =
        with_room(holders->processes, holders->process_count, &holders->process_max, sizeof *moved);

    if (moved == NULL) {
        return false;
    }
    holders->processes = moved;
    moved[holders->process_count] = (struct host_process){.pid = pid};
    read_name(proc_fd, &moved[holders->process_count++]);
    return true;
}

static bool add_holding(struct host_holders *holders, uint64_t inode)
{
    struct host_holding *moved =
        with_room(holders->holdings, holders->count, &holders->max, sizeof *moved);

    if (moved == NULL) {
        return false;
    }
    holders->holdings = moved;
    moved[holders->count++] = (struct host_holding){inode, (uint32_t)(holders->process_count - 1)};
    return true;
}

/* The sockets among the descriptors of PID; false: no memory. */
static bool look_into(struct host_holders *holders, int proc_fd, pid_t pid, DIR *files)
{
    const struct dirent *entry;
    bool is_known = false;

    while ((entry = readdir(files)) != NULL) {
        char text[PATH_BYTES];
        ssize_t length = readlinkat(dirfd(files), entry->d_name, text, sizeof text - 1);
        uint64_t inode;

        text[length < 0 ? 0 : length] = '\0';
        inode = host_holders_parse_link(text);
        if (inode == 0) {
            continue;
        }
        if (!is_known && !add_process(holders, proc_fd, pid)) {
            return false;
        }
        is_known = true;
        if (!add_holding(holders, inode)) {
            return false;
        }
    }
    return true;
}

/* False: no memory. A process that has ended meanwhile has nothing. */
static bool look_at(struct host_holders *holders, int proc_fd, pid_t pid)
{
    char path[PATH_BYTES];
    DIR *files;
    bool is_good;
    int fd;

    snprintf(path, sizeof path, "%d/fd", (int)pid);
    fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        holders->hidden += errno == EACCES || errno == EPERM;
        return true;
    }
    files = fdopendir(fd);
    if (files == NULL) {
        /* The kernel tells nothing (ENOENT) of a process that has ended since open(). */
        is_good = errno != ENOMEM;
        (void)close(fd);
        return is_good;
    }
    is_good = look_into(holders, proc_fd, pid, files);
    (void)closedir(files);
    return is_good;
}

static int compare_holdings(const void *left, const void *right)
{
    const struct host_holding *a = left;
    const struct host_holding *b = right;

    if (a->inode != b->inode) {
        return a->inode < b->inode ? -1 : 1;
    }
    return a->process < b->process ? -1 : a->process > b->process;
}

/* Sorts, and keeps each once: a process may have a socket at several descriptors. */
static void sort_holdings(struct host_holders *holders)
{
    size_t kept = 0;

    if (holders->count == 0) {
        return;
    }
    qsort(holders->holdings, holders->count, sizeof holders->holdings[0], compare_holdings);
    for (size_t i = 1; i < holders->count; i++) {
        if (compare_holdings(&holders->holdings[kept], &holders->holdings[i]) != 0) {
            holders->holdings[++kept] = holders->holdings[i];
        }
    }
    holders->count = kept + 1;
}

int host_holders_read(struct host_holders *out)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    bool is_good = true;

    *out = (struct host_holders){0};
    if (proc == NULL) {
        return BERTH_E_STATE;
    }
    /* /proc lists processes by rising id. */
    while (is_good && (entry = readdir(proc)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);

        is_good = pid <= 0 || look_at(out, dirfd(proc), (pid_t)pid);
    }
    (void)closedir(proc);
    if (!is_good) {
        errno = ENOMEM;
        return BERTH_E_STATE;
    }
    sort_holdings(out);
    return BERTH_OK;
}

void host_holders_free(struct host_holders *holders)
{
    free(holders->processes);
    free(holders->holdings);
    *holders = (struct host_holders){0};
}

const struct host_holding *host_holders_find(const struct host_holders *holders, uint64_t inode,
                                             size_t *count)
{
    size_t low = 0;
    size_t high = holders->count;

    *count = 0;
    if (inode == 0) {
        return NULL;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (holders->holdings[middle].inode < inode) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low + *count < holders->count && holders->holdings[low + *count].inode == inode) {
        ++*count;
    }
    return *count == 0 ? NULL : &holders->holdings[low];
}

/* ---- Users ---------------------------------------------------------------------------------- */

static int compare_users(const void *left, const void *right)
{
    const struct host_user *a = left;
    const struct host_user *b = right;

    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

int host_users_read(struct host_users *out)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd entry = {0};
    struct passwd *row = NULL;
    char line[PASSWD_BYTES];
    int status = BERTH_OK;

    *out = (struct host_users){0};
    while (file != NULL && fgetpwent_r(file, &entry, line, sizeof line, &row) == 0) {
        struct host_user *moved = with_room(out->rows, out->count, &out->max, sizeof *moved);

        if (moved == NULL) {
            status = BERTH_E_STATE;
            break;
        }
        out->rows = moved;
        moved[out->count] = (struct host_user){.uid = row->pw_uid};
        snprintf(moved[out->count++].name, sizeof moved->name, "%s", row->pw_name);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    /* Where several names have one uid any of them may be found. */
    if (out->count > 0) {
        qsort(out->rows, out->count, sizeof out->rows[0], compare_users);
    }
    return status;
}

void host_users_free(struct host_users *users)
{
    free(users->rows);
    *users = (struct host_users){0};
}

const char *host_users_find(const struct host_users *users, uint32_t uid)
{
    struct host_user wanted = {.uid = uid};
    const struct host_user *found = users->count == 0 ? NULL
                                                      : bsearch(&wanted, users->rows, users->count,
                                                                sizeof wanted, compare_users);

    return found == NULL ? NULL : found->name;
}
