/* SPDX-License-Identifier: MIT */
/*
 * inspect/audit_text.c: findings in words, and the commands that mend them (audit.h).
 *
 * 1. What comes from outside (the name of a process) is in a title, never in a command: a command
 *    holds numbers and words of these tables alone, and is safe to give to a shell.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/audit.h"

#define SYSCTL_BYTES_MAX 4000 /* the kernel reads a page of a setting */

/* A text that grows; without memory it is gone, and stays so. */
struct text {
    char *bytes;
    size_t length;
    bool is_lost;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    va_list values;
    char *piece = NULL;
    char *moved;
    int length;

    va_start(values, format);
    length = vasprintf(&piece, format, values);
    va_end(values);
    if (length < 0) {
        text->is_lost = true;
        return;
    }
    moved = realloc(text->bytes, text->length + (size_t)length + 1);
    if (moved == NULL) {
        text->is_lost = true;
    } else {
        text->bytes = moved;
        memcpy(moved + text->length, piece, (size_t)length + 1);
        text->length += (size_t)length;
    }
    free(piece);
}

static char *finish(struct text *text)
{
    if (text->is_lost) {
        free(text->bytes);
        return NULL;
    }
    return text->bytes;
}

/* "8080,9000-9010": as the kernel reads a list of ports; those with at most GAP others between them
 * as one range. */
static void add_ports(struct text *text, const struct host_port_set *set, uint32_t gap)
{
    const char *joint = "";
    uint32_t port = 1;

    while (port <= UINT16_MAX) {
        uint32_t last = port;

        if (!host_port_set_has(set, (uint16_t)port)) {
            port++;
            continue;
        }
        for (uint32_t next = port + 1; next <= UINT16_MAX && next - last <= gap + 1; next++) {
            last = host_port_set_has(set, (uint16_t)next) ? next : last;
        }
        if (last == port) {
            add(text, "%s%u", joint, port);
        } else {
            add(text, "%s%u-%u", joint, port, last);
        }
        joint = ",";
        port = last + 1;
    }
}

/* ---- Titles --------------------------------------------------------------------------------- */

/* "redis-server (812)", "what listens". */
static void add_process(struct text *text, const struct audit_finding *finding)
{
    if (finding->process == NULL) {
        add(text, "a program that cannot be seen");
    } else {
        add(text, "%s (%d)", finding->process->name, (int)finding->process->pid);
    }
}

static const char *who(enum host_exposure exposure)
{
    return exposure == HOST_EXPOSURE_ANYONE ? "anyone" : "this network";
}

char *audit_title(const struct audit *audit, const struct audit_finding *finding)
{
    const char *transport = berth_transport_name(finding->transport);
    const char *name = berth_service_name(finding->port, finding->transport);
    struct text text = {0};

    switch (finding->kind) {
    case AUDIT_EXPOSED:
        if (finding->is_by_program) {
            add(&text, "%s is open to %s", finding->service->name, who(finding->exposure));
        } else {
            add(&text, "the port of %s is open to %s", finding->service->name,
                who(finding->exposure));
        }
        break;
    case AUDIT_WRONG:
        add_process(&text, finding);
        add(&text, " listens at the port of %s", name == NULL ? "another service" : name);
        break;
    case AUDIT_CLEARTEXT:
        add(&text, "%s is open to %s in the clear", finding->cleartext->name,
            who(finding->exposure));
        break;
    case AUDIT_EPHEMERAL:
        add_process(&text, finding);
        add(&text, " listens at %u/%s, in the ephemeral range", (unsigned)finding->port, transport);
        break;
    case AUDIT_RANGE:
        add(&text, "the ephemeral range %u-%u has registered ports that are served here",
            (unsigned)audit->ephemeral->first, (unsigned)audit->ephemeral->last);
        break;
    }
    return finish(&text);
}

/* ---- Meanings ------------------------------------------------------------------------------- */

static void add_range_meaning(struct text *text, const struct audit *audit,
                              const struct audit_finding *finding)
{
    const struct host_socket *socket = NULL;
    const char *joint = "";
    uint16_t port = 0;

    add(text,
        "The kernel gives these ports to outgoing connections too, so a service that restarts "
        "may find its own taken: ");
    while ((socket = audit_next_socket(audit, finding, socket)) != NULL) {
        if (socket->local.port != port) {
            port = socket->local.port;
            add(text, "%s%u (%s)", joint, (unsigned)port,
                berth_service_name(port, BERTH_TRANSPORT_TCP));
            joint = ", ";
        }
    }
    add(text, ". IANA registers none from 49152 on.");
}

