/* SPDX-License-Identifier: MIT */
/*
 * cli/run_values.c: see cli/run.h: the values of `berth run`'s options. Pure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/message.h"
#include "cli/run.h"

#define PUBLISH_EXPECTED "[ADDR:]PORT[-PORT][:PORT[-PORT]][/tcp|/udp]"

enum {
    PUBLISH_BYTES_MAX = 128,
    NAME_BYTES_MAX = 253, /* RFC 1035 2.3.4 */
    GATEWAY_AT = 2,       /* in the program's network */
    RESOLVER_AT = 3,
    PROGRAM_AT = 100,      /* 10.0.2.100 */
    PROGRAM_AT_V6 = 0x100, /* fd00::100 */
    V4_BITS_MIN = 8,
    V4_BITS_MAX = 29, /* 8 addresses: gateway, resolver, program, the ends */
    V6_BITS_MIN = 8,
    V6_BITS_MAX = 112,
};

static bool complain(struct cli_complaint *complaint, const char *word, const char *expected)
{
    (void)snprintf(complaint->word, sizeof complaint->word, "%s", word);
    (void)snprintf(complaint->expected, sizeof complaint->expected, "%s", expected);
    return false;
}

/* ---- --publish ------------------------------------------------------------------------------- */

/* "8000" or "8000-8010". */
static bool parse_range(const char *text, uint16_t *first, uint16_t *last,
                        struct cli_complaint *complaint)
{
    char copy[PUBLISH_BYTES_MAX];
    char *dash;
    uint64_t low = 0;
    uint64_t high = 0;

    (void)snprintf(copy, sizeof copy, "%s", text);
    dash = strchr(copy, '-');
    if (dash != NULL) {
        *dash = '\0';
    }
    if (!cli_options_number(copy, 1, UINT16_MAX, &low)) {
        return complain(complaint, text, "a port from 1 to 65535, or a range of them");
    }
    if (!cli_options_number(dash == NULL ? copy : dash + 1, 1, UINT16_MAX, &high)) {
        return complain(complaint, text, "a range of ports from 1 to 65535");
    }
    *first = (uint16_t)low;
    *last = (uint16_t)high;
    return low <= high ? true
                       : complain(complaint, text, "a range that begins with its lower port");
}

/* Takes "/tcp" or "/udp" from the end of TEXT. */
static bool take_protocol(char *text, enum berth_protocol *out, struct cli_complaint *complaint)
{
    char *slash = strrchr(text, '/');

    *out = BERTH_TCP;
    if (slash == NULL) {
        return true;
    }
    if (strcmp(slash, "/udp") == 0) {
        *out = BERTH_UDP;
    } else if (strcmp(slash, "/tcp") != 0) {
        return complain(complaint, slash + 1, "tcp or udp");
    }
    *slash = '\0';
    return true;
}

/* One of IPv6 for each link (RFC 4007 6): it says nothing without the interface. */
static bool needs_zone(const struct berth_address *address)
{
    return !berth_address_is_v4(address) && berth_address_is_link_local(address);
}

/* Takes "ADDR:" from the front of *TEXT, if there is one. */
static bool take_address(char **text, struct run_publish *out, struct cli_complaint *complaint)
{
    char *begin = *text;
    char *end;

    if (*begin == '[') {
        begin++;
        end = strchr(begin, ']');
        if (end == NULL || end[1] != ':') {
            return complain(complaint, *text, "an IPv6 address in [ ], a colon and a port");
        }
        *end = '\0';
        *text = end + 2;
    } else {
        end = strchr(begin, ':');
        if (strspn(begin, "0123456789-:") == strlen(begin) &&
            (end == NULL || strchr(end + 1, ':') == NULL)) {
            return true; /* ports alone */
        }
        if (end == NULL) {
            return complain(complaint, begin, PUBLISH_EXPECTED);
        }
        *end = '\0';
        *text = end + 1;
    }
    if (strchr(begin, '%') != NULL ||
        (berth_address_parse(begin, &out->address) == BERTH_OK && needs_zone(&out->address))) {
        return complain(complaint, begin,
                        "an address of this host without a zone: none of fe80::/10");
    }
    if (berth_address_parse(begin, &out->address) < 0 ||
        berth_address_is_multicast(&out->address)) {
        return complain(complaint, begin, "an address of this host");
    }
    out->has_address = true;
    return true;
}

