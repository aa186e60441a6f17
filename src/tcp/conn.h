/* SPDX-License-Identifier: MIT */
/*
 * One connection (the TCB of RFC 9293 3.3.1), and the records it keeps of data in flight and out of
 * order. Fields belong to the file named beside them; others read.
 *
 * Invariants, whenever no call is under way (tcp_conn_check):
 *  1. snd_una <= snd_nxt <= snd_end + 1 (SYN and FIN count one), all modulo 2^32.
 *  2. The send queue holds exactly the bytes [snd_una, snd_end) once the SYN is acknowledged.
 *  3. `sent` covers [snd_una, snd_nxt) without gap or overlap, in order, once the SYN is
 *  acknowledged.
 *  4. sacked_bytes, lost_bytes and resent_bytes are the sums over `sent` of the records so marked.
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

enum tcp_conn_flag {
    CONN_ACK_NOW = 1 << 0,      /* an ACK is owed at once */
    CONN_ACK_DELAYED = 1 << 1,  /* an ACK is owed by ack_ns */
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
    CONN_URGENT_IN = 1 << 28   /* up to rcv_up not all is read: "urgent mode" */
};

struct tcp_conn {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t generation;
    /* identity: conn.c */
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    struct berth_endpoint local;
    struct berth_endpoint remote;
    uint32_t flags; /* enum tcp_conn_flag */
    uint8_t state;  /* enum berth_tcp_state */
    uint8_t snd_wscale;
    uint8_t rcv_wscale;
    uint8_t dup_acks;
    uint16_t mss;       /* payload bytes of a full segment we send, options taken off: open.c */
    uint16_t mss_peer;  /* as the peer announced */
    uint16_t mss_own;   /* as we announced */
    uint16_t path;      /* its record's index + 1; 0: it takes what the link takes */
    uint8_t backoff;    /* doublings of the RTO or the persist timer */
    uint8_t probes;     /* keep-alive probes without an answer; SYNs sent */
    uint8_t unanswered; /* timeouts without anything new acknowledged, or a probe answered */
    uint8_t hop_limit;
    uint32_t irs; /* the peer's */
    /* sending: ack.c, transmit.c */
    uint32_t iss;
    uint32_t snd_una;
    uint32_t snd_nxt;
    uint32_t snd_end; /* after the last byte queued; where the FIN goes */
    uint32_t snd_wnd; /* scaled */
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint32_t snd_wnd_max;
    uint32_t snd_up;    /* after the last urgent byte: urgent.c */
    uint32_t snd_small; /* after the last segment that was not full: Nagle */
    uint32_t recover;   /* snd_nxt when recovery began */
    uint32_t round_end; /* snd_nxt when this round trip began (struct cc_ack): ack.c */
    uint32_t sacked_bytes;
    uint32_t lost_bytes;
    uint32_t resent_bytes;  /* in flight, and not for the first time */
    uint32_t prr_delivered; /* recovery.c: bytes that arrived, and were sent, in this recovery */
    uint32_t prr_out;
    uint32_t prr_flight; /* in flight when it began */
    uint32_t retrans_ts; /* retrans_stamped: the first retransmission's timestamp */
    uint32_t rack_end;   /* rack.c: of the newest piece that arrived */
    uint32_t rack_fack;  /* the highest sequence number that arrived */
    uint32_t rack_dsack_round;
    uint32_t tlp_end;    /* tlp_out: snd_nxt when the probe left */
    uint32_t dsack_left; /* dsack_owed: what arrived twice (RFC 2883) */
    uint32_t dsack_right;
    uint8_t rack_multiple;    /* of min_rtt / 4, less one: the reordering window */
    uint8_t rack_persist;     /* recoveries until the window shrinks again */
    bool rack_pto : 1;        /* rack_ns is the tail loss probe's */
    bool rack_reordering : 1; /* the path has reordered */
    bool rack_in_dsack_round : 1;
    bool tlp_now : 1;   /* a probe is to be sent */
    bool tlp_out : 1;   /* one is unacknowledged */
    bool tlp_again : 1; /* it was a retransmission */
    bool retrans_stamped : 1;
    bool dsack_owed : 1;
    bool mtu_probe_out : 1; /* a probe of the path MTU is unacknowledged: pmtu.c */
    bool mtu_repair : 1;    /* CONN_TIMEOUT for what was too large, not for congestion */
    bool tlp_no_rtt : 1;    /* no RTT was taken since the last probe */
    uint8_t frto : 2;       /* enum tcp_frto: frto.c */
    bool wants_record : 1;  /* there was no sent record for what could leave */
    bool corked : 1;        /* a segment that is not full waits for more */
    bool more : 1;          /* the same until the next commit */
    bool timeout_now : 1;   /* the user timeout is to be told: timeout.c */
    bool fast_asked : 1;    /* our first SYN had the Fast Open option */
    bool fast_text : 1;     /* and text */
    bool fast_early : 1;    /* open before the handshake is complete, by a Fast Open cookie */
    bool fast_renew : 1;    /* our SYN,ACK brings a new one */
    bool rule_log : 1;      /* held: the verdict's, as the next */
    bool rule_needs_process : 1;
    bool rule_by_name : 1;
    uint8_t rule_action : 2; /* enum berth_action */
    uint8_t rule_reason : 2; /* enum berth_reason */
    uint8_t dscp_received;   /* of what came last */
    uint32_t dup_bytes;      /* without SACK: what duplicate ACKs say has left (RFC 6582) */
    uint32_t cursor_seq;     /* of the first byte in cursor: sendq.c */
    struct berth_buffer *cursor;
    struct berth_buffer *send_first;
    struct berth_buffer *send_last;
    struct berth_buffer *reserved; /* between reserve and commit */
    struct tree sent;              /* struct tcp_sent, by sequence: scoreboard.c */
    struct list in_flight;         /* of them those in the network, by time */
    /* receiving: receive.c, reorder.c */
    uint32_t rcv_nxt;
    uint32_t rcv_adv;       /* right edge of the window offered */
    uint32_t rcv_acked;     /* the last ACK number sent */
    uint32_t rcv_up;        /* after the last urgent byte, as the peer says: urgent.c */
    uint32_t rcv_fin;       /* CONN_FIN_SEEN: where it stands */
    uint32_t receive_bytes; /* queued in order */
    uint32_t reorder_bytes;
    uint32_t reorder_count;
    uint16_t rcv_mss;   /* largest segment seen: what "two full segments" means */
    uint8_t quick_acks; /* ACKs at once still to give at the start */
    uint8_t dscp;       /* of what we send (RFC 9293 3.9.1.9) */
    struct tcp_ecn ecn;
    struct berth_buffer *receive_first;
    struct berth_buffer *receive_last;
    struct tree reorder;
    struct list reorder_recent;
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint32_t ts_recent_at; /* in units of tcp_coarse, as the next */
    uint32_t min_rtt_at;
    /* time: rtt.c, timer.c */
    uint64_t srtt_ns;
    uint64_t rttvar_ns;
    uint64_t rto_ns_base;  /* without backoff */
    uint64_t rto_ns;       /* deadline: retransmission, persist or SYN; UINT64_MAX: not running */
    uint64_t rack_ns;      /* deadline: RACK's reordering timer, or with rack_pto the probe */
    uint64_t rack_sent_ns; /* when the newest piece that arrived was sent */
    uint64_t rack_rtt_ns;
    uint64_t min_rtt_ns;  /* 0: none yet */
    uint64_t ack_ns;      /* deadline of the delayed ACK */
    uint64_t idle_ns;     /* deadline: keep-alive, FIN-WAIT-2, held */
    uint64_t progress_ns; /* the peer last acknowledged something new, or answered a probe */
    uint64_t heard_ns;    /* the peer last sent anything */
    uint64_t sent_ns;     /* we last sent data */
    int32_t error;        /* how it ended: enum berth_error */
    int32_t soft_error;   /* the last that did not end it, and when */
    uint64_t soft_error_ns;
    struct tcp_tune tune;
    struct cc cc;
    const struct tcp_options *options; /* options.c */
    struct tcp_rate *rate; /* NULL: not paced, and nothing is measured: pace.c, rate.c */
    /* links */
    struct timer timer;
    struct event_node event;
    struct list_node ready;
    struct list_node starved;
    void *user;
    uint32_t listener; /* index + 1 */
    union {
        int32_t rule;           /* the verdict's rule, for held ones */
        uint32_t fast_listener; /* fast_early: whose, index + 1; 0: it has gone */
    };
    /* counters: info.c */
    struct tcp_counts counts;
    uint32_t retransmissions;
    uint32_t timeouts;
    uint32_t fast_recoveries;
    uint64_t bytes_sent;
    uint64_t bytes_acked;
    uint64_t bytes_received;
    uint64_t bytes_resent;
};

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

/* Bytes believed to be in the network (RFC 6675 "pipe"). */
static inline uint32_t conn_pipe(const struct tcp_conn *conn)
{
    uint32_t out = conn->snd_nxt - conn->snd_una;
    uint32_t gone = conn->sacked_bytes + conn->lost_bytes + conn->dup_bytes;
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

/* Bytes that were written and never sent. */
static inline uint32_t conn_unsent_bytes(const struct tcp_conn *conn)
{
    uint32_t next = conn->snd_nxt == conn->iss ? conn->iss + 1 : conn->snd_nxt;
    return (int32_t)(conn->snd_end - next) > 0 ? conn->snd_end - next : 0;
}

/* A segment that is not full waits for more to be written. */
static inline bool conn_is_corked(const struct tcp_conn *conn)
{
    return (conn->corked || conn->more) && !conn_has(conn, CONN_FIN_QUEUED | CONN_URGENT_OUT);
}

/* Closed, with a bound to what the stack sees through by itself. */
static inline bool conn_is_lingering(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_ORPHAN) && conn->options->linger_ns != BERTH_NEVER &&
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
