/* SPDX-License-Identifier: MIT */
/*
 * sim/plan.c: draws a plan. One stream of the seed per subject, so that more of one subject does
 * not move another.
 */
#include "sim/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cc/cc.h"
#include "sim/drawing.h"

#define PPM              1000000U
#define DAY_NS           (24 * 3600 * NS_PER_S)
#define DELAY_NS_MIN     NS_PER_US /* a path that takes no time would let nothing else happen */
#define IPV6_MTU_MIN     1280
#define HEADROOM         64
#define DRAWN_BYTES      (300U << 10)
#define DRAWN_TOTAL      (1U << 20)
#define MANY_FLOWS       2000
#define BACKLOG          4096
#define US_PER_S         1000000U
#define QUEUE_BYTES_MOST ((uint64_t)512 << 20) /* of a connection's queue */
#define BUFFERS_MOST     1000000U
#define START_NS         (100 * NS_PER_MS) /* in which flows that have a time begin */
#define CHECKED_BYTES    (128U << 10) /* under way, for each look at the invariants not taken */
#define CHECKED_FLOWS    16
/* A timeout that has backed off to a minute, where nothing measures a round trip, has ten tries
 * then, not five: below DRAWING_BAD_PPM each way all of them fail once in ten million times, not
 * once in a few thousand. */
#define USER_TIMEOUT_NS (600 * NS_PER_S)

/* ---- Paths ----------------------------------------------------------------------------------- */

static void draw_times(struct drawing *drawing, struct link_impairment *path)
{
    struct random *random = &drawing->random;
    /* So much for each flow that none of them may starve among the others. */
    uint64_t rate_min_bps = max_u64(64000, (uint64_t)drawing->plan->flow_count * 20000);
    uint32_t queue_min = max_u32(4500, drawing->plan->flow_count * 1500);

    if (drawing_may(drawing, SIM_GIVEN_DELAY)) {
        path->delay_ns = draw_log(random, 10 * NS_PER_US, 150 * NS_PER_MS);
    }
    if (drawing_may(drawing, SIM_GIVEN_JITTER)) {
        path->jitter_ns = draw_chance(random, 50) ? draw_between(random, 0, path->delay_ns) : 0;
    }
    if (drawing_may(drawing, SIM_GIVEN_RATE)) {
        path->rate_bps = draw_chance(random, 60) ? draw_log(random, rate_min_bps, 1000000000) : 0;
    }
    if (drawing_may(drawing, SIM_GIVEN_QUEUE)) {
        path->queue_bytes =
            draw_chance(random, 50) ? (uint32_t)draw_log(random, queue_min, queue_min * 50) : 0;
    }
}

static void draw_troubles(struct drawing *drawing, struct link_impairment *path)
{
    struct random *random = &drawing->random;

    if (drawing_may(drawing, SIM_GIVEN_LOSS)) {
        path->loss_ppm = drawing_ppm(random, 60, 50000);
    }
    if (drawing_may(drawing, SIM_GIVEN_DUPLICATE)) {
        path->duplicate_ppm = drawing_ppm(random, 40, 30000);
    }
    if (drawing_may(drawing, SIM_GIVEN_REORDER)) {
        path->reorder_ppm = drawing_ppm(random, 50, 60000);
    }
    if (drawing_may(drawing, SIM_GIVEN_CORRUPT)) {
        path->corrupt_ppm = drawing_ppm(random, 40, 10000);
    }
}

static void draw_paths(struct drawing *drawing)
{
    static const char *const names[2] = {"sim-path-a", "sim-path-b"};
    struct plan *plan = drawing->plan;

    for (unsigned i = 0; i < 2; i++) {
        struct link_impairment *path = &plan->paths[i];

        drawing_begin(drawing, names[i]);
        *path = drawing->config->path;
        path->seed = random_u64(&drawing->random);
        draw_times(drawing, path);
        draw_troubles(drawing, path);
        path->delay_ns = max_u64(path->delay_ns, DELAY_NS_MIN);
        plan->may_time_out |= path->loss_ppm + path->corrupt_ppm >= DRAWING_BAD_PPM;
    }
    drawing_begin(drawing, "sim-down");
    if (drawing->vary && draw_chance(&drawing->random, 15)) {
        plan->down_from_ns = draw_log(&drawing->random, NS_PER_MS, 10 * NS_PER_S);
        plan->down_until_ns =
            plan->down_from_ns + draw_log(&drawing->random, 10 * NS_PER_MS, 15 * NS_PER_S);
    }
}

