/* SPDX-License-Identifier: MIT */
/*
 * inspect/audit.h: findings on this host's ports: what listens and should not be reached from so
 * far, should not listen there, or not in the clear. Judges a picture that others read
 * (host_picture.h); `berth audit` calls it.
 *
 * 1. A finding is of one kind and one port; there is one, however many sockets it is about.
 * 2. Its name ("exposed-service:5432/tcp") stays the same as long as what it is about does.
 * 3. Findings stand worst first; of one severity by kind, then port, then protocol.
 * 4. Where the process of a listener cannot be seen, nothing is found that would need it.
 * 5. UDP without a peer at a port of the ephemeral range is taken for a client, not for a service.
 */
#ifndef INSPECT_AUDIT_H
#define INSPECT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/audit_tables.h"
#include "inspect/host_picture.h"

enum audit_kind {
    AUDIT_EXPOSED,   /* reached from outside, and need not be */
    AUDIT_WRONG,     /* a known program at another service's port */
    AUDIT_CLEARTEXT, /* has an encrypted twin, and is reached from outside */
    AUDIT_EPHEMERAL, /* listens in the ephemeral range */
    AUDIT_RANGE      /* the ephemeral range has registered ports that are served here */
};

#define AUDIT_KINDS    5
#define AUDIT_ID_BYTES 32

struct audit_finding {
    enum audit_kind kind;
    enum audit_severity severity;
    enum berth_transport transport;          /* of AUDIT_RANGE none */
    uint16_t port;                           /* of AUDIT_RANGE 0 */
    enum host_exposure exposure;             /* the widest of its sockets; of AUDIT_RANGE none */
    const struct host_socket *socket;        /* the first that it is about; NULL: AUDIT_RANGE */
    const struct host_process *process;      /* that has it; NULL: not seen, or AUDIT_RANGE */
    const struct audit_service *service;     /* AUDIT_EXPOSED */
    bool is_by_program;                      /* likewise: its process is the service's program */
    const struct audit_cleartext *cleartext; /* AUDIT_CLEARTEXT */
    bool has_twin;                           /* likewise: its twin is served here too */
    const struct audit_program *program;     /* AUDIT_WRONG */
};

struct audit {
    const struct host_picture *picture;
    const struct host_ephemeral *ephemeral;
    struct audit_finding *findings;
    size_t count;
    size_t max;
    struct host_port_set in_range; /* ports that a TCP listener has in the ephemeral range */
    char *reserve;                 /* audit_reserve_command, once for all */
    size_t unseen;                 /* listeners whose process cannot be seen */
};

/* Borrows PICTURE and EPHEMERAL. BERTH_E_STATE: no memory. Free with the next in either case. */
BERTH_MUST_CHECK int audit_find(struct audit *out, const struct host_picture *picture,
                                const struct host_ephemeral *ephemeral);
void audit_free(struct audit *audit);

/* The sockets that FINDING is about, by port: the first after BEFORE, which is NULL at first; NULL:
 * there is no further. Borrowed from the picture. */
const struct host_socket *audit_next_socket(const struct audit *audit,
                                            const struct audit_finding *finding,
                                            const struct host_socket *before);

/* "exposed-service", "wrong-service", "cleartext-service", "ephemeral-listener",
 * "ephemeral-range". */
const char *audit_kind_name(enum audit_kind kind);
/* "high", "medium", "low". */
const char *audit_severity_name(enum audit_severity severity);
/* "exposed-service:5432/tcp", "ephemeral-range". Returns OUT. */
char *audit_id(const struct audit_finding *finding, char out[AUDIT_ID_BYTES]);

/* ---- audit_text.c: in words. The caller frees what these return; NULL: no memory, or none.
 * ----- */

/* One line: what was found. */
char *audit_title(const struct audit *audit, const struct audit_finding *finding);
/* What it means. */
char *audit_meaning(const struct audit *audit, const struct audit_finding *finding);
/* A command for a shell that mends it. */
char *audit_command(const struct audit *audit, const struct audit_finding *finding);
/* The command that keeps what listens in the ephemeral range from outgoing connections, all of it
 * and what is kept already: the setting is one list, and each such command has to hold whatever the
 * others do. audit_find calls it. */
char *audit_reserve_command(const struct audit *audit);
/* Another, that shuts the port towards other hosts; NULL where that is not the matter, or is what
 * audit_command gives. */
char *audit_shut_command(const struct audit *audit, const struct audit_finding *finding);

#endif
