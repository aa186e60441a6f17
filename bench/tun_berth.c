/* SPDX-License-Identifier: MIT */
/* berth as a server behind a TUN device, super-segments both ways: tun.h. */
#include "tun.h"

#include "link/link.h"

#include <berth/berth.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define FRAMES_MAX  64U
#define RECEIVE_MAX 64U
#define TURNS_MAX   8U /* rounds without looking whether standard input has ended */

struct server {
    struct tun_options options;
    struct berth *berth;
    struct link *link;
    int fd;
    berth_id listener;
};

static void must(int result, const char *what)
{
    if (result < 0) {
        tun_die(what, berth_error_text(result));
    }
}

static void make_stack(struct server *server)
{
    static const char rules[] = "allow in any\n";
    struct berth_prefix network = {.bits = 96 + 24};
    struct berth_endpoint at = {.port = server->options.port};
    struct berth_rules_error error;
    struct berth_config config;

    berth_config_init(&config);
    config.mtu = server->options.mtu;
    config.offloads = link_offloads(server->link);
    config.segment_bytes_max = BERTH_PACKET_BYTES_MAX - 120;
    config.limits.buffers = 1024;
    config.limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 64;
    if (getrandom(config.seed, sizeof config.seed, 0) != (ssize_t)sizeof config.seed) {
        tun_die("getrandom", "no randomness");
    }
    size_t bytes = berth_memory_bytes(&config);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        tun_die("mmap", "no memory");
    }
    must(berth_init(&server->berth, &config, memory, bytes, tun_now_ns()), "berth_init");
    must(berth_address_parse(server->options.address, &network.address), server->options.address);
    must(berth_address_add(server->berth, &network), "berth_address_add");
    must(berth_rules_load(server->berth, rules, sizeof rules - 1, &error), "berth_rules_load");
    at.address = network.address;
    must(berth_tcp_listen(server->berth, &at, 128, NULL, &server->listener), "berth_tcp_listen");
}

static void fill(struct server *server, berth_id id)
{
    struct berth_view views[2];
    uint32_t count;

    while (berth_tcp_reserve(server->berth, id, 1U << 18, views, 2, &count) == 0) {
        size_t bytes = views[0].bytes + (count > 1 ? views[1].bytes : 0);
        must(berth_tcp_commit(server->berth, id, bytes), "berth_tcp_commit");
    }
}

static void echo(struct server *server, berth_id id, const struct berth_view *view)
{
    size_t taken;

    must(berth_tcp_write(server->berth, id, view->data, view->bytes, &taken), "berth_tcp_write");
}

/* What has come, by what the connection is for. false: its end is here. */
static bool take(struct server *server, berth_id id, uint8_t *kind)
{
    struct berth_view views[16];
    uint32_t count = 0;

    while (berth_tcp_peek(server->berth, id, views, 16, &count) == 0) {
        size_t bytes = 0;
        if (count == 0) {
            return false;
        }
        if (*kind == 0) {
            *kind = *(const uint8_t *)views[0].data;
        }
        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
            if (*kind == LOAD_ECHO) {
                echo(server, id, &views[i]);
            }
        }
        must(berth_tcp_consume(server->berth, id, bytes), "berth_tcp_consume");
        if (*kind == LOAD_SINK) {
            __atomic_fetch_add(&server->options.counter->bytes, bytes, __ATOMIC_RELAXED);
        }
    }
    return true;
}

/* KIND: the connection's, 0 until its first byte is here; freed with it. */
static void serve(struct server *server, berth_id id, uint8_t *kind, uint32_t bits)
{
    bool goes_on = (bits & BERTH_EVENT_CLOSED) == 0;

    if (goes_on && (bits & BERTH_EVENT_READABLE) != 0) {
        goes_on = take(server, id, kind);
    }
    if (!goes_on) {
        (void)berth_tcp_close(server->berth, id);
        free(kind);
    } else if (*kind == LOAD_SOURCE) {
        fill(server, id);
    }
}

/* All that wait: of several there may be one event. */
static void serve_new(struct server *server)
{
    uint8_t *kind = calloc(1, sizeof *kind);
    berth_id id;

    while (kind != NULL && berth_tcp_accept(server->berth, server->listener, kind, &id) == 0) {
        serve(server, id, kind, BERTH_EVENT_READABLE);
        kind = calloc(1, sizeof *kind);
    }
    free(kind);
}

static void work_events(struct server *server)
{
    struct berth_event event;

    while (berth_next_event(server->berth, &event)) {
        if (event.id == server->listener) {
            serve_new(server);
        } else {
            serve(server, event.id, event.user, event.bits);
        }
    }
}

/* Packets in, time, packets out. true: there may be more to read. */
static bool turn(struct server *server)
{
    static struct berth_frame frames[FRAMES_MAX];
    uint64_t now_ns = tun_now_ns();
    int received = link_receive(server->link, server->berth, RECEIVE_MAX, now_ns);
    uint32_t count = FRAMES_MAX;

    must(received, "link_receive");
    if (berth_deadline(server->berth) <= now_ns) {
        berth_advance(server->berth, now_ns);
    }
    work_events(server);
    while (count == FRAMES_MAX) {
        count = berth_transmit(server->berth, frames, FRAMES_MAX, now_ns);
        if (count > 0) {
            must(link_send(server->link, frames, count, now_ns), "link_send");
        }
    }
    return received > 0;
}

static uint64_t until_deadline(const struct server *server)
{
    uint64_t deadline_ns = berth_deadline(server->berth);
    uint64_t now_ns = tun_now_ns();

    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

int main(int argc, char **argv)
{
    struct server server = {0};
    uint32_t offloads;

    tun_parse(&server.options, argc, argv);
    int error = link_tun_open(server.options.device, &server.fd, &offloads);
    if (error != 0) {
        tun_die(server.options.device, strerror(-error));
    }
    must(link_tun_new(server.fd, offloads, &server.link), "link_tun_new");
    make_stack(&server);
    tun_ready();
    while (tun_wait(server.fd, until_deadline(&server))) {
        for (unsigned i = 0; i < TURNS_MAX && turn(&server); i++) {
        }
    }
    return 0;
}
