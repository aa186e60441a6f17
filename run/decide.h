/* SPDX-License-Identifier: MIT */
/*
 * run/decide.h: the door between the gate and the relays: what becomes of a first contact that the
 * rules allow by its process only, or say to ask about. The process is looked for, the rules are
 * asked again with its name, and what they leave to a person is put to one (questions.h). Owns the
 * contacts that wait for an answer.
 *
 *   contact                  held by                        allowed                 not allowed
 *   the program calls        the stack (berth_held)         relay_..._call          berth_held_...
 *   a client of a published  its accepted socket            relay_tcp_answer        reset
 *   port
 *   a datagram to one        a copy; later ones are lost    relay_udp_arrive        nothing
 *
 * Invariants
 *  1. What the rules allow whatever the process goes straight through: nothing is looked up here.
 *  2. A process that is not known matches no "allow ... by" and every other "by".
 *  3. No name opens an address that leads inwards, but those of --hosts: rules by addresses do.
 *  4. At most ASK_WAITERS_MAX contacts wait; what comes after is denied.
 *  5. A client that is seen as the gateway though it is none of the host's (publish.c) passes only
 *     where a stranger would too: "from host" is not for it.
 *  6. With several queues a contact is decided on by the guard's thread, and goes its way on its
 *     own queue's; it is one of the two's at a time (parcel), and where it is given up meanwhile
 *     that is for the next who gets it.
 */
#ifndef RUN_DECIDE_H
#define RUN_DECIDE_H

#include "run/conversation.h"
#include "run/inside.h"
#include "run/relay_udp.h"

/* A contact that waits. */
struct decide_contact {
    struct ask_waiter waiter;
    struct list_node all; /* run.deciding */
    struct queue *queue;  /* whose stack holds it; a client's or a datagram's: the guard's */
    struct parcel parcel; /* from one to the other */
    bool is_given_up;     /* the stack holds it no more */
    enum ask_answer answer;
    enum berth_direction direction;
    enum berth_protocol protocol;
    struct berth_endpoint program;
    struct berth_endpoint peer;
    struct decided decided;
    struct berth_verdict held; /* by which the stack holds it; what that allowed has been counted */
    bool is_held;
    bool is_disguised; /* invariant 5 */
    uint64_t begun_ns;
    berth_id id;                      /* held by the stack; 0: not */
    int fd;                           /* a client; -1: none */
    struct relay_udp_arrival arrival; /* a datagram, its data copied behind this; data NULL: none */
};

static inline struct decide_contact *decide_contact_of(struct ask_waiter *waiter)
{
    return CONTAINER_OF(waiter, struct decide_contact, waiter);
}

/* The first packet held as ID, HELD by the stack. */
void decide_held(struct queue *queue, berth_id id, const struct berth_held *held);
/* FD (taken): a client of a published port, seen as CLIENT, for the program's end PROGRAM. */
void decide_client(struct run *run, int fd, const struct berth_endpoint *client,
                   const struct berth_endpoint *program, bool is_disguised);
/* A datagram to a published port, of a client that has no flow yet. */
void decide_datagram(struct run *run, const struct relay_udp_arrival *arrival);
/* The stack holds the packet of the event's id no more. */
void decide_on_held_closed(struct queue *queue, const struct berth_event *event);

/* What the rules, as they are now, say of CONTACT. */
struct berth_verdict decide_judge(struct run *run, const struct decide_contact *contact);
/* VERDICT is CONTACT's, if the rule's limit lets it be. */
void decide_take(struct run *run, struct decide_contact *contact,
                 const struct berth_verdict *verdict);
/* CONTACT, which waits no more, goes its way as ANSWER says: ASK_NOTHING, as its verdict says.
 * Takes it. The guard's thread calls. */
void decide_go(struct run *run, struct decide_contact *contact, enum ask_answer answer);

/* At the end of a run: nothing waits any more. */
void decide_end_all(struct run *run);

#endif
