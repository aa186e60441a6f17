/* SPDX-License-Identifier: MIT */
/*
 * run/queue.c: see run/queue.h: the queues, their threads, and what one hands another.
 */
#include "run/queue.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run/inside.h"
#include "run/relay_tcp.h"
#include "run/spread.h"

enum {
    /* Taken from the link in one turn: so many packets, or about so many bytes, which are then
     * still in the processor's own cache when they are written on. Measured: half as much costs up
     * to half as much again, twice as much gains nothing. */
    RECEIVE_BATCH = 64,
    RECEIVE_PART = 8,
    RECEIVE_BYTES = 512 * 1024,
    FRAMES_BATCH = 32,
    /* Packets that one queue may have to take from others; what is more is lost, as at a device. */
    PACKET_PARCELS_MAX = 1024,
};

/* While a run ends, each thread looks so often whether it has anything left. */
#define LOOK_AT_REST_NS (50 * NS_PER_MS)

/* A packet that came in on another queue. */
struct packet_parcel {
    struct parcel parcel;
    struct berth_offload offload;
    uint32_t bytes;
    uint8_t data[];
};

/* ---- The lock ------------------------------------------------------------------------------- */

void gate_lock_take(struct gate_lock *lock)
{
    if (lock->is_on) {
        BERTH_CHECK(pthread_mutex_lock(&lock->mutex) == 0);
    }
}

void gate_lock_give(struct gate_lock *lock)
{
    if (lock->is_on) {
        BERTH_CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
    }
}

void queue_lock(struct queue *queue)
{
    struct run *run = queue->run;

    if (queue->helped != NULL) {
        return;
    }
    gate_lock_take(&run->lock);
    run->now_ns = max_u64(run->now_ns, queue->loop->now_ns);
}

void queue_unlock(struct queue *queue)
{
    if (queue->helped == NULL) {
        gate_lock_give(&queue->run->lock);
    }
}

bool queue_is_own(const struct queue *queue)
{
    return queue->run->queue_count == 1 || queue != queue->run->guard;
}

static void enter(struct loop *loop)
{
    queue_lock(CONTAINER_OF(loop, struct queue, own_loop));
}

static void leave(struct loop *loop)
{
    queue_unlock(CONTAINER_OF(loop, struct queue, own_loop));
}

/* ---- Making and ending ---------------------------------------------------------------------- */

struct queue *queue_new(struct run *run, uint32_t number, struct queue *with)
{
    struct queue *queue = calloc(1, sizeof *queue);

    if (queue == NULL) {
        return NULL;
    }
    queue->run = run;
    queue->number = number;
    queue->own_loop.fd = -1;
    queue->link_source.fd = -1;
    queue->wake_source.fd = -1;
    list_init(&queue->tcp_relays);
    list_init(&queue->parcels);
    for (size_t i = 0; i < QUEUE_HELD_CHAINS; i++) {
        list_init(&queue->tcp_held[i]);
    }
    if (with != NULL) {
        queue->loop = with->loop;
        queue->link = with->link;
        return queue;
    }
    queue->loop = &queue->own_loop;
    if (loop_init(queue->loop) < 0) {
        free(queue);
        return NULL;
    }
    queue->loop->enter = enter; /* without effect for a helper */
    queue->loop->leave = leave;
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL) {
        return;
    }
    spare_done(&queue->spare);
    if (queue->berth != NULL) {
        berth_done(queue->berth);
    }
    if (queue->memory != NULL) {
        (void)munmap(queue->memory, queue->memory_bytes);
    }
    if (queue->wake_source.fd >= 0) {
        close(queue->wake_source.fd);
    }
    if (queue->loop == &queue->own_loop) {
        link_free(queue->link);
    }
    loop_done(&queue->own_loop);
    free(queue->helped);
    free(queue);
}

/* ---- Parcels -------------------------------------------------------------------------------- */

