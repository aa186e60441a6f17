/* SPDX-License-Identifier: MIT */
/*
 * run/relay_udp.c: see run/relay_udp.h.
 */
#include "run/relay_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "run/datagrams.h"
#include "run/decide.h"
#include "run/scans.h"

#define UDP_BRIEF_NS  (30 * NS_PER_S)
#define UDP_STREAM_NS (180 * NS_PER_S)

enum { SHARE = 64 /* datagrams of one turn, each direction */, CHAINS = 1024 };

struct relay_udp {
    struct loop_source source; /* outwards: the socket of the host's */
    struct run_user user;
    struct loop_timer timer;
    struct list_node order; /* all, the longest idle first */
    struct list_node chain; /* inwards: by client and listener */
    struct run *run;
    struct conversation conversation;
    berth_id id;
    int fd; /* outwards: its own; inwards: -1 */
    struct datagram_route route;
    const struct loop_source *listener; /* inwards */
    uint64_t last_ns;
    uint32_t datagrams_out;
    uint32_t datagrams_in;
    bool stack_has;
    bool stack_is_full;
    bool host_has;
    bool host_may;
    bool is_refused; /* the program's port is shut: nothing more to be done */
};

struct relay_udp_table {
    struct hash_key key;
    struct list order;
    struct list chains[CHAINS];
    size_t count;
};

static void on_work(struct loop_source *source);
static void on_event(struct run_user *user, const struct berth_event *event);
static void on_timer(struct loop_timer *timer);

int relay_udp_init(struct run *run)
{
    struct relay_udp_table *table = calloc(1, sizeof *table);

    if (table == NULL || getrandom(&table->key, sizeof table->key, 0) < 0) {
        free(table);
        return BERTH_E_LIMIT;
    }
    list_init(&table->order);
    for (size_t i = 0; i < CHAINS; i++) {
        list_init(&table->chains[i]);
    }
    run->udp = table;
    return BERTH_OK;
}

/* ---- Making and ending ---------------------------------------------------------------------- */

static void flow_end(struct relay_udp *flow, enum run_end end)
{
    struct run *run = flow->run;

    loop_forget(run->guard->loop, &flow->source);
    loop_timer_clear(run->guard->loop, &flow->timer);
    list_remove(&flow->order);
    list_remove(&flow->chain);
    run->udp->count--;
    if (flow->id != 0) {
        int result = berth_udp_close(run->guard->berth, flow->id);

        BERTH_CHECK(result != BERTH_E_STALE);
    }
    if (flow->fd >= 0) {
        close(flow->fd);
    }
    conversation_end(run, &flow->conversation, end);
    free(flow);
}

bool relay_udp_evict(struct run *run)
{
    struct list_node *first = list_first(&run->udp->order);

    if (first == NULL) {
        return false;
    }
    flow_end(CONTAINER_OF(first, struct relay_udp, order), RUN_END_EVICTED);
    return true;
}

void relay_udp_done(struct run *run)
{
    struct list_node *next;

    if (run->udp == NULL) {
        return;
    }
    for (struct list_node *at = list_first(&run->udp->order); at != NULL; at = next) {
        next = list_next(&run->udp->order, at);
        flow_end(CONTAINER_OF(at, struct relay_udp, order), RUN_END_RUN_ENDED);
    }
    free(run->udp);
    run->udp = NULL;
}

static struct relay_udp *flow_new(struct run *run)
{
    struct relay_udp *flow;

