/* SPDX-License-Identifier: MIT */
/*
 * cc/cubic.c: CUBIC (RFC 9438), with HyStart++ for the first slow start (RFC 9406). Called through
 * cc.h's table only. In integers: windows in bytes, the curve in curve.c.
 *
 * 1. cwnd >= mss, cwnd <= CC_WINDOW_MAX; ssthresh >= 2 mss once it is known.
 * 2. Nothing grows, and no time passes on the curve, while the sender is not limited by cwnd
 *    (RFC 9438 5.8).
 * 3. `hystart` is the live member of the union exactly while ssthresh is not known, `epoch` exactly
 *    while in_epoch; never both.
 * 4. prior_cwnd is cwnd_prior of RFC 9438 4.1.
 *
 *   state                 event        next                  by
 *   first slow start      ACK          first slow start, or avoidance when HyStart++ says so
 *                                                            on_ack
 *   slow start            ACK          slow start, or congestion avoidance at ssthresh
 *                                                            on_ack
 *   congestion avoidance  ACK          congestion avoidance: the first begins an epoch
 *                                                            on_ack
 *   any                   loss         recovery at ssthresh  on_loss
 *   any                   marks        recovery at ssthresh  on_ecn
 *   recovery              recovered    congestion avoidance  on_recovered
 *   any                   timeout      slow start, careful   on_timeout
 *   any                   idle         slow start at most at the initial window
 *                                                            on_idle
 *   any                   spurious     what was before       on_spurious
 *
 * Where the RFC counts ACKs, bytes are counted: an ACK of n segments moves the windows as n ACKs of
 * one, so that delayed and aggregated ACKs grow them at the same pace (4.2 says by how much in an
 * RTT; 4.3 counts segments too). Where flight_size is more than cwnd (limited transmit, SACKed
 * data), cwnd is what is reduced: a loss never raises it (4.6).
 */
#include "cc/cubic.h"

#include "cc/curve.h"
#include "cc/hystart.h"

static void init(struct cc *cc, const struct cc_start *start)
{
    (void)start;
    if (cc->ssthresh == UINT32_MAX) {
        hystart_init(&cc->cubic.hystart);
    }
}

/* ---- The curve ------------------------------------------------------------------------------- */

/* W_cubic at TICKS after the epoch began (RFC 9438 4.2, figure 1). */
static uint32_t window_at(const struct cc *cc, uint32_t ticks)
{
    const struct cubic *cubic = &cc->cubic;
    uint32_t k = cubic->epoch.k_ticks;

    if (ticks >= k) {
        return min_u32(cubic->w_max + cc_curve_bytes(ticks - k, cc->mss), CC_WINDOW_MAX);
    }
    return cubic->w_max - min_u32(cc_curve_bytes(k - ticks, cc->mss), cubic->w_max);
}

static void begin_epoch(struct cc *cc, uint64_t now_ns)
{
    struct cubic *cubic = &cc->cubic;

    if (cubic->is_flat || cc->cwnd >= cubic->w_max) {
        cubic->w_max = cc->cwnd;
    }
    cubic->epoch = (struct cubic_epoch){.start_ns = now_ns,
                                        .k_ticks = cc_curve_time(cubic->w_max - cc->cwnd, cc->mss),
                                        .w_est = cc->cwnd};
    cubic->last_ns = now_ns;
    cubic->est_rest = 0;
    cubic->cwnd_rest = 0;
    cubic->is_flat = false;
    cubic->in_epoch = true;
}

/* RFC 9438 4.2: t does not include times in which cwnd was not in use. Not limited: none of the
 * time since the last ACK counts. Limited: what this ACK covers was sent an RTT ago; if the last
 * ACK is older than that, nothing was sent in between, for an ACK lets a limited sender send. */
static void keep_time(struct cubic *cubic, const struct cc_ack *ack)
{
    uint64_t gap_ns = ack->now_ns - cubic->last_ns;
    uint64_t rtt_ns = ack->rtt_ns != 0 ? ack->rtt_ns : ack->srtt_ns;
    uint64_t busy_ns = ack->limited ? rtt_ns : 0;

    if (gap_ns > busy_ns) {
        cubic->epoch.start_ns += gap_ns - busy_ns;
    }
    cubic->last_ns = ack->now_ns;
}

/* NUMERATOR / cwnd whole bytes; what is left over waits in REST for the next ACK. */
static uint32_t divide(uint64_t numerator, uint32_t cwnd, uint32_t *rest)
{
    numerator += *rest;
    *rest = (uint32_t)(numerator % cwnd);
    return (uint32_t)min_u64(numerator / cwnd, CC_WINDOW_MAX);
}

/* Figure 4: what Reno would have by now. alpha is 9/17, which is 3 * (1 - 0.7) / (1 + 0.7); 1 from
 * cwnd_prior on. ACKED <= cwnd, so the product is below 2^50. */
