/* SPDX-License-Identifier: MIT */
/*
 * Everything a stack is told when it is made: seed, link, limits, TCP's settings.
 *
 * All memory follows from the limits (berth_memory_bytes); it is given by the caller, zeroed, and
 * touched only when used. A limit that is reached degrades in the way that its line names.
 */
#ifndef BERTH_CONFIG_H
#define BERTH_CONFIG_H

#include <berth/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_SEED_BYTES 32

/* What the link can do for the stack on the way out. Inwards a stack takes whatever comes. */
enum berth_link_offload {
    BERTH_LINK_CHECKSUM = 1, /* completes partial transport checksums */
    BERTH_LINK_TSO4 = 2,     /* cuts TCP super-segments over IPv4 (needs BERTH_LINK_CHECKSUM) */
    BERTH_LINK_TSO6 = 4,
    BERTH_LINK_USO = 8 /* cuts UDP super-datagrams */
};

/* Whom the firewall guards, that is, what "in" and "out" mean in a rule. */
enum berth_guard {
    BERTH_GUARD_STACK = 0, /* this stack: a SYN that arrives is "in", berth_tcp_connect is "out" */
    BERTH_GUARD_LINK_PEER = 1 /* the host at the other end of the link: the other way round, and
                                 packets from another source than its addresses are dropped */
};

/* SYNs answered without keeping anything (RFC 4987 3.6): what a record would hold comes back with
 * the ACK of the SYN,ACK. The MSS is rounded down to one of four; window scale, SACK and, with
 * timestamps, ECN are kept, without timestamps the scale is rounded down to 4, 7 or 8. A SYN that
 * reopens a connection in TIME-WAIT, and one with an MSS below 536, is
 * not: it needs a place in the queue. */
enum berth_syn_cookies {
    BERTH_SYN_COOKIES_OFF = 0,
    BERTH_SYN_COOKIES_WHEN_FULL = 1, /* when the SYN queue is full */
    BERTH_SYN_COOKIES_ALWAYS = 2     /* no record is kept at all */
};

/* Does TCP look for a path's MTU itself, where routers do not tell (RFC 4821, RFC 8899)? */
enum berth_mtu_probing {
    BERTH_MTU_PROBING_OFF = 0,
    BERTH_MTU_PROBING_BLACK_HOLE = 1, /* once timeouts, three to five, say that packets vanish */
    BERTH_MTU_PROBING_ALWAYS = 2      /* every path, from 1200 bytes (IPv6: 1280) up */
};

/* Limits, with the way each degrades when reached; 0: there are none. Where a line says nothing
 * else each is 0 to 16,777,216. */
