/* SPDX-License-Identifier: MIT */
/*
 * base/buffers.c: the pool of packet buffers. Invariants: base/buffers.h; and here
 *
 * 5. A free buffer that was used has begin == FREE_MARK while it is spare, TOLD_MARK then: one
 *    given back twice is found at once.
 */
#include "base/buffers.h"

#define STRIDE_ALIGNMENT 64 /* a cache line: no two buffers share one */
#define FREE_MARK        UINT32_MAX
#define TOLD_MARK        (UINT32_MAX - 1)

void buffers_init(struct buffers *buffers, struct arena *arena, const struct buffers_limits *limits)
{
    BERTH_CHECK(limits->capacity > BUFFERS_HEADROOM &&
                limits->capacity <= UINT32_MAX - STRIDE_ALIGNMENT);
    *buffers = (struct buffers){
        .stride = (limits->capacity + STRIDE_ALIGNMENT - 1) / STRIDE_ALIGNMENT * STRIDE_ALIGNMENT,
        .capacity = limits->capacity,
        .count = limits->count,
        .free = limits->count,
        .low = limits->count,
        .reserved = limits->reserved,
    };
    buffers->items = arena_take(arena, limits->count, sizeof *buffers->items, STRIDE_ALIGNMENT);
    buffers->memory = arena_take(arena, limits->count, buffers->stride, STRIDE_ALIGNMENT);
}

/* A buffer that was never used: only now its record is written. */
static struct berth_buffer *take_fresh(struct buffers *buffers)
{
    struct berth_buffer *buffer = &buffers->items[buffers->fresh];

    buffer->data = buffers->memory + (size_t)buffers->fresh * buffers->stride;
    buffer->capacity = buffers->capacity;
    buffers->fresh++;
    return buffer;
}

struct berth_buffer *buffers_get(struct buffers *buffers)
{
    struct berth_buffer *buffer = buffers->free_list;

    if (buffers->free == 0) {
        return NULL;
    }
    if (buffer != NULL) {
        buffers->free_list = buffer->next;
        buffers->told -= buffer->begin == TOLD_MARK ? 1 : 0;
    } else {
        buffer = take_fresh(buffers);
    }
    buffers->free--;
    buffers->low = min_u32(buffers->low, buffers->free);
    buffer->begin = BUFFERS_HEADROOM;
    buffer->bytes = 0;
    buffer->offload = (struct berth_offload){.segment_kind = BERTH_SEGMENT_NONE};
    buffer->next = NULL;
    return buffer;
}

struct berth_buffer *buffers_get_for_queue(struct buffers *buffers)
{
    return buffers->free > buffers->reserved ? buffers_get(buffers) : NULL;
}

void buffers_put(struct buffers *buffers, struct berth_buffer *buffer)
{
    size_t index = (size_t)(buffer - buffers->items);

    BERTH_CHECK(index < buffers->fresh && buffer->begin < TOLD_MARK);
    buffer->begin = FREE_MARK;
    buffer->next = buffers->free_list;
    buffers->free_list = buffer;
    buffers->free++;
}

/* The first index from FROM on that is not of a free buffer; *SPARE: one on the way was spare. */
static uint32_t end_of_free(const struct buffers *buffers, uint32_t from, bool *spare)
{
    uint32_t end = from;

    *spare = false;
    while (end < buffers->fresh && buffers->items[end].begin >= TOLD_MARK) {
        *spare = *spare || buffers->items[end].begin == FREE_MARK;
        end++;
    }
    return end;
}

static void tell(struct buffers *buffers, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        buffers->told += buffers->items[i].begin == FREE_MARK ? 1 : 0;
        buffers->items[i].begin = TOLD_MARK;
    }
}

bool buffers_tell_spare(struct buffers *buffers, uint32_t *at, struct berth_view *out)
{
    while (*at < buffers->fresh) {
        bool spare;
        uint32_t first = *at;
        uint32_t end = end_of_free(buffers, first, &spare);

        *at = end + 1;
        if (spare) {
            tell(buffers, first, end);
            *out = (struct berth_view){.data = buffers->memory + (size_t)first * buffers->stride,
                                       .bytes = (size_t)(end - first) * buffers->stride};
            return true;
        }
    }
    return false;
}
