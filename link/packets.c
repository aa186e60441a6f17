/* SPDX-License-Identifier: MIT */
/*
 * link/packets.c: packets kept in memory of the link's own. The only allocations of the links that
 * are memory happen here; a failed one is a lost packet, never more.
 */
#include "link/packets.h"

#include <stdlib.h>
#include <string.h>

struct link_packet *link_packet_new(uint32_t bytes)
{
    struct link_packet *packet = malloc(sizeof *packet + bytes);

    if (packet != NULL) {
        *packet = (struct link_packet){.bytes = bytes};
    }
    return packet;
}

struct link_packet *link_packet_from_frame(const struct berth_frame *frame)
{
    struct link_packet *packet = link_packet_new(frame->bytes);
    size_t at = 0;

    if (packet == NULL) {
        return NULL;
    }
    packet->offload = frame->offload;
    for (uint32_t i = 0; i < frame->view_count && at < frame->bytes; i++) {
        const struct berth_view *view = &frame->views[i];
        size_t bytes = view->bytes < frame->bytes - at ? view->bytes : frame->bytes - at;

        if (bytes > 0) {
            memcpy(packet->data + at, view->data, bytes);
        }
        at += bytes;
    }
    packet->bytes = (uint32_t)at;
    return packet;
}

struct link_packet *link_packet_from_buffer(const struct berth_buffer *buffer)
{
    struct link_packet *packet = link_packet_new(buffer->bytes);

    if (packet != NULL) {
        packet->offload = buffer->offload;
        memcpy(packet->data, buffer->data + buffer->begin, buffer->bytes);
    }
    return packet;
}

void link_packet_free(struct link_packet *packet)
{
    free(packet);
}

void link_packet_to_frame(struct link_packet *packet, struct berth_frame *frame)
{
    frame->views[0] = (struct berth_view){.data = packet->data, .bytes = packet->bytes};
    frame->view_count = 1;
    frame->bytes = packet->bytes;
    frame->offload = packet->offload;
}

static uint64_t memory_of(const struct link_packet *packet)
{
    return sizeof *packet + packet->bytes;
}

void link_packets_add(struct link_packets *packets, struct link_packet *packet)
{
    packet->next = NULL;
    if (packets->last == NULL) {
        packets->first = packet;
    } else {
        packets->last->next = packet;
    }
    packets->last = packet;
    packets->count++;
    packets->bytes += memory_of(packet);
}

void link_packets_put_back(struct link_packets *packets, struct link_packet *packet)
{
    packet->next = packets->first;
    packets->first = packet;
    packets->last = packets->last == NULL ? packet : packets->last;
    packets->count++;
    packets->bytes += memory_of(packet);
}

struct link_packet *link_packets_take(struct link_packets *packets)
{
    struct link_packet *packet = packets->first;

    if (packet != NULL) {
        packets->first = packet->next;
        packets->last = packets->first == NULL ? NULL : packets->last;
        packets->count--;
        packets->bytes -= memory_of(packet);
        packet->next = NULL;
    }
    return packet;
}

void link_packets_clear(struct link_packets *packets)
{
    struct link_packet *packet = link_packets_take(packets);

    while (packet != NULL) {
        link_packet_free(packet);
        packet = link_packets_take(packets);
    }
}

enum link_give link_packet_give(const struct link_packet *packet, struct berth *berth,
                                struct berth_buffer **out)
{
    struct berth_buffer *buffer = berth_buffer_get(berth);

    if (buffer == NULL) {
        return LINK_NO_BUFFER;
    }
    if (packet->bytes > buffer->capacity - buffer->begin) {
        berth_buffer_put(berth, buffer);
        return LINK_TOO_LONG;
    }
    memcpy(buffer->data + buffer->begin, packet->data, packet->bytes);
    buffer->bytes = packet->bytes;
    buffer->offload = packet->offload;
    *out = buffer;
    return LINK_GIVEN;
}

unsigned link_packets_read(struct link_packets *packets, struct link *link, struct berth *berth,
                           struct berth_buffer **buffers, unsigned max)
{
    unsigned count = 0;

    link->starved = false;
    while (count < max && packets->first != NULL) {
        enum link_give give = link_packet_give(packets->first, berth, &buffers[count]);

        if (give == LINK_NO_BUFFER) {
            link->starved = true;
            break;
        }
        link->counters.received += give == LINK_GIVEN;
        link->counters.lost_unfit += give == LINK_TOO_LONG;
        count += give == LINK_GIVEN;
        link_packet_free(link_packets_take(packets));
    }
    return count;
}
