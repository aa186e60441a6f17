/* SPDX-License-Identifier: MIT */
/*
 * lwIP (Debian's liblwip) as the other end of a berth stack, in this process and in virtual time:
 * one interface, which is a link for berth, and one conversation at a time.
 *
 * 1. Nothing here makes a system call or starts a thread: lwIP is used by its raw calls, its clock
 *    (sys_now) is ours.
 * 2. lwIP keeps its state in globals, so there is one host in a process; it is made once.
 */
#ifndef INTEROP_LWIP_HOST_H
#define INTEROP_LWIP_HOST_H

#include "tests/interop/peer.h"

#define LWIP_HOST_4 "10.1.0.2"
#define LWIP_HOST_6 "fd01::2"
#define LWIP_MTU    1500

struct lwip_app {
    struct peer_pattern send;
    struct peer_pattern expect;
    uint64_t send_bytes;
    uint64_t sent;
    uint64_t received;
    bool is_mismatched;
    bool has_ended; /* the end of berth's stream was read */
    bool has_shut_down;
    bool is_closed;
    int error; /* lwIP's err_t, as told to tcp_err; 0: none */
    void *pcb;
    void *listener;
};

/* Makes the host. Returns its link: what berth sends on it lwIP receives. */
struct link *lwip_host_new(void);
/* VERSION 4 or 6; false: refused by lwIP. APP lives until it is closed. */
bool lwip_host_listen(struct lwip_app *app, int version, uint16_t port);
bool lwip_host_connect(struct lwip_app *app, const struct berth_endpoint *where);
/* Ends what is left of APP's conversation. */
void lwip_host_drop(struct lwip_app *app);

/* The time is NOW_NS: runs lwIP's timers that are due. */
void lwip_host_work(uint64_t now_ns);
/* When lwip_host_work is next needed. */
uint64_t lwip_host_deadline(uint64_t now_ns);

#endif
