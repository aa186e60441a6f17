/* SPDX-License-Identifier: MIT */
/*
 * run/launch_filter.h: the few system calls by which a program could step round its network
 * namespace. Owns nothing; changes the calling process for good. run/launch_child.c alone calls it.
 *
 *   call                            why                                          answer
 *   socket() of a family that is    AF_VSOCK reaches the hypervisor from any     EAFNOSUPPORT
 *   not cut off by the namespace    network namespace; others are as rare
 *   io_uring_setup()                makes sockets without a system call that     ENOSYS
 *                                   could be filtered
 *   request_key() that may call     has the kernel run a helper outside, which   EPERM
 *   a helper                        asks name servers (key.dns_resolver)
 *   ioctl TIOCSTI, TIOCLINUX        types into the terminal's input: the shell   EPERM
 *                                   outside would run it
 *   kill(0, SIGHUP), if             from a PID namespace of COMMAND's it comes   EPERM
 *   KEEPS_HANGUP                    to berth as if from a process outside
 */
#ifndef RUN_LAUNCH_FILTER_H
#define RUN_LAUNCH_FILTER_H

#include <stdbool.h>

#include <berth/error.h>

#include "run/launch_step.h"

/* Needs CAP_SYS_ADMIN in the caller's user namespace; leaves no_new_privs as it is, so that a
 * program run as root may still change its user. */
BERTH_MUST_CHECK int launch_filter_load(bool keeps_hangup, struct launch_error *error);

#endif
