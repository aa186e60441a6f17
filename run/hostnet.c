/* SPDX-License-Identifier: MIT */
/*
 * run/hostnet.c: see run/hostnet.h. Two rtnetlink sockets: one is told of changes and says only
 * that there was one, the other reads everything anew. So a lost message costs nothing.
 *
 * What is the host's own the kernel keeps as routes of its table "local": one for each address of
 * its devices, and what was added by hand or by a cloud's agent, whole networks too. Devices that
 * are down have addresses without a route: so both are read.
 */
#include "run/hostnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { DUMP_TRIES = 4, NEWS_MAX = 1024, BUFFER_BYTES = 16384, REQUEST_BYTES = 128 };

#define NEWS (RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

struct list {
    struct berth_address *items; /* HOSTNET_ADDRESSES_MAX */
    size_t count;
    bool is_cut;
};

struct prefixes {
    struct berth_prefix items[HOSTNET_PREFIXES_MAX];
    size_t count;
    bool is_cut;
};

struct hostnet {
    struct mnl_socket *news;
    struct mnl_socket *queries;
    uint32_t sequence;
    struct list addresses;
    struct list broadcasts;
    struct list next_addresses; /* being read */
    struct list next_broadcasts;
    struct prefixes prefixes;
    struct prefixes next_prefixes;
    size_t sorted;      /* of next_addresses, in front */
    struct stat resolv; /* as it was when read last */
    struct hostnet_nameserver nameservers[HOSTNET_NAMESERVERS_MAX];
    size_t nameserver_count;
};

/* --- lists --- */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct berth_address));
}

static void list_add(struct list *list, const struct berth_address *address)
{
    if (list->count == HOSTNET_ADDRESSES_MAX) {
        list->is_cut = true;
        return;
    }
    list->items[list->count++] = *address;
}