void queue_post(struct queue *to, struct parcel *parcel)
{
    static const uint64_t one = 1;
    bool was_empty;

    gate_lock_take(&to->run->parcels_lock);
    was_empty = list_is_empty(&to->parcels);
    list_add_last(&to->parcels, &parcel->node);
    gate_lock_give(&to->run->parcels_lock);
    if (was_empty) {
        (void)!write(to->wake_source.fd, &one, sizeof one);
    }
}

static struct list_node *take_parcel(struct queue *queue)
{
    struct list_node *node;

    gate_lock_take(&queue->run->parcels_lock);
    node = list_take_first(&queue->parcels);
    gate_lock_give(&queue->run->parcels_lock);
    return node;
}

static void deliver_all(struct queue *queue, bool is_over)
{
    struct list_node *node;

    while ((node = take_parcel(queue)) != NULL) {
        struct parcel *parcel = CONTAINER_OF(node, struct parcel, node);

        parcel->deliver(queue, parcel, is_over);
    }
}

/* What packets have brought about is looked at before this turn's are sent. */
static void on_wake(struct loop_source *source)
{
    struct queue *queue = CONTAINER_OF(source, struct queue, wake_source);
    uint64_t count;

    source->ready = 0;
    (void)!read(source->fd, &count, sizeof count);
    deliver_all(queue, false);
    gate_look(queue);
}

void queue_drop_parcels(struct run *run)
{
    for (uint32_t i = run->thread_count; i-- > 0;) {
        deliver_all(run->queues[i], true);
    }
    if (run->guard != NULL) {
        deliver_all(run->guard, true);
    }
}

/* ---- Packets -------------------------------------------------------------------------------- */

static void count_lost(struct queue *to)
{
    (void)__atomic_add_fetch(&to->lost_packets, 1, __ATOMIC_RELAXED);
}

/* Without a free buffer the packet is lost and counted, as the device loses what waits too long. */
static void give_packet(struct queue *to, const struct berth_offload *offload, const uint8_t *data,
                        uint32_t bytes)
{
    struct berth_buffer *buffer = berth_buffer_get(to->berth);

    if (buffer == NULL || buffer->capacity - buffer->begin < bytes) {
        if (buffer != NULL) {
            berth_buffer_put(to->berth, buffer);
        }
        count_lost(to);
        return;
    }
    memcpy(buffer->data + buffer->begin, data, bytes);
    buffer->bytes = bytes;
    buffer->offload = *offload;
    berth_receive(to->berth, buffer, queue_is_own(to) ? to->loop->now_ns : to->run->now_ns);
}

static void post_packet(struct queue *to, struct packet_parcel *packet);

/* A helper gives the first thread what is not its own, which may be another helper's, or not yet
 * its own. */
static void deliver_packet(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct packet_parcel *packet = CONTAINER_OF(parcel, struct packet_parcel, parcel);
    bool is_first = to->run->queue_count == 1 && to == to->run->guard;
    struct queue *owner = is_first && !is_over ? steer_packet(to, packet->data, packet->bytes) : to;

    (void)__atomic_sub_fetch(&to->packet_parcels, 1, __ATOMIC_RELAXED);
    if (owner != to) {
        post_packet(owner, packet);
        return;
    }
    if (!is_over) {
        give_packet(to, &packet->offload, packet->data, packet->bytes);
    }
    free(packet);
}

/* PACKET is taken. */
static void post_packet(struct queue *to, struct packet_parcel *packet)
{
    uint32_t waiting = __atomic_add_fetch(&to->packet_parcels, 1, __ATOMIC_RELAXED);

    if (packet == NULL || waiting > PACKET_PARCELS_MAX) {
        (void)__atomic_sub_fetch(&to->packet_parcels, 1, __ATOMIC_RELAXED);
        count_lost(to);
        free(packet);
        return;
    }
    packet->parcel = (struct parcel){.deliver = deliver_packet};
    queue_post(to, &packet->parcel);
}

