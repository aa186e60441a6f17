/* SPDX-License-Identifier: MIT */
/*
 * run/control.c: see run/control.h.
 */
#include "run/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/inside.h"
#include "run/rules.h"

enum { BACKLOG = 8 };

static bool may_ask(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == getuid() || peer.uid == 0);
}

/* An answer is smaller than a socket's queue: it is taken whole, or nobody is there. */
static void answer(struct run *run, int fd)
{
    struct rules_answer *said = calloc(1, sizeof *said);
    bool is_loaded;

    if (said == NULL) {
        return;
    }
    is_loaded = rules_reload(run, said);
    rules_answer_say(run, said);
    if (send(fd, is_loaded ? "ok\n" : "error\n", is_loaded ? 3 : 6, MSG_NOSIGNAL | MSG_DONTWAIT) >
        0) {
        (void)send(fd, said->text, said->used, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    free(said);
}

static void on_asked(struct loop_source *source)
{
    struct run *run = CONTAINER_OF(source, struct run, control.source);
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    int fd;

    source->ready = 0;
    fd = accept4(source->fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (may_ask(fd)) {
        answer(run, fd);
    }
    close(fd);
}

void control_init(struct run *run)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int bytes = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, CONTROL_NAME "%u/%d",
                         (unsigned)getuid(), (int)getpid());
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)bytes);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    run->control.source.work = on_asked;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0 ||
        loop_watch(run->guard->loop, &run->control.source, fd, EPOLLIN) < 0) {
        run_say(run, "berth rules reload will not find this run: %s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        run->control.source.fd = -1;
    }
}

void control_done(struct run *run)
{
    int fd = run->control.source.fd;

    if (fd >= 0) {
        loop_forget(run->guard->loop, &run->control.source);
        close(fd);
        run->control.source.fd = -1;
    }
}
