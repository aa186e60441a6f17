/* SPDX-License-Identifier: MIT */
/*
 * sim/world.c: the clock of a run. Each step lets everybody do what is due, then time moves to the
 * next thing that is.
 */
#include "sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stack/stack.h"

#define STUCK_NS       (15 * 60 * NS_PER_S)
#define QUIET_NS       (3600 * NS_PER_S) /* given to the stacks to come to rest at the end */
#define SPINS_MAX      10000
#define STEPS_PER_FLOW 200000
#define BYTES_PER_STEP 1 /* at worst: a byte a segment, and its acknowledgement */

void world_fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    char what[SIM_FAILURE_TEXT - 32];

    if (world_has_failed(world)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    (void)snprintf(world->failure, sizeof world->failure, "at %" PRIu64 ".%09" PRIu64 " s: %s",
                   world->now_ns / NS_PER_S, world->now_ns % NS_PER_S, what);
}

void world_check(struct world *world, const struct host *host)
{
    uint64_t every = world->plan.checks_every;

    if (every > 0 && world->checks++ % every == 0) {
        stack_check(host->berth);
    }
}

/* ---- Time ------------------------------------------------------------------------------------ */

static uint64_t next_ns(const struct world *world)
{
    uint64_t next = min_u64(timers_next(&world->timers), network_next_ns(&world->network));

    next = min_u64(next, twins_next_ns(world));
    for (uint32_t i = 0; i < world->host_count; i++) {
        next = min_u64(next, host_next_ns(&world->hosts[i]));
    }
    return next;
}

static void on_timer(struct world *world, struct timer *timer)
{
    switch ((enum timer_kind)timer->kind) {
    case TIMER_FLOW:
        flow_start(world, CONTAINER_OF(timer, struct flow, timer));
        break;
    case TIMER_END:
        end_on_timer(world, CONTAINER_OF(timer, struct end, timer));
        break;
    case TIMER_DATAGRAMS:
        datagrams_on_timer(world);
        break;
    case TIMER_INTRUDER:
        intruder_on_timer(world);
        break;
    case TIMER_GUESSER:
        guesser_on_timer(world);
        break;
    case TIMER_TWINS:
        twins_on_timer(world);
        break;
    case TIMER_FROM:
        for (uint32_t i = 0; i < world->plan.flow_count; i++) {
            flow_count_from(world, &world->flows[i]);
        }
        break;
    case TIMER_STOP:
        for (uint32_t i = 0; i < world->plan.flow_count; i++) {
            flow_stop(world, &world->flows[i]);
        }
        break;
    }
}

/* Everything that is due now. true: there was something. */
static bool step(struct world *world)
{
    struct timer *timer = timers_expire(&world->timers, world->now_ns);
    bool is_woken = timer != NULL; /* then hosts may have work that no deadline tells of */
    bool any = is_woken;

    while (timer != NULL && !world_has_failed(world)) {
        on_timer(world, timer);
        timer = timers_expire(&world->timers, world->now_ns);
    }
    network_advance(&world->network, world->now_ns);
    twins_advance(world);
    for (uint32_t i = 0; i < world->host_count && !world_has_failed(world); i++) {
        struct host *host = &world->hosts[i];

        if (is_woken || host_next_ns(host) <= world->now_ns) {
            any |= host_turn(world, host);
        }
    }
    world->steps++;
    return any;
}

static void sample_plot(struct world *world)
{
    struct end *end = &world->flows[0].ends[0];
    struct berth_tcp_info info;

    if (world->trace.plot != NULL && end->id != 0 &&
        berth_tcp_info(end->host->berth, end->id, &info) == 0) {
        plot_on_info(&world->plot, &info, world->now_ns);
    }
}

/* ---- The oracle's patience ------------------------------------------------------------------- */

static uint64_t steps_max(const struct world *world)
{
    uint64_t most = (uint64_t)world->plan.flow_count * STEPS_PER_FLOW;

    if (world->config->time_ns > 0) {
        return UINT64_MAX;
    }
    for (uint32_t i = 0; i < world->plan.flow_count; i++) {
        const struct plan_flow *flow = &world->plan.flows[i];

        most += 4 * (flow->ends[0].bytes + flow->ends[1].bytes) / BYTES_PER_STEP;
    }
    return most;
}

static void fail_stuck(struct world *world, const char *what)
{
    for (uint32_t i = 0; i < world->plan.flow_count; i++) {
        const struct flow *flow = &world->flows[i];
        const struct end *a = &flow->ends[0];
        const struct end *b = &flow->ends[1];

        if (!flow_is_done(flow)) {
            world_fail(world,
                       "%s: flow %" PRIu32 ": A sent %" PRIu64 " of %" PRIu64 ", B got %" PRIu64
                       "; B sent %" PRIu64 " of %" PRIu64 ", A got %" PRIu64,
                       what, i, a->result.sent, a->to_send, b->result.received, b->result.sent,
                       b->to_send, a->result.received);
        }
    }
    world_fail(world, "%s", what);
}

