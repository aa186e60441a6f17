/* SPDX-License-Identifier: MIT */
/*
 * run/confine.h: what berth itself may still do once everything is set up: no capabilities (as root
 * too), no way to gain any, and only the system calls that a relay needs. Owns nothing; changes
 * the calling process for good. The run command calls both, in this order, after launch_start: when
 * devices, published sockets, raw sockets, logs and captures are open.
 *
 * Invariants
 *  1. After confine_calls no program is executed, no process or thread is made, no namespace is
 *     entered, nothing is mounted: whoever takes over the relay by a packet finds no such call.
 *  2. What the launcher, attribution, host addresses and the relay do afterwards still works.
 */
#ifndef RUN_CONFINE_H
#define RUN_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include <berth/error.h>

/* Drops every capability and sets no_new_privs. Returns 0 or BERTH_E_DENIED with a line for people
 * in message (without "berth: "). */
BERTH_MUST_CHECK int confine_privileges(char *message, size_t message_bytes);

/* Leaves the listed system calls, and if it MAY_REPLACE files those that this needs (rule_file.h);
 * any other fails with ENOSYS from here on. Does nothing in builds with a sanitizer, which has
 * needs of its own. Returns as confine_privileges. */
BERTH_MUST_CHECK int confine_calls(bool may_replace, char *message, size_t message_bytes);

#endif
