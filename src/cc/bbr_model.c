/* SPDX-License-Identifier: MIT */
/*
 * cc/bbr_model.c: what BBR believes of the path (draft-ietf-ccwg-bbr 5.5).
 */
#include "cc/bbr.h"

#define LOSS_THRESH_PERCENT 2
#define BETA_PERCENT        70
#define FULL_BW_ROUNDS      3
#define MIN_RTT_FILTER_NS   (10 * NS_PER_S)
#define PROBE_RTT_EVERY_NS  (5 * NS_PER_S)
#define EXTRA_ROUNDS        5 /* of each of the two spans: half of ExtraAckedFilterLen */

/* 5.2.1, OnInit, what is not 0. */
void bbr_model_init(struct cc *cc, const struct cc_start *start)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->min_rtt_ns = start->srtt_ns != 0 ? start->srtt_ns : BBR_NO_RTT;
    bbr->min_rtt_stamp_ns = start->now_ns;
    bbr->probe_rtt_min_ns = bbr->min_rtt_ns;
    bbr->probe_rtt_min_stamp_ns = start->now_ns;
    bbr->extra_acked_start_ns = start->now_ns;
    bbr->inflight_longterm = BBR_NO_INFLIGHT;
    bbr->probe_up_acked_per_inc = BBR_NO_INFLIGHT;
    bbr_reset_short_term(bbr);
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

/* Counts modulo 2^32, less than half of that apart. */
static bool is_past(uint32_t delivered, uint32_t mark)
{
    return (int32_t)(delivered - mark) >= 0;
}

void bbr_start_round(struct bbr *bbr)
{
    bbr->next_round_delivered = bbr->delivered;
}

/* 5.5.1. */
static void update_round(struct bbr *bbr, const struct cc_sample *sample)
{
    bbr->round_start = sample->has_prior && is_past(sample->prior, bbr->next_round_delivered);
    if (bbr->round_start) {
        bbr_start_round(bbr);
        bbr->round_count++;
        bbr->rounds_since_probe_up++;
        bbr->was_cwnd_limited = bbr->is_cwnd_limited;
        bbr->is_cwnd_limited = false;
    }
    bbr->is_cwnd_limited |= sample->cwnd_limited;
}

/* ---- Bandwidth ------------------------------------------------------------------------------- */

/* 5.5.5. */
static void update_max_bw(struct bbr *bbr, const struct cc_sample *sample)
{
    update_round(bbr, sample);
    if (sample->rate > 0 && (sample->rate >= bbr_max_bw(bbr) || !sample->app_limited)) {
        bbr->max_bw[1] = max_u64(bbr->max_bw[1], sample->rate);
    }
}

/* 5.5.6. A cycle without a sample says nothing: the one before is remembered instead. */
void bbr_advance_max_bw(struct bbr *bbr)
{
    if (bbr->max_bw[1] != 0) {
        bbr->max_bw[0] = bbr->max_bw[1];
        bbr->max_bw[1] = 0;
    }
}

void bbr_reset_full_bw(struct bbr *bbr)
{
    bbr->full_bw = 0;
    bbr->full_bw_count = 0;
    bbr->full_bw_now = false;
}

/* 5.3.1.2. */
void bbr_check_full_bw(struct bbr *bbr, const struct cc_sample *sample)
{
    if (bbr->full_bw_now || !bbr->round_start || sample->app_limited) {
        return;
    }
    if (sample->rate >= bbr->full_bw + bbr->full_bw / 4) {
        bbr_reset_full_bw(bbr);
        bbr->full_bw = sample->rate;
        return;
    }
    bbr->full_bw_count++;
    bbr->full_bw_now = bbr->full_bw_count >= FULL_BW_ROUNDS;
    bbr->full_bw_reached |= bbr->full_bw_now;
}

/* ---- Losses (5.5.10) ------------------------------------------------------------------------- */

bool bbr_is_too_high(uint32_t lost, uint32_t tx_in_flight, bool has_sack)
{
    bool much = (uint64_t)lost * 100 > (uint64_t)tx_in_flight * LOSS_THRESH_PERCENT;
    return much || (lost > 0 && !has_sack);
}

/* What may have to be undone is saved once, where an episode of losses begins (5.5.11): NoteLoss in
 * the draft's code does so in each of its rounds, and would forget what the first one changed. */
void bbr_note_loss(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);

    if (!bbr->is_loss_in_round) {
        bbr->loss_round_delivered = bbr->delivered;
    }
    if (!bbr->has_undo) {
        bbr_save_state(cc);
    }
    bbr->is_loss_in_round = true;
}

void bbr_reset_congestion_signals(struct bbr *bbr)
{
    bbr->is_loss_in_round = false;
    bbr->bw_latest = 0;
    bbr->inflight_latest = 0;
}

