/* SPDX-License-Identifier: MIT */
/*
 * sim/network.c: ports and the wire between them.
 */
#include "sim/network.h"

#include <string.h>

#define V4_DESTINATION 16
#define V6_DESTINATION 24

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

static struct network_port *find_port(struct network *network, const struct link_packet *packet)
{
    struct berth_address destination;

    if (!destination_of(packet, &destination)) {
        return NULL;
    }
    for (unsigned i = 0; i < NETWORK_PORTS; i++) {
        struct network_port *port = &network->ports[i];

        if (berth_address_is_equal(&port->addresses[0], &destination) ||
            berth_address_is_equal(&port->addresses[1], &destination)) {
            return port;
        }
    }
    return NULL;
}

void network_inject(struct network *network, struct link_packet *packet, uint64_t now_ns)
{
    struct network_port *port = find_port(network, packet);
    bool is_down = now_ns >= network->down_from_ns && now_ns < network->down_until_ns;

    network->lost += is_down;
    if (port == NULL || is_down) {
        link_packet_free(packet);
        return;
    }
    network->carried++;
    link_packets_add(&port->waiting, packet);
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
    for (unsigned i = 0; i < count; i++) {
        struct link_packet *packet = link_packet_from_frame(&frames[i]);

        if (packet != NULL) {
            network_inject(((struct network_port *)link)->network, packet, now_ns);
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

void network_init(struct network *network)
{
    *network = (struct network){0};
    for (unsigned i = 0; i < NETWORK_PORTS; i++) {
        network->ports[i].link.table = &port_table;
        network->ports[i].network = network;
    }
}

void network_done(struct network *network)
{
    for (unsigned i = 0; i < NETWORK_PORTS; i++) {
        link_packets_clear(&network->ports[i].waiting);
    }
}
