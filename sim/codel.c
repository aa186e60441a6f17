/* SPDX-License-Identifier: MIT */
/*
 * sim/codel.c: the control law in whole numbers, so that every machine has the same run.
 */
#include "sim/codel.h"

#include "base/bytes.h"

#define TARGET_NS   (5 * NS_PER_MS)
#define INTERVAL_NS (100 * NS_PER_MS)
#define COUNT_MAX   (1U << 20)

void codel_init(struct codel *codel)
{
    *codel = (struct codel){.target_ns = TARGET_NS, .interval_ns = INTERVAL_NS};
}

/* The square root of VALUE, rounded down, 256 times as fine: of VALUE << 16. */
static uint64_t root_256(uint64_t value)
{
    uint64_t root = 0;

    value <<= 16;
    for (uint64_t bit = UINT64_C(1) << 40; bit > 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= value) {
            root |= bit;
        }
    }
    return root;
}

/* RFC 8289 5.3 */
static uint64_t control_law(const struct codel *codel, uint64_t from_ns)
{
    return from_ns + codel->interval_ns * 256 / root_256(codel->count);
}

/* RFC 8289 5.5: has the delay been above the target for an interval? */
static bool is_above(struct codel *codel, uint64_t sojourn_ns, bool is_last, uint64_t now_ns)
{
    if (sojourn_ns < codel->target_ns || is_last) {
        codel->first_above_ns = 0;
        return false;
    }
    if (codel->first_above_ns == 0) {
        codel->first_above_ns = now_ns + codel->interval_ns;
        return false;
    }
    return now_ns >= codel->first_above_ns;
}

static void begin_dropping(struct codel *codel, uint64_t now_ns)
{
    uint32_t delta = codel->count - codel->last_count;
    bool is_soon = now_ns - codel->drop_next_ns < 16 * codel->interval_ns;

    codel->is_dropping = true;
    codel->count = delta > 1 && is_soon ? delta : 1;
    codel->last_count = codel->count;
    codel->drop_next_ns = control_law(codel, now_ns);
}

bool codel_hits(struct codel *codel, uint64_t sojourn_ns, bool is_last, uint64_t now_ns)
{
    if (!is_above(codel, sojourn_ns, is_last, now_ns)) {
        codel->is_dropping = false;
        return false;
    }
    if (!codel->is_dropping) {
        begin_dropping(codel, now_ns);
        return true;
    }
    if (now_ns < codel->drop_next_ns) {
        return false;
    }
    codel->count = min_u32(codel->count + 1, COUNT_MAX);
    codel->drop_next_ns = control_law(codel, codel->drop_next_ns);
    return true;
}
