/* SPDX-License-Identifier: MIT */
/*
 * Stacks to measure: two joined, or one alone. A failure of anything ends the program: a benchmark
 * that went wrong has no figure.
 *
 *     side 0 (10.9.0.1) ---- no delay ---- side 1 (10.9.0.2)
 *
 * What one side sends is copied once, out of its frames' views into a buffer of the other's pool,
 * as a device's read() would: no queue in between.
 *
 * Time is virtual: each turn of the pair is 10 microseconds later, so that a run of the same length
 * is the same to the last instruction.
 */
#ifndef BENCH_STACKS_H
#define BENCH_STACKS_H

#include <berth/berth.h>

struct pair {
    struct berth *side[2];
    uint64_t now_ns;
    uint64_t packets; /* that crossed, both ways, a super-segment as one */
};

/* A stack at 10.9.0.1 (SIDE 0) or 10.9.0.2 (SIDE 1), everything allowed. */
struct berth *stacks_new(const struct berth_config *config, int side);
struct berth_endpoint stacks_endpoint(int side, uint16_t port);
void pair_init(struct pair *pair, const struct berth_config *config);
/* What wants to go out goes, what has come is received; then 10 microseconds pass. */
void pair_turn(struct pair *pair);
/* Ends the program if RESULT is an error. */
void must(int result, const char *what);
/* Processor time of this process: what else the machine does is not in it. */
uint64_t cpu_ns(void);

#endif
