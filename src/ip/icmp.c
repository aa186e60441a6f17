/* SPDX-License-Identifier: MIT */
/*
 * ip/icmp.c: the ICMP and ICMPv6 messages that the stack makes.
 *
 * 1. Every one passes may_make: the token bucket, room in the outbox, a buffer. Where it does not,
 *    BERTH_DROP_REPLY_LIMIT is counted and nothing else happens.
 * 2. An error quotes as much as fits in what every host takes: 576 bytes (RFC 1812 4.3.2.3), 1280
 *    bytes (RFC 4443 2.4 c).
 * 3. Errors about errors, multicast and broadcast are not made (ip.h, 3).
 * Called by stack/, and by reassembly.c.
 */
#include "ip/icmp.h"

#include "ip/internal.h"

#define BURST_NS            NS_PER_S /* a full bucket holds what one second may send */
#define QUOTED_HEADERS_MAX  (WIRE_IPV6_HEADER_BYTES + 8) /* IPv6 with a fragment header */
#define QUOTED_TRANSPORT    8 /* RFC 792: at least 64 bits of the transport */
#define NEXT_HEADER_PLACE   6 /* of the field, in an IPv6 header */
#define EXTENSION_UNIT      8
#define EXTENSION_BYTES_MIN 8
#define EXTENSION_FRAGMENT  44 /* IANA protocol-numbers */
#define EXTENSION_AH        51
#define AH_UNIT             4
#define PARTIAL_ICMP_OFFSET 2 /* of the checksum field, from the transport header */

struct icmp_error {
    const struct wire_packet *about;
    uint8_t type;
    uint8_t code;
    uint32_t word;          /* the second word: MTU, pointer */
    bool from_destination;  /* the host that was meant tells it, not a router on the way */
    struct berth_view head; /* what is quoted, in two pieces */
    struct berth_view rest;
};

/* One token, if there is one: the bucket is full at icmp_tokens_ns. */
static bool take_token(struct ip *ip, uint64_t now_ns)
{
    uint64_t cost_ns;
    uint64_t full_ns;

    if (ip->limits.icmp_per_second == 0) {
        return false;
    }
    cost_ns = max_u64(NS_PER_S / ip->limits.icmp_per_second, 1);
    full_ns = add_sat_u64(max_u64(ip->icmp_tokens_ns, now_ns), cost_ns);
    if (full_ns > add_sat_u64(now_ns, BURST_NS)) {
        return false;
    }
    ip->icmp_tokens_ns = full_ns;
    return true;
}

