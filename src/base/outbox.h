/* SPDX-License-Identifier: MIT */
/*
 * Whole packets that wait for the link: replies that the stack makes itself (RST, ICMP) and
 * datagrams. Each buffer holds one IP packet with its offload facts. First in, first out; bounded.
 */
#ifndef BASE_OUTBOX_H
#define BASE_OUTBOX_H

#include "base/buffers.h"

struct outbox {
    struct berth_buffer *first;
    struct berth_buffer *last;
    uint32_t count;
    uint32_t limit; /* replies: outbox_is_full beyond this; datagrams may fill twice as many */
};

static inline void outbox_init(struct outbox *outbox, uint32_t limit)
{
    *outbox = (struct outbox){.limit = limit};
}

static inline bool outbox_is_full(const struct outbox *outbox)
{
    return outbox->count >= outbox->limit;
}

static inline void outbox_add(struct outbox *outbox, struct berth_buffer *buffer)
{
    buffer->next = NULL;
    if (outbox->last == NULL) {
        outbox->first = buffer;
    } else {
        outbox->last->next = buffer;
    }
    outbox->last = buffer;
    outbox->count++;
}

static inline struct berth_buffer *outbox_next(struct outbox *outbox)
{
    struct berth_buffer *buffer = outbox->first;
    if (buffer != NULL) {
        outbox->first = buffer->next;
        outbox->last = outbox->first == NULL ? NULL : outbox->last;
        outbox->count--;
        buffer->next = NULL;
    }
    return buffer;
}

#endif
