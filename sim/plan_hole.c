/* SPDX-License-Identifier: MIT */
/*
 * The plan's part about black holes: which routers are silent about what is too large for them.
 * From streams of its own, so that it shifts nothing else. Called by plan_make alone, when all the
 * rest is there.
 */
#include "sim/drawing.h"

#define SMALL_MTU_MIN 576  /* berth's floor is below it */
#define SMALL_MTU_MAX 1279 /* IPv6 knows no such links */

static bool has_mtu(const struct pipe_config *pipe)
{
    bool any = pipe->mtu > 0;

    for (uint32_t i = 0; i < pipe->change_count; i++) {
        any = any || (pipe->changes[i].what == PIPE_MTU && pipe->changes[i].value > 0);
    }
    return any;
}

static bool is_v4_only(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->flow_count; i++) {
        if (plan->flows[i].version != 4) {
            return false;
        }
    }
    return true;
}

/* Who is never told must find out by itself. */
static void let_probe(struct plan *plan)
{
    for (unsigned i = 0; i < 2; i++) {
        struct berth_tcp_settings *tcp = &plan->stacks[i].tcp;

        if (tcp->mtu_probing == BERTH_MTU_PROBING_OFF) {
            tcp->mtu_probing = BERTH_MTU_PROBING_BLACK_HOLE;
        }
    }
}

void plan_draw_holes(struct drawing *drawing)
{
    static const char *const names[2] = {"sim-hole-a", "sim-hole-b"};
    struct plan *plan = drawing->plan;
    struct random *random = &drawing->random;
    bool may = drawing_may(drawing, SIM_GIVEN_MTU) && plan->has_pipes;

    for (unsigned i = 0; i < 2 && may; i++) {
        struct pipe_config *pipe = &plan->pipes[i];

        drawing_begin(drawing, names[i]);
        pipe->is_silent = draw_chance(random, 50) && has_mtu(pipe);
        if (is_v4_only(plan) && draw_chance(random, 15)) {
            pipe->is_silent = true;
            pipe->mtu = (uint32_t)draw_between(random, SMALL_MTU_MIN, SMALL_MTU_MAX);
        }
        if (pipe->is_silent) {
            let_probe(plan);
        }
    }
}
