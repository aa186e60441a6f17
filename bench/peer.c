/* SPDX-License-Identifier: MIT */
/* A peer without a stack: peer.h. */
#include "peer.h"

#include "base/bytes.h"

#include <string.h>

#define FRAMES_MAX 64U

void peer_init(struct peer *peer, struct berth *berth)
{
    *peer = (struct peer){
        .berth = berth, .here = stacks_endpoint(1, 4000), .there = stacks_endpoint(0, PEER_PORT)};
}

void peer_give(struct peer *peer, struct wire_packet *packet)
{
    struct berth_buffer *buffer = berth_buffer_get(peer->berth);
    uint8_t *out;

    if (buffer == NULL) {
        must(BERTH_E_LIMIT, "berth_buffer_get");
        return;
    }
    packet->source = peer->here.address;
    packet->destination = peer->there.address;
    packet->source_port = peer->here.port;
    packet->destination_port = peer->there.port;
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

void peer_take_all(struct peer *peer)
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

struct wire_packet peer_syn(uint8_t wscale)
{
    struct wire_packet packet = {0};

    packet.tcp.flags = WIRE_SYN;
    packet.tcp.seq = PEER_ISS;
    packet.tcp.window = 65535;
    packet.tcp.mss = 1460;
    packet.tcp.wscale = wscale;
    packet.tcp.options = WIRE_OPTION_MSS | WIRE_OPTION_SACK_PERMITTED | WIRE_OPTION_WSCALE;
    return packet;
}

struct wire_packet peer_plain(const struct peer *peer)
{
    struct wire_packet packet = {0};

    packet.tcp.flags = WIRE_ACK;
    packet.tcp.seq = PEER_ISS + 1;
    packet.tcp.ack = peer->ack;
    packet.tcp.window = 65535;
    return packet;
}
