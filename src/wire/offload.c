/* SPDX-License-Identifier: MIT */
/*
 * Are the facts that a link gives with a packet (virtio 1.2 5.1.6.4) about this packet? A link that
 * is wrong, or a peer behind a shared memory that lies, must not make the stack take a payload for
 * verified or cut into pieces that it is not. header_bytes is a hint only (virtio: hdr_len) and not
 * looked at.
 */
#include "wire/internal.h"

static bool is_segment_kind_right(const struct wire_packet *out, uint8_t kind)
{
    switch ((enum berth_segment_kind)kind) {
    case BERTH_SEGMENT_NONE:
        return true;
    case BERTH_SEGMENT_TCP4:
        return out->protocol == WIRE_TCP && out->version == 4;
    case BERTH_SEGMENT_TCP6:
        return out->protocol == WIRE_TCP && out->version == 6;
    case BERTH_SEGMENT_UDP:
        return out->protocol == WIRE_UDP;
    }
    return false;
}

static uint32_t field_offset(uint8_t protocol)
{
    if (protocol == WIRE_TCP) {
        return WIRE_TCP_CHECKSUM_OFFSET;
    }
    return protocol == WIRE_UDP ? WIRE_UDP_CHECKSUM_OFFSET : WIRE_ICMP_CHECKSUM_OFFSET;
}

enum berth_drop wire_check_offload(struct wire_packet *out, const struct berth_offload *offload)
{
    /* A fragment's checksum covers more than is here; an unknown protocol's is elsewhere. */
    if (out->transport == NULL) {
        return BERTH_DROP_BAD_OFFLOAD;
    }
    if (offload->checksum_partial &&
        (offload->checksum_start != (size_t)(out->transport - out->packet) ||
         offload->checksum_offset != field_offset(out->protocol))) {
        return BERTH_DROP_BAD_OFFLOAD;
    }
    if (offload->segment_kind == BERTH_SEGMENT_NONE) {
        return BERTH_DROP_NONE;
    }
    if (!is_segment_kind_right(out, offload->segment_kind) || offload->segment_bytes == 0) {
        return BERTH_DROP_BAD_OFFLOAD;
    }
    if (out->payload_bytes > offload->segment_bytes) {
        out->segment_bytes = offload->segment_bytes;
    }
    return BERTH_DROP_NONE;
}
