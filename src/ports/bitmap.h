/* SPDX-License-Identifier: MIT */
/*
 * A counted bitmap: which of up to 65,536 ports are taken. The k-th free one is found through the
 * counts in at most 16 + 8 + 8 + 6 steps, however many are taken.
 *
 * 1. A bit set is a port taken; every count is the number of bits set in its part.
 * 2. A bitmap out of use is all zero but for the pool's link.
 * Called by ephemeral.c only.
 */
#ifndef PORTS_BITMAP_H
#define PORTS_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTS_BITMAP_WORD_BITS   64
#define PORTS_BITMAP_BLOCK_WORDS 8 /* 512 ports */
#define PORTS_BITMAP_WIDE_BLOCKS 8 /* 4096 ports */
#define PORTS_BITMAP_BLOCKS_MAX  128
#define PORTS_BITMAP_WIDES_MAX   (PORTS_BITMAP_BLOCKS_MAX / PORTS_BITMAP_WIDE_BLOCKS)

struct ports_bitmap {
    uint32_t pool_link;
    uint16_t wide_taken[PORTS_BITMAP_WIDES_MAX];
    uint16_t block_taken[PORTS_BITMAP_BLOCKS_MAX];
    uint64_t words[];
};

/* Bytes of a bitmap of COUNT ports. */
uint32_t ports_bitmap_bytes(uint32_t count);

bool ports_bitmap_has(const struct ports_bitmap *bitmap, uint32_t i);
/* I is free. */
void ports_bitmap_add(struct ports_bitmap *bitmap, uint32_t i);
/* I is taken. */
void ports_bitmap_remove(struct ports_bitmap *bitmap, uint32_t i);
/* The K-th free port, from 0. There are more than K. */
uint32_t ports_bitmap_find_free(const struct ports_bitmap *bitmap, uint32_t k);
/* The first port taken. There is one. */
uint32_t ports_bitmap_find_taken(const struct ports_bitmap *bitmap);

#endif
