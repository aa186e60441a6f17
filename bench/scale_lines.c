/* SPDX-License-Identifier: MIT */
/*
 * Which cache lines of a connection a segment touches, for valgrind's lackey to tell: eight
 * connections, one after the other in the pool, each gets data in order and acknowledges it, sends
 * data and is acknowledged, long after they were opened. Stores to `marks` in between say what is
 * under way; the addresses that the trace is to be searched for are printed. bench/area_scale.py
 * reads both.
 */
#include "scale.h"

#include "stack/stack.h"
#include "tcp/conn.h"

#include <stdio.h>

#define CONNECTIONS 8U
#define MSS         1448U
#define WSCALE      7
#define TURNS       20U /* of which the last counts: by then no ACK goes out early any more */

enum step { NOTHING, DATA_IN_DELAYED, DATA_IN_DUE, ACK_OUT, DATA_OUT, ACK_IN, STEPS };

static volatile uint64_t marks[STEPS * 8]; /* a line each */

static void mark(enum step step)
{
    marks[step * 8] = 1;
}

static struct wire_packet segment(struct peer *peer, uint32_t seq, uint32_t bytes)
{
    struct wire_packet packet = peer_plain(peer);

    packet.tcp.seq = seq;
    packet.payload_bytes = bytes;
    packet.tcp.options |= WIRE_OPTION_TIMESTAMPS;
    packet.tcp.tsval = (uint32_t)(peer->now_ns / NS_PER_MS) + 1;
    return packet;
}

static berth_id open_one(struct peer *peer, berth_id listener, uint16_t port)
{
    struct wire_packet syn = peer_syn(WSCALE);
    berth_id id;

    peer->here.port = port;
    syn.tcp.tsval = 1;
    syn.tcp.options |= WIRE_OPTION_TIMESTAMPS;
    peer_give(peer, &syn);
    peer_take_all(peer);
    struct wire_packet ack = segment(peer, PEER_ISS + 1, 0);
    peer_give(peer, &ack);
    must(berth_tcp_accept(peer->berth, listener, NULL, &id), "berth_tcp_accept");
    return id;
}

static void drain_events(struct peer *peer)
{
    struct berth_event event;

    while (berth_next_event(peer->berth, &event)) {
    }
}

static void give_data(struct peer *peer, uint32_t *seq, enum step step)
{
    struct wire_packet data = segment(peer, *seq, MSS);

    drain_events(peer);
    mark(step);
    peer_give(peer, &data);
    mark(NOTHING);
    *seq += MSS;
}

static void take_segments(struct peer *peer, enum step step)
{
    mark(step);
    peer_take_all(peer);
    mark(NOTHING);
}

/* Two segments in, of which the second is acknowledged; one out, which is acknowledged. */
static void converse(struct peer *peer, berth_id id, uint32_t *seq, bool is_counted)
{
    static uint8_t bytes[2 * MSS];
    size_t moved;

    give_data(peer, seq, is_counted ? DATA_IN_DELAYED : NOTHING);
    give_data(peer, seq, is_counted ? DATA_IN_DUE : NOTHING);
    take_segments(peer, is_counted ? ACK_OUT : NOTHING);
    must(berth_tcp_read(peer->berth, id, bytes, 2 * MSS, &moved), "berth_tcp_read");
    must(berth_tcp_write(peer->berth, id, bytes, MSS, &moved), "berth_tcp_write");
    take_segments(peer, is_counted ? DATA_OUT : NOTHING);
    peer->ack += MSS;
    struct wire_packet ack = segment(peer, *seq, 0);
    mark(is_counted ? ACK_IN : NOTHING);
    peer_give(peer, &ack);
    mark(NOTHING);
}

void scale_lines(void)
{
    struct berth_endpoint at = stacks_endpoint(0, PEER_PORT);
    struct berth_config config;
    struct peer peer;
    berth_id listener;

    berth_config_init(&config);
    config.limits.buffers = 256;
    config.limits.buffers_reserved = 16;
    peer_init(&peer, stacks_new(&config, 0));
    must(berth_tcp_listen(peer.berth, &at, 8, NULL, &listener), "berth_tcp_listen");
    for (uint16_t i = 0; i < CONNECTIONS; i++) {
        berth_id id = open_one(&peer, listener, (uint16_t)(4000 + i));
        uint32_t seq = PEER_ISS + 1;
        for (uint32_t turn = 0; turn < TURNS; turn++) {
            converse(&peer, id, &seq, turn == TURNS - 1);
        }
    }
    const struct tcp *tcp = &peer.berth->tcp;
    printf("{\"marks\": %zu, \"front\": [%zu, %zu], \"back\": [%zu, %zu], \"work\": [%zu, %zu]}\n",
           (size_t)marks, (size_t)tcp->conns.items, CONNECTIONS * sizeof(struct tcp_conn),
           (size_t)tcp->backs.items, CONNECTIONS * sizeof(struct tcp_back),
           (size_t)tcp->works.items, CONNECTIONS * sizeof(struct tcp_work));
}
