/* SPDX-License-Identifier: MIT */
/*
 * The port space: who is bound where, and which ephemeral port a connection gets.
 *
 * 1. A port bound to any address conflicts with the same port bound to one address, per protocol.
 *    "::" is any address of both versions (as without IPV6_V6ONLY), 0.0.0.0 any IPv4 address. Port
 *    0, every port, conflicts with port 0 only. Conversations bind nothing: a port may be bound
 *    again while those of an earlier listener live or are in TIME-WAIT, as with SO_REUSEADDR on
 *    Linux; that shares no port between two that are bound, and nothing else here does
 *    (SO_REUSEPORT).
 * 2. An ephemeral port is chosen uniformly at random among those free towards that remote endpoint
 *    from that local address (RFC 6056 3.3.1's aim; its hash schemes leak). System ports are never
 *    chosen.
 * 3. The choice costs the same at any occupancy: a small sorted set while few ports are taken
 *    towards an endpoint, a counted bitmap from then on.
 */
#ifndef PORTS_PORTS_H
#define PORTS_PORTS_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"

#include <berth/address.h>

struct ports_limits {
    uint32_t binds;
    uint32_t endpoints; /* remote endpoints with at least one ephemeral port towards them */
    uint16_t ephemeral_first;
    uint16_t ephemeral_last;
    bool system_ports_bindable;
};

struct ports {
    struct ports_limits limits;
    struct hash_key key;
    struct random *random; /* borrowed: the stack's stream "ports" */
    struct pool binds;
    struct table bind_table;
    struct pool endpoints;
    struct table endpoint_table;
    struct pool bitmaps; /* as many as endpoints: none is ever missing */
};

void ports_init(struct ports *ports, struct arena *arena, const struct ports_limits *limits);
/* After the arena's memory is real: key and stream. */
void ports_seed(struct ports *ports, const struct hash_key *key, struct random *random);

/* PROTOCOL is BERTH_TCP or BERTH_UDP. OWNER is the caller's, never 0. */
struct ports_bind {
    struct berth_endpoint local; /* any address: every one; port 0: every port */
    uint64_t owner;
    uint8_t protocol;
};
/* BERTH_E_IN_USE, BERTH_E_LIMIT, BERTH_E_DENIED (a system port, not allowed). */
int ports_bind(struct ports *ports, const struct ports_bind *bind);
void ports_unbind(struct ports *ports, const struct ports_bind *bind);
/* Who serves LOCAL: the most specific bind wins (address and port, any and port, address and 0, any
 * and 0). 0: nobody. A system port that may not be bound is served by no bind of every port. */
uint64_t ports_find(const struct ports *ports, uint8_t protocol,
                    const struct berth_endpoint *local);
/* A port of the range that could be bound at LOCAL, each with the same chance; it is not bound yet.
 * BERTH_E_NO_PORT. */
int ports_pick_bind(struct ports *ports, uint8_t protocol, const struct berth_address *local,
                    uint16_t *out);

/* One conversation's use of an ephemeral (or any) local port towards a remote endpoint. */
struct ports_use {
    struct berth_address local;
    struct berth_endpoint remote;
    uint8_t protocol;
};
/* Picks a port and takes it. BERTH_E_NO_PORT: none of the range is free; BERTH_E_LIMIT: too many
 * endpoints. */
int ports_pick(struct ports *ports, const struct ports_use *use, uint16_t *out);
/* Takes PORT if it lies in the range and is free (true; also true, and nothing taken, outside the
 * range). false: it is taken, or there are too many endpoints. */
bool ports_take(struct ports *ports, const struct ports_use *use, uint16_t port);
/* Gives PORT back; nothing happens where it was not taken. */
void ports_give(struct ports *ports, const struct ports_use *use, uint16_t port);
/* While PORT is taken for USE, its number stands for USE: who keeps that needs no addresses. From 1
 * to the limit of endpoints; 0: PORT is not taken. */
uint32_t ports_number(const struct ports *ports, const struct ports_use *use, uint16_t port);
bool ports_is_number_of(const struct ports *ports, uint32_t number, const struct ports_use *use);
/* Gives PORT back, which is taken for the use of NUMBER. */
void ports_give_by_number(struct ports *ports, uint32_t number, uint16_t port);
/* How many ports of the range are taken towards USE's endpoint. */
uint32_t ports_taken(const struct ports *ports, const struct ports_use *use);

#endif
