/* SPDX-License-Identifier: MIT */
/*
 * sim/pipe.c: the queue, the rate, what is under way.
 */
#include "sim/pipe.h"

#include <string.h>

#include "base/bytes.h"
#include "sim/craft.h"
#include "wire/wire.h"

#define PPM             1000000U
#define BITS_NS         (8 * NS_PER_S) /* per byte: bytes * BITS_NS / rate is a time in ns */
#define QUEUE_NS        (100 * NS_PER_MS)
#define QUEUE_BYTES_MIN (64U << 10)
#define FULL_BYTES      1500 /* CoDel spares a queue of no more than one full packet */

static uint32_t default_queue_bytes(uint64_t rate_bps)
{
    uint64_t bytes = rate_bps / 8 * QUEUE_NS / NS_PER_S;

    return (uint32_t)min_u64(max_u64(bytes, QUEUE_BYTES_MIN), UINT32_MAX);
}

void pipe_init(struct pipe *pipe, const struct pipe_config *config)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    *pipe = (struct pipe){.config = *config};
    if (config->queue_bytes == 0) {
        pipe->config.queue_bytes = default_queue_bytes(config->rate_bps);
    }
    memcpy(seed, &config->seed, sizeof config->seed);
    random_init(&pipe->random, seed, "pipe-loss");
    codel_init(&pipe->codel);
}

