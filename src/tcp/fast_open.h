/* SPDX-License-Identifier: MIT */
/*
 * TCP Fast Open (RFC 7413): text on a SYN, on the strength of a cookie that the server gave the
 * client before. Both sides are off unless turned on. Inside tcp/ only.
 *
 *   fast_open.c   the server's cookies, its connections that are open before the handshake is
 *                 complete; the client's SYN and what the SYN,ACK says of it
 *   fast_cache.c  what the client knows of servers: cookie, MSS, and when not to try
 */
#ifndef TCP_FAST_OPEN_H
#define TCP_FAST_OPEN_H

#include "tcp/half.h"

/* What a client knows of a server: one for each of its own addresses and the server's ports, since
 * a server may serve some of them so and others not (RFC 7413 4.1.3.1). */
struct tcp_fast_peer {
    uint32_t hash_next; /* index + 1; the pool's while free */
    uint32_t hash;
    struct berth_address local;
    struct berth_endpoint remote;
    uint8_t cookie[WIRE_COOKIE_BYTES_MAX];
    uint8_t cookie_bytes; /* 0: none yet */
    uint8_t failures;     /* one after the other */
    uint16_t mss;         /* as the server announced */
    uint64_t retry_ns;    /* not before */
    struct list_node order;
};

/* fast_cache.c: NULL: nothing is known. */
struct tcp_fast_peer *tcp_fast_find(const struct tcp *tcp, const struct tcp_conn *conn);
/* The server gave a cookie, or took one. */
void tcp_fast_learn(struct tcp *tcp, const struct tcp_conn *conn, const struct wire_tcp *syn_ack);
/* It did not answer, or did not take the text: it is left alone for a while. */
void tcp_fast_shun(struct tcp *tcp, const struct tcp_conn *conn);
void tcp_fast_trust(struct tcp *tcp, const struct tcp_conn *conn);

/* fast_open.c: the client's first SYN; the option and what text it may carry are put in, if the
 * connection's options say so. snd_nxt stands after the SYN. */
void tcp_fast_offer(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                    struct berth_frame *frame);
void tcp_fast_answered(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *syn_ack);
/* The connection stands: what ACK takes of the SYN's text is done, the rest is unsent again. */
void tcp_fast_settle(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack);
/* The server's side: the connection of a SYN with a good cookie; NULL: the handshake is needed. */
struct tcp_conn *tcp_fast_accept(struct tcp *tcp, struct tcp_listener *listener,
                                 const struct tcp_pair *pair, const struct wire_packet *packet);
/* A cookie for the client of this SYN,ACK, where there is room for it. */
void tcp_fast_give(struct tcp *tcp, struct wire_packet *syn_ack);
/* CONN's handshake is complete, or CONN is over, for ERROR. */
void tcp_fast_complete(struct tcp *tcp, struct tcp_conn *conn);
void tcp_fast_end(struct tcp *tcp, struct tcp_conn *conn, int error);

#endif
