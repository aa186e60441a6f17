/* SPDX-License-Identifier: MIT */
/*
 * Noted events: each object that may have events embeds one node; bits are or-ed in until the
 * owner of the stack asks. The queue cannot overflow: an object is in it once.
 */
#ifndef BASE_EVENTS_H
#define BASE_EVENTS_H

#include "base/list.h"

struct event_node {
    struct list_node node;
    uint32_t bits; /* enum berth_event_bit, noted and not yet read */
    uint8_t kind;  /* enum berth_kind: whose node this is */
};

struct events {
    struct list queue;
};

static inline void events_init(struct events *events)
{
    list_init(&events->queue);
}

static inline bool events_is_empty(const struct events *events)
{
    return list_is_empty(&events->queue);
}

static inline void event_note(struct events *events, struct event_node *event, uint32_t bits)
{
    event->bits |= bits;
    if (!list_has(&event->node)) {
        list_add_last(&events->queue, &event->node);
    }
}

static inline void event_forget(struct event_node *event)
{
    list_remove(&event->node);
    event->bits = 0;
}

/* The oldest node, taken out; its bits are the caller's to read and clear. NULL: none. */
static inline struct event_node *events_next(struct events *events)
{
    struct list_node *node = list_take_first(&events->queue);
    return node == NULL ? NULL : CONTAINER_OF(node, struct event_node, node);
}

#endif
