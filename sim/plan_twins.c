/* SPDX-License-Identifier: MIT */
/*
 * The plan's part about twins (twins.c): which hosts are two stacks, how often connections are to
 * move, and which flows have sequence numbers that soon come round. From a stream of its own, so
 * that it shifts nothing else. Called by plan_make alone, when all the rest is there.
 */
#include "sim/drawing.h"

#define MOVES_NS_MIN (20 * NS_PER_US)
#define MOVES_NS_MAX (100 * NS_PER_MS)
#define LATE_PPM_MAX 500000

/* What a connection of STACK's is by its stack's settings alone can move. */
static void let_move(struct berth_config *stack)
{
    stack->tcp.pacing = false;
    if (stack->tcp.mtu_probing == BERTH_MTU_PROBING_ALWAYS) {
        stack->tcp.mtu_probing = BERTH_MTU_PROBING_BLACK_HOLE;
    }
    if (strcmp(stack->tcp.congestion_control, "bbr") == 0) {
        (void)strcpy(stack->tcp.congestion_control, "newreno");
    }
}

void plan_twins(const struct sim_config *config, struct plan *plan)
{
    struct drawing drawing = {.config = config};
    struct random *random = &drawing.random;

    drawing_begin(&drawing, "sim-twins");
    uint32_t which = random_below(random, 3);
    plan->has_twins[0] = which != 1;
    plan->has_twins[1] = which != 0;
    plan->moves_ns = draw_log(random, MOVES_NS_MIN, MOVES_NS_MAX);
    plan->late_ppm = drawing_ppm(random, 70, LATE_PPM_MAX);
    for (unsigned i = 0; i < 2; i++) {
        if (draw_chance(random, 80)) {
            let_move(&plan->stacks[i]);
        }
    }
    for (uint32_t i = 0; i < plan->flow_count; i++) {
        plan->flows[i].comes_round = draw_chance(random, 30);
    }
}
