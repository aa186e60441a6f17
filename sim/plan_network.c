/* SPDX-License-Identifier: MIT */
/*
 * sim/plan_network.c: draws what hosts share: pairs, pipes, changes in flight, a middlebox; and
 * limits of the stacks that are too small for what is asked of them.
 */
#include "sim/drawing.h"

#include "base/random.h"

#define FLOW_BPS      20000 /* for each flow, that none of them may starve */
#define RATE_BPS_MIN  64000
#define RATE_BPS_MAX  1000000000
#define DELAY_NS_MIN  NS_PER_US
#define DELAY_NS_MAX  (100 * NS_PER_MS)
#define CHANGES_NS    (20 * NS_PER_S) /* in which the path changes */
#define OUTAGE_NS_MAX (10 * NS_PER_S)
#define IPV4_MTU_MIN  576
#define IPV6_MTU_MIN  1280
#define PORT_FIRST    49152

static uint64_t rate_min(const struct drawing *drawing)
{
    return max_u64(RATE_BPS_MIN, (uint64_t)drawing->plan->flow_count * FLOW_BPS);
}

static uint32_t draw_pipe_mtu(struct drawing *drawing)
{
    uint32_t most = drawing->plan->stacks[0].mtu;
    bool v4_only =
        (drawing->config->given & SIM_GIVEN_VERSIONS) != 0 && drawing->config->versions == SIM_IPV4;
    uint32_t least = v4_only ? IPV4_MTU_MIN : IPV6_MTU_MIN;

    return least < most ? (uint32_t)draw_between(&drawing->random, least, most) : 0;
}

/* ---- Pipes ----------------------------------------------------------------------------------- */

static void draw_queue(struct drawing *drawing, struct pipe_config *pipe)
{
    struct random *random = &drawing->random;
    uint32_t least = max_u32(3 * drawing->plan->stacks[0].mtu, drawing->plan->flow_count * 1500);

    if (drawing_may(drawing, SIM_GIVEN_QUEUE)) {
        pipe->queue_bytes =
            draw_chance(random, 60) ? (uint32_t)draw_log(random, least, least * 50) : 0;
        pipe->queue_packets = draw_chance(random, 25) ? (uint32_t)draw_log(random, 4, 200) : 0;
    }
    if (drawing_may(drawing, SIM_GIVEN_DISCIPLINE)) {
        pipe->discipline = draw_chance(random, 40) ? PIPE_CODEL : PIPE_TAIL_DROP;
        pipe->marks = draw_chance(random, 50);
    }
}

static void draw_pipe(struct drawing *drawing, struct pipe_config *pipe)
{
    struct random *random = &drawing->random;

    *pipe = (struct pipe_config){.delay_ns = DELAY_NS_MIN};
    pipe->discipline = drawing->config->discipline == SIM_TAIL_DROP ? PIPE_TAIL_DROP : PIPE_CODEL;
    pipe->marks = drawing->config->discipline == SIM_CODEL_MARKS;
    if (drawing_may(drawing, SIM_GIVEN_RATE) && draw_chance(random, 60)) {
        pipe->rate_bps = draw_log(random, rate_min(drawing), RATE_BPS_MAX);
    }
    if (drawing_may(drawing, SIM_GIVEN_DELAY)) {
        pipe->delay_ns = draw_log(random, DELAY_NS_MIN, DELAY_NS_MAX);
    }
    if (drawing_may(drawing, SIM_GIVEN_LOSS)) {
        pipe->loss_ppm = drawing_ppm(random, 30, 30000);
    }
    if (drawing_may(drawing, SIM_GIVEN_MTU) && draw_chance(random, 20)) {
        pipe->mtu = draw_pipe_mtu(drawing);
    }
    draw_queue(drawing, pipe);
}

/* ---- Changes in flight ----------------------------------------------------------------------- */

