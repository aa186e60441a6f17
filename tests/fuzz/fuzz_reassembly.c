/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes reassembly: the input is a list of orders, each 8 bytes and what follows.
 *
 *   0  what: bit 0 IPv6, bit 1 more fragments, bits 2-3 which packet (id), bit 4 a raw packet,
 *      bit 5 time passes, bits 6-7 ECN
 *   1  fragment: length in blocks of 8; raw: length in bytes; time: seconds
 *   2  offset in blocks (16 bits); 4: bytes more than whole blocks (of a last fragment)
 *   5  XORed into the payload, which is otherwise a function of the place, and part of the id;
 *   6, 7  not used
 *
 * Checked: a whole packet has the bytes that were sent and no others; at the end every buffer is
 * back and no record is left.
 */
#include "ip/ip.h"

#include <stdlib.h>

#define BUFFERS      32
#define CAPACITY     70000
#define MEMORY_BYTES ((size_t)4 * 1024 * 1024)
#define ORDER_BYTES  8

struct world {
    uint8_t *memory;
    struct arena arena;
    struct buffers buffers;
    struct outbox outbox;
    struct timers timers;
    struct random random;
    struct berth_stats stats;
    struct ip ip;
    uint64_t now_ns;
};

static void world_init(struct world *world)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {1};
    struct berth_prefix own = {berth_address_v4(0x0a000202), 96 + 24};
    struct ip_limits limits = {.addresses = 1,
                               .reassemblies = 3,
                               .icmp_per_second = 5,
                               .mtu = 1500,
                               .reassembly_ns = 60 * NS_PER_S};

    *world = (struct world){.memory = calloc(1, MEMORY_BYTES)};
    BERTH_CHECK(world->memory != NULL);
    arena_init(&world->arena, world->memory, MEMORY_BYTES);
    buffers_init(&world->buffers, &world->arena,
                 &(struct buffers_limits){.count = BUFFERS, .capacity = CAPACITY, .reserved = 4});
    outbox_init(&world->outbox, 8);
    timers_init(&world->timers, 0);
    random_init(&world->random, seed, "ip");
    ip_init(&world->ip, &world->arena, &limits,
            &(struct ip_parts){.buffers = &world->buffers,
                               .outbox = &world->outbox,
                               .timers = &world->timers,
                               .random = &world->random,
                               .stats = &world->stats});
    BERTH_CHECK(world->arena.used <= MEMORY_BYTES && ip_add_address(&world->ip, &own) == BERTH_OK);
}

static void pass_time(struct world *world, uint64_t seconds)
{
    struct timer *timer;
    struct berth_buffer *buffer;

    world->now_ns += seconds * NS_PER_S;
    while ((timer = timers_expire(&world->timers, world->now_ns)) != NULL) {
        ip_on_timer(&world->ip, timer, true, world->now_ns);
    }
    while ((buffer = outbox_next(&world->outbox)) != NULL) {
        struct wire_packet packet;

        BERTH_CHECK(wire_parse(&packet, buffer->data + buffer->begin, buffer->bytes,
                               &buffer->offload) == BERTH_DROP_NONE);
        buffers_put(&world->buffers, buffer);
    }
}

static uint8_t byte_at(uint32_t place)
{
    return (uint8_t)(place * 13 + (place >> 8));
}

/* The bytes of a packet whose fragments were all made here. */
static void check_whole(const struct berth_buffer *buffer, const struct wire_packet *fragment)
{
    uint32_t header_bytes =
        fragment->version == 4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
    const uint8_t *payload = buffer->data + buffer->begin + header_bytes;
    uint8_t change = payload[0] ^ byte_at(0);

    BERTH_CHECK(buffer->begin + buffer->bytes <= buffer->capacity);
    BERTH_CHECK(buffer->bytes >= header_bytes + fragment->fragment_offset);
    /* The id tells the change apart: see on_fragment. */
    BERTH_CHECK(change == (uint8_t)(fragment->fragment_id >> 8));
    for (uint32_t i = 0; i < buffer->bytes - header_bytes; i++) {
        BERTH_CHECK(payload[i] == (byte_at(i) ^ change));
    }
}

static void take_in(struct world *world, struct berth_buffer *buffer, bool is_known)
{
    struct wire_packet packet;
    enum berth_drop drop =
        wire_parse(&packet, buffer->data + buffer->begin, buffer->bytes, &buffer->offload);

    /* A raw packet must not mix with those made here. */
    if (drop != BERTH_DROP_NONE || !packet.is_fragment ||
        (!is_known && (packet.fragment_id >> 8) < 256)) {
        buffers_put(&world->buffers, buffer);
        return;
    }
    buffer = ip_reassemble(&world->ip, &packet, buffer, world->now_ns);
    if (buffer == NULL) {
        return;
    }
    if (is_known) {
        check_whole(buffer, &packet);
    }
    (void)wire_parse(&packet, buffer->data + buffer->begin, buffer->bytes, &buffer->offload);
    buffers_put(&world->buffers, buffer);
}

static void on_fragment(struct world *world, const uint8_t *order)
{
    struct berth_buffer *buffer = buffers_get(&world->buffers);
    uint32_t offset = load_be16(order + 2) % 8192 * 8;
    uint32_t bytes = order[1] * 8;
    bool more = (order[0] & 2) != 0;
    struct wire_packet packet = {
        .source = berth_address_v4(0xc0000201),
        .destination = berth_address_v4(0x0a000202),
        .version = (order[0] & 1) != 0 ? 6 : 4,
        .protocol = WIRE_UDP,
        .hop_limit = 64,
        .traffic_class = order[0] >> 6,
        .is_fragment = true,
        .more_fragments = more,
        .fragment_offset = (uint16_t)offset,
        .fragment_id = (uint32_t)order[5] << 8 | (order[0] >> 2 & 3),
    };
    uint32_t header_bytes;

    bytes += more ? 0 : order[4] % 8;
    if (packet.version == 6) {
        packet.source.bytes[0] = 0xfd;
        packet.destination.bytes[0] = 0xfd;
    }
    packet.payload_bytes = bytes;
    header_bytes = wire_emit_network(buffer->data + buffer->begin, &packet);
    for (uint32_t i = 0; i < bytes; i++) {
        buffer->data[buffer->begin + header_bytes + i] = byte_at(offset + i) ^ order[5];
    }
    buffer->bytes = header_bytes + bytes;
    take_in(world, buffer, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    size_t at = 0;

    world_init(&world);
    while (size - at >= ORDER_BYTES) {
        const uint8_t *order = data + at;

        at += ORDER_BYTES;
        if ((order[0] & 16) != 0) {
            size_t bytes = min_size(order[1], size - at);
            struct berth_buffer *buffer = buffers_get(&world.buffers);

            memcpy(buffer->data + buffer->begin, data + at, bytes);
            buffer->bytes = (uint32_t)bytes;
            at += bytes;
            take_in(&world, buffer, false);
        } else if ((order[0] & 32) != 0) {
            pass_time(&world, order[1]);
        } else {
            on_fragment(&world, order);
        }
        ip_check(&world.ip);
    }
    pass_time(&world, 61);
    pass_time(&world, 1);
    BERTH_CHECK(world.stats.reassemblies == 0 && world.buffers.free == BUFFERS);
    free(world.memory);
    return 0;
}
