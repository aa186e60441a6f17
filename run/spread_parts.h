/* SPDX-License-Identifier: MIT */
/*
 * run/spread_parts.h: what run/spread.c and run/spread_move.c offer each other.
 */
#ifndef RUN_SPREAD_PARTS_H
#define RUN_SPREAD_PARTS_H

#include "run/spread.h"

/* spread.c */
void spread_table_init(struct spread_table *table);
/* There is something to be forgotten one day. */
void spread_watch_sweep(struct run *run);

/* spread_move.c */
void spread_choose(struct relay_tcp *relay, struct queue *to);
/* Tries those that were chosen, and gives up those that it takes too long with. */
void spread_retry(struct run *run);
/* Forgets what is over for long. */
void spread_sweep(struct run *run);

#endif
