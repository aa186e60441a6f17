/* SPDX-License-Identifier: MIT */
/*
 * A run under way: two hosts, the network, the flows, the clock. Inside sim/ only.
 *
 * 1. Time is world->now_ns. It moves only in world_run, to the earliest time when anything is due.
 * 2. An end acts on its connection's events and on its own timer, never because time went by: an
 *    event that the stack forgets is seen as a flow that stands still.
 * 3. The first failure is kept; after it nothing more is done.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/random.h"
#include "base/timers.h"
#include "sim/network.h"
#include "sim/plan.h"
#include "sim/trace.h"

#define WORLD_FRAMES 16

struct world;

/* What a stack gives back with an event, to tell whose it is. */
enum object_kind { OBJECT_END, OBJECT_ACCEPTED, OBJECT_LISTENER, OBJECT_DATAGRAMS };

struct object {
    enum object_kind kind;
};

enum timer_kind {
    TIMER_FLOW,
    TIMER_END,
    TIMER_DATAGRAMS,
    TIMER_INTRUDER,
    TIMER_GUESSER,
    TIMER_TWINS,
    TIMER_FROM,
    TIMER_STOP
};

struct host {
    char name;      /* 'A', 'B'; of a second stack 'a', 'b' */
    uint32_t index; /* of its address's port */
    struct network_port *port;
    struct host *first; /* itself, or whose twin it is */
    struct host *twin;  /* the other stack behind its address; NULL: there is none */
    bool has_work;      /* that no deadline tells of */
    struct berth *berth;
    void *memory;
    size_t memory_bytes;
    struct link *link;
    struct link *path;                 /* the impaired one in it, for its counters; or NULL */
    struct berth_address addresses[2]; /* IPv4, IPv6 */
    berth_id listeners[PLAN_LISTENERS];
    struct object listener_object;
    uint32_t buffers;
};

struct end {
    struct object object;
    struct flow *flow;
    const struct plan_end *plan;
    struct host *host;
    struct timer timer;
    struct random random;
    berth_id id;      /* 0: not opened yet, or given back */
    uint64_t key_out; /* of the stream it sends */
    uint64_t key_in;
    uint64_t to_send;
    uint64_t to_receive;
    uint64_t uncounted; /* of received, before goodput is counted */
    uint64_t read_resume_ns;
    uint64_t write_resume_ns;
    bool is_open; /* the handshake is complete */
    bool has_slept;
    bool has_shut;                     /* its FIN is ordered */
    bool has_ended;                    /* it has read the end of the peer's stream */
    bool saw_closed;                   /* BERTH_EVENT_CLOSED */
    bool is_done;                      /* opened once, and given back */
    bool wants_move;                   /* to its host's twin, as soon as it may */
    struct berth_endpoint moved_local; /* the ends of the connection that moved last */
    struct berth_endpoint moved_remote;
    uint64_t settled_ns; /* until then what comes for it may be late */
    struct sim_end_result result;
};

/* An accepted connection's user is named before it is known whose it is. */
struct accepted {
    struct object object;
    struct end *end;
};

struct flow {
    const struct plan_flow *plan;
    uint32_t index;
    struct timer timer; /* its start */
    bool has_started;
    bool waits;                   /* for a place at its opener's: it tries again */
    uint32_t opened;              /* so many were before it, and it */
    uint64_t opened_ns;           /* when */
    struct berth_endpoint opener; /* the opening end's own address and port, once known */
    uint64_t from_ns;             /* when counting began, if not with the flow */
    uint64_t end_ns;
    struct end ends[2];
};

struct datagrams {
    struct object object;
    struct timer timer;
    struct random random;
    uint64_t key;
    uint32_t sent;
    uint32_t echoed; /* came back, doubles included */
    berth_id ids[2]; /* host A's socket, host B's */
};

