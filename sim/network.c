/* SPDX-License-Identifier: MIT */
/*
 * sim/network.c: ports, and what lies between them.
 */
#include "sim/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define V4_DESTINATION 16
#define V6_DESTINATION 24
#define ROUTER_SIDE    252

/* The destination of PACKET, by nothing but its place; false: too short, or no IP. */
static bool destination_of(const struct link_packet *packet, struct berth_address *out)
{
    unsigned version = packet->bytes > 0 ? packet->data[0] >> 4 : 0;

    if (version == 4 && packet->bytes >= V4_DESTINATION + 4) {
        *out = (struct berth_address){.bytes = {[10] = 0xff, [11] = 0xff}};
        memcpy(out->bytes + 12, packet->data + V4_DESTINATION, 4);
        return true;
    }
    if (version == 6 && packet->bytes >= V6_DESTINATION + 16) {
        memcpy(out->bytes, packet->data + V6_DESTINATION, 16);
        return true;
    }
    return false;
}

struct berth_address network_address(uint32_t pair, uint32_t side, bool is_v6)
{
    struct berth_address address = {.bytes = {[10] = 0xff, [11] = 0xff, 10, 1, [15] = 0}};

    if (is_v6) {
        address = (struct berth_address){.bytes = {0xfd, 1}};
        address.bytes[13] = (uint8_t)pair;
    } else {
        address.bytes[14] = (uint8_t)pair;
    }
    address.bytes[15] = (uint8_t)(side + 1);
    return address;
}

/* The place of the port that has the address at its place in the scheme of network_address. */
struct network_port *network_port_of(struct network *network, const struct link_packet *packet)
{
    struct berth_address destination;
    struct network_port *port;
    bool is_v6;
    uint32_t index;

    if (!destination_of(packet, &destination)) {
        return NULL;
    }
    is_v6 = packet->data[0] >> 4 == 6;
    index = 2U * destination.bytes[is_v6 ? 13 : 14] + destination.bytes[15] - 1U;
    if (index >= network->port_count) {
        return NULL;
    }
    port = &network->ports[index];
    return berth_address_is_equal(&port->addresses[is_v6 ? 1 : 0], &destination) ? port : NULL;
}

void network_inject(struct network *network, struct link_packet *packet, uint64_t now_ns)
{
    struct network_port *port = network_port_of(network, packet);
    bool is_down = now_ns >= network->down_from_ns && now_ns < network->down_until_ns;

    network->lost += is_down;
    if (port == NULL || is_down) {
        link_packet_free(packet);
        return;
    }
    network->carried++;
    port = network->steer != NULL ? network->steer(network->user, port, packet) : port;
    if (port != NULL) {
        link_packets_add(&port->waiting, packet);
    }
}

void network_advance(struct network *network, uint64_t now_ns)
{
    for (unsigned i = 0; network->has_pipes && i < 2; i++) {
        struct pipe *pipe = &network->pipes[i];
        struct link_packet *packet;

        pipe_advance(pipe, now_ns);
        for (packet = link_packets_take(&pipe->replies); packet != NULL;
             packet = link_packets_take(&pipe->replies)) {
            network_inject(network, packet, now_ns);
        }
        for (packet = pipe_take(pipe, now_ns); packet != NULL; packet = pipe_take(pipe, now_ns)) {
            network_inject(network, packet, now_ns);
        }
    }
}

uint64_t network_next_ns(const struct network *network)
{
    return network->has_pipes
               ? min_u64(pipe_next_ns(&network->pipes[0]), pipe_next_ns(&network->pipes[1]))
               : BERTH_NEVER;
}

static int port_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                     unsigned max, uint64_t now_ns)
{
    (void)now_ns;
    return (int)link_packets_read(&((struct network_port *)link)->waiting, link, berth, buffers,
                                  max);
}

static int port_send(struct link *link, const struct berth_frame *frames, unsigned count,
                     uint64_t now_ns)
{
    struct network_port *port = (struct network_port *)link;
    struct network *network = port->network;

    for (unsigned i = 0; i < count; i++) {
        struct link_packet *packet = link_packet_from_frame(&frames[i]);

        if (packet != NULL && network->has_pipes) {
            pipe_add(&network->pipes[(port - network->ports) % 2], packet, now_ns);
        } else if (packet != NULL) {
            network_inject(network, packet, now_ns);
        }
    }
    return (int)count;
}

static uint64_t port_next_ns(const struct link *link)
{
    const struct network_port *port = (const struct network_port *)link;

    return port->waiting.count > 0 && !link->starved ? 0 : BERTH_NEVER;
}

static int port_fd(const struct link *link)
{
    (void)link;
    return -1;
}

static uint32_t port_offloads(const struct link *link)
{
    (void)link;
    return 0;
}

static void port_free(struct link *link)
{
    link_packets_clear(&((struct network_port *)link)->waiting);
}

static const struct link_table port_table = {
    .name = "port",
    .read = port_read,
    .send = port_send,
    .next_ns = port_next_ns,
    .fd = port_fd,
    .offloads = port_offloads,
    .free = port_free,
};

int network_init(struct network *network, uint32_t pairs, const struct pipe_config *pipes,
                 const struct middlebox_config *box)
{
    *network = (struct network){.port_count = 2 * pairs, .has_pipes = pipes != NULL};
    network->ports = calloc((size_t)2 * network->port_count, sizeof *network->ports);
    if (network->ports == NULL) {
        network->port_count = 0;
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < 2 * network->port_count; i++) {
        struct network_port *port = &network->ports[i];

        port->link.table = &port_table;
        port->network = network;
        port->addresses[0] = network_address(i / 2, i % 2, false);
        port->addresses[1] = network_address(i / 2, i % 2, true);
    }
    for (unsigned i = 0; pipes != NULL && i < 2; i++) {
        struct pipe *pipe = &network->pipes[i];

        pipe_init(pipe, &pipes[i]);
        pipe->box = box != NULL ? &network->box : NULL;
        pipe->router[0] = network_address(0, ROUTER_SIDE, false);
        pipe->router[1] = network_address(0, ROUTER_SIDE, true);
    }
    if (box != NULL) {
        middlebox_init(&network->box, box, box->key);
    }
    return 0;
}

void network_done(struct network *network)
{
    for (uint32_t i = 0; i < 2 * network->port_count; i++) {
        link_packets_clear(&network->ports[i].waiting);
    }
    for (unsigned i = 0; network->has_pipes && i < 2; i++) {
        pipe_done(&network->pipes[i]);
    }
    free(network->ports);
}
