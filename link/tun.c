/* SPDX-License-Identifier: MIT */
/*
 * link/tun.c: a Linux TUN device (Documentation/networking/tuntap.rst), one packet a system call,
 * each behind its virtio-net header.
 *
 * Invariants:
 * 1. A packet is read straight into the stack's buffer, its virtio-net header into the headroom in
 *    front, and its payload is written straight from its views. Its headers are copied behind the
 *    virtio-net header: a call with fewer parts costs less (./dev bench device).
 * 2. No call waits: the descriptor is non-blocking, and what the device does not take is lost.
 *
 * An error means one of two things: the device is gone (EBADFD after its network namespace has
 * ended, or after it was deleted), or this packet was not taken (EIO while the interface is down,
 * EAGAIN and ENOBUFS when it has no room, EINVAL when the kernel does not like the packet). An
 * interface that is down may come up again; so that is a loss, not an end.
 */
#include "link/link.h"
#include "link/vnet.h"

#include "base/buffers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define HEAD_BYTES (LINK_VNET_BYTES + BERTH_FRAME_HEADER_BYTES)

_Static_assert(BUFFERS_HEADROOM >= LINK_VNET_BYTES, "the headroom takes the virtio-net header");

struct tun_link {
    struct link link;
    int fd;
    uint32_t offloads;
};

_Static_assert(offsetof(struct berth_view, data) == offsetof(struct iovec, iov_base) &&
                   offsetof(struct berth_view, bytes) == offsetof(struct iovec, iov_len) &&
                   sizeof(struct berth_view) == sizeof(struct iovec),
               "a view is laid out as an iovec");

static bool is_gone(int error)
{
    return error == EBADFD || error == EBADF || error == ENODEV || error == ENXIO;
}

/* Bytes of the packet read into BUFFER; 0: none there; -errno. */
static ssize_t read_packet(int fd, struct berth_buffer *buffer, struct link_vnet *header)
{
    uint8_t *front = buffer->data + buffer->begin - LINK_VNET_BYTES;
    ssize_t bytes;

    do {
        bytes = read(fd, front, buffer->capacity - buffer->begin + LINK_VNET_BYTES);
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -(ssize_t)errno;
    }
    if (bytes < LINK_VNET_BYTES) {
        return 0;
    }
    memcpy(header, front, sizeof *header);
    return bytes - LINK_VNET_BYTES;
}

/* One packet into BUFFER: 1; 0: none now; -1: it was no good and is gone; BERTH_E_CLOSED. */
static int read_one(struct tun_link *tun, struct berth_buffer *buffer)
{
    struct link_vnet header;
    ssize_t bytes = read_packet(tun->fd, buffer, &header);

    if (bytes <= 0) {
        return bytes == 0 ? 0 : BERTH_E_CLOSED;
    }
    /* A packet that fills the buffer to its end has probably been cut off by the kernel. Let the
       stack see it: it compares the length with the headers and has a counter for it. */
    buffer->bytes = (uint32_t)bytes;
    return link_vnet_to_offload(&header, &buffer->offload) ? 1 : -1;
}

static int tun_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                    unsigned max, uint64_t now_ns)
{
    struct tun_link *tun = (struct tun_link *)link;
    unsigned count = 0;

    (void)now_ns;
    link->starved = false;
    while (count < max) {
        struct berth_buffer *buffer = berth_buffer_get(berth);
        int result;

        if (buffer == NULL) {
            link->starved = true;
            break;
        }
        result = read_one(tun, buffer);
        if (result == 1) {
            buffers[count++] = buffer;
            continue;
        }
        berth_buffer_put(berth, buffer);
        if (result == 0) {
            break;
        }
        if (result == BERTH_E_CLOSED) {
            return count > 0 ? (int)count : BERTH_E_CLOSED;
        }
        link->counters.lost_unfit++;
    }
    link->counters.received += count;
    return (int)count;
}

/* What to write of FRAME, and in how many parts. HEAD takes the virtio-net header, and behind it
   the first view where that is short enough. */
static int parts_of(const struct berth_frame *frame, uint8_t head[HEAD_BYTES], struct iovec *parts)
{
    struct link_vnet header = link_vnet_from_offload(&frame->offload);
    bool is_short = frame->view_count > 0 && frame->views[0].bytes <= BERTH_FRAME_HEADER_BYTES;
    uint32_t joined = is_short ? 1 : 0;
    uint32_t rest = frame->view_count - joined;

    memcpy(head, &header, sizeof header);
    parts[0] = (struct iovec){.iov_base = head, .iov_len = sizeof header};
    if (is_short) {
        memcpy(head + sizeof header, frame->views[0].data, frame->views[0].bytes);
        parts[0].iov_len += frame->views[0].bytes;
    }
    memcpy(&parts[1], &frame->views[joined], rest * sizeof parts[0]);
    return (int)rest + 1;
}

