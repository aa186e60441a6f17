/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_exposure.c: see inspect/host_exposure.h.
 */
#include "inspect/host_exposure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "inspect/host_netlink.h"

#define REQUEST_BYTES   128
#define LIST_TRIES      8 /* a list that changes while it is read is read again */
#define LOOPBACK_DEVICE 1 /* the kernel gives lo this index in every network namespace */

const char *host_exposure_name(enum host_exposure exposure)
{
    switch (exposure) {
    case HOST_EXPOSURE_NONE:
        return "";
    case HOST_EXPOSURE_LOOPBACK:
        return "loopback";
    case HOST_EXPOSURE_NETWORK:
        return "this network";
    case HOST_EXPOSURE_ANYONE:
        return "anyone";
    }
    return "";
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static bool is_private_v4(uint32_t address)
{
    static const struct {
        uint32_t prefix;
        uint32_t mask;
    } ranges[] = {
        {0x0a000000, 0xff000000}, /* 10/8, RFC 1918 */
        {0xac100000, 0xfff00000}, /* 172.16/12 */
        {0xc0a80000, 0xffff0000}, /* 192.168/16 */
        {0x64400000, 0xffc00000}, /* 100.64/10, RFC 6598 */
        {0xe0000000, 0xffffff00}, /* 224.0.0/24: routers keep it on the link, RFC 5771 section 4 */
        {0xef000000, 0xff000000}, /* 239/8, RFC 2365 */
        {0xffffffff, 0xffffffff}, /* limited broadcast */
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if ((address & ranges[i].mask) == ranges[i].prefix) {
            return true;
        }
    }
    return false;
}

/* RFC 4291 section 2.7: the scope is in the second byte's low half. */
static enum host_exposure exposure_of_multicast(const struct berth_address *address)
{
    unsigned scope = address->bytes[1] & 0xfU;

    if (scope == 1) { /* interface-local */
        return HOST_EXPOSURE_LOOPBACK;
    }
    return scope == 0xe || scope == 0xf ? HOST_EXPOSURE_ANYONE : HOST_EXPOSURE_NETWORK;
}

/* fc00::/7 (RFC 4193) and fec0::/10 (RFC 3879). */
static bool is_private_v6(const struct berth_address *address)
{
    return (address->bytes[0] & 0xfe) == 0xfc ||
           (address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0xc0);
}

enum host_exposure host_exposure_of_address(const struct berth_address *address)
{
    bool is_v4 = berth_address_is_v4(address);

    if (berth_address_is_loopback(address)) {
        return HOST_EXPOSURE_LOOPBACK;
    }
    if (berth_address_is_link_local(address)) {
        return HOST_EXPOSURE_NETWORK;
    }
    if (!is_v4 && berth_address_is_multicast(address)) {
        return exposure_of_multicast(address);
    }
    if (is_v4 ? is_private_v4(berth_address_v4_value(address)) : is_private_v6(address)) {
        return HOST_EXPOSURE_NETWORK;
    }
    return HOST_EXPOSURE_ANYONE;
}

static enum host_exposure wider(enum host_exposure a, enum host_exposure b)
{
    return a > b ? a : b;
}

enum host_exposure host_exposure_of(const struct host_socket *socket,
                                    const struct host_reach *reach)
{
    if (!socket->is_listening) {
        return HOST_EXPOSURE_NONE;
    }
    if (socket->is_whole && socket->device == LOOPBACK_DEVICE) {
        return HOST_EXPOSURE_LOOPBACK;
    }
    if (!berth_address_is_any(&socket->local.address)) {
        return host_exposure_of_address(&socket->local.address);
    }
    if (!socket->is_v6) {
        return reach->v4;
    }
    return socket->is_v6_only ? reach->v6 : wider(reach->v4, reach->v6);
}

/* ---- The host's own ------------------------------------------------------------------------- */

void host_reach_add(struct host_reach *reach, const struct berth_address *address)
{
    enum host_exposure *at = berth_address_is_v4(address) ? &reach->v4 : &reach->v6;

    if (berth_address_is_loopback(address)) {
        *at = wider(*at, HOST_EXPOSURE_LOOPBACK);
    } else if (berth_address_is_link_local(address)) {
        *at = wider(*at, HOST_EXPOSURE_NETWORK);
    } else {
        *at = HOST_EXPOSURE_ANYONE;
    }
}

struct taking {
    struct host_reach *reach;
    size_t length; /* of an address of the message's family */
    uint16_t types[2];
};

/* Adds the address in ATTRIBUTE, where its type is wanted. */
static int take_attribute(const struct nlattr *attribute, void *data)
{
    const struct taking *taking = data;
    struct berth_address address = {{[10] = 0xff, [11] = 0xff}};
    uint16_t type = mnl_attr_get_type(attribute);

    if ((type == taking->types[0] || type == taking->types[1]) &&
        mnl_attr_get_payload_len(attribute) == taking->length) {
        memcpy(address.bytes + (sizeof address.bytes - taking->length),
               mnl_attr_get_payload(attribute), taking->length);
        host_reach_add(taking->reach, &address);
    }
    return MNL_CB_OK;
}

static int take_address(const struct nlmsghdr *header, void *data)
{
    const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
    /* IFA_ADDRESS is the far end's on a point-to-point link, and there IFA_LOCAL stands too: taking
     * both is taking the wider. */
    struct taking taking = {.reach = data, .types = {IFA_LOCAL, IFA_ADDRESS}};

    if (header->nlmsg_type == RTM_NEWADDR && mnl_nlmsg_get_payload_len(header) >= sizeof *message &&
        (message->ifa_family == AF_INET || message->ifa_family == AF_INET6)) {
        taking.length = message->ifa_family == AF_INET ? 4 : 16;
        (void)mnl_attr_parse(header, sizeof *message, take_attribute, &taking);
    }
    return MNL_CB_OK;
}

/* A local route makes its addresses the host's own, also without an interface that has them. */
static int take_route(const struct nlmsghdr *header, void *data)
{
    const struct rtmsg *message = mnl_nlmsg_get_payload(header);
    struct taking taking = {.reach = data, .types = {RTA_DST, RTA_DST}};

    if (header->nlmsg_type == RTM_NEWROUTE &&
        mnl_nlmsg_get_payload_len(header) >= sizeof *message && message->rtm_type == RTN_LOCAL &&
        message->rtm_table == RT_TABLE_LOCAL &&
        (message->rtm_family == AF_INET || message->rtm_family == AF_INET6)) {
        taking.length = message->rtm_family == AF_INET ? 4 : 16;
        (void)mnl_attr_parse(header, sizeof *message, take_attribute, &taking);
        if (message->rtm_dst_len == 0) { /* everything is its own */
            *(taking.length == 4 ? &taking.reach->v4 : &taking.reach->v6) = HOST_EXPOSURE_ANYONE;
        }
    }
    return MNL_CB_OK;
}

/* Addresses, then local routes. As host_netlink_list. */
static int list(struct host_netlink *netlink, struct host_reach *out)
{
    char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

    request->nlmsg_type = RTM_GETADDR;
    (void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
    if (host_netlink_list(netlink, request, take_address, out) != BERTH_OK) {
        return BERTH_E_STATE;
    }
    for (size_t i = 0; i < sizeof families; i++) {
        struct rtmsg *message;

        request = mnl_nlmsg_put_header(buffer);
        request->nlmsg_type = RTM_GETROUTE;
        message = mnl_nlmsg_put_extra_header(request, sizeof *message);
        message->rtm_family = families[i];
        message->rtm_table = RT_TABLE_LOCAL;
        /* ENOENT and the like: there is no such table, or no such family. */
        if (host_netlink_list(netlink, request, take_route, out) != BERTH_OK && errno != ENOENT &&
            errno != EOPNOTSUPP && errno != EAFNOSUPPORT) {
            return BERTH_E_STATE;
        }
    }
    return BERTH_OK;
}

void host_reach_read(struct host_reach *out)
{
    struct host_netlink netlink;
    int status = BERTH_E_STATE;
    int on = 1;

    if (host_netlink_open(&netlink, NETLINK_ROUTE) == BERTH_OK) {
        /* A router has many routes: only those asked for, where the kernel can (4.20). */
        (void)mnl_socket_setsockopt(netlink.socket, NETLINK_GET_STRICT_CHK, &on, sizeof on);
        errno = EINTR;
        for (int i = 0; i < LIST_TRIES && status != BERTH_OK && errno == EINTR; i++) {
            *out = (struct host_reach){HOST_EXPOSURE_LOOPBACK, HOST_EXPOSURE_LOOPBACK, 0};
            status = list(&netlink, out);
        }
        host_netlink_close(&netlink);
    }
    if (status != BERTH_OK) {
        *out = (struct host_reach){HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_ANYONE, errno};
    }
}
