/* SPDX-License-Identifier: MIT */
/*
 * run/questions.c: see run/questions.h.
 */
#include "run/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/ask_terminal.h"
#include "run/ask_text.h"
#include "run/asked.h"

#define SETTLE_NS (500 * NS_PER_MS)
#define POLL_NS   (250 * NS_PER_MS)

enum state { IDLE, WAITING, SETTLING, PROMPTED };

struct questions {
    struct run *run;
    struct ask ask;
    struct ask_terminal terminal;
    struct loop_source source; /* the terminal, while it is taken */
    struct loop_timer timer;
    enum state state;
    struct ask_question *shown; /* SETTLING, PROMPTED */
    uint64_t prompt_ns;         /* SETTLING: when it is over */
    bool has_said_nobody;
    bool has_said_background;
};

static void step(struct questions *questions);

/* ---- Words ---------------------------------------------------------------------------------- */

static void say(struct questions *questions, const char *text)
{
    ask_terminal_say(&questions->terminal, text);
}

static void show(struct questions *questions, struct ask_question *question)
{
    struct ask_facts facts =
        asked_facts(questions->run, decide_contact_of(ask_waiter_of(question)));
    char text[ASK_TEXT_BYTES];

    say(questions, "\n");
    say(questions, ask_text_question(&facts, text));
}

static void prompt(struct questions *questions)
{
    uint64_t now = questions->run->guard->loop->now_ns;
    uint64_t deadline = questions->shown->deadline_ns;
    char text[ASK_TEXT_BYTES];

    say(questions,
        ask_text_prompt(deadline > now ? (deadline - now + NS_PER_S - 1) / NS_PER_S : 0, text));
}

/* ---- The terminal --------------------------------------------------------------------------- */

/* Gives the terminal back, if it is taken. */
static void leave(struct questions *questions)
{
    questions->state = IDLE;
    questions->shown = NULL;
    if (questions->terminal.is_taken) {
        loop_forget(questions->run->guard->loop, &questions->source);
        ask_terminal_give(&questions->terminal);
        launch_hold(questions->run->launch, false);
    }
}

