/* SPDX-License-Identifier: MIT */
/*
 * cc/newreno.c: the controller of RFC 5681 and 6582, counting bytes (RFC 3465). Called through
 * cc.h's table only.
 *
 * 1. cwnd >= mss, cwnd <= CWND_MAX; ssthresh >= 2 mss once it is known.
 * 2. Nothing grows while the sender is not limited by cwnd (RFC 7661, RFC 5681 3.1 in spirit).
 *
 *   state                 event        next                  by
 *   slow start            ACK          slow start, or congestion avoidance at ssthresh
 *                                                            on_ack
 *   congestion avoidance  ACK          congestion avoidance  on_ack
 *   any                   loss         recovery at ssthresh  on_loss
 *   recovery              recovered    congestion avoidance  on_recovered
 *   any                   timeout      slow start, careful   on_timeout
 *   any                   idle         slow start at most at the initial window
 *                                                            on_idle
 *   any                   spurious     what was before       on_spurious
 *
 * Deviation: RFC 3465 2.2 lets one ACK add at most 2 segments in slow start (L = 2), for a receiver
 * that acknowledges every second one. A receiver behind segment offload acknowledges 64 KiB at once
 * and would be held to a crawl; so L is 2 segments or 64 KiB, whichever is more: the burst
 * that follows is no longer than one super-segment, which such a path sees anyway. After a timeout
 * L is 1 segment (RFC 3465 2.3).
 */
#include "cc/newreno.h"

#define CWND_MAX        ((uint32_t)1 << 30) /* the largest window there is (RFC 7323 2.3) */
#define ACK_BYTES_LIMIT 65536U              /* bytes that one ACK may add in slow start */

static void init(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc->newreno.acked = 0;
    cc->newreno.careful = false;
    cc->newreno.timed_out = false;
}

static uint32_t half_of(const struct cc *cc, uint32_t flight)
{
    return min_u32(max_u32(flight / 2, 2 * cc->mss), CWND_MAX); /* RFC 5681 (4) */
}

static void remember(struct cc *cc)
{
    cc->prior_cwnd = cc->cwnd;
    cc->prior_ssthresh = cc->ssthresh;
}

/* RFC 5681 (2) with RFC 3465 2.2. Returns the bytes of ACKED that are left for avoidance. */
static uint32_t grow_slow_start(struct cc *cc, uint32_t acked)
{
    uint32_t limit = cc->newreno.careful ? cc->mss : max_u32(2 * cc->mss, ACK_BYTES_LIMIT);
    uint32_t room = cc->ssthresh - cc->cwnd;
    uint32_t step = min_u32(min_u32(acked, limit), room);

    cc->cwnd = min_u32(cc->cwnd + step, CWND_MAX);
    return step == room ? acked - step : 0;
}

/* One segment for each window of bytes acknowledged (RFC 5681 3.1, RFC 3465 2.1). */
static void grow_avoidance(struct cc *cc, uint32_t acked)
{
    cc->newreno.acked = min_u32(cc->newreno.acked, cc->cwnd) + min_u32(acked, cc->cwnd);
    if (cc->newreno.acked >= cc->cwnd) {
        cc->newreno.acked -= cc->cwnd;
        cc->cwnd = min_u32(cc->cwnd + cc->mss, CWND_MAX);
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
        acked = grow_slow_start(cc, acked);
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
}

/* RFC 6582 3.2 (3), its second way: what recovery added for segments that left is taken back. */
static void on_recovered(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc->cwnd = cc->ssthresh == UINT32_MAX ? cc->cwnd : cc->ssthresh; /* undone meanwhile */
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
}

static void on_idle(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc->cwnd = min_u32(cc->cwnd, cc->initial_window); /* RFC 5681 4.1: RW = min(IW, cwnd) */
    cc->newreno.acked = 0;
}

static void on_spurious(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    cc->cwnd = max_u32(cc->cwnd, cc->prior_cwnd);
    cc->ssthresh = max_u32(cc->ssthresh, cc->prior_ssthresh);
    cc->newreno.careful = false;
    cc->newreno.timed_out = false;
}

const struct cc_table cc_newreno = {
    .name = "newreno",
    .init = init,
    .on_ack = on_ack,
    .on_loss = on_loss,
    .on_recovered = on_recovered,
    .on_timeout = on_timeout,
    .on_idle = on_idle,
    .on_spurious = on_spurious,
};
