/* SPDX-License-Identifier: MIT */
/*
 * sim/flow.c: flows and their ends, and what the oracle demands of each: every byte once and in
 * order, nothing after the end, the right end for both.
 *
 *   an end      event                                next         by
 *   -           flow_start, or accepted              opening      opening.c
 *   opening     CONNECTED                            open         end_on_event
 *   open        all written                          shut         finish_writing
 *   open, shut  the end of the peer's stream read    ended        on_end_of_stream
 *   shut+ended  (PLAN_SEE_CLOSED: CLOSED seen)       done         maybe_leave
 *   any         error                                done         on_error: right only if may_break
 */
#include "sim/world.h"

#include <inttypes.h>
#include <string.h>

#include "sim/draw.h"
#include "sim/stream.h"

#define CALLS_MAX     1000000 /* reads or writes of one event: more is a stack without an end */
#define SCRATCH_BYTES 131072
#define VIEWS_MAX     4

struct end *end_peer(struct end *end)
{
    return &end->flow->ends[end == &end->flow->ends[0] ? 1 : 0];
}

void end_fail(struct world *world, const struct end *end, const char *what, int error)
{
    world_fail(world, "flow %" PRIu32 " at host %c: %s (%s), sent %" PRIu64 ", received %" PRIu64,
               end->flow->index, end->host->name, what, error == 0 ? "-" : berth_error_text(error),
               end->result.sent, end->result.received);
}

/* ---- Beginning and end
 * ------------------------------------------------------------------------------- */

void flow_init(struct world *world, struct flow *flow, uint32_t index)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    flow->plan = &world->plan.flows[index];
    flow->index = index;
    flow->timer.kind = TIMER_FLOW;
    for (unsigned i = 0; i < 2; i++) {
        struct end *end = &flow->ends[i];
        uint64_t own = stream_mix(world->config->seed, 2 * (uint64_t)index + i);

        end->object.kind = OBJECT_END;
        end->flow = flow;
        end->plan = &flow->plan->ends[i];
        end->host = &world->hosts[2 * (index % world->plan.pairs) + i];
        end->timer.kind = TIMER_END;
        end->key_out = own;
        end->key_in = stream_mix(world->config->seed, 2 * (uint64_t)index + 1 - i);
        end->to_send = end->plan->bytes;
        end->to_receive = flow->plan->ends[1 - i].bytes;
        memcpy(seed, &own, sizeof own);
        random_init(&end->random, seed, "sim-end");
    }
    timer_set(&world->timers, &flow->timer, flow->plan->start_ns);
}

bool flow_is_done(const struct flow *flow)
{
    bool a = flow->ends[0].is_done;
    bool b = flow->ends[1].is_done;

    /* The end that would have accepted may never have been told of a connection that broke. */
    if (flow->plan->may_break) {
        return flow->has_started && !flow->waits && (a || flow->ends[0].id == 0) &&
               (b || flow->ends[1].id == 0);
    }
    return a && b;
}

static void note_done(struct world *world, struct end *end)
{
    end->id = 0;
    end->is_open = false;
    end->is_done = true;
    if (timer_is_set(&end->timer)) {
        timer_clear(&world->timers, &end->timer);
        world->timers_set--;
    }
    world_progress(world);
    if (world->config->time_ns == 0) {
        end->flow->end_ns = world->now_ns;
    }
}

/* The figures so far: after the end the stack keeps a smaller record, without them. */
static void note_figures(struct end *end)
{
    struct sim_end_result *result = &end->result;
    struct berth_tcp_info info;

    if (berth_tcp_info(end->host->berth, end->id, &info) == 0) {
        result->retransmissions = max_u32(result->retransmissions, info.retransmissions);
        result->bytes_retransmitted =
            max_u64(result->bytes_retransmitted, info.bytes_retransmitted);
        result->timeouts = max_u32(result->timeouts, info.timeouts);
        result->fast_recoveries = max_u32(result->fast_recoveries, info.fast_recoveries);
    }
}

/* Gives the connection back: in order, or with a RST. */
static void leave(struct world *world, struct end *end, bool abort)
{
    int result;

    note_figures(end);
    result = abort ? berth_tcp_abort(end->host->berth, end->id)
                   : berth_tcp_close(end->host->berth, end->id);
    if (result < 0) {
        end_fail(world, end, "cannot be given back", result);
    }
    note_done(world, end);
}

