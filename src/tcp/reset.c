/* SPDX-License-Identifier: MIT */
/*
 * Segments that no connection sends: RST for what belongs to none, and the throttle of challenge
 * ACKs (RFC 5961 7). They go through the outbox, whose limit bounds them.
 */
#include "tcp/parts.h"

/* Sends the headers that PACKET describes. false: no buffer, or too many replies wait; counted. */
bool tcp_reply(struct tcp *tcp, const struct wire_packet *packet)
{
    struct berth_buffer *buffer = outbox_is_full(tcp->outbox) ? NULL : buffers_get(tcp->buffers);
    if (buffer == NULL) {
        tcp->stats->drops[BERTH_DROP_REPLY_LIMIT]++;
        return false;
    }
    buffer->bytes = wire_emit_tcp(buffer->data + buffer->begin, packet);
    struct wire_sum_place place = wire_sum_place(packet, buffer->bytes);
    buffer->offload = (struct berth_offload){.checksum_partial = 1,
                                             .header_bytes = (uint16_t)buffer->bytes,
                                             .checksum_start = place.start,
                                             .checksum_offset = place.offset};
    outbox_add(tcp->outbox, buffer);
    return true;
}

static uint32_t segment_length(const struct wire_packet *packet)
{
    uint32_t flags = packet->tcp.flags;
    return packet->payload_bytes + ((flags & WIRE_SYN) != 0 ? 1 : 0) +
           ((flags & WIRE_FIN) != 0 ? 1 : 0);
}

void tcp_reset_for(struct tcp *tcp, const struct wire_packet *packet)
{
    if ((packet->tcp.flags & WIRE_RST) != 0) {
        return; /* a RST is never answered with one */
    }
    struct wire_packet out = {.source = packet->destination,
                              .destination = packet->source,
                              .source_port = packet->destination_port,
                              .destination_port = packet->source_port,
                              .version = packet->version,
                              .protocol = WIRE_TCP,
                              .hop_limit = tcp->settings.hop_limit,
                              .traffic_class = (uint8_t)(tcp->settings.dscp << 2),
                              .dont_fragment = true};
    if ((packet->tcp.flags & WIRE_ACK) != 0) {
        out.tcp.flags = WIRE_RST;
        out.tcp.seq = packet->tcp.ack;
    } else {
        out.tcp.flags = WIRE_RST | WIRE_ACK;
        out.tcp.ack = packet->tcp.seq + segment_length(packet);
    }
    /* RFC 7323 5.2, but for TSval, which SHOULD be zero: Linux has PAWS look at the RST of what is
     * half-open there, in spite of the same clause, and would not take that for half of all stamps.
     * What it echoes is never old to it. */
    if ((packet->tcp.options & WIRE_OPTION_TIMESTAMPS) != 0) {
        out.tcp.options = WIRE_OPTION_TIMESTAMPS;
        out.tcp.tsval = packet->tcp.tsecr;
        out.tcp.tsecr = packet->tcp.tsval;
    }
    if (tcp_reply(tcp, &out)) {
        tcp->stats->tcp_resets_out++;
    }
}

void tcp_refuse(struct tcp *tcp, const struct wire_packet *packet)
{
    tcp_reset_for(tcp, packet);
}

/* The number per second is drawn anew each second, so that counting them tells an attacker
 * nothing. */
bool tcp_may_challenge(struct tcp *tcp)
{
    if (tcp->now_ns - tcp->challenge_window_ns >= NS_PER_S) {
        uint32_t half = tcp->settings.challenge_acks_per_second / 2;
        tcp->challenge_window_ns = tcp->now_ns;
        tcp->challenge_left = half + random_below(tcp->random, half + 1);
    }
    bool may = tcp->challenge_left > 0;
    tcp->challenge_left -= may ? 1 : 0;
    return may;
}

void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn)
{
    if (tcp_may_challenge(tcp)) {
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
}