/* Sorts, and keeps each address once. */
static void list_finish(struct list *list)
{
    size_t kept = 0;

    qsort(list->items, list->count, sizeof(list->items[0]), compare);
    for (size_t i = 0; i < list->count; i++) {
        if (kept == 0 || compare(&list->items[kept - 1], &list->items[i]) != 0) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

/* Puts `next` in the place of `list`. Returns whether they differ. */
static bool list_replace(struct list *list, struct list *next)
{
    struct list before = *list;
    bool is_changed = before.count != next->count ||
                      memcmp(before.items, next->items, next->count * sizeof(next->items[0])) != 0;

    *list = *next;
    *next = before;
    return is_changed;
}

static struct berth_address address_of(const void *bytes, size_t length)
{
    /* An IPv6 address covers the mark of an IPv4 one. */
    struct berth_address address = {{[10] = 0xff, [11] = 0xff}};

    memcpy(address.bytes + (sizeof(address.bytes) - length), bytes, length);
    return address;
}

/* --- reading --- */

static int on_attribute(const struct nlattr *attribute, void *data)
{
    const struct nlattr **attributes = data;
    uint16_t type = mnl_attr_get_type(attribute);

    if (type <= IFA_BROADCAST) {
        attributes[type] = attribute;
    }
    return MNL_CB_OK;
}

/* The last address of an IPv4 network is its broadcast address, also where nobody has set one. */
static void add_broadcasts(struct list *list, const struct ifaddrmsg *message,
                           const struct nlattr *const *attributes)
{
    const struct nlattr *set = attributes[IFA_BROADCAST];
    const struct nlattr *network = attributes[IFA_ADDRESS];

    if (message->ifa_family != AF_INET) {
        return;
    }
    if (set != NULL && mnl_attr_get_payload_len(set) == sizeof(uint32_t)) {
        struct berth_address address = address_of(mnl_attr_get_payload(set), sizeof(uint32_t));

        list_add(list, &address);
    }
    if (network != NULL && mnl_attr_get_payload_len(network) == sizeof(uint32_t) &&
        message->ifa_prefixlen < 31) {
        uint32_t last = mnl_attr_get_u32(network) | htonl(UINT32_MAX >> message->ifa_prefixlen);
        struct berth_address address = address_of(&last, sizeof(last));

        list_add(list, &address);
    }
}

static int on_address(const struct nlmsghdr *header, void *data)
{
    struct hostnet *hostnet = data;
    const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
    const struct nlattr *attributes[IFA_BROADCAST + 1] = {NULL};
    const struct nlattr *own = NULL;
    size_t length = message->ifa_family == AF_INET ? 4 : 16;

    if (header->nlmsg_type != RTM_NEWADDR ||
        (message->ifa_family != AF_INET && message->ifa_family != AF_INET6)) {
        return MNL_CB_OK;
    }
    (void)mnl_attr_parse(header, sizeof(*message), on_attribute, attributes);
    /* On a point-to-point link IFA_ADDRESS is the far end's. */
    own = attributes[IFA_LOCAL] != NULL ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    if (own != NULL && mnl_attr_get_payload_len(own) == length) {
        struct berth_address address = address_of(mnl_attr_get_payload(own), length);

        list_add(&hostnet->next_addresses, &address);
    }
    add_broadcasts(&hostnet->next_broadcasts, message, attributes);
    return MNL_CB_OK;
}

static int on_route_attribute(const struct nlattr *attribute, void *data)
{
    const struct nlattr **attributes = data;
    uint16_t type = mnl_attr_get_type(attribute);

    if (type <= RTA_TABLE) {
        attributes[type] = attribute;
    }
    return MNL_CB_OK;
}

static void add_own(struct hostnet *hostnet, const struct berth_prefix *own)
{
    struct prefixes *prefixes = &hostnet->next_prefixes;

    if (berth_address_is_loopback(&own->address)) {
        return; /* rules know it as such, and may name it by its prefix */
    }
    if (own->bits == 128) {
        if (bsearch(&own->address, hostnet->next_addresses.items, hostnet->sorted,
                    sizeof(own->address), compare) == NULL) {
            list_add(&hostnet->next_addresses, &own->address);
        }
    } else if (prefixes->count == HOSTNET_PREFIXES_MAX) {
        prefixes->is_cut = true;
    } else {
        prefixes->items[prefixes->count++] = *own;
    }
}

/* Is it a route of the table "local"? Others lead there only for packets that a rule of the host's
 * marks (transparent proxies have such). */
static bool is_of_local_table(const struct nlmsghdr *header)
{
    const struct rtmsg *message = mnl_nlmsg_get_payload(header);

    return (header->nlmsg_type == RTM_NEWROUTE || header->nlmsg_type == RTM_DELROUTE) &&
           mnl_nlmsg_get_payload_len(header) >= sizeof(*message) &&
           message->rtm_table == RT_TABLE_LOCAL &&
           (message->rtm_family == AF_INET || message->rtm_family == AF_INET6);
}

static int on_route(const struct nlmsghdr *header, void *data)
{
    struct hostnet *hostnet = data;
    const struct rtmsg *message = mnl_nlmsg_get_payload(header);
    const struct nlattr *attributes[RTA_TABLE + 1] = {NULL};
    const struct nlattr *to = NULL;
    static const uint8_t zeros[16];
    size_t length;
    struct berth_prefix own;

    if (!is_of_local_table(header) ||
        (message->rtm_type != RTN_LOCAL && message->rtm_type != RTN_ANYCAST)) {
        return MNL_CB_OK;
    }
    (void)mnl_attr_parse(header, sizeof(*message), on_route_attribute, attributes);
    to = attributes[RTA_DST];
    length = message->rtm_family == AF_INET ? 4 : 16;
    if (to != NULL && mnl_attr_get_payload_len(to) != length) {
        return MNL_CB_OK;
    }
    own.address = address_of(to == NULL ? zeros : mnl_attr_get_payload(to), length);
    own.bits = (uint8_t)(message->rtm_dst_len + (16 - length) * 8);
    add_own(hostnet, &own);
    return MNL_CB_OK;
}

/* Sends REQUEST, and takes what it brings to TAKE. Returns 0, or -1 with errno (EINTR: it changed
 * meanwhile). */
static int ask(struct hostnet *hostnet, struct nlmsghdr *request, mnl_cb_t take)
{
    char buffer[BUFFER_BYTES];
    unsigned port = mnl_socket_get_portid(hostnet->queries);
    int more = MNL_CB_OK;

    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++hostnet->sequence;
    if (mnl_socket_sendto(hostnet->queries, request, request->nlmsg_len) < 0) {
        return -1;
    }
    while (more == MNL_CB_OK) {
        ssize_t length = mnl_socket_recvfrom(hostnet->queries, buffer, sizeof(buffer));

        if (length < 0) {
            return -1;
        }
        more = mnl_cb_run(buffer, (size_t)length, hostnet->sequence, port, take, hostnet);
        if (more < 0 && errno == EPROTO) {
            more = MNL_CB_OK; /* the rest of an interrupted reading before this one */
        }
    }
    return more;
}

static int dump_addresses(struct hostnet *hostnet)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

    hostnet->next_addresses.count = 0;
    hostnet->next_addresses.is_cut = false;
    hostnet->next_broadcasts.count = 0;
    hostnet->next_broadcasts.is_cut = false;
    hostnet->next_prefixes.count = 0;
    hostnet->next_prefixes.is_cut = false;
    request->nlmsg_type = RTM_GETADDR;
    (void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
    return ask(hostnet, request, on_address);
}

static int dump_routes(struct hostnet *hostnet, uint8_t family)
{
    char buffer[REQUEST_BYTES] = {0};
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct rtmsg *message = NULL;
    int result;

    request->nlmsg_type = RTM_GETROUTE;
    message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
    message->rtm_family = family;
    message->rtm_table = RT_TABLE_LOCAL;
    result = ask(hostnet, request, on_route);
    /* There is no such table, or no such family. */
    return result < 0 && (errno == ENOENT || errno == EOPNOTSUPP || errno == EAFNOSUPPORT) ? 0
                                                                                           : result;
}

/* One reading of everything. As `ask`. */
static int dump(struct hostnet *hostnet)
{
    if (dump_addresses(hostnet) < 0) {
        return -1;
    }
    list_finish(&hostnet->next_addresses);
    list_finish(&hostnet->next_broadcasts);
    hostnet->sorted = hostnet->next_addresses.count;
    if (dump_routes(hostnet, AF_INET) < 0 || dump_routes(hostnet, AF_INET6) < 0) {
        return -1;
    }
    list_finish(&hostnet->next_addresses);
    return 0;
}

static bool prefixes_replace(struct prefixes *prefixes, const struct prefixes *next)
{
    bool is_changed =
        prefixes->count != next->count ||
        memcmp(prefixes->items, next->items, next->count * sizeof(next->items[0])) != 0;

    *prefixes = *next;
    return is_changed;
}

/* Returns 1 when something changed, 0, or -1 with errno. */
static int read_addresses(struct hostnet *hostnet)
{
    int result = -1;
    bool is_changed = false;

    for (int i = 0; i < DUMP_TRIES && result < 0; i++) {
        result = dump(hostnet);
        if (result < 0 && errno != EINTR) {
            return -1;
        }
    }
    if (result < 0) {
        return -1;
    }
    is_changed = list_replace(&hostnet->addresses, &hostnet->next_addresses);
    is_changed = list_replace(&hostnet->broadcasts, &hostnet->next_broadcasts) || is_changed;
    is_changed = prefixes_replace(&hostnet->prefixes, &hostnet->next_prefixes) || is_changed;
    return is_changed ? 1 : 0;
}

/* --- life --- */

static bool lists_init(struct hostnet *hostnet)
{
    struct list *lists[] = {&hostnet->addresses, &hostnet->broadcasts, &hostnet->next_addresses,
                            &hostnet->next_broadcasts};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        lists[i]->items = calloc(HOSTNET_ADDRESSES_MAX, sizeof(lists[i]->items[0]));
        if (lists[i]->items == NULL) {
            return false;
        }
    }
    return true;
}

int hostnet_new(struct hostnet **out)
{
    struct hostnet *hostnet = calloc(1, sizeof(*hostnet));
    int on = 1;

    if (hostnet == NULL) {
        return BERTH_E_STATE;
    }
    hostnet->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    hostnet->queries = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!lists_init(hostnet) || hostnet->news == NULL || hostnet->queries == NULL ||
        mnl_socket_bind(hostnet->news, NEWS, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_bind(hostnet->queries, 0, MNL_SOCKET_AUTOPID) < 0) {
        hostnet_free(hostnet);
        return BERTH_E_STATE;
    }
    /* A router has many routes: only the table that is asked for, where the kernel can (4.20). */
    (void)mnl_socket_setsockopt(hostnet->queries, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    if (read_addresses(hostnet) < 0) {
        hostnet_free(hostnet);
        return BERTH_E_STATE;
    }
    *out = hostnet;
    return 0;
}

void hostnet_free(struct hostnet *hostnet)
{
    int saved = errno;

    if (hostnet == NULL) {
        return;
    }
    if (hostnet->news != NULL) {
        mnl_socket_close(hostnet->news);
    }
    if (hostnet->queries != NULL) {
        mnl_socket_close(hostnet->queries);
    }
    free(hostnet->addresses.items);
    free(hostnet->broadcasts.items);
    free(hostnet->next_addresses.items);
    free(hostnet->next_broadcasts.items);
    free(hostnet);
    errno = saved;
}

int hostnet_fd(const struct hostnet *hostnet)
{
    return mnl_socket_get_fd(hostnet->news);
}

/* Do these messages say something of addresses? Other routes come and go by the thousand. */
static bool is_news(const char *buffer, ssize_t length)
{
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)buffer;
    int left = (int)length;

    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
        if ((header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE) ||
            is_of_local_table(header)) {
            return true;
        }
    }
    return false;
}

