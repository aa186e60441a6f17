/* SPDX-License-Identifier: MIT */
/*
 * run/tun_setup.c: see run/tun_setup.h. Devices, addresses and routes by rtnetlink (libmnl); what
 * has no netlink message, by /proc/sys/net, which shows the caller's own network namespace.
 */
#include "run/tun_setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <berth/address.h>

#include "link/link.h"

enum { REQUEST_BYTES = 512, REPLY_BYTES = 8192, LOCAL_TRIES = 200 /* milliseconds */ };

/* --- the device --- */

/* Whether the node itself is what failed, and not what was asked of it. */
static bool is_node_closed(void)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    }
    return fd < 0;
}

int tun_setup_open(struct tun_setup *out, uint32_t queues, struct launch_error *error)
{
    uint32_t offloads = 0;
    int result = link_tun_open_queues(TUN_SETUP_NAME, queues, out->fds, &offloads);

    if (result < 0) {
        enum launch_step step = is_node_closed() ? LAUNCH_STEP_TUN_OPEN : LAUNCH_STEP_TUN_MAKE;

        errno = -result;
        return launch_error_set(error, step, "");
    }
    out->queues = queues;
    out->has_ipv6 = true;
    out->offloads = offloads;
    return 0;
}

/* --- netlink --- */

/* Sends one request and waits for its acknowledgement. Returns 0 or -1 with errno. */
static int talk(struct mnl_socket *socket, struct nlmsghdr *request)
{
    char buffer[REPLY_BYTES];
    ssize_t length = 0;

    request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    request->nlmsg_seq = 1;
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) {
        return -1;
    }
    length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
    if (length < 0) {
        return -1;
    }
    return mnl_cb_run(buffer, (size_t)length, 1, mnl_socket_get_portid(socket), NULL, NULL) < 0 ? -1
                                                                                                : 0;
}

static struct ifinfomsg *link_request(struct nlmsghdr *request, unsigned index)
{
    struct ifinfomsg *info = NULL;

    request->nlmsg_type = RTM_NEWLINK;
    info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)index;
    return info;
}

static int link_up(struct mnl_socket *socket, unsigned index)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct ifinfomsg *info = link_request(request, index);

    info->ifi_flags = IFF_UP;
    info->ifi_change = IFF_UP;
    return talk(socket, request);
}

/* MTU; and no link-local address, which the kernel would add when the device comes up. */
static int link_prepare(struct mnl_socket *socket, unsigned index, uint32_t mtu, bool has_ipv6)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

    (void)link_request(request, index);
    mnl_attr_put_u32(request, IFLA_MTU, mtu);
    mnl_attr_put_u32(request, IFLA_TXQLEN, TUN_SETUP_QUEUE);
    if (has_ipv6) {
        struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
        struct nlattr *ipv6 = mnl_attr_nest_start(request, AF_INET6);

        mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        mnl_attr_nest_end(request, ipv6);
        mnl_attr_nest_end(request, families);
    }
    return talk(socket, request);
}

/* The bytes of an address as the kernel takes them. */
static void put_address(struct nlmsghdr *request, uint16_t type,
                        const struct berth_address *address)
{
    bool is_v4 = berth_address_is_v4(address);

    mnl_attr_put(request, type, is_v4 ? 4 : 16, address->bytes + (is_v4 ? 12 : 0));
}

static int address_add(struct mnl_socket *socket, unsigned index,
                       const struct launch_network *network)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct ifaddrmsg *message = NULL;

    request->nlmsg_type = RTM_NEWADDR;
    request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
    message->ifa_family = berth_address_is_v4(&network->program) ? AF_INET : AF_INET6;
    message->ifa_prefixlen = network->prefix_bits;
    message->ifa_index = index;
    /* Nobody else is on this link: the address is usable at once, not after a second of asking. */
    message->ifa_flags = message->ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
    put_address(request, IFA_LOCAL, &network->program);
    put_address(request, IFA_ADDRESS, &network->program);
    return talk(socket, request);
}

static int route_add(struct mnl_socket *socket, unsigned index,
                     const struct launch_network *network)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct rtmsg *message = NULL;

    request->nlmsg_type = RTM_NEWROUTE;
    request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
    message->rtm_family = berth_address_is_v4(&network->program) ? AF_INET : AF_INET6;
    message->rtm_table = RT_TABLE_MAIN;
    message->rtm_protocol = RTPROT_STATIC;
    message->rtm_scope = RT_SCOPE_UNIVERSE;
    message->rtm_type = RTN_UNICAST;
    put_address(request, RTA_GATEWAY, &network->gateway);
    mnl_attr_put_u32(request, RTA_OIF, index);
    return talk(socket, request);
}

/* Whether packets to ADDRESS are taken here. */
static bool is_local(struct mnl_socket *socket, const struct berth_address *address)
{
    char buffer[REPLY_BYTES] = {0};
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct rtmsg *route = NULL;

    message->nlmsg_type = RTM_GETROUTE;
    message->nlmsg_flags = NLM_F_REQUEST;
    route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
    route->rtm_family = AF_INET6;
    route->rtm_dst_len = 128;
    put_address(message, RTA_DST, address);
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ||
        mnl_socket_recvfrom(socket, buffer, sizeof(buffer)) < (ssize_t)sizeof(*message) ||
        message->nlmsg_type != RTM_NEWROUTE) {
        return false;
    }
    route = mnl_nlmsg_get_payload(message);
    return route->rtm_type == RTN_LOCAL;
}

/* The kernel takes packets to a new IPv6 address only when a worker of its own has been at it;
 * until then the program's first answers would be lost. */
