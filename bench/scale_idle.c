/* SPDX-License-Identifier: MIT */
/*
 * Connections that are there and say nothing: what memory each takes, how fast they are opened, and
 * what they cost those that talk. One stack, and a peer without one (peer.h), so that no other
 * memory is counted; what is kept here to play the peer is 4 bytes a connection and subtracted.
 *
 * Keep-alive is on: each idle connection has its timer.
 */
#include "scale.h"

#include "base/bytes.h"
#include "tcp/conn.h"
#include "tcp/timewait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACTIVE     1000U
#define EXCHANGES  1000U /* of each active connection */
#define PORT_FIRST 1024U
#define PORTS      60000U /* of one address of the peer's */
#define WSCALE     7
#define BACKLOG    64
#define QUIET_NS   (10 * NS_PER_S) /* until what a connection did last is over */

struct crowd {
    struct peer peer;
    uint32_t *ack; /* what the peer has got of each connection */
    uint32_t *seq; /* what it sent, of the active ones */
    berth_id *ids; /* of the active ones */
    berth_id listener;
};

static uint64_t resident_bytes(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu %lu", &total, &resident) != 2) {
        must(BERTH_E_INVALID, "/proc/self/statm");
    }
    if (file != NULL) {
        fclose(file);
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Memory of ours, touched: it is there before anything is counted. */
static void *ours(size_t count, size_t bytes)
{
    void *memory = malloc(count * bytes);

    if (memory == NULL) {
        must(BERTH_E_LIMIT, "memory");
        return NULL;
    }
    memset(memory, 0xff, count * bytes); /* 0 would be calloc's, and untouched */
    return memory;
}

/* NUMBER connections, of which CONNECTED at once are not in TIME-WAIT. */
static void crowd_init(struct crowd *crowd, uint32_t number, uint32_t connected)
{
    struct berth_endpoint at = stacks_endpoint(0, PEER_PORT);
    struct berth_config config;

    berth_config_init(&config);
    config.limits.tcp_connections = connected;
    config.limits.tcp_time_wait = number;
    config.tcp.keepalive = true;
    *crowd = (struct crowd){.ack = ours(number + ACTIVE, sizeof(uint32_t)),
                            .seq = ours(ACTIVE, sizeof(uint32_t)),
                            .ids = ours(ACTIVE, sizeof(berth_id))};
    peer_init(&crowd->peer, stacks_new(&config, 0));
    must(berth_tcp_listen(crowd->peer.berth, &at, BACKLOG, NULL, &crowd->listener),
         "berth_tcp_listen");
}

/* The peer speaks for connection NUMBER. */
static void speak_for(struct crowd *crowd, uint32_t number)
{
    uint32_t address = 0x0b000001U + number / PORTS; /* 11.0.0.1 and on */
    uint8_t *bytes = crowd->peer.here.address.bytes;

    for (unsigned i = 0; i < 4; i++) {
        bytes[12 + i] = (uint8_t)(address >> (24 - 8 * i));
    }
    crowd->peer.here.port = (uint16_t)(PORT_FIRST + number % PORTS);
    crowd->peer.ack = crowd->ack[number];
}

static void stamp(const struct crowd *crowd, struct wire_packet *packet)
{
    packet->tcp.options |= WIRE_OPTION_TIMESTAMPS;
    packet->tcp.tsval = (uint32_t)(crowd->peer.now_ns / NS_PER_MS) + 1;
}

/* A segment of connection NUMBER, which the peer speaks for. */
static struct wire_packet segment(const struct crowd *crowd, uint32_t seq)
{
    struct wire_packet packet = peer_plain(&crowd->peer);

    packet.tcp.seq = seq;
    stamp(crowd, &packet);
    return packet;
}

static void drain_events(struct crowd *crowd)
{
    struct berth_event event;

    while (berth_next_event(crowd->peer.berth, &event)) {
    }
}

/* As an owner does that polls: what is due is done. */
static void tick(struct crowd *crowd)
{
    if (berth_deadline(crowd->peer.berth) <= crowd->peer.now_ns) {
        berth_advance(crowd->peer.berth, crowd->peer.now_ns);
    }
}

static berth_id open_one(struct crowd *crowd, uint32_t number)
{
    struct peer *peer = &crowd->peer;
    struct wire_packet syn = peer_syn(WSCALE);
    struct wire_packet ack;
    berth_id id;

    speak_for(crowd, number);
    stamp(crowd, &syn);
    peer_give(peer, &syn);
    peer_take_all(peer);
    ack = segment(crowd, PEER_ISS + 1);
    peer_give(peer, &ack);
    crowd->ack[number] = peer->ack;
    must(berth_tcp_accept(peer->berth, crowd->listener, NULL, &id), "berth_tcp_accept");
    drain_events(crowd);
    tick(crowd);
    return id;
}

/* Until everything that TIME brings has happened. */
static void pass(struct crowd *crowd, uint64_t time_ns)
{
    struct peer *peer = &crowd->peer;
    uint64_t end_ns = peer->now_ns + time_ns;

    for (uint64_t next = berth_deadline(peer->berth); next <= end_ns;
         next = berth_deadline(peer->berth)) {
        peer->now_ns = max_u64(peer->now_ns, next);
        berth_advance(peer->berth, peer->now_ns);
        peer_take_all(peer);
    }
    peer->now_ns = end_ns;
    berth_advance(peer->berth, peer->now_ns);
    peer_take_all(peer);
}

/* A byte in, a byte out; the next request acknowledges it. */
static void exchange(struct crowd *crowd, uint32_t number)
{
    struct peer *peer = &crowd->peer;
    struct wire_packet request;
    uint8_t byte;
    size_t moved;

    speak_for(crowd, number);
    request = segment(crowd, crowd->seq[number]);
    request.tcp.flags |= WIRE_PSH;
    request.payload_bytes = 1;
    peer_give(peer, &request);
    drain_events(crowd);
    must(berth_tcp_read(peer->berth, crowd->ids[number], &byte, 1, &moved), "berth_tcp_read");
    must(berth_tcp_write(peer->berth, crowd->ids[number], &byte, 1, &moved), "berth_tcp_write");
    tick(crowd);
    peer_take_all(peer);
    crowd->seq[number]++;
    crowd->ack[number]++;
}

/* Exchanges a second of processor time, taking turns. */
static double rate_of(struct crowd *crowd)
{
    uint64_t begin_ns = cpu_ns();

    for (uint32_t turn = 0; turn < EXCHANGES; turn++) {
        for (uint32_t i = 0; i < ACTIVE; i++) {
            exchange(crowd, i);
        }
    }
    return (double)ACTIVE * EXCHANGES * 1e9 / (double)(cpu_ns() - begin_ns);
}

/* What the pools and tables say that an idle connection, or one in TIME-WAIT, takes. */
static double table_share(uint32_t number)
{
    uint64_t chains = 1;

    while (chains < number) {
        chains *= 2;
    }
    return (double)(chains * sizeof(uint32_t)) / number;
}

void scale_idle(uint32_t number)
{
    struct crowd crowd;
    struct berth_stats stats;

    crowd_init(&crowd, number, number + ACTIVE);
    for (uint32_t i = 0; i < ACTIVE; i++) {
        crowd.ids[i] = open_one(&crowd, i);
        crowd.seq[i] = PEER_ISS + 1;
    }
    double alone = rate_of(&crowd);
    pass(&crowd, QUIET_NS);
    uint64_t before = resident_bytes();
    uint64_t begin_ns = cpu_ns();
    for (uint32_t i = 0; i < number; i++) {
        (void)open_one(&crowd, ACTIVE + i);
    }
    double seconds = (double)(cpu_ns() - begin_ns) / 1e9;
    pass(&crowd, QUIET_NS);
    uint64_t after = resident_bytes();
    double beside = rate_of(&crowd);
    berth_stats(crowd.peer.berth, &stats);
    must(stats.tcp_connections == number + ACTIVE ? 0 : BERTH_E_STATE, "connections were lost");
    printf("{\"idle\": %u, \"active\": %u, \"resident_each\": %.1f, \"record_each\": %.1f, "
           "\"resident_mib\": %.1f, \"opened_per_s\": %.0f, \"alone_per_s\": %.0f, "
           "\"beside_per_s\": %.0f}\n",
           number, ACTIVE, (double)(after - before) / number,
           sizeof(struct tcp_conn) + sizeof(struct tcp_back) + table_share(number + ACTIVE),
           (double)after / 1048576, number / seconds, alone, beside);
}

void scale_wait(uint32_t number)
{
    struct crowd crowd;
    struct berth_stats stats;
    uint64_t before = 0;

    crowd_init(&crowd, number, ACTIVE);
    for (uint32_t i = 0; i < number; i++) {
        berth_id id = open_one(&crowd, i);
        must(berth_tcp_close(crowd.peer.berth, id), "berth_tcp_close");
        peer_take_all(&crowd.peer);
        struct wire_packet fin = segment(&crowd, PEER_ISS + 1);
        fin.tcp.flags |= WIRE_FIN;
        fin.tcp.ack++;
        peer_give(&crowd.peer, &fin);
        peer_take_all(&crowd.peer);
        before = i == 0 ? resident_bytes() : before;
    }
    uint64_t after = resident_bytes();
    berth_stats(crowd.peer.berth, &stats);
    must(stats.tcp_time_wait == number ? 0 : BERTH_E_STATE, "TIME-WAIT ended early");
    printf("{\"waiting\": %u, \"resident_each\": %.1f, \"record_each\": %.1f}\n", number,
           (double)(after - before) / number,
           sizeof(struct tcp_time_wait) + table_share((number + 1) / 2) / 2);
}
