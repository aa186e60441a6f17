/* SPDX-License-Identifier: MIT */
/*
 * The IPv6 header and its extension headers (RFC 8200).
 *
 * The chain is walked up to the first header that is no extension, at most WIRE_EXTENSIONS_MAX of
 * them. AH, ESP and "no next header" end it: they are unknown protocols to those above. An option
 * or routing header that a host which does not know it must not pass over drops the packet.
 */
#include "wire/internal.h"

#define OPTION_PAD1        0
#define OPTION_ACTION_MASK 0xc0 /* RFC 8200 4.2: not 00: not to be passed over if unknown */

struct chain {
    const uint8_t *packet;
    uint32_t at;    /* of the header that `next` names */
    uint32_t end;   /* of the packet */
    uint32_t count; /* extension headers so far */
    uint8_t next;
};

/* ::/96 holds any, loopback and the compatible addresses; ::ffff:0:0/96 are the mapped ones. */
static bool is_never_on_the_wire(const struct berth_address *address)
{
    uint32_t third = load_be32(address->bytes + 8);
    return load_u64(address->bytes) == 0 && (third == 0 || third == 0xffff);
}

/* The jumbo payload option is among those refused: there are no jumbograms here. */
static enum berth_drop check_options(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (*at == OPTION_PAD1) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] + 2 > end - at || (*at & OPTION_ACTION_MASK) != 0) {
            return BERTH_DROP_BAD_OPTION;
        }
        at += at[1] + 2;
    }
    return BERTH_DROP_NONE;
}

/* One extension header of the common form: next header, length in 8 bytes after the first 8. */
static enum berth_drop pass_extension(struct chain *chain)
{
    const uint8_t *at = chain->packet + chain->at;
    uint32_t bytes;

    if (chain->count++ == WIRE_EXTENSIONS_MAX) {
        return BERTH_DROP_BAD_OPTION;
    }
    if (chain->end - chain->at < 8) {
        return BERTH_DROP_TRUNCATED;
    }
    bytes = (at[1] + 1U) * 8;
    if (bytes > chain->end - chain->at) {
        return BERTH_DROP_BAD_HEADER_LENGTH;
    }
    if (chain->next == WIRE_ROUTING) {
        /* Type 0 is dead (RFC 5095); others only when nothing is left to do (RFC 8200 4.4). */
        if (at[2] == 0 || at[3] > 0) {
            return BERTH_DROP_SOURCE_ROUTE;
        }
    } else {
        enum berth_drop drop = check_options(at + 2, at + bytes);
        if (drop != BERTH_DROP_NONE) {
            return drop;
        }
    }
    chain->next = at[0];
    chain->at += bytes;
    return BERTH_DROP_NONE;
}

/* Up to a fragment header or the upper layer. */
static enum berth_drop walk(struct chain *chain)
{
    enum berth_drop drop = BERTH_DROP_NONE;

    while (drop == BERTH_DROP_NONE) {
        if (chain->next == WIRE_HOP_BY_HOP) {
            if (chain->at != WIRE_IPV6_HEADER_BYTES) {
                return BERTH_DROP_BAD_OPTION; /* RFC 8200 4.1: only right after the IPv6 header */
            }
        } else if (chain->next != WIRE_ROUTING && chain->next != WIRE_DESTINATION_OPTIONS) {
            return BERTH_DROP_NONE;
        }
        drop = pass_extension(chain);
    }
    return drop;
}

/* RFC 7112 and 8200 4.5: all headers up to the upper layer's are in the first fragment. */
static bool has_all_headers(struct chain chain)
{
    uint32_t needed = 0;

    if (walk(&chain) != BERTH_DROP_NONE || chain.next == WIRE_FRAGMENT) {
        return false;
    }
    if (chain.next == WIRE_TCP) {
        needed = WIRE_TCP_HEADER_BYTES;
    } else if (chain.next == WIRE_UDP || chain.next == WIRE_ICMP6) {
        needed = WIRE_UDP_HEADER_BYTES;
    }
    return chain.end - chain.at >= needed;
}

static enum berth_drop on_fragment(struct wire_packet *out, struct chain *chain)
{
    const uint8_t *at = chain->packet + chain->at;
    uint32_t bytes;

    if (chain->count++ == WIRE_EXTENSIONS_MAX) {
        return BERTH_DROP_BAD_OPTION;
    }
    if (chain->end - chain->at < WIRE_FRAGMENT_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    out->fragment_offset = load_be16(at + 2) & 0xfff8;
    out->more_fragments = (at[3] & 1) != 0;
    out->fragment_id = load_be32(at + 4);
    out->is_fragment = out->more_fragments || out->fragment_offset > 0;
    chain->next = at[0];
    chain->at += WIRE_FRAGMENT_BYTES;
    if (!out->is_fragment) { /* an atomic fragment (RFC 6946) is a whole packet */
        enum berth_drop drop = walk(chain);
        return chain->next == WIRE_FRAGMENT ? BERTH_DROP_BAD_FRAGMENT : drop;
    }
    bytes = chain->end - chain->at;
    if (bytes == 0 || (out->more_fragments && bytes % 8 != 0) ||
        out->fragment_offset + bytes > BERTH_PACKET_BYTES_MAX ||
        (out->fragment_offset == 0 && !has_all_headers(*chain))) {
        return BERTH_DROP_BAD_FRAGMENT;
    }
    return BERTH_DROP_NONE;
}

static enum berth_drop check_addresses(struct wire_packet *out)
{
    memcpy(out->source.bytes, out->packet + 8, sizeof out->source.bytes);
    memcpy(out->destination.bytes, out->packet + 24, sizeof out->destination.bytes);
    if (out->source.bytes[0] == 0xff || is_never_on_the_wire(&out->source)) {
        return BERTH_DROP_MARTIAN_SOURCE;
    }
    if (is_never_on_the_wire(&out->destination)) {
        return BERTH_DROP_MARTIAN_DESTINATION;
    }
    return BERTH_DROP_NONE;
}

enum berth_drop wire_parse_ipv6(struct wire_packet *out, size_t bytes)
{
    const uint8_t *at = out->packet;
    struct chain chain;
    enum berth_drop drop;

    if (bytes < WIRE_IPV6_HEADER_BYTES) {
        return BERTH_DROP_TRUNCATED;
    }
    out->packet_bytes = WIRE_IPV6_HEADER_BYTES + (uint32_t)load_be16(at + 4);
    if (out->packet_bytes > bytes) {
        return BERTH_DROP_TRUNCATED;
    }
    out->traffic_class = (uint8_t)(load_be16(at) >> 4);
    out->fragment_id = 0;
    out->dont_fragment = true; /* only its source fragments an IPv6 packet */
    out->more_fragments = false;
    out->fragment_offset = 0;
    out->is_fragment = false;
    out->hop_limit = at[7];
    drop = check_addresses(out);
    chain = (struct chain){
        .packet = at, .at = WIRE_IPV6_HEADER_BYTES, .end = out->packet_bytes, .next = at[6]};
    if (drop == BERTH_DROP_NONE) {
        drop = walk(&chain);
    }
    if (drop == BERTH_DROP_NONE && chain.next == WIRE_FRAGMENT) {
        drop = on_fragment(out, &chain);
    }
    out->protocol = chain.next;
    out->network_bytes = chain.at;
    out->payload = out->packet + chain.at;
    out->payload_bytes = chain.end - chain.at;
    return drop;
}
