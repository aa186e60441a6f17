/* SPDX-License-Identifier: MIT */
/*
 * run/attribute.c: see run/attribute.h. Endpoints -> inode of the socket, by sock_diag(7) on a
 * socket that lies in the program's network (ICMP, which sock_diag does not know, by
 * /proc/PID/net/icmp); inode -> process, by holder.h.
 */
#include "run/attribute.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "run/holder.h"

enum {
    PASSWD_BYTES = 4096, /* of one row of /etc/passwd; behind a longer one nobody is looked for */
    LINE_BYTES = 512,    /* of /proc/net/icmp */
    PING_SOCKETS = 64,   /* looked at for one question: past them nobody is named */
    PATH_BYTES = 64,     /* of /proc/PID/status */
    STATUS_BYTES = 1024, /* of it: what is looked for stands in its first lines */
    REPLY_BYTES = 8192,  /* one socket's worth of sock_diag */
};

struct attribute {
    int diag_fd; /* borrowed */
    pid_t program;
    uint32_t sequence;
    struct holder holder;
    bool has_user; /* user_uid and user are of the last process */
    uid_t user_uid;
    char user[ATTRIBUTE_USER_BYTES];
};

int attribute_new(struct attribute **out, const struct launch *launch)
{
    struct attribute *attribute = calloc(1, sizeof(*attribute));

    if (attribute == NULL) {
        return BERTH_E_STATE;
    }
    attribute->diag_fd = launch_diag_fd(launch);
    attribute->program = launch_pid(launch);
    if (holder_init(&attribute->holder, launch_network_inode(launch), attribute->program) < 0) {
        free(attribute);
        return BERTH_E_STATE;
    }
    *out = attribute;
    return 0;
}

void attribute_free(struct attribute *attribute)
{
    if (attribute != NULL) {
        holder_done(&attribute->holder);
        free(attribute);
    }
}

struct processes *attribute_processes(struct attribute *attribute)
{
    return &attribute->holder.processes;
}

/* --- endpoints to inode --- */

static void put_endpoint(const struct berth_endpoint *endpoint, bool is_v4, __be16 *port,
                         __be32 address[4])
{
    *port = htons(endpoint->port);
    memcpy(address, endpoint->address.bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
}

static int diag_send(struct attribute *attribute, const struct attribute_query *query)
{
    char buffer[256] = {0};
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req_v2 *request = NULL;
    bool is_v4 = berth_address_is_v4(&query->local.address);
    /* The kernel's lookup of one UDP socket takes the packet's view, so its ends are exchanged. */
    bool is_swapped = query->protocol == IPPROTO_UDP;

    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header->nlmsg_flags = NLM_F_REQUEST;
    header->nlmsg_seq = ++attribute->sequence;
    request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
    request->sdiag_family = is_v4 ? AF_INET : AF_INET6;
    request->sdiag_protocol = query->protocol;
    request->idiag_states = UINT32_MAX;
    request->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    put_endpoint(is_swapped ? &query->remote : &query->local, is_v4, &request->id.idiag_sport,
                 request->id.idiag_src);
    put_endpoint(is_swapped ? &query->local : &query->remote, is_v4, &request->id.idiag_dport,
                 request->id.idiag_dst);
    return send(attribute->diag_fd, header, header->nlmsg_len, 0) < 0 ? -1 : 0;
}

/* The inode in the answer to the last question; 0 when there is none. The kernel has answered by
 * the time that send() returns, so nothing is waited for. */
static uint64_t diag_receive(struct attribute *attribute, uint16_t local_port)
{
    union {
        struct nlmsghdr header;
        char bytes[REPLY_BYTES];
    } reply;
    ssize_t length = 0;

    while ((length = recv(attribute->diag_fd, &reply, sizeof(reply), MSG_DONTWAIT)) > 0) {
        const struct nlmsghdr *header = &reply.header;
        const struct inet_diag_msg *found = NULL;

        if (!mnl_nlmsg_ok(header, (int)length) || header->nlmsg_seq != attribute->sequence) {
            continue;
        }
        if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
            mnl_nlmsg_get_payload_len(header) < sizeof(*found)) {
            return 0;
        }
        found = mnl_nlmsg_get_payload(header);
        return ntohs(found->id.idiag_sport) == local_port ? found->idiag_inode : 0;
    }
    return 0;
}

