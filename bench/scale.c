/* SPDX-License-Identifier: MIT */
/*
 * bench-scale: what a peer's oddest segments cost, as their number grows.
 *
 *   bench-scale ahead -n SEGMENTS [-o up|down|odd|scatter]
 *   bench-scale sack  -n SEGMENTS [-o up|down|odd|scatter]
 *
 * ahead: a connection gets so many segments of one byte, none the one that is missing. sack: it has
 * so many segments in flight, and each ACK SACKs one of every second of them. `odd` takes all at
 * even places before those at odd ones. Prints one line of JSON; what a segment costs is counted by
 *
 *   valgrind --tool=callgrind --toggle-collect=berth_receive bench-scale ahead -n 100000 -o scatter
 */
#include "stacks.h"

#include "base/bytes.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT       8080
#define ISS        1000U
#define FRAMES_MAX 64U
#define WSCALE     14

struct peer {
    struct berth *berth;
    uint64_t now_ns;
    uint32_t iss;    /* the stack's */
    uint32_t ack;    /* what we acknowledge */
    uint32_t newest; /* the end of what the stack has sent */
    uint32_t mss;
};

/* A segment to the stack, with PACKET's numbers and one byte of payload or none. */
static void give(struct peer *peer, struct wire_packet *packet)
{
    struct berth_buffer *buffer = berth_buffer_get(peer->berth);
    struct berth_endpoint here = stacks_endpoint(1, 4000);
    struct berth_endpoint there = stacks_endpoint(0, PORT);
    uint8_t *out;

    if (buffer == NULL) {
        must(BERTH_E_LIMIT, "berth_buffer_get");
        return;
    }
    packet->source = here.address;
    packet->destination = there.address;
    packet->source_port = here.port;
    packet->destination_port = there.port;
    packet->version = 4;
    packet->protocol = WIRE_TCP;
    packet->hop_limit = 64;
    out = buffer->data + buffer->begin;
    buffer->bytes = wire_emit_tcp(out, packet);
    memset(out + buffer->bytes, 'x', packet->payload_bytes);
    buffer->bytes += packet->payload_bytes;
    buffer->offload.checksum_partial = 1;
    buffer->offload.checksum_start = WIRE_IPV4_HEADER_BYTES;
    buffer->offload.checksum_offset = 16;
    berth_receive(peer->berth, buffer, peer->now_ns);
    peer->now_ns += NS_PER_US;
}

/* What the stack sends is looked at and forgotten. */
static void take_all(struct peer *peer)
{
    static struct berth_frame frames[FRAMES_MAX];
    uint32_t count = berth_transmit(peer->berth, frames, FRAMES_MAX, peer->now_ns);

    while (count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct wire_packet packet;
            struct berth_offload whole = {.checksum_good = 1};
            const struct berth_view *header = &frames[i].views[0];

            if (frames[i].bytes == header->bytes &&
                wire_parse(&packet, header->data, header->bytes, &whole) == BERTH_DROP_NONE &&
                (packet.tcp.flags & WIRE_SYN) != 0) {
                peer->iss = packet.tcp.seq;
                peer->newest = peer->iss + 1;
                peer->ack = peer->iss + 1;
            }
        }
        count = berth_transmit(peer->berth, frames, FRAMES_MAX, peer->now_ns);
    }
}

static struct wire_packet plain(const struct peer *peer)
{
    struct wire_packet packet = {0};

    packet.tcp.flags = WIRE_ACK;
    packet.tcp.seq = ISS + 1;
    packet.tcp.ack = peer->ack;
    packet.tcp.window = 65535;
    return packet;
}

static berth_id open_one(struct peer *peer, uint32_t number)
{
    struct berth_endpoint at = stacks_endpoint(0, PORT);
    struct wire_packet syn = {0};
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
    peer->berth = stacks_new(&config, 0);
    must(berth_tcp_listen(peer->berth, &at, 8, NULL, &listener), "berth_tcp_listen");
    syn.tcp.flags = WIRE_SYN;
    syn.tcp.seq = ISS;
    syn.tcp.window = 65535;
    syn.tcp.mss = 1460;
    syn.tcp.wscale = WSCALE;
    syn.tcp.options = WIRE_OPTION_MSS | WIRE_OPTION_SACK_PERMITTED | WIRE_OPTION_WSCALE;
    give(peer, &syn);
    take_all(peer);
    ack = plain(peer);
    give(peer, &ack);
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
    struct peer peer = {0};
    struct berth_tcp_info info;
    berth_id id = open_one(&peer, number);

    for (uint32_t i = 0; i < number; i++) {
        struct wire_packet packet = plain(&peer);
        packet.tcp.seq = ISS + 2 + place(order, i, number);
        packet.payload_bytes = 1;
        give(&peer, &packet);
        take_all(&peer);
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
            take_all(peer);
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
            struct wire_packet packet = plain(peer);
            give(peer, &packet);
        }
        take_all(peer);
    }
    must(BERTH_E_LIMIT, "the window does not open");
}

static void sack(uint32_t number, const char *order)
{
    struct peer peer = {0};
    berth_id id = open_one(&peer, number);
    struct berth_tcp_info info;

    fill_flight(&peer, id, number);
    for (uint32_t i = 0; i < number / 2; i++) {
        struct wire_packet packet = plain(&peer);
        uint32_t left = peer.ack + (2 * place(order, i, number / 2) + 1) * peer.mss;
        packet.tcp.sack[0] = (struct wire_sack){.left = left, .right = left + peer.mss};
        packet.tcp.sack_count = 1;
        packet.tcp.options = WIRE_OPTION_SACK;
        give(&peer, &packet);
        take_all(&peer);
    }
    must(berth_tcp_info(peer.berth, id, &info), "berth_tcp_info");
    printf("{\"segments\": %u, \"acks\": %u, \"retransmissions\": %u}\n", number, number / 2,
           info.retransmissions);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-scale ahead|sack -n SEGMENTS [-o up|down|odd|scatter]\n", stderr);
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
    } else {
        usage();
    }
    return 0;
}
