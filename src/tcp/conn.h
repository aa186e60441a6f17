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

enum tcp_sent_flag {
    SENT_SACKED = 1,
    SENT_LOST = 2,        /* believed lost, to be sent again */
    SENT_RESENT = 4,      /* the copy in flight is not the first */
    SENT_EVER_RESENT = 8, /* no RTT from it (Karn) */
    SENT_PROBE = 16       /* of the path MTU: pmtu.c */
};

/* What a delivery-rate sample needs to know of a piece (draft-ietf-ccwg-bbr 4.1.2.1.2): rate.c.
 * Times are in units of RATE_UNIT_NS. */
struct tcp_rate_mark {
    uint32_t delivered;    /* rate->delivered when it was sent */
    uint32_t lost;         /* rate->lost when it was sent */
    uint32_t in_flight;    /* bytes in flight just after it was sent */
    uint32_t send_elapsed; /* from the first of its flight to it */
    uint32_t ack_elapsed;  /* from the delivery before it was sent to it */
};
#define RATE_UNIT_SHIFT 6 /* 64 ns: an elapsed time is at most 275 s */

/* Where F-RTO is: frto.c. */
enum tcp_frto {
    FRTO_OFF,
    FRTO_FIRST, /* the first segment goes again; its ACK is waited for */
    FRTO_NEW    /* new data goes; the next ACK tells */
};

/* A transmitted, unacknowledged piece: [seq, end), FIN counted. */
struct tcp_sent {
    struct tree_node node;    /* by sequence; marked: believed lost */
    struct list_node by_time; /* by sent_ns, while neither SACKed nor believed lost */
    uint64_t sent_ns;         /* last transmission */
    uint32_t seq;
    uint32_t end;
    uint16_t segment; /* bytes of the segments that it left as: the last may have less */
    uint8_t flags;    /* enum tcp_sent_flag */
    bool app_limited;
    struct tcp_rate_mark mark; /* of a connection whose controller measures */
};

/* What a connection that is paced, or whose controller measures, has beside its record. */
struct tcp_rate {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t burst;     /* bytes of the quantum under way that may still leave: pace.c */
    uint64_t pace_ns;   /* when the next quantum may leave */
    uint64_t now_ns;    /* of the last tcp_rate_check */
    uint64_t delivered_ns;
    uint64_t first_sent_ns; /* when what arrived last was sent, or a flight began: rate.c */
    uint32_t delivered;     /* bytes that arrived, modulo 2^32; as the next two */
    uint32_t lost;          /* bytes believed lost */
    uint32_t newly_lost;    /* of them since the last sample */
    uint32_t limited_until; /* is_limited: samples are app-limited until delivered is past it */
    uint32_t newest_end;    /* has_newest: of the newest piece that arrived since the last sample */
    uint64_t newest_sent_ns;
    uint64_t told; /* the last rate that the writer did not limit, for the owner: bytes a second */
    struct tcp_rate_mark newest;
    uint64_t newest_rtt_ns; /* 0: it was sent more than once */
    bool newest_limited;
    bool has_newest;
    bool is_limited;
    bool cwnd_limited; /* since the last sample */
    bool is_waiting;   /* for pace_ns, with something to send */
    uint64_t state[];  /* the controller's */
};

enum tcp_ecn_mode { TCP_ECN_NONE, TCP_ECN_CLASSIC, TCP_ECN_ACCURATE }; /* RFC 3168, RFC 9768 */

/* Explicit congestion notification: what was agreed on, and what both halves know: ecn.c; from
 * `received` on accecn.c. */
