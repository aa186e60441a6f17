/* SPDX-License-Identifier: MIT */
/*
 * The plan of a run: everything that chance decides beforehand, drawn from the seed in one place,
 * so that what happens later depends on the plan and the packets alone.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "base/random.h"
#include "sim/pipe.h"
#include "sim/sim.h"

#define PLAN_NEVER    UINT64_MAX
#define PLAN_PORT     5000  /* listeners of both hosts: PLAN_LISTENERS from here */
#define PLAN_OWN_PORT 20000 /* both ends of simultaneous opens: from here */
#define PLAN_UDP_PORT 7000

#define PLAN_LISTENERS 3

/* How an end that has written everything goes on. */
enum plan_close {
    PLAN_SHUTDOWN,  /* FIN at once; gives the connection back when it has read the peer's */
    PLAN_LAST,      /* waits for the peer's FIN, then closes */
    PLAN_CLOSE,     /* closes at once; only where the peer sends nothing */
    PLAN_SEE_CLOSED /* as PLAN_SHUTDOWN, but waits to be told that the connection is over */
};

struct plan_end {
    uint64_t bytes;     /* to send */
    uint32_t write_max; /* of one call */
    uint32_t read_max;
    uint32_t read_pause_ppm;  /* after each read */
    uint32_t write_pause_ppm; /* after each write */
    uint64_t pause_max_ns;
    uint64_t sleep_at; /* having sent this many bytes it sleeps, once */
    uint64_t sleep_ns;
    uint64_t abort_at; /* having sent and received this many: RST; PLAN_NEVER */
    enum plan_close close;
    bool in_place; /* reserve/commit and peek/consume instead of write and read */
    bool no_delay;
    bool quick_ack;
    bool keepalive;
};

enum plan_opener { PLAN_OPENER_A = 0, PLAN_OPENER_B = 1, PLAN_OPENER_BOTH = 2 };

struct plan_flow {
    uint8_t version;
    enum plan_opener opener;
    uint64_t start_ns;
    const char *controller; /* congestion control of both ends; NULL: their stacks' */
    bool may_break; /* an end aborts: errors are right, bytes that come are still the right ones */
    bool comes_round; /* its sequence numbers soon pass 2^31 or 2^32, if there is a port for it */
    struct plan_end ends[2];
};

struct plan {
    uint32_t pairs;                  /* of hosts */
    struct berth_config stacks[2];   /* of A's and B's; each host has a seed of its own */
    struct link_impairment paths[2]; /* on the way from each host to what the hosts share */
    bool has_pipes;
    struct pipe_config pipes[2]; /* what they share: A to B, B to A */
    bool has_box;
    struct middlebox_config box;
    uint32_t backlog;      /* of each listener */
    bool has_outage;       /* a pipe is down for a time */
    bool is_scarce;        /* limits are too small: who cannot connect tries again */
    uint32_t checks_every; /* so many looks at a stack's invariants is one taken; 0: never */
    uint64_t down_from_ns;
    uint64_t down_until_ns;
    uint32_t flow_count;
    struct plan_flow *flows;
    uint32_t datagrams; /* to send from A, echoed by B */
    uint32_t datagram_bytes_max;
    uint32_t forgeries; /* packets of the intruder's */
    uint32_t guesses;   /* of the one that is nearly right */
    bool may_time_out;  /* the path is so bad that giving up is right */
    bool has_twins[2];  /* A's, B's hosts are two stacks each */
    uint64_t moves_ns;  /* between two moves that are wanted, at first */
    uint32_t late_ppm;  /* of what comes for a connection soon after it has moved */
};

/* 0, or -ENOMEM. plan_done frees. */
int plan_make(const struct sim_config *config, struct plan *out);
void plan_done(struct plan *plan);
/* plan_opening.c: inside plan_make. */
void plan_opening(const struct sim_config *config, struct plan *plan);
/* plan_twins.c: inside plan_make. */
void plan_twins(const struct sim_config *config, struct plan *plan);
/* plan_ecn.c: inside plan_make. */
void plan_ecn(const struct sim_config *config, bool vary, struct plan *plan);

#endif
