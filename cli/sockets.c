/* SPDX-License-Identifier: MIT */
/*
 * cli/sockets.c: `berth sockets`: every TCP and UDP socket of this host, as ss(8) lists them, and
 * who can reach it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/port_words.h"
#include "cli/sockets.h"

#define NO_MATCH "no socket matches"

struct settings {
    struct sockets_wanted wanted;
    bool is_json;
    bool is_watching;
};

/* ---- The command line ----------------------------------------------------------------------- */

static void add_range(struct sockets_wanted *wanted, unsigned transports, uint16_t first,
                      uint16_t last)
{
    for (uint32_t port = first; port <= last; port++) {
        for (int is_udp = 0; is_udp <= 1; is_udp++) {
            if ((transports & (is_udp ? BERTH_TRANSPORT_UDP : BERTH_TRANSPORT_TCP)) != 0) {
                host_port_set_add(&wanted->ports[is_udp], (uint16_t)port);
            }
        }
    }
}

/* The ports that the registry gives to the name in QUERY. False: none for TCP or UDP. */
static bool add_service(struct sockets_wanted *wanted, const struct berth_registry_query *query)
{
    struct berth_registry_cursor cursor;
    struct berth_service service;
    bool is_found = false;

    berth_registry_start(&cursor, query);
    while (berth_registry_next(&cursor, &service)) {
        unsigned transports =
            service.transport == BERTH_TRANSPORT_NONE ? ~0U : (unsigned)service.transport;

        if (service.has_port && (transports & (BERTH_TRANSPORT_TCP | BERTH_TRANSPORT_UDP)) != 0) {
            add_range(wanted, transports, service.port_first, service.port_last);
            is_found = true;
        }
    }
    return is_found;
}

static bool refuse(struct cli_complaint *complaint, const char *word, const char *expected)
{
    snprintf(complaint->word, sizeof complaint->word, "%s", word);
    snprintf(complaint->expected, sizeof complaint->expected, "%s", expected);
    return false;
}

static bool add_word(struct sockets_wanted *wanted, const char *word,
                     struct cli_complaint *complaint)
{
    struct port_words words = {.operand = NULL};
    const char *expected = port_words_parse(word, &words);
    const struct berth_registry_query *query = &words.query;
    unsigned transports = query->has_transports ? query->transports : ~0U;

    if (expected != NULL) {
        return refuse(complaint, word, expected);
    }
    if ((transports & (BERTH_TRANSPORT_TCP | BERTH_TRANSPORT_UDP)) == 0) {
        return refuse(complaint, word, "tcp or udp after the slash");
    }
    if (query->name == NULL) {
        add_range(wanted, transports, query->port_first, query->port_last);
    } else if (!add_service(wanted, query)) {
        return refuse(complaint, word, "a service of TCP or UDP that is registered with a port");
    }
    return true;
}

static bool set_port(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct sockets_wanted *wanted = &((struct settings *)settings)->wanted;
    char word[PORT_WORDS_BYTES + 1];

    wanted->has_ports = true;
    for (;;) {
        size_t bytes = strcspn(value, ",");

        /* What is too long is refused with its first letters. */
        snprintf(word, sizeof word, "%.*s", (int)bytes, value);
        if (!add_word(wanted, word, complaint)) {
            return false;
        }
        if (value[bytes] == '\0') {
            return true;
        }
        value += bytes + 1;
    }
}

static bool set_process(void *settings, const char *value, struct cli_complaint *complaint)
{
    if (*value == '\0') {
        return refuse(complaint, value, "the name or the id of a process");
    }
    ((struct settings *)settings)->wanted.process = value;
    return true;
}

static const struct cli_option option_list[] = {
    {.name = "listening",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, wanted.is_listening),
     .help = "only what takes first contacts: TCP that listens, UDP without a peer"},
    {.name = "port",
     .kind = CLI_CALL,
     .value = "PORT",
     .call = set_port,
     .help = "only with this port at either end: 443, 8000-8010, https, system, each with /tcp or "
             "/udp if need be; several apart by commas, or the option again"},
    {.name = "process",
     .kind = CLI_CALL,
     .value = "NAME|PID",
     .call = set_process,
     .help = "only what the process of that id has open, or one of that name"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_json),
     .help = "one JSON document, an array of objects (berth-sockets(1) has the fields); with "
             "--watch a JSON object a line"},
    {.name = "watch",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_watching),
     .help = "look again every second until Ctrl-C: on a terminal the table is drawn anew, "
             "elsewhere only what has changed is written"},
};

