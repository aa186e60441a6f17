/* SPDX-License-Identifier: MIT */
/* Urgent data (RFC 9293 3.8.5, RFC 6093), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Was the owner told of a mark since the last time it was asked? */
static bool is_told(struct talk *talk)
{
    bool told = (talk->events & BERTH_EVENT_URGENT) != 0;
    talk->events = 0;
    return told;
}

static uint32_t left(struct talk *talk)
{
    return talk_info(talk).urgent_bytes;
}

static void delivered_in_line(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk.events = 0;
    talk_in(&talk, "PU. 1+10 ack 1 urg 4"); /* four bytes are urgent; the fifth is not */
    talk_out(&talk, ". 1 ack 11");
    assert_true(is_told(&talk));
    assert_int_equal(left(&talk), 4);
    uint8_t bytes[20];
    size_t got = 0;
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 4); /* up to the mark, and it is clear where that is */
    assert_int_equal(left(&talk), 0);
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, bytes + 4, sizeof bytes - 4, &got), 0);
    assert_int_equal(got, 6);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(bytes[i], talk_byte(i)); /* nothing is missing */
    }
    talk_end(&talk);
}

static void told_when_the_mark_moves(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk.events = 0;
    talk_in(&talk, "U. 1+10 ack 1 urg 10");
    assert_true(is_told(&talk));
    talk_in(&talk, "U. 1+10 ack 1 urg 10"); /* the same again */
    assert_false(is_told(&talk));
    talk_in(&talk, "U. 11+10 ack 1 urg 500"); /* further on, past what has come */
    assert_true(is_told(&talk));
    assert_int_equal(left(&talk), 510);
    talk_read(&talk, 0, 20);
    assert_int_equal(left(&talk), 490);
    talk_in(&talk, "U. 21+10 ack 1 urg 490");
    assert_false(is_told(&talk));
    talk_in(&talk, "U. 31+10 ack 1 urg 10"); /* it does not recede */
    assert_false(is_told(&talk));
    assert_int_equal(left(&talk), 490);
    talk_in(&talk, ". 41+470 ack 1");
    talk_read(&talk, 20, 490);
    assert_int_equal(left(&talk), 0);
    talk.events = 0;
    talk_in(&talk, "U. 511+10 ack 1 urg 0"); /* marks that lie behind */
    talk_in(&talk, "U. 501+30 ack 1 urg 3");
    assert_false(is_told(&talk));
    talk_in(&talk, "U. 531+1 ack 1 urg 1");
    assert_true(is_told(&talk));
    talk_forget(&talk);
    talk_end(&talk);
}

/* The mark is still there for who reads when all else is over. */
static void read_after_the_end(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_shutdown(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "F. 1+0 ack 1");
    talk_in(&talk, ". 1 ack 2");
    talk_in(&talk, "FPU. 1+10 ack 2 urg 4");
    talk_out(&talk, ". 2 ack 12");
    assert_int_equal(left(&talk), 4);
    uint8_t bytes[20];
    size_t got = 0;
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 4);
    assert_int_equal(left(&talk), 0);
    assert_int_equal(berth_tcp_read(talk.berth, talk.id, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 6);
    talk_end(&talk);
}

static void told_though_the_window_is_shut(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_RECEIVE_BYTES, 2048), 0);
    uint32_t at = 1;
    while (talk_info(&talk).rcv_wnd > 0) {
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", at);
        talk_in(&talk, text);
        at = (uint32_t)talk_info(&talk).bytes_received + 1;
        talk_forget(&talk);
    }
    talk.events = 0;
    char text[64];
    snprintf(text, sizeof text, "U. %u+1 ack 1 urg 1", at);
    talk_in(&talk, text);
    assert_true(is_told(&talk));
    assert_int_equal(left(&talk), at);
    snprintf(text, sizeof text, ". 1 ack %u win 0", at); /* the byte was not taken */
    talk_out(&talk, text);
    talk_end(&talk);
}

