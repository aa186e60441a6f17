/* SPDX-License-Identifier: MIT */
/*
 * run/relay_tcp.h: one TCP connection between the program and the host's network: a connection of
 * the stack's and a socket of the host's, and bytes both ways between their queues, without a copy
 * here. Owns both ends. The gate and publishing make relays; they end by themselves.
 *
 *   state      event                                        next      function
 *   -          a SYN of the program's is held               calling   relay_tcp_call
 *   -          a published port has accepted a client       calling   relay_tcp_answer
 *   calling    the host's connect has succeeded             shaking   on_called
 *   calling    it has failed: the program is told how       -         on_called
 *   calling    the program has given up                     -         on_work
 *   calling    the program's port has accepted (answer)     open      on_connected
 *   calling    it has not: the client is reset (answer)     -         on_work
 *   shaking    the program's ACK                            open      on_connected
 *   open       both directions have ended in order          -         pump
 *   open       the program has reset, or is gone            -         on_work
 *   open       it asks for a server that is not allowed     -         pump
 *   open       the host's socket has failed                 leaving   on_host_failed
 *   leaving    the program has all that came before         -         on_leaving
 *   open       another thread has more time for it          open      spread_try, relay_tcp_moved
 *
 * Invariants
 *  1. What is read from one end is in the other end's queue before the next call on either.
 *  2. A side that is full is not read for: back-pressure reaches the sender by its window.
 *  3. A direction ends when all its bytes have been handed over, and the other goes on.
 *  4. The program gets its SYN-ACK only when the host's connection stands: the true outcome.
 *  5. Of a connection that was let through by a name no ClientHello and no HTTP request goes out
 *     before it is known which server it asks for, and that the rules let that one through too
 *     (relay_server.c).
 */
#ifndef RUN_RELAY_TCP_H
#define RUN_RELAY_TCP_H

#include "run/conversation.h"
#include "run/inside.h"
#include "run/naming.h"
#include "run/server_name.h"

enum relay_tcp_state {
    RELAY_TCP_CALLING,
    RELAY_TCP_SHAKING,
    RELAY_TCP_OPEN,
    RELAY_TCP_LEAVING,
};

/* While it is not known yet which server the program asks for. */
struct relay_server {
    struct server_name name;
    size_t at;                /* bytes that it has looked at and that are still in the stack */
    char asked[NAMING_BYTES]; /* the host that a person let through; "": a rule did */
};

struct relay_tcp {
    struct loop_source source; /* the host's socket */
    struct run_user user;
    struct loop_timer timer; /* leaving: looks again whether the program has it all */
    struct list_node all;    /* queue.tcp_relays */
    struct list_node held;   /* queue.tcp_held, while the SYN is */
    struct queue *queue;
    struct conversation conversation;
    berth_id id; /* 0: the stack has it no more */
    int fd;      /* -1: closed */
    enum relay_tcp_state state;
    enum run_end end;            /* leaving: how it will have ended */
    uint64_t leave_ns;           /* leaving: when it is over in any case */
    uint32_t noted;              /* enum berth_event_bit, since the work last took them away */
    int stack_error;             /* with BERTH_EVENT_CLOSED */
    struct relay_server *server; /* NULL: what the program sends may go out */
    struct list_node choice;     /* spread.picked or spread.chosen */
    union {
        uint64_t picked_bytes; /* since it was picked */
        uint64_t choice_ns;    /* chosen: given up then */
    };
    uint64_t stays_ns;      /* it could not go: not picked before */
    struct queue *moves_to; /* chosen: the helper that gets it; nothing is read for it meanwhile */
    struct moved *moved;    /* a helper's: what the first thread knows of it (spread_move.c) */
    bool is_held;           /* the id is of a held SYN */
    bool stack_is_full;     /* the stack's send queue has no room: BERTH_EVENT_WRITABLE follows */
    bool stack_has;         /* bytes, or the end, may wait in the stack */
    bool stack_ended;       /* the program sends no more, and all of it is handed over */
    bool stack_closed;      /* BERTH_EVENT_CLOSED in order: nothing more goes to the program */
    bool stack_fin;      /* the program's FIN has come: what waits in the stack is the last of it */
    bool host_has;       /* bytes, or the end, may wait in the host's socket */
    bool host_hangs_up;  /* its end has been announced: read until it is there */
    bool host_fin;       /* in order: the end is right behind the bytes that wait */
    bool host_urgent;    /* it has had urgent data, at whose mark a read ends early */
    bool host_may;       /* the host's socket may have room */
    bool host_ended;     /* the far end sends no more, and all of it is handed over */
    bool host_wrote;     /* bytes have been written to the host's socket */
    bool host_prompt;    /* it has TCP_NODELAY; only a second write can need it */
    bool host_ack_waits; /* as sockets_call left it */
    bool is_left;        /* the program has ended, and another process holds its end; atomically */
};

