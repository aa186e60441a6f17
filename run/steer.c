/* SPDX-License-Identifier: MIT */
/*
 * run/steer.c: see run/queue.h: whose a packet is. Reads no more of it than the addresses and ports
 * of a whole TCP segment: whatever else it is is the guard's.
 *
 * The kernel spreads flows over the queues of a device by a hash of its own, and remembers where a
 * flow's answers came from (drivers/net/tun.c). What the program opens comes in on one queue
 * therefore and stays there. Of what berth opens, the connections of clients of a published port,
 * the kernel forgets the queue after some seconds of silence: so these are told by the client.
 */
#include <netinet/in.h>
#include <string.h>

#include "run/inside.h"
#include "run/spread.h"

enum {
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    EXTENSION_BYTES = 8, /* of the unit in which they are counted */
    EXTENSIONS_MAX = 8,
    TCP_BYTES = 14, /* ports and flags */
    FLAGS_AT = 13,
    SYN = 2,
    ACK = 16,
    FRAGMENT_BITS = 0x3fff, /* more fragments, and where this one stands */
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* TCP: what AT has of its header, TCP_BYTES. */
static void read_header(const uint8_t *at, struct steer_segment *out)
{
    out->from.port = get16(at);
    out->to.port = get16(at + 2);
    out->opens = (at[FLAGS_AT] & (SYN | ACK)) == SYN;
}

static bool read_v4(const uint8_t *data, uint32_t bytes, struct steer_segment *out)
{
    uint32_t header = (uint32_t)(data[0] & 15) * 4;

    if (header < IPV4_BYTES || bytes < header + TCP_BYTES || data[9] != IPPROTO_TCP ||
        (get16(data + 6) & FRAGMENT_BITS) != 0) {
        return false;
    }
    out->from.address = berth_address_v4(0);
    out->to.address = berth_address_v4(0);
    memcpy(out->from.address.bytes + 12, data + 12, 4);
    memcpy(out->to.address.bytes + 12, data + 16, 4);
    read_header(data + header, out);
    return true;
}

/* Where TCP begins, behind extension headers that a sender may put there (RFC 8200 4.1); 0: it is
 * something else. */
static uint32_t tcp_in_v6(const uint8_t *data, uint32_t bytes)
{
    uint32_t at = IPV6_BYTES;
    uint8_t next = data[6];

    for (uint32_t i = 0; i < EXTENSIONS_MAX && next != IPPROTO_TCP; i++) {
        bool is_skipped =
            next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;

        if (!is_skipped || bytes < at + EXTENSION_BYTES) {
            return 0;
        }
        next = data[at];
        at += (uint32_t)(data[at + 1] + 1) * EXTENSION_BYTES;
    }
    return next == IPPROTO_TCP && bytes >= at + TCP_BYTES ? at : 0;
}

static bool read_v6(const uint8_t *data, uint32_t bytes, struct steer_segment *out)
{
    uint32_t header = bytes >= IPV6_BYTES ? tcp_in_v6(data, bytes) : 0;

    if (header == 0) {
        return false;
    }
    memcpy(out->from.address.bytes, data + 8, 16);
    memcpy(out->to.address.bytes, data + 24, 16);
    read_header(data + header, out);
    return true;
}

static bool read_segment(const uint8_t *data, uint32_t bytes, struct steer_segment *out)
{
    if (bytes < IPV4_BYTES) {
        return false;
    }
    switch (data[0] >> 4) {
    case 4:
        return read_v4(data, bytes, out);
    case 6:
        return read_v6(data, bytes, out);
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

struct queue *steer_packet(struct queue *from, const uint8_t *data, uint32_t bytes)
{
    struct run *run = from->run;
    struct steer_segment segment;

    if (!read_segment(data, bytes, &segment) || run_is_resolver(run, &segment.to.address)) {
        return run->guard;
    }
    if (run->queue_count == 1) {
        return spread_steer(from, &segment);
    }
    return is_published(run, segment.from.port) ? steer_client(run, &segment.to) : from;
}
