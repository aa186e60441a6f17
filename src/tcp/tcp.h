/* SPDX-License-Identifier: MIT */
/*
 * TCP of one stack, as the stack drives it (RFC 9293 3.10): the module's state and its face.
 * The stack finds the connection or listener, asks the firewall, and calls in here; what wants to
 * go out waits in `ready` until the stack transmits.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/events.h"
#include "base/hash.h"
#include "base/outbox.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"
#include "base/timers.h"
#include "wire/wire.h"

#include <berth/berth.h>

#define TCP_TIMER_CONN      1 /* struct timer kinds */
#define TCP_TIMER_TIME_WAIT 2

struct cc_table;

struct tcp {
    struct berth_tcp_settings settings;
    const struct cc_table *cc_default;
    uint32_t mtu;
    uint32_t offloads; /* enum berth_link_offload */
    uint32_t segment_bytes_max;
    uint32_t reorder_per_connection;
    struct pool conns;
    struct pool time_waits;
    struct pool listeners;
    struct pool sent_records;
    struct pool reorder_records;
    struct table table;           /* connections by both ends */
    struct table time_wait_table; /* TIME-WAIT records by both ends */
    struct list ready;            /* connections that may have something to send */
    struct list time_wait_order;  /* oldest first */
    struct hash_key table_key;
    struct hash_key isn_key;
    struct hash_key timestamp_key;
    struct random *random;   /* the stream "tcp" */
    struct buffers *buffers; /* borrowed, as the rest */
    struct outbox *outbox;
    struct events *events;
    struct timers *timers;
    struct berth_stats *stats;
    uint32_t held_max;
    uint64_t now_ns;              /* of the public call under way */
    uint64_t challenge_window_ns; /* RFC 5961 7: the second being counted */
    uint32_t challenge_left;
};

#endif
