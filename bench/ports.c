/* SPDX-License-Identifier: MIT */
/*
 * bench-ports: what choosing an ephemeral port towards one remote endpoint costs, by the share of
 * the range (49152 to 65535) that is taken towards it already.
 *
 *   bench-ports pick       the choice alone: ports_pick, in batches of up to 8
 *   bench-ports berth      berth_tcp_connect to one destination, until its SYN is handed out
 *   bench-ports linux ADDR connect() without waiting, to an address that does not answer; the range
 *                          (net.ipv4.ip_local_port_range) is set by the caller
 *
 * Each fills up as its own way of choosing does, and prints a line of JSON for each share.
 */
#include "ports/ports.h"
#include "stacks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST      49152U
#define RANGE      16384U
#define BATCH_MAX  8U
#define SAMPLES    2000U
#define SAMPLES_OS 300U

static const double shares[] = {0, 0.5, 0.9, 0.99, 0.999};
#define SHARES (sizeof shares / sizeof shares[0])

/* One way of choosing: TAKE takes a port, GIVE gives back the one taken last. */
struct way {
    const char *name;
    void (*take)(void *state);
    void (*give)(void *state);
    void *state;
    unsigned samples;
};

static double samples_ns[SAMPLES];

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* BATCH ports are taken and given back; what one of them cost. */
static double sample(const struct way *way, unsigned batch)
{
    uint64_t begin_ns = clock_ns();

    for (unsigned i = 0; i < batch; i++) {
        way->take(way->state);
    }
    begin_ns = clock_ns() - begin_ns;
    for (unsigned i = 0; i < batch; i++) {
        way->give(way->state);
    }
    return (double)begin_ns / batch;
}

static void measure(const struct way *way)
{
    unsigned taken = 0;

    for (unsigned at = 0; at < SHARES; at++) {
        unsigned goal = (unsigned)(shares[at] * RANGE);

        for (; taken < goal; taken++) {
            way->take(way->state);
        }
        for (unsigned i = 0; i < way->samples; i++) {
            samples_ns[i] = sample(way, BATCH_MAX);
        }
        qsort(samples_ns, way->samples, sizeof samples_ns[0], compare);
        printf("{\"way\": \"%s\", \"share\": %g, \"p50_ns\": %.1f, \"p99_ns\": %.1f}\n", way->name,
               shares[at], samples_ns[way->samples / 2], samples_ns[way->samples * 99 / 100]);
        fflush(stdout);
    }
}

/* ---- the choice alone ----------------------------------------------------------------------- */

struct picking {
    struct ports ports;
    struct random random;
    struct ports_use use;
    uint16_t taken[RANGE];
    unsigned count;
};

static void pick_take(void *state)
{
    struct picking *picking = state;

    must(ports_pick(&picking->ports, &picking->use, &picking->taken[picking->count++]),
         "ports_pick");
}

static void pick_give(void *state)
{
    struct picking *picking = state;

    ports_give(&picking->ports, &picking->use, picking->taken[--picking->count]);
}

static void pick(void)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {1};
    static const struct hash_key key = {{2}};
    static struct picking picking;
    const struct ports_limits limits = {.binds = 16,
                                        .endpoints = 16,
                                        .ephemeral_first = FIRST,
                                        .ephemeral_last = FIRST + RANGE - 1};
    const struct way way = {"pick", pick_take, pick_give, &picking, SAMPLES};
    struct arena arena;
    size_t bytes;
    void *memory;

    arena_init(&arena, NULL, 0);
    ports_init(&picking.ports, &arena, &limits);
    bytes = arena.used;
    memory = calloc(1, bytes);
    must(memory != NULL ? 0 : BERTH_E_LIMIT, "memory");
    arena_init(&arena, memory, bytes);
    picking = (struct picking){.count = 0};
    ports_init(&picking.ports, &arena, &limits);
    random_init(&picking.random, seed, "ports");
    ports_seed(&picking.ports, &key, &picking.random);
    picking.use = (struct ports_use){.local = stacks_endpoint(0, 0).address,
                                     .remote = stacks_endpoint(1, 443),
                                     .protocol = BERTH_TCP};
    measure(&way);
    free(memory);
}

/* ---- berth's connect ------------------------------------------------------------------------ */

struct connecting {
    struct berth *berth;
    struct berth_endpoint to;
    berth_id ids[RANGE];
    unsigned count;
};

static void berth_take(void *state)
{
    static struct berth_frame frames[4];
    struct connecting *connecting = state;

    must(berth_tcp_connect(connecting->berth, NULL, &connecting->to, NULL,
                           &connecting->ids[connecting->count++]),
         "berth_tcp_connect");
    while (berth_transmit(connecting->berth, frames, 4, 0) > 0) {
    }
}

static void berth_give(void *state)
{
    struct connecting *connecting = state;

    must(berth_tcp_abort(connecting->berth, connecting->ids[--connecting->count]),
         "berth_tcp_abort");
}

static void connect_berth(void)
{
    static struct connecting connecting;
    const struct way way = {"berth", berth_take, berth_give, &connecting, SAMPLES};
    struct berth_config config;

    berth_config_init(&config);
    config.limits.tcp_connections = RANGE + 16;
    connecting.berth = stacks_new(&config, 0);
    connecting.to = stacks_endpoint(1, 443);
    measure(&way);
}

/* ---- Linux's connect ------------------------------------------------------------------------ */

struct descriptors {
    struct sockaddr_in to;
    int fds[RANGE];
    unsigned count;
};

static void linux_take(void *state)
{
    struct descriptors *descriptors = state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    must(fd, "socket");
    descriptors->fds[descriptors->count++] = fd;
    if (connect(fd, (struct sockaddr *)&descriptors->to, sizeof descriptors->to) != 0 &&
        errno != EINPROGRESS) {
        must(-errno, "connect");
    }
}

static void linux_give(void *state)
{
    struct descriptors *descriptors = state;

    close(descriptors->fds[--descriptors->count]);
}

static void connect_linux(const char *address)
{
    static struct descriptors descriptors = {.to = {.sin_family = AF_INET}};
    const struct way way = {"linux", linux_take, linux_give, &descriptors, SAMPLES_OS};
    struct rlimit limit;

    descriptors.to.sin_port = htons(443);
    must(inet_pton(AF_INET, address, &descriptors.to.sin_addr) == 1 ? 0 : -EINVAL, address);
    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    measure(&way);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "pick") == 0) {
        pick();
    } else if (argc == 2 && strcmp(argv[1], "berth") == 0) {
        connect_berth();
    } else if (argc == 3 && strcmp(argv[1], "linux") == 0) {
        connect_linux(argv[2]);
    } else {
        fputs("usage: bench-ports pick | berth | linux ADDRESS\n", stderr);
        return 2;
    }
    return 0;
}
