/* SPDX-License-Identifier: MIT */
/*
 * link/vnet.c: offload facts to and from the virtio-net header. Pure.
 */
#include "link/vnet.h"

bool link_vnet_to_offload(const struct link_vnet *header, struct berth_offload *out)
{
    struct berth_offload offload = {0};

    switch (header->segment_kind & ~LINK_VNET_ECN) {
    case LINK_VNET_NONE:
        offload.segment_kind = BERTH_SEGMENT_NONE;
        break;
    case LINK_VNET_TCP4:
        offload.segment_kind = BERTH_SEGMENT_TCP4;
        break;
    case LINK_VNET_TCP6:
        offload.segment_kind = BERTH_SEGMENT_TCP6;
        break;
    case LINK_VNET_UDP:
        offload.segment_kind = BERTH_SEGMENT_UDP;
        break;
    default:
        return false;
    }
    offload.checksum_good = (header->flags & LINK_VNET_CHECKSUM_GOOD) != 0;
    if (offload.segment_kind != BERTH_SEGMENT_NONE) {
        offload.ecn = (header->segment_kind & LINK_VNET_ECN) != 0;
        offload.segment_bytes = header->segment_bytes;
        offload.header_bytes = header->header_bytes;
    }
    if ((header->flags & LINK_VNET_NEEDS_CHECKSUM) != 0) {
        offload.checksum_partial = 1;
        offload.checksum_start = header->checksum_start;
        offload.checksum_offset = header->checksum_offset;
    }
    *out = offload;
    return true;
}

static uint8_t segment_kind(const struct berth_offload *offload)
{
    uint8_t ecn = offload->ecn != 0 ? LINK_VNET_ECN : 0;

    switch ((enum berth_segment_kind)offload->segment_kind) {
    case BERTH_SEGMENT_NONE:
        return LINK_VNET_NONE;
    case BERTH_SEGMENT_TCP4:
        return LINK_VNET_TCP4 | ecn;
    case BERTH_SEGMENT_TCP6:
        return LINK_VNET_TCP6 | ecn;
    case BERTH_SEGMENT_UDP:
        return LINK_VNET_UDP;
    }
    return LINK_VNET_NONE;
}

struct link_vnet link_vnet_from_offload(const struct berth_offload *offload)
{
    struct link_vnet header = {.segment_kind = segment_kind(offload)};

    if (header.segment_kind != LINK_VNET_NONE) {
        header.segment_bytes = offload->segment_bytes;
        header.header_bytes = offload->header_bytes;
    }
    if (offload->checksum_partial != 0) {
        header.flags = LINK_VNET_NEEDS_CHECKSUM;
        header.checksum_start = offload->checksum_start;
        header.checksum_offset = offload->checksum_offset;
    } else if (offload->checksum_good != 0) {
        header.flags = LINK_VNET_CHECKSUM_GOOD;
    }
    return header;
}
