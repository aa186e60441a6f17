/* SPDX-License-Identifier: MIT */
/*
 * run/namespace.c: see run/namespace.h and user_namespaces(7), "User and group ID mappings".
 */
#include "run/namespace.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int file_read(const char *path, char *out, size_t out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0;

    if (fd < 0) {
        return -1;
    }
    length = read(fd, out, out_bytes - 1);
    close(fd);
    if (length < 0) {
        return -1;
    }
    out[length] = '\0';
    return 0;
}

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t length = strlen(text);
    ssize_t written = 0;
    int saved = 0;

    if (fd < 0) {
        return -1;
    }
    written = write(fd, text, length);
    saved = errno;
    close(fd);
    errno = saved;
    return written == (ssize_t)length ? 0 : -1;
}

/* The last of a line, so that the rest of it stays one line. */
int64_t namespace_nobody_in(const char *text, uint32_t caller)
{
    uint32_t inside = 0;
    uint32_t outside = 0;
    uint32_t count = 0;
    int64_t found = -1;
    int taken = 0;

    while (sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &inside, &outside, &count,
                  &taken) == 3) {
        int64_t last = (int64_t)inside + count - 1;

        if (count > 1 && last > found && last != (int64_t)caller) {
            found = last;
        }
        text += taken;
    }
    return found;
}

int64_t namespace_nobody(void)
{
    char uids[NAMESPACE_MAP_BYTES];

    return file_read("/proc/self/uid_map", uids, sizeof(uids)) < 0
               ? -1
               : namespace_nobody_in(uids, geteuid());
}

int namespace_map_identity(const char *text, int64_t nobody, char *out, size_t out_bytes)
{
    size_t used = 0;
    uint32_t inside = 0;
    uint32_t outside = 0;
    uint32_t count = 0;
    int taken = 0;

    out[0] = '\0';
    while (sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &inside, &outside, &count,
                  &taken) == 3) {
        bool has_nobody = nobody >= 0 && (int64_t)inside + count - 1 == nobody;
        int length = snprintf(out + used, out_bytes - used, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
                              inside, inside, has_nobody ? count - 1 : count);

        used += (size_t)length;
        if (used >= out_bytes - 1) {
            return BERTH_E_LIMIT;
        }
        text += taken;
    }
    return used > 0 ? 0 : BERTH_E_LIMIT;
}

static void longest_run(const char *map, uint32_t *first, uint32_t *last)
{
    uint32_t inside = 0;
    uint32_t outside = 0;
    uint32_t count = 0;
    uint32_t longest = 0;
    int taken = 0;

    while (sscanf(map, "%" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &inside, &outside, &count,
                  &taken) == 3) {
        if (count > longest) {
            longest = count;
            *first = inside;
            *last = inside + (count - 1);
        }
        map += taken;
    }
}

static bool may_map_all(void)
{
    return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
           capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
}

int namespace_maps_init(struct namespace_maps *maps, struct launch_error *error)
{
    char uids[NAMESPACE_MAP_BYTES];
    char gids[NAMESPACE_MAP_BYTES];

    memset(maps, 0, sizeof(*maps));
    if (may_map_all()) {
        if (file_read("/proc/self/uid_map", uids, sizeof(uids)) < 0 ||
            file_read("/proc/self/gid_map", gids, sizeof(gids)) < 0) {
            return launch_error_set(error, LAUNCH_STEP_IDS, "/proc/self/uid_map");
        }
        maps->is_whole =
            namespace_map_identity(uids, namespace_nobody_in(uids, geteuid()), maps->uid_map,
                                   sizeof(maps->uid_map)) == 0 &&
            namespace_map_identity(gids, -1, maps->gid_map, sizeof(maps->gid_map)) == 0;
    }
    if (!maps->is_whole) {
        snprintf(maps->uid_map, sizeof(maps->uid_map), "%u %u 1\n", geteuid(), geteuid());
        snprintf(maps->gid_map, sizeof(maps->gid_map), "%u %u 1\n", getegid(), getegid());
    }
    longest_run(maps->gid_map, &maps->gid_first, &maps->gid_last);
    return 0;
}

int namespace_maps_write(pid_t pid, const struct namespace_maps *maps, struct launch_error *error)
{
    char path[64];

    if (!maps->is_whole) {
        snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
        if (file_write(path, "deny") < 0 && errno != ENOENT) {
            return launch_error_set(error, LAUNCH_STEP_IDS, "setgroups");
        }
    }
    snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    if (file_write(path, maps->uid_map) < 0) {
        return launch_error_set(error, LAUNCH_STEP_IDS, "uid_map");
    }
    snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
    if (file_write(path, maps->gid_map) < 0) {
        return launch_error_set(error, LAUNCH_STEP_IDS, "gid_map");
    }
    return 0;
}

int namespace_enter_outer(struct launch_error *error)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0) {
        return launch_error_set(error, LAUNCH_STEP_NAMESPACES, "");
    }
    return 0;
}

/* The helper: waits for the word that B is made, writes its maps, says how it went, ends. */
static _Noreturn void help(int fd, pid_t pid, const struct namespace_maps *maps)
{
    struct launch_error error = {0};
    char word = 0;

    if (read(fd, &word, 1) == 1) {
        int result = namespace_maps_write(pid, maps, &error);

        if (result == 0) {
            error.error = 0;
        }
        (void)send(fd, &error, sizeof(error), MSG_NOSIGNAL);
    }
    _exit(0);
}

static int enter_inner_with(int fd, struct launch_error *error)
{
    struct launch_error answer;

    if (unshare(CLONE_NEWUSER) < 0) {
        return launch_error_set(error, LAUNCH_STEP_INNER, "");
    }
    if (send(fd, "", 1, MSG_NOSIGNAL) != 1 ||
        read(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer)) {
        errno = ECHILD;
        return launch_error_set(error, LAUNCH_STEP_INNER, "helper");
    }
    if (answer.error != 0) {
        answer.step = LAUNCH_STEP_INNER;
        *error = answer;
        return BERTH_E_DENIED;
    }
    return 0;
}

int namespace_enter_inner(const struct namespace_maps *maps, struct launch_error *error)
{
    const struct timespec none = {0};
    pid_t self = getpid();
    int fds[2];
    int result = 0;
    pid_t helper = 0;
    sigset_t chld;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        return launch_error_set(error, LAUNCH_STEP_PROCESS, "socketpair");
    }
    helper = fork();
    if (helper == 0) {
        close(fds[0]);
        help(fds[1], self, maps);
    }
    close(fds[1]);
    if (helper < 0) {
        result = launch_error_set(error, LAUNCH_STEP_PROCESS, "fork");
        close(fds[0]);
        return result;
    }
    result = enter_inner_with(fds[0], error);
    close(fds[0]); /* the helper, should it still wait, ends by this */
    while (waitpid(helper, NULL, 0) < 0 && errno == EINTR) {
    }
    /* The program must not start with a pending SIGCHLD that was none of its own. */
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    (void)sigtimedwait(&chld, NULL, &none);
    return result;
}
