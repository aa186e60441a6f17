/* SPDX-License-Identifier: MIT */
/*
 * tests/sim/ordinary.c: see tests/sim/ordinary.h.
 */
#include "ordinary.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/random.h"
#include "stack/stack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HOST       0xc0000201U /* 192.0.2.1 */
#define CLIENTS    0xcb007100U /* 203.0.113.0/24 */
#define SERVERS    0xc6336400U /* 198.51.100.0/24 */
#define ON_WAY     1024
#define FRAMES     16
#define ASKERS     64 /* sockets of clients that ask by UDP */
#define PER_SECOND 4  /* conversations begun */

enum side { HOST_SIDE, NETWORK_SIDE };

/* What a connection is for: its user pointer. */
enum role {
    ROLE_SERVER,  /* answers what it is asked, closes when the other does */
    ROLE_TALKER,  /* asks, closes when it is answered */
    ROLE_SILENT,  /* closes as soon as it is open */
    ROLE_ABORTER, /* asks, and resets */
};

struct on_way {
    uint64_t due_ns;
    enum side to;
    uint8_t *data; /* NULL: free */
    size_t bytes;
    struct berth_offload offload;
};

struct world {
    struct berth *side[2];
    void *memory[2];
    size_t memory_bytes[2];
    struct on_way way[ON_WAY];
    struct random random;
    uint64_t now_ns;
    berth_id askers[ASKERS];
    uint32_t asked;
    struct ordinary_figures figures;
};

static void *as_user(enum role role)
{
    return (void *)((uintptr_t)role + 1);
}

/* ---- The way -------------------------------------------------------------------------------- */

static void put_on_way(struct world *world, enum side to, const struct berth_frame *frame,
                       uint64_t delay_ns)
{
    struct on_way *free_place = NULL;
    size_t at = 0;

    for (size_t i = 0; i < ON_WAY && free_place == NULL; i++) {
        free_place = world->way[i].data == NULL ? &world->way[i] : NULL;
    }
    BERTH_CHECK(free_place != NULL);
    *free_place = (struct on_way){.due_ns = world->now_ns + delay_ns,
                                  .to = to,
                                  .data = malloc(frame->bytes),
                                  .bytes = frame->bytes,
                                  .offload = frame->offload};
    BERTH_CHECK(free_place->data != NULL);
    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(free_place->data + at, frame->views[i].data, frame->views[i].bytes);
        at += frame->views[i].bytes;
    }
}

static void send(struct world *world, enum side from, const struct berth_frame *frame)
{
    enum side to = from == HOST_SIDE ? NETWORK_SIDE : HOST_SIDE;
    uint64_t delay_ns = (10 + random_below(&world->random, 20)) * NS_PER_MS;

    if (random_below(&world->random, 100) != 0) {
        put_on_way(world, to, frame, delay_ns);
    }
    if (random_below(&world->random, 100) == 0) {
        put_on_way(world, to, frame, delay_ns + random_below(&world->random, 60000) * NS_PER_MS);
    }
}

static void arrive(struct world *world, struct on_way *packet)
{
    struct berth *berth = world->side[packet->to];
    struct berth_buffer *buffer = berth_buffer_get(berth);

    BERTH_CHECK(buffer != NULL);
    memcpy(buffer->data + buffer->begin, packet->data, packet->bytes);
    buffer->bytes = (uint32_t)packet->bytes;
    buffer->offload = packet->offload;
    free(packet->data);
    packet->data = NULL;
    berth_receive(berth, buffer, world->now_ns);
}

/* ---- What the ends do ----------------------------------------------------------------------- */

/* A connection that has ended meanwhile says so itself. */
static void say(struct berth *berth, berth_id id, size_t bytes)
{
    static const uint8_t text[512];
    size_t taken;

    (void)!berth_tcp_write(berth, id, text, bytes, &taken);
}

static bool has_read(struct berth *berth, berth_id id)
{
    uint8_t data[2048];
    size_t got = 0;
    bool any = false;

    while (berth_tcp_read(berth, id, data, sizeof data, &got) == 0 && got > 0) {
        any = true;
    }
    return any;
}