void pipe_done(struct pipe *pipe)
{
    link_packets_clear(&pipe->replies);
    link_packets_clear(&pipe->queue);
    link_packets_clear(&pipe->under_way[0]);
    link_packets_clear(&pipe->under_way[1]);
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void set_delay(struct pipe *pipe, uint64_t delay_ns)
{
    if (delay_ns < pipe->config.delay_ns && pipe->under_way[1 - pipe->route].count == 0) {
        pipe->route = 1 - pipe->route;
        pipe->last_due_ns[pipe->route] = 0;
    }
    pipe->config.delay_ns = delay_ns;
}

static void make_change(struct pipe *pipe, const struct pipe_change *change)
{
    switch (change->what) {
    case PIPE_RATE:
        pipe->config.rate_bps = change->value;
        break;
    case PIPE_DELAY:
        set_delay(pipe, change->value);
        break;
    case PIPE_LOSS:
        pipe->config.loss_ppm = (uint32_t)change->value;
        break;
    case PIPE_MTU:
        pipe->config.mtu = (uint32_t)change->value;
        break;
    case PIPE_DOWN:
        pipe->is_down = change->value != 0;
        break;
    }
}

static void make_changes(struct pipe *pipe, uint64_t now_ns)
{
    while (pipe->changed < pipe->config.change_count &&
           pipe->config.changes[pipe->changed].at_ns <= now_ns) {
        make_change(pipe, &pipe->config.changes[pipe->changed]);
        pipe->changed++;
    }
}

/* ---- The way of a packet --------------------------------------------------------------------- */

static void depart(struct pipe *pipe, struct link_packet *packet, uint64_t leaves_ns)
{
    uint64_t *last_due_ns = &pipe->last_due_ns[pipe->route];

    if (pipe->is_down) {
        pipe->counters.down++;
        link_packet_free(packet);
        return;
    }
    if (pipe->config.loss_ppm > 0 && random_below(&pipe->random, PPM) < pipe->config.loss_ppm) {
        pipe->counters.lost++;
        link_packet_free(packet);
        return;
    }
    packet->due_ns = max_u64(leaves_ns + pipe->config.delay_ns, *last_due_ns);
    *last_due_ns = packet->due_ns;
    pipe->counters.carried++;
    link_packets_add(&pipe->under_way[pipe->route], packet);
}

/* The head of the queue, joined with those behind it as the middlebox likes; NULL: none waits. */
static struct link_packet *take_head(struct pipe *pipe)
{
    struct link_packet *packet = link_packets_take(&pipe->queue);

    while (pipe->config.join_mtu > 0 && pipe->queue.count > 0) {
        struct link_packet *second = link_packets_take(&pipe->queue);
        uint64_t since_ns = packet->due_ns;
        uint32_t bytes = packet->bytes + second->bytes;
        struct link_packet *joined =
            middlebox_join(pipe->box, packet, second, pipe->config.join_mtu);

        if (joined == NULL) {
            link_packets_put_back(&pipe->queue, second);
            break;
        }
        pipe->queued_bytes -= bytes - joined->bytes;
        joined->due_ns = since_ns;
        packet = joined;
    }
    return packet;
}

/* The next packet that the discipline lets go; NULL: none waits. */
static struct link_packet *dequeue(struct pipe *pipe, uint64_t now_ns)
{
    struct link_packet *packet = take_head(pipe);

    while (packet != NULL) {
        uint64_t sojourn_ns = now_ns - packet->due_ns;

        pipe->queued_bytes -= packet->bytes;
        if (pipe->config.discipline != PIPE_CODEL ||
            !codel_hits(&pipe->codel, sojourn_ns, pipe->queued_bytes <= FULL_BYTES, now_ns)) {
            break;
        }
        if (pipe->config.marks && wire_ecn_mark(packet->data, packet->bytes)) {
            pipe->counters.marked++;
            break;
        }
        pipe->counters.dropped++;
        link_packet_free(packet);
        packet = take_head(pipe);
    }
    return packet;
}

static void start_sending(struct pipe *pipe, struct link_packet *packet, uint64_t now_ns)
{
    uint64_t work = packet->bytes * BITS_NS;

    if (pipe->free_ns < now_ns) {
        pipe->free_ns = now_ns;
        pipe->rest = 0;
    }
    if (pipe->config.rate_bps > 0) {
        work += pipe->rest;
        pipe->free_ns += work / pipe->config.rate_bps;
        pipe->rest = work % pipe->config.rate_bps;
    }
    depart(pipe, packet, pipe->free_ns);
}

void pipe_advance(struct pipe *pipe, uint64_t now_ns)
{
    make_changes(pipe, now_ns);
    while (pipe->queue.count > 0 && pipe->free_ns <= now_ns) {
        struct link_packet *packet = dequeue(pipe, now_ns);

        if (packet != NULL) {
            start_sending(pipe, packet, now_ns);
        }
    }
}

static void enqueue(struct pipe *pipe, struct link_packet *packet, uint64_t now_ns)
{
    const struct pipe_config *config = &pipe->config;

    if (config->rate_bps == 0 && pipe->queue.count == 0 && pipe->free_ns <= now_ns) {
        depart(pipe, packet, now_ns);
        return;
    }
    if (pipe->free_ns > now_ns &&
        (pipe->queued_bytes + packet->bytes > config->queue_bytes ||
         (config->queue_packets > 0 && pipe->queue.count >= config->queue_packets))) {
        pipe->counters.dropped++;
        link_packet_free(packet);
        return;
    }
    packet->due_ns = now_ns;
    pipe->queued_bytes += packet->bytes;
    pipe->counters.queued_bytes_max = max_u64(pipe->counters.queued_bytes_max, pipe->queued_bytes);
    link_packets_add(&pipe->queue, packet);
    pipe_advance(pipe, now_ns);
}

/* May PACKET be cut: IPv4, no options, no DF, its length true? */
static bool may_cut(const struct link_packet *packet)
{
    const uint8_t *data = packet->data;

    return packet->bytes > 20 && data[0] == 0x45 && (data[6] & 0x40) == 0 &&
           (uint32_t)(data[2] << 8 | data[3]) == packet->bytes;
}

/* PACKET (taken) is longer than the router's MTU: its fragments to OUT, or an answer, or
 * nothing. */
static void on_too_big(struct pipe *pipe, struct link_packet *packet, struct link_packets *out)
{
    unsigned version = packet->data[0] >> 4;
    struct link_packet *reply = NULL;

    pipe->counters.too_big++;
    if (may_cut(packet)) {
        craft_fragments(packet, pipe->config.mtu, out);
        return;
    }
    if (!pipe->config.is_silent && ((version == 4 && packet->bytes >= 20) || version == 6)) {
        reply = craft_too_big(packet, &pipe->router[version == 4 ? 0 : 1], pipe->config.mtu);
    }
    if (reply != NULL) {
        link_packets_add(&pipe->replies, reply);
    }
    link_packet_free(packet);
}

/* Takes PACKET and adds to OUT what the router and the middlebox make of it. */
static void enter(struct pipe *pipe, struct link_packet *packet, struct link_packets *out)
{
    struct link_packets pieces = {0};

    if (pipe->config.mtu > 0 && packet->bytes > pipe->config.mtu) {
        on_too_big(pipe, packet, &pieces);
    } else {
        link_packets_add(&pieces, packet);
    }
    for (packet = link_packets_take(&pieces); packet != NULL; packet = link_packets_take(&pieces)) {
        if (pipe->box != NULL) {
            middlebox_pass(pipe->box, packet, out);
        } else {
            link_packets_add(out, packet);
        }
    }
}

void pipe_add(struct pipe *pipe, struct link_packet *packet, uint64_t now_ns)
{
    struct link_packets pieces = {0};

    make_changes(pipe, now_ns);
    if (pipe->box == NULL && pipe->config.mtu == 0) {
        enqueue(pipe, packet, now_ns);
        return;
    }
    enter(pipe, packet, &pieces);
    for (packet = link_packets_take(&pieces); packet != NULL; packet = link_packets_take(&pieces)) {
        enqueue(pipe, packet, now_ns);
    }
}

struct link_packet *pipe_take(struct pipe *pipe, uint64_t now_ns)
{
    const struct link_packet *a = pipe->under_way[0].first;
    const struct link_packet *b = pipe->under_way[1].first;
    unsigned which = a == NULL || (b != NULL && b->due_ns < a->due_ns) ? 1 : 0;
    const struct link_packet *first = which == 0 ? a : b;

    if (first == NULL || first->due_ns > now_ns) {
        return NULL;
    }
    return link_packets_take(&pipe->under_way[which]);
}

uint64_t pipe_next_ns(const struct pipe *pipe)
{
    uint64_t next_ns = pipe->queue.count > 0 ? pipe->free_ns : BERTH_NEVER;

    if (pipe->replies.count > 0) {
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (pipe->under_way[i].first != NULL) {
            next_ns = min_u64(next_ns, pipe->under_way[i].first->due_ns);
        }
    }
    return next_ns;
}
