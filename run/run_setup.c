/* SPDX-License-Identifier: MIT */
/*
 * run/run_setup.c: see run/run_setup.h and run/run.h: the parts of a run, made in the order in
 * which they need each other, and ended in the other order.
 */
#include "run/run_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "run/confine.h"
#include "run/decide.h"
#include "run/publish.h"
#include "run/questions.h"
#include "run/relay_echo.h"
#include "run/relay_tcp.h"
#include "run/relay_udp.h"
#include "run/resolver.h"

enum {
    BUFFER_BYTES = 69632, /* a super-segment, its headers and headroom; whole pages */
    BUFFERS = 2048,
    BUFFERS_RESERVED = 64,
    CONNECTIONS = 16384,
    CONTACTS = 16384,
    NAMES = 8192, /* addresses that were given for them */
    EXIT_BAD_FILE = 2,
};

#define HELD_MARGIN_NS (10 * NS_PER_S) /* a question ends before what it is about does */

static int fail(struct launch_failure *failure, const char *what, const char *why)
{
    failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
    snprintf(failure->message, sizeof failure->message, "%s: %s", what, why);
    return BERTH_E_STATE;
}

/* ---- The host ------------------------------------------------------------------------------- */

/* Every connection needs a descriptor; the program, already there, keeps its own limit. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* What `host` means, as the host's network is now. */
static void load_host_addresses(struct run *run)
{
    struct hostnet_list addresses = hostnet_addresses(run->hostnet);
    struct hostnet_list broadcasts = hostnet_broadcasts(run->hostnet);
    size_t count = addresses.count + broadcasts.count;
    struct berth_address *all = calloc(count + 1, sizeof *all);

    if (all != NULL) {
        memcpy(all, addresses.addresses, addresses.count * sizeof *all);
        memcpy(all + addresses.count, broadcasts.addresses, broadcasts.count * sizeof *all);
    }
    if (all == NULL || addresses.is_cut || broadcasts.is_cut ||
        berth_host_addresses_set(run->berth, all, count) < 0) {
        run_say(run, "this host has too many addresses (%zu): some are taken for the network's",
                count);
    }
    free(all);
}

static void on_hostnet(struct loop_source *source)
{
    struct run *run = CONTAINER_OF(source, struct run, hostnet_source);

    source->ready = 0;
    if (hostnet_update(run->hostnet)) {
        load_host_addresses(run);
    }
}

