/* SPDX-License-Identifier: MIT */
/*
 * sim/guesser.c: an intruder off the path that has guessed a connection but for one thing (RFC
 * 5961, RFC 5927): its sequence numbers lie in the window, but a RST is not exactly where it had to
 * be; or they are exact, but the acknowledgement is impossible. The oracle is everybody else's: no
 * byte changes, no connection breaks. It reads the stack's records, so that it is always that near,
 * and hands its packets to the stack itself, so that nothing comes in between.
 */
#include "sim/world.h"

#include <string.h>

#include "sim/craft.h"
#include "sim/draw.h"
#include "stack/stack.h"
#include "tcp/parts.h"

#define PAUSE_NS      (NS_PER_S / 10)
#define PAYLOAD_BYTES 64
#define FAR           (1U << 30) /* an ACK number is off by up to so much */

void guesser_init(struct world *world)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    world->guesser_timer.kind = TIMER_GUESSER;
    memcpy(seed, &world->config->seed, sizeof world->config->seed);
    random_init(&world->guesser, seed, "sim-guesser");
    if (world->plan.guesses > 0) {
        timer_set(&world->timers, &world->guesser_timer, 0);
    }
}

static const struct tcp_conn *conn_of(const struct end *end)
{
    const struct berth *berth = end->host->berth;

    return end->id == 0
               ? NULL
               : tcp_conn_of(&berth->tcp, stack_id_index(end->id), stack_id_generation(end->id));
}

/* From the peer of CONN to it. */
static struct wire_packet addressed(const struct tcp_conn *conn)
{
    return (struct wire_packet){.version = berth_address_is_v4(&conn->remote.address) ? 4 : 6,
                                .hop_limit = 64,
                                .protocol = WIRE_TCP,
                                .source = conn->remote.address,
                                .source_port = conn->remote.port,
                                .destination = conn->local.address,
                                .destination_port = conn->local.port};
}

static void deliver(struct world *world, struct host *host, const struct wire_packet *packet,
                    const void *payload)
{
    struct link_packet *forged = craft_packet(packet, payload);
    struct berth_buffer *buffer = NULL;

    if (forged != NULL && link_packet_give(forged, host->berth, &buffer) == LINK_GIVEN) {
        berth_receive(host->berth, buffer, world->now_ns);
        world_check(world, host);
    }
    link_packet_free(forged);
}

static uint32_t window_of(const struct tcp_conn *conn)
{
    return seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
}

/* An acknowledgement that CONN cannot have caused: of what it never sent, or long past. */
static uint32_t impossible_ack(struct random *random, const struct tcp_conn *conn)
{
    return draw_chance(random, 50)
               ? conn->snd_nxt + 1 + random_below(random, FAR)
               : conn->snd_una - conn->snd_wnd_max - 1 - random_below(random, FAR);
}

static void add_timestamps(struct random *random, const struct tcp_conn *conn,
                           struct wire_tcp *segment)
{
    if (draw_chance(random, 70)) {
        segment->options = WIRE_OPTION_TIMESTAMPS;
        segment->tsval = conn->ts_recent + random_below(random, FAR);
        segment->tsecr = random_u32(random);
    }
}

/* A RST or SYN in the window (RFC 5961 3 and 4), a RST never where it would count. */
static void in_window(struct world *world, struct host *host, const struct tcp_conn *conn)
{
    struct random *random = &world->guesser;
    struct wire_packet packet = addressed(conn);
    uint32_t window = window_of(conn);
    bool is_syn = draw_chance(random, 50);

    packet.tcp.seq = conn->rcv_nxt + (is_syn ? 0 : 1) + random_below(random, window + 1);
    packet.tcp.ack = draw_chance(random, 50) ? conn->snd_una : random_u32(random);
    packet.tcp.flags = is_syn ? WIRE_SYN : WIRE_RST;
    packet.tcp.flags |= draw_chance(random, 50) ? WIRE_ACK : 0;
    deliver(world, host, &packet, NULL);
}

/* Text, FIN or an ACK exactly where they are expected, with an ACK number that cannot be. */
static void bad_ack(struct world *world, struct host *host, const struct tcp_conn *conn)
{
    struct random *random = &world->guesser;
    struct wire_packet packet = addressed(conn);
    uint8_t payload[PAYLOAD_BYTES];

    random_fill(random, payload, sizeof payload);
    packet.payload_bytes = random_below(random, PAYLOAD_BYTES);
    packet.tcp.seq = conn->rcv_nxt;
    if (draw_chance(random, 50)) {
        packet.tcp.seq += random_below(random, window_of(conn) + 1) - random_below(random, 32);
    }
    packet.tcp.ack = impossible_ack(random, conn);
    packet.tcp.flags = WIRE_ACK;
    packet.tcp.flags |= draw_chance(random, 40) ? WIRE_FIN : 0;
    packet.tcp.flags |= draw_chance(random, 40) ? WIRE_PSH : 0;
    packet.tcp.flags |= draw_chance(random, 10) ? WIRE_URG : 0;
    packet.tcp.urgent = (uint16_t)random_u32(random);
    packet.tcp.window = (uint16_t)random_u32(random);
    add_timestamps(random, conn, &packet.tcp);
    deliver(world, host, &packet, payload);
}

