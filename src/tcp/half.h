/* SPDX-License-Identifier: MIT */
/*
 * A half-open passive connection: what its SYN said and what we answered, no more. A connection is
 * made of it by the ACK of our SYN,ACK; for a SYN cookie the record is the form in which it is made
 * and read, and is kept nowhere. Inside tcp/ only.
 *
 * 1. A record is in syn_table, in one list of syn_order and counted by its listener from the SYN
 *    until the handshake is completed, broken off or given up.
 * 2. It owns nothing: no buffer, no port, no id. Its owner does not know of it.
 */
#ifndef TCP_HALF_H
#define TCP_HALF_H

#include "tcp/parts.h"

#define MSS_DEFAULT_V4 536U /* RFC 9293 MUST-15 */
#define MSS_DEFAULT_V6 1220U

struct tcp_syn {
    uint32_t hash_next; /* index + 1; the pool's while free */
    uint32_t listener;  /* index + 1; 0: free */
    uint64_t hash;      /* the pair's */
    struct berth_endpoint local;
    struct berth_endpoint remote;
    uint32_t iss;
    uint32_t irs;
    uint32_t tsval;
    uint16_t flags; /* of the SYN, for ECN's sake */
    uint16_t window;
    uint16_t mss;
    uint16_t offered;      /* the window in our SYN,ACK */
    uint8_t options;       /* enum wire_tcp_option */
    uint8_t wscale;        /* the peer's */
    uint8_t traffic_class; /* of the SYN */
    uint8_t attempts;      /* the SYN,ACK was sent again so often because time was up */
    bool resent;           /* it was sent again, for whatever reason: Karn */
    bool came_again;       /* the SYN, the last time with traffic_class_again */
    bool plain_again;      /* once without ECN (RFC 3168 6.1.1.1) */
    uint8_t traffic_class_again;
    struct list_node order; /* in syn_order[attempts] */
    uint64_t sent_ns;       /* the SYN,ACK last went out */
};

/* half.c */
void tcp_half_take(struct tcp_syn *syn, const struct tcp_pair *pair,
                   const struct wire_packet *packet);
/* CONN, initialised, as it would be if it had kept the SYN itself: in SYN-RECEIVED, the SYN,ACK
 * sent. It has its listener's options: if it is of the moment only they are released afterwards. */
void tcp_half_recall(struct tcp *tcp, const struct tcp_syn *syn, struct tcp_conn *conn);
/* The connection that SYN becomes; NULL: LISTENER's backlog is full, or the limit of connections is
 * reached. *WHY says which. */
struct tcp_conn *tcp_half_become(struct tcp *tcp, const struct tcp_syn *syn, enum berth_drop *why);

/* cookie.c */
/* May the SYN be answered without a record? What a cookie can not carry is taken out of it. */
bool tcp_cookie_make(struct tcp *tcp, struct tcp_syn *syn);
/* The timestamp of the SYN,ACK: some of the cookie is in it. */
uint32_t tcp_cookie_stamp(const struct tcp_syn *syn, uint32_t now);

#endif
