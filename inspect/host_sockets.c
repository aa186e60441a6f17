/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_sockets.c: see inspect/host_sockets.h.
 */
#include "inspect/host_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inspect/host_netlink.h"

#define LINE_BYTES    512
#define REQUEST_BYTES 256
#define WORD_DIGITS   8

const char *host_socket_state_name(const struct host_socket *socket)
{
    static const char *const names[] = {
        [HOST_STATE_ESTABLISHED] = "established",
        [HOST_STATE_SYN_SENT] = "syn-sent",
        [HOST_STATE_SYN_RECEIVED] = "syn-received",
        [HOST_STATE_FIN_WAIT_1] = "fin-wait-1",
        [HOST_STATE_FIN_WAIT_2] = "fin-wait-2",
        [HOST_STATE_TIME_WAIT] = "time-wait",
        [HOST_STATE_CLOSED] = "closed",
        [HOST_STATE_CLOSE_WAIT] = "close-wait",
        [HOST_STATE_LAST_ACK] = "last-ack",
        [HOST_STATE_LISTEN] = "listen",
        [HOST_STATE_CLOSING] = "closing",
        [HOST_STATE_NEW_SYN] = "syn-received",
        [HOST_STATE_BOUND] = "bound",
    };

    if (socket->transport == BERTH_TRANSPORT_UDP) {
        return socket->is_listening ? "open" : "connected";
    }
    return socket->state >= sizeof names / sizeof names[0] || names[socket->state] == NULL
               ? "unknown"
               : names[socket->state];
}

static bool add(struct host_sockets *sockets, const struct host_socket *row)
{
    if (sockets->count == sockets->max) {
        size_t max = sockets->max == 0 ? 256 : 2 * sockets->max;
        struct host_socket *rows = realloc(sockets->rows, max * sizeof *rows);

        if (rows == NULL) {
            return false;
        }
        sockets->rows = rows;
        sockets->max = max;
    }
    sockets->rows[sockets->count++] = *row;
    return true;
}

/* What follows from the rest of a row. */
static void finish(struct host_socket *row)
{
    bool is_tcp = row->transport == BERTH_TRANSPORT_TCP;

    row->is_listening = is_tcp ? row->state == HOST_STATE_LISTEN : row->remote.port == 0;
    if (is_tcp && row->state == HOST_STATE_CLOSED && row->remote.port == 0) {
        row->state = HOST_STATE_BOUND;
    }
}

/* ---- /proc/net ------------------------------------------------------------------------------ */

/* The 8 or 32 digits at TEXT up to the colon: each 8 are a word as this machine holds it. */
static bool parse_address(const char *text, size_t digits, struct berth_address *out)
{
    struct berth_address address = {{[10] = 0xff, [11] = 0xff}};
    size_t words = digits / WORD_DIGITS;
    uint8_t *at = address.bytes + (sizeof address.bytes - words * sizeof(uint32_t));

    for (size_t i = 0; i < words; i++) {
        char word[WORD_DIGITS + 1] = "";
        uint32_t value;

        memcpy(word, text + i * WORD_DIGITS, WORD_DIGITS);
        if (strspn(word, "0123456789abcdefABCDEF") != WORD_DIGITS) {
            return false;
        }
        value = (uint32_t)strtoul(word, NULL, 16);
        memcpy(at + i * sizeof value, &value, sizeof value);
    }
    *out = address;
    return true;
}

/* "0100007F:0035" */
static bool parse_endpoint(const char *text, struct berth_endpoint *out, bool *is_v6)
{
    const char *colon = strchr(text, ':');
    size_t digits = colon == NULL ? 0 : (size_t)(colon - text);
    char *end;
    unsigned long port;

    if (digits != WORD_DIGITS && digits != (size_t)4 * WORD_DIGITS) {
        return false;
    }
    port = strtoul(colon + 1, &end, 16);
    if (end == colon + 1 || *end != '\0' || port > UINT16_MAX) {
        return false;
    }
    out->port = (uint16_t)port;
    *is_v6 = digits != WORD_DIGITS;
    return parse_address(text, digits, &out->address);
}

bool host_sockets_parse(const char *line, enum berth_transport transport, struct host_socket *out)
{
    struct host_socket row = {.transport = transport};
    char local[64];
    char remote[64];
    unsigned state;

    /* ... st tx:rx tr:when retrnsmt uid timeout inode */
    if (sscanf(line, " %*u: %63s %63s %x %*s %*s %*s %" SCNu32 " %*s %" SCNu64, local, remote,
               &state, &row.uid, &row.inode) != 5 ||
        state > UINT8_MAX || !parse_endpoint(local, &row.local, &row.is_v6) ||
        !parse_endpoint(remote, &row.remote, &row.is_v6)) {
        return false;
    }
    row.state = (uint8_t)state;
    finish(&row);
    *out = row;
    return true;
}

