/* SPDX-License-Identifier: MIT */
/*
 * sim/flood.c: a SYN flood. A run of its own, with no network in between: host A's clients and host
 * B's listener are a delay apart, and the flood arrives at B without one.
 *
 *   host A ── delay ── host B ◀── 1,000,000 SYNs a second of random sources, 16 at a time
 *
 * 1. No client waits longer for its connection than the round trip, and one burst of the flood.
 * 2. Half-open records, connections and buffers stay within their limits, and B's memory does not
 *    grow once the first client was served: pages that were touched are counted.
 */
#include "sim/flood.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "wire/wire.h"

#define BURST         16
#define BURST_NS      (16 * NS_PER_US) /* 1,000,000 SYNs a second */
#define FLOWS         8                /* unless told otherwise */
#define PORT          5000
#define REQUEST_BYTES 1000
#define WAY_PACKETS   1024
#define PACKET_BYTES  2048
#define FRAMES        16
#define GRACE_NS      NS_PER_S /* after the flood, for what is under way */
#define PAGES_GROWN   4        /* that a connection's last packets may touch, and no flood */

struct on_way {
    uint64_t due_ns;
    uint32_t bytes;
    uint8_t data[PACKET_BYTES];
};

/* What is on the way to a host; all take equally long. */
struct way {
    struct on_way *packets; /* a ring of WAY_PACKETS */
    uint32_t first;
    uint32_t count;
};

struct side {
    struct berth *berth;
    void *memory;
    size_t memory_bytes;
    struct berth_address address;
    struct way in;
};

struct client {
    struct sim_flow_result *result;
    berth_id id;     /* at A */
    berth_id served; /* at B */
    bool is_started;
    bool is_done;
};

struct flood {
    const struct sim_config *config;
    struct sim_result *out;
    struct side sides[2];
    struct client *clients;
    uint32_t client_count;
    uint32_t accepted;
    uint64_t now_ns;
    uint64_t time_ns;
    struct random random;
    struct wire_packet syn;
    size_t pages; /* of B's memory, once the first client was served */
    bool is_v6;
    struct berth_frame frames[FRAMES];
};

