/* SPDX-License-Identifier: MIT */
/*
 * run/launch_step.h: the steps by which a launch can fail, how a failure travels from the program's
 * process to berth, and how it is told to a person. Owns nothing. The launcher's files call it.
 *
 * Invariants
 *  1. A failure is set once, where the system call failed, and carried up unchanged.
 *  2. The line for people names what is missing and what to do, in one line.
 */
#ifndef RUN_LAUNCH_STEP_H
#define RUN_LAUNCH_STEP_H

#include <stdbool.h>
#include <stddef.h>

enum launch_step {
    LAUNCH_STEP_PROCESS,    /* fork, socket pair, memory */
    LAUNCH_STEP_NAMESPACES, /* unshare of namespace A */
    LAUNCH_STEP_IDS,        /* uid and gid maps of A */
    LAUNCH_STEP_TUN_OPEN,
    LAUNCH_STEP_TUN_MAKE,
    LAUNCH_STEP_ADDRESS, /* links, addresses, routes over netlink */
    LAUNCH_STEP_SETTING, /* net.* of the new network */
    LAUNCH_STEP_DIAG,
    LAUNCH_STEP_MOUNT,
    LAUNCH_STEP_ETC,    /* a warning: files that are missing there had to be shown in another way */
    LAUNCH_STEP_INNER,  /* unshare of user namespace B and its maps */
    LAUNCH_STEP_FILTER, /* the program's system-call filter */
    LAUNCH_STEP_EXEC,
};

enum { LAUNCH_DETAIL_BYTES = 128 };

struct launch_error {
    enum launch_step step;
    int error;                        /* errno */
    char detail[LAUNCH_DETAIL_BYTES]; /* what it was done to: a path, an address; may be empty */
};

/* Notes errno. Returns BERTH_E_DENIED, for `return launch_error_set(...)`. */
int launch_error_set(struct launch_error *error, enum launch_step step, const char *detail);

/* Writes the line for people, without "berth: ". `root` stands before /proc, /dev and /run ("" but
 * in tests). */
void launch_explain(const struct launch_error *error, const char *root, char *out,
                    size_t out_bytes);

#endif