struct berth_limits {
    uint32_t buffers; /* buffers in the pool; 16 to 1,000,000. None free: the link's packet is lost,
                         writers wait */
    uint32_t buffer_bytes; /* capacity of each, headroom included; mtu + 64 to 131072 */
    uint32_t
        buffers_reserved; /* kept back for the link: queues keep no buffer when fewer are free */
    uint32_t
        tcp_connections;    /* every state but TIME-WAIT, held SYNs included, half-open passive ones
                            not: 376 bytes each with the table, and while one is in use up to 528
                            more, touched only then. Then SYNs are dropped, and what would complete
                            a handshake: that stays half-open */
    uint32_t tcp_half_open; /* records of SYNs to listeners that were answered, all listeners. Then
                               as `syn_cookies` says */
    uint32_t tcp_time_wait; /* TIME-WAIT records, 1 to 16,777,215; 48 bytes each. Then the oldest
                               goes */
    uint32_t tcp_listeners; /* berth_tcp_listen fails with BERTH_E_LIMIT */
    uint32_t tcp_held;      /* SYNs held for their owner. Then new SYNs are dropped: no cookie
                                  goes out before the owner has decided */
    uint32_t tcp_fast_open_servers; /* Fast Open: servers whose cookies are kept. Then the one used
                                       longest ago goes */
    uint32_t tcp_sent_records; /* transmitted, unacknowledged pieces, all connections. Then a sender
                                  waits for ACKs; one in eight is kept for who has none */
    uint32_t tcp_reorder_records; /* out-of-order ranges, all connections. Then out-of-order data is
                                     dropped */
    uint32_t tcp_reorder_per_connection;
    uint32_t tcp_paced; /* connections that are paced or measure their rate. Then those of BBR go on
                           with CUBIC, the others unpaced */
    uint32_t
        tcp_paths; /* peers whose path takes less than the link: at most 65535. Then the one not
                           asked for longest is forgotten */
    uint32_t udp_sockets;     /* held ones included. Then datagrams to no socket are dropped */
    uint32_t udp_queue_bytes; /* per socket, payload; to 2 GiB. Then arriving datagrams are
                                 dropped */
    uint32_t reassemblies;    /* IP packets in pieces at once. Then the oldest goes (RFC 791, RFC
                                 8200 4.5) */
    uint32_t
        replies; /* RSTs, ICMP messages, SYN,ACKs of listeners queued for the link; datagrams up to
                    twice as many. To 1,000,000. Then none is made, and datagrams wait */
    uint32_t
        icmp_per_second; /* ICMP errors and echo replies made (RFC 1812 4.3.2.8, RFC 4443 2.4 f); to
                            1,000,000. Then none is made */
    uint32_t
        addresses;   /* of the stack's own, 1 to 65,536. Then BERTH_E_LIMIT, as with those below */
    uint32_t routes; /* and as many guarded peers; to 65,536 */
    uint32_t binds;  /* entries of the bind table, all protocols */
    uint32_t port_endpoints; /* remote endpoints with ephemeral ports towards them; to 16,777,215 */
    uint32_t rules;          /* firewall rules; to 1,000,000 */
    uint32_t rule_bytes;     /* text of all rules; to 1 GiB */
    uint32_t names;          /* host names given for addresses. Then the oldest not in use goes */
    uint32_t limit_sources;  /* rules' limits in use, one for each source. Then what would need
                                another is denied until one is full again */
    uint32_t
        contacts; /* first contacts noted and not yet read. Then the newest is counted, not noted */
    uint32_t scan_records; /* remotes whose first contacts fail (<berth/scan.h>). Then the one with
                              one failure that is the oldest is forgotten, and so on upwards */
};

/* Explicit congestion notification, as Linux numbers it (net.ipv4.tcp_ecn). */
enum berth_tcp_ecn {
    BERTH_TCP_ECN_OFF = 0,
    BERTH_TCP_ECN = 1,            /* RFC 3168: asked for, and accepted */
    BERTH_TCP_ECN_ACCEPT = 2,     /* RFC 3168: accepted */
    BERTH_TCP_ACCECN = 3,         /* AccECN (RFC 9768): asked for; both accepted */
    BERTH_TCP_ACCECN_ASK_ECN = 4, /* RFC 3168: asked for; both accepted */
    BERTH_TCP_ACCECN_ACCEPT = 5   /* both accepted */
};

/*
 * TCP's settings; those marked * may also be set per connection (berth_tcp_set). Ranges, where a
 * line gives none: queues 2048 bytes to 1 GiB, the initial ones no more than the greatest; RTO 1 ms
 * to 60 s at least, 60 s to 1 h at most, the initial between; delayed and quick ACKs less than
 * 0.5 s; TIME-WAIT to 1 h, FIN-WAIT-2 to 1 day; keep-alive idle 1 s to 30 days, interval 1 ms to
 * 1 day, 1 to 255 probes; challenge ACKs to 1,000,000; Fast Opens pending to 65,535; SYN queue to
 * 16,777,216; SYN retries to 30; user timeouts 1 s to 30 days; initial window 1 to 1000; held 1 ms
 * to 1 day; MTU age 1 s to 1 day.
 */
