/* SPDX-License-Identifier: MIT */
/*
 * What a connection knows only while something is under way: bytes queued, in flight, out of order,
 * a recovery, a deadline. At rest it has none of this, and keeps of its congestion control and its
 * times what it needs to begin again (struct tcp_conn). Fields belong to the files named beside
 * them; others read.
 *
 * 1. conn->work is never NULL: at rest it is tcp_no_work, which says that nothing is queued, in
 *    flight, out of order, lost or due. It can be read and not written: whoever writes has called
 *    tcp_work_need, or knows that something is under way.
 * 2. From its birth until it is synchronised a connection has a record; so has one with anything
 *    that tcp_rest does not find quiet.
 * 3. While a synchronised connection has a record, rest_ns is one of its deadlines: an RTO after
 *    the last segment left the record goes. Then RFC 5681 4.1 forgets the window, too.
 */
#ifndef TCP_WORK_H
#define TCP_WORK_H

#include "cc/cc.h"
#include "tcp/records.h"

/* The first line is all that a segment asks that changes nothing in here. */
struct tcp_work {
    uint32_t owner; /* its connection's index; the pool's while free */
    /* scoreboard.c, reorder.c */
    uint32_t sacked_bytes;
    uint32_t lost_bytes;
    uint32_t resent_bytes; /* in flight, and not for the first time */
    uint32_t dup_bytes;    /* without SACK: what duplicate ACKs say has left (RFC 6582) */
    uint32_t reorder_count;
    uint32_t snd_small; /* after the last segment that was not full: Nagle */
    uint8_t dup_acks;
    uint8_t backoff;    /* doublings of the RTO or the persist timer */
    uint8_t unanswered; /* timeouts without anything new acknowledged, or a probe answered */
    uint8_t busy;       /* enum tcp_busy: count.c */
    bool rack_pto : 1;  /* rack_ns is the tail loss probe's */
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
    bool is_writer : 1;     /* `starved` is in tcp.writers */
    uint32_t busy_tick;     /* since when `busy` is as it is */
    struct tcp_rate *rate;  /* NULL: not paced, and nothing is measured: pace.c, rate.c */
    uint64_t rto_ns;        /* deadline: retransmission, persist or SYN; UINT64_MAX: not running */
    uint64_t rack_ns;       /* deadline: RACK's reordering timer, or with rack_pto the probe */
    /* ---- 64 ---- scoreboard.c, sendq.c */
    struct tree sent;      /* struct tcp_sent, by sequence */
    struct list in_flight; /* of them those in the network, by time */
    struct berth_buffer *send_first;
    struct berth_buffer *send_last;
    struct berth_buffer *cursor;
    /* ---- 128 ---- rtt.c, timer.c, rack.c, ack.c */
    uint64_t rto_ns_base;  /* without backoff */
    uint64_t progress_ns;  /* the peer last acknowledged something new, or answered a probe */
    uint64_t sent_ns;      /* we last sent data */
    uint64_t rack_sent_ns; /* when the newest piece that arrived was sent */
    uint64_t rack_rtt_ns;
    uint32_t rack_end;   /* of the newest piece that arrived */
    uint32_t rack_fack;  /* the highest sequence number that arrived */
    uint32_t cursor_seq; /* of the first byte in cursor */
    uint32_t round_end;  /* snd_nxt when this round trip began (struct cc_ack): ack.c */
    uint64_t rest_ns;    /* deadline: work.c */
    /* ---- 192 ---- */
    struct cc cc;
    /* ---- 296 ---- what is seldom asked: the owner's calls, recovery.c, rack.c */
    uint64_t idle_ns;              /* deadline: keep-alive's probes, FIN-WAIT-2, held, linger */
    struct berth_buffer *reserved; /* between reserve and commit */
    uint32_t reserved_bytes;       /* that reserve gave: sendq.c */
    uint32_t snd_up;               /* after the last urgent byte: urgent.c */
    uint32_t recover;              /* snd_nxt when recovery began */
    uint32_t prr_delivered;        /* bytes that arrived, and were sent, in this recovery */
    uint32_t prr_out;
    uint32_t prr_flight; /* in flight when it began */
    uint32_t retrans_ts; /* retrans_stamped: the first retransmission's timestamp */
    uint32_t rack_dsack_round;
    uint32_t tlp_end; /* tlp_out: snd_nxt when the probe left */
    /* receiving: reorder.c, receive.c */
    uint32_t dsack_left; /* dsack_owed: what arrived twice (RFC 2883) */
    uint32_t dsack_right;
    uint32_t rcv_fin; /* CONN_FIN_SEEN: where it stands */
    uint32_t reorder_bytes;
    struct tree reorder;
    struct list reorder_recent;
    struct list_node starved;
    uint64_t soft_error_ns;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct tcp_work, sent) == 64, "what is asked most");
_Static_assert(offsetof(struct tcp_work, rto_ns_base) == 128, "queue and scoreboard");
_Static_assert(offsetof(struct tcp_work, cc) == 192, "times");

extern const struct tcp_work tcp_no_work;

#endif
