/* SPDX-License-Identifier: MIT */
/*
 * Making and ending a stack: one arena, cut once. Measuring runs the same cuts on no memory.
 */
#include "stack/stack.h"

#define ARENA_PAGE 4096

static void cut_base(struct berth *berth, struct arena *arena)
{
    const struct berth_limits *limits = &berth->config.limits;
    struct buffers_limits buffers = {.count = limits->buffers,
                                     .capacity = limits->buffer_bytes,
                                     .reserved = limits->buffers_reserved};
    buffers_init(&berth->buffers, arena, &buffers);
    outbox_init(&berth->outbox, limits->replies);
    berth->contacts.limit = limits->contacts;
    berth->contacts.items = arena_take(arena, limits->contacts, sizeof(struct berth_contact), 8);
    struct ports_limits ports = {.binds = limits->binds,
                                 .endpoints = limits->port_endpoints,
                                 .ephemeral_first = berth->config.ephemeral_first,
                                 .ephemeral_last = berth->config.ephemeral_last,
                                 .system_ports_bindable = berth->config.system_ports_bindable};
    ports_init(&berth->ports, arena, &ports);
    struct firewall_limits firewall = {.rules = limits->rules,
                                       .rule_bytes = limits->rule_bytes,
                                       .addresses = limits->addresses,
                                       .names = limits->names,
                                       .limit_sources = limits->limit_sources};
    firewall_init(&berth->firewall, arena, &firewall);
    firewall_scan_init(&berth->scan, arena, limits->scan_records);
    berth->scan.evicted = &berth->stats.scan_records_evicted;
    berth->scan.found = &berth->stats.scans_found;
    berth->scan.lost = &berth->stats.scans_lost;
}

static void cut_ip(struct berth *berth, struct arena *arena)
{
    const struct berth_config *config = &berth->config;
    struct ip_limits limits = {.addresses = config->limits.addresses,
                               .routes = config->limits.routes,
                               .reassemblies = config->limits.reassemblies,
                               .icmp_per_second = config->limits.icmp_per_second,
                               .mtu = config->mtu,
                               .offloads = config->offloads,
                               .reassembly_ns = config->reassembly_ns,
                               .guard_peer = config->guard == BERTH_GUARD_LINK_PEER,
                               .forward_any = config->forward_any};
    struct ip_parts parts = {.buffers = &berth->buffers,
                             .outbox = &berth->outbox,
                             .timers = &berth->timers,
                             .random = &berth->random_ip,
                             .stats = &berth->stats};
    ip_init(&berth->ip, arena, &limits, &parts);
}

static void cut_udp(struct berth *berth, struct arena *arena)
{
    const struct berth_config *config = &berth->config;
    struct udp_limits limits = {.sockets = config->limits.udp_sockets,
                                .peers = config->limits.udp_sockets,
                                .queue_bytes = config->limits.udp_queue_bytes,
                                .held_ns = config->udp_held_ns};
    struct udp_parts parts = {.buffers = &berth->buffers,
                              .events = &berth->events,
                              .timers = &berth->timers,
                              .stats = &berth->stats};
    udp_init(&berth->udp, arena, &limits, &parts);
}

static void cut_tcp(struct berth *berth, struct arena *arena)
{
    struct tcp_parts parts = {.buffers = &berth->buffers,
                              .outbox = &berth->outbox,
                              .events = &berth->events,
                              .timers = &berth->timers,
                              .ports = &berth->ports,
                              .random = &berth->random_tcp,
                              .stats = &berth->stats};
    tcp_init(&berth->tcp, arena, &berth->config, &parts);
}

/* BERTH itself stands at the arena's start, or on the caller's stack while measuring. */
static void cut(struct berth *berth, struct arena *arena)
{
    cut_base(berth, arena);
    cut_ip(berth, arena);
    cut_udp(berth, arena);
    cut_tcp(berth, arena);
}

size_t berth_memory_bytes(const struct berth_config *config)
{
    if (config == NULL || berth_config_check(config, NULL) != 0) {
        return 0;
    }
    struct berth scratch = {.config = *config};
    struct arena arena;
    arena_init(&arena, NULL, 0);
    (void)arena_take(&arena, 1, sizeof(struct berth), ARENA_PAGE);
    cut(&scratch, &arena);
    return (arena.used + ARENA_PAGE - 1) / ARENA_PAGE * ARENA_PAGE;
}

