/* SPDX-License-Identifier: MIT */
/*
 * bench-core: two stacks in one process, no system call between them.
 *
 *   bench-core bulk [-m MTU] [-g] [-k] (-t SECONDS | -n MEGABYTES)
 *   bench-core copy (-t SECONDS | -n MEGABYTES)
 *   bench-core connect (-t SECONDS | -n CONNECTIONS)
 *
 * bulk: one stream, side 0 to side 1; nothing is copied but once, from one to the other; the
 * seconds are processor time of both stacks together. -k: the link completes checksums; -g: it
 * takes super-segments of 64 KiB (implies -k). copy: that copy alone, out of as much memory as a
 * send queue has, into one buffer. connect: handshake, one byte each way,
 * the server closes first. Prints one line of JSON.
 */
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES 65160U /* the payload of a super-segment: 45 of 1448 */

struct task {
    double seconds; /* 0: by number */
    uint64_t number;
    uint32_t mtu;
    uint32_t offloads;
    uint64_t end_ns;
};

/* The clock is a system call and looked at rarely. */
static bool is_over(const struct task *task, uint64_t done, unsigned turn)
{
    if (task->seconds > 0) {
        return turn % 64 == 0 && cpu_ns() >= task->end_ns;
    }
    return done >= task->number;
}

static void configure(struct berth_config *config, const struct task *task)
{
    berth_config_init(config);
    config->mtu = task->mtu;
    config->offloads = task->offloads;
    config->limits.buffers = 2048;
    config->limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 64;
    if ((task->offloads & BERTH_LINK_TSO4) != 0) {
        config->segment_bytes_max = BERTH_PACKET_BYTES_MAX - 120;
    }
    if (task->mtu <= 1500 && task->offloads == 0) {
        config->limits.buffers = 8192;
        config->limits.buffer_bytes = 2048;
    }
}

/* The next event of KIND on SIDE; turns the pair until there is one. */
static berth_id wait_for(struct pair *pair, int side, uint32_t bits)
{
    struct berth_event event;

    for (unsigned turn = 0; turn < 1000000; turn++) {
        while (berth_next_event(pair->side[side], &event)) {
            if ((event.bits & bits) != 0) {
                return event.id;
            }
        }
        pair_turn(pair);
    }
    must(BERTH_E_TIMED_OUT, "nothing happens");
    return 0;
}

static void drain_events(struct berth *berth)
{
    struct berth_event event;

    while (berth_next_event(berth, &event)) {
    }
}

static void write_all(struct berth *berth, berth_id id)
{
    struct berth_view views[2];
    uint32_t count;
    size_t bytes;

    while (berth_tcp_reserve(berth, id, 1U << 18, views, 2, &count) == 0) {
        bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
        }
        must(berth_tcp_commit(berth, id, bytes), "berth_tcp_commit");
    }
}

static uint64_t read_all(struct berth *berth, berth_id id)
{
    struct berth_view views[16];
    uint32_t count;
    uint64_t total = 0;
    size_t bytes;

    while (berth_tcp_peek(berth, id, views, 16, &count) == 0 && count > 0) {
        bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
        }
        must(berth_tcp_consume(berth, id, bytes), "berth_tcp_consume");
        total += bytes;
    }
    return total;
}

static void bulk(const struct task *task)
{
    struct berth_endpoint at = stacks_endpoint(1, 8080);
    struct berth_config config;
    struct berth_tcp_info info;
    struct pair pair;
    berth_id listener;
    berth_id out;
    berth_id in;
    uint64_t begin_ns;
    uint64_t bytes = 0;
    unsigned turn = 1;

    configure(&config, task);
    pair_init(&pair, &config);
    must(berth_tcp_listen(pair.side[1], &at, 8, NULL, &listener), "berth_tcp_listen");
    must(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &out), "berth_tcp_connect");
    (void)wait_for(&pair, 1, BERTH_EVENT_ACCEPTABLE);
    must(berth_tcp_accept(pair.side[1], listener, NULL, &in), "berth_tcp_accept");
    begin_ns = cpu_ns();
    for (; !is_over(task, bytes, turn); turn++) {
        write_all(pair.side[0], out);
        pair_turn(&pair);
        bytes += read_all(pair.side[1], in);
        drain_events(pair.side[0]);
        drain_events(pair.side[1]);
    }
    begin_ns = cpu_ns() - begin_ns;
    must(berth_tcp_info(pair.side[0], out, &info), "berth_tcp_info");
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"packets\": %llu, \"retransmissions\": %u, "
           "\"mss\": %u}\n",
           (unsigned long long)bytes, (double)begin_ns / 1e9, (unsigned long long)pair.packets,
           info.retransmissions, info.mss_send);
}

