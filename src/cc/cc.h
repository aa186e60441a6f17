/* SPDX-License-Identifier: MIT */
/*
 * Congestion control: one const table of functions per controller, one small state per connection.
 * A controller changes cwnd and ssthresh (bytes) and, if it paces, pacing_bps; nothing else.
 * Adding one: a file of its own and a line in cc.c's table.
 *
 *   event                              function        RFC
 *   new data cumulatively acknowledged on_ack          5681 3.1
 *   loss detected, recovery begins     on_loss         5681 3.2, 6582, 6675
 *   recovery point acknowledged        on_recovered    6582 3.2 (3)
 *   retransmission timeout             on_timeout      5681 3.1 (4)
 *   idle for longer than an RTO        on_idle         5681 4.1
 *   a timeout or loss proved spurious  on_spurious     (undo)
 */
#ifndef CC_CC_H
#define CC_CC_H

#include "base/bytes.h"

struct cc_table;

struct cc {
    const struct cc_table *table;
    uint32_t cwnd;           /* bytes */
    uint32_t ssthresh;       /* bytes; UINT32_MAX: not yet known */
    uint32_t mss;            /* bytes of a full segment's payload */
    uint32_t initial_window; /* bytes */
    uint32_t prior_cwnd;     /* before the last reduction, for on_spurious */
    uint32_t prior_ssthresh;
    uint64_t pacing_bps; /* bits per second; 0: not paced */
    union {
        uint64_t words[8]; /* the controller's own */
        struct {
            uint32_t acked; /* bytes counted towards the next increase */
            bool careful;   /* slow start after a timeout: one segment an ACK at most */
            bool timed_out; /* and nothing was acknowledged since */
        } newreno;
    };
};

struct cc_ack {
    uint64_t now_ns;
    uint64_t rtt_ns; /* of this ACK's sample; 0: none */
    uint32_t acked;  /* bytes newly acknowledged or SACKed */
    uint32_t flight; /* bytes in flight before this ACK */
    bool limited;    /* the sender was limited by cwnd (RFC 7661): growth is allowed */
};

struct cc_table {
    const char *name;
    void (*init)(struct cc *cc, uint64_t now_ns);
    void (*on_ack)(struct cc *cc, const struct cc_ack *ack);
    void (*on_loss)(struct cc *cc, uint32_t flight, uint64_t now_ns);
    void (*on_recovered)(struct cc *cc, uint64_t now_ns);
    void (*on_timeout)(struct cc *cc, uint32_t flight, uint64_t now_ns);
    void (*on_idle)(struct cc *cc, uint64_t now_ns);
    void (*on_spurious)(struct cc *cc, uint64_t now_ns);
};

/* The controller called NAME; NULL: there is none of that name. */
const struct cc_table *cc_find(const char *name);
/* The I-th controller's table; NULL past the last. */
const struct cc_table *cc_at(uint32_t i);

/* Starts CC under TABLE with an initial window of INITIAL_SEGMENTS segments of MSS bytes; of large
 * segments fewer, but two at least (RFC 6928 2: 10 segments, at most 14600 bytes or 2 segments). */
void cc_init(struct cc *cc, const struct cc_table *table, uint32_t mss, uint32_t initial_segments);

#endif
