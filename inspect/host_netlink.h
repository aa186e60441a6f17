/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_netlink.h: one question to the kernel over netlink(7), and all of its answer. The
 * other files of this folder call it.
 *
 * 1. An answer that broke off, or was changed while it was given, is an error, never a short one:
 *    the end of a listing carries the kernel's error too, which is looked at.
 */
#ifndef INSPECT_HOST_NETLINK_H
#define INSPECT_HOST_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include <berth/error.h>

struct host_netlink {
    struct mnl_socket *socket;
    uint32_t sequence;
};

/* BUS: NETLINK_SOCK_DIAG or NETLINK_ROUTE. BERTH_E_STATE: it cannot be had (errno says why). */
BERTH_MUST_CHECK int host_netlink_open(struct host_netlink *out, int bus);
void host_netlink_close(struct host_netlink *netlink);

/* Sends REQUEST, whose type and payload stand, as a question for a list; each message of the answer
 * goes to TAKE with DATA. BERTH_E_STATE: errno says why; EINTR: it changed meanwhile, ask again. */
BERTH_MUST_CHECK int host_netlink_list(struct host_netlink *netlink, struct nlmsghdr *request,
                                       mnl_cb_t take, void *data);

#endif
