/* SPDX-License-Identifier: MIT */
/*
 * A connection in TIME-WAIT (RFC 9293 3.4.2): what answers the peer's last segments, and tells old
 * from new, in 48 bytes with its place in the table (IPv6: 72). timewait.c makes and ends them;
 * who meets one on the way to a new connection reads.
 *
 * 1. A record is in time_wait_table and in the order of age from when it is made to its end.
 * 2. Its hash, and with it the offset of its timestamps, is that of its ends: it is taken anew.
 * 3. There are two pools, for the addresses of either version, and one limit for both.
 */
#ifndef TCP_TIMEWAIT_H
#define TCP_TIMEWAIT_H

#include "tcp/tcp.h"

#define TIME_WAIT_V4_BYTES 4U  /* of an address */
#define TIME_WAIT_V6_BYTES 16U /* likewise */

/* Numbers name records: 0 none, else twice the index, plus 1, and plus 1 more for IPv6. */
struct tcp_time_wait {
    uint32_t hash_next; /* number; the pool's while free */
    uint32_t older;     /* numbers of the neighbours by age */
    uint32_t newer;
    uint32_t snd_nxt;
    uint32_t rcv_nxt;
    uint32_t ts_recent;
    uint32_t ends_tick : 28; /* of time_wait_tick: modulo 2^28, three days */
    uint32_t ace : 3;        /* of every ACK: accecn.c */
    uint32_t is_v6 : 1;
    uint16_t window;
    uint8_t hop_limit;
    uint8_t dscp : 6;
    bool timestamps : 1;
    bool owns_port : 1;
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t addresses[]; /* the local one and the remote one, TIME_WAIT_V4_BYTES each, or V6 */
};

_Static_assert(sizeof(struct tcp_time_wait) == 36, "36 + 2 * 4, and 4 of the table: 48");

#endif
