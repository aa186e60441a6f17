/* SPDX-License-Identifier: MIT */
/*
 * cc/bbr.c: BBR version 3 (draft-ietf-ccwg-bbr): its table, the states around ProbeBW, and what a
 * loss recovery, its undoing and an idle time do. Called through cc.h's table only.
 *
 * 1. The window is the model's alone: loss recovery does not reduce it (5.6.4.4), but what is known
 *    to be lost lowers what the model believes.
 * 2. Nothing here depends on the order in which pieces of one ACK are told.
 *
 *   state          event                                           next      by
 *   Startup        three rounds without a quarter more bandwidth   Drain     check_startup
 *   Startup        a round in recovery that lost 2 %, in 6 places  Drain     check_startup
 *   Drain          in flight is no more than the BDP, or 3 rounds  DOWN      check_drain
 *   DOWN .. UP     (bbr_probe.c)
 *   any            5 s without a lower round-trip time             ProbeRTT  check_probe_rtt
 *   ProbeRTT       200 ms and a round at half a BDP                CRUISE, or Startup
 *                                                                            leave_probe_rtt
 *   Drain, DOWN..  the losses that ended Startup or UP never were  Startup, REFILL  on_spurious
 */
#include "cc/bbr.h"

#include "base/check.h"

#define STARTUP_PACING_PERCENT 277
#define STARTUP_LOST_RANGES    6
#define DRAIN_ROUNDS_MAX       3
#define PROBE_RTT_NS           (200 * NS_PER_MS)
#define NOMINAL_RTT_NS         NS_PER_MS /* where none is known yet: InitPacingRate */

/* ---- What is remembered ---------------------------------------------------------------------- */

/* 5.6.4.4: the last window that neither recovery nor ProbeRTT had its hand in. */
void bbr_save_cwnd(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);

    if (!bbr->in_recovery && !bbr->in_timeout && bbr->state != BBR_PROBE_RTT) {
        bbr->prior_cwnd = cc->cwnd;
    } else {
        bbr->prior_cwnd = max_u32(bbr->prior_cwnd, cc->cwnd);
    }
}

static void restore_cwnd(struct cc *cc)
{
    cc->cwnd = max_u32(cc->cwnd, bbr_of(cc)->prior_cwnd);
}

/* 5.5.11.1. */
void bbr_save_state(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);

    bbr_save_cwnd(cc);
    bbr->has_undo = true;
    bbr->undo_state = BBR_NO_STATE;
    bbr->undo_bw_shortterm = bbr->bw_shortterm;
    bbr->undo_inflight_shortterm = bbr->inflight_shortterm;
    bbr->undo_inflight_longterm = bbr->inflight_longterm;
}

/* ---- Startup and Drain ----------------------------------------------------------------------- */

void bbr_enter_startup(struct bbr *bbr)
{
    bbr->state = BBR_STARTUP;
}

/* 5.6.2, InitPacingRate. */
static void init_pacing(struct cc *cc, uint64_t srtt_ns)
{
    uint64_t bits = (uint64_t)cc->initial_window * 8 * STARTUP_PACING_PERCENT / 100;
    uint64_t rtt_us = max_u64((srtt_ns != 0 ? srtt_ns : NOMINAL_RTT_NS) / NS_PER_US, 1);

    cc->pacing_bps = bits * 1000000 / rtt_us;
}

static void init(struct cc *cc, const struct cc_start *start)
{
    struct bbr *bbr = start->state;

    BERTH_CHECK(bbr != NULL);
    memset(bbr, 0, sizeof *bbr);
    cc->state = bbr;
    bbr->random = start->seed | 1U;
    bbr->undo_state = BBR_NO_STATE;
    bbr_model_init(cc, start);
    init_pacing(cc, start->srtt_ns);
    bbr_enter_startup(bbr);
}

/* 5.3.1.3, CheckStartupHighLoss. */
static bool is_startup_lossy(const struct bbr *bbr, const struct cc_sample *sample)
{
    if (!sample->recovering) {
        return false;
    }
    if (!sample->has_sack) {
        return sample->newly_lost > 0;
    }
    return bbr->loss_round_start && bbr->lost_ranges >= STARTUP_LOST_RANGES &&
           bbr_is_too_high(sample->lost, sample->tx_in_flight, true);
}

static void check_startup(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (bbr->state != BBR_STARTUP) {
        return;
    }
    if (!bbr->full_bw_reached && is_startup_lossy(bbr, sample)) {
        bbr->undo_state = BBR_STARTUP;
        bbr->full_bw_reached = true;
        bbr->inflight_longterm = max_u32(bbr_bdp(cc, bbr->bw, 100), bbr->inflight_latest);
    }
    if (bbr->full_bw_reached) {
        bbr->state = BBR_DRAIN;
        bbr->drain_start_round = bbr->round_count;
    }
}

/* 5.3.2. */
static void check_drain(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);
    bool slow = bbr->round_count - bbr->drain_start_round > DRAIN_ROUNDS_MAX;

    if (bbr->state == BBR_DRAIN && (slow || sample->in_flight <= bbr_inflight(cc, bbr->bw))) {
        bbr_start_down(cc, sample->now_ns);
    }
}

/* ---- ProbeRTT (5.3.4) ------------------------------------------------------------------------ */

static void leave_probe_rtt(struct cc *cc, uint64_t now_ns)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->probe_rtt_min_stamp_ns = now_ns;
    restore_cwnd(cc);
    bbr_reset_short_term(bbr);
    if (bbr->full_bw_reached) {
        bbr_start_down(cc, now_ns);
        bbr_start_cruise(bbr);
    } else {
        bbr_enter_startup(bbr);
    }
}

