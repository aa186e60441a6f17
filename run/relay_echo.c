/* SPDX-License-Identifier: MIT */
/*
 * run/relay_echo.c: see run/relay_echo.h; echo_socket.c knows the sockets.
 */
#include "run/relay_echo.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/echo_socket.h"
#include "run/scans.h"

#define ECHO_IDLE_NS (30 * NS_PER_S)

enum { SHARE = 64 /* messages of one turn, each direction */ };

struct relay_echo {
    struct loop_source source; /* a ping socket; for a raw one not watched */
    struct run_user user;
    struct loop_timer timer;
    struct list_node order; /* all, the longest idle first */
    struct run *run;
    struct conversation conversation;
    struct berth_endpoint to; /* on the host's network; the port is the identifier there */
    berth_id id;
    int fd;
    bool is_raw;
    bool stack_has;
    bool host_has;
    uint64_t last_ns;
};

struct raw {
    struct loop_source source;
    struct run *run;
    bool is_v4;
};

struct relay_echo_table {
    struct list order;
    size_t count;
    uint16_t next_identifier;
    struct raw raw[2]; /* IPv4, IPv6; fd -1: none */
};

static void on_work(struct loop_source *source);
static void on_raw_work(struct loop_source *source);
static void on_event(struct run_user *user, const struct berth_event *event);
static void on_timer(struct loop_timer *timer);

/* ---- The table ------------------------------------------------------------------------------ */

/* A raw socket where ping sockets are refused; neither: said when one is wanted. */
static int prepare(struct run *run, struct raw *raw)
{
    int fd = echo_socket_ping(raw->is_v4);

    if (fd >= 0) {
        close(fd);
        return BERTH_OK;
    }
    fd = echo_socket_raw(raw->is_v4);
    if (fd < 0) {
        return BERTH_OK;
    }
    if (loop_watch(run->guard->loop, &raw->source, fd, EPOLLIN) < 0) {
        close(fd);
        return BERTH_E_LIMIT;
    }
    return BERTH_OK;
}

int relay_echo_init(struct run *run)
{
    struct relay_echo_table *table = calloc(1, sizeof *table);
    int result = BERTH_OK;

    if (table == NULL) {
        return BERTH_E_LIMIT;
    }
    list_init(&table->order);
    table->next_identifier = (uint16_t)loop_clock_ns();
    run->echo = table;
    for (int i = 0; i < 2 && result == BERTH_OK; i++) {
        struct raw *raw = &table->raw[i];

        raw->source = (struct loop_source){.work = on_raw_work, .fd = -1};
        raw->run = run;
        raw->is_v4 = i == 0;
        result = prepare(run, raw);
    }
    return result;
}

static void flow_end(struct relay_echo *flow, enum run_end end)
{
    struct run *run = flow->run;

    loop_forget(run->guard->loop, &flow->source);
    loop_timer_clear(run->guard->loop, &flow->timer);
    list_remove(&flow->order);
    run->echo->count--;
    if (flow->id != 0) {
        int result = berth_udp_close(run->guard->berth, flow->id);

        BERTH_CHECK(result != BERTH_E_STALE);
    }
    if (flow->fd >= 0 && !flow->is_raw) {
        close(flow->fd);
    }
    conversation_end(run, &flow->conversation, end);
    free(flow);
}

void relay_echo_done(struct run *run)
{
    struct list_node *next;

    if (run->echo == NULL) {
        return;
    }
    for (struct list_node *at = list_first(&run->echo->order); at != NULL; at = next) {
        next = list_next(&run->echo->order, at);
        flow_end(CONTAINER_OF(at, struct relay_echo, order), RUN_END_RUN_ENDED);
    }
    for (int i = 0; i < 2; i++) {
        int fd = run->echo->raw[i].source.fd;

        loop_forget(run->guard->loop, &run->echo->raw[i].source);
        if (fd >= 0) {
            close(fd);
        }
    }
    free(run->echo);
    run->echo = NULL;
}

static struct relay_echo *flow_new(struct run *run)
{
    struct relay_echo *flow;

