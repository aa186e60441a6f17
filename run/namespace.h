/* SPDX-License-Identifier: MIT */
/*
 * run/namespace.h: user namespaces and their id maps. Owns nothing. The launcher's files call it.
 *
 * Invariants
 *  1. Ids are the same inside and outside: COMMAND keeps its user, and files keep their owners.
 *  2. Without privilege there is one id, the caller's own, and setgroups is denied (the kernel asks
 *     for that); with CAP_SETUID and CAP_SETGID every id that the caller itself has is there, but
 *     for one user: nobody, whom no program inside can become, whatever it may.
 *  3. A and B have the same maps.
 */
#ifndef RUN_NAMESPACE_H
#define RUN_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/error.h>

#include "run/launch_step.h"

enum { NAMESPACE_MAP_BYTES = 4096 }; /* the kernel takes less than a page, in one write */

struct namespace_maps {
    bool is_whole; /* every id of the caller, not only its own */
    char uid_map[NAMESPACE_MAP_BYTES];
    char gid_map[NAMESPACE_MAP_BYTES];
    uint32_t gid_first; /* the longest run of mapped groups, for ping_group_range */
    uint32_t gid_last;
};

/* Works out the maps for a namespace that this process makes. */
BERTH_MUST_CHECK int namespace_maps_init(struct namespace_maps *maps, struct launch_error *error);

/* That user, of a namespace whose uid_map is TEXT: neither CALLER nor the only one of its line. -1:
 * there is none. */
int64_t namespace_nobody_in(const char *text, uint32_t caller);
/* Of this process. */
int64_t namespace_nobody(void);

/* Turns the text of a uid_map or gid_map into the identity map of the same ids, without NOBODY (-1:
 * with all). Returns 0 or BERTH_E_LIMIT when it has no line or does not fit. */
BERTH_MUST_CHECK int namespace_map_identity(const char *text, int64_t nobody, char *out,
                                            size_t out_bytes);

/* Writes the maps of the user namespace that process `pid` has just made; from its parent. */
BERTH_MUST_CHECK int namespace_maps_write(pid_t pid, const struct namespace_maps *maps,
                                          struct launch_error *error);

/* Leaves the caller's user, network and mount namespaces for new ones (A), with no ids yet. */
BERTH_MUST_CHECK int namespace_enter_outer(struct launch_error *error);

/* Leaves A's user namespace for one below it (B) and maps the ids, through a helper process that
 * stays in A meanwhile: only from there may the maps be written. SIGCHLD must be blocked. */
BERTH_MUST_CHECK int namespace_enter_inner(const struct namespace_maps *maps,
                                           struct launch_error *error);

#endif