static void a_mark_past_the_end(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "U. 1+10 ack 1 urg 60000");
    talk_in(&talk, "F. 11 ack 1"); /* what it points to will not come */
    talk_forget(&talk);
    assert_int_equal(left(&talk), 10);
    talk_in(&talk, "U. 12 ack 1 urg 60000"); /* 3.10.7.4, sixth: after the FIN it says nothing */
    assert_int_equal(left(&talk), 10);
    talk_read(&talk, 0, 10);
    assert_int_equal(left(&talk), 0);
    talk_end(&talk);
}

/* Writes BYTES of the pattern from stream offset AT on, without pulling what comes of it. */
static void put(struct talk *talk, uint32_t at, uint32_t bytes)
{
    uint8_t data[4096];
    size_t taken = 0;
    assert_true(bytes <= sizeof data);
    for (uint32_t i = 0; i < bytes; i++) {
        data[i] = talk_byte(at + i);
    }
    assert_int_equal(berth_tcp_write(talk->berth, talk->id, data, bytes, &taken), 0);
    assert_int_equal(taken, bytes);
}

static void sent_with_a_mark(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), BERTH_E_STATE); /* no data, no mark */
    put(&talk, 0, 10);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    put(&talk, 10, 20);
    talk_collect(&talk);
    talk_out(&talk, "PU. 1+30 ack 1 urg 10"); /* to the byte after the last urgent one */
    talk_wait_out_ms(&talk, 10000);
    talk_out(&talk, "PU. 1+30 ack 1 urg 10"); /* a copy says the same */
    talk_in(&talk, ". 1 ack 31");
    put(&talk, 30, 20);
    talk_collect(&talk);
    talk_out(&talk, "P. 31+20 ack 1"); /* the flag is gone with the urgent data */
    talk_end(&talk);
}

static void sent_of_any_length(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    for (uint32_t at = 0; at < 80000; at += 4000) {
        put(&talk, at, 4000);
    }
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    put(&talk, 80000, 4000);
    talk_collect(&talk);
    uint32_t seq = 1;
    while (seq < 84001) {
        char text[64];
        uint32_t bytes = min_u32(1460, 84001 - seq);
        uint32_t urgent = seq < 80001 ? min_u32(80001 - seq, 65535) : 0;
        snprintf(text, sizeof text, "%s%s %u+%u urg %u", seq + bytes == 84001 ? "P" : "",
                 urgent > 0 ? "U." : ".", seq, bytes, urgent);
        talk_out(&talk, text);
        seq += bytes;
        snprintf(text, sizeof text, ". 1 ack %u", seq);
        talk_in(&talk, text);
    }
    talk_end(&talk);
}

static void sent_though_the_window_is_shut(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    put(&talk, 0, 10);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "U. 1+0 ack 1 urg 10");
    talk_wait_out_ms(&talk, 10000);
    talk_out(&talk, "U. 0+0 ack 1 urg 11"); /* the probe too */
    talk_in(&talk, ". 1 ack 1 win 5000");
    talk_out(&talk, "PU. 1+10 urg 10");
    talk_end(&talk);
}

static void segmenting(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4;
}

static void sent_in_segments_of_its_own(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, segmenting);
    talk_established(&talk);
    put(&talk, 0, 3000);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    talk_collect(&talk); /* a link that cuts would repeat the pointer, which counts from SEQ */
    assert_int_equal(talk.out_count, 3);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-30, MUST-62: urgent data is delivered in line", delivered_in_line, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-32, MUST-33: the owner is told of each mark", told_when_the_mark_moves,
         NULL, NULL, NULL},
        {"RFC 9293 MUST-66: a mark though the window is shut", told_though_the_window_is_shut, NULL,
         NULL, NULL},
        {"RFC 9293 MUST-33: the mark outlives the connection", read_after_the_end, NULL, NULL,
         NULL},
        {"RFC 9293 3.10.7.4: a mark past the end", a_mark_past_the_end, NULL, NULL, NULL},
        {"RFC 9293 MUST-30, MUST-62: urgent data is sent with a mark", sent_with_a_mark, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-31: urgent data of any length", sent_of_any_length, NULL, NULL, NULL},
        {"RFC 9293 3.8.5: the peer is told though its window is shut",
         sent_though_the_window_is_shut, NULL, NULL, NULL},
        {"RFC 9293 3.8.5: no super-segment points to a mark", sent_in_segments_of_its_own, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
