/* SPDX-License-Identifier: MIT */
/*
 * run/ask_terminal.h: the terminal while a person is asked: berth's controlling terminal, whatever
 * the program's streams are. Owns its descriptor, and while it is taken what has to be put back:
 * settings, foreground, stopped processes. run/questions.c alone calls it.
 *
 * The program may read from the same terminal. So that no answer gets to it, and nothing meant for
 * it is taken for an answer, while the terminal is taken
 *   - every process inside that could read from it is stopped (its standard input, or a descriptor
 *     above 2, is the terminal), as by Ctrl-Z, and goes on afterwards;
 *   - berth's process group is in the foreground, if a group of the program's was;
 *   - it is in line mode with echo, however the program had set it, and what is typed is what is
 *     read: no letter erases others, and a line counts only if the settings are still berth's;
 *   - what was typed and not read before the question could be read is thrown away, as for a
 *     password (ask_terminal_flush).
 *
 *   state   event                                       next    function
 *   -       there is a controlling terminal             free    ask_terminal_open
 *   free    it is ours, or the program's, to read from  taken   ask_terminal_take
 *   taken   -                                           free    ask_terminal_give
 *   any     it has gone                                 -       ask_terminal_close
 *
 * Invariants
 *  1. Free, nothing is read from it and none of its settings is berth's.
 *  2. A process that was stopped already is not continued.
 *  3. Parents are stopped before their children and go on after them: none sees its child stopped.
 */
#ifndef RUN_ASK_TERMINAL_H
#define RUN_ASK_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#include <berth/error.h>

#include "run/processes.h"

enum {
    ASK_LINE_BYTES = 256,
    ASK_STOPPED_MAX = 4096, /* processes; what comes after may take the answer */
};

struct ask_terminal {
    int fd; /* -1: there is none */
    dev_t device;
    bool is_taken;
    bool has_own_keys; /* the program took Ctrl-C as a character: so do we */
    struct termios saved;
    struct termios own; /* while it is taken */
    pid_t group;        /* the foreground before it was taken */
    pid_t *stopped;     /* in the order in which they were */
    size_t stopped_count;
};

/* Opens it, before berth may open no more. Without one every question is denied. */
void ask_terminal_open(struct ask_terminal *terminal);
void ask_terminal_close(struct ask_terminal *terminal);

enum ask_terminal_place {
    ASK_TERMINAL_NONE,  /* there is none, or it has gone */
    ASK_TERMINAL_OURS,  /* berth or the program is in its foreground */
    ASK_TERMINAL_OTHERS /* somebody else is: berth is in the background */
};
enum ask_terminal_place ask_terminal_look(const struct ask_terminal *terminal,
                                          struct processes *processes);

/* OURS. BERTH_E_STATE: it has gone. */
BERTH_MUST_CHECK int ask_terminal_take(struct ask_terminal *terminal, struct processes *processes);
void ask_terminal_give(struct ask_terminal *terminal);

/* Taken: stops those that have come to read from it since. */
void ask_terminal_stop_readers(struct ask_terminal *terminal, struct processes *processes);
/* Throws away what was typed; the settings are berth's again, should the program have changed them.
 */
void ask_terminal_flush(struct ask_terminal *terminal);
void ask_terminal_say(struct ask_terminal *terminal, const char *text);

enum ask_terminal_input {
    ASK_INPUT_NONE,
    ASK_INPUT_LINE,      /* in LINE, without its end; empty where it does not count */
    ASK_INPUT_INTERRUPT, /* Ctrl-C, where the program took that as a character */
    ASK_INPUT_END,       /* Ctrl-D */
    ASK_INPUT_GONE       /* the terminal is, or its foreground is another's */
};
enum ask_terminal_input ask_terminal_read(struct ask_terminal *terminal, char line[ASK_LINE_BYTES]);

#endif
