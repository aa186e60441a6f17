/* SPDX-License-Identifier: MIT */
/*
 * sim/host.c: a stack, its memory, its link to the network, its listeners and its rules; and its
 * turn: packets in, time, events, packets out.
 */
#include "sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/stack.h"

#define RECEIVE_MAX 64
#define TURNS_MAX   10000 /* rounds of one turn: more is a stack that never comes to rest */
#define RULES_BYTES 1024
#define TWIN_SEED   1024 /* more than there are pairs */
#define PORTS_APART 1024

/* Whom HOST may talk with: the other host of its pair. */
static int load_rules(struct host *host)
{
    struct berth_rules_error error;
    char peer[2][BERTH_ADDRESS_TEXT_BYTES];
    char text[RULES_BYTES];
    int bytes;

    for (unsigned i = 0; i < 2; i++) {
        struct berth_address address = network_address(host->index / 2, 1 - host->index % 2, i > 0);

        (void)berth_address_format(&address, peer[i]);
    }
    bytes = snprintf(text, sizeof text,
                     "allow in %d-%d/tcp from %s,%s\n"
                     "allow in %d/udp from %s,%s\n"
                     "allow out any to %s,%s\n",
                     PLAN_PORT, PLAN_PORT + PLAN_LISTENERS - 1, peer[0], peer[1], PLAN_UDP_PORT,
                     peer[0], peer[1], peer[0], peer[1]);

    return berth_rules_load(host->berth, text, (size_t)bytes, &error);
}

static int add_address(struct host *host, unsigned which)
{
    struct berth_prefix prefix = {.bits = which == 0 ? 96 + 16 : 64};

    prefix.address = network_address(host->index / 2, host->index % 2, which > 0);
    host->addresses[which] = prefix.address;
    return berth_address_add(host->berth, &prefix);
}

static int listen_all(struct host *host, uint32_t backlog)
{
    int result = 0;

    host->listener_object.kind = OBJECT_LISTENER;
    for (uint16_t i = 0; i < PLAN_LISTENERS && result == 0; i++) {
        struct berth_endpoint local = {.address = berth_address_any(),
                                       .port = (uint16_t)(PLAN_PORT + i)};

        result = berth_tcp_listen(host->berth, &local, backlog, &host->listener_object,
                                  &host->listeners[i]);
    }
    return result;
}

static bool is_impaired(const struct link_impairment *path)
{
    return path->delay_ns > 0 || path->rate_bps > 0 || path->jitter_ns > 0 || path->loss_ppm > 0 ||
           path->duplicate_ppm > 0 || path->reorder_ppm > 0 || path->corrupt_ppm > 0 ||
           path->ecn_ppm > 0;
}

static void on_capture_error(void *user, const char *text)
{
    struct world *world = user;

    (void)text;
    world->file_error = -errno;
    world->bad_file = world->config->pcap_file;
}

/* Twins' packets go to one file. */
static int capture(struct world *world, struct host *host)
{
    struct link_capture_config config = {
        .file = world->config->pcap_file, .on_error = on_capture_error, .user = world};
    int result = world->capture == NULL
                     ? link_capture_new(host->link, &config, &host->link)
                     : link_capture_join(host->link, world->capture, &host->link);

    world->capture = host->link;
    world->bad_file = result < 0 ? config.file : NULL;
    return result;
}

/* The host's link: a tap, a capture where one is asked for, its impaired way to the network. */
static int make_link(struct world *world, struct host *host)
{
    const struct link_impairment *path = &world->plan.paths[host->index % 2];
    struct link_impairment none = {0};
    struct link_impairment own = *path;
    struct link *tap;
    int result = 0;

    own.seed += host->index / 2 + (host->first == host ? 0 : TWIN_SEED);
    host->link = &host->port->link;
    if (is_impaired(path) || world->plan.stacks[host->index % 2].offloads != 0) {
        result = link_impair_new(host->link, &own, &none, &host->link);
        host->path = result < 0 ? NULL : host->link;
    }
    if (host->index == 0 && world->config->pcap_file != NULL && result == 0) {
        result = capture(world, host);
    }
    tap = result < 0 ? NULL : tap_new(host->link, &world->trace, host->name);
    if (tap == NULL) {
        return result < 0 && result != BERTH_E_LIMIT ? result : -ENOMEM;
    }
    host->link = tap;
    return 0;
}

