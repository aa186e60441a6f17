/* SPDX-License-Identifier: MIT */
/*
 * link/impair.c: a link that wraps a link and makes it bad on purpose. Each direction is a line:
 * a sender of limited rate with a queue before it, then a path that loses, doubles, spoils, delays.
 *
 * Invariants:
 * 1. `flow` and `held` are each in order of due_ns: those in flow keep their order; those in held
 *    were reordered, and each is due a constant time after its place in flow.
 * 2. Every random number is drawn from the stream of its use and direction, so that one more lost
 *    packet does not shift the jitter of the next; the same packets at the same times have the same
 *    fate in every run.
 * 3. A line holds at most LINK_IMPAIR_BYTES_MAX of memory.
 * 4. `ready` is not longer than what came due and the stack had no buffer for.
 */
#include "base/bytes.h"
#include "base/random.h"
#include "link/pieces.h"
#include "link/units.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#define PPM             1000000U
#define BITS_NS         (8 * NS_PER_S) /* per byte: bytes * BITS_NS / rate is a time in ns */
#define QUEUE_NS        (100 * NS_PER_MS)
#define QUEUE_BYTES_MIN (64U << 10)
#define REORDER_NS_MIN  NS_PER_MS
#define READ_BATCH      8
#define STREAMS         6 /* of random numbers, of a line */

struct line {
    struct link_impairment config;
    struct random loss;
    struct random duplicate;
    struct random corrupt;
    struct random jitter;
    struct random reorder;
    struct random ecn;
    uint64_t free_ns; /* when the sender has sent all that was queued */
    uint64_t rest;    /* of the division that made free_ns, so that the rate is exact */
    uint64_t last_due_ns;
    uint64_t order;
    struct link_packets flow;
    struct link_packets held;
};

struct impair_link {
    struct link link;
    struct link *inner;
    struct line from_berth;
    struct line to_berth;
    struct link_packets ready; /* come due, not yet taken by the stack */
};

static struct impair_link *impair_of(struct link *link)
{
    return (struct impair_link *)link;
}

/* ---- A line ---------------------------------------------------------------------------------- */

static uint32_t default_queue_bytes(uint64_t rate_bps)
{
    uint64_t bytes = link_mul_div(rate_bps, QUEUE_NS, BITS_NS);

    return (uint32_t)min_u64(max_u64(bytes, QUEUE_BYTES_MIN), LINK_IMPAIR_BYTES_MAX);
}

static void line_init(struct line *line, const struct link_impairment *config,
                      const char *const names[STREAMS])
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};
    struct random *streams[STREAMS] = {&line->loss,   &line->duplicate, &line->corrupt,
                                       &line->jitter, &line->reorder,   &line->ecn};

    line->config = *config;
    if (config->queue_bytes == 0) {
        line->config.queue_bytes = default_queue_bytes(config->rate_bps);
    }
    if (config->reorder_delay_ns == 0) {
        line->config.reorder_delay_ns = max_u64(config->delay_ns / 4, REORDER_NS_MIN);
    }
    memcpy(seed, &config->seed, sizeof config->seed);
    for (int i = 0; i < STREAMS; i++) {
        random_init(streams[i], seed, names[i]);
    }
}

static bool happens(struct random *random, uint32_t ppm)
{
    return ppm > 0 && random_below(random, PPM) < ppm;
}

/* Queues BYTES at the sender. false: the queue is full; *LEAVES_NS: when the last bit is out. */
static bool serialize(struct line *line, uint32_t bytes, uint64_t now_ns, uint64_t *leaves_ns)
{
    uint64_t rate_bps = line->config.rate_bps;
    uint64_t work;

    if (rate_bps == 0) {
        *leaves_ns = now_ns;
        return true;
    }
    if (line->free_ns <= now_ns) {
        line->free_ns = now_ns;
        line->rest = 0;
    } else {
        uint64_t wait_ns = line->free_ns - now_ns;
        uint64_t backlog = link_mul_div(wait_ns, rate_bps, BITS_NS);

        if (backlog >= line->config.queue_bytes) {
            return false;
        }
    }
    work = bytes * BITS_NS + line->rest;
    line->free_ns += work / rate_bps;
    line->rest = work % rate_bps;
    *leaves_ns = line->free_ns;
    return true;
}

