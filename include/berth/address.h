/* SPDX-License-Identifier: MIT */
/*
 * Addresses, endpoints, prefixes.
 *
 * An address is 16 bytes in network order; an IPv4 address is held as ::ffff:a.b.c.d, so that one
 * code path serves both. Such a mapped address never comes in by IPv6: the parser drops it.
 * Ports are in host order everywhere.
 */
#ifndef BERTH_ADDRESS_H
#define BERTH_ADDRESS_H

#include <berth/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest text of an address, and of an endpoint ("[v6]:65535"), each with its NUL. */
#define BERTH_ADDRESS_TEXT_BYTES  46
#define BERTH_ENDPOINT_TEXT_BYTES 56

struct berth_address {
    uint8_t bytes[16];
};

struct berth_endpoint {
    struct berth_address address;
    uint16_t port;
};

/* BITS counts from the front of the 16 bytes: 10.0.0.0/8 is held with bits = 96 + 8. */
struct berth_prefix {
    struct berth_address address;
    uint8_t bits; /* 0 to 128 */
};

/* The unspecified addresses: :: (any address of either version) and 0.0.0.0. */
BERTH_API struct berth_address berth_address_any(void);
/* The IPv4 address whose value in host order is VALUE (0x7f000001 is 127.0.0.1). */
BERTH_API struct berth_address berth_address_v4(uint32_t value);
/* The value in host order of an IPv4 address; 0 for an IPv6 one. */
BERTH_API uint32_t berth_address_v4_value(const struct berth_address *address);

BERTH_API bool berth_address_is_v4(const struct berth_address *address);
BERTH_API bool berth_address_is_any(const struct berth_address *address); /* :: or 0.0.0.0 */
BERTH_API bool berth_address_is_equal(const struct berth_address *a, const struct berth_address *b);
BERTH_API bool berth_address_is_loopback(const struct berth_address *address); /* 127/8, ::1 */
BERTH_API bool berth_address_is_link_local(
    const struct berth_address *address); /* 169.254/16, fe80::/10 */
BERTH_API bool berth_address_is_multicast(
    const struct berth_address *address); /* 224/4, ff00::/8 */

/*
 * Text to address: dotted decimal of four parts without leading zeros, or RFC 4291 text without a
 * zone ("::ffff:1.2.3.4" is the IPv4 address 1.2.3.4). BERTH_E_SYNTAX otherwise.
 */
BERTH_API BERTH_MUST_CHECK int berth_address_parse(const char *text, struct berth_address *out);
/* Address to text (RFC 5952). OUT has room for BERTH_ADDRESS_TEXT_BYTES. Returns OUT. */
BERTH_API char *berth_address_format(const struct berth_address *address, char *out);
/* "ADDRESS:PORT", "[ADDRESS]:PORT" for IPv6. OUT has room for BERTH_ENDPOINT_TEXT_BYTES. Returns
 * OUT. */
BERTH_API char *berth_endpoint_format(const struct berth_endpoint *endpoint, char *out);
/* The same back, in this form alone; the port is 0 to 65535 without leading zeros.
 * BERTH_E_SYNTAX. */
BERTH_API BERTH_MUST_CHECK int berth_endpoint_parse(const char *text, struct berth_endpoint *out);
BERTH_API bool berth_endpoint_is_equal(const struct berth_endpoint *a,
                                       const struct berth_endpoint *b);

/* "10.0.0.0/8", "fd00::/64", or a single address. BERTH_E_SYNTAX also when bits beyond the length
 * are set. A prefix is of one version: ::/0 contains every IPv6 address and no IPv4 one, 0.0.0.0/0
 * (held as ::ffff:0:0/96) the other way round. */
BERTH_API BERTH_MUST_CHECK int berth_prefix_parse(const char *text, struct berth_prefix *out);
BERTH_API bool berth_prefix_contains(const struct berth_prefix *prefix,
                                     const struct berth_address *address);

#ifdef __cplusplus
}
#endif
#endif