/* NULL: no memory. */
static struct packet_parcel *wrap_packet(const struct berth_buffer *buffer)
{
    struct packet_parcel *packet = malloc(sizeof *packet + buffer->bytes);

    if (packet != NULL) {
        packet->offload = buffer->offload;
        packet->bytes = buffer->bytes;
        memcpy(packet->data, buffer->data + buffer->begin, buffer->bytes);
    }
    return packet;
}

/* BUFFER, of FROM's pool, to the queue that it is for. */
static void hand_over(struct queue *from, struct queue *to, struct berth_buffer *buffer)
{
    queue_lock(from);
    if (queue_is_with(from, to)) {
        give_packet(to, &buffer->offload, buffer->data + buffer->begin, buffer->bytes);
    } else {
        post_packet(to, wrap_packet(buffer));
    }
    queue_unlock(from);
    berth_buffer_put(from->berth, buffer);
}

/* With helpers only where they have something. */
static bool needs_steering(const struct queue *queue)
{
    const struct run *run = queue->run;

    return run->queue_count > 1 || queue->helped != NULL || run->spread.moved.count > 0;
}

/* As link_receive, each packet to its queue. */
static int receive_part(struct queue *queue)
{
    struct berth_buffer *buffers[RECEIVE_PART];
    uint64_t now = queue->loop->now_ns;
    int count;

    if (!needs_steering(queue)) {
        return link_receive(queue->link, queue->berth, RECEIVE_PART, now);
    }
    count = link_read(queue->link, queue->berth, buffers, RECEIVE_PART, now);
    for (int i = 0; i < count; i++) {
        struct queue *to =
            steer_packet(queue, buffers[i]->data + buffers[i]->begin, buffers[i]->bytes);

        if (to == queue) {
            berth_receive(queue->berth, buffers[i], now);
        } else {
            hand_over(queue, to, buffers[i]);
        }
    }
    return count;
}

static uint64_t bytes_in(const struct queue *queue)
{
    struct berth_stats stats;

    berth_stats(queue->berth, &stats);
    return stats.bytes_in;
}

bool queue_receive(struct queue *queue)
{
    uint64_t enough = bytes_in(queue) + RECEIVE_BYTES;
    int total = 0;
    int count;

    if (queue->is_detached) {
        return false;
    }
    if (queue->link_source.ready == 0 && link_next_ns(queue->link) > queue->loop->now_ns) {
        return false;
    }
    do {
        count = receive_part(queue);
        if (count == BERTH_E_CLOSED) {
            queue->link_is_gone = true;
            queue->link_source.ready = 0;
            return false;
        }
        total += count;
    } while (count == RECEIVE_PART && total < RECEIVE_BATCH && bytes_in(queue) < enough);
    if (count < RECEIVE_PART && !link_is_starved(queue->link)) {
        queue->link_source.ready = 0;
    }
    return count == RECEIVE_PART || (total > 0 && link_is_starved(queue->link));
}

void queue_transmit(struct queue *queue)
{
    struct berth_frame frames[FRAMES_BATCH];
    uint64_t now = queue == queue->run->guard ? queue->run->now_ns : queue->loop->now_ns;
    uint32_t count;

    while ((count = berth_transmit(queue->berth, frames, FRAMES_BATCH, now)) > 0) {
        if (queue->is_detached) {
            spread_wake_device(queue);
        }
        if (!queue->is_detached && link_send(queue->link, frames, count, now) == BERTH_E_CLOSED) {
            queue->link_is_gone = true;
        }
    }
}

/* ---- Threads -------------------------------------------------------------------------------- */

/* So that it looks at what it is to do now. */
static void wake(struct queue *queue)
{
    static const uint64_t one = 1;

    (void)!write(queue->wake_source.fd, &one, sizeof one);
}

