/* SPDX-License-Identifier: MIT */
/*
 * run/ask_text.h: the words of a question, what is an answer to it, and the rule that the answer
 * stands for. Pure. run/questions.c calls it.
 *
 * Invariant 1: what is written is ASCII that moves no cursor, whatever a process or a host is
 * called.
 */
#ifndef RUN_ASK_TEXT_H
#define RUN_ASK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/address.h>

#include "run/added.h"
#include "run/ask.h"
#include "run/attribute.h"

enum { ASK_TEXT_BYTES = 2048 };

/* What is known of a contact. Strings are borrowed. */
struct ask_facts {
    enum berth_direction direction;
    enum berth_protocol protocol;
    uint16_t port; /* that is talked to; 0 for ICMP */
    struct berth_address peer;
    bool is_host;                            /* the peer is what rules call "host" */
    const char *name;                        /* the peer's; NULL: not known */
    const struct attribute_process *process; /* NULL: not known */
};

/* The question, in lines. Returns OUT. */
char *ask_text_question(const struct ask_facts *facts, char out[ASK_TEXT_BYTES]);
/* What stands before the place of the answer. Returns OUT. */
char *ask_text_prompt(uint64_t seconds, char out[ASK_TEXT_BYTES]);

/* What LINE answers; ASK_NOTHING: it is no answer. Blanks round it and capitals make no
 * difference. */
enum ask_answer ask_text_answer(const char *line);

/* The rule that allows, or denies, what FACTS tell: by the peer's name if BY_NAME, which must be
 * known. Returns OUT. */
char *ask_text_rule(const struct ask_facts *facts, bool allows, bool by_name,
                    char out[ADDED_BYTES]);

#endif