struct world {
    const struct sim_config *config;
    struct plan plan;
    uint64_t now_ns;
    uint64_t progress_ns; /* when something last got on */
    uint64_t checks;      /* that world_check was asked for */
    uint64_t steps;
    uint64_t spins;     /* steps in which time stood still */
    struct host *hosts; /* as the network's ports: of pair I A's is 2 I, B's 2 I + 1; then twins */
    uint32_t host_count;
    struct network network;
    struct trace trace;
    struct plot plot;
    struct timers timers;
    struct flow *flows;
    struct accepted *accepted; /* as many as flows: each is accepted once */
    uint32_t accepted_count;
    uint32_t opened;     /* flows */
    uint32_t flows_done; /* so many, from the first on */
    uint32_t timers_set; /* of ends that pause on purpose */
    struct datagrams datagrams;
    struct timer from_timer; /* from when on goodput is counted */
    struct timer stop_timer; /* when flows that have a time instead of a size stop */
    struct timer intruder_timer;
    struct random intruder;
    uint32_t forged;
    struct timer guesser_timer;
    struct random guesser;
    uint32_t guessed;
    struct timer twins_timer;
    struct random twins;
    struct link_packets late; /* under way to a connection that has just moved */
    uint64_t moves_ns;        /* between two moves that are wanted, now */
    uint64_t settled_ns;      /* the latest of the ends' */
    uint32_t wanted;
    uint64_t moves;
    bool wants_move;      /* an end does */
    bool is_closing;      /* every flow is done: no new traffic */
    struct link *capture; /* the last that was made; NULL: none */
    const char *bad_file; /* that cannot be written */
    int file_error;       /* -errno: why, where that was seen on the way */
    char failure[SIM_FAILURE_TEXT];
    struct berth_frame frames[WORLD_FRAMES];
};

/* Notes what is wrong; the first time counts. */
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool world_has_failed(const struct world *world)
{
    return world->failure[0] != '\0';
}
/* Something got on: bytes, or a state. */
static inline void world_progress(struct world *world)
{
    world->progress_ns = world->now_ns;
}
/* After each call on HOST's stack, where the run checks its invariants. */
void world_check(struct world *world, const struct host *host);

/* host.c: 0, or -errno. */
int host_init(struct world *world, unsigned index);
/* The second stack behind FIRST's address, in the place after the last. */
int host_init_twin(struct world *world, struct host *first);
void host_done(struct host *host);
void host_close_listeners(struct world *world, struct host *host);
/* When HOST has something to do. */
uint64_t host_next_ns(const struct host *host);
/* Lets HOST do all it can at now_ns; true: it did something. */
bool host_turn(struct world *world, struct host *host);
/* Nothing of the run is left in it. */
void host_check_leaks(struct world *world, struct host *host);

/* flow.c */
struct end *end_peer(struct end *end);
/* Fails the run for END, with ERROR if it is not 0. */
void end_fail(struct world *world, const struct end *end, const char *what, int error);
/* END's connection is open: it reads and writes. */
void end_begin(struct world *world, struct end *end);
/* Its connection is being opened: what it writes now goes with the SYN, with Fast Open. */
void end_write_early(struct world *world, struct end *end);
/* It writes nothing for so long. */
void end_hold(struct world *world, struct end *end, uint64_t for_ns);
/* It is in another stack now, and asks what there is to read and to write. */
void end_moved(struct world *world, struct end *end);
void flow_init(struct world *world, struct flow *flow, uint32_t index);
/* Its ends write no more than they have. */
void flow_count_from(const struct world *world, struct flow *flow); /* goodput counts from here */
void flow_stop(struct world *world, struct flow *flow);
bool flow_is_done(const struct flow *flow);
/* Ids of two stacks may be the same: HOST tells whose it is. */
void end_on_event(struct world *world, struct host *host, struct end *end,
                  const struct berth_event *event);
void end_on_timer(struct world *world, struct end *end);

/* opening.c */
void flow_start(struct world *world, struct flow *flow);
/* Accepts all that waits at LISTENER of HOST. */
void flow_accept_all(struct world *world, struct host *host, berth_id listener);

/* datagrams.c */
void datagrams_init(struct world *world);
void datagrams_on_timer(struct world *world);
/* Ids of two stacks may be the same: HOST tells whose it is. */
void datagrams_on_event(struct world *world, struct host *host, const struct berth_event *event);
void datagrams_close(struct world *world);

/* intruder.c */
void intruder_init(struct world *world);
void intruder_on_timer(struct world *world);

/* guesser.c */
void guesser_init(struct world *world);
void guesser_on_timer(struct world *world);

/* twins.c */
void twins_init(struct world *world);
void twins_on_timer(struct world *world);
/* Somewhere in HOST's turn: who wants to move may. */
void twins_turn(struct world *world, struct host *host);
/* END is about to open (id is 0: at which of the stacks is drawn), or was accepted. */
void twins_begin(struct world *world, struct end *end);
int twins_set_options(struct world *world, const struct end *end);
/* Does HOST's twin have something between LOCAL and REMOTE? */
bool twins_clash(const struct host *host, const struct berth_endpoint *local,
                 const struct berth_endpoint *remote);
/* Nobody is to move any more. */
void twins_close(struct world *world);
uint64_t twins_next_ns(const struct world *world);
void twins_advance(struct world *world);

/* world.c: 0, or -errno. world_run ends when all is done or something failed. */
int world_init(struct world *world, const struct sim_config *config);
void world_run(struct world *world);
void world_done(struct world *world);

#endif
