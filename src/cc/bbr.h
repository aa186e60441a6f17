/* SPDX-License-Identifier: MIT */
/*
 * BBR version 3 (draft-ietf-ccwg-bbr), for the table in cc.c, and between its own files:
 *
 *   bbr.c        the table; Startup, Drain and ProbeRTT; loss recovery, its undoing, idle restart
 *   bbr_model.c  what is believed of the path: bandwidth, round trip, aggregation, safe volumes
 *   bbr_probe.c  the cycle of ProbeBW
 *   bbr_out.c    what follows from it: pacing rate and window
 *
 * Names are the draft's. Volumes are in bytes, rates in bytes per second; counts of delivered bytes
 * are modulo 2^32. ECN is left out, as in the draft (3.7).
 */
#ifndef CC_BBR_H
#define CC_BBR_H

#include "cc/cc.h"

#define BBR_NO_INFLIGHT UINT32_MAX /* Infinity */
#define BBR_NO_BW       UINT64_MAX
#define BBR_NO_RTT      UINT64_MAX

enum bbr_state {
    BBR_STARTUP,
    BBR_DRAIN,
    BBR_DOWN,
    BBR_CRUISE,
    BBR_REFILL,
    BBR_UP,
    BBR_PROBE_RTT,
    BBR_NO_STATE /* of undo_state */
};

enum bbr_ack_phase { /* draft 2.14 */
                     BBR_ACKS_INIT,
                     BBR_ACKS_REFILLING,
                     BBR_ACKS_PROBE_STARTING,
                     BBR_ACKS_PROBE_FEEDBACK,
                     BBR_ACKS_PROBE_STOPPING
};

/* The most of the last 5 to 10 rounds, or in Startup of the last 1 to 2. */
struct bbr_extra {
    uint32_t now;
    uint32_t before;
    uint32_t round; /* round_count when `now` began */
};

struct bbr {
    /* the path (2.9, 2.11) */
    uint64_t max_bw[2]; /* the most of the last cycle, and of this one */
    uint64_t bw;
    uint64_t bw_latest;
    uint64_t bw_shortterm;
    uint64_t full_bw;
    uint64_t min_rtt_ns;
    uint64_t min_rtt_stamp_ns;
    uint64_t probe_rtt_min_ns;
    uint64_t probe_rtt_min_stamp_ns;
    uint64_t probe_rtt_done_ns; /* 0: not yet known */
    uint64_t cycle_stamp_ns;
    uint64_t bw_probe_wait_ns;
    uint64_t extra_acked_start_ns;
    struct bbr_extra extra_acked;
    uint32_t extra_acked_delivered;
    uint32_t inflight_latest;
    uint32_t inflight_shortterm;
    uint32_t inflight_longterm;
    /* rounds (5.5.1) */
    uint32_t delivered; /* C.delivered, as last told */
    uint32_t round_count;
    uint32_t next_round_delivered;
    uint32_t loss_round_delivered;
    uint32_t rounds_since_probe_up;
    uint32_t drain_start_round;
    /* probing upwards */
    uint32_t bw_probe_up_acked;
    uint32_t probe_up_acked_per_inc;
    uint32_t bw_probe_up_rounds;
    /* losses and their undoing */
    uint32_t prior_cwnd;
    uint32_t undo_inflight_shortterm;
    uint32_t undo_inflight_longterm;
    uint64_t undo_bw_shortterm;
    uint32_t last_lost_end; /* of the last piece believed lost */
    uint32_t random;        /* xorshift; never 0 */
    uint8_t lost_ranges;    /* of this round, apart from each other */
    uint8_t full_bw_count;
    uint8_t state;      /* enum bbr_state */
    uint8_t undo_state; /* enum bbr_state */
    uint8_t ack_phase;  /* enum bbr_ack_phase */
    bool round_start : 1;
    bool loss_round_start : 1;
    bool is_loss_in_round : 1;
    bool full_bw_reached : 1;
    bool full_bw_now : 1;
    bool is_bw_probe_sample : 1;
    bool prev_probe_too_high : 1;
    bool prev_probe_precautionary : 1;
    bool probe_rtt_expired : 1;
    bool probe_rtt_round_done : 1;
    bool idle_restart : 1;
    bool in_recovery : 1;
    bool has_undo : 1; /* the undo members are those of the losses under way */
    bool in_timeout : 1;
    bool was_cwnd_limited : 1; /* in the last round */
    bool is_cwnd_limited : 1;  /* in this one */
};

