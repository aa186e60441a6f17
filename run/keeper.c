/* SPDX-License-Identifier: MIT */
/*
 * run/keeper.c: see run/keeper.h. For each file the keeper holds spares: copies of its mount that
 * are not attached anywhere. When the file has lost its place, one goes there, and another is made
 * from it. Should the host replace the file again just then, the copy would be of the host's: such
 * a copy is thrown away, and the other spares see it through.
 */
#include "run/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENT_BYTES = 4096, FILE_COUNT = 2, FDS_FROM = 16, SPARES = 8 };

#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

struct kept {
    const char *path;
    dev_t device; /* of the file that is shown */
    ino_t inode;
    int spares[SPARES];
    size_t spare_count;
};

void keeper_namespaces_open(struct keeper_namespaces *namespaces, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    namespaces->user_fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
    namespaces->mount_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void keeper_namespaces_close(struct keeper_namespaces *namespaces)
{
    if (namespaces->user_fd >= 0) {
        close(namespaces->user_fd);
    }
    if (namespaces->mount_fd >= 0) {
        close(namespaces->mount_fd);
    }
    namespaces->user_fd = -1;
    namespaces->mount_fd = -1;
}

/* --- the keeper's own process --- */

/* Tells of changes in the directory of the path, and in that of the file which it leads to. */
static void watch(int inotify, const char *path)
{
    char real[PATH_MAX];
    char directory[PATH_MAX];
    char *slash = NULL;

    snprintf(directory, sizeof(directory), "%s", path);
    slash = strrchr(directory, '/');
    *slash = '\0';
    (void)inotify_add_watch(inotify, directory, EVENTS);
    if (realpath(path, real) != NULL) {
        slash = strrchr(real, '/');
        *slash = '\0';
        (void)inotify_add_watch(inotify, real[0] == '\0' ? "/" : real, EVENTS);
    }
}

static bool is_same(const struct kept *kept, const struct stat *st)
{
    return st->st_dev == kept->device && st->st_ino == kept->inode;
}

static void make_spares(struct kept *kept)
{
    while (kept->spare_count < SPARES) {
        int spare = open_tree(AT_FDCWD, kept->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct stat st;

        if (spare < 0) {
            return;
        }
        if (fstat(spare, &st) < 0 || !is_same(kept, &st)) {
            close(spare);
            return;
        }
        kept->spares[kept->spare_count++] = spare;
    }
}

static void keep(struct kept *kept, int inotify)
{
    struct stat st;

    if (stat(kept->path, &st) == 0) {
        kept->device = st.st_dev;
        kept->inode = st.st_ino;
        make_spares(kept);
        watch(inotify, kept->path);
    }
}

static void put_back(struct kept *kept, int inotify)
{
    struct stat st;

    if (kept->spare_count == 0 || stat(kept->path, &st) < 0 || is_same(kept, &st)) {
        return;
    }
    if (move_mount(kept->spares[kept->spare_count - 1], "", AT_FDCWD, kept->path,
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) == 0) {
        close(kept->spares[--kept->spare_count]);
        make_spares(kept);
        watch(inotify, kept->path);
    }
}

/* Waits for changes until berth is gone. */
static void serve(int fd, int inotify, struct kept *files, size_t count)
{
    struct pollfd waiting[] = {{.fd = fd, .events = POLLIN}, {.fd = inotify, .events = POLLIN}};
    char events[EVENT_BYTES];

    while (waiting[0].revents == 0) {
        for (size_t i = 0; i < count; i++) {
            put_back(&files[i], inotify);
        }
        if (poll(waiting, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (waiting[1].revents != 0 && read(inotify, events, sizeof(events)) <= 0) {
            return;
        }
    }
}

/* Moves the descriptors that are needed to the front and closes all others: what the keeper held
 * open would not end with berth. */
static bool keep_only(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FDS_FROM);
        if (fds[i] < 0) {
            return false;
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(fds[i], i) < 0) {
            return false;
        }
        fds[i] = i;
    }
    return close_range((unsigned)count, UINT_MAX, 0) == 0;
}

static _Noreturn void keeper_run(int fd, const struct keeper_namespaces *namespaces)
{
    struct kept files[] = {{.path = "/etc/resolv.conf"}, {.path = "/etc/hosts"}};
    int fds[] = {fd, namespaces->user_fd, namespaces->mount_fd};
    int inotify = -1;

    if (!keep_only(fds, 3) || setsid() < 0 || setns(fds[1], CLONE_NEWUSER) < 0 ||
        setns(fds[2], CLONE_NEWNS) < 0) {
        _exit(1);
    }
    (void)prctl(PR_SET_NAME, "berth-keeper");
    inotify = inotify_init1(IN_CLOEXEC);
    if (inotify < 0) {
        _exit(1);
    }
    for (size_t i = 0; i < FILE_COUNT; i++) {
        keep(&files[i], inotify);
    }
    serve(fds[0], inotify, files, FILE_COUNT);
    _exit(0);
}

/* --- berth's side --- */

void keeper_start(struct keeper *keeper, const struct keeper_namespaces *namespaces)
{
    int fds[2];
    pid_t pid = 0;

    keeper->pid = 0;
    keeper->fd = -1;
    if (namespaces->user_fd < 0 || namespaces->mount_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return;
    }
    pid = fork();
    if (pid == 0) {
        keeper_run(fds[1], namespaces);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return;
    }
    keeper->pid = pid;
    keeper->fd = fds[0];
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper->pid > 0) {
        close(keeper->fd);
        while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        keeper->pid = 0;
    }
}