static uint64_t draw_jitter(struct line *line)
{
    uint64_t jitter_ns = line->config.jitter_ns;

    return jitter_ns == 0 ? 0 : random_u64(&line->jitter) % (jitter_ns + 1);
}

/* Takes PACKET: when it comes out at the other end, and in which order. */
static void schedule(struct line *line, struct link_packet *packet, uint64_t leaves_ns)
{
    uint64_t due_ns = leaves_ns + line->config.delay_ns + draw_jitter(line);

    if (happens(&line->corrupt, line->config.corrupt_ppm) && packet->bytes > 0) {
        uint32_t bit = random_below(&line->corrupt, packet->bytes * 8);

        packet->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    due_ns = max_u64(due_ns, line->last_due_ns);
    line->last_due_ns = due_ns;
    packet->order = line->order++;
    if (happens(&line->reorder, line->config.reorder_ppm)) {
        packet->due_ns = due_ns + line->config.reorder_delay_ns;
        link_packets_add(&line->held, packet);
    } else {
        packet->due_ns = due_ns;
        link_packets_add(&line->flow, packet);
    }
}

static struct link_packet *copy_of(const struct link_packet *packet)
{
    struct link_packet *copy = link_packet_new(packet->bytes);

    if (copy != NULL) {
        copy->offload = packet->offload;
        memcpy(copy->data, packet->data, packet->bytes);
    }
    return copy;
}

/* Takes PACKET, one that a wire can carry. */
static void line_add(struct line *line, struct link_packet *packet, uint64_t now_ns,
                     struct link_counters *counters)
{
    uint64_t held = line->flow.bytes + line->held.bytes + 2 * (sizeof *packet + packet->bytes);
    struct link_packet *twin = NULL;
    uint64_t leaves_ns;

    if (held > LINK_IMPAIR_BYTES_MAX || !serialize(line, packet->bytes, now_ns, &leaves_ns) ||
        happens(&line->loss, line->config.loss_ppm)) {
        link_packet_free(packet);
        counters->lost_impaired++;
        return;
    }
    if (happens(&line->ecn, line->config.ecn_ppm)) {
        counters->marked += wire_ecn_mark(packet->data, packet->bytes);
    }
    if (happens(&line->duplicate, line->config.duplicate_ppm)) {
        twin = copy_of(packet);
    }
    schedule(line, packet, leaves_ns);
    if (twin != NULL) {
        schedule(line, twin, leaves_ns);
    }
}

/* The queue whose first packet comes out next; NULL: nothing is under way. */
static struct link_packets *line_first(struct line *line)
{
    const struct link_packet *a = line->flow.first;
    const struct link_packet *b = line->held.first;

    if (a == NULL || b == NULL) {
        return a != NULL ? &line->flow : b != NULL ? &line->held : NULL;
    }
    if (a->due_ns != b->due_ns) {
        return a->due_ns < b->due_ns ? &line->flow : &line->held;
    }
    return a->order < b->order ? &line->flow : &line->held;
}

static struct link_packet *line_take(struct line *line, uint64_t now_ns)
{
    struct link_packets *packets = line_first(line);

    return packets == NULL || packets->first->due_ns > now_ns ? NULL : link_packets_take(packets);
}

static uint64_t line_next_ns(const struct line *line)
{
    uint64_t flow = line->flow.first == NULL ? BERTH_NEVER : line->flow.first->due_ns;
    uint64_t held = line->held.first == NULL ? BERTH_NEVER : line->held.first->due_ns;

    return min_u64(flow, held);
}

static void line_done(struct line *line)
{
    link_packets_clear(&line->flow);
    link_packets_clear(&line->held);
}

/* ---- The link -------------------------------------------------------------------------------- */

/* Takes PACKET, NULL for one that there was no memory for. */
static void enter(struct impair_link *impair, struct line *line, struct link_packet *packet,
                  uint64_t now_ns)
{
    struct link_packets pieces = {0};

    if (packet == NULL || !link_pieces(packet, &pieces)) {
        impair->link.counters.lost_impaired++;
    }
    for (packet = link_packets_take(&pieces); packet != NULL; packet = link_packets_take(&pieces)) {
        line_add(line, packet, now_ns, &impair->link.counters);
    }
}

/* Hands what has come out of from_berth to the inner link: 0 or BERTH_E_CLOSED. */
static int pass_on(struct impair_link *impair, uint64_t now_ns)
{
    struct link_packet *packet = line_take(&impair->from_berth, now_ns);
    int result = 0;

    while (packet != NULL) {
        struct berth_frame frame;

        link_packet_to_frame(packet, &frame);
        result = link_send(impair->inner, &frame, 1, now_ns);
        link_packet_free(packet);
        if (result < 0) {
            return result;
        }
        packet = line_take(&impair->from_berth, now_ns);
    }
    return 0;
}

/* Reads all that the inner link has, through BERTH's buffers; 0 or BERTH_E_CLOSED. */
static int take_in(struct impair_link *impair, struct berth *berth, uint64_t now_ns)
{
    struct berth_buffer *buffers[READ_BATCH];
    struct link *inner = impair->inner;
    int count;

    do {
        count = inner->table->read(inner, berth, buffers, READ_BATCH, now_ns);
        for (int i = 0; i < count; i++) {
            enter(impair, &impair->to_berth, link_packet_from_buffer(buffers[i]), now_ns);
            berth_buffer_put(berth, buffers[i]);
        }
    } while (count == READ_BATCH);
    return count < 0 ? count : 0;
}

static int impair_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                       unsigned max, uint64_t now_ns)
{
    struct impair_link *impair = impair_of(link);
    int result = take_in(impair, berth, now_ns);
    int passed = pass_on(impair, now_ns);
    struct link_packet *packet = line_take(&impair->to_berth, now_ns);
    unsigned count;

    while (packet != NULL) {
        link_packets_add(&impair->ready, packet);
        packet = line_take(&impair->to_berth, now_ns);
    }
    count = link_packets_read(&impair->ready, link, berth, buffers, max);
    link->starved = link->starved || impair->inner->starved;
    if (count > 0 || impair->ready.count > 0 || line_next_ns(&impair->to_berth) != BERTH_NEVER) {
        return (int)count;
    }
    return result < 0 ? result : passed;
}

