/* SPDX-License-Identifier: MIT */
/*
 * The header in front of a packet on a TUN with IFF_VNET_HDR: virtio 1.2, 5.1.6, the legacy form of
 * 10 bytes, in the byte order of the machine (little-endian: base/bytes.h asserts it).
 */
#ifndef LINK_VNET_H
#define LINK_VNET_H

#include <berth/buffer.h>

#include <stdbool.h>

#define LINK_VNET_BYTES 10

enum link_vnet_flag { LINK_VNET_NEEDS_CHECKSUM = 1, LINK_VNET_CHECKSUM_GOOD = 2 };

enum link_vnet_segment { /* the ECN bit may be or-ed to the TCP ones */
                         LINK_VNET_NONE = 0,
                         LINK_VNET_TCP4 = 1,
                         LINK_VNET_TCP6 = 4,
                         LINK_VNET_UDP = 5,
                         LINK_VNET_ECN = 0x80
};

struct link_vnet {
    uint8_t flags;        /* enum link_vnet_flag */
    uint8_t segment_kind; /* enum link_vnet_segment */
    uint16_t header_bytes;
    uint16_t segment_bytes;
    uint16_t checksum_start;
    uint16_t checksum_offset;
};
_Static_assert(sizeof(struct link_vnet) == LINK_VNET_BYTES, "the legacy virtio-net header");

/* What HEADER says of a packet that came in; false: a kind of segment that is not asked for. */
bool link_vnet_to_offload(const struct link_vnet *header, struct berth_offload *out);
struct link_vnet link_vnet_from_offload(const struct berth_offload *offload);

#endif