    if (run->udp->count >= RELAY_UDP_FLOWS_MAX) {
        (void)relay_udp_evict(run);
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
    list_add_last(&run->udp->order, &flow->order);
    run->udp->count++;
    loop_timer_set(run->guard->loop, &flow->timer, flow->last_ns + UDP_BRIEF_NS);
    return flow;
}

static uint64_t idle_ns(const struct relay_udp *flow)
{
    return flow->datagrams_in > 0 && flow->datagrams_in + flow->datagrams_out > 2 ? UDP_STREAM_NS
                                                                                  : UDP_BRIEF_NS;
}

/* The timer is not set anew with each datagram: it looks when the last one was. */
static void on_timer(struct loop_timer *timer)
{
    struct relay_udp *flow = CONTAINER_OF(timer, struct relay_udp, timer);
    uint64_t due = flow->last_ns + idle_ns(flow);

    if (due > flow->run->guard->loop->now_ns) {
        loop_timer_set(flow->run->guard->loop, timer, due);
    } else {
        flow_end(flow, RUN_END_IDLE);
    }
}

static void touch(struct relay_udp *flow)
{
    flow->last_ns = flow->run->guard->loop->now_ns;
    list_remove(&flow->order);
    list_add_last(&flow->run->udp->order, &flow->order);
}

/* ---- Outwards ------------------------------------------------------------------------------- */

static int reason_of(enum run_end end)
{
    switch (end) {
    case RUN_END_NETWORK_UNREACHABLE:
        return BERTH_UNREACHABLE_NETWORK;
    case RUN_END_HOST_UNREACHABLE:
        return BERTH_UNREACHABLE_HOST;
    case RUN_END_PROHIBITED:
        return BERTH_UNREACHABLE_PROHIBITED;
    default:
        return BERTH_UNREACHABLE_PORT;
    }
}

/* Nothing came of a held datagram: the program is told why. */
static void fail_call(struct relay_udp *flow, enum run_end end)
{
    struct run *run = flow->run;
    int result;

    if (end == RUN_END_NO_DESCRIPTORS) {
        run_say_exhausted(run);
    }
    result = berth_held_reject(run->guard->berth, flow->id, (enum berth_unreachable)reason_of(end));
    BERTH_CHECK(result != BERTH_E_STALE);
    flow->id = 0;
    flow_end(flow, end);
}

static int connect_flow(struct run *run, const struct berth_endpoint *to)
{
    int fd = sockets_connect(to, 0, SOCK_DGRAM, 0);

    if (fd < 0 && sockets_is_exhausted(errno) && relay_udp_evict(run)) {
        fd = sockets_connect(to, 0, SOCK_DGRAM, 0);
    }
    return fd;
}

void relay_udp_call(struct run *run, berth_id id, const struct berth_held *held,
                    const struct decided *decided)
{
    struct berth_endpoint to = run_host_endpoint(run, &held->local);
    struct relay_udp *flow = flow_new(run);

    if (flow == NULL) {
        int result = berth_held_drop(run->guard->berth, id);

        BERTH_CHECK(result != BERTH_E_STALE);
        return;
    }
    flow->id = id;
    flow->conversation = (struct conversation){.direction = BERTH_OUT,
                                               .protocol = BERTH_UDP,
                                               .program = held->remote,
                                               .peer = held->local,
                                               .verdict = held->verdict};
    conversation_begin(run, &flow->conversation, decided);
    if (run_is_resolver(run, &held->local.address)) {
        fail_call(flow, RUN_END_REFUSED);
        return;
    }
    list_remove(&flow->order); /* connecting may evict, but not this one */
    flow->fd = connect_flow(run, &to);
    list_add_last(&run->udp->order, &flow->order);
    if (flow->fd < 0) {
        fail_call(flow, run_end_of_errno(errno));
        return;
    }
    if (loop_watch(run->guard->loop, &flow->source, flow->fd, EPOLLIN | EPOLLOUT | EPOLLET) < 0) {
        fail_call(flow, RUN_END_NO_DESCRIPTORS);
        return;
    }
    if (berth_held_accept(run->guard->berth, id, &flow->user) < 0) {
        flow->id = 0;
        flow_end(flow, RUN_END_GIVEN_UP);
        return;
    }
    sockets_set(flow->fd, IPPROTO_UDP, UDP_GRO, 1);
    flow->route = (struct datagram_route){.fd = flow->fd};
    flow->stack_has = true;
    flow->host_may = true;
    conversation_open(run, &flow->conversation);
    loop_queue(run->guard->loop, &flow->source);
}

/* ---- Inwards -------------------------------------------------------------------------------- */

static struct list *chain_of(struct run *run, const struct relay_udp_arrival *arrival)
{
    struct {
        struct berth_address client;
        uint64_t port;
        uint64_t listener;
    } key = {arrival->client.address, arrival->client.port, (uintptr_t)arrival->listener};

