/* SPDX-License-Identifier: MIT */
/*
 * cc/bbr_probe.c: the cycle of BBR's ProbeBW, and how far it may reach (draft-ietf-ccwg-bbr 5.3.3,
 * 5.5.10.2).
 *
 *   state   event                                                   next    by
 *   DOWN    the queue is drained and headroom left                  CRUISE  bbr_update_cycle
 *   DOWN    time to probe                                           REFILL  bbr_update_cycle
 *   CRUISE  time to probe                                           REFILL  bbr_update_cycle
 *   REFILL  a round trip is over                                    UP      bbr_update_cycle
 *   UP      no more bandwidth, or the risky volume is reached again DOWN    bbr_update_cycle
 *   UP      more than 2 % are lost                                  DOWN    bbr_on_lost
 *   DOWN    the cautious probe went well                            REFILL  adapt_long_term
 */
#include "cc/bbr.h"

#define BETA_PERCENT     70
#define RENO_ROUNDS_MAX  63
#define UP_ROUNDS_MAX    30
#define PROBE_WAIT_NS    (2 * NS_PER_S) /* and up to a second more */
#define LOSS_PREFIX_DOWN 98             /* percent: 1 - LossThresh */

static uint32_t draw(struct bbr *bbr)
{
    uint32_t x = bbr->random;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    bbr->random = x;
    return x;
}

/* ---- The states ------------------------------------------------------------------------------ */

void bbr_start_down(struct cc *cc, uint64_t now_ns)
{
    struct bbr *bbr = bbr_of(cc);

    bbr_reset_congestion_signals(bbr);
    bbr->probe_up_acked_per_inc = BBR_NO_INFLIGHT;
    bbr->rounds_since_probe_up = draw(bbr) >> 31; /* PickProbeWait, 5.3.3.8.3 */
    bbr->bw_probe_wait_ns = PROBE_WAIT_NS + (uint64_t)draw(bbr) * NS_PER_S / UINT32_MAX;
    bbr->cycle_stamp_ns = now_ns;
    bbr->ack_phase = BBR_ACKS_PROBE_STOPPING;
    bbr_start_round(bbr);
    bbr->state = BBR_DOWN;
}

void bbr_start_cruise(struct bbr *bbr)
{
    bbr->state = BBR_CRUISE;
}

void bbr_start_refill(struct bbr *bbr)
{
    bbr_reset_short_term(bbr);
    bbr->bw_probe_up_rounds = 0;
    bbr->bw_probe_up_acked = 0;
    bbr->prev_probe_precautionary = false;
    bbr->ack_phase = BBR_ACKS_REFILLING;
    bbr_start_round(bbr);
    bbr->state = BBR_REFILL;
}

/* RaiseInflightLongtermSlope: the increase doubles with each round. */
static void raise_slope(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);
    uint32_t growth = (uint32_t)1 << bbr->bw_probe_up_rounds;

    bbr->bw_probe_up_rounds = min_u32(bbr->bw_probe_up_rounds + 1, UP_ROUNDS_MAX);
    bbr->probe_up_acked_per_inc = max_u32(cc->cwnd / growth, cc->mss);
}

static void start_up(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->ack_phase = BBR_ACKS_PROBE_STARTING;
    bbr_start_round(bbr);
    bbr_reset_full_bw(bbr);
    bbr->full_bw = sample->rate;
    bbr->state = BBR_UP;
    raise_slope(cc);
}

/* ---- When to go on --------------------------------------------------------------------------- */

/* IsRenoCoexistenceProbeTime counts the target in segments: a Reno flow of that window would probe
 * as often. */
static bool is_time_to_probe(const struct cc *cc, uint64_t now_ns)
{
    const struct bbr *bbr = bbr_in(cc);
    uint32_t rounds = min_u32(bbr_target_inflight(cc) / cc->mss, RENO_ROUNDS_MAX);

    return now_ns > bbr->cycle_stamp_ns + bbr->bw_probe_wait_ns ||
           bbr->rounds_since_probe_up >= rounds;
}

static bool is_time_to_cruise(const struct cc *cc, uint32_t in_flight)
{
    return in_flight <= bbr_inflight_with_headroom(cc) &&
           in_flight <= bbr_inflight(cc, bbr_max_bw(bbr_in(cc)));
}

static bool is_time_to_go_down(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (bbr->prev_probe_too_high && sample->in_flight >= bbr->inflight_longterm) {
        bbr->prev_probe_precautionary = true;
        return true;
    }
    if (bbr_cwnd_limited(bbr) && cc->cwnd >= bbr->inflight_longterm) {
        bbr_reset_full_bw(bbr); /* the volume, not the path, is what limits */
        bbr->full_bw = sample->rate;
        return false;
    }
    return bbr->full_bw_now;
}

/* ---- How far it may reach -------------------------------------------------------------------- */

