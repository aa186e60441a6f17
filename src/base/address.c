/* SPDX-License-Identifier: MIT */
/*
 * base/address.c: addresses, endpoints and prefixes, and their texts. Pure; anyone may call it.
 *
 * 1. A parser reads its text to the end or fails, and writes nothing when it fails.
 * 2. Numbers have no leading zeros: "010" is eight to some readers and ten to others.
 * 3. What format writes, parse reads back as the same address.
 */
#include "base/address.h"

#define V4_PREFIX_BITS 96
#define GROUPS         8 /* of 16 bits in an IPv6 address */

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct berth_address berth_address_any(void)
{
    return (struct berth_address){{0}};
}

struct berth_address berth_address_v4(uint32_t value)
{
    struct berth_address address;

    memcpy(address.bytes, v4_prefix, sizeof v4_prefix);
    store_be32(address.bytes + sizeof v4_prefix, value);
    return address;
}

uint32_t berth_address_v4_value(const struct berth_address *address)
{
    return berth_address_is_v4(address) ? load_be32(address->bytes + sizeof v4_prefix) : 0;
}

bool berth_address_is_v4(const struct berth_address *address)
{
    return address_is_v4(address);
}

bool berth_address_is_any(const struct berth_address *address)
{
    if (load_be32(address->bytes + sizeof v4_prefix) != 0 || load_u64(address->bytes) != 0) {
        return false;
    }
    uint32_t third = load_be32(address->bytes + 8);
    return third == 0 || third == 0xffff;
}

bool berth_address_is_equal(const struct berth_address *a, const struct berth_address *b)
{
    return address_is_same(a, b);
}

bool berth_address_is_loopback(const struct berth_address *address)
{
    static const struct berth_address loopback = {{[15] = 1}};

    return berth_address_is_v4(address) ? address->bytes[12] == 127
                                        : berth_address_is_equal(address, &loopback);
}

bool berth_address_is_link_local(const struct berth_address *address)
{
    return berth_address_is_v4(address) ? load_be16(address->bytes + 12) == 0xa9fe
                                        : (load_be16(address->bytes) & 0xffc0) == 0xfe80;
}

bool berth_address_is_multicast(const struct berth_address *address)
{
    return berth_address_is_v4(address) ? address->bytes[12] >> 4 == 0xe
                                        : address->bytes[0] == 0xff;
}

/* ---- Parsing: each step reads from AT and returns where it stopped, NULL where it failed ----- */

/* A decimal number from 0 to MAX, without leading zeros. */
static const char *parse_number(const char *at, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    const char *begin = at;

    while (*at >= '0' && *at <= '9') {
        value = value * 10 + (uint32_t)(*at - '0');
        if (value > max) {
            return NULL;
        }
        at++;
    }
    if (at == begin || (*begin == '0' && at != begin + 1)) {
        return NULL;
    }
    *out = value;
    return at;
}

/* Four decimal parts. */
static const char *parse_v4(const char *at, uint32_t *out)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        uint32_t part;

        if (i > 0 && *at++ != '.') {
            return NULL;
        }
        at = parse_number(at, 255, &part);
        if (at == NULL) {
            return NULL;
        }
        value = value << 8 | part;
    }
    *out = value;
    return at;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* One to four hexadecimal digits. */
static const char *parse_group(const char *at, uint16_t *out)
{
    uint32_t value = 0;
    int digits = 0;

    while (digits < 4 && hex_value(*at) >= 0) {
        value = value << 4 | (uint32_t)hex_value(*at);
        at++;
        digits++;
    }
    *out = (uint16_t)value;
    return digits == 0 || hex_value(*at) >= 0 ? NULL : at;
}

struct v6_text {
    uint16_t groups[GROUPS];
    int count;
    int gap; /* how many groups stand before the "::", -1: there is none */
};

/* The next group, or the two that an IPv4 address in the last place makes (RFC 4291 2.2 3). */
static const char *parse_piece(const char *at, struct v6_text *text)
{
    uint32_t v4;
    const char *end;

    if (text->count <= GROUPS - 2 && (end = parse_v4(at, &v4)) != NULL) {
        text->groups[text->count++] = (uint16_t)(v4 >> 16);
        text->groups[text->count++] = (uint16_t)v4;
        return *end == ':' ? NULL : end;
    }
    end = parse_group(at, &text->groups[text->count]);
    text->count++;
    return end;
}

/* Groups with ':' between them, and once at most "::" for one or more groups of zeros. */
static const char *parse_groups(const char *at, struct v6_text *text)
{
    if (*at == ':' && *++at != ':') {
        return NULL;
    }
    while (text->count < GROUPS) {
        if (*at == ':') {
            if (text->gap >= 0) {
                return NULL;
            }
            text->gap = text->count;
            at++;
            if (hex_value(*at) < 0) {
                break;
            }
        }
        at = parse_piece(at, text);
        if (at == NULL || *at != ':' || text->count == GROUPS) {
            break;
        }
        at++;
        if (hex_value(*at) < 0 && *at != ':') {
            return NULL;
        }
    }
    return at;
}

static const char *parse_v6(const char *at, struct berth_address *out)
{
    struct v6_text text = {.gap = -1};
    struct berth_address address = {{0}};

    at = parse_groups(at, &text);
    if (at == NULL || (text.gap < 0 ? text.count != GROUPS : text.count >= GROUPS)) {
        return NULL;
    }
    for (int i = 0; i < text.count; i++) {
        int place = text.gap >= 0 && i >= text.gap ? i + GROUPS - text.count : i;

        store_be16(address.bytes + (size_t)place * 2, text.groups[i]);
    }
    *out = address;
    return at;
}

