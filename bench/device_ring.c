/* SPDX-License-Identifier: MIT */
/*
 * An io_uring by its system calls alone (io_uring(7), <linux/io_uring.h>): no liburing. The kernel
 * and we share two rings: our tail hands requests in, its tail hands results back.
 */
#include "device.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int map(const struct device_ring *ring, size_t bytes, uint64_t offset, void **out)
{
    *out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
                (off_t)offset);
    return *out == MAP_FAILED ? -errno : 0;
}

static int register_all(const struct device_ring *ring, const struct device_io *io,
                        const char **what)
{
    struct iovec buffers[DEVICE_BATCH];

    for (unsigned i = 0; i < DEVICE_BATCH; i++) {
        buffers[i] = (struct iovec){io->buffers[i], DEVICE_BUFFER_BYTES};
    }
    *what = "registering buffers";
    if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, buffers, DEVICE_BATCH) !=
        0) {
        return -errno;
    }
    *what = "registering a file";
    return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, &io->fd, 1) != 0 ? -errno
                                                                                            : 0;
}

static struct io_uring_sqe request(const struct device_io *io, unsigned index, bool is_registered)
{
    struct io_uring_sqe out = {.fd = io->fd,
                               .opcode = io->is_write ? IORING_OP_WRITE : IORING_OP_READ,
                               .addr = (uintptr_t)io->buffers[index],
                               .len = io->is_write ? io->bytes : DEVICE_BUFFER_BYTES};

    if (is_registered) {
        out.fd = 0; /* the first registered */
        out.flags = IOSQE_FIXED_FILE;
        out.opcode = io->is_write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
        out.buf_index = (uint16_t)index;
    }
    return out;
}

static int map_rings(struct device_ring *ring, const struct io_uring_params *params,
                     struct io_uring_sqe **requests)
{
    uint8_t *submit;
    uint8_t *complete;
    void *parts[3];
    int error = map(ring, params->sq_off.array + params->sq_entries * sizeof(uint32_t),
                    IORING_OFF_SQ_RING, &parts[0]);

    if (error == 0) {
        error = map(ring, params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe),
                    IORING_OFF_CQ_RING, &parts[1]);
    }
    if (error == 0) {
        error = map(ring, params->sq_entries * sizeof **requests, IORING_OFF_SQES, &parts[2]);
    }
    if (error != 0) {
        return error;
    }
    submit = parts[0];
    complete = parts[1];
    *requests = parts[2];
    ring->submit_tail = (uint32_t *)(void *)(submit + params->sq_off.tail);
    for (uint32_t i = 0; i < DEVICE_BATCH; i++) {
        ((uint32_t *)(void *)(submit + params->sq_off.array))[i] = i;
    }
    ring->complete_head = (uint32_t *)(void *)(complete + params->cq_off.head);
    ring->complete_tail = (uint32_t *)(void *)(complete + params->cq_off.tail);
    ring->complete_mask = *(uint32_t *)(void *)(complete + params->cq_off.ring_mask);
    ring->completed = (struct io_uring_cqe *)(void *)(complete + params->cq_off.cqes);
    return 0;
}

int device_ring_init(struct device_ring *ring, const struct device_io *io, uint32_t flags,
                     bool is_registered, const char **what)
{
    struct io_uring_params params = {.flags = flags};
    struct io_uring_sqe *requests;
    int error;

    *what = "io_uring_setup";
    *ring = (struct device_ring){.bytes = io->bytes};
    ring->fd = (int)syscall(SYS_io_uring_setup, DEVICE_BATCH, &params);
    if (ring->fd < 0) {
        return -errno;
    }
    *what = "mapping an io_uring";
    error = map_rings(ring, &params, &requests);
    if (error == 0 && is_registered) {
        error = register_all(ring, io, what);
    }
    if (error != 0) {
        (void)close(ring->fd);
        return error;
    }
    for (unsigned i = 0; i < DEVICE_BATCH; i++) {
        requests[i] = request(io, i, is_registered);
    }
    return 0;
}

int device_ring_move(struct device_ring *ring)
{
    uint32_t head = *ring->complete_head;
    uint32_t count;
    int error = 0;
    long entered;

    /* As many requests as the ring has places: the tail comes round to the first of them again. */
    __atomic_store_n(ring->submit_tail, *ring->submit_tail + DEVICE_BATCH, __ATOMIC_RELEASE);
    entered = syscall(SYS_io_uring_enter, ring->fd, DEVICE_BATCH, DEVICE_BATCH,
                      IORING_ENTER_GETEVENTS, NULL, (size_t)0);
    if (entered < 0) {
        return -errno;
    }
    count = __atomic_load_n(ring->complete_tail, __ATOMIC_ACQUIRE) - head;
    if (entered != DEVICE_BATCH || count != DEVICE_BATCH) {
        return -EPROTO;
    }
    for (uint32_t i = 0; i < DEVICE_BATCH && error == 0; i++) {
        int32_t result = ring->completed[(head + i) & ring->complete_mask].res;

        if (result != (int32_t)ring->bytes) {
            error = result < 0 ? result : -EMSGSIZE;
        }
    }
    __atomic_store_n(ring->complete_head, head + DEVICE_BATCH, __ATOMIC_RELEASE);
    return error;
}
