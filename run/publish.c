/* SPDX-License-Identifier: MIT */
/*
 * run/publish.c: see run/publish.h.
 */
#include "run/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/datagrams.h"
#include "run/decide.h"
#include "run/relay_udp.h"
#include "run/sockets.h"

enum {
    BACKLOG = 4096,
    SHARE = 64, /* clients or datagrams of one turn */
    DATAGRAM_BYTES = 65536,
};

struct listener {
    struct loop_source source;
    struct run *run;
    struct berth_endpoint host;    /* where it listens */
    struct berth_endpoint program; /* to whom it is delivered */
    enum berth_protocol protocol;
};

struct publish {
    struct listener *listeners;
    size_t count;
    size_t capacity;
    int spare_fd;    /* given up for a moment, so that a client can be turned away */
    uint8_t *buffer; /* one datagram */
};

/* ---- Who the program sees ------------------------------------------------------------------- */

/* The client as the program sees it. One that the program could not answer, since the address means
 * something else inside, is the gateway too. */
static struct berth_endpoint seen_as(const struct run *run, const struct berth_endpoint *client)
{
    const struct launch_network *network = run_network(run, &client->address);
    struct berth_endpoint seen = *client;

    if (berth_address_is_loopback(&client->address) ||
        berth_address_is_equal(&client->address, &network->program) ||
        run_is_resolver(run, &client->address)) {
        seen.address = network->gateway;
    }
    return seen;
}

/* Does SEEN, the gateway, stand for somebody who is not on the host's loopback? */
static bool is_disguise(const struct run *run, const struct berth_endpoint *client,
                        const struct berth_endpoint *seen)
{
    return run_is_gateway(run, &seen->address) && !berth_address_is_loopback(&client->address);
}

/* ---- Clients -------------------------------------------------------------------------------- */

