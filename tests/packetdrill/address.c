/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses to endpoints and back. An AF_INET6 socket speaks of an IPv4 address as
 * ::ffff:a.b.c.d, which is how endpoints hold it anyway.
 */
#include "adapter.h"

#include <arpa/inet.h>
#include <string.h>

/* Any address of the versions that FILE may speak. */
struct berth_address address_any(const struct file *file)
{
    return file->domain == AF_INET ? berth_address_v4(0) : berth_address_any();
}

int address_get(const struct file *file, const struct sockaddr *from, socklen_t bytes,
                struct berth_endpoint *out)
{
    if (from == NULL) {
        return -EFAULT;
    }
    if (bytes < sizeof from->sa_family) {
        return -EINVAL;
    }
    if (file->domain == AF_INET) {
        struct sockaddr_in in;
        if (bytes < sizeof in) {
            return -EINVAL;
        }
        memcpy(&in, from, sizeof in);
        *out = (struct berth_endpoint){.address = berth_address_v4(ntohl(in.sin_addr.s_addr)),
                                       .port = ntohs(in.sin_port)};
        return in.sin_family == AF_INET ? 0 : -EAFNOSUPPORT;
    }
    struct sockaddr_in6 in6;
    if (from->sa_family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    if (bytes < offsetof(struct sockaddr_in6, sin6_scope_id)) {
        return -EINVAL;
    }
    memcpy(&in6, from, bytes < sizeof in6 ? bytes : sizeof in6);
    memcpy(out->address.bytes, &in6.sin6_addr, sizeof out->address.bytes);
    out->port = ntohs(in6.sin6_port);
    bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
    return mapped && option_value(file, IPPROTO_IPV6, IPV6_V6ONLY) != 0 ? -ENETUNREACH : 0;
}

void address_put(const struct file *file, const struct berth_endpoint *endpoint,
                 struct sockaddr *out, socklen_t *bytes)
{
    if (out == NULL || bytes == NULL) {
        return;
    }
    struct sockaddr_storage full = {0};
    socklen_t length = sizeof(struct sockaddr_in);
    if (file->domain == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&full;
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        in->sin_addr.s_addr = htonl(berth_address_v4_value(&endpoint->address));
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&full;
        length = sizeof *in6;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(endpoint->port);
        memcpy(&in6->sin6_addr, endpoint->address.bytes, sizeof in6->sin6_addr);
    }
    memcpy(out, &full, *bytes < length ? *bytes : length);
    *bytes = length;
}
