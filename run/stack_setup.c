/* SPDX-License-Identifier: MIT */
/*
 * run/stack_setup.c: see run/stack_setup.h.
 */
#include "run/stack_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
    BUFFER_BYTES = 69632, /* a super-segment, its headers and headroom; whole pages */
    BUFFERS = 2048,
    BUFFERS_RESERVED = 64,
    CONNECTIONS = 16384,
    CONTACTS = 16384,
    NAMES = 8192, /* addresses that were given for them */
    /* On their way from the program at once, however many connections: about what a processor's
     * own cache takes (docs/benchmarks.md, eight streams); and each: two super-segments. */
    RECEIVE_SHARED = 1024 * 1024,
    RECEIVE_INITIAL = 128 * 1024,
};

_Static_assert((int)SPREAD_MOVED_MAX < (int)CONNECTIONS,
               "one helper has room for all that may have gone");

/* About what it takes until a far end that was woken has answered: with the answer goes the ACK. */
#define QUICK_ACK_NS (100 * NS_PER_US)

#define HELD_MARGIN_NS (10 * NS_PER_S) /* a question ends before what it is about does */

static int fail(struct launch_failure *failure, const char *what, const char *why)
{
    failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
    snprintf(failure->message, sizeof failure->message, "%s: %s", what, why);
    return BERTH_E_STATE;
}

void stack_setup_host_addresses(struct run *run)
{
    struct hostnet_list addresses = hostnet_addresses(run->hostnet);
    struct hostnet_list broadcasts = hostnet_broadcasts(run->hostnet);
    struct hostnet_prefixes prefixes = hostnet_prefixes(run->hostnet);
    size_t count = addresses.count + broadcasts.count;
    struct berth_address *all = calloc(count + 1, sizeof *all);
    bool is_cut;
    int result;

    if (all != NULL) {
        memcpy(all, addresses.addresses, addresses.count * sizeof *all);
        memcpy(all + addresses.count, broadcasts.addresses, broadcasts.count * sizeof *all);
    }
    is_cut = all == NULL || addresses.is_cut || broadcasts.is_cut;
    result = berth_host_addresses_set(run->guard->berth, all, is_cut ? SIZE_MAX : count);
    if (result == BERTH_OK) {
        result = berth_host_prefixes_set(run->guard->berth, prefixes.prefixes,
                                         prefixes.is_cut ? SIZE_MAX : prefixes.count);
    }
    if (result < 0) {
        run_say(run,
                "this host has more addresses of its own than can be kept (%d, and %d "
                "networks): only rules that name an address match",
                HOSTNET_ADDRESSES_MAX, HOSTNET_PREFIXES_MAX);
    }
    free(all);
}

/* Helpers have the guard's: connections go from its stack to theirs. */
static int draw_seed(const struct queue *queue, uint8_t seed[BERTH_SEED_BYTES])
{
    struct run *run = queue->run;

    if (queue->helped == NULL &&
        getrandom(run->seed, sizeof run->seed, 0) != (ssize_t)sizeof run->seed) {
        return BERTH_E_STATE;
    }
    memcpy(seed, run->seed, sizeof run->seed);
    return BERTH_OK;
}

static int configure(const struct queue *queue, struct berth_config *config)
{
    const struct run *run = queue->run;

    berth_config_init(config);
    if (draw_seed(queue, config->seed) < 0) {
        return BERTH_E_STATE;
    }
    config->mtu = run->config->mtu;
    config->offloads = link_offloads(queue->link);
    config->guard = BERTH_GUARD_LINK_PEER;
    config->forward_any = true;
    config->system_ports_bindable = true; /* the resolver's */
    config->limits.buffers = BUFFERS;
    config->limits.buffer_bytes = BUFFER_BYTES;
    config->limits.buffers_reserved = BUFFERS_RESERVED;
    config->limits.tcp_connections = CONNECTIONS;
    config->limits.tcp_held = CONNECTIONS / 2;
    config->limits.contacts = CONTACTS;
    config->limits.names = max_u32(NAMES, 2 * (uint32_t)run->config->host_count);
    /* Over an impaired link the round trip is what limits, not a cache. */
    config->tcp.receive_bytes_shared = run->config->impairment == NULL ? RECEIVE_SHARED : 0;
    config->tcp.receive_bytes_initial = RECEIVE_INITIAL;
    config->tcp.quick_ack_ns = QUICK_ACK_NS;
    /* tun_setup.c has the program's kernel take it. Of several queues the SYN-ACK is on one that
     * the kernel chose, what the program answers to early text on the SYN's, and may come first. */
    config->tcp.fast_open_no_cookie = run->queue_count == 1;
    config->tcp.held_ns = max_u64(config->tcp.held_ns, RUN_ASK_NS_MAX + HELD_MARGIN_NS);
    config->udp_held_ns = max_u64(config->udp_held_ns, RUN_ASK_NS_MAX + HELD_MARGIN_NS);
    config->limits.rules = max_u32(config->limits.rules, run->config->rules_max + ADDED_MAX);
    config->limits.rule_bytes =
        max_u32(config->limits.rule_bytes, run->config->rule_bytes_max + ADDED_MAX * ADDED_BYTES);
    return BERTH_OK;
}

