/* SPDX-License-Identifier: MIT */
/*
 * cli/ports_ephemeral.c: `berth ports --ephemeral`: the range that the kernel gives to outgoing
 * connections, against IANA's, and how much of it is taken towards its busiest peers.
 *
 * A port is taken towards a peer (address and port) once for each local address: the kernel may
 * give the same port towards every other one. What a listener has accepted took none of the range,
 * so connections at a local port with a listener do not count. TIME-WAIT counts.
 *
 * A collision is a port of the range that IANA has registered for a service and that is in use: it
 * is served here, and an outgoing connection may be given it while the service is restarted; or an
 * outgoing connection has it, and the service could not be started.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/ports_host.h"
#include "cli/table.h"
#include "inspect/host_ports.h"
#include "inspect/host_sockets.h"

#define PEERS_MAX      10 /* that are shown */
#define SERVICES_MAX   10 /* that are shown to people */
#define COLLISIONS_MAX 20 /* likewise */
#define IANA_FIRST     49152

enum collision { COLLISION_SERVED, COLLISION_TAKEN };

struct peer {
    struct host_socket socket; /* one of its connections */
    uint32_t taken;
};

struct view {
    struct host_ephemeral ephemeral;
    struct host_sockets sockets; /* sorted; those that take a port of the range stand in front */
    size_t taking;
    struct peer peers[PEERS_MAX]; /* busiest first */
    size_t peer_count;
    uint32_t available; /* the range without what is reserved in it */
    uint32_t reserved;
    uint32_t registered;
    struct host_port_set in_use[2][2]; /* enum collision; TCP, UDP */
};

static bool is_inside(const struct host_ephemeral *range, uint16_t port)
{
    return port >= range->first && port <= range->last;
}

/* ---- Counting ------------------------------------------------------------------------------- */

static int compare_ends(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
    int order = memcmp(a->address.bytes, b->address.bytes, sizeof a->address.bytes);

    return order != 0 ? order : (int)a->port - (int)b->port;
}

/* By protocol, peer, local address, local port. */
static int compare(const void *left, const void *right)
{
    const struct host_socket *a = left;
    const struct host_socket *b = right;
    int order = (int)a->transport - (int)b->transport;

    order = order != 0 ? order : compare_ends(&a->remote, &b->remote);
    return order != 0 ? order : compare_ends(&a->local, &b->local);
}

static bool is_same_peer(const struct host_socket *a, const struct host_socket *b)
{
    return a->transport == b->transport && compare_ends(&a->remote, &b->remote) == 0 &&
           berth_address_is_equal(&a->local.address, &b->local.address);
}

/* Moves the sockets that take a port of the range to the front. */
static void find_taking(struct view *view)
{
    struct host_sockets *sockets = &view->sockets;
    struct host_port_set *listening = view->in_use[COLLISION_SERVED];
    struct host_port_set *taken = view->in_use[COLLISION_TAKEN];

    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->rows[i].is_listening) {
            host_port_set_add(&listening[sockets->rows[i].transport == BERTH_TRANSPORT_UDP],
                              sockets->rows[i].local.port);
        }
    }
    for (size_t i = 0; i < sockets->count; i++) {
        struct host_socket row = sockets->rows[i];

        if (row.remote.port != 0 && is_inside(&view->ephemeral, row.local.port) &&
            !host_port_set_has(&listening[row.transport == BERTH_TRANSPORT_UDP], row.local.port)) {
            host_port_set_add(&taken[row.transport == BERTH_TRANSPORT_UDP], row.local.port);
            sockets->rows[i] = sockets->rows[view->taking];
            sockets->rows[view->taking++] = row;
        }
    }
    if (view->taking > 0) {
        qsort(sockets->rows, view->taking, sizeof *sockets->rows, compare);
    }
}

static void add_peer(struct view *view, const struct peer *peer)
{
    size_t at = view->peer_count;

    if (at == PEERS_MAX && view->peers[at - 1].taken >= peer->taken) {
        return;
    }
    at -= at == PEERS_MAX;
    while (at > 0 && view->peers[at - 1].taken < peer->taken) {
        view->peers[at] = view->peers[at - 1];
        at--;
    }
    view->peers[at] = *peer;
    view->peer_count += view->peer_count < PEERS_MAX;
}

