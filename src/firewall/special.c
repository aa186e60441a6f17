/* SPDX-License-Identifier: MIT */
/*
 * firewall/special.c: the special blocks, the host's own addresses, and who carries whom
 * (special.h). Pure but for firewall_set_host and firewall_add_gateway, which the owner of the
 * stack calls.
 */
#include "firewall/special.h"

#include "base/check.h"

#define V4_BITS      96 /* in front of an IPv4 address in struct berth_address */
#define ADDRESS_BITS 128

struct block {
    struct berth_address address;
    uint8_t bits;
    const char *name;
};

#define V4(a, b, c, d)                                   \
    {                                                    \
        {                                                \
            [10] = 0xff, [11] = 0xff, (a), (b), (c), (d) \
        }                                                \
    }

#define BLOCKS4 5 /* those of IPv4, in front */

/* The narrowest block that holds an address stands first. */
static const struct block blocks[] = {
    {V4(0, 0, 0, 0), V4_BITS + 8, "unspecified"}, /* RFC 1122 3.2.1.3: "this network" */
    {V4(127, 0, 0, 0), V4_BITS + 8, "loopback"},
    {V4(169, 254, 0, 0), V4_BITS + 16, "link-local"}, /* RFC 3927; cloud metadata lives there */
    {V4(224, 0, 0, 0), V4_BITS + 4, "multicast"},
    {V4(255, 255, 255, 255), ADDRESS_BITS, "broadcast"},
    {{{0}}, ADDRESS_BITS, "unspecified"},
    {{{[15] = 1}}, ADDRESS_BITS, "loopback"},
    {{{0}}, 96, "IPv4-compatible"}, /* RFC 4291 2.5.5.1: deprecated */
    {{{0xfe, 0x80}}, 10, "link-local"},
    {{{0xff}}, 8, "multicast"},
};

/* IPv6 addresses that an IPv4 address stands in, so that a translator or a tunnel makes one of the
 * other: RFC 6052 (whose 3.1 forbids non-global addresses there), RFC 3056. */
static const struct block carriers[] = {
    {{{0x00, 0x64, 0xff, 0x9b}}, 96, "NAT64"},
    {{{0x20, 0x02}}, 16, "6to4"},
};

static bool is_inside(const struct block *block, const struct berth_address *address)
{
    struct berth_prefix prefix = {.address = block->address, .bits = block->bits};

    return berth_prefix_contains(&prefix, address);
}

/* The narrowest block of at most BITS_MAX bits that holds ADDRESS. */
static struct firewall_special find_block(const struct berth_address *address, uint32_t bits_max)
{
    bool is_v4 = berth_address_is_v4(address);
    size_t begin = is_v4 ? 0 : BLOCKS4;
    size_t end = is_v4 ? BLOCKS4 : sizeof blocks / sizeof blocks[0];

    for (size_t i = begin; i < end; i++) {
        if (blocks[i].bits <= bits_max && is_inside(&blocks[i], address)) {
            return (struct firewall_special){.bits = blocks[i].bits, .name = blocks[i].name};
        }
    }
    return (struct firewall_special){0};
}

/* The IPv4 address that ADDRESS carries; NULL: none. */
static const struct block *find_carrier(const struct berth_address *address,
                                        struct berth_address *out)
{
    bool is_v4 = berth_address_is_v4(address);

    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0] && !is_v4; i++) {
        if (is_inside(&carriers[i], address)) {
            *out = berth_address_v4(load_be32(address->bytes + carriers[i].bits / 8));
            return &carriers[i];
        }
    }
    return NULL;
}

/* What is special of the address carried, said of the carrier's bits. */
static struct firewall_special carried(const struct block *carrier, struct firewall_special inner)
{
    if (inner.bits != 0) {
        inner.bits = (uint8_t)(inner.bits - V4_BITS + carrier->bits);
        inner.is_host = false;
    }
    return inner;
}

/* ---- The host's own addresses --------------------------------------------------------------- */

