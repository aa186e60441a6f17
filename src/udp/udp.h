/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets of one stack: UDP and echo conversations (protocol BERTH_ICMP, for ICMPv6 too),
 * whose "port" is the identifier at both ends.
 *
 *   state      event                          next      by
 *   -          first datagram, intercepted    held      udp_hold
 *   held       owner accepts                  open      udp_accept
 *   held       owner decides else, or time    -         udp_close
 *   -          berth_udp_open                 open      udp_open
 *   open       owner closes                   -         udp_close
 */
#ifndef UDP_UDP_H
#define UDP_UDP_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/events.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/table.h"
#include "base/timers.h"
#include "wire/wire.h"

#include <berth/berth.h>

#define UDP_TIMER_HELD 16 /* struct timer kind */

struct udp_socket {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t generation;
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    struct berth_endpoint local;
    struct berth_endpoint remote; /* port 0: not connected */
    void *user;
    struct event_node event;
    struct timer timer;         /* held ones */
    struct berth_buffer *first; /* queue of datagrams, each whole in its buffer */
    struct berth_buffer *last;
    struct berth_buffer *reserved; /* between berth_udp_reserve and commit */
    uint32_t queue_bytes;
    struct berth_verdict verdict;
    uint8_t protocol; /* enum berth_protocol */
    bool in_use;
    bool held;
    bool connected; /* in the table by both ends; else by the bind table */
    bool owns_port; /* the port was taken from the port space */
};

struct udp {
    struct pool sockets;
    struct table table; /* connected sockets by protocol and both ends */
    struct hash_key key;
    struct buffers *buffers; /* borrowed, as the rest */
    struct events *events;
    struct timers *timers;
    struct berth_stats *stats;
    uint32_t queue_bytes_max;
    uint64_t held_ns;
};

#endif