/* The SYN held as ID, HELD by the stack, and allowed (by the rules, or as DECIDED): calls its
 * destination. */
void relay_tcp_call(struct queue *queue, berth_id id, const struct berth_held *held,
                    const struct decided *decided);
/* FD (taken): a client, seen as CLIENT by the program, for the program's end PROGRAM. DECIDED: it
 * is allowed; NULL: what the rules say. */
void relay_tcp_answer(struct queue *queue, int fd, const struct berth_endpoint *client,
                      const struct berth_endpoint *program, const struct decided *decided);
/* The held SYN of ID is no more. */
void relay_tcp_on_held_closed(struct queue *queue, const struct berth_event *event);

/* Could RELAY go to another thread, as far as it is here that it is known? */
bool relay_tcp_may_move(const struct relay_tcp *relay);
/* On its new thread: it goes on. Not IS_THERE: its connection was lost on the way, or the run is
 * over. */
void relay_tcp_moved(struct relay_tcp *relay, bool is_there);
/* RELAY, of a helper: the program has begun another connection with its ends. */
void relay_tcp_superseded(struct relay_tcp *relay);

/* At the end of a run: notes which connections processes that the program left behind still hold;
 * nothing of those is waited for. */
void relay_tcp_leave_living(struct run *run);
/* Is there anything of the program's still to be delivered? */
bool relay_tcp_has_rest(const struct queue *queue);
/* Ends all, at the end of a run. */
void relay_tcp_end_all(struct queue *queue);

/* relay_tcp_pump.c: moves what can be moved. */
enum relay_tcp_pumped {
    RELAY_TCP_PUMPED, /* nothing can be moved now; the next event brings it on */
    RELAY_TCP_MORE,   /* its share is used up: queue it again */
    RELAY_TCP_DONE,   /* both directions have ended */
    RELAY_TCP_FAILED, /* the host's socket: errno says how */
    RELAY_TCP_LOST,   /* the stack's connection: see stack_error */
    RELAY_TCP_WRONG,  /* it asks for a server that is not allowed: `end` says how it ends */
};
enum relay_tcp_pumped relay_tcp_pump(struct relay_tcp *relay);
/* Only from the host to the program; for a socket that can no longer be written to. */
enum relay_tcp_pumped relay_tcp_pump_in(struct relay_tcp *relay);

/* relay_server.c: begins to look for the server's name, where the verdict was by name, or a person
 * who was shown one has let it through (DECIDED; NULL: nobody was asked). False: no memory. */
BERTH_MUST_CHECK bool relay_server_begin(struct relay_tcp *relay, const struct decided *decided);
/* The program's bytes that wait in the stack: VIEWS, COUNT of them. PUMPED: they may go out if
 * *MAY_GO, else more are needed; or WRONG. */
enum relay_tcp_pumped relay_server_look(struct relay_tcp *relay, const struct berth_view *views,
                                        uint32_t count, bool *may_go);
/* BYTES of them have gone out. */
void relay_server_sent(struct relay_tcp *relay, size_t bytes);
void relay_server_end(struct relay_tcp *relay);

#endif