/* Twins choose no port that the other may choose: each has a half, or as many further up. */
static void share_ports(struct berth_config *config, bool is_twin)
{
    uint32_t first = config->ephemeral_first;
    uint32_t last = config->ephemeral_last;
    uint32_t middle = first + (last - first) / 2;

    if (last <= UINT16_MAX - PORTS_APART) {
        config->ephemeral_first = (uint16_t)(first + (is_twin ? PORTS_APART : 0));
        config->ephemeral_last = (uint16_t)(last + (is_twin ? PORTS_APART : 0));
    } else if (is_twin) {
        config->ephemeral_first = (uint16_t)(middle + 1);
    } else {
        config->ephemeral_last = (uint16_t)middle;
    }
}

/* HOST, with its name and index, becomes a stack with its link. */
static int make(struct world *world, struct host *host)
{
    struct berth_config config = world->plan.stacks[host->index % 2];
    const char *wrong = "";
    int result;

    config.seed[BERTH_SEED_BYTES - 1] ^= (uint8_t)(host->index / 2);
    if (world->plan.has_twins[host->index % 2]) {
        share_ports(&config, host->first != host);
    }
    host->buffers = config.limits.buffers;
    host->memory_bytes = berth_memory_bytes(&config);
    if (berth_config_check(&config, &wrong) < 0 || host->memory_bytes == 0) {
        world_fail(world, "host %c: the configuration's %s is refused", host->name, wrong);
        return 0;
    }
    host->memory = mmap(NULL, host->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host->memory == MAP_FAILED) {
        host->memory = NULL;
        return -ENOMEM;
    }
    result = berth_init(&host->berth, &config, host->memory, host->memory_bytes, 0);
    for (unsigned i = 0; i < 2 && result == 0; i++) {
        result = add_address(host, i);
    }
    result = result == 0 ? load_rules(host) : result;
    result = result == 0 ? listen_all(host, world->plan.backlog) : result;
    if (result == 0 && world->plan.has_twins[host->index % 2]) { /* whose options many share */
        result = berth_tcp_set(host->berth, host->listeners[1], BERTH_TCP_SYN_RETRIES,
                               config.tcp.syn_retries);
    }
    if (result < 0) {
        world_fail(world, "host %c: it cannot be made: %s", host->name, berth_error_text(result));
        return 0;
    }
    return make_link(world, host);
}

int host_init(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];

    *host = (struct host){.name = (char)('A' + index % 2), .index = index, .first = host};
    host->port = &world->network.ports[index];
    return make(world, host);
}

int host_init_twin(struct world *world, struct host *first)
{
    struct host *host = &world->hosts[world->host_count++];

    *host = (struct host){.name = (char)(first->name - 'A' + 'a'), .index = first->index};
    host->port = &world->network.ports[world->network.port_count + first->index];
    host->first = first;
    host->twin = first;
    first->twin = host;
    return make(world, host);
}

void host_done(struct host *host)
{
    link_free(host->link);
    if (host->berth != NULL) {
        berth_done(host->berth);
    }
    if (host->memory != NULL) {
        (void)munmap(host->memory, host->memory_bytes);
    }
}

void host_close_listeners(struct world *world, struct host *host)
{
    for (unsigned i = 0; i < PLAN_LISTENERS; i++) {
        if (berth_tcp_close(host->berth, host->listeners[i]) < 0) {
            world_fail(world, "host %c: a listener cannot be closed", host->name);
        }
    }
}

/* ---- Its turn -------------------------------------------------------------------------------- */

