/* SPDX-License-Identifier: MIT */
/*
 * The ECN field of a whole packet, as a router that is congested sets it (RFC 3168 5). Pure; called
 * by links and networks that mark, and by nobody inside the stack.
 */
#include "wire/internal.h"

/* The 16-bit word at AT of an IPv4 header becomes WORD; the checksum follows (RFC 1624 3). */
static void patch_ipv4_word(uint8_t *packet, uint32_t at, uint16_t word)
{
    uint32_t sum = (uint16_t)~load_be16(packet + 10);

    sum += (uint16_t)~load_be16(packet + at);
    sum += word;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(packet + at, word);
    store_be16(packet + 10, (uint16_t)~sum);
}

enum wire_ecn wire_ecn_get(const uint8_t *packet, size_t bytes)
{
    unsigned version = bytes > 0 ? packet[0] >> 4 : 0;

    if (version == 4 && bytes >= WIRE_IPV4_HEADER_BYTES) {
        return (enum wire_ecn)(packet[1] & WIRE_CE);
    }
    if (version == 6 && bytes >= WIRE_IPV6_HEADER_BYTES) {
        return (enum wire_ecn)(packet[1] >> 4 & WIRE_CE);
    }
    return WIRE_NOT_ECT;
}

bool wire_ecn_mark(uint8_t *packet, size_t bytes)
{
    if (wire_ecn_get(packet, bytes) == WIRE_NOT_ECT) {
        return false;
    }
    if (packet[0] >> 4 == 4) {
        patch_ipv4_word(packet, 0, (uint16_t)(load_be16(packet) | WIRE_CE));
    } else {
        packet[1] |= WIRE_CE << 4;
    }
    return true;
}
