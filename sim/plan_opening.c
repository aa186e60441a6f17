/* SPDX-License-Identifier: MIT */
/*
 * The plan's part about opening: how many half-open connections a listener keeps, SYN cookies, Fast
 * Open. From a stream of its own, so that it shifts nothing else. Called by plan_make alone, when
 * all the rest is there.
 *
 * Some things are no fault of theirs, so they are not drawn where these may happen: the ACK that
 * completes a handshake by a cookie is lost, and the opener has nothing to say; it comes once more,
 * after a RST; a SYN with text comes twice (RFC 7413 2.1), or once more without ECN after a RST.
 */
#include "sim/draw.h"
#include "sim/plan.h"

#include <string.h>

static bool may_any_break(const struct plan *plan)
{
    bool any = false;

    for (uint32_t i = 0; i < plan->flow_count; i++) {
        any = any || plan->flows[i].may_break;
    }
    return any;
}

static bool do_openers_speak(const struct plan *plan)
{
    bool all = true;

    for (uint32_t i = 0; i < plan->flow_count; i++) {
        const struct plan_flow *flow = &plan->flows[i];

        all = all && (flow->opener == PLAN_OPENER_BOTH || flow->ends[flow->opener].bytes > 0);
    }
    return all;
}

void plan_opening(const struct sim_config *config, struct plan *plan)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};
    bool whole = !may_any_break(plan);
    bool cookies_do = whole && do_openers_speak(plan) && !plan->may_time_out && !plan->has_outage;
    bool fast_does =
        whole && plan->paths[0].duplicate_ppm == 0 && plan->paths[1].duplicate_ppm == 0;
    struct random random;

    memcpy(seed, &config->seed, sizeof config->seed);
    random_init(&random, seed, "sim-opening");
    for (unsigned i = 0; i < 2; i++) {
        struct berth_config *stack = &plan->stacks[i];
        uint32_t queue = random_below(&random, 8);
        bool cookies = draw_chance(&random, 30);
        bool listens = draw_chance(&random, 40);
        bool opens = draw_chance(&random, 40);

        stack->tcp.syn_queue = queue > 4 ? 1024 : queue + 1;
        stack->limits.tcp_half_open = draw_chance(&random, 20) ? 2 : 64;
        if (cookies_do) {
            stack->tcp.syn_cookies =
                cookies ? BERTH_SYN_COOKIES_ALWAYS : BERTH_SYN_COOKIES_WHEN_FULL;
        } else {
            stack->tcp.syn_cookies = BERTH_SYN_COOKIES_OFF;
            stack->tcp.syn_queue = 1024;
            stack->limits.tcp_half_open = plan->flow_count + 64;
        }
        stack->tcp.fast_open = fast_does && opens;
        stack->tcp.fast_open_no_cookie = fast_does && opens && queue % 2 != 0;
        stack->tcp.fast_open_pending = fast_does && listens ? 1U + queue : 0;
    }
}