/* No descriptor is free: the client that waits is turned away, by the one kept for that. */
static bool turn_away(struct publish *publish, int listener_fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd;

    if (publish->spare_fd < 0) {
        return false;
    }
    close(publish->spare_fd);
    fd = accept4(listener_fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    if (fd >= 0) {
        sockets_reset(fd);
    }
    publish->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* Takes one client. False: no more wait now. */
static bool accept_one(struct listener *listener)
{
    struct run *run = listener->run;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    struct berth_endpoint client;
    struct berth_endpoint seen;
    int fd = accept4(listener->source.fd, (struct sockaddr *)&address, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && sockets_is_exhausted(errno)) {
        run_say_exhausted(run);
        return turn_away(run->publish, listener->source.fd);
    }
    if (fd < 0) {
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINVAL && errno != EBADF;
    }
    client = sockets_endpoint(&address);
    seen = seen_as(run, &client);
    decide_client(run, fd, &seen, &listener->program, is_disguise(run, &client, &seen));
    return true;
}

static void on_clients(struct loop_source *source)
{
    struct listener *listener = CONTAINER_OF(source, struct listener, source);

    source->ready = 0;
    for (int i = 0; i < SHARE; i++) {
        if (!accept_one(listener)) {
            return;
        }
    }
    loop_queue(listener->run->guard->loop, source);
}

static bool receive_one(struct listener *listener)
{
    struct run *run = listener->run;
    struct berth_view view = {run->publish->buffer, DATAGRAM_BYTES};
    struct relay_udp_arrival arrival;
    struct datagram_arrival from;
    ssize_t bytes = datagrams_receive_from(listener->source.fd, view, &from);

    if (bytes < 0) {
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF;
    }
    arrival = (struct relay_udp_arrival){
        .listener = &listener->source,
        .client = from.from,
        .client_scope = from.scope,
        .at = from.at,
        .seen = seen_as(run, &from.from),
        .program = listener->program,
        .data = run->publish->buffer,
        .bytes = (size_t)bytes,
    };
    arrival.is_disguised = is_disguise(run, &arrival.client, &arrival.seen);
    if (from.from.port != 0) {
        relay_udp_arrive(run, &arrival);
    }
    return true;
}

static void on_datagrams(struct loop_source *source)
{
    struct listener *listener = CONTAINER_OF(source, struct listener, source);

    source->ready = 0;
    for (int i = 0; i < SHARE; i++) {
        if (!receive_one(listener)) {
            return;
        }
    }
    loop_queue(listener->run->guard->loop, source);
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* -1: errno. */
static int bind_socket(const struct berth_endpoint *host, enum berth_protocol protocol)
{
    bool is_tcp = protocol == BERTH_TCP;
    bool is_v4 = berth_address_is_v4(&host->address);
    struct sockaddr_storage address;
    socklen_t length = sockets_address(host, 0, &address);
    int fd = sockets_open(host, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    int error;

    if (fd < 0) {
        return -1;
    }
    if (!is_v4) {
        sockets_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (is_tcp) {
        sockets_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    } else {
        sockets_set(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_PKTINFO : IPV6_RECVPKTINFO,
                    1);
    }
    if (bind(fd, (const struct sockaddr *)&address, length) == 0 &&
        (!is_tcp || listen(fd, BACKLOG) == 0)) {
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int complain(const struct run_publish *publish, const struct berth_endpoint *host,
                    char *message, size_t bytes)
{
    char text[BERTH_ENDPOINT_TEXT_BYTES];
    int error = errno;
    const char *hint = "";

    if (error == EACCES) {
        hint = "; ports below net.ipv4.ip_unprivileged_port_start are for root";
    } else if (error == EADDRINUSE) {
        hint = "; another program listens there";
    } else if (error == EADDRNOTAVAIL) {
        hint = "; this host has no such address";
    }
    snprintf(message, bytes, "--publish '%s': cannot listen on %s: %s%s", publish->word,
             berth_endpoint_format(host, text), strerror(error), hint);
    return BERTH_E_STATE;
}

static int add_listener(struct run *run, int fd, const struct listener *like)
{
    struct publish *publish = run->publish;
    struct listener *listener = &publish->listeners[publish->count];

    BERTH_CHECK(publish->count < publish->capacity);
    *listener = *like;
    listener->run = run;
    listener->source = (struct loop_source){
        .work = like->protocol == BERTH_TCP ? on_clients : on_datagrams, .fd = -1};
    if (loop_watch(run->guard->loop, &listener->source, fd, EPOLLIN) < 0) {
        close(fd);
        return BERTH_E_STATE;
    }
    publish->count++;
    return BERTH_OK;
}

/* Opens one port. *SKIPPED: the host's loopback of this family is not there, and was not named. */
static int open_port(struct run *run, const struct run_publish *publish,
                     struct berth_address address, uint16_t offset, bool *skipped)
{
    const struct launch_network *network = run_network(run, &address);
    struct listener like = {
        .host = {address, (uint16_t)(publish->host_first + offset)},
        .program = {network->program, (uint16_t)(publish->program_first + offset)},
        .protocol = publish->protocol,
    };
    int fd;

    *skipped = !network->is_on;
    if (*skipped) {
        return BERTH_OK;
    }
    fd = bind_socket(&like.host, publish->protocol);
    if (fd < 0 && !publish->has_address && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
        *skipped = true;
        return BERTH_OK;
    }
    return fd < 0 ? BERTH_E_STATE : add_listener(run, fd, &like);
}

static int open_range(struct run *run, const struct run_publish *publish, char *message,
                      size_t bytes)
{
    struct berth_address addresses[2] = {publish->address, publish->address};
    size_t count = publish->has_address ? 1 : 2;

    if (!publish->has_address) {
        addresses[0] = berth_address_v4(UINT32_C(0x7f000001));
        addresses[1] = (struct berth_address){.bytes = {[15] = 1}};
    }
    for (uint32_t port = publish->host_first; port <= publish->host_last; port++) {
        uint16_t offset = (uint16_t)(port - publish->host_first);
        size_t opened = 0;

        for (size_t i = 0; i < count; i++) {
            struct berth_endpoint host = {addresses[i], (uint16_t)port};
            bool skipped = false;

            if (open_port(run, publish, addresses[i], offset, &skipped) < 0) {
                return complain(publish, &host, message, bytes);
            }
            opened += !skipped;
        }
        if (opened == 0) {
            snprintf(message, bytes, "--publish '%s': the program has no address of that family",
                     publish->word);
            return BERTH_E_STATE;
        }
    }
    return BERTH_OK;
}

static size_t listener_count(const struct run_config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->publish_count; i++) {
        const struct run_publish *publish = &config->publishes[i];

        count +=
            (size_t)(publish->host_last - publish->host_first + 1) * (publish->has_address ? 1 : 2);
    }
    return count;
}

int publish_init(struct run *run, char *message, size_t bytes)
{
    const struct run_config *config = run->config;
    struct publish *publish = calloc(1, sizeof *publish);

    if (publish == NULL) {
        snprintf(message, bytes, "no memory");
        return BERTH_E_STATE;
    }
    run->publish = publish;
    publish->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    publish->capacity = listener_count(config);
    publish->listeners = calloc(publish->capacity + 1, sizeof *publish->listeners);
    publish->buffer = malloc(DATAGRAM_BYTES);
    if (publish->listeners == NULL || publish->buffer == NULL) {
        snprintf(message, bytes, "no memory");
        return BERTH_E_STATE;
    }
    for (size_t i = 0; i < config->publish_count; i++) {
        if (open_range(run, &config->publishes[i], message, bytes) < 0) {
            return BERTH_E_STATE;
        }
    }
    return BERTH_OK;
}

void publish_done(struct run *run)
{
    struct publish *publish = run->publish;

    if (publish == NULL) {
        return;
    }
    for (size_t i = 0; i < publish->count; i++) {
        int fd = publish->listeners[i].source.fd;

        loop_forget(run->guard->loop, &publish->listeners[i].source);
        close(fd);
    }
    if (publish->spare_fd >= 0) {
        close(publish->spare_fd);
    }
    free(publish->buffer);
    free(publish->listeners);
    free(publish);
    run->publish = NULL;
}
