/* SPDX-License-Identifier: MIT */
/*
 * cli/rules_reload.c: `berth rules reload`: asks runs of berth on this host to read their files of
 * rules again, by the socket of run/control.h, and says what came of it.
 *
 * Invariant 1: what answers was listening as the process that is named, as this user's or root's.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/rules.h"
#include "run/control.h"
#include "run/rules.h"

enum {
    WAIT_MS = 30 * 1000, /* for an answer */
    LINE_BYTES = 512,
    RUNS_MAX = 1024,
};

struct found {
    unsigned uid;
    int pid;
};

struct found_list {
    struct found list[RUNS_MAX];
    size_t count;
};

/* ---- Who is there ---------------------------------------------------------------------------- */

/* Adds the run whose socket is on LINE of /proc/net/unix, if there is one and PID (0: any) is its
 * process; without PID, it is this user's. */
static void add_found(struct found_list *found, const char *line, int pid)
{
    const char *name = strstr(line, " @" CONTROL_NAME);
    struct found one;

    if (name == NULL || found->count == RUNS_MAX ||
        sscanf(name + sizeof " @" CONTROL_NAME - 1, "%u/%d", &one.uid, &one.pid) != 2) {
        return;
    }
    if (pid != 0 ? one.pid != pid : one.uid != (unsigned)getuid()) {
        return;
    }
    for (size_t i = 0; i < found->count; i++) {
        if (found->list[i].pid == one.pid && found->list[i].uid == one.uid) {
            return; /* a connection to it has its name, too */
        }
    }
    found->list[found->count++] = one;
}

static bool find_runs(struct found_list *found, int pid)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[LINE_BYTES];

    if (file == NULL) {
        cli_message("/proc/net/unix: cannot be read: %s", strerror(errno));
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        add_found(found, line, pid);
    }
    (void)fclose(file);
    return true;
}

/* ---- Asking one ------------------------------------------------------------------------------ */

/* A connection to the run; -1: errno says why. */
static int call(const struct found *found)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int bytes = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, CONTROL_NAME "%u/%d",
                         found->uid, found->pid);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)bytes);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ucred peer;
    socklen_t peer_bytes = sizeof peer;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0) {
        goto fail;
    }
    if (peer.pid == found->pid && (peer.uid == getuid() || getuid() == 0)) {
        return fd;
    }
    errno = EPERM;
fail:
    if (fd >= 0) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
    }
    return -1;
}

/* Reads to the end of what FD says, at most ROOM - 1 bytes and a NUL. -1: errno says why. */
static int hear(int fd, char *out, size_t room)
{
    size_t used = 0;
    ssize_t got;

    do {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int ready = poll(&waiting, 1, WAIT_MS);

        if (ready <= 0) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return -1;
        }
        got = read(fd, out + used, room - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while (got > 0 && used < room - 1);
    out[used] = '\0';
    if (used == 0) {
        errno = got == 0 ? EPERM : errno; /* it hangs up on whom it does not answer */
        return -1;
    }
    return 0;
}

/* ---- Saying what came of it ------------------------------------------------------------------ */

static void say(const struct found *found, bool is_good, char *lines)
{
    for (char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        *end = '\0';
        if (is_good) {
            cli_print_line("%d: %s", found->pid, lines);
        } else {
            cli_message("%d: %s", found->pid, lines);
        }
    }
}

static json_t *describe(const struct found *found, bool is_good, char *lines)
{
    json_t *object = cli_json_object();
    json_t *array = cli_json_array();

    for (char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        *end = '\0';
        cli_json_append(array, cli_json_text(lines));
    }
    cli_json_put(object, "pid", json_integer(found->pid));
    cli_json_put(object, "ok", json_boolean(is_good));
    cli_json_put(object, "messages", array);
    return object;
}

static int ask(const struct found *found, json_t *array)
{
    size_t room = RULES_ANSWER_BYTES + 16;
    char *answer = cli_memory(NULL, room);
    char *lines;
    int fd = call(found);
    bool is_good;

    if (fd < 0 || hear(fd, answer, room) < 0) {
        (void)snprintf(answer, room, "error\ndoes not answer: %s\n", strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    is_good = strncmp(answer, "ok\n", 3) == 0;
    lines = strchr(answer, '\n');
    lines = lines == NULL ? answer : lines + 1;
    if (array != NULL) {
        cli_json_append(array, describe(found, is_good, lines));
    } else {
        say(found, is_good, lines);
    }
    free(answer);
    return is_good ? CLI_OK : CLI_ERROR;
}

int rules_reload_runs(int pid, bool is_json)
{
    struct found_list *found = cli_memory(NULL, sizeof *found);
    json_t *array = is_json ? cli_json_array() : NULL;
    int status = CLI_OK;

    found->count = 0;
    if (!find_runs(found, pid)) {
        status = CLI_ERROR;
    } else if (found->count == 0) {
        if (pid != 0) {
            cli_message("rules: process %d is no berth run with a file of rules (--policy)", pid);
        } else {
            cli_message("rules: no berth run of this user has a file of rules (--policy)");
        }
        status = CLI_ERROR;
    }
    for (size_t i = 0; i < found->count; i++) {
        int one = ask(&found->list[i], array);

        status = status == CLI_OK ? one : status;
    }
    if (is_json) {
        cli_json_print(array, stdout);
    }
    free(found);
    return status;
}
