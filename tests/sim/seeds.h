/* SPDX-License-Identifier: MIT */
/*
 * tests/sim/seeds.h: runs of the simulator as tests: by the hundred, or from the list of those that
 * failed once (seeds.txt).
 */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/sim.h"

/* Runs CONFIG; fails the test with the command that repeats it unless all is right. Its trace. */
uint64_t seeds_run(const struct sim_config *config);
/* The same, with all that came of it: sim_result_done frees what *OUT holds. */
void seeds_run_for(const struct sim_config *config, struct sim_result *out);
/* COUNT seeds from FIRST on of SCENARIO, everything else drawn from them. */
void seeds_run_many(enum sim_scenario scenario, uint64_t first, unsigned count);
/* LINE of seeds.txt into CONFIG; false: a comment, or nothing. Fails the test when it is wrong. */
bool seeds_parse(const char *line, struct sim_config *config);

#endif
