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
#include "run/spread.h"
#include "run/stack_setup.h"

enum { EXIT_BAD_FILE = 2 };

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

static void on_hostnet(struct loop_source *source)
{
    struct run *run = CONTAINER_OF(source, struct run, hostnet_source);

    source->ready = 0;
    if (hostnet_update(run->hostnet)) {
        stack_setup_host_addresses(run);
    }
}

static int set_up_host(struct run *run, struct launch_failure *failure)
{
    raise_limits();
    run->queues[0] = queue_new(run, 0, NULL);
    if (run->queues[0] == NULL) {
        return fail(failure, "epoll", strerror(errno));
    }
    run->queue_count = 1;
    run->thread_count = 1;
    if (hostnet_new(&run->hostnet) < 0) {
        return fail(failure, "the host's addresses (netlink)", strerror(errno));
    }
    run->hostnet_source.work = on_hostnet;
    if (loop_watch(run->queues[0]->loop, &run->hostnet_source, hostnet_fd(run->hostnet), EPOLLIN) <
        0) {
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
        .queues = run->threads_wanted,
        .network = config->network,
        .network6 = config->network6,
        .resolvers = resolvers,
        .hosts = config->hosts,
        .host_count = config->host_count,
        .keeps_hangup = config->rules_owner.again != NULL,
        .is_impaired = config->impairment != NULL,
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

/* On the thread of whichever queue met it. */
static void on_capture_error(void *user, const char *text)
{
    struct run *run = user;
    int error = errno; /* TEXT names the file once more */

    (void)text;
    gate_lock_take(&run->lock);
    run_say(run, "cannot write to the capture '%s': %s; it ends here, the program goes on",
            run->config->pcap_file, strerror(error));
    gate_lock_give(&run->lock);
}

static uint64_t wall_offset_ns(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec - loop_clock_ns();
}

/* The capture is next to the device: it sees what crosses the program's link, on all queues. */
static int capture_link(struct run *run, struct link **link, struct launch_failure *failure)
{
    struct link_capture_config config = {.file = run->config->pcap_file,
                                         .wall_offset_ns = wall_offset_ns(),
                                         .on_error = on_capture_error,
                                         .user = run};
    int result = run->capture == NULL ? link_capture_new(*link, &config, link)
                                      : link_capture_join(*link, run->capture, link);

    if (result < 0) {
        (void)fail(failure, config.file, strerror(-result));
        failure->exit_status = EXIT_BAD_FILE;
        return BERTH_E_INVALID;
    }
    run->capture = *link;
    return BERTH_OK;
}

/* Each queue has chances of its own; a rate, which they would share, has only one queue. */
static int impair_link(const struct queue *queue, struct link **link,
                       struct launch_failure *failure)
{
    struct link_impairment impairment = *queue->run->config->impairment;

    BERTH_CHECK(queue->run->config->queues == 1 || impairment.rate_bps == 0);
    impairment.seed += queue->number;
    return link_impair_new(*link, &impairment, &impairment, link) < 0
               ? fail(failure, "--impair", "no memory")
               : BERTH_OK;
}

static int wrap_link(struct queue *queue, struct launch_failure *failure)
{
    const struct run_config *config = queue->run->config;

    if (config->pcap_file != NULL && capture_link(queue->run, &queue->link, failure) < 0) {
        return BERTH_E_INVALID;
    }
    return config->impairment == NULL ? BERTH_OK : impair_link(queue, &queue->link, failure);
}

static void on_link(struct loop_source *source)
{
    (void)source; /* the turn looks at its `ready` itself */
}

static int set_up_device_queue(struct queue *queue, struct launch_failure *failure)
{
    struct run *run = queue->run;
    int fd = launch_take_tun(run->launch, queue->number);

    if (link_tun_new(fd, launch_offloads(run->launch), &queue->link) < 0) {
        close(fd);
        return fail(failure, "the device", "no memory");
    }
    if (wrap_link(queue, failure) < 0) {
        return failure->exit_status == EXIT_BAD_FILE ? BERTH_E_INVALID : BERTH_E_STATE;
    }
    queue->link_source.work = on_link;
    queue->link_source.is_free = true;
    if (loop_watch(queue->loop, &queue->link_source, link_fd(queue->link), EPOLLIN | EPOLLET) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
    return BERTH_OK;
}

/* Queue I, which takes first contacts or is a helper. */
static int set_up_queue(struct run *run, uint32_t i, struct launch_failure *failure)
{
    int result;

    run->queues[i] = queue_new(run, i, NULL);
    if (run->queues[i] == NULL) {
        return fail(failure, "epoll", strerror(errno));
    }
    run->thread_count = i + 1;
    result = set_up_device_queue(run->queues[i], failure);
    if (i < run->config->queues) {
        run->queue_count = i + 1;
    } else if (result == BERTH_OK && spread_begin_helper(run->queues[i]) < 0) {
        return fail(failure, "a queue of the device", strerror(errno));
    }
    return result;
}

static int set_up_link(struct run *run, struct launch_failure *failure)
{
    int result = set_up_device_queue(run->queues[0], failure);

    if (result == BERTH_OK && run->threads_wanted > 1) {
        (void)spread_guard_device(link_fd(run->queues[0]->link));
    }
    for (uint32_t i = 1; i < run->threads_wanted && result == BERTH_OK; i++) {
        result = set_up_queue(run, i, failure);
    }
    if (result < 0) {
        return result;
    }
    run->launch_source.work = on_launch;
    if (loop_watch(run->queues[0]->loop, &run->launch_source, launch_event_fd(run->launch),
                   EPOLLIN) < 0) {
        return fail(failure, "epoll", strerror(errno));
    }
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
    if (confine_privileges(failure->message, sizeof failure->message) < 0) {
        return BERTH_E_STATE;
    }
    if (queue_start(run, failure) < 0) { /* without privileges; the filter is for all threads */
        return BERTH_E_STATE;
    }
    if (confine_calls(run->config->policy_file != NULL, failure->message, sizeof failure->message) <
        0) {
        return BERTH_E_STATE;
    }
    return BERTH_OK;
}

int run_new(struct run **out, const struct run_config *config, struct launch_failure *failure)
{
    static int (*const steps[])(struct run *, struct launch_failure *) = {
        set_up_program, set_up_host, set_up_link, stack_setup, set_up_relays,
    };
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        return fail(failure, "berth", "no memory");
    }
    run->own_config = *config;
    run->config = &run->own_config;
    run->threads_wanted = config->queues == 0 ? spread_threads(config) : config->queues;
    run->own_config.queues = max_u32(config->queues, 1);
    spread_init(run);
    run->journal.fd = -1;
    run->launch_source.fd = -1;
    run->hostnet_source.fd = -1;
    run->control.source.fd = -1;
    list_init(&run->deciding);
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
    queue_drop_parcels(run);
    for (uint32_t i = run->queue_count; i < run->thread_count; i++) {
        relay_tcp_end_all(run->queues[i]);
    }
    queue_drop_parcels(run); /* their records are written */
    spread_done(run);
    queue_drop_parcels(run); /* and forgotten */
    questions_done(run);
    for (uint32_t i = 0; i < run->queue_count; i++) {
        relay_tcp_end_all(run->queues[i]);
    }
    relay_tcp_end_all(run->guard);
    relay_udp_done(run);
    relay_echo_done(run);
    resolver_done(run);
}

void run_free(struct run *run)
{
    if (run == NULL) {
        return;
    }
    queue_stop(run);
    if (run->guard != NULL && run->guard->berth != NULL) {
        run_setup_end_conversations(run);
    }
    publish_done(run);
    control_done(run);
    added_done(run);
    rules_done(run);
    attribute_free(run->attribute);
    hostnet_free(run->hostnet);
    journal_done(&run->journal);
    naming_done(&run->naming);
    answers_done(&run->answers);
    tally_done(&run->tally);
    if (run->guard != run->queues[0]) {
        queue_free(run->guard);
    }
    for (uint32_t i = 0; i < run->thread_count; i++) {
        queue_free(run->queues[i]);
    }
    launch_free(run->launch);
    free(run);
}
