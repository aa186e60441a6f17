/* SPDX-License-Identifier: MIT */
/*
 * run/spread_move.c: see run/spread.h: a connection's way from the first thread to a helper, and
 * what each of them knows of it.
 */
#include <stdlib.h>
#include <string.h>

#include "run/inside.h"
#include "run/relay_tcp.h"
#include "run/spread_parts.h"

#define RETRY_NS   (250 * NS_PER_US)
#define GIVE_UP_NS (20 * NS_PER_MS)
#define STAY_NS    (2 * NS_PER_S)
#define KEEP_NS    (120 * NS_PER_S) /* TIME-WAIT, and a FIN that goes again */
#define TAIL_NS    NS_PER_S
#define DETACH_NS  (500 * NS_PER_MS)

/* A connection that has gone to a helper. */
struct moved {
    struct list_node first;  /* spread.moved; the first thread's, as all but what is said */
    struct list_node second; /* helper->helped; the helper's */
    struct parcel parcel;    /* on its way to one of them */
    struct parcel parting;   /* to the helper: its ends are another connection's */
    struct berth_endpoint program;
    struct berth_endpoint peer;
    struct queue *helper;
    struct relay_tcp *relay; /* NULL: it is over */
    enum run_end end;        /* the helper's, as the next: how it was */
    bool is_ended;
    uint64_t ended_ns;
    bool is_forgotten; /* by the first thread, which says so to the helper: atomically */
    struct berth_tcp_exported exported;
};

/* HELPER looks in a while whether it has nothing left. */
static void rest_later(struct queue *helper)
{
    struct loop *loop = helper->loop;

    loop_timer_clear(loop, &helper->detach_timer);
    loop_timer_set(loop, &helper->detach_timer, loop->now_ns + DETACH_NS);
}

/* ---- Who knows of it ------------------------------------------------------------------------ */

static struct list *chain_of(struct spread_table *table, const struct run *run,
                             const struct berth_endpoint *program,
                             const struct berth_endpoint *peer)
{
    uint8_t key[2 * (sizeof program->address.bytes + sizeof program->port)];
    size_t half = sizeof key / 2;

    memcpy(key, program->address.bytes, sizeof program->address.bytes);
    memcpy(key + sizeof program->address.bytes, &program->port, sizeof program->port);
    memcpy(key + half, peer->address.bytes, sizeof peer->address.bytes);
    memcpy(key + half + sizeof peer->address.bytes, &peer->port, sizeof peer->port);
    return &table->chains[hash_keyed(&run->steer_key, key, sizeof key) % SPREAD_CHAINS];
}

static bool is_same(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
    return a->port == b->port && berth_address_is_equal(&a->address, &b->address);
}

static bool is_between(const struct moved *moved, const struct berth_endpoint *program,
                       const struct berth_endpoint *peer)
{
    return is_same(&moved->program, program) && is_same(&moved->peer, peer);
}

static struct moved *find_first(const struct run *run, const struct berth_endpoint *program,
                                const struct berth_endpoint *peer)
{
    struct list *chain = chain_of((struct spread_table *)&run->spread.moved, run, program, peer);

    for (struct list_node *at = list_first(chain); at != NULL; at = list_next(chain, at)) {
        struct moved *moved = CONTAINER_OF(at, struct moved, first);

        if (is_between(moved, program, peer)) {
            return moved;
        }
    }
    return NULL;
}

static struct moved *find_second(const struct queue *helper, const struct berth_endpoint *program,
                                 const struct berth_endpoint *peer)
{
    struct list *chain = chain_of(helper->helped, helper->run, program, peer);

    for (struct list_node *at = list_first(chain); at != NULL; at = list_next(chain, at)) {
        struct moved *moved = CONTAINER_OF(at, struct moved, second);

        if (is_between(moved, program, peer) &&
            !__atomic_load_n(&moved->is_forgotten, __ATOMIC_ACQUIRE)) {
            return moved;
        }
    }
    return NULL;
}

/* The helper forgets it too: nobody knows of it any more. */
static void deliver_forget(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct moved *moved = CONTAINER_OF(parcel, struct moved, parcel);

    (void)to;
    (void)is_over;
    list_remove(&moved->second);
    free(moved);
}

static void forget(struct run *run, struct moved *moved)
{
    if (list_has(&moved->first)) {
        list_remove(&moved->first);
        run->spread.moved.count--;
    }
    __atomic_store_n(&moved->is_forgotten, true, __ATOMIC_RELEASE);
    if (moved->relay == NULL) {
        moved->parcel.deliver = deliver_forget;
        queue_post(moved->helper, &moved->parcel);
    }
}

