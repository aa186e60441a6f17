/* SPDX-License-Identifier: MIT */
/*
 * Writing in place: room is given until the next call on the stack, and what is committed is what
 * was written there, or nothing.
 */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Room for BYTES: how many views. */
static uint32_t reserve(struct talk *talk, uint32_t bytes, struct berth_view views[4])
{
    uint32_t count = 0;
    assert_int_equal(berth_tcp_reserve(talk->berth, talk->id, bytes, views, 4, &count), 0);
    return count;
}

static int commit(struct talk *talk, uint32_t bytes)
{
    int result = berth_tcp_commit(talk->berth, talk->id, bytes);
    talk_collect(talk);
    return result;
}

/* 100 bytes are on their way, in a buffer that has room behind them. */
static void begin(struct talk *talk)
{
    talk_begin(talk, NULL);
    talk_established(talk);
    talk_write(talk, 100);
    talk_out(talk, "P. 1+100 ack 1");
}

static void room_behind_what_was_acknowledged(void **state)
{
    (void)state;
    struct talk talk;
    struct berth_view views[4];
    begin(&talk);
    assert_int_equal(reserve(&talk, 500, views), 1);
    talk_in(&talk, ". 1 ack 101"); /* that buffer is nobody's now */
    assert_int_equal(commit(&talk, 500), BERTH_E_INVALID);
    talk_silent(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 101+10 ack 1");
    talk_end(&talk);
}

/* Its first part is gone: the second is not taken for it. */
static void room_in_two_parts(void **state)
{
    (void)state;
    struct talk talk;
    struct berth_view views[4];
    begin(&talk);
    assert_int_equal(reserve(&talk, 4000, views), 2);
    talk_in(&talk, ". 1 ack 101");
    assert_int_equal(commit(&talk, 1000), BERTH_E_INVALID);
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).send_queue_bytes, 0);
    talk_end(&talk);
}

static void room_that_nobody_asked_for(void **state)
{
    (void)state;
    struct talk talk;
    struct berth_view views[4];
    begin(&talk);
    assert_int_equal(commit(&talk, 10), BERTH_E_INVALID);
    assert_int_equal(reserve(&talk, 500, views), 1);
    for (uint32_t i = 0; i < 10; i++) {
        ((uint8_t *)views[0].data)[i] = talk_byte(100 + i);
    }
    assert_int_equal(commit(&talk, 10), 0);
    assert_int_equal(commit(&talk, 10), BERTH_E_INVALID); /* once is all */
    assert_int_equal(commit(&talk, 0), 0);
    talk_in(&talk, ". 1 ack 101");
    talk_out(&talk, "P. 101+10 ack 1");
    talk_silent(&talk);
    talk_end(&talk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_behind_what_was_acknowledged),
        cmocka_unit_test(room_in_two_parts),
        cmocka_unit_test(room_that_nobody_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
