/* SPDX-License-Identifier: MIT */
/*
 * run/run.c: see run/run.h: the turn, and the end. run_setup.c makes the parts.
 *
 * The end of a run: the program has ended, its kernel still delivers what it wrote and closed, as
 * any kernel does for a program that has ended. So the turns go on until every connection that no
 * living process holds has told its end and the host's sockets have what it brought: at most
 * END_NS_MAX, END_STILL_NS without progress, and until a signal comes.
 */
#include "run/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/conversation.h"
#include "run/inside.h"
#include "run/relay_tcp.h"
#include "run/run_setup.h"

#define END_NS_MAX   (60 * NS_PER_S)
#define END_STILL_NS (2 * NS_PER_S)

enum {
    /* With so many connections sending in one turn, each has brought little of it. */
    HOLD_SENDERS = 4,
    SAY_BYTES = 1024,
};

/* ---- Words ---------------------------------------------------------------------------------- */

void run_say(const struct run *run, const char *format, ...)
{
    char line[SAY_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    run->config->say(line);
}

void run_say_exhausted(struct run *run)
{
    if (!run->has_said_exhausted) {
        run->has_said_exhausted = true;
        run_say(run, "no more files may be opened: connections are refused until others end "
                     "(ulimit -Hn)");
    }
}

/* ---- Addresses ------------------------------------------------------------------------------ */

const struct launch_network *run_network(const struct run *run, const struct berth_address *like)
{
    return berth_address_is_v4(like) ? &run->config->network : &run->config->network6;
}

bool run_is_gateway(const struct run *run, const struct berth_address *address)
{
    const struct launch_network *network = run_network(run, address);

    return network->is_on && berth_address_is_equal(address, &network->gateway);
}

bool run_is_resolver(const struct run *run, const struct berth_address *address)
{
    const struct run_config *config = run->config;

    return config->has_resolver &&
           berth_address_is_equal(address, berth_address_is_v4(address) ? &config->resolver
                                                                        : &config->resolver6);
}

struct berth_endpoint run_host_endpoint(const struct run *run, const struct berth_endpoint *peer)
{
    struct berth_endpoint host = *peer;

    if (run_is_gateway(run, &peer->address)) {
        host.address = berth_address_is_v4(&peer->address)
                           ? berth_address_v4(UINT32_C(0x7f000001))
                           : (struct berth_address){.bytes = {[15] = 1}};
    }
    return host;
}

/* ---- What it knows -------------------------------------------------------------------------- */

const struct tally *run_tally(const struct run *run)
{
    return &run->tally;
}

const struct answers *run_answers(const struct run *run)
{
    return &run->answers;
}

uint64_t run_scan_count(const struct run *run)
{
    return run->scan_count;
}

const struct run_scan *run_scan_at(const struct run *run, uint64_t index)
{
    bool is_kept = index < run->scan_count && run->scan_count - index <= RUN_SCANS_MAX;

    return is_kept ? &run->scans[index % RUN_SCANS_MAX] : NULL;
}

void run_journal(struct run *run, json_t *line)
{
    int error = journal_write(&run->journal, line);

    if (error != 0) {
        run_say(run, "cannot write to the log '%s': %s; it ends here, the program goes on",
                run->journal.path, strerror(error));
    }
}

uint64_t run_refusals_lost(const struct run *run)
{
    struct berth_stats stats;

    berth_stats(run->guard->berth, &stats);
    return stats.contacts_lost;
}

int run_exit_status(const struct run *run)
{
    return launch_exit_status(run->launch);
}

/* ---- The turn ------------------------------------------------------------------------------- */

/* Is sending put off to the next turn? While there is more to read, the ACKs of many connections
 * would leave one for each segment or two: as with GRO, those of two turns go as one. What goes the
 * other way loses as much time as a turn takes. */
static bool may_hold(struct queue *queue, bool has_more)
{
    queue->holds_back = has_more && !queue->holds_back && queue->turn_senders >= HOLD_SENDERS;
    queue->turn_senders = 0;
    return queue->holds_back;
}

/* The stack of the guard's, where that is not QUEUE's own and is QUEUE's thread's to look after.
 * NULL: no such. */
static struct queue *other_stack(const struct queue *queue)
{
    struct queue *guard = queue->run->guard;

    return guard != queue && queue_is_with(guard, queue) ? guard : NULL;
}

/* While a run ends, each thread keeps what it has. */
static bool may_spread(const struct queue *queue)
{
    const struct run *run = queue->run;

    return queue->number == 0 && run->thread_count > run->queue_count && !run->is_ending;
}

static uint64_t look_before(struct queue *queue)
{
    uint64_t deadline;

    queue_lock(queue);
    gate_look(queue);
    deadline = berth_deadline(queue->berth);
    queue_unlock(queue);
    return deadline;
}

static void look_after(struct queue *queue)
{
    struct run *run = queue->run;

    queue_lock(queue);
    if (berth_deadline(queue->berth) <= run->now_ns) {
        berth_advance(queue->berth, run->now_ns);
    }
    gate_look(queue);
    queue_unlock(queue);
}

void run_turn(struct queue *queue, uint64_t until_ns)
{
    struct queue *other = other_stack(queue);
    struct loop *loop = queue->loop;
    bool has_more;

    gate_look(queue); /* what the last turn's calls have brought about */
    until_ns = min_u64(until_ns, min_u64(berth_deadline(queue->berth), link_next_ns(queue->link)));
    if (other != NULL) {
        until_ns = min_u64(until_ns, look_before(other));
    }
    loop_wait(loop, queue->has_packets ? 0 : until_ns);
    has_more = queue_receive(queue);
    if (berth_deadline(queue->berth) <= loop->now_ns) {
        berth_advance(queue->berth, loop->now_ns);
    }
    gate_look(queue);
    if (other != NULL) {
        look_after(other);
    }
    /* A starved link is tried again after the work of this turn, which may have freed buffers. */
    queue->has_packets = has_more || (link_is_starved(queue->link) && loop_has_work(loop));
    loop_work(loop);
    if (other != NULL) {
        queue_lock(other);
        queue_transmit(other);
        spare_look(&other->spare);
        queue_unlock(other);
    }
    if (!may_hold(queue, has_more)) {
        queue_transmit(queue);
    }
    spare_look(&queue->spare);
    if (may_spread(queue) && loop->now_ns >= queue->run->spread.look_ns) {
        spread_look(queue->run);
    }
}

/* ---- A run ---------------------------------------------------------------------------------- */

static bool has_rest(struct run *run)
{
    bool has = relay_tcp_has_rest(run->queues[0]) || relay_tcp_has_rest(run->guard);

    for (uint32_t i = 1; i < run->thread_count; i++) {
        has = has || __atomic_load_n(&run->queues[i]->has_rest, __ATOMIC_ACQUIRE);
    }
    return has;
}

static uint64_t moved_bytes(const struct run *run)
{
    uint64_t bytes = run->guard == run->queues[0] ? 0 : run->guard->moved_bytes;

    for (uint32_t i = 0; i < run->thread_count; i++) {
        bytes += __atomic_load_n(&run->queues[i]->moved_bytes, __ATOMIC_RELAXED);
    }
    return bytes;
}

static void deliver_rest(struct run *run)
{
    struct queue *first = run->queues[0];
    uint64_t begun = first->loop->now_ns;
    uint64_t last_ns = begun;
    uint64_t last_bytes = moved_bytes(run);

    run_turn(first, begun); /* what the program's kernel had already sent */
    relay_tcp_leave_living(run);
    queue_end(run);
    while (has_rest(run) && !first->link_is_gone && !run->is_hurried &&
           first->loop->now_ns - begun < END_NS_MAX &&
           first->loop->now_ns - last_ns < END_STILL_NS) {
        uint64_t moved;

        run_turn(first, first->loop->now_ns + END_STILL_NS / 32);
        moved = moved_bytes(run);
        if (moved != last_bytes) {
            last_bytes = moved;
            last_ns = first->loop->now_ns;
        }
    }
}

int run_go(struct run *run, struct launch_failure *failure)
{
    int result = launch_go(run->launch, failure);

    if (result < 0) {
        return result;
    }
    while (!run->is_ending) {
        run_turn(run->queues[0], BERTH_NEVER);
    }
    deliver_rest(run);
    queue_stop(run);
    run_setup_end_conversations(run);
    for (uint32_t i = 0; i < run->thread_count; i++) {
        queue_transmit(run->queues[i]);
    }
    queue_transmit(run->guard);
    conversation_tell_drops(run);
    return BERTH_OK;
}
