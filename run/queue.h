/* SPDX-License-Identifier: MIT */
/*
 * run/queue.h: one of a run's queues (--queues): a queue of the device, a stack, and the TCP relays
 * between its connections and the host's sockets, all of one thread.
 *
 *   what the program sends          goes to
 *   a TCP segment                   the queue on which the kernel puts its flow, which is where
 *                                   the flow's answers are written; of a published port's
 *                                   connection the one that its client's address and port say
 *   anything else, and all that     the guard's stack, on the first queue's thread
 *   goes to the resolver
 *
 * One queue: its stack is the guard's too, there is one thread, no lock, and nothing is steered. So
 * a run begins by default, and may get helpers: queues behind the first that take over connections
 * which stand (spread.h). Several: the stacks of the queues hold every first contact, and the
 * guard's says what becomes of it, so that limits, scans, names and rules are those of the run.
 *
 * Invariants
 *  1. A stack is used by the thread of its queue; the guard's by whoever has the lock (queue_lock).
 *  2. What threads share, all of struct run but its configuration, is used with the lock. The work
 *     of a source or a timer has it, unless it says that it takes it itself (loop.h, is_free).
 *  3. The bytes of a relay move without the lock; so do packets in and out of a queue's stack.
 *  4. What is another thread's to do is handed over (parcel); nothing else of a queue is touched
 *     from outside. A helper uses nothing but its queue, and there is no lock for it.
 *  5. A first contact gets through only by the guard's verdict: the rules of a queue's own stack
 *     allow nothing.
 */
#ifndef RUN_QUEUE_H
#define RUN_QUEUE_H

#include <berth/berth.h>
#include <pthread.h>

#include "link/link.h"
#include "run/launch.h"
#include "run/loop.h"
#include "run/spare.h"

struct queue;
struct run;
struct spread_table;

enum { RUN_QUEUES_MAX = LAUNCH_QUEUES_MAX, QUEUE_HELD_CHAINS = 1024 };

/* What one thread has another do. */
struct parcel {
    struct list_node node; /* queue.parcels: on its way */
    /* Called by the thread of TO, with the lock; PARCEL is its own then. TO's thread has ended:
     * IS_OVER, and there are no threads any more. */
    void (*deliver)(struct queue *to, struct parcel *parcel, bool is_over);
};

/* What steer.c reads of a packet of the program's. */
struct steer_segment {
    struct berth_endpoint from; /* the program's end */
    struct berth_endpoint to;
    bool opens; /* a SYN without an ACK */
};

struct gate_lock {
    pthread_mutex_t mutex;
    bool is_on; /* there are several threads */
};

struct queue {
    struct run *run;
    uint32_t number;
    struct loop *loop; /* its thread's: own_loop; the guard's, of several queues, is the first's */
    struct loop own_loop;
    struct link *link; /* likewise */
    struct loop_source link_source;
    bool link_is_gone;
    bool has_packets;      /* the link may have more: do not wait */
    bool holds_back;       /* the last turn has sent nothing */
    uint32_t turn_senders; /* connections by which the program has sent in this turn */
    uint64_t moved_bytes;  /* relayed so far: is there progress? (written by its thread alone) */
    struct berth *berth;
    void *memory;
    size_t memory_bytes;
    struct spare spare;                      /* of its stack's memory */
    struct list tcp_relays;                  /* all of them */
    struct list tcp_held[QUEUE_HELD_CHAINS]; /* those whose SYN is held, by id */
    /* Of several. */
    pthread_t thread;
    bool has_thread;
    bool has_rest; /* at the end of a run: something of the program's is still to be delivered */
    struct list parcels;     /* with run.parcels_lock */
    uint32_t packet_parcels; /* of them; atomically, as the next */
    uint64_t lost_packets;   /* that came in on another queue, for want of room here */
    struct loop_source wake_source;
    /* Of a helper (spread.h). */
    struct spread_table *helped; /* whose connections it has; NULL: it is none */
    uint64_t moved_before;       /* the first thread's: moved_bytes when it began to look */
    struct loop_timer detach_timer;
    bool is_detached; /* its queue of the device */
};

/* queue.c */

/* Makes the queue NUMBER, without a stack. WITH: its thread and its link are that one's; NULL: a
 * thread of its own, and no link yet. NULL: errno. */
struct queue *queue_new(struct run *run, uint32_t number, struct queue *with);
void queue_free(struct queue *queue);

/* Only with several queues do these do anything. They nest. */
void gate_lock_take(struct gate_lock *lock);
void gate_lock_give(struct gate_lock *lock);
/* The same; and the time of the run is QUEUE's, unless it is later already. */
void queue_lock(struct queue *queue);
void queue_unlock(struct queue *queue);

/* PARCEL, which is nowhere yet, is TO's to deliver. With the lock. */
void queue_post(struct queue *to, struct parcel *parcel);
/* Is its stack its thread's alone? The guard's, of several queues, is not. */
bool queue_is_own(const struct queue *queue);
/* Do they have one thread? */
static inline bool queue_is_with(const struct queue *queue, const struct queue *other)
{
    return queue->loop == other->loop;
}

/* Packets in; whether there may be more at once. And out. */
bool queue_receive(struct queue *queue);
void queue_transmit(struct queue *queue);

/* The lock, and threads for all queues but the first, which is the caller's: they turn until
 * queue_stop, which waits for them. BERTH_E_STATE (*failure is filled). */
BERTH_MUST_CHECK int queue_start(struct run *run, struct launch_failure *failure);
/* The program has ended: from now on each thread says whether it has anything left (has_rest). */
void queue_end(struct run *run);
void queue_stop(struct run *run);
/* Ends what is still on its way, when the threads have ended. */
void queue_drop_parcels(struct run *run);

/* steer.c: of several threads, whose packet DATA is that came in on FROM. */
struct queue *steer_packet(struct queue *from, const uint8_t *data, uint32_t bytes);
/* Whose the connection is of a published port's client, as the program sees it. */
struct queue *steer_client(struct run *run, const struct berth_endpoint *client);

/* run.c: one turn of QUEUE's thread, which waits until UNTIL_NS at most. */
void run_turn(struct queue *queue, uint64_t until_ns);

#endif
