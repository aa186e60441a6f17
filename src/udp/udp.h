/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets of one stack: UDP and echo conversations (protocol BERTH_ICMP, for ICMPv6 too),
 * whose "port" is the identifier at both ends.
 *
 *   state      event                          next      by
 *   -          first datagram, intercepted    held      udp_hold
 *   held       owner accepts                  open      udp_accept
 *   held       owner decides else, or time    -         udp_close
 *   -          berth_udp_open                 open      udp_open
 *   open       owner closes                   -         udp_close
 *
 * 1. A connected socket is in the table by protocol and both ends, once; no two share them.
 * 2. queue_bytes is the sum of the queued packets' bytes, headers included, and passes
 *    queue_bytes_max only by a single packet that is alone in the queue.
 * 3. A buffer in a queue with bytes == 0 is a page of small packets (queue.c); its `begin` is at
 *    the oldest.
 * 4. Peers are a memory only: losing one costs a verdict on the next datagram, nothing else.
 *
 * Only stack/ calls in here. The port space is the stack's matter: owns_port is a note for it.
 */
#ifndef UDP_UDP_H
#define UDP_UDP_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/events.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/table.h"
#include "base/timers.h"
#include "wire/wire.h"

#include <berth/berth.h>

#define UDP_TIMER_HELD 16 /* struct timer kind */
/* How long a peer of an unconnected socket is known without a datagram (RFC 4787 REQ-5: 5 min). */
#define UDP_PEER_NS (300 * NS_PER_S)

struct udp_socket {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t generation;
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    struct berth_endpoint local;
    struct berth_endpoint remote; /* connected ones only */
    void *user;
    struct event_node event;
    struct list_node waiting;   /* in udp.waiting: told BERTH_E_AGAIN, WRITABLE is owed */
    uint32_t waiting_packets;   /* once there are buffers for so many */
    struct timer timer;         /* held ones */
    struct berth_buffer *first; /* queue of datagrams; a buffer has one, or is a page of them */
    struct berth_buffer *last;
    struct berth_buffer *reserved; /* between berth_udp_reserve and commit; bytes: the room given */
    uint32_t page_end;             /* in last, where it is a page: the next packet goes here */
    uint32_t queue_bytes;
    uint32_t queue_count;
    struct berth_verdict verdict;
    int error;              /* ICMP told of it; not yet read */
    uint16_t echo_sequence; /* of the request last peeked */
    uint8_t protocol;       /* enum berth_protocol */
    bool in_use;
    bool held;
    bool connected; /* in the table by both ends; else by the bind table */
    bool owns_port; /* the port was taken from the port space */
};

/* Somebody whom an unconnected socket talks with: the verdict on them was given. */
struct udp_peer {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    uint32_t socket_index;
    uint32_t socket_generation;
    struct berth_endpoint local; /* our end towards them */
    struct berth_endpoint remote;
    uint64_t last_ns; /* of the last datagram either way */
    struct list_node order;
};

struct udp_limits {
    uint32_t sockets;
    uint32_t peers; /* of unconnected sockets, remembered. Then the quietest is forgotten */
    uint32_t queue_bytes;
    uint64_t held_ns;
};

/* What the stack gives; the pointers are borrowed for the stack's life. */
struct udp_parts {
    struct hash_key key; /* secret, of this use only */
    struct buffers *buffers;
    struct events *events;
    struct timers *timers;
    struct berth_stats *stats;
};

struct udp {
    struct pool sockets;
    struct table table; /* connected sockets by protocol and both ends */
    struct pool peers;
    struct table peer_table;
    struct list peer_order; /* quietest first */
    struct list waiting;    /* sockets that are owed BERTH_EVENT_WRITABLE */
    struct hash_key key;
    struct buffers *buffers; /* borrowed, as the rest */
    struct events *events;
    struct timers *timers;
    struct berth_stats *stats;
    uint32_t queue_bytes_max;
    uint64_t held_ns;
};

void udp_init(struct udp *udp, struct arena *arena, const struct udp_limits *limits,
              const struct udp_parts *parts);

/* Every invariant; aborts where one does not hold (check.c). */
void udp_check(const struct udp *udp);

/* ---- Sockets (socket.c) --------------------------------------------------------------------- */

struct udp_flow {
    uint8_t protocol; /* BERTH_UDP, BERTH_ICMP */
    bool connected;
    struct berth_endpoint local;
    struct berth_endpoint remote;
};

/* The connected socket of FLOW; NULL: none. */
struct udp_socket *udp_find(const struct udp *udp, const struct udp_flow *flow);
/* The socket in use at INDEX of this generation (the low 30 bits count, as in an id); NULL: gone.
 */
struct udp_socket *udp_at(const struct udp *udp, uint32_t index, uint32_t generation);
/* A new socket. BERTH_E_IN_USE: both ends are a socket's already. BERTH_E_LIMIT. */
int udp_open(struct udp *udp, const struct udp_flow *flow, void *user, struct udp_socket **out);
/* A new held socket, with its timer and BERTH_EVENT_HELD; NULL: the limit of sockets is reached. */
struct udp_socket *udp_hold(struct udp *udp, const struct udp_flow *flow,
                            const struct berth_verdict *verdict, uint64_t now_ns);
/* The owner takes the held SOCKET. */
void udp_accept(struct udp *udp, struct udp_socket *socket, void *user);
/* Ends SOCKET in any state; what is queued is given back. Ids of it are stale from here on. */
void udp_close(struct udp *udp, struct udp_socket *socket);
/* A held socket's time is over: closed, its datagrams counted as BERTH_DROP_HELD_LIMIT. */
void udp_on_timer(struct udp *udp, struct timer *timer);
/* ICMP told of ERROR (enum berth_error): noted until the owner peeks. */
void udp_on_error(struct udp *udp, struct udp_socket *socket, int error);
/* SOCKET was told BERTH_E_AGAIN for a datagram of PACKETS; udp_on_room, called when buffers or room
 * may have come back, notes BERTH_EVENT_WRITABLE for all those whose datagram finds buffers now. */
void udp_wait_for_room(struct udp *udp, struct udp_socket *socket, uint32_t packets);
void udp_on_room(struct udp *udp);

/* ---- The queue (queue.c) -------------------------------------------------------------------- */

/* Queues PACKET in BUFFER (taken). BERTH_DROP_NONE, or why it was dropped. */
enum berth_drop udp_deliver(struct udp *udp, struct udp_socket *socket,
                            const struct wire_packet *packet, struct berth_buffer *buffer);
/* The oldest packet queued, parsed again, valid until it is consumed; false: none. */
bool udp_peek(const struct udp_socket *socket, struct wire_packet *out);
/* Drops the oldest; false: none. */
bool udp_consume(struct udp *udp, struct udp_socket *socket);

/* ---- Peers of unconnected sockets (peers.c) ------------------------------------------------- */

/* The peer REMOTE of SOCKET; NULL: not known, or silent for too long. */
struct udp_peer *udp_find_peer(const struct udp *udp, const struct udp_socket *socket,
                               const struct berth_endpoint *remote, uint64_t now_ns);
/* A datagram went to or came from REMOTE, LOCAL being our end: remembered. */
void udp_note_peer(struct udp *udp, const struct udp_socket *socket, const struct udp_flow *between,
                   uint64_t now_ns);

#endif
