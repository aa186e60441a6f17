/* SPDX-License-Identifier: MIT */
/*
 * run/spare.h: memory that a stack took while there was much to do goes back to the system once
 * there is not. Buffers are whole pages, and held while they may soon be used again: a page that is
 * given back costs a fault when it is needed again.
 *
 *   nothing     a turn leaves SPARE_BYTES or more without use     waiting    spare_look
 *   waiting     SPARE_NS, and much was carried in them            waiting    on_time
 *   waiting     SPARE_NS, and little was                          nothing    on_time
 *
 * So a run that has nothing to do has no timer, and one that is busy a timer every SPARE_NS.
 */
#ifndef RUN_SPARE_H
#define RUN_SPARE_H

#include <berth/berth.h>

#include "run/loop.h"

struct spare {
    struct loop_timer timer;
    struct loop *loop;
    struct berth *berth;
    uint64_t carried; /* bytes in and out, when it was last looked at */
};

/* The owner of LOOP's thread is that of BERTH, or has its lock when timers and spare_look are
 * called. */
void spare_init(struct spare *spare, struct loop *loop, struct berth *berth);
void spare_done(struct spare *spare);
/* At the end of a turn. */
void spare_look(struct spare *spare);

#endif
