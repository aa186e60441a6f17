/* SPDX-License-Identifier: MIT */
/*
 * run/relay_echo.h: ICMP echo: the program's requests go out by a socket of the host's, and what
 * comes back is handed to the program. A reply is never made here. Owns the conversations.
 *
 * A conversation has a ping socket (icmp(7), net.ipv4.ping_group_range) of its own. Where those are
 * not allowed, all share a raw socket per family, if berth may have one, and are told apart by the
 * identifier that each was given on the host's network.
 *
 * Invariants
 *  1. At most RELAY_ECHO_FLOWS_MAX conversations; for a new one the longest idle goes.
 *  2. A conversation ends ECHO_IDLE_NS after its last message.
 */
#ifndef RUN_RELAY_ECHO_H
#define RUN_RELAY_ECHO_H

#include "run/conversation.h"
#include "run/inside.h"

enum { RELAY_ECHO_FLOWS_MAX = 256 };

/* Opens the raw sockets where they are needed: before berth gives up its privileges. BERTH_E_LIMIT:
 * no memory. */
BERTH_MUST_CHECK int relay_echo_init(struct run *run);
void relay_echo_done(struct run *run);

/* The echo request held as ID, HELD by the stack, and allowed (by the rules, or as DECIDED). */
void relay_echo_call(struct run *run, berth_id id, const struct berth_held *held,
                     const struct decided *decided);

#endif