static void copy(const struct task *task)
{
    struct berth_config config;
    uint64_t bytes = 0;
    uint64_t from = 0;
    unsigned turn = 1;

    berth_config_init(&config);
    uint64_t queue_bytes = config.tcp.send_bytes_max / COPY_BYTES * COPY_BYTES;
    uint8_t *queue = malloc(queue_bytes);
    uint8_t *buffer = malloc(COPY_BYTES);
    if (queue == NULL || buffer == NULL) {
        must(BERTH_E_LIMIT, "malloc");
        return;
    }
    memset(queue, 1, queue_bytes);
    memset(buffer, 1, COPY_BYTES);
    uint64_t begin_ns = cpu_ns();
    for (; !is_over(task, bytes, turn); turn++) {
        memcpy(buffer, queue + from, COPY_BYTES);
        __asm__ volatile(""
                         :
                         : "r"(buffer)
                         : "memory"); /* it is looked at, for all that is known */
        bytes += COPY_BYTES;
        from = (from + COPY_BYTES) % queue_bytes;
    }
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"packets\": %llu}\n", (unsigned long long)bytes,
           (double)(cpu_ns() - begin_ns) / 1e9, (unsigned long long)(bytes / COPY_BYTES));
    free(queue);
    free(buffer);
}

/* One connection from SYN to both closed. */
static void converse(struct pair *pair, berth_id listener, const struct berth_endpoint *at)
{
    berth_id out;
    berth_id in;
    uint8_t byte = 'c';
    size_t moved;

    must(berth_tcp_connect(pair->side[0], NULL, at, NULL, &out), "berth_tcp_connect");
    (void)wait_for(pair, 0, BERTH_EVENT_CONNECTED);
    must(berth_tcp_write(pair->side[0], out, &byte, 1, &moved), "berth_tcp_write");
    (void)wait_for(pair, 1, BERTH_EVENT_ACCEPTABLE);
    must(berth_tcp_accept(pair->side[1], listener, NULL, &in), "berth_tcp_accept");
    while (berth_tcp_read(pair->side[1], in, &byte, 1, &moved) == BERTH_E_AGAIN) {
        pair_turn(pair);
    }
    must(berth_tcp_write(pair->side[1], in, &byte, 1, &moved), "berth_tcp_write");
    must(berth_tcp_close(pair->side[1], in), "berth_tcp_close");
    (void)wait_for(pair, 0, BERTH_EVENT_PEER_CLOSED);
    must(berth_tcp_read(pair->side[0], out, &byte, 1, &moved), "berth_tcp_read");
    must(berth_tcp_close(pair->side[0], out), "berth_tcp_close");
}

static void connections(const struct task *task)
{
    struct berth_endpoint at = stacks_endpoint(1, 8080);
    struct berth_config config;
    struct pair pair;
    berth_id listener;
    uint64_t begin_ns;
    uint64_t count = 0;

    configure(&config, task);
    pair_init(&pair, &config);
    must(berth_tcp_listen(pair.side[1], &at, 8, NULL, &listener), "berth_tcp_listen");
    begin_ns = cpu_ns();
    while (!is_over(task, count, (unsigned)count + 1)) {
        converse(&pair, listener, &at);
        count++;
    }
    begin_ns = cpu_ns() - begin_ns;
    printf("{\"connections\": %llu, \"seconds\": %.6f, \"packets\": %llu}\n",
           (unsigned long long)count, (double)begin_ns / 1e9, (unsigned long long)pair.packets);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-core bulk [-m MTU] [-g] [-k] (-t SECONDS | -n MEGABYTES)\n"
          "       bench-core copy (-t SECONDS | -n MEGABYTES)\n"
          "       bench-core connect (-t SECONDS | -n CONNECTIONS)\n",
          stderr);
    exit(2);
}

static void set_option(struct task *task, int letter)
{
    switch (letter) {
    case 'm':
        task->mtu = (uint32_t)strtoul(optarg, NULL, 10);
        break;
    case 'g':
        task->offloads |= BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6;
        break;
    case 'k':
        task->offloads |= BERTH_LINK_CHECKSUM;
        break;
    case 't':
        task->seconds = strtod(optarg, NULL);
        break;
    case 'n':
        task->number = strtoull(optarg, NULL, 10);
        break;
    default:
        usage();
    }
}

int main(int argc, char **argv)
{
    struct task task = {.mtu = 1500};
    int letter;

    if (argc < 2) {
        usage();
    }
    optind = 2;
    while ((letter = getopt(argc, argv, "m:gkt:n:")) != -1) {
        set_option(&task, letter);
    }
    if (task.seconds <= 0 && task.number == 0) {
        usage();
    }
    task.end_ns = cpu_ns() + (uint64_t)(task.seconds * 1e9);
    if (strcmp(argv[1], "bulk") == 0) {
        task.number *= 1000000;
        bulk(&task);
    } else if (strcmp(argv[1], "copy") == 0) {
        task.number *= 1000000;
        copy(&task);
    } else if (strcmp(argv[1], "connect") == 0) {
        connections(&task);
    } else {
        usage();
    }
    return 0;
}
