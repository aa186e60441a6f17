/* SPDX-License-Identifier: MIT */
/*
 * bench-load: options, sockets, clock. See load.h.
 *
 *   bench-load MODE ADDRESS PORT [-t SECONDS] [-w SECONDS] [-P STREAMS] [-C CC] [-c FILE]
 *   MODE: server; source (we send) and sink (we receive) in bulk; rr; crr
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct load_counter counter_unmapped;

_Noreturn void load_die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int load_socket(const struct load_options *options)
{
    int fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0) {
        load_die("socket");
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        load_die("TCP_NODELAY");
    }
    if (options->address.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        load_die("IPV6_V6ONLY");
    }
    if (options->congestion_control != NULL &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options->congestion_control,
                   (socklen_t)strlen(options->congestion_control)) != 0) {
        load_die(options->congestion_control);
    }
    return fd;
}

uint64_t load_after_ns(double seconds)
{
    return load_now_ns() + (uint64_t)(seconds * 1e9);
}

int load_connect(const struct load_options *options)
{
    struct timeval silence = {.tv_sec = LOAD_SILENCE_S};
    int fd = load_socket(options);

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    if (connect(fd, (const struct sockaddr *)&options->address, options->address_bytes) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void load_abortive(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-load server|source|sink|rr|crr ADDRESS PORT [-t SECONDS] [-w SECONDS]\n"
          "                  [-P STREAMS] [-C CONGESTION_CONTROL] [-c COUNTER_FILE]\n",
          stderr);
    exit(2);
}

static void set_address(struct load_options *options, const char *address, const char *port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&options->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&options->address;
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));

    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = number;
        options->address_bytes = sizeof *v4;
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = number;
        options->address_bytes = sizeof *v6;
    } else {
        usage();
    }
}

static struct load_counter *map_counter(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct load_counter *counter;

    if (fd < 0 || ftruncate(fd, sizeof *counter) != 0) {
        load_die(path);
    }
    counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED) {
        load_die(path);
    }
    close(fd);
    return counter;
}

static void set_option(struct load_options *options, int letter, const char *value)
{
    switch (letter) {
    case 't':
        options->seconds = strtod(value, NULL);
        break;
    case 'w':
        options->warmup_seconds = strtod(value, NULL);
        break;
    case 'P':
        options->streams = (unsigned)strtoul(value, NULL, 10);
        break;
    case 'C':
        options->congestion_control = value;
        break;
    case 'c':
        options->counter = map_counter(value);
        break;
    default:
        usage();
    }
}

static int run(const char *mode, const struct load_options *options)
{
    if (strcmp(mode, "server") == 0) {
        return load_server(options);
    }
    if (strcmp(mode, "source") == 0) {
        return load_bulk(options, LOAD_SINK);
    }
    if (strcmp(mode, "sink") == 0) {
        return load_bulk(options, LOAD_SOURCE);
    }
    if (strcmp(mode, "rr") == 0) {
        return load_exchange(options, LOAD_ECHO);
    }
    if (strcmp(mode, "crr") == 0) {
        return load_exchange(options, LOAD_ONCE);
    }
    usage();
}

int main(int argc, char **argv)
{
    struct load_options options = {.counter = &counter_unmapped, .seconds = 3, .streams = 1};
    int letter;

    if (argc < 4) {
        usage();
    }
    set_address(&options, argv[2], argv[3]);
    optind = 4;
    while ((letter = getopt(argc, argv, "t:w:P:C:c:")) != -1) {
        set_option(&options, letter, optarg);
    }
    if (optind != argc || options.streams < 1 || options.streams > LOAD_STREAMS_MAX) {
        usage();
    }
    signal(SIGPIPE, SIG_IGN);
    return run(argv[1], &options);
}