bool hostnet_update(struct hostnet *hostnet)
{
    char buffer[BUFFER_BYTES] __attribute__((aligned(8)));
    bool has_news = false;

    for (int i = 0; i < NEWS_MAX; i++) {
        ssize_t length = mnl_socket_recvfrom(hostnet->news, buffer, sizeof(buffer));

        /* An error says that messages were lost (ENOBUFS): news as well. */
        if (length < 0 && (errno == EAGAIN || errno == EBADF)) {
            break;
        }
        has_news = has_news || length < 0 || is_news(buffer, length);
    }
    return has_news && read_addresses(hostnet) > 0;
}

struct hostnet_list hostnet_addresses(const struct hostnet *hostnet)
{
    return (struct hostnet_list){hostnet->addresses.items, hostnet->addresses.count,
                                 hostnet->addresses.is_cut};
}

struct hostnet_prefixes hostnet_prefixes(const struct hostnet *hostnet)
{
    return (struct hostnet_prefixes){hostnet->prefixes.items, hostnet->prefixes.count,
                                     hostnet->prefixes.is_cut};
}

struct hostnet_list hostnet_broadcasts(const struct hostnet *hostnet)
{
    return (struct hostnet_list){hostnet->broadcasts.items, hostnet->broadcasts.count,
                                 hostnet->broadcasts.is_cut};
}

const struct hostnet_nameserver *hostnet_nameservers(struct hostnet *hostnet, size_t *count)
{
    struct stat st = {0};
    const struct stat *was = &hostnet->resolv;

    (void)stat("/etc/resolv.conf", &st);
    if (st.st_ino != was->st_ino || st.st_dev != was->st_dev || st.st_size != was->st_size ||
        st.st_mtim.tv_sec != was->st_mtim.tv_sec || st.st_mtim.tv_nsec != was->st_mtim.tv_nsec) {
        hostnet->resolv = st;
        hostnet->nameserver_count =
            hostnet_read_resolv("/etc/resolv.conf", hostnet->nameservers, HOSTNET_NAMESERVERS_MAX);
    }
    *count = hostnet->nameserver_count;
    return hostnet->nameservers;
}