static void estimate_reno(struct cc *cc, uint32_t acked)
{
    struct cubic_epoch *epoch = &cc->cubic.epoch;
    uint64_t product = (uint64_t)acked * cc->mss;

    if (epoch->w_est < cc->prior_cwnd) {
        product = product * 9 / 17;
    }
    epoch->w_est += divide(product, cc->cwnd, &cc->cubic.est_rest);
    epoch->w_est = min_u32(epoch->w_est, CC_WINDOW_MAX);
}

/* RFC 9438 4.3 to 4.5. */
static void grow_avoidance(struct cc *cc, const struct cc_ack *ack, uint32_t acked)
{
    struct cubic *cubic = &cc->cubic;
    uint64_t t_ns = ack->now_ns - cubic->epoch.start_ns;

    acked = min_u32(acked, cc->cwnd);
    estimate_reno(cc, acked);
    if (window_at(cc, cc_curve_ticks(t_ns)) < cubic->epoch.w_est) {
        cc->cwnd = max_u32(cc->cwnd, cubic->epoch.w_est);
        return;
    }
    uint32_t target = window_at(cc, cc_curve_ticks(add_sat_u64(t_ns, ack->srtt_ns)));
    target = max_u32(min_u32(target, cc->cwnd + cc->cwnd / 2), cc->cwnd);
    uint64_t product = (uint64_t)(target - cc->cwnd) * acked;
    cc->cwnd = min_u32(cc->cwnd + divide(product, cc->cwnd, &cubic->cwnd_rest), CC_WINDOW_MAX);
}

/* ---- Slow start ------------------------------------------------------------------------------ */

static void grow_first(struct cc *cc, const struct cc_ack *ack)
{
    uint32_t divisor = hystart_on_ack(&cc->cubic.hystart, ack);

    if (divisor == 0) { /* RFC 9438 4.10: nothing was lost; K = 0 and cwnd_prior = cwnd */
        cc->ssthresh = max_u32(cc->cwnd, 2 * cc->mss);
        cc->prior_cwnd = cc->cwnd;
        cc->cubic.is_flat = true;
    } else if (ack->limited) {
        uint32_t bytes = cc_slow_start_bytes(cc, ack, HYSTART_SEGMENTS_PER_ACK, false);
        cc->cwnd = min_u32(cc->cwnd + bytes / divisor, CC_WINDOW_MAX);
    }
}

/* Returns the bytes of ACK that are left for avoidance. */
static uint32_t grow_slow_start(struct cc *cc, const struct cc_ack *ack)
{
    uint32_t room = cc->ssthresh - cc->cwnd;
    uint32_t bytes = cc_slow_start_bytes(cc, ack, HYSTART_SEGMENTS_PER_ACK, cc->cubic.careful);
    uint32_t step = min_u32(bytes, room);

    cc->cwnd = min_u32(cc->cwnd + step, CC_WINDOW_MAX);
    return step == room ? ack->acked - step : 0;
}

static void on_ack(struct cc *cc, const struct cc_ack *ack)
{
    struct cubic *cubic = &cc->cubic;
    uint32_t acked = ack->acked;

    if (acked > 0) {
        cubic->timed_out = false;
    }
    if (cc->ssthresh == UINT32_MAX) {
        grow_first(cc, ack);
        return;
    }
    if (cubic->in_epoch) {
        keep_time(cubic, ack);
    }
    if (!ack->limited) {
        return;
    }
    if (cc->cwnd < cc->ssthresh) {
        acked = grow_slow_start(cc, ack);
        if (cc->cwnd < cc->ssthresh) {
            return;
        }
        cubic->careful = false;
    }
    if (!cubic->in_epoch) {
        begin_epoch(cc, ack->now_ns);
    }
    grow_avoidance(cc, ack, acked);
}

/* ---- Reductions and their undoing ------------------------------------------------------------ */

/* RFC 9438 4.9.2: what is to come back should the loss prove spurious. */
static void remember(struct cc *cc, uint32_t window)
{
    struct cubic *cubic = &cc->cubic;

    cubic->undo_prior_cwnd = cc->prior_cwnd;
    cubic->undo_w_max = cubic->w_max;
    cubic->undo_in_epoch = cubic->in_epoch;
    cubic->undo_is_flat = cubic->is_flat;
    cubic->undo_epoch = cubic->in_epoch ? cubic->epoch : (struct cubic_epoch){0};
    cubic->has_undo = true;
    cc->prior_cwnd = window;
    cc->prior_ssthresh = cc->ssthresh;
}

/* Percent of the window that are left after a loss or a timeout (RFC 9438 4.6), and after marks in
 * congestion avoidance (RFC 8511 3.1). */
#define BETA_LOSS 70
#define BETA_ECN  85