static bool all_done(struct world *world)
{
    while (world->flows_done < world->plan.flow_count &&
           flow_is_done(&world->flows[world->flows_done])) {
        world->flows_done++;
    }
    return world->flows_done == world->plan.flow_count &&
           world->datagrams.sent >= world->plan.datagrams;
}

/* Moves the clock, or fails. */
static void move(struct world *world, uint64_t next, bool any)
{
    if (world->config->on_progress != NULL && world->steps % SIM_PROGRESS_STEPS == 0) {
        world->config->on_progress(world->config->user, world->now_ns);
    }
    if (next <= world->now_ns) {
        world->spins++;
        if (world->spins > SPINS_MAX || (!any && world->spins > 100)) {
            fail_stuck(world, "something is due and due again, and time stands still");
        }
        return;
    }
    world->spins = 0;
    if (next == BERTH_NEVER) {
        fail_stuck(world, "nothing will ever happen again");
        return;
    }
    if (world->timers_set == 0 && next > world->progress_ns &&
        next - world->progress_ns > STUCK_NS) {
        fail_stuck(world, "nothing got on for 15 minutes");
        return;
    }
    if (world->steps > steps_max(world)) {
        fail_stuck(world, "too many steps");
        return;
    }
    world->now_ns = next;
}

/* ---- A run ----------------------------------------------------------------------------------- */

static void run_flows(struct world *world)
{
    while (!world_has_failed(world)) {
        bool any = step(world);

        sample_plot(world);
        if (world_has_failed(world) || all_done(world)) {
            break;
        }
        move(world, next_ns(world), any);
    }
}

/* No new traffic: what is under way arrives, the stacks come to rest, and nothing is left. */
static void run_out(struct world *world)
{
    uint64_t end_ns;

    world->is_closing = true;
    datagrams_close(world);
    twins_close(world);
    for (uint32_t i = 0; i < world->host_count; i++) {
        host_close_listeners(world, &world->hosts[i]);
    }
    end_ns = add_sat_u64(world->now_ns, QUIET_NS);
    while (!world_has_failed(world)) {
        bool any = step(world);
        uint64_t next = next_ns(world);

        if (next == BERTH_NEVER || next > end_ns) {
            break;
        }
        world_progress(world);
        move(world, next, any);
    }
    for (uint32_t i = 0; i < world->host_count && !world_has_failed(world); i++) {
        host_check_leaks(world, &world->hosts[i]);
    }
}

void world_run(struct world *world)
{
    run_flows(world);
    if (!world_has_failed(world)) {
        run_out(world);
    }
}

static int make_flows(struct world *world)
{
    uint32_t count = world->plan.flow_count;

    world->flows = calloc(count, sizeof *world->flows);
    world->accepted = calloc((size_t)count + 1, sizeof *world->accepted);
    if (world->flows == NULL || world->accepted == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        flow_init(world, &world->flows[i], i);
    }
    return 0;
}

static int make_hosts(struct world *world)
{
    const struct plan *plan = &world->plan;
    int result = network_init(&world->network, plan->pairs, plan->has_pipes ? plan->pipes : NULL,
                              plan->has_box ? &plan->box : NULL);

    if (result < 0) {
        return result;
    }
    world->network.down_from_ns = plan->down_from_ns;
    world->network.down_until_ns = plan->down_until_ns;
    world->hosts = calloc((size_t)2 * world->network.port_count, sizeof *world->hosts);
    if (world->hosts == NULL) {
        return -ENOMEM;
    }
    while (world->host_count < world->network.port_count && result == 0 &&
           !world_has_failed(world)) {
        result = host_init(world, world->host_count++);
    }
    for (uint32_t i = 0; i < world->network.port_count && result == 0 && !world_has_failed(world);
         i++) {
        result = plan->has_twins[i % 2] ? host_init_twin(world, &world->hosts[i]) : 0;
    }
    return result;
}

int world_init(struct world *world, const struct sim_config *config)
{
    int result = plan_make(config, &world->plan);

    world->config = config;
    timers_init(&world->timers, 0);
    trace_init(&world->trace);
    plot_init(&world->plot);
    world->trace.lines = config->packets;
    world->trace.plot = config->plot_file != NULL ? &world->plot : NULL;
    result = result == 0 ? make_hosts(world) : result;
    result = result == 0 ? make_flows(world) : result;
    if (result == 0 && !world_has_failed(world)) {
        datagrams_init(world);
        intruder_init(world);
        guesser_init(world);
        twins_init(world);
    }
    if (config->from_ns > 0) {
        world->from_timer.kind = TIMER_FROM;
        timer_set(&world->timers, &world->from_timer, config->from_ns);
    }
    if (config->time_ns > 0) {
        world->stop_timer.kind = TIMER_STOP;
        timer_set(&world->timers, &world->stop_timer, config->time_ns);
    }
    return result;
}

void world_done(struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        host_done(&world->hosts[i]);
    }
    network_done(&world->network);
    link_packets_clear(&world->late);
    plot_done(&world->plot);
    plan_done(&world->plan);
    free(world->hosts);
    free(world->flows);
    free(world->accepted);
}
