/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_jobs.h: runs of the simulator spread over processes. Results come back in the order of
 * their seeds, however many there are, so that what is printed depends on the seeds alone.
 *
 * 1. Job J of N makes the runs whose place, from 0, is J modulo N, one after the other.
 * 2. A job that dies has printed the command that repeats its run (NAME_RUN's doing).
 */
#ifndef CLI_SIM_JOBS_H
#define CLI_SIM_JOBS_H

#include "sim/sim.h"

#define SIM_JOBS_MAX 64

struct sim_jobs {
    const struct sim_config *config; /* of all runs, but for the seed */
    uint64_t seed;                   /* the first */
    uint64_t runs;
    uint64_t next; /* place of the run that comes next */
    unsigned count;
    int pipes[SIM_JOBS_MAX];
    int pids[SIM_JOBS_MAX];
    void (*name_run)(const struct sim_config *config); /* called before each run, in its process */
};

/* Starts COUNT processes; with 1 none: runs are made by sim_jobs_next itself. -errno. CONFIG, SEED,
 * RUNS and NAME_RUN are set by the caller before. */
int sim_jobs_start(struct sim_jobs *jobs, unsigned count);
/* The next run's configuration and what came of it: sim_run's result, or -ECHILD when its process
 * died. */
int sim_jobs_next(struct sim_jobs *jobs, struct sim_config *config, struct sim_result *out);
void sim_jobs_end(struct sim_jobs *jobs);

#endif
