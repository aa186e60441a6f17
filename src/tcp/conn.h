/* SPDX-License-Identifier: MIT */
/*
 * One connection (the TCB of RFC 9293 3.3.1), and the records it keeps of data in flight and out of
 * order. Fields belong to the file named beside them; others read.
 *
 * Invariants, whenever no call is under way (tcp_conn_check); see also work.h:
 *  1. snd_una <= snd_nxt <= snd_end + 1 (SYN and FIN count one), all modulo 2^32.
 *  2. The send queue holds exactly the bytes [snd_una, snd_end) once the SYN is acknowledged.
 *  3. `sent` covers [snd_una, snd_nxt) without gap or overlap, in order, once the SYN is
 *  acknowledged.
 *  4. sacked_bytes, lost_bytes and resent_bytes are the sums over `sent` of the records so marked,
 *     or of the parts of them that are (records.h: `head`).
 *  5. `reorder` is sorted, without overlap, and lies wholly behind rcv_nxt.
 *  6. rcv_nxt <= rcv_adv: the right edge offered to the peer never moves left.
 *  7. A connection is in the four-tuple table exactly while its state is not CLOSED.
 *
 *  state         event                            next           by
 *  -             connect                          SYN_SENT       open_active            open.c
 *  -             SYN to a listener                (record)       tcp_on_listen          half.c
 *  (record)      ACK of our SYN,ACK               SYN_RECEIVED   tcp_half_become        half.c
 *  -             ACK with a SYN cookie            SYN_RECEIVED   tcp_on_cookie          cookie.c
 *  -             SYN, intercepted                 LISTEN (held)  open_held              open.c
 *  LISTEN        owner accepts                    SYN_RECEIVED   tcp_held_accept        open.c
 *  SYN_SENT      SYN,ACK of ours                  ESTABLISHED    on_syn_sent            open.c
 *  SYN_SENT      SYN                              SYN_RECEIVED   on_syn_sent            open.c
 *  SYN_RECEIVED  ACK of our SYN                   ESTABLISHED    tcp_establish          open.c
 *  ESTABLISHED   FIN                              CLOSE_WAIT     tcp_on_fin             receive.c
 *  ESTABLISHED   our FIN is sent                  FIN_WAIT_1     tcp_fin_sent           transmit.c
 *  FIN_WAIT_1    our FIN is acknowledged          FIN_WAIT_2     tcp_on_fin_acked       ack.c
 *  FIN_WAIT_1    FIN                              CLOSING        tcp_on_fin             receive.c
 *  FIN_WAIT_2    FIN                              TIME_WAIT      tcp_on_fin             receive.c
 *  CLOSING       our FIN is acknowledged          TIME_WAIT      tcp_on_fin_acked       ack.c
 *  CLOSE_WAIT    our FIN is sent                  LAST_ACK       tcp_fin_sent           transmit.c
 *  LAST_ACK      our FIN is acknowledged          CLOSED         tcp_on_fin_acked       ack.c
 *  any           RST, timeout, abort              CLOSED         tcp_conn_end           conn.c
 *  A half-open passive connection is a record of its own (half.h) until its SYN,ACK is
 *  acknowledged, so SYN_RECEIVED is only passed through there; TIME_WAIT is another (timewait.c):
 *  the connection becomes CLOSED.
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "cc/cc.h"
#include "tcp/records.h"
#include "tcp/tcp.h"
#include "tcp/work.h"

enum tcp_conn_flag {
    CONN_ACK_NOW = 1 << 0,      /* an ACK is owed at once */
    CONN_ACK_DELAYED = 1 << 1,  /* an ACK is owed by ack_tick */
    CONN_SYN_NOW = 1 << 2,      /* SYN or SYN,ACK is to be (re)sent */
    CONN_RST_NOW = 1 << 3,      /* a RST is to be sent, then the record is freed */
    CONN_PROBE_NOW = 1 << 4,    /* a keep-alive or window probe is to be sent */
    CONN_FORCE_NOW = 1 << 5,    /* the override timer: send what fits (RFC 9293 3.8.6.2.1) */
    CONN_FIN_QUEUED = 1 << 6,   /* the writer is done: FIN at snd_end */
    CONN_FIN_RECEIVED = 1 << 7, /* the peer's FIN is in order */
    CONN_ORPHAN = 1 << 8,       /* the owner has closed: no events, freed when over */
    CONN_UNOWNED =
        1 << 9, /* not yet accepted: held, or a listener's; event.node is the listener's */
    CONN_ACTIVE = 1 << 10, /* opened by connect */
    CONN_SACK = 1 << 11,   /* both sides agreed */
    CONN_TIMESTAMPS = 1 << 12,
    CONN_WSCALE = 1 << 13,
    CONN_NO_DELAY = 1 << 14,
    CONN_QUICK_ACK = 1 << 15,
    CONN_KEEPALIVE = 1 << 16,
    CONN_RECOVERY = 1 << 17,     /* fast recovery until recover is acknowledged */
    CONN_TIMEOUT = 1 << 18,      /* recovering from an RTO until recover is acknowledged */
    CONN_PERSIST = 1 << 19,      /* rto_ns is the persist timer's */
    CONN_WANT_WRITE = 1 << 20,   /* a writer was told BERTH_E_AGAIN */
    CONN_OWNS_PORT = 1 << 21,    /* the port space counts our local port */
    CONN_CWND_LIMITED = 1 << 22, /* the last flight filled cwnd (RFC 7661) */
    CONN_RTT_TAKEN = 1 << 23,    /* srtt is valid */
    CONN_HELD = 1 << 24,
    CONN_FIN_SEEN = 1 << 25, /* the peer's FIN came out of order: at rcv_fin */
    CONN_FAST_NOW = 1 << 26, /* the first retransmission of a recovery asks no cwnd (RFC 6675 5) */
    CONN_URGENT_OUT = 1 << 27, /* up to snd_up not all is acknowledged: segments point there */
    CONN_URGENT_IN = 1 << 28,  /* up to rcv_up not all is read: "urgent mode" */
    CONN_ECN = 1 << 29,        /* marks are told of: ecn.c */
    CONN_ACK_TIMED = 1 << 30   /* the timer fires no later than a delayed ACK would be due */
};

