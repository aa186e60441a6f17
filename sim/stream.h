/* SPDX-License-Identifier: MIT */
/*
 * The bytes that flows carry: a stream without end per key, any place of which can be computed. A
 * byte that is lost, doubled, swapped or from another stream does not match. Pure.
 */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include <stddef.h>
#include <stdint.h>

void stream_fill(uint64_t key, uint64_t at, void *out, size_t bytes);
/* How many of BYTES at DATA are those of the stream from AT on, up to the first that is not. */
size_t stream_match(uint64_t key, uint64_t at, const void *data, size_t bytes);

/* SEED mixed with A: unrelated numbers from related ones (splitmix64's finish). */
static inline uint64_t stream_mix(uint64_t seed, uint64_t a)
{
    uint64_t x = seed + (a + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