/* An address of either version; *IS_V6: of the text, a mapped address counts as IPv6 here. */
static const char *parse_address(const char *at, struct berth_address *out, bool *is_v6)
{
    uint32_t v4;
    const char *end = parse_v4(at, &v4);

    *is_v6 = end == NULL;
    if (end == NULL) {
        return parse_v6(at, out);
    }
    *out = berth_address_v4(v4);
    return end;
}

int berth_address_parse(const char *text, struct berth_address *out)
{
    struct berth_address address;
    bool is_v6;
    const char *end = parse_address(text, &address, &is_v6);

    if (end == NULL || *end != '\0') {
        return BERTH_E_SYNTAX;
    }
    *out = address;
    return BERTH_OK;
}

int berth_endpoint_parse(const char *text, struct berth_endpoint *out)
{
    struct berth_address address;
    bool is_v6;
    bool bracketed = *text == '[';
    uint32_t port;
    const char *end = parse_address(text + bracketed, &address, &is_v6);

    if (end == NULL || is_v6 != bracketed || (bracketed && *end++ != ']') || *end != ':') {
        return BERTH_E_SYNTAX;
    }
    end = parse_number(end + 1, UINT16_MAX, &port);
    if (end == NULL || *end != '\0') {
        return BERTH_E_SYNTAX;
    }
    *out = (struct berth_endpoint){.address = address, .port = (uint16_t)port};
    return BERTH_OK;
}

/* Are the bits of A and B equal but for those after the first BITS? */
static bool has_prefix(const struct berth_address *a, const struct berth_address *b, uint32_t bits)
{
    uint64_t high = load_u64(a->bytes) ^ load_u64(b->bytes);
    uint64_t low = load_u64(a->bytes + 8) ^ load_u64(b->bytes + 8);

    if (bits <= 64) {
        return bits == 0 || __builtin_bswap64(high) >> (64 - bits) == 0;
    }
    return high == 0 && __builtin_bswap64(low) >> (128 - bits) == 0;
}

/* Are all bits after the first BITS zero? */
static bool ends_in_zeros(const struct berth_address *address, uint32_t bits)
{
    for (uint32_t bit = bits; bit < 128; bit++) {
        if ((address->bytes[bit / 8] & 0x80 >> bit % 8) != 0) {
            return false;
        }
    }
    return true;
}

int berth_prefix_parse(const char *text, struct berth_prefix *out)
{
    struct berth_address address;
    bool is_v6;
    uint32_t bits = 128;
    const char *end = parse_address(text, &address, &is_v6);

    if (end != NULL && *end == '/') {
        uint32_t before = is_v6 ? 0 : V4_PREFIX_BITS;

        end = parse_number(end + 1, 128 - before, &bits);
        bits += before;
    }
    if (end == NULL || *end != '\0' || !ends_in_zeros(&address, bits)) {
        return BERTH_E_SYNTAX;
    }
    *out = (struct berth_prefix){.address = address, .bits = (uint8_t)bits};
    return BERTH_OK;
}

bool berth_prefix_contains(const struct berth_prefix *prefix, const struct berth_address *address)
{
    bool is_v4 = prefix->bits >= V4_PREFIX_BITS && berth_address_is_v4(&prefix->address);

    return berth_address_is_v4(address) == is_v4 &&
           has_prefix(&prefix->address, address, min_u32(prefix->bits, 128));
}

bool berth_endpoint_is_equal(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
    return endpoint_is_same(a, b);
}

/* ---- Formatting: each step writes at TO and returns where it stopped ------------------------- */

static char *format_number(char *to, uint32_t value)
{
    char digits[10];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        *to++ = digits[--count];
    }
    return to;
}

static char *format_v4(char *to, const uint8_t parts[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            *to++ = '.';
        }
        to = format_number(to, parts[i]);
    }
    return to;
}

static char *format_group(char *to, uint32_t group)
{
    int shift = 12;

    while (shift > 0 && group >> shift == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *to++ = "0123456789abcdef"[group >> shift & 0xf];
    }
    return to;
}

/* The longest run of zero groups, the first of equals; of one group only: none (RFC 5952 4.2). */
static void find_gap(const struct berth_address *address, int *first, int *after)
{
    int run = 0;

    *first = -1;
    *after = -1;
    for (int i = 0; i < GROUPS; i++) {
        run = load_be16(address->bytes + (size_t)i * 2) == 0 ? run + 1 : 0;
        if (run >= 2 && run > *after - *first) {
            *first = i + 1 - run;
            *after = i + 1;
        }
    }
}

static char *format_v6(char *to, const struct berth_address *address)
{
    int first;
    int after;

    find_gap(address, &first, &after);
    for (int i = 0; i < GROUPS; i++) {
        if (i == first) {
            *to++ = ':';
            *to++ = ':';
            i = after;
        } else if (i > 0) {
            *to++ = ':';
        }
        if (i < GROUPS) {
            to = format_group(to, load_be16(address->bytes + (size_t)i * 2));
        }
    }
    return to;
}

static char *format_address(char *to, const struct berth_address *address)
{
    return berth_address_is_v4(address) ? format_v4(to, address->bytes + sizeof v4_prefix)
                                        : format_v6(to, address);
}

char *berth_address_format(const struct berth_address *address, char *out)
{
    *format_address(out, address) = '\0';
    return out;
}

char *berth_endpoint_format(const struct berth_endpoint *endpoint, char *out)
{
    bool bracketed = !berth_address_is_v4(&endpoint->address);
    char *to = out;

    if (bracketed) {
        *to++ = '[';
    }
    to = format_address(to, &endpoint->address);
    if (bracketed) {
        *to++ = ']';
    }
    *to++ = ':';
    to = format_number(to, endpoint->port);
    *to = '\0';
    return out;
}
