/* SPDX-License-Identifier: MIT */
/*
 * What a connection's record is made of (conn.h), and the records that it keeps beside itself:
 * pieces in flight, out-of-order ranges, what pacing and rate samples need. Each belongs to the
 * file named with it.
 */
#ifndef TCP_RECORDS_H
#define TCP_RECORDS_H

#include "tcp/tcp.h"

enum tcp_sent_flag {
    SENT_SACKED = 1,
    SENT_LOST = 2,        /* believed lost, to be sent again */
    SENT_RESENT = 4,      /* the copy in flight is not the first */
    SENT_EVER_RESENT = 8, /* no RTT from it (Karn) */
    SENT_PROBE = 16,      /* of the path MTU: pmtu.c */
    SENT_REST_LOST = 32   /* behind its head: believed lost, and waits for the head's ACK */
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
    bool app_limited : 1;
    uint8_t head : 7; /* 0, or SENT_RESENT is of its first segments only, so many: scoreboard.c */
    struct tcp_rate_mark mark; /* of a connection whose controller measures */
};
#define SENT_HEAD_MAX 127U

_Static_assert(sizeof(struct tcp_sent) == 104, "one a piece");

static inline uint32_t sent_bytes(const struct tcp_sent *sent)
{
    return sent->end - sent->seq;
}

/* Of it what left last: all, or its head. */
static inline uint32_t sent_head_bytes(const struct tcp_sent *sent)
{
    return sent->head == 0 ? sent_bytes(sent) : (uint32_t)sent->head * sent->segment;
}

static inline uint32_t sent_lost_bytes(const struct tcp_sent *sent)
{
    bool lost = (sent->flags & SENT_LOST) != 0;
    bool rest = (sent->flags & SENT_REST_LOST) != 0;
    return lost ? sent_bytes(sent) : rest ? sent_bytes(sent) - sent_head_bytes(sent) : 0;
}

/* How much of a window that is kept was in use lately: validate.c. */
struct tcp_validation {
    uint64_t sample_ns;  /* since when the sample under way is taken; 0: none is */
    uint64_t period_ns;  /* since when pipe_now counts */
    uint64_t since_ns;   /* since when cwnd has not been validated; 0: it is */
    uint32_t sample_una; /* snd_una at sample_ns */
    uint32_t pipe_now;   /* the largest sample of this half period, and of the one before */
    uint32_t pipe_before;
    uint32_t used; /* in a reduction from a window not validated: what was in use; else 0 */
    uint32_t resent_before; /* all that had been sent again when it began, modulo 2^32 */
    bool has_pipe;
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
    struct tcp_validation validation;
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

/* What has been found out about the sizes that the queues want: tune.c. Times in microseconds.
 * Without timestamps also turnover_seq, where the window ended when the measurement began, and
 * turnover_us, when that was; 0: none has begun. */
struct tcp_tune {
    uint32_t receive_bytes; /* the sizes, as far as they are more than the initial ones */
    uint32_t send_bytes;
    uint32_t rtt_us;      /* as the receiver sees it; 0: not known */
    uint32_t space;       /* the most that the reader took in a round trip */
    uint32_t round_us;    /* when this one began */
    uint32_t round_total; /* where the reader stood before it: a sequence number */
};

enum tcp_busy { TCP_IDLE, TCP_BUSY, TCP_BUSY_WINDOW, TCP_BUSY_QUEUE };
/* Days and years, in units of about a second. */
static inline uint32_t tcp_coarse(uint64_t ns)
{
    return (uint32_t)(ns >> 30);
}
#define TCP_ACK_TICKS_MAX 10000 /* a delayed ACK is due in half a second at most */
#define TCP_TICK_SHIFT    20    /* of nanoseconds: times in units of about a millisecond */
#define RTT_UNIT_SHIFT    4     /* of nanoseconds: round trips of up to 68 s */

/* Figures for the owner: count.c. */
struct tcp_counts {
    uint32_t segments_in;
    uint32_t data_in;   /* of them those with payload */
    uint32_t data_tick; /* when payload last came */
};

struct tcp_totals {
    uint32_t segments_out;
    uint32_t data_out;
};

/* What few connections have: marks agreed on, urgent data, or something that went wrong. Once there
 * is something in it, it stays until the connection is freed: also when it has ended. */
struct tcp_ledger {
    uint32_t pool_link; /* the pool's, while free */
    uint32_t retransmissions;
    uint32_t timeouts;
    uint32_t fast_recoveries;
    uint32_t dsacks;
    uint32_t reorderings;
    uint32_t rcv_up; /* after the last urgent byte, as the peer says: urgent.c */
    uint64_t bytes_resent;
    struct tcp_ecn ecn;
};

extern const struct tcp_ledger tcp_no_ledger;

#endif
