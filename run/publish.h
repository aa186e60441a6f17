/* SPDX-License-Identifier: MIT */
/*
 * run/publish.h: ports of the host that are delivered to the program (--publish). Owns the
 * listening sockets. Made before the program starts and before berth gives up its privileges.
 *
 * Invariants
 *  1. A client is seen by the program with its own address and port; one of the host's loopback,
 *     or one whose address the program could not answer, as the gateway.
 *  2. Without a free descriptor a waiting client is reset, never left to spin the loop.
 */
#ifndef RUN_PUBLISH_H
#define RUN_PUBLISH_H

#include "run/inside.h"

/* Opens every port of the configuration. On failure MESSAGE (of BYTES) says which port and why:
 * BERTH_E_STATE. */
BERTH_MUST_CHECK int publish_init(struct run *run, char *message, size_t bytes);
void publish_done(struct run *run);

#endif
