/* SPDX-License-Identifier: MIT */
/*
 * The IP layer of one stack: its addresses, routes and guarded peers; reassembly; the ICMP messages
 * it makes; fragmenting what it sends.
 *
 * 1. Every rule above sees whole packets: a fragment goes no further than reassembly.
 * 2. Overlapping fragments drop the whole packet (RFC 5722; for IPv4 too, RFC 1858).
 * 3. No ICMP error answers an ICMP error, a fragment that is not the first, a multicast or
 * broadcast (RFC 1122 3.2.2, RFC 4443 2.4 e); all are rate-limited.
 */
#ifndef IP_IP_H
#define IP_IP_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/hash.h"
#include "base/outbox.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"
#include "base/timers.h"
#include "wire/wire.h"

#include <berth/berth.h>

#define IP_TIMER_REASSEMBLY 32 /* struct timer kind */
#define IP_HOP_LIMIT        64

struct ip_limits {
    uint32_t addresses;
    uint32_t routes; /* routes and, apart, guarded peers: as many each */
    uint32_t reassemblies;
    uint32_t icmp_per_second;
    uint32_t mtu;
    uint32_t offloads; /* enum berth_link_offload: what ip_send may leave to the link */
    uint64_t reassembly_ns;
    bool guard_peer; /* BERTH_GUARD_LINK_PEER */
    bool forward_any;
};

struct ip {
    struct ip_limits limits;
    struct hash_key key;     /* of the reassembly table */
    struct buffers *buffers; /* borrowed: the stack's */
    struct outbox *outbox;
    struct timers *timers;
    struct random *random; /* the stream "ip": fragment ids */
    struct berth_stats *stats;
    struct berth_prefix *addresses;
    uint32_t address_count;
    struct berth_prefix *routes;
    uint32_t route_count;
    struct berth_prefix *peers;
    uint32_t peer_count;
    bool has_admitted; /* the last pair that was let in: admit.c; no more once addresses or peers
                          have changed */
    struct berth_address admitted_source;
    struct berth_address admitted_destination;
    struct pool reassemblies; /* reassembly.c */
    struct table reassembly_table;
    struct list reassembly_order; /* oldest first */
    uint64_t icmp_tokens_ns;      /* token bucket of made ICMP messages: when it is full again */
};

/* What the stack gives its IP layer to work with; all borrowed for the stack's life. */
struct ip_parts {
    struct hash_key key; /* secret, of this use only */
    struct buffers *buffers;
    struct outbox *outbox;
    struct timers *timers;
    struct random *random;
    struct berth_stats *stats;
};

void ip_init(struct ip *ip, struct arena *arena, const struct ip_limits *limits,
             const struct ip_parts *parts);

/* BERTH_E_LIMIT; BERTH_E_INVALID: no unicast address, or more than 128 bits, or IPv4's with fewer
 * than 96. One that is there already is taken silently. */
int ip_add_address(struct ip *ip, const struct berth_prefix *prefix);
int ip_add_route(struct ip *ip, const struct berth_prefix *prefix);
int ip_add_peer(struct ip *ip, const struct berth_prefix *prefix);
bool ip_is_own(const struct ip *ip, const struct berth_address *address);
/* A broadcast address: IPv4's limited one, or that (or the network's) of a network of our own. */
bool ip_is_broadcast(const struct ip *ip, const struct berth_address *address);
/* A way to DESTINATION over the link: its own networks, routes and guarded peers; not its own
 * addresses. */
bool ip_has_route(const struct ip *ip, const struct berth_address *destination);
/* The stack's own address to use towards DESTINATION (same network first, then same version).
   BERTH_E_NO_ROUTE. */
int ip_source_for(const struct ip *ip, const struct berth_address *destination,
                  struct berth_address *out);

/* May PACKET come in here at all: destination ours (or anyone's unicast, forward_any), source a
   guarded peer's where there is a guard, not our own? BERTH_DROP_NONE or why not. */
enum berth_drop ip_admit(struct ip *ip, const struct wire_packet *packet);

/*
 * Takes the fragment PACKET in BUFFER. Returns the buffer of the now whole packet (to be parsed
 * again), or NULL: kept, or dropped and counted.
 */
struct berth_buffer *ip_reassemble(struct ip *ip, const struct wire_packet *packet,
                                   struct berth_buffer *buffer, uint64_t now_ns);
/* What the timer of a reassembly that has fired is about: the first fragment, addresses, protocol
 * and ports (of UDP and TCP). False: it has not come, or nobody is to be told of it. Valid until
 * the timer is handled. */
bool ip_timed_out(const struct timer *timer, struct wire_packet *out);
/* It is handled: the fragments are dropped, and IS_TOLD the sender of the first one is sent time
 * exceeded (RFC 792, RFC 4443 3.3). */
void ip_on_timer(struct ip *ip, struct timer *timer, bool is_told, uint64_t now_ns);

/* Every invariant of the reassemblies; aborts where one does not hold. */
void ip_check(const struct ip *ip);

/* Turns the echo request PACKET in BUFFER (taken) into its reply. */
void ip_echo_reply(struct ip *ip, const struct wire_packet *packet, struct berth_buffer *buffer,
                   uint64_t now_ns);
/* ICMP destination unreachable for the packet that came; BERTH_DROP_REPLY_LIMIT is counted where
 * none is made. */
void ip_send_unreachable(struct ip *ip, const struct wire_packet *packet,
                         enum berth_unreachable reason, uint64_t now_ns);
/* ICMP/ICMPv6 protocol unreachable (RFC 1122 3.2.2.1; ICMPv6: parameter problem 1). */
void ip_send_protocol_unreachable(struct ip *ip, const struct wire_packet *packet, uint64_t now_ns);
/* The same for a packet that is no longer there: quotes a header made of QUOTE. */
void ip_send_unreachable_quote(struct ip *ip, const struct wire_quote *quote,
                               enum berth_unreachable reason, uint64_t now_ns);

/*
 * Sends the packet that PACKET describes (addresses, protocol, hop_limit, traffic_class,
 * dont_fragment, transport_bytes): its transport header and payload are in BUFFER (taken) from
 * begin on, and the IP header is put in front. BUFFER->offload says checksum_partial with
 * checksum_offset, and for a UDP super-datagram segment_kind and segment_bytes; the rest is filled
 * in here. What is larger than the MTU goes in fragments, a super-datagram for a link that does not
 * cut it in pieces; checksums are completed then, and where the link does not do it. The outbox
 * gets it, or it is dropped and counted.
 */
void ip_send(struct ip *ip, const struct wire_packet *packet, struct berth_buffer *buffer);
/* The link takes packets of MTU bytes from now on. What waits in the outbox and is larger goes in
 * fragments (RFC 791 3.2, RFC 8200 4.5), in its turn; where there is no room for them, and for
 * pieces of a super-datagram that the link would have cut, BERTH_DROP_TOO_BIG is counted. */
void ip_set_mtu(struct ip *ip, uint32_t mtu);
/* How many packets ip_send makes of TRANSPORT_BYTES (transport header and payload) to DESTINATION.
 * SEGMENT_BYTES: 0, or of a UDP super-datagram. */
uint32_t ip_packet_count(const struct ip *ip, const struct berth_address *destination,
                         uint32_t transport_bytes, uint32_t segment_bytes);
/* Is there room for PACKETS more in the outbox, and buffers for all but one of them? */
bool ip_may_send(const struct ip *ip, uint32_t packets);

#endif