struct tcp_ecn {
    uint32_t end;          /* snd_nxt at the last reduction: until it is passed there is no other */
    uint32_t marks_in;     /* packets that came marked */
    uint8_t mode : 2;      /* enum tcp_ecn_mode */
    uint8_t asked : 2;     /* enum tcp_ecn_mode, by our SYN */
    bool ect : 1;          /* new data may be sent as ECN-capable */
    bool plain : 1;        /* a SYN or SYN,ACK without ECN was sent, or came */
    bool again : 1;        /* the peer's SYN came again */
    bool shocked : 1;      /* the handshake told of congestion */
    bool echo : 1;         /* ECE goes back until CWR comes */
    bool cwr : 1;          /* CWR goes with the next new data */
    bool reducing : 1;     /* cwnd is on its way to ssthresh, as in recovery: recovery.c */
    bool told : 1;         /* in this recovery marks told of congestion too: it stands */
    bool paused : 1;       /* no new data before the timer runs out */
    bool deaf : 1;         /* the peer's feedback does not count */
    bool answer : 1;       /* the next pure ACK says how the SYN,ACK came */
    bool came_marked : 1;  /* what came last */
    bool syn_counted : 1;  /* the mark on a SYN,ACK is in cep_in */
    bool news : 1;         /* `received` has changed since the last option */
    bool untested : 1;     /* we opened, and have sent no data with an option yet */
    bool no_option : 1;    /* none is to be sent */
    uint8_t handshake : 2; /* enum wire_ecn, of the SYN or SYN,ACK that came last */
    uint8_t seen : 3;      /* the counters of `received` that have changed ever */
    uint8_t cep_in;        /* modulo 2^8, of which 3 bits are told; so cep_told */
    uint8_t cep_told;
    uint8_t owed;         /* marks that came since the last ACK */
    uint8_t per_ack;      /* segments that one of the peer's ACKs covers, in eighths, smoothed */
    uint32_t received[3]; /* by codepoint less one; 24 bits are told */
    uint32_t told_bytes;
    uint32_t marks_told;
};

/* An out-of-order range [seq, end) in one buffer. */
struct tcp_reorder {
    struct tree_node node;   /* by sequence; marked: it does not touch the one before */
    struct list_node recent; /* the marked ones by arrival, newest first */
    struct berth_buffer *buffer;
    uint32_t seq;
    uint32_t end;
    uint32_t at; /* where `seq` is in buffer->data */
};

/* What has been found out about the sizes that the queues want: tune.c. Times in microseconds. */
struct tcp_tune {
    uint32_t receive_bytes; /* the sizes, as far as they are more than the initial ones */
    uint32_t send_bytes;
    uint32_t rtt_us;       /* as the receiver sees it; 0: not known */
    uint32_t turnover_seq; /* where the window ended when the measurement began */
    uint32_t turnover_us;  /* when; 0: none has begun */
    uint32_t space;        /* the most that the reader took in a round trip */
    uint32_t round_us;     /* when this one began */
    uint32_t round_total;  /* what had been taken before it, modulo 2^32 */
};

enum tcp_busy { TCP_IDLE, TCP_BUSY, TCP_BUSY_WINDOW, TCP_BUSY_QUEUE };
#define TCP_TICK_SHIFT 20 /* of nanoseconds: times in units of about a millisecond */

