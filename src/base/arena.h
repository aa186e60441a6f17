/* SPDX-License-Identifier: MIT */
/*
 * An arena: the one block of memory of a stack, cut up once when the stack is made.
 *
 * The same code measures and cuts: with memory NULL nothing is touched and only `used` grows, so
 * berth_memory_bytes and berth_init cannot disagree. Memory comes zeroed and is not written here.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *memory; /* NULL: only measure */
    size_t bytes;    /* of memory */
    size_t used;     /* may pass bytes; then every later cut is NULL */
};

void arena_init(struct arena *arena, void *memory, size_t bytes);
/* COUNT * BYTES_EACH bytes aligned to ALIGNMENT (a power of two); NULL when measuring or out of
 * room. */
void *arena_take(struct arena *arena, size_t count, size_t bytes_each, size_t alignment);

#endif