static int read_file(const char *path, enum berth_transport transport, struct host_sockets *out)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    struct host_socket row;
    int status = BERTH_OK;

    if (file == NULL) {
        return BERTH_E_STATE;
    }
    while (status == BERTH_OK && fgets(line, sizeof line, file) != NULL) {
        if (host_sockets_parse(line, transport, &row) && !add(out, &row)) {
            status = BERTH_E_STATE;
        }
    }
    if (ferror(file)) {
        status = BERTH_E_STATE;
    }
    (void)fclose(file);
    return status;
}

/* ---- sock_diag ------------------------------------------------------------------------------ */

/* 4 or 16 bytes in network order. An IPv6 address covers the mark of an IPv4 one. */
static struct berth_address address_of(const void *bytes, size_t length)
{
    struct berth_address address = {{[10] = 0xff, [11] = 0xff}};

    memcpy(address.bytes + (sizeof address.bytes - length), bytes, length);
    return address;
}

static int take_attribute(const struct nlattr *attribute, void *data)
{
    struct host_socket *row = data;

    if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY &&
        mnl_attr_get_payload_len(attribute) >= 1) {
        row->is_v6_only = mnl_attr_get_u8(attribute) != 0;
    }
    return MNL_CB_OK;
}

bool host_sockets_parse_diag(const void *payload, size_t bytes, enum berth_transport transport,
                             struct host_socket *out)
{
    struct host_socket row = {.transport = transport, .is_whole = true};
    struct inet_diag_msg message;
    size_t length;

    if (bytes < sizeof message) {
        return false;
    }
    memcpy(&message, payload, sizeof message);
    if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) {
        return false;
    }
    length = message.idiag_family == AF_INET ? 4 : 16;
    row.local.address = address_of(message.id.idiag_src, length);
    row.local.port = ntohs(message.id.idiag_sport);
    row.remote.address = address_of(message.id.idiag_dst, length);
    row.remote.port = ntohs(message.id.idiag_dport);
    row.is_v6 = length == 16;
    row.state = message.idiag_state;
    row.device = message.id.idiag_if;
    row.uid = message.idiag_uid;
    row.inode = message.idiag_inode;
    (void)mnl_attr_parse_payload((const char *)payload + sizeof message, bytes - sizeof message,
                                 take_attribute, &row);
    finish(&row);
    *out = row;
    return true;
}

struct diag {
    struct host_sockets *out;
    enum berth_transport transport;
};

static int take_socket(const struct nlmsghdr *header, void *data)
{
    struct diag *diag = data;
    struct host_socket row;

    if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
        host_sockets_parse_diag(mnl_nlmsg_get_payload(header), mnl_nlmsg_get_payload_len(header),
                                diag->transport, &row) &&
        !add(diag->out, &row)) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    return MNL_CB_OK;
}

static int ask(struct host_netlink *netlink, uint8_t family, struct diag *diag)
{
    char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req_v2 *request;

    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request = mnl_nlmsg_put_extra_header(header, sizeof *request);
    request->sdiag_family = family;
    request->sdiag_protocol = diag->transport == BERTH_TRANSPORT_TCP ? IPPROTO_TCP : IPPROTO_UDP;
    request->idiag_states = UINT32_MAX; /* those too that are newer than this program */
    return host_netlink_list(netlink, header, take_socket, diag);
}

/* ---- Both ----------------------------------------------------------------------------------- */

static int read_one(struct host_netlink *netlink, uint8_t family, struct diag *diag,
                    const char *path)
{
    size_t before = diag->out->count;
    int refused = 0;
    int status;

    if (netlink->socket != NULL) {
        if (ask(netlink, family, diag) == BERTH_OK) {
            return BERTH_OK;
        }
        refused = errno;
        diag->out->count = before; /* half a list is none */
    }
    status = read_file(path, diag->transport, diag->out);
    if (status != BERTH_OK && family == AF_INET6 && errno == ENOENT) {
        return BERTH_OK; /* a kernel without IPv6 has neither */
    }
    diag->out->refused = refused != 0 ? refused : diag->out->refused;
    return status;
}

int host_sockets_read(struct host_sockets *out)
{
    static const struct {
        const char *path;
        enum berth_transport transport;
        uint8_t family;
    } kinds[] = {{"/proc/net/tcp", BERTH_TRANSPORT_TCP, AF_INET},
                 {"/proc/net/tcp6", BERTH_TRANSPORT_TCP, AF_INET6},
                 {"/proc/net/udp", BERTH_TRANSPORT_UDP, AF_INET},
                 {"/proc/net/udp6", BERTH_TRANSPORT_UDP, AF_INET6}};
    struct host_netlink netlink = {0};
    int status = BERTH_OK;

    *out = (struct host_sockets){0};
    if (host_netlink_open(&netlink, NETLINK_SOCK_DIAG) != BERTH_OK) {
        out->refused = errno;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && status == BERTH_OK; i++) {
        struct diag diag = {out, kinds[i].transport};

        status = read_one(&netlink, kinds[i].family, &diag, kinds[i].path);
    }
    host_netlink_close(&netlink);
    return status;
}

void host_sockets_free(struct host_sockets *sockets)
{
    free(sockets->rows);
    *sockets = (struct host_sockets){0};
}