static const struct cli_options options = {
    .command = "berth sockets",
    .usage = "[OPTION]...",
    .about =
        "Shows every TCP and UDP socket of this network namespace: protocol, state, both ends, "
        "service name and category, process, user, and who can reach it.\nService and category are "
        "those of this host's port where a first contact came or may come in, and of the peer's "
        "where the connection was opened from here.\nExposure: loopback: programs of this host; "
        "this network: a private, unique local or link-local address; anyone: another address, or "
        "every address of a host that has more than loopback's and link-local ones. It is judged "
        "by what the socket is bound to. No firewall is looked at, this host's or another's: what "
        "it stops is told as exposed all the same. What has a peer hears that peer alone, and its "
        "exposure is -.",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
    .notes = "Processes of other users are seen by root alone; for others they are -, and a line\n"
             "says of how many sockets. TIME-WAIT and half-open connections have none.\n"
             "\n"
             "Exit status: 0 a socket is shown; 1 none matches; 2 a mistake.\n"
             "\n"
             "Examples:\n"
             "  berth sockets --listening\n"
             "  berth sockets --port https,8000-8010\n"
             "  berth sockets --process sshd --json\n"
             "  berth sockets --listening --watch\n",
};

/* ---- Which are wanted ----------------------------------------------------------------------- */

static bool is_process(const struct host_process *process, const char *wanted)
{
    uint64_t pid;

    if (cli_options_number(wanted, 0, INT32_MAX, &pid)) {
        return (uint64_t)process->pid == pid;
    }
    /* The kernel keeps the first bytes of a name. */
    return strncmp(process->name, wanted, HOST_PROCESS_NAME_BYTES - 1) == 0;
}

static bool has_process(const struct host_picture *picture, const struct host_socket *socket,
                        const char *wanted)
{
    size_t count;
    const struct host_holding *holding =
        host_holders_find(&picture->holders, socket->inode, &count);

    for (size_t i = 0; i < count; i++) {
        if (is_process(&picture->holders.processes[holding[i].process], wanted)) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct host_picture *picture, const struct host_socket *socket,
                      const struct sockets_wanted *wanted)
{
    const struct host_port_set *ports = &wanted->ports[socket->transport == BERTH_TRANSPORT_UDP];

    if (wanted->is_listening && !socket->is_listening) {
        return false;
    }
    if (wanted->has_ports && !host_port_set_has(ports, socket->local.port) &&
        (socket->remote.port == 0 || !host_port_set_has(ports, socket->remote.port))) {
        return false;
    }
    return wanted->process == NULL || has_process(picture, socket, wanted->process);
}

struct sockets_rows sockets_select(const struct host_picture *picture,
                                   const struct sockets_wanted *wanted)
{
    struct sockets_rows rows = {.picture = picture};

    rows.rows = cli_memory(NULL, picture->sockets.count * sizeof(void *));
    for (size_t i = 0; i < picture->sockets.count; i++) {
        if (is_wanted(picture, &picture->sockets.rows[i], wanted)) {
            rows.rows[rows.count++] = &picture->sockets.rows[i];
        }
    }
    return rows;
}

/* ---- Once ----------------------------------------------------------------------------------- */

/* A process that is asked for may have sockets that cannot be seen to be its. */
static void say_hidden(const struct host_picture *picture, const struct sockets_wanted *wanted)
{
    if (wanted->process != NULL && picture->holders.hidden > 0) {
        cli_message("sockets: %zu processes could not be looked into by this user; the sockets of "
                    "'%s' may be theirs",
                    picture->holders.hidden, wanted->process);
    }
}

static int show_once(const struct settings *settings)
{
    struct host_picture picture;
    struct sockets_rows rows;
    int status = CLI_OK;

    if (host_picture_read(&picture) != BERTH_OK) {
        cli_message("sockets: this host's sockets cannot be read: %s", strerror(errno));
        host_picture_free(&picture);
        return CLI_ERROR;
    }
    rows = sockets_select(&picture, &settings->wanted);
    if (settings->is_json) {
        sockets_print_json(&rows);
    } else {
        sockets_print(&rows, NULL, NULL);
    }
    (void)fflush(stdout);
    sockets_say_unseen(&rows, cli_message);
    if (rows.count == 0) {
        cli_message("sockets: " NO_MATCH);
        say_hidden(&picture, &settings->wanted);
        status = CLI_NOTHING;
    }
    free(rows.rows);
    host_picture_free(&picture);
    return status;
}

int cli_sockets_main(int argc, char **argv)
{
    struct settings *settings = cli_memory(NULL, sizeof *settings);
    struct cli_words operands;
    int status;

    memset(settings, 0, sizeof *settings);
    status = cli_options_parse(&options, argc, argv, settings, &operands);
    if (status < 0 && operands.count > 0) {
        status = cli_options_refuse(&options, operands.words[0],
                                    "no operand; --port and --process choose");
    }
    if (status < 0) {
        status = settings->is_watching ? sockets_watch(&settings->wanted, settings->is_json)
                                       : show_once(settings);
    }
    free(settings);
    return status;
}
