/* SPDX-License-Identifier: MIT */
/*
 * Questions in a queue: equal ones are one, each has its time, those that wait get the answer once;
 * and what is full refuses. Last a long run of random steps beside a model that knows less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/ask.h"

enum { TIMEOUT = 30, LONGEST = 100 };

static struct ask ask;

static int setup(void **state)
{
    (void)state;
    ask_init(&ask, TIMEOUT, LONGEST);
    return 0;
}

static struct ask_key key_of(unsigned number)
{
    struct ask_key key = {.direction = BERTH_OUT, .protocol = BERTH_TCP, .port = 443};

    snprintf(key.process, sizeof key.process, "curl");
    snprintf(key.peer, sizeof key.peer, "192.0.2.%u", number);
    return key;
}

static bool put(unsigned number, struct ask_waiter *waiter, uint64_t now)
{
    struct ask_key key = key_of(number);

    return ask_put(&ask, &key, waiter, now);
}

static void test_equal_ones_are_one(void **state)
{
    struct ask_waiter waiters[6] = {0};
    struct ask_key others[4];

    (void)state;
    assert_null(ask_first(&ask));
    assert_true(put(1, &waiters[0], 0));
    assert_true(put(1, &waiters[1], 5));
    assert_ptr_equal(waiters[0].question, waiters[1].question);
    for (size_t i = 0; i < 4; i++) { /* each part of the key counts */
        others[i] = key_of(1);
    }
    others[0].direction = BERTH_IN;
    others[1].protocol = BERTH_UDP;
    others[2].port = 80;
    snprintf(others[3].process, sizeof others[3].process, "nc");
    for (size_t i = 0; i < 4; i++) {
        assert_true(ask_put(&ask, &others[i], &waiters[2 + i], 0));
        assert_ptr_not_equal(waiters[2 + i].question, waiters[0].question);
    }
    assert_ptr_equal(ask_first(&ask), waiters[0].question);
    assert_ptr_equal(ask_next(&ask, waiters[0].question), waiters[2].question);
}

static void test_the_answer_goes_to_all(void **state)
{
    struct ask_waiter waiters[4] = {0};
    struct ask_question *question;

    (void)state;
    assert_true(put(1, &waiters[0], 0));
    assert_true(put(2, &waiters[1], 0));
    assert_true(put(1, &waiters[2], 0));
    question = ask_first(&ask);
    assert_ptr_equal(ask_waiter_of(question), &waiters[0]);
    assert_ptr_equal(ask_next_waiter(&waiters[0]), &waiters[2]);
    assert_null(ask_next_waiter(&waiters[2]));
    assert_ptr_equal(ask_take(&ask, question), &waiters[0]);
    assert_ptr_equal(ask_take(&ask, question), &waiters[2]);
    assert_null(ask_take(&ask, question));
    ask_close(&ask, question, true, 1);
    assert_null(waiters[0].question);
    assert_ptr_equal(ask_first(&ask), waiters[1].question);
    assert_true(put(1, &waiters[3], 2)); /* it may be asked again */
    assert_ptr_equal(ask_next(&ask, ask_first(&ask)), waiters[3].question);
}

static void test_time(void **state)
{
    struct ask_waiter waiters[3] = {0};

    (void)state;
    assert_int_equal(ask_deadline(&ask), UINT64_MAX);
    assert_true(put(1, &waiters[0], 0));
    assert_true(put(2, &waiters[1], 10));
    assert_true(put(1, &waiters[2], 20)); /* one more that waits gives no more time */
    assert_int_equal(ask_deadline(&ask), TIMEOUT);
    assert_null(ask_overdue(&ask, TIMEOUT - 1));
    assert_ptr_equal(ask_overdue(&ask, TIMEOUT), waiters[0].question);
    ask_remove(&ask, &waiters[0]);
    ask_remove(&ask, &waiters[2]);
    assert_int_equal(ask_deadline(&ask), 10 + TIMEOUT);
}

