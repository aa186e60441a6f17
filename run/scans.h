/* SPDX-License-Identifier: MIT */
/*
 * run/scans.h: scanners among the program and its clients: what the relays know of how first
 * contacts end goes to the stack's walks (<berth/scan.h>), and its verdicts come back as a line on
 * standard error, a line of the journal and a line under the closing table. conversation.c, the
 * relays of datagrams and the gate call it. Owns the verdicts that are kept.
 *
 * TCP that is established, and what a published port's program answers, the stack knows itself; of
 * several queues the guard's hears of it when the connection ends, if its opener said anything.
 */
#ifndef RUN_SCANS_H
#define RUN_SCANS_H

#include "run/conversation.h"

/* CONVERSATION has ended with END. */
void scans_on_end(struct run *run, const struct conversation *conversation, enum run_end end);
/* The same of one that goes on: the far end of a datagram flow says END. */
void scans_on_error(struct run *run, const struct conversation *conversation, enum run_end end);
/* The first answer of a datagram flow. */
void scans_on_answer(struct run *run, const struct conversation *conversation);
/* Refused, by a rule or by whom was asked. */
void scans_on_refused(struct run *run, const struct berth_contact *contact);

/* Tells the stack's verdicts. */
void scans_look(struct run *run);

#endif
