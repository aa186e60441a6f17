/* SPDX-License-Identifier: MIT */
/*
 * run/sockets.c: see run/sockets.h.
 */
#include "run/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

const char *run_end_text(enum run_end end)
{
    switch (end) {
    case RUN_END_CLOSED:
        return "closed";
    case RUN_END_RESET_BY_PROGRAM:
        return "reset by program";
    case RUN_END_RESET_BY_PEER:
        return "reset by peer";
    case RUN_END_REFUSED:
        return "refused";
    case RUN_END_NETWORK_UNREACHABLE:
        return "network unreachable";
    case RUN_END_HOST_UNREACHABLE:
        return "host unreachable";
    case RUN_END_PROHIBITED:
        return "prohibited";
    case RUN_END_TIMED_OUT:
        return "timed out";
    case RUN_END_GIVEN_UP:
        return "given up";
    case RUN_END_IDLE:
        return "idle";
    case RUN_END_EVICTED:
        return "evicted";
    case RUN_END_NO_DESCRIPTORS:
        return "no descriptors";
    case RUN_END_RUN_ENDED:
        return "run ended";
    case RUN_END_DENIED:
        return "denied";
    case RUN_END_DROPPED:
        return "dropped";
    case RUN_END_OTHER_SERVER:
        return "other server name";
    case RUN_END_HIDDEN_SERVER:
        return "hidden server name";
    }
    return "unknown";
}

enum run_end run_end_of_errno(int error)
{
    switch (error) {
    case 0:
        return RUN_END_CLOSED;
    case ECONNREFUSED:
        return RUN_END_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return RUN_END_RESET_BY_PEER;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT: /* the host's kernel has no IPv6 */
        return RUN_END_NETWORK_UNREACHABLE;
    case EACCES:
    case EPERM:
        return RUN_END_PROHIBITED;
    case ETIMEDOUT:
        return RUN_END_TIMED_OUT;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC: /* epoll's limit of watches */
        return RUN_END_NO_DESCRIPTORS;
    default:
        return RUN_END_HOST_UNREACHABLE;
    }
}

socklen_t sockets_address(const struct berth_endpoint *endpoint, uint32_t scope,
                          struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

    memset(out, 0, sizeof *out);
    if (berth_address_is_v4(&endpoint->address)) {
        v4.sin_addr.s_addr = htonl(berth_address_v4_value(&endpoint->address));
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    memcpy(&v6.sin6_addr, endpoint->address.bytes, sizeof v6.sin6_addr);
    v6.sin6_scope_id = scope;
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
}

struct berth_endpoint sockets_endpoint(const struct sockaddr_storage *address)
{
    struct berth_endpoint endpoint = {.address = berth_address_any()};

    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof v4);
        endpoint.address = berth_address_v4(ntohl(v4.sin_addr.s_addr));
        endpoint.port = ntohs(v4.sin_port);
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof v6);
        memcpy(endpoint.address.bytes, &v6.sin6_addr, sizeof endpoint.address.bytes);
        endpoint.port = ntohs(v6.sin6_port);
    }
    return endpoint;
}

int sockets_open(const struct berth_endpoint *endpoint, int type, int protocol)
{
    int family = berth_address_is_v4(&endpoint->address) ? AF_INET : AF_INET6;

    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

/* FD (taken), connected or connecting. -1: errno. */
static int begin_connect(int fd, const struct berth_endpoint *to, uint32_t scope)
{
    struct sockaddr_storage address;
    socklen_t length = sockets_address(to, scope, &address);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, length) < 0 &&
        errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int sockets_connect(const struct berth_endpoint *to, uint32_t scope, int type, int protocol)
{
    return begin_connect(sockets_open(to, type, protocol), to, scope);
}

int sockets_call(const struct berth_endpoint *to)
{
    int fd = sockets_open(to, SOCK_STREAM, 0);

    if (fd >= 0) {
        sockets_set(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
    }
    return begin_connect(fd, to, 0);
}

void sockets_ack_now(int fd)
{
    sockets_set(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

bool sockets_is_exhausted(int error)
{
    return run_end_of_errno(error) == RUN_END_NO_DESCRIPTORS;
}

void sockets_set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

int sockets_take_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) {
        return errno;
    }
    return error;
}

void sockets_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}
