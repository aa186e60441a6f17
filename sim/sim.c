/* SPDX-License-Identifier: MIT */
/*
 * sim/sim.c: one run from its configuration to its result.
 */
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim/flood.h"
#include "sim/world.h"

#define TITLE_BYTES 256

const char *sim_scenario_name(enum sim_scenario scenario)
{
    switch (scenario) {
    case SIM_TRANSFER:
        return "transfer";
    case SIM_MIXED:
        return "mixed";
    case SIM_IDLE:
        return "idle";
    case SIM_MANY:
        return "many";
    case SIM_FLOOD:
        return "flood";
    }
    return "unknown";
}

void sim_config_init(struct sim_config *config)
{
    *config = (struct sim_config){
        .seed = 1,
        .flows = 1,
        .bytes = 1U << 20,
        .path = {.delay_ns = 20 * NS_PER_MS, .rate_bps = 20000000},
        .versions = SIM_IPV4,
        .mtu = 1500,
        .congestion_control = "cubic",
        .ecn = BERTH_TCP_ECN_ACCEPT,
        .pairs = 1,
    };
}

static int copy_flows(const struct world *world, struct sim_result *out)
{
    const struct sim_config *config = world->config;

    out->flows = calloc(world->plan.flow_count, sizeof *out->flows);
    if (out->flows == NULL) {
        return -ENOMEM;
    }
    out->flow_count = world->plan.flow_count;
    for (uint32_t i = 0; i < out->flow_count; i++) {
        const struct flow *flow = &world->flows[i];

        out->flows[i] = (struct sim_flow_result){
            .version = flow->plan->version,
            .is_simultaneous = flow->plan->opener == PLAN_OPENER_BOTH,
            .begin_ns = max_u64(flow->plan->start_ns, flow->from_ns),
            .end_ns = flow->end_ns,
            .ends = {flow->ends[0].result, flow->ends[1].result},
        };
        for (unsigned k = 0; config->time_ns == 0 && k < 2; k++) {
            out->flows[i].ends[k].counted = flow->ends[k].result.received - flow->ends[k].uncounted;
        }
        out->bytes += flow->ends[0].result.received + flow->ends[1].result.received;
        out->gave_up += flow->ends[0].result.error == BERTH_E_TIMED_OUT ||
                        flow->ends[1].result.error == BERTH_E_TIMED_OUT;
    }
    return 0;
}

static int draw_plot(const struct world *world)
{
    const struct link_impairment *path = &world->config->path;
    char title[TITLE_BYTES];

    (void)snprintf(title, sizeof title,
                   "berth sim, seed %" PRIu64 ": %" PRIu64 " bytes, delay %.3g ms each way, "
                   "%.3g Mbit/s, loss %.3g %%",
                   world->config->seed, world->plan.flows[0].ends[0].bytes,
                   (double)path->delay_ns / 1e6, (double)path->rate_bps / 1e6,
                   (double)path->loss_ppm / 1e4);
    return plot_write(&world->plot, world->config->plot_file, title);
}

static int finish(const struct world *world, struct sim_result *out)
{
    memcpy(out->failure, world->failure, sizeof out->failure);
    out->is_right = !world_has_failed(world);
    out->trace = world->trace.hash;
    out->packets = world->trace.packets;
    out->steps = world->steps;
    out->virtual_ns = world->now_ns;
    out->lost = world->network.lost;
    for (uint32_t i = 0; i < world->host_count; i++) {
        const struct host *host = &world->hosts[i];
        struct berth_stats stats;

        if (host->berth != NULL) {
            berth_stats(host->berth, &stats);
            out->retransmissions += stats.tcp_retransmissions;
        }
        out->lost += host->path != NULL ? host->path->counters.lost_impaired : 0;
        out->marked += host->path != NULL ? host->path->counters.marked : 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct pipe_counters *counters = &world->network.pipes[i].counters;

        out->lost += counters->lost + counters->dropped;
        out->dropped += counters->dropped;
        out->marked += counters->marked;
    }
    out->moves = world->moves;
    out->queue_bytes_max = world->network.pipes[0].counters.queued_bytes_max;
    return copy_flows(world, out);
}

static int run_world(const struct sim_config *config, struct sim_result *out)
{
    struct world *world = calloc(1, sizeof *world);
    int result = -ENOMEM;

    *out = (struct sim_result){0};
    if (world == NULL) {
        return result;
    }
    result = world_init(world, config);
    if (result == 0 && !world_has_failed(world)) {
        world_run(world);
    }
    if (result == 0) {
        result = finish(world, out);
    }
    if (result == 0 && config->plot_file != NULL) {
        result = draw_plot(world);
        world->bad_file = result != 0 ? config->plot_file : world->bad_file;
    }
    world_done(world); /* and with it the capture, whose end may not have room */
    result = result == 0 ? world->file_error : result;
    if (result != 0) {
        sim_result_done(out);
        (void)snprintf(out->failure, sizeof out->failure, "%s",
                       world->bad_file != NULL ? world->bad_file : "");
    }
    free(world);
    return result;
}

int sim_run(const struct sim_config *config, struct sim_result *out)
{
    return config->scenario == SIM_FLOOD ? flood_run(config, out) : run_world(config, out);
}

void sim_result_done(struct sim_result *result)
{
    free(result->flows);
    result->flows = NULL;
}

double sim_goodput_bps(const struct sim_flow_result *flow, unsigned from)
{
    uint64_t time_ns = flow->end_ns > flow->begin_ns ? flow->end_ns - flow->begin_ns : 0;

    return time_ns == 0 ? 0 : (double)flow->ends[1 - from].counted * 8 / ((double)time_ns / 1e9);
}

double sim_jain(const struct sim_result *result)
{
    double sum = 0;
    double squares = 0;

    for (uint32_t i = 0; i < result->flow_count; i++) {
        double goodput = sim_goodput_bps(&result->flows[i], 0);

        sum += goodput;
        squares += goodput * goodput;
    }
    return squares > 0 ? sum * sum / (result->flow_count * squares) : 1;
}
