/* SPDX-License-Identifier: MIT */
/*
 * The pool of packet buffers of one stack (struct berth_buffer, <berth/buffer.h>).
 *
 * 1. A buffer has one owner: the pool, a link, or one queue.
 * 2. Queues may keep a buffer only while more than `reserved` are free, so that a link can always
 *    read the ACK that frees the others. What is out of order stops earlier, and what is to be sent
 *    earlier still: else two stacks full of data for each other could take in none of it, and bytes
 *    behind a gap could keep out those that fill it.
 * 3. Buffers are reused last in, first out: the working set stays small.
 * 4. The pool keeps nothing in a free buffer's memory. A buffer is spare while it is free, was
 *    used, and buffers_tell_spare has not told of it since: there may be memory of the system's for
 *    it that nobody needs.
 */
#ifndef BASE_BUFFERS_H
#define BASE_BUFFERS_H

#include "base/arena.h"
#include "base/list.h"

#include <berth/buffer.h>

#define BUFFERS_HEADROOM 64 /* begin of an empty buffer: room for a link's header in front */

struct buffers {
    struct berth_buffer *items;
    uint8_t *memory;
    struct berth_buffer *free_list;
    uint32_t stride; /* bytes from one buffer's memory to the next */
    uint32_t capacity;
    uint32_t count;
    uint32_t fresh;
    uint32_t free; /* free now, never-used ones included */
    uint32_t low;  /* least `free` ever was */
    uint32_t reserved;
    uint32_t told; /* free ones that were told of */
};

struct buffers_limits {
    uint32_t count;
    uint32_t capacity; /* bytes each, headroom included */
    uint32_t reserved;
};

void buffers_init(struct buffers *buffers, struct arena *arena,
                  const struct buffers_limits *limits);
/* An empty buffer (begin = headroom, bytes = 0, no offload facts); NULL: none free. For links and
 * replies. */
struct berth_buffer *buffers_get(struct buffers *buffers);
/* The same for a queue: NULL when no more than the reserved ones are free. */
struct berth_buffer *buffers_get_for_queue(struct buffers *buffers);
void buffers_put(struct buffers *buffers, struct berth_buffer *buffer);
static inline uint32_t buffers_spare(const struct buffers *buffers)
{
    return buffers->fresh - (buffers->count - buffers->free) - buffers->told;
}
/* The next spare buffers from index *AT on, with the free ones beside them: their memory, told of
 * now; *AT is moved on. false: none. */
bool buffers_tell_spare(struct buffers *buffers, uint32_t *at, struct berth_view *out);
/* May a queue keep one more of the buffers that links filled? */
static inline bool buffers_may_keep(const struct buffers *buffers)
{
    return buffers->free >= buffers->reserved;
}

/* May it keep one more that is of no use yet (out of order)? */
static inline bool buffers_may_keep_early(const struct buffers *buffers)
{
    return buffers->free >= buffers->reserved + (buffers->count - buffers->reserved) / 8;
}
/* How many may send queues take? */
static inline uint32_t buffers_spare_to_send(const struct buffers *buffers)
{
    uint32_t floor = buffers->reserved + (buffers->count - buffers->reserved) / 4;

    return buffers->free > floor ? buffers->free - floor : 0;
}

static inline uint32_t buffer_room(const struct berth_buffer *buffer)
{
    return buffer->capacity - buffer->begin - buffer->bytes;
}

static inline uint8_t *buffer_end(const struct berth_buffer *buffer)
{
    return buffer->data + buffer->begin + buffer->bytes;
}

#endif
