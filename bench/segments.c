/* SPDX-License-Identifier: MIT */
/*
 * bench-segments receive|send -n SEGMENTS [-m MSS] [-t] [-k] [-g] [-p] [-c CONNECTIONS]
 * bench-segments connect -n CONNECTIONS [-t]
 *
 * receive: the subject gets in-order segments, the application reads them, the ACKs are looked at.
 * send: the application writes, the program acknowledges every second segment, as RFC 5681 has it.
 * connect: handshake, one byte each way, the program closes first; one after another. -t:
 * timestamps; -k: checksums are the link's; -g: super-segments of 64 KiB (implies -k); -p: the
 * sender's bytes stand in its queue, none is copied there. Prints one line of JSON. See segments.h.
 */
#include "segments.h"

#include "base/bytes.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ISS           1000U
#define STEP_NS       10000U /* a segment every 10 microseconds */
#define TICK_SEGMENTS 64U
#define DUE_MAX       256U /* a power of two */

struct host { /* the made-up end */
    struct segments_options options;
    uint64_t now_ns;
    uint32_t seq;          /* next of ours */
    uint32_t ack;          /* acknowledged by us */
    uint32_t next;         /* of the subject's, received in order */
    uint32_t due[DUE_MAX]; /* ACKs that it is still to get, a ring */
    uint32_t due_first;
    uint32_t due_count;
    bool is_odd; /* one segment waits for the second, and then both for an ACK */
    uint16_t port;
    uint32_t tsecr;
    uint64_t segments; /* with data, from the subject */
    uint64_t acks;     /* without */
    uint64_t bytes;
    bool is_open;
    bool is_ended; /* the subject's FIN was here */
    bool is_lossy; /* something did not come in order */
};

static struct host host = {.seq = ISS, .port = SEGMENTS_PEER_PORT};
static uint8_t packet_bytes[SEGMENTS_BYTES_MAX + 1];

static struct berth_address address(uint8_t last)
{
    struct berth_address out = {
        .bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 9, 0, last}};
    return out;
}

/* A segment of PACKET's kind in packet_bytes; its length. */
static uint32_t make(struct wire_packet *packet)
{
    packet->source = address(2);
    packet->destination = address(1);
    packet->source_port = host.port;
    packet->destination_port = SEGMENTS_PORT;
    packet->version = 4;
    packet->protocol = WIRE_TCP;
    packet->hop_limit = 64;
    packet->dont_fragment = true;
    packet->tcp.seq = host.seq;
    packet->tcp.ack = host.ack;
    packet->tcp.window = 65535;
    if (host.options.timestamps) {
        packet->tcp.options |= WIRE_OPTION_TIMESTAMPS;
        packet->tcp.tsval = (uint32_t)(host.now_ns / 1000000U) + 1;
        packet->tcp.tsecr = host.tsecr;
    }
    uint32_t header_bytes = wire_emit_tcp(packet_bytes, packet);
    struct berth_view views[1] = {
        {.data = packet_bytes, .bytes = header_bytes + packet->payload_bytes}};
    if (!host.options.checksums) {
        struct wire_sum_place place = wire_sum_place(packet, header_bytes);
        wire_finish(views, 1, &place);
    }
    return header_bytes + packet->payload_bytes;
}

static void give(struct wire_packet *packet)
{
    uint32_t bytes = make(packet);

    memcpy(counted_room(bytes), packet_bytes, bytes);
    counted_receive();
    host.seq += packet->payload_bytes;
    host.now_ns += STEP_NS;
}

static void owe_ack(void)
{
    if (host.due_count == DUE_MAX) {
        host.is_lossy = true; /* more in flight than any window here takes */
        return;
    }
    host.due[(host.due_first + host.due_count++) % DUE_MAX] = host.next;
    host.is_odd = false;
}

static void take_data(const struct wire_packet *packet)
{
    if (packet->tcp.seq != host.next) {
        host.is_lossy = true;
        return;
    }
    host.next += packet->payload_bytes;
    host.bytes += packet->payload_bytes;
    host.segments++;
    if (host.is_odd || host.options.super) {
        owe_ack();
    } else {
        host.is_odd = true;
    }
}

