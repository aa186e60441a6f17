/* SPDX-License-Identifier: MIT */
/*
 * Datagrams of one stack under peers that send what they like, whole and in fragments, and an owner
 * that opens, sends, reads and closes as it likes: no sequence of packets, calls and times may trip
 * a check, leak a buffer, or send a packet that the parser would not take.
 *
 * The input is a script of orders, ORDER_BYTES each: what, and five fields. The first byte chooses
 * the settings.
 */
#include "ip/icmp.h"
#include "stack/stack.h"

#include <stdlib.h>
#include <sys/mman.h>

#define IDS         8
#define ORDER_BYTES 6
#define PORT        5000 /* the first of those that datagrams go to */
#define PEER_PORT   2000
#define PORTS       4
#define PEERS       4
#define OUT_BYTES   2048

struct world {
    struct berth *berth;
    uint64_t now_ns;
    berth_id ids[IDS];
    unsigned next;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct berth_address own(bool is_v6)
{
    return is_v6 ? (struct berth_address){{0xfd, 9, [15] = 1}} : berth_address_v4(0x0a090001);
}

static struct berth_endpoint peer(uint8_t pick)
{
    bool is_v6 = (pick & 0x80) != 0;
    struct berth_endpoint end = {own(is_v6), (uint16_t)(PEER_PORT + pick / PEERS % PORTS)};

    end.address.bytes[15] = (uint8_t)(2 + pick % PEERS);
    return end;
}

static void add_id(struct world *world, berth_id id)
{
    world->ids[world->next++ % IDS] = id;
}

/* What leaves is whole, or a fragment, and a packet that anybody would take. */
static void check_frame(const struct world *world, const struct berth_frame *frame)
{
    static uint8_t data[BERTH_PACKET_BYTES_MAX];
    struct wire_packet packet;

    BERTH_CHECK(frame->view_count == 1 && frame->views[0].bytes == frame->bytes);
    memcpy(data, frame->views[0].data, frame->bytes);
    BERTH_CHECK(wire_parse(&packet, data, frame->bytes, &frame->offload) == BERTH_DROP_NONE);
    BERTH_CHECK(frame->offload.segment_kind != BERTH_SEGMENT_NONE ||
                frame->bytes <= world->berth->config.mtu);
}

static void transmit(struct world *world)
{
    struct berth_frame frames[4];
    uint32_t count = berth_transmit(world->berth, frames, 4, world->now_ns);

    while (count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            check_frame(world, &frames[i]);
        }
        count = berth_transmit(world->berth, frames, 4, world->now_ns);
    }
}

static void drain_events(struct world *world)
{
    struct berth_event event;
    struct berth_contact contact;

    while (berth_next_event(world->berth, &event)) {
        add_id(world, event.id);
    }
    while (berth_next_contact(world->berth, &contact)) {
    }
}

static void receive(struct world *world, const uint8_t *data, uint32_t bytes)
{
    struct berth_buffer *buffer = berth_buffer_get(world->berth);

    if (buffer != NULL) {
        BERTH_CHECK(bytes <= buffer->capacity - buffer->begin);
        memcpy(buffer->data + buffer->begin, data, bytes);
        buffer->bytes = bytes;
        buffer->offload.checksum_good = 1;
        berth_receive(world->berth, buffer, world->now_ns);
    }
}

/* PACKET, whose transport OUT has from NETWORK on, as a piece of itself. */
static void receive_piece(struct world *world, struct wire_packet *packet, uint8_t *out,
                          const uint8_t *field)
{
    uint8_t whole[OUT_BYTES];
    uint32_t network = packet->version == 6 ? WIRE_IPV6_HEADER_BYTES : WIRE_IPV4_HEADER_BYTES;
    uint32_t bytes = WIRE_UDP_HEADER_BYTES + packet->payload_bytes;

    memcpy(whole, out + network, bytes);
    packet->is_fragment = true;
    packet->more_fragments = (field[3] & 2) != 0;
    packet->fragment_id = field[3] >> 2 & 3;
    packet->fragment_offset = (uint16_t)(field[4] * 8U);
    packet->payload_bytes = packet->more_fragments ? bytes & ~7U : bytes;
    network = wire_emit_network(out, packet);
    memcpy(out + network, whole, packet->payload_bytes);
    receive(world, out, network + packet->payload_bytes);
}

