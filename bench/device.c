/* SPDX-License-Identifier: MIT */
/*
 * bench-device: what it costs to read packets from a TUN device and to write them to it, by one
 * call a packet and by several packets a call. The kernel is at the device's other end.
 *
 *   bench-device read  DEVICE SIZE SECONDS   the kernel sends bursts, which wait in the device
 *   bench-device write DEVICE SIZE SECONDS   to a socket that is full: the kernel drops them last
 *
 * DEVICE is there and down, with 10.9.0.1/24, and nothing else uses it. SIZE is a packet's length,
 * with its headers. The ways take turns, a burst each, in this one process; a line of JSON for each
 * says the median of its bursts in processor time (the kernel's included), or why it cannot be had:
 *
 *   whole       read or write, the virtio-net header in front of the packet
 *   parts       readv or writev, the header in a part of its own
 *   ring        io_uring, DEVICE_BATCH packets a call
 *   registered  the same with the buffers and the device registered
 *   deferred    the same, its work done by the caller alone (IORING_SETUP_DEFER_TASKRUN)
 */
#include "device.h"
#include "stacks.h"

#include "link/link.h"
#include "link/vnet.h"
#include "wire/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PORT          9
#define SIZE_MIN      29U /* IPv4's header, UDP's, a byte */
#define SIZE_MAX_IP   65535U
#define HEADERS_BYTES 28U
#define BURST_SMALL   400U /* below what waits in the device (txqueuelen 500) */
#define BURST_LARGE   16U
#define LARGE         9000U
#define SAMPLES_MAX   16384U
#define SECONDS_MAX   3600.0
#define QUEUED_MAX    8U /* packets that the full socket may have taken */

struct way {
    const char *name;
    int (*move)(const struct device_io *io); /* a call a packet; NULL: an io_uring */
    bool is_registered;
    uint32_t flags;
    struct device_ring ring;
    const char *refused; /* the call; NULL: it can be had */
    int error;
    double samples_ns[SAMPLES_MAX];
};

struct bench {
    struct device_io io;
    int socket;
    uint32_t size;
    uint32_t burst;
    uint32_t written; /* wraps, as what the kernel counts does */
};

static uint8_t buffers[DEVICE_BATCH][DEVICE_BUFFER_BYTES] __attribute__((aligned(4096)));

static _Noreturn void die(const char *what, int error)
{
    fprintf(stderr, "bench-device: %s: %s\n", what, strerror(error));
    exit(1);
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static int result_of(const struct device_io *io, ssize_t moved)
{
    if (moved == (ssize_t)io->bytes) {
        return 0;
    }
    return moved < 0 ? -errno : -EMSGSIZE;
}

static int parts_move(const struct device_io *io)
{
    size_t rest = (io->is_write ? io->bytes : DEVICE_BUFFER_BYTES) - LINK_VNET_BYTES;
    int error = 0;

    for (unsigned i = 0; i < DEVICE_BATCH && error == 0; i++) {
        uint8_t *buffer = io->buffers[i];
        struct iovec parts[2] = {{buffer, LINK_VNET_BYTES}, {buffer + LINK_VNET_BYTES, rest}};

        error = result_of(io, io->is_write ? writev(io->fd, parts, 2) : readv(io->fd, parts, 2));
    }
    return error;
}

static int whole_move(const struct device_io *io)
{
    int error = 0;

    for (unsigned i = 0; i < DEVICE_BATCH && error == 0; i++) {
        error = result_of(io, io->is_write ? write(io->fd, io->buffers[i], io->bytes)
                                           : read(io->fd, io->buffers[i], DEVICE_BUFFER_BYTES));
    }
    return error;
}

static struct way ways[] = {
    {.name = "whole", .move = whole_move},
    {.name = "parts", .move = parts_move},
    {.name = "ring"},
    {.name = "registered", .is_registered = true},
    {.name = "deferred",
     .is_registered = true,
     .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
};
#define WAYS (sizeof ways / sizeof ways[0])

/* The packet that is written, in every buffer: from 10.9.0.2 to the socket, its checksum left to
   the device. */
static void fill_buffers(const struct bench *bench)
{
    struct wire_packet packet = {.version = 4,
                                 .protocol = IPPROTO_UDP,
                                 .hop_limit = 64,
                                 .source = stacks_endpoint(1, 0).address,
                                 .destination = stacks_endpoint(0, 0).address,
                                 .source_port = PORT,
                                 .destination_port = PORT,
                                 .payload_bytes = bench->size - HEADERS_BYTES};

    for (unsigned i = 0; i < DEVICE_BATCH; i++) {
        uint32_t header_bytes = wire_emit_udp(buffers[i] + LINK_VNET_BYTES, &packet);
        struct wire_sum_place place = wire_sum_place(&packet, header_bytes);
        struct berth_offload offload = {.checksum_partial = 1,
                                        .header_bytes = (uint16_t)header_bytes,
                                        .checksum_start = place.start,
                                        .checksum_offset = place.offset};
        struct link_vnet header = link_vnet_from_offload(&offload);

        memcpy(buffers[i], &header, sizeof header);
    }
}

/* Only now that it is ours: one that was up without a carrier would lose packets for a while. */
static void set_up(const char *device, int socket_fd)
{
    struct ifreq request = {0};

    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (ioctl(socket_fd, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        if (ioctl(socket_fd, SIOCSIFFLAGS, &request) == 0) {
            return;
        }
    }
    die(device, errno);
}

/* The kernel's end: it sends to 10.9.0.2, where nobody is but us, and is full once a packet from
   there or two have come. */
static int open_socket(const char *device)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct sockaddr_in other = own;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int least = 1;

    own.sin_addr.s_addr = inet_addr("10.9.0.1");
    other.sin_addr.s_addr = inet_addr("10.9.0.2");
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0) {
        die("socket", errno);
    }
    set_up(device, fd);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        connect(fd, (struct sockaddr *)&other, sizeof other) != 0) {
        die("10.9.0.1", errno);
    }
    return fd;
}

