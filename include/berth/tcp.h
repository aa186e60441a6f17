/* SPDX-License-Identifier: MIT */
/*
 * TCP connections and listeners (RFC 9293 3.9.1).
 *
 * Ids carry a generation: one that names something gone, or something else than the call is for,
 * gets BERTH_E_STALE, which goes for every call here that takes one. Each connection that was given
 * out (connect, accept, held_accept) is given back with berth_tcp_close or berth_tcp_abort, also
 * after BERTH_EVENT_CLOSED.
 *
 * Where a connection is over, reading and writing say how: the error of its BERTH_EVENT_CLOSED, or
 * BERTH_E_CLOSED where that is 0. While its SYN is held (berth_intercept) nothing can be written:
 * BERTH_E_STATE. What is said below of errors is besides these.
 */
#ifndef BERTH_TCP_H
#define BERTH_TCP_H

#include <berth/address.h>
#include <berth/buffer.h>

#ifdef __cplusplus
extern "C" {
#endif

struct berth;
typedef uint64_t berth_id; /* 0 is never one */

enum berth_tcp_state {
    BERTH_TCP_CLOSED,
    BERTH_TCP_LISTEN, /* of a connection: a SYN that is held */
    BERTH_TCP_SYN_SENT,
    BERTH_TCP_SYN_RECEIVED,
    BERTH_TCP_ESTABLISHED,
    BERTH_TCP_FIN_WAIT_1,
    BERTH_TCP_FIN_WAIT_2,
    BERTH_TCP_CLOSE_WAIT,
    BERTH_TCP_CLOSING,
    BERTH_TCP_LAST_ACK,
    BERTH_TCP_TIME_WAIT
};
/* "ESTABLISHED", "FIN-WAIT-1" and so on, as RFC 9293 3.3.2 spells them; "unknown" for what is none.
 * Static. */
BERTH_API const char *berth_tcp_state_name(enum berth_tcp_state state);

/*
 * Passive open (RFC 9293 3.10.1). LOCAL: an address of the stack's or any; port 0: every port.
 * BACKLOG: connections that wait to be accepted, 1 to 65535; half-open ones are not among them
 * (tcp.syn_queue). When it is full new SYNs are dropped, and so is the ACK that would complete a
 * handshake: the SYN,ACK is sent again later, as Linux does (or tcp.abort_on_overflow). The
 * firewall still decides who gets in. BERTH_E_INVALID: BACKLOG, or an address that is not the
 * stack's. BERTH_E_IN_USE: somebody listens there, or at every address. BERTH_E_DENIED: a system
 * port, where system_ports_bindable is off. BERTH_E_LIMIT: limits.tcp_listeners or limits.binds.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_listen(struct berth *berth,
                                                const struct berth_endpoint *local,
                                                uint32_t backlog, void *user, berth_id *out);
/* The established connection that has waited longest in the listener's queue. BERTH_E_AGAIN: none
 * does; BERTH_EVENT_ACCEPTABLE follows. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_accept(struct berth *berth, berth_id listener, void *user,
                                                berth_id *out);

/*
 * Active open (RFC 9293 3.9.1.1). LOCAL may be NULL or any (the stack picks its address), may be an
 * address that is not the stack's own, and has port 0 for an ephemeral one. How it went is told by
 * events. BERTH_E_INVALID: an end that is not unicast (RFC 9293 MUST-46, RFC 1122 3.2.1.3), REMOTE
 * without a port, ends of different IP versions. BERTH_E_NO_ROUTE: REMOTE is not behind the link,
 * or is the stack's own, or there is no address to call from. BERTH_E_DENIED: the rules,
 * or berth_decide. BERTH_E_IN_USE: the port, or the four-tuple. BERTH_E_NO_PORT: none is free
 * towards REMOTE. BERTH_E_LIMIT: limits.tcp_connections or limits.port_endpoints.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_connect(struct berth *berth,
                                                 const struct berth_endpoint *local,
                                                 const struct berth_endpoint *remote, void *user,
                                                 berth_id *out);

/*
 * The bytes waiting to be read, in order, as up to MAX views, borrowed until the next
 * call on the stack; then berth_tcp_consume gives BYTES of them back. *COUNT 0 with result 0: the
 * end of the stream. BERTH_E_AGAIN: nothing yet. BERTH_E_INVALID: bytes wait, and MAX is 0. What
 * came before the connection ended is read first.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_peek(struct berth *berth, berth_id id,
                                              struct berth_view *views, uint32_t max,
                                              uint32_t *count);
/* BERTH_E_INVALID: more than is queued. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_consume(struct berth *berth, berth_id id, size_t bytes);
/* Both in one, with a copy, of at most BYTES (0: nothing is taken). *GOT 0 with result 0: the end
 * of the stream. Does not read across the end of urgent data. Errors as for berth_tcp_peek. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_read(struct berth *berth, berth_id id, void *data,
                                              size_t bytes, size_t *got);

/*
 * Room in the send queue to write into, as up to MAX views, at most WANT bytes: of many as many as
 * full segments take, or super-segments, so that no small one is left over. There may be room for
 * more than was given: another call tells. It is borrowed until the next call on the stack, and
 * that is berth_tcp_commit: it sends the first BYTES. A packet that came in between might have
 * acknowledged what stands in front, and given the room to others. BERTH_E_AGAIN: no room
 * (BERTH_EVENT_WRITABLE follows). BERTH_E_CLOSED: after berth_tcp_shutdown.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_reserve(struct berth *berth, berth_id id, size_t want,
                                                 struct berth_view *views, uint32_t max,
                                                 uint32_t *count);
/* BERTH_E_INVALID: more BYTES than were reserved, which stay reserved; none was asked for, or it is
 * not there any more. BERTH_E_CLOSED. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_commit(struct berth *berth, berth_id id, size_t bytes);
/* Both in one, with a copy; *TAKEN may be less than BYTES. Errors as for berth_tcp_reserve. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_write(struct berth *berth, berth_id id, const void *data,
                                               size_t bytes, size_t *taken);

/*
 * What was committed or written last, and is not sent yet, ends urgent data (RFC 9293 3.8.5): the
 * peer is told at once, also where its window is shut. All bytes stay in the stream, in order. New
 * protocols do without (RFC 6093 6). To be called before berth_transmit. BERTH_E_STATE: nothing
 * waits to be sent. BERTH_E_CLOSED: after berth_tcp_shutdown.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_urgent(struct berth *berth, berth_id id);

/*
 * More will be written soon: until the next commit or write what is not sent yet is held back as
 * with BERTH_TCP_CORK (MSG_MORE). To be called after a commit or write, before berth_transmit.
 * BERTH_E_CLOSED: after berth_tcp_shutdown.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_more(struct berth *berth, berth_id id);

/* No more will be written: FIN after what is queued (half-close, RFC 9293 3.6). Reading goes on.
 * Once more changes nothing. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_shutdown(struct berth *berth, berth_id id);
/* Orderly close (RFC 9293 3.10.4); the stack sees the rest through. Unread bytes make it a RST (RFC
 * 2525 2.17); a held SYN is dropped. ID is gone. A listener: as berth_tcp_abort. */
BERTH_API int berth_tcp_close(struct berth *berth, berth_id id);
/* RST now (RFC 9293 3.10.5). ID is gone. A listener: its waiting connections are aborted too. */
BERTH_API int berth_tcp_abort(struct berth *berth, berth_id id);

/*
 * What the owner of a connection or a listener may change. A listener's options are those with
 * which its connections begin; without any they begin with the stack's (struct
 * berth_tcp_settings). "On, off" is 1 and 0; times are nanoseconds, sizes bytes. In brackets what
 * Linux calls it.
 */
enum berth_tcp_option {
    /* On, off: short segments do not wait for the ACK of earlier ones (TCP_NODELAY). */
    BERTH_TCP_NO_DELAY,
    /* On, off: ACKs are not delayed; one that is delayed goes now (TCP_QUICKACK). */
    BERTH_TCP_QUICK_ACK,
    /* On, off: an idle connection is probed (SO_KEEPALIVE). */
    BERTH_TCP_KEEPALIVE,
    /* After this long without a word from the peer: 1 s to 30 days (TCP_KEEPIDLE). */
    BERTH_TCP_KEEPALIVE_IDLE_NS,
    /* Between probes: 1 s to 1 day (TCP_KEEPINTVL). */
    BERTH_TCP_KEEPALIVE_INTERVAL_NS,
    /* Probes without an answer until it is given up: 1 to 255 (TCP_KEEPCNT). */
    BERTH_TCP_KEEPALIVE_PROBES,
    /* Data unacknowledged for this long, 1 ms to 30 days: given up (RFC 9293 3.8.3). 0: the
       stack's; BERTH_NEVER: not for that (TCP_USER_TIMEOUT). */
    BERTH_TCP_USER_TIMEOUT_NS,
    /* What the receive queue may grow to, 2048 to 1 GiB, and does at once: it is not tuned any more
       (SO_RCVBUF). Set before the SYN or its answer leaves, it decides the window scale; a window
       already offered is not taken back. */
    BERTH_TCP_RECEIVE_BYTES,
    /* The same of the send queue (SO_SNDBUF). */
    BERTH_TCP_SEND_BYTES,
    /* The Differentiated Services Codepoint from the next segment on: 0 to 63 (IP_TOS >> 2). */
    BERTH_TCP_DSCP,
    /* The TTL: 1 to 255 (IP_TTL, IPV6_UNICAST_HOPS). */
    BERTH_TCP_HOP_LIMIT,
    /* On, off: a segment that is not full waits for more, but no longer than 200 ms when nothing is
       under way, and not for the FIN (TCP_CORK). For one write only: berth_tcp_more. */
    BERTH_TCP_CORK,
    /* No longer segments than this either way, 64 to 65495; 0: what the link takes (TCP_MAXSEG).
       BERTH_E_STATE once a SYN of ours has left. */
    BERTH_TCP_MSS_BYTES,
    /* Room for a writer only while less than this waits unsent; 0: no such mark
       (TCP_NOTSENT_LOWAT). At most 1 GiB. */
    BERTH_TCP_UNSENT_BYTES,
    /* The largest window ever offered, 2048 to 1 GiB; 0: no such bound (TCP_WINDOW_CLAMP). */
    BERTH_TCP_WINDOW_BYTES,
    /* SYNs, or answers to one, that are sent again: 0 to 30 (TCP_SYNCNT). */
    BERTH_TCP_SYN_RETRIES,
    /* Closed, and the peer has acknowledged our FIN and sends none: given up after this, at most a
       day; 0: not for that (TCP_LINGER2). */
    BERTH_TCP_FIN_WAIT2_NS,
    /* What berth_tcp_close leaves to be sent and acknowledged has this long, at most a day; then a
       RST. 0: a RST at once; BERTH_NEVER, as at the start: no bound of its own (SO_LINGER, whose
       close also waits; this one never does). */
    BERTH_TCP_LINGER_NS,
    /* On, off: Fast Open (RFC 7413). What is written before the SYN leaves, that is between
       berth_tcp_connect and berth_transmit, goes with it, if the server has given a cookie before;
       else the SYN asks for one. Only for what does no harm when it arrives twice: a SYN that the
       network doubles may be served twice. BERTH_E_STATE once a SYN of ours has left
       (TCP_FASTOPEN_CONNECT). */
    BERTH_TCP_FAST_OPEN,
    /* Listeners: so many connections at once that are open, and can be accepted, read and written,
       before the handshake is complete, for a Fast Open cookie of ours; 0, as at the start: none,
       and no cookies are given. At most 65535 (TCP_FASTOPEN). */
    BERTH_TCP_FAST_OPEN_PENDING,
    /* Listeners: half-open connections that are kept, at most 16777216; beyond, as tcp.syn_cookies
       says. */
    BERTH_TCP_SYN_QUEUE,
    /* On, off: user timeouts are told to the peer, and the peer's is listened to (RFC 5482,
       ENABLED). Keep-alive then waits longer than the user timeout. */
    BERTH_TCP_TIMEOUT_OPTION,
    /* What is told: 1 s to 30 days, in whole seconds, over 9 hours in minutes; 0: the user timeout
       (RFC 5482, ADV_UTO). */
    BERTH_TCP_TIMEOUT_ADVERTISED_NS,
    /* On, off: what the peer tells becomes the user timeout, within tcp.user_timeout_min_ns and
       _max_ns (RFC 5482, CHANGEABLE). On at the start; setting USER_TIMEOUT_NS turns it off, to 0
       on again. */
    BERTH_TCP_TIMEOUT_CHANGEABLE,
    /* On, off: what is written before the SYN leaves goes with it, as far as a segment takes it,
       without a cookie and without asking for one. For a server on the link itself that wants none
       and takes segments as large as ours; what it does not take goes again with the ACK. Else as
       FAST_OPEN, whose cookies are not used then (TCP_FASTOPEN_NO_COOKIE). */
    BERTH_TCP_FAST_OPEN_NO_COOKIE
};
/* ID: a connection or a listener. BERTH_E_INVALID: value out of range, or no such option.
 * BERTH_E_STATE: too late for it; of a listener that has answered a SYN: MSS_BYTES, RECEIVE_BYTES
 * and WINDOW_BYTES. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_set(struct berth *berth, berth_id id,
                                             enum berth_tcp_option option, uint64_t value);
/* What it is now; of what is tuned (RECEIVE_BYTES, SEND_BYTES) what it has been tuned to.
 * BERTH_E_INVALID: no such option. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_get(const struct berth *berth, berth_id id,
                                             enum berth_tcp_option option, uint64_t *value);

/*
 * The connection's congestion control from now on: "cubic" (RFC 9438, with HyStart++, RFC 9406),
 * "newreno" (RFC 5681, 6582) or "bbr" (version 3, draft-ietf-ccwg-bbr; with limits.tcp_paced
 * reached, "cubic" instead). It goes on with the window that there is. A connection begins with its
 * listener's, that with the stack's (tcp.congestion_control). BERTH_E_INVALID: none of that NAME.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_set_congestion_control(struct berth *berth, berth_id id,
                                                                const char *name);

/* What both ends of a connection agreed on (struct berth_tcp_settings, ecn). */
enum berth_tcp_ecn_mode {
    BERTH_TCP_ECN_NONE,
    BERTH_TCP_ECN_CLASSIC, /* RFC 3168 */
    BERTH_TCP_ECN_ACCURATE /* RFC 9768: AccECN */
};

/* A connection's figures, as `ss -ti` shows them. */
struct berth_tcp_info {
    enum berth_tcp_state state;
    struct berth_endpoint local;
    struct berth_endpoint remote;
    int error; /* how it ended, 0 while it lives */
    uint64_t srtt_ns;
    uint64_t rttvar_ns;
    uint64_t rto_ns;
    uint64_t bytes_sent; /* payload, retransmissions not counted */
    uint64_t bytes_acked;
    uint64_t bytes_received; /* payload in order */
    uint64_t bytes_retransmitted;
    uint64_t bytes_delivered; /* acknowledged, or SACKed by now */
    uint64_t min_rtt_ns;      /* of the last five minutes; 0: not measured */
    uint64_t receive_rtt_ns;  /* as the receiver sees it; 0: not known */
    uint64_t delayed_ack_ns;  /* how long an ACK of ours waits at most */
    uint64_t user_timeout_ns; /* now */
    uint64_t peer_timeout_ns; /* as the peer last told (RFC 5482); 0: it has not */
    /* How long ago: in units of about a millisecond. */
    uint64_t data_sent_ago_ns;     /* or the SYN */
    uint64_t data_received_ago_ns; /* 0: none has come */
    uint64_t ack_received_ago_ns;
    /* For how long something was sent or waited to be, and of that, for how long the peer's window
       or our send queue's size was in the way: likewise. */
    uint64_t busy_ns;
    uint64_t window_limited_ns;
    uint64_t queue_limited_ns;
    uint64_t pacing_bps;        /* bits a second; 0: not paced */
    uint64_t delivery_bps;      /* 0: not measured: only controllers that need it do */
    uint32_t segments_sent;     /* a super-segment counts as what it stands for; */
    uint32_t segments_received; /* from the handshake's third on, where the peer opened */
    uint32_t data_segments_sent;
    uint32_t data_segments_received;
    uint32_t duplicates_reported; /* D-SACKs (RFC 2883) */
    uint32_t reorderings;         /* what arrived behind what was sent later (RFC 8985 6.2) */
    uint32_t retransmissions;     /* segments sent again */
    uint32_t timeouts;            /* RTO expiries */
    uint32_t fast_recoveries;
    uint32_t cwnd_bytes;
    uint32_t ssthresh_bytes;
    uint32_t flight_bytes;
    uint32_t snd_wnd;       /* the peer's window, scaled */
    uint32_t rcv_wnd;       /* ours, as last advertised */
    uint32_t mss_send;      /* payload of our segments, options taken off */
    uint32_t mss_receive;   /* the MSS we announced */
    uint32_t mss_seen;      /* the largest segment that came */
    uint32_t path_mtu;      /* bytes of a packet that mss_send makes */
    uint32_t unacked_bytes; /* sent, not acknowledged cumulatively; SYN and FIN count one */
    uint32_t sacked_bytes;  /* of them those that the peer has nonetheless */
    uint32_t lost_bytes;    /* those believed lost and not sent again yet */
    uint32_t resent_bytes;  /* and those sent again */
    uint32_t unsent_bytes;  /* written, never sent */
    uint32_t send_queue_bytes;
    uint32_t receive_queue_bytes;
    uint32_t reorder_queue_bytes;
    uint32_t receive_limit_bytes; /* what the queues may grow to by now */
    uint32_t send_limit_bytes;
    uint32_t receive_space_bytes; /* the most that was read within a round trip */
    uint32_t urgent_bytes; /* up to the peer's urgent mark, those not here yet included; 0: no mark,
                              or all before it was read */
    enum berth_tcp_ecn_mode ecn;
    uint32_t marks_told;     /* AccECN: packets of ours that the peer told came marked */
    uint32_t marks_received; /* packets that came marked by congestion (CE) */
    uint8_t dscp;            /* that we send */
    uint8_t dscp_received;   /* of the segment that came last */
    uint8_t snd_wscale;
    uint8_t rcv_wscale;
    bool timestamps;
    bool sack;
    bool window_scale;
    uint8_t backoff;       /* doublings of the RTO, or of the time to the next window probe */
    uint8_t probes;        /* keep-alive probes without an answer */
    bool fast_recovery;    /* recovering from a loss */
    bool timeout_recovery; /* recovering from a retransmission timeout */
    bool persist;          /* the peer's window is shut, and probed */
    bool app_limited;      /* delivery_bps tells of the writer, not of the path */
    char congestion_control[16];
};
/* Also of a held SYN, and of a connection that is over and not given back; of no listener. */
BERTH_API BERTH_MUST_CHECK int berth_tcp_info(const struct berth *berth, berth_id id,
                                              struct berth_tcp_info *out);

/*
 * A connection on its way from one stack to another, of another thread for instance, while its peer
 * goes on and notices nothing. Both stacks have one seed, one MTU, one clock, and one version of
 * the library. The record is plain memory, to be copied, and taken by one stack once.
 */
struct berth_tcp_exported {
    uint64_t words[88];
};
/*
 * ID leaves the stack without a word and is gone; its options, its window and its figures are in
 * *OUT. Events of it that were not told yet are lost: ask the new id what there is to read and to
 * write. From now on its segments are for the new stack, and this one would answer them with a RST:
 * whoever hands out packets sees to that. A port that connecting chose is the new stack's to give
 * back, and free in this one: who connects from both sees to it that no two connections have the
 * same ends. BERTH_E_AGAIN: something is under way (bytes that are not read, not sent or not
 * acknowledged, a gap, a recovery). BERTH_E_STATE: it is not established, is paced, measured (BBR),
 * or knows a path that takes less than the link.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_export(struct berth *berth, berth_id id,
                                                struct berth_tcp_exported *out);
/*
 * EXPORTED goes on here; the next berth_transmit tells its peer, by an ACK. The firewall is not
 * asked: it has been. It is now at least when it left. What is left here of an earlier connection
 * between these ends, which its owner has closed, ends without a word. BERTH_E_IN_USE: there is one
 * that he has not closed. BERTH_E_LIMIT: so many connections, or endpoints with ports.
 * BERTH_E_INVALID: it is from a stack with another seed. After an error EXPORTED may go back, or
 * elsewhere.
 */
BERTH_API BERTH_MUST_CHECK int berth_tcp_import(struct berth *berth,
                                                const struct berth_tcp_exported *exported,
                                                void *user, berth_id *out);

#ifdef __cplusplus
}
#endif
#endif