static bool take_events(struct world *world, struct host *host)
{
    struct berth_event event;
    bool any = false;

    while (!world_has_failed(world) && berth_next_event(host->berth, &event)) {
        struct object *object = event.user;

        any = true;
        if (object == NULL) {
            world_fail(world, "host %c: an event of an object that was never given out",
                       host->name);
            break;
        }
        switch (object->kind) {
        case OBJECT_END:
            end_on_event(world, host, (struct end *)object, &event);
            break;
        case OBJECT_ACCEPTED:
            end_on_event(world, host, ((struct accepted *)object)->end, &event);
            break;
        case OBJECT_LISTENER:
            flow_accept_all(world, host, event.id);
            break;
        case OBJECT_DATAGRAMS:
            datagrams_on_event(world, host, &event);
            break;
        }
        world_check(world, host);
    }
    return any;
}

static bool receive_all(struct world *world, struct host *host)
{
    bool any = false;
    int count;

    do {
        count = link_receive(host->link, host->berth, RECEIVE_MAX, world->now_ns);
        any = any || count > 0;
        world_check(world, host);
    } while (count == RECEIVE_MAX);
    return any;
}

static bool transmit_all(struct world *world, struct host *host)
{
    bool any = false;
    uint32_t count;

    do {
        count = berth_transmit(host->berth, world->frames, WORLD_FRAMES, world->now_ns);
        if (count > 0) {
            any = true;
            (void)link_send(host->link, world->frames, count, world->now_ns);
        }
        world_check(world, host);
    } while (count > 0);
    return any;
}

uint64_t host_next_ns(const struct host *host)
{
    return host->has_work ? 0 : min_u64(berth_deadline(host->berth), link_next_ns(host->link));
}

bool host_turn(struct world *world, struct host *host)
{
    bool any = false;
    bool more = true;

    host->has_work = false;
    for (unsigned turns = 0; more && !world_has_failed(world); turns++) {
        more = receive_all(world, host);
        twins_turn(world, host);
        if (berth_deadline(host->berth) <= world->now_ns) {
            berth_advance(host->berth, world->now_ns);
            world_check(world, host);
        }
        twins_turn(world, host);
        more |= take_events(world, host);
        twins_turn(world, host);
        more |= transmit_all(world, host);
        any |= more;
        if (turns > TURNS_MAX) {
            world_fail(world, "host %c never comes to rest", host->name);
        }
    }
    return any;
}

/* A record that is still taken: its kind; NULL: there is none. */
static const char *kept_record(const struct berth *berth)
{
    const struct tcp *tcp = &berth->tcp;
    const struct {
        const char *kind;
        const struct pool *pool;
    } pools[] = {{"connection", &tcp->conns},
                 {"half-open connection", &tcp->syns},
                 {"listener", &tcp->listeners},
                 {"work", &tcp->works},
                 {"ledger", &tcp->ledgers},
                 {"options", &tcp->options},
                 {"sent", &tcp->sent_records},
                 {"reorder", &tcp->reorder_records},
                 {"rate", &tcp->rates},
                 {"port", &berth->ports.endpoints},
                 {"bound port", &berth->ports.binds}};

    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        if (pools[i].pool->used != 0) {
            return pools[i].kind;
        }
    }
    return NULL;
}

void host_check_leaks(struct world *world, struct host *host)
{
    struct berth_stats stats;

    (void)berth_transmit(host->berth, world->frames, WORLD_FRAMES, world->now_ns);
    berth_stats(host->berth, &stats);
    if (stats.buffers_free != host->buffers) {
        world_fail(world, "host %c: %" PRIu32 " buffers leaked", host->name,
                   host->buffers - stats.buffers_free);
    }
    if (kept_record(host->berth) != NULL) {
        world_fail(world, "host %c: a record is left: %s", host->name, kept_record(host->berth));
    }
    if (stats.tcp_connections != 0 || stats.tcp_half_open != 0 || stats.tcp_time_wait != 0 ||
        stats.tcp_held != 0) {
        world_fail(world,
                   "host %c: %" PRIu32 " connections, %" PRIu32 " in TIME-WAIT, %" PRIu32
                   " held are left",
                   host->name, stats.tcp_connections, stats.tcp_time_wait, stats.tcp_held);
    }
    if (stats.udp_sockets != 0 || stats.reassemblies != 0) {
        world_fail(world, "host %c: %" PRIu32 " sockets, %" PRIu32 " reassemblies are left",
                   host->name, stats.udp_sockets, stats.reassemblies);
    }
}