/*
 * What a connection always has is two records of one index. The front is three lines of 64 bytes,
 * in which they begin: all that a data segment in order asks. The back is what is asked by segments
 * that leave, by ACKs of what left, by the owner's calls, or seldom; in this order. What is only
 * known while something is under way is in `work`.
 */
struct tcp_conn {
    uint32_t hash_next; /* index + 1; the pool's while free */
    /* identity: conn.c */
    uint32_t hash;
    uint32_t ts_offset;
    struct berth_endpoint local;
    struct berth_endpoint remote;
    uint32_t flags; /* enum tcp_conn_flag */
    uint8_t state;  /* enum berth_tcp_state */
    uint8_t snd_wscale;
    uint8_t rcv_wscale;
    uint8_t dscp_received; /* of what came last */
    uint8_t quick_acks;    /* ACKs at once still to give at the start */
    uint8_t probes;        /* keep-alive probes without an answer; SYNs sent */
    uint16_t mss;          /* payload bytes of a full segment we send, options taken off: open.c */
    uint16_t mss_own;      /* as we announced */
    uint16_t rcv_mss;      /* largest segment seen: what "two full segments" means */
    /* ---- 64 ---- receiving: receive.c; sending: ack.c, transmit.c */
    uint32_t rcv_nxt;
    uint32_t rcv_adv;       /* right edge of the window offered */
    uint32_t rcv_acked;     /* the last ACK number sent */
    uint32_t receive_bytes; /* queued in order */
    union {
        uint32_t ts_recent;
        uint32_t turnover_seq; /* without timestamps: tune.c, as the next */
    };
    union {
        uint32_t ts_recent_at; /* in units of tcp_coarse */
        uint32_t turnover_us;
    };
    uint32_t snd_una;
    uint32_t snd_nxt;
    uint32_t snd_end; /* after the last byte queued; where the FIN goes */
    uint32_t snd_wnd; /* scaled */
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint32_t snd_wnd_max;
    uint32_t heard_tick;   /* the peer last sent anything: conn_tick_ns */
    struct tcp_work *work; /* work.c; never NULL: tcp_no_work at rest */
    /* ---- 128 ---- the queue, and whom a segment wakes */
    struct tcp_back *back;             /* never NULL */
    struct berth_buffer *receive_last; /* its next is the first; NULL: nothing is queued */
    struct tcp_counts counts;          /* count.c */
    uint32_t ack_tick;                 /* CONN_ACK_DELAYED: its deadline, of timers_tick_of */
    struct tcp_turn ready;             /* ready.c */
    struct event_node event;
};