static int impair_send(struct link *link, const struct berth_frame *frames, unsigned count,
                       uint64_t now_ns)
{
    struct impair_link *impair = impair_of(link);
    int result;

    for (unsigned i = 0; i < count; i++) {
        enter(impair, &impair->from_berth, link_packet_from_frame(&frames[i]), now_ns);
        link->counters.sent++;
    }
    result = pass_on(impair, now_ns);
    return result < 0 ? result : (int)count;
}

static uint64_t impair_next_ns(const struct link *link)
{
    const struct impair_link *impair = (const struct impair_link *)link;
    uint64_t next_ns = min_u64(line_next_ns(&impair->from_berth), link_next_ns(impair->inner));

    if (link->starved) {
        return next_ns;
    }
    return impair->ready.count > 0 ? 0 : min_u64(next_ns, line_next_ns(&impair->to_berth));
}

static int impair_fd(const struct link *link)
{
    return link_fd(((const struct impair_link *)link)->inner);
}

static uint32_t impair_offloads(const struct link *link)
{
    (void)link;
    return BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6 | BERTH_LINK_USO;
}

static void impair_free(struct link *link)
{
    struct impair_link *impair = impair_of(link);

    line_done(&impair->from_berth);
    line_done(&impair->to_berth);
    link_packets_clear(&impair->ready);
    link_free(impair->inner);
    free(impair);
}

static const struct link_table impair_table = {
    .name = "impair",
    .read = impair_read,
    .send = impair_send,
    .next_ns = impair_next_ns,
    .fd = impair_fd,
    .offloads = impair_offloads,
    .free = impair_free,
};

int link_impair_new(struct link *inner, const struct link_impairment *from_berth,
                    const struct link_impairment *to_berth, struct link **out)
{
    static const char *const names[2][STREAMS] = {
        {"impair-out-loss", "impair-out-duplicate", "impair-out-corrupt", "impair-out-jitter",
         "impair-out-reorder", "impair-out-ecn"},
        {"impair-in-loss", "impair-in-duplicate", "impair-in-corrupt", "impair-in-jitter",
         "impair-in-reorder", "impair-in-ecn"},
    };
    struct impair_link *impair = calloc(1, sizeof *impair);

    if (impair == NULL) {
        return BERTH_E_LIMIT;
    }
    impair->link.table = &impair_table;
    impair->inner = inner;
    line_init(&impair->from_berth, from_berth, names[0]);
    line_init(&impair->to_berth, to_berth, names[1]);
    *out = &impair->link;
    return 0;
}
