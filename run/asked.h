/* SPDX-License-Identifier: MIT */
/*
 * run/asked.h: between a contact, its question and the rule that its answer becomes. Owns nothing.
 * run/questions.c calls it.
 *
 * Invariants
 *  1. A rule that an answer becomes decides on the contact that was asked about: it stands before
 *     the rule that asked, in the run as in the file.
 *  2. A name goes before an address, where a rule by that name decides on the contact.
 */
#ifndef RUN_ASKED_H
#define RUN_ASKED_H

#include "run/ask_text.h"
#include "run/decide.h"

/* Borrowed from CONTACT. */
struct ask_facts asked_facts(const struct run *run, const struct decide_contact *contact);
struct ask_key asked_key(const struct run *run, const struct decide_contact *contact);

/* Makes ANSWER (always or never) a rule. TEXT becomes what is said of that, in lines of the
 * terminal. */
void asked_keep(struct run *run, struct decide_contact *contact, enum ask_answer answer,
                char text[ASK_TEXT_BYTES]);

#endif