bool run_parse_publish(const char *text, struct run_publish *out, struct cli_complaint *complaint)
{
    struct run_publish publish = {.word = text};
    char copy[PUBLISH_BYTES_MAX];
    char *ports = copy;
    char *colon;
    uint16_t program_last = 0;

    if (strlen(text) >= sizeof copy) {
        return complain(complaint, "", PUBLISH_EXPECTED);
    }
    memcpy(copy, text, strlen(text) + 1);
    if (!take_protocol(copy, &publish.protocol, complaint) ||
        !take_address(&ports, &publish, complaint)) {
        return false;
    }
    colon = strchr(ports, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    if (!parse_range(ports, &publish.host_first, &publish.host_last, complaint)) {
        return false;
    }
    if (!parse_range(colon == NULL ? ports : colon + 1, &publish.program_first, &program_last,
                     complaint)) {
        return false;
    }
    /* A single port of the program's is the first of as many as the host's. */
    if (program_last == publish.program_first) {
        uint32_t last = (uint32_t)publish.program_first + publish.host_last - publish.host_first;

        program_last = last > UINT16_MAX ? 0 : (uint16_t)last;
    }
    if (program_last - publish.program_first != publish.host_last - publish.host_first) {
        return complain(complaint, colon == NULL ? ports : colon + 1,
                        "as many ports as on the host, up to 65535");
    }
    *out = publish;
    return true;
}

/* ---- --hosts --------------------------------------------------------------------------------- */

bool run_parse_host(const char *text, struct launch_host *out, struct cli_complaint *complaint)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *equals = strchr(text, '=');
    size_t bytes = equals == NULL ? 0 : (size_t)(equals - text);
    struct berth_address address;
    char *name;

    bytes -= bytes > 0 && text[bytes - 1] == '.'; /* means nothing (firewall/name.h) */
    if (bytes == 0 || bytes > NAME_BYTES_MAX || strspn(text, letters) < bytes) {
        return complain(complaint, "", "NAME=ADDRESS");
    }
    if (berth_address_parse(equals + 1, &address) < 0) {
        return complain(complaint, equals + 1, "an address");
    }
    name = cli_memory(NULL, bytes + 1);
    memcpy(name, text, bytes);
    name[bytes] = '\0';
    *out = (struct launch_host){.name = name, .address = address};
    return true;
}

/* ---- --network, --network6 ------------------------------------------------------------------- */

/* 240.0.0.0/4 is reserved (RFC 1112 4): nothing is sent there. */
static bool is_reserved(const struct berth_address *address)
{
    return berth_address_is_v4(address) && berth_address_v4_value(address) >= UINT32_C(0xf0000000);
}

static bool is_usable(const struct berth_address *address)
{
    return !is_reserved(address) && !berth_address_is_any(address) &&
           !berth_address_is_loopback(address) && !berth_address_is_multicast(address) &&
           !berth_address_is_link_local(address);
}

bool run_parse_network(const char *text, struct launch_network *out, struct berth_address *resolver,
                       struct cli_complaint *complaint)
{
    struct berth_prefix prefix;
    uint32_t base;
    uint32_t size;
    unsigned bits;

    if (berth_prefix_parse(text, &prefix) < 0 || !berth_address_is_v4(&prefix.address)) {
        return complain(complaint, "", "an IPv4 network such as 10.0.2.0/24");
    }
    bits = (unsigned)prefix.bits - 96;
    if (bits < V4_BITS_MIN || bits > V4_BITS_MAX || !is_usable(&prefix.address)) {
        return complain(complaint, "", "an IPv4 network of hosts, from /8 to /29");
    }
    base = berth_address_v4_value(&prefix.address);
    size = UINT32_C(1) << (32 - bits);
    out->is_on = true;
    out->prefix_bits = (uint8_t)bits;
    out->gateway = berth_address_v4(base + GATEWAY_AT);
    *resolver = berth_address_v4(base + RESOLVER_AT);
    out->program = berth_address_v4(base + min_u32(PROGRAM_AT, size - 2));
    return true;
}

static struct berth_address add_v6(const struct berth_prefix *prefix, uint16_t offset)
{
    struct berth_address address = prefix->address;

    address.bytes[14] = (uint8_t)(offset >> 8);
    address.bytes[15] = (uint8_t)offset;
    return address;
}

bool run_parse_network6(const char *text, struct launch_network *out,
                        struct berth_address *resolver, struct cli_complaint *complaint)
{
    struct berth_prefix prefix;

    if (berth_prefix_parse(text, &prefix) < 0 || berth_address_is_v4(&prefix.address)) {
        return complain(complaint, "", "an IPv6 network such as fd00::/64");
    }
    if (prefix.bits < V6_BITS_MIN || prefix.bits > V6_BITS_MAX || !is_usable(&prefix.address)) {
        return complain(complaint, "", "an IPv6 network of hosts, from /8 to /112");
    }
    out->is_on = true;
    out->prefix_bits = prefix.bits;
    out->gateway = add_v6(&prefix, GATEWAY_AT);
    *resolver = add_v6(&prefix, RESOLVER_AT);
    out->program = add_v6(&prefix, PROGRAM_AT_V6);
    return true;
}
