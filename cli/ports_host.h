/* SPDX-License-Identifier: MIT */
/*
 * cli/ports_host.h: between the files of `berth ports`: ports.c reads the command line and asks the
 * registry, ports_free.c finds free ports, ports_ephemeral.c shows the ephemeral range.
 */
#ifndef BERTH_CLI_PORTS_HOST_H
#define BERTH_CLI_PORTS_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <berth/registry.h>

/* One port is wanted. */
struct ports_wanted {
    const char *operand;               /* as it was written; NULL: none was */
    struct berth_registry_query query; /* its ports or its name; neither: anywhere */
    unsigned transports;               /* free in all of these (bits) */
    bool may_be_registered;            /* the operand names the ports themselves */
};

/* A port for each of WANTED, no two the same. The exit status. */
int ports_free(const struct ports_wanted *wanted, size_t count, bool is_json);
/* The exit status. */
int ports_ephemeral(bool is_json);

/* Has IANA registered PORT, for whatever transport, or reserved it? */
bool ports_is_registered(uint16_t port);

#endif
