/* SPDX-License-Identifier: MIT */
/*
 * What is asked of addresses for every packet, in place: as the public berth_address_is_equal,
 * berth_endpoint_is_equal and berth_address_is_v4, which are calls.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/bytes.h"

#include <berth/address.h>

static inline bool address_is_same(const struct berth_address *a, const struct berth_address *b)
{
    uint64_t high = load_u64(a->bytes) ^ load_u64(b->bytes);
    uint64_t low = load_u64(a->bytes + 8) ^ load_u64(b->bytes + 8);
    return (high | low) == 0;
}

/* An IPv4 address, mapped as RFC 4291 2.5.5.2 has it. */
static inline bool address_is_v4(const struct berth_address *address)
{
    return load_u64(address->bytes) == 0 && load_be32(address->bytes + 8) == 0xffff;
}

static inline bool endpoint_is_same(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
    return a->port == b->port && address_is_same(&a->address, &b->address);
}

#endif