static bool may_make(struct ip *ip, uint64_t now_ns)
{
    if (outbox_is_full(ip->outbox) || !take_token(ip, now_ns)) {
        ip->stats->drops[BERTH_DROP_REPLY_LIMIT]++;
        return false;
    }
    return true;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 e. */
static bool may_answer(const struct ip *ip, const struct wire_packet *about)
{
    bool is_icmp = about->protocol == WIRE_ICMP || about->protocol == WIRE_ICMP6;

    if (is_icmp && icmp_is_error(about->version, about->icmp.type)) {
        return false;
    }
    return !berth_address_is_multicast(&about->destination) &&
           !ip_is_broadcast(ip, &about->destination) && !berth_address_is_any(&about->source) &&
           !berth_address_is_multicast(&about->source) && !ip_is_broadcast(ip, &about->source);
}

static uint32_t append(struct berth_buffer *buffer, const struct berth_view *view, uint32_t room)
{
    uint32_t bytes = (uint32_t)min_size(view->bytes, room);

    if (bytes > 0) {
        memcpy(buffer_end(buffer), view->data, bytes);
        buffer->bytes += bytes;
    }
    return room - bytes;
}

/* Writes the ICMP header that PACKET describes in front of what BUFFER holds, and sends it. */
static void send_icmp(struct ip *ip, struct wire_packet *packet, struct berth_buffer *buffer)
{
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint32_t network_bytes = ip_header_bytes(packet->version);

    packet->payload_bytes = buffer->bytes;
    packet->transport_bytes = WIRE_ICMP_HEADER_BYTES;
    BERTH_CHECK(wire_emit_icmp(header, packet) == network_bytes + WIRE_ICMP_HEADER_BYTES);
    buffer->begin -= WIRE_ICMP_HEADER_BYTES;
    buffer->bytes += WIRE_ICMP_HEADER_BYTES;
    memcpy(buffer->data + buffer->begin, header + network_bytes, WIRE_ICMP_HEADER_BYTES);
    buffer->offload =
        (struct berth_offload){.checksum_partial = 1, .checksum_offset = PARTIAL_ICMP_OFFSET};
    ip_send(ip, packet, buffer);
}

static void send_error(struct ip *ip, const struct icmp_error *error, uint64_t now_ns)
{
    const struct wire_packet *about = error->about;
    bool is_v4 = about->version == 4;
    uint32_t room = is_v4 ? IP_MTU_MIN_V4 - WIRE_IPV4_HEADER_BYTES - WIRE_ICMP_HEADER_BYTES
                          : IP_MTU_MIN_V6 - WIRE_IPV6_HEADER_BYTES - WIRE_ICMP_HEADER_BYTES;
    struct wire_packet packet = {
        .source = about->destination,
        .destination = about->source,
        .version = about->version,
        .protocol = is_v4 ? WIRE_ICMP : WIRE_ICMP6,
        .hop_limit = IP_HOP_LIMIT,
        .icmp = {.type = error->type, .code = error->code, .mtu = error->word},
    };
    struct berth_buffer *buffer;

    if (!may_answer(ip, about) || !may_make(ip, now_ns)) {
        return;
    }
    buffer = buffers_get(ip->buffers);
    if (buffer == NULL) {
        ip->stats->drops[BERTH_DROP_REPLY_LIMIT]++;
        return;
    }
    if (!error->from_destination && !ip_is_own(ip, &about->destination)) {
        /* Without an address of this version the destination speaks for itself. */
        (void)ip_source_for(ip, &about->source, &packet.source);
    }
    room = min_u32(room, buffer_room(buffer));
    room = append(buffer, &error->head, room);
    (void)append(buffer, &error->rest, room);
    send_icmp(ip, &packet, buffer);
}

/* Type and code of destination unreachable for REASON. */
static void set_unreachable(struct icmp_error *error, enum berth_unreachable reason)
{
    bool is_v4 = error->about->version == 4;

    error->type = is_v4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE;
    error->from_destination = reason == BERTH_UNREACHABLE_PORT;
    switch (reason) {
    case BERTH_UNREACHABLE_NETWORK:
        error->code = is_v4 ? ICMP4_NETWORK : ICMP6_NETWORK;
        break;
    case BERTH_UNREACHABLE_HOST:
        error->code = is_v4 ? ICMP4_HOST : ICMP6_HOST;
        break;
    case BERTH_UNREACHABLE_PORT:
        error->code = is_v4 ? ICMP4_PORT : ICMP6_PORT;
        break;
    case BERTH_UNREACHABLE_PROHIBITED:
        error->code = is_v4 ? ICMP4_PROHIBITED : ICMP6_PROHIBITED;
        break;
    }
}

void ip_send_unreachable(struct ip *ip, const struct wire_packet *packet,
                         enum berth_unreachable reason, uint64_t now_ns)
{
    struct icmp_error error = {
        .about = packet,
        .head = {packet->packet, packet->packet_bytes},
    };

    set_unreachable(&error, reason);
    send_error(ip, &error, now_ns);
}

/* Where in the IPv6 PACKET the next-header field stands that names its transport. */
static uint32_t next_header_place(const struct wire_packet *packet)
{
    uint32_t place = NEXT_HEADER_PLACE;
    uint32_t at = WIRE_IPV6_HEADER_BYTES;
    uint8_t kind = packet->packet[place];

    while (at + EXTENSION_BYTES_MIN <= packet->network_bytes) {
        const uint8_t *extension = packet->packet + at;
        uint32_t bytes = ((uint32_t)extension[1] + 1) * EXTENSION_UNIT;

        if (kind == EXTENSION_FRAGMENT) {
            bytes = EXTENSION_UNIT;
        } else if (kind == EXTENSION_AH) {
            bytes = ((uint32_t)extension[1] + 2) * AH_UNIT;
        }
        place = at;
        kind = extension[0];
        at += bytes;
    }
    return place;
}

void ip_send_protocol_unreachable(struct ip *ip, const struct wire_packet *packet, uint64_t now_ns)
{
    struct icmp_error error = {
        .about = packet,
        .type = ICMP4_UNREACHABLE,
        .code = ICMP4_PROTOCOL,
        .from_destination = true,
        .head = {packet->packet, packet->packet_bytes},
    };

    if (packet->version == 6) {
        error.type = ICMP6_PARAMETER_PROBLEM;
        error.code = ICMP6_NEXT_HEADER;
        error.word = next_header_place(packet);
    }
    send_error(ip, &error, now_ns);
}

void ip_send_unreachable_quote(struct ip *ip, const struct wire_quote *quote,
                               enum berth_unreachable reason, uint64_t now_ns)
{
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint8_t transport[QUOTED_TRANSPORT] = {0};
    bool is_v4 = berth_address_is_v4(&quote->source);
    bool is_echo = quote->protocol == WIRE_ICMP || quote->protocol == WIRE_ICMP6;
    struct wire_packet about = {
        .source = quote->source,
        .destination = quote->destination,
        .version = is_v4 ? 4 : 6,
        .protocol = quote->protocol,
        .hop_limit = IP_HOP_LIMIT,
        .payload_bytes = QUOTED_TRANSPORT,
        .icmp = {.type = is_v4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST},
    };
    struct icmp_error error = {
        .about = &about,
        .head = {header, wire_emit_network(header, &about)},
        .rest = {transport, sizeof transport},
    };

    if (is_echo) {
        transport[0] = about.icmp.type;
        store_be16(transport + 4, quote->source_port);
        store_be16(transport + 6, quote->echo_sequence);
    } else {
        store_be16(transport, quote->source_port);
        store_be16(transport + 2, quote->destination_port);
        /* TCP's sequence number; UDP's length, of a datagram without payload. */
        store_be32(transport + 4, quote->protocol == WIRE_TCP
                                      ? quote->tcp_seq
                                      : (uint32_t)WIRE_UDP_HEADER_BYTES << 16);
    }
    set_unreachable(&error, reason);
    send_error(ip, &error, now_ns);
}

void ip_send_reassembly_timeout(struct ip *ip, const struct wire_packet *packet, uint64_t now_ns)
{
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    struct icmp_error error = {
        .about = packet,
        .type = packet->version == 4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED,
        .code = ICMP_REASSEMBLY_TIME,
        .from_destination = true,
        .head = {header, wire_emit_network(header, packet)},
        .rest = {packet->payload, packet->payload_bytes},
    };

    send_error(ip, &error, now_ns);
}

void ip_echo_reply(struct ip *ip, const struct wire_packet *packet, struct berth_buffer *buffer,
                   uint64_t now_ns)
{
    struct wire_packet reply = {
        .source = packet->destination,
        .destination = packet->source,
        .version = packet->version,
        .protocol = packet->protocol,
        .hop_limit = IP_HOP_LIMIT,
        .traffic_class = packet->traffic_class, /* RFC 1122 3.2.2.6: the request's TOS */
        .icmp = packet->icmp,
    };

    if (!may_make(ip, now_ns)) {
        buffers_put(ip->buffers, buffer);
        return;
    }
    reply.icmp.type = packet->version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
    buffer->begin = (uint32_t)(packet->payload - buffer->data);
    buffer->bytes = packet->payload_bytes;
    send_icmp(ip, &reply, buffer);
}