void bbr_reset_short_term(struct bbr *bbr)
{
    bbr->bw_shortterm = BBR_NO_BW;
    bbr->inflight_shortterm = BBR_NO_INFLIGHT;
}

/* AdaptLowerBoundsFromCongestion, 5.5.10.3. */
static void adapt_lower_bounds(struct cc *cc)
{
    struct bbr *bbr = bbr_of(cc);
    bool probing = bbr->state == BBR_STARTUP || bbr->state == BBR_REFILL || bbr->state == BBR_UP;

    if (probing || !bbr->is_loss_in_round) {
        return;
    }
    if (bbr->bw_shortterm == BBR_NO_BW) {
        bbr->bw_shortterm = bbr_max_bw(bbr);
    }
    if (bbr->inflight_shortterm == BBR_NO_INFLIGHT) {
        bbr->inflight_shortterm = cc->cwnd;
    }
    uint64_t inflight = (uint64_t)bbr->inflight_shortterm * BETA_PERCENT / 100;
    bbr->bw_shortterm = max_u64(bbr->bw_latest, bbr->bw_shortterm / 100 * BETA_PERCENT);
    bbr->inflight_shortterm = max_u32(bbr->inflight_latest, (uint32_t)inflight);
}

/* UpdateLatestDeliverySignals and UpdateCongestionSignals. */
void bbr_update_signals(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);

    bbr->bw_latest = max_u64(bbr->bw_latest, sample->rate);
    bbr->inflight_latest = max_u32(bbr->inflight_latest, sample->delivered);
    bbr->loss_round_start = sample->has_prior && is_past(sample->prior, bbr->loss_round_delivered);
    if (bbr->loss_round_start) {
        bbr->loss_round_delivered = bbr->delivered;
    }
    update_max_bw(bbr, sample);
    if (bbr->loss_round_start) {
        adapt_lower_bounds(cc);
        bbr->is_loss_in_round = false;
    }
}

/* AdvanceLatestDeliverySignals. */
void bbr_advance_signals(struct bbr *bbr, const struct cc_sample *sample)
{
    if (bbr->loss_round_start) {
        bbr->bw_latest = sample->rate;
        bbr->inflight_latest = sample->delivered;
        bbr->lost_ranges = 0;
    }
}

/* ---- Aggregation (5.5.9) and round-trip time (5.3.4.3) --------------------------------------- */

static void keep_extra(struct bbr *bbr, uint32_t extra)
{
    struct bbr_extra *filter = &bbr->extra_acked;
    uint32_t rounds = bbr->full_bw_reached ? EXTRA_ROUNDS : 1;

    if (bbr->round_count - filter->round >= rounds) {
        filter->before = filter->now;
        filter->now = 0;
        filter->round = bbr->round_count;
    }
    filter->now = max_u32(filter->now, extra);
}

void bbr_update_aggregation(struct cc *cc, const struct cc_sample *sample)
{
    struct bbr *bbr = bbr_of(cc);
    uint64_t interval_ns = min_u64(sample->now_ns - bbr->extra_acked_start_ns, NS_PER_S * 16);
    uint64_t expected = bbr->bw / 1000 * (interval_ns / 1000) / 1000; /* 16 Tbyte/s * 16 s fit */

    if (bbr->extra_acked_delivered <= expected) {
        bbr->extra_acked_delivered = 0;
        bbr->extra_acked_start_ns = sample->now_ns;
        expected = 0;
    }
    bbr->extra_acked_delivered += sample->newly;
    uint32_t extra = bbr->extra_acked_delivered - (uint32_t)expected;
    keep_extra(bbr, min_u32(extra, cc->cwnd));
}

void bbr_update_min_rtt(struct bbr *bbr, const struct cc_sample *sample)
{
    uint64_t now_ns = sample->now_ns;

    bbr->probe_rtt_expired = now_ns > bbr->probe_rtt_min_stamp_ns + PROBE_RTT_EVERY_NS;
    if (sample->rtt_ns != 0 && (sample->rtt_ns < bbr->probe_rtt_min_ns || bbr->probe_rtt_expired)) {
        bbr->probe_rtt_min_ns = sample->rtt_ns;
        bbr->probe_rtt_min_stamp_ns = now_ns;
    }
    bool expired = now_ns > bbr->min_rtt_stamp_ns + MIN_RTT_FILTER_NS;
    if (bbr->probe_rtt_min_ns < bbr->min_rtt_ns || expired) {
        bbr->min_rtt_ns = bbr->probe_rtt_min_ns;
        bbr->min_rtt_stamp_ns = bbr->probe_rtt_min_stamp_ns;
    }
}