static int set_up_host(struct run *run, struct launch_failure *failure)
{
    raise_limits();
    if (loop_init(&run->loop) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
    if (hostnet_new(&run->hostnet) < 0) {
        return fail(failure, "the host's addresses (netlink)", strerror(errno));
    }
    run->hostnet_source.work = on_hostnet;
    if (loop_watch(&run->loop, &run->hostnet_source, hostnet_fd(run->hostnet), EPOLLIN) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
    run->answers.is_on = run->config->learns;
    if (naming_init(&run->naming) < 0) {
        return fail(failure, "names", "no memory");
    }
    if (journal_open(&run->journal, run->config->log_file) < 0) {
        (void)fail(failure, run->config->log_file, strerror(errno));
        failure->exit_status = EXIT_BAD_FILE;
        return BERTH_E_INVALID;
    }
    return BERTH_OK;
}

/* ---- The program ---------------------------------------------------------------------------- */

static void on_launch(struct loop_source *source)
{
    struct run *run = CONTAINER_OF(source, struct run, launch_source);
    bool is_from_outside;

    source->ready = 0;
    run->is_hurried = run->is_ending;
    run->is_ending = launch_on_event(run->launch) == LAUNCH_ENDED;
    if (launch_take_hangup(run->launch, &is_from_outside)) {
        rules_on_hangup(run, is_from_outside);
    }
    if (launch_take_interrupt(run->launch)) {
        questions_interrupt(run);
    }
}

static int set_up_program(struct run *run, struct launch_failure *failure)
{
    const struct run_config *config = run->config;
    struct berth_address resolvers[2];
    struct launch_config launch = {
        .argv = config->argv,
        .mtu = config->mtu,
        .network = config->network,
        .network6 = config->network6,
        .resolvers = resolvers,
        .hosts = config->hosts,
        .host_count = config->host_count,
        .keeps_hangup = config->rules_owner.again != NULL,
    };
    int result;

    if (config->has_resolver && config->network.is_on) {
        resolvers[launch.resolver_count++] = config->resolver;
    }
    if (config->has_resolver && config->network6.is_on) {
        resolvers[launch.resolver_count++] = config->resolver6;
    }
    result = launch_start(&run->launch, &launch, failure);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; launch_warning(run->launch, i) != NULL; i++) {
        run_say(run, "%s", launch_warning(run->launch, i));
    }
    run->own_config.network6.is_on = config->network6.is_on && launch_has_ipv6(run->launch);
    if (attribute_new(&run->attribute, run->launch) < 0) {
        return fail(failure, "attribution", "no memory");
    }
    return BERTH_OK;
}

/* ---- The link ------------------------------------------------------------------------------- */

static void on_capture_error(void *user, const char *text)
{
    const struct run *run = user;

    run_say(run, "cannot write to the capture '%s': %s; it ends here, the program goes on",
            run->config->pcap_file, text);
}

static uint64_t wall_offset_ns(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec - loop_clock_ns();
}

/* The capture is next to the device: it sees what crosses the program's link. */
static int wrap_link(struct run *run, struct launch_failure *failure)
{
    const struct run_config *config = run->config;

    if (config->pcap_file != NULL) {
        struct link_capture_config capture = {.file = config->pcap_file,
                                              .wall_offset_ns = wall_offset_ns(),
                                              .on_error = on_capture_error,
                                              .user = run};
        int result = link_capture_new(run->link, &capture, &run->link);

        if (result < 0) {
            (void)fail(failure, config->pcap_file, strerror(-result));
            failure->exit_status = EXIT_BAD_FILE;
            return BERTH_E_INVALID;
        }
    }
    if (config->impairment != NULL &&
        link_impair_new(run->link, config->impairment, config->impairment, &run->link) < 0) {
        return fail(failure, "--impair", "no memory");
    }
    return BERTH_OK;
}

static void on_link(struct loop_source *source)
{
    (void)source; /* the turn looks at its `ready` itself */
}

static int set_up_link(struct run *run, struct launch_failure *failure)
{
    int fd = launch_take_tun(run->launch);

    if (link_tun_new(fd, launch_offloads(run->launch), &run->link) < 0) {
        close(fd);
        return fail(failure, "the device", "no memory");
    }
    if (wrap_link(run, failure) < 0) {
        return failure->exit_status == EXIT_BAD_FILE ? BERTH_E_INVALID : BERTH_E_STATE;
    }
    run->link_source.work = on_link;
    if (loop_watch(&run->loop, &run->link_source, link_fd(run->link), EPOLLIN | EPOLLET) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
    run->launch_source.work = on_launch;
    if (loop_watch(&run->loop, &run->launch_source, launch_event_fd(run->launch), EPOLLIN) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
    return BERTH_OK;
}

/* ---- The stack ------------------------------------------------------------------------------ */

static int configure(const struct run *run, struct berth_config *config)
{
    berth_config_init(config);
    if (getrandom(config->seed, sizeof config->seed, 0) != (ssize_t)sizeof config->seed) {
        return BERTH_E_STATE;
    }
    config->mtu = run->config->mtu;
    config->offloads = link_offloads(run->link);
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
    config->tcp.held_ns = max_u64(config->tcp.held_ns, RUN_ASK_NS_MAX + HELD_MARGIN_NS);
    config->udp_held_ns = max_u64(config->udp_held_ns, RUN_ASK_NS_MAX + HELD_MARGIN_NS);
    config->limits.rules = max_u32(config->limits.rules, run->config->rules_max + ADDED_MAX);
    config->limits.rule_bytes =
        max_u32(config->limits.rule_bytes, run->config->rule_bytes_max + ADDED_MAX * ADDED_BYTES);
    return BERTH_OK;
}

static int add_network(struct run *run, const struct launch_network *network,
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
    result = berth_address_add(run->berth, &gateway);
    if (result == BERTH_OK && run->config->has_resolver) {
        result = berth_address_add(run->berth, &names);
    }
    if (result == BERTH_OK) {
        result = berth_route_add(run->berth, &everything);
    }
    return result < 0 ? result : berth_peer_add(run->berth, &program);
}

/* From its link-local address the program can be refused as well as from the other. */
static int add_link_local(struct run *run)
{
    struct berth_prefix link_local;
    int result = berth_prefix_parse("fe80::/10", &link_local);

    return result < 0 ? result : berth_peer_add(run->berth, &link_local);
}

static int add_networks(struct run *run)
{
    const struct run_config *config = run->config;
    int result = BERTH_OK;

    if (config->network.is_on) {
        result = add_network(run, &config->network, &config->resolver);
    }
    if (result == BERTH_OK && config->network6.is_on) {
        result = add_network(run, &config->network6, &config->resolver6);
        if (result == BERTH_OK) {
            result = add_link_local(run);
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
        if (berth_name_learn(run->berth, host->name, &host->address, BERTH_NEVER, true) < 0) {
            run_say(run, "no rule can name '%s' of --hosts: it is no host name", host->name);
        }
    }
}

static int set_up_stack(struct run *run, struct launch_failure *failure)
{
    struct berth_config config;
    struct berth_rules_error error;
    int result;

    if (configure(run, &config) < 0) {
        return fail(failure, "random numbers", strerror(errno));
    }
    run->memory_bytes = berth_memory_bytes(&config);
    BERTH_CHECK(run->memory_bytes > 0);
    run->memory = mmap(NULL, run->memory_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (run->memory == MAP_FAILED) {
        run->memory = NULL;
        return fail(failure, "the stack's memory", strerror(errno));
    }
    result = berth_init(&run->berth, &config, run->memory, run->memory_bytes, run->loop.now_ns);
    if (result == BERTH_OK) {
        result = add_networks(run);
    }
    if (result == BERTH_OK) {
        result = rules_load_first(run, &error);
    }
    if (result < 0) {
        return fail(failure, "the stack", berth_error_text(result));
    }
    berth_intercept(run->berth, true);
    load_host_addresses(run);
    load_host_names(run);
    return BERTH_OK;
}

/* ---- Together ------------------------------------------------------------------------------- */

static int set_up_relays(struct run *run, struct launch_failure *failure)
{
    failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
    if (relay_udp_init(run) < 0 || relay_echo_init(run) < 0 || questions_init(run) < 0) {
        return fail(failure, "the relay", "no memory");
    }
    if (resolver_init(run, failure->message, sizeof failure->message) < 0 ||
        publish_init(run, failure->message, sizeof failure->message) < 0) {
        return BERTH_E_STATE;
    }
    if (run->config->rules_owner.again != NULL) {
        control_init(run);
    }
    if (confine_privileges(failure->message, sizeof failure->message) < 0 ||
        confine_calls(run->config->policy_file != NULL, failure->message, sizeof failure->message) <
            0) {
        return BERTH_E_STATE;
    }
    return BERTH_OK;
}

int run_new(struct run **out, const struct run_config *config, struct launch_failure *failure)
{
    static int (*const steps[])(struct run *, struct launch_failure *) = {
        set_up_program, set_up_host, set_up_link, set_up_stack, set_up_relays,
    };
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        return fail(failure, "berth", "no memory");
    }
    run->own_config = *config;
    run->config = &run->own_config;
    run->journal.fd = -1;
    run->loop.fd = -1;
    run->launch_source.fd = -1;
    run->hostnet_source.fd = -1;
    run->link_source.fd = -1;
    run->control.source.fd = -1;
    list_init(&run->tcp_relays);
    list_init(&run->deciding);
    for (size_t i = 0; i < RUN_HELD_CHAINS; i++) {
        list_init(&run->tcp_held[i]);
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int result = steps[i](run, failure);

        if (result < 0) {
            run_free(run);
            return result;
        }
    }
    *out = run;
    return BERTH_OK;
}

void run_setup_end_conversations(struct run *run)
{
    decide_end_all(run);
    questions_done(run);
    relay_tcp_end_all(run);
    relay_udp_done(run);
    relay_echo_done(run);
    resolver_done(run);
}

void run_free(struct run *run)
{
    if (run == NULL) {
        return;
    }
    if (run->berth != NULL) {
        run_setup_end_conversations(run);
    }
    publish_done(run);
    control_done(run);
    added_done(run);
    rules_done(run);
    if (run->berth != NULL) {
        berth_done(run->berth);
    }
    if (run->memory != NULL) {
        (void)munmap(run->memory, run->memory_bytes);
    }
    link_free(run->link);
    attribute_free(run->attribute);
    hostnet_free(run->hostnet);
    journal_done(&run->journal);
    naming_done(&run->naming);
    answers_done(&run->answers);
    tally_done(&run->tally);
    loop_done(&run->loop);
    launch_free(run->launch);
    free(run);
}
