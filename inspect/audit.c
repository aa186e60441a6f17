/* SPDX-License-Identifier: MIT */
/*
 * inspect/audit.c: see inspect/audit.h.
 */
#include "inspect/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_PORTS 1024

const char *audit_kind_name(enum audit_kind kind)
{
    switch (kind) {
    case AUDIT_EXPOSED:
        return "exposed-service";
    case AUDIT_WRONG:
        return "wrong-service";
    case AUDIT_CLEARTEXT:
        return "cleartext-service";
    case AUDIT_EPHEMERAL:
        return "ephemeral-listener";
    case AUDIT_RANGE:
        return "ephemeral-range";
    }
    return "";
}

const char *audit_severity_name(enum audit_severity severity)
{
    switch (severity) {
    case AUDIT_LOW:
        return "low";
    case AUDIT_MEDIUM:
        return "medium";
    case AUDIT_HIGH:
        return "high";
    }
    return "";
}

char *audit_id(const struct audit_finding *finding, char out[AUDIT_ID_BYTES])
{
    if (finding->kind == AUDIT_RANGE) {
        snprintf(out, AUDIT_ID_BYTES, "%s", audit_kind_name(finding->kind));
    } else {
        snprintf(out, AUDIT_ID_BYTES, "%s:%u/%s", audit_kind_name(finding->kind),
                 (unsigned)finding->port, berth_transport_name(finding->transport));
    }
    return out;
}

/* ---- What a listener is --------------------------------------------------------------------- */

/* One listener, and what is asked of it again and again. */
struct subject {
    const struct host_socket *socket;
    const struct host_process *process; /* the first that has it, init last; NULL: not seen */
    const struct audit_program *program;
    enum host_exposure exposure;
    bool is_client; /* UDP in the ephemeral range */
};

static bool is_in_range(const struct audit *audit, uint16_t port)
{
    return port >= audit->ephemeral->first && port <= audit->ephemeral->last &&
           !host_port_set_has(&audit->ephemeral->reserved, port);
}

static struct subject subject_of(const struct audit *audit, const struct host_socket *socket)
{
    const struct host_picture *picture = audit->picture;
    struct subject subject = {.socket = socket};
    size_t count;
    const struct host_holding *holding =
        host_holders_find(&picture->holders, socket->inode, &count);

    for (size_t i = 0; holding != NULL && i < count; i++) {
        const struct host_process *process = &picture->holders.processes[holding[i].process];

        /* init keeps the sockets that it starts others for. */
        if (subject.process == NULL || subject.process->pid == 1) {
            subject.process = process;
        }
    }
    if (subject.process != NULL) {
        subject.program = audit_program_find(subject.process->name);
    }
    subject.exposure = host_exposure_of(socket, &picture->reach);
    subject.is_client =
        socket->transport == BERTH_TRANSPORT_UDP && is_in_range(audit, socket->local.port);
    return subject;
}

/* Is one of LIST, service names apart by blanks, registered at PORT? */
static bool is_registered_for(uint16_t port, enum berth_transport transport, const char *list)
{
    const struct berth_registry_query query = {.has_ports = true,
                                               .port_first = port,
                                               .port_last = port,
                                               .has_transports = true,
                                               .transports = transport};
    struct berth_registry_cursor cursor;
    struct berth_service service;

    berth_registry_start(&cursor, &query);
    while (berth_registry_next(&cursor, &service)) {
        if (audit_has_word(list, service.name)) {
            return true;
        }
    }
    return false;
}

/* ---- Findings ------------------------------------------------------------------------------- */

/* The finding like WANTED, made if it is not there; NULL: no memory. */
static struct audit_finding *find_or_add(struct audit *audit, const struct audit_finding *wanted)
{
    struct audit_finding *findings = audit->findings;

    for (size_t i = audit->count; i > 0; i--) {
        struct audit_finding *finding = &findings[i - 1];

        if (finding->kind == wanted->kind && finding->port == wanted->port &&
            finding->transport == wanted->transport) {
            return finding;
        }
        if (finding->port != wanted->port) {
            break; /* listeners come by port */
        }
    }
    if (audit->count == audit->max) {
        size_t max = audit->max == 0 ? 32 : 2 * audit->max;

        findings = realloc(findings, max * sizeof *findings);
        if (findings == NULL) {
            return NULL;
        }
        audit->findings = findings;
        audit->max = max;
    }
    findings[audit->count] = *wanted;
    return &findings[audit->count++];
}

/* Adds what was found of SUBJECT; several sockets of one port are one finding. False: no memory. */
static bool note(struct audit *audit, const struct subject *subject, struct audit_finding wanted)
{
    struct audit_finding *finding;

    wanted.socket = subject->socket;
    wanted.process = subject->process;
    wanted.transport = subject->socket->transport;
    wanted.port = subject->socket->local.port;
    wanted.exposure = subject->exposure;
    finding = find_or_add(audit, &wanted);
    if (finding == NULL) {
        return false;
    }
    if (wanted.severity > finding->severity || wanted.exposure > finding->exposure) {
        *finding = wanted;
    }
    return true;
}

