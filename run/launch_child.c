/* SPDX-License-Identifier: MIT */
/*
 * run/launch_child.c: see run/launch_child.h. The order matters: each step needs the privileges
 * that a later one gives up.
 */
#include "run/launch_child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "run/launch_filter.h"
#include "run/mounts.h"
#include "run/tun_setup.h"

enum { TUN_MAJOR = 10, TUN_MINOR = 200 }; /* Linux's devices.txt */

static void say(const struct launch_child *child, enum launch_said said,
                const struct launch_error *error)
{
    struct launch_message message = {.said = said};

    if (error != NULL) {
        message.error = *error;
    }
    (void)launch_message_send(child->fd, &message, NULL, 0);
}

/* Waits for berth's word. Ends the process when berth is gone. */
static void await(const struct launch_child *child, enum launch_said expected)
{
    struct launch_message message;

    if (launch_message_receive(child->fd, &message, NULL) != 1 || message.said != expected) {
        _exit(LAUNCH_EXIT_BERTH_FAILED);
    }
}

static int open_diag(int *out, struct launch_error *error)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0) {
        return launch_error_set(error, LAUNCH_STEP_DIAG, "");
    }
    *out = fd;
    return 0;
}

/* Namespace A from its making to B. Returns 0 or a negative enum berth_error. */
static int settle(const struct launch_child *child, struct tun_setup *tun, int *diag_fd,
                  struct launch_error *error)
{
    bool is_etc_sealed = false;
    int result = namespace_enter_outer(error);

    if (result < 0) {
        return result;
    }
    say(child, LAUNCH_SAID_MAPS, NULL);
    await(child, LAUNCH_SAID_MAPS);
    result = tun_setup_open(tun, child->config->queues == 0 ? 1 : child->config->queues, error);
    if (result == 0) {
        result = open_diag(diag_fd, error);
    }
    if (result == 0) {
        result = tun_setup_configure(tun, child->config, error);
    }
    if (result == 0) {
        if (tun_setup_permit(child->maps->gid_first, child->maps->gid_last, error) < 0) {
            say(child, LAUNCH_SAID_WARNING, error);
        }
        result = mounts_make(child->config, &is_etc_sealed, error);
    }
    if (result == 0 && is_etc_sealed) {
        (void)launch_error_set(error, LAUNCH_STEP_ETC, "");
        say(child, LAUNCH_SAID_WARNING, error);
    }
    if (result == 0) {
        result = namespace_enter_inner(child->maps, error);
    }
    return result == 0 ? launch_filter_load(child->config->keeps_hangup, error) : result;
}

static void report_ready(const struct launch_child *child, const struct tun_setup *tun, int diag_fd)
{
    struct launch_message message = {.said = LAUNCH_SAID_READY};
    int fds[LAUNCH_FD_MAX] = {[LAUNCH_FD_DIAG] = diag_fd};
    size_t count = LAUNCH_FD_TUN + tun->queues;
    struct stat st;

    message.offloads = tun->offloads;
    message.has_ipv6 = tun->has_ipv6;
    message.network_inode = stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
    memcpy(fds + LAUNCH_FD_TUN, tun->fds, tun->queues * sizeof *fds);
    if (launch_message_send(child->fd, &message, fds, count) < 0) {
        _exit(LAUNCH_EXIT_BERTH_FAILED);
    }
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* Does writing to FD reach the host's network, past the gate? Sockets, Unix ones apart, and TUN and
 * TAP devices: their node is the same everywhere. */
static bool is_way_out(int fd)
{
    struct stat st;
    int domain = 0;
    socklen_t length = sizeof(domain);

    if (fstat(fd, &st) < 0) {
        return false;
    }
    if (S_ISCHR(st.st_mode)) {
        return st.st_rdev == makedev(TUN_MAJOR, TUN_MINOR);
    }
    return S_ISSOCK(st.st_mode) &&
           (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_UNIX);
}

static void keep_from_exec(int fd)
{
    if (fd > STDERR_FILENO && is_way_out(fd)) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

/* What the caller left open. */
static void keep_ways_from_exec(void)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;

    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            keep_from_exec((int)strtol(entry->d_name, NULL, 10));
        }
    }
    closedir(directory);
}

static void restore_signals(const struct launch_child *child)
{
    (void)sigaction(SIGCHLD, &child->chld, NULL);
    (void)sigprocmask(SIG_SETMASK, &child->signal_mask, NULL);
}

/* Whether one of the directories of PATH has a file of this name. */
static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    char candidate[PATH_MAX];
    struct stat st;

    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");

        snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, length > 0 ? path : ".",
                 name);
        if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode)) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* Never returns when it succeeds. */
static void execute(char *const *argv)
{
    execvp(argv[0], argv);
    /* A directory of PATH that we may not search makes execvp say "permission denied" of a command
     * that is nowhere; a shell says "not found". */
    if (errno == EACCES && strchr(argv[0], '/') == NULL) {
        errno = is_in_path(argv[0]) ? EACCES : ENOENT;
    }
}

_Noreturn void launch_child_run(const struct launch_child *child)
{
    struct launch_error error = {0};
    struct tun_setup tun = {0};
    int diag_fd = -1;

    if (settle(child, &tun, &diag_fd, &error) < 0) {
        say(child, LAUNCH_SAID_FAILED, &error);
        _exit(LAUNCH_EXIT_BERTH_FAILED);
    }
    report_ready(child, &tun, diag_fd);
    await(child, LAUNCH_SAID_GO);
    keep_ways_from_exec();
    restore_signals(child);
    execute(child->config->argv);
    (void)launch_error_set(&error, LAUNCH_STEP_EXEC, child->config->argv[0]);
    say(child, LAUNCH_SAID_FAILED, &error);
    _exit(error.error == ENOENT ? LAUNCH_EXIT_NOT_FOUND : LAUNCH_EXIT_CANNOT_EXECUTE);
}