/* RFC 9438 4.6, 4.7, what reductions have in common; down to BETA percent. */
static void reduce(struct cc *cc, uint32_t flight, uint32_t beta)
{
    struct cubic *cubic = &cc->cubic;
    uint32_t window = cc_window(cc, cubic->reduced);
    uint64_t used = min_u32(flight, window);

    remember(cc, window);
    if (window < cubic->w_max) {
        cubic->w_max = (uint32_t)((uint64_t)window * (100 + beta) / 200); /* fast convergence */
    } else {
        cubic->w_max = window;
    }
    cc->ssthresh = max_u32((uint32_t)(used * beta / 100), 2 * cc->mss);
    cubic->in_epoch = false;
}

static void begin_recovery(struct cc *cc)
{
    cc->cwnd = cc->ssthresh;
    cc->cubic.is_flat = false;
    cc->cubic.careful = false;
    cc->cubic.reduced = true;
}

static void on_loss(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    (void)now_ns;
    reduce(cc, flight, BETA_LOSS);
    begin_recovery(cc);
}

/* Slow start stops as for a loss (RFC 8511 4). Nothing was lost, so nothing can prove spurious. */
static void on_ecn(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    bool avoiding = cc_window(cc, cc->cubic.reduced) >= cc->ssthresh;

    (void)now_ns;
    reduce(cc, flight, avoiding ? BETA_ECN : BETA_LOSS);
    cc->cubic.has_undo = false;
    begin_recovery(cc);
}

/* What recovery may have added is taken back (RFC 6582 3.2), unless the loss proved spurious. */
static void on_recovered(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    if (cc->cubic.reduced) {
        cc->cwnd = cc->ssthresh;
        cc->cubic.reduced = false;
    }
}

/* RFC 9438 4.8. The second timeout of one segment leaves ssthresh alone (RFC 5681 3.1). */
static void on_timeout(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    (void)now_ns;
    if (!cc->cubic.timed_out) {
        reduce(cc, flight, BETA_LOSS);
    }
    cc->cwnd = cc->mss;
    cc->cubic.is_flat = true;
    cc->cubic.careful = true;
    cc->cubic.timed_out = true;
    cc->cubic.reduced = false;
}

/* A window that restarts has a new way to go: to ssthresh, then along a new epoch's curve. */
static void on_idle(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    if (cc->ssthresh == UINT32_MAX) {
        hystart_init(&cc->cubic.hystart);
    } else if (cc->cwnd > cc->initial_window) {
        cc->cubic.in_epoch = false;
    }
    cc_restart(cc);
}

static void on_spurious(struct cc *cc, uint64_t now_ns)
{
    struct cubic *cubic = &cc->cubic;

    cubic->timed_out = false;
    cubic->careful = false;
    cubic->reduced = false;
    if (!cubic->has_undo || cc->cwnd >= cc->prior_cwnd) {
        return; /* it has grown past that meanwhile: what is newest stands */
    }
    cubic->has_undo = false;
    cc->cwnd = cc->prior_cwnd;
    cc->ssthresh = cc->prior_ssthresh;
    cc->prior_cwnd = cubic->undo_prior_cwnd;
    cubic->w_max = cubic->undo_w_max;
    cubic->is_flat = cubic->undo_is_flat;
    cubic->in_epoch = cubic->undo_in_epoch;
    cubic->est_rest = 0;
    cubic->cwnd_rest = 0;
    if (cubic->in_epoch) {
        cubic->epoch = cubic->undo_epoch;
        cubic->last_ns = now_ns; /* the time in between counts: t_epoch is what it was */
    } else if (cc->ssthresh == UINT32_MAX) {
        hystart_init(&cubic->hystart);
    }
}

enum { REST_FLAT = 1, REST_CAREFUL = 2, REST_TIMED_OUT = 4 };

/* An epoch does not outlive a rest: the time in between would not count (RFC 9438 5.8), and from
 * below w_max a new one goes on along the same curve. */
static void rest(const struct cc *cc, struct cc_rest *rest)
{
    const struct cubic *cubic = &cc->cubic;

    rest->known = cubic->w_max;
    rest->flags = (uint8_t)((cubic->is_flat ? REST_FLAT : 0) | (cubic->careful ? REST_CAREFUL : 0) |
                            (cubic->timed_out ? REST_TIMED_OUT : 0));
}

static void wake(struct cc *cc, const struct cc_rest *rest)
{
    struct cubic *cubic = &cc->cubic;

    cubic->w_max = rest->known;
    cubic->is_flat = (rest->flags & REST_FLAT) != 0;
    cubic->careful = (rest->flags & REST_CAREFUL) != 0;
    cubic->timed_out = (rest->flags & REST_TIMED_OUT) != 0;
    if (cc->ssthresh == UINT32_MAX) {
        hystart_init(&cubic->hystart);
    }
}

const struct cc_table cc_cubic = {
    .name = "cubic",
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
