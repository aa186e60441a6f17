/* SPDX-License-Identifier: MIT */
/*
 * bench-scans live: a stack at a TUN device, as a server would be: it accepts, reads and closes. It
 * says "ready", and a line of JSON for each verdict with the time since the first packet.
 */
#include "scans.h"
#include "stacks.h"

#include "base/bytes.h"
#include "link/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 32

struct live {
    struct berth *berth;
    struct link *link;
    struct scans_count tried;
    uint64_t first_ns; /* of the packets that try something */
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void look(struct live *live, uint64_t now_ns)
{
    struct berth_scan scan;

    while (berth_next_scan(live->berth, &scan)) {
        printf("{\"seconds\": %.3f, \"scan\": ", (double)(now_ns - live->first_ns) / 1e9);
        scans_print(&scan, scans_count_of(&live->tried, &scan.peer.address), true);
        printf("}\n");
        (void)fflush(stdout);
    }
}

/* The packets, looked at on their way in. */
static void receive(struct live *live, uint64_t now_ns)
{
    struct berth_buffer *buffers[FRAMES];
    int count = live->link->table->read(live->link, live->berth, buffers, FRAMES, now_ns);

    must(count, "the device");
    for (int i = 0; i < count; i++) {
        struct wire_packet packet = {0};
        struct berth_buffer *buffer = buffers[i];
        uint8_t copy[BERTH_PACKET_BYTES_MAX];

        memcpy(copy, buffer->data + buffer->begin, buffer->bytes);
        enum berth_drop drop = wire_parse(&packet, copy, buffer->bytes, &buffer->offload);

        if (drop == BERTH_DROP_NONE || drop == BERTH_DROP_BAD_TCP_FLAGS) {
            scans_count_packet(&live->tried, &packet);
            live->first_ns = live->first_ns == 0 ? now_ns : live->first_ns;
        }
        berth_receive(live->berth, buffer, now_ns);
        look(live, now_ns);
    }
}

static void serve(struct berth *berth, const struct berth_event *event)
{
    struct berth_view views[4];
    uint32_t count = 0;
    berth_id id;

    if (event->kind == BERTH_KIND_TCP_LISTENER) {
        while (berth_tcp_accept(berth, event->id, NULL, &id) == 0) {
        }
        return;
    }
    if (event->kind != BERTH_KIND_TCP) {
        return;
    }
    while (berth_tcp_peek(berth, event->id, views, 4, &count) == 0 && count > 0) {
        size_t bytes = 0;

        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
        }
        must(berth_tcp_consume(berth, event->id, bytes), "berth_tcp_consume");
    }
    if ((event->bits & (BERTH_EVENT_PEER_CLOSED | BERTH_EVENT_CLOSED)) != 0) {
        must(berth_tcp_close(berth, event->id), "berth_tcp_close");
    }
}

static void turn(struct live *live, uint64_t now_ns)
{
    struct berth_frame frames[FRAMES];
    struct berth_event event;
    uint32_t count;

    receive(live, now_ns);
    if (berth_deadline(live->berth) <= now_ns) {
        berth_advance(live->berth, now_ns);
    }
    while (berth_next_event(live->berth, &event)) {
        serve(live->berth, &event);
    }
    look(live, now_ns);
    while ((count = berth_transmit(live->berth, frames, FRAMES, now_ns)) > 0) {
        must(link_send(live->link, frames, count, now_ns), "link_send");
    }
}

static void listen_at(struct live *live, const struct berth_address *address, const char *word)
{
    struct berth_endpoint local = {.address = *address, .port = (uint16_t)strtoul(word, NULL, 10)};
    berth_id id;

    must(berth_tcp_listen(live->berth, &local, 64, NULL, &id), "berth_tcp_listen");
}

void scans_live(const char *device, const char *address, int count, char **words)
{
    static struct live live;
    struct berth_address own;
    uint32_t offloads;
    int fd;

    must(berth_address_parse(address, &own), "the address");
    must(link_tun_open(device, &fd, &offloads), "link_tun_open");
    must(link_tun_set_offloads(fd, 0), "link_tun_set_offloads");
    must(link_tun_new(fd, 0, &live.link), "link_tun_new");
    live.berth = scans_stack(BERTH_GUARD_STACK, &own, clock_ns());
    for (int i = 0; i < count; i++) {
        listen_at(&live, &own, words[i]);
    }
    printf("ready\n");
    (void)fflush(stdout);
    for (;;) {
        struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        uint64_t now_ns = clock_ns();
        uint64_t due_ns = berth_deadline(live.berth);
        uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;

        (void)poll(polled, 2, (int)min_u64(wait_ns / NS_PER_MS + 1, 1000));
        if (polled[1].revents != 0) {
            break; /* standard input has ended */
        }
        turn(&live, clock_ns());
    }
    scans_stack_free(live.berth);
    link_free(live.link);
}
