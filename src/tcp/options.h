/* SPDX-License-Identifier: MIT */
/*
 * What an owner may change (enum berth_tcp_option), as a record that connections and listeners
 * share: most have the stack's; one that changes something gets a record of its own, which the
 * connections of a listener share with it. There is a record for each that may want one, so that
 * no change fails for lack of it.
 *
 * 1. The stack's own record is never changed. Another is changed only by the one user it has.
 * 2. Of a connection the switches, dscp and hop_limit are read from struct tcp_conn, where they
 *    are at hand; its record says what they were at the start.
 */
#ifndef TCP_OPTIONS_H
#define TCP_OPTIONS_H

#include <berth/tcp.h>

struct cc_table;

struct tcp_options {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t users;     /* that share it; the stack's own does not count them */
    uint64_t user_timeout_ns;
    uint64_t advertised_ns; /* RFC 5482, as the rest of it: timeout.c */
    uint64_t told_ns;       /* by the peer; 0: nothing yet */
    uint64_t keepalive_idle_ns;
    uint64_t keepalive_interval_ns;
    uint64_t fin_wait2_ns;
    uint64_t linger_ns;
    uint32_t receive_bytes; /* most that the queue may hold; at once if receive_fixed */
    uint32_t send_bytes;
    uint32_t unsent_bytes; /* room for a writer only below this; 0: no mark */
    uint32_t window_bytes; /* the largest window offered; 0: no such bound */
    uint16_t mss_bytes;    /* of any segment; 0: what the link takes */
    uint8_t keepalive_probes;
    uint8_t syn_retries;
    uint8_t dscp;
    uint8_t hop_limit;
    bool receive_fixed; /* not tuned */
    bool send_fixed;
    bool no_delay;
    bool quick_ack;
    bool keepalive;
    bool cork;
    bool timeout_option;
    bool timeout_changeable;
    bool fast_open;
    bool fast_open_no_cookie;
    uint32_t fast_open_pending; /* of a listener: connections that are open early */
    uint32_t syn_queue;         /* of a listener */
    const struct cc_table *cc;
};

#endif
