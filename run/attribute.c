/* SPDX-License-Identifier: MIT */
/*
 * run/attribute.c: see run/attribute.h. Two steps: endpoints -> inode of the socket, by
 * sock_diag(7) on a socket that lies in the program's network (ICMP, which sock_diag does not know,
 * by /proc/PID/net/icmp); inode -> process, by /proc/PID/fd. A connection is opened by the process
 * that opened the last one more often than not, with the next descriptor: there is looked first.
 */
#include "run/attribute.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

enum {
    NEAR_FILES = 4,     /* descriptors looked at beyond the last one found */
    LINE_BYTES = 512,   /* of /proc/net/icmp */
    PATH_BYTES = 64,    /* of /proc/PID/fd/FD */
    REPLY_BYTES = 8192, /* one socket's worth of sock_diag */
    FILES_CLOSED = -2,
};

struct recent {
    pid_t pid; /* 0: none */
    int fd;    /* where its last socket was found */
};

struct attribute {
    int diag_fd; /* borrowed */
    pid_t program;
    uint64_t network_inode;
    uint32_t sequence;
    struct recent recent[ATTRIBUTE_RECENT_MAX]; /* the latest first */
    pid_t *pids;                                /* ATTRIBUTE_PROCESSES_MAX, for a scan */
};

/* What a question may still cost, and whom it could not ask. */
struct budget {
    size_t files;
    size_t closed_count; /* processes inside whose descriptors may not be listed */
    pid_t closed;        /* the last of them */
};

int attribute_new(struct attribute **out, const struct launch *launch)
{
    struct attribute *attribute = calloc(1, sizeof(*attribute));

    if (attribute == NULL) {
        return BERTH_E_STATE;
    }
    attribute->pids = calloc(ATTRIBUTE_PROCESSES_MAX, sizeof(attribute->pids[0]));
    if (attribute->pids == NULL) {
        free(attribute);
        return BERTH_E_STATE;
    }
    attribute->diag_fd = launch_diag_fd(launch);
    attribute->program = launch_pid(launch);
    attribute->network_inode = launch_network_inode(launch);
    attribute->recent[0] = (struct recent){attribute->program, STDERR_FILENO};
    *out = attribute;
    return 0;
}

void attribute_free(struct attribute *attribute)
{
    if (attribute != NULL) {
        free(attribute->pids);
        free(attribute);
    }
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
    while (inode == 0 && fgets(line, sizeof(line), file) != NULL) {
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

/* --- inode to process --- */

static bool is_inside(const struct attribute *attribute, pid_t pid)
{
    char path[PATH_BYTES];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    return stat(path, &st) == 0 && st.st_ino == attribute->network_inode;
}

/* Whether the link of this name, in this directory, is the socket. */
static bool is_socket(int directory, const char *name, uint64_t inode)
{
    char text[PATH_BYTES];
    char wanted[PATH_BYTES];
    ssize_t length = readlinkat(directory, name, text, sizeof(text) - 1);

    if (length < 0) {
        return false;
    }
    text[length] = '\0';
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    return strcmp(text, wanted) == 0;
}

/* The descriptor by which the process has the socket, -1, or FILES_CLOSED. */
static int scan_files(pid_t pid, uint64_t inode, struct budget *budget)
{
    char path[PATH_BYTES];
    const struct dirent *entry = NULL;
    DIR *directory = NULL;
    int found = -1;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    directory = opendir(path);
    if (directory == NULL) {
        return errno == EACCES ? FILES_CLOSED : -1;
    }
    while (found < 0 && budget->files > 0 && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        budget->files--;
        if (is_socket(dirfd(directory), entry->d_name, inode)) {
            found = (int)strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(directory);
    return found;
}

/* The same, among the descriptors just past the last one found. */
static int scan_near(const struct recent *recent, uint64_t inode)
{
    char path[PATH_BYTES];
    char name[16];
    int found = -1;
    int directory = -1;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)recent->pid);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return -1;
    }
    for (int fd = recent->fd; found < 0 && fd <= recent->fd + NEAR_FILES; fd++) {
        snprintf(name, sizeof(name), "%d", fd);
        if (is_socket(directory, name, inode)) {
            found = fd;
        }
    }
    close(directory);
    return found;
}

/* Puts the process first among the recent ones. */
static void remember(struct attribute *attribute, pid_t pid, int fd)
{
    size_t at = 0;

    while (at < ATTRIBUTE_RECENT_MAX - 1 && attribute->recent[at].pid != pid) {
        at++;
    }
    memmove(&attribute->recent[1], &attribute->recent[0], at * sizeof(attribute->recent[0]));
    attribute->recent[0] = (struct recent){pid, fd};
}

static pid_t find_recent(struct attribute *attribute, uint64_t inode, struct budget *budget)
{
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ATTRIBUTE_RECENT_MAX; i++) {
            struct recent *recent = &attribute->recent[i];
            pid_t pid = recent->pid;
            int fd = -1;

            if (pid == 0) {
                continue;
            }
            fd = pass == 0 ? scan_near(recent, inode) : scan_files(pid, inode, budget);
            if (fd >= 0 && is_inside(attribute, pid)) {
                remember(attribute, pid, fd);
                return pid;
            }
        }
    }
    return 0;
}

