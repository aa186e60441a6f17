/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_netlink.c: see inspect/host_netlink.h.
 */
#include "inspect/host_netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel fills as much as a reader has room for, up to 32 KiB. */
#define ANSWER_BYTES 65536

int host_netlink_open(struct host_netlink *out, int bus)
{
    struct host_netlink netlink = {.socket = mnl_socket_open2(bus, SOCK_CLOEXEC)};

    if (netlink.socket == NULL) {
        return BERTH_E_STATE;
    }
    if (mnl_socket_bind(netlink.socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        host_netlink_close(&netlink);
        return BERTH_E_STATE;
    }
    *out = netlink;
    return BERTH_OK;
}

void host_netlink_close(struct host_netlink *netlink)
{
    int saved = errno;

    if (netlink->socket != NULL) {
        (void)mnl_socket_close(netlink->socket);
        netlink->socket = NULL;
    }
    errno = saved;
}

/* The number at the front of an end or an error: 0, or a negative errno. */
static int take_status(const struct nlmsghdr *header, void *data)
{
    int status = 0;

    (void)data;
    if (mnl_nlmsg_get_payload_len(header) >= sizeof status) {
        memcpy(&status, mnl_nlmsg_get_payload(header), sizeof status);
    }
    if (status < 0) {
        errno = -status;
        return MNL_CB_ERROR;
    }
    return MNL_CB_STOP;
}

static int take_overrun(const struct nlmsghdr *header, void *data)
{
    (void)header;
    (void)data;
    errno = EINTR;
    return MNL_CB_ERROR;
}

int host_netlink_list(struct host_netlink *netlink, struct nlmsghdr *request, mnl_cb_t take,
                      void *data)
{
    /* libmnl's own callback for the end of a list passes over the error in it. */
    mnl_cb_t control[] = {
        [NLMSG_ERROR] = take_status, [NLMSG_DONE] = take_status, [NLMSG_OVERRUN] = take_overrun};
    char buffer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    unsigned port = mnl_socket_get_portid(netlink->socket);
    int more = MNL_CB_OK;

    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0) {
        return BERTH_E_STATE;
    }
    while (more == MNL_CB_OK) {
        ssize_t length = mnl_socket_recvfrom(netlink->socket, buffer, sizeof buffer);

        if (length < 0) {
            return BERTH_E_STATE;
        }
        more = mnl_cb_run2(buffer, (size_t)length, netlink->sequence, port, take, data, control,
                           sizeof control / sizeof control[0]);
        if (more < 0 && errno == EPROTO) {
            more = MNL_CB_OK; /* the rest of a listing that was given up before */
        }
    }
    return more < 0 ? BERTH_E_STATE : BERTH_OK;
}