static void find_peers(struct view *view)
{
    const struct host_socket *rows = view->sockets.rows;
    size_t i = 0;

    while (i < view->taking) {
        struct peer peer = {.socket = rows[i], .taken = 1};

        for (i++; i < view->taking && is_same_peer(&rows[i], &peer.socket); i++) {
            peer.taken += rows[i].local.port != rows[i - 1].local.port;
        }
        add_peer(view, &peer);
    }
}

static int make_view(struct view *view)
{
    memset(view, 0, sizeof *view);
    if (host_ephemeral_read(&view->ephemeral) != BERTH_OK ||
        host_sockets_read(&view->sockets) != BERTH_OK) {
        cli_message("ports: the host's sockets and its ephemeral range cannot be read: %s",
                    strerror(errno));
        return CLI_ERROR;
    }
    for (uint32_t port = view->ephemeral.first; port <= view->ephemeral.last; port++) {
        view->reserved += host_port_set_has(&view->ephemeral.reserved, (uint16_t)port);
        view->registered += ports_is_registered((uint16_t)port);
    }
    view->available = (uint32_t)view->ephemeral.last - view->ephemeral.first + 1 - view->reserved;
    find_taking(view);
    find_peers(view);
    return CLI_OK;
}

/* ---- Registered services -------------------------------------------------------------------- */

/* Calls ADD for each registered service that has a port inside the range. */
static size_t each_service(const struct view *view, size_t max,
                           void (*add)(void *context, const struct berth_service *service),
                           void *context)
{
    struct berth_registry_query query = {
        .has_ports = true, .port_first = view->ephemeral.first, .port_last = view->ephemeral.last};
    struct berth_registry_cursor cursor;
    struct berth_service service;
    size_t count = 0;

    berth_registry_start(&cursor, &query);
    while (berth_registry_next(&cursor, &service)) {
        if (service.name[0] != '\0' && count++ < max) {
            add(context, &service);
        }
    }
    return count;
}

/* Calls ADD for each collision, at most MAX times. How many there are. */
static size_t each_collision(const struct view *view, size_t max,
                             void (*add)(void *context, const struct berth_service *service,
                                         enum collision collision),
                             void *context)
{
    size_t count = 0;

    for (uint32_t port = view->ephemeral.first; port <= view->ephemeral.last; port++) {
        for (int i = 0; i < 4; i++) {
            enum collision collision = i % 2 == 0 ? COLLISION_SERVED : COLLISION_TAKEN;
            struct berth_service service = {
                .transport = i < 2 ? BERTH_TRANSPORT_TCP : BERTH_TRANSPORT_UDP,
                .port_first = (uint16_t)port,
            };

            service.name = berth_service_name((uint16_t)port, service.transport);
            if (service.name != NULL &&
                host_port_set_has(&view->in_use[collision][i / 2], (uint16_t)port) &&
                !host_port_set_has(&view->ephemeral.reserved, (uint16_t)port) && count++ < max) {
                add(context, &service, collision);
            }
        }
    }
    return count;
}

/* ---- For people ----------------------------------------------------------------------------- */

static void add_range(struct cli_table *table, const char *what, uint32_t first, uint32_t last)
{
    cli_table_add(table, CLI_PLAIN, what);
    if (first > last) {
        cli_table_add(table, CLI_PLAIN, NULL);
        cli_table_add(table, CLI_PLAIN, "0");
        return;
    }
    cli_table_addf(table, CLI_BOLD, "%u-%u", first, last);
    cli_table_addf(table, CLI_PLAIN, "%u", last - first + 1);
}

static void add_count(struct cli_table *table, const char *what, uint32_t count)
{
    cli_table_add(table, CLI_PLAIN, what);
    cli_table_add(table, CLI_PLAIN, NULL);
    cli_table_addf(table, count > 0 ? CLI_WARN : CLI_PLAIN, "%u", count);
}

static void finish(struct cli_table *table)
{
    cli_table_print(table, stdout);
    cli_table_free(table);
}

