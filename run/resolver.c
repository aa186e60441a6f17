/* SPDX-License-Identifier: MIT */
/*
 * run/resolver.c: see run/resolver.h: the ports, and what becomes of a question.
 */
#include "run/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "run/conversation.h"

#define HOSTS_TTL_S 60

enum { SHARE = 64, BACKLOG = 64 };

/* ---- What becomes of a question ------------------------------------------------------------- */

/* Hands an answer to whoever asked. */
static void hand_over(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                      size_t bytes)
{
    if (asker->stream != NULL) {
        resolver_stream_answer(asker->stream, wire, bytes);
    } else if (!asker->is_stream &&
               berth_udp_write(run->guard->berth, asker->socket, &asker->from, wire, bytes) < 0) {
        return; /* lost: the program asks again */
    }
}

static void reply(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                  size_t bytes, const struct dns_reply *reply)
{
    uint8_t header[DNS_HEADER_BYTES];
    uint8_t *made = NULL;
    size_t made_bytes = 0;

    if (dns_make_reply(wire, bytes, reply, &made, &made_bytes) == BERTH_OK) {
        hand_over(run, asker, made, made_bytes);
        free(made);
        return;
    }
    dns_make_header_reply(wire, reply->rcode, header);
    hand_over(run, asker, header, sizeof header);
}

void resolver_fail(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                   size_t bytes, enum dns_rcode rcode)
{
    struct dns_reply error = {.rcode = rcode};

    reply(run, asker, wire, bytes, &error);
}

/* The addresses of a name given by --hosts, of the type asked for. Whether it is one. */
static bool find_host(struct run *run, const struct dns_question *question,
                      struct berth_address *addresses, size_t *count)
{
    bool is_host = false;

    *count = 0;
    for (size_t i = 0; i < run->config->host_count; i++) {
        const struct launch_host *host = &run->config->hosts[i];
        uint16_t type = berth_address_is_v4(&host->address) ? DNS_TYPE_A : DNS_TYPE_AAAA;

        if (strcasecmp(host->name, question->name) != 0) {
            continue;
        }
        is_host = true;
        naming_learn(&run->naming, &host->address, host->name);
        if (type == question->type && *count < DNS_ADDRESSES_MAX) {
            addresses[(*count)++] = host->address;
        }
    }
    return is_host && question->class == DNS_CLASS_IN;
}

static bool is_localhost(const char *name)
{
    static const char word[] = "localhost";
    size_t bytes = strlen(name);
    size_t end = sizeof word - 1;

    return bytes >= end && strcasecmp(name + bytes - end, word) == 0 &&
           (bytes == end || name[bytes - end - 1] == '.');
}

/* The same of a name that means the program's own place: programs ask for the name of the host that
 * they run on, and no server needs to hear of it. */
static bool find_own(const struct run *run, const struct dns_question *question,
                     struct berth_address *addresses, size_t *count)
{
    static const struct berth_address loopback6 = {.bytes = {[15] = 1}};
    const struct run_config *config = run->config;
    bool is_loopback = is_localhost(question->name);
    bool is_v4 = question->type == DNS_TYPE_A && config->network.is_on;
    bool is_v6 = question->type == DNS_TYPE_AAAA && config->network6.is_on;

    *count = is_v4 || is_v6 ? 1 : 0;
    if (is_v4) {
        addresses[0] =
            is_loopback ? berth_address_v4(UINT32_C(0x7f000001)) : config->network.program;
    } else if (is_v6) {
        addresses[0] = is_loopback ? loopback6 : config->network6.program;
    }
    return question->class == DNS_CLASS_IN &&
           (is_loopback || (run->resolver->own_name[0] != '\0' &&
                            strcasecmp(question->name, run->resolver->own_name) == 0));
}

void resolver_ask(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                  size_t bytes)
{
    struct berth_address addresses[DNS_ADDRESSES_MAX];
    struct dns_reply found = {.addresses = addresses, .ttl_s = HOSTS_TTL_S};
    struct dns_question question = {0};
    int rcode = dns_read_query(wire, bytes, &question);
    enum name_refusal refusal;

    if (rcode != DNS_NO_ERROR) {
        if (rcode > 0) {
            resolver_fail(run, asker, wire, bytes, (enum dns_rcode)rcode);
        }
        return;
    }
    if (find_host(run, &question, addresses, &found.count) ||
        find_own(run, &question, addresses, &found.count)) {
        reply(run, asker, wire, bytes, &found);
        return;
    }
    refusal = resolver_judge(run, &question);
    if (refusal != NAME_NOT_REFUSED) {
        struct name_refused told = {
            .name = question.name,
            .host = question.type == DNS_TYPE_PTR ? NULL : resolver_host_name(&question),
            .type = question.type,
            .why = refusal};

        conversation_name_refused(run, &told);
        resolver_fail(run, asker, wire, bytes, DNS_REFUSED);
        return;
    }
    resolver_query_start(run, &(struct resolver_question){asker, &question, wire, bytes});
}

