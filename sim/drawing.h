/* SPDX-License-Identifier: MIT */
/*
 * A plan while it is drawn: one stream of the seed per subject, so that more of one subject does
 * not move another. Used by plan.c and its parts alone.
 */
#ifndef SIM_DRAWING_H
#define SIM_DRAWING_H

#include <string.h>

#include "base/bytes.h"
#include "sim/draw.h"
#include "sim/plan.h"

#define DRAWING_BAD_PPM 100000 /* from 10 % on, giving up is no fault */

struct drawing {
    const struct sim_config *config;
    struct plan *plan;
    struct random random; /* of the subject under way */
    bool vary;
};

static inline void drawing_begin(struct drawing *drawing, const char *name)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    memcpy(seed, &drawing->config->seed, sizeof drawing->config->seed);
    random_init(&drawing->random, seed, name);
}

/* May what GIVEN stands for be drawn? */
static inline bool drawing_may(const struct drawing *drawing, enum sim_given given)
{
    return drawing->vary && (drawing->config->given & given) == 0;
}

/* With a chance of PERCENT 1 to MAX_PPM, else 0. */
static inline uint32_t drawing_ppm(struct random *random, unsigned percent, uint32_t max_ppm)
{
    return draw_chance(random, percent) ? (uint32_t)draw_between(random, 1, max_ppm) : 0;
}

static inline uint32_t drawing_pick(struct random *random, const uint32_t *values, uint32_t count)
{
    return values[random_below(random, count)];
}

#define DRAWING_PICK(random, ...)                           \
    drawing_pick((random), (const uint32_t[]){__VA_ARGS__}, \
                 (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))

/* plan_network.c: what the hosts share, after the paths are drawn, before the stacks are. */
void plan_draw_network(struct drawing *drawing);
/* plan_hole.c: routers that say nothing, when all flows are drawn. */
void plan_draw_holes(struct drawing *drawing);
/* plan_network.c: limits that are too small for what is asked, and guesses, after all else. */
void plan_draw_scarcity(struct drawing *drawing);

#endif
