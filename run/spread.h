/* SPDX-License-Identifier: MIT */
/*
 * run/spread.h: more threads while one does not suffice (--queues auto). A run begins with one
 * thread, which does everything; helpers are there, and sleep. When the first thread has no time
 * left, connections that move much go to a helper, with their sockets, one by one, until both have
 * about as much to do. They stay there to their end.
 *
 *   connection   event                                        next      function, its thread
 *   the first's  too much to do: chosen                       chosen    spread_look, first
 *   chosen       nothing of it is under way in the stack      on its way  spread_try, first
 *   chosen       GIVE_UP_NS have passed, or it is over        the first's
 *   on its way   -                                            helped    deliver_move, helper
 *   helped       the relay has ended both ends                ended     spread_ended, helper
 *   ended        its record is the first thread's to write    kept      deliver_ended, first
 *   kept         KEEP_NS: what may still come of it is over   -         forget, first and helper
 *
 * Of the device a helper has a queue that is attached while its stack has connections: the kernel
 * has one queue otherwise, and nothing to spread. What comes in on another queue than its
 * connection's is handed over (steer.c).
 *
 * Invariants
 *  1. A first contact is the first thread's, and so are all records, rules, names and limits: what
 *     a helper does touches its own queue alone. No lock but the one around parcels.
 *  2. Whose a connection is, the first thread knows of all of them, a helper of its own. A packet
 *     that a helper has been given is its stack's; one that the first thread has been given is
 *     looked at once more.
 *  3. A SYN ends what was known of its four-tuple, whichever side it is from;
 *     the program's also what a helper still had of it.
 */
#ifndef RUN_SPREAD_H
#define RUN_SPREAD_H

#include <berth/berth.h>

#include "run/queue.h"
#include "run/sockets.h"

enum {
    SPREAD_CHAINS = 256,
    SPREAD_MOVED_MAX = 4096, /* connections that have gone to helpers and are not forgotten yet */
};

struct relay_tcp;
struct run_config;
struct steer_segment;

struct spread_table {
    struct list chains[SPREAD_CHAINS];
    uint32_t count;
};

/* The first thread's. */
struct spread {
    struct spread_table moved; /* all that are not the first thread's, until they are forgotten */
    struct list chosen;        /* relays: relay.choice, as the next */
    struct list picked;        /* those that have moved something since picking began */
    bool is_picking;
    uint8_t busy_windows; /* one after the other, up to this one */
    uint64_t look_ns;     /* when this one is over */
    uint64_t begun_ns;    /* when it began, and what had been waited and moved by then */
    uint64_t waited_ns;
    uint64_t moved_bytes;
    struct loop_timer retry; /* those chosen are tried again */
    struct loop_timer sweep;
};

/* How many threads a run with CONFIG may come to have, with --queues auto. */
uint32_t spread_threads(const struct run_config *config);
/* From now on only berth may open another queue of FD's device. False: there is no user to name as
 * its owner who is nobody, as in a container; then the program may, and takes its own packets. */
bool spread_guard_device(int fd);

void spread_init(struct run *run);
/* At the end: forgets all. When no thread but the first is there. */
void spread_done(struct run *run);
/* QUEUE is a helper: it starts to sleep. -1: errno. */
int spread_begin_helper(struct queue *queue);
/* HELPER has something to send: its queue is attached. */
void spread_wake_device(struct queue *helper);

/* The first thread, after each turn. */
void spread_look(struct run *run);
/* BYTES of RELAY have moved, while connections are picked. */
void spread_count(struct relay_tcp *relay, size_t bytes);
/* Has RELAY, which was chosen, gone? */
bool spread_try(struct relay_tcp *relay);
/* RELAY, of a helper, has ended both ends: it is taken. */
void spread_ended(struct relay_tcp *relay, enum run_end end);
/* RELAY is over, and was the first thread's. */
void spread_forget_choice(struct relay_tcp *relay);

/* Whose SEGMENT is that came in on FROM. */
struct queue *spread_steer(struct queue *from, const struct steer_segment *segment);
/* May the first thread open a connection between PROGRAM and PEER: does no helper have one? What a
 * helper had is forgotten, by both, before a packet of the new one leaves. */
bool spread_may_connect(struct run *run, const struct berth_endpoint *program,
                        const struct berth_endpoint *peer);
/* At the end of a run, for each connection of the helpers': IS_LEFT says whether a process that the
 * program left behind holds it. */
void spread_leave_living(struct run *run,
                         bool (*is_left)(struct run *run, const struct relay_tcp *relay));

#endif
