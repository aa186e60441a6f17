/* SPDX-License-Identifier: MIT */
/*
 * cli/sockets_show.c: sockets as a table and as JSON (sockets.h).
 */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/sockets.h"
#include "cli/table.h"

#define COLUMNS_CHANGE 2 /* TIME and CHANGE, in front of the others */
#define CELL_BYTES     128

/* ---- Cells ---------------------------------------------------------------------------------- */

/* The interface that SOCKET is bound to; NULL: any, or it is gone. */
static const char *device_name(const struct host_socket *socket, char name[IF_NAMESIZE])
{
    return socket->device == 0 ? NULL : if_indextoname(socket->device, name);
}

/* "192.0.2.1:53", "[fe80::1%eth0]:123": the interface stands where ss(8) has it. */
static void add_local(struct cli_table *table, enum cli_style style,
                      const struct host_socket *socket)
{
    bool is_v4 = berth_address_is_v4(&socket->local.address);
    char text[BERTH_ADDRESS_TEXT_BYTES];
    char name[IF_NAMESIZE];
    const char *device = device_name(socket, name);

    cli_table_addf(table, style, "%s%s%s%s%s:%u", is_v4 ? "" : "[",
                   berth_address_format(&socket->local.address, text), device == NULL ? "" : "%",
                   device == NULL ? "" : device, is_v4 ? "" : "]", (unsigned)socket->local.port);
}

static void add_peer(struct cli_table *table, enum cli_style style,
                     const struct host_socket *socket)
{
    char text[BERTH_ENDPOINT_TEXT_BYTES];

    cli_table_add(table, style,
                  socket->remote.port == 0 ? NULL : berth_endpoint_format(&socket->remote, text));
}

/* "nginx (812) +3": the first of those that have it, and how many more. */
static void add_process(struct cli_table *table, enum cli_style style,
                        const struct host_picture *picture, const struct host_socket *socket)
{
    const struct host_process *first;
    size_t count;
    const struct host_holding *holding =
        host_holders_find(&picture->holders, socket->inode, &count);

    if (holding == NULL) {
        cli_table_add(table, style, NULL);
        return;
    }
    first = &picture->holders.processes[holding->process];
    if (count == 1) {
        cli_table_addf(table, style, "%s (%d)", first->name, (int)first->pid);
    } else {
        cli_table_addf(table, style, "%s (%d) +%zu", first->name, (int)first->pid, count - 1);
    }
}

static void add_user(struct cli_table *table, enum cli_style style,
                     const struct host_picture *picture, const struct host_socket *socket)
{
    const char *name = host_users_find(&picture->users, socket->uid);

    if (socket->inode == 0) {
        cli_table_add(table, style, NULL);
    } else if (name != NULL && *name != '\0') {
        cli_table_add(table, style, name);
    } else {
        cli_table_addf(table, style, "%" PRIu32, socket->uid);
    }
}

static enum cli_style style_of(enum host_exposure exposure)
{
    switch (exposure) {
    case HOST_EXPOSURE_NONE:
    case HOST_EXPOSURE_LOOPBACK:
        return CLI_DIM;
    case HOST_EXPOSURE_NETWORK:
        return CLI_PLAIN;
    case HOST_EXPOSURE_ANYONE:
        return CLI_WARN;
    }
    return CLI_PLAIN;
}

static void add_row(struct cli_table *table, const struct host_picture *picture,
                    const struct host_socket *socket)
{
    enum cli_style style = socket->is_listening ? CLI_PLAIN : CLI_DIM;
    uint16_t port = host_picture_service_port(picture, socket);
    enum host_exposure exposure = host_exposure_of(socket, &picture->reach);

    cli_table_add(table, style, berth_transport_name(socket->transport));
    cli_table_add(table, style, host_socket_state_name(socket));
    add_local(table, socket->is_listening ? CLI_BOLD : style, socket);
    add_peer(table, style, socket);
    cli_table_add(table, style, berth_service_name(port, socket->transport));
    cli_table_add(table, style, berth_category_name(berth_port_category(port)));
    add_process(table, style, picture, socket);
    add_user(table, style, picture, socket);
    cli_table_add(table, style_of(exposure), host_exposure_name(exposure));
}

void sockets_print(const struct sockets_rows *rows, const char *const *changes, const char *time)
{
    static const struct cli_column columns[] = {
        {"TIME", CLI_LEFT, false},   {"CHANGE", CLI_LEFT, false},  {"PROTO", CLI_LEFT, false},
        {"STATE", CLI_LEFT, false},  {"LOCAL", CLI_LEFT, true},    {"PEER", CLI_LEFT, true},
        {"SERVICE", CLI_LEFT, true}, {"CATEGORY", CLI_LEFT, true}, {"PROCESS", CLI_LEFT, true},
        {"USER", CLI_LEFT, true},    {"EXPOSURE", CLI_LEFT, false}};
    size_t skipped = changes == NULL ? COLUMNS_CHANGE : 0;
    struct cli_table *table =
        cli_table_new(columns + skipped, sizeof columns / sizeof columns[0] - skipped);

    for (size_t i = 0; i < rows->count; i++) {
        if (changes != NULL) {
            cli_table_add(table, CLI_PLAIN, time);
            cli_table_add(table, CLI_PLAIN, changes[i]);
        }
        add_row(table, rows->picture, rows->rows[i]);
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void put_end(json_t *object, const char *address_key, const char *port_key,
                    const struct berth_endpoint *end)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];

    cli_json_put(object, address_key, cli_json_text(berth_address_format(&end->address, text)));
    cli_json_put_number(object, port_key, end->port);
}

