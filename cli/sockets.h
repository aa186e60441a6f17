/* SPDX-License-Identifier: MIT */
/*
 * cli/sockets.h: between the files of `berth sockets`: sockets.c reads the command line and says
 * which sockets are wanted, sockets_show.c shows them, sockets_watch.c does it again and again.
 * `berth audit` says likewise what could not be seen.
 */
#ifndef BERTH_CLI_SOCKETS_H
#define BERTH_CLI_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/json.h"
#include "inspect/host_picture.h"

struct sockets_wanted {
    bool is_listening;
    bool has_ports;
    struct host_port_set ports[2]; /* TCP, UDP: at either end */
    const char *process;           /* a name or an id; NULL: any */
};

/* Some sockets of a picture, borrowed from it. */
struct sockets_rows {
    const struct host_picture *picture;
    const struct host_socket **rows;
    size_t count;
};

/* Those of PICTURE that are wanted, in its order. The caller frees rows. */
struct sockets_rows sockets_select(const struct host_picture *picture,
                                   const struct sockets_wanted *wanted);

/* A table of ROWS on standard output. CHANGES and TIME: of each row, what happened to it and when;
 * or NULL. */
void sockets_print(const struct sockets_rows *rows, const char *const *changes, const char *time);
/* One JSON document, a socket a line. */
void sockets_print_json(const struct sockets_rows *rows);
json_t *sockets_make_object(const struct host_picture *picture, const struct host_socket *socket);
/* What of ROWS could not be seen, and why, a line each, to SAY. */
void sockets_say_unseen(const struct sockets_rows *rows, void (*say)(const char *format, ...));

/* Which ways to the kernel were refused, and what follows, a line each, for COMMAND ("sockets"). */
void sockets_say_refused(const struct host_picture *picture, const char *command,
                         void (*say)(const char *format, ...));

/* Looks every second, until a signal or the end of who reads. The exit status of what goes
 * wrong. */
int sockets_watch(const struct sockets_wanted *wanted, bool is_json);

#endif