/* Text that is all old, or all past the window, but has everything else right. */
static void out_of_window(struct world *world, struct host *host, const struct tcp_conn *conn)
{
    struct random *random = &world->guesser;
    struct wire_packet packet = addressed(conn);
    uint8_t payload[PAYLOAD_BYTES];

    random_fill(random, payload, sizeof payload);
    packet.payload_bytes = 1 + random_below(random, PAYLOAD_BYTES - 1);
    packet.tcp.seq = draw_chance(random, 50)
                         ? conn->rcv_nxt - packet.payload_bytes - random_below(random, FAR)
                         : conn->rcv_nxt + window_of(conn) + 1 + random_below(random, FAR);
    packet.tcp.ack = conn->snd_una;
    packet.tcp.flags = WIRE_ACK;
    packet.tcp.window = (uint16_t)random_u32(random);
    deliver(world, host, &packet, payload);
}

/* Errors about what is in flight: hints, no more (RFC 5927); a size never below the floor. */
static void icmp_error(struct world *world, struct host *host, const struct tcp_conn *conn)
{
    struct random *random = &world->guesser;
    struct wire_packet quoted = addressed(conn);
    struct wire_packet packet = quoted;
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    struct link_packet *quote;

    quoted.source = conn->local.address;
    quoted.source_port = conn->local.port;
    quoted.destination = conn->remote.address;
    quoted.destination_port = conn->remote.port;
    quoted.tcp.seq = conn->snd_una + random_below(random, flight + 1);
    quoted.tcp.flags = WIRE_ACK;
    quote = craft_packet(&quoted, NULL);
    if (quote == NULL) {
        return;
    }
    packet.payload_bytes = quote->bytes;
    if (packet.version == 4) {
        packet.protocol = WIRE_ICMP;
        packet.icmp.type = 3;
        packet.icmp.code = (uint8_t)random_below(random, 16);
        packet.icmp.mtu = draw_chance(random, 50) ? random_below(random, 1500) : 0;
    } else {
        packet.protocol = WIRE_ICMP6;
        packet.icmp.type = (uint8_t)draw_between(random, 1, 4);
        packet.icmp.code = packet.icmp.type == 2 ? 0 : (uint8_t)random_below(random, 7);
        packet.icmp.mtu = random_below(random, 1500);
    }
    deliver(world, host, &packet, quote->data);
    link_packet_free(quote);
}

/* Answers to a SYN that is out, each for another one. */
static void while_opening(struct world *world, struct host *host, const struct tcp_conn *conn)
{
    static const uint16_t flags[] = {WIRE_SYN | WIRE_ACK, WIRE_RST | WIRE_ACK, WIRE_RST, WIRE_ACK,
                                     WIRE_FIN | WIRE_ACK};
    struct random *random = &world->guesser;
    struct wire_packet packet = addressed(conn);

    packet.tcp.seq = random_u32(random);
    packet.tcp.ack = conn->snd_nxt + 1 + random_below(random, FAR);
    packet.tcp.flags = flags[random_below(random, 5)];
    packet.tcp.window = (uint16_t)random_u32(random);
    deliver(world, host, &packet, NULL);
}

static void guess(struct world *world, struct end *end, const struct tcp_conn *conn)
{
    const struct berth *berth = end->host->berth;

    if (conn->state == BERTH_TCP_SYN_SENT) {
        while_opening(world, end->host, conn);
        return;
    }
    /* Without the checks of RFC 5961 being in the window is enough. */
    if (!conn_is_synchronised(conn) || !berth->config.tcp.blind_attack_checks) {
        return;
    }
    switch (random_below(&world->guesser, 4)) {
    case 0:
        in_window(world, end->host, conn);
        break;
    case 1:
        bad_ack(world, end->host, conn);
        break;
    case 2:
        out_of_window(world, end->host, conn);
        break;
    default:
        icmp_error(world, end->host, conn);
        break;
    }
}

void guesser_on_timer(struct world *world)
{
    struct random *random = &world->guesser;
    struct flow *flow = &world->flows[random_below(random, world->plan.flow_count)];
    struct end *end = &flow->ends[random_below(random, 2)];
    const struct tcp_conn *conn = conn_of(end);

    if (conn != NULL) {
        guess(world, end, conn);
    }
    world->guessed++;
    if (world->guessed < world->plan.guesses && !world->is_closing) {
        timer_set(&world->timers, &world->guesser_timer,
                  world->now_ns + draw_between(random, 1, PAUSE_NS));
    }
}