/* Figures for the owner: count.c. */
struct tcp_counts {
    uint32_t segments_in;
    uint32_t segments_out;
    uint32_t data_in; /* of them those with payload */
    uint32_t data_out;
    uint32_t dsacks;
    uint32_t reorderings;
    uint32_t data_tick; /* when payload last came */
    uint32_t busy_tick; /* since when `busy` is as it is */
    uint32_t spent[4];  /* by enum tcp_busy */
    uint8_t busy;
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
    uint8_t rack_multiple; /* of min_rtt / 4, less one: the reordering window */
    uint8_t rack_persist;  /* recoveries until the window shrinks again */
    bool rack_pto;         /* rack_ns is the tail loss probe's */
    bool rack_reordering;  /* the path has reordered */
    bool rack_in_dsack_round;
    bool tlp_now;   /* a probe is to be sent */
    bool tlp_out;   /* one is unacknowledged */
    bool tlp_again; /* it was a retransmission */
    bool retrans_stamped;
    bool dsack_owed;
    bool mtu_probe_out : 1; /* a probe of the path MTU is unacknowledged: pmtu.c */
    bool mtu_repair : 1;    /* CONN_TIMEOUT for what was too large, not for congestion */
    bool tlp_no_rtt : 1;    /* no RTT was taken since the last probe */
    uint8_t frto : 2;       /* enum tcp_frto: frto.c */
    uint32_t dup_bytes;     /* without SACK: what duplicate ACKs say has left (RFC 6582) */
    uint32_t cursor_seq;    /* of the first byte in cursor: sendq.c */
    struct berth_buffer *cursor;
    struct berth_buffer *send_first;
    struct berth_buffer *send_last;
    struct berth_buffer *reserved; /* between reserve and commit */
    struct tree sent;              /* struct tcp_sent, by sequence: scoreboard.c */
    struct list in_flight;         /* of them those in the network, by time */
    /* receiving: receive.c, reorder.c */
    uint32_t irs;
    uint32_t rcv_nxt;
    uint32_t rcv_adv;       /* right edge of the window offered */
    uint32_t rcv_acked;     /* the last ACK number sent */
    uint32_t rcv_up;        /* after the last urgent byte, as the peer says: urgent.c */
    uint32_t rcv_fin;       /* CONN_FIN_SEEN: where it stands */
    uint32_t receive_bytes; /* queued in order */
    uint32_t reorder_bytes;
    uint32_t reorder_count;
    uint16_t rcv_mss;      /* largest segment seen: what "two full segments" means */
    uint8_t quick_acks;    /* ACKs at once still to give at the start */
    uint8_t dscp;          /* of what we send (RFC 9293 3.9.1.9) */
    uint8_t dscp_received; /* of what came last */
    uint8_t hop_limit;
    struct tcp_ecn ecn;
    struct berth_buffer *receive_first;
    struct berth_buffer *receive_last;
    struct tree reorder;
    struct list reorder_recent;
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint64_t ts_recent_ns;
    /* time: rtt.c, timer.c */
    uint64_t srtt_ns;
    uint64_t rttvar_ns;
    uint64_t rto_ns_base;  /* without backoff */
    uint64_t rto_ns;       /* deadline: retransmission, persist or SYN; UINT64_MAX: not running */
    uint64_t rack_ns;      /* deadline: RACK's reordering timer, or with rack_pto the probe */
    uint64_t rack_sent_ns; /* when the newest piece that arrived was sent */
    uint64_t rack_rtt_ns;
    uint64_t min_rtt_ns; /* 0: none yet */
    uint64_t min_rtt_at_ns;
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
    bool wants_record : 1;             /* there was no sent record for what could leave */
    bool corked : 1;                   /* a segment that is not full waits for more */
    bool timeout_now : 1;              /* the user timeout is to be told: timeout.c */
    bool more : 1;                     /* the same until the next commit */
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
    bool fast_asked : 1; /* our first SYN had the Fast Open option */
    bool fast_text : 1;  /* and text */
    bool fast_early : 1; /* open before the handshake is complete, by a Fast Open cookie */
    bool fast_renew : 1; /* our SYN,ACK brings a new one */
    bool rule_log;
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

struct tcp_time_wait {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t hash_next;
    uint32_t snd_nxt;
    uint32_t rcv_nxt;
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint16_t window;
    uint16_t ace_flags; /* of every ACK: accecn.c */
    uint8_t dscp;
    uint8_t hop_limit;
    bool timestamps;
    bool owns_port;
    struct berth_endpoint local;
    struct berth_endpoint remote;
    struct list_node order; /* oldest first: all wait equally long */
    uint64_t ends_ns;
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
    bool probed; /* its routers say nothing: only probes raise it */
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

/* conn.c */
void tcp_conn_init(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_pair *pair);
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_pair *pair);
void tcp_conn_end(struct tcp *tcp, struct tcp_conn *conn,
                  int error); /* state CLOSED, event or freed */
void tcp_conn_free(struct tcp *tcp, struct tcp_conn *conn);
void tcp_conn_ready(struct tcp *tcp, struct tcp_conn *conn); /* it may have something to send */
void tcp_conn_note(struct tcp *tcp, struct tcp_conn *conn, uint32_t bits);
void tcp_conn_soft_error(struct tcp *tcp, struct tcp_conn *conn, int error); /* told, no more */
void tcp_conn_check(const struct tcp_conn *conn); /* the invariants above */

/* options.c */
void tcp_options_inherit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_options *options);
struct tcp_options *tcp_options_own(struct tcp *tcp, const struct tcp_options **options);
void tcp_options_release(struct tcp *tcp, const struct tcp_options **options);

