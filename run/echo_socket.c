/* SPDX-License-Identifier: MIT */
/*
 * run/echo_socket.c: see run/echo_socket.h.
 */
#include "run/echo_socket.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "run/sockets.h"

#ifndef ICMP_FILTER /* linux/icmp.h, which clashes with netinet/ip_icmp.h */
#define ICMP_FILTER 1
#endif

enum { HEADER_BYTES = 8, IPV4_HEADER_MIN = 20 };

/* ---- Opening -------------------------------------------------------------------------------- */

static int open_icmp(bool is_v4, int type)
{
    return socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

int echo_socket_ping(bool is_v4)
{
    return open_icmp(is_v4, SOCK_DGRAM);
}

int echo_socket_raw(bool is_v4)
{
    int fd = open_icmp(is_v4, SOCK_RAW);

    if (fd < 0) {
        return -1;
    }
    if (is_v4) {
        uint32_t all_but_replies = ~(UINT32_C(1) << ICMP_ECHOREPLY);

        (void)setsockopt(fd, SOL_RAW, ICMP_FILTER, &all_but_replies, sizeof all_but_replies);
    } else {
        struct icmp6_filter filter;

        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        (void)setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    }
    return fd;
}

int echo_socket_connect(const struct berth_endpoint *to)
{
    bool is_v4 = berth_address_is_v4(&to->address);
    struct berth_endpoint bare = {.address = to->address};
    struct sockaddr_storage address;
    socklen_t length = sockets_address(&bare, 0, &address);
    int fd = echo_socket_ping(is_v4);

    if (fd < 0) {
        return -1;
    }
    sockets_set(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_RECVERR : IPV6_RECVERR, 1);
    if (connect(fd, (const struct sockaddr *)&address, length) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* RFC 1071. ICMPv6's needs the addresses: there the kernel fills it in. */
static uint16_t checksum(const uint8_t *header, const uint8_t *payload, size_t bytes)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < HEADER_BYTES; i += 2) {
        sum += load_be16(header + i);
    }
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        sum += load_be16(payload + i);
    }
    if (bytes % 2 != 0) {
        sum += (uint64_t)payload[bytes - 1] << 8;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

int echo_socket_send(int fd, const struct berth_endpoint *to, const struct berth_datagram *request,
                     bool is_raw)
{
    bool is_v4 = berth_address_is_v4(&to->address);
    struct berth_endpoint bare = {.address = to->address};
    struct sockaddr_storage address;
    uint8_t header[HEADER_BYTES] = {is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
    struct iovec parts[2] = {{header, sizeof header},
                             {request->payload.data, request->payload.bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    store_be16(header + 4, to->port);
    store_be16(header + 6, request->echo_sequence);
    if (is_raw) {
        message.msg_namelen = sockets_address(&bare, 0, &address);
        message.msg_name = &address;
        if (is_v4) {
            store_be16(header + 2, checksum(header, request->payload.data, request->payload.bytes));
        }
    }
    for (;;) {
        if (sendmsg(fd, &message, 0) >= 0) {
            return 0;
        }
        if (errno != EINTR) {
            return errno;
        }
    }
}

/* ---- Receiving ------------------------------------------------------------------------------ */

/* The ICMP message of BYTES at AT. */
static int read_reply(const uint8_t *at, size_t bytes, bool is_v4, struct echo_reply *out)
{
    if (bytes < HEADER_BYTES || at[0] != (is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY)) {
        return EBADMSG;
    }
    out->from.port = load_be16(at + 4);
    out->sequence = load_be16(at + 6);
    out->payload = at + HEADER_BYTES;
    out->bytes = bytes - HEADER_BYTES;
    return 0;
}

/* With IP_RECVERR an error waits in a queue of its own, which is to be emptied. */
static void drop_told_errors(int fd)
{
    char control[256];
    uint8_t byte;
    struct iovec part = {&byte, sizeof byte};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    while (recvmsg(fd, &message, MSG_ERRQUEUE) >= 0) {
        message.msg_controllen = sizeof control;
    }
}

int echo_socket_receive(int fd, const struct berth_endpoint *to, uint8_t *buffer,
                        struct echo_reply *out)
{
    ssize_t bytes = recv(fd, buffer, ECHO_REPLY_BYTES_MAX, 0);

    if (bytes < 0) {
        int error = errno;

        if (error != EAGAIN && error != EINTR) {
            drop_told_errors(fd);
        }
        return error == EINTR ? EBADMSG : error;
    }
    out->from = *to;
    return read_reply(buffer, (size_t)bytes, berth_address_is_v4(&to->address), out);
}

int echo_socket_receive_raw(int fd, bool is_v4, uint8_t *buffer, struct echo_reply *out)
{
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;
    ssize_t bytes =
        recvfrom(fd, buffer, ECHO_REPLY_BYTES_MAX, 0, (struct sockaddr *)&from, &length);
    size_t skip = 0;

    if (bytes < 0) {
        return errno == EAGAIN ? EAGAIN : EBADMSG;
    }
    out->from = sockets_endpoint(&from);
    if (is_v4) { /* the IPv4 header comes along */
        if (bytes < IPV4_HEADER_MIN) {
            return EBADMSG;
        }
        skip = (size_t)(buffer[0] & 0x0f) * 4;
        if (skip > (size_t)bytes) {
            return EBADMSG;
        }
    }
    return read_reply(buffer + skip, (size_t)bytes - skip, is_v4, out);
}