/* ProbeInflightLongtermUpward. */
static void probe_upward(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (!bbr_cwnd_limited(bbr) || cc->cwnd < bbr->inflight_longterm) {
        return;
    }
    bbr->bw_probe_up_acked += sample->newly;
    if (bbr->bw_probe_up_acked >= bbr->probe_up_acked_per_inc) {
        uint64_t steps = bbr->bw_probe_up_acked / bbr->probe_up_acked_per_inc;
        uint64_t raised = bbr->inflight_longterm + steps * cc->mss;

        bbr->bw_probe_up_acked %= bbr->probe_up_acked_per_inc;
        bbr->inflight_longterm = (uint32_t)min_u64(raised, CC_WINDOW_MAX);
    }
    if (bbr->round_start) {
        raise_slope(cc);
    }
}

/* AdaptLongTermModel. true: the state was decided. */
static bool adapt_long_term(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (bbr->ack_phase == BBR_ACKS_PROBE_STARTING && bbr->round_start) {
        bbr->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
    }
    if (bbr->ack_phase == BBR_ACKS_PROBE_STOPPING && bbr->round_start) {
        bool in_cycle = bbr_is_probing_bw_state(bbr);

        bbr->is_bw_probe_sample = false;
        bbr->ack_phase = BBR_ACKS_INIT;
        if (in_cycle && !sample->app_limited) {
            bbr_advance_max_bw(bbr);
        }
        if (in_cycle && bbr->prev_probe_precautionary && !bbr->prev_probe_too_high) {
            bbr_start_refill(bbr);
            return true;
        }
    }
    bool safe = !bbr_is_too_high(sample->lost, sample->tx_in_flight, sample->has_sack);
    if (safe && bbr->inflight_longterm != BBR_NO_INFLIGHT) {
        bbr->inflight_longterm = max_u32(bbr->inflight_longterm, sample->tx_in_flight);
        if (bbr->state == BBR_UP) {
            probe_upward(cc, sample);
        }
    }
    return false;
}

/* UpdateProbeBWCyclePhase. */
void bbr_update_cycle(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    if (!bbr->full_bw_reached || adapt_long_term(cc, sample)) {
        return;
    }
    switch ((enum bbr_state)bbr->state) {
    case BBR_DOWN:
    case BBR_CRUISE:
        if (is_time_to_probe(cc, sample->now_ns)) {
            bbr_start_refill(bbr);
        } else if (bbr->state == BBR_DOWN && is_time_to_cruise(cc, sample->in_flight)) {
            bbr_start_cruise(bbr);
        }
        break;
    case BBR_REFILL:
        if (bbr->round_start) {
            bbr->is_bw_probe_sample = true;
            start_up(cc, sample);
        }
        break;
    case BBR_UP:
        if (is_time_to_go_down(cc, sample)) {
            bbr->prev_probe_too_high = false;
            bbr_start_down(cc, sample->now_ns);
        }
        break;
    case BBR_STARTUP:
    case BBR_DRAIN:
    case BBR_PROBE_RTT:
    case BBR_NO_STATE:
        break;
    }
}

/* ---- Losses ---------------------------------------------------------------------------------- */

/* InflightAtLoss: at what volume in flight, within the piece that was lost, did losses cross the
 * threshold? */
static uint32_t inflight_at_loss(const struct cc_lost *lost)
{
    uint32_t flight_before = lost->tx_in_flight - min_u32(lost->bytes, lost->tx_in_flight);
    uint32_t lost_before = lost->lost - min_u32(lost->bytes, lost->lost);
    uint64_t budget = (uint64_t)flight_before * (100 - LOSS_PREFIX_DOWN);
    uint64_t spent = (uint64_t)lost_before * 100;
    uint64_t prefix = budget > spent ? (budget - spent) / LOSS_PREFIX_DOWN : 0;

    return (uint32_t)min_u64(flight_before + prefix, CC_WINDOW_MAX);
}

/* HandleInflightTooHigh. */
static void on_too_high(struct cc *cc, const struct cc_lost *lost)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->prev_probe_too_high = true;
    bbr->is_bw_probe_sample = false;
    if (!lost->app_limited) {
        uint64_t least = (uint64_t)bbr_target_inflight(cc) * BETA_PERCENT / 100;

        bbr->inflight_longterm = max_u32(inflight_at_loss(lost), (uint32_t)least);
    }
    if (bbr->state == BBR_UP) {
        bbr->undo_state = BBR_UP;
        bbr_start_down(cc, lost->now_ns);
    }
}

void bbr_on_lost(struct cc *cc, const struct cc_lost *lost)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->delivered = lost->total;
    bbr_note_loss(cc);
    if (bbr->lost_ranges == 0 || lost->seq != bbr->last_lost_end) {
        bbr->lost_ranges = (uint8_t)min_u32(bbr->lost_ranges + 1U, UINT8_MAX);
    }
    bbr->last_lost_end = lost->seq + lost->bytes;
    if (bbr->is_bw_probe_sample &&
        bbr_is_too_high(lost->lost, lost->tx_in_flight, lost->has_sack)) {
        on_too_high(cc, lost);
    }
}
