/* SPDX-License-Identifier: MIT */
/*
 * run/inward.c: see run/inward.h: IANA's special-purpose address registries (RFC 6890), as far as
 * what is there is reached inside a network or not at all. Documentation prefixes are not: nothing
 * is there.
 */
#include "run/inward.h"

#include <string.h>

#include "base/bytes.h"

struct block {
    uint32_t first;
    uint8_t bits;
    const char *kind;
};

static const struct block blocks_v4[] = {
    {0x00000000, 8, "unspecified"},                                   /* RFC 791 */
    {0x0a000000, 8, "private"},                                       /* RFC 1918 */
    {0x64400000, 10, "shared"},                                       /* RFC 6598 */
    {0x7f000000, 8, "loopback"},                                      /* RFC 1122 */
    {0xa9fe0000, 16, "link-local"},                                   /* RFC 3927 */
    {0xac100000, 12, "private"},    {0xc0000000, 24, "reserved"},     /* RFC 6890 */
    {0xc0a80000, 16, "private"},    {0xc6120000, 15, "benchmarking"}, /* RFC 2544 */
    {0xe0000000, 4, "multicast"},                                     /* RFC 5771 */
    {0xf0000000, 4, "reserved"}, /* RFC 1112, and the broadcast */
};

struct block6 {
    uint8_t first[8];
    uint8_t bits; /* at most 64 */
    const char *kind;
};

static const struct block6 blocks_v6[] = {
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "private"}, /* RFC 8215 */
    {{0x01, 0x00}, 64, "discard"},                         /* RFC 6666 */
    {{0xfc}, 7, "private"},                                /* RFC 4193 */
    {{0xfe, 0x80}, 10, "link-local"},                      /* RFC 4291 */
    {{0xfe, 0xc0}, 10, "private"},                         /* RFC 3879 */
    {{0xff}, 8, "multicast"},
};

static const char *kind_v4(uint32_t value)
{
    for (size_t i = 0; i < sizeof blocks_v4 / sizeof blocks_v4[0]; i++) {
        if ((value ^ blocks_v4[i].first) >> (32 - blocks_v4[i].bits) == 0) {
            return blocks_v4[i].kind;
        }
    }
    return NULL;
}

/* The IPv4 address that ADDRESS carries. */
static bool find_carried(const uint8_t *bytes, uint32_t *value)
{
    static const uint8_t zeros[12];
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}; /* RFC 6052 */
    uint32_t token = load_be32(bytes + 8);

    if (bytes[0] == 0x20 && bytes[1] == 0x02) { /* RFC 3056 */
        *value = load_be32(bytes + 2);
        return true;
    }
    *value = load_be32(bytes + 12);
    return memcmp(bytes, zeros, sizeof zeros) == 0 || memcmp(bytes, nat64, sizeof nat64) == 0 ||
           token == 0x00005efe || token == 0x02005efe; /* RFC 5214 */
}

const char *inward_kind(const struct berth_address *address)
{
    uint64_t high = (uint64_t)load_be32(address->bytes) << 32 | load_be32(address->bytes + 4);
    uint32_t carried = 0;

    if (berth_address_is_v4(address)) {
        return kind_v4(berth_address_v4_value(address));
    }
    if (berth_address_is_loopback(address)) {
        return "loopback";
    }
    for (size_t i = 0; i < sizeof blocks_v6 / sizeof blocks_v6[0]; i++) {
        const struct block6 *block = &blocks_v6[i];
        uint64_t first = (uint64_t)load_be32(block->first) << 32 | load_be32(block->first + 4);

        if ((high ^ first) >> (64 - block->bits) == 0) {
            return block->kind;
        }
    }
    return find_carried(address->bytes, &carried) ? kind_v4(carried) : NULL;
}
