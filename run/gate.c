/* SPDX-License-Identifier: MIT */
/*
 * run/gate.c: what has happened in the stack, handed to whom it concerns: events to their users,
 * held first packets to the relays, refused ones to the journal and the tally. Called by the turn,
 * before anything is sent (inside.h, invariant 2).
 */
#include "run/conversation.h"
#include "run/inside.h"
#include "run/relay_echo.h"
#include "run/relay_tcp.h"
#include "run/relay_udp.h"
#include "run/scans.h"

/* Answered as the rules answer what they refuse. */
static void refuse_held(struct run *run, berth_id id, const struct berth_held *held)
{
    struct berth_contact contact = {.now_ns = run->loop.now_ns,
                                    .direction = BERTH_OUT,
                                    .protocol = held->protocol,
                                    .guarded = held->remote,
                                    .peer = held->local,
                                    .verdict = held->verdict};

    int status;

    conversation_refused(run, &contact);
    if (held->verdict.action == BERTH_DROP) {
        status = berth_held_drop(run->berth, id);
    } else if (held->protocol == BERTH_TCP) {
        status = berth_held_refuse(run->berth, id);
    } else {
        status = berth_held_reject(run->berth, id, BERTH_UNREACHABLE_PROHIBITED);
    }
    (void)status; /* it was there just now */
}

static void on_held(struct run *run, berth_id id)
{
    struct berth_held held;

    if (berth_held(run->berth, id, &held) < 0) {
        return; /* it has been given up in the meantime */
    }
    if (held.verdict.action == BERTH_ASK) {
        held.verdict.action = BERTH_DENY; /* there is nobody to ask yet */
    }
    if (held.verdict.action != BERTH_ALLOW) {
        refuse_held(run, id, &held);
        return;
    }
    switch (held.protocol) {
    case BERTH_TCP:
        relay_tcp_call(run, id, &held);
        break;
    case BERTH_UDP:
        relay_udp_call(run, id, &held);
        break;
    case BERTH_ICMP:
        relay_echo_call(run, id, &held);
        break;
    }
}

void gate_look(struct run *run)
{
    struct berth_event event;
    struct berth_contact contact;

    while (berth_next_contact(run->berth, &contact)) {
        conversation_refused(run, &contact);
    }
    scans_look(run);
    while (berth_next_event(run->berth, &event)) {
        if (event.user != NULL) {
            struct run_user *user = event.user;

            user->on_event(user, &event);
        } else if ((event.bits & BERTH_EVENT_CLOSED) != 0) {
            relay_tcp_on_held_closed(run, &event);
            (void)berth_held_drop(run->berth, event.id); /* given back: it is over */
        } else if ((event.bits & BERTH_EVENT_HELD) != 0) {
            on_held(run, event.id);
        }
    }
}
