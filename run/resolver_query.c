/* SPDX-License-Identifier: MIT */
/*
 * run/resolver_query.c: see run/resolver.h: a question on its way to a name server and back.
 *
 *   state     event                              next     function
 *   -         a question to be passed on         asked    resolver_query_start
 *   asked     its answer                         -        on_answer
 *   asked     no answer in TRY_NS, an error, or  asked    try_next, with the next server
 *             an answer to something else
 *   asked     the same after the last try        -        try_next: SERVFAIL
 *   asked     whoever asked is gone              -        resolver_query_forget
 */
#include "run/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "run/sockets.h"

#define TRY_NS (2500 * NS_PER_MS)

enum { TRIES_EACH = 2, LENGTH_BYTES = 2, SHARE = 64 /* datagrams of one turn */ };

struct resolver_query {
    struct loop_source source; /* the socket to the name server */
    struct loop_timer timer;
    struct list_node all;
    struct run *run;
    struct resolver_asker asker;
    struct dns_question question;
    uint16_t id;         /* of this try */
    unsigned tries;      /* begun */
    enum dns_rcode told; /* what a server has said that another may know better */
    uint8_t *own;        /* the program's query */
    size_t own_bytes;
    uint8_t *wire;   /* berth's, a length (RFC 1035 4.2.2) before it */
    size_t bytes;    /* without the length */
    size_t sent;     /* over TCP */
    uint8_t *answer; /* DNS_MESSAGE_BYTES_MAX and a length */
    size_t got;
};

static void on_work(struct loop_source *source);
static void on_timer(struct loop_timer *timer);
static void try_next(struct resolver_query *query);

/* ---- Making and ending ---------------------------------------------------------------------- */

static void close_socket(struct resolver_query *query)
{
    int fd = query->source.fd;

    loop_forget(query->run->guard->loop, &query->source);
    if (fd >= 0) {
        close(fd);
    }
}

static void query_free(struct resolver_query *query)
{
    free(query->own);
    free(query->wire);
    free(query->answer);
    free(query);
}

static void query_end(struct resolver_query *query)
{
    struct resolver *resolver = query->run->resolver;

    close_socket(query);
    loop_timer_clear(query->run->guard->loop, &query->timer);
    list_remove(&query->all);
    resolver->query_count--;
    query_free(query);
}

void resolver_query_forget(struct run *run, const struct resolver_stream *stream)
{
    struct list *all = &run->resolver->queries;
    struct list_node *at = list_first(all);

    while (at != NULL) {
        struct resolver_query *query = CONTAINER_OF(at, struct resolver_query, all);

        at = list_next(all, at);
        if (query->asker.stream == stream) {
            query_end(query);
        }
    }
}

void resolver_query_end_all(struct run *run)
{
    struct list *all = &run->resolver->queries;
    struct list_node *next;

    for (struct list_node *at = list_first(all); at != NULL; at = next) {
        next = list_next(all, at);
        query_end(CONTAINER_OF(at, struct resolver_query, all));
    }
}

/* Is this question, asked again by its program, under way already? */
static bool is_asked(const struct run *run, const struct resolver_question *question)
{
    const struct list *all = &run->resolver->queries;
    const struct resolver_asker *asker = question->asker;

    for (const struct list_node *at = list_first(all); at != NULL; at = list_next(all, at)) {
        const struct resolver_query *query = CONTAINER_OF(at, const struct resolver_query, all);

        if (!asker->is_stream && !query->asker.is_stream &&
            query->question.id == question->question->id &&
            query->question.type == question->question->type &&
            berth_endpoint_is_equal(&query->asker.from, &asker->from)) {
            return true;
        }
    }
    return false;
}

/* The question as it goes out. False: no memory. */
static bool make_wire(struct resolver_query *query)
{
    uint8_t *made = NULL;
    size_t bytes = 0;

    if (dns_make_query(&query->question, &made, &bytes) < 0) {
        return false;
    }
    query->wire = malloc(LENGTH_BYTES + bytes);
    if (query->wire != NULL) {
        query->bytes = bytes;
        store_be16(query->wire, (uint16_t)bytes);
        memcpy(query->wire + LENGTH_BYTES, made, bytes);
    }
    free(made);
    return query->wire != NULL;
}

static struct resolver_query *query_new(struct run *run, const struct resolver_question *question)
{
    struct resolver_query *query = calloc(1, sizeof *query);

    if (query == NULL) {
        return NULL;
    }
    query->question = *question->question;
    query->own = malloc(question->bytes);
    query->answer = malloc(LENGTH_BYTES + DNS_MESSAGE_BYTES_MAX);
    if (query->own == NULL || query->answer == NULL || !make_wire(query)) {
        query_free(query);
        return NULL;
    }
    query->source = (struct loop_source){.work = on_work, .fd = -1};
    query->timer.on_time = on_timer;
    query->run = run;
    query->asker = *question->asker;
    query->told = DNS_SERVER_FAILURE;
    query->own_bytes = question->bytes;
    memcpy(query->own, question->wire, question->bytes);
    list_add_last(&run->resolver->queries, &query->all);
    run->resolver->query_count++;
    return query;
}

