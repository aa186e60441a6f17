/* SPDX-License-Identifier: MIT */
/*
 * cli/ports_free.c: `berth ports --free`: a port that nothing on this host uses.
 *
 * Candidates stand in ranks, and one of the lowest rank that has a free port is drawn at random, so
 * that two who ask at once seldom get the same:
 *
 *   + 1  not in 49152 to 65535, where IANA never registers one
 *   + 2  in the range that the kernel gives to outgoing connections, which may take it any moment
 *   + 4  registered or reserved by IANA, or reserved on this host: only where the operand names the
 *        ports themselves
 *
 * 1. What is printed was bound a moment ago, for each protocol asked for, IPv4 and IPv6, any
 *    address, and let go; so it is in nobody's hands, whatever the kernel tells of.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/ports_host.h"
#include "inspect/host_ports.h"
#include "inspect/host_sockets.h"

#define RANKS           8U
#define RANK_NOT_IANA   1U
#define RANK_IN_RANGE   2U
#define RANK_REGISTERED 4U

struct finder {
    struct host_ephemeral ephemeral;
    struct host_port_set tcp; /* of the sockets that the kernel tells of */
    struct host_port_set udp;
    struct host_port_set given; /* to an operand before */
    bool has_unknown;           /* some candidate may not be bound by this user */
};

bool ports_is_registered(uint16_t port)
{
    struct berth_registry_query query = {.has_ports = true, .port_first = port, .port_last = port};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    berth_registry_start(&cursor, &query);
    while (berth_registry_next(&cursor, &service)) {
        if (service.name[0] != '\0' || strcmp(service.description, "Unassigned") != 0) {
            return true;
        }
    }
    return false;
}

static bool is_in_range(const struct finder *finder, uint16_t port)
{
    return port >= finder->ephemeral.first && port <= finder->ephemeral.last;
}

static int start(struct finder *finder)
{
    struct host_sockets sockets;

    memset(finder, 0, sizeof *finder);
    if (host_ephemeral_read(&finder->ephemeral) != BERTH_OK) {
        cli_message("ports: the host's ephemeral range cannot be read: %s", strerror(errno));
        return CLI_ERROR;
    }
    if (host_sockets_read(&sockets) != BERTH_OK) {
        cli_message("ports: the host's sockets cannot be read: %s", strerror(errno));
        host_sockets_free(&sockets);
        return CLI_ERROR;
    }
    for (size_t i = 0; i < sockets.count; i++) {
        host_port_set_add(sockets.rows[i].transport == BERTH_TRANSPORT_TCP ? &finder->tcp
                                                                           : &finder->udp,
                          sockets.rows[i].local.port);
    }
    host_sockets_free(&sockets);
    return CLI_OK;
}

static bool is_used(const struct finder *finder, uint16_t port, unsigned transports)
{
    return ((transports & BERTH_TRANSPORT_TCP) != 0 && host_port_set_has(&finder->tcp, port)) ||
           ((transports & BERTH_TRANSPORT_UDP) != 0 && host_port_set_has(&finder->udp, port)) ||
           host_port_set_has(&finder->given, port);
}

/* Adds the candidates from FIRST to LAST to *SET. */
static void add_range(struct host_port_set *set, uint16_t first, uint16_t last)
{
    for (uint32_t port = first == 0 ? 1 : first; port <= last; port++) {
        host_port_set_add(set, (uint16_t)port);
    }
}

/* Every port that WANTED means. */
static void find_candidates(const struct ports_wanted *wanted, struct host_port_set *out)
{
    struct berth_registry_cursor cursor;
    struct berth_service service;

    memset(out, 0, sizeof *out);
    if (wanted->query.has_ports) {
        add_range(out, wanted->query.port_first, wanted->query.port_last);
    } else if (wanted->query.name == NULL) {
        add_range(out, 1024, UINT16_MAX);
    } else {
        berth_registry_start(&cursor, &wanted->query);
        while (berth_registry_next(&cursor, &service)) {
            if (service.has_port) {
                add_range(out, service.port_first, service.port_last);
            }
        }
    }
}

static unsigned rank_of(const struct finder *finder, uint16_t port)
{
    bool is_kept =
        ports_is_registered(port) || host_port_set_has(&finder->ephemeral.reserved, port);

    return (berth_port_category(port) == BERTH_CATEGORY_EPHEMERAL ? 0 : RANK_NOT_IANA) +
           (is_in_range(finder, port) ? RANK_IN_RANGE : 0) + (is_kept ? RANK_REGISTERED : 0);
}