/* The first thread, which waits for that, is told. */
static void look_at_rest(struct queue *queue)
{
    bool has_rest = !queue->link_is_gone && relay_tcp_has_rest(queue);

    if (__atomic_exchange_n(&queue->has_rest, has_rest, __ATOMIC_ACQ_REL) && !has_rest) {
        wake(queue->run->queues[0]);
    }
}

static bool is_ending(const struct run *run)
{
    return __atomic_load_n(&run->threads_end, __ATOMIC_ACQUIRE);
}

static void *run_queue(void *context)
{
    struct queue *queue = context;
    struct run *run = queue->run;

    while (!__atomic_load_n(&run->threads_stop, __ATOMIC_ACQUIRE)) {
        run_turn(queue, is_ending(run) ? queue->loop->now_ns + LOOK_AT_REST_NS : BERTH_NEVER);
        if (is_ending(run)) { /* it may be what the turn was woken for */
            look_at_rest(queue);
        }
    }
    return NULL;
}

static int fail(struct launch_failure *failure, const char *what, int error)
{
    failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
    snprintf(failure->message, sizeof failure->message, "--queues: %s: %s", what, strerror(error));
    return BERTH_E_STATE;
}

static int open_wakeup(struct queue *queue)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    queue->wake_source.work = on_wake;
    if (fd < 0) {
        return -1;
    }
    if (loop_watch(queue->loop, &queue->wake_source, fd, EPOLLIN) < 0) {
        close(fd);
        return -1;
    }
    return 0;
}

static int make_lock(struct gate_lock *lock)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error == 0) {
        (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
        error = pthread_mutex_init(&lock->mutex, &attributes);
        (void)pthread_mutexattr_destroy(&attributes);
    }
    lock->is_on = error == 0;
    return error;
}

static void end_lock(struct gate_lock *lock)
{
    if (lock->is_on) {
        lock->is_on = false;
        (void)pthread_mutex_destroy(&lock->mutex);
    }
}

/* Signals are the first thread's. */
static int start_thread(struct queue *queue)
{
    sigset_t all;
    sigset_t before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&queue->thread, NULL, run_queue, queue);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    queue->has_thread = error == 0;
    return error;
}

/* The first queue's, where that is the guard, is watched with the others. */
static int open_wakeups(struct run *run)
{
    for (uint32_t i = 0; i < run->thread_count; i++) {
        if (open_wakeup(run->queues[i]) < 0) {
            return -1;
        }
    }
    return run->guard == run->queues[0] ? 0 : open_wakeup(run->guard);
}

int queue_start(struct run *run, struct launch_failure *failure)
{
    int error;

    if (run->thread_count == 1) {
        return BERTH_OK;
    }
    error = make_lock(&run->parcels_lock);
    if (error == 0 && run->queue_count > 1) {
        error = make_lock(&run->lock);
    }
    if (error != 0) {
        return fail(failure, "a lock", error);
    }
    if (open_wakeups(run) < 0) {
        return fail(failure, "a descriptor to wake it", errno);
    }
    for (uint32_t i = 1; i < run->thread_count; i++) {
        error = start_thread(run->queues[i]);
        if (error != 0) {
            return fail(failure, "a thread", error);
        }
    }
    return BERTH_OK;
}

void queue_end(struct run *run)
{
    for (uint32_t i = 1; i < run->thread_count; i++) {
        __atomic_store_n(&run->queues[i]->has_rest, true, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&run->threads_end, true, __ATOMIC_RELEASE);
    for (uint32_t i = 1; i < run->thread_count; i++) {
        wake(run->queues[i]);
    }
}

void queue_stop(struct run *run)
{
    __atomic_store_n(&run->threads_stop, true, __ATOMIC_RELEASE);
    for (uint32_t i = 1; i < run->thread_count; i++) {
        struct queue *queue = run->queues[i];

        if (queue != NULL && queue->has_thread) {
            wake(queue);
            (void)pthread_join(queue->thread, NULL);
            queue->has_thread = false;
        }
    }
    end_lock(&run->lock);
    end_lock(&run->parcels_lock);
}