/* Takes it for a question. False: there is nobody to be asked. */
static bool enter(struct questions *questions)
{
    struct run *run = questions->run;

    launch_hold(run->launch, true); /* what is stopped is not the program's own stopping */
    if (ask_terminal_take(&questions->terminal, attribute_processes(run->attribute)) < 0) {
        launch_hold(run->launch, false);
        return false;
    }
    if (loop_watch(run->guard->loop, &questions->source, questions->terminal.fd, EPOLLIN) < 0) {
        ask_terminal_give(&questions->terminal);
        launch_hold(run->launch, false);
        return false;
    }
    return true;
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* Contacts that wait for QUESTION and that the rules, as they are now, decide on: each by itself,
 * for one name may have addresses that they tell apart. The last to go takes the question along. */
static void judge_waiters(struct questions *questions, struct ask_question *question)
{
    struct ask_waiter *next;

    for (struct ask_waiter *at = ask_waiter_of(question); at != NULL; at = next) {
        struct decide_contact *contact = decide_contact_of(at);
        struct berth_verdict verdict = decide_judge(questions->run, contact);

        next = ask_next_waiter(at);
        if (verdict.action != BERTH_ASK) {
            ask_remove(&questions->ask, at);
            decide_take(questions->run, contact, &verdict);
            decide_go(questions->run, contact, ASK_NOTHING);
        }
    }
}

static void judge_all(struct questions *questions)
{
    struct ask_question *next;

    for (struct ask_question *at = ask_first(&questions->ask); at != NULL; at = next) {
        next = ask_next(&questions->ask, at);
        judge_waiters(questions, at);
    }
}

/* QUESTION has its answer: its contacts go their ways. */
static void finish(struct questions *questions, struct ask_question *question,
                   enum ask_answer answer)
{
    struct run *run = questions->run;
    bool holds = answer == ASK_ALWAYS || answer == ASK_NEVER;
    struct ask_waiter *waiter;

    if (holds) {
        char text[ASK_TEXT_BYTES];

        asked_keep(run, decide_contact_of(ask_waiter_of(question)), answer, text);
        say(questions, text);
    }
    while ((waiter = ask_take(&questions->ask, question)) != NULL) {
        decide_go(run, decide_contact_of(waiter), answer);
    }
    ask_close(&questions->ask, question, answer != ASK_NO_ANSWER, run->guard->loop->now_ns);
    if (question == questions->shown) {
        questions->shown = NULL;
    }
    if (holds) {
        judge_all(questions);
    }
}

static void finish_all(struct questions *questions, enum ask_answer answer)
{
    struct ask_question *question;

    while ((question = ask_first(&questions->ask)) != NULL) {
        finish(questions, question, answer);
    }
    leave(questions);
}

static void on_line(struct questions *questions, const char *line)
{
    enum ask_answer answer = ask_text_answer(line);

    if (answer == ASK_NOTHING) {
        say(questions, "  one of o, a, d and n, please\n");
        prompt(questions);
    } else {
        finish(questions, questions->shown, answer);
    }
}

static void on_terminal(struct loop_source *source)
{
    struct questions *questions = CONTAINER_OF(source, struct questions, source);
    struct processes *processes = attribute_processes(questions->run->attribute);
    char line[ASK_LINE_BYTES];

    source->ready = 0;
    ask_terminal_stop_readers(&questions->terminal, processes);
    if (questions->state != PROMPTED) {
        ask_terminal_flush(&questions->terminal); /* too early for an answer */
        return;
    }
    switch (ask_terminal_read(&questions->terminal, line)) {
    case ASK_INPUT_NONE:
        return;
    case ASK_INPUT_LINE:
        on_line(questions, line);
        break;
    case ASK_INPUT_END:
        say(questions, "\n");
        finish(questions, questions->shown, ASK_DENY);
        break;
    case ASK_INPUT_INTERRUPT:
        finish_all(questions, ASK_DENY);
        break;
    case ASK_INPUT_GONE:
        finish_all(questions, ASK_NO_ANSWER);
        break;
    }
    step(questions);
}

/* ---- Which question, and when --------------------------------------------------------------- */

static void say_nobody(struct questions *questions)
{
    if (!questions->has_said_nobody) {
        questions->has_said_nobody = true;
        run_say(questions->run, "there is no terminal to ask on: what would be asked is denied");
    }
}

/* The first question is not shown yet: shows it, if somebody can read it. */
static void begin(struct questions *questions, struct ask_question *question)
{
    struct processes *processes = attribute_processes(questions->run->attribute);

    if (!questions->terminal.is_taken) {
        enum ask_terminal_place place = ask_terminal_look(&questions->terminal, processes);

        if (place == ASK_TERMINAL_OTHERS) {
            questions->state = WAITING;
            if (!questions->has_said_background) {
                questions->has_said_background = true;
                run_say(questions->run, "a question waits until this job is in the foreground");
            }
            return;
        }
        if (place == ASK_TERMINAL_NONE || !enter(questions)) {
            say_nobody(questions);
            finish_all(questions, ASK_NO_ANSWER);
            return;
        }
    }
    show(questions, question);
    questions->shown = question;
    questions->state = SETTLING;
    questions->prompt_ns = questions->run->guard->loop->now_ns + SETTLE_NS;
}

static void set_timer(struct questions *questions)
{
    struct run *run = questions->run;
    uint64_t due = ask_deadline(&questions->ask);

    if (questions->state == SETTLING) {
        due = min_u64(due, questions->prompt_ns);
    } else if (questions->state == WAITING) {
        due = min_u64(due, run->guard->loop->now_ns + POLL_NS);
    }
    loop_timer_clear(run->guard->loop, &questions->timer);
    if (due != UINT64_MAX) {
        loop_timer_set(run->guard->loop, &questions->timer, due);
    }
}

static void end_overdue(struct questions *questions)
{
    struct ask_question *question;

    while ((question = ask_overdue(&questions->ask, questions->run->guard->loop->now_ns)) != NULL) {
        if (question == questions->shown) {
            say(questions, "\n  no answer: denied\n");
        }
        finish(questions, question, ASK_NO_ANSWER);
    }
}

/* Looks at what is to be done, and does it. */
static void step(struct questions *questions)
{
    uint64_t now = questions->run->guard->loop->now_ns;
    struct ask_question *first;

    end_overdue(questions);
    first = ask_first(&questions->ask);
    if (first == NULL) {
        leave(questions);
    } else if (first != questions->shown) {
        begin(questions, first);
    } else if (questions->state == SETTLING && now >= questions->prompt_ns) {
        ask_terminal_flush(&questions->terminal);
        prompt(questions);
        questions->state = PROMPTED;
    }
    set_timer(questions);
}

static void on_timer(struct loop_timer *timer)
{
    step(CONTAINER_OF(timer, struct questions, timer));
}

/* ---- Questions ------------------------------------------------------------------------------ */

bool questions_put(struct run *run, struct decide_contact *contact)
{
    struct questions *questions = run->questions;
    struct ask_key key = asked_key(run, contact);

    if (questions->terminal.fd < 0) {
        say_nobody(questions);
        return false;
    }
    if (!ask_put(&questions->ask, &key, &contact->waiter, run->guard->loop->now_ns)) {
        return false;
    }
    if (questions->state == IDLE) {
        loop_timer_clear(run->guard->loop, &questions->timer);
        loop_timer_set(run->guard->loop, &questions->timer, run->guard->loop->now_ns);
    }
    return true;
}

void questions_withdraw(struct run *run, struct decide_contact *contact)
{
    struct questions *questions = run->questions;
    struct ask_question *question = contact->waiter.question;

    if (question == NULL) {
        return;
    }
    ask_remove(&questions->ask, &contact->waiter);
    if (question == questions->shown && ask_waiter_of(question) == NULL) {
        say(questions, "\n  it has given up\n");
        questions->shown = NULL;
        loop_timer_clear(run->guard->loop, &questions->timer);
        loop_timer_set(run->guard->loop, &questions->timer, run->guard->loop->now_ns);
    }
}

void questions_interrupt(struct run *run)
{
    struct questions *questions = run->questions;

    if (questions->terminal.is_taken) {
        say(questions, "\n");
        finish_all(questions, ASK_DENY);
        set_timer(questions);
    }
}

int questions_init(struct run *run)
{
    struct questions *questions = calloc(1, sizeof *questions);

    if (questions == NULL) {
        return BERTH_E_LIMIT;
    }
    questions->run = run;
    questions->source = (struct loop_source){.work = on_terminal, .fd = -1};
    questions->timer.on_time = on_timer;
    ask_init(&questions->ask, run->config->ask_timeout_ns, RUN_ASK_NS_MAX);
    ask_terminal_open(&questions->terminal);
    run->questions = questions;
    return BERTH_OK;
}

void questions_done(struct run *run)
{
    struct questions *questions = run->questions;

    if (questions != NULL) {
        leave(questions);
        loop_timer_clear(run->guard->loop, &questions->timer);
        ask_terminal_close(&questions->terminal);
        free(questions);
        run->questions = NULL;
    }
}