static void draw_change(struct drawing *drawing, struct pipe_config *pipe, uint64_t at_ns)
{
    struct random *random = &drawing->random;
    struct pipe_change *change = &pipe->changes[pipe->change_count];

    *change = (struct pipe_change){.at_ns = at_ns, .what = (enum pipe_what)random_below(random, 5)};
    switch (change->what) {
    case PIPE_RATE:
        change->value = draw_log(random, rate_min(drawing), RATE_BPS_MAX);
        break;
    case PIPE_DELAY:
        change->value = draw_log(random, DELAY_NS_MIN, DELAY_NS_MAX);
        break;
    case PIPE_LOSS:
        change->value = drawing_ppm(random, 50, 50000);
        break;
    case PIPE_MTU:
        change->value = draw_chance(random, 30) ? 0 : draw_pipe_mtu(drawing);
        break;
    case PIPE_DOWN:
        change->value = 1;
        drawing->plan->has_outage = true;
        pipe->changes[++pipe->change_count] = (struct pipe_change){
            .at_ns = at_ns + draw_log(random, NS_PER_MS, OUTAGE_NS_MAX), .what = PIPE_DOWN};
        break;
    }
    pipe->change_count++;
}

/* Up to four, one after the other: each comes when the one before is over. */
static void draw_changes(struct drawing *drawing, struct pipe_config *pipe)
{
    uint32_t count = (uint32_t)draw_between(&drawing->random, 1, 4);
    uint64_t at_ns = 0;

    _Static_assert(PIPE_CHANGES_MAX >= 8, "an outage is two changes");
    for (uint32_t i = 0; i < count; i++) {
        at_ns += draw_log(&drawing->random, NS_PER_MS, CHANGES_NS / 4);
        draw_change(drawing, pipe, at_ns);
        at_ns = pipe->changes[pipe->change_count - 1].at_ns;
    }
}

static void draw_pipes(struct drawing *drawing)
{
    struct plan *plan = drawing->plan;
    struct random *random = &drawing->random;
    bool same = draw_chance(random, 40);

    plan->has_pipes = true;
    for (unsigned i = 0; i < 2; i++) {
        struct pipe_config *pipe = &plan->pipes[i];

        draw_pipe(drawing, pipe);
        if (i == 1 && same) {
            *pipe = plan->pipes[0];
            pipe->change_count = 0;
        }
        if (i == 1 && drawing_may(drawing, SIM_GIVEN_LOSS) && draw_chance(random, 10)) {
            pipe->loss_ppm = (uint32_t)draw_between(random, 1, 250000); /* ACKs, mostly */
        }
        if (draw_chance(random, 30)) {
            draw_changes(drawing, pipe);
        }
        pipe->seed = random_u64(random);
        plan->may_time_out |=
            pipe->loss_ppm + plan->paths[i].loss_ppm + plan->paths[i].corrupt_ppm >=
            DRAWING_BAD_PPM;
    }
}

/* ---- The middlebox --------------------------------------------------------------------------- */

static uint32_t least_mtu(const struct plan *plan)
{
    uint32_t least = plan->stacks[0].mtu;

    for (unsigned i = 0; i < 2; i++) {
        const struct pipe_config *pipe = &plan->pipes[i];

        least = pipe->mtu > 0 ? min_u32(least, pipe->mtu) : least;
        for (uint32_t k = 0; k < pipe->change_count; k++) {
            if (pipe->changes[k].what == PIPE_MTU && pipe->changes[k].value > 0) {
                least = min_u32(least, (uint32_t)pipe->changes[k].value);
            }
        }
    }
    return least;
}