static void seed(struct berth *berth, uint64_t now_ns)
{
    const uint8_t *from = berth->config.seed;
    random_init(&berth->random_ports, from, "ports");
    random_init(&berth->random_tcp, from, "tcp");
    random_init(&berth->random_ip, from, "ip");
    struct random keys;
    random_init(&keys, from, "keys");
    struct hash_key key;
    random_fill(&keys, &key, sizeof key);
    ports_seed(&berth->ports, &key, &berth->random_ports);
    random_fill(&keys, &berth->udp.key, sizeof berth->udp.key);
    random_fill(&keys, &berth->ip.key, sizeof berth->ip.key);
    random_fill(&keys, &berth->scan.key, sizeof berth->scan.key);
    random_fill(&keys, &berth->firewall.bindings.key, sizeof berth->firewall.bindings.key);
    random_fill(&keys, &berth->firewall.limiter.key, sizeof berth->firewall.limiter.key);
    random_done(&keys);
    tcp_seed(&berth->tcp, now_ns);
}

int berth_init(struct berth **out, const struct berth_config *config, void *memory, size_t bytes,
               uint64_t now_ns)
{
    if (out == NULL || config == NULL || memory == NULL) {
        return BERTH_E_INVALID;
    }
    size_t need = berth_memory_bytes(config);
    if (need == 0 || bytes < need || (uintptr_t)memory % BERTH_MEMORY_ALIGNMENT != 0) {
        return BERTH_E_INVALID;
    }
    struct arena arena;
    arena_init(&arena, memory, bytes);
    struct berth *berth = arena_take(&arena, 1, sizeof(struct berth), ARENA_PAGE);
    berth->config = *config;
    berth->now_ns = now_ns;
    timers_init(&berth->timers, now_ns);
    events_init(&berth->events);
    cut(berth, &arena);
    BERTH_CHECK(arena.used <= bytes);
    seed(berth, now_ns);
    berth->firewall.now_ns = now_ns;
    *out = berth;
    return 0;
}

void berth_done(struct berth *berth)
{
    if (berth != NULL) {
        random_done(&berth->random_ports);
        random_done(&berth->random_tcp);
        random_done(&berth->random_ip);
        memset(berth, 0, sizeof *berth);
        __asm__ volatile("" : : "r"(berth) : "memory"); /* the wipe is wanted */
    }
}

int berth_address_add(struct berth *berth, const struct berth_prefix *prefix)
{
    if (prefix->bits > 128) {
        return BERTH_E_INVALID;
    }
    int error = ip_add_address(&berth->ip, prefix);
    return error != 0 ? error : firewall_add_gateway(&berth->firewall, &prefix->address);
}

int berth_route_add(struct berth *berth, const struct berth_prefix *prefix)
{
    return ip_add_route(&berth->ip, prefix);
}

int berth_set_mtu(struct berth *berth, uint32_t mtu)
{
    struct berth_config config = berth->config;
    config.mtu = mtu;
    if (berth_config_check(&config, NULL) != 0) {
        return BERTH_E_INVALID;
    }
    berth->config.mtu = mtu;
    ip_set_mtu(&berth->ip, mtu);
    tcp_set_mtu(&berth->tcp, mtu);
    return 0;
}

int berth_peer_add(struct berth *berth, const struct berth_prefix *prefix)
{
    return ip_add_peer(&berth->ip, prefix);
}

void berth_intercept(struct berth *berth, bool on)
{
    berth->intercept = on;
}

void berth_stats(const struct berth *berth, struct berth_stats *out)
{
    *out = berth->stats;
    out->buffers_free = berth->buffers.free;
    out->buffers_low = berth->buffers.low;
    out->tcp_held = berth->tcp.held;
}

size_t berth_spare_bytes(const struct berth *berth)
{
    return (size_t)buffers_spare(&berth->buffers) * berth->buffers.stride;
}

/* The whole pages in VIEW. */
static struct berth_view whole_pages(const struct berth_view *view, size_t page_bytes)
{
    uintptr_t begin = ((uintptr_t)view->data + page_bytes - 1) & ~(page_bytes - 1);
    uintptr_t end = ((uintptr_t)view->data + view->bytes) & ~(page_bytes - 1);

    return (struct berth_view){.data = (uint8_t *)view->data + (begin - (uintptr_t)view->data),
                               .bytes = end > begin ? end - begin : 0};
}

int berth_spare_memory(struct berth *berth, size_t page_bytes, struct berth_view *views,
                       uint32_t max)
{
    struct berth_view free_bytes;
    uint32_t at = 0;
    uint32_t count = 0;

    if (page_bytes == 0 || (page_bytes & (page_bytes - 1)) != 0 || max == 0) {
        return BERTH_E_INVALID;
    }
    while (count < max && buffers_tell_spare(&berth->buffers, &at, &free_bytes)) {
        views[count] = whole_pages(&free_bytes, page_bytes);
        count += views[count].bytes > 0 ? 1 : 0;
    }
    return (int)count;
}
