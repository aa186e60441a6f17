/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_ports.c: see inspect/host_ports.h.
 */
#include "inspect/host_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSCTL "/proc/sys/net/ipv4/"

/* ---- What the kernel is told ---------------------------------------------------------------- */

/* The decimal port at *AT, which moves behind it. */
static bool take_port(const char **at, uint16_t *out)
{
    uint32_t value = 0;
    const char *text = *at;

    while (*text >= '0' && *text <= '9' && value <= UINT16_MAX) {
        value = value * 10 + (uint32_t)(*text++ - '0');
    }
    if (text == *at || value > UINT16_MAX) {
        return false;
    }
    *at = text;
    *out = (uint16_t)value;
    return true;
}

bool host_port_set_parse(const char *text, struct host_port_set *out)
{
    memset(out, 0, sizeof *out);
    while (*text != '\0' && *text != '\n') {
        uint16_t first;
        uint16_t last;

        if (!take_port(&text, &first)) {
            return false;
        }
        last = first;
        if (*text == '-') {
            text++;
            if (!take_port(&text, &last) || last < first) {
                return false;
            }
        }
        for (uint32_t port = first; port <= last; port++) {
            host_port_set_add(out, (uint16_t)port);
        }
        if (*text == ',') {
            text++;
        } else if (*text != '\0' && *text != '\n') {
            return false;
        }
    }
    return true;
}

/* A line of any length; NULL: it cannot be read. The caller frees it. */
static char *read_line(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;

    if (file == NULL) {
        return NULL;
    }
    if (getline(&line, &room, file) < 0) {
        free(line);
        line = feof(file) && !ferror(file) ? strdup("") : NULL;
    }
    (void)fclose(file);
    return line;
}

int host_ephemeral_read(struct host_ephemeral *out)
{
    char *range = read_line(SYSCTL "ip_local_port_range");
    char *reserved = read_line(SYSCTL "ip_local_reserved_ports");
    int status = BERTH_E_STATE;

    if (range != NULL && reserved != NULL &&
        sscanf(range, "%hu %hu", &out->first, &out->last) == 2 && out->first <= out->last &&
        host_port_set_parse(reserved, &out->reserved)) {
        status = BERTH_OK;
    }
    free(range);
    free(reserved);
    return status;
}

/* ---- Is it free? ---------------------------------------------------------------------------- */

/* A kernel without that protocol has nobody who uses it. */
static bool is_missing(int error)
{
    return error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT ||
           error == EADDRNOTAVAIL || error == ENOPROTOOPT;
}

static enum host_free judge(int error)
{
    if (is_missing(error)) {
        return HOST_PORT_FREE;
    }
    return error == EACCES || error == EPERM ? HOST_PORT_UNKNOWN : HOST_PORT_TAKEN;
}

static enum host_free probe(int family, uint16_t port, int type, int protocol)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    enum host_free answer = HOST_PORT_FREE;
    int only = 1;
    int status;

    if (fd < 0) {
        return judge(errno);
    }
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
        status = bind(fd, (const struct sockaddr *)&six, sizeof six);
    } else {
        status = bind(fd, (const struct sockaddr *)&four, sizeof four);
    }
    if (status != 0) {
        answer = judge(errno);
    }
    (void)close(fd);
    return answer;
}

enum host_free host_port_probe(uint16_t port, unsigned transports)
{
    static const struct {
        unsigned transport;
        int type;
        int protocol;
    } kinds[] = {{BERTH_TRANSPORT_TCP, SOCK_STREAM, IPPROTO_TCP},
                 {BERTH_TRANSPORT_UDP, SOCK_DGRAM, IPPROTO_UDP},
                 {BERTH_TRANSPORT_SCTP, SOCK_STREAM, IPPROTO_SCTP},
                 {BERTH_TRANSPORT_DCCP, SOCK_DCCP, IPPROTO_DCCP}};
    enum host_free answer = HOST_PORT_FREE;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((transports & kinds[i].transport) == 0) {
            continue;
        }
        for (int v6 = 0; v6 <= 1; v6++) {
            enum host_free one =
                probe(v6 ? AF_INET6 : AF_INET, port, kinds[i].type, kinds[i].protocol);

            if (one == HOST_PORT_TAKEN) {
                return one;
            }
            answer = one == HOST_PORT_UNKNOWN ? one : answer;
        }
    }
    return answer;
}