/* open.c */
void tcp_open_limits(const struct tcp *tcp, struct tcp_conn *conn); /* that our SYN announces */
uint32_t tcp_initial_sequence(const struct tcp *tcp, const struct tcp_pair *pair);
void tcp_open_begin(struct tcp *tcp, struct tcp_conn *conn, uint32_t iss);
void tcp_take_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_establish(struct tcp *tcp, struct tcp_conn *conn);
void tcp_open_tell(struct tcp *tcp, struct tcp_conn *conn); /* its owner, or who accepts */
enum berth_drop tcp_on_syn_sent(struct tcp *tcp, struct tcp_conn *conn,
                                const struct wire_packet *packet);
void tcp_syn_options(const struct tcp *tcp, const struct tcp_conn *conn, struct wire_tcp *out);

/* ecn.c */
void tcp_ecn_begin(const struct tcp *tcp, struct tcp_conn *conn);
uint16_t tcp_ecn_syn_flags(struct tcp_conn *conn); /* of the SYN or SYN,ACK that leaves now */
/* What a SYN asks of whoever serves the port, as far as we have it. */
enum tcp_ecn_mode tcp_ecn_mode_of(const struct tcp *tcp, const struct wire_packet *syn);
void tcp_ecn_on_syn(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *syn);
/* The SYN again, before the handshake is complete; false: it contradicts the first. */
bool tcp_ecn_on_syn_again(const struct tcp *tcp, struct tcp_conn *conn,
                          const struct wire_packet *syn);
void tcp_ecn_on_syn_ack(const struct tcp *tcp, struct tcp_conn *conn,
                        const struct wire_packet *packet);
/* Another, in SYN-RECEIVED or later: its flags say nothing of an ACK. */
void tcp_ecn_on_syn_ack_again(struct tcp_conn *conn, struct wire_packet *packet);
bool tcp_ecn_may_retry(const struct tcp_conn *conn);
void tcp_ecn_on_reset(struct tcp *tcp, struct tcp_conn *conn); /* the SYN goes again, without */
void tcp_ecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_ecn_established(struct tcp *tcp, struct tcp_conn *conn);
void tcp_ecn_on_segment(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_ecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet); /* on its way out */
void tcp_ecn_send_new(struct tcp_conn *conn, struct wire_packet *packet);    /* likewise */

struct tcp_acked;
/* Does an ACK, already taken in, tell of marks? */
bool tcp_ecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                     const struct tcp_acked *acked);
void tcp_ecn_react(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked,
                   bool is_told);
void tcp_ecn_on_loss(struct tcp_conn *conn); /* the window was reduced for another reason */

/* accecn.c */
void tcp_accecn_begin(const struct tcp *tcp, struct tcp_conn *conn);
uint16_t tcp_accecn_handshake_flags(const struct tcp_conn *conn);
void tcp_accecn_on_syn_ack(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_accecn_take_reply(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_accecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet);
bool tcp_accecn_on_segment(struct tcp_conn *conn, const struct wire_packet *packet);
uint16_t tcp_accecn_flags(const struct tcp_conn *conn); /* the ACE field, 0 in other modes */
void tcp_accecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet);
void tcp_accecn_option(const struct tcp_conn *conn, struct wire_tcp *out);
void tcp_accecn_syn_option(const struct tcp_conn *conn, struct wire_tcp *out);
void tcp_accecn_on_loss(struct tcp_conn *conn);
bool tcp_accecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                        const struct tcp_acked *acked);
static inline bool tcp_accecn_is_due(const struct tcp_conn *conn)
{
    const struct tcp_ecn *ecn = &conn->ecn;
    return (ecn->news || ecn->untested || ecn->answer) && !ecn->no_option;
}
/* Links that cut super-segments clear CWR behind the first piece, but here it is a counter's. */
static inline bool tcp_accecn_is_whole(const struct tcp_conn *conn)
{
    return conn->ecn.mode == TCP_ECN_ACCURATE && (conn->ecn.cep_in & 2) != 0;
}

