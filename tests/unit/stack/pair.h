/* SPDX-License-Identifier: MIT */
/*
 * Two stacks wired to each other in virtual time, for tests of the stack's calls.
 *
 *     a (10.9.0.1, fd09::1)  ----- delay_ns each way, drop(n) -----  b (10.9.0.2, fd09::2)
 */
#ifndef TESTS_UNIT_STACK_PAIR_H
#define TESTS_UNIT_STACK_PAIR_H

#include <berth/berth.h>

#define PAIR_QUEUE 4096

struct pair_packet {
    uint64_t at_ns;
    int to; /* index of the receiving side */
    uint32_t bytes;
    struct berth_offload offload;
    uint8_t *data;
};

struct pair {
    struct berth *side[2];
    void *memory[2];
    size_t memory_bytes[2];
    uint64_t now_ns;
    uint64_t delay_ns;
    struct pair_packet queue[PAIR_QUEUE];
    unsigned first;
    unsigned count;
    unsigned sent; /* packets so far, both ways: the argument of drop */
    bool (*drop)(struct pair *pair, unsigned number, const struct pair_packet *packet);
    void *user;
    bool cut; /* nothing gets through */
};

/* CONFIG NULL: the defaults. Both sides allow everything. */
void pair_init(struct pair *pair, const struct berth_config *config);
void pair_done(struct pair *pair);
/* Moves packets and time on, at most until UNTIL_NS, and stops earlier when nothing is under way at
 * all. */
void pair_run(struct pair *pair, uint64_t until_ns);
/* One turn: what wants to go out, goes; what has arrived, arrives; else the clock moves to what is
   next, at most to UNTIL_NS. false: nothing happened and the time is up. */
bool pair_step(struct pair *pair, uint64_t until_ns);
struct berth_endpoint pair_endpoint(int side, bool v6, uint16_t port);

#endif
