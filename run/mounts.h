/* SPDX-License-Identifier: MIT */
/*
 * run/mounts.h: what the program sees in place of the host's resolver files, and the name services
 * that would answer it past berth's resolver. Owns nothing. The program's process calls it,
 * inside A, before it gives A up.
 *
 * Invariants
 *  1. No mount made here reaches the host; mounts made on the host later do reach the program.
 *  2. /etc/resolv.conf names exactly the resolvers of the configuration, whatever it was before: a
 *     file, a symbolic link, a link to nothing, or not there. Search domains and options are kept.
 *  3. The sockets of nscd, systemd-resolved and Avahi are out of sight: no name is resolved but by
 *     packets.
 */
#ifndef RUN_MOUNTS_H
#define RUN_MOUNTS_H

#include <stddef.h>

#include <berth/error.h>

#include "run/launch.h"
#include "run/launch_step.h"

/* *is_etc_sealed: a file was missing and had to be shown by an overlay; /etc is read-only inside.
 */
BERTH_MUST_CHECK int mounts_make(const struct launch_config *config, bool *is_etc_sealed,
                                 struct launch_error *error);

/* The program's resolv.conf, from the host's text. Returns its length, as snprintf does. */
size_t mounts_format_resolv(const struct launch_config *config, const char *host_text, char *out,
                            size_t out_bytes);
/* The lines to put before the host's /etc/hosts. Returns their length, as snprintf does. */
size_t mounts_format_hosts(const struct launch_config *config, char *out, size_t out_bytes);

#endif