    if (run->echo->count >= RELAY_ECHO_FLOWS_MAX) {
        flow_end(CONTAINER_OF(list_first(&run->echo->order), struct relay_echo, order),
                 RUN_END_EVICTED);
    }
    flow = calloc(1, sizeof *flow);
    if (flow == NULL) {
        return NULL;
    }
    flow->run = run;
    flow->fd = -1;
    flow->source = (struct loop_source){.work = on_work, .fd = -1};
    flow->user.on_event = on_event;
    flow->timer.on_time = on_timer;
    flow->last_ns = run->guard->loop->now_ns;
    list_add_last(&run->echo->order, &flow->order);
    run->echo->count++;
    loop_timer_set(run->guard->loop, &flow->timer, flow->last_ns + ECHO_IDLE_NS);
    return flow;
}

static void on_timer(struct loop_timer *timer)
{
    struct relay_echo *flow = CONTAINER_OF(timer, struct relay_echo, timer);
    uint64_t due = flow->last_ns + ECHO_IDLE_NS;

    if (due > flow->run->guard->loop->now_ns) {
        loop_timer_set(flow->run->guard->loop, timer, due);
    } else {
        flow_end(flow, RUN_END_IDLE);
    }
}

static void touch(struct relay_echo *flow)
{
    flow->last_ns = flow->run->guard->loop->now_ns;
    list_remove(&flow->order);
    list_add_last(&flow->run->echo->order, &flow->order);
}

/* ---- A request ------------------------------------------------------------------------------ */

/* An identifier that no other conversation has on the host's network. */
static uint16_t new_identifier(struct relay_echo_table *table)
{
    for (;;) {
        uint16_t identifier = ++table->next_identifier;
        bool is_taken = false;

        for (const struct list_node *at = list_first(&table->order); at != NULL;
             at = list_next(&table->order, at)) {
            is_taken |= CONTAINER_OF(at, struct relay_echo, order)->to.port == identifier;
        }
        if (!is_taken) {
            return identifier;
        }
    }
}

/* -1: errno. */
static int open_socket(struct relay_echo *flow)
{
    struct run *run = flow->run;
    struct raw *raw = &run->echo->raw[berth_address_is_v4(&flow->to.address) ? 0 : 1];

    if (raw->source.fd >= 0) {
        flow->to.port = new_identifier(run->echo);
        flow->is_raw = true;
        flow->fd = raw->source.fd;
        return 0;
    }
    flow->to.port = 0;
    flow->fd = echo_socket_connect(&flow->to);
    if (flow->fd < 0) {
        return -1;
    }
    if (loop_watch(run->guard->loop, &flow->source, flow->fd, EPOLLIN | EPOLLET) < 0) {
        errno = ENOSPC;
        return -1;
    }
    return 0;
}

static enum berth_unreachable reason_of(int error)
{
    switch (run_end_of_errno(error)) {
    case RUN_END_NETWORK_UNREACHABLE:
        return BERTH_UNREACHABLE_NETWORK;
    case RUN_END_PROHIBITED:
        return BERTH_UNREACHABLE_PROHIBITED;
    default:
        return BERTH_UNREACHABLE_HOST;
    }
}

static void fail_call(struct relay_echo *flow, int error)
{
    struct run *run = flow->run;
    int result;

    if (sockets_is_exhausted(error)) {
        run_say_exhausted(run);
    } else if ((error == EACCES || error == EPERM) && !run->has_said_ping) {
        run->has_said_ping = true;
        run_say(run, "ping: this system lets nobody but root send echo requests; to change that: "
                     "sysctl -w net.ipv4.ping_group_range='0 2147483647'");
    }
    result = berth_held_reject(run->guard->berth, flow->id, reason_of(error));
    BERTH_CHECK(result != BERTH_E_STALE);
    flow->id = 0;
    flow_end(flow, run_end_of_errno(error));
}

void relay_echo_call(struct run *run, berth_id id, const struct berth_held *held,
                     const struct decided *decided)
{
    struct relay_echo *flow = flow_new(run);

    if (flow == NULL) {
        int result = berth_held_drop(run->guard->berth, id);

        BERTH_CHECK(result != BERTH_E_STALE);
        return;
    }
    flow->id = id;
    flow->conversation = (struct conversation){.direction = BERTH_OUT,
                                               .protocol = BERTH_ICMP,
                                               .program = held->remote,
                                               .peer = held->local,
                                               .verdict = held->verdict};
    conversation_begin(run, &flow->conversation, decided);
    flow->to = run_host_endpoint(run, &held->local);
    if (run_is_resolver(run, &held->local.address)) {
        fail_call(flow, EHOSTUNREACH);
        return;
    }
    if (open_socket(flow) < 0) {
        fail_call(flow, errno);
        return;
    }
    if (berth_held_accept(run->guard->berth, id, &flow->user) < 0) {
        flow->id = 0;
        flow_end(flow, RUN_END_GIVEN_UP);
        return;
    }
    flow->stack_has = true;
    conversation_open(run, &flow->conversation);
    loop_queue(run->guard->loop, &flow->source);
}

