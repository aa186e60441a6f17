/* SPDX-License-Identifier: MIT */
/*
 * The simulator: stacks on a simulated network in virtual time, and an oracle that watches them.
 *
 *   host A1 ── path ──┐          ┌── path ── host B1    each path is a link that wraps a link
 *   host A2 ── path ──┼── pipes ─┼── path ── host B2    (link/impair.c); what they share is a pipe
 *   ...               │          │                      each way (sim/pipe.h)
 *   intruder ─────────┴──────────┘   (mixed scenario) forges packets; none may have any effect
 *
 * Flow I is between the hosts A and B of pair I modulo the number of pairs. A host may be two
 * stacks behind one address, between which its connections move (twins.c).
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
#define SIM_PAIRS_MAX    128
#define SIM_FAILURE_TEXT 256
#define SIM_CC_TEXT      128

#define SIM_PROGRESS_STEPS 1024 /* between two calls of on_progress */

enum sim_scenario {
    SIM_TRANSFER, /* flows that all end in order */
    SIM_MIXED,    /* and simultaneous opens, aborts, datagrams, an intruder, starved stacks */
    SIM_IDLE,     /* connections that say nothing for a day and then go on */
    SIM_MANY,     /* 2,000 connections at once through one stack, unless told otherwise */
    SIM_FLOOD     /* clients connect to a listener that a million SYNs a second reach */
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
    SIM_GIVEN_CC = 4096,
    SIM_GIVEN_PAIRS = 8192,
    SIM_GIVEN_DISCIPLINE = 16384,
    SIM_GIVEN_ECN = 32768,
    SIM_GIVEN_MARKS = 65536
};

/* What becomes of a queue that is long: see sim/pipe.h. */
enum sim_discipline { SIM_TAIL_DROP, SIM_CODEL, SIM_CODEL_MARKS };

struct sim_config {
    uint64_t seed;
    enum sim_scenario scenario;
    bool vary;
    bool is_plain;  /* `vary` draws no pipes, pairs, middleboxes and small limits */
    bool has_twins; /* hosts are two stacks each, between which connections move: twins.c */
    uint32_t given; /* enum sim_given, or-ed */
    uint32_t flows;
    uint64_t bytes;   /* per flow */
    uint64_t time_ns; /* flows go on until then, and then stop; 0: until their bytes are sent */
    uint64_t from_ns; /* goodput counts what arrives from then on; 0: from the start */
    uint32_t pairs;   /* of hosts */
    /* Its seed is not used. Without `vary` its rate, queue, delay and loss are of the way that all
     * share, each way; else, and what else it has always, of each host's way to it. */
    struct link_impairment path;
    uint32_t queue_packets; /* besides path.queue_bytes; 0: any number */
    enum sim_discipline discipline;
    uint8_t ecn; /* of the stacks: enum berth_tcp_ecn; not given and the queue marks: they ask */
    uint32_t versions; /* enum sim_version, or-ed */
    uint32_t mtu;
    char congestion_control[SIM_CC_TEXT]; /* names with commas between, for flows in turn */
    const char *pcap_file;                /* what crossed host A's link; NULL: none */
    const char *plot_file;                /* of the first flow; NULL: none */
    FILE *packets;                        /* a line for every packet at every host; NULL: none */
    /* Called every SIM_PROGRESS_STEPS steps of a run with the virtual time; NULL: none. It may
     * change nothing of the run. */
    void (*on_progress)(void *user, uint64_t now_ns);
    void *user;
};

/* One end of a flow. */
struct sim_end_result {
    uint64_t sent;
    uint64_t received;
    uint64_t counted; /* of received, in the time that goodput is taken of */
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

/* Of SIM_FLOOD: what it took of the host that it reached. */
struct sim_flood {
    uint64_t syns;
    uint64_t cookies_out;
    uint64_t cookies_in;
    uint64_t connect_ns_max; /* that a client waited for its connection */
    uint64_t pages; /* of the stack's memory that were touched, and how many more at the end */
    uint64_t pages_grown;
    uint32_t half_open_max;
    uint32_t connections_max;
    uint32_t buffers;
    uint32_t buffers_used_max;
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
    uint64_t lost;            /* by the network, on purpose */
    uint64_t dropped;         /* of these, by the shared queues */
    uint64_t marked;          /* on the way: CE */
    uint64_t queue_bytes_max; /* that ever waited in the shared queue from A to B */
    uint64_t moves;           /* of connections from a stack to its twin */
    uint32_t gave_up; /* flows that timed out on a path so bad that it is no fault of theirs */
    struct sim_flood flood; /* zeros unless that was the scenario */
    uint32_t flow_count;
    struct sim_flow_result *flows;
};

/* One flow of 1 MiB over 20 ms and 20 Mbit/s each way, IPv4, MTU 1500, nothing else wrong. */
void sim_config_init(struct sim_config *config);

/*
 * Runs CONFIG to its end. 0: it ran, *OUT says how (sim_result_done frees what it holds). -errno:
 * no memory, or a file of CONFIG's cannot be written, whose name is then OUT->failure.
 */
int sim_run(const struct sim_config *config, struct sim_result *out);
void sim_result_done(struct sim_result *result);

/* What arrived of FLOW in the direction from end FROM, in bits per second of its time. */
double sim_goodput_bps(const struct sim_flow_result *flow, unsigned from);
/* Jain's index of fairness over the goodput of all flows from A to B: 1 all alike, 1/n one has all.
 */
double sim_jain(const struct sim_result *result);

/* "transfer" and so on. */
const char *sim_scenario_name(enum sim_scenario scenario);

#endif