/* What the kernel sends waits in the device. */
static void queue_burst(const struct bench *bench)
{
    static const uint8_t zeros[SIZE_MAX_IP];

    for (uint32_t i = 0; i < bench->burst; i++) {
        if (send(bench->socket, zeros, bench->size - HEADERS_BYTES, 0) < 0) {
            die("send", errno);
        }
    }
}

/* Nanoseconds a packet. */
static double sample(struct bench *bench, struct way *way)
{
    uint64_t begin_ns;

    if (bench->io.is_write) {
        bench->written += bench->burst;
    } else {
        queue_burst(bench);
    }
    begin_ns = cpu_ns();
    for (uint32_t moved = 0; moved < bench->burst; moved += DEVICE_BATCH) {
        int error = way->move != NULL ? way->move(&bench->io) : device_ring_move(&way->ring);

        if (error != 0) {
            die(way->name, -error);
        }
    }
    return (double)(cpu_ns() - begin_ns) / bench->burst;
}

/* By turns until the time is over; how many bursts each had. The first does not count. */
static unsigned measure(struct bench *bench, double seconds)
{
    double end = seconds_now() + seconds;
    unsigned count = 0;

    for (unsigned turn = 0; turn < 2 || (seconds_now() < end && count < SAMPLES_MAX); turn++) {
        count = turn;
        for (unsigned i = 0; i < WAYS; i++) {
            if (ways[i].refused == NULL) {
                double ns = sample(bench, &ways[i]);

                ways[i].samples_ns[turn == 0 ? 0 : turn - 1] = ns;
            }
        }
    }
    return count;
}

/* A packet that did not come as far as the socket was cheaper than those that are meant. */
static void check_written(const struct bench *bench)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t bytes = sizeof info;

    if (getsockopt(bench->socket, SOL_SOCKET, SO_MEMINFO, info, &bytes) != 0) {
        die("SO_MEMINFO", errno);
    }
    if (bench->written - info[SK_MEMINFO_DROPS] > QUEUED_MAX) {
        fprintf(stderr, "bench-device: of %u packets %u came as far as the socket\n",
                bench->written, info[SK_MEMINFO_DROPS]);
        exit(1);
    }
}

static void report(struct way *way, const struct bench *bench, unsigned count)
{
    if (way->refused != NULL) {
        printf("{\"way\": \"%s\", \"refused\": \"%s: %s\"}\n", way->name, way->refused,
               strerror(way->error));
        return;
    }
    qsort(way->samples_ns, count, sizeof way->samples_ns[0], compare);
    printf("{\"way\": \"%s\", \"ns\": %.1f, \"packets\": %u}\n", way->name,
           way->samples_ns[count / 2], count * bench->burst);
}

static void stay_on_one_processor(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &set);
    if (cpu < 0 || sched_setaffinity(0, sizeof set, &set) != 0) {
        die("sched_setaffinity", errno);
    }
}

/* berth run has a filter on its system calls, for which each call pays: here one that allows all.
 */
static void filter_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        die("seccomp", errno);
    }
}

static void init(struct bench *bench, const char *device)
{
    uint32_t offloads;
    int error = link_tun_open(device, &bench->io.fd, &offloads);

    if (error != 0) {
        die(device, -error);
    }
    bench->socket = open_socket(device);
    if (bench->io.is_write) {
        fill_buffers(bench);
    }
    for (unsigned i = 0; i < WAYS; i++) {
        const char *what = NULL;

        if (ways[i].move == NULL) {
            ways[i].error = -device_ring_init(&ways[i].ring, &bench->io, ways[i].flags,
                                              ways[i].is_registered, &what);
        }
        ways[i].refused = ways[i].error != 0 ? what : NULL;
    }
    stay_on_one_processor();
    filter_calls();
}

int main(int argc, char **argv)
{
    unsigned long size = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    double seconds = argc == 5 ? strtod(argv[4], NULL) : 0;
    struct bench bench = {.size = (uint32_t)size,
                          .burst = size > LARGE ? BURST_LARGE : BURST_SMALL};
    unsigned count;

    if (size < SIZE_MIN || size > SIZE_MAX_IP || !(seconds > 0 && seconds <= SECONDS_MAX) ||
        (strcmp(argv[1], "read") != 0 && strcmp(argv[1], "write") != 0)) {
        fputs("usage: bench-device read | write DEVICE SIZE (29 to 65535) SECONDS (to 3600)\n",
              stderr);
        return 2;
    }
    bench.io = (struct device_io){.is_write = strcmp(argv[1], "write") == 0,
                                  .bytes = bench.size + LINK_VNET_BYTES,
                                  .buffers = buffers};
    init(&bench, argv[2]);
    count = measure(&bench, seconds);
    if (bench.io.is_write) {
        check_written(&bench);
    }
    for (unsigned i = 0; i < WAYS; i++) {
        report(&ways[i], &bench, count);
    }
    return 0;
}
