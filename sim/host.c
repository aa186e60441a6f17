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

#define RECEIVE_MAX 64
#define TURNS_MAX   10000 /* rounds of one turn: more is a stack that never comes to rest */
#define BACKLOG     4096
#define RULES_BYTES 1024

static const char *const addresses[3][2] = {
    {"10.1.0.1", "fd01::1"}, {"10.1.0.2", "fd01::2"}, {"10.1.0.9", "fd01::9"}};

static int load_rules(struct host *host, unsigned index)
{
    const char *const *peer = addresses[1 - index];
    struct berth_rules_error error;
    char text[RULES_BYTES];
    int bytes = snprintf(text, sizeof text,
                         "allow in %d-%d/tcp from %s,%s\n"
                         "allow in %d/udp from %s,%s\n"
                         "allow out any to %s,%s\n",
                         PLAN_PORT, PLAN_PORT + PLAN_LISTENERS - 1, peer[0], peer[1], PLAN_UDP_PORT,
                         peer[0], peer[1], peer[0], peer[1]);

    return berth_rules_load(host->berth, text, (size_t)bytes, &error);
}

static int add_address(struct host *host, unsigned which, const char *text)
{
    struct berth_prefix prefix = {.bits = which == 0 ? 96 + 24 : 64};
    int result = berth_address_parse(text, &prefix.address);

    host->addresses[which] = prefix.address;
    return result < 0 ? result : berth_address_add(host->berth, &prefix);
}

static int listen_all(struct host *host)
{
    int result = 0;

    host->listener_object.kind = OBJECT_LISTENER;
    for (uint16_t i = 0; i < PLAN_LISTENERS && result == 0; i++) {
        struct berth_endpoint local = {.address = berth_address_any(),
                                       .port = (uint16_t)(PLAN_PORT + i)};

        result = berth_tcp_listen(host->berth, &local, BACKLOG, &host->listener_object,
                                  &host->listeners[i]);
    }
    return result;
}

/* The host's link: a tap, a capture where one is asked for, its impaired way to the network. */
static int make_link(struct world *world, struct host *host, unsigned index)
{
    struct link_impairment none = {0};
    struct network_port *port = &world->network.ports[index];
    struct link *tap;
    int result;

    memcpy(port->addresses, host->addresses, sizeof port->addresses);
    result = link_impair_new(&port->link, &world->plan.paths[index], &none, &host->link);
    if (result < 0) {
        return -ENOMEM;
    }
    host->path = host->link;
    if (index == 0 && world->config->pcap_file != NULL) {
        struct link_capture_config capture = {.file = world->config->pcap_file};

        result = link_capture_new(host->link, &capture, &host->link);
    }
    tap = result < 0 ? NULL : tap_new(host->link, &world->trace, host->name);
    if (tap == NULL) {
        return result < 0 ? result : -ENOMEM;
    }
    host->link = tap;
    return 0;
}

int host_init(struct world *world, unsigned index)
{
    const struct berth_config *config = &world->plan.stacks[index];
    struct host *host = &world->hosts[index];
    const char *wrong = "";
    int result;

    *host = (struct host){.name = (char)('A' + index), .buffers = config->limits.buffers};
    host->memory_bytes = berth_memory_bytes(config);
    if (berth_config_check(config, &wrong) < 0 || host->memory_bytes == 0) {
        world_fail(world, "host %c: the configuration's %s is refused", host->name, wrong);
        return 0;
    }
    host->memory = mmap(NULL, host->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host->memory == MAP_FAILED) {
        host->memory = NULL;
        return -ENOMEM;
    }
    result = berth_init(&host->berth, config, host->memory, host->memory_bytes, 0);
    for (unsigned i = 0; i < 2 && result == 0; i++) {
        result = add_address(host, i, addresses[index][i]);
    }
    result = result == 0 ? load_rules(host, index) : result;
    result = result == 0 ? listen_all(host) : result;
    if (result < 0) {
        world_fail(world, "host %c: it cannot be made: %s", host->name, berth_error_text(result));
        return 0;
    }
    return make_link(world, host, index);
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
            end_on_event(world, (struct end *)object, &event);
            break;
        case OBJECT_ACCEPTED:
            end_on_event(world, ((struct accepted *)object)->end, &event);
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

bool host_turn(struct world *world, struct host *host)
{
    bool any = false;
    bool more = true;

    for (unsigned turns = 0; more && !world_has_failed(world); turns++) {
        more = receive_all(world, host);
        if (berth_deadline(host->berth) <= world->now_ns) {
            berth_advance(host->berth, world->now_ns);
            world_check(world, host);
        }
        more |= take_events(world, host);
        more |= transmit_all(world, host);
        any |= more;
        if (turns > TURNS_MAX) {
            world_fail(world, "host %c never comes to rest", host->name);
        }
    }
    return any;
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
    if (stats.tcp_connections != 0 || stats.tcp_time_wait != 0 || stats.tcp_held != 0) {
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
