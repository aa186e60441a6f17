/* SPDX-License-Identifier: MIT */
/*
 * One stack: everything that <berth/berth.h> hides behind `struct berth`. Only stack/ sees inside.
 *
 * 1. Between two public calls every invariant of every part holds; nothing calls out in between.
 * 2. `now_ns` never goes back; it is set by the call under way and read by nothing else below.
 * 3. A packet handed in is delivered, kept, answered or counted under one drop reason, and its
 * buffer has one owner at the end.
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/events.h"
#include "base/outbox.h"
#include "base/random.h"
#include "base/timers.h"
#include "firewall/firewall.h"
#include "ip/ip.h"
#include "ports/ports.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

#include <berth/berth.h>

#define STACK_SCAN_WAITING 16

struct stack_contacts { /* a ring of refused first contacts */
    struct berth_contact *items;
    uint32_t first;
    uint32_t count;
    uint32_t limit;
};

struct berth {
    struct berth_config config;
    uint64_t now_ns;
    bool intercept;
    bool is_decided; /* what the stack's owner begins: by berth_decide */
    struct berth_verdict decided;
    bool has_news; /* berth_transmit was the first to note an event: the owner may not sleep yet */
    struct buffers buffers;
    struct timers timers;
    struct events events;
    struct outbox outbox;
    struct berth_buffer *lent; /* given out with the frames of the last berth_transmit */
    struct ports ports;
    struct firewall firewall;
    struct firewall_scan scan;
    struct tcp_outcome scan_waiting[STACK_SCAN_WAITING]; /* established, and not yet used */
    uint32_t scan_waiting_next;
    struct ip ip;
    struct udp udp;
    struct tcp tcp;
    struct stack_contacts contacts;
    struct random random_ports;
    struct random random_tcp;
    struct random random_ip;
    struct berth_stats stats;
};

/* Ids: kind in bits 62-63, generation in 32-61, index + 1 in 0-31. */
#define STACK_GENERATION_MASK 0x3fffffffU
static inline berth_id stack_id(enum berth_kind kind, uint32_t generation, uint32_t index)
{
    return (uint64_t)kind << 62 | (uint64_t)(generation & STACK_GENERATION_MASK) << 32 |
           ((uint64_t)index + 1);
}
static inline enum berth_kind stack_id_kind(berth_id id)
{
    return (enum berth_kind)(id >> 62);
}
static inline uint32_t stack_id_generation(berth_id id)
{
    return (uint32_t)(id >> 32) & STACK_GENERATION_MASK;
}
static inline uint32_t stack_id_index(berth_id id)
{
    return (uint32_t)id - 1;
}

/* firewall_calls.c: the verdict on a first contact, as this stack's guard sees it. PROTOCOL: enum
 * berth_protocol. */
struct stack_contact {
    enum berth_protocol protocol;
    struct berth_endpoint local;  /* the stack's end */
    struct berth_endpoint remote; /* the other end of the conversation */
    bool arriving;                /* the other end speaks first */
    bool may_hold;                /* the owner can decide: nobody here serves it, it intercepts */
};
/* The same as the rules are asked it. */
struct berth_contact_query stack_query(const struct berth *berth,
                                       const struct stack_contact *contact);
/* Judges, counts, and notes a refusal for berth_next_contact. A verdict that is the owner's to give
 * comes back as it is if CONTACT may be held, else as a denial. */
struct berth_verdict stack_judge(struct berth *berth, const struct stack_contact *contact);
/* Is VERDICT, of stack_judge on a contact that may be held, the owner's to give? */
static inline bool stack_is_asked(const struct berth_verdict *verdict)
{
    return verdict->action == BERTH_ASK ||
           (verdict->needs_process && verdict->action != BERTH_ALLOW);
}

/* Can ADDRESS be an end of a conversation (RFC 1122 3.2.1.3)? */
static inline bool stack_is_unicast(const struct berth *berth, const struct berth_address *address)
{
    return !berth_address_is_any(address) && !berth_address_is_multicast(address) &&
           !ip_is_broadcast(&berth->ip, address);
}

/* scan_calls.c: first contacts that have ended, for the walks of firewall/scan.h. */
void stack_scan_failed(struct berth *berth, const struct stack_contact *contact);
void stack_scan_served(struct berth *berth, const struct stack_contact *contact);
/* PACKET's transport is none that is spoken here. */
void stack_scan_unknown(struct berth *berth, const struct wire_packet *packet);
/* PACKET's TCP flags are such as no stack sends. */
void stack_scan_odd(struct berth *berth, const struct wire_packet *packet);
/* PACKET, a TCP segment of PAIR, is of no connection. */
void stack_scan_stray(struct berth *berth, const struct wire_packet *packet,
                      const struct tcp_pair *pair);
/* Does PACKET come from a scanner that is not to be answered? */
bool stack_scan_is_dropped(struct berth *berth, const struct wire_packet *packet);
/* What becomes of CONTACT, before any rule is asked; ALLOW: the rules say. */
enum berth_action stack_scan_verdict(struct berth *berth, const struct stack_contact *contact);

/* ingress_datagram.c: a whole UDP or ICMP packet for us; BUFFER is taken. The drop reason or
 * BERTH_DROP_NONE. */
enum berth_drop stack_on_udp(struct berth *berth, struct wire_packet *packet,
                             struct berth_buffer *buffer);
enum berth_drop stack_on_icmp(struct berth *berth, struct wire_packet *packet,
                              struct berth_buffer *buffer);
/* ingress_tcp.c: the same for a TCP segment. */
enum berth_drop stack_on_tcp(struct berth *berth, struct wire_packet *packet,
                             struct berth_buffer *buffer);
/* ICMP error about a TCP segment of ours. ERROR: BERTH_E_... it stands for; HARD: not a hint only.
 */
enum berth_drop stack_on_tcp_unreachable(struct berth *berth, const struct wire_quote *quote,
                                         int error);
/* Fragmentation needed (RFC 1191), packet too big (RFC 8201). MTU: what the router said, 0 if
 * nothing. */
enum berth_drop stack_on_tcp_too_big(struct berth *berth, const struct wire_quote *quote,
                                     uint32_t mtu);

/* datagram_held.c and tcp_held.c: the two sides of the berth_held_... calls. REASON < 0: silence.
 */
int stack_held_datagram(const struct berth *berth, berth_id id, struct berth_held *out);
int stack_held_datagram_accept(struct berth *berth, berth_id id, void *user);
int stack_held_datagram_end(struct berth *berth, berth_id id, int reason);
int stack_held_tcp(const struct berth *berth, berth_id id, struct berth_held *out);
int stack_held_tcp_accept(struct berth *berth, berth_id id, void *user);
/* Is REASON one of enum berth_unreachable? */
static inline bool stack_is_reason(int reason)
{
    return reason >= BERTH_UNREACHABLE_NETWORK && reason <= BERTH_UNREACHABLE_PROHIBITED;
}
#define STACK_HELD_SILENCE (-1)
#define STACK_HELD_RESET   (-2)
/* REASON: enum berth_unreachable, or one of these. */
int stack_held_tcp_end(struct berth *berth, berth_id id, int reason);

/* ingress.c: the time of the public call under way. */
void stack_set_now(struct berth *berth, uint64_t now_ns);

/* check.c: every invariant of the stack; aborts where one does not hold. */
void stack_check(const struct berth *berth);

#endif
