/* SPDX-License-Identifier: MIT */
/*
 * base/arena.c: cutting up the one block of memory of a stack.
 *
 * 1. A sum that does not fit in size_t stays at SIZE_MAX: such a measure is never satisfied.
 * 2. Nothing is read or written through `memory` here.
 * Called while a stack is measured and made, never later.
 */
#include "base/arena.h"

#include "base/check.h"

void arena_init(struct arena *arena, void *memory, size_t bytes)
{
    *arena = (struct arena){.memory = memory, .bytes = bytes};
}

void *arena_take(struct arena *arena, size_t count, size_t bytes_each, size_t alignment)
{
    size_t begin;
    size_t bytes;
    size_t end;

    BERTH_CHECK(alignment > 0 && (alignment & (alignment - 1)) == 0);
    if (__builtin_mul_overflow(count, bytes_each, &bytes) ||
        __builtin_add_overflow(arena->used, alignment - 1, &begin) ||
        __builtin_add_overflow(begin & ~(alignment - 1), bytes, &end)) {
        arena->used = SIZE_MAX;
        return NULL;
    }
    begin &= ~(alignment - 1);
    arena->used = end;
    return arena->memory == NULL || end > arena->bytes ? NULL : arena->memory + begin;
}