/* Closed in order, and lately: the helper's stack may still deliver the last of it. */
static bool may_have_tail(const struct run *run, const struct moved *moved)
{
    return moved->end == RUN_END_CLOSED && run->guard->loop->now_ns - moved->ended_ns < TAIL_NS;
}

bool spread_may_connect(struct run *run, const struct berth_endpoint *program,
                        const struct berth_endpoint *peer)
{
    struct moved *moved = run->spread.moved.count > 0 ? find_first(run, program, peer) : NULL;

    if (moved != NULL && (moved->relay != NULL || may_have_tail(run, moved))) {
        return false;
    }
    if (moved != NULL) {
        forget(run, moved);
    }
    return true;
}

/* The program's kernel has forgotten it, and cannot say so any more. */
static void deliver_parting(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct moved *moved = CONTAINER_OF(parcel, struct moved, parting);

    (void)to;
    if (!is_over && !moved->is_ended) {
        relay_tcp_superseded(moved->relay);
    }
}

/* A SYN of the program's has the ends of MOVED. */
static void begin_anew(struct run *run, struct moved *moved)
{
    if (moved->relay != NULL) {
        moved->parting.deliver = deliver_parting;
        queue_post(moved->helper, &moved->parting);
    }
    forget(run, moved);
}

void spread_sweep(struct run *run)
{
    struct spread_table *table = &run->spread.moved;
    uint64_t now = run->guard->loop->now_ns;

    for (size_t i = 0; i < SPREAD_CHAINS; i++) {
        struct list_node *next;

        for (struct list_node *at = list_first(&table->chains[i]); at != NULL; at = next) {
            struct moved *moved = CONTAINER_OF(at, struct moved, first);

            next = list_next(&table->chains[i], at);
            if (moved->relay == NULL && now - moved->ended_ns >= KEEP_NS) {
                forget(run, moved);
            }
        }
    }
}

void spread_done(struct run *run)
{
    for (size_t i = 0; i < SPREAD_CHAINS; i++) {
        struct list_node *node;

        while ((node = list_first(&run->spread.moved.chains[i])) != NULL) {
            forget(run, CONTAINER_OF(node, struct moved, first));
        }
    }
}

struct queue *spread_steer(struct queue *from, const struct steer_segment *segment)
{
    struct run *run = from->run;
    struct moved *moved;

    if (from->helped != NULL) {
        moved = find_second(from, &segment->from, &segment->to);
        if (moved != NULL && segment->opens) {
            list_remove(&moved->second);
        }
        return moved != NULL && !segment->opens ? from : run->guard;
    }
    moved = run->spread.moved.count > 0 ? find_first(run, &segment->from, &segment->to) : NULL;
    if (moved != NULL && segment->opens) {
        begin_anew(run, moved);
    }
    return moved != NULL && !segment->opens ? moved->helper : from;
}

void spread_leave_living(struct run *run,
                         bool (*is_left)(struct run *run, const struct relay_tcp *relay))
{
    struct spread_table *table = &run->spread.moved;

    for (size_t i = 0; i < SPREAD_CHAINS; i++) {
        for (struct list_node *at = list_first(&table->chains[i]); at != NULL;
             at = list_next(&table->chains[i], at)) {
            struct moved *moved = CONTAINER_OF(at, struct moved, first);

            if (moved->relay != NULL) {
                __atomic_store_n(&moved->relay->is_left, is_left(run, moved->relay),
                                 __ATOMIC_RELAXED);
            }
        }
    }
}

/* ---- Its way -------------------------------------------------------------------------------- */

/* The first thread: RELAY's record is written, and RELAY is no more. */
static void deliver_ended(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct moved *moved = CONTAINER_OF(parcel, struct moved, parcel);
    struct run *run = to->run;

    (void)is_over;
    conversation_end(run, &moved->relay->conversation, moved->end);
    free(moved->relay);
    moved->relay = NULL;
    moved->ended_ns = to->loop->now_ns;
    if (moved->is_forgotten) {
        forget(run, moved);
    }
}

void spread_ended(struct relay_tcp *relay, enum run_end end)
{
    struct moved *moved = relay->moved;

    list_remove(&relay->all);
    if (list_is_empty(&relay->queue->tcp_relays)) {
        rest_later(relay->queue);
    }
    moved->end = end;
    moved->is_ended = true;
    moved->parcel.deliver = deliver_ended;
    queue_post(relay->queue->run->guard, &moved->parcel);
}

/* The helper takes it. */
static void deliver_move(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct moved *moved = CONTAINER_OF(parcel, struct moved, parcel);
    struct relay_tcp *relay = moved->relay;
    int result;

    list_add_last(chain_of(to->helped, to->run, &moved->program, &moved->peer), &moved->second);
    list_add_last(&to->tcp_relays, &relay->all);
    relay->queue = to;
    relay->moved = moved;
    if (is_over) {
        relay_tcp_moved(relay, false);
        return;
    }
    result = berth_tcp_import(to->berth, &moved->exported, &relay->user, &relay->id);
    relay_tcp_moved(relay, result == BERTH_OK);
}

