/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_report.h: what `berth sim` prints: a table of one run's flows, or the sums of many runs;
 * or both as one JSON document.
 */
#ifndef BERTH_CLI_SIM_REPORT_H
#define BERTH_CLI_SIM_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "sim/sim.h"

struct sim_report {
    json_t *runs;            /* with --json: an object for each run */
    struct cli_table *flows; /* of the first run */
    uint64_t seed;           /* of the first run */
    uint64_t count;
    uint64_t wrong;
    uint64_t gave_up;
    uint64_t broken; /* flows that an error ended, as they may */
    uint64_t flow_count;
    uint64_t bytes;
    uint64_t packets;
    uint64_t lost;
    uint64_t retransmissions;
    uint64_t virtual_ns;
    uint64_t queue_bytes_max; /* of the first run */
    double jain;
    struct sim_flood flood;
    uint64_t trace; /* of the first run; of several, all mixed */
};

void sim_report_init(struct sim_report *report, bool is_json);
void sim_report_done(struct sim_report *report);
void sim_report_add(struct sim_report *report, const struct sim_config *config,
                    const struct sim_result *result);
/* On standard output. WANTED: how many runs were asked for. */
void sim_report_print(struct sim_report *report, uint64_t wanted);

#endif
