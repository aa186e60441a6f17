/* SPDX-License-Identifier: MIT */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: the 8 bytes that all in use have. Other types than
 * those here come through with type and code alone.
 */
#include "wire/internal.h"

/* Does the message quote a packet, of which at least an IP header must be there? */
static bool is_error(const struct wire_packet *out)
{
    uint8_t type = out->icmp.type;

    if (out->version == 6) {
        return type >= WIRE_ICMP6_UNREACHABLE && type <= WIRE_ICMP6_PARAMETER_PROBLEM;
    }
    return type == WIRE_ICMP_UNREACHABLE || type == WIRE_ICMP_SOURCE_QUENCH ||
           type == WIRE_ICMP_REDIRECT || type == WIRE_ICMP_TIME_EXCEEDED ||
           type == WIRE_ICMP_PARAMETER_PROBLEM;
}

static bool is_echo(const struct wire_packet *out)
{
    uint8_t type = out->icmp.type;

    if (out->version == 6) {
        return type == WIRE_ICMP6_ECHO_REQUEST || type == WIRE_ICMP6_ECHO_REPLY;
    }
    return type == WIRE_ICMP_ECHO_REQUEST || type == WIRE_ICMP_ECHO_REPLY;
}

/* The MTU (RFC 1191 4, RFC 4443 3.2), or the pointer of a parameter problem. */
static uint32_t load_number(const struct wire_packet *out, const uint8_t *at)
{
    uint8_t type = out->icmp.type;

    if (out->version == 6) {
        bool has = type == WIRE_ICMP6_TOO_BIG || type == WIRE_ICMP6_PARAMETER_PROBLEM;
        return has ? load_be32(at + 4) : 0;
    }
    if (type == WIRE_ICMP_UNREACHABLE && out->icmp.code == WIRE_ICMP_FRAGMENTATION_NEEDED) {
        return load_be16(at + 6);
    }
    return type == WIRE_ICMP_PARAMETER_PROBLEM ? at[4] : 0;
}

enum berth_drop wire_parse_icmp(struct wire_packet *out, bool verify)
{
    const uint8_t *at = out->payload;
    uint32_t bytes = out->payload_bytes;
    uint64_t sum = out->version == 6 ? wire_sum_pseudo(out, WIRE_ICMP6, bytes) : 0;
    uint32_t quote_bytes_min = out->version == 6 ? WIRE_IPV6_HEADER_BYTES : WIRE_IPV4_HEADER_BYTES;

    if (bytes < WIRE_ICMP_HEADER_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    if (verify && wire_sum_fold(wire_sum(sum, at, bytes)) != 0xffff) {
        return BERTH_DROP_BAD_CHECKSUM;
    }
    out->transport = out->payload;
    out->transport_bytes = WIRE_ICMP_HEADER_BYTES;
    out->payload += WIRE_ICMP_HEADER_BYTES;
    out->payload_bytes = bytes - WIRE_ICMP_HEADER_BYTES;
    out->icmp.type = at[0];
    out->icmp.code = at[1];
    out->icmp.identifier = is_echo(out) ? load_be16(at + 4) : 0;
    out->icmp.sequence = is_echo(out) ? load_be16(at + 6) : 0;
    out->icmp.mtu = load_number(out, at);
    if (is_error(out) && out->payload_bytes < quote_bytes_min) {
        return BERTH_DROP_BAD_ICMP;
    }
    return BERTH_DROP_NONE;
}