struct tcp_back {
    const struct tcp_options *options; /* options.c */
    struct tcp_ledger *ledger;         /* never NULL: tcp_no_ledger where there is nothing in it */
    struct tcp_totals totals;
    uint16_t path; /* its record's index + 1; 0: it takes what the link takes */
    uint8_t hop_limit;
    uint8_t dscp;             /* of what we send (RFC 9293 3.9.1.9) */
    uint8_t rack_multiple;    /* of min_rtt / 4, less one: the reordering window */
    uint8_t rack_persist;     /* recoveries until the window shrinks again */
    bool rack_reordering : 1; /* the path has reordered */
    bool corked : 1;          /* a segment that is not full waits for more */
    bool more : 1;            /* the same until the next commit */
    bool timeout_now : 1;     /* the user timeout is to be told: timeout.c */
    bool syn_lost : 1;        /* and no round trip was measured since: rtt.c */
    bool fast_asked : 1;      /* our first SYN had the Fast Open option */
    bool fast_text : 1;       /* and text */
    bool fast_early : 1;      /* open before the handshake is complete, by a Fast Open cookie */
    bool fast_renew : 1;      /* our SYN,ACK brings a new one */
    bool rule_log : 1;        /* held: the verdict's, as the next */
    bool rule_needs_process : 1;
    bool rule_by_name : 1;
    bool rule_limited : 1;
    uint8_t rule_action : 2; /* enum berth_action */
    struct tcp_tune tune;
    uint32_t srtt; /* in units of RTT_UNIT_SHIFT: rtt.c, as the next three */
    uint32_t rttvar;
    uint32_t min_rtt;    /* 0: none yet */
    uint32_t min_rtt_at; /* in units of tcp_coarse */
    uint32_t iss;
    uint32_t irs; /* the peer's */
    struct timer timer;
    void *user;
    uint32_t generation;    /* kept across lives */
    uint16_t mss_peer;      /* as the peer announced */
    int8_t error;           /* how it ended: enum berth_error */
    int8_t soft_error;      /* the last that did not end it */
    struct cc_rest cc_rest; /* while at rest: its congestion control */
    uint32_t sent_tick;     /* while at rest: we last sent data */
    uint32_t listener;      /* index + 1 */
    union {
        int32_t rule;           /* the verdict's rule, for held ones */
        uint32_t fast_listener; /* fast_early: whose, index + 1; 0: it has gone */
    };
    uint32_t spent[3];      /* by enum tcp_busy, less one: count.c */
    uint32_t acked_high;    /* how often snd_una has come past 2^32 */
    uint32_t received_high; /* the same of rcv_nxt */
};

/* With its timer in it, and what the four-tuple table has of it: 8 bytes at most, 4 where the limit
 * is a power of two. */
_Static_assert(sizeof(struct tcp_conn) + sizeof(struct tcp_back) == 368, "idle: 376 bytes");
_Static_assert(sizeof(struct tcp_conn) == 192, "three lines");
_Static_assert(offsetof(struct tcp_conn, rcv_nxt) == 64, "who, and how it stands");
_Static_assert(offsetof(struct tcp_conn, back) == 128, "numbers");

