/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: a port for each host, two sides, and between the sides a pipe for each
 * direction that all hosts share.
 *
 *   A1 ─┐                    ┌─ B1        a packet goes to the port that has its destination
 *   A2 ─┼── pipe ──▶ ────────┼─ B2        address; what is for nobody is gone
 *   A3 ─┘ ──────────◀── pipe ┴─ B3
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "link/packets.h"
#include "sim/pipe.h"

struct network;

struct network_port {
    struct link link; /* what the port's host sends and receives with; freed with the network */
    struct network *network;
    struct berth_address addresses[2];
    struct link_packets waiting;
};

/* Which port PACKET is for that came to the address of PORT; NULL: none yet, it was taken. */
typedef struct network_port *network_steer(void *user, struct network_port *port,
                                           struct link_packet *packet);

struct network {
    struct network_port *ports; /* of pair I: A's is 2 I, B's 2 I + 1; then those of their twins */
    uint32_t port_count;        /* without the twins' */
    network_steer *steer;       /* NULL: a packet is its address's */
    void *user;                 /* for it */
    struct middlebox box;
    bool has_pipes;        /* else packets take no time between ports */
    struct pipe pipes[2];  /* A to B, B to A */
    uint64_t down_from_ns; /* from then until down_until_ns nothing passes */
    uint64_t down_until_ns;
    uint64_t carried;
    uint64_t lost; /* while it was down */
};

/* The address of host SIDE (0: A, 1: B, 8: the intruder's) of pair PAIR, IPv4 or IPv6. */
struct berth_address network_address(uint32_t pair, uint32_t side, bool is_v6);

/* With PAIRS of hosts; PIPES: two of them, or NULL; BOX: what stands in both, or NULL. 0, or
 * -ENOMEM. */
int network_init(struct network *network, uint32_t pairs, const struct pipe_config *pipes,
                 const struct middlebox_config *box);
void network_done(struct network *network);
/* The port with PACKET's destination address; NULL: nobody's. */
struct network_port *network_port_of(struct network *network, const struct link_packet *packet);
/* Puts PACKET (taken) in front of its port, as a host would that nobody knows. */
void network_inject(struct network *network, struct link_packet *packet, uint64_t now_ns);
/* Moves what is due. */
void network_advance(struct network *network, uint64_t now_ns);
uint64_t network_next_ns(const struct network *network);

#endif
