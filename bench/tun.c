/* SPDX-License-Identifier: MIT */
/* What the stacks behind a TUN share: tun.h. */
#include "tun.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

_Noreturn void tun_die(const char *what, const char *why)
{
    fprintf(stderr, "bench-tun: %s: %s\n", what, why);
    exit(1);
}

void tun_parse(struct tun_options *out, int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: bench-tun-STACK DEVICE ADDRESS PORT MTU COUNTER_FILE\n", stderr);
        exit(2);
    }
    out->device = argv[1];
    out->address = argv[2];
    out->port = (uint16_t)strtoul(argv[3], NULL, 10);
    out->mtu = (uint32_t)strtoul(argv[4], NULL, 10);
    int fd = open(argv[5], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *out->counter) != 0) {
        tun_die(argv[5], "cannot be opened");
    }
    out->counter = mmap(NULL, sizeof *out->counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (out->counter == MAP_FAILED) {
        tun_die(argv[5], "cannot be mapped");
    }
    close(fd);
}

void tun_ready(void)
{
    char byte = 0;

    puts("ready");
    fflush(stdout);
    while (byte != '\n') {
        if (read(STDIN_FILENO, &byte, 1) != 1) {
            exit(0);
        }
    }
}

uint64_t tun_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

bool tun_wait(int fd, uint64_t timeout_ns)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000U),
                               .tv_nsec = (long)(timeout_ns % 1000000000U)};

    (void)ppoll(fds, 2, timeout.tv_sec < 3600 ? &timeout : NULL, NULL);
    return fds[1].revents == 0;
}