/* Where nothing is drawn, what the path limits is in what all hosts share. */
static void share_path(struct drawing *drawing)
{
    const struct sim_config *config = drawing->config;

    drawing->plan->has_pipes = true;
    for (unsigned i = 0; i < 2; i++) {
        struct link_impairment *path = &drawing->plan->paths[i];

        drawing->plan->pipes[i] = (struct pipe_config){
            .seed = path->seed,
            .rate_bps = path->rate_bps,
            .delay_ns = path->delay_ns,
            .queue_bytes = path->queue_bytes,
            .queue_packets = config->queue_packets,
            .loss_ppm = path->loss_ppm,
            .discipline = config->discipline == SIM_TAIL_DROP ? PIPE_TAIL_DROP : PIPE_CODEL,
            .marks = config->discipline == SIM_CODEL_MARKS,
        };
        path->reorder_delay_ns = path->reorder_delay_ns == 0
                                     ? max_u64(path->delay_ns / 4, NS_PER_MS)
                                     : path->reorder_delay_ns;
        path->rate_bps = path->delay_ns = path->queue_bytes = path->loss_ppm = 0;
    }
}

/* ---- Stacks ---------------------------------------------------------------------------------- */

static uint32_t draw_mtu(struct drawing *drawing)
{
    bool v4_only = drawing->config->versions == SIM_IPV4;

    drawing_begin(drawing, "sim-mtu");
    if (!drawing_may(drawing, SIM_GIVEN_MTU)) {
        return drawing->config->mtu;
    }
    if (v4_only && draw_chance(&drawing->random, 15)) {
        return 576;
    }
    return DRAWING_PICK(&drawing->random, 1500, 1500, 1500, IPV6_MTU_MIN, 9000, 65520);
}

static void draw_limits(struct drawing *drawing, struct berth_config *stack)
{
    struct random *random = &drawing->random;
    struct berth_limits *limits = &stack->limits;
    bool starved = drawing->config->scenario == SIM_MIXED && draw_chance(random, 30);

    limits->buffers = starved ? (uint32_t)draw_between(random, 16, 48)
                              : DRAWING_PICK(random, 128, 256, 1024, 2048);
    limits->buffers_reserved = limits->buffers / 4;
    limits->tcp_sent_records = DRAWING_PICK(random, 64, 256, 4096);
    limits->tcp_reorder_records = DRAWING_PICK(random, 0, 4, 64, 1024);
    limits->tcp_reorder_per_connection = DRAWING_PICK(random, 1, 16, 256);
    limits->replies = DRAWING_PICK(random, 1, 16, 256);
    if (starved) {
        limits->tcp_sent_records = DRAWING_PICK(random, 1, 2, 8, 64);
    }
}

