/* SPDX-License-Identifier: MIT */
/*
 * bench-scale: what many connections cost, and a peer's oddest segments, as their number grows.
 *
 *   bench-scale idle  -n CONNECTIONS   scale_idle.c
 *   bench-scale wait  -n CONNECTIONS
 *   bench-scale lines                  scale_lines.c
 *   bench-scale ahead -n SEGMENTS [-o up|down|odd|scatter]
 *   bench-scale sack  -n SEGMENTS [-o up|down|odd|scatter]
 *
 * ahead: a connection gets so many segments of one byte, none the one that is missing. sack: it has
 * so many segments in flight, and each ACK SACKs one of every second of them. `odd` takes all at
 * even places before those at odd ones. Prints one line of JSON; what a segment costs is counted by
 *
 *   valgrind --tool=callgrind --toggle-collect=berth_receive bench-scale ahead -n 100000 -o scatter
 */
#include "scale.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WSCALE 14

static berth_id open_one(struct peer *peer, uint32_t number)
{
    struct berth_endpoint at = stacks_endpoint(0, PEER_PORT);
    struct wire_packet syn = peer_syn(WSCALE);
    struct wire_packet ack;
    struct berth_config config;
    berth_id listener;
    berth_id id;

    berth_config_init(&config);
    config.limits.buffers = 200000;
    config.limits.buffer_bytes = 2048;
    config.limits.tcp_sent_records = 4 * number + 1000;
    config.limits.tcp_reorder_records = number + 1000;
    config.limits.tcp_reorder_per_connection = number + 1000;
    config.tcp.receive_bytes_initial = 1U << 27;
    config.tcp.receive_bytes_max = 1U << 27;
    config.tcp.send_bytes_max = 1U << 28;
    config.tcp.timestamps = false;
    peer_init(peer, stacks_new(&config, 0));
    must(berth_tcp_listen(peer->berth, &at, 8, NULL, &listener), "berth_tcp_listen");
    peer_give(peer, &syn);
    peer_take_all(peer);
    ack = peer_plain(peer);
    peer_give(peer, &ack);
    must(berth_tcp_accept(peer->berth, listener, NULL, &id), "berth_tcp_accept");
    return id;
}

/* The I-th of N places. */
static uint32_t place(const char *order, uint32_t i, uint32_t n)
{
    uint32_t half = (n + 1) / 2;

    if (strcmp(order, "down") == 0) {
        return n - 1 - i;
    }
    if (strcmp(order, "odd") == 0) {
        return i < half ? 2 * i : 2 * (i - half) + 1;
    }
    if (strcmp(order, "scatter") == 0) { /* a prime: each place once */
        return (uint32_t)((uint64_t)i * 2654435761U % n);
    }
    return i;
}

static void ahead(uint32_t number, const char *order)
{
    struct peer peer;
    struct berth_tcp_info info;
    berth_id id = open_one(&peer, number);

    for (uint32_t i = 0; i < number; i++) {
        struct wire_packet packet = peer_plain(&peer);
        packet.tcp.seq = PEER_ISS + 2 + place(order, i, number);
        packet.payload_bytes = 1;
        peer_give(&peer, &packet);
        peer_take_all(&peer);
    }
    must(berth_tcp_info(peer.berth, id, &info), "berth_tcp_info");
    printf("{\"segments\": %u, \"held_bytes\": %u}\n", number, info.reorder_queue_bytes);
}

/* Writes and acknowledges until NUMBER segments are in flight. */
static void fill_flight(struct peer *peer, berth_id id, uint32_t number)
{
    struct berth_tcp_info info;

    for (unsigned round = 0; round < 200; round++) {
        struct berth_view views[2];
        uint32_t count;
        must(berth_tcp_info(peer->berth, id, &info), "berth_tcp_info");
        while (info.flight_bytes < number * info.mss_send &&
               berth_tcp_reserve(peer->berth, id, 1U << 18, views, 2, &count) == 0) {
            size_t bytes = views[0].bytes + (count > 1 ? views[1].bytes : 0);
            must(berth_tcp_commit(peer->berth, id, bytes), "berth_tcp_commit");
            peer_take_all(peer);
        }
        must(berth_tcp_info(peer->berth, id, &info), "berth_tcp_info");
        peer->mss = info.mss_send;
        peer->newest = peer->ack + info.flight_bytes;
        if (info.flight_bytes >= number * info.mss_send) {
            return;
        }
        peer->now_ns += NS_PER_MS;
        while (peer->ack != peer->newest) { /* slow start counts 8 segments of an ACK */
            peer->ack += min_u32(8 * peer->mss, peer->newest - peer->ack);
            struct wire_packet packet = peer_plain(peer);
            peer_give(peer, &packet);
        }
        peer_take_all(peer);
    }
    must(BERTH_E_LIMIT, "the window does not open");
}

static void sack(uint32_t number, const char *order)
{
    struct peer peer;
    berth_id id = open_one(&peer, number);
    struct berth_tcp_info info;

    fill_flight(&peer, id, number);
    for (uint32_t i = 0; i < number / 2; i++) {
        struct wire_packet packet = peer_plain(&peer);
        uint32_t left = peer.ack + (2 * place(order, i, number / 2) + 1) * peer.mss;
        packet.tcp.sack[0] = (struct wire_sack){.left = left, .right = left + peer.mss};
        packet.tcp.sack_count = 1;
        packet.tcp.options = WIRE_OPTION_SACK;
        peer_give(&peer, &packet);
        peer_take_all(&peer);
    }
    must(berth_tcp_info(peer.berth, id, &info), "berth_tcp_info");
    printf("{\"segments\": %u, \"acks\": %u, \"retransmissions\": %u}\n", number, number / 2,
           info.retransmissions);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-scale ahead|sack -n SEGMENTS [-o up|down|odd|scatter]\n"
          "       bench-scale idle|wait -n CONNECTIONS\n"
          "       bench-scale lines\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *order = "up";
    uint32_t number = 0;
    int letter;

    if (argc < 2) {
        usage();
    }
    if (strcmp(argv[1], "lines") == 0) {
        scale_lines();
        return 0;
    }
    optind = 2;
    while ((letter = getopt(argc, argv, "n:o:")) != -1) {
        if (letter == 'n') {
            number = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (letter == 'o') {
            order = optarg;
        } else {
            usage();
        }
    }
    if (number < 2 || number > 1000000) {
        usage();
    }
    if (strcmp(argv[1], "ahead") == 0) {
        ahead(number, order);
    } else if (strcmp(argv[1], "sack") == 0) {
        sack(number, order);
    } else if (strcmp(argv[1], "idle") == 0) {
        scale_idle(number);
    } else if (strcmp(argv[1], "wait") == 0) {
        scale_wait(number);
    } else {
        usage();
    }
    return 0;
}