void spread_choose(struct relay_tcp *relay, struct queue *to)
{
    struct run *run = to->run;
    struct loop *loop = run->guard->loop;

    relay->moves_to = to;
    relay->choice_ns = loop->now_ns + GIVE_UP_NS;
    list_add_last(&run->spread.chosen, &relay->choice);
    loop_timer_clear(loop, &run->spread.retry);
    loop_timer_set(loop, &run->spread.retry, loop->now_ns + RETRY_NS);
}

void spread_forget_choice(struct relay_tcp *relay)
{
    list_remove(&relay->choice);
    relay->moves_to = NULL;
}

/* It stays, for now; what was held back for it goes on. */
static void give_up(struct relay_tcp *relay)
{
    spread_forget_choice(relay);
    relay->stays_ns = relay->queue->loop->now_ns + STAY_NS;
    relay->host_has = true;
    loop_queue(relay->queue->loop, &relay->source);
}

/* Out of the first's stack, which alone knows the port that a client of the host's loopback got. */
static int take_out(const struct relay_tcp *relay, struct moved *moved)
{
    struct berth *berth = relay->queue->berth;
    struct berth_tcp_info info;
    int result = berth_tcp_info(berth, relay->id, &info);

    if (result < 0) {
        return result;
    }
    moved->program = info.remote;
    moved->peer = info.local;
    return berth_tcp_export(berth, relay->id, &moved->exported);
}

bool spread_try(struct relay_tcp *relay)
{
    struct queue *first = relay->queue;
    struct run *run = first->run;
    struct moved *moved = NULL;
    int result = BERTH_E_LIMIT;

    if (run->spread.moved.count < SPREAD_MOVED_MAX && !run->is_ending &&
        relay_tcp_may_move(relay)) {
        moved = calloc(1, sizeof *moved);
    }
    if (moved != NULL) {
        result = take_out(relay, moved);
    }
    if (result < 0) {
        free(moved);
        if (result != BERTH_E_AGAIN) {
            give_up(relay);
        }
        return false;
    }
    moved->relay = relay;
    moved->helper = relay->moves_to;
    moved->parcel.deliver = deliver_move;
    spread_forget_choice(relay);
    relay->id = 0;
    list_remove(&relay->all);
    loop_forget(first->loop, &relay->source);
    list_add_last(chain_of(&run->spread.moved, run, &moved->program, &moved->peer), &moved->first);
    run->spread.moved.count++;
    spread_watch_sweep(run);
    queue_post(moved->helper, &moved->parcel);
    return true;
}

void spread_retry(struct run *run)
{
    struct list *chosen = &run->spread.chosen;
    struct loop *loop = run->guard->loop;
    struct list_node *next;

    for (struct list_node *at = list_first(chosen); at != NULL; at = next) {
        struct relay_tcp *relay = CONTAINER_OF(at, struct relay_tcp, choice);

        next = list_next(chosen, at);
        if (!spread_try(relay) && relay->moves_to != NULL && loop->now_ns >= relay->choice_ns) {
            give_up(relay);
        }
    }
    if (!list_is_empty(chosen)) {
        loop_timer_set(loop, &run->spread.retry, loop->now_ns + RETRY_NS);
    }
}

/* ---- The helper's queue of the device ------------------------------------------------------- */

/* While it has relays nothing is looked at: the end of the last one begins anew. */
static void on_idle(struct loop_timer *timer)
{
    struct queue *helper = CONTAINER_OF(timer, struct queue, detach_timer);
    struct berth_stats stats;

    if (!list_is_empty(&helper->tcp_relays)) {
        return;
    }
    berth_stats(helper->berth, &stats);
    if (stats.tcp_connections > 0) {
        rest_later(helper);
        return;
    }
    helper->is_detached = link_tun_attach(link_fd(helper->link), false) == 0;
}

int spread_begin_helper(struct queue *queue)
{
    queue->helped = calloc(1, sizeof *queue->helped);
    if (queue->helped == NULL) {
        return -1;
    }
    spread_table_init(queue->helped);
    queue->detach_timer.on_time = on_idle;
    queue->is_detached = link_tun_attach(link_fd(queue->link), false) == 0;
    return queue->is_detached ? 0 : -1;
}

void spread_wake_device(struct queue *helper)
{
    if (link_tun_attach(link_fd(helper->link), true) < 0) {
        return; /* what is sent now is lost, and goes again */
    }
    helper->is_detached = false;
    helper->link_source.ready = EPOLLIN; /* it may have been read to its end before */
    rest_later(helper);
}
