/* SPDX-License-Identifier: MIT */
/*
 * TCP and UDP packets over IPv4 for the tests of link/: made by wire's own emitter, as the stack
 * makes them, checksum partial.
 */
#ifndef TESTS_UNIT_LINK_SEGMENTS_H
#define TESTS_UNIT_LINK_SEGMENTS_H

#include "stack.h"

#include "wire/wire.h"

/* A packet of HERE's to THERE. */
struct segment {
    struct wire_packet packet;
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
};

static inline struct segment segment_of(uint8_t protocol, const char *here, const char *there,
                                        uint16_t here_port, uint16_t there_port)
{
    struct segment segment = {.packet = {.version = 4,
                                         .protocol = protocol,
                                         .hop_limit = 64,
                                         .dont_fragment = true,
                                         .source_port = here_port,
                                         .destination_port = there_port}};

    assert_int_equal(berth_address_parse(here, &segment.packet.source), 0);
    assert_int_equal(berth_address_parse(there, &segment.packet.destination), 0);
    return segment;
}

/* The frame of SEGMENT with BYTES of payload at DATA (borrowed, as SEGMENT is); a super-segment of
   pieces of SEGMENT_BYTES, unless 0. */
static inline struct berth_frame segment_frame(struct segment *segment, void *data, uint32_t bytes,
                                               uint16_t segment_bytes)
{
    struct wire_packet *packet = &segment->packet;
    struct berth_frame frame = {.view_count = bytes > 0 ? 2 : 1};
    struct wire_sum_place place;
    uint32_t header_bytes;

    packet->payload_bytes = bytes;
    packet->segment_bytes = segment_bytes;
    header_bytes = packet->protocol == WIRE_TCP ? wire_emit_tcp(segment->header, packet)
                                                : wire_emit_udp(segment->header, packet);
    place = wire_sum_place(packet, header_bytes);
    frame.views[0] = (struct berth_view){segment->header, header_bytes};
    frame.views[1] = (struct berth_view){data, bytes};
    frame.bytes = header_bytes + bytes;
    frame.offload = (struct berth_offload){
        .checksum_partial = 1, .checksum_start = place.start, .checksum_offset = place.offset};
    if (segment_bytes > 0) {
        frame.offload.segment_kind =
            packet->protocol == WIRE_TCP ? BERTH_SEGMENT_TCP4 : BERTH_SEGMENT_UDP;
        frame.offload.segment_bytes = segment_bytes;
        frame.offload.header_bytes = (uint16_t)header_bytes;
    }
    return frame;
}

#endif
