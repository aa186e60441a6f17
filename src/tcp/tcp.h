/* SPDX-License-Identifier: MIT */
/*
 * TCP of one stack, as the stack drives it (RFC 9293 3.10): the module's state and its face.
 * The stack finds the connection or listener, asks the firewall, and calls in here; what wants to
 * go out waits in `ready` until the stack transmits.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include "base/arena.h"
#include "base/buffers.h"
#include "base/events.h"
#include "base/hash.h"
#include "base/outbox.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"
#include "base/timers.h"
#include "base/tree.h"
#include "ports/ports.h"
#include "tcp/options.h"
#include "tcp/outcome.h"
#include "wire/wire.h"

#include <berth/berth.h>

#define TCP_TIMER_CONN      1 /* struct timer kinds */
#define TCP_TIMER_TIME_WAIT 2
#define TCP_TIMER_SYN       4

#define TCP_GENERATION_MASK 0x3fffffffU /* what an id carries of a generation */

#define TCP_SYN_ATTEMPTS 31 /* of a SYN,ACK, syn_retries at most and the first */

struct cc_table;

/* Both ends of a conversation and their keyed hash, taken once per segment: the low half is the
 * place in the tables, the high half the offset of our timestamps (RFC 7323 5.4). */
struct tcp_pair {
    struct berth_endpoint local;
    struct berth_endpoint remote;
    uint64_t hash;
};

struct tcp_keys {            /* secrets that are renewed: keys.c */
    struct hash_key keys[2]; /* of the even and the odd period */
    uint64_t period;         /* of the newest key */
};

/* Neighbours among the connections that may have something to send: ready.c. */
#define TCP_TURN_HEAD 1U
struct tcp_turn {
    uint32_t next; /* index + 2, or the head, in struct tcp; 0: it is not among them */
    uint32_t prev;
};

struct tcp_fast {         /* Fast Open: fast_open.c, fast_cache.c */
    struct tcp_keys keys; /* of the cookies that we give */
    struct pool peers;    /* servers that gave us some */
    struct table table;
    struct list order; /* the one used longest ago first */
};

#define TCP_RECENT 1024U /* a power of two */

/* How many connections are sent much at the same time (settings.receive_bytes_shared): tune.c. */
struct tcp_share {
    uint64_t began_ns; /* when the count began */
    uint64_t busy_us;  /* the round trips of them all since */
    uint32_t bytes;    /* what each may have; UINT32_MAX: what it has use for */
};

struct tcp {
    struct berth_tcp_settings settings;
    struct tcp_options defaults; /* of connections and listeners: as settings has them */
    uint32_t mtu;
    uint32_t offloads; /* enum berth_link_offload */
    uint32_t segment_bytes_max;
    uint32_t reorder_per_connection;
    struct pool conns;
    struct pool backs;      /* the backs of conns, one each, of the same index */
    struct pool syns;       /* half-open passive connections: half.c */
    struct pool time_waits; /* timewait.h */
    struct pool listeners;
    struct pool options;
    struct pool sent_records;
    struct pool reorder_records;
    struct pool paths;                       /* that take less than the link, or may: path.c */
    struct table path_table;                 /* by peer */
    struct list path_order;                  /* least lately asked for first */
    struct tree_dice dice;                   /* for the records' rows */
    struct pool works;                       /* of connections that are not at rest: work.c */
    struct pool ledgers;                     /* of those with something to keep in one */
    struct pool rates;                       /* of paced and measured connections */
    struct table table;                      /* connections by both ends */
    struct table syn_table;                  /* half-open ones by both ends */
    struct table time_wait_table;            /* TIME-WAIT records by both ends */
    struct list syn_order[TCP_SYN_ATTEMPTS]; /* by how often the SYN,ACK went out; oldest first */
    struct timer syn_timer;                  /* the next SYN,ACK to be sent again */
    struct tcp_keys cookies;                 /* SYN cookies */
    struct tcp_fast fast;
    struct tcp_turn ready;     /* the head of those that may have something to send */
    uint32_t time_wait_oldest; /* numbers (timewait.h); 0: none */
    uint32_t time_wait_newest;
    struct hash_key table_key;
    struct tcp_pair pair_last;   /* its hash is right: segments come in bursts */
    uint32_t recent[TCP_RECENT]; /* connections that segments came for, index + 1: conn.c */
    struct hash_key isn_key;
    struct random *random;   /* the stream "tcp" */
    struct buffers *buffers; /* borrowed, as the rest */
    struct outbox *outbox;
    struct events *events;
    struct timers *timers;
    struct berth_stats *stats;
    uint32_t held_max;
    struct tcp_share share;
    uint64_t now_ns;              /* of the public call under way */
    uint64_t challenge_window_ns; /* RFC 5961 7: the second being counted */
    uint32_t challenge_left;
    uint32_t held;                /* connections now held */
    uint32_t reopen_iss;          /* reopening: the initial sequence number to use (RFC 6191) */
    bool reopening;               /* the connection made next reopens a TIME-WAIT one */
    struct list starved;          /* connections that wait for buffers, or for sent records */
    struct list writers;          /* those that wait for buffers to write into, and nothing else */
    uint32_t fed_free;            /* with no more free than this they have been asked already */
    uint32_t fed_records;         /* the same of sent records */
    uint32_t fed_writers;         /* of free buffers, for `writers` */
    bool is_hungry;               /* somebody is in these lists, or was */
    bool has_untold;              /* writers wait for what those who were told may leave */
    struct timer time_wait_timer; /* the oldest TIME-WAIT's end */
    struct tcp_outcomes outcomes; /* for whom watches first contacts */
    struct ports *ports;          /* borrowed: where connections' ports are given back */
};