void resolver_query_start(struct run *run, const struct resolver_question *question)
{
    struct resolver_query *query;

    if (is_asked(run, question)) {
        return;
    }
    query = run->resolver->query_count < RESOLVER_QUERIES_MAX ? query_new(run, question) : NULL;
    if (query == NULL) {
        resolver_fail(run, question->asker, question->wire, question->bytes, DNS_SERVER_FAILURE);
        return;
    }
    try_next(query);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static const struct hostnet_nameserver *servers_of(struct run *run, size_t *count)
{
    if (run->config->nameserver_count > 0) {
        *count = run->config->nameserver_count;
        return run->config->nameservers;
    }
    return hostnet_nameservers(run->hostnet, count);
}

static void give_up(struct resolver_query *query)
{
    struct resolver_asker asker = query->asker;

    resolver_fail(query->run, &asker, query->own, query->own_bytes, query->told);
    query_end(query);
}

/* Sends, or goes on sending. False: this try has failed. */
static bool send_query(struct resolver_query *query)
{
    size_t skip = query->asker.is_stream ? 0 : LENGTH_BYTES;
    size_t total = query->bytes + LENGTH_BYTES - skip;

    while (query->sent < total) {
        ssize_t bytes =
            send(query->source.fd, query->wire + skip + query->sent, total - query->sent, 0);

        if (bytes < 0) {
            return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
        }
        query->sent += (size_t)bytes;
    }
    return true;
}

/* A new socket, so that port and id are new too (RFC 5452). False: this try has failed. */
static bool begin_try(struct resolver_query *query, const struct hostnet_nameserver *server)
{
    struct run *run = query->run;
    bool is_stream = query->asker.is_stream;
    int fd;

    if (getrandom(&query->id, sizeof query->id, 0) != (ssize_t)sizeof query->id) {
        return false;
    }
    store_be16(query->wire + LENGTH_BYTES, query->id);
    query->sent = 0;
    query->got = 0;
    fd = sockets_connect(&server->endpoint, server->scope_id, is_stream ? SOCK_STREAM : SOCK_DGRAM,
                         0);
    if (fd < 0) {
        if (sockets_is_exhausted(errno)) {
            run_say_exhausted(run);
        }
        return false;
    }
    if (loop_watch(run->guard->loop, &query->source, fd,
                   EPOLLIN | EPOLLET | (is_stream ? EPOLLOUT | EPOLLRDHUP : 0U)) < 0) {
        close(fd);
        return false;
    }
    return is_stream || send_query(query);
}

static void try_next(struct resolver_query *query)
{
    struct run *run = query->run;
    size_t count = 0;
    const struct hostnet_nameserver *servers = servers_of(run, &count);
    unsigned tries_max = (unsigned)min_size(count * TRIES_EACH, RESOLVER_TRIES_MAX);

    if (count == 0 && !run->resolver->has_said_no_server) {
        run->resolver->has_said_no_server = true;
        run_say(run, "names cannot be resolved: the host's /etc/resolv.conf has no nameserver; "
                     "give one with --dns ADDR");
    }
    close_socket(query);
    while (query->tries < tries_max) {
        unsigned at = query->tries++;

        if (begin_try(query, &servers[at % count])) {
            loop_timer_set(run->guard->loop, &query->timer, run->guard->loop->now_ns + TRY_NS);
            return;
        }
        close_socket(query);
    }
    give_up(query);
}

static void on_timer(struct loop_timer *timer)
{
    try_next(CONTAINER_OF(timer, struct resolver_query, timer));
}

/* ---- Hearing -------------------------------------------------------------------------------- */

/* WIRE came from the server that was asked. False: it is no answer to the question. */
static bool on_answer(struct resolver_query *query, const uint8_t *wire, size_t bytes)
{
    struct dns_answer answer;

    if (!dns_read_answer(wire, bytes, &query->question, query->id, &answer)) {
        return false;
    }
    if (answer.rcode != DNS_NO_ERROR && answer.rcode != DNS_NAME_ERROR) {
        query->told = answer.rcode; /* another server may know better */
        try_next(query);
        return true;
    }
    resolver_pass(
        query->run,
        &(struct resolver_question){&query->asker, &query->question, query->own, query->own_bytes},
        wire, bytes, &answer);
    query_end(query);
    return true;
}

/* Over UDP: one datagram after the other, until it is the answer. What has another id is passed
 * over. What has this one is read, which takes a while, and is the last: whoever sends on and on
 * would keep everybody else waiting. */
static void hear_datagrams(struct resolver_query *query)
{
    for (int i = 0; i < SHARE; i++) {
        ssize_t bytes = recv(query->source.fd, query->answer, DNS_MESSAGE_BYTES_MAX, 0);

        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (bytes < 0 && errno != EAGAIN) {
            try_next(query); /* refused, unreachable */
            return;
        }
        if (bytes < 0) {
            return;
        }
        if (dns_is_reply(query->answer, (size_t)bytes, query->id)) {
            if (!on_answer(query, query->answer, (size_t)bytes)) {
                try_next(query);
            }
            return;
        }
    }
    loop_queue(query->run->guard->loop, &query->source);
}

/* Over TCP: the answer in pieces. */
static void hear_stream(struct resolver_query *query)
{
    for (;;) {
        size_t want = LENGTH_BYTES;
        ssize_t bytes;

        if (query->got >= LENGTH_BYTES) {
            want += load_be16(query->answer);
            if (query->got == want) {
                break;
            }
        }
        bytes = recv(query->source.fd, query->answer + query->got, want - query->got, 0);
        if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (bytes <= 0) {
            try_next(query);
            return;
        }
        query->got += (size_t)bytes;
    }
    if (!on_answer(query, query->answer + LENGTH_BYTES, query->got - LENGTH_BYTES)) {
        try_next(query);
    }
}

static void on_work(struct loop_source *source)
{
    struct resolver_query *query = CONTAINER_OF(source, struct resolver_query, source);

    source->ready = 0;
    if (!query->asker.is_stream) {
        hear_datagrams(query);
    } else if (!send_query(query)) {
        try_next(query);
    } else {
        hear_stream(query);
    }
}
