/* SPDX-License-Identifier: MIT */
/*
 * Ordinary traffic of a host in virtual time: what must not be taken for a scan.
 *
 *   clients, servers of the network           the host 192.0.2.1
 *   one stack that plays all of them   <--->  a stack that guards itself
 *
 * Packets take 10 to 30 ms; one in a hundred is lost, one in a hundred comes twice, the second time
 * up to a minute late, when its connection may be gone.
 *
 * To the host come clients that talk, reset in mid-talk or open two connections and keep one;
 * health checks that connect and say nothing; clients of services that are not there, which try
 * again; questions by UDP, and traceroutes. The host calls servers, of which some are down and some
 * refuse.
 */
#ifndef TESTS_SIM_ORDINARY_H
#define TESTS_SIM_ORDINARY_H

#include <berth/berth.h>

struct ordinary_figures {
    uint64_t conversations; /* begun, both ways */
    uint64_t opened;        /* TCP connections of the host's that were established */
    uint64_t refused;       /* contacts that its rules refused */
    uint64_t late;          /* segments that came after their connection was gone */
    uint64_t alarms;        /* verdicts "scanner" */
};

/* SECONDS of it. SCAN: in the end one client tries twelve ports that are shut. */
struct ordinary_figures ordinary_run(uint64_t seed, uint32_t seconds, bool scan);

#endif