static void draw_box(struct drawing *drawing)
{
    struct random *random = &drawing->random;
    struct middlebox_config *box = &drawing->plan->box;

    drawing->plan->has_box = true;
    box->key = random_u64(random);
    box->strips = draw_chance(random, 50) ? random_below(random, 32) : 0;
    box->mss_most = draw_chance(random, 25) ? (uint16_t)draw_between(random, 500, 1460) : 0;
    box->moves_numbers = draw_chance(random, 30);
    box->forgets_sack = draw_chance(random, 30);
    box->drops_icmp =
        draw_chance(random, 15) && least_mtu(drawing->plan) == drawing->plan->stacks[0].mtu;
    box->clears_ect = draw_chance(random, 25);
    box->clears_ecn_flags = draw_chance(random, 25);
    box->split_ppm = drawing_ppm(random, 30, 500000);
    box->join_ppm = drawing_ppm(random, 40, 1000000);
    for (unsigned i = 0; i < 2; i++) {
        drawing->plan->pipes[i].join_mtu = box->join_ppm > 0 ? least_mtu(drawing->plan) : 0;
    }
}

void plan_draw_network(struct drawing *drawing)
{
    struct plan *plan = drawing->plan;
    struct random *random = &drawing->random;

    if (!drawing->vary || drawing->config->is_plain || drawing->config->scenario == SIM_MANY) {
        return;
    }
    drawing_begin(drawing, "sim-network");
    if (drawing_may(drawing, SIM_GIVEN_PAIRS) && draw_chance(random, 30)) {
        plan->pairs = (uint32_t)draw_between(random, 1, min_u32(4, plan->flow_count));
    }
    if (draw_chance(random, 60)) {
        draw_pipes(drawing);
        if (draw_chance(random, 40)) {
            draw_box(drawing);
        }
    }
}

/* ---- Scarcity -------------------------------------------------------------------------------- */

static void draw_small_limits(struct drawing *drawing, struct berth_config *stack)
{
    struct random *random = &drawing->random;
    struct berth_limits *limits = &stack->limits;
    uint32_t flows = drawing->plan->flow_count;

    if (draw_chance(random, 50)) {
        limits->tcp_connections = (uint32_t)draw_between(random, 1, flows);
    }
    if (draw_chance(random, 50)) {
        limits->tcp_time_wait = (uint32_t)draw_between(random, 1, 3);
    }
    if (draw_chance(random, 50)) {
        stack->ephemeral_first = PORT_FIRST;
        stack->ephemeral_last = (uint16_t)(PORT_FIRST + draw_between(random, 0, 3));
    }
    if (draw_chance(random, 30)) {
        limits->port_endpoints = (uint32_t)draw_between(random, 1, 3);
    }
    if (draw_chance(random, 30)) {
        limits->icmp_per_second = 1;
    }
    if (draw_chance(random, 30)) {
        limits->reassemblies = 1;
    }
    if (draw_chance(random, 30)) {
        limits->replies = 1;
    }
}

/* Both at once would need a place at both at once; and who closes at once, or waits without a word,
 * is not told that the far side had none. */
static void give_up_visibly(struct plan_flow *flow)
{
    if (flow->opener == PLAN_OPENER_BOTH) {
        flow->opener = PLAN_OPENER_A;
    }
    for (unsigned i = 0; i < 2; i++) {
        flow->ends[i].keepalive = true;
        if (flow->ends[i].close == PLAN_CLOSE) {
            flow->ends[i].close = PLAN_SHUTDOWN;
        }
    }
}

void plan_draw_scarcity(struct drawing *drawing)
{
    struct plan *plan = drawing->plan;

    if (drawing->config->scenario != SIM_MIXED || drawing->config->is_plain) {
        return;
    }
    drawing_begin(drawing, "sim-guesser");
    if (draw_chance(&drawing->random, 40)) {
        plan->guesses = (uint32_t)draw_between(&drawing->random, 1, 300);
    }
    drawing_begin(drawing, "sim-scarcity");
    if (!draw_chance(&drawing->random, 25)) {
        return;
    }
    plan->is_scarce = true;
    draw_small_limits(drawing, &plan->stacks[0]);
    draw_small_limits(drawing, &plan->stacks[1]);
    plan->backlog = draw_chance(&drawing->random, 50)
                        ? (uint32_t)draw_between(&drawing->random, 1, 4)
                        : plan->backlog;
    for (uint32_t i = 0; i < plan->flow_count; i++) {
        give_up_visibly(&plan->flows[i]);
    }
}
