/* SPDX-License-Identifier: MIT */
/*
 * bench-device: ways to carry packets over a TUN device, DEVICE_BATCH at a time. They share the
 * device and the buffers, so that nothing but the way differs.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_BATCH        8U
#define DEVICE_BUFFER_BYTES 69632U /* the largest packet and its virtio-net header; whole pages */

struct io_uring_sqe;
struct io_uring_cqe;

struct device_io {
    int fd; /* which does not wait */
    bool is_write;
    uint32_t bytes; /* of each packet, its virtio-net header in front included */
    uint8_t (*buffers)[DEVICE_BUFFER_BYTES]; /* DEVICE_BATCH of them */
};

/* An io_uring with DEVICE_BATCH requests, which are made once and then submitted again and again:
   what it costs to make them is left out, in io_uring's favour. */
struct device_ring {
    int fd;
    uint32_t bytes;
    uint32_t *submit_tail;
    uint32_t *complete_head;
    uint32_t *complete_tail;
    uint32_t complete_mask;
    const struct io_uring_cqe *completed;
};

/*
 * Makes RING for IO, which it borrows nothing of but the buffers; FLAGS are those of
 * io_uring_setup. IS_REGISTERED: with the buffers and the device registered. 0, or -errno, and WHAT
 * says which call the kernel refused. What is made lasts until the process ends.
 */
int device_ring_init(struct device_ring *ring, const struct device_io *io, uint32_t flags,
                     bool is_registered, const char **what);
/* Moves DEVICE_BATCH packets by one io_uring_enter: 0, or -errno (EMSGSIZE: one of another length,
   EAGAIN: fewer were there). */
int device_ring_move(struct device_ring *ring);

#endif