static void await_local(struct mnl_socket *socket, const struct berth_address *address)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int i = 0; i < LOCAL_TRIES && !is_local(socket, address); i++) {
        (void)nanosleep(&pause, NULL);
    }
}

/* --- settings --- */

static int setting_write(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = 0;
    int saved = 0;

    if (fd < 0) {
        return -1;
    }
    written = write(fd, value, strlen(value));
    saved = errno;
    close(fd);
    errno = saved;
    return written == (ssize_t)strlen(value) ? 0 : -1;
}

int tun_setup_permit(uint32_t gid_first, uint32_t gid_last, struct launch_error *error)
{
    char range[32];
    int result = 0;

    /* The group whose number is all ones is none. */
    snprintf(range, sizeof(range), "%" PRIu32 " %" PRIu32, gid_first,
             gid_last == UINT32_MAX ? gid_last - 1 : gid_last);
    result = setting_write("/proc/sys/net/ipv4/ping_group_range", range);
    result += setting_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    if (result < 0) {
        return launch_error_set(error, LAUNCH_STEP_SETTING,
                                "net.ipv4.ping_group_range, net.ipv4.ip_unprivileged_port_start; "
                                "ping and ports below 1024 may be refused inside");
    }
    return 0;
}

/* IPv6 on, whatever the system's default for new networks; nobody advertises routers here. */
static void enable_ipv6(void)
{
    (void)setting_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
    (void)setting_write("/proc/sys/net/ipv6/conf/" TUN_SETUP_NAME "/disable_ipv6", "0");
    (void)setting_write("/proc/sys/net/ipv6/conf/" TUN_SETUP_NAME "/accept_ra", "0");
    (void)setting_write("/proc/sys/net/ipv6/conf/" TUN_SETUP_NAME "/router_solicitations", "0");
}

/* Off on the device; ::1 stays, as on a host without IPv6 connectivity. */
static void disable_ipv6(void)
{
    (void)setting_write("/proc/sys/net/ipv6/conf/" TUN_SETUP_NAME "/disable_ipv6", "1");
}

/* What a client of a published port has sent goes to the program with the SYN: a segment less, and
 * the program is woken earlier. All that comes in here is berth's, which sends no SYN twice with
 * text: so no cookies. 1: programs may do so outwards, as by default; 2: every listener takes it
 * (0x400) without a cookie (0x200). Where it cannot be set, the text goes after the handshake. */
static void enable_fast_open(void)
{
    (void)setting_write("/proc/sys/net/ipv4/tcp_fastopen", "0x603");
}

/* What a program has written and cannot send yet waits with the program, not in its kernel: of
 * many connections that would be colder in the processor's caches than what it writes anew. */
static void limit_unsent(void)
{
    (void)setting_write("/proc/sys/net/ipv4/tcp_notsent_lowat", "16384");
}

/* Between the program and berth lies no network: a congestion control that waits for one's rate, as
 * BBR does, only waits. Over the network it is the host's sockets that send, as the host has it. */
static void send_unpaced(void)
{
    (void)setting_write("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
}

static bool is_ipv6_missing(int error)
{
    return error == EOPNOTSUPP || error == EAFNOSUPPORT || error == EACCES;
}

static int configure_family(struct mnl_socket *socket, unsigned index,
                            const struct launch_network *network, struct launch_error *error)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];

    if (address_add(socket, index, network) < 0) {
        return launch_error_set(error, LAUNCH_STEP_ADDRESS,
                                berth_address_format(&network->program, text));
    }
    if (route_add(socket, index, network) < 0) {
        return launch_error_set(error, LAUNCH_STEP_ADDRESS,
                                berth_address_format(&network->gateway, text));
    }
    return 0;
}

static int configure_with(struct mnl_socket *socket, struct tun_setup *tun,
                          const struct launch_config *config, struct launch_error *error)
{
    unsigned index = if_nametoindex(TUN_SETUP_NAME);
    bool has_ipv6_kernel = access("/proc/sys/net/ipv6", F_OK) == 0;
    int result = 0;

    tun->has_ipv6 = config->network6.is_on && has_ipv6_kernel;
    enable_fast_open();
    limit_unsent();
    if (!config->is_impaired) {
        send_unpaced();
    }
    if (tun->has_ipv6) {
        enable_ipv6();
    } else {
        disable_ipv6();
    }
    if (link_up(socket, if_nametoindex("lo")) < 0 ||
        link_prepare(socket, index, config->mtu, tun->has_ipv6) < 0 || link_up(socket, index) < 0) {
        return launch_error_set(error, LAUNCH_STEP_ADDRESS, TUN_SETUP_NAME);
    }
    if (config->network.is_on) {
        result = configure_family(socket, index, &config->network, error);
    }
    if (result == 0 && tun->has_ipv6) {
        result = configure_family(socket, index, &config->network6, error);
        if (result < 0 && is_ipv6_missing(error->error) && config->network.is_on) {
            tun->has_ipv6 = false;
            result = 0;
        }
    }
    if (result == 0 && tun->has_ipv6) {
        await_local(socket, &config->network6.program);
    }
    if (result == 0 && !config->network.is_on && !tun->has_ipv6) {
        errno = EAFNOSUPPORT;
        result = launch_error_set(error, LAUNCH_STEP_ADDRESS, "IPv6");
    }
    return result;
}

int tun_setup_configure(struct tun_setup *tun, const struct launch_config *config,
                        struct launch_error *error)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    int result = 0;

    if (socket == NULL) {
        return launch_error_set(error, LAUNCH_STEP_ADDRESS, "rtnetlink");
    }
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        result = launch_error_set(error, LAUNCH_STEP_ADDRESS, "rtnetlink");
    } else {
        result = configure_with(socket, tun, config, error);
    }
    mnl_socket_close(socket);
    return result;
}