struct berth_tcp_settings {
    /* Queues grow with what a round trip takes, from the initial size to the greatest: 2048 to
     * 1 GiB. Both the same: they are not tuned. */
    uint32_t receive_bytes_max;
    uint32_t send_bytes_max;
    uint32_t receive_bytes_initial; /* the first window offered (RFC 6928 wants >= 10 segments) */
    /* What the receive queues of all connections that are sent much at the same time may come to
     * together, for a link so short that more would only be colder in the processor's caches: each
     * is tuned to its part at most, but never to less than receive_bytes_initial. 0: no such bound;
     * to 1 GiB. */
    uint32_t receive_bytes_shared;
    uint32_t send_bytes_initial;    /* of the send queue */
    uint64_t rto_initial_ns;        /* RFC 6298 2.1: 1 s */
    uint64_t rto_min_ns;            /* the RTO is SRTT and at least this; 200 ms as deployed stacks
                                       have it (RFC 6298 2.4 says 1 s in all) */
    uint64_t rto_max_ns;            /* RFC 6298 2.5: at least 60 s */
    uint64_t delayed_ack_ns;        /* RFC 9293 MUST-40: < 0.5 s */
    uint64_t quick_ack_ns;          /* ACKs that a peer may wait for (of a connection's first
                                       segments, of its FIN) wait so long for what they could go
                                       with; 0 (the default): not at all */
    uint64_t time_wait_ns;          /* RFC 9293 3.4.2: 2 MSL */
    uint64_t fin_wait2_ns;          /* * orphaned FIN-WAIT-2; 0 for ever */
    uint64_t keepalive_idle_ns;     /* * RFC 9293 MUST-28: at least 2 h by default */
    uint64_t keepalive_interval_ns; /* * */
    uint32_t keepalive_probes;      /* * */
    bool keepalive;                 /* * RFC 9293 MUST-25: off by default */
    bool no_delay;                  /* * Nagle's algorithm off (RFC 9293 MUST-17) */
    bool quick_ack;                 /* * no delayed ACKs */
    bool sack;                      /* RFC 2018 */
    bool timestamps;                /* RFC 7323 */
    bool window_scale;              /* RFC 7323 */
    bool blind_attack_checks;       /* RFC 5961 */
    uint8_t ecn;                    /* enum berth_tcp_ecn */
    bool accecn_option;             /* RFC 9768 3.2.3: send AccECN's option */
    bool frto;                      /* RFC 5682: spurious timeouts are found out */
    bool pacing;                    /* of CUBIC and NewReno too; BBR is always paced */
    uint32_t challenge_acks_per_second; /* RFC 5961 7: throttling */
    bool fast_open;                     /* * RFC 7413, active opens: off by default */
    bool fast_open_no_cookie;           /* * and without a cookie: off by default */
    uint32_t fast_open_pending; /* * of one listener; 0 (the default): its Fast Open is off */
    uint32_t syn_queue; /* * half-open connections of one listener. Then as `syn_cookies` says */
    enum berth_syn_cookies syn_cookies;
    bool abort_on_overflow;   /* a handshake that is completed while the listener's backlog is full:
                                 RST. Else the ACK is dropped and the SYN,ACK sent again later */
    uint32_t syn_retries;     /* * SYN and SYN-ACK (RFC 9293 MUST-23: R2 at least 3 min) */
    uint64_t user_timeout_ns; /* * data unacknowledged this long: given up (RFC 9293 3.8.3 R2, RFC
                                 5482) */
    uint32_t initial_window;  /* segments (RFC 6928: 10) */
    uint64_t idle_window_ns;  /* for so long a paced connection of CUBIC or NewReno keeps a
                                 congestion window that it does not fill (RFC 7661 4.4.3, the NVP):
                                 5 min at most, and by default. 0, and all others: for an RTO (RFC
                                 5681 4.1) */
    uint64_t held_ns;         /* a held SYN is dropped after this */
    uint8_t dscp;             /* * RFC 9293 MUST-48, RFC 2474: 0 to 63 */
    bool timeout_option;      /* * RFC 5482, off by default: user timeouts are told, and a peer's
                                 is adopted within these limits */
    uint64_t user_timeout_min_ns; /* RFC 5482 3.1: at least 100 s */
    uint64_t user_timeout_max_ns;
    enum berth_mtu_probing mtu_probing;
    uint32_t mtu_floor;  /* IPv4: no word of a router's makes packets smaller; 296 to 1280 */
    uint64_t mtu_age_ns; /* after this a path may take more again (RFC 1191 6.3: 10 min) */
    uint8_t hop_limit;   /* * the TTL (RFC 9293 MUST-49): 1 to 255 */
    char congestion_control[16]; /* * "cubic", "newreno" or "bbr" */
};