static void fail(struct flood *flood, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct flood *flood, const char *format, ...)
{
    va_list arguments;

    if (flood->out->failure[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(flood->out->failure, sizeof flood->out->failure, format, arguments);
    va_end(arguments);
}

/* ---- Two stacks ------------------------------------------------------------------------------ */

static int make_side(struct flood *flood, unsigned index)
{
    static const char *const addresses[2][2] = {{"10.1.0.1", "10.1.0.2"}, {"fd01::1", "fd01::2"}};
    static const char rules[] = "allow in 5000\nallow out any\n";
    struct side *side = &flood->sides[index];
    struct berth_rules_error wrong;
    struct berth_prefix prefix = {.bits = flood->is_v6 ? 64 : 96 + 24};
    struct berth_config config;
    int result;

    berth_config_init(&config);
    config.mtu = flood->config->mtu;
    config.limits.buffer_bytes = PACKET_BYTES;
    memcpy(config.seed, &flood->config->seed, sizeof flood->config->seed);
    config.seed[BERTH_SEED_BYTES - 1] = (uint8_t)index;
    side->memory_bytes = berth_memory_bytes(&config);
    side->memory = mmap(NULL, side->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (side->memory == MAP_FAILED) {
        side->memory = NULL;
        return -ENOMEM;
    }
    side->in.packets = calloc(WAY_PACKETS, sizeof *side->in.packets);
    if (side->in.packets == NULL) {
        return -ENOMEM;
    }
    result = berth_init(&side->berth, &config, side->memory, side->memory_bytes, 0);
    result =
        result == 0 ? berth_address_parse(addresses[flood->is_v6][index], &side->address) : result;
    prefix.address = side->address;
    result = result == 0 ? berth_address_add(side->berth, &prefix) : result;
    result = result == 0 ? berth_rules_load(side->berth, rules, sizeof rules - 1, &wrong) : result;
    if (result != 0) {
        fail(flood, "host %c cannot be made: %s", 'A' + (int)index, berth_error_text(result));
    }
    return 0;
}

static void done_side(struct side *side)
{
    if (side->berth != NULL) {
        berth_done(side->berth);
    }
    if (side->memory != NULL) {
        (void)munmap(side->memory, side->memory_bytes);
    }
    free(side->in.packets);
}

/* Pages of SIDE's memory that were ever touched. */
static size_t count_pages(const struct side *side)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (side->memory_bytes + page - 1) / page;
    unsigned char *resident = malloc(pages);
    size_t count = 0;

    if (resident != NULL && mincore(side->memory, side->memory_bytes, resident) == 0) {
        for (size_t i = 0; i < pages; i++) {
            count += resident[i] & 1U;
        }
    }
    free(resident);
    return count;
}

/* ---- Packets --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static bool is_to(const struct flood *flood, const struct side *side,
                  const struct berth_frame *frame)
{
    const uint8_t *header = frame->views[0].data;

    return flood->is_v6 ? memcmp(header + 24, side->address.bytes, 16) == 0
                        : memcmp(header + 16, side->address.bytes + 12, 4) == 0;
}

static void put_on_way(struct flood *flood, struct side *to, const struct berth_frame *frame)
{
    struct way *way = &to->in;
    struct on_way *packet = &way->packets[(way->first + way->count) % WAY_PACKETS];

    if (way->count == WAY_PACKETS || frame->bytes > PACKET_BYTES) {
        fail(flood, "more is under way than clients can send");
        return;
    }
    way->count++;
    packet->due_ns = flood->now_ns + flood->config->path.delay_ns;
    packet->bytes = 0;
    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(packet->data + packet->bytes, frame->views[i].data, frame->views[i].bytes);
        packet->bytes += (uint32_t)frame->views[i].bytes;
    }
}

/* What SIDE sends: to the other host, or back to where the flood seems to come from. */
static void transmit(struct flood *flood, unsigned index)
{
    struct side *side = &flood->sides[index];
    uint32_t count;

    do {
        count = berth_transmit(side->berth, flood->frames, FRAMES, flood->now_ns);
        for (uint32_t i = 0; i < count; i++) {
            const struct berth_frame *frame = &flood->frames[i];

            flood->out->packets++;
            flood->out->trace = mix(flood->out->trace, flood->now_ns ^ frame->bytes);
            if (is_to(flood, &flood->sides[1 - index], frame)) {
                put_on_way(flood, &flood->sides[1 - index], frame);
            }
        }
    } while (count > 0);
}

static void hand_over(struct flood *flood, struct side *side, const uint8_t *data, uint32_t bytes)
{
    struct berth_buffer *buffer = berth_buffer_get(side->berth);

    if (buffer == NULL) {
        fail(flood, "no buffer is left for a packet that arrives");
        return;
    }
    memcpy(buffer->data + buffer->begin, data, bytes);
    buffer->bytes = bytes;
    berth_receive(side->berth, buffer, flood->now_ns);
}

static void arrive(struct flood *flood, struct side *side)
{
    struct way *way = &side->in;

    while (way->count > 0 && way->packets[way->first].due_ns <= flood->now_ns) {
        struct on_way *packet = &way->packets[way->first];

        hand_over(flood, side, packet->data, packet->bytes);
        way->first = (way->first + 1) % WAY_PACKETS;
        way->count--;
    }
}

/* ---- The flood ------------------------------------------------------------------------------- */

static void init_syn(struct flood *flood)
{
    flood->syn = (struct wire_packet){.version = flood->is_v6 ? 6 : 4,
                                      .protocol = WIRE_TCP,
                                      .hop_limit = 50,
                                      .dont_fragment = true,
                                      .destination = flood->sides[1].address,
                                      .destination_port = PORT};
    flood->syn.tcp = (struct wire_tcp){.flags = WIRE_SYN,
                                       .window = 64240,
                                       .options = WIRE_OPTION_MSS | WIRE_OPTION_SACK_PERMITTED |
                                                  WIRE_OPTION_TIMESTAMPS | WIRE_OPTION_WSCALE,
                                       .mss = 1460,
                                       .wscale = 7};
}

/* A source that is neither host: 11.0.0.0/8 to 74..., or 2001:db8::/32. */
static struct berth_address draw_source(struct flood *flood)
{
    struct berth_address source;

    if (!flood->is_v6) {
        return berth_address_v4(0x0b000000U + random_below(&flood->random, 0x40000000U));
    }
    random_fill(&flood->random, &source, sizeof source);
    memcpy(source.bytes, "\x20\x01\x0d\xb8", 4);
    return source;
}

static void one_syn(struct flood *flood)
{
    struct wire_packet *syn = &flood->syn;
    uint8_t packet[BERTH_FRAME_HEADER_BYTES];
    struct berth_view view = {.data = packet};
    struct wire_sum_place place;

    syn->source = draw_source(flood);
    syn->source_port = (uint16_t)(1024 + random_below(&flood->random, 64512));
    syn->tcp.seq = random_u32(&flood->random);
    syn->tcp.tsval = random_u32(&flood->random);
    view.bytes = wire_emit_tcp(packet, syn);
    place = wire_sum_place(syn, (uint32_t)view.bytes);
    wire_finish(&view, 1, &place);
    hand_over(flood, &flood->sides[1], packet, (uint32_t)view.bytes);
    flood->out->flood.syns++;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static uint8_t byte_at(uint32_t flow, uint32_t offset)
{
    return (uint8_t)((flow * 31U + offset * 2654435761U) >> 7);
}

static void start_client(struct flood *flood, struct client *client)
{
    struct berth_endpoint to = {.address = flood->sides[1].address, .port = PORT};

    client->is_started = true;
    client->result->begin_ns = flood->now_ns;
    if (berth_tcp_connect(flood->sides[0].berth, NULL, &to, client, &client->id) < 0) {
        fail(flood, "a client cannot call connect");
    }
}

static void on_connected(struct flood *flood, struct client *client)
{
    uint32_t index = (uint32_t)(client - flood->clients);
    uint64_t took_ns = flood->now_ns - client->result->begin_ns;
    uint8_t request[REQUEST_BYTES];
    size_t taken = 0;

    flood->out->flood.connect_ns_max = max_u64(flood->out->flood.connect_ns_max, took_ns);
    if (took_ns > 2 * flood->config->path.delay_ns + 2 * BURST_NS) {
        fail(flood, "client %" PRIu32 " waited %.3f ms for its connection", index + 1,
             (double)took_ns / 1e6);
    }
    for (uint32_t i = 0; i < REQUEST_BYTES; i++) {
        request[i] = byte_at(index, i);
    }
    if (berth_tcp_write(flood->sides[0].berth, client->id, request, sizeof request, &taken) < 0 ||
        taken != sizeof request) {
        fail(flood, "client %" PRIu32 " cannot write", index + 1);
    }
    client->result->ends[0].sent = taken;
}

/* The echo comes back, in one piece or several. */
static void on_echo(struct flood *flood, struct client *client)
{
    struct sim_end_result *end = &client->result->ends[0];
    uint32_t index = (uint32_t)(client - flood->clients);
    uint8_t data[REQUEST_BYTES];
    size_t got = 0;

    while (berth_tcp_read(flood->sides[0].berth, client->id, data, sizeof data, &got) == 0 &&
           got > 0) {
        for (size_t i = 0; i < got; i++) {
            if (data[i] != byte_at(index, (uint32_t)(end->received + i))) {
                fail(flood, "client %" PRIu32 " got another byte than it sent", index + 1);
            }
        }
        end->received += got;
        end->counted = end->received;
    }
    if (end->received == REQUEST_BYTES) {
        (void)berth_tcp_close(flood->sides[0].berth, client->id);
        client->is_done = true;
        client->result->end_ns = flood->now_ns;
        if (flood->pages == 0) {
            flood->pages = count_pages(&flood->sides[1]);
        }
    }
}

static void client_events(struct flood *flood)
{
    struct berth_event event;

    while (berth_next_event(flood->sides[0].berth, &event)) {
        struct client *client = event.user;

        if ((event.bits & BERTH_EVENT_CLOSED) != 0 && !client->is_done) {
            client->result->ends[0].error = event.error;
            fail(flood, "client %td: %s", client - flood->clients + 1,
                 berth_error_text(event.error));
            return;
        }
        if ((event.bits & BERTH_EVENT_CONNECTED) != 0) {
            on_connected(flood, client);
        }
        if ((event.bits & BERTH_EVENT_READABLE) != 0 && !client->is_done) {
            on_echo(flood, client);
        }
    }
}

/* ---- The listener ---------------------------------------------------------------------------- */

static void accept_all(struct flood *flood, berth_id listener)
{
    struct berth *berth = flood->sides[1].berth;

    while (flood->accepted < flood->client_count &&
           berth_tcp_accept(berth, listener, &flood->clients[flood->accepted],
                            &flood->clients[flood->accepted].served) == 0) {
        flood->accepted++;
    }
}

/* Whatever comes goes back. */
static void serve(struct flood *flood, struct client *client)
{
    struct berth *berth = flood->sides[1].berth;
    uint8_t data[REQUEST_BYTES];
    size_t got = 0;
    size_t taken = 0;

    while (client->served != 0 &&
           berth_tcp_read(berth, client->served, data, sizeof data, &got) == 0) {
        client->result->ends[1].received += got;
        client->result->ends[1].counted += got;
        if (got == 0) {
            (void)berth_tcp_close(berth, client->served);
            client->served = 0;
        } else if (berth_tcp_write(berth, client->served, data, got, &taken) < 0 || taken != got) {
            fail(flood, "the listener's side cannot write");
        }
        client->result->ends[1].sent += taken;
        taken = 0;
    }
}

static void listener_events(struct flood *flood)
{
    struct berth_event event;

    while (berth_next_event(flood->sides[1].berth, &event)) {
        if (event.kind == BERTH_KIND_TCP_LISTENER) {
            accept_all(flood, event.id);
        } else {
            serve(flood, event.user);
        }
    }
}

/* ---- The run --------------------------------------------------------------------------------- */

static void measure(struct flood *flood)
{
    struct sim_flood *told = &flood->out->flood;
    struct berth_stats stats;

    berth_stats(flood->sides[1].berth, &stats);
    told->half_open_max = max_u32(told->half_open_max, stats.tcp_half_open);
    told->connections_max = max_u32(told->connections_max, stats.tcp_connections);
    told->buffers_used_max = told->buffers - stats.buffers_low;
    told->cookies_out = stats.tcp_cookies_out;
    told->cookies_in = stats.tcp_cookies_in;
}

static void turn(struct flood *flood)
{
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &flood->sides[i];

        arrive(flood, side);
        if (berth_deadline(side->berth) <= flood->now_ns) {
            berth_advance(side->berth, flood->now_ns);
        }
    }
    client_events(flood);
    listener_events(flood);
    transmit(flood, 0);
    transmit(flood, 1);
    measure(flood);
}

/* Clients begin evenly over the time of the flood, the first when the SYN queue is full. */
static void start_clients(struct flood *flood)
{
    for (uint32_t i = 0; i < flood->client_count; i++) {
        uint64_t at_ns = (flood->time_ns * i + flood->time_ns / 16) / flood->client_count;

        if (!flood->clients[i].is_started && flood->now_ns >= at_ns) {
            start_client(flood, &flood->clients[i]);
        }
    }
}

static bool is_over(const struct flood *flood)
{
    bool all = true;

    for (uint32_t i = 0; i < flood->client_count; i++) {
        all = all && flood->clients[i].is_done && flood->clients[i].served == 0;
    }
    return flood->out->failure[0] != '\0' ||
           (flood->now_ns >= flood->time_ns &&
            (all || flood->now_ns >= flood->time_ns + GRACE_NS + 8 * flood->config->path.delay_ns));
}

static void run(struct flood *flood)
{
    size_t pages;

    while (!is_over(flood)) {
        for (unsigned i = 0; i < BURST && flood->now_ns < flood->time_ns; i++) {
            one_syn(flood);
        }
        start_clients(flood);
        turn(flood);
        flood->now_ns += BURST_NS;
        flood->out->steps++;
        if (flood->config->on_progress != NULL && flood->out->steps % SIM_PROGRESS_STEPS == 0) {
            flood->config->on_progress(flood->config->user, flood->now_ns);
        }
    }
    flood->out->virtual_ns = flood->now_ns;
    for (uint32_t i = 0; i < flood->client_count; i++) {
        flood->out->bytes += flood->clients[i].result->ends[0].received;
        if (!flood->clients[i].is_done) {
            fail(flood, "client %" PRIu32 " was not served", i + 1);
        }
    }
    pages = count_pages(&flood->sides[1]);
    flood->out->flood.pages = flood->pages;
    flood->out->flood.pages_grown = pages > flood->pages ? pages - flood->pages : 0;
    if (flood->out->flood.pages_grown > PAGES_GROWN) {
        fail(flood, "host B's memory has grown by %" PRIu64 " pages",
             flood->out->flood.pages_grown);
    }
}

static int make(struct flood *flood)
{
    const struct sim_config *config = flood->config;
    struct berth_endpoint local = {.address = berth_address_any(), .port = PORT};
    uint8_t seed[RANDOM_SEED_BYTES] = {0};
    struct berth_stats stats;
    berth_id listener;
    int result;

    memcpy(seed, &config->seed, sizeof config->seed);
    random_init(&flood->random, seed, "sim-flood");
    flood->is_v6 = config->versions == SIM_IPV6;
    flood->time_ns = config->time_ns != 0 ? config->time_ns : NS_PER_S;
    flood->client_count = (config->given & SIM_GIVEN_FLOWS) != 0 ? config->flows : FLOWS;
    flood->clients = calloc(flood->client_count, sizeof *flood->clients);
    flood->out->flows = calloc(flood->client_count, sizeof *flood->out->flows);
    if (flood->clients == NULL || flood->out->flows == NULL) {
        return -ENOMEM;
    }
    flood->out->flow_count = flood->client_count;
    for (uint32_t i = 0; i < flood->client_count; i++) {
        flood->clients[i].result = &flood->out->flows[i];
        flood->out->flows[i].version = flood->is_v6 ? 6 : 4;
    }
    for (unsigned i = 0; i < 2; i++) {
        result = make_side(flood, i);
        if (result < 0 || flood->out->failure[0] != '\0') {
            return result;
        }
    }
    if (berth_tcp_listen(flood->sides[1].berth, &local, 128, NULL, &listener) < 0) {
        fail(flood, "host B cannot listen");
    }
    berth_stats(flood->sides[1].berth, &stats);
    flood->out->flood.buffers = stats.buffers_free;
    init_syn(flood);
    return 0;
}

int flood_run(const struct sim_config *config, struct sim_result *out)
{
    struct flood *flood = calloc(1, sizeof *flood);
    int result = -ENOMEM;

    *out = (struct sim_result){0};
    if (flood == NULL) {
        return result;
    }
    flood->config = config;
    flood->out = out;
    result = make(flood);
    if (result == 0) {
        run(flood);
        out->is_right = out->failure[0] == '\0';
    } else {
        sim_result_done(out);
    }
    done_side(&flood->sides[0]);
    done_side(&flood->sides[1]);
    random_done(&flood->random);
    free(flood->clients);
    free(flood);
    return result;
}