struct tcp_listener {
    uint32_t pool_link;
    uint32_t generation;
    struct berth_endpoint local;
    uint32_t backlog;
    uint32_t pending;    /* connections that wait to be accepted */
    uint32_t half_open;  /* records: half.c */
    uint64_t cookies_ns; /* when a SYN cookie last went out; 0: never */
    uint32_t fast_pending;
    uint32_t fast_reset;    /* of those that were open early a RST ended so many */
    uint64_t fast_reset_ns; /* the last of them */
    const struct tcp_options *options;
    struct list queue; /* established, not yet accepted: conn->event.node */
    struct event_node event;
    void *user;
    bool in_use;
    bool announced; /* a SYN was answered: what the answer says stays as it is */
};

/* What is known of the path to a peer: path.c. */
struct tcp_path {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    struct list_node order;
    struct berth_address peer;
    uint64_t until_ns; /* then it may have grown */
    uint16_t mtu;      /* bytes of an IP packet */
    uint16_t high;
    uint8_t failures; /* probes of the size that is tried that were lost */
    bool narrowed;    /* the largest was tried in vain: halves from here */
    bool searching;
    bool probed; /* its routers say nothing: only probes raise it, not its age */
};

/* What the pieces of one arriving segment's processing hand to each other. */
struct tcp_arrival {
    struct wire_packet *packet;
    struct berth_buffer *buffer; /* NULL once somebody has taken it */
    uint8_t *payload;
    uint32_t seq;   /* of payload; trimmed to the window */
    uint32_t bytes; /* of payload */
    bool fin;       /* FIN follows the payload and is in the window */
};

static inline bool conn_has(const struct tcp_conn *conn, uint32_t flags)
{
    return (conn->flags & flags) != 0;
}
static inline void conn_set(struct tcp_conn *conn, uint32_t flags)
{
    conn->flags |= flags;
}
static inline bool conn_is_at_rest(const struct tcp_conn *conn)
{
    return conn->work == &tcp_no_work;
}
static inline void conn_clear(struct tcp_conn *conn, uint32_t flags)
{
    conn->flags &= ~flags;
}

/*
 * The peer's window is probably small: it begins, or it has lost something. An ACK that is delayed
 * then may be the one that it waits for, so the next ones are sent at once (RFC 5681 4.2 allows
 * it).
 */
static inline void conn_quicken(struct tcp_conn *conn)
{
    conn->quick_acks = 16;
}

/* Times in ticks of TCP_TICK_SHIFT, rounded up: those of the last 52 days can be told. What is
 * older seems newer by that: keep-alive that is turned on then asks late, but within its idle time.
 */
static inline uint32_t conn_tick(uint64_t ns)
{
    return (uint32_t)((ns + ((uint64_t)1 << TCP_TICK_SHIFT) - 1) >> TCP_TICK_SHIFT);
}
static inline uint64_t conn_tick_ns(uint32_t tick, uint64_t now_ns)
{
    uint64_t latest = (now_ns >> TCP_TICK_SHIFT) + 1;
    return (latest - (uint32_t)((uint32_t)latest - tick)) << TCP_TICK_SHIFT;
}

static inline uint64_t conn_srtt_ns(const struct tcp_conn *conn)
{
    return (uint64_t)conn->back->srtt << RTT_UNIT_SHIFT;
}
static inline uint64_t conn_rttvar_ns(const struct tcp_conn *conn)
{
    return (uint64_t)conn->back->rttvar << RTT_UNIT_SHIFT;
}
static inline uint64_t conn_min_rtt_ns(const struct tcp_conn *conn)
{
    return (uint64_t)conn->back->min_rtt << RTT_UNIT_SHIFT;
}

/* snd_una moves on to ACK; rcv_nxt by BYTES. */
static inline void conn_acked(struct tcp_conn *conn, uint32_t ack)
{
    if (ack < conn->snd_una) {
        conn->back->acked_high++;
    }
    conn->snd_una = ack;
}
static inline void conn_received(struct tcp_conn *conn, uint32_t bytes)
{
    uint32_t before = conn->rcv_nxt;
    conn->rcv_nxt += bytes;
    if (conn->rcv_nxt < before) {
        conn->back->received_high++;
    }
}