/* A free port of the COUNT in LIST, which is left in another order; 0: none. */
static uint16_t draw(struct finder *finder, uint16_t *list, uint32_t count, unsigned transports)
{
    while (count > 0) {
        uint32_t at = randombytes_uniform(count);
        uint16_t port = list[at];

        switch (host_port_probe(port, transports)) {
        case HOST_PORT_FREE:
            return port;
        case HOST_PORT_UNKNOWN:
            finder->has_unknown = true;
            break;
        case HOST_PORT_TAKEN:
            break;
        }
        list[at] = list[--count];
    }
    return 0;
}

/* 0: none is free. */
static uint16_t find(struct finder *finder, const struct ports_wanted *wanted)
{
    unsigned ranks = wanted->may_be_registered ? RANKS : RANK_REGISTERED;
    struct host_port_set candidates;
    uint8_t *rank = cli_memory(NULL, UINT16_MAX + 1);
    uint16_t *list = cli_memory(NULL, (UINT16_MAX + 1) * sizeof *list);
    uint16_t found = 0;

    find_candidates(wanted, &candidates);
    memset(rank, RANKS, UINT16_MAX + 1);
    for (uint32_t port = 1; port <= UINT16_MAX; port++) {
        if (host_port_set_has(&candidates, (uint16_t)port) &&
            !is_used(finder, (uint16_t)port, wanted->transports)) {
            rank[port] = (uint8_t)rank_of(finder, (uint16_t)port);
        }
    }
    for (unsigned r = 0; r < ranks && found == 0; r++) {
        uint32_t count = 0;

        for (uint32_t port = 1; port <= UINT16_MAX; port++) {
            if (rank[port] == r) {
                list[count++] = (uint16_t)port;
            }
        }
        found = draw(finder, list, count, wanted->transports);
    }
    free(list);
    free(rank);
    return found;
}

static void say_none(const struct finder *finder, const struct ports_wanted *wanted)
{
    cli_message("ports: --free%s%s: no port is free%s%s", wanted->operand == NULL ? "" : " ",
                wanted->operand == NULL ? "" : wanted->operand,
                wanted->may_be_registered ? "" : " that is not registered",
                finder->has_unknown ? "; some of them this user may not bind" : "");
}

static json_t *make_object(const struct finder *finder, const struct ports_wanted *wanted,
                           uint16_t port)
{
    json_t *object = cli_json_object();
    json_t *list = cli_json_array();
    const char *name = NULL;

    for (unsigned bit = BERTH_TRANSPORT_TCP; bit <= BERTH_TRANSPORT_DCCP; bit <<= 1) {
        if ((wanted->transports & bit) != 0) {
            name = name == NULL ? berth_service_name(port, (enum berth_transport)bit) : name;
            cli_json_append(list, cli_json_text(berth_transport_name((enum berth_transport)bit)));
        }
    }
    cli_json_put(object, "operand", cli_json_text(wanted->operand));
    cli_json_put_number(object, "port", port);
    cli_json_put(object, "protocols", list);
    cli_json_put(object, "category", cli_json_text(berth_category_name(berth_port_category(port))));
    cli_json_put(object, "name", cli_json_text(name));
    cli_json_put(object, "in_ephemeral_range", json_boolean(is_in_range(finder, port)));
    return object;
}

int ports_free(const struct ports_wanted *wanted, size_t count, bool is_json)
{
    struct finder *finder = cli_memory(NULL, sizeof *finder);
    json_t *array = is_json ? cli_json_array() : NULL;
    int status = start(finder);

    for (size_t i = 0; i < count && status != CLI_ERROR; i++) {
        uint16_t port = find(finder, &wanted[i]);

        if (port == 0) {
            say_none(finder, &wanted[i]);
            status = CLI_NOTHING;
            continue;
        }
        host_port_set_add(&finder->given, port);
        if (is_json) {
            cli_json_append(array, make_object(finder, &wanted[i], port));
        } else {
            printf("%u\n", (unsigned)port);
        }
    }
    if (is_json && status != CLI_ERROR) {
        cli_json_print(array, stdout);
    } else {
        json_decref(array);
    }
    free(finder);
    return status;
}
