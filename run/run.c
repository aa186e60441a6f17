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
    /* Taken from the link in one turn: so many packets, or about so many bytes, which are then
     * still in the processor's own cache when they are written on. Measured: half as much costs up
     * to half as much again, twice as much gains nothing. */
    RECEIVE_BATCH = 64,
    RECEIVE_PART = 8,
    RECEIVE_BYTES = 512 * 1024,
    FRAMES_BATCH = 32,
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

    berth_stats(run->berth, &stats);
    return stats.contacts_lost;
}

int run_exit_status(const struct run *run)
{
    return launch_exit_status(run->launch);
}

/* ---- The turn ------------------------------------------------------------------------------- */

static uint64_t bytes_in(const struct run *run)
{
    struct berth_stats stats;

    berth_stats(run->berth, &stats);
    return stats.bytes_in;
}

/* Packets in. Whether there may be more at once. */
static bool receive(struct run *run)
{
    uint64_t now = run->loop.now_ns;
    uint64_t enough = bytes_in(run) + RECEIVE_BYTES;
    int total = 0;
    int count;

    if (run->link_source.ready == 0 && link_next_ns(run->link) > now) {
        return false;
    }
    do {
        count = link_receive(run->link, run->berth, RECEIVE_PART, now);
        if (count == BERTH_E_CLOSED) {
            run->link_is_gone = true;
            run->link_source.ready = 0;
            return false;
        }
        total += count;
    } while (count == RECEIVE_PART && total < RECEIVE_BATCH && bytes_in(run) < enough);
    if (count < RECEIVE_PART && !link_is_starved(run->link)) {
        run->link_source.ready = 0;
    }
    return count == RECEIVE_PART || (total > 0 && link_is_starved(run->link));
}

static void transmit(struct run *run)
{
    struct berth_frame frames[FRAMES_BATCH];
    uint32_t count;

    while ((count = berth_transmit(run->berth, frames, FRAMES_BATCH, run->loop.now_ns)) > 0) {
        if (link_send(run->link, frames, count, run->loop.now_ns) == BERTH_E_CLOSED) {
            run->link_is_gone = true;
        }
    }
}

/* Is sending put off to the next turn? While there is more to read, the ACKs of many connections
 * would leave one for each segment or two: as with GRO, those of two turns go as one. What goes the
 * other way loses as much time as a turn takes. */
static bool may_hold(struct run *run, bool has_more)
{
    run->holds_back = has_more && !run->holds_back && run->turn_senders >= HOLD_SENDERS;
    run->turn_senders = 0;
    return run->holds_back;
}

static void turn(struct run *run, uint64_t until_ns)
{
    bool has_more;

    gate_look(run); /* what the last turn's calls have brought about */
    until_ns = min_u64(until_ns, min_u64(berth_deadline(run->berth), link_next_ns(run->link)));
    loop_wait(&run->loop, run->has_packets ? 0 : until_ns);
    has_more = receive(run);
    if (berth_deadline(run->berth) <= run->loop.now_ns) {
        berth_advance(run->berth, run->loop.now_ns);
    }
    gate_look(run);
    /* A starved link is tried again after the work of this turn, which may have freed buffers. */
    run->has_packets = has_more || (link_is_starved(run->link) && loop_has_work(&run->loop));
    loop_work(&run->loop);
    if (!may_hold(run, has_more)) {
        transmit(run);
    }
}

/* ---- A run ---------------------------------------------------------------------------------- */

static void deliver_rest(struct run *run)
{
    uint64_t begun = run->loop.now_ns;
    uint64_t last_ns = begun;
    uint64_t last_bytes = run->moved_bytes;

    turn(run, run->loop.now_ns); /* what the program's kernel had already sent */
    relay_tcp_leave_living(run);
    while (relay_tcp_has_rest(run) && !run->link_is_gone && !run->is_hurried &&
           run->loop.now_ns - begun < END_NS_MAX && run->loop.now_ns - last_ns < END_STILL_NS) {
        turn(run, run->loop.now_ns + END_STILL_NS / 32);
        if (run->moved_bytes != last_bytes) {
            last_bytes = run->moved_bytes;
            last_ns = run->loop.now_ns;
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
        turn(run, BERTH_NEVER);
    }
    deliver_rest(run);
    run_setup_end_conversations(run);
    transmit(run);
    conversation_tell_drops(run);
    return BERTH_OK;
}