/* When the delayed ACK is due; what should have been long ago, now. */
static inline uint64_t conn_ack_ns(const struct tcp_conn *conn, uint64_t now_ns)
{
    if (!conn_has(conn, CONN_ACK_DELAYED)) {
        return BERTH_NEVER;
    }
    uint64_t tick = now_ns >> TIMERS_TICK_SHIFT;
    uint32_t ahead = conn->ack_tick - (uint32_t)tick;
    return ahead <= TCP_ACK_TICKS_MAX ? (tick + ahead) << TIMERS_TICK_SHIFT : now_ns;
}

/* Bytes believed to be in the network (RFC 6675 "pipe"). */
static inline uint32_t conn_pipe(const struct tcp_conn *conn)
{
    uint32_t out = conn->snd_nxt - conn->snd_una;
    uint32_t gone = conn->work->sacked_bytes + conn->work->lost_bytes + conn->work->dup_bytes;
    return out > gone ? out - gone : 0;
}

/* Synchronised states: both SYNs are acknowledged. */
static inline bool conn_is_synchronised(const struct tcp_conn *conn)
{
    return conn->state >= BERTH_TCP_ESTABLISHED;
}

/* May the application still send (the FIN is not queued), may the peer? */
static inline bool conn_may_receive(const struct tcp_conn *conn)
{
    return conn->state == BERTH_TCP_ESTABLISHED || conn->state == BERTH_TCP_FIN_WAIT_1 ||
           conn->state == BERTH_TCP_FIN_WAIT_2;
}

/* Bytes, or a FIN, that were never sent. */
static inline bool conn_has_unsent(const struct tcp_conn *conn)
{
    return conn->snd_nxt != conn->snd_end + (conn_has(conn, CONN_FIN_QUEUED) ? 1 : 0);
}

/* Our SYN is not acknowledged, or not even sent. It counts one, and is no byte of the queue.
 * Numbers come back to it every 2^32 bytes, so they alone do not tell. */
static inline bool conn_is_syn_unacked(const struct tcp_conn *conn)
{
    return !conn_is_synchronised(conn) && conn->snd_una == conn->back->iss &&
           conn->back->acked_high == 0;
}
static inline bool conn_is_syn_unsent(const struct tcp_conn *conn)
{
    return conn_is_syn_unacked(conn) && conn->snd_nxt == conn->snd_una;
}

/* Where the queue begins. */
static inline uint32_t conn_queue_seq(const struct tcp_conn *conn)
{
    return conn->snd_una + (conn_is_syn_unacked(conn) ? 1 : 0);
}

/* Bytes that were written and never sent. */
static inline uint32_t conn_unsent_bytes(const struct tcp_conn *conn)
{
    uint32_t next = conn->snd_nxt + (conn_is_syn_unsent(conn) ? 1 : 0);
    return (int32_t)(conn->snd_end - next) > 0 ? conn->snd_end - next : 0;
}

/* A segment that is not full waits for more to be written. */
static inline bool conn_is_corked(const struct tcp_conn *conn)
{
    return (conn->back->corked || conn->back->more) &&
           !conn_has(conn, CONN_FIN_QUEUED | CONN_URGENT_OUT);
}

/* Closed, with a bound to what the stack sees through by itself. */
static inline bool conn_is_lingering(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_ORPHAN) && conn->back->options->linger_ns != BERTH_NEVER &&
           conn->state != BERTH_TCP_FIN_WAIT_2;
}

/* The peer's window holds up what waits: nothing new may go, or after it has shrunk not even the
 * next segment again. As long as the peer answers that is no reason to give up (RFC 9293 MUST-37,
 * SHLD-17). */
static inline bool conn_window_is_in_the_way(const struct tcp_conn *conn)
{
    uint32_t out = conn->snd_nxt - conn->snd_una;
    return conn_has(conn, CONN_PERSIST) || (conn->snd_wnd < out && conn->snd_wnd < conn->mss);
}

static inline bool conn_fin_is_sent(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_FIN_QUEUED) && conn->snd_nxt == conn->snd_end + 1;
}

#endif