static void print_ranges(const struct view *view)
{
    static const struct cli_column columns[] = {
        {"EPHEMERAL", CLI_LEFT, false}, {"PORTS", CLI_RIGHT, false}, {"COUNT", CLI_RIGHT, false}};
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    uint32_t first = view->ephemeral.first;

    add_range(table, "this host", first, view->ephemeral.last);
    add_range(table, "IANA", IANA_FIRST, UINT16_MAX);
    add_range(table, "in both", first > IANA_FIRST ? first : IANA_FIRST, view->ephemeral.last);
    add_count(table, "registered, in this host's range", view->registered);
    add_count(table, "reserved on this host, in its range", view->reserved);
    finish(table);
}

static void add_service_row(void *context, const struct berth_service *service)
{
    struct cli_table *table = context;

    if (service->port_first == service->port_last) {
        cli_table_addf(table, CLI_PLAIN, "%u", (unsigned)service->port_first);
    } else {
        cli_table_addf(table, CLI_PLAIN, "%u-%u", (unsigned)service->port_first,
                       (unsigned)service->port_last);
    }
    cli_table_add(table, CLI_PLAIN, berth_transport_name(service->transport));
    cli_table_add(table, CLI_BOLD, service->name);
    cli_table_add(table, CLI_PLAIN, service->description);
}

static void print_services(const struct view *view)
{
    static const struct cli_column columns[] = {{"PORT", CLI_RIGHT, false},
                                                {"PROTO", CLI_LEFT, false},
                                                {"REGISTERED", CLI_LEFT, false},
                                                {"DESCRIPTION", CLI_LEFT, true}};
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    size_t count = each_service(view, SERVICES_MAX, add_service_row, table);

    if (count > 0) {
        printf("\n");
    }
    finish(table);
    if (count > SERVICES_MAX) {
        printf("and %zu more (berth ports %u-%u)\n", count - SERVICES_MAX,
               (unsigned)view->ephemeral.first, (unsigned)view->ephemeral.last);
    }
}

static void add_collision_row(void *context, const struct berth_service *service,
                              enum collision collision)
{
    struct cli_table *table = context;

    cli_table_addf(table, CLI_PLAIN, "%u", (unsigned)service->port_first);
    cli_table_add(table, CLI_PLAIN, berth_transport_name(service->transport));
    cli_table_add(table, CLI_BOLD, service->name);
    cli_table_add(table, CLI_WARN,
                  collision == COLLISION_SERVED ? "served: a connection may take it meanwhile"
                                                : "taken by a connection: cannot be served");
}

static void print_collisions(const struct view *view)
{
    static const struct cli_column columns[] = {{"PORT", CLI_RIGHT, false},
                                                {"PROTO", CLI_LEFT, false},
                                                {"REGISTERED", CLI_LEFT, false},
                                                {"IN USE", CLI_LEFT, false}};
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    size_t count = each_collision(view, COLLISIONS_MAX, add_collision_row, table);

    if (count > 0) {
        printf("\nregistered, in this host's range, and in use:\n");
        cli_table_print(table, stdout);
    }
    cli_table_free(table);
    if (count > COLLISIONS_MAX) {
        printf("and %zu more (--json has all)\n", count - COLLISIONS_MAX);
    }
}

static double share_of(const struct view *view, const struct peer *peer)
{
    return view->available == 0 ? 1.0 : (double)peer->taken / view->available;
}

