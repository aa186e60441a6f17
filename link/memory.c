/* SPDX-License-Identifier: MIT */
/*
 * link/memory.c: a pair of links in one process. What one end sends waits, copied, in the queue of
 * the other.
 *
 * Invariants:
 * 1. A queue holds at most queue_packets packets of at most packet_bytes_max bytes.
 * 2. `peer` is NULL in both directions once one end is freed; no end reaches into a freed one.
 */
#include "link/packets.h"

#include <stdlib.h>

struct memory_link {
    struct link link;
    struct memory_link *peer; /* NULL: freed */
    struct link_packets waiting;
    struct link_memory_config config;
};

static struct memory_link *memory_of(struct link *link)
{
    return (struct memory_link *)link;
}

static int memory_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                       unsigned max, uint64_t now_ns)
{
    struct memory_link *memory = memory_of(link);
    unsigned count = link_packets_read(&memory->waiting, link, berth, buffers, max);

    (void)now_ns;
    return count == 0 && memory->peer == NULL && memory->waiting.count == 0 ? BERTH_E_CLOSED
                                                                            : (int)count;
}

static void send_one(struct memory_link *memory, const struct berth_frame *frame)
{
    struct link_packets *queue = &memory->peer->waiting;
    struct link_packet *packet;

    if (frame->bytes > memory->config.packet_bytes_max) {
        memory->link.counters.lost_unfit++;
        return;
    }
    packet = queue->count < memory->config.queue_packets ? link_packet_from_frame(frame) : NULL;
    if (packet == NULL) {
        memory->link.counters.lost_send++;
        return;
    }
    link_packets_add(queue, packet);
    memory->link.counters.sent++;
}

static int memory_send(struct link *link, const struct berth_frame *frames, unsigned count,
                       uint64_t now_ns)
{
    struct memory_link *memory = memory_of(link);

    (void)now_ns;
    if (memory->peer == NULL) {
        return BERTH_E_CLOSED;
    }
    for (unsigned i = 0; i < count; i++) {
        send_one(memory, &frames[i]);
    }
    return (int)count;
}

/* While starved it does not ask to be read again: that would be at once, for ever. */
static uint64_t memory_next_ns(const struct link *link)
{
    const struct memory_link *memory = (const struct memory_link *)link;

    return memory->waiting.count > 0 && !link->starved ? 0 : BERTH_NEVER;
}

static int memory_fd(const struct link *link)
{
    (void)link;
    return -1;
}

static uint32_t memory_offloads(const struct link *link)
{
    return ((const struct memory_link *)link)->config.offloads;
}

static void memory_free(struct link *link)
{
    struct memory_link *memory = memory_of(link);

    if (memory->peer != NULL) {
        memory->peer->peer = NULL;
    }
    link_packets_clear(&memory->waiting);
    free(memory);
}

static const struct link_table memory_table = {
    .name = "memory",
    .read = memory_read,
    .send = memory_send,
    .next_ns = memory_next_ns,
    .fd = memory_fd,
    .offloads = memory_offloads,
    .free = memory_free,
};

int link_memory_new(const struct link_memory_config *config, struct link **a, struct link **b)
{
    struct memory_link *ends[2];

    if (config->queue_packets == 0 || config->packet_bytes_max == 0) {
        return BERTH_E_INVALID;
    }
    ends[0] = calloc(1, sizeof *ends[0]);
    ends[1] = calloc(1, sizeof *ends[1]);
    if (ends[0] == NULL || ends[1] == NULL) {
        free(ends[0]);
        free(ends[1]);
        return BERTH_E_LIMIT;
    }
    for (int i = 0; i < 2; i++) {
        ends[i]->link.table = &memory_table;
        ends[i]->config = *config;
        ends[i]->peer = ends[1 - i];
    }
    *a = &ends[0]->link;
    *b = &ends[1]->link;
    return 0;
}
