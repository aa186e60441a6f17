/* SPDX-License-Identifier: MIT */
/*
 * The sums of a packet that the stack has sent, reckoned anew from the bytes (RFC 1071) with none
 * of the stack's own code: packetdrill looks at IPv4's header checksum only.
 */
#include "adapter.h"

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40

static uint32_t add(uint32_t sum, const unsigned char *data, size_t bytes)
{
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        sum += (uint32_t)data[i] << 8 | data[i + 1];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if (bytes % 2 != 0) {
        sum += (uint32_t)data[bytes - 1] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* ADDRESSES: both, 8 or 32 bytes. */
static const char *transport_fault(const unsigned char *addresses, size_t address_bytes,
                                   const unsigned char *data, size_t bytes, unsigned protocol)
{
    bool v6 = address_bytes == 32;
    bool pseudo = protocol != IPPROTO_ICMP;
    if (protocol == IPPROTO_UDP && bytes >= 8 && data[6] == 0 && data[7] == 0) {
        return v6 ? "UDP over IPv6 without a checksum" : NULL;
    }
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_ICMP &&
        protocol != IPPROTO_ICMPV6) {
        return "a protocol that nobody asked for";
    }
    uint32_t sum = 0;
    if (pseudo) {
        sum = add(0, addresses, address_bytes) + protocol;
        sum += (uint32_t)(bytes >> 16) + (uint32_t)(bytes & 0xffff);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = add(sum, data, bytes);
    return sum == 0xffff ? NULL : "the transport checksum is wrong";
}

static const char *ipv4_fault(const unsigned char *packet, size_t bytes)
{
    size_t header = bytes < IPV4_HEADER_BYTES ? 0 : (packet[0] & 15U) * 4U;
    if (header < IPV4_HEADER_BYTES || header > bytes ||
        ((size_t)packet[2] << 8 | packet[3]) != bytes) {
        return "the lengths of its IPv4 header are wrong";
    }
    if (add(0, packet, header) != 0xffff) {
        return "the IPv4 header checksum is wrong";
    }
    bool piece = ((packet[6] & 0x3f) | packet[7]) != 0;
    return piece ? NULL
                 : transport_fault(packet + 12, 8, packet + header, bytes - header, packet[9]);
}

static const char *ipv6_fault(const unsigned char *packet, size_t bytes)
{
    if (bytes < IPV6_HEADER_BYTES ||
        ((size_t)packet[4] << 8 | packet[5]) != bytes - IPV6_HEADER_BYTES) {
        return "the lengths of its IPv6 header are wrong";
    }
    bool piece = packet[6] == IPPROTO_FRAGMENT;
    return piece ? NULL
                 : transport_fault(packet + 8, 32, packet + IPV6_HEADER_BYTES,
                                   bytes - IPV6_HEADER_BYTES, packet[6]);
}

const char *checksum_fault(const unsigned char *packet, size_t bytes)
{
    unsigned version = bytes > 0 ? packet[0] >> 4 : 0;
    if (version == 4) {
        return ipv4_fault(packet, bytes);
    }
    return version == 6 ? ipv6_fault(packet, bytes) : "it is neither IPv4 nor IPv6";
}
