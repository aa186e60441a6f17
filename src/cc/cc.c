/* SPDX-License-Identifier: MIT */
/*
 * cc/cc.c: the table of controllers, and how one is started. Called by tcp/ and by the stack's
 * configuration.
 */
#include "cc/cc.h"

#include "base/check.h"
#include "cc/bbr.h"
#include "cc/cubic.h"
#include "cc/newreno.h"

#define ORDINARY_MSS 1460U /* RFC 6928 2 */

_Static_assert(sizeof(struct cubic) <= sizeof((struct cc){0}.words), "no controller's state grows");

static const struct cc_table *const controllers[] = {
    &cc_cubic,
    &cc_newreno,
    &cc_bbr,
};

const struct cc_table *cc_at(uint32_t i)
{
    return i < sizeof controllers / sizeof controllers[0] ? controllers[i] : NULL;
}

const struct cc_table *cc_find(const char *name)
{
    const struct cc_table *table;

    for (uint32_t i = 0; (table = cc_at(i)) != NULL; i++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

uint32_t cc_state_bytes_max(void)
{
    const struct cc_table *table;
    uint32_t most = 0;

    for (uint32_t i = 0; (table = cc_at(i)) != NULL; i++) {
        most = max_u32(most, table->state_bytes);
    }
    return most;
}

/* RFC 6928 2. */
static uint32_t initial_window(uint32_t mss, uint32_t segments)
{
    uint64_t segments_bytes = (uint64_t)mss * segments;
    uint64_t ordinary_bytes = (uint64_t)ORDINARY_MSS * segments;
    uint64_t window = min_u64(segments_bytes, max_u64(2 * (uint64_t)mss, ordinary_bytes));

    BERTH_CHECK(mss > 0 && segments > 0);
    return (uint32_t)min_u64(window, CC_WINDOW_MAX);
}

void cc_init(struct cc *cc, const struct cc_table *table, uint32_t mss, uint32_t initial_segments,
             const struct cc_start *start)
{
    uint32_t window_bytes = initial_window(mss, initial_segments);

    *cc = (struct cc){
        .table = table,
        .cwnd = window_bytes,
        .ssthresh = UINT32_MAX,
        .mss = mss,
        .initial_window = window_bytes,
        .prior_cwnd = window_bytes,
        .prior_ssthresh = UINT32_MAX,
    };
    table->init(cc, start);
}

void cc_switch(struct cc *cc, const struct cc_table *table, const struct cc_start *start)
{
    memset(cc->words, 0, sizeof cc->words);
    cc->table = table;
    cc->pacing_bps = 0;
    table->init(cc, start);
}

static uint8_t number_of(const struct cc_table *table)
{
    uint8_t number = 0;

    while (cc_at(number) != table) {
        BERTH_CHECK(cc_at(number) != NULL);
        number++;
    }
    return number;
}

void cc_lay_down(const struct cc *cc, struct cc_rest *rest)
{
    *rest = (struct cc_rest){
        .cwnd = cc->cwnd,
        .ssthresh = cc->ssthresh,
        .prior_cwnd = cc->prior_cwnd,
        .number = number_of(cc->table),
    };
    if (cc->table->rest != NULL) {
        cc->table->rest(cc, rest);
    }
}

void cc_take_up(struct cc *cc, const struct cc_rest *rest, uint32_t mss, uint32_t initial_segments)
{
    *cc = (struct cc){
        .table = cc_at(rest->number),
        .cwnd = rest->cwnd,
        .ssthresh = rest->ssthresh,
        .mss = mss,
        .initial_window = initial_window(mss, initial_segments),
        .prior_cwnd = rest->prior_cwnd,
        .prior_ssthresh = rest->ssthresh,
    };
    cc->table->wake(cc, rest);
}

uint32_t cc_slow_start_bytes(const struct cc *cc, const struct cc_ack *ack, uint32_t segments,
                             bool careful)
{
    if (careful) {
        return min_u32(ack->acked, max_u32(cc->mss, min_u32(ack->acked, ack->burst) / 2));
    }
    return min_u32(ack->acked, max_u32(segments * cc->mss, ack->burst));
}

void cc_restart(struct cc *cc)
{
    if (cc->ssthresh != UINT32_MAX) {
        cc->ssthresh = max_u32(cc->ssthresh, cc->cwnd / 4 * 3);
    }
    cc->cwnd = min_u32(cc->cwnd, cc->initial_window); /* RW = min(IW, cwnd) */
}