static enum audit_severity lower(enum audit_severity severity, enum host_exposure exposure)
{
    return exposure == HOST_EXPOSURE_ANYONE || severity == AUDIT_LOW ? severity : severity - 1;
}

static bool is_service(const struct audit_service *service, const struct subject *subject,
                       bool *is_by_program)
{
    uint16_t port = subject->socket->local.port;
    bool is_port = port >= service->port_first && port <= service->port_last;

    if ((service->transports & (unsigned)subject->socket->transport) == 0) {
        return false;
    }
    *is_by_program = subject->process != NULL && service->programs != NULL &&
                     audit_has_word(service->programs, subject->process->name);
    switch (service->match) {
    case AUDIT_BY_PROGRAM:
        return *is_by_program;
    case AUDIT_BY_BOTH:
        return *is_by_program && is_port;
    case AUDIT_BY_EITHER:
        break;
    }
    /* A known program at this port serves what it serves, and a proxy what is behind it. */
    return *is_by_program ||
           (is_port && subject->program == NULL &&
            (subject->process == NULL || !audit_is_front(subject->process->name)));
}

static bool find_exposed(struct audit *audit, const struct subject *subject)
{
    const struct audit_service *service;
    bool is_by_program = false;

    if (subject->exposure <= HOST_EXPOSURE_LOOPBACK || subject->is_client) {
        return true;
    }
    for (size_t i = 0; (service = audit_service_at(i)) != NULL; i++) {
        if (!is_service(service, subject, &is_by_program)) {
            continue;
        }
        if (service->is_for_network && subject->exposure != HOST_EXPOSURE_ANYONE) {
            return true;
        }
        return note(audit, subject,
                    (struct audit_finding){.kind = AUDIT_EXPOSED,
                                           .severity = lower(service->severity, subject->exposure),
                                           .service = service,
                                           .is_by_program = is_by_program});
    }
    return true;
}

/* Is PORT the usual one of a service that these tables know? */
static bool is_known_port(uint16_t port, enum berth_transport transport)
{
    const struct audit_service *service;
    const struct audit_cleartext *cleartext;

    for (size_t i = 0; (service = audit_service_at(i)) != NULL; i++) {
        if (service->match == AUDIT_BY_EITHER && port >= service->port_first &&
            port <= service->port_last && (service->transports & (unsigned)transport) != 0) {
            return true;
        }
    }
    for (size_t i = 0; (cleartext = audit_cleartext_at(i)) != NULL; i++) {
        if (cleartext->port == port && (cleartext->transports & (unsigned)transport) != 0) {
            return true;
        }
    }
    return false;
}

static bool find_wrong(struct audit *audit, const struct subject *subject)
{
    uint16_t port = subject->socket->local.port;
    enum berth_transport transport = subject->socket->transport;
    enum audit_severity severity = port < SYSTEM_PORTS && subject->exposure > HOST_EXPOSURE_LOOPBACK
                                       ? AUDIT_MEDIUM
                                       : AUDIT_LOW;

    if (subject->program == NULL || subject->is_client ||
        berth_service_name(port, transport) == NULL ||
        (port >= SYSTEM_PORTS && !is_known_port(port, transport)) ||
        is_registered_for(port, transport, subject->program->services)) {
        return true;
    }
    return note(audit, subject,
                (struct audit_finding){
                    .kind = AUDIT_WRONG, .severity = severity, .program = subject->program});
}

static bool find_cleartext(struct audit *audit, const struct subject *subject)
{
    const struct host_socket *socket = subject->socket;
    const struct audit_cleartext *cleartext;

    if (subject->exposure <= HOST_EXPOSURE_LOOPBACK || subject->is_client) {
        return true;
    }
    for (size_t i = 0; (cleartext = audit_cleartext_at(i)) != NULL; i++) {
        if (cleartext->port != socket->local.port ||
            (cleartext->transports & (unsigned)socket->transport) == 0) {
            continue;
        }
        if (subject->program != NULL &&
            !is_registered_for(cleartext->port, socket->transport, subject->program->services)) {
            return true; /* it is another service, and found as that */
        }
        return note(
            audit, subject,
            (struct audit_finding){.kind = AUDIT_CLEARTEXT,
                                   .severity = lower(cleartext->severity, subject->exposure),
                                   .cleartext = cleartext});
    }
    return true;
}

static bool find_ephemeral(struct audit *audit, const struct subject *subject)
{
    uint16_t port = subject->socket->local.port;

    if (subject->socket->transport != BERTH_TRANSPORT_TCP || !is_in_range(audit, port)) {
        return true;
    }
    host_port_set_add(&audit->in_range, port);
    return note(audit, subject,
                (struct audit_finding){.kind = AUDIT_EPHEMERAL, .severity = AUDIT_LOW});
}