/* Who answers one question has time for the next; but not for ever. */
static void test_time_anew(void **state)
{
    struct ask_waiter waiters[4] = {0};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(put(i, &waiters[i], 0));
    }
    for (unsigned i = 0; i < 3; i++) {
        struct ask_question *question = ask_first(&ask);
        static const uint64_t then[] = {25, 50, 90};
        static const uint64_t deadline[] = {25 + TIMEOUT, 50 + TIMEOUT, LONGEST};

        assert_non_null(ask_take(&ask, question));
        ask_close(&ask, question, true, then[i]);
        assert_int_equal(ask_deadline(&ask), deadline[i]);
    }
}

static void test_no_time_anew_without_a_person(void **state)
{
    struct ask_waiter waiters[2] = {0};
    struct ask_question *question;

    (void)state;
    assert_true(put(0, &waiters[0], 0));
    assert_true(put(1, &waiters[1], 5));
    question = ask_overdue(&ask, TIMEOUT);
    assert_non_null(ask_take(&ask, question));
    ask_close(&ask, question, false, TIMEOUT);
    assert_int_equal(ask_deadline(&ask), 5 + TIMEOUT);
}

static void test_full(void **state)
{
    static struct ask_waiter waiters[ASK_WAITERS_MAX + 1];
    struct ask_waiter late = {0};

    (void)state;
    memset(waiters, 0, sizeof waiters);
    for (unsigned i = 0; i < ASK_QUESTIONS_MAX; i++) {
        assert_true(put(i, &waiters[i], 0));
    }
    assert_false(put(ASK_QUESTIONS_MAX, &late, 0));
    assert_null(late.question);
    for (unsigned i = ASK_QUESTIONS_MAX; i < ASK_WAITERS_MAX; i++) {
        assert_true(put(i % ASK_QUESTIONS_MAX, &waiters[i], 0));
    }
    assert_false(put(0, &late, 0));
    ask_remove(&ask, &waiters[0]);
    assert_true(put(0, &late, 0));
}

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 8) % below;
}

/* The model: which keys wait. */
static void test_random_steps(void **state)
{
    enum { WAITERS = 300, KEYS = 80, STEPS = 200000 };
    static struct ask_waiter waiters[WAITERS];
    static unsigned keys[WAITERS];
    uint32_t seed = 4;

    (void)state;
    memset(waiters, 0, sizeof waiters);
    for (uint64_t now = 0; now < STEPS; now++) {
        unsigned at = draw(&seed, WAITERS);
        struct ask_question *question;
        size_t waiting = 0;

        if (waiters[at].question == NULL) {
            keys[at] = draw(&seed, KEYS);
            (void)put(keys[at], &waiters[at], now);
        } else if (draw(&seed, 2) == 0) {
            ask_remove(&ask, &waiters[at]);
        }
        question = ask_overdue(&ask, now);
        while (question != NULL && ask_take(&ask, question) != NULL) {
        }
        if (question != NULL) {
            ask_close(&ask, question, draw(&seed, 2) == 0, now);
        }
        for (unsigned i = 0; i < WAITERS && now % 512 == 0; i++) {
            waiting += waiters[i].question != NULL;
            if (waiters[i].question != NULL) {
                struct ask_key key = key_of(keys[i]);

                assert_memory_equal(&waiters[i].question->key, &key, sizeof key);
                assert_true(waiters[i].question->deadline_ns <=
                            waiters[i].question->put_ns + LONGEST);
            }
        }
        assert_true(now % 512 != 0 || waiting == ask.waiters);
    }
}

static void test_words(void **state)
{
    (void)state;
    assert_null(ask_answer_text(ASK_NOTHING));
    for (int i = ASK_ONCE; i <= ASK_NO_ANSWER; i++) {
        assert_non_null(ask_answer_text((enum ask_answer)i));
        assert_int_equal(ask_answer_allows((enum ask_answer)i), i == ASK_ONCE || i == ASK_ALWAYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equal_ones_are_one, setup),
        cmocka_unit_test_setup(test_the_answer_goes_to_all, setup),
        cmocka_unit_test_setup(test_time, setup),
        cmocka_unit_test_setup(test_time_anew, setup),
        cmocka_unit_test_setup(test_no_time_anew_without_a_person, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_random_steps, setup),
        cmocka_unit_test_setup(test_words, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
