/* SPDX-License-Identifier: MIT */
/*
 * sim/intruder.c: a third host that may do nothing. It sends from its own address to ports that are
 * open to others, forges segments and ICMP errors of connections that it cannot see (RFC 5961,
 * RFC 5927), and sends bytes that are no packet. The oracle is everybody else's: nothing of it may
 * reach a socket, break a connection or leak a buffer.
 */
#include "sim/world.h"

#include <string.h>

#include "sim/draw.h"
#include "wire/wire.h"

#define PAUSE_NS      (NS_PER_S / 5)
#define PAYLOAD_BYTES 64
#define PACKET_BYTES  512
#define INTRUDER_SIDE 8

struct forgery {
    uint8_t bytes[PACKET_BYTES];
    uint32_t length;
};

void intruder_init(struct world *world)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    world->intruder_timer.kind = TIMER_INTRUDER;
    memcpy(seed, &world->config->seed, sizeof world->config->seed);
    random_init(&world->intruder, seed, "sim-intruder");
    if (world->plan.forgeries > 0) {
        timer_set(&world->timers, &world->intruder_timer, 0);
    }
}

/* Headers by PACKET and the payload behind them, checksum complete. */
static void emit(struct world *world, struct wire_packet *packet, struct forgery *out)
{
    struct berth_view view = {.data = out->bytes};
    struct wire_sum_place place;
    uint32_t header_bytes;

    switch (packet->protocol) {
    case WIRE_TCP:
        header_bytes = wire_emit_tcp(out->bytes, packet);
        break;
    case WIRE_UDP:
        header_bytes = wire_emit_udp(out->bytes, packet);
        break;
    default:
        header_bytes = wire_emit_icmp(out->bytes, packet);
        break;
    }
    place = wire_sum_place(packet, header_bytes);
    if (packet->protocol == WIRE_ICMP || packet->protocol == WIRE_ICMP6) {
        memcpy(out->bytes + header_bytes, packet->payload, packet->payload_bytes);
    } else {
        random_fill(&world->intruder, out->bytes + header_bytes, packet->payload_bytes);
    }
    out->length = header_bytes + packet->payload_bytes;
    view.bytes = out->length;
    wire_finish(&view, 1, &place);
}

/* A TCP segment or a datagram from the intruder itself: SYNs to open ports, and to closed ones. */
static void from_itself(struct world *world, struct forgery *out)
{
    struct random *random = &world->intruder;
    unsigned which = random_below(random, 2);
    struct wire_packet packet = {.version = which == 0 ? 4 : 6, .hop_limit = 64};

    packet.source = network_address(0, INTRUDER_SIDE, which > 0);
    packet.destination = world->hosts[random_below(random, 2)].addresses[which];
    packet.source_port = (uint16_t)draw_between(random, 1, UINT16_MAX);
    if (draw_chance(random, 40)) {
        packet.protocol = WIRE_UDP;
        packet.destination_port = PLAN_UDP_PORT;
        packet.payload_bytes = random_below(random, PAYLOAD_BYTES);
    } else {
        packet.protocol = WIRE_TCP;
        packet.destination_port = (uint16_t)(PLAN_PORT + random_below(random, PLAN_LISTENERS + 1));
        packet.tcp = (struct wire_tcp){
            .seq = random_u32(random), .flags = WIRE_SYN, .window = (uint16_t)random_u32(random)};
    }
    emit(world, &packet, out);
}

/* The four-tuple of a connection, as its opener sends: the intruder has guessed all but numbers. */
static struct wire_packet guess(struct world *world)
{
    struct random *random = &world->intruder;
    struct flow *flow = &world->flows[random_below(random, world->plan.flow_count)];
    enum plan_opener opener = flow->plan->opener;
    unsigned which = flow->plan->version == 4 ? 0 : 1;
    struct wire_packet packet = {.version = flow->plan->version, .hop_limit = 64};

