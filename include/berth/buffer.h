/* SPDX-License-Identifier: MIT */
/*
 * How packets cross between a link and a stack.
 *
 * Inwards a link takes a buffer of the stack's pool, reads one packet into it and hands it over
 * (berth_receive). Outwards the stack fills frames: headers of its own and views of the send
 * queues, which the link writes out before it calls the stack again. Both directions carry the
 * facts of a virtio-net header, so that a "packet" may be a super-segment of up to 64 KiB that the
 * far side of the link cuts up or never does.
 */
#ifndef BERTH_BUFFER_H
#define BERTH_BUFFER_H

#include <berth/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_FRAME_VIEWS_MAX    20    /* views in one frame, its headers included */
#define BERTH_FRAME_HEADER_BYTES 128   /* IPv6 40 + TCP 60, and room for a link's own header */
#define BERTH_PACKET_BYTES_MAX   65535 /* an IP packet, headers included */

/* A piece of memory. The layout is that of a POSIX struct iovec. */
struct berth_view {
    void *data;
    size_t bytes;
};

enum berth_segment_kind {
    BERTH_SEGMENT_NONE = 0, /* an ordinary packet */
    BERTH_SEGMENT_TCP4 = 1, /* a TCP super-segment over IPv4 */
    BERTH_SEGMENT_TCP6 = 2, /* over IPv6 */
    BERTH_SEGMENT_UDP = 3   /* several UDP datagrams of one size, the last may be shorter */
};

/* The facts of a virtio-net header (virtio 1.2, 5.1.6). All zero: an ordinary packet, sums
 * complete. */
struct berth_offload {
    uint8_t checksum_good; /* 1: the transport checksum was verified, or never left the machine */
    uint8_t checksum_partial; /* 1: the field holds the pseudo-header sum; complete it over
                                 checksum_start..end into checksum_start + checksum_offset */
    uint8_t segment_kind;     /* enum berth_segment_kind */
    uint8_t ecn;              /* 1: the TCP super-segment has CWR set (first segment only) */
    uint16_t segment_bytes;   /* transport payload of each piece (gso_size) */
    uint16_t header_bytes;    /* network and transport headers (hdr_len) */
    uint16_t checksum_start;  /* from the start of the packet */
    uint16_t checksum_offset; /* from checksum_start */
};

/* A buffer of a stack's pool. A link writes the packet at data + begin and sets bytes and offload.
 */
struct berth_buffer {
    uint8_t *data;     /* the memory; never changes */
    uint32_t capacity; /* bytes at data */
    uint32_t begin;    /* where the packet begins; the pool gives a buffer with headroom here */
    uint32_t bytes;    /* the packet's length from begin */
    struct berth_offload offload;
    struct berth_buffer *next; /* the owner's: a queue it is in */
};

/* One packet on its way out. Views are borrowed until the next call on the stack. */
struct berth_frame {
    struct berth_view views[BERTH_FRAME_VIEWS_MAX]; /* views[0]: the headers (in header below, or in
                                                       a buffer of the stack's) */
    uint32_t view_count;
    uint32_t bytes; /* sum of the views */
    struct berth_offload offload;
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
};

#ifdef __cplusplus
}
#endif
#endif
