/* SPDX-License-Identifier: MIT */
/*
 * run/resolver_stream.c: see run/resolver.h: a program that asks over TCP (RFC 7766). Questions of
 * one stream are taken one after the other: the next when the last is answered.
 */
#include "run/resolver.h"

#include <stdlib.h>

#define STREAM_IDLE_NS (30 * NS_PER_S)

enum { LENGTH_BYTES = 2, STREAM_BYTES = LENGTH_BYTES + DNS_MESSAGE_BYTES_MAX };

struct resolver_stream {
    struct loop_source source; /* work only */
    struct run_user user;
    struct loop_timer timer;
    struct list_node all;
    struct run *run;
    berth_id id;
    struct berth_endpoint from;
    bool is_asking; /* a question is under way */
    bool has_ended; /* the program asks no more */
    bool is_over;   /* reset, or in error */
    uint8_t *in;    /* what came: STREAM_BYTES */
    size_t in_bytes;
    uint8_t *out; /* what goes out: STREAM_BYTES */
    size_t out_bytes;
    size_t out_sent;
};

static void on_work(struct loop_source *source);
static void on_event(struct run_user *user, const struct berth_event *event);
static void on_timer(struct loop_timer *timer);

static void stream_end(struct resolver_stream *stream)
{
    struct run *run = stream->run;
    int result = stream->is_over ? berth_tcp_abort(run->guard->berth, stream->id)
                                 : berth_tcp_close(run->guard->berth, stream->id);

    BERTH_CHECK(result != BERTH_E_STALE);
    resolver_query_forget(run, stream);
    loop_forget(run->guard->loop, &stream->source);
    loop_timer_clear(run->guard->loop, &stream->timer);
    list_remove(&stream->all);
    run->resolver->stream_count--;
    free(stream->in);
    free(stream->out);
    free(stream);
}

void resolver_stream_end_all(struct run *run)
{
    struct list *all = &run->resolver->streams;
    struct list_node *next;

    for (struct list_node *at = list_first(all); at != NULL; at = next) {
        struct resolver_stream *stream = CONTAINER_OF(at, struct resolver_stream, all);

        next = list_next(all, at);
        stream->is_over = true;
        stream_end(stream);
    }
}

static void touch(struct resolver_stream *stream)
{
    struct run *run = stream->run;

    list_remove(&stream->all);
    list_add_last(&run->resolver->streams, &stream->all);
    loop_timer_set(run->guard->loop, &stream->timer, run->guard->loop->now_ns + STREAM_IDLE_NS);
}

static struct resolver_stream *stream_new(struct run *run)
{
    struct resolver *resolver = run->resolver;
    struct resolver_stream *stream;

    if (resolver->stream_count >= RESOLVER_STREAMS_MAX) {
        stream_end(CONTAINER_OF(list_first(&resolver->streams), struct resolver_stream, all));
    }
    stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->in = malloc(STREAM_BYTES);
    stream->out = malloc(STREAM_BYTES);
    if (stream->in == NULL || stream->out == NULL) {
        free(stream->in);
        free(stream->out);
        free(stream);
        return NULL;
    }
    stream->source = (struct loop_source){.work = on_work, .fd = -1};
    stream->user.on_event = on_event;
    stream->timer.on_time = on_timer;
    stream->run = run;
    list_add_last(&resolver->streams, &stream->all);
    resolver->stream_count++;
    return stream;
}

static void stream_free_unborn(struct resolver_stream *stream)
{
    list_remove(&stream->all);
    stream->run->resolver->stream_count--;
    free(stream->in);
    free(stream->out);
    free(stream);
}

