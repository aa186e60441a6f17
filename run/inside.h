/* SPDX-License-Identifier: MIT */
/*
 * run/inside.h: one run, seen from inside. Only run/ includes it.
 *
 *   program ── TUN ── link ── stack ─┬─ relay_tcp ─┐
 *                                    ├─ relay_udp ─┼─ sockets of the host
 *                                    ├─ relay_echo ┘      │
 *                                    ├─ resolver ── name servers
 *                                    └─ gate: first contacts, refused and held
 *   control ── asks for the rules to be read again (rules.h)
 *                     publish: listening sockets of the host ─ relay_tcp, relay_udp
 *
 * With several queues (--queues) the device, its link, the stack and relay_tcp are there once for
 * each, with a thread (queue.h); all else is there once, and one more stack, the guard's, has the
 * firewall and what is no TCP.
 *
 * A turn (run.c): wait; packets in; the time; events and refusals (gate.c); the work that they
 * queued (loop.h); packets out. A handler of an event or of a descriptor's readiness only notes and
 * queues; calls that send, read or end something are made by the work.
 *
 * Invariants
 *  1. A conversation is journaled and counted once, when it ends (conversation.h).
 *  2. A refusal is attributed before the packet that answers it leaves: the asking socket is still
 *     there then.
 *  3. Bytes of a conversation are in the stack's queues or in the kernel's, never in run/.
 */
#ifndef RUN_INSIDE_H
#define RUN_INSIDE_H

#include <berth/berth.h>

#include "base/hash.h"
#include "link/link.h"
#include "run/added.h"
#include "run/answers.h"
#include "run/attribute.h"
#include "run/control.h"
#include "run/hostnet.h"
#include "run/journal.h"
#include "run/launch.h"
#include "run/loop.h"
#include "run/naming.h"
#include "run/owners.h"
#include "run/queue.h"
#include "run/rules.h"
#include "run/run.h"
#include "run/spread.h"
#include "run/tally.h"

/* What the stack's `user` pointers point to: whoever wants to know of events. */
struct run_user {
    void (*on_event)(struct run_user *user, const struct berth_event *event);
};

struct relay_tcp;
struct relay_udp_table;
struct relay_echo_table;
struct publish;
struct resolver;
struct questions;

struct run {
    struct run_config own_config; /* as given, but for what turned out not to be there */
    const struct run_config *config;
    struct queue *queues[RUN_QUEUES_MAX];
    uint32_t queue_count;  /* of them take first contacts */
    uint32_t thread_count; /* those, and helpers behind them (spread.h) */
    uint32_t threads_wanted;
    struct spread spread;
    struct queue *guard; /* whose stack has the firewall: of one queue that one's own */
    struct gate_lock lock;
    struct gate_lock parcels_lock;
    struct link *capture; /* a queue's; NULL: none */
    struct hash_key steer_key;
    uint8_t seed[BERTH_SEED_BYTES]; /* of the guard's stack and of helpers', while they are made */
    bool threads_end;               /* read and written by all threads, atomically; as the next */
    bool threads_stop;
    uint64_t now_ns; /* of whoever has the lock; never goes back */
    struct launch *launch;
    struct loop_source launch_source;
    struct hostnet *hostnet;
    struct loop_source hostnet_source;
    struct attribute *attribute;
    struct journal journal;
    struct rules rules;
    struct added added;
    struct control control;
    struct tally tally;
    struct naming naming;
    struct owners owners;
    struct answers answers;
    struct relay_udp_table *udp;
    struct relay_echo_table *echo;
    struct publish *publish;
    struct resolver *resolver; /* NULL: none */
    struct list deciding;      /* contacts that wait for an answer (decide.h) */
    struct questions *questions;
    uint64_t asks_paid_ns; /* conversation.c: questions that nobody depends on, paid until then */
    bool is_ending;        /* the program has ended */
    bool is_hurried;       /* and then a signal came: nothing more is waited for */
    bool has_said_exhausted;
    bool has_said_ping;
    struct run_scan scans[RUN_SCANS_MAX]; /* verdicts: the last ones, round the end */
    uint64_t scan_count;
};

/* A line for people, on standard error. */
void run_say(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes LINE, for the journal; says so if that ends it. */
void run_journal(struct run *run, json_t *line);
/* Says once that berth may open no more files. */
void run_say_exhausted(struct run *run);

/* Is ADDRESS the gateway, which stands for the host's own loopback? */
bool run_is_gateway(const struct run *run, const struct berth_address *address);
/* Is ADDRESS the resolver's, where nothing else lives? */
bool run_is_resolver(const struct run *run, const struct berth_address *address);
/* The endpoint of the host's network that PEER means: the gateway is the host's loopback. */
struct berth_endpoint run_host_endpoint(const struct run *run, const struct berth_endpoint *peer);
/* The gateway that a client of PEER's family sees for the host's loopback, and the program's own
 * address of that family. */
const struct launch_network *run_network(const struct run *run, const struct berth_address *like);

/* gate.c: what has happened in QUEUE's stack, handed to whom it concerns. The guard's, of several
 * queues: with the lock. */
void gate_look(struct queue *queue);
/* With the lock: what the guard says of a TCP connection between PROGRAM and PEER that another
 * stack holds or is to open; DECIDED: what has been decided of it already; NULL: nothing. */
struct berth_verdict gate_judge(struct run *run, enum berth_direction direction,
                                const struct berth_endpoint *program,
                                const struct berth_endpoint *peer,
                                const struct berth_verdict *decided);
/* Tells of what the firewall has refused and found. */
void gate_look_at_refused(struct run *run);

#endif