static void draw_tcp(struct drawing *drawing, struct berth_tcp_settings *tcp)
{
    struct random *random = &drawing->random;

    tcp->receive_bytes_max = (uint32_t)draw_log(random, 2048, 1U << 20);
    tcp->receive_bytes_initial =
        (uint32_t)draw_between(random, 2048, min_u32(tcp->receive_bytes_max, 65536));
    tcp->send_bytes_max = (uint32_t)draw_log(random, 2048, 1U << 20);
    tcp->send_bytes_initial = min_u32(tcp->send_bytes_max, 2048U << (tcp->send_bytes_max % 8));
    tcp->sack = draw_chance(random, 80);
    tcp->timestamps = draw_chance(random, 80);
    tcp->window_scale = draw_chance(random, 80);
    tcp->blind_attack_checks = draw_chance(random, 80);
    tcp->delayed_ack_ns = draw_between(random, 0, 200 * NS_PER_MS);
    tcp->rto_min_ns = DRAWING_PICK(random, 200, 200, 500, 1000) * NS_PER_MS;
    tcp->initial_window = (uint32_t)draw_between(random, 1, 10);
    tcp->time_wait_ns = DRAWING_PICK(random, 1, 60, 120) * NS_PER_S;
    /* By what was drawn already, so that the seeds' other draws stay what they were. */
    tcp->mtu_probing = (enum berth_mtu_probing)(tcp->receive_bytes_max % 3);
    tcp->frto = tcp->send_bytes_max % 4 != 0;
    tcp->quick_ack_ns = tcp->receive_bytes_max % 4 == 1 ? tcp->delayed_ack_ns / 64 : 0;
    tcp->receive_bytes_shared = tcp->receive_bytes_max % 8 == 3 ? tcp->receive_bytes_max / 2 : 0;
    tcp->pacing = tcp->send_bytes_max % 8 == 5;
    tcp->idle_window_ns = (uint64_t)(tcp->receive_bytes_max % 3) * NS_PER_S;
    tcp->user_timeout_ns = USER_TIMEOUT_NS;
}

/* Memory that follows from the flows; chance does not enter. */
static void size_for_flows(struct berth_config *stack, uint32_t flows)
{
    struct berth_limits *limits = &stack->limits;

    limits->tcp_connections = flows + 16;
    limits->tcp_time_wait = flows + 16;
    limits->tcp_sent_records = max_u32(limits->tcp_sent_records, flows);
    limits->replies = flows > 16 ? max_u32(limits->replies, 256) : limits->replies;
    limits->tcp_listeners = PLAN_LISTENERS;
    limits->tcp_held = 4;
    limits->udp_sockets = 4;
    limits->udp_queue_bytes = 32768;
    limits->reassemblies = 8;
    limits->binds = flows + 64;
    limits->port_endpoints = 64;
    limits->rules = 64;
    limits->rule_bytes = 8192;
    limits->contacts = 16;
    limits->routes = 8;
}

/* Queues that hold what the path does, twice: a sender is to be held up by the path alone. */
static void size_for_path(const struct drawing *drawing, struct berth_config *stack)
{
    const struct pipe_config *pipe = &drawing->plan->pipes[0];
    uint64_t on_path = pipe->rate_bps / 8 * (2 * pipe->delay_ns / NS_PER_US) / US_PER_S;
    uint64_t bytes = 2 * (on_path + pipe->queue_bytes) + stack->tcp.send_bytes_max;
    uint64_t buffers;

    bytes = min_u64(bytes, QUEUE_BYTES_MOST);
    if (drawing->plan->checks_every > 0) { /* a look costs as much as there is in the queues */
        drawing->plan->checks_every =
            max_u32(drawing->plan->checks_every, (uint32_t)(bytes / CHECKED_BYTES));
    }
    stack->tcp.send_bytes_max = max_u32(stack->tcp.send_bytes_max, (uint32_t)bytes);
    stack->tcp.receive_bytes_max = max_u32(stack->tcp.receive_bytes_max, (uint32_t)bytes);
    buffers = 4 * bytes * (1 + drawing->plan->flow_count / drawing->plan->pairs) /
              stack->limits.buffer_bytes;
    stack->limits.buffers =
        (uint32_t)min_u64(max_u64(stack->limits.buffers, buffers), BUFFERS_MOST);
    stack->limits.tcp_sent_records =
        max_u32(stack->limits.tcp_sent_records, stack->limits.buffers * 2);
    stack->limits.tcp_reorder_records =
        max_u32(stack->limits.tcp_reorder_records, stack->limits.buffers);
    stack->limits.tcp_reorder_per_connection =
        max_u32(stack->limits.tcp_reorder_per_connection, stack->limits.buffers);
}

