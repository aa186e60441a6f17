/* SPDX-License-Identifier: MIT */
/*
 * Headers from descriptors. The descriptor is our own: what does not fit a header is a bug of ours.
 */
#include "base/check.h"
#include "wire/internal.h"

#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_MORE          0x2000

_Static_assert(WIRE_IPV6_HEADER_BYTES + WIRE_TCP_HEADER_BYTES + WIRE_TCP_OPTION_BYTES_MAX <=
                   BERTH_FRAME_HEADER_BYTES,
               "the longest headers fit a frame");

static uint32_t emit_ipv4(uint8_t *out, const struct wire_packet *packet, uint8_t protocol,
                          uint32_t upper_bytes)
{
    uint32_t total = WIRE_IPV4_HEADER_BYTES + upper_bytes;
    uint32_t flags = packet->dont_fragment ? IPV4_DONT_FRAGMENT : 0;

    BERTH_CHECK(total <= BERTH_PACKET_BYTES_MAX);
    if (packet->is_fragment) {
        flags |= packet->more_fragments ? IPV4_MORE : 0;
        flags |= packet->fragment_offset / 8U;
    }
    out[0] = 0x45;
    out[1] = packet->traffic_class;
    store_be16(out + 2, (uint16_t)total);
    store_be16(out + 4, (uint16_t)packet->fragment_id);
    store_be16(out + 6, (uint16_t)flags);
    out[8] = packet->hop_limit;
    out[9] = protocol;
    store_be16(out + 10, 0);
    memcpy(out + 12, packet->source.bytes + 12, 4);
    memcpy(out + 16, packet->destination.bytes + 12, 4);
    wire_store_sum(out + 10, wire_sum_ipv4(out, WIRE_IPV4_HEADER_BYTES));
    return WIRE_IPV4_HEADER_BYTES;
}

static uint32_t emit_fragment_header(uint8_t *out, const struct wire_packet *packet,
                                     uint8_t protocol)
{
    out[0] = protocol;
    out[1] = 0;
    store_be16(out + 2,
               (uint16_t)((packet->fragment_offset & 0xfff8) | (packet->more_fragments ? 1 : 0)));
    store_be32(out + 4, packet->fragment_id);
    return WIRE_FRAGMENT_BYTES;
}

static uint32_t emit_ipv6(uint8_t *out, const struct wire_packet *packet, uint8_t protocol,
                          uint32_t upper_bytes)
{
    uint32_t length = upper_bytes + (packet->is_fragment ? WIRE_FRAGMENT_BYTES : 0);

    BERTH_CHECK(length <= UINT16_MAX);
    store_be32(out, 0x60000000U | (uint32_t)packet->traffic_class << 20);
    store_be16(out + 4, (uint16_t)length);
    out[6] = packet->is_fragment ? WIRE_FRAGMENT : protocol;
    out[7] = packet->hop_limit;
    memcpy(out + 8, packet->source.bytes, 16);
    memcpy(out + 24, packet->destination.bytes, 16);
    if (packet->is_fragment) {
        return WIRE_IPV6_HEADER_BYTES +
               emit_fragment_header(out + WIRE_IPV6_HEADER_BYTES, packet, protocol);
    }
    return WIRE_IPV6_HEADER_BYTES;
}

static uint32_t emit_network(uint8_t *out, const struct wire_packet *packet, uint8_t protocol,
                             uint32_t upper_bytes)
{
    return packet->version == 4 ? emit_ipv4(out, packet, protocol, upper_bytes)
                                : emit_ipv6(out, packet, protocol, upper_bytes);
}

/* The pseudo header's sum as the field holds it while the checksum is partial. */
static void store_partial(uint8_t *at, const struct wire_packet *packet, uint8_t protocol,
                          uint32_t bytes)
{
    uint16_t field = wire_sum_fold(wire_sum_pseudo(packet, protocol, bytes));
    memcpy(at, &field, sizeof field);
}

uint32_t wire_emit_network(uint8_t *out, const struct wire_packet *packet)
{
    return emit_network(out, packet, packet->protocol, packet->payload_bytes);
}

