/* SPDX-License-Identifier: MIT */
/*
 * run/relay_tcp.c: see run/relay_tcp.h: the life of a relayed connection; relay_tcp_pump.c moves
 * its bytes, relay_tcp_rest.c says what is left at the end of a run.
 */
#include "run/relay_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/spread.h"

/* What a host's socket is watched for. */
#define WATCHED (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

#define OTHER_PORTS   4096 /* tried, with several queues */
#define CHOICES       16   /* likewise, with one: helpers have few of the ports */
#define LEAVE_LOOK_NS (20 * NS_PER_MS)
#define LEAVE_NS_MAX  (10 * NS_PER_S)

static void on_work(struct loop_source *source);
static void on_event(struct run_user *user, const struct berth_event *event);
static void on_timer(struct loop_timer *timer);

/* ---- Making and ending ---------------------------------------------------------------------- */

static struct list *held_chain(struct queue *queue, berth_id id)
{
    return &queue->tcp_held[(id * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}
_Static_assert(QUEUE_HELD_CHAINS == 1 << (64 - 54), "the bits that held_chain leaves");

static struct relay_tcp *relay_new(struct queue *queue)
{
    struct relay_tcp *relay = calloc(1, sizeof *relay);

    if (relay == NULL) {
        return NULL;
    }
    relay->queue = queue;
    relay->fd = -1;
    relay->source = (struct loop_source){.work = on_work, .fd = -1, .is_free = queue_is_own(queue)};
    relay->user.on_event = on_event;
    relay->timer.on_time = on_timer;
    list_add_last(&queue->tcp_relays, &relay->all);
    return relay;
}

/* Ends both ends and the relay: in order, or with a RST to whom has not ended it. */
static void relay_end(struct relay_tcp *relay, enum run_end end)
{
    struct queue *queue = relay->queue;
    bool in_order = end == RUN_END_CLOSED;
    int result = 0;

    loop_forget_closing(queue->loop, &relay->source);
    loop_timer_clear(queue->loop, &relay->timer);
    if (relay->id != 0) {
        result = in_order ? berth_tcp_close(queue->berth, relay->id)
                          : berth_tcp_abort(queue->berth, relay->id);
        BERTH_CHECK(result != BERTH_E_STALE);
    }
    if (relay->fd >= 0 && in_order) {
        close(relay->fd);
    } else if (relay->fd >= 0) {
        sockets_reset(relay->fd);
    }
    if (relay->moved != NULL) {
        spread_ended(relay, end);
        return;
    }
    spread_forget_choice(relay);
    if (!relay->conversation.is_open) {
        relay->conversation.bytes_in = 0; /* what was read early has reached nobody */
    }
    queue_lock(queue);
    conversation_end(queue->run, &relay->conversation, end);
    list_remove(&relay->all);
    queue_unlock(queue);
    relay_server_end(relay);
    list_remove(&relay->held);
    free(relay);
}

static enum run_end end_of_stack_error(const struct relay_tcp *relay)
{
    switch (relay->stack_error) {
    case 0:
        return RUN_END_CLOSED;
    case BERTH_E_REFUSED:
        return RUN_END_REFUSED;
    case BERTH_E_TIMED_OUT:
        return RUN_END_TIMED_OUT;
    case BERTH_E_NET_UNREACHABLE:
        return RUN_END_NETWORK_UNREACHABLE;
    case BERTH_E_HOST_UNREACHABLE:
        return RUN_END_HOST_UNREACHABLE;
    case BERTH_E_PROHIBITED:
        return RUN_END_PROHIBITED;
    case BERTH_E_DENIED:
        return RUN_END_DENIED;
    default:
        return RUN_END_RESET_BY_PROGRAM;
    }
}

/* ---- Outwards: the program calls ------------------------------------------------------------ */

/* The held SYN is answered with what the host's connect has come to. */
static void answer_held(struct queue *queue, berth_id id, enum run_end end)
{
    int result = 0;

    switch (end) {
    case RUN_END_NETWORK_UNREACHABLE:
        result = berth_held_reject(queue->berth, id, BERTH_UNREACHABLE_NETWORK);
        break;
    case RUN_END_HOST_UNREACHABLE:
        result = berth_held_reject(queue->berth, id, BERTH_UNREACHABLE_HOST);
        break;
    case RUN_END_PROHIBITED:
        result = berth_held_reject(queue->berth, id, BERTH_UNREACHABLE_PROHIBITED);
        break;
    case RUN_END_TIMED_OUT: /* as it was met: with silence */
        result = berth_held_drop(queue->berth, id);
        break;
    default:
        result = berth_held_refuse(queue->berth, id);
        break;
    }
    BERTH_CHECK(result != BERTH_E_STALE);
}

static void fail_call(struct relay_tcp *relay, enum run_end end)
{
    if (end == RUN_END_NO_DESCRIPTORS) {
        queue_lock(relay->queue);
        run_say_exhausted(relay->queue->run);
        queue_unlock(relay->queue);
    }
    answer_held(relay->queue, relay->id, end);
    relay->id = 0;
    relay_end(relay, end);
}

void relay_tcp_call(struct queue *queue, berth_id id, const struct berth_held *held,
                    const struct decided *decided)
{
    struct run *run = queue->run;
    struct berth_endpoint to = run_host_endpoint(run, &held->local);
    struct relay_tcp *relay = relay_new(queue);

    if (relay == NULL) {
        answer_held(queue, id, RUN_END_NO_DESCRIPTORS);
        return;
    }
    relay->id = id;
    relay->is_held = true;
    list_add_first(held_chain(queue, id), &relay->held);
    relay->conversation = (struct conversation){.direction = BERTH_OUT,
                                                .protocol = BERTH_TCP,
                                                .program = held->remote,
                                                .peer = held->local,
                                                .verdict = held->verdict};
    conversation_begin(run, &relay->conversation, decided);
    if (run_is_resolver(run, &held->local.address)) {
        fail_call(relay, RUN_END_REFUSED); /* nothing but names there */
        return;
    }
    relay->fd = sockets_call(&to);
    if (relay->fd < 0) {
        fail_call(relay, run_end_of_errno(errno));
        return;
    }
    relay->host_ack_waits = true;
    if (!relay_server_begin(relay, decided) ||
        loop_watch(queue->loop, &relay->source, relay->fd, WATCHED) < 0) {
        fail_call(relay, RUN_END_NO_DESCRIPTORS);
    }
}

/* The host's connect is over, one way or the other. */
static void on_called(struct relay_tcp *relay)
{
    int error = relay->host_hangs_up ? sockets_take_error(relay->fd) : 0;

    if (error != 0) {
        fail_call(relay, run_end_of_errno(error));
        return;
    }
    relay->is_held = false;
    list_remove(&relay->held);
    if (berth_held_accept(relay->queue->berth, relay->id, &relay->user) < 0) {
        answer_held(relay->queue, relay->id, RUN_END_REFUSED);
        relay->id = 0;
        relay_end(relay, RUN_END_GIVEN_UP);
        return;
    }
    relay->state = RELAY_TCP_SHAKING;
}

void relay_tcp_on_held_closed(struct queue *queue, const struct berth_event *event)
{
    struct list *chain = held_chain(queue, event->id);

    for (struct list_node *at = list_first(chain); at != NULL; at = list_next(chain, at)) {
        struct relay_tcp *relay = CONTAINER_OF(at, struct relay_tcp, held);

        if (relay->id == event->id) {
            on_event(&relay->user, event);
            return;
        }
    }
}

/* ---- Inwards: a client of the host's calls -------------------------------------------------- */

/* From a port that the stack chooses: it knows its own connections, but not those of helpers. */
static int connect_as_chosen(struct relay_tcp *relay, struct berth_endpoint client,
                             const struct berth_endpoint *program)
{
    struct queue *queue = relay->queue;
    struct berth_tcp_info info;

    client.port = 0;
    for (uint32_t i = 0; i < CHOICES; i++) {
        int result = berth_tcp_connect(queue->berth, &client, program, &relay->user, &relay->id);

        if (result < 0 || berth_tcp_info(queue->berth, relay->id, &info) < 0 ||
            spread_may_connect(queue->run, program, &info.local)) {
            return result;
        }
        BERTH_CHECK(berth_tcp_abort(queue->berth, relay->id) == BERTH_OK);
        relay->id = 0;
    }
    return BERTH_E_IN_USE;
}

/* With several queues, a free port of the gateway's whose connection is QUEUE's. BERTH_E_IN_USE: of
 * so many tried none is. */
static int connect_as_any(struct relay_tcp *relay, struct berth_endpoint client,
                          const struct berth_endpoint *program)
{
    struct queue *queue = relay->queue;
    int result = BERTH_E_IN_USE;

    if (queue->run->queue_count == 1) {
        return connect_as_chosen(relay, client, program);
    }
    for (uint32_t i = 1; i <= OTHER_PORTS && result == BERTH_E_IN_USE; i++) {
        client.port = (uint16_t)(client.port % UINT16_MAX + 1);
        if (steer_client(queue->run, &client) == queue) {
            result = berth_tcp_connect(queue->berth, &client, program, &relay->user, &relay->id);
        }
    }
    return result;
}

/* The stack connects as CLIENT; where its four-tuple is taken, a client of the host's loopback,
 * whose address is the gateway's, gets another port. */
static int connect_as(struct relay_tcp *relay, const struct berth_endpoint *client,
                      const struct berth_endpoint *program)
{
    struct queue *queue = relay->queue;
    int result = !spread_may_connect(queue->run, program, client)
                     ? BERTH_E_IN_USE
                     : berth_tcp_connect(queue->berth, client, program, &relay->user, &relay->id);

    return result == BERTH_E_IN_USE && run_is_gateway(queue->run, &client->address)
               ? connect_as_any(relay, *client, program)
               : result;
}

/* The stack that connects is told the verdict, which is its own to find where it is the guard's. */
static int connect_decided(struct relay_tcp *relay, const struct berth_endpoint *client,
                           const struct berth_endpoint *program, const struct decided *decided)
{
    struct queue *queue = relay->queue;
    const struct berth_verdict *verdict = decided == NULL ? NULL : &decided->verdict;
    struct berth_verdict judged;
    int result;

    if (queue != queue->run->guard) {
        judged = gate_judge(queue->run, BERTH_IN, program, client, verdict);
        if (judged.action == BERTH_ASK || (judged.needs_process && judged.action != BERTH_ALLOW)) {
            return BERTH_E_PROHIBITED; /* the rules were read again on its way here */
        }
        if (judged.action != BERTH_ALLOW) {
            return BERTH_E_DENIED;
        }
        verdict = &judged;
    }
    berth_decide(queue->berth, verdict);
    result = connect_as(relay, client, program);
    berth_decide(queue->berth, NULL);
    return result;
}

/* What the client has sent by now goes with the SYN (stack_setup.c). False: RELAY is over. */
static bool read_early(struct relay_tcp *relay)
{
    enum relay_tcp_pumped pumped;

    relay->host_has = true;
    pumped = relay_tcp_pump_in(relay);
    if (pumped > RELAY_TCP_MORE) {
        relay_end(relay, RUN_END_GIVEN_UP);
        return false;
    }
    return true;
}

void relay_tcp_answer(struct queue *queue, int fd, const struct berth_endpoint *client,
                      const struct berth_endpoint *program, const struct decided *decided)
{
    struct run *run = queue->run;
    struct relay_tcp *relay = relay_new(queue);
    int result;

    if (relay == NULL) {
        sockets_reset(fd);
        return;
    }
    relay->fd = fd;
    relay->conversation = (struct conversation){
        .direction = BERTH_IN, .protocol = BERTH_TCP, .program = *program, .peer = *client};
    conversation_begin(run, &relay->conversation, decided);
    result = connect_decided(relay, client, program, decided);
    if (result == BERTH_E_DENIED) {
        /* The guard has noted a refused contact: that is its record. */
        conversation_forget(run, &relay->conversation);
        list_remove(&relay->all);
        sockets_reset(fd);
        free(relay);
        return;
    }
    if (result < 0) {
        relay_end(relay, result == BERTH_E_PROHIBITED ? RUN_END_DENIED : RUN_END_HOST_UNREACHABLE);
        return;
    }
    if (read_early(relay) && loop_watch(queue->loop, &relay->source, fd, WATCHED) < 0) {
        run_say_exhausted(run);
        relay_end(relay, RUN_END_NO_DESCRIPTORS);
    }
}

/* ---- Open ----------------------------------------------------------------------------------- */

static void tell_open(struct relay_tcp *relay)
{
    queue_lock(relay->queue);
    conversation_open(relay->queue->run, &relay->conversation);
    queue_unlock(relay->queue);
}

static void on_connected(struct relay_tcp *relay)
{
    relay->state = RELAY_TCP_OPEN;
    relay->stack_has = true;
    if (berth_tcp_set(relay->queue->berth, relay->id, BERTH_TCP_NO_DELAY, 1) < 0) {
        relay->stack_error = BERTH_E_RESET; /* it is gone: the next call says so too */
    }
    tell_open(relay);
}

/* The host's socket has failed. What came before goes to the program first; then the RST. */
static void on_host_failed(struct relay_tcp *relay, int error)
{
    relay->state = RELAY_TCP_LEAVING;
    relay->end = run_end_of_errno(error);
    relay->leave_ns = relay->queue->loop->now_ns + LEAVE_NS_MAX;
    loop_queue(relay->queue->loop, &relay->source);
}

static void on_leaving(struct relay_tcp *relay)
{
    struct queue *queue = relay->queue;
    struct berth_tcp_info info;
    enum relay_tcp_pumped pumped = relay_tcp_pump_in(relay);

    if (pumped == RELAY_TCP_FAILED) {
        relay->host_has = false;
    }
    if (pumped == RELAY_TCP_LOST || relay->stack_closed ||
        berth_tcp_info(queue->berth, relay->id, &info) < 0 ||
        (info.send_queue_bytes == 0 && !relay->host_has) ||
        queue->loop->now_ns >= relay->leave_ns) {
        relay_end(relay, relay->end);
        return;
    }
    loop_timer_set(queue->loop, &relay->timer, queue->loop->now_ns + LEAVE_LOOK_NS);
}

static void on_timer(struct loop_timer *timer)
{
    struct relay_tcp *relay = CONTAINER_OF(timer, struct relay_tcp, timer);

    loop_queue(relay->queue->loop, &relay->source);
}

static void pump(struct relay_tcp *relay)
{
    switch (relay_tcp_pump(relay)) {
    case RELAY_TCP_PUMPED:
        if (relay->moves_to != NULL) {
            (void)spread_try(relay);
        }
        break;
    case RELAY_TCP_MORE:
        loop_queue(relay->queue->loop, &relay->source);
        break;
    case RELAY_TCP_DONE:
        relay_end(relay, RUN_END_CLOSED);
        break;
    case RELAY_TCP_FAILED:
        on_host_failed(relay, errno);
        break;
    case RELAY_TCP_LOST:
        relay_end(relay, end_of_stack_error(relay));
        break;
    case RELAY_TCP_WRONG:
        relay_end(relay, relay->end);
        break;
    }
}

/* ---- Events --------------------------------------------------------------------------------- */

static void on_event(struct run_user *user, const struct berth_event *event)
{
    struct relay_tcp *relay = CONTAINER_OF(user, struct relay_tcp, user);

    relay->noted |= event->bits;
    if ((event->bits & BERTH_EVENT_CLOSED) != 0 && relay->stack_error == 0) {
        relay->stack_error = event->error;
    }
    loop_queue(relay->queue->loop, &relay->source);
}

static void note_host(struct relay_tcp *relay)
{
    uint32_t ready = relay->source.ready;

    relay->source.ready = 0;
    if ((ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        relay->host_has = true;
    }
    if ((ready & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        relay->host_hangs_up = true;
    }
    if ((ready & EPOLLRDHUP) != 0 && (ready & EPOLLERR) == 0) {
        relay->host_fin = true;
    }
    if ((ready & EPOLLPRI) != 0) {
        relay->host_urgent = true;
    }
    if ((ready & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        relay->host_may = true;
    }
}

static void note_stack(struct relay_tcp *relay, uint32_t noted)
{
    if ((noted & (BERTH_EVENT_READABLE | BERTH_EVENT_PEER_CLOSED | BERTH_EVENT_CLOSED)) != 0) {
        relay->stack_has = true;
    }
    if ((noted & BERTH_EVENT_PEER_CLOSED) != 0) {
        relay->stack_fin = true;
    }
    if ((noted & BERTH_EVENT_WRITABLE) != 0) {
        relay->stack_is_full = false;
    }
    if ((noted & BERTH_EVENT_CLOSED) != 0) {
        relay->stack_closed = true;
    }
}

/* Before the connection stands. */
static void work_unopened(struct relay_tcp *relay, uint32_t noted)
{
    if ((noted & BERTH_EVENT_CLOSED) != 0) {
        bool is_told = relay->conversation.direction == BERTH_IN;

        if ((noted & BERTH_EVENT_CONNECTED) != 0) { /* and has been reset in the same breath */
            tell_open(relay);
            is_told = true;
        }
        relay->id = relay->is_held ? 0 : relay->id;
        relay_end(relay, is_told ? end_of_stack_error(relay) : RUN_END_GIVEN_UP);
        return;
    }
    if ((noted & BERTH_EVENT_CONNECTED) != 0) {
        on_connected(relay);
        pump(relay);
        return;
    }
    if (relay->is_held && relay->host_may) {
        on_called(relay);
        return;
    }
    /* A client that has reset does not wait for the program's answer. */
    if (!relay->is_held && relay->host_hangs_up && sockets_take_error(relay->fd) != 0) {
        relay_end(relay, RUN_END_GIVEN_UP);
    }
}

static void on_work(struct loop_source *source)
{
    struct relay_tcp *relay = CONTAINER_OF(source, struct relay_tcp, source);
    uint32_t noted = relay->noted;

    relay->noted = 0;
    note_host(relay);
    note_stack(relay, noted);
    if (relay->state == RELAY_TCP_CALLING || relay->state == RELAY_TCP_SHAKING) {
        work_unopened(relay, noted);
    } else if (relay->stack_error != 0) {
        relay_end(relay, end_of_stack_error(relay));
    } else if (relay->state == RELAY_TCP_LEAVING) {
        on_leaving(relay);
    } else {
        pump(relay);
    }
}

/* ---- Another thread ------------------------------------------------------------------------- */

bool relay_tcp_may_move(const struct relay_tcp *relay)
{
    return relay->state == RELAY_TCP_OPEN && relay->id != 0 && relay->server == NULL &&
           relay->stack_error == 0;
}

void relay_tcp_moved(struct relay_tcp *relay, bool is_there)
{
    struct queue *queue = relay->queue;

    if (!is_there) {
        relay->id = 0;
        relay_end(relay, RUN_END_RUN_ENDED);
        return;
    }
    /* What was told on its way, or not told, is found out by asking. */
    relay->noted = 0;
    relay->stack_has = true;
    relay->stack_is_full = false;
    relay->host_has = true;
    relay->host_may = true;
    if (loop_watch(queue->loop, &relay->source, relay->fd, WATCHED) < 0) {
        relay_end(relay, RUN_END_NO_DESCRIPTORS);
        return;
    }
    loop_queue(queue->loop, &relay->source);
}

void relay_tcp_superseded(struct relay_tcp *relay)
{
    relay_end(relay, RUN_END_RESET_BY_PROGRAM);
}

/* ---- The end of a run ----------------------------------------------------------------------- */

void relay_tcp_end_all(struct queue *queue)
{
    struct list_node *next;

    for (struct list_node *at = list_first(&queue->tcp_relays); at != NULL; at = next) {
        struct relay_tcp *relay = CONTAINER_OF(at, struct relay_tcp, all);

        next = list_next(&queue->tcp_relays, at);
        if (relay->is_held) {
            answer_held(queue, relay->id, RUN_END_TIMED_OUT);
            relay->id = 0;
        }
        /* The program ended this direction in order, so the far end gets it so. */
        if (relay->state == RELAY_TCP_OPEN && relay->stack_ended && relay->fd >= 0) {
            loop_forget_closing(queue->loop, &relay->source);
            close(relay->fd);
            relay->fd = -1;
        }
        relay_end(relay, RUN_END_RUN_ENDED);
    }
}