extern const struct cc_table cc_bbr;

static inline struct bbr *bbr_of(struct cc *cc)
{
    return cc->state;
}
static inline const struct bbr *bbr_in(const struct cc *cc)
{
    return cc->state;
}
static inline bool bbr_is_probing_bw_state(const struct bbr *bbr) /* IsInAProbeBWState */
{
    return bbr->state >= BBR_DOWN && bbr->state <= BBR_UP;
}
static inline uint64_t bbr_max_bw(const struct bbr *bbr)
{
    return max_u64(bbr->max_bw[0], bbr->max_bw[1]);
}
static inline bool bbr_cwnd_limited(const struct bbr *bbr) /* C.is_cwnd_limited */
{
    return bbr->is_cwnd_limited || bbr->was_cwnd_limited;
}

/* bbr.c */
void bbr_save_cwnd(struct cc *cc);
void bbr_save_state(struct cc *cc); /* SaveStateUponLoss */
void bbr_enter_startup(struct bbr *bbr);

/* bbr_model.c */
void bbr_model_init(struct cc *cc, const struct cc_start *start);
void bbr_start_round(struct bbr *bbr);
void bbr_reset_full_bw(struct bbr *bbr);
void bbr_reset_congestion_signals(struct bbr *bbr);
void bbr_reset_short_term(struct bbr *bbr);
void bbr_update_signals(struct cc *cc, const struct cc_sample *sample);
void bbr_update_aggregation(struct cc *cc, const struct cc_sample *sample);
void bbr_check_full_bw(struct bbr *bbr, const struct cc_sample *sample);
void bbr_update_min_rtt(struct bbr *bbr, const struct cc_sample *sample);
void bbr_advance_signals(struct bbr *bbr, const struct cc_sample *sample);
void bbr_advance_max_bw(struct bbr *bbr);
/* A loss of LOST in TX_IN_FLIGHT bytes is more than the path may be asked to bear. */
bool bbr_is_too_high(uint32_t lost, uint32_t tx_in_flight, bool has_sack);
void bbr_note_loss(struct cc *cc);

/* bbr_probe.c */
void bbr_start_down(struct cc *cc, uint64_t now_ns);
void bbr_start_cruise(struct bbr *bbr);
void bbr_start_refill(struct bbr *bbr);
void bbr_update_cycle(struct cc *cc, const struct cc_sample *sample);
void bbr_on_lost(struct cc *cc, const struct cc_lost *lost); /* HandleLostPacket */

/* bbr_out.c */
uint32_t bbr_min_cwnd(const struct cc *cc);                           /* BBR.MinPipeCwnd */
uint32_t bbr_bdp(const struct cc *cc, uint64_t bw, uint32_t percent); /* BDPMultiple */
uint32_t bbr_inflight(const struct cc *cc, uint64_t bw);              /* Inflight(1.0) */
uint32_t bbr_inflight_with_headroom(const struct cc *cc);
uint32_t bbr_target_inflight(const struct cc *cc);
uint32_t bbr_probe_rtt_cwnd(const struct cc *cc);
void bbr_pace(struct cc *cc, uint32_t percent);                  /* SetPacingRateWithGain */
void bbr_set_out(struct cc *cc, const struct cc_sample *sample); /* UpdateControlParameters */

#endif