static int add_network(const struct queue *queue, const struct launch_network *network,
                       const struct berth_address *resolver)
{
    struct berth_prefix gateway = {network->gateway, network->prefix_bits};
    struct berth_prefix names = {*resolver, 128};
    struct berth_prefix program = {network->program, 128};
    struct berth_prefix everything = {berth_address_any(), 0};
    int result;

    if (berth_address_is_v4(&network->gateway)) {
        gateway.bits = (uint8_t)(gateway.bits + 96);
        everything = (struct berth_prefix){berth_address_v4(0), 96};
    }
    result = berth_address_add(queue->berth, &gateway);
    if (result == BERTH_OK && queue->run->config->has_resolver) {
        result = berth_address_add(queue->berth, &names);
    }
    if (result == BERTH_OK) {
        result = berth_route_add(queue->berth, &everything);
    }
    return result < 0 ? result : berth_peer_add(queue->berth, &program);
}

/* From its link-local address the program can be refused as well as from the other. */
static int add_link_local(const struct queue *queue)
{
    struct berth_prefix link_local;
    int result = berth_prefix_parse("fe80::/10", &link_local);

    return result < 0 ? result : berth_peer_add(queue->berth, &link_local);
}

static int add_networks(const struct queue *queue)
{
    const struct run_config *config = queue->run->config;
    int result = BERTH_OK;

    if (config->network.is_on) {
        result = add_network(queue, &config->network, &config->resolver);
    }
    if (result == BERTH_OK && config->network6.is_on) {
        result = add_network(queue, &config->network6, &config->resolver6);
        if (result == BERTH_OK) {
            result = add_link_local(queue);
        }
    }
    return result;
}

/* The names of --hosts: the program's /etc/hosts has them, so it need not ask for them; and they
 * may point where the user has said. */
static void load_host_names(struct run *run)
{
    for (size_t i = 0; i < run->config->host_count; i++) {
        const struct launch_host *host = &run->config->hosts[i];

        naming_learn(&run->naming, &host->address, host->name);
        if (berth_name_learn(run->guard->berth, host->name, &host->address, BERTH_NEVER, true) <
            0) {
            run_say(run, "no rule can name '%s' of --hosts: it is no host name", host->name);
        }
    }
}

/* A stack without rules, which lets nothing through. */
static int make_stack(struct queue *queue, struct launch_failure *failure)
{
    struct berth_config config;
    int result;

    if (configure(queue, &config) < 0) {
        return fail(failure, "random numbers", strerror(errno));
    }
    queue->memory_bytes = berth_memory_bytes(&config);
    BERTH_CHECK(queue->memory_bytes > 0);
    queue->memory = mmap(NULL, queue->memory_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (queue->memory == MAP_FAILED) {
        queue->memory = NULL;
        return fail(failure, "the stack's memory", strerror(errno));
    }
    result =
        berth_init(&queue->berth, &config, queue->memory, queue->memory_bytes, queue->loop->now_ns);
    if (result == BERTH_OK) {
        result = add_networks(queue);
    }
    if (result < 0) {
        return fail(failure, "the stack", berth_error_text(result));
    }
    berth_intercept(queue->berth, true);
    spare_init(&queue->spare, queue->loop, queue->berth);
    return BERTH_OK;
}

/* Of several queues: what TCP comes in is held, and nothing is allowed but by the guard. */
static int make_carrier(struct queue *queue, struct launch_failure *failure)
{
    static const char rules[] = "ask out to " RUN_EVERYWHERE;
    int result = make_stack(queue, failure);

    if (result < 0) {
        return result;
    }
    result = berth_rules_load(queue->berth, rules, sizeof rules - 1, NULL);
    return result < 0 ? fail(failure, "the stack", berth_error_text(result)) : BERTH_OK;
}

static int make_carriers(struct run *run, struct launch_failure *failure)
{
    run->guard = queue_new(run, run->queue_count, run->queues[0]);
    if (run->guard == NULL) {
        return fail(failure, "the stack", "no memory");
    }
    for (uint32_t i = 0; i < run->queue_count; i++) {
        int result = make_carrier(run->queues[i], failure);

        if (result < 0) {
            return result;
        }
    }
    return BERTH_OK;
}

/* As many as there is memory for: a run does without. */
static void make_helpers(struct run *run)
{
    struct launch_failure failure;
    uint32_t count = max_u32(run->queue_count, 1); /* the first is none */

    while (count < run->thread_count && make_carrier(run->queues[count], &failure) == BERTH_OK) {
        count++;
    }
    for (uint32_t i = count; i < run->thread_count; i++) {
        queue_free(run->queues[i]);
        run->queues[i] = NULL;
    }
    run->thread_count = count;
    explicit_bzero(run->seed, sizeof run->seed);
}

int stack_setup(struct run *run, struct launch_failure *failure)
{
    struct berth_rules_error error;
    int result = BERTH_OK;

    if (getrandom(&run->steer_key, sizeof run->steer_key, 0) != (ssize_t)sizeof run->steer_key) {
        return fail(failure, "random numbers", strerror(errno));
    }
    if (run->queue_count == 1) {
        run->guard = run->queues[0];
    } else {
        result = make_carriers(run, failure);
    }
    if (result == BERTH_OK) {
        result = make_stack(run->guard, failure);
    }
    if (result == BERTH_OK) {
        make_helpers(run);
    }
    if (result < 0) {
        return result;
    }
    run->now_ns = run->queues[0]->loop->now_ns;
    result = rules_load_first(run, &error);
    if (result < 0) {
        return fail(failure, "the stack", berth_error_text(result));
    }
    stack_setup_host_addresses(run);
    load_host_names(run);
    return BERTH_OK;
}
