/* SPDX-License-Identifier: MIT */
/*
 * A connection in TIME-WAIT (RFC 9293 3.4.2): what answers the peer's last segments, and tells old
 * from new, in 48 bytes with its place in the table. timewait.c makes and ends them; who meets one
 * on the way to a new connection reads.
 *
 * 1. A record is in time_wait_table and in the order of age from when it is made to its end.
 * 2. It keeps no address: a segment brings them, and the record is its where the ports are the same
 *    and the keyed hash of both ends (struct tcp_pair, 64 bits of SipHash-2-4). Where it has a port
 *    of the port space's, that one's record of both ends has the last word.
 * 3. Without the key nobody can find two four-tuples with one hash; of two, one chance in 2^64 is
 *    that they have. Then the segments of the one that does not wait are measured by the numbers of
 *    the other: its SYN opens if it is newer by those, else it gets the ACK of an old connection,
 *    and opens once the record is over, within 2 MSL. A SYN that opens is a first contact, which
 *    the rules judge by its own addresses; no byte of a stream is touched, and no port is lost.
 */
#ifndef TCP_TIMEWAIT_H
#define TCP_TIMEWAIT_H

#include "base/bytes.h"
#include "tcp/tcp.h"

/* Numbers of three bytes that a record has: of records (index + 1), and of the port space. */
enum tcp_wait_number {
    WAIT_HASH_NEXT,
    WAIT_OLDER, /* the neighbours by age */
    WAIT_NEWER,
    WAIT_PORT, /* ports_number of its local port; 0: it has none of the port space's */
    WAIT_NUMBERS
};
#define WAIT_NUMBER_MAX 0xffffffU

struct tcp_time_wait {
    uint8_t numbers[WAIT_NUMBERS][3]; /* the first 4 bytes are the pool's while free */
    uint16_t window;
    uint8_t hop_limit;
    uint8_t dscp : 6;
    bool timestamps : 1;
    uint32_t snd_nxt;
    uint32_t rcv_nxt;
    uint32_t ts_recent;
    uint32_t ends_tick : 28; /* of TICK_SHIFT: modulo 2^28, three days */
    uint32_t ace : 3;        /* of every ACK: accecn.c */
    uint32_t hash;           /* of both ends: what the table has, and the offset of timestamps */
    uint32_t ts_offset;
    uint16_t local_port;
    uint16_t remote_port;
};

_Static_assert(sizeof(struct tcp_time_wait) == 44, "44, and at most 4 of the table: 48");

static inline uint32_t wait_number(const struct tcp_time_wait *wait, enum tcp_wait_number which)
{
    return load_u24(wait->numbers[which]);
}

static inline void wait_set_number(struct tcp_time_wait *wait, enum tcp_wait_number which,
                                   uint32_t number)
{
    store_u24(wait->numbers[which], number);
}

static inline bool wait_has_port(const struct tcp_time_wait *wait)
{
    return wait_number(wait, WAIT_PORT) != 0;
}

#endif
