/* SPDX-License-Identifier: MIT */
/*
 * udp/queue.c: the datagrams that wait in a socket.
 *
 * A large one keeps the buffer in which it came. Small ones share buffers, so that a trickle
 * cannot pin the pool: the buffer of the first becomes a page,
 *
 *     ... | bytes | packet | bytes | packet | 0 | free
 *         ^ begin                           ^ page_end of the socket, where the page is its last
 *
 * and the next are copied into it while there is room. (bytes: 4 each, in host order.)
 *
 * 1. A page has bytes == 0 in its struct berth_buffer; a buffer with one packet never has.
 * 2. Every page ends in a 0 length, which the next packet overwrites.
 * 3. What is queued was parsed and its checksum verified: parsing it again cannot fail.
 * Called by stack/ alone.
 */
#include "udp/udp.h"

#define LENGTH_BYTES  sizeof(uint32_t)
#define SMALL_DIVISOR 8 /* a packet is small up to this part of a buffer */

static uint32_t load_length(const struct berth_buffer *page, uint32_t at)
{
    uint32_t bytes;

    memcpy(&bytes, page->data + at, sizeof bytes);
    return bytes;
}

static void store_length(struct berth_buffer *page, uint32_t at, uint32_t bytes)
{
    memcpy(page->data + at, &bytes, sizeof bytes);
}

static bool is_page(const struct berth_buffer *buffer)
{
    return buffer->bytes == 0;
}

static bool is_small(const struct wire_packet *packet, const struct berth_buffer *buffer)
{
    return packet->segment_bytes == 0 && packet->packet_bytes <= buffer->capacity / SMALL_DIVISOR;
}

/* Copies PACKET behind the last one of SOCKET's last page; false: there is none, or no room. */
static bool add_to_page(struct udp_socket *socket, const struct wire_packet *packet)
{
    struct berth_buffer *page = socket->last;
    uint32_t end;

    if (page == NULL || !is_page(page) ||
        page->capacity - socket->page_end < packet->packet_bytes + 2 * LENGTH_BYTES) {
        return false;
    }
    memcpy(page->data + socket->page_end + LENGTH_BYTES, packet->packet, packet->packet_bytes);
    end = socket->page_end + (uint32_t)LENGTH_BYTES + packet->packet_bytes;
    store_length(page, end, 0);
    store_length(page, socket->page_end, packet->packet_bytes);
    socket->page_end = end;
    return true;
}

/* Makes BUFFER, which has PACKET alone, a page, if it has room around the packet for that. */
static void make_page(struct udp_socket *socket, const struct wire_packet *packet,
                      struct berth_buffer *buffer)
{
    uint32_t at = (uint32_t)(packet->packet - buffer->data);
    uint32_t end = at + packet->packet_bytes;

    if (at < LENGTH_BYTES || buffer->capacity - end < LENGTH_BYTES) {
        return;
    }
    buffer->begin = at - (uint32_t)LENGTH_BYTES;
    buffer->bytes = 0;
    store_length(buffer, buffer->begin, packet->packet_bytes);
    store_length(buffer, end, 0);
    socket->page_end = end;
}

static void add_buffer(struct udp_socket *socket, struct berth_buffer *buffer)
{
    buffer->next = NULL;
    if (socket->last == NULL) {
        socket->first = buffer;
    } else {
        socket->last->next = buffer;
    }
    socket->last = buffer;
}

static enum berth_drop check_room(const struct udp *udp, const struct udp_socket *socket,
                                  const struct wire_packet *packet)
{
    bool fits = socket->first == NULL ||
                socket->queue_bytes + (uint64_t)packet->packet_bytes <= udp->queue_bytes_max;

    return fits ? BERTH_DROP_NONE : BERTH_DROP_QUEUE_FULL;
}

enum berth_drop udp_deliver(struct udp *udp, struct udp_socket *socket,
                            const struct wire_packet *packet, struct berth_buffer *buffer)
{
    bool small = is_small(packet, buffer);
    enum berth_drop drop = check_room(udp, socket, packet);

    if (drop == BERTH_DROP_NONE && small && add_to_page(socket, packet)) {
        buffers_put(udp->buffers, buffer);
    } else {
        if (drop == BERTH_DROP_NONE && !buffers_may_keep(udp->buffers)) {
            drop = BERTH_DROP_RECEIVE_BUDGET;
        }
        if (drop != BERTH_DROP_NONE) {
            buffers_put(udp->buffers, buffer);
            return drop;
        }
        if (small) {
            make_page(socket, packet, buffer);
        }
        add_buffer(socket, buffer);
    }
    socket->queue_bytes += packet->packet_bytes;
    socket->queue_count++;
    if (!socket->held) {
        event_note(udp->events, &socket->event, BERTH_EVENT_READABLE);
    }
    return BERTH_DROP_NONE;
}

bool udp_peek(const struct udp_socket *socket, struct wire_packet *out)
{
    const struct berth_buffer *buffer = socket->first;
    struct berth_offload offload = {.checksum_good = 1};
    uint32_t begin;
    uint32_t bytes;

    if (buffer == NULL) {
        return false;
    }
    if (is_page(buffer)) {
        begin = buffer->begin + (uint32_t)LENGTH_BYTES;
        bytes = load_length(buffer, buffer->begin);
    } else {
        begin = buffer->begin;
        bytes = buffer->bytes;
        offload.segment_kind = buffer->offload.segment_kind;
        offload.segment_bytes = buffer->offload.segment_bytes;
    }
    BERTH_CHECK(wire_parse(out, buffer->data + begin, bytes, &offload) == BERTH_DROP_NONE);
    return true;
}

static void drop_buffer(struct udp *udp, struct udp_socket *socket)
{
    struct berth_buffer *buffer = socket->first;

    socket->first = buffer->next;
    if (socket->first == NULL) {
        socket->last = NULL;
    }
    buffers_put(udp->buffers, buffer);
}

bool udp_consume(struct udp *udp, struct udp_socket *socket)
{
    struct berth_buffer *buffer = socket->first;
    struct wire_packet packet;

    if (!udp_peek(socket, &packet)) {
        return false;
    }
    socket->queue_bytes -= packet.packet_bytes;
    socket->queue_count--;
    if (is_page(buffer)) {
        buffer->begin += (uint32_t)LENGTH_BYTES + packet.packet_bytes;
    }
    if (!is_page(buffer) || load_length(buffer, buffer->begin) == 0) {
        drop_buffer(udp, socket);
    }
    return true;
}
