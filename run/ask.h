/* SPDX-License-Identifier: MIT */
/*
 * run/ask.h: questions to a person, in a queue: which is asked, who waits for its answer, until
 * when. Pure: no terminal, no clock, no memory but its own. run/questions.c is its owner.
 *
 *   question  event                                      next     function
 *   -         a contact that nobody has asked about yet  queued   ask_put
 *   queued    another contact of the same key            queued   ask_put (it waits too)
 *   queued    it is the first in the queue               asked    ask_first
 *   any       an answer, or no time left                 -        ask_take until NULL, ask_close
 *   any       the last that waited has gone              -        ask_remove
 *
 * Invariants
 *  1. Of questions that are queued no two have the same key.
 *  2. A question has at least one that waits, from ask_put until ask_take has returned NULL.
 *  3. At most ASK_QUESTIONS_MAX questions, and ASK_WAITERS_MAX that wait.
 *  4. A question is over timeout_ns after it was put, or after the last answer of a person to
 *     another one that came before it, and longest_ns after it was put in any case.
 */
#ifndef RUN_ASK_H
#define RUN_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/firewall.h>

#include "base/list.h"

enum {
    ASK_QUESTIONS_MAX = 64,
    ASK_WAITERS_MAX = 256,
    ASK_PEER_BYTES = 256, /* a host name, or an address, with its zero */
};

enum ask_answer {
    ASK_NOTHING, /* nobody was asked */
    ASK_ONCE,
    ASK_ALWAYS,
    ASK_DENY,
    ASK_NEVER,
    ASK_NO_ANSWER, /* in time; or nobody is there; or too many questions */
};

/* "once", "always", "denied", "never", "none"; NULL where nobody was asked. */
const char *ask_answer_text(enum ask_answer answer);
static inline bool ask_answer_allows(enum ask_answer answer)
{
    return answer == ASK_ONCE || answer == ASK_ALWAYS;
}

/* What makes two questions the same. */
struct ask_key {
    enum berth_direction direction;
    enum berth_protocol protocol;
    uint16_t port;                          /* 0 for ICMP */
    char process[BERTH_PROCESS_NAME_BYTES]; /* empty: not known */
    char peer[ASK_PEER_BYTES]; /* its name; its address where it has none, or is inside */
};

struct ask_question {
    struct list_node node;
    struct list waiters;
    struct ask_key key;
    uint64_t put_ns;
    uint64_t deadline_ns;
};

/* Embedded by who waits; zeroed: it does not. */
struct ask_waiter {
    struct list_node node;
    struct ask_question *question;
};

struct ask {
    struct ask_question questions[ASK_QUESTIONS_MAX];
    struct list free;
    struct list queue;
    size_t waiters;
    uint64_t timeout_ns;
    uint64_t longest_ns;
};

void ask_init(struct ask *ask, uint64_t timeout_ns, uint64_t longest_ns);

/* WAITER waits for the answer to KEY. False: there are too many, and it does not. */
BERTH_MUST_CHECK bool ask_put(struct ask *ask, const struct ask_key *key, struct ask_waiter *waiter,
                              uint64_t now_ns);
/* WAITER, which waits, waits no more. Its question ends when it was the last. */
void ask_remove(struct ask *ask, struct ask_waiter *waiter);

/* The question to be asked now; NULL: none. */
struct ask_question *ask_first(struct ask *ask);
/* The one behind QUESTION; NULL: none. */
struct ask_question *ask_next(struct ask *ask, const struct ask_question *question);
/* The first of those that wait for QUESTION; not NULL before ask_take. */
struct ask_waiter *ask_waiter_of(struct ask_question *question);
/* The one behind WAITER, of the same question; NULL: none. */
struct ask_waiter *ask_next_waiter(const struct ask_waiter *waiter);
/* The first question whose time is over; NULL: none. */
struct ask_question *ask_overdue(struct ask *ask, uint64_t now_ns);
/* When the next one's is; UINT64_MAX: never. */
uint64_t ask_deadline(const struct ask *ask);

/* QUESTION has its answer: the next that waited for it, which waits no more; NULL: all have been
 * taken. */
struct ask_waiter *ask_take(struct ask *ask, struct ask_question *question);
/* Ends QUESTION, of which nobody waits. BY_PERSON: the others get their time anew. */
void ask_close(struct ask *ask, struct ask_question *question, bool by_person, uint64_t now_ns);

#endif
