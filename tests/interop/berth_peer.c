/* SPDX-License-Identifier: MIT */
/*
 * berth_peer: see peer.h. The stack, its link, and the loop that any owner runs.
 *
 *     kernel ---- TUN ---- [capture] ---- [impairment] ---- stack
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#define RULES       "allow in\nallow out\n"
#define FRAMES      32
#define RECEIVE_MAX 64
#define SUPER_BYTES (BERTH_PACKET_BYTES_MAX + 64U)
#define POOL_BYTES  (64U << 20) /* of buffers, where --set says nothing else */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void say_error(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "berth_peer: %s\n", text);
}

static struct link *wrap_impaired(struct link *inner, const struct peer_options *options)
{
    struct link_impairment impairment;
    struct link_text_error error;
    struct link *link;

    if (link_impairment_parse(options->impair, &impairment, &error) != 0) {
        peer_die(options->impair, error.expected);
    }
    impairment.seed = options->impair_seed;
    if (link_impair_new(inner, &impairment, &impairment, &link) != 0) {
        peer_die("impairment", "no memory");
    }
    return link;
}

static struct link *wrap_captured(struct link *inner, const char *file)
{
    struct link_capture_config config = {
        .file = file,
        .wall_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
        .on_error = say_error,
    };
    struct link *link;
    int error = link_capture_new(inner, &config, &link);

    if (error != 0) {
        peer_die(file, strerror(-error));
    }
    return link;
}

static void open_link(struct peer *peer)
{
    struct peer_options *options = &peer->options;
    uint32_t offloads;
    int fd;
    int error = link_tun_open(options->tun, &fd, &offloads);

    if (error == 0 && options->config.offloads != UINT32_MAX) {
        offloads &= options->config.offloads;
        error = link_tun_set_offloads(fd, offloads);
    }
    if (error != 0) {
        peer_die(options->tun, strerror(-error));
    }
    if (link_tun_new(fd, offloads, &peer->link) != 0) {
        peer_die(options->tun, "no memory");
    }
    if (options->capture != NULL) {
        peer->link = wrap_captured(peer->link, options->capture);
    }
    if (options->impair != NULL) {
        peer->link = wrap_impaired(peer->link, options);
    }
    options->config.offloads = offloads == 0 ? 0 : link_offloads(peer->link);
}

static void make_stack(struct peer *peer)
{
    struct berth_config *config = &peer->options.config;
    struct berth_config plain;
    const char *what = "configuration";
    int error;

    berth_config_init(&plain);
    config->limits.buffer_bytes =
        max_u32(config->limits.buffer_bytes,
                config->offloads != 0 ? SUPER_BYTES : max_u32(config->mtu + 64, 2048));
    if (config->limits.buffers == plain.limits.buffers) {
        config->limits.buffers = max_u32(POOL_BYTES / config->limits.buffer_bytes, 1024);
    }
    if (getrandom(config->seed, sizeof config->seed, 0) != (ssize_t)sizeof config->seed) {
        peer_die("seed", "no randomness");
    }
    if (berth_config_check(config, &what) != 0) {
        peer_die(what, "out of range");
    }
    peer->memory_bytes = berth_memory_bytes(config);
    peer->memory = mmap(NULL, peer->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (peer->memory == MAP_FAILED) {
        peer_die("stack", "no memory");
    }
    error = berth_init(&peer->berth, config, peer->memory, peer->memory_bytes, peer->now_ns);
    for (unsigned i = 0; error == 0 && i < peer->options.address_count; i++) {
        error = berth_address_add(peer->berth, &peer->options.addresses[i]);
    }
    /* The kernel at the device's other end may be a router. */
    for (unsigned i = 0; error == 0 && i < peer->options.address_count; i++) {
        const struct berth_address *own = &peer->options.addresses[i].address;
        struct berth_prefix all = {.address = berth_address_is_v4(own) ? berth_address_v4(0)
                                                                       : berth_address_any(),
                                   .bits = berth_address_is_v4(own) ? 96 : 0};

        error = berth_route_add(peer->berth, &all);
    }
    if (error == 0) {
        error = berth_rules_load(peer->berth, RULES, strlen(RULES), NULL);
    }
    if (error != 0) {
        peer_die("stack", berth_error_text(error));
    }
}

/* Everything that can be done now: packets in, time, events, packets out. */
static void turn(struct peer *peer)
{
    struct berth_frame frames[FRAMES];
    struct berth_event event;
    uint32_t count;
    int received;

    do {
        received = link_receive(peer->link, peer->berth, RECEIVE_MAX, peer->now_ns);
        if (received == BERTH_E_CLOSED) {
            peer_die(peer->options.tun, "the device is gone");
        }
        if (berth_deadline(peer->berth) <= peer->now_ns) {
            berth_advance(peer->berth, peer->now_ns);
        }
        while (berth_next_event(peer->berth, &event)) {
            peer_flow_on_event(peer, &event);
        }
        peer_flow_work(peer);
        while ((count = berth_transmit(peer->berth, frames, FRAMES, peer->now_ns)) > 0) {
            (void)link_send(peer->link, frames, count, peer->now_ns);
        }
        peer->now_ns = clock_ns(CLOCK_MONOTONIC);
    } while (received > 0);
}

/* Sleeps until the link is readable, or UNTIL. */
static void sleep_until(const struct peer *peer, uint64_t until_ns)
{
    uint64_t ns = until_ns > peer->now_ns ? until_ns - peer->now_ns : 0;
    struct timespec timeout = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    struct pollfd poll = {.fd = link_fd(peer->link), .events = POLLIN};

    (void)ppoll(&poll, link_is_starved(peer->link) ? 0 : 1, &timeout, NULL);
}

static void loop(struct peer *peer)
{
    uint64_t limit_ns = peer->now_ns + peer->options.limit_ns;
    uint64_t end_ns = limit_ns;
    bool was_over = false;

    while (peer->now_ns < end_ns) {
        uint64_t until_ns = end_ns;

        turn(peer);
        if (peer->is_over && !was_over) {
            was_over = true;
            end_ns = min_u64(limit_ns, peer->now_ns + peer->options.linger_ns);
        }
        until_ns = min_u64(end_ns, berth_deadline(peer->berth));
        until_ns = min_u64(until_ns, link_next_ns(peer->link));
        sleep_until(peer, min_u64(until_ns, peer_flow_deadline(peer)));
        peer->now_ns = clock_ns(CLOCK_MONOTONIC);
    }
}

/* The device is there; whoever started us sets it up and then says so with a line. */
static void wait_for_word(void)
{
    int character;

    if (puts("ready") < 0 || fflush(stdout) != 0) {
        peer_die("standard output", "closed");
    }
    do {
        character = getchar();
    } while (character != '\n' && character != EOF);
}

int main(int argc, char **argv)
{
    static struct peer peer;
    int status;

    peer_options_parse(argc, argv, &peer.options);
    peer.now_ns = clock_ns(CLOCK_MONOTONIC);
    peer.results = json_array();
    open_link(&peer);
    make_stack(&peer);
    wait_for_word();
    peer.now_ns = clock_ns(CLOCK_MONOTONIC);
    berth_advance(peer.berth, peer.now_ns);
    peer_flow_start(&peer);
    loop(&peer);
    status = peer_report(&peer);
    link_free(peer.link);
    berth_done(peer.berth);
    (void)munmap(peer.memory, peer.memory_bytes);
    return status;
}