void resolver_stream_accept(struct resolver_port *port)
{
    struct run *run = port->run;

    while (port->has_streams) {
        struct resolver_stream *stream = stream_new(run);
        struct berth_tcp_info info;

        if (stream == NULL) {
            return;
        }
        if (berth_tcp_accept(run->guard->berth, port->listener, &stream->user, &stream->id) < 0) {
            port->has_streams = false;
            stream_free_unborn(stream);
            return;
        }
        if (berth_tcp_info(run->guard->berth, stream->id, &info) == BERTH_OK) {
            stream->from = info.remote;
        }
        touch(stream);
        loop_queue(run->guard->loop, &stream->source);
    }
}

/* ---- Both ways ------------------------------------------------------------------------------ */

static void flush(struct resolver_stream *stream)
{
    while (stream->out_sent < stream->out_bytes) {
        size_t taken = 0;
        int result =
            berth_tcp_write(stream->run->guard->berth, stream->id, stream->out + stream->out_sent,
                            stream->out_bytes - stream->out_sent, &taken);

        if (result < 0) {
            stream->is_over = result != BERTH_E_AGAIN;
            return;
        }
        stream->out_sent += taken;
    }
}

void resolver_stream_answer(struct resolver_stream *stream, const uint8_t *wire, size_t bytes)
{
    stream->is_asking = false;
    store_be16(stream->out, (uint16_t)bytes);
    memcpy(stream->out + LENGTH_BYTES, wire, bytes);
    stream->out_bytes = LENGTH_BYTES + bytes;
    stream->out_sent = 0;
    touch(stream);
    loop_queue(stream->run->guard->loop, &stream->source);
}

static void read_in(struct resolver_stream *stream)
{
    while (stream->in_bytes < STREAM_BYTES && !stream->has_ended && !stream->is_over) {
        size_t got = 0;
        int result =
            berth_tcp_read(stream->run->guard->berth, stream->id, stream->in + stream->in_bytes,
                           STREAM_BYTES - stream->in_bytes, &got);

        if (result == BERTH_E_AGAIN) {
            return;
        }
        stream->is_over = result < 0;
        stream->has_ended = result == BERTH_OK && got == 0;
        stream->in_bytes += got;
    }
}

/* Takes the next whole question, if there is one and the last is answered. */
static bool take_question(struct resolver_stream *stream)
{
    struct resolver_asker asker = {.from = stream->from, .stream = stream, .is_stream = true};
    uint8_t query[DNS_MESSAGE_BYTES_MAX];
    size_t bytes;

    if (stream->is_asking || stream->out_sent < stream->out_bytes ||
        stream->in_bytes < LENGTH_BYTES) {
        return false;
    }
    bytes = load_be16(stream->in);
    if (stream->in_bytes < LENGTH_BYTES + bytes) {
        return false;
    }
    memcpy(query, stream->in + LENGTH_BYTES, bytes);
    stream->in_bytes -= LENGTH_BYTES + bytes;
    memmove(stream->in, stream->in + LENGTH_BYTES + bytes, stream->in_bytes);
    stream->is_asking = true;
    touch(stream);
    resolver_ask(stream->run, &asker, query, bytes);
    return true;
}

static void on_event(struct run_user *user, const struct berth_event *event)
{
    struct resolver_stream *stream = CONTAINER_OF(user, struct resolver_stream, user);

    if ((event->bits & BERTH_EVENT_CLOSED) != 0 && event->error != 0) {
        stream->is_over = true;
    }
    loop_queue(stream->run->guard->loop, &stream->source);
}

static void on_timer(struct loop_timer *timer)
{
    stream_end(CONTAINER_OF(timer, struct resolver_stream, timer));
}

static void on_work(struct loop_source *source)
{
    struct resolver_stream *stream = CONTAINER_OF(source, struct resolver_stream, source);
    bool is_idle;

    flush(stream);
    read_in(stream);
    if (!stream->is_over && take_question(stream)) {
        loop_queue(stream->run->guard->loop, source);
        return;
    }
    is_idle = !stream->is_asking && stream->out_sent >= stream->out_bytes;
    if (stream->is_over || (stream->has_ended && is_idle)) {
        stream_end(stream);
    }
}
