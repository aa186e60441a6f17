/* SPDX-License-Identifier: MIT */
/*
 * The bad path between two kernels: two TUN devices, and berth's own impairment between them.
 *
 *     kernel A ---- TUN A ---- impairment ---- TUN B ---- kernel B
 *
 * usage: bench-path TUN_A TUN_B SEED IMPAIRMENT
 *
 * It makes both devices where it is started, says "ready", and passes packets until it is killed;
 * whoever started it moves the devices to where they belong. The stack is here for its buffers
 * alone: a link reads into buffers of a stack's pool.
 */
#include "link/link.h"

#include "base/bytes.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BUFFERS 64
#define BATCH   16

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-path: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct link *open_tun(const char *name)
{
    struct link *link;
    uint32_t offloads;
    int fd;
    int error = link_tun_open(name, &fd, &offloads);

    if (error != 0) {
        die(name, strerror(-error));
    }
    if (link_tun_new(fd, offloads, &link) != 0) {
        die(name, "no memory");
    }
    return link;
}

static struct link *impair(struct link *inner, const char *text, uint64_t seed)
{
    struct link_impairment impairment;
    struct link_text_error error;
    struct link *link;

    if (link_impairment_parse(text, &impairment, &error) != 0) {
        die(text, error.expected);
    }
    impairment.seed = seed;
    if (link_impair_new(inner, &impairment, &impairment, &link) != 0) {
        die(text, "no memory");
    }
    return link;
}

static struct berth *make_pool(void)
{
    struct berth_config config;
    struct berth *berth;
    size_t bytes;
    void *memory;

    berth_config_init(&config);
    config.limits.buffers = BUFFERS;
    config.limits.buffers_reserved = 0;
    config.limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 64;
    bytes = berth_memory_bytes(&config);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (memory == MAP_FAILED || berth_init(&berth, &config, memory, bytes, now_ns()) != 0) {
        die("pool", "no memory");
    }
    return berth;
}

/* What has come to FROM leaves by TO. Returns how many packets. */
static int pass(struct link *from, struct link *to, struct berth *pool)
{
    struct berth_buffer *buffers[BATCH];
    uint64_t now = now_ns();
    int count = from->table->read(from, pool, buffers, BATCH, now);

    if (count < 0) {
        die("link", "the device is gone");
    }
    for (int i = 0; i < count; i++) {
        struct berth_frame frame = {.view_count = 1, .offload = buffers[i]->offload};

        frame.views[0] = (struct berth_view){.data = buffers[i]->data + buffers[i]->begin,
                                             .bytes = buffers[i]->bytes};
        frame.bytes = buffers[i]->bytes;
        (void)link_send(to, &frame, 1, now);
        berth_buffer_put(pool, buffers[i]);
    }
    return count;
}

static void sleep_until_due(const struct link *a, const struct link *b)
{
    uint64_t now = now_ns();
    uint64_t due_ns = min_u64(min_u64(link_next_ns(a), link_next_ns(b)), now + NS_PER_S);
    uint64_t ns = due_ns > now ? due_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    struct pollfd polls[2] = {{.fd = link_fd(a), .events = POLLIN},
                              {.fd = link_fd(b), .events = POLLIN}};

    (void)ppoll(polls, 2, &timeout, NULL);
}

int main(int argc, char **argv)
{
    struct link *a;
    struct link *b;
    struct berth *pool;

    if (argc != 5) {
        die("usage", "bench-path TUN_A TUN_B SEED IMPAIRMENT");
    }
    a = open_tun(argv[1]);
    b = impair(open_tun(argv[2]), argv[4], strtoull(argv[3], NULL, 10));
    pool = make_pool();
    if (puts("ready") < 0 || fflush(stdout) != 0) {
        die("standard output", "closed");
    }
    for (;;) {
        while (pass(a, b, pool) + pass(b, a, pool) > 0) {
        }
        sleep_until_due(a, b);
    }
}
