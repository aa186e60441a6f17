/* SPDX-License-Identifier: MIT */
/*
 * run/control.h: the socket by which `berth rules reload` finds a run and asks it to read its rules
 * again: an abstract Unix socket of the host's network. Owns the socket and the one connection that
 * it answers. run_setup.c makes it, where the run has files of rules.
 *
 *   name     \0berth/reload/UID/PID
 *   request  the connection itself
 *   answer   "ok\n" or "error\n", lines for people, the end
 *
 * Invariants
 *  1. COMMAND cannot reach it: an abstract name is the network namespace's, and COMMAND has
 *  another.
 *  2. Only this user's and root's connections are answered.
 */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include "run/loop.h"

#define CONTROL_NAME "berth/reload/" /* UID, '/', PID */

struct run;

struct control {
    struct loop_source source; /* fd -1: there is none */
};

/* Listens. Where the name is taken there is no socket, which is said. */
void control_init(struct run *run);
void control_done(struct run *run);

#endif
