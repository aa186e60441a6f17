/* SPDX-License-Identifier: MIT */
/*
 * run/ask.c: see run/ask.h. Lists are short (ASK_QUESTIONS_MAX): they are walked.
 */
#include "run/ask.h"

#include <string.h>

const char *ask_answer_text(enum ask_answer answer)
{
    switch (answer) {
    case ASK_NOTHING:
        return NULL;
    case ASK_ONCE:
        return "once";
    case ASK_ALWAYS:
        return "always";
    case ASK_DENY:
        return "denied";
    case ASK_NEVER:
        return "never";
    case ASK_NO_ANSWER:
        return "none";
    }
    return NULL;
}

void ask_init(struct ask *ask, uint64_t timeout_ns, uint64_t longest_ns)
{
    *ask = (struct ask){.timeout_ns = timeout_ns, .longest_ns = longest_ns};
    list_init(&ask->free);
    list_init(&ask->queue);
    for (size_t i = 0; i < ASK_QUESTIONS_MAX; i++) {
        list_add_last(&ask->free, &ask->questions[i].node);
    }
}

static struct ask_question *question_at(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct ask_question, node);
}

static bool is_same(const struct ask_key *a, const struct ask_key *b)
{
    return a->direction == b->direction && a->protocol == b->protocol && a->port == b->port &&
           strcmp(a->process, b->process) == 0 && strcmp(a->peer, b->peer) == 0;
}

static struct ask_question *find(struct ask *ask, const struct ask_key *key)
{
    struct ask_question *question = ask_first(ask);

    while (question != NULL && !is_same(&question->key, key)) {
        question = ask_next(ask, question);
    }
    return question;
}

/* A new one at the end of the queue; NULL: there are too many. */
static struct ask_question *add(struct ask *ask, const struct ask_key *key, uint64_t now_ns)
{
    struct ask_question *question = question_at(list_take_first(&ask->free));

    if (question == NULL) {
        return NULL;
    }
    question->key = *key;
    question->put_ns = now_ns;
    question->deadline_ns = now_ns + min_u64(ask->timeout_ns, ask->longest_ns);
    list_init(&question->waiters);
    list_add_last(&ask->queue, &question->node);
    return question;
}

bool ask_put(struct ask *ask, const struct ask_key *key, struct ask_waiter *waiter, uint64_t now_ns)
{
    struct ask_question *question = NULL;

    BERTH_CHECK(waiter->question == NULL);
    if (ask->waiters == ASK_WAITERS_MAX) {
        return false;
    }
    question = find(ask, key);
    if (question == NULL) {
        question = add(ask, key, now_ns);
    }
    if (question == NULL) {
        return false;
    }
    waiter->question = question;
    list_add_last(&question->waiters, &waiter->node);
    ask->waiters++;
    return true;
}

/* QUESTION, of which nobody waits, is no more. */
static void end(struct ask *ask, struct ask_question *question)
{
    BERTH_CHECK(list_is_empty(&question->waiters));
    list_remove(&question->node);
    list_add_last(&ask->free, &question->node);
}

static void leave(struct ask *ask, struct ask_waiter *waiter)
{
    BERTH_CHECK(waiter->question != NULL && ask->waiters > 0);
    list_remove(&waiter->node);
    waiter->question = NULL;
    ask->waiters--;
}

void ask_remove(struct ask *ask, struct ask_waiter *waiter)
{
    struct ask_question *question = waiter->question;

    leave(ask, waiter);
    if (list_is_empty(&question->waiters)) {
        end(ask, question);
    }
}

struct ask_question *ask_first(struct ask *ask)
{
    return question_at(list_first(&ask->queue));
}

struct ask_question *ask_next(struct ask *ask, const struct ask_question *question)
{
    return question_at(list_next(&ask->queue, &question->node));
}

static struct ask_waiter *waiter_at(struct list_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct ask_waiter, node);
}

struct ask_waiter *ask_waiter_of(struct ask_question *question)
{
    return waiter_at(list_first(&question->waiters));
}

struct ask_waiter *ask_next_waiter(const struct ask_waiter *waiter)
{
    return waiter_at(list_next(&waiter->question->waiters, &waiter->node));
}

struct ask_question *ask_overdue(struct ask *ask, uint64_t now_ns)
{
    struct ask_question *question = ask_first(ask);

    while (question != NULL && question->deadline_ns > now_ns) {
        question = ask_next(ask, question);
    }
    return question;
}

uint64_t ask_deadline(const struct ask *ask)
{
    uint64_t deadline = UINT64_MAX;

    for (const struct list_node *at = list_first(&ask->queue); at != NULL;
         at = list_next(&ask->queue, at)) {
        deadline =
            min_u64(deadline, CONTAINER_OF(at, const struct ask_question, node)->deadline_ns);
    }
    return deadline;
}

struct ask_waiter *ask_take(struct ask *ask, struct ask_question *question)
{
    struct ask_waiter *waiter = ask_waiter_of(question);

    if (waiter != NULL) {
        leave(ask, waiter);
    }
    return waiter;
}

void ask_close(struct ask *ask, struct ask_question *question, bool by_person, uint64_t now_ns)
{
    end(ask, question);
    for (struct ask_question *other = ask_first(ask); by_person && other != NULL;
         other = ask_next(ask, other)) {
        uint64_t last_ns = other->put_ns + ask->longest_ns;

        other->deadline_ns = max_u64(other->deadline_ns, now_ns + ask->timeout_ns);
        other->deadline_ns = min_u64(other->deadline_ns, last_ns);
    }
}