    packet.protocol = WIRE_TCP;
    packet.source = flow->ends[opener == PLAN_OPENER_B ? 1 : 0].host->addresses[which];
    packet.destination = flow->ends[opener == PLAN_OPENER_B ? 0 : 1].host->addresses[which];
    packet.source_port = flow->has_started ? flow->opener.port : 1;
    packet.destination_port = opener == PLAN_OPENER_BOTH
                                  ? packet.source_port
                                  : (uint16_t)(PLAN_PORT + flow->index % PLAN_LISTENERS);
    if (draw_chance(random, 50)) {
        struct berth_address address = packet.source;
        uint16_t port = packet.source_port;

        packet.source = packet.destination;
        packet.source_port = packet.destination_port;
        packet.destination = address;
        packet.destination_port = port;
    }
    return packet;
}

static void forged_segment(struct world *world, struct forgery *out)
{
    static const uint16_t flags[] = {WIRE_RST,
                                     WIRE_RST | WIRE_ACK,
                                     WIRE_SYN | WIRE_ACK,
                                     WIRE_ACK,
                                     WIRE_FIN | WIRE_ACK,
                                     WIRE_ACK | WIRE_PSH,
                                     WIRE_FIN | WIRE_SYN,
                                     0};
    struct random *random = &world->intruder;
    struct wire_packet packet = guess(world);

    packet.tcp = (struct wire_tcp){.seq = random_u32(random),
                                   .ack = random_u32(random),
                                   .flags = flags[random_below(random, 8)],
                                   .window = (uint16_t)random_u32(random)};
    packet.payload_bytes = random_below(random, PAYLOAD_BYTES);
    emit(world, &packet, out);
}

/* An ICMP error about a segment that was never sent. */
static void forged_icmp(struct world *world, struct forgery *out)
{
    struct random *random = &world->intruder;
    struct wire_packet quoted = guess(world);
    struct wire_packet packet = {.version = quoted.version, .hop_limit = 64};
    struct forgery quote;

    quoted.tcp = (struct wire_tcp){.seq = random_u32(random), .flags = WIRE_ACK};
    emit(world, &quoted, &quote);
    packet.source = quoted.destination;
    packet.destination = quoted.source;
    packet.protocol = quoted.version == 4 ? WIRE_ICMP : WIRE_ICMP6;
    packet.icmp.type = quoted.version == 4 ? 3 : 1;
    packet.icmp.code = (uint8_t)random_below(random, 5);
    packet.icmp.mtu = draw_chance(random, 50) ? 68 : 0;
    packet.payload = quote.bytes;
    packet.payload_bytes = quote.length;
    emit(world, &packet, out);
}

static void noise(struct world *world, struct forgery *out)
{
    struct random *random = &world->intruder;

    if (draw_chance(random, 50)) {
        forged_segment(world, out); /* one that was right, cut off and spoiled */
        out->length = 1 + random_below(random, out->length);
        out->bytes[random_below(random, out->length)] ^= (uint8_t)(1U << random_below(random, 8));
        return;
    }
    out->length = (uint32_t)draw_between(random, 1, 100);
    random_fill(random, out->bytes, out->length);
}

void intruder_on_timer(struct world *world)
{
    struct forgery forgery;
    struct link_packet *packet;

    switch (random_below(&world->intruder, 4)) {
    case 0:
        from_itself(world, &forgery);
        break;
    case 1:
        forged_segment(world, &forgery);
        break;
    case 2:
        forged_icmp(world, &forgery);
        break;
    default:
        noise(world, &forgery);
        break;
    }
    packet = link_packet_new(forgery.length);
    if (packet != NULL) {
        memcpy(packet->data, forgery.bytes, forgery.length);
        network_inject(&world->network, packet, world->now_ns);
    }
    world->forged++;
    if (world->forged < world->plan.forgeries && !world->is_closing) {
        timer_set(&world->timers, &world->intruder_timer,
                  world->now_ns + draw_between(&world->intruder, 1, PAUSE_NS));
    }
}
