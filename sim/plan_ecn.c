/* SPDX-License-Identifier: MIT */
/*
 * The plan's part about marks: which ECN the stacks have, and which paths mark. From streams of its
 * own, so that it shifts nothing else. Called by plan_make alone, when all the rest is there.
 */
#include "sim/draw.h"
#include "sim/plan.h"

#include <string.h>

#define PPM 1000000U

static void begin(const struct sim_config *config, struct random *random, const char *name)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    memcpy(seed, &config->seed, sizeof config->seed);
    random_init(random, seed, name);
}

/* Where nobody chose and a queue marks, the stacks ask: else it would have nothing to mark. */
static uint8_t setting(const struct sim_config *config)
{
    bool given = (config->given & SIM_GIVEN_ECN) != 0;

    return !given && config->discipline == SIM_CODEL_MARKS ? BERTH_TCP_ECN : config->ecn;
}

void plan_ecn(const struct sim_config *config, bool vary, struct plan *plan)
{
    static const char *const stacks[2] = {"sim-ecn-a", "sim-ecn-b"};
    static const char *const paths[2] = {"sim-marks-a", "sim-marks-b"};
    struct random random;

    for (unsigned i = 0; i < 2; i++) {
        struct berth_tcp_settings *tcp = &plan->stacks[i].tcp;

        begin(config, &random, stacks[i]);
        tcp->ecn = setting(config);
        if (vary && (config->given & SIM_GIVEN_ECN) == 0) {
            tcp->ecn = (uint8_t)random_below(&random, BERTH_TCP_ACCECN_ACCEPT + 1);
            tcp->accecn_option = draw_chance(&random, 80);
        }
        begin(config, &random, paths[i]);
        if (vary && (config->given & SIM_GIVEN_MARKS) == 0 && draw_chance(&random, 40)) {
            plan->paths[i].ecn_ppm = (uint32_t)draw_log(&random, 1000, PPM);
        }
    }
}