/* Each host's own: any two work together. */
static void draw_controller(struct drawing *drawing, char *name, size_t bytes)
{
    uint32_t count = 0;

    if (!drawing_may(drawing, SIM_GIVEN_CC)) {
        size_t first = strcspn(drawing->config->congestion_control, ",");

        first = min_size(first, bytes - 1);
        memcpy(name, drawing->config->congestion_control, first);
        name[first] = '\0';
        return;
    }
    while (cc_at(count) != NULL) {
        count++;
    }
    (void)snprintf(name, bytes, "%s", cc_at(random_below(&drawing->random, count))->name);
}

static void draw_stacks(struct drawing *drawing)
{
    static const char *const names[2] = {"sim-stack-a", "sim-stack-b"};
    static const char *const controllers[2] = {"sim-cc-a", "sim-cc-b"};
    uint32_t mtu = draw_mtu(drawing);

    for (unsigned i = 0; i < 2; i++) {
        struct berth_config *stack = &drawing->plan->stacks[i];
        struct random *random = &drawing->random;

        berth_config_init(stack);
        drawing_begin(drawing, controllers[i]);
        draw_controller(drawing, stack->tcp.congestion_control,
                        sizeof stack->tcp.congestion_control);
        drawing_begin(drawing, names[i]);
        random_fill(random, stack->seed, sizeof stack->seed);
        stack->mtu = mtu;
        if (drawing->vary) {
            stack->offloads = DRAWING_PICK(random, 0, BERTH_LINK_CHECKSUM,
                                           BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6 |
                                               BERTH_LINK_USO);
            stack->segment_bytes_max = DRAWING_PICK(random, 65415, 20000, 3000);
            draw_limits(drawing, stack);
            draw_tcp(drawing, &stack->tcp);
        }
        if (drawing->config->scenario == SIM_MANY) {
            stack->limits.buffers = 16384;
            stack->limits.buffers_reserved = 256;
        }
        stack->limits.buffer_bytes = max_u32(2048, mtu + HEADROOM);
        if (!drawing->vary) {
            size_for_path(drawing, stack);
        }
        size_for_flows(stack, drawing->plan->flow_count);
    }
}

/* ---- Flows ----------------------------------------------------------------------------------- */

/* A peer that has closed gives up on a window that stays shut for minutes (RFC 6429 4): a reader
   takes a packet's worth in half a minute, one with another. */
static void bound_read_pauses(const struct drawing *drawing, struct plan_end *end)
{
    uint64_t reads = 1 + 2 * (uint64_t)drawing->plan->stacks[0].mtu / end->read_max;
    uint64_t all_ns = reads * (end->pause_max_ns / 2 + 1); /* if every read paused */

    if (all_ns > 30 * NS_PER_S) {
        uint32_t most_ppm = (uint32_t)(30 * NS_PER_S * PPM / all_ns);

        end->read_pause_ppm = min_u32(end->read_pause_ppm, most_ppm);
    }
}

static void draw_manners(struct drawing *drawing, struct plan_end *end)
{
    struct random *random = &drawing->random;

    end->write_max = (uint32_t)draw_log(random, draw_chance(random, 5) ? 1 : 100, 100000);
    end->read_max = (uint32_t)draw_log(random, draw_chance(random, 5) ? 1 : 100, 100000);
    end->in_place = draw_chance(random, 50);
    end->no_delay = draw_chance(random, 50);
    end->quick_ack = draw_chance(random, 20);
    if (draw_chance(random, 30)) {
        end->read_pause_ppm = (uint32_t)draw_between(random, 0, 200000);
    }
    if (draw_chance(random, 30)) {
        end->write_pause_ppm = (uint32_t)draw_between(random, 0, 200000);
    }
    end->pause_max_ns = draw_log(random, NS_PER_MS, 5 * NS_PER_S);
    if (end->bytes / end->write_max > 1000 || end->bytes / end->read_max > 1000) {
        end->read_pause_ppm /= 100;
        end->write_pause_ppm /= 100;
    }
    bound_read_pauses(drawing, end);
}