/* A ping socket's row: "sl local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode". */
static uint64_t icmp_inode(struct attribute *attribute, const struct attribute_query *query)
{
    char path[PATH_BYTES];
    char line[LINE_BYTES];
    uint64_t inode = 0;
    FILE *file = NULL;

    snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)attribute->program,
             query->protocol == IPPROTO_ICMP ? "icmp" : "icmp6");
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    for (int i = 0; i <= PING_SOCKETS && inode == 0 && fgets(line, sizeof(line), file) != NULL;
         i++) {
        unsigned port = 0;
        uint64_t number = 0;

        if (sscanf(line, " %*[0-9]: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &port,
                   &number) == 2 &&
            port == query->local.port) {
            inode = number;
        }
    }
    fclose(file);
    return inode;
}

static uint64_t find_inode(struct attribute *attribute, const struct attribute_query *query)
{
    if (query->protocol == IPPROTO_ICMP || query->protocol == IPPROTO_ICMPV6) {
        return icmp_inode(attribute, query);
    }
    if (diag_send(attribute, query) < 0) {
        return 0;
    }
    return diag_receive(attribute, query->local.port);
}

/* --- what is known of it --- */

static size_t file_text(pid_t pid, const char *name, char *out, size_t out_bytes)
{
    char path[PATH_BYTES];
    ssize_t length = 0;
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, out, out_bytes - 1);
        close(fd);
    }
    out[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* A process may call itself anything; what reaches a terminal or a log is printable. */
static void make_printable(char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == '\0' || text[length - 1] == '\n')) {
        text[--length] = '\0';
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0') {
            text[i] = ' ';
        } else if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            text[i] = '?';
        }
    }
}

static void read_name(pid_t pid, char name[ATTRIBUTE_NAME_BYTES])
{
    make_printable(name, file_text(pid, "comm", name, ATTRIBUTE_NAME_BYTES));
}

/* The number after KEY, a line's first word with its colon; 0: it is not there. */
static unsigned status_number(const char *status, const char *key)
{
    const char *line = strstr(status, key);

    return line == NULL ? 0 : (unsigned)strtoul(line + strlen(key), NULL, 10);
}

/* As in /etc/passwd. The system's other sources of names would be asked over sockets of theirs. */
static void find_user(struct attribute *attribute, uid_t uid)
{
    FILE *file = NULL;
    struct passwd entry = {0};
    struct passwd *row = NULL;
    char line[PASSWD_BYTES];

    if (attribute->has_user && attribute->user_uid == uid) {
        return;
    }
    attribute->has_user = true;
    attribute->user_uid = uid;
    attribute->user[0] = '\0';
    file = fopen("/etc/passwd", "re");
    while (file != NULL && fgetpwent_r(file, &entry, line, sizeof(line), &row) == 0) {
        if (row->pw_uid == uid) {
            snprintf(attribute->user, sizeof(attribute->user), "%s", row->pw_name);
            make_printable(attribute->user, strlen(attribute->user));
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* False: it is gone. */
static bool describe(struct attribute *attribute, struct attribute_process *process)
{
    char status[STATUS_BYTES];

    read_name(process->pid, process->name);
    if (process->name[0] == '\0' ||
        file_text(process->pid, "status", status, sizeof(status)) == 0) {
        return false;
    }
    make_printable(process->command,
                   file_text(process->pid, "cmdline", process->command, sizeof(process->command)));
    process->parent = (pid_t)status_number(status, "\nPPid:");
    process->uid = (uid_t)status_number(status, "\nUid:");
    if (process->parent > 0) {
        read_name(process->parent, process->parent_name);
    }
    find_user(attribute, process->uid);
    memcpy(process->user, attribute->user, sizeof(process->user));
    return true;
}

bool attribute_find(struct attribute *attribute, const struct attribute_query *query,
                    struct attribute_process *out)
{
    struct attribute_process process = {0};
    uint64_t inode = find_inode(attribute, query);

    if (inode == 0) {
        return false;
    }
    process.pid = holder_find_near(&attribute->holder, inode);
    if (process.pid == 0 && find_inode(attribute, query) == inode) {
        process.pid = holder_find_far(&attribute->holder, inode);
    }
    if (process.pid == 0 || !describe(attribute, &process)) {
        return false;
    }
    *out = process;
    return true;
}
