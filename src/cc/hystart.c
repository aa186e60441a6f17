/* SPDX-License-Identifier: MIT */
/*
 * cc/hystart.c: HyStart++ (hystart.h). Called by controllers.
 *
 * 1. Times are in microseconds, UNKNOWN is RFC 9406's infinity: the thresholds are in milliseconds,
 *    and so the state is 16 bytes.
 * 2. The ACK that ends a round is its last: its sample counts there, then the round is closed.
 *
 * A sender whose segments are super-segments gets few ACKs a round; below eight samples nothing is
 * judged (N_RTT_SAMPLE), and slow start goes on as RFC 5681 has it.
 */
#include "cc/hystart.h"

#define UNKNOWN           UINT32_MAX
#define RISE_US_MIN       4000U  /* MIN_RTT_THRESH */
#define RISE_US_MAX       16000U /* MAX_RTT_THRESH */
#define RISE_DIVISOR      8U     /* MIN_RTT_DIVISOR */
#define SAMPLES_MIN       8      /* N_RTT_SAMPLE */
#define CSS_GROWTH_FACTOR 4U     /* CSS_GROWTH_DIVISOR */
#define CSS_ROUNDS        5

void hystart_init(struct hystart *hystart)
{
    *hystart =
        (struct hystart){.last_min_us = UNKNOWN, .round_min_us = UNKNOWN, .baseline_us = UNKNOWN};
}

static void take_sample(struct hystart *hystart, uint64_t rtt_ns)
{
    uint32_t rtt_us = (uint32_t)min_u64(rtt_ns / NS_PER_US, UNKNOWN - 1);

    hystart->round_min_us = min_u32(hystart->round_min_us, rtt_us);
    if (hystart->samples < SAMPLES_MIN) {
        hystart->samples++;
    }
}

static bool has_risen(const struct hystart *hystart)
{
    if (hystart->last_min_us == UNKNOWN) {
        return false;
    }
    uint32_t rise = min_u32(hystart->last_min_us / RISE_DIVISOR, RISE_US_MAX);
    return hystart->round_min_us >= (uint64_t)hystart->last_min_us + max_u32(rise, RISE_US_MIN);
}

static void judge(struct hystart *hystart)
{
    if (hystart->samples < SAMPLES_MIN) {
        return;
    }
    if (!hystart->is_css && has_risen(hystart)) {
        hystart->is_css = true;
        hystart->css_rounds = 0;
        hystart->baseline_us = hystart->round_min_us;
    } else if (hystart->is_css && hystart->round_min_us < hystart->baseline_us) {
        hystart->is_css = false; /* the rise was not ours */
        hystart->baseline_us = UNKNOWN;
    }
}

static void end_round(struct hystart *hystart)
{
    hystart->last_min_us = hystart->round_min_us;
    hystart->round_min_us = UNKNOWN;
    hystart->samples = 0;
    if (hystart->is_css) {
        hystart->css_rounds++;
    }
}

uint32_t hystart_on_ack(struct hystart *hystart, const struct cc_ack *ack)
{
    uint32_t divisor = hystart->is_css ? CSS_GROWTH_FACTOR : 1;

    if (ack->rtt_ns != 0) {
        take_sample(hystart, ack->rtt_ns);
        judge(hystart);
    }
    if (ack->round_start) {
        end_round(hystart);
    }
    return hystart->is_css && hystart->css_rounds >= CSS_ROUNDS ? 0 : divisor;
}
