/* SPDX-License-Identifier: MIT */
/*
 * run/resolver.h: the name server that the program has, at an address of the stack's own: names
 * given by --hosts and the program's own are answered here, others are asked of the host's name
 * servers (or --dns), if some rule could let a connection to what they name through. Owns its
 * sockets in the stack, the questions under way and the streams of programs that ask over TCP.
 *
 *   a question                      becomes                                  by
 *   out of shape                    FORMERR, or NOTIMP                       resolver.c
 *   of a name of --hosts            its addresses                            resolver.c
 *   of this host's own name         the program's addresses                  resolver.c
 *   of localhost, *.localhost       loopback (RFC 6761 6.3)                  resolver.c
 *   that no rule is for             REFUSED, told in the closing table       resolver_policy.c
 *   else                            a question made anew, to a name server,  resolver_query.c
 *                                   from a new socket, with a new id, over
 *                                   UDP or TCP as it came
 *   answered                        an answer made anew: without addresses   resolver_policy.c
 *                                   that lead inwards; what it has is bound  dns_answer.c
 *                                   to the name that was asked for
 *
 * Invariants
 *  1. An answer is passed on only if it came from the server that was asked, on the socket that
 *     asked, with the id and the question that were sent.
 *  2. A question ends: by an answer, or after RESOLVER_TRIES_MAX tries with SERVFAIL.
 *  3. Nothing of a question goes out but its name, in lower case, its type, whether it has EDNS
 *     (RFC 6891), and three flags (RD, CD, DO).
 *  4. What an answer gave is bound in the stack before the answer reaches the program.
 *  5. At most RESOLVER_QUERIES_MAX questions and RESOLVER_STREAMS_MAX streams; then SERVFAIL, or
 *     the longest silent stream goes.
 */
#ifndef RUN_RESOLVER_H
#define RUN_RESOLVER_H

#include "run/aliases.h"
#include "run/dns_answer.h"
#include "run/inside.h"

enum {
    RESOLVER_QUERIES_MAX = 512,
    RESOLVER_STREAMS_MAX = 64,
    RESOLVER_TRIES_MAX = 6,
    RESOLVER_PORT = 53,
    RESOLVER_OWN_BYTES = 65, /* HOST_NAME_MAX and a zero */
};

/* Opens the resolver's ports in the stack; the rules must be loaded. On failure MESSAGE (of BYTES)
 * says why: BERTH_E_STATE. Without a resolver in the configuration nothing is done. */
BERTH_MUST_CHECK int resolver_init(struct run *run, char *message, size_t bytes);
void resolver_done(struct run *run);

/* ---- Inside: resolver.c, resolver_query.c, resolver_stream.c -------------------------------- */

struct resolver_stream;

/* Who has asked. */
struct resolver_asker {
    berth_id socket; /* of the stack, over UDP */
    struct berth_endpoint from;
    struct resolver_stream *stream; /* over TCP; NULL over UDP, or when it has gone */
    bool is_stream;
};

struct resolver_port { /* one address of the resolver's */
    struct run_user datagrams;
    struct run_user streams;
    struct loop_source source; /* work for either */
    struct run *run;
    berth_id socket;
    berth_id listener;
    bool has_streams; /* some may wait to be accepted */
};

struct resolver {
    char own_name[RESOLVER_OWN_BYTES]; /* of this host, as the program sees it too; "": none */
    struct resolver_port ports[2];
    size_t port_count;
    struct list queries;
    size_t query_count;
    struct list streams; /* the longest silent first */
    size_t stream_count;
    bool has_said_no_server;
    struct aliases aliases;
};

/* A question has come: answers it, or has it asked. */
void resolver_ask(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                  size_t bytes);
/* Answers the query WIRE with an error. */
void resolver_fail(struct run *run, const struct resolver_asker *asker, const uint8_t *wire,
                   size_t bytes, enum dns_rcode rcode);

/* A question for a name server. */
struct resolver_question {
    const struct resolver_asker *asker;
    const struct dns_question *question;
    const uint8_t *wire;
    size_t bytes;
};
void resolver_query_start(struct run *run, const struct resolver_question *question);
/* ANSWER, read from WIRE, is to QUESTION: passes on what may pass. */
void resolver_pass(struct run *run, const struct resolver_question *question, const uint8_t *wire,
                   size_t bytes, struct dns_answer *answer);
/* The stream is gone: nobody waits for its answers. */
void resolver_query_forget(struct run *run, const struct resolver_stream *stream);
void resolver_query_end_all(struct run *run);

/* resolver_policy.c */
/* May QUESTION go out? */
enum name_refusal resolver_judge(const struct run *run, const struct dns_question *question);
/* The host's name in QUESTION, without a service before it; borrowed from it. */
const char *resolver_host_name(const struct dns_question *question);
/* Where ADDRESS leads, if not out into the network; NULL: out. */
const char *resolver_inward(const struct run *run, const struct berth_address *address);
/* Refuses addresses of ANSWER to QUESTION that lead inwards, and binds the others to the name.
 * False: none is left. */
bool resolver_learn(struct run *run, const struct dns_question *question,
                    struct dns_answer *answer);

void resolver_stream_accept(struct resolver_port *port);
void resolver_stream_answer(struct resolver_stream *stream, const uint8_t *wire, size_t bytes);
void resolver_stream_end_all(struct run *run);

#endif