/* Is ERROR right where limits are small: the far side had no place for the connection? */
static bool had_no_place(const struct world *world, struct end *end, int error)
{
    const struct end *peer = end_peer(end);
    bool was_accepted = peer->id != 0 || peer->is_done;

    return world->plan.is_scarce && !was_accepted &&
           (error == BERTH_E_TIMED_OUT || error == BERTH_E_RESET || error == BERTH_E_REFUSED);
}

/* END's peer is gone without a word: it would wait for ever. */
static void ask_after_peer(struct world *world, struct end *end)
{
    int result = 0;

    if (end->id != 0) {
        result |= berth_tcp_set(end->host->berth, end->id, BERTH_TCP_KEEPALIVE, 1);
        result |=
            berth_tcp_set(end->host->berth, end->id, BERTH_TCP_KEEPALIVE_IDLE_NS, 20 * NS_PER_S);
    }
    if (result != 0) {
        end_fail(world, end, "keep-alive cannot be set", result);
    }
}

static void on_error(struct world *world, struct end *end, int error)
{
    /* Of the few SYNs most may have met the time when the path was down, and the rest bad luck. */
    bool was_down = world->plan.down_from_ns != PLAN_NEVER || world->plan.has_outage;
    bool may_time_out =
        (world->plan.may_time_out || (was_down && !end->is_open)) && error == BERTH_E_TIMED_OUT;

    may_time_out |= had_no_place(world, end, error);
    /* Its peer had given the connection back, and then gave up what was still under way. */
    may_time_out |= world->plan.may_time_out && end_peer(end)->is_done && error == BERTH_E_RESET;

    end->result.error = error;
    if (error == BERTH_E_STALE || !(end->flow->plan->may_break || may_time_out)) {
        end_fail(world, end, "the connection broke", error);
        return;
    }
    if (may_time_out) {
        ((struct plan_flow *)end->flow->plan)->may_break = true;
        ask_after_peer(world, end_peer(end));
    }
    leave(world, end, false);
}

/* ---- Ending in order ------------------------------------------------------------------------- */

static bool maybe_abort(struct world *world, struct end *end)
{
    if (end->result.sent + end->result.received < end->plan->abort_at) {
        return false;
    }
    end->result.error = BERTH_E_ABORTED;
    leave(world, end, true);
    return true;
}

static void maybe_leave(struct world *world, struct end *end)
{
    if (end->id == 0 || !end->has_shut || !end->has_ended) {
        return;
    }
    if (end->plan->close != PLAN_SEE_CLOSED || end->saw_closed) {
        leave(world, end, false);
    }
}

/* Everything is written, and (PLAN_LAST) the peer's end was read. */
static void finish_writing(struct world *world, struct end *end)
{
    int result;

    if (end->has_shut || end->result.sent < end->to_send ||
        (end->plan->close == PLAN_LAST && !end->has_ended)) {
        return;
    }
    if (end->plan->close == PLAN_CLOSE && !end->is_open) {
        return; /* before it is open a close forgets what was written (RFC 9293 3.10.4) */
    }
    end->has_shut = true;
    world_progress(world);
    if (end->plan->close == PLAN_CLOSE) {
        end->has_ended = true;
        leave(world, end, false);
        return;
    }
    result = berth_tcp_shutdown(end->host->berth, end->id);
    if (result < 0) {
        on_error(world, end, result);
        return;
    }
    maybe_leave(world, end);
}