struct berth_config {
    uint8_t seed[BERTH_SEED_BYTES]; /* every random number is drawn from named streams of it */
    uint32_t mtu;      /* of the link: bytes of an IP packet; 576 (1280 for IPv6) to 65535 */
    uint32_t offloads; /* enum berth_link_offload, or-ed */
    uint32_t segment_bytes_max; /* payload of an outgoing super-segment; 1 to 65535 - 120 */
    enum berth_guard guard;
    bool
        forward_any; /* take packets to every unicast address as ours (a gateway that intercepts) */
    struct berth_limits limits;
    struct berth_tcp_settings tcp;
    uint64_t reassembly_ns;     /* RFC 1122 3.3.2, RFC 8200 4.5: 60 s; 1 ms to 1 h */
    uint64_t udp_held_ns;       /* a held datagram's flow is dropped after this; 1 ms to 1 day */
    uint16_t ephemeral_first;   /* RFC 6335: 49152; at least 1024 */
    uint16_t ephemeral_last;    /* 65535; at least the first */
    bool system_ports_bindable; /* listening on 1 to 1023 allowed */
};

/*
 * The defaults: a host on an ordinary link, MTU 1500, no offloads, a seed of zeros (set your own).
 *
 *   pool          8192 buffers of 2048 bytes (16 MiB), 256 of them kept back for the link. A link
 *                 that hands over super-segments needs buffer_bytes of 65535 + 64 and more.
 *   TCP           4096 connections, 4096 half-open ones besides, 1024 of one listener, then SYN
 *                 cookies; 16,384 TIME-WAIT records, 256 listeners, 1024 held SYNs;
 *                 16,384 sent records; 16,384 out-of-order ranges, 4096 for one connection;
 *                 queues grow to 4 MiB each way, from 64 KiB (received) and 256 KiB (to be
 *                 sent); RTO 1 s, then 200 ms
 *                 to 60 s; delayed ACK 40 ms; TIME-WAIT and orphaned FIN-WAIT-2 60 s; user timeout
 *                 300 s, told to no peer (one may be let ask for 100 s to 1 h); 7 SYN retries
 *                 (3 minutes); held SYNs 180 s; keep-alive off, 2 h, 75 s, 9;
 *                 CUBIC, not paced; 4096 connections that are paced or measure their rate; black
 *                 holes are searched, 256 paths remembered for 10 minutes, IPv4 floor 552
 *   datagrams     4096 sockets, 256 KiB queued each; held flows 30 s
 *   ip            64 reassemblies, 60 s; 1000 ICMP messages a second, 256 replies queued;
 *                 16 addresses, 64 routes
 *   ports         1024 binds; 4096 endpoints with ports of 49152 to 65535 towards them; listening
 *                 on system ports is not allowed
 *   firewall      4096 rules of 512 KiB together, 4096 names of addresses, 1024 refused contacts
 *                 noted, limits counted for 4096 sources, 1024 remotes whose first contacts fail
 */
BERTH_API void berth_config_init(struct berth_config *config);

/* 0, or BERTH_E_INVALID with *WHAT (may be NULL) naming the first member out of range. */
BERTH_API BERTH_MUST_CHECK int berth_config_check(const struct berth_config *config,
                                                  const char **what);

#ifdef __cplusplus
}
#endif
#endif
