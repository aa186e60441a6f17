/* SPDX-License-Identifier: MIT */
/*
 * run/keeper.h: keeps the program's resolver files in their places. A file that is bound over
 * another loses its place when the host replaces the one below (rename(2), as every network manager
 * does it): the kernel then takes the mount away in every namespace. The keeper is a small process
 * in namespace A that is told by inotify(7) and puts the file back. run/launch.c alone calls it.
 *
 * Invariants
 *  1. It ends with berth, killed or not, and holds nothing of berth's: no device, no stream.
 *  2. It is no child of COMMAND's and no member of its process group.
 */
#ifndef RUN_KEEPER_H
#define RUN_KEEPER_H

#include <sys/types.h>

struct keeper {
    pid_t pid; /* 0: none */
    int fd;    /* it ends when this is closed */
};

/* The namespaces of a process in A, for the keeper to follow it. -1 where it may not be had. */
struct keeper_namespaces {
    int user_fd;
    int mount_fd;
};

void keeper_namespaces_open(struct keeper_namespaces *namespaces, pid_t pid);
void keeper_namespaces_close(struct keeper_namespaces *namespaces);

/* Starts it. Where the kernel does not know what it needs (Linux 5.2), there is none, and the files
 * are lost when they are replaced. */
void keeper_start(struct keeper *keeper, const struct keeper_namespaces *namespaces);
void keeper_stop(struct keeper *keeper);

#endif