static void on_tcp(struct berth *berth, const struct berth_event *event)
{
    enum role role = event->user == NULL ? ROLE_SERVER : (enum role)((uintptr_t)event->user - 1);
    bool is_open = (event->bits & BERTH_EVENT_CONNECTED) != 0;

    if (is_open && (role == ROLE_TALKER || role == ROLE_ABORTER)) {
        say(berth, event->id, 100);
    }
    if (is_open && role == ROLE_ABORTER) {
        (void)!berth_tcp_abort(berth, event->id);
        return;
    }
    if (has_read(berth, event->id) && role == ROLE_SERVER) {
        say(berth, event->id, 300);
    } else if ((is_open && role == ROLE_SILENT) ||
               (!is_open && role == ROLE_TALKER && (event->bits & BERTH_EVENT_READABLE) != 0)) {
        (void)!berth_tcp_close(berth, event->id);
        return;
    }
    if ((event->bits & (BERTH_EVENT_PEER_CLOSED | BERTH_EVENT_CLOSED)) != 0) {
        (void)!berth_tcp_close(berth, event->id);
    }
}

static void on_datagram(struct berth *berth, const struct berth_event *event)
{
    struct berth_datagram datagram;

    while (berth_udp_peek(berth, event->id, &datagram) == 0) {
        struct berth_endpoint from = datagram.remote;

        BERTH_CHECK(berth_udp_consume(berth, event->id) == 0);
        if (event->user == NULL) { /* the host's name server */
            (void)!berth_udp_write(berth, event->id, &from, "answer", 6);
        }
    }
}

/* A call of the host's: servers 0 to 3 are down, 4 to 7 refuse. */
static void on_call(struct berth *berth, berth_id id)
{
    struct berth_held held;
    uint32_t server;

    if (berth_held(berth, id, &held) < 0) {
        return;
    }
    server = berth_address_v4_value(&held.local.address) - SERVERS;
    if (server < 4) {
        BERTH_CHECK(berth_held_drop(berth, id) == 0);
    } else if (server < 8) {
        BERTH_CHECK(berth_held_refuse(berth, id) == 0);
    } else {
        (void)!berth_held_accept(berth, id, as_user(ROLE_SERVER));
    }
}

static void on_event(struct world *world, enum side side, const struct berth_event *event)
{
    struct berth *berth = world->side[side];
    berth_id id;

    if ((event->bits & BERTH_EVENT_HELD) != 0) {
        on_call(berth, event->id);
    } else if (event->kind == BERTH_KIND_TCP_LISTENER) {
        while (berth_tcp_accept(berth, event->id, as_user(ROLE_SERVER), &id) == 0) {
            const struct berth_event first = {.id = id, .bits = BERTH_EVENT_READABLE};

            on_tcp(berth, &first);
        }
    } else if (event->kind == BERTH_KIND_DATAGRAM) {
        on_datagram(berth, event);
    } else {
        on_tcp(berth, event);
    }
}

static void settle(struct world *world, enum side side)
{
    struct berth_frame frames[FRAMES];
    struct berth_event event;
    struct berth_contact contact;
    uint32_t count;

    while (berth_next_event(world->side[side], &event)) {
        on_event(world, side, &event);
    }
    while (berth_next_contact(world->side[side], &contact)) {
    }
    while ((count = berth_transmit(world->side[side], frames, FRAMES, world->now_ns)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            send(world, side, &frames[i]);
        }
    }
}

/* ---- Time ----------------------------------------------------------------------------------- */

static struct on_way *next_packet(struct world *world)
{
    struct on_way *next = NULL;

    for (size_t i = 0; i < ON_WAY; i++) {
        struct on_way *packet = &world->way[i];

        if (packet->data != NULL && (next == NULL || packet->due_ns < next->due_ns)) {
            next = packet;
        }
    }
    return next;
}

