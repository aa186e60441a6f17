/* SPDX-License-Identifier: MIT */
/*
 * run/confine.h: what berth itself may still do once everything is set up: no capabilities (as root
 * too), no way to gain any, and only the system calls that a relay needs. Owns nothing; changes
 * the calling process for good. The run command calls it once, after launch_go's preparations:
 * devices, published sockets and raw sockets are open, no further process is made.
 */
#ifndef RUN_CONFINE_H
#define RUN_CONFINE_H

#include <stddef.h>

#include <berth/error.h>

/* Drops every capability and sets no_new_privs. Returns 0 or BERTH_E_DENIED with a
 * line for people in message (without "berth: "). */
BERTH_MUST_CHECK int confine_privileges(char *message, size_t message_bytes);

#endif
