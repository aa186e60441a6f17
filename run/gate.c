/* SPDX-License-Identifier: MIT */
/*
 * run/gate.c: what has happened in the stack, handed to whom it concerns: events to their users,
 * held first packets to the door (decide.h), refused ones to the journal and the tally. Called by
 * the turn, before anything is sent (inside.h, invariant 2).
 */
#include "run/decide.h"
#include "run/relay_tcp.h"
#include "run/scans.h"

static void on_held(struct run *run, berth_id id)
{
    struct berth_held held;

    if (berth_held(run->berth, id, &held) < 0) {
        return; /* it has been given up in the meantime */
    }
    decide_held(run, id, &held);
}

void gate_look(struct run *run)
{
    struct berth_event event;
    struct berth_contact contact;

    while (berth_next_contact(run->berth, &contact)) {
        conversation_refused(run, &contact, NULL);
    }
    scans_look(run);
    while (berth_next_event(run->berth, &event)) {
        if (event.user != NULL) {
            struct run_user *user = event.user;

            user->on_event(user, &event);
        } else if ((event.bits & BERTH_EVENT_CLOSED) != 0) {
            relay_tcp_on_held_closed(run, &event);
            decide_on_held_closed(run, &event);
            (void)berth_held_drop(run->berth, event.id); /* given back: it is over */
        } else if ((event.bits & BERTH_EVENT_HELD) != 0) {
            on_held(run, event.id);
        }
    }
}
