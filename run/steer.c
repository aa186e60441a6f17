/* SPDX-License-Identifier: MIT */
/*
 * run/steer.c: see run/queue.h: whose a packet is. Reads no more of it than the addresses and ports
 * of a plain TCP segment: whatever else it is, whole or not, is the guard's.
 *
 * The kernel spreads flows over the queues of a device by a hash of its own, and remembers where a
 * flow's answers came from (drivers/net/tun.c). What the program opens comes in on one queue
 * therefore and stays there. Of what berth opens, the connections of clients of a published port,
 * the kernel forgets the queue after some seconds of silence: so these are told by the client.
 */
#include <netinet/in.h>
#include <string.h>

#include "run/inside.h"

enum {
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    PORTS_BYTES = 4,
    FRAGMENT_BITS = 0x3fff, /* more fragments, and where this one stands */
};

struct segment {
    struct berth_endpoint from;
    struct berth_endpoint to;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static bool read_v4(const uint8_t *data, uint32_t bytes, struct segment *out)
{
    uint32_t header = (uint32_t)(data[0] & 15) * 4;

    if (header < IPV4_BYTES || bytes < header + PORTS_BYTES || data[9] != IPPROTO_TCP ||
        (get16(data + 6) & FRAGMENT_BITS) != 0) {
        return false;
    }
    out->from = (struct berth_endpoint){berth_address_v4(0), get16(data + header)};
    out->to = (struct berth_endpoint){berth_address_v4(0), get16(data + header + 2)};
    memcpy(out->from.address.bytes + 12, data + 12, 4);
    memcpy(out->to.address.bytes + 12, data + 16, 4);
    return true;
}

static bool read_v6(const uint8_t *data, uint32_t bytes, struct segment *out)
{
    if (bytes < IPV6_BYTES + PORTS_BYTES || data[6] != IPPROTO_TCP) {
        return false;
    }
    memcpy(out->from.address.bytes, data + 8, 16);
    memcpy(out->to.address.bytes, data + 24, 16);
    out->from.port = get16(data + IPV6_BYTES);
    out->to.port = get16(data + IPV6_BYTES + 2);
    return true;
}

static bool read_segment(const struct berth_buffer *buffer, struct segment *out)
{
    const uint8_t *data = buffer->data + buffer->begin;

    if (buffer->bytes < IPV4_BYTES) {
        return false;
    }
    switch (data[0] >> 4) {
    case 4:
        return read_v4(data, buffer->bytes, out);
    case 6:
        return read_v6(data, buffer->bytes, out);
    default:
        return false;
    }
}

static bool is_published(const struct run *run, uint16_t port)
{
    for (size_t i = 0; i < run->config->publish_count; i++) {
        const struct run_publish *publish = &run->config->publishes[i];
        uint32_t past = (uint32_t)(port - publish->program_first);

        if (publish->protocol == BERTH_TCP && port >= publish->program_first &&
            past <= (uint32_t)(publish->host_last - publish->host_first)) {
            return true;
        }
    }
    return false;
}

struct queue *steer_client(struct run *run, const struct berth_endpoint *client)
{
    uint8_t key[sizeof client->address.bytes + sizeof client->port];

    memcpy(key, client->address.bytes, sizeof client->address.bytes);
    memcpy(key + sizeof client->address.bytes, &client->port, sizeof client->port);
    return run->queues[hash_keyed(&run->steer_key, key, sizeof key) % run->queue_count];
}

struct queue *steer_packet(struct queue *from, const struct berth_buffer *buffer)
{
    struct run *run = from->run;
    struct segment segment;

    if (!read_segment(buffer, &segment) || run_is_resolver(run, &segment.to.address)) {
        return run->guard;
    }
    return is_published(run, segment.from.port) ? steer_client(run, &segment.to) : from;
}
