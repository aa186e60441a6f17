/* SPDX-License-Identifier: MIT */
/*
 * Congestion control: one const table of functions per controller, one small state per connection.
 * A controller changes cwnd and ssthresh (bytes) and, if it paces, pacing_bps; nothing else. From
 * on_loss to on_recovered or on_spurious cwnd belongs to loss recovery, which reduces it to
 * ssthresh in proportion to what arrives (RFC 9937).
 * Adding one: a file of its own and a line in cc.c's table.
 *
 *   event                              function        RFC
 *   new data cumulatively acknowledged on_ack          5681 3.1; not in fast recovery
 *   loss detected, recovery begins     on_loss         5681 3.2, 6582, 6675
 *   recovery point acknowledged        on_recovered    6582 3.2 (3)
 *   retransmission timeout             on_timeout      5681 3.1 (4)
 *   idle for longer than an RTO        on_idle         5681 4.1
 *   a timeout or loss proved spurious  on_spurious     (undo)
 */
#ifndef CC_CC_H
#define CC_CC_H

#include "base/bytes.h"

#define CC_WINDOW_MAX ((uint32_t)1 << 30) /* bytes: the largest window there is (RFC 7323 2.3) */

struct cc_table;

/* hystart.c: the rounds of the first slow start. Times in microseconds; UINT32_MAX: not known. */
struct hystart {
    uint32_t last_min_us;  /* lastRoundMinRTT */
    uint32_t round_min_us; /* currentRoundMinRTT */
    uint32_t baseline_us;  /* cssBaselineMinRtt */
    uint8_t samples;       /* of this round, as far as it matters */
    uint8_t css_rounds;    /* complete ones, conservative */
    bool is_css;           /* conservative slow start */
};

/* cubic.c: a congestion avoidance stage (RFC 9438 4.1). */
struct cubic_epoch {
    uint64_t start_ns; /* t_epoch, moved on by the time that does not count (5.8) */
    uint32_t k_ticks;  /* K, in curve.h's ticks */
    uint32_t w_est;    /* bytes */
};

struct cubic {
    union {
        struct hystart hystart;   /* while ssthresh is not known */
        struct cubic_epoch epoch; /* after that, and in_epoch */
    };
    struct cubic_epoch undo_epoch; /* what on_spurious brings back (4.9.2) */
    uint64_t last_ns;              /* the last ACK of this epoch */
    uint32_t w_max;                /* bytes; 0: not known */
    uint32_t undo_w_max;
    uint32_t undo_prior_cwnd;
    uint32_t est_rest; /* what did not make a byte of w_est yet, in 1/cwnd bytes */
    uint32_t cwnd_rest;
    bool in_epoch : 1;
    bool is_flat : 1;   /* the next epoch begins on the plateau: K = 0 (4.8, 4.10) */
    bool careful : 1;   /* slow start after a timeout */
    bool timed_out : 1; /* and nothing was acknowledged since */
    bool reduced : 1;   /* recovering from a loss */
    bool has_undo : 1;
    bool undo_in_epoch : 1;
    bool undo_is_flat : 1;
};

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
            bool reduced;   /* recovering from a loss */
        } newreno;
        struct cubic cubic;
    };
};

struct cc_ack {
    uint64_t now_ns;
    uint64_t rtt_ns;  /* of this ACK's sample, of the newest data it covers; 0: none */
    uint64_t srtt_ns; /* smoothed, this sample taken in (RFC 6298 2); 0: not known */
    uint32_t acked;   /* bytes newly acknowledged */
    uint32_t flight;  /* bytes in flight before this ACK */
    uint32_t burst;   /* bytes that the sender gives its link at once: a super-segment, or mss */
    bool limited;     /* the sender was limited by cwnd (RFC 7661): growth is allowed */
    /* This ACK covers all that had been sent when the last such ACK came: it ends a round trip, and
     * the next begins (RFC 9406 4.2). Rounds that end while recovery keeps ACKs from on_ack end
     * with the first ACK after it. */
    bool round_start;
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
/* CC goes on under TABLE with the windows that it has; the controller starts to learn. */
void cc_switch(struct cc *cc, const struct cc_table *table, uint64_t now_ns);

/* ---- For controllers ------------------------------------------------------------------------- */

/*
 * The bytes of ACK that slow start counts (RFC 3465 2.2, 2.3). That RFC counts up to SEGMENTS for
 * one ACK, of a receiver that acknowledges every second segment, and 1 while careful, after a
 * timeout. A receiver behind segment offload sees one of our super-segments as one, and answers it
 * with one ACK instead of many: so an ACK counts as those many would have, up to a super-segment
 * (ack->burst), all of it or, careful, half. The burst that follows is no longer than what the link
 * is given at once anyway; where nothing is aggregated, this is RFC 3465.
 */
uint32_t cc_slow_start_bytes(const struct cc *cc, const struct cc_ack *ack, uint32_t segments,
                             bool careful);

/* The window of CC; in recovery (REDUCED), where cwnd is what proportional rate reduction lets go
 * now (RFC 9937), the one that recovery is on its way to. */
static inline uint32_t cc_window(const struct cc *cc, bool reduced)
{
    return reduced ? cc->ssthresh : cc->cwnd;
}

/* The windows after an idle time of an RTO and more: RFC 5681 4.1, and RFC 7661 4.4.3 for what was
 * known of the path. */
void cc_restart(struct cc *cc);

#endif