void resolver_pass(struct run *run, const struct resolver_question *question, const uint8_t *wire,
                   size_t bytes, struct dns_answer *answer)
{
    const struct resolver_asker *asker = question->asker;
    struct dns_passing passing = {
        .query = question->wire,
        .query_bytes = question->bytes,
        .answer = wire,
        .answer_bytes = bytes,
        .question = question->question,
        .bytes_max = asker->is_stream ? DNS_MESSAGE_BYTES_MAX : question->question->datagram_bytes};
    uint8_t *made = NULL;
    size_t made_bytes = 0;

    if (!resolver_learn(run, question->question, answer)) {
        resolver_fail(run, asker, question->wire, question->bytes, DNS_REFUSED);
        return;
    }
    if (dns_make_answer(&passing, answer, &made, &made_bytes) < 0) {
        resolver_fail(run, asker, question->wire, question->bytes, DNS_SERVER_FAILURE);
        return;
    }
    hand_over(run, asker, made, made_bytes);
    free(made);
}

/* ---- The ports ------------------------------------------------------------------------------ */

static void read_questions(struct resolver_port *port)
{
    struct run *run = port->run;

    for (int i = 0; i < SHARE; i++) {
        struct berth_datagram datagram;
        struct resolver_asker asker = {.socket = port->socket};
        int result = berth_udp_peek(run->guard->berth, port->socket, &datagram);
        uint8_t query[DNS_MESSAGE_BYTES_MAX];
        size_t bytes;

        if (result < 0) {
            return;
        }
        bytes = min_size(datagram.payload.bytes, sizeof query);
        memcpy(query, datagram.payload.data, bytes);
        asker.from = datagram.remote;
        if (berth_udp_consume(run->guard->berth, port->socket) < 0) {
            return;
        }
        resolver_ask(run, &asker, query, bytes);
    }
    loop_queue(run->guard->loop, &port->source);
}

static void on_work(struct loop_source *source)
{
    struct resolver_port *port = CONTAINER_OF(source, struct resolver_port, source);

    read_questions(port);
    resolver_stream_accept(port);
}

static void on_datagrams(struct run_user *user, const struct berth_event *event)
{
    struct resolver_port *port = CONTAINER_OF(user, struct resolver_port, datagrams);

    (void)event;
    loop_queue(port->run->guard->loop, &port->source);
}

static void on_streams(struct run_user *user, const struct berth_event *event)
{
    struct resolver_port *port = CONTAINER_OF(user, struct resolver_port, streams);

    port->has_streams |= (event->bits & BERTH_EVENT_ACCEPTABLE) != 0;
    loop_queue(port->run->guard->loop, &port->source);
}

static int open_port(struct run *run, const struct berth_address *address)
{
    struct resolver_port *port = &run->resolver->ports[run->resolver->port_count++];
    struct berth_endpoint local = {*address, RESOLVER_PORT};
    int result;

    *port = (struct resolver_port){.datagrams.on_event = on_datagrams,
                                   .streams.on_event = on_streams,
                                   .source = {.work = on_work, .fd = -1},
                                   .run = run};
    result = berth_udp_open(run->guard->berth, &local, NULL, &port->datagrams, &port->socket);
    if (result == BERTH_OK) {
        result =
            berth_tcp_listen(run->guard->berth, &local, BACKLOG, &port->streams, &port->listener);
    }
    return result;
}

int resolver_init(struct run *run, char *message, size_t bytes)
{
    const struct run_config *config = run->config;
    int result = BERTH_OK;

    if (!config->has_resolver) {
        return BERTH_OK;
    }
    run->resolver = calloc(1, sizeof *run->resolver);
    if (run->resolver == NULL) {
        snprintf(message, bytes, "no memory");
        return BERTH_E_STATE;
    }
    if (gethostname(run->resolver->own_name, sizeof run->resolver->own_name - 1) < 0) {
        run->resolver->own_name[0] = '\0';
    }
    list_init(&run->resolver->queries);
    list_init(&run->resolver->streams);
    if (config->network.is_on) {
        result = open_port(run, &config->resolver);
    }
    if (result == BERTH_OK && config->network6.is_on) {
        result = open_port(run, &config->resolver6);
    }
    if (result < 0) {
        snprintf(message, bytes, "the resolver's port: %s", berth_error_text(result));
        return BERTH_E_STATE;
    }
    return BERTH_OK;
}

void resolver_done(struct run *run)
{
    struct resolver *resolver = run->resolver;

    if (resolver == NULL) {
        return;
    }
    resolver_query_end_all(run);
    resolver_stream_end_all(run);
    for (size_t i = 0; i < resolver->port_count; i++) {
        loop_forget(run->guard->loop, &resolver->ports[i].source);
    }
    aliases_done(&resolver->aliases);
    free(resolver);
    run->resolver = NULL;
}
