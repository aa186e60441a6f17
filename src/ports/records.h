/* SPDX-License-Identifier: MIT */
/*
 * The records of the port space: what its pools are made of (ports.c, bind.c, ephemeral.c only).
 */
#ifndef PORTS_RECORDS_H
#define PORTS_RECORDS_H

#include "ports/ports.h"

#define PORTS_SYSTEM_LAST 1023 /* RFC 6335 6 */

struct ports_bind_record {
    uint32_t pool_link;
    uint32_t next; /* in its chain: index + 1 */
    struct ports_bind bind;
};

#define PORTS_FEW 16 /* as many taken ports stand in the record itself */

/* A remote endpoint, as seen from one local address, with at least one port taken towards it. */
struct ports_endpoint {
    uint32_t pool_link;
    uint32_t next; /* in its chain: index + 1 */
    uint32_t hash;
    uint32_t bitmap; /* index + 1; 0: the taken ports are those in `few` */
    uint32_t taken;
    struct ports_use use;
    uint16_t few[PORTS_FEW]; /* ports less the range's first, ascending */
};

#endif
