/* SPDX-License-Identifier: MIT */
/*
 * run/tun_setup.h: the network inside namespace A: the TUN device, its addresses and routes, the
 * settings of that network. Owns nothing. The program's process calls it, inside A.
 *
 * Invariants
 *  1. The device has the addresses of the configuration and no others (no link-local address, no
 *     address by router advertisement), and every destination but its own goes through it.
 *  2. The device lives as long as one of the descriptors that tun_setup_open returns.
 */
#ifndef RUN_TUN_SETUP_H
#define RUN_TUN_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include <berth/error.h>

#include "run/launch.h"
#include "run/launch_step.h"

#define TUN_SETUP_NAME "berth0"

enum {
    /* Packets towards berth that wait; what comes beyond is lost, for a TUN does not hold its
     * senders back. The kernel's own 500 are overrun by eight windows of 4 MiB. */
    TUN_SETUP_QUEUE = 4096,
};

struct tun_setup {
    int fds[LAUNCH_QUEUES_MAX]; /* non-blocking, close-on-exec */
    uint32_t queues;
    bool has_ipv6;
    uint32_t offloads; /* enum berth_link_offload */
};

/* Makes the device, with so many QUEUES. The caller closes out->fds. */
BERTH_MUST_CHECK int tun_setup_open(struct tun_setup *out, uint32_t queues,
                                    struct launch_error *error);

/* Brings loopback and the device up, with MTU, addresses, default routes. Clears tun->has_ipv6
 * where IPv6 is off or this kernel has none. */
BERTH_MUST_CHECK int tun_setup_configure(struct tun_setup *tun, const struct launch_config *config,
                                         struct launch_error *error);

/* ping without privilege for groups gid_first..gid_last; ports below 1024 without privilege. What
 * fails here (a read-only /proc/sys in a container) is no reason to stop. */
BERTH_MUST_CHECK int tun_setup_permit(uint32_t gid_first, uint32_t gid_last,
                                      struct launch_error *error);

#endif
