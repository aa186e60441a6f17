/* SPDX-License-Identifier: MIT */
/*
 * Congestion control: one const table of functions per controller, one small state per connection.
 * A controller changes cwnd and ssthresh (bytes) and, if it paces, pacing_bps; nothing else. From
 * on_loss or on_ecn to on_recovered or on_spurious cwnd belongs to loss recovery, which reduces it
 * to ssthresh in proportion to what arrives (RFC 9937); but not that of a controller that measures.
 * Adding one: a file of its own and a line in cc.c's table.
 *
 * A controller that measures has on_sample (and on_lost, and a state of its own beside the
 * connection's) instead of on_ack: the core takes delivery-rate samples for it alone
 * (draft-ietf-ccwg-bbr 4.1).
 *
 *   event                              function        RFC
 *   new data cumulatively acknowledged on_ack          5681 3.1; not in fast recovery
 *   data arrived, SACKed or not        on_sample       draft-ietf-ccwg-bbr 5.2.3; after on_lost,
 *                                                      on_loss and so on of the same ACK
 *   a piece is believed lost           on_lost         draft-ietf-ccwg-bbr 5.2.4
 *   loss detected, recovery begins     on_loss         5681 3.2, 6582, 6675
 *   recovery point acknowledged        on_recovered    6582 3.2 (3)
 *   marks tell of congestion           on_ecn          3168 6.1.2, 8511; once a window:
 *                                                      on_recovered follows, on_loss in between
 *                                                      does not
 *   retransmission timeout             on_timeout      5681 3.1 (4)
 *   idle for longer than an RTO        on_idle         5681 4.1; of one that measures: data leaves,
 *                                                      none is in flight, there was none to send
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
        void *state;       /* of one that asks for state_bytes; the caller's memory */
        struct {
            uint32_t acked; /* bytes counted towards the next increase */
            bool careful;   /* slow start after a timeout: one segment an ACK at most */
            bool timed_out; /* and nothing was acknowledged since */
            bool reduced;   /* recovering from a loss */
        } newreno;
        struct cubic cubic;
    };
};

/* What is left of a controller while its connection is at rest: no round trip is under way, and an
 * idle time of an RTO has passed (on_idle) or nothing was ever sent. */
struct cc_rest {
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t prior_cwnd;
    uint32_t known; /* the controller's own */
    uint8_t number; /* of its table: cc_at */
    uint8_t flags;  /* the controller's own */
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

/* A delivery-rate sample, of an ACK that tells of data that arrived (draft-ietf-ccwg-bbr 4.1). What
 * counts on (`total`, `prior`) does so modulo 2^32. */
struct cc_sample {
    uint64_t now_ns;
    uint64_t rtt_ns;       /* of the newest data that arrived, exact; 0: none */
    uint64_t rate;         /* bytes per second; 0: nothing reliable */
    uint32_t newly;        /* bytes now known to have arrived, SACKed or acknowledged */
    uint32_t newly_lost;   /* bytes now believed lost */
    uint32_t total;        /* bytes that have arrived so far */
    uint32_t prior;        /* has_prior: total when the newest data that arrived was sent */
    uint32_t delivered;    /* since then */
    uint32_t lost;         /* since then */
    uint32_t tx_in_flight; /* in flight when it was sent, itself included */
    uint32_t in_flight;    /* now */
    bool has_prior;        /* a piece arrived whole: rate, prior, delivered, lost, tx_in_flight */
    bool app_limited;      /* the writer, not the path, may have held the rate down */
    bool cwnd_limited;     /* cwnd was full at some time since the last sample */
    bool recovering;       /* from a loss or a timeout */
    bool has_sack;
    bool mark_limited; /* out: the samples of what is in flight now count as app_limited */
};

/* A piece is believed lost. */
struct cc_lost {
    uint64_t now_ns;
    uint32_t seq;
    uint32_t bytes;
    uint32_t lost;         /* since it was sent, itself included */
    uint32_t tx_in_flight; /* as above */
    uint32_t total;        /* as above */
    bool app_limited;
    bool has_sack;
};

/* What a controller begins with. */
struct cc_start {
    uint64_t now_ns;
    uint64_t srtt_ns; /* 0: not known */
    void *state;      /* state_bytes, aligned to 8, what was in it before; it lasts as long as CC */
    uint32_t seed;    /* nobody else's */
};

struct cc_table {
    const char *name;
    uint32_t state_bytes; /* of a state of its own, where cc->words is too small; else 0 */
    void (*init)(struct cc *cc, const struct cc_start *start);
    void (*on_ack)(struct cc *cc, const struct cc_ack *ack);    /* NULL where there is on_sample */
    void (*on_sample)(struct cc *cc, struct cc_sample *sample); /* may be NULL */
    void (*on_lost)(struct cc *cc, const struct cc_lost *lost); /* NULL without on_sample */
    void (*on_loss)(struct cc *cc, uint32_t flight, uint64_t now_ns);
    void (*on_ecn)(struct cc *cc, uint32_t flight, uint64_t now_ns); /* NULL: it sends no ECT */
    void (*on_recovered)(struct cc *cc, uint64_t now_ns);
    void (*on_timeout)(struct cc *cc, uint32_t flight, uint64_t now_ns);
    void (*on_idle)(struct cc *cc, uint64_t now_ns);
    void (*on_spurious)(struct cc *cc, uint64_t now_ns);
    /* What REST has of the controller's own is written, and read again. NULL: it does not rest. */
    void (*rest)(const struct cc *cc, struct cc_rest *rest);
    void (*wake)(struct cc *cc, const struct cc_rest *rest);
};

/* The controller called NAME; NULL: there is none of that name. */
const struct cc_table *cc_find(const char *name);
/* The I-th controller's table; NULL past the last. */
const struct cc_table *cc_at(uint32_t i);
/* The most that any controller asks for. */
uint32_t cc_state_bytes_max(void);

/* Starts CC under TABLE with an initial window of INITIAL_SEGMENTS segments of MSS bytes; of large
 * segments fewer, but two at least (RFC 6928 2: 10 segments, at most 14600 bytes or 2 segments). */
void cc_init(struct cc *cc, const struct cc_table *table, uint32_t mss, uint32_t initial_segments,
             const struct cc_start *start);
/* CC goes on under TABLE with the windows that it has; the controller starts to learn. */
void cc_switch(struct cc *cc, const struct cc_table *table, const struct cc_start *start);

/* CC is put down in REST: to be told of, and if its table has `rest` to be taken up again. */
void cc_lay_down(const struct cc *cc, struct cc_rest *rest);
/* CC goes on from REST: with segments of MSS bytes, and INITIAL_SEGMENTS of them as cc_init's. */
void cc_take_up(struct cc *cc, const struct cc_rest *rest, uint32_t mss, uint32_t initial_segments);

/* What a paced connection may give its link at once: what leaves in a millisecond, but not over
 * 64 KiB, and not under 2 segments (draft-ietf-ccwg-bbr 5.6.3). */
static inline uint32_t cc_send_quantum(const struct cc *cc)
{
    uint64_t bytes = min_u64(cc->pacing_bps / 8000, 65536);
    return max_u32((uint32_t)bytes, 2 * cc->mss);
}

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