static void check_probe_rtt_done(struct cc *cc, uint64_t now_ns)
{
    uint64_t done_ns = bbr_of(cc)->probe_rtt_done_ns;

    if (done_ns != 0 && now_ns > done_ns) {
        leave_probe_rtt(cc, now_ns);
    }
}

static void enter_probe_rtt(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);

    bbr_save_cwnd(cc);
    bbr->state = BBR_PROBE_RTT;
    bbr->probe_rtt_done_ns = 0;
    bbr->ack_phase = BBR_ACKS_PROBE_STOPPING;
    bbr_start_round(bbr);
}

static void check_probe_rtt(struct cc *cc, struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (bbr->state != BBR_PROBE_RTT && bbr->probe_rtt_expired && !bbr->idle_restart) {
        enter_probe_rtt(cc);
    }
    if (bbr->state == BBR_PROBE_RTT) {
        sample->mark_limited = true; /* low on purpose */
        if (bbr->probe_rtt_done_ns == 0 && sample->in_flight <= bbr_probe_rtt_cwnd(cc)) {
            bbr->probe_rtt_done_ns = sample->now_ns + PROBE_RTT_NS;
            bbr->probe_rtt_round_done = false;
            bbr_start_round(bbr);
        } else if (bbr->probe_rtt_done_ns != 0) {
            bbr->probe_rtt_round_done |= bbr->round_start;
            if (bbr->probe_rtt_round_done) {
                check_probe_rtt_done(cc, sample->now_ns);
            }
        }
    }
    if (sample->newly > 0) {
        bbr->idle_restart = false;
    }
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* 5.2.3. */
static void on_sample(struct cc *cc, struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->delivered = sample->total;
    if (bbr->in_timeout && !sample->recovering) {
        bbr->in_timeout = false;
        bbr->has_undo = false;
        restore_cwnd(cc);
    }
    bbr_update_signals(cc, sample);
    bbr_update_aggregation(cc, sample);
    bbr_check_full_bw(bbr, sample);
    check_startup(cc, sample);
    check_drain(cc, sample);
    bbr_update_cycle(cc, sample);
    bbr_update_min_rtt(bbr, sample);
    check_probe_rtt(cc, sample);
    bbr_advance_signals(bbr, sample);
    bbr->bw = min_u64(bbr_max_bw(bbr), bbr->bw_shortterm);
    bbr_set_out(cc, sample);
}

/* OnEnterFastRecovery. Of a loss that no piece told of (a tail loss probe mended it) this is the
 * first word. */
static void on_loss(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    (void)flight;
    (void)now_ns;
    bbr_note_loss(cc);
    bbr_save_cwnd(cc);
    bbr_of(cc)->in_recovery = true;
}

static void on_recovered(struct cc *cc, uint64_t now_ns)
{
    (void)now_ns;
    bbr_of(cc)->in_recovery = false;
    bbr_of(cc)->has_undo = false;
    restore_cwnd(cc);
}

/* OnEnterRTO: everything is believed lost, nothing in flight. */
static void on_timeout(struct cc *cc, uint32_t flight, uint64_t now_ns)
{
    struct bbr *bbr = bbr_of(cc);

    (void)flight;
    (void)now_ns;
    bbr_note_loss(cc);
    bbr_save_cwnd(cc);
    bbr->in_recovery = false;
    bbr->in_timeout = true;
    cc->cwnd = cc->mss;
}

/* 5.4.1. */
static void on_idle(struct cc *cc, uint64_t now_ns)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->idle_restart = true;
    bbr->extra_acked_start_ns = now_ns;
    if (bbr_is_probing_bw_state(bbr)) {
        bbr_pace(cc, 100);
    } else if (bbr->state == BBR_PROBE_RTT) {
        check_probe_rtt_done(cc, now_ns);
    }
}

/* 5.5.11.2. */
static void on_spurious(struct cc *cc, uint64_t now_ns)
{
    struct bbr *bbr = bbr_of(cc);
    enum bbr_state undo = (enum bbr_state)bbr->undo_state;

    (void)now_ns;
    bbr->in_recovery = false;
    bbr->in_timeout = false;
    bbr->has_undo = false;
    restore_cwnd(cc);
    bbr->is_loss_in_round = false;
    bbr_reset_full_bw(bbr);
    bbr->bw_shortterm = max_u64(bbr->bw_shortterm, bbr->undo_bw_shortterm);
    bbr->inflight_shortterm = max_u32(bbr->inflight_shortterm, bbr->undo_inflight_shortterm);
    bbr->inflight_longterm = max_u32(bbr->inflight_longterm, bbr->undo_inflight_longterm);
    if (undo == BBR_STARTUP && bbr->state != BBR_STARTUP) {
        bbr->full_bw_reached = false;
        if (bbr->state != BBR_PROBE_RTT) {
            bbr_enter_startup(bbr);
        }
    } else if (undo == BBR_UP && bbr->state != BBR_UP && bbr->state != BBR_PROBE_RTT) {
        bbr_start_refill(bbr);
    }
    bbr->undo_state = BBR_NO_STATE;
}

const struct cc_table cc_bbr = {
    .name = "bbr",
    .state_bytes = sizeof(struct bbr),
    .init = init,
    .on_sample = on_sample,
    .on_lost = bbr_on_lost,
    .on_loss = on_loss,
    .on_recovered = on_recovered,
    .on_timeout = on_timeout,
    .on_idle = on_idle,
    .on_spurious = on_spurious,
};