struct tcp_conn;
struct tcp_listener;
struct tcp_syn;
struct tcp_time_wait;

/* What the stack lends its TCP; all outlive it. */
struct tcp_parts {
    struct buffers *buffers;
    struct outbox *outbox;
    struct events *events;
    struct timers *timers;
    struct ports *ports;
    struct random *random; /* the stream "tcp" */
    struct berth_stats *stats;
};

void tcp_init(struct tcp *tcp, struct arena *arena, const struct berth_config *config,
              const struct tcp_parts *parts);
/* Draws the keys; after the arena's memory is real. */
void tcp_seed(struct tcp *tcp, uint64_t now_ns);
/* The options with which connections begin, as SETTINGS has them. */
void tcp_options_init(struct tcp_options *options, const struct berth_tcp_settings *settings);

/* ---- Segments ------------------------------------------------------------------------------- */

struct tcp_pair tcp_pair(struct tcp *tcp, const struct berth_endpoint *local,
                         const struct berth_endpoint *remote);
struct tcp_conn *tcp_find(struct tcp *tcp, const struct tcp_pair *pair);
/* The connection of PACKET; NULL: there is none. */
struct tcp_conn *tcp_find_for(struct tcp *tcp, const struct wire_packet *packet);
struct tcp_syn *tcp_find_syn(const struct tcp *tcp, const struct tcp_pair *pair);
struct tcp_time_wait *tcp_find_time_wait(const struct tcp *tcp, const struct tcp_pair *pair);
/* A segment of CONN (RFC 9293 3.10.7.3 and 3.10.7.4). BUFFER is taken. */
enum berth_drop tcp_on_segment(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                               struct berth_buffer *buffer);
/* Does SEGMENT acknowledge another SYN,ACK than SYN's, for the same SYN? */
bool tcp_half_is_other_answer(const struct tcp_syn *syn, const struct wire_tcp *segment);
/* SYN is gone without a word: a connection has come of another answer. */
void tcp_half_forget(struct tcp *tcp, struct tcp_syn *syn);
/* A segment for a half-open connection. *OUT, unless NULL: the connection that it has become, for
 * tcp_on_segment to take this very segment. */
enum berth_drop tcp_on_half_open(struct tcp *tcp, struct tcp_syn *syn,
                                 const struct wire_packet *packet, struct tcp_conn **out);
/* A segment for a TIME-WAIT record. *REOPEN: it is a SYN that may open anew: between
 * tcp_time_wait_reopen and the end of `reopening` it is a first contact. The record stays until the
 * connection that came of it is established. */
enum berth_drop tcp_on_time_wait(struct tcp *tcp, struct tcp_time_wait *wait,
                                 const struct wire_packet *packet, bool *reopen);
/* The connection made next takes WAIT's four-tuple over: its numbers begin past WAIT's. */
void tcp_time_wait_reopen(struct tcp *tcp, const struct tcp_time_wait *wait);
void tcp_time_wait_end(struct tcp *tcp, struct tcp_time_wait *wait);
/* A SYN that the firewall allowed, for LISTENER (RFC 9293 3.10.7.2). *OUT, unless NULL: the
 * connection that is open at once (Fast Open): tcp_fast_text takes the SYN's text. */
enum berth_drop tcp_on_listen(struct tcp *tcp, struct tcp_listener *listener,
                              const struct tcp_pair *pair, const struct wire_packet *packet,
                              struct tcp_conn **out);
/* BUFFER is taken. */
enum berth_drop tcp_fast_text(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                              struct berth_buffer *buffer);
/* Does LISTENER have SYN cookies out that may come back? */
bool tcp_has_cookies(const struct tcp *tcp, const struct tcp_listener *listener);
/* A segment that no connection sent may bring back a SYN cookie of LISTENER's. *OUT, unless NULL:
 * the connection it stands for, to take this very segment. BERTH_DROP_NO_CONNECTION: it brings
 * none. */