/* ---- Messages both ways --------------------------------------------------------------------- */

static void tell(struct relay_echo *flow, int error)
{
    scans_on_error(flow->run, &flow->conversation, run_end_of_errno(error));
    if (berth_udp_unreachable(flow->run->guard->berth, flow->id, (int)reason_of(error)) < 0) {
        flow->stack_has = false; /* nobody is left to be told */
    }
}

static void send_out(struct relay_echo *flow)
{
    struct berth *berth = flow->run->guard->berth;
    struct berth_datagram request;

    for (int i = 0; i < SHARE && flow->stack_has; i++) {
        int error;

        if (berth_udp_peek(berth, flow->id, &request) < 0) {
            flow->stack_has = false;
            return;
        }
        error = echo_socket_send(flow->fd, &flow->to, &request, flow->is_raw);
        if (error != 0 && error != EAGAIN) {
            tell(flow, error);
        }
        touch(flow);
        flow->conversation.bytes_out += request.payload.bytes;
        if (berth_udp_consume(berth, flow->id) < 0) {
            flow->stack_has = false;
        }
    }
}

static void deliver(struct relay_echo *flow, const struct echo_reply *reply)
{
    struct berth *berth = flow->run->guard->berth;
    struct berth_udp_send send = {.bytes = reply->bytes, .echo_sequence = reply->sequence};
    struct berth_view view;

    if (berth_udp_reserve(berth, flow->id, reply->bytes, &view) < 0) {
        return; /* lost, as a reply may be */
    }
    memcpy(view.data, reply->payload, reply->bytes);
    if (berth_udp_commit(berth, flow->id, &send) == BERTH_OK) {
        if (flow->conversation.bytes_in == 0) {
            scans_on_answer(flow->run, &flow->conversation);
        }
        flow->conversation.bytes_in += reply->bytes;
        touch(flow);
    }
}

static void receive_in(struct relay_echo *flow)
{
    uint8_t buffer[ECHO_REPLY_BYTES_MAX];

    for (int i = 0; i < SHARE && flow->host_has; i++) {
        struct echo_reply reply;
        int error = echo_socket_receive(flow->fd, &flow->to, buffer, &reply);

        if (error == 0) {
            deliver(flow, &reply);
        } else if (error == EAGAIN) {
            flow->host_has = false;
        } else if (error != EBADMSG) {
            tell(flow, error);
        }
    }
}

static void on_raw_work(struct loop_source *source)
{
    struct raw *raw = CONTAINER_OF(source, struct raw, source);
    struct list *order = &raw->run->echo->order;
    uint8_t buffer[ECHO_REPLY_BYTES_MAX];

    source->ready = 0;
    for (int i = 0; i < SHARE; i++) {
        struct echo_reply reply;
        int error = echo_socket_receive_raw(source->fd, raw->is_v4, buffer, &reply);

        if (error == EAGAIN) {
            return;
        }
        for (struct list_node *at = list_first(order); at != NULL && error == 0;
             at = list_next(order, at)) {
            struct relay_echo *flow = CONTAINER_OF(at, struct relay_echo, order);

            if (flow->is_raw && berth_endpoint_is_equal(&flow->to, &reply.from)) {
                deliver(flow, &reply);
                break;
            }
        }
    }
    loop_queue(raw->run->guard->loop, source);
}

static void on_event(struct run_user *user, const struct berth_event *event)
{
    struct relay_echo *flow = CONTAINER_OF(user, struct relay_echo, user);

    if ((event->bits & (BERTH_EVENT_READABLE | BERTH_EVENT_CLOSED)) != 0) {
        flow->stack_has = true;
    }
    loop_queue(flow->run->guard->loop, &flow->source);
}

static void on_work(struct loop_source *source)
{
    struct relay_echo *flow = CONTAINER_OF(source, struct relay_echo, source);

    if (source->ready != 0) {
        flow->host_has = true;
        source->ready = 0;
    }
    send_out(flow);
    if (!flow->is_raw) {
        receive_in(flow);
    }
    if (flow->stack_has || flow->host_has) {
        loop_queue(flow->run->guard->loop, source);
    }
}
