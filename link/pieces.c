/* SPDX-License-Identifier: MIT */
/*
 * link/pieces.c: what a wire would carry of a packet. The cutting itself is wire's.
 */
#include "link/pieces.h"

#include "base/bytes.h"
#include "wire/wire.h"

#include <string.h>

static bool cut(const struct link_packet *packet, struct link_packets *out)
{
    struct wire_cut state;
    uint32_t room = packet->bytes;

    wire_cut_init(&state, packet->data, packet->bytes, &packet->offload);
    if (state.segment_bytes > 0) {
        room = min_u32(room, state.header_bytes + state.segment_bytes);
    }
    for (;;) {
        struct link_packet *piece = link_packet_new(room);

        if (piece == NULL) {
            return false;
        }
        piece->bytes = (uint32_t)wire_cut_next(&state, piece->data, room);
        if (piece->bytes == 0) {
            link_packet_free(piece);
            return true;
        }
        link_packets_add(out, piece);
    }
}

bool link_pieces(struct link_packet *packet, struct link_packets *out)
{
    bool whole = true;

    if (packet->offload.checksum_partial == 0 &&
        packet->offload.segment_kind == BERTH_SEGMENT_NONE) {
        packet->offload = (struct berth_offload){0};
        link_packets_add(out, packet);
        return true;
    }
    whole = cut(packet, out);
    link_packet_free(packet);
    return whole;
}
