/* SPDX-License-Identifier: MIT */
/*
 * run/questions.h: asks a person what becomes of a first contact: the queue (ask.h), the terminal
 * (ask_terminal.h) and time brought together; and an answer that shall hold made into a rule, in
 * the run's rules (added.h) and in the policy's file (rule_file.h). run/decide.c calls it.
 *
 *   state     event                                      next      what is done
 *   idle      a question; the terminal is the program's  settling  it is taken, the question shown
 *   idle      a question; berth is in the background     waiting   that is said once
 *   waiting   berth is in the foreground                 settling  as above
 *   settling  SETTLE_NS later                            prompted  what was typed is thrown away
 *   prompted  a line that is an answer                   settling  the next question; none: idle
 *   prompted  another line                               prompted  it is asked again
 *   any       no time left, or its contacts have gone    as above  the next question; none: idle
 *   any       Ctrl-C                                     idle      all are denied
 *
 * Invariants
 *  1. A line is an answer only to a question that was to be read for SETTLE_NS, and what was typed
 *     before is none.
 *  2. The rules have changed before a contact goes on that was always, or never, allowed.
 *  3. Nobody there to ask, no answer, too many questions: denied.
 */
#ifndef RUN_QUESTIONS_H
#define RUN_QUESTIONS_H

#include "run/decide.h"
#include "run/inside.h"

/* Opens the terminal: before berth gives up its privileges. BERTH_E_LIMIT: no memory. */
BERTH_MUST_CHECK int questions_init(struct run *run);
void questions_done(struct run *run);

/* Asks about CONTACT, by its verdict's rule; decide_go is called in some later turn. False: it is
 * not asked, and denied. */
BERTH_MUST_CHECK bool questions_put(struct run *run, struct decide_contact *contact);
/* CONTACT, which may wait, waits no more. */
void questions_withdraw(struct run *run, struct decide_contact *contact);
/* Somebody has interrupted the program: all questions are denied. */
void questions_interrupt(struct run *run);

#endif
