/* SPDX-License-Identifier: MIT */
/*
 * The scenario "flood": a listener under a million SYNs a second from random sources, and clients
 * that connect meanwhile. Inside sim/ only.
 */
#ifndef SIM_FLOOD_H
#define SIM_FLOOD_H

#include "sim/sim.h"

/* As sim_run. Of CONFIG it looks at: seed, flows (8 unless given), time_ns (1 s unless given), the
 * path's delay, versions, mtu. */
int flood_run(const struct sim_config *config, struct sim_result *out);

#endif
