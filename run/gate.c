/* SPDX-License-Identifier: MIT */
/*
 * run/gate.c: what has happened in a stack, handed to whom it concerns: events to their users, held
 * first packets to the door (decide.h), refused ones to the journal and the tally. Called by the
 * turn, before anything is sent (inside.h, invariant 2).
 */
#include "run/decide.h"
#include "run/relay_tcp.h"
#include "run/scans.h"

void gate_look_at_refused(struct run *run)
{
    struct berth_contact contact;

    while (berth_next_contact(run->guard->berth, &contact)) {
        conversation_refused(run, &contact, NULL);
    }
    scans_look(run);
}

struct berth_verdict gate_judge(struct run *run, enum berth_direction direction,
                                const struct berth_endpoint *program,
                                const struct berth_endpoint *peer,
                                const struct berth_verdict *decided)
{
    struct berth *berth = run->guard->berth;
    struct berth_contact contact = {
        .direction = direction, .protocol = BERTH_TCP, .guarded = *program, .peer = *peer};
    struct berth_verdict verdict;

    berth_advance(berth, run->now_ns);
    berth_decide(berth, decided);
    verdict = berth_contact_judge(berth, &contact);
    berth_decide(berth, NULL);
    gate_look_at_refused(run); /* before the answer leaves */
    return verdict;
}

/* What the guard says of what QUEUE's stack holds, and knows nothing of. False: it is refused, and
 * answered so. */
static bool let_through(struct queue *queue, berth_id id, struct berth_held *held)
{
    int result;

    held->verdict = gate_judge(queue->run, BERTH_OUT, &held->remote, &held->local, NULL);
    if (held->verdict.action == BERTH_ALLOW || held->verdict.action == BERTH_ASK ||
        held->verdict.needs_process) {
        return true;
    }
    result = held->verdict.action == BERTH_DROP ? berth_held_drop(queue->berth, id)
                                                : berth_held_refuse(queue->berth, id);
    BERTH_CHECK(result == BERTH_OK);
    return false;
}

static void on_held(struct queue *queue, berth_id id)
{
    struct berth_held held;

    if (berth_held(queue->berth, id, &held) < 0) {
        return; /* it has been given up in the meantime */
    }
    if (queue == queue->run->guard || let_through(queue, id, &held)) {
        decide_held(queue, id, &held);
    }
}

/* An event of what is held, which has no user. */
static void on_unowned(struct queue *queue, const struct berth_event *event)
{
    if ((event->bits & BERTH_EVENT_CLOSED) != 0) {
        relay_tcp_on_held_closed(queue, event);
        decide_on_held_closed(queue, event);
        (void)berth_held_drop(queue->berth, event->id); /* given back: it is over */
    } else if ((event->bits & BERTH_EVENT_HELD) != 0) {
        on_held(queue, event->id);
    }
}

void gate_look(struct queue *queue)
{
    struct berth_event event;

    if (queue == queue->run->guard) {
        queue_lock(queue);
        gate_look_at_refused(queue->run);
        queue_unlock(queue);
    }
    while (berth_next_event(queue->berth, &event)) {
        if (event.user != NULL) {
            struct run_user *user = event.user;

            user->on_event(user, &event);
        } else {
            queue_lock(queue);
            on_unowned(queue, &event);
            queue_unlock(queue);
        }
    }
}
