/* SPDX-License-Identifier: MIT */
/*
 * Named random streams: each use draws from a stream of its own, made from the stack's seed and a
 * name, so that one use drawing more never shifts another's numbers (ChaCha20, libsodium).
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SEED_BYTES 32

struct random {
    uint8_t key[32];
    uint64_t block; /* the next block of the stream */
    uint32_t left;  /* unused bytes at the end of `bytes` */
    uint8_t bytes[256];
};

/* NAME: up to 32 characters, unique per use. */
void random_init(struct random *random, const uint8_t seed[RANDOM_SEED_BYTES], const char *name);
/* Wipes the stream's secrets. */
void random_done(struct random *random);
void random_fill(struct random *random, void *out, size_t bytes);
uint32_t random_u32(struct random *random);
uint64_t random_u64(struct random *random);
/* Uniform in 0 .. LIMIT-1, without bias; LIMIT >= 1. */
uint32_t random_below(struct random *random, uint32_t limit);

#endif
