/* SPDX-License-Identifier: MIT */
/*
 * cc/bbr_out.c: what follows from BBR's model: pacing rate and window (draft-ietf-ccwg-bbr 5.6).
 *
 * 1. BBR.MinPipeCwnd <= cwnd <= CC_WINDOW_MAX after every sample.
 */
#include "cc/bbr.h"

#define PACING_MARGIN_PERCENT 1
#define HEADROOM_PERCENT      15
#define PROBE_RTT_CWND        50 /* percent of the BDP */
#define MIN_PIPE_SEGMENTS     4U
#define RTT_UNIT_NS           64 /* of products with rates: 200 Gbyte/s for 5 s fit 64 bits */

static const struct {
    uint16_t pacing_percent;
    uint16_t cwnd_percent;
} gains[] = {/* 5.6.1; 2.77 is 4 ln 2 */
             [BBR_STARTUP] = {277, 200},
             [BBR_DRAIN] = {50, 200},
             [BBR_DOWN] = {90, 200},
             [BBR_CRUISE] = {100, 200},
             [BBR_REFILL] = {100, 200},
             [BBR_UP] = {125, 225},
             [BBR_PROBE_RTT] = {100, PROBE_RTT_CWND}};

uint32_t bbr_min_cwnd(const struct cc *cc)
{
    return MIN_PIPE_SEGMENTS * cc->mss;
}

/* 5.6.4.2, BDPMultiple; at most CC_WINDOW_MAX. */
uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t percent)
{
    const struct bbr *bbr = bbr_in(cc);

    if (bbr->min_rtt_ns == BBR_NO_RTT) {
        return cc->initial_window;
    }
    uint64_t units = min_u64(bbr->min_rtt_ns, 5 * NS_PER_S) / RTT_UNIT_NS;
    uint64_t bytes = min_u64(bw, (uint64_t)200 * 1000000000) * units / (NS_PER_S / RTT_UNIT_NS);

    return (uint32_t)(min_u64(bytes, CC_WINDOW_MAX) * percent / 100 < CC_WINDOW_MAX
                          ? min_u64(bytes, CC_WINDOW_MAX) * percent / 100
                          : CC_WINDOW_MAX);
}

/* QuantizationBudget, with the offload budget of 5.5.8.1. */
static uint32_t with_quanta(const struct cc *cc, uint32_t inflight)
{
    inflight = max_u32(inflight, 3 * cc_send_quantum(cc));
    inflight = max_u32(inflight, bbr_min_cwnd(cc));
    return bbr_in(cc)->state == BBR_UP ? inflight + 2 * cc->mss : inflight;
}

uint32_t bbr_inflight(const struct cc *cc, uint64_t bw)
{
    return with_quanta(cc, bbr_bdp(cc, bw, 100));
}

/* 5.3.3.9, InflightWithHeadroom. */
uint32_t bbr_inflight_with_headroom(const struct cc *cc)
{
    uint32_t longterm = bbr_in(cc)->inflight_longterm;

    if (longterm == BBR_NO_INFLIGHT) {
        return BBR_NO_INFLIGHT;
    }
    uint32_t headroom = (uint32_t)((uint64_t)longterm * HEADROOM_PERCENT / 100);
    headroom = max_u32(headroom, cc->mss);
    return max_u32(longterm > headroom ? longterm - headroom : 0, bbr_min_cwnd(cc));
}

uint32_t bbr_target_inflight(const struct cc *cc)
{
    return min_u32(bbr_bdp(cc, bbr_in(cc)->bw, 100), cc->cwnd);
}

uint32_t bbr_probe_rtt_cwnd(const struct cc *cc)
{
    return max_u32(bbr_bdp(cc, bbr_in(cc)->bw, PROBE_RTT_CWND), bbr_min_cwnd(cc));
}

/* 5.6.2. Until the pipe was full once the pace does not fall. */
void bbr_pace(struct cc *cc, uint32_t percent)
{
    const struct bbr *bbr = bbr_in(cc);
    uint64_t bps = bbr->bw * 8 / 100 * percent / 100 * (100 - PACING_MARGIN_PERCENT);

    if (bps > 0 && (bbr->full_bw_reached || bps > cc->pacing_bps)) {
        cc->pacing_bps = bps;
    }
}

/* 5.6.4.7, BoundCwndForModel. */
static uint32_t model_cap(const struct cc *cc)
{
    const struct bbr *bbr = bbr_in(cc);
    uint32_t cap = BBR_NO_INFLIGHT;

    if (bbr->state == BBR_CRUISE || bbr->state == BBR_PROBE_RTT) {
        cap = bbr_inflight_with_headroom(cc);
    } else if (bbr_is_probing_bw_state(bbr)) {
        cap = bbr->inflight_longterm;
    }
    return max_u32(min_u32(cap, bbr->inflight_shortterm), bbr_min_cwnd(cc));
}

/* 5.6.4.6, SetCwnd. */
static void set_cwnd(struct cc *cc, const struct cc_sample *sample)
{
    const struct bbr *bbr = bbr_in(cc);
    uint32_t extra = max_u32(bbr->extra_acked.now, bbr->extra_acked.before);
    uint32_t model = bbr_bdp(cc, bbr->bw, gains[bbr->state].cwnd_percent) + extra;
    uint32_t most = min_u32(with_quanta(cc, model), CC_WINDOW_MAX); /* BBR.max_inflight */
    uint32_t grown = min_u32(cc->cwnd + sample->newly, CC_WINDOW_MAX);

    if (bbr->full_bw_reached) {
        cc->cwnd = min_u32(grown, most);
    } else if (cc->cwnd < most || sample->total < cc->initial_window) {
        cc->cwnd = grown;
    }
    cc->cwnd = max_u32(cc->cwnd, bbr_min_cwnd(cc));
    if (bbr->state == BBR_PROBE_RTT) {
        cc->cwnd = min_u32(cc->cwnd, bbr_probe_rtt_cwnd(cc));
    }
    cc->cwnd = min_u32(cc->cwnd, model_cap(cc));
}

void bbr_set_out(struct cc *cc, const struct cc_sample *sample)
{
    bbr_pace(cc, gains[bbr_in(cc)->state].pacing_percent);
    set_cwnd(cc, sample);
}