void segments_take(const uint8_t *bytes, uint32_t count)
{
    struct berth_offload whole = {.checksum_good = 1};
    struct wire_packet packet;

    if (wire_parse(&packet, (uint8_t *)bytes, count, &whole) != BERTH_DROP_NONE ||
        packet.protocol != WIRE_TCP) {
        host.is_lossy = true;
        return;
    }
    if ((packet.tcp.flags & WIRE_SYN) != 0) {
        host.next = packet.tcp.seq + 1;
        host.ack = host.next;
        host.is_open = true;
    } else if (packet.payload_bytes == 0) {
        host.acks++;
    } else {
        take_data(&packet);
    }
    if ((packet.tcp.flags & WIRE_FIN) != 0 && !host.is_ended) {
        host.is_ended = true;
        host.next++;
    }
    host.tsecr = packet.tcp.tsval;
}

static void take_all(void)
{
    bool more = true;

    while (more) {
        more = counted_transmit();
        subject_taken();
    }
}

static void tick(uint64_t turn)
{
    if (turn % TICK_SEGMENTS == 0) {
        counted_tick(host.now_ns);
    }
}

static void open_connection(void)
{
    struct wire_packet syn = {0};
    struct wire_packet ack = {0};

    syn.tcp.flags = WIRE_SYN;
    syn.tcp.mss = (uint16_t)host.options.mss;
    syn.tcp.options = WIRE_OPTION_MSS;
    if (host.options.super) { /* windows of 64 KiB would be one segment */
        syn.tcp.options |= WIRE_OPTION_WSCALE;
        syn.tcp.wscale = 6;
    }
    give(&syn);
    host.seq++;
    take_all();
    if (!host.is_open) {
        fputs("bench-segments: no SYN,ACK\n", stderr);
        exit(1);
    }
    ack.tcp.flags = WIRE_ACK;
    give(&ack);
    take_all();
}

/* Where each connection's stream is, by its number. */
static struct {
    uint32_t seq;
    uint32_t ack;
} places[SEGMENTS_CONNECTIONS_MAX];

static void turn_to(uint32_t number)
{
    host.port = (uint16_t)(SEGMENTS_PEER_PORT + number);
    host.seq = places[number].seq;
    host.ack = places[number].ack;
}

static void open_all(void)
{
    for (uint32_t i = 0; i < host.options.connections; i++) {
        host.port = (uint16_t)(SEGMENTS_PEER_PORT + i);
        host.seq = ISS;
        host.ack = 0;
        host.is_open = false;
        open_connection();
        places[i].seq = host.seq;
        places[i].ack = host.ack;
    }
}

static void receive_all(void)
{
    uint32_t bytes = host.options.mss;

    if (host.options.super) {
        bytes = (SEGMENTS_BYTES_MAX - 120) / host.options.mss * host.options.mss;
    }
    for (uint64_t i = 0; i < host.options.number; i++) {
        struct wire_packet packet = {.payload_bytes = bytes};
        packet.tcp.flags = WIRE_ACK;
        packet.segment_bytes = (uint16_t)(host.options.super ? host.options.mss : 0);
        uint32_t number = (uint32_t)(i % host.options.connections);
        turn_to(number);
        give(&packet);
        places[number].seq = host.seq;
        take_all();
        tick(i);
    }
}

static void send_all(void)
{
    for (uint64_t turn = 0; host.segments < host.options.number; turn++) {
        struct wire_packet ack = {0};
        counted_write();
        take_all();
        if (host.due_count == 0) {
            owe_ack(); /* the last one of a window, which a timer would acknowledge */
        }
        host.ack = host.due[host.due_first++ % DUE_MAX];
        host.due_count--;
        ack.tcp.flags = WIRE_ACK;
        give(&ack);
        tick(turn);
        if (turn > 4 * host.options.number + 1000) {
            fputs("bench-segments: nothing is sent\n", stderr);
            exit(1);
        }
    }
}

