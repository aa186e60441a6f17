/* SPDX-License-Identifier: MIT */
/*
 * Conversations with one stack, segment by segment, in virtual time. A test reads like the talk:
 *
 *     talk_in(&talk, "S 0 win 65535 mss 1460 sackok wscale 7 ts 100 0");
 *     talk_out(&talk, "S. 0 ack 1 mss 1460");
 *     talk_in(&talk, ". 1 ack 1");
 *
 *     FLAGS SEQ[+BYTES] [ack N] [win N] [urg N] [mss N] [wscale N] [sackok] [ts VAL ECR]
 *           [sack L-R[,L-R]...] [accecn0 N,N,N] [accecn1 N,N,N] [uto N] [tos N] [ttl N]
 *           [fo COOKIE]
 *
 * FLAGS: S F R P U E C A (ECE, CWR, AE) and '.' for ACK; '-' for none. accecn0 and accecn1 have up
 * to three counters, '-' for none. Numbers are relative: SEQ of what the test
 * sends, and ack of what it expects, count from the test's own initial sequence number; the others
 * from the stack's, learned from its SYN. `win` is as on the wire, 65535 where none is stated.
 * BYTES of payload are checked against the stream of the pattern talk_byte(offset). In talk_out
 * what is not stated is not compared; noaccecn, uto 0: there is no such option.
 *
 * COOKIE of Fast Open: hexadecimal; `ask` for none; `any`, of talk_out: one, whichever; `last`, of
 * talk_in: the one that talk_out saw last; `no`, of talk_out: no such option.
 *
 * In talk_in also: [from ADDRESS] [to ADDRESS] [opts HEX] (TCP options, as they are, after the
 * others) [ipopts HEX] (IPv4 options) [badsum] (a wrong TCP checksum).
 *
 *     the test's peer 10.9.0.2:PEER_PORT  <->  the stack 10.9.0.1     (fd09::2, fd09::1 if v6)
 */
#ifndef TESTS_PACKET_TALK_H
#define TESTS_PACKET_TALK_H

#include <berth/berth.h>

#define TALK_PEER_PORT 33000
#define TALK_PORT      8080
#define TALK_RTT_MS    10 /* of the handshake of talk_established */
#define TALK_OUT_MAX   256

#define TALK_STACK  "10.9.0.1"
#define TALK_PEER   "10.9.0.2"
#define TALK_STACK6 "fd09::1"
#define TALK_PEER6  "fd09::2"

struct talk_packet {
    uint8_t data[2048];
    uint32_t bytes;
    struct berth_offload offload;
};

struct talk {
    struct berth *berth;
    struct berth_config config;
    void *memory;
    size_t memory_bytes;
    uint64_t now_ns;
    bool v6;           /* the test sets it after talk_begin */
    uint32_t peer_iss; /* what the test's SEQ 0 is on the wire */
    uint32_t iss;      /* the stack's, once its SYN was seen */
    bool iss_known;
    uint16_t peer_port;
    uint16_t port;
    struct talk_packet out[TALK_OUT_MAX]; /* what the stack has sent and no talk_out has taken */
    unsigned out_first;
    unsigned out_count;
    berth_id listener;
    berth_id id;          /* the connection */
    uint32_t events;      /* of `id`, or-ed, since last cleared */
    int error;            /* with BERTH_EVENT_CLOSED */
    int soft_error;       /* with BERTH_EVENT_SOFT_ERROR alone, the last */
    uint32_t last_window; /* of the segment last taken by talk_out, and its timestamps */
    uint32_t last_tsval;
    uint32_t last_tsecr;
    uint8_t last_cookie[16]; /* Fast Open's, of the segment that had one last */
    uint8_t last_cookie_bytes;
    struct talk_packet last; /* as it was */
};

/* CHANGE may be NULL; it gets the defaults, without timestamps unless it turns them on. */
void talk_begin(struct talk *talk, void (*change)(struct berth_config *config));
void talk_end(struct talk *talk);
/* For talk_begin: no SACK, and so no RACK and no tail loss probe before the timeout. */
void talk_without_sack(struct berth_config *config);

/* The stack listens on TALK_PORT. */
void talk_listen(struct talk *talk);
/* The stack connects to the test's peer, from TALK_PORT. */
void talk_connect(struct talk *talk);
/* The three segments of a passive open, as stated, accepted: at once, so the round trip is 0. */
void talk_open(struct talk *talk, const char *syn, const char *answer, const char *ack);
/* The three segments of a passive open with MSS 1460, SACK and window scaling (our shift 0),
 * accepted. */
void talk_established(struct talk *talk);
/* Takes the connection from the listener's queue. */
void talk_accept(struct talk *talk);

void talk_in(struct talk *talk, const char *segment);
/* The same, and what the stack wants to send waits for the next talk_in or talk_collect. */
void talk_post(struct talk *talk, const char *segment);
void talk_collect(struct talk *talk);
/* An ICMP error (by number; ICMPv6 if v6) about what the stack sent with sequence number SEQ. MTU
 * is the second word. */
struct talk_icmp {
    uint8_t type;
    uint8_t code;
    uint32_t seq;
    uint32_t mtu;
};
void talk_icmp(struct talk *talk, const struct talk_icmp *icmp);
/* The next segment that the stack sent is this one. */
void talk_out(struct talk *talk, const char *segment);
/* The stack has sent nothing (more). */
void talk_silent(struct talk *talk);
/* What it sent does not matter. */
void talk_forget(struct talk *talk);
/* Time goes on; what falls due is done in its order. */
void talk_wait_ms(struct talk *talk, uint64_t ms);
/* Until the stack sends something or the connection ends, at most MS. Returns the milliseconds
 * waited. */
uint64_t talk_wait_out_ms(struct talk *talk, uint64_t ms);

/* The stack connects, and BYTES are written before its SYN leaves. */
void talk_connect_with(struct talk *talk, uint32_t bytes);
/* The owner's calls; they fail the test unless they succeed. */
void talk_write(struct talk *talk, uint32_t bytes);
/* Reads exactly BYTES of the peer's pattern from stream offset AT on. */
void talk_read(struct talk *talk, uint64_t at, uint32_t bytes);
enum berth_tcp_state talk_state(struct talk *talk);
struct berth_tcp_info talk_info(struct talk *talk);
/* Connections that exist, TIME-WAIT and half-open passive ones not counted; and those. */
uint32_t talk_connections(struct talk *talk);
uint32_t talk_time_waits(struct talk *talk);
uint32_t talk_half_open(struct talk *talk);
uint64_t talk_drops(struct talk *talk, enum berth_drop drop);

/* TO is the talk of another stack, with the same peer; the connection is not there yet. */
void talk_share_peer(struct talk *to, const struct talk *from);
/* The connection of FROM goes on in TO; its first word there is an ACK. */
void talk_move(struct talk *from, struct talk *to);

uint8_t talk_byte(uint64_t offset);
struct berth_address talk_address(const char *text);
struct berth_address talk_stack(const struct talk *talk);
struct berth_address talk_peer(const struct talk *talk);

#endif