static void go_on(struct world *world, uint64_t until_ns)
{
    settle(world, HOST_SIDE);
    settle(world, NETWORK_SIDE);
    for (;;) {
        struct on_way *packet = next_packet(world);
        uint64_t due_ns = packet == NULL ? UINT64_MAX : packet->due_ns;

        for (int i = 0; i < 2; i++) {
            due_ns = min_u64(due_ns, max_u64(berth_deadline(world->side[i]), world->now_ns + 1));
        }
        if (due_ns > until_ns) {
            break;
        }
        world->now_ns = max_u64(world->now_ns, due_ns);
        for (int i = 0; i < 2; i++) {
            berth_advance(world->side[i], world->now_ns);
        }
        if (packet != NULL && packet->due_ns <= world->now_ns) {
            arrive(world, packet);
        }
        settle(world, HOST_SIDE);
        settle(world, NETWORK_SIDE);
    }
    world->now_ns = until_ns;
}

/* ---- What is begun -------------------------------------------------------------------------- */

static void connect_to_host(struct world *world, uint32_t client, uint16_t port, enum role role)
{
    struct berth_endpoint local = {.address = berth_address_v4(CLIENTS + client)};
    struct berth_endpoint remote = {.address = berth_address_v4(HOST), .port = port};
    berth_id id;

    local.port = (uint16_t)(32768 + random_below(&world->random, 28000));
    (void)!berth_tcp_connect(world->side[NETWORK_SIDE], &local, &remote, as_user(role), &id);
}

static void connect_from_host(struct world *world)
{
    struct berth_endpoint remote = {.port = 443};
    uint32_t server = random_below(&world->random, 10) == 0 ? random_below(&world->random, 8)
                                                            : 8 + random_below(&world->random, 240);
    berth_id id;

    remote.address = berth_address_v4(SERVERS + server);
    (void)!berth_tcp_connect(world->side[HOST_SIDE], NULL, &remote, as_user(ROLE_TALKER), &id);
}

/* COUNT datagrams to ports from PORT on. */
static void ask_host(struct world *world, uint32_t client, uint16_t port, uint16_t count)
{
    struct berth *berth = world->side[NETWORK_SIDE];
    struct berth_endpoint local = {.address = berth_address_v4(CLIENTS + client)};

    for (uint16_t i = 0; i < count; i++) {
        struct berth_endpoint remote = {.address = berth_address_v4(HOST),
                                        .port = (uint16_t)(port + i)};
        berth_id *asker = &world->askers[world->asked++ % ASKERS];

        if (*asker != 0) {
            (void)!berth_udp_close(berth, *asker);
            *asker = 0;
        }
        local.port = (uint16_t)(32768 + random_below(&world->random, 28000));
        if (berth_udp_open(berth, &local, &remote, as_user(ROLE_TALKER), asker) == 0) {
            (void)!berth_udp_write(berth, *asker, NULL, "question", 8);
        }
    }
}

static void begin_one(struct world *world)
{
    static const uint16_t services[] = {443, 443, 443, 80, 80, 22, 8443};
    static const uint16_t missing[] = {3306, 5432, 6379};
    uint32_t client = 16 + random_below(&world->random, 200);
    uint16_t service = services[random_below(&world->random, sizeof services / 2)];
    uint32_t what = random_below(&world->random, 100);

    world->figures.conversations++;
    if (what < 30) {
        connect_from_host(world);
    } else if (what < 65) {
        connect_to_host(world, client, service, ROLE_TALKER);
    } else if (what < 70) {
        connect_to_host(world, client, service, ROLE_ABORTER);
    } else if (what < 75) { /* two at once, and the loser goes */
        connect_to_host(world, client, service, ROLE_TALKER);
        connect_to_host(world, client, service, ROLE_SILENT);
    } else if (what < 83) { /* a health check, from two balancers */
        connect_to_host(world, 1 + client % 2, service, ROLE_SILENT);
    } else if (what < 90) { /* always the same service is missing to a client */
        connect_to_host(world, client % 12, missing[client % 3], ROLE_TALKER);
    } else if (what < 98) {
        ask_host(world, client, 53, 1);
    } else {
        ask_host(world, client, 33434, 16); /* traceroute's last step */
    }
}

