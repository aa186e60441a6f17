/* SPDX-License-Identifier: MIT */
/*
 * sim/sim.c: one run from its configuration to its result.
 */
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    };
}

static int copy_flows(const struct world *world, struct sim_result *out)
{
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
            .begin_ns = flow->plan->start_ns,
            .end_ns = flow->end_ns,
            .ends = {flow->ends[0].result, flow->ends[1].result},
        };
        out->bytes += flow->ends[0].result.received + flow->ends[1].result.received;
        out->gave_up += flow->ends[0].result.error == BERTH_E_TIMED_OUT ||
                        flow->ends[1].result.error == BERTH_E_TIMED_OUT;
    }
    return 0;
}

static int draw_plot(const struct world *world)
{
    const struct link_impairment *path = &world->plan.paths[0];
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
    for (unsigned i = 0; i < 2; i++) {
        const struct host *host = &world->hosts[i];
        struct berth_stats stats;

        if (host->berth != NULL) {
            berth_stats(host->berth, &stats);
            out->retransmissions += stats.tcp_retransmissions;
        }
        out->lost += host->path != NULL ? host->path->counters.lost_impaired : 0;
    }
    return copy_flows(world, out);
}

int sim_run(const struct sim_config *config, struct sim_result *out)
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
    }
    if (result != 0) {
        sim_result_done(out);
    }
    world_done(world);
    free(world);
    return result;
}

void sim_result_done(struct sim_result *result)
{
    free(result->flows);
    result->flows = NULL;
}