/* A UDP datagram, an echo request, or an error about a datagram of ours. */
static void send_datagram(struct world *world, const uint8_t *field)
{
    struct berth_endpoint from = peer(field[0]);
    bool is_v6 = !berth_address_is_v4(&from.address);
    bool is_echo = (field[0] & 0x40) != 0;
    struct wire_packet packet = {.version = is_v6 ? 6 : 4,
                                 .protocol = !is_echo ? WIRE_UDP
                                             : is_v6  ? WIRE_ICMP6
                                                      : WIRE_ICMP,
                                 .source = from.address,
                                 .destination = own(is_v6),
                                 .source_port = from.port,
                                 .destination_port = (uint16_t)(PORT + field[1] % PORTS),
                                 .hop_limit = 64,
                                 .payload_bytes = field[2] * 5U};
    uint8_t out[OUT_BYTES] = {0};
    uint32_t header;

    packet.icmp.type = is_v6 ? ICMP6_ECHO_REQUEST : ICMP4_ECHO_REQUEST;
    packet.icmp.identifier = field[1] % PORTS;
    packet.icmp.sequence = field[4];
    header = is_echo ? wire_emit_icmp(out, &packet) : wire_emit_udp(out, &packet);
    if ((field[3] & 1) != 0) {
        receive_piece(world, &packet, out, field);
    } else {
        receive(world, out, header + packet.payload_bytes);
    }
}

static void send_error(struct world *world, const uint8_t *field)
{
    struct berth_endpoint to = peer(field[0]);
    bool is_v6 = !berth_address_is_v4(&to.address);
    struct wire_packet quoted = {.version = is_v6 ? 6 : 4,
                                 .protocol = WIRE_UDP,
                                 .source = own(is_v6),
                                 .destination = to.address,
                                 .source_port = (uint16_t)(PORT + field[1] % PORTS),
                                 .destination_port = to.port,
                                 .hop_limit = 64};
    struct wire_packet packet = {.version = quoted.version,
                                 .protocol = is_v6 ? WIRE_ICMP6 : WIRE_ICMP,
                                 .source = to.address,
                                 .destination = own(is_v6),
                                 .hop_limit = 64};
    uint8_t quote[OUT_BYTES / 2] = {0};
    uint8_t out[OUT_BYTES] = {0};

    packet.icmp.type = is_v6 ? 1 + field[2] % 4 : 3;
    packet.icmp.code = field[3] % 16;
    packet.icmp.mtu = field[4] * 8U;
    packet.payload_bytes = wire_emit_udp(quote, &quoted);
    uint32_t header = wire_emit_icmp(out, &packet);
    memcpy(out + header, quote, packet.payload_bytes);
    receive(world, out, header + packet.payload_bytes);
}

static int open_socket(struct world *world, const uint8_t *field)
{
    struct berth_endpoint local = {.port = (uint16_t)(PORT + field[1] % PORTS)};
    struct berth_endpoint remote = peer(field[2]);
    berth_id fresh = 0;

    local.port = (field[0] & 4) != 0 ? 0 : local.port;
    int result = berth_udp_open(world->berth, (field[0] & 1) != 0 ? &local : NULL,
                                (field[0] & 2) != 0 ? &remote : NULL, NULL, &fresh);
    if (result == 0) {
        add_id(world, fresh);
    }
    return result;
}

/* Reserves and commits, or both in one. */
static int write_datagram(struct world *world, berth_id id, const uint8_t *field)
{
    static const uint8_t zeros[BERTH_PACKET_BYTES_MAX];
    struct berth_endpoint remote = peer(field[1]);
    struct berth_udp_send send = {.to = (field[0] & 0x40) != 0 ? &remote : NULL,
                                  .bytes = (size_t)field[2] * (field[3] + 1U),
                                  .segment_bytes = (uint16_t)(field[4] * 6U),
                                  .echo_sequence = field[4]};
    struct berth_view view;

    if ((field[0] & 0x80) != 0) {
        return berth_udp_write(world->berth, id, send.to, zeros, send.bytes);
    }
    int result = berth_udp_reserve(world->berth, id, send.bytes, &view);
    if (result == 0) {
        memset(view.data, 1, view.bytes);
        result = berth_udp_commit(world->berth, id, &send);
    }
    return result;
}

