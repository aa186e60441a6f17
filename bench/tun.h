/* SPDX-License-Identifier: MIT */
/*
 * bench-tun-berth, bench-tun-lwip: a stack as a TCP server behind a TUN device, which answers as
 * bench-load's server does (enum load_kind; no LOAD_ONCE). The kernel is at the device's other end.
 *
 *   bench-tun-STACK DEVICE ADDRESS PORT MTU COUNTER_FILE
 *
 * DEVICE is made; "ready" is printed then, and a line is awaited: the device has its address and is
 * up. The program runs until standard input ends.
 */
#ifndef BENCH_TUN_H
#define BENCH_TUN_H

#include "load.h"

struct tun_options {
    const char *device;
    const char *address;
    uint16_t port;
    uint32_t mtu;
    struct load_counter *counter;
};

void tun_parse(struct tun_options *out, int argc, char **argv);
/* Says "ready" and waits for the line. */
void tun_ready(void);
/* Waits for FD or standard input, at most until TIMEOUT_NS from now; false: the latter has
 * ended. */
bool tun_wait(int fd, uint64_t timeout_ns);
uint64_t tun_now_ns(void);
_Noreturn void tun_die(const char *what, const char *why);

#endif
