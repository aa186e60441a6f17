/* SPDX-License-Identifier: MIT */
/*
 * run/conversation.h: the record of one conversation through the gate: a TCP connection, a UDP
 * flow, an echo conversation, or a refusal. It becomes lines of the journal and a row of the tally.
 * The relays embed it; the gate makes one for each refusal.
 *
 *   state   event                                     next    function
 *   -       a first contact                           begun   conversation_begin
 *   begun   both ends talk                            open    conversation_open
 *   begun   it came to nothing ("failed" is logged)   over    conversation_end
 *   open    it ended ("close" is logged)              over    conversation_end
 */
#ifndef RUN_CONVERSATION_H
#define RUN_CONVERSATION_H

#include "run/ask.h"
#include "run/inside.h"
#include "run/sockets.h"

/* What was found out about a first contact before the conversation began. */
struct decided {
    struct berth_verdict verdict;
    int32_t rule; /* rules_note's number of the deciding one */
    bool has_process;
    struct attribute_process process;
    enum ask_answer answer;  /* ASK_NOTHING: nobody was asked */
    char name[NAMING_BYTES]; /* asked about: the peer's, as it is shown; "": it has none */
};

struct conversation {
    enum berth_direction direction;
    enum berth_protocol protocol;
    struct berth_endpoint program; /* ICMP: the port is the echo identifier */
    struct berth_endpoint peer;
    struct berth_verdict verdict;
    int32_t rule;   /* rules_note's number of the deciding one: rules are replaced meanwhile */
    uint8_t answer; /* enum ask_answer */
    bool is_open;
    bool holds_name; /* the names of its peer stay bound while it lasts */
    bool is_told;    /* refused, and the words that would allow it are told with its name */
    const struct attribute_process *process; /* NULL: not known; of run.owners */
    const char *server_name; /* that its first bytes asked for, against the rules; else NULL */
    uint64_t begun_ns;
    uint64_t bytes_out; /* from the program */
    uint64_t bytes_in;
};

/* The process at the program's end of a conversation; for one inwards whoever listens there. False:
 * it is not known. */
bool conversation_process(const struct run *run, enum berth_protocol protocol,
                          const struct berth_endpoint *program, const struct berth_endpoint *peer,
                          struct attribute_process *out);

/* Fills the rest of CONVERSATION, whose direction, protocol and ends are set: its process, for an
 * incoming one whoever listens; its verdict. DECIDED: what is known of both. NULL: the process is
 * looked for, if anyone is to be told; the verdict is what the rules say, for an outgoing one what
 * the stack has said (set). */
void conversation_begin(struct run *run, struct conversation *conversation,
                        const struct decided *decided);
void conversation_open(struct run *run, struct conversation *conversation);
void conversation_end(struct run *run, struct conversation *conversation, enum run_end end);
/* It was none: a refused contact, of which the stack makes its own record. */
void conversation_forget(struct run *run, struct conversation *conversation);
/* A first contact that the firewall has refused; or, with DECIDED, that was refused afterwards: its
 * verdict is the one in there. */
void conversation_refused(struct run *run, const struct berth_contact *contact,
                          const struct decided *decided);
/* The name of its process, found out if it is not known yet; NULL: it cannot be told. */
const char *conversation_process_name(struct run *run, struct conversation *conversation);
/* It was let through by a name, and its first bytes ask for the server NAME (borrowed until
 * conversation_end; NULL: hidden), which is not allowed. Only before conversation_end. */
void conversation_server_refused(struct run *run, struct conversation *conversation,
                                 enum name_refusal why, const char *name);
/* A question about a name, or an answer, was refused. */
void conversation_name_refused(struct run *run, const struct name_refused *refused);

/* At the end: how many packets were dropped that belong to no conversation, a line for each reason.
 */
void conversation_tell_drops(struct run *run);

#endif