/* ---- The world ------------------------------------------------------------------------------ */

static void make(struct world *world, enum side side)
{
    static const char host_rules[] =
        "allow in 22,80,443,8443/tcp,53/udp\nallow in icmp\nallow out any\n";
    static const char network_rules[] = "allow in any\nallow out any\n";
    const char *rules = side == HOST_SIDE ? host_rules : network_rules;
    struct berth_prefix own = {.bits = 128};
    struct berth_prefix all = {.address = berth_address_v4(0), .bits = 96};
    struct berth_config config;
    struct berth *berth;

    berth_config_init(&config);
    config.system_ports_bindable = true;
    config.forward_any = side == NETWORK_SIDE;
    config.limits.scan_records = side == NETWORK_SIDE ? 0 : config.limits.scan_records;
    random_fill(&world->random, config.seed, sizeof config.seed);
    world->memory_bytes[side] = berth_memory_bytes(&config);
    world->memory[side] = mmap(NULL, world->memory_bytes[side], PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BERTH_CHECK(world->memory[side] != MAP_FAILED);
    BERTH_CHECK(berth_init(&berth, &config, world->memory[side], world->memory_bytes[side],
                           world->now_ns) == 0);
    own.address = berth_address_v4(side == HOST_SIDE ? HOST : 0xc6120001U);
    BERTH_CHECK(berth_address_add(berth, &own) == 0);
    BERTH_CHECK(berth_route_add(berth, &all) == 0);
    BERTH_CHECK(berth_rules_load(berth, rules, strlen(rules), NULL) == 0);
    berth_intercept(berth, side == NETWORK_SIDE);
    world->side[side] = berth;
}

static void serve(struct world *world)
{
    static const uint16_t ports[] = {22, 80, 443, 8443};
    struct berth_endpoint local = {.address = berth_address_v4(HOST)};
    berth_id id;

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        local.port = ports[i];
        BERTH_CHECK(berth_tcp_listen(world->side[HOST_SIDE], &local, 100, NULL, &id) == 0);
    }
    local.port = 53;
    BERTH_CHECK(berth_udp_open(world->side[HOST_SIDE], &local, NULL, NULL, &id) == 0);
}

struct ordinary_figures ordinary_run(uint64_t seed, uint32_t seconds, bool scan)
{
    struct world *world = calloc(1, sizeof *world);
    uint8_t bytes[RANDOM_SEED_BYTES] = {0};
    struct ordinary_figures figures;
    struct berth_stats stats;

    BERTH_CHECK(world != NULL);
    memcpy(bytes, &seed, sizeof seed);
    random_init(&world->random, bytes, "ordinary");
    world->now_ns = NS_PER_S;
    make(world, HOST_SIDE);
    make(world, NETWORK_SIDE);
    serve(world);
    for (uint32_t i = 0; i < seconds * PER_SECOND; i++) {
        begin_one(world);
        go_on(world, world->now_ns + NS_PER_S / PER_SECOND);
    }
    for (uint16_t i = 0; scan && i < 12; i++) {
        connect_to_host(world, 250, (uint16_t)(1000 + i), ROLE_TALKER);
    }
    go_on(world, world->now_ns + 120 * NS_PER_S);
    stack_check(world->side[HOST_SIDE]);
    berth_stats(world->side[HOST_SIDE], &stats);
    world->figures.opened = stats.tcp_opened;
    world->figures.refused = stats.contacts_denied;
    world->figures.late = stats.drops[BERTH_DROP_NO_CONNECTION];
    world->figures.alarms = stats.scans_found;
    figures = world->figures;
    for (size_t i = 0; i < ON_WAY; i++) {
        free(world->way[i].data);
    }
    for (int i = 0; i < 2; i++) {
        berth_done(world->side[i]);
        munmap(world->memory[i], world->memory_bytes[i]);
    }
    random_done(&world->random);
    free(world);
    return figures;
}
