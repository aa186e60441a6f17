/* SPDX-License-Identifier: MIT */
/*
 * ports/bitmap.c: the counted bitmap. Invariants: ports/bitmap.h.
 */
#include "ports/bitmap.h"

#include "base/check.h"

#define WORD_BITS  PORTS_BITMAP_WORD_BITS
#define BLOCK_BITS (WORD_BITS * PORTS_BITMAP_BLOCK_WORDS)
#define WIDE_BITS  (BLOCK_BITS * PORTS_BITMAP_WIDE_BLOCKS)

uint32_t ports_bitmap_bytes(uint32_t count)
{
    uint32_t words = (count + WORD_BITS - 1) / WORD_BITS;

    /* Whole blocks: a search through the words of one needs no other end. */
    words = (words + PORTS_BITMAP_BLOCK_WORDS - 1) / PORTS_BITMAP_BLOCK_WORDS *
            PORTS_BITMAP_BLOCK_WORDS;
    return (uint32_t)sizeof(struct ports_bitmap) + words * (uint32_t)sizeof(uint64_t);
}

/* Sums of pairs, fours, bytes, all: plain x86-64 has no instruction for it. */
static uint32_t count_bits(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)(word * 0x0101010101010101 >> 56);
}

static uint64_t bit_of(uint32_t i)
{
    return (uint64_t)1 << i % WORD_BITS;
}

bool ports_bitmap_has(const struct ports_bitmap *bitmap, uint32_t i)
{
    return (bitmap->words[i / WORD_BITS] & bit_of(i)) != 0;
}

void ports_bitmap_add(struct ports_bitmap *bitmap, uint32_t i)
{
    BERTH_CHECK(!ports_bitmap_has(bitmap, i));
    bitmap->words[i / WORD_BITS] |= bit_of(i);
    bitmap->block_taken[i / BLOCK_BITS]++;
    bitmap->wide_taken[i / WIDE_BITS]++;
}

void ports_bitmap_remove(struct ports_bitmap *bitmap, uint32_t i)
{
    BERTH_CHECK(ports_bitmap_has(bitmap, i));
    bitmap->words[i / WORD_BITS] &= ~bit_of(i);
    bitmap->block_taken[i / BLOCK_BITS]--;
    bitmap->wide_taken[i / WIDE_BITS]--;
}

/* Where the K-th set bit of WORD is. */
static uint32_t find_bit(uint64_t word, uint32_t k)
{
    uint32_t at = 0;

    for (uint32_t half = WORD_BITS / 2; half > 0; half /= 2) {
        uint64_t low = word & (((uint64_t)1 << half) - 1);
        uint32_t below = count_bits(low);

        if (k < below) {
            word = low;
        } else {
            k -= below;
            word >>= half;
            at += half;
        }
    }
    return at;
}

uint32_t ports_bitmap_find_free(const struct ports_bitmap *bitmap, uint32_t k)
{
    uint32_t wide = 0;
    uint32_t free;

    while (free = WIDE_BITS - (uint32_t)bitmap->wide_taken[wide], k >= free) {
        k -= free;
        wide++;
    }
    uint32_t block = wide * PORTS_BITMAP_WIDE_BLOCKS;
    while (free = BLOCK_BITS - (uint32_t)bitmap->block_taken[block], k >= free) {
        k -= free;
        block++;
    }
    uint32_t word = block * PORTS_BITMAP_BLOCK_WORDS;
    while (free = count_bits(~bitmap->words[word]), k >= free) {
        k -= free;
        word++;
    }
    return word * WORD_BITS + find_bit(~bitmap->words[word], k);
}

uint32_t ports_bitmap_find_taken(const struct ports_bitmap *bitmap)
{
    uint32_t block = 0;

    while (bitmap->block_taken[block] == 0) {
        block++;
    }
    uint32_t word = block * PORTS_BITMAP_BLOCK_WORDS;
    while (bitmap->words[word] == 0) {
        word++;
    }
    return word * WORD_BITS + (uint32_t)__builtin_ctzll(bitmap->words[word]);
}