/* Is PORT one of the range that is served here and registered? */
static bool is_overlap(const struct audit *audit, uint32_t port)
{
    return host_port_set_has(&audit->in_range, (uint16_t)port) &&
           berth_service_name((uint16_t)port, BERTH_TRANSPORT_TCP) != NULL;
}

static bool find_range(struct audit *audit)
{
    const struct audit_finding wanted = {.kind = AUDIT_RANGE, .severity = AUDIT_LOW};

    for (uint32_t port = audit->ephemeral->first; port <= audit->ephemeral->last; port++) {
        if (is_overlap(audit, port)) {
            return find_or_add(audit, &wanted) != NULL;
        }
    }
    return true;
}

/* A twin is served where something listens at its port that is not known to be something else. */
static void find_twins(struct audit *audit)
{
    struct host_port_set served = audit->picture->listening[0];

    for (size_t i = 0; i < audit->count; i++) {
        const struct audit_finding *finding = &audit->findings[i];

        if (finding->kind == AUDIT_WRONG && finding->transport == BERTH_TRANSPORT_TCP) {
            served.words[finding->port / 64] &= ~((uint64_t)1 << finding->port % 64);
        }
    }
    for (size_t i = 0; i < audit->count; i++) {
        struct audit_finding *finding = &audit->findings[i];

        finding->has_twin = finding->kind == AUDIT_CLEARTEXT &&
                            host_port_set_has(&served, finding->cleartext->twin_port);
    }
}

static int compare(const void *left, const void *right)
{
    const struct audit_finding *a = left;
    const struct audit_finding *b = right;
    int order = (int)b->severity - (int)a->severity;

    order = order != 0 ? order : (int)a->kind - (int)b->kind;
    order = order != 0 ? order : (int)a->port - (int)b->port;
    return order != 0 ? order : (int)a->transport - (int)b->transport;
}

int audit_find(struct audit *out, const struct host_picture *picture,
               const struct host_ephemeral *ephemeral)
{
    bool is_good = true;

    *out = (struct audit){.picture = picture, .ephemeral = ephemeral};
    for (size_t i = 0; i < picture->sockets.count && is_good; i++) {
        const struct host_socket *socket = &picture->sockets.rows[i];
        struct subject subject;

        if (!socket->is_listening) {
            break; /* those that listen come first */
        }
        subject = subject_of(out, socket);
        out->unseen += host_picture_is_unseen(picture, socket);
        is_good = find_exposed(out, &subject) && find_wrong(out, &subject) &&
                  find_cleartext(out, &subject) && find_ephemeral(out, &subject);
    }
    out->reserve = is_good ? audit_reserve_command(out) : NULL;
    if (out->reserve == NULL || !find_range(out)) {
        return BERTH_E_STATE;
    }
    find_twins(out);
    if (out->count > 0) {
        qsort(out->findings, out->count, sizeof out->findings[0], compare);
    }
    return BERTH_OK;
}

void audit_free(struct audit *audit)
{
    free(audit->findings);
    free(audit->reserve);
    audit->reserve = NULL;
    audit->findings = NULL;
    audit->count = 0;
}

static bool is_about(const struct audit *audit, const struct audit_finding *finding,
                     const struct host_socket *socket)
{
    if (finding->kind == AUDIT_RANGE) {
        return socket->transport == BERTH_TRANSPORT_TCP && is_overlap(audit, socket->local.port);
    }
    if (socket->transport != finding->transport) {
        return false;
    }
    switch (finding->kind) {
    case AUDIT_EXPOSED:
    case AUDIT_CLEARTEXT:
        return host_exposure_of(socket, &audit->picture->reach) > HOST_EXPOSURE_LOOPBACK;
    case AUDIT_WRONG:
        return subject_of(audit, socket).program == finding->program;
    case AUDIT_EPHEMERAL:
    case AUDIT_RANGE:
        break;
    }
    return true;
}

const struct host_socket *audit_next_socket(const struct audit *audit,
                                            const struct audit_finding *finding,
                                            const struct host_socket *before)
{
    const struct host_socket *first = audit->picture->sockets.rows;
    const struct host_socket *end = first + audit->picture->sockets.count;
    bool is_range = finding->kind == AUDIT_RANGE;
    const struct host_socket *at = before == NULL ? first : before + 1;

    /* Those of one port stand together. */
    if (before == NULL && !is_range) {
        at = finding->socket;
        while (at > first && at[-1].local.port == finding->port) {
            at--;
        }
    }
    for (; at < end && at->is_listening && (is_range || at->local.port == finding->port); at++) {
        if (is_about(audit, finding, at)) {
            return at;
        }
    }
    return NULL;
}