/* Null where none of those that have it could be looked into; empty where it has none. */
static json_t *make_processes(const struct host_picture *picture, const struct host_socket *socket)
{
    size_t count;
    const struct host_holding *holding =
        host_holders_find(&picture->holders, socket->inode, &count);
    json_t *array;

    if (holding == NULL && socket->inode != 0) {
        return json_null();
    }
    array = cli_json_array();
    for (size_t i = 0; holding != NULL && i < count; i++) {
        const struct host_process *process = &picture->holders.processes[holding[i].process];
        json_t *object = cli_json_object();

        cli_json_put_number(object, "pid", process->pid);
        cli_json_put(object, "name", cli_json_text(process->name));
        cli_json_append(array, object);
    }
    return array;
}

static void put_user(json_t *object, const struct host_picture *picture,
                     const struct host_socket *socket)
{
    if (socket->inode == 0) {
        cli_json_put(object, "uid", json_null());
        cli_json_put(object, "user", json_null());
    } else {
        cli_json_put_number(object, "uid", socket->uid);
        cli_json_put(object, "user", cli_json_text(host_users_find(&picture->users, socket->uid)));
    }
}

json_t *sockets_make_object(const struct host_picture *picture, const struct host_socket *socket)
{
    json_t *object = cli_json_object();
    uint16_t port = host_picture_service_port(picture, socket);
    char name[IF_NAMESIZE];

    cli_json_put(object, "protocol", cli_json_text(berth_transport_name(socket->transport)));
    cli_json_put(object, "state", cli_json_text(host_socket_state_name(socket)));
    put_end(object, "local_address", "local_port", &socket->local);
    if (socket->remote.port == 0) {
        cli_json_put(object, "peer_address", json_null());
        cli_json_put(object, "peer_port", json_null());
    } else {
        put_end(object, "peer_address", "peer_port", &socket->remote);
    }
    cli_json_put(object, "interface", cli_json_text(device_name(socket, name)));
    cli_json_put(object, "v6_only",
                 socket->is_whole && socket->is_v6 && socket->is_listening
                     ? json_boolean(socket->is_v6_only)
                     : json_null());
    cli_json_put_number(object, "port", port);
    cli_json_put(object, "category", cli_json_text(berth_category_name(berth_port_category(port))));
    cli_json_put(object, "service", cli_json_text(berth_service_name(port, socket->transport)));
    cli_json_put(object, "processes", make_processes(picture, socket));
    put_user(object, picture, socket);
    cli_json_put(object, "exposure",
                 cli_json_text(host_exposure_name(host_exposure_of(socket, &picture->reach))));
    return object;
}

void sockets_print_json(const struct sockets_rows *rows)
{
    printf("[");
    /* One at a time: as a tree, a hundred thousand sockets would take hundreds of megabytes. */
    for (size_t i = 0; i < rows->count; i++) {
        json_t *object = sockets_make_object(rows->picture, rows->rows[i]);

        printf("%s\n  ", i == 0 ? "" : ",");
        json_dumpf(object, stdout, 0);
        json_decref(object);
    }
    printf("%s]\n", rows->count == 0 ? "" : "\n");
}

/* ---- What could not be seen ----------------------------------------------------------------- */

void sockets_say_refused(const struct host_picture *picture, const char *command,
                         void (*say)(const char *format, ...))
{
    if (picture->sockets.refused != 0) {
        say("%s: sock_diag is refused (%s): /proc/net tells of no TCP socket that is bound only, "
            "of "
            "no interface and no IPV6_V6ONLY; an exposure may be told too wide",
            command, strerror(picture->sockets.refused));
    }
    if (picture->reach.refused != 0) {
        say("%s: this host's addresses cannot be asked for (%s): what listens on every address is "
            "taken to be open to anyone",
            command, strerror(picture->reach.refused));
    }
}

void sockets_say_unseen(const struct sockets_rows *rows, void (*say)(const char *format, ...))
{
    const struct host_picture *picture = rows->picture;
    size_t unseen = 0;

    sockets_say_refused(picture, "sockets", say);
    for (size_t i = 0; i < rows->count; i++) {
        unseen += host_picture_is_unseen(picture, rows->rows[i]);
    }
    if (unseen > 0) {
        say("sockets: the process of %zu socket%s cannot be seen%s", unseen, unseen == 1 ? "" : "s",
            picture->holders.hidden > 0
                ? " by this user; root (with CAP_SYS_PTRACE) sees all"
                : ": the kernel has it open, or a process that /proc does not show here");
    }
}
