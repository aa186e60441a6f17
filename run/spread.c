/* SPDX-License-Identifier: MIT */
/*
 * run/spread.c: see run/spread.h: when there is too much to do, what goes to whom, and who knows of
 * it. run/spread_move.c moves it.
 */
#include "run/spread.h"

#include <sched.h>

#include "run/inside.h"
#include "run/namespace.h"
#include "run/relay_tcp.h"
#include "run/spread_parts.h"

enum {
    THREADS_MAX = 4,
    BUSY_WINDOWS = 3,     /* of LOOK_NS each: then there is too much to do */
    WAITED_PART_MAX = 8,  /* of a window at most one in so many ns was waited */
    PICKED_PART_MIN = 64, /* whoever has moved less than this part of all stays */
};

#define LOOK_NS       (10 * NS_PER_MS)
#define REST_NS       (100 * NS_PER_MS) /* until what was chosen has had an effect */
#define BUSY_BYTES_NS 8 /* a byte every eight: 1 Gb/s; less is not a matter of bytes */
#define SWEEP_NS      (10 * NS_PER_S)

/* ---- Setting up ----------------------------------------------------------------------------- */

bool spread_guard_device(int fd)
{
    int64_t user = namespace_nobody();

    return user >= 0 && link_tun_set_owner(fd, (uint32_t)user) == 0;
}

uint32_t spread_threads(const struct run_config *config)
{
    cpu_set_t processors;

    if (config->pcap_file != NULL || config->impairment != NULL || namespace_nobody() < 0 ||
        sched_getaffinity(0, sizeof processors, &processors) < 0) {
        return 1;
    }
    return min_u32((uint32_t)CPU_COUNT(&processors), THREADS_MAX);
}

static void on_retry(struct loop_timer *timer)
{
    spread_retry(CONTAINER_OF(timer, struct run, spread.retry));
}

static void on_sweep(struct loop_timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, spread.sweep);

    spread_sweep(run);
    if (run->spread.moved.count > 0) {
        loop_timer_set(run->guard->loop, timer, run->guard->loop->now_ns + SWEEP_NS);
    }
}

void spread_table_init(struct spread_table *table)
{
    table->count = 0;
    for (size_t i = 0; i < SPREAD_CHAINS; i++) {
        list_init(&table->chains[i]);
    }
}

void spread_init(struct run *run)
{
    struct spread *spread = &run->spread;

    spread_table_init(&spread->moved);
    list_init(&spread->chosen);
    list_init(&spread->picked);
    spread->retry.on_time = on_retry;
    spread->sweep.on_time = on_sweep;
}

void spread_watch_sweep(struct run *run)
{
    struct loop *loop = run->guard->loop;

    loop_timer_clear(loop, &run->spread.sweep);
    loop_timer_set(loop, &run->spread.sweep, loop->now_ns + SWEEP_NS);
}

/* ---- Who has too much to do ----------------------------------------------------------------- */

void spread_count(struct relay_tcp *relay, size_t bytes)
{
    struct queue *first = relay->queue;
    struct spread *spread = &first->run->spread;

    if (relay->moves_to != NULL || first->loop->now_ns < relay->stays_ns) {
        return;
    }
    if (!list_has(&relay->choice)) {
        list_add_last(&spread->picked, &relay->choice);
        relay->picked_bytes = 0;
    }
    relay->picked_bytes += bytes;
}

static void stop_picking(struct spread *spread)
{
    while (list_take_first(&spread->picked) != NULL) {
    }
    spread->is_picking = false;
}

static void begin_window(struct run *run, uint64_t in_ns)
{
    struct spread *spread = &run->spread;
    const struct queue *first = run->guard;

    spread->begun_ns = first->loop->now_ns;
    spread->look_ns = spread->begun_ns + in_ns;
    spread->waited_ns = first->loop->waited_ns;
    for (uint32_t i = 0; i < run->thread_count; i++) {
        struct queue *queue = run->queues[i];

        queue->moved_before = __atomic_load_n(&queue->moved_bytes, __ATOMIC_RELAXED);
    }
}

/* In this window so far. */
static uint64_t moved_by(const struct queue *queue)
{
    return __atomic_load_n(&queue->moved_bytes, __ATOMIC_RELAXED) - queue->moved_before;
}

/* The helper that has moved the least. */
static struct queue *least(struct run *run, const uint64_t *moved)
{
    uint32_t found = 1;

    for (uint32_t i = 2; i < run->thread_count; i++) {
        found = moved[i] < moved[found] ? i : found;
    }
    return run->queues[found];
}

/* Of those that were picked, as many as make both even. */
static void choose(struct run *run)
{
    struct spread *spread = &run->spread;
    uint64_t moved[RUN_QUEUES_MAX] = {0};
    uint64_t small = moved_by(run->guard) / PICKED_PART_MIN;
    struct list_node *node;

    for (uint32_t i = 0; i < run->thread_count; i++) {
        moved[i] = moved_by(run->queues[i]);
    }
    while ((node = list_take_first(&spread->picked)) != NULL) {
        struct relay_tcp *relay = CONTAINER_OF(node, struct relay_tcp, choice);
        struct queue *to = least(run, moved);
        uint64_t bytes = relay->picked_bytes;

        if (bytes >= small && moved[0] >= moved[to->number] + 2 * bytes) {
            moved[0] -= bytes;
            moved[to->number] += bytes;
            spread_choose(relay, to);
        }
    }
}

/* The first thread has been busy in this window, with bytes. */
static bool is_busy(const struct run *run)
{
    const struct queue *first = run->guard;
    uint64_t window_ns = first->loop->now_ns - run->spread.begun_ns;
    uint64_t waited_ns = first->loop->waited_ns - run->spread.waited_ns;

    return waited_ns <= window_ns / WAITED_PART_MAX && moved_by(first) >= window_ns / BUSY_BYTES_NS;
}

void spread_look(struct run *run)
{
    struct spread *spread = &run->spread;
    uint64_t next_ns = LOOK_NS;

    if (!is_busy(run)) {
        spread->busy_windows = 0;
        stop_picking(spread);
    } else if (spread->is_picking) {
        choose(run);
        stop_picking(spread);
        spread->busy_windows = 0;
        next_ns = REST_NS;
    } else if (++spread->busy_windows >= BUSY_WINDOWS) {
        spread->is_picking = true;
    }
    begin_window(run, next_ns);
}