char *audit_meaning(const struct audit *audit, const struct audit_finding *finding)
{
    const struct audit_service *service = finding->service;
    const struct audit_cleartext *cleartext = finding->cleartext;
    const struct audit_program *program = finding->program;
    struct text text = {0};

    switch (finding->kind) {
    case AUDIT_EXPOSED:
        add(&text, "%s%s%s%s", service->reason, service->setting == NULL ? "" : " Better: ",
            service->setting == NULL ? "" : service->setting, service->setting == NULL ? "" : ".");
        break;
    case AUDIT_WRONG:
        add(&text,
            "That program serves %s. Who expects the port's own service meets another, and "
            "rules that go by the port let in what they do not mean. Start it again at a "
            "port of its own.",
            *program->services == '\0' ? "no registered service" : program->services);
        break;
    case AUDIT_CLEARTEXT:
        add(&text, "%s Its encrypted twin is %s (%u/tcp)%s.", cleartext->reason, cleartext->twin,
            (unsigned)cleartext->twin_port,
            finding->has_twin ? ", which is served here too: shut this one"
                              : ", which is not served here: serve that first, then shut this one");
        break;
    case AUDIT_EPHEMERAL:
        add(&text,
            "The kernel gives ports of %u-%u to outgoing connections: while the service is "
            "down, one may take its port, and it cannot start again. The command keeps it "
            "for who asks for it by number, as it does those that are kept already.",
            (unsigned)audit->ephemeral->first, (unsigned)audit->ephemeral->last);
        break;
    case AUDIT_RANGE:
        add_range_meaning(&text, audit, finding);
        break;
    }
    return finish(&text);
}

/* ---- Commands ------------------------------------------------------------------------------- */

/* Before addresses are translated, so that a container's published port is meant too; only what is
 * for this host, so that what it forwards to others is not. */
static void add_shut(struct text *text, const struct audit_finding *finding)
{
    add(text,
        "sudo nft 'table inet berth_audit { chain shut { type filter hook prerouting priority "
        "-300; iifname != \"lo\" fib daddr type local %s dport %u drop; }; }'",
        berth_transport_name(finding->transport), (unsigned)finding->port);
}

char *audit_reserve_command(const struct audit *audit)
{
    struct host_port_set set = audit->ephemeral->reserved;

    for (size_t i = 0; i < sizeof set.words / sizeof set.words[0]; i++) {
        set.words[i] |= audit->in_range.words[i];
    }
    /* What is longer than the kernel takes is made shorter by keeping some more. */
    for (uint32_t gap = 0;; gap = 2 * gap + 1) {
        struct text text = {0};

        add(&text, "sudo sysctl -w net.ipv4.ip_local_reserved_ports=");
        add_ports(&text, &set, gap);
        if (text.is_lost || text.length <= SYSCTL_BYTES_MAX) {
            return finish(&text);
        }
        free(text.bytes);
    }
}

/* COMMAND with the finding's port for each "@PORT@". */
static void add_with_port(struct text *text, const char *command,
                          const struct audit_finding *finding)
{
    static const char mark[] = "@PORT@";
    const char *at;

    while ((at = strstr(command, mark)) != NULL) {
        add(text, "%.*s%u", (int)(at - command), command, (unsigned)finding->port);
        command = at + sizeof mark - 1;
    }
    add(text, "%s", command);
}

static void add_stop(struct text *text, const struct audit_finding *finding)
{
    if (finding->program->move != NULL) {
        add_with_port(text, finding->program->move, finding);
    } else {
        add(text, "sudo kill %d", (int)finding->process->pid);
    }
}

char *audit_command(const struct audit *audit, const struct audit_finding *finding)
{
    struct text text = {0};

    switch (finding->kind) {
    case AUDIT_EXPOSED:
        if (finding->service->command != NULL && finding->is_by_program) {
            add_with_port(&text, finding->service->command, finding);
        } else {
            add_shut(&text, finding);
        }
        break;
    case AUDIT_CLEARTEXT:
        add_shut(&text, finding);
        break;
    case AUDIT_WRONG:
        add_stop(&text, finding);
        break;
    case AUDIT_EPHEMERAL:
        add(&text, "%s", audit->reserve);
        break;
    case AUDIT_RANGE:
        add(&text, "sudo sysctl -w net.ipv4.ip_local_port_range='49152 65535'");
        break;
    }
    return finish(&text);
}

char *audit_shut_command(const struct audit *audit, const struct audit_finding *finding)
{
    struct text text = {0};

    (void)audit;
    if (finding->kind != AUDIT_EXPOSED || finding->service->command == NULL ||
        !finding->is_by_program) {
        return NULL;
    }
    add_shut(&text, finding);
    return finish(&text);
}
