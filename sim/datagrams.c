/* SPDX-License-Identifier: MIT */
/*
 * sim/datagrams.c: datagrams from host A that host B sends back. They may be lost and doubled; what
 * comes must be what was sent, but for what a checksum cannot tell, from whom it was sent.
 *
 * A datagram: its number (4 bytes), its length (4 bytes), then the stream of its number.
 */
#include "sim/world.h"

#include <inttypes.h>
#include <string.h>

#include "sim/draw.h"
#include "sim/stream.h"

#define HEAD_BYTES 8
#define PAUSE_NS   (NS_PER_S / 2)
#define BYTES_MAX  6000
#define OWN_PORT   7001

#define UNSEEN_BITS_MAX 4 /* on the way there and back */

void datagrams_init(struct world *world)
{
    struct datagrams *datagrams = &world->datagrams;
    uint8_t seed[RANDOM_SEED_BYTES] = {0};
    struct berth_endpoint here = {.address = berth_address_any(), .port = PLAN_UDP_PORT};
    struct berth_endpoint own = {.address = world->hosts[0].addresses[0], .port = OWN_PORT};
    struct berth_endpoint there = {.address = world->hosts[1].addresses[0], .port = PLAN_UDP_PORT};

    datagrams->object.kind = OBJECT_DATAGRAMS;
    datagrams->timer.kind = TIMER_DATAGRAMS;
    if (world->plan.datagrams == 0) {
        return;
    }
    memcpy(seed, &world->config->seed, sizeof world->config->seed);
    random_init(&datagrams->random, seed, "sim-datagrams");
    datagrams->key = random_u64(&datagrams->random);
    if (berth_udp_open(world->hosts[0].berth, &own, &there, &datagrams->object,
                       &datagrams->ids[0]) < 0 ||
        berth_udp_open(world->hosts[1].berth, &here, NULL, &datagrams->object, &datagrams->ids[1]) <
            0) {
        world_fail(world, "a datagram socket cannot be opened");
        return;
    }
    timer_set(&world->timers, &datagrams->timer, 0);
}

void datagrams_on_timer(struct world *world)
{
    struct datagrams *datagrams = &world->datagrams;
    uint32_t limit = min_u32(world->plan.datagram_bytes_max, BYTES_MAX);
    uint32_t bytes = (uint32_t)draw_between(&datagrams->random, HEAD_BYTES, limit);
    uint8_t payload[BYTES_MAX];
    int result;

    memcpy(payload, &datagrams->sent, 4);
    memcpy(payload + 4, &bytes, 4);
    stream_fill(datagrams->key + datagrams->sent, 0, payload + HEAD_BYTES, bytes - HEAD_BYTES);
    result = berth_udp_write(world->hosts[0].berth, datagrams->ids[0], NULL, payload, bytes);
    /* Too long: a stack of few buffers has not enough for all its fragments. */
    if (result < 0 && result != BERTH_E_AGAIN && result != BERTH_E_TOO_LONG) {
        world_fail(world, "datagram %" PRIu32 " of %" PRIu32 " bytes: %s", datagrams->sent, bytes,
                   berth_error_text(result));
        return;
    }
    datagrams->sent++;
    world_progress(world);
    if (datagrams->sent < world->plan.datagrams) {
        timer_set(&world->timers, &datagrams->timer,
                  world->now_ns + draw_between(&datagrams->random, 0, PAUSE_NS));
    }
}

static unsigned wrong_bits(uint64_t key, const uint8_t *data, uint32_t bytes)
{
    uint8_t sent[BYTES_MAX];
    unsigned wrong = 0;

    stream_fill(key, 0, sent, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        wrong += (unsigned)__builtin_popcount((unsigned)sent[i] ^ data[i]);
    }
    return wrong;
}

/* A bit of one fragment and a bit of another, turned in opposite ways: no checksum tells. */
static bool may_be_unseen(const struct world *world, unsigned wrong)
{
    const struct link_impairment *paths = world->plan.paths;

    return (paths[0].corrupt_ppm > 0 || paths[1].corrupt_ppm > 0) && wrong % 2 == 0 &&
           wrong <= UNSEEN_BITS_MAX;
}

static bool is_right(const struct world *world, const struct berth_datagram *datagram)
{
    const uint8_t *payload = datagram->payload.data;
    size_t bytes = datagram->payload.bytes;
    uint32_t number;
    uint32_t length;
    unsigned wrong;

    if (bytes < HEAD_BYTES || bytes > BYTES_MAX) {
        return false;
    }
    memcpy(&number, payload, 4);
    memcpy(&length, payload + 4, 4);
    if (length != bytes || number >= world->datagrams.sent) {
        return false;
    }
    wrong = wrong_bits(world->datagrams.key + number, payload + HEAD_BYTES,
                       (uint32_t)(bytes - HEAD_BYTES));
    return wrong == 0 || may_be_unseen(world, wrong);
}

static void send_back(struct world *world, const struct berth_datagram *datagram)
{
    uint8_t payload[BYTES_MAX];
    size_t bytes = min_size(datagram->payload.bytes, sizeof payload);
    struct berth_endpoint to = datagram->remote;
    int result;

    memcpy(payload, datagram->payload.data, bytes);
    result = berth_udp_write(world->hosts[1].berth, world->datagrams.ids[1], &to, payload, bytes);
    if (result < 0 && result != BERTH_E_AGAIN && result != BERTH_E_TOO_LONG) {
        world_fail(world, "a datagram cannot be sent back: %s", berth_error_text(result));
    }
}

void datagrams_on_event(struct world *world, struct host *host, const struct berth_event *event)
{
    bool at_b = host == &world->hosts[1];
    const struct berth_address *peer = &world->hosts[at_b ? 0 : 1].addresses[0];
    struct berth_datagram datagram;

    while (berth_udp_peek(host->berth, event->id, &datagram) == 0) {
        if (!berth_address_is_equal(&datagram.remote.address, peer) ||
            !is_right(world, &datagram)) {
            world_fail(world, "host %c: a datagram that was not sent to it", host->name);
            return;
        }
        if (at_b) {
            send_back(world, &datagram);
        }
        world->datagrams.echoed += !at_b;
        if (berth_udp_consume(host->berth, event->id) < 0) {
            world_fail(world, "host %c: a datagram cannot be given back", host->name);
            return;
        }
    }
}

void datagrams_close(struct world *world)
{
    if (world->plan.datagrams == 0) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (berth_udp_close(world->hosts[i].berth, world->datagrams.ids[i]) < 0) {
            world_fail(world, "host %c: a datagram socket cannot be closed", world->hosts[i].name);
        }
    }
}
