/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: a wire between ports that takes no time. A packet goes to the port that
 * has its destination address; what is for nobody is gone. Delay and trouble belong to the
 * impaired links in front of the ports.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "link/packets.h"

#define NETWORK_PORTS 2

struct network;

struct network_port {
    struct link link; /* what the port's host sends and receives with; freed with the network */
    struct network *network;
    struct berth_address addresses[2];
    struct link_packets waiting;
};

struct network {
    struct network_port ports[NETWORK_PORTS];
    uint64_t down_from_ns; /* from then until down_until_ns nothing passes */
    uint64_t down_until_ns;
    uint64_t carried;
    uint64_t lost; /* while it was down */
};

void network_init(struct network *network);
void network_done(struct network *network);
/* Puts PACKET (taken) on the wire, as a host would that nobody knows. */
void network_inject(struct network *network, struct link_packet *packet, uint64_t now_ns);

#endif