static void print_peers(const struct view *view)
{
    static const struct cli_column columns[] = {
        {"PEER", CLI_LEFT, false},   {"PROTO", CLI_LEFT, false}, {"FROM", CLI_LEFT, false},
        {"TAKEN", CLI_RIGHT, false}, {"OF", CLI_RIGHT, false},   {"SHARE", CLI_RIGHT, false}};
    struct cli_table *table = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    char text[BERTH_ENDPOINT_TEXT_BYTES];

    for (size_t i = 0; i < view->peer_count; i++) {
        const struct peer *peer = &view->peers[i];
        double share = share_of(view, peer);

        cli_table_add(table, CLI_BOLD, berth_endpoint_format(&peer->socket.remote, text));
        cli_table_add(table, CLI_PLAIN, berth_transport_name(peer->socket.transport));
        cli_table_add(table, CLI_PLAIN, berth_address_format(&peer->socket.local.address, text));
        cli_table_addf(table, CLI_PLAIN, "%u", peer->taken);
        cli_table_addf(table, CLI_PLAIN, "%u", view->available);
        cli_table_addf(table,
                       share > 0.8   ? CLI_BAD
                       : share > 0.5 ? CLI_WARN
                                     : CLI_PLAIN,
                       "%.1f%%", 100 * share);
    }
    printf("\n%s", view->peer_count == 0 ? "no port of it is taken towards anyone\n" : "");
    finish(table);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *make_range(uint16_t first, uint16_t last)
{
    json_t *object = cli_json_object();

    cli_json_put_number(object, "first", first);
    cli_json_put_number(object, "last", last);
    return object;
}

static void add_service_object(void *context, const struct berth_service *service)
{
    json_t *object = cli_json_object();

    cli_json_put_number(object, "port", service->port_first);
    cli_json_put_number(object, "port_last", service->port_last);
    cli_json_put(object, "protocol", cli_json_text(berth_transport_name(service->transport)));
    cli_json_put(object, "name", cli_json_text(service->name));
    cli_json_append(context, object);
}

static void add_collision_object(void *context, const struct berth_service *service,
                                 enum collision collision)
{
    json_t *object = cli_json_object();

    cli_json_put_number(object, "port", service->port_first);
    cli_json_put(object, "protocol", cli_json_text(berth_transport_name(service->transport)));
    cli_json_put(object, "name", cli_json_text(service->name));
    cli_json_put(object, "use", cli_json_text(collision == COLLISION_SERVED ? "served" : "taken"));
    cli_json_append(context, object);
}

static json_t *make_reserved(const struct view *view)
{
    json_t *array = cli_json_array();

    for (uint32_t port = view->ephemeral.first; port <= view->ephemeral.last; port++) {
        if (host_port_set_has(&view->ephemeral.reserved, (uint16_t)port)) {
            cli_json_append(array, json_integer((json_int_t)port));
        }
    }
    return array;
}

static void print_json(const struct view *view)
{
    json_t *object = cli_json_object();
    json_t *services = cli_json_array();
    json_t *collisions = cli_json_array();
    json_t *peers = cli_json_array();
    char text[BERTH_ENDPOINT_TEXT_BYTES];

    cli_json_put(object, "host", make_range(view->ephemeral.first, view->ephemeral.last));
    cli_json_put(object, "iana", make_range(IANA_FIRST, UINT16_MAX));
    cli_json_put(object, "reserved", make_reserved(view));
    cli_json_put_number(object, "available", view->available);
    cli_json_put_number(object, "registered_ports", view->registered);
    (void)each_service(view, SIZE_MAX, add_service_object, services);
    cli_json_put(object, "registered", services);
    (void)each_collision(view, SIZE_MAX, add_collision_object, collisions);
    cli_json_put(object, "collisions", collisions);
    for (size_t i = 0; i < view->peer_count; i++) {
        const struct peer *peer = &view->peers[i];
        json_t *one = cli_json_object();

        cli_json_put(one, "peer",
                     cli_json_text(berth_address_format(&peer->socket.remote.address, text)));
        cli_json_put_number(one, "port", peer->socket.remote.port);
        cli_json_put(one, "protocol", cli_json_text(berth_transport_name(peer->socket.transport)));
        cli_json_put(one, "local_address",
                     cli_json_text(berth_address_format(&peer->socket.local.address, text)));
        cli_json_put_number(one, "taken", peer->taken);
        cli_json_put(one, "share", json_real(share_of(view, peer)));
        cli_json_append(peers, one);
    }
    cli_json_put(object, "peers", peers);
    cli_json_print(object, stdout);
}

int ports_ephemeral(bool is_json)
{
    struct view *view = cli_memory(NULL, sizeof *view);
    int status = make_view(view);

    if (status == CLI_OK && is_json) {
        print_json(view);
    } else if (status == CLI_OK) {
        print_ranges(view);
        print_services(view);
        print_collisions(view);
        print_peers(view);
    }
    host_sockets_free(&view->sockets);
    free(view);
    return status;
}
