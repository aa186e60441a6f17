/* SPDX-License-Identifier: MIT */
/* Segments that come late for what a SYN cookie opened, and what is over (RFC 4987 3.6). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void always(struct berth_config *config)
{
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_ALWAYS;
}

/* A client that asks and is through, its FIN first, so that nothing of it is in TIME-WAIT here. */
static void ask_and_close(struct talk *talk)
{
    talk_in(talk, "S 0 win 1000 mss 1460");
    talk_out(talk, "S. 0 ack 1");
    talk_in(talk, "FP. 1+10 ack 1 win 1000");
    talk_accept(talk);
    talk_read(talk, 0, 10);
    assert_int_equal(berth_tcp_close(talk->berth, talk->id), 0);
    talk_collect(talk);
    talk_forget(talk);
    talk_in(talk, ". 12 ack 2 win 1000");
    talk_silent(talk);
    assert_int_equal(talk_connections(talk), 0);
}

static void text_is_not_brought_twice(void **state)
{
    (void)state;
    struct talk talk;
    berth_id again;
    talk_begin(&talk, always);
    talk_listen(&talk);
    ask_and_close(&talk);
    talk_in(&talk, "FP. 1+10 ack 1 win 1000"); /* a copy that took another way */
    talk_out(&talk, "R 1");
    talk_silent(&talk);
    assert_int_equal(talk_connections(&talk), 0);
    assert_int_equal(berth_tcp_accept(talk.berth, talk.listener, NULL, &again), BERTH_E_AGAIN);
    talk_end(&talk);
}

static void after_a_reset_neither(void **state)
{
    (void)state;
    struct talk talk;
    berth_id again;
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, "P. 1+10 ack 1 win 1000");
    talk_accept(&talk);
    talk_forget(&talk);
    talk_in(&talk, "R 11");
    talk_in(&talk, "P. 1+10 ack 1 win 1000");
    talk_out(&talk, "R 1");
    assert_int_equal(berth_tcp_accept(talk.berth, talk.listener, NULL, &again), BERTH_E_AGAIN);
    talk_end(&talk);
}

/* The same two ends once more, from another number: that is a new one. */
static void a_new_one_opens(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk_listen(&talk);
    ask_and_close(&talk);
    talk.peer_iss += 100000;
    ask_and_close(&talk);
    talk_end(&talk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {"RFC 4987 3.6: what a cookie has opened it does not open again", text_is_not_brought_twice,
         NULL, NULL, NULL},
        {"RFC 4987 3.6: nor after a RST", after_a_reset_neither, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie of the same ends opens anew", a_new_one_opens, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