    return &run->udp->chains[hash_keyed(&run->udp->key, &key, sizeof key) % CHAINS];
}

static struct relay_udp *find_flow(struct run *run, const struct relay_udp_arrival *arrival)
{
    struct list *chain = chain_of(run, arrival);

    for (struct list_node *at = list_first(chain); at != NULL; at = list_next(chain, at)) {
        struct relay_udp *flow = CONTAINER_OF(at, struct relay_udp, chain);

        if (flow->listener == arrival->listener &&
            berth_endpoint_is_equal(&flow->route.to, &arrival->client) &&
            berth_address_is_equal(&flow->route.from, &arrival->at)) {
            return flow;
        }
    }
    return NULL;
}

/* A socket of the stack's as the client; another port where its own is taken and the address is
 * the gateway's, which stands for several. */
static int open_as(struct relay_udp *flow, struct berth_endpoint seen,
                   const struct berth_endpoint *program)
{
    struct berth *berth = flow->run->guard->berth;
    int result = berth_udp_open(berth, &seen, program, &flow->user, &flow->id);

    if (result == BERTH_E_IN_USE && run_is_gateway(flow->run, &seen.address)) {
        seen.port = 0;
        result = berth_udp_open(berth, &seen, program, &flow->user, &flow->id);
    }
    return result;
}

static struct relay_udp *answer(struct run *run, const struct relay_udp_arrival *arrival,
                                const struct decided *decided)
{
    struct relay_udp *flow = flow_new(run);
    int result;

    if (flow == NULL) {
        return NULL;
    }
    flow->conversation = (struct conversation){.direction = BERTH_IN,
                                               .protocol = BERTH_UDP,
                                               .program = arrival->program,
                                               .peer = arrival->seen};
    flow->listener = arrival->listener;
    flow->route = (struct datagram_route){.fd = arrival->listener->fd,
                                          .is_addressed = true,
                                          .to = arrival->client,
                                          .scope = arrival->client_scope,
                                          .from = arrival->at};
    list_add_first(chain_of(run, arrival), &flow->chain);
    conversation_begin(run, &flow->conversation, decided);
    berth_decide(run->guard->berth, decided == NULL ? NULL : &decided->verdict);
    result = open_as(flow, arrival->seen, &arrival->program);
    berth_decide(run->guard->berth, NULL);
    if (result < 0) {
        flow->id = 0;
        flow_end(flow, RUN_END_HOST_UNREACHABLE);
        return NULL;
    }
    flow->host_may = true;
    conversation_open(run, &flow->conversation);
    return flow;
}

static void deliver(struct run *run, struct relay_udp *flow,
                    const struct relay_udp_arrival *arrival)
{
    touch(flow);
    if (berth_udp_write(run->guard->berth, flow->id, NULL, arrival->data, arrival->bytes) ==
        BERTH_OK) {
        flow->datagrams_in++;
        flow->conversation.bytes_in += arrival->bytes;
        run->guard->moved_bytes += arrival->bytes;
    }
}

void relay_udp_answer(struct run *run, const struct relay_udp_arrival *arrival,
                      const struct decided *decided)
{
    struct relay_udp *flow = answer(run, arrival, decided);

    if (flow != NULL) {
        deliver(run, flow, arrival);
    }
}

void relay_udp_arrive(struct run *run, const struct relay_udp_arrival *arrival)
{
    struct relay_udp *flow = find_flow(run, arrival);

    if (flow == NULL) {
        decide_datagram(run, arrival);
    } else {
        deliver(run, flow, arrival);
    }
}

/* ---- Datagrams both ways -------------------------------------------------------------------- */

/* The host's kernel has told of an error; the program is told too. */
static void tell(struct relay_udp *flow, int error)
{
    enum run_end end = run_end_of_errno(error);

    scans_on_error(flow->run, &flow->conversation, end);
    if (end != RUN_END_NO_DESCRIPTORS &&
        berth_udp_unreachable(flow->run->guard->berth, flow->id, reason_of(end)) < 0) {
        flow->is_refused = true;
    }
}

static void send_out(struct relay_udp *flow)
{
    struct berth *berth = flow->run->guard->berth;
    struct berth_datagram datagram;

    for (int i = 0; i < SHARE && flow->stack_has && flow->host_may; i++) {
        int result = berth_udp_peek(berth, flow->id, &datagram);
        int error;

        if (result < 0) {
            flow->stack_has = false;
            flow->is_refused = result != BERTH_E_AGAIN;
            return;
        }
        error = datagrams_send(&flow->route, &datagram);
        if (error == EAGAIN && flow->fd >= 0) {
            flow->host_may = false;
            return;
        }
        if (error != 0 && error != EAGAIN) {
            tell(flow, error);
        }
        touch(flow);
        if (flow->datagrams_out++ == 0 && flow->conversation.direction == BERTH_IN) {
            scans_on_answer(flow->run, &flow->conversation);
        }
        flow->conversation.bytes_out += datagram.payload.bytes;
        flow->run->guard->moved_bytes += datagram.payload.bytes;
        if (berth_udp_consume(berth, flow->id) < 0) {
            flow->stack_has = false;
        }
    }
}

/* One datagram from the host. False: no more now. */
static bool receive_one(struct relay_udp *flow)
{
    struct berth *berth = flow->run->guard->berth;
    struct berth_view view;
    struct berth_udp_send send = {0};
    ssize_t bytes;
    int result = berth_udp_reserve(berth, flow->id,
                                   datagrams_bytes_max(&flow->conversation.peer.address), &view);

    if (result < 0) {
        flow->stack_is_full = result == BERTH_E_AGAIN;
        return false;
    }
    bytes = datagrams_receive(flow->fd, view, &send.segment_bytes);
    if (bytes < 0) {
        flow->host_has = errno != EAGAIN;
        if (flow->host_has) {
            tell(flow, errno);
        }
        return flow->host_has;
    }
    send.bytes = (size_t)bytes;
    if (berth_udp_commit(berth, flow->id, &send) == BERTH_OK) {
        if (flow->datagrams_in++ == 0) {
            scans_on_answer(flow->run, &flow->conversation);
        }
        flow->conversation.bytes_in += send.bytes;
        flow->run->guard->moved_bytes += send.bytes;
    }
    touch(flow);
    return true;
}

static void receive_in(struct relay_udp *flow)
{
    for (int i = 0; i < SHARE && flow->host_has && !flow->stack_is_full; i++) {
        if (!receive_one(flow)) {
            return;
        }
    }
}

static void on_event(struct run_user *user, const struct berth_event *event)
{
    struct relay_udp *flow = CONTAINER_OF(user, struct relay_udp, user);

    if ((event->bits & BERTH_EVENT_READABLE) != 0) {
        flow->stack_has = true;
    }
    if ((event->bits & BERTH_EVENT_WRITABLE) != 0) {
        flow->stack_is_full = false;
    }
    if ((event->bits & BERTH_EVENT_CLOSED) != 0) {
        flow->stack_has = true; /* peeking tells the error */
    }
    loop_queue(flow->run->guard->loop, &flow->source);
}

static void on_work(struct loop_source *source)
{
    struct relay_udp *flow = CONTAINER_OF(source, struct relay_udp, source);
    uint32_t ready = source->ready;

    source->ready = 0;
    if ((ready & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        flow->host_has = true;
    }
    if ((ready & (EPOLLOUT | EPOLLERR)) != 0) {
        flow->host_may = true;
    }
    send_out(flow);
    if (flow->fd >= 0) {
        receive_in(flow);
    }
    if (flow->is_refused) {
        flow_end(flow, RUN_END_RESET_BY_PROGRAM);
        return;
    }
    if ((flow->stack_has && flow->host_may) || (flow->host_has && !flow->stack_is_full)) {
        loop_queue(flow->run->guard->loop, source);
    }
}
