/* SPDX-License-Identifier: MIT */
/*
 * The way out: whole packets that wait in the outbox first, then the connections in turn. Headers
 * are written here, payload stays where it is; checksums are completed unless the link does.
 */
#include "stack/stack.h"

/* What the frames of the last call pointed into. */
static void take_back(struct berth *berth)
{
    while (berth->lent != NULL) {
        struct berth_buffer *buffer = berth->lent;
        berth->lent = buffer->next;
        buffers_put(&berth->buffers, buffer);
    }
}

static void finish(struct berth *berth, struct berth_frame *frame)
{
    berth->stats.packets_out++;
    berth->stats.bytes_out += frame->bytes;
    bool by_link = (berth->config.offloads & BERTH_LINK_CHECKSUM) != 0;
    if (frame->offload.checksum_partial != 0 && !by_link) {
        struct wire_sum_place place = {.start = frame->offload.checksum_start,
                                       .offset = frame->offload.checksum_offset};
        wire_finish(frame->views, frame->view_count, &place);
        frame->offload.checksum_partial = 0;
        frame->offload.checksum_start = 0;
        frame->offload.checksum_offset = 0;
    }
}

static void fill_from_outbox(struct berth *berth, struct berth_buffer *buffer,
                             struct berth_frame *frame)
{
    frame->views[0] =
        (struct berth_view){.data = buffer->data + buffer->begin, .bytes = buffer->bytes};
    frame->view_count = 1;
    frame->bytes = buffer->bytes;
    frame->offload = buffer->offload;
    buffer->next = berth->lent;
    berth->lent = buffer;
    finish(berth, frame);
}

static void fill_segment(struct berth *berth, const struct wire_packet *packet,
                         struct berth_frame *frame)
{
    uint32_t bytes = wire_emit_tcp(frame->header, packet);
    struct wire_sum_place place = wire_sum_place(packet, bytes);
    frame->views[0] = (struct berth_view){.data = frame->header, .bytes = bytes};
    frame->bytes = bytes + packet->payload_bytes;
    frame->offload = (struct berth_offload){.checksum_partial = 1,
                                            .header_bytes = (uint16_t)bytes,
                                            .checksum_start = place.start,
                                            .checksum_offset = place.offset};
    if (packet->segment_bytes != 0) {
        frame->offload.segment_kind =
            packet->version == 4 ? BERTH_SEGMENT_TCP4 : BERTH_SEGMENT_TCP6;
        frame->offload.segment_bytes = packet->segment_bytes;
        frame->offload.ecn = (packet->tcp.flags & WIRE_CWR) != 0;
    }
    finish(berth, frame);
}

/* The next connection with something to send fills FRAME; false: none has. */
static bool fill_from_tcp(struct berth *berth, struct berth_frame *frame)
{
    struct tcp_conn *conn = tcp_ready(&berth->tcp);
    while (conn != NULL) {
        struct wire_packet packet;
        frame->view_count = 1; /* views[0] is the headers' */
        if (tcp_fill(&berth->tcp, conn, &packet, frame)) {
            fill_segment(berth, &packet, frame);
            return true;
        }
        conn = tcp_ready(&berth->tcp);
    }
    return false;
}

uint32_t berth_transmit(struct berth *berth, struct berth_frame *frames, uint32_t frames_max,
                        uint64_t now_ns)
{
    stack_set_now(berth, now_ns);
    bool quiet = events_is_empty(&berth->events);
    take_back(berth);
    tcp_feed(&berth->tcp); /* before the frames: a window that opens is told in this call */
    udp_on_room(&berth->udp);
    uint32_t count = 0;
    while (count < frames_max) {
        struct berth_buffer *buffer = outbox_next(&berth->outbox);
        if (buffer != NULL) {
            fill_from_outbox(berth, buffer, &frames[count]);
        } else if (!fill_from_tcp(berth, &frames[count])) {
            break;
        }
        count++;
    }
    berth->has_news = berth->has_news || (quiet && !events_is_empty(&berth->events));
    return count;
}