static void on_end_of_stream(struct world *world, struct end *end)
{
    if (end->result.received < end->to_receive) {
        end_fail(world, end, "the stream ends early", 0);
        return;
    }
    if (!end->has_ended) {
        end->has_ended = true;
        world_progress(world);
        finish_writing(world, end);
        maybe_leave(world, end);
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void pause_for(struct world *world, struct end *end, uint64_t *resume_ns, uint64_t for_ns)
{
    *resume_ns = world->now_ns + for_ns;
    if (!timer_is_set(&end->timer)) {
        world->timers_set++;
        timer_set(&world->timers, &end->timer, *resume_ns);
    } else if (timer_is_later(&end->timer, *resume_ns)) {
        timer_set(&world->timers, &end->timer, *resume_ns);
    }
}

static bool happens(struct end *end, uint32_t ppm)
{
    return ppm > 0 && random_below(&end->random, 1000000) < ppm;
}

static void verify(struct world *world, struct end *end, const void *data, size_t bytes)
{
    size_t right = stream_match(end->key_in, end->result.received, data, bytes);

    end->result.received += right;
    if (right < bytes) {
        end_fail(world, end, "a byte is not the one that was sent", 0);
    } else if (end->result.received > end->to_receive) {
        end_fail(world, end, "more bytes than were sent", 0);
    }
}

static int read_copied(struct world *world, struct end *end, size_t want, size_t *got)
{
    static uint8_t scratch[SCRATCH_BYTES];
    int result = berth_tcp_read(end->host->berth, end->id, scratch, want, got);

    if (result == 0) {
        verify(world, end, scratch, *got);
    }
    return result;
}

static int read_in_place(struct world *world, struct end *end, size_t want, size_t *got)
{
    struct berth_view views[VIEWS_MAX];
    uint32_t count;
    int result = berth_tcp_peek(end->host->berth, end->id, views, VIEWS_MAX, &count);

    if (result < 0) {
        return result;
    }
    *got = 0;
    for (uint32_t i = 0; i < count && want > 0; i++) {
        size_t part = min_size(views[i].bytes, want);

        verify(world, end, views[i].data, part);
        want -= part;
        *got += part;
    }
    return *got == 0 ? 0 : berth_tcp_consume(end->host->berth, end->id, *got);
}

/* One read; false: no more now. */
static bool read_once(struct world *world, struct end *end)
{
    size_t want = (size_t)draw_between(&end->random, 1, end->plan->read_max);
    size_t got = 0;
    int result = end->plan->in_place ? read_in_place(world, end, want, &got)
                                     : read_copied(world, end, want, &got);

    if (result == BERTH_E_AGAIN || world_has_failed(world)) {
        return false;
    }
    if (result < 0) {
        on_error(world, end, result);
        return false;
    }
    if (got == 0) {
        on_end_of_stream(world, end);
        return false;
    }
    world_progress(world);
    if (maybe_abort(world, end)) {
        return false;
    }
    if (happens(end, end->plan->read_pause_ppm)) {
        pause_for(world, end, &end->read_resume_ns,
                  draw_between(&end->random, 1, end->plan->pause_max_ns));
        return false;
    }
    return true;
}

static void read_all(struct world *world, struct end *end)
{
    unsigned calls = 0;

    while (end->id != 0 && !end->has_ended && world->now_ns >= end->read_resume_ns) {
        if (!read_once(world, end)) {
            return;
        }
        if (++calls > CALLS_MAX) {
            end_fail(world, end, "there is no end of reading", 0);
            return;
        }
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int write_copied(struct end *end, size_t want, size_t *taken)
{
    static uint8_t scratch[SCRATCH_BYTES];

    stream_fill(end->key_out, end->result.sent, scratch, want);
    return berth_tcp_write(end->host->berth, end->id, scratch, want, taken);
}

static int write_in_place(struct end *end, size_t want, size_t *taken)
{
    struct berth_view views[VIEWS_MAX];
    uint32_t count;
    int result = berth_tcp_reserve(end->host->berth, end->id, want, views, VIEWS_MAX, &count);

    if (result < 0) {
        return result;
    }
    *taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        stream_fill(end->key_out, end->result.sent + *taken, views[i].data, views[i].bytes);
        *taken += views[i].bytes;
    }
    if (*taken > 1 && happens(end, 100000)) {
        *taken = (size_t)draw_between(&end->random, 1, *taken); /* the rest is forgotten */
    }
    return berth_tcp_commit(end->host->berth, end->id, *taken);
}

/* One write; false: no more now. */
static bool write_once(struct world *world, struct end *end)
{
    uint64_t left = end->to_send - end->result.sent;
    size_t want = (size_t)draw_between(&end->random, 1, min_u64(left, end->plan->write_max));
    size_t taken = 0;
    int result =
        end->plan->in_place ? write_in_place(end, want, &taken) : write_copied(end, want, &taken);

    if (result == BERTH_E_AGAIN) {
        return false;
    }
    if (result < 0) {
        on_error(world, end, result);
        return false;
    }
    if (taken == 0 || taken > want) {
        end_fail(world, end, "a write took nothing, or too much", 0);
        return false;
    }
    end->result.sent += taken;
    world_progress(world);
    if (maybe_abort(world, end)) {
        return false;
    }
    if (end->result.sent >= end->plan->sleep_at && !end->has_slept) {
        end->has_slept = true;
        pause_for(world, end, &end->write_resume_ns, end->plan->sleep_ns);
        return false;
    }
    if (happens(end, end->plan->write_pause_ppm)) {
        pause_for(world, end, &end->write_resume_ns,
                  draw_between(&end->random, 1, end->plan->pause_max_ns));
        return false;
    }
    return true;
}

static void write_all(struct world *world, struct end *end)
{
    while (end->id != 0 && !end->has_shut && world->now_ns >= end->write_resume_ns) {
        if (end->result.sent == end->to_send) {
            finish_writing(world, end);
            return;
        }
        if (!write_once(world, end)) {
            return;
        }
    }
}

/* ---- What happens to an end ------------------------------------------------------------------ */

void end_begin(struct world *world, struct end *end)
{
    end->is_open = true;
    world_progress(world);
    if (!maybe_abort(world, end)) {
        write_all(world, end);
        read_all(world, end);
    }
}

void end_hold(struct world *world, struct end *end, uint64_t for_ns)
{
    pause_for(world, end, &end->write_resume_ns, for_ns);
}

void end_moved(struct world *world, struct end *end)
{
    if (!end->is_open) {
        end_begin(world, end);
    } else {
        write_all(world, end);
        read_all(world, end);
    }
    maybe_leave(world, end);
}

void end_write_early(struct world *world, struct end *end)
{
    if (end->to_send > 0 && !end->flow->plan->may_break) {
        (void)write_once(world, end);
    }
}

void end_on_event(struct world *world, struct host *host, struct end *end,
                  const struct berth_event *event)
{
    if (event->id != end->id || host != end->host) {
        end_fail(world, end, "an event of a connection that was given back", 0);
        return;
    }
    note_figures(end);
    if ((event->bits & BERTH_EVENT_CLOSED) != 0) {
        end->saw_closed = true;
        world_progress(world);
        if (event->error != 0) {
            on_error(world, end, event->error);
            return;
        }
    }
    if ((event->bits & BERTH_EVENT_CONNECTED) != 0 && !end->is_open) {
        end_begin(world, end);
    }
    if ((event->bits & BERTH_EVENT_WRITABLE) != 0) {
        write_all(world, end);
    }
    if ((event->bits & (BERTH_EVENT_READABLE | BERTH_EVENT_PEER_CLOSED)) != 0) {
        read_all(world, end);
    }
    maybe_leave(world, end);
}

void flow_count_from(const struct world *world, struct flow *flow)
{
    flow->from_ns = world->now_ns;
    for (unsigned i = 0; i < 2; i++) {
        flow->ends[i].uncounted = flow->ends[i].result.received;
    }
}

void flow_stop(struct world *world, struct flow *flow)
{
    flow->end_ns = world->now_ns;
    for (unsigned i = 0; i < 2; i++) {
        struct end *end = &flow->ends[i];

        note_figures(end);
        end->result.counted = end->result.received - end->uncounted;
        end->to_send = end->result.sent;
        end_peer(end)->to_receive = end->result.sent;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (flow->ends[i].is_open) {
            write_all(world, &flow->ends[i]);
        }
    }
}

void end_on_timer(struct world *world, struct end *end)
{
    uint64_t later_ns = max_u64(end->read_resume_ns, end->write_resume_ns);

    world->timers_set--;
    world_progress(world);
    if (later_ns > world->now_ns) {
        world->timers_set++;
        timer_set(&world->timers, &end->timer, later_ns);
    }
    write_all(world, end);
    read_all(world, end);
    maybe_leave(world, end);
    world_check(world, end->host);
}