/* Where ADDRESS stands, or belongs, among the COUNT sorted addresses. */
static uint32_t lower_bound(const struct berth_address *sorted, uint32_t count,
                            const struct berth_address *address)
{
    uint32_t low = 0;
    uint32_t high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (memcmp(sorted[middle].bytes, address->bytes, sizeof address->bytes) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has(const struct berth_address *sorted, uint32_t count,
                const struct berth_address *address)
{
    uint32_t at = lower_bound(sorted, count, address);

    return at < count && berth_address_is_equal(&sorted[at], address);
}

/* Puts ADDRESS where it belongs among the COUNT sorted ones, which have room for one more. Returns
 * how many there are then: one that is there already stays the only one. */
static uint32_t insert(struct berth_address *sorted, uint32_t count,
                       const struct berth_address *address)
{
    uint32_t at = lower_bound(sorted, count, address);

    if (at < count && berth_address_is_equal(&sorted[at], address)) {
        return count;
    }
    memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof *sorted);
    sorted[at] = *address;
    return count + 1;
}

static bool is_in_host_prefix(const struct firewall *firewall, const struct berth_address *address)
{
    for (uint32_t i = 0; i < firewall->host_prefix_count; i++) {
        if (berth_prefix_contains(&firewall->host_prefixes[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_host(const struct firewall *firewall, const struct berth_address *address)
{
    return has(firewall->gateways, firewall->gateway_count, address) ||
           has(firewall->host, firewall->host_count, address) ||
           is_in_host_prefix(firewall, address);
}

static struct firewall_special find_special(const struct firewall *firewall,
                                            const struct berth_address *address)
{
    struct firewall_special special;

    if (is_host(firewall, address)) {
        return (struct firewall_special){
            .bits = ADDRESS_BITS, .is_host = true, .name = "the host's own"};
    }
    special = find_block(address, ADDRESS_BITS);
    if (special.bits == 0 && (firewall->host_is_cut || firewall->host_prefixes_are_cut)) {
        return (struct firewall_special){.bits = ADDRESS_BITS, .name = "perhaps the host's own"};
    }
    return special;
}

struct firewall_special firewall_special(const struct firewall *firewall,
                                         const struct berth_address *address)
{
    struct firewall_special special = find_special(firewall, address);
    struct berth_address inside;
    const struct block *carrier;

    if (special.bits != 0) {
        return special;
    }
    carrier = find_carrier(address, &inside);
    return carrier == NULL ? special : carried(carrier, find_special(firewall, &inside));
}

bool firewall_special_prefix(const struct berth_prefix *prefix, uint8_t *bits)
{
    struct firewall_special special = find_block(&prefix->address, prefix->bits);
    struct berth_address inside;
    const struct block *carrier = find_carrier(&prefix->address, &inside);

    if (carrier != NULL && prefix->bits >= carrier->bits) {
        uint32_t inner_bits = (uint32_t)prefix->bits - carrier->bits + V4_BITS;

        special = carried(carrier, find_block(&inside, min_u32(inner_bits, ADDRESS_BITS)));
    }
    if (special.bits == 0) {
        return false;
    }
    *bits = special.bits;
    return true;
}

int firewall_set_host(struct firewall *firewall, const struct berth_address *addresses,
                      size_t count)
{
    firewall->host_is_cut = count > FIREWALL_HOST_ADDRESSES_MAX;
    if (firewall->host_is_cut) {
        return BERTH_E_LIMIT;
    }
    BERTH_CHECK(firewall->host != NULL);
    firewall->host_count = 0;
    for (size_t i = 0; i < count; i++) {
        firewall->host_count = insert(firewall->host, firewall->host_count, &addresses[i]);
    }
    return BERTH_OK;
}

int firewall_set_host_prefixes(struct firewall *firewall, const struct berth_prefix *prefixes,
                               size_t count)
{
    firewall->host_prefixes_are_cut = count > FIREWALL_HOST_PREFIXES_MAX;
    if (firewall->host_prefixes_are_cut) {
        return BERTH_E_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        firewall->host_prefixes[i] = prefixes[i];
    }
    firewall->host_prefix_count = (uint32_t)count;
    return BERTH_OK;
}

int firewall_add_gateway(struct firewall *firewall, const struct berth_address *address)
{
    if (has(firewall->gateways, firewall->gateway_count, address)) {
        return BERTH_OK;
    }
    if (firewall->gateway_count == firewall->gateways_max) {
        return BERTH_E_LIMIT;
    }
    firewall->gateway_count = insert(firewall->gateways, firewall->gateway_count, address);
    return BERTH_OK;
}
