/* SPDX-License-Identifier: MIT */
/*
 * The simulator: stacks on a simulated network in virtual time, and an oracle that watches them.
 *
 *   host A ── path ──┐
 *                    ├── network        each path is a link that wraps a link (link/impair.c)
 *   host B ── path ──┘
 *   intruder ────────┘                  (mixed scenario) forges packets; none may have any effect
 *
 * 1. Everything that happens follows from the configuration and its seed: run twice, a
 *    configuration gives the same trace, packet for packet and nanosecond for nanosecond.
 * 2. A run always ends: what does not get on for 15 virtual minutes, or takes too many steps, is a
 *    failure.
 * 3. A failure is a fact about a seed, never about the machine: the same command repeats it.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "link/link.h"

#define SIM_FLOWS_MAX    4096
#define SIM_BYTES_MAX    (UINT64_C(1) << 34) /* per flow and direction */
#define SIM_FAILURE_TEXT 256

enum sim_scenario {
    SIM_TRANSFER, /* flows that all end in order */
    SIM_MIXED,    /* and simultaneous opens, aborts, datagrams, an intruder, starved stacks */
    SIM_IDLE,     /* connections that say nothing for a day and then go on */
    SIM_MANY      /* 2,000 connections at once through one stack, unless told otherwise */
};

enum sim_version { SIM_IPV4 = 1, SIM_IPV6 = 2 };

/* Which members of a configuration were chosen; with `vary` the others are drawn from the seed. */
enum sim_given {
    SIM_GIVEN_FLOWS = 1,
    SIM_GIVEN_BYTES = 2,
    SIM_GIVEN_DELAY = 4,
    SIM_GIVEN_JITTER = 8,
    SIM_GIVEN_LOSS = 16,
    SIM_GIVEN_DUPLICATE = 32,
    SIM_GIVEN_REORDER = 64,
    SIM_GIVEN_CORRUPT = 128,
    SIM_GIVEN_RATE = 256,
    SIM_GIVEN_QUEUE = 512,
    SIM_GIVEN_VERSIONS = 1024,
    SIM_GIVEN_MTU = 2048,
    SIM_GIVEN_CC = 4096
};

struct sim_config {
    uint64_t seed;
    enum sim_scenario scenario;
    bool vary;
    uint32_t given; /* enum sim_given, or-ed */
    uint32_t flows;
    uint64_t bytes;              /* per flow */
    struct link_impairment path; /* of each host's way to the network; its seed is not used */
    uint32_t versions;           /* enum sim_version, or-ed */
    uint32_t mtu;
    char congestion_control[16];
    const char *pcap_file; /* what crossed host A's link; NULL: none */
    const char *plot_file; /* of the first flow; NULL: none */
    FILE *packets;         /* a line for every packet at every host; NULL: none */
};

/* One end of a flow. */
struct sim_end_result {
    uint64_t sent;
    uint64_t received;
    uint64_t bytes_retransmitted;
    uint32_t retransmissions;
    uint32_t timeouts;
    uint32_t fast_recoveries;
    int error; /* how it ended: 0 in order, else enum berth_error */
};

struct sim_flow_result {
    uint8_t version; /* 4 or 6 */
    bool is_simultaneous;
    uint64_t begin_ns;
    uint64_t end_ns;
    struct sim_end_result ends[2]; /* host A's, host B's */
};

struct sim_result {
    bool is_right;
    char failure[SIM_FAILURE_TEXT]; /* what the oracle saw; "" when all was right */
    uint64_t trace;                 /* a hash over every packet at every host, with its time */
    uint64_t packets;
    uint64_t steps;
    uint64_t virtual_ns;
    uint64_t bytes; /* payload that readers got */
    uint64_t retransmissions;
    uint64_t lost;    /* by the network, on purpose */
    uint32_t gave_up; /* flows that timed out on a path so bad that it is no fault of theirs */
    uint32_t flow_count;
    struct sim_flow_result *flows;
};

/* One flow of 1 MiB over 20 ms and 20 Mbit/s each way, IPv4, MTU 1500, nothing else wrong. */
void sim_config_init(struct sim_config *config);

/*
 * Runs CONFIG to its end. 0: it ran, *OUT says how (sim_result_done frees what it holds). -errno:
 * no memory, or a file of CONFIG's cannot be written.
 */
int sim_run(const struct sim_config *config, struct sim_result *out);
void sim_result_done(struct sim_result *result);

/* "transfer" and so on. */
const char *sim_scenario_name(enum sim_scenario scenario);

#endif
