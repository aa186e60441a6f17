/* SPDX-License-Identifier: MIT */
/*
 * Drawing numbers of a shape from a random stream. Pure but for the stream.
 */
#ifndef SIM_DRAW_H
#define SIM_DRAW_H

#include "base/random.h"

#include <stdbool.h>

/* MIN to MAX, both included. */
static inline uint64_t draw_between(struct random *random, uint64_t min, uint64_t max)
{
    uint64_t span = max - min + 1;

    return span == 0 ? random_u64(random) : min + random_u64(random) % span;
}

/* MIN to MAX, every order of magnitude as likely as another. MIN >= 1. */
static inline uint64_t draw_log(struct random *random, uint64_t min, uint64_t max)
{
    unsigned least = 63U - (unsigned)__builtin_clzll(min);
    unsigned most = 63U - (unsigned)__builtin_clzll(max);
    unsigned bits = (unsigned)draw_between(random, least, most);
    uint64_t low = (uint64_t)1 << bits;
    uint64_t value = draw_between(random, low, low * 2 - 1);

    return value < min ? min : value > max ? max : value;
}

static inline bool draw_chance(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

#endif