static int read_datagram(struct world *world, berth_id id)
{
    struct berth_datagram datagram;
    int result = berth_udp_peek(world->berth, id, &datagram);

    if (result == 0) {
        BERTH_CHECK(wire_sum(0, datagram.payload.data, datagram.payload.bytes) != UINT64_MAX);
        result = berth_udp_consume(world->berth, id);
    }
    return result;
}

/* What the owner does, to a held flow or a socket. */
static int act(struct world *world, uint8_t what, const uint8_t *field)
{
    struct berth *berth = world->berth;
    berth_id id = world->ids[field[0] % IDS];

    switch (what % 8) {
    case 0:
    case 1:
        return write_datagram(world, id, field);
    case 2:
        return open_socket(world, field);
    case 3:
        return read_datagram(world, id);
    case 4:
        return berth_udp_unreachable(berth, id, (int)(field[1] % 6) - 1);
    case 5:
        return berth_udp_close(berth, id);
    case 6:
        return berth_held_accept(berth, id, NULL);
    default:
        return field[1] % 3 == 0   ? berth_held_refuse(berth, id)
               : field[1] % 3 == 1 ? berth_held_reject(berth, id, BERTH_UNREACHABLE_HOST)
                                   : berth_held_drop(berth, id);
    }
}

static void step(struct world *world, uint8_t what, const uint8_t *field)
{
    int result = 0;

    switch (what / 8 % 8) {
    case 0:
    case 1:
    case 2:
        send_datagram(world, field);
        break;
    case 3:
        send_error(world, field);
        break;
    case 4:
        world->now_ns += (uint64_t)1 << (field[0] % 40);
        berth_advance(world->berth, world->now_ns);
        break;
    case 5:
        transmit(world); /* what waits was made for the size that there was */
        result = berth_set_mtu(world->berth, 576 + field[0] * 4U);
        break;
    default:
        result = act(world, what, field);
        break;
    }
    (void)result;
    stack_check(world->berth);
    if ((what & 0x80) == 0) {
        transmit(world);
        stack_check(world->berth);
        drain_events(world);
    }
}

static void settings(struct berth_config *config, uint8_t choice)
{
    static const uint32_t buffer_bytes[] = {2048, 4096, 16384, 69632};

    berth_config_init(config);
    config->limits.buffers = 64;
    config->limits.buffers_reserved = 8;
    config->limits.buffer_bytes = buffer_bytes[choice % 4];
    config->limits.udp_sockets = 6;
    config->limits.udp_queue_bytes = 8192;
    config->limits.reassemblies = 3;
    config->limits.replies = 8;
    config->limits.tcp_connections = 1;
    config->offloads = (choice & 4) != 0 ? BERTH_LINK_CHECKSUM : 0;
    config->offloads |= (choice & 12) == 12 ? BERTH_LINK_USO : 0;
    config->mtu = (choice & 16) != 0 ? 1280 : 1500;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char rules[] = "allow in any\nallow out any\n";
    struct world world = {.now_ns = 1000 * NS_PER_S};
    struct berth_config config;

    if (bytes < 1) {
        return 0;
    }
    settings(&config, data[0]);
    size_t need = berth_memory_bytes(&config);
    BERTH_CHECK(need > 0);
    void *memory = mmap(NULL, need, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BERTH_CHECK(memory != MAP_FAILED);
    BERTH_CHECK(berth_init(&world.berth, &config, memory, need, world.now_ns) == 0);
    for (int is_v6 = 0; is_v6 < 2; is_v6++) {
        struct berth_prefix prefix = {.address = own(is_v6 != 0), .bits = 120};
        BERTH_CHECK(berth_address_add(world.berth, &prefix) == 0);
    }
    BERTH_CHECK(berth_rules_load(world.berth, rules, sizeof rules - 1, NULL) == 0);
    berth_intercept(world.berth, (data[0] & 64) != 0);
    for (size_t at = 1; at + ORDER_BYTES <= bytes; at += ORDER_BYTES) {
        step(&world, data[at], data + at + 1);
    }
    berth_done(world.berth);
    munmap(memory, need);
    return 0;
}