static void draw_ends(struct drawing *drawing, struct plan_flow *flow)
{
    struct random *random = &drawing->random;
    bool first_may_close = flow->ends[1].bytes == 0;

    for (unsigned i = 0; i < 2; i++) {
        draw_manners(drawing, &flow->ends[i]);
        flow->ends[i].close = draw_chance(random, 50) ? PLAN_SHUTDOWN : PLAN_SEE_CLOSED;
    }
    if (draw_chance(random, 30)) {
        flow->ends[random_below(random, 2)].close = PLAN_LAST;
    } else if (draw_chance(random, 40) && (first_may_close || flow->ends[0].bytes == 0)) {
        flow->ends[first_may_close ? 0 : 1].close = PLAN_CLOSE;
    }
}

static void draw_mixture(struct drawing *drawing, struct plan_flow *flow)
{
    struct random *random = &drawing->random;
    struct plan_end *end = &flow->ends[random_below(random, 2)];
    uint64_t total = flow->ends[0].bytes + flow->ends[1].bytes;

    if (draw_chance(random, 25)) {
        flow->opener = PLAN_OPENER_BOTH;
    }
    if (draw_chance(random, 25)) {
        flow->may_break = true;
        flow->ends[0].keepalive = true;
        flow->ends[1].keepalive = true;
        end->abort_at = draw_between(random, 0, total);
    }
}

static uint64_t draw_bytes(struct drawing *drawing)
{
    struct random *random = &drawing->random;
    uint64_t most = DRAWN_TOTAL / drawing->plan->flow_count;

    if (!drawing_may(drawing, SIM_GIVEN_BYTES)) {
        return drawing->config->bytes;
    }
    if (drawing->config->scenario == SIM_MANY) {
        return draw_between(random, 1, 4000);
    }
    return draw_log(random, 1, max_u64(1, min_u64(most, DRAWN_BYTES)));
}

static uint8_t draw_version(struct drawing *drawing)
{
    uint32_t versions = drawing->config->versions;

    if (drawing_may(drawing, SIM_GIVEN_VERSIONS) && drawing->plan->stacks[0].mtu >= IPV6_MTU_MIN) {
        versions = SIM_IPV4 | SIM_IPV6;
    }
    if (versions == (SIM_IPV4 | SIM_IPV6)) {
        return draw_chance(&drawing->random, 50) ? 4 : 6;
    }
    return versions == SIM_IPV6 ? 6 : 4;
}

static void set_plain_end(struct plan_end *end, uint64_t bytes)
{
    *end = (struct plan_end){.bytes = bytes,
                             .write_max = 65536,
                             .read_max = 65536,
                             .sleep_at = PLAN_NEVER,
                             .abort_at = PLAN_NEVER,
                             .close = PLAN_SHUTDOWN};
}

/* The one of CONFIG's list whose turn it is; NULL: all have the same. */
static const char *controller_of(const struct sim_config *config, uint32_t index)
{
    const char *list = config->congestion_control;
    char name[sizeof config->congestion_control];
    const struct cc_table *table;
    uint32_t count = 1;

    for (const char *at = strchr(list, ','); at != NULL; at = strchr(at + 1, ',')) {
        count++;
    }
    if (count == 1) {
        return NULL;
    }
    for (index %= count; index > 0; index--) {
        list = strchr(list, ',') + 1;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(list, ","), list);
    table = cc_find(name);
    return table == NULL ? NULL : table->name;
}