/* ack.c */
enum berth_drop tcp_on_ack(struct tcp *tcp, struct tcp_conn *conn,
                           const struct wire_packet *packet);
void tcp_on_fin_acked(struct tcp *tcp, struct tcp_conn *conn);

/* receive.c */
enum berth_drop tcp_on_payload(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival);
void tcp_on_fin(struct tcp *tcp, struct tcp_conn *conn);
void tcp_owe_dsack(struct tcp_conn *conn, uint32_t left, uint32_t right);
uint32_t tcp_receive_window(const struct tcp *tcp,
                            const struct tcp_conn *conn); /* that could be offered now */
uint32_t tcp_first_window(const struct tcp *tcp, const struct tcp_conn *conn); /* of a SYN */
void tcp_ack_schedule(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_receive_append(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival);
void tcp_offer_window(struct tcp *tcp, struct tcp_conn *conn); /* if that is worth a segment */
void tcp_receive_clear(struct tcp *tcp, struct tcp_conn *conn);

/* reorder.c */
enum berth_drop tcp_reorder_add(struct tcp *tcp, struct tcp_conn *conn,
                                struct tcp_arrival *arrival);
void tcp_reorder_drain(struct tcp *tcp, struct tcp_conn *conn); /* what has become in order */
void tcp_reorder_clear(struct tcp *tcp, struct tcp_conn *conn);
uint8_t tcp_reorder_sack(const struct tcp_conn *conn, struct wire_sack *out, uint8_t max);

void tcp_starve(struct tcp *tcp, struct tcp_conn *conn);

/* timeout.c */
void tcp_timeout_option(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet);
void tcp_on_timeout_option(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment);
uint64_t tcp_keepalive_idle_ns(const struct tcp_conn *conn);

/* tune.c */
void tcp_tune_arrived(const struct tcp *tcp, struct tcp_conn *conn,
                      const struct wire_packet *packet);
void tcp_tune_taken(const struct tcp *tcp, struct tcp_conn *conn);
void tcp_tune_sent(struct tcp_conn *conn);
uint32_t tcp_tune_rtt_us(const struct tcp_conn *conn);
uint32_t tcp_receive_limit(const struct tcp *tcp, const struct tcp_conn *conn); /* of the queue */
uint32_t tcp_send_limit(const struct tcp *tcp, const struct tcp_conn *conn);

/* count.c */
void tcp_count_in(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_count_out(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_count_busy(const struct tcp *tcp, struct tcp_conn *conn);
void tcp_count_tell(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out);

/* sendq.c */
bool tcp_sendq_has_room(const struct tcp *tcp, const struct tcp_conn *conn); /* for a writer */
void tcp_sendq_wake(struct tcp *tcp, struct tcp_conn *conn); /* there may be room again */
void tcp_sendq_trim(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_sendq_clear(struct tcp *tcp, struct tcp_conn *conn);
void tcp_sendq_release(struct tcp *tcp,
                       struct tcp_conn *conn); /* what was reserved and not committed */
/* Views of [seq, seq + bytes); returns how many bytes the views cover. */
uint32_t tcp_sendq_views(struct tcp_conn *conn, uint32_t seq, uint32_t bytes,
                         struct berth_frame *frame);

/* input.c */
bool tcp_is_acceptable(const struct wire_packet *packet, uint32_t rcv_nxt, uint32_t window);

/* transmit.c */
void tcp_describe(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq,
                  struct wire_packet *packet);
void tcp_fill_syn(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet);
uint32_t tcp_mss_beside_options(const struct tcp_conn *conn);
/* Payload of a full segment, if sent now. */
static inline uint32_t tcp_mss_now(const struct tcp_conn *conn)
{
    bool options = conn->reorder_count > 0 || conn->dsack_owed || tcp_accecn_is_due(conn);
    uint32_t mss = options ? tcp_mss_beside_options(conn) : conn->mss;
    BERTH_CHECK(mss > 0); /* it divides */
    return mss;
}
uint32_t tcp_burst_bytes(const struct tcp *tcp,
                         const struct tcp_conn *conn); /* that the link is given at once */

struct tcp_acked {
    uint32_t bytes;     /* newly acknowledged, cumulatively */
    uint32_t sacked;    /* newly SACKed */
    uint32_t delivered; /* newly known to have arrived, either way (RFC 9937 6.2) */
    uint32_t flight;    /* pipe before */
    uint64_t rtt_ns;    /* 0: no sample */
    uint32_t tsecr;     /* echoed: the timestamp that came back */
    bool echoed;
    bool duplicate; /* RFC 5681 2: a duplicate ACK */
    bool dsack;     /* it tells of data that arrived twice (RFC 2883) */
    bool lost_more; /* it showed a loss */
};

/* scoreboard.c */
struct tcp_sent *tcp_score_first(const struct tcp_conn *conn);
void tcp_score_mark(struct tcp_conn *conn, struct tcp_sent *sent, uint8_t flags);
bool tcp_score_split(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, uint32_t at);
bool tcp_score_has_room(const struct tcp *tcp, const struct tcp_conn *conn);
bool tcp_score_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes); /* new: snd_nxt on */
void tcp_score_acked(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack, struct tcp_acked *acked);
void tcp_score_sacked(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment,
                      struct tcp_acked *acked);
bool tcp_score_has_lost(const struct tcp_conn *conn);
/* The next piece to send again, [*seq, *end), at most MAX bytes; false: none. It is marked as
 * sent. */
bool tcp_score_resend(struct tcp *tcp, struct tcp_conn *conn, uint32_t max, uint32_t *seq,
                      uint32_t *end);
void tcp_score_again(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent);
struct tcp_sent *tcp_score_tail(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_score_all_lost(struct tcp_conn *conn, bool reneged);
void tcp_score_large_lost(struct tcp_conn *conn, uint32_t segment);
bool tcp_score_is_sacked_beyond(const struct tcp_conn *conn, uint32_t seq);
void tcp_score_none_lost(struct tcp_conn *conn);
void tcp_score_clear(struct tcp *tcp, struct tcp_conn *conn);

/* rack.c */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent,
                        const struct tcp_acked *acked);
void tcp_rack_detect(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_rack_mark_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_recovered(struct tcp_conn *conn);
void tcp_rack_arm_probe(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_probed(struct tcp *tcp, struct tcp_conn *conn, bool again);
bool tcp_rack_probe_acked(struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_rack_stop_probe(struct tcp_conn *conn);
void tcp_rack_rest(struct tcp_conn *conn);
void tcp_rack_stop(struct tcp_conn *conn);

/* rate.c: only for connections with a rate. */
/* Before anything is written, taken in, or done by a timer: is the writer what limits CONN? */
void tcp_rate_check(const struct tcp *tcp, struct tcp_conn *conn);
/* SENT leaves now; BEFORE bytes were in flight without it. */
void tcp_rate_sent(const struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                   uint32_t before);
void tcp_rate_delivered(const struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
void tcp_rate_lost(struct tcp_conn *conn, const struct tcp_sent *sent);
void tcp_rate_sample(struct tcp_conn *conn, const struct tcp_acked *acked); /* of this ACK */

/* pace.c */
/* CONN's controller from now on is TABLE, and begins: with WINDOW segments, or with WINDOW 0 it
 * goes on with what there is. */
void tcp_control(struct tcp *tcp, struct tcp_conn *conn, const struct cc_table *table,
                 uint32_t window);
void tcp_pace_end(struct tcp *tcp, struct tcp_conn *conn); /* gives conn->rate back */
void tcp_pace_set(struct tcp_conn *conn); /* after an ACK: the pace of those that do not pace */
bool tcp_pace_is_due(const struct tcp *tcp, struct tcp_conn *conn); /* may data leave now? */
void tcp_pace_sent(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
static inline uint64_t conn_pace_ns(const struct tcp_conn *conn)
{
    return conn->rate != NULL && conn->rate->is_waiting ? conn->rate->pace_ns : BERTH_NEVER;
}

/* frto.c */
void tcp_frto_begin(const struct tcp *tcp, struct tcp_conn *conn, bool recovering);
void tcp_frto_end(struct tcp_conn *conn);
bool tcp_frto_judge(struct tcp_conn *conn, const struct tcp_acked *acked);
bool tcp_frto_holds_old(const struct tcp_conn *conn);
bool tcp_frto_holds_new(const struct tcp_conn *conn);
bool tcp_frto_unstick(struct tcp_conn *conn);

/* recovery.c */
void tcp_recovery_begin_reduction(struct tcp_conn *conn, uint32_t flight);
void tcp_recovery_reduce(struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_recovery_judge(struct tcp *tcp, struct tcp_conn *conn);
void tcp_recovery_react(struct tcp *tcp, struct tcp_conn *conn, struct tcp_acked *acked);
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn);

/* path.c */
struct tcp_path *tcp_path_of(struct tcp *tcp, struct tcp_conn *conn);
struct tcp_path *tcp_path_make(struct tcp *tcp, struct tcp_conn *conn);
void tcp_path_told(const struct tcp *tcp, struct tcp_path *path, uint32_t mtu);
void tcp_path_search(const struct tcp *tcp, struct tcp_path *path);
void tcp_path_found(const struct tcp *tcp, struct tcp_path *path);

/* pmtu.c */
void tcp_pmtu_begin(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_sync(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_on_timeout(struct tcp *tcp, struct tcp_conn *conn);
uint32_t tcp_pmtu_probe_bytes(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_probe_sent(struct tcp_conn *conn, struct tcp_sent *sent);
void tcp_pmtu_probe_arrived(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
void tcp_pmtu_probe_lost(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
bool tcp_pmtu_is_probe_only(const struct tcp_conn *conn);

/* rtt.c */
void tcp_rtt_init(const struct tcp *tcp, struct tcp_conn *conn);
void tcp_rtt_min(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns);
void tcp_rtt_sample(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns);
uint64_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn); /* with backoff */
uint32_t tcp_ts_now(const struct tcp *tcp, const struct tcp_conn *conn);
uint32_t tcp_ts_at(const struct tcp_conn *conn, uint64_t at_ns);

/* timer.c */
void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *conn); /* after any deadline has changed */
void tcp_timer_retransmit(struct tcp *tcp, struct tcp_conn *conn); /* (re)start or stop rto_ns */
void tcp_timer_idle(struct tcp *tcp, struct tcp_conn *conn);       /* (re)start or stop idle_ns */

/* urgent.c */
void tcp_urgent_point(const struct tcp_conn *conn, struct wire_tcp *out); /* on its way out */
void tcp_on_urgent(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment);
void tcp_urgent_read(struct tcp_conn *conn); /* the reader has gone on */
uint32_t tcp_urgent_left(const struct tcp_conn *conn);

/* half.c */
void tcp_half_init(struct tcp *tcp, struct arena *arena, uint32_t count);
void tcp_half_timeout(struct tcp *tcp);
void tcp_half_leave(struct tcp *tcp, struct tcp_listener *listener); /* all of LISTENER's end */

/* keys.c: those of this period of PERIOD_NS and of the one before; older ones are forgotten */
void tcp_keys_seed(struct tcp *tcp, struct tcp_keys *keys);
void tcp_keys_renew(struct tcp *tcp, struct tcp_keys *keys, uint64_t period_ns);

/* fast_open.c */
void tcp_fast_init(struct tcp *tcp, struct arena *arena, uint32_t peers);

/* timewait.c */
void tcp_time_wait_overcome(struct tcp *tcp, const struct tcp_conn *conn);
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_conn *conn);

/* reset.c */
void tcp_reset_for(struct tcp *tcp, const struct wire_packet *packet); /* RFC 9293 3.10.7.1 */
void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn);            /* RFC 5961, throttled */
bool tcp_may_challenge(struct tcp *tcp); /* one of this second's is taken */
bool tcp_reply(struct tcp *tcp,
               const struct wire_packet *packet); /* a segment with no connection behind it */

#endif
