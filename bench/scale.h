/* SPDX-License-Identifier: MIT */
/*
 * What bench-scale measures in files of their own. Each prints one line of JSON.
 */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "peer.h"

/* scale_idle.c: NUMBER established connections that say nothing, and what they cost a thousand that
 * do. */
void scale_idle(uint32_t number);
/* NUMBER connections in TIME-WAIT. */
void scale_wait(uint32_t number);
/* scale_lines.c: segments for a trace of which cache lines each touches. */
void scale_lines(void);

#endif