/* 0, or errno. */
static int write_packet(int fd, const struct berth_frame *frame)
{
    uint8_t head[HEAD_BYTES];
    struct iovec parts[1 + BERTH_FRAME_VIEWS_MAX];
    int count = parts_of(frame, head, parts);
    ssize_t written;

    do {
        written =
            count == 1 ? write(fd, parts[0].iov_base, parts[0].iov_len) : writev(fd, parts, count);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? errno : 0;
}

static int tun_send(struct link *link, const struct berth_frame *frames, unsigned count,
                    uint64_t now_ns)
{
    struct tun_link *tun = (struct tun_link *)link;

    (void)now_ns;
    for (unsigned i = 0; i < count; i++) {
        int error = write_packet(tun->fd, &frames[i]);

        if (is_gone(error)) {
            return BERTH_E_CLOSED;
        }
        link->counters.sent += error == 0;
        link->counters.lost_send += error != 0;
    }
    return (int)count;
}

static uint64_t tun_next_ns(const struct link *link)
{
    (void)link;
    return BERTH_NEVER;
}

static int tun_fd(const struct link *link)
{
    return ((const struct tun_link *)link)->fd;
}

static uint32_t tun_offloads(const struct link *link)
{
    return ((const struct tun_link *)link)->offloads;
}

static void tun_free(struct link *link)
{
    struct tun_link *tun = (struct tun_link *)link;

    (void)close(tun->fd);
    free(tun);
}

static const struct link_table tun_table = {
    .name = "tun",
    .read = tun_read,
    .send = tun_send,
    .next_ns = tun_next_ns,
    .fd = tun_fd,
    .offloads = tun_offloads,
    .free = tun_free,
};

int link_tun_new(int fd, uint32_t offloads, struct link **out)
{
    struct tun_link *tun = calloc(1, sizeof *tun);

    if (tun == NULL) {
        return BERTH_E_LIMIT;
    }
    *tun = (struct tun_link){.link = {.table = &tun_table}, .fd = fd, .offloads = offloads};
    *out = &tun->link;
    return 0;
}

int link_tun_set_offloads(int fd, uint32_t offloads)
{
    unsigned long flags = 0;

    flags |= (offloads & BERTH_LINK_CHECKSUM) != 0 ? TUN_F_CSUM : 0U;
    flags |= (offloads & BERTH_LINK_TSO4) != 0 ? TUN_F_TSO4 | TUN_F_TSO_ECN : 0U;
    flags |= (offloads & BERTH_LINK_TSO6) != 0 ? TUN_F_TSO6 | TUN_F_TSO_ECN : 0U;
    flags |= (offloads & BERTH_LINK_USO) != 0 ? TUN_F_USO4 | TUN_F_USO6 : 0U;
    return ioctl(fd, TUNSETOFFLOAD, flags) != 0 ? -errno : 0;
}

int link_tun_attach(int fd, bool is_attached)
{
    struct ifreq request = {.ifr_flags = is_attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

    return ioctl(fd, TUNSETQUEUE, &request) != 0 ? -errno : 0;
}

int link_tun_set_owner(int fd, uint32_t user)
{
    return ioctl(fd, TUNSETOWNER, (unsigned long)user) != 0 ? -errno : 0;
}

/* The most that this kernel has. */
static int set_all_offloads(int fd, uint32_t *offloads)
{
    static const uint32_t sets[] = {
        BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6 | BERTH_LINK_USO,
        BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6,
        BERTH_LINK_CHECKSUM,
        0,
    };
    int result = 0;

    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        result = link_tun_set_offloads(fd, sets[i]);
        if (result == 0) {
            *offloads = sets[i];
            break;
        }
    }
    return result;
}

/* One descriptor of the device that REQUEST says; -errno. */
static int open_queue(struct ifreq *request)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    if (ioctl(fd, TUNSETIFF, request) != 0) {
        int error = errno;

        (void)close(fd);
        return -error;
    }
    return fd;
}

int link_tun_open_queues(const char *name, unsigned count, int *fds, uint32_t *offloads)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    uint32_t all = 0;
    unsigned opened = 0;
    int result = 0;

    if (strlen(name) >= sizeof request.ifr_name) {
        return -ENAMETOOLONG;
    }
    memcpy(request.ifr_name, name, strlen(name));
    if (count > 1) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_MULTI_QUEUE);
    }
    while (opened < count && result >= 0) {
        result = open_queue(&request); /* which has the name of the first from then on */
        if (result >= 0) {
            fds[opened++] = result;
        }
    }
    if (result >= 0) {
        result = set_all_offloads(fds[0], &all); /* they are the device's */
    }
    if (result < 0) {
        while (opened > 0) {
            (void)close(fds[--opened]);
        }
        return result;
    }
    *offloads = all;
    return 0;
}

int link_tun_open(const char *name, int *fd, uint32_t *offloads)
{
    return link_tun_open_queues(name, 1, fd, offloads);
}
