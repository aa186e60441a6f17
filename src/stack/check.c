/* SPDX-License-Identifier: MIT */
/*
 * Every invariant of a stack at once, for tests and the simulator: costly, changes nothing.
 */
#include "stack/stack.h"

void stack_check(const struct berth *berth)
{
    BERTH_CHECK(berth->buffers.free <= berth->buffers.count);
    BERTH_CHECK(berth->outbox.count <= berth->buffers.count);
    firewall_scan_check(&berth->scan);
    ip_check(&berth->ip);
    udp_check(&berth->udp);
    tcp_check(&berth->tcp);
}
