/* SPDX-License-Identifier: MIT */
/*
 * inspect/audit_tables.h: what an audit knows of services: which need not be reached from outside,
 * which carry what they carry in the clear, and which program serves what. Read-only tables;
 * audit.c asks them.
 *
 * 1. A program is known by the name that the kernel keeps (15 bytes).
 * 2. What a row says is true of the service as it comes, not of what someone has made of it.
 */
#ifndef INSPECT_AUDIT_TABLES_H
#define INSPECT_AUDIT_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/registry.h>

/* Each is worse than the one before it. */
enum audit_severity { AUDIT_LOW, AUDIT_MEDIUM, AUDIT_HIGH };

/* By what a listener is taken for the service. */
enum audit_match {
    AUDIT_BY_EITHER,  /* its program at any port, or its port */
    AUDIT_BY_PROGRAM, /* its program at any port: its port says nothing, or there is no usual one */
    AUDIT_BY_BOTH     /* its program at its port: the program serves all sorts of things */
};

/* A service that its own host alone, or its own network, has to reach. */
struct audit_service {
    const char *name;
    uint16_t port_first;
    uint16_t port_last;
    unsigned transports; /* bits */
    enum audit_match match;
    const char *programs;         /* apart by blanks; NULL: none is known */
    enum audit_severity severity; /* where anyone can reach it */
    bool is_for_network;          /* being reached from this network is what it is for */
    const char *reason;           /* why it need not be reached: a sentence */
    const char *setting;          /* what does better than shutting the port; or NULL */
    const char *command; /* that does so; NULL: none is right everywhere. @PORT@: its port */
};

/* A service that has an encrypted twin. */
struct audit_cleartext {
    uint16_t port;
    unsigned transports;
    const char *name;
    const char *twin;
    uint16_t twin_port;
    enum audit_severity severity; /* where anyone can reach it */
    const char *reason;
};

/* A program that serves some services and no others. */
struct audit_program {
    const char *name;
    const char *services; /* IANA's names, apart by blanks, the usual one first */
    const char *move; /* makes it listen at its usual port, @PORT@: this one; NULL: it is stopped */
};

/* The tables; NULL past their ends. */
const struct audit_service *audit_service_at(size_t index);
const struct audit_cleartext *audit_cleartext_at(size_t index);

/* NULL: that program may serve anything. */
const struct audit_program *audit_program_find(const char *name);
/* Does a program of that name pass on what others serve? Then its port says nothing. */
bool audit_is_front(const char *name);
/* Is WORD one of LIST, which are apart by blanks? */
bool audit_has_word(const char *list, const char *word);

#endif