/* What the program sends next, and then the answers. */
static void say(uint16_t flags, uint32_t bytes)
{
    struct wire_packet packet = {.payload_bytes = bytes};

    host.ack = host.next;
    packet.tcp.flags = flags;
    give(&packet);
    host.seq += (flags & WIRE_FIN) != 0 ? 1 : 0;
    take_all();
}

static void converse_all(void)
{
    for (uint64_t i = 0; i < host.options.number; i++) {
        uint64_t before = host.segments;
        host.port = (uint16_t)(1024 + i % 60000);
        host.seq = ISS;
        host.ack = 0;
        host.is_open = false;
        host.is_ended = false;
        open_connection();
        say(WIRE_ACK | WIRE_PSH, 1);
        if (host.segments != before + 1) {
            fputs("bench-segments: no answer\n", stderr);
            exit(1);
        }
        say(WIRE_ACK | WIRE_FIN, 0);
        host.is_lossy = host.is_lossy || !host.is_ended;
        say(WIRE_ACK, 0);
        host.due_count = 0;
        host.is_odd = false;
        tick(i);
    }
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-segments receive|send -n SEGMENTS [-m MSS] [-t] [-k] [-g] [-p]\n"
          "                      [-c CONNECTIONS]\n"
          "       bench-segments connect -n CONNECTIONS [-t]\n",
          stderr);
    exit(2);
}

static void set_option(struct segments_options *options, int letter)
{
    switch (letter) {
    case 'n':
        options->number = strtoull(optarg, NULL, 10);
        break;
    case 'm':
        options->mss = (uint32_t)strtoul(optarg, NULL, 10);
        break;
    case 'c':
        options->connections = (uint32_t)strtoul(optarg, NULL, 10);
        break;
    case 't':
        options->timestamps = true;
        break;
    case 'g':
        options->super = true;
        options->checksums = true;
        break;
    case 'k':
        options->checksums = true;
        break;
    case 'p':
        options->in_place = true;
        break;
    default:
        usage();
    }
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Processor time. */
static double run(const struct segments_options *options)
{
    double begin;

    if (options->is_conversing) {
        begin = cpu_seconds();
        converse_all();
        return cpu_seconds() - begin;
    }
    open_all();
    begin = cpu_seconds();
    if (options->is_sending) {
        send_all();
    } else {
        receive_all();
    }
    return cpu_seconds() - begin;
}

static void report(const struct segments_options *options, double seconds)
{
    uint64_t bytes = options->is_sending ? host.bytes : subject_received_bytes();
    uint64_t segments = options->is_sending ? host.segments : options->number;

    printf("{\"segments\": %llu, \"acks\": %llu, \"bytes\": %llu, \"in_order\": %s, "
           "\"seconds\": %.6f}\n",
           (unsigned long long)segments, (unsigned long long)host.acks, (unsigned long long)bytes,
           host.is_lossy ? "false" : "true", seconds);
}

int main(int argc, char **argv)
{
    struct segments_options options = {.mss = 1448, .connections = 1};
    int letter;

    if (argc < 2) {
        usage();
    }
    options.is_sending = strcmp(argv[1], "send") == 0;
    options.is_conversing = strcmp(argv[1], "connect") == 0;
    if (!options.is_sending && !options.is_conversing && strcmp(argv[1], "receive") != 0) {
        usage();
    }
    optind = 2;
    while ((letter = getopt(argc, argv, "n:m:c:tkgp")) != -1) {
        set_option(&options, letter);
    }
    if (options.connections < 1 || options.connections > SEGMENTS_CONNECTIONS_MAX ||
        (options.connections > 1 && (options.is_sending || options.is_conversing)) ||
        options.number == 0 || options.mss < 536 || options.mss > 65000) {
        usage();
    }
    host.options = options;
    if (!subject_init(&options)) {
        fputs("bench-segments: this stack cannot do that\n", stderr);
        return 1;
    }
    report(&options, run(&options));
    return 0;
}