/* Every process id, those from the program's on first: its descendants come after it. */
static size_t list_processes(struct attribute *attribute)
{
    DIR *directory = opendir("/proc");
    const struct dirent *entry = NULL;
    size_t count = 0;
    size_t first = 0;

    if (directory == NULL) {
        return 0;
    }
    while (count < ATTRIBUTE_PROCESSES_MAX && (entry = readdir(directory)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid <= 0) {
            continue;
        }
        attribute->pids[count] = (pid_t)pid;
        if (pid >= attribute->program && first < count) {
            pid_t other = attribute->pids[first];

            attribute->pids[first] = attribute->pids[count];
            attribute->pids[count] = other;
        }
        if (pid >= attribute->program) {
            first++;
        }
        count++;
    }
    closedir(directory);
    return count;
}

/* A program with file capabilities, as ping is on some systems, does not show its descriptors. When
 * it is the only such one, and all others have been asked, the socket is its. */
static pid_t find_anywhere(struct attribute *attribute, uint64_t inode, struct budget *budget)
{
    size_t count = list_processes(attribute);

    for (size_t i = 0; i < count && budget->files > 0; i++) {
        int fd = -1;

        if (!is_inside(attribute, attribute->pids[i])) {
            continue;
        }
        fd = scan_files(attribute->pids[i], inode, budget);
        if (fd >= 0) {
            remember(attribute, attribute->pids[i], fd);
            return attribute->pids[i];
        }
        if (fd == FILES_CLOSED) {
            budget->closed_count++;
            budget->closed = attribute->pids[i];
        }
    }
    return budget->closed_count == 1 && budget->files > 0 ? budget->closed : 0;
}

/* --- the name --- */

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

bool attribute_find(struct attribute *attribute, const struct attribute_query *query,
                    struct attribute_process *out)
{
    struct budget budget = {.files = ATTRIBUTE_FILES_MAX};
    struct attribute_process process = {0};
    uint64_t inode = find_inode(attribute, query);
    size_t length = 0;

    if (inode == 0) {
        return false;
    }
    process.pid = find_recent(attribute, inode, &budget);
    if (process.pid == 0) {
        process.pid = find_anywhere(attribute, inode, &budget);
    }
    if (process.pid == 0) {
        return false;
    }
    length = file_text(process.pid, "comm", process.name, sizeof(process.name));
    make_printable(process.name, length);
    length = file_text(process.pid, "cmdline", process.command, sizeof(process.command));
    make_printable(process.command, length);
    *out = process;
    return true;
}
