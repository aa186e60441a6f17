/* SPDX-License-Identifier: MIT */
/*
 * cc/curve.c: CUBIC's curve in integers (curve.h). Pure.
 *
 * 1. No product overflows 64 bits; each is bounded where it is made.
 */
#include "cc/curve.h"

#include "base/check.h"

#define ROOT_MAX 2642245U /* the cube root of 2^64, rounded down */

uint32_t cc_curve_ticks(uint64_t ns)
{
    uint64_t limited = min_u64(ns, 4096 * NS_PER_S);

    /* 2^20 / 10^9 = 2^11 / 5^9 */
    return (uint32_t)min_u64((limited << 11) / 1953125, CC_CURVE_TICKS_MAX);
}

/* Bit by bit from the top: a bit stays if the cube still fits. */
uint32_t cc_curve_cube_root(uint64_t value)
{
    uint64_t root = 0;

    for (uint64_t bit = (uint64_t)1 << 21; bit != 0; bit >>= 1) {
        uint64_t tried = root | bit;

        if (tried <= ROOT_MAX && tried * tried * tried <= value) {
            root = tried;
        }
    }
    return (uint32_t)root;
}

uint32_t cc_curve_bytes(uint32_t ticks, uint32_t mss)
{
    BERTH_CHECK(ticks <= CC_CURVE_TICKS_MAX && mss >= 1 && mss <= UINT16_MAX);
    uint64_t square = ((uint64_t)ticks * ticks) >> 30; /* s^2, 10 bits of fraction; <= 2^32 */
    uint64_t cube = square * ticks;                    /* s^3, 30 bits of fraction; <= 2^63 */

    if ((cube >> 30) * mss >= (uint64_t)5 << 29) { /* 0.4 of it would be 2^30 */
        return CC_WINDOW_MAX;
    }
    uint64_t fifths = (cube >> 10) * mss * 2; /* 20 bits of fraction; < 2^53 */
    return (uint32_t)min_u64((fifths / 5) >> 20, CC_WINDOW_MAX);
}

/* The cube root of bytes / (0.4 * mss) s^3. The quotient is shifted left by as many bits as fit,
 * so that the root has 15 bits and more; by 59 less a multiple of 3, which the root takes back:
 * 5 * bytes / (2 * mss) * 2^60 is what a time with 20 bits of fraction is the root of. */
uint32_t cc_curve_time(uint32_t bytes, uint32_t mss)
{
    BERTH_CHECK(bytes <= CC_WINDOW_MAX && mss >= 1 && mss <= UINT16_MAX);
    if (bytes == 0) {
        return 0;
    }
    uint64_t fives = (uint64_t)bytes * 5;
    unsigned room = (unsigned)__builtin_clzll(fives); /* >= 31 */
    unsigned thirds = room >= 59 ? 0 : (59 - room + 2) / 3;
    uint64_t quotient = (fives << (59 - 3 * thirds)) / mss;

    return cc_curve_cube_root(quotient) << thirds;
}
