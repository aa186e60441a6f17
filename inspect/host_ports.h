/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_ports.h: the ports of this network namespace: which the kernel gives to outgoing
 * connections, which its administrator keeps from it, which are free. Commands call it.
 *
 * 1. A set of ports has a bit for each of the 65,536.
 */
#ifndef INSPECT_HOST_PORTS_H
#define INSPECT_HOST_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/registry.h>

struct host_port_set {
    uint64_t words[65536 / 64];
};

static inline bool host_port_set_has(const struct host_port_set *set, uint16_t port)
{
    return (set->words[port / 64] >> port % 64 & 1) != 0;
}

static inline void host_port_set_add(struct host_port_set *set, uint16_t port)
{
    set->words[port / 64] |= (uint64_t)1 << port % 64;
}

/* Which ports the kernel picks from for who asks for none. */
struct host_ephemeral {
    uint16_t first; /* net.ipv4.ip_local_port_range, which goes for IPv6 too */
    uint16_t last;
    struct host_port_set reserved; /* net.ipv4.ip_local_reserved_ports: never picked */
};

/* BERTH_E_STATE: /proc/sys/net/ipv4 cannot be read, or holds what is not understood. */
BERTH_MUST_CHECK int host_ephemeral_read(struct host_ephemeral *out);
/* Reads a list as the kernel writes it: "8080,9000-9010" or nothing. False: it is none. */
bool host_port_set_parse(const char *text, struct host_port_set *out);

enum host_free {
    HOST_PORT_FREE,
    HOST_PORT_TAKEN,
    HOST_PORT_UNKNOWN /* this user may not bind it */
};

/* Can PORT be bound, to any address of either version, for all of TRANSPORTS (bits)? The kernel is
 * asked by binding it, without listening, and letting it go again. */
enum host_free host_port_probe(uint16_t port, unsigned transports);

#endif
