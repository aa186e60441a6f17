/* SPDX-License-Identifier: MIT */
/*
 * run/spare.c: see run/spare.h.
 */
#include "run/spare.h"

#include <sys/mman.h>
#include <unistd.h>

#define SPARE_NS (2 * NS_PER_S)

enum {
    SPARE_BYTES = 4 << 20, /* not worth giving back */
    MUCH_BYTES = 1 << 20,  /* in SPARE_NS: the buffers are in use */
    VIEWS = 32,
};

static uint64_t carried(const struct spare *spare)
{
    struct berth_stats stats;

    berth_stats(spare->berth, &stats);
    return stats.bytes_in + stats.bytes_out;
}

static void give_back(struct spare *spare)
{
    struct berth_view views[VIEWS];
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    int count;

    while ((count = berth_spare_memory(spare->berth, page_bytes, views, VIEWS)) > 0) {
        for (int i = 0; i < count; i++) {
            /* Where the system does not take it, it stays. */
            (void)madvise(views[i].data, views[i].bytes, MADV_DONTNEED);
        }
    }
}

static void on_time(struct loop_timer *timer)
{
    struct spare *spare = CONTAINER_OF(timer, struct spare, timer);
    uint64_t before = spare->carried;

    spare->carried = carried(spare);
    if (spare->carried - before >= MUCH_BYTES) {
        loop_timer_set(spare->loop, timer, spare->loop->now_ns + SPARE_NS);
    } else {
        give_back(spare);
    }
}

void spare_init(struct spare *spare, struct loop *loop, struct berth *berth)
{
    *spare = (struct spare){.timer.on_time = on_time, .loop = loop, .berth = berth};
}

void spare_done(struct spare *spare)
{
    if (spare->berth != NULL) {
        loop_timer_clear(spare->loop, &spare->timer);
    }
}

void spare_look(struct spare *spare)
{
    if (!timer_is_set(&spare->timer.timer) && berth_spare_bytes(spare->berth) >= SPARE_BYTES) {
        spare->carried = carried(spare);
        loop_timer_set(spare->loop, &spare->timer, spare->loop->now_ns + SPARE_NS);
    }
}
