/* SPDX-License-Identifier: MIT */
/*
 * run/datagrams.c: see run/datagrams.h.
 */
#include "run/datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "run/sockets.h"

enum {
    BYTES_MAX_V4 = 65507, /* 65535 - 20 - 8 */
    BYTES_MAX_V6 = 65527,
    SEGMENTS_MAX = 64, /* of one call: UDP_MAX_SEGMENTS of older kernels */
    CONTROL_BYTES = 128,
};

/* Room for control messages, aligned for them. */
union control {
    struct cmsghdr header;
    char bytes[CONTROL_BYTES];
};

size_t datagrams_bytes_max(const struct berth_address *peer)
{
    return berth_address_is_v4(peer) ? BYTES_MAX_V4 : BYTES_MAX_V6;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void put_control(struct msghdr *message, int level, int type, const void *data, size_t bytes)
{
    struct cmsghdr *header =
        (struct cmsghdr *)(void *)((char *)message->msg_control + message->msg_controllen);

    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(header), data, bytes);
    message->msg_controllen += CMSG_SPACE(bytes);
}

static void put_source(struct msghdr *message, const struct datagram_route *route)
{
    if (berth_address_is_any(&route->from)) {
        return;
    }
    if (berth_address_is_v4(&route->from)) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr =
                                      htonl(berth_address_v4_value(&route->from))};

        put_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = route->scope};

        memcpy(&info.ipi6_addr, route->from.bytes, sizeof info.ipi6_addr);
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* PART of one or more datagrams of SEGMENT_BYTES (0: one). 0 or errno. */
static int send_part(const struct datagram_route *route, const struct iovec *part,
                     uint16_t segment_bytes)
{
    struct iovec copy = *part;
    struct sockaddr_storage to;
    union control control = {.bytes = {0}};
    struct msghdr message = {
        .msg_iov = &copy, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = 0};

    if (route->is_addressed) {
        message.msg_namelen = sockets_address(&route->to, route->scope, &to);
        message.msg_name = &to;
        put_source(&message, route);
    }
    if (segment_bytes != 0) {
        put_control(&message, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof segment_bytes);
    }
    for (;;) {
        if (sendmsg(route->fd, &message, 0) >= 0) {
            return 0;
        }
        if (errno != EINTR) {
            return errno;
        }
    }
}

static int send_one_by_one(const struct datagram_route *route, struct iovec rest, size_t segment)
{
    int first_error = 0;

    do {
        struct iovec part = {rest.iov_base, rest.iov_len < segment ? rest.iov_len : segment};
        int error = send_part(route, &part, 0);

        first_error = first_error == 0 ? error : first_error;
        rest.iov_base = (char *)rest.iov_base + part.iov_len;
        rest.iov_len -= part.iov_len;
    } while (rest.iov_len > 0);
    return first_error;
}

int datagrams_send(const struct datagram_route *route, const struct berth_datagram *datagram)
{
    struct iovec rest = {datagram->payload.data, datagram->payload.bytes};
    uint16_t segment = datagram->segment_bytes;
    int error;

    if (segment == 0 || rest.iov_len <= segment) {
        error = send_part(route, &rest, 0);
        /* An error that an earlier datagram met is told first; this one is still to be sent. */
        return error == ECONNREFUSED ? send_part(route, &rest, 0) : error;
    }
    if (rest.iov_len <= (size_t)segment * SEGMENTS_MAX) {
        error = send_part(route, &rest, segment);
        if (error == 0 || error == EAGAIN) {
            return error;
        }
    }
    return send_one_by_one(route, rest, segment);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static ssize_t receive(int fd, struct msghdr *message)
{
    ssize_t bytes;

    do {
        bytes = recvmsg(fd, message, 0);
    } while (bytes < 0 && errno == EINTR);
    return bytes;
}

ssize_t datagrams_receive(int fd, struct berth_view view, uint16_t *segment_bytes)
{
    struct iovec part = {view.data, view.bytes};
    union control control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t bytes = receive(fd, &message);
    struct cmsghdr *header = bytes < 0 ? NULL : CMSG_FIRSTHDR(&message);

    *segment_bytes = 0;
    for (; header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
            int segment = 0;

            memcpy(&segment, CMSG_DATA(header), sizeof segment);
            *segment_bytes = segment < bytes ? (uint16_t)segment : 0;
        }
    }
    return bytes;
}

static void read_control(const struct cmsghdr *header, struct datagram_arrival *out)
{
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;

        memcpy(&info, CMSG_DATA(header), sizeof info);
        out->at = berth_address_v4(ntohl(info.ipi_addr.s_addr));
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;

        memcpy(&info, CMSG_DATA(header), sizeof info);
        memcpy(out->at.bytes, &info.ipi6_addr, sizeof out->at.bytes);
        if (berth_address_is_link_local(&out->at)) {
            out->scope = info.ipi6_ifindex;
        }
    }
}

ssize_t datagrams_receive_from(int fd, struct berth_view view, struct datagram_arrival *out)
{
    struct sockaddr_storage from = {0};
    struct iovec part = {view.data, view.bytes};
    union control control = {.bytes = {0}};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t bytes = receive(fd, &message);
    struct cmsghdr *header = bytes < 0 ? NULL : CMSG_FIRSTHDR(&message);

    if (bytes < 0) {
        return bytes;
    }
    *out = (struct datagram_arrival){.from = sockets_endpoint(&from), .at = berth_address_any()};
    for (; header != NULL; header = CMSG_NXTHDR(&message, header)) {
        read_control(header, out);
    }
    return bytes;
}
