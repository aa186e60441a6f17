/* SPDX-License-Identifier: MIT */
/*
 * How connections begin and end, for whom watches first contacts (firewall/scan.h), and which
 * four-tuples were a connection's lately, so that what comes late for one is not taken for a probe,
 * nor for the answer to a SYN cookie that has opened one already.
 *
 * 1. Nothing here happens for a segment of a connection: only where one is established or ends.
 * 2. The ring keeps the last TCP_OUTCOMES; one that nobody asks loses the oldest.
 * 3. A four-tuple is known as gone for TCP_GONE_NS, and less where another one took its place in
 *    the table, of which there are TCP_GONE.
 */
#ifndef TCP_OUTCOME_H
#define TCP_OUTCOME_H

#include "base/arena.h"
#include "base/bytes.h"

#include <berth/address.h>

#define TCP_OUTCOMES 64
#define TCP_GONE     1024 /* a power of two: three pages, however many connections there are */
/* As long as deployed stacks retransmit to a peer that says nothing (RFC 9293 3.8.3, R2). */
#define TCP_GONE_NS (1000 * NS_PER_S)

struct tcp;
struct tcp_conn;
struct tcp_pair;

enum tcp_outcome_kind {
    TCP_OUTCOME_OPENED, /* established; whether it is used will be seen */
    TCP_OUTCOME_USED,   /* over, and who opened it has said something */
    TCP_OUTCOME_FAILED  /* opened by us: refused, unreachable, not answered; by the peer: given up
                           by a RST where it was answered */
};

struct tcp_outcome {
    struct berth_endpoint local;
    struct berth_endpoint remote;
    enum tcp_outcome_kind kind;
    bool active;    /* opened by us */
    uint32_t index; /* of the connection's record, while it is that one's */
    uint32_t generation;
};

/* A four-tuple that was a connection's until AT_S. */
struct tcp_gone {
    uint32_t hash;
    uint32_t iss;  /* its initial sequence number, of ours */
    uint32_t at_s; /* 0: none */
};

struct tcp_outcomes {
    struct tcp_outcome *ring;
    uint32_t first;
    uint32_t count;
    struct tcp_gone *gone; /* by the hash of the four-tuple */
};

void tcp_outcome_init(struct tcp *tcp, struct arena *arena);
void tcp_outcome_opened(struct tcp *tcp, const struct tcp_conn *conn);
/* CONN is about to end with ERROR; its state is still the one that it ends in. */
void tcp_outcome_ended(struct tcp *tcp, const struct tcp_conn *conn, int error);
/* CONN, established, goes to another stack, or comes from one. */
void tcp_outcome_left(struct tcp *tcp, const struct tcp_conn *conn);
void tcp_outcome_joined(struct tcp *tcp, const struct tcp_conn *conn);

/* For the stack: the oldest not yet read. */
bool tcp_outcome_next(struct tcp *tcp, struct tcp_outcome *out);
/* Has who opened OUTCOME's connection said something so far? *IS_OVER: it is there no more. */
bool tcp_outcome_is_used(const struct tcp *tcp, const struct tcp_outcome *outcome, bool *is_over);
bool tcp_is_gone(const struct tcp *tcp, const struct tcp_pair *pair);
/* Was it the connection that began with ISS? */
bool tcp_is_gone_from(const struct tcp *tcp, const struct tcp_pair *pair, uint32_t iss);

#endif
