/* SPDX-License-Identifier: MIT */
/*
 * cc/newreno.c: the controller of RFC 5681 and 6582, counting bytes (RFC 3465). Called through
 * cc.h's table only.
 *
 * 1. cwnd >= mss, cwnd <= CC_WINDOW_MAX; ssthresh >= 2 mss once it is known.
 * 2. Nothing grows while the sender is not limited by cwnd (RFC 7661, RFC 5681 3.1 in spirit).
 *
 *   state                 event        next                  by
 *   slow start            ACK          slow start, or congestion avoidance at ssthresh
 *                                                            on_ack
 *   congestion avoidance  ACK          congestion avoidance  on_ack
 *   any                   loss         recovery at ssthresh  on_loss
 *   any                   marks        recovery at ssthresh  on_ecn
 *   recovery              recovered    congestion avoidance  on_recovered
 *   any                   timeout      slow start, careful   on_timeout
 *   any                   idle         slow start at most at the initial window
 *                                                            on_idle
 *   any                   spurious     what was before       on_spurious
 *
 * In slow start one ACK counts for 2 segments at most, after a timeout for 1 (RFC 3465 2.2, 2.3);
 * more where one ACK answers a super-segment: cc_slow_start_bytes says why.
 */
#include "cc/newreno.h"

#define SEGMENTS_PER_ACK 2 /* L of RFC 3465 2.2 */

static void init(struct cc *cc, const struct cc_start *start)
{
    (void)start;
    cc->newreno.acked = 0;
    cc->newreno.careful = false;
    cc->newreno.timed_out = false;
    cc->newreno.reduced = false;
}

static uint32_t half_of(const struct cc *cc, uint32_t flight)
{
    return min_u32(max_u32(flight / 2, 2 * cc->mss), CC_WINDOW_MAX); /* RFC 5681 (4) */
}

static void remember(struct cc *cc)
{
    cc->prior_cwnd = cc_window(cc, cc->newreno.reduced);
    cc->prior_ssthresh = cc->ssthresh;
}

/* RFC 5681 (2). Returns the bytes of ACK that are left for avoidance. */
static uint32_t grow_slow_start(struct cc *cc, const struct cc_ack *ack)
{
    uint32_t room = cc->ssthresh - cc->cwnd;
    uint32_t bytes = cc_slow_start_bytes(cc, ack, SEGMENTS_PER_ACK, cc->newreno.careful);
    uint32_t step = min_u32(bytes, room);

    cc->cwnd = min_u32(cc->cwnd + step, CC_WINDOW_MAX);
    return step == room ? ack->acked - step : 0;
}

/* One segment for each window of bytes acknowledged (RFC 5681 3.1, RFC 3465 2.1). */
static void grow_avoidance(struct cc *cc, uint32_t acked)
{
    cc->newreno.acked = min_u32(cc->newreno.acked, cc->cwnd) + min_u32(acked, cc->cwnd);
    if (cc->newreno.acked >= cc->cwnd) {
        cc->newreno.acked -= cc->cwnd;
        cc->cwnd = min_u32(cc->cwnd + cc->mss, CC_WINDOW_MAX);
    }
}

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
    uint32_t acked = ack->acked;

    if (acked > 0) {
        cc->newreno.timed_out = false;
    }
    if (!ack->limited) {
        return;
    }
    if (cc->cwnd < cc->ssthresh) {
        acked = grow_slow_start(cc, ack);
        if (cc->cwnd < cc->ssthresh) {
            return;
        }
        cc->newreno.careful = false;
        cc->newreno.acked = 0;
    }
    grow_avoidance(cc, acked);
}

static void on_loss(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    (void)now_ns;
    remember(cc);
    cc->ssthresh = half_of(cc, flight);
    cc->cwnd = cc->ssthresh;
    cc->newreno.acked = 0;
    cc->newreno.careful = false;
    cc->newreno.reduced = true;
}

/* RFC 8511 3: in congestion avoidance marks, which come before a queue is full, take a fifth. Slow
 * start stops as for a loss (4). Nothing was lost, so nothing can prove spurious. */
static void on_ecn(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    bool avoiding = cc_window(cc, cc->newreno.reduced) >= cc->ssthresh;

    on_loss(cc, flight, now_ns);
    if (avoiding) {
        uint32_t window = (uint32_t)((uint64_t)flight * 4 / 5);
        cc->ssthresh = min_u32(max_u32(window, 2 * cc->mss), CC_WINDOW_MAX);
    }
    cc->cwnd = cc->ssthresh;
    cc->prior_cwnd = cc->ssthresh;
    cc->prior_ssthresh = cc->ssthresh;
}

/* RFC 6582 3.2 (3), its second way: what recovery added for segments that left is taken back. Not
 * if the loss proved spurious meanwhile. */
static void on_recovered(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    if (cc->newreno.reduced) {
        cc->cwnd = cc->ssthresh;
        cc->newreno.reduced = false;
    }
    cc->newreno.acked = 0;
}

/* RFC 5681 3.1: the second timeout of one segment leaves ssthresh alone. */
static void on_timeout(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    (void)now_ns;
    if (!cc->newreno.timed_out) {
        remember(cc);
        cc->ssthresh = half_of(cc, flight);
    }
    cc->cwnd = cc->mss; /* the loss window */
    cc->newreno.acked = 0;
    cc->newreno.careful = true;
    cc->newreno.timed_out = true;
    cc->newreno.reduced = false;
}

static void on_idle(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc_restart(cc);
    cc->newreno.acked = 0;
}

static void on_spurious(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc->cwnd = max_u32(cc->cwnd, cc->prior_cwnd);
    cc->ssthresh = max_u32(cc->ssthresh, cc->prior_ssthresh);
    cc->newreno.careful = false;
    cc->newreno.timed_out = false;
    cc->newreno.reduced = false;
}

enum { REST_CAREFUL = 1, REST_TIMED_OUT = 2 };

static void rest(const struct cc *cc, struct cc_rest *rest)
{
    rest->flags = (uint8_t)((cc->newreno.careful ? REST_CAREFUL : 0) |
                            (cc->newreno.timed_out ? REST_TIMED_OUT : 0));
}

static void wake(struct cc *cc, const struct cc_rest *rest)
{
    cc->newreno.careful = (rest->flags & REST_CAREFUL) != 0;
    cc->newreno.timed_out = (rest->flags & REST_TIMED_OUT) != 0;
}

const struct cc_table cc_newreno = {
    .name = "newreno",
    .init = init,
    .on_ack = on_ack,
    .on_loss = on_loss,
    .on_ecn = on_ecn,
    .on_recovered = on_recovered,
    .on_timeout = on_timeout,
    .on_idle = on_idle,
    .on_spurious = on_spurious,
    .rest = rest,
    .wake = wake,
};