uint32_t wire_emit_tcp(uint8_t *out, const struct wire_packet *packet)
{
    const struct wire_tcp *tcp = &packet->tcp;
    uint32_t option_bytes = tcp->options != 0 ? wire_tcp_option_bytes(tcp) : 0;
    uint32_t header_bytes = WIRE_TCP_HEADER_BYTES + option_bytes;
    uint32_t upper_bytes = header_bytes + packet->payload_bytes;
    uint32_t network_bytes = emit_network(out, packet, WIRE_TCP, upper_bytes);

    out += network_bytes;
    store_be16(out, packet->source_port);
    store_be16(out + 2, packet->destination_port);
    store_be32(out + 4, tcp->seq);
    store_be32(out + 8, tcp->ack);
    store_be16(out + 12, (uint16_t)(header_bytes << 10 | tcp->flags));
    store_be16(out + 14, tcp->window);
    store_partial(out + WIRE_TCP_CHECKSUM_OFFSET, packet, WIRE_TCP, upper_bytes);
    store_be16(out + 18, tcp->urgent);
    if (tcp->options != 0) {
        wire_emit_tcp_options(out + WIRE_TCP_HEADER_BYTES, tcp);
    }
    return network_bytes + header_bytes;
}

uint32_t wire_emit_udp(uint8_t *out, const struct wire_packet *packet)
{
    uint32_t upper_bytes = WIRE_UDP_HEADER_BYTES + packet->payload_bytes;
    uint32_t network_bytes = emit_network(out, packet, WIRE_UDP, upper_bytes);

    out += network_bytes;
    store_be16(out, packet->source_port);
    store_be16(out + 2, packet->destination_port);
    store_be16(out + 4, (uint16_t)upper_bytes);
    store_partial(out + WIRE_UDP_CHECKSUM_OFFSET, packet, WIRE_UDP, upper_bytes);
    return network_bytes + WIRE_UDP_HEADER_BYTES;
}

/* The four bytes after the checksum, by type. */
static uint32_t icmp_rest(const struct wire_packet *packet)
{
    const struct wire_icmp *icmp = &packet->icmp;
    uint32_t echo = (uint32_t)icmp->identifier << 16 | icmp->sequence;

    if (packet->version == 6) {
        if (icmp->type == WIRE_ICMP6_ECHO_REQUEST || icmp->type == WIRE_ICMP6_ECHO_REPLY) {
            return echo;
        }
        return icmp->type == WIRE_ICMP6_TOO_BIG || icmp->type == WIRE_ICMP6_PARAMETER_PROBLEM
                   ? icmp->mtu
                   : 0;
    }
    if (icmp->type == WIRE_ICMP_ECHO_REQUEST || icmp->type == WIRE_ICMP_ECHO_REPLY) {
        return echo;
    }
    if (icmp->type == WIRE_ICMP_PARAMETER_PROBLEM) {
        return icmp->mtu << 24;
    }
    if (icmp->type == WIRE_ICMP_UNREACHABLE && icmp->code == WIRE_ICMP_FRAGMENTATION_NEEDED) {
        return min_u32(icmp->mtu, UINT16_MAX);
    }
    return 0;
}

uint32_t wire_emit_icmp(uint8_t *out, const struct wire_packet *packet)
{
    uint8_t protocol = packet->version == 4 ? WIRE_ICMP : WIRE_ICMP6;
    uint32_t upper_bytes = WIRE_ICMP_HEADER_BYTES + packet->payload_bytes;
    uint32_t network_bytes = emit_network(out, packet, protocol, upper_bytes);

    out += network_bytes;
    out[0] = packet->icmp.type;
    out[1] = packet->icmp.code;
    store_be16(out + WIRE_ICMP_CHECKSUM_OFFSET, 0);
    if (packet->version == 6) {
        store_partial(out + WIRE_ICMP_CHECKSUM_OFFSET, packet, protocol, upper_bytes);
    }
    store_be32(out + 4, icmp_rest(packet));
    return network_bytes + WIRE_ICMP_HEADER_BYTES;
}

struct wire_sum_place wire_sum_place(const struct wire_packet *packet, uint32_t header_bytes)
{
    switch (packet->protocol) {
    case WIRE_TCP: /* of no fragment: the network header has its least length */
        header_bytes = packet->version == 4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
        return (struct wire_sum_place){(uint16_t)header_bytes, WIRE_TCP_CHECKSUM_OFFSET};
    case WIRE_UDP:
        header_bytes -= WIRE_UDP_HEADER_BYTES;
        return (struct wire_sum_place){(uint16_t)header_bytes, WIRE_UDP_CHECKSUM_OFFSET};
    default:
        header_bytes -= WIRE_ICMP_HEADER_BYTES;
        return (struct wire_sum_place){(uint16_t)header_bytes, WIRE_ICMP_CHECKSUM_OFFSET};
    }
}
