/* SPDX-License-Identifier: MIT */
/*
 * Virtual time and the wire: what the stack sends is taken, verified and stamped at once; time
 * moves from one deadline to the next, and those who wait look again after each.
 */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_AT_ONCE 16
#define STUCK_ROUNDS   100000 /* the stack says that something is due now, again and again */

static void keep(struct adapter *adapter, const struct berth_frame *frame)
{
    struct sent_packet *packet = malloc(sizeof *packet + frame->bytes);
    if (packet == NULL) {
        adapter_fail("no memory for a packet");
    }
    packet->next = NULL;
    packet->sent_ns = adapter->now_ns;
    packet->bytes = 0;
    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(packet->data + packet->bytes, frame->views[i].data, frame->views[i].bytes);
        packet->bytes += frame->views[i].bytes;
    }
    const char *fault = packet->bytes != frame->bytes ? "its length is not its views'"
                                                      : checksum_fault(packet->data, packet->bytes);
    if (fault != NULL) {
        adapter_fail("berth has sent a packet that is wrong: %s", fault);
    }
    if (adapter->is_rehearsal) {
        adapter->rehearsed = fast_text(packet->data, packet->bytes);
        free(packet);
        return;
    }
    if (adapter->sent_last == NULL) {
        adapter->sent_first = packet;
    } else {
        adapter->sent_last->next = packet;
    }
    adapter->sent_last = packet;
}

/* true: something was sent. */
static bool transmit(struct adapter *adapter)
{
    struct berth_frame frames[FRAMES_AT_ONCE];
    bool any = false;
    for (uint32_t count = 1; count > 0;) {
        count = berth_transmit(adapter->berth, frames, FRAMES_AT_ONCE, adapter->now_ns);
        for (uint32_t i = 0; i < count; i++) {
            keep(adapter, &frames[i]);
        }
        any = any || count > 0;
    }
    return any;
}

static void take_event(struct adapter *adapter, const struct berth_event *event)
{
    struct file *file = event->user;
    if (file == NULL || file_of(adapter, file->fd) != file) {
        return;
    }
    if (file->kind == FILE_TCP) {
        bool closed = (event->bits & BERTH_EVENT_PEER_CLOSED) != 0;
        file->stream.peer_closed = file->stream.peer_closed || closed;
        stream_refresh(adapter, file);
    }
    poll_edge(adapter, file, event->bits);
}

void clock_pump(struct adapter *adapter)
{
    for (int round = 0; round < STUCK_ROUNDS; round++) {
        bool any = transmit(adapter);
        struct berth_event event;
        while (berth_next_event(adapter->berth, &event)) {
            take_event(adapter, &event);
            any = true;
        }
        if (!any && berth_deadline(adapter->berth) > adapter->now_ns) {
            return;
        }
        berth_advance(adapter->berth, adapter->now_ns);
    }
    adapter_fail("the stack has something to do at once, for ever");
}

void clock_settle(struct adapter *adapter)
{
    if (adapter->waiting == 0) {
        return;
    }
    adapter->running += adapter->waiting;
    adapter->waiting = 0;
    adapter->wakes++;
    pthread_cond_broadcast(&adapter->changed);
    while (adapter->running > 0) {
        pthread_cond_wait(&adapter->settled, &adapter->lock);
    }
}

uint64_t clock_next(const struct adapter *adapter)
{
    uint64_t next_ns = berth_deadline(adapter->berth);
    bool sooner = adapter->waiting > 0 && adapter->wait_until_ns < next_ns;
    return sooner ? adapter->wait_until_ns : next_ns;
}

void clock_advance(struct adapter *adapter, uint64_t to_ns)
{
    uint64_t next_ns = clock_next(adapter);
    while (next_ns <= to_ns) {
        adapter->now_ns = next_ns > adapter->now_ns ? next_ns : adapter->now_ns;
        berth_advance(adapter->berth, adapter->now_ns);
        clock_pump(adapter);
        clock_settle(adapter);
        next_ns = clock_next(adapter);
    }
    adapter->now_ns = to_ns > adapter->now_ns ? to_ns : adapter->now_ns;
    berth_advance(adapter->berth, adapter->now_ns);
    clock_pump(adapter);
}

int net_send(struct adapter *adapter, const void *packet, size_t bytes)
{
    struct berth_buffer *buffer = berth_buffer_get(adapter->berth);
    if (buffer == NULL) {
        adapter_fail("the stack's pool of buffers is empty: limits.buffers");
    }
    if (bytes > buffer->capacity - buffer->begin) {
        berth_buffer_put(adapter->berth, buffer);
        return -EMSGSIZE;
    }
    memcpy(buffer->data + buffer->begin, packet, bytes);
    buffer->bytes = (uint32_t)bytes;
    berth_receive(adapter->berth, buffer, adapter->now_ns);
    return 0;
}

void net_receive(struct adapter *adapter, void *packet, size_t *bytes, uint64_t *sent_ns)
{
    uint64_t limit_ns = adapter->now_ns + adapter->settings.wait_max_ns;
    while (adapter->sent_first == NULL) {
        uint64_t next_ns = clock_next(adapter);
        if (next_ns == BERTH_NEVER) {
            adapter_fail("deadlock: a packet is expected, and nothing is due that could send one");
        }
        if (next_ns > limit_ns) {
            adapter_fail("a packet is expected, and none comes for %llu s",
                         (unsigned long long)(adapter->settings.wait_max_ns / NS_PER_S));
        }
        clock_advance(adapter, next_ns);
    }
    struct sent_packet *first = adapter->sent_first;
    adapter->sent_first = first->next;
    adapter->sent_last = first->next == NULL ? NULL : adapter->sent_last;
    if (first->bytes > *bytes) {
        adapter_fail("a packet of %zu bytes does not fit into %zu", first->bytes, *bytes);
    }
    memcpy(packet, first->data, first->bytes);
    *bytes = first->bytes;
    *sent_ns = first->sent_ns;
    free(first);
}

void net_free(struct adapter *adapter)
{
    while (adapter->sent_first != NULL) {
        struct sent_packet *packet = adapter->sent_first;
        adapter->sent_first = packet->next;
        free(packet);
    }
    adapter->sent_last = NULL;
}