static void draw_flow(struct drawing *drawing, struct plan_flow *flow)
{
    struct random *random = &drawing->random;
    enum sim_scenario scenario = drawing->config->scenario;

    *flow = (struct plan_flow){.version = draw_version(drawing)};
    set_plain_end(&flow->ends[0], draw_bytes(drawing));
    set_plain_end(&flow->ends[1], 0);
    flow->controller = controller_of(drawing->config, (uint32_t)(flow - drawing->plan->flows));
    if (!drawing->vary) {
        flow->ends[1].close = PLAN_LAST; /* A keeps its connection, and its figures, to the end */
        if (drawing->config->time_ns > 0) {
            flow->ends[0].bytes = UINT64_MAX;
            flow->start_ns = draw_between(random, 0, START_NS);
        }
        return;
    }
    if (draw_chance(random, 60)) {
        flow->ends[1].bytes = draw_bytes(drawing);
    }
    if (draw_chance(random, 20) && flow->ends[1].bytes > 0) {
        flow->ends[0].bytes = 0;
    }
    flow->opener = draw_chance(random, 30) ? PLAN_OPENER_B : PLAN_OPENER_A;
    flow->start_ns = draw_between(random, 0, 2 * NS_PER_S);
    draw_ends(drawing, flow);
    if (scenario == SIM_MIXED) {
        draw_mixture(drawing, flow);
    }
    if (scenario == SIM_IDLE) {
        struct plan_end *end = &flow->ends[flow->ends[0].bytes > 0 ? 0 : 1];

        end->sleep_at = draw_between(random, 0, end->bytes - 1);
        end->sleep_ns = DAY_NS;
        flow->ends[0].keepalive = draw_chance(random, 30);
        flow->ends[1].keepalive = draw_chance(random, 30);
    }
}

static uint32_t draw_flow_count(struct drawing *drawing)
{
    drawing_begin(drawing, "sim-flow-count");
    if (!drawing_may(drawing, SIM_GIVEN_FLOWS)) {
        return drawing->config->flows;
    }
    switch (drawing->config->scenario) {
    case SIM_FLOOD: /* has no plan: flood.c */
    case SIM_TRANSFER:
        return (uint32_t)draw_log(&drawing->random, 1, 8);
    case SIM_MIXED:
        return (uint32_t)draw_between(&drawing->random, 1, 8);
    case SIM_IDLE:
        return (uint32_t)draw_between(&drawing->random, 1, 3);
    case SIM_MANY:
        return MANY_FLOWS;
    }
    return 1;
}

int plan_make(const struct sim_config *config, struct plan *out)
{
    struct drawing drawing = {
        .config = config, .plan = out, .vary = config->vary || config->scenario != SIM_TRANSFER};

    *out = (struct plan){.down_from_ns = PLAN_NEVER};
    out->flow_count = draw_flow_count(&drawing);
    out->pairs = config->pairs;
    out->backlog = BACKLOG;
    out->checks_every = out->flow_count <= CHECKED_FLOWS ? 1 : 0;
    if (!drawing.vary) {
        out->checks_every = out->flow_count <= CHECKED_FLOWS ? 64 : 1024;
    }
    out->flows = calloc(out->flow_count, sizeof *out->flows);
    if (out->flows == NULL) {
        return -ENOMEM;
    }
    draw_paths(&drawing);
    if (!drawing.vary) {
        share_path(&drawing);
    }
    draw_stacks(&drawing);
    plan_draw_network(&drawing);
    drawing_begin(&drawing, "sim-flows");
    for (uint32_t i = 0; i < out->flow_count; i++) {
        draw_flow(&drawing, &out->flows[i]);
    }
    plan_draw_holes(&drawing);
    plan_ecn(config, drawing.vary, out);
    if (config->scenario == SIM_MIXED) {
        drawing_begin(&drawing, "sim-mixture");
        out->datagrams = (uint32_t)draw_between(&drawing.random, 0, 20);
        out->datagram_bytes_max = min_u32(out->stacks[0].limits.buffer_bytes - 256, 6000);
        out->forgeries = (uint32_t)draw_between(&drawing.random, 0, 100);
    }
    plan_draw_scarcity(&drawing);
    if (drawing.vary && (config->scenario == SIM_MIXED || config->scenario == SIM_TRANSFER)) {
        plan_opening(config, out);
    }
    if (config->has_twins) {
        plan_twins(config, out);
    }
    return 0;
}

void plan_done(struct plan *plan)
{
    free(plan->flows);
}