enum berth_drop tcp_on_cookie(struct tcp *tcp, struct tcp_listener *listener,
                              const struct tcp_pair *pair, const struct wire_packet *packet,
                              struct tcp_conn **out);
/* A SYN that the firewall allowed, to be held for the owner. */
enum berth_drop tcp_hold(struct tcp *tcp, const struct tcp_pair *pair,
                         const struct wire_packet *packet, const struct berth_verdict *verdict);
/* A segment of no connection: answered with RST (RFC 9293 3.10.7.1). */
void tcp_refuse(struct tcp *tcp, const struct wire_packet *packet);
/* An ICMP error quoting sequence number SEQ of CONN's. */
void tcp_on_unreachable(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, int error);
/* A router's word that packets of CONN may have at most MTU bytes; SEQ as quoted. */
void tcp_on_too_big(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint32_t mtu);
/* The link takes packets of MTU bytes from now on. */
void tcp_set_mtu(struct tcp *tcp, uint32_t mtu);
void tcp_on_timer(struct tcp *tcp, struct timer *timer);

/* The next connection that may have something to send; NULL: none. */
struct tcp_conn *tcp_ready(const struct tcp *tcp);
/* Fills FRAME and the segment's description with CONN's next segment. false: CONN has nothing now
 * and has left the ready list (it may even be gone). */
bool tcp_fill(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
              struct berth_frame *frame);
/* Buffers are free again: tells those that wait; writers in turn, no more than there are buffers.
 * While has_untold it is to be called again soon. */
void tcp_feed_hungry(struct tcp *tcp);
static inline void tcp_feed(struct tcp *tcp)
{
    if (tcp->is_hungry) {
        tcp_feed_hungry(tcp);
    }
}

/* ---- Calls ---------------------------------------------------------------------------------- */

struct tcp_conn *tcp_conn_of(const struct tcp *tcp, uint32_t index, uint32_t generation);
struct tcp_listener *tcp_listener_of(const struct tcp *tcp, uint32_t index, uint32_t generation);
uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *conn);
uint32_t tcp_listener_index(const struct tcp *tcp, const struct tcp_listener *listener);

struct tcp_listener *tcp_listener_new(struct tcp *tcp, const struct berth_endpoint *local,
                                      uint32_t backlog, void *user);
void tcp_listener_free(struct tcp *tcp, struct tcp_listener *listener);
struct tcp_conn *tcp_accept(struct tcp *tcp, struct tcp_listener *listener, void *user);
/* OWNS_PORT: the port space has LOCAL's port for us; it is given back at the end, also on
 * failure. */
int tcp_connect(struct tcp *tcp, const struct berth_endpoint *local,
                const struct berth_endpoint *remote, bool owns_port, struct tcp_conn **out);
int tcp_held_accept(struct tcp *tcp, struct tcp_conn *conn, void *user);
/* Ends a held SYN: with a RST, or in silence (the stack sends the ICMP). */
void tcp_held_end(struct tcp *tcp, struct tcp_conn *conn, bool reset);

int tcp_peek(struct tcp *tcp, struct tcp_conn *conn, struct berth_view *views, uint32_t max,
             uint32_t *count);
int tcp_consume(struct tcp *tcp, struct tcp_conn *conn, size_t bytes);
size_t tcp_whole_bursts(const struct tcp *tcp, const struct tcp_conn *conn, size_t want,
                        uint32_t max);
int tcp_reserve(struct tcp *tcp, struct tcp_conn *conn, size_t want, struct berth_view *views,
                uint32_t max);
int tcp_commit(struct tcp *tcp, struct tcp_conn *conn, size_t bytes);
int tcp_urgent(struct tcp *tcp, struct tcp_conn *conn);
int tcp_shutdown(struct tcp *tcp, struct tcp_conn *conn);
void tcp_close(struct tcp *tcp, struct tcp_conn *conn);
void tcp_abort(struct tcp *tcp, struct tcp_conn *conn);
int tcp_more(struct tcp *tcp, struct tcp_conn *conn);
int tcp_set(struct tcp *tcp, struct tcp_conn *conn, enum berth_tcp_option option, uint64_t value);
int tcp_get(const struct tcp *tcp, const struct tcp_conn *conn, enum berth_tcp_option option,
            uint64_t *value);
int tcp_set_congestion_control(struct tcp *tcp, struct tcp_conn *conn, const char *name);
int tcp_listener_set(struct tcp *tcp, struct tcp_listener *listener, enum berth_tcp_option option,
                     uint64_t value);
int tcp_listener_get(const struct tcp_listener *listener, enum berth_tcp_option option,
                     uint64_t *value);
int tcp_listener_set_congestion_control(struct tcp *tcp, struct tcp_listener *listener,
                                        const char *name);
void tcp_info(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out);
void tcp_check(const struct tcp *tcp); /* every connection's invariants */

#endif
